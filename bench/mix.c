/* The mixes, and their requests as bytes: see mix.h. A command is written here as a person would type it,
 * with the words {key}, {value}, {ttl} and {deadline} in the places that differ from request to request. */
#include "mix.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES   16 /* of a key, after its prefix, and at the start of a value */
#define CHANGING_BYTES 10 /* the last of them: all that is ever rewritten */
#define DEADLINE_BYTES 13 /* a Unix time in milliseconds, until the year 2286 */
#define KEY_PREFIX     "key:"
#define WORDS          8
#define GET_VALUE                    \
    {                                \
        "GET {key}", MIX_REPLY_VALUE \
    }

typedef struct command {
    const char *text;
    mix_reply reply;
} command;

/* clang-format off */
static const struct {
    const char *name;
    bool one_key;
    command commands[MIX_MAX_COMMANDS];
} mixes[] = {
    {"set", false, {{"SET {key} {value} EX {ttl}", MIX_REPLY_OK}}},
    {"get", false, {GET_VALUE}},
    {"incr", false, {{"INCR {key}", MIX_REPLY_INTEGER}}},
    {"ping", false, {{"PING", MIX_REPLY_LINE}}},
    {"cache", false, {GET_VALUE, GET_VALUE, GET_VALUE, GET_VALUE, GET_VALUE, GET_VALUE, GET_VALUE, GET_VALUE,
                      GET_VALUE, {"SET {key} {value} EX {ttl}", MIX_REPLY_OK}}},
    {"srp", true, {{"SET {key} {value} EX {ttl}", MIX_REPLY_OK}, GET_VALUE,
                   {"GETDEL {key}", MIX_REPLY_VALUE}}},
    {"queue", true, {{"LPUSH {key} {value}", MIX_REPLY_INTEGER}, {"RPOP {key}", MIX_REPLY_VALUE}}},
    {"session", true, {{"HSET {key} user {value}", MIX_REPLY_INTEGER},
                       {"EXPIRE {key} {ttl}", MIX_REPLY_INTEGER},
                       {"HGET {key} user", MIX_REPLY_VALUE}}},
    {"lock", true, {{"SET {key} {value} NX EX {ttl}", MIX_REPLY_OK}, {"DEL {key}", MIX_REPLY_INTEGER}}},
    {"deadline", false, {{"SET {key} {value} PXAT {deadline}", MIX_REPLY_OK}}},
};
/* clang-format on */

#define MIXES (sizeof mixes / sizeof mixes[0])

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes);
    if (!memory) {
        fprintf(stderr, "load: out of memory\n");
        exit(1);
    }
    return memory;
}

/* Writes the last ten digits of `number` to `out`. */
static void digits_write(char *out, uint64_t number)
{
    for (int32_t i = CHANGING_BYTES - 1; i >= 0; i--) {
        out[i] = (char)('0' + number % 10);
        number /= 10;
    }
}

/* Appends one argument of a request at `out` and returns its end; notes where the changing digits are. */
static char *argument_write(mix *self, mix_request *request, char *start, char *out, const char *word)
{
    const mix_settings *settings = &self->settings;
    size_t length = strlen(word);
    char ttl[16];
    if (strcmp(word, "{key}") == 0) {
        out += sprintf(out, "$%d\r\n%s%0*d", MIX_KEY_BYTES, KEY_PREFIX, NUMBER_BYTES, 0);
        request->key_at = (size_t)(out - start) - CHANGING_BYTES;
    } else if (strcmp(word, "{value}") == 0) {
        out += sprintf(out, "$%zu\r\n", settings->value_bytes);
        memset(out, '0', settings->value_bytes);
        if (settings->value_bytes > NUMBER_BYTES)
            memset(out + NUMBER_BYTES, 'x', settings->value_bytes - NUMBER_BYTES);
        if (settings->value_bytes >= NUMBER_BYTES)
            request->value_at = (size_t)(out - start) + NUMBER_BYTES - CHANGING_BYTES;
        out += settings->value_bytes;
    } else if (strcmp(word, "{deadline}") == 0) {
        out += sprintf(out, "$%d\r\n%0*d", DEADLINE_BYTES, DEADLINE_BYTES, 0);
        request->deadline_at = (size_t)(out - start) - DEADLINE_BYTES;
    } else if (strcmp(word, "{ttl}") == 0) {
        int digits = snprintf(ttl, sizeof ttl, "%" PRIu32, settings->ttl_seconds);
        out += sprintf(out, "$%d\r\n%s", digits, ttl);
    } else {
        out += sprintf(out, "$%zu\r\n%s", length, word);
    }
    memcpy(out, "\r\n", 2);
    return out + 2;
}

/* Writes one command as a RESP array at `out` and returns its end. */
static char *request_write(mix *self, mix_request *request, char *out, const char *text)
{
    char copy[128];
    snprintf(copy, sizeof copy, "%s", text);
    const char *words[WORDS];
    uint32_t count = 0;
    for (char *rest = copy, *word = strtok_r(rest, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    char *start = out;
    out += sprintf(out, "*%" PRIu32 "\r\n", count);
    for (uint32_t i = 0; i < count; i++)
        out = argument_write(self, request, start, out, words[i]);
    return out;
}

/* Writes one turn, then repeats it until any batch fits. */
static void mix_lay_out(mix *self, const command *commands)
{
    size_t room = MIX_MAX_COMMANDS * (self->settings.value_bytes + 256);
    char *turn = allocate(room);
    char *end = turn;
    for (self->count = 0; self->count < MIX_MAX_COMMANDS && commands[self->count].text; self->count++) {
        mix_request *request = &self->requests[self->count];
        *request = (mix_request){.at = (size_t)(end - turn), .reply = commands[self->count].reply};
        end = request_write(self, request, end, commands[self->count].text);
        request->bytes = (size_t)(end - turn) - request->at;
    }
    self->turn_bytes = (size_t)(end - turn);
    size_t turns = self->settings.batch / self->count + 2;
    self->bytes = allocate(turns * self->turn_bytes);
    for (size_t i = 0; i < turns; i++)
        memcpy(self->bytes + i * self->turn_bytes, turn, self->turn_bytes);
    free(turn);
}

bool mix_init(mix *self, const char *name, const mix_settings *settings)
{
    memset(self, 0, sizeof *self);
    self->settings = *settings;
    self->value_header_bytes =
        (size_t)snprintf(self->value_header, sizeof self->value_header, "$%zu\r\n", settings->value_bytes);
    for (size_t i = 0; i < MIXES; i++) {
        if (strcmp(mixes[i].name, name) == 0) {
            self->one_key = mixes[i].one_key;
            mix_lay_out(self, mixes[i].commands);
            return true;
        }
    }
    return false;
}

void mix_list(void)
{
    for (size_t i = 0; i < MIXES; i++) {
        fprintf(stderr, "  %-9s", mixes[i].name);
        for (size_t j = 0; j < MIX_MAX_COMMANDS && mixes[i].commands[j].text; j++)
            fprintf(stderr, "%s%s", j ? ", " : "", mixes[i].commands[j].text);
        fprintf(stderr, "\n");
    }
}

uint32_t mix_next(const mix *self, uint32_t request)
{
    return request + 1 == self->count ? 0 : request + 1;
}

/* Deadlines lie evenly over their spread, in an order that has nothing to do with that of the keys. */
static uint64_t deadline_of(const mix_settings *settings, uint64_t key)
{
    uint64_t mixed = (key + 1) * UINT64_C(0x9E3779B97F4A7C15);
    return settings->deadline_ms + ((mixed >> 32) * (settings->deadline_spread + UINT64_C(1)) >> 32);
}

void mix_address(mix *self, uint32_t position, uint64_t key)
{
    const mix_request *request = &self->requests[position % self->count];
    char *bytes = self->bytes + position / self->count * self->turn_bytes + request->at;
    if (!request->key_at)
        return;
    digits_write(bytes + request->key_at, key);
    if (request->value_at)
        memcpy(bytes + request->value_at, bytes + request->key_at, CHANGING_BYTES);
    if (request->deadline_at) {
        char text[DEADLINE_BYTES + 8];
        snprintf(text, sizeof text, "%013" PRIu64, deadline_of(&self->settings, key));
        memcpy(bytes + request->deadline_at, text, DEADLINE_BYTES);
    }
}

const char *mix_batch(const mix *self, uint32_t first, uint32_t requests, size_t *bytes)
{
    uint32_t end = first + requests;
    size_t begin_at = self->requests[first].at;
    size_t end_at = end / self->count * self->turn_bytes + self->requests[end % self->count].at;
    *bytes = end_at - begin_at;
    return self->bytes + begin_at;
}

static int64_t check_value(const mix *self, uint64_t key, const char *data, size_t size)
{
    size_t header = self->value_header_bytes;
    size_t value = self->settings.value_bytes;
    if (memcmp(data, self->value_header, size < header ? size : header) != 0)
        return -1;
    if (size < header + value + 2)
        return 0;
    if (self->settings.check_values && value >= NUMBER_BYTES) {
        char digits[CHANGING_BYTES];
        digits_write(digits, key);
        if (memcmp(data + header + NUMBER_BYTES - CHANGING_BYTES, digits, CHANGING_BYTES) != 0)
            return -1;
    }
    return memcmp(data + header + value, "\r\n", 2) == 0 ? (int64_t)(header + value + 2) : -1;
}

static int64_t check_line(char type, const char *data, size_t size)
{
    if (data[0] != type)
        return -1;
    const char *end = memchr(data, '\n', size);
    return end ? end - data + 1 : 0;
}

int64_t mix_check(const mix *self, uint32_t request, uint64_t key, const char *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (self->requests[request].reply) {
    case MIX_REPLY_OK:
        if (memcmp(data, "+OK\r\n", size < 5 ? size : 5) != 0)
            return -1;
        return size < 5 ? 0 : 5;
    case MIX_REPLY_VALUE: return check_value(self, key, data, size);
    case MIX_REPLY_INTEGER: return check_line(':', data, size);
    case MIX_REPLY_LINE: return check_line('+', data, size);
    }
    return -1;
}

size_t mix_largest_reply(const mix *self)
{
    size_t value = self->value_header_bytes + self->settings.value_bytes + 2;
    return value > 64 ? value : 64;
}

void mix_print_floor_steps(const mix *self)
{
    for (uint32_t i = 0; i < self->count; i++) {
        const mix_request *request = &self->requests[i];
        if (request->reply == MIX_REPLY_VALUE)
            printf("%zu:%zu\n", request->bytes, self->settings.value_bytes);
        else if (request->reply == MIX_REPLY_INTEGER)
            printf("%zu:int\n", request->bytes);
        else
            printf("%zu:ok\n", request->bytes);
    }
}
