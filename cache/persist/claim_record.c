#include "persist/claim_record.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "persist/crc64.h"

static void read_boot(char boot[CLAIM_BOOT_SIZE])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, boot, CLAIM_BOOT_SIZE - 1) : 0;
    if (fd >= 0) {
        close(fd);
    }
    boot[len > 0 ? len : 0] = '\0';
    boot[strcspn(boot, "\n")] = '\0';
    if (boot[0] == '\0') {
        strcpy(boot, "unknown");
    }
}

void claim_record_new(struct claim_record *record)
{
    uint64_t random[2];
    memset(record, 0, sizeof *record);
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        random[0] = (uint64_t)clock_wall_us();
        random[1] = (uint64_t)getpid();
    }
    snprintf(record->owner, sizeof record->owner, "%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    if (gethostname(record->host, sizeof record->host - 1) != 0 || record->host[0] == '\0') {
        strcpy(record->host, "unknown");
    }
    read_boot(record->boot);
    record->pid = getpid();
}

static const char *const words[] = {
    [CLAIM_UNREADABLE] = "", [CLAIM_ASKED] = "asked", [CLAIM_HOLDS] = "held", [CLAIM_FREE] = "free"};

void claim_record_write(const struct claim_record *r, char bytes[CLAIM_RECORD_SIZE])
{
    memset(bytes, '\n', CLAIM_RECORD_SIZE);
    int len = snprintf(
        bytes, CLAIM_RECORD_SIZE,
        "ordinal-claim 1\nowner %s\nhost %s\npid %lld\nboot %s\ndevice %llu\nlocks %d\nepoch %llu\n"
        "state %s\nbeat %llu\ntime %lld\n",
        r->owner, r->host, (long long)r->pid, r->boot, (unsigned long long)r->device, r->locks,
        (unsigned long long)r->epoch, words[r->state], (unsigned long long)r->beat, (long long)r->wall_ms);
    uint64_t sum = crc64(0, bytes, (size_t)len);
    len += snprintf(bytes + len, (size_t)(CLAIM_RECORD_SIZE - len), "sum %016llx\n", (unsigned long long)sum);
    bytes[len] = '\n'; /* where snprintf put its zero */
}

static bool read_fields(struct claim_record *r, const char *text)
{
    char state[16];
    int locks;
    long long pid, wall;
    unsigned long long device, epoch, beat;
    int found = sscanf(text,
                       "ordinal-claim 1\nowner %32s\nhost %255s\npid %lld\nboot %63s\ndevice %llu\nlocks %d\n"
                       "epoch %llu\nstate %15s\nbeat %llu\ntime %lld\n",
                       r->owner, r->host, &pid, r->boot, &device, &locks, &epoch, state, &beat, &wall);
    if (found != 10) {
        return false;
    }
    r->pid = pid;
    r->device = device;
    r->epoch = epoch;
    r->beat = beat;
    r->wall_ms = wall;
    r->locks = locks != 0;
    for (int word = CLAIM_ASKED; word <= CLAIM_FREE; word++) {
        if (strcmp(state, words[word]) == 0) {
            r->state = (enum claim_word)word;
        }
    }
    return r->state != CLAIM_UNREADABLE;
}

void claim_record_read(struct claim_record *record, const char *bytes, size_t len)
{
    char text[CLAIM_RECORD_SIZE + 1];
    unsigned long long sum;
    memset(record, 0, sizeof *record);
    len = len < CLAIM_RECORD_SIZE ? len : CLAIM_RECORD_SIZE;
    memcpy(text, bytes, len);
    text[len] = '\0';
    const char *end = strstr(text, "\nsum ");
    if (end == NULL || sscanf(end, "\nsum %16llx", &sum) != 1 ||
        crc64(0, text, (size_t)(end + 1 - text)) != (uint64_t)sum || !read_fields(record, text)) {
        memset(record, 0, sizeof *record);
    }
}

bool claim_record_same(const struct claim_record *a, const struct claim_record *b)
{
    return a->epoch == b->epoch && a->beat == b->beat && a->state == b->state &&
           strcmp(a->owner, b->owner) == 0;
}
