/* The mixes, and their requests as bytes: see mix.h. A command is written here as a person would type it,
 * with the words {key}, {value}, {ttl} and {deadline} in the places that differ from request to request; a
 * reply that is an array is written after it in the same way. */
#include "mix.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES   16 /* of a key, after its prefix, and at the start of a value */
#define CHANGING_BYTES 10 /* the last of them: all that is ever rewritten */
#define DEADLINE_BYTES 13 /* a Unix time in milliseconds, until the year 2286 */
#define KEY_PREFIX     "key:"
#define WORDS          32
#define TEXT_BYTES     512
#define REPLY          " => " /* what follows is the array to be answered with */
#define GET_VALUE                    \
    {                                \
        "GET {key}", MIX_REPLY_VALUE \
    }

typedef struct command {
    const char *text;
    mix_reply reply;
} command;

/* What the small collections hold: a hash of five fields, and ten of everything else. */
#define HASH_FIELDS "field:1 {value} field:2 {value} field:3 {value} field:4 {value} field:5 {value}"
#define LIST_VALUES "{value} {value} {value} {value} {value} {value} {value} {value} {value} {value}"
#define SET_MEMBERS \
    "member:01 member:02 member:03 member:04 member:05 member:06 member:07 member:08 member:09 member:10"
#define ZSET_MEMBERS                                                                                   \
    "1 member:01 2 member:02 3 member:03 4 member:04 5 member:05 6 member:06 7 member:07 8 member:08 " \
    "9 member:09 10 member:10"
#define SET_MEMBERS_MOVED \
    "member:02 member:03 member:04 member:05 member:06 member:07 member:08 member:09 member:10 member:01"

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
    {"small-hash", false, {{"HSET {key} " HASH_FIELDS, MIX_REPLY_INTEGER}}},
    {"small-list", false, {{"RPUSH {key} " LIST_VALUES, MIX_REPLY_INTEGER}}},
    {"small-set", false, {{"SADD {key} " SET_MEMBERS, MIX_REPLY_INTEGER}}},
    {"small-zset", false, {{"ZADD {key} " ZSET_MEMBERS, MIX_REPLY_INTEGER}}},
    {"hset", false, {{"HSET {key} field:3 {value}", MIX_REPLY_INTEGER}}},
    {"hget", false, {{"HGET {key} field:3", MIX_REPLY_VALUE}}},
    {"hgetall", false, {{"HGETALL {key}" REPLY HASH_FIELDS, MIX_REPLY_ARRAY}}},
    {"members", true, {{"SADD {key} {value}", MIX_REPLY_ONE}, {"SISMEMBER {key} {value}", MIX_REPLY_ONE},
                       {"SREM {key} {value}", MIX_REPLY_ONE},
                       {"SISMEMBER {key} member:05", MIX_REPLY_ONE}}},
    {"ranks", true, {{"ZADD {key} 11 member:01", MIX_REPLY_INTEGER},
                     {"ZRANGE {key} 0 9" REPLY SET_MEMBERS_MOVED, MIX_REPLY_ARRAY},
                     {"ZADD {key} 1 member:01", MIX_REPLY_INTEGER},
                     {"ZRANGE {key} 0 9" REPLY SET_MEMBERS, MIX_REPLY_ARRAY}}},
    {"publish", false, {{"PUBLISH bench:channel {value}", MIX_REPLY_COUNT}}},
    {"large-set", false, {{"SADD large:set {key}", MIX_REPLY_INTEGER}}},
    {"large-list", false, {{"LPUSH large:list {value}", MIX_REPLY_INTEGER}}},
    {"ends", false, {{"LPUSH large:list {value}", MIX_REPLY_INTEGER}, {"RPOP large:list", MIX_REPLY_BULK},
                     {"RPUSH large:list {value}", MIX_REPLY_INTEGER}, {"LPOP large:list", MIX_REPLY_BULK}}},
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

/* Appends one element of an array at `out` and returns its end; notes where the changing digits are. */
static char *element_write(const mix_settings *settings, mix_places *places, char *start, char *out,
                           const char *word)
{
    char ttl[16];
    if (strcmp(word, "{key}") == 0) {
        out += sprintf(out, "$%d\r\n%s%0*d", MIX_KEY_BYTES, KEY_PREFIX, NUMBER_BYTES, 0);
        places->key_at = (size_t)(out - start) - CHANGING_BYTES;
    } else if (strcmp(word, "{value}") == 0) {
        out += sprintf(out, "$%zu\r\n", settings->value_bytes);
        memset(out, '0', settings->value_bytes);
        if (settings->value_bytes > NUMBER_BYTES)
            memset(out + NUMBER_BYTES, 'x', settings->value_bytes - NUMBER_BYTES);
        if (settings->value_bytes >= NUMBER_BYTES)
            places->value_at[places->values++] = (size_t)(out - start) + NUMBER_BYTES - CHANGING_BYTES;
        out += settings->value_bytes;
    } else if (strcmp(word, "{deadline}") == 0) {
        out += sprintf(out, "$%d\r\n%0*d", DEADLINE_BYTES, DEADLINE_BYTES, 0);
        places->deadline_at = (size_t)(out - start) - DEADLINE_BYTES;
    } else if (strcmp(word, "{ttl}") == 0) {
        int digits = snprintf(ttl, sizeof ttl, "%" PRIu32, settings->ttl_seconds);
        out += sprintf(out, "$%d\r\n%s", digits, ttl);
    } else {
        out += sprintf(out, "$%zu\r\n%s", strlen(word), word);
    }
    memcpy(out, "\r\n", 2);
    return out + 2;
}

/* Writes words as a RESP array at `out` and returns its end: a command, or a reply. */
static char *array_write(const mix_settings *settings, mix_places *places, char *out, const char *text)
{
    char copy[TEXT_BYTES];
    snprintf(copy, sizeof copy, "%s", text);
    const char *words[WORDS];
    uint32_t count = 0;
    for (char *rest = copy, *word = strtok_r(rest, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    char *start = out;
    out += sprintf(out, "*%" PRIu32 "\r\n", count);
    for (uint32_t i = 0; i < count; i++)
        out = element_write(settings, places, start, out, words[i]);
    return out;
}

/* The most bytes that one array takes. */
static size_t array_room(const mix_settings *settings)
{
    return MIX_MAX_VALUES * settings->value_bytes + WORDS * 16 + TEXT_BYTES;
}

/* Writes one request at `out` and returns its end; lays out the array that answers it, if one does. */
static char *request_lay_out(mix *self, mix_request *request, const command *source, char *out)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "%s", source->text);
    char *array = strstr(text, REPLY);
    if (array) {
        *array = '\0';
        request->expected = allocate(array_room(&self->settings));
        char *end =
            array_write(&self->settings, &request->expected_places, request->expected, array + strlen(REPLY));
        request->expected_bytes = (size_t)(end - request->expected);
    }
    char *end = array_write(&self->settings, &request->places, out, text);
    request->bytes = (size_t)(end - out);
    request->reply = source->reply;
    return end;
}

/* Writes one turn, then repeats it until any batch fits. */
static void mix_lay_out(mix *self, const command *commands)
{
    char *turn = allocate(MIX_MAX_COMMANDS * array_room(&self->settings));
    char *end = turn;
    for (self->count = 0; self->count < MIX_MAX_COMMANDS && commands[self->count].text; self->count++) {
        mix_request *request = &self->requests[self->count];
        *request = (mix_request){.at = (size_t)(end - turn)};
        end = request_lay_out(self, request, &commands[self->count], end);
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
    snprintf(self->count_reply, sizeof self->count_reply, ":%" PRIu32 "\r\n", settings->receivers);
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
        fprintf(stderr, "  %-10s", mixes[i].name);
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
    const mix_places *places = &request->places;
    char *bytes = self->bytes + position / self->count * self->turn_bytes + request->at;
    char digits[CHANGING_BYTES];
    digits_write(digits, key);
    if (places->key_at)
        memcpy(bytes + places->key_at, digits, CHANGING_BYTES);
    for (uint32_t i = 0; i < places->values; i++)
        memcpy(bytes + places->value_at[i], digits, CHANGING_BYTES);
    if (places->deadline_at) {
        char text[DEADLINE_BYTES + 8];
        snprintf(text, sizeof text, "%013" PRIu64, deadline_of(&self->settings, key));
        memcpy(bytes + places->deadline_at, text, DEADLINE_BYTES);
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

/* A bulk string as long as a value; with `its_own`, the value of this key. */
static int64_t check_value(const mix *self, uint64_t key, bool its_own, const char *data, size_t size)
{
    size_t header = self->value_header_bytes;
    size_t value = self->settings.value_bytes;
    if (memcmp(data, self->value_header, size < header ? size : header) != 0)
        return -1;
    if (size < header + value + 2)
        return 0;
    if (its_own && self->settings.check_values && value >= NUMBER_BYTES) {
        char digits[CHANGING_BYTES];
        digits_write(digits, key);
        if (memcmp(data + header + NUMBER_BYTES - CHANGING_BYTES, digits, CHANGING_BYTES) != 0)
            return -1;
    }
    return memcmp(data + header + value, "\r\n", 2) == 0 ? (int64_t)(header + value + 2) : -1;
}

static int64_t check_text(const char *wanted, size_t bytes, const char *data, size_t size)
{
    if (memcmp(data, wanted, size < bytes ? size : bytes) != 0)
        return -1;
    return size < bytes ? 0 : (int64_t)bytes;
}

/* The array that belongs to this key: its values' digits are written into what is expected first. */
static int64_t check_array(const mix *self, const mix_request *request, uint64_t key, const char *data,
                           size_t size)
{
    char digits[CHANGING_BYTES];
    digits_write(digits, self->settings.check_values ? key : 0);
    for (uint32_t i = 0; i < request->expected_places.values; i++)
        memcpy(request->expected + request->expected_places.value_at[i], digits, CHANGING_BYTES);
    return check_text(request->expected, request->expected_bytes, data, size);
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
    case MIX_REPLY_OK: return check_text("+OK\r\n", 5, data, size);
    case MIX_REPLY_VALUE: return check_value(self, key, true, data, size);
    case MIX_REPLY_BULK: return check_value(self, key, false, data, size);
    case MIX_REPLY_ARRAY: return check_array(self, &self->requests[request], key, data, size);
    case MIX_REPLY_INTEGER: return check_line(':', data, size);
    case MIX_REPLY_ONE: return check_text(":1\r\n", 4, data, size);
    case MIX_REPLY_COUNT:
        if (self->settings.check_values)
            return check_text(self->count_reply, strlen(self->count_reply), data, size);
        return check_line(':', data, size);
    case MIX_REPLY_LINE: return check_line('+', data, size);
    }
    return -1;
}

size_t mix_largest_reply(const mix *self)
{
    size_t largest = self->value_header_bytes + self->settings.value_bytes + 2;
    for (uint32_t i = 0; i < self->count; i++)
        if (self->requests[i].expected_bytes > largest)
            largest = self->requests[i].expected_bytes;
    return largest > 64 ? largest : 64;
}

/* Prints an array in the form that the floor takes, with `|` for the ends of its lines. */
static void print_array(const mix_request *request)
{
    printf("%zu:=", request->bytes);
    for (size_t i = 0; i < request->expected_bytes; i++) {
        if (request->expected[i] != '\r')
            putchar(request->expected[i] == '\n' ? '|' : request->expected[i]);
    }
    putchar('\n');
}

void mix_print_floor_steps(const mix *self)
{
    for (uint32_t i = 0; i < self->count; i++) {
        const mix_request *request = &self->requests[i];
        switch (request->reply) {
        case MIX_REPLY_VALUE:
        case MIX_REPLY_BULK: printf("%zu:%zu\n", request->bytes, self->settings.value_bytes); break;
        case MIX_REPLY_ARRAY: print_array(request); break;
        case MIX_REPLY_INTEGER:
        case MIX_REPLY_ONE:
        case MIX_REPLY_COUNT: printf("%zu:int\n", request->bytes); break;
        case MIX_REPLY_OK:
        case MIX_REPLY_LINE: printf("%zu:ok\n", request->bytes); break;
        }
    }
}
