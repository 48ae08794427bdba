#include "persist/claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "logger.h"
#include "memory.h"
#include "persist/disk.h"

#define CLAIM_NAME "ordinal.claim"

enum { BEAT_MS = 1000, WATCH_MS = 100, PATH_BYTES = 4096 + 64 };

/* Time that goes on while the machine sleeps: an owner that did must not think that its last look was just now. */
static int64_t boot_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* ---- the folder -------------------------------------------------------------------------------------------- */

static void path_of(const struct claim *c, uint64_t epoch, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/" CLAIM_NAME ".%llu", c->folder, (unsigned long long)epoch);
}

static uint64_t epoch_of(const char *name)
{
    char *end;
    const size_t len = sizeof CLAIM_NAME;
    if (strncmp(name, CLAIM_NAME ".", len) != 0 || name[len] < '1' || name[len] > '9') {
        return 0;
    }
    unsigned long long epoch = strtoull(name + len, &end, 10);
    return *end == '\0' ? epoch : 0;
}

/* The lowest epoch above `above`, and the highest of all; 0: none. False with errno. */
static bool scan(const struct claim *c, uint64_t above, uint64_t *lowest, uint64_t *highest)
{
    DIR *folder = disk_read_folder(c->folder);
    const struct dirent *item;
    *lowest = *highest = 0;
    if (folder == NULL) {
        return false;
    }
    errno = 0;
    while ((item = readdir(folder)) != NULL) {
        uint64_t epoch = epoch_of(item->d_name);
        *highest = epoch > *highest ? epoch : *highest;
        if (epoch > above && (*lowest == 0 || epoch < *lowest)) {
            *lowest = epoch;
        }
    }
    int error = errno;
    closedir(folder);
    errno = error;
    return error == 0;
}

static bool highest_epoch(const struct claim *c, uint64_t *highest)
{
    uint64_t lowest;
    return scan(c, 0, &lowest, highest);
}

/* What the claim of an epoch says. One that is not there, or not written yet, is CLAIM_UNREADABLE. */
static void read_claim(const struct claim *c, uint64_t epoch, struct claim_record *record)
{
    char path[PATH_BYTES], bytes[CLAIM_RECORD_SIZE];
    path_of(c, epoch, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, bytes, sizeof bytes) : 0;
    if (fd >= 0) {
        close(fd);
    }
    claim_record_read(record, bytes, len > 0 ? (size_t)len : 0);
    record->epoch = epoch;
}

/* Writes our own record over itself. */
static bool write_own(struct claim *c)
{
    char bytes[CLAIM_RECORD_SIZE];
    c->own.wall_ms = clock_wall_us() / 1000;
    claim_record_write(&c->own, bytes);
    return lseek(c->fd, 0, SEEK_SET) == 0 && disk_write_all(DISK_CLAIM_WRITE, c->fd, bytes, sizeof bytes) &&
           disk_sync(DISK_CLAIM_SYNC, c->fd);
}

/* Deletes claims below ours, the lowest first, so that nobody who looks finds a gap above it. */
static void delete_older(const struct claim *c)
{
    char path[PATH_BYTES];
    uint64_t lowest, highest;
    while (scan(c, 0, &lowest, &highest) && lowest < c->own.epoch) {
        path_of(c, lowest, path);
        if (unlink(path) != 0) {
            return;
        }
    }
}

/* Tells claim_figures how things are. */
static void tell(struct claim *c)
{
    pthread_mutex_lock(&c->told_lock);
    c->told = (struct claim_figures){
        .state = (enum claim_state)atomic_load(&c->state),
        .epoch = c->own.epoch,
        .beat = c->own.beat,
        .other = c->seen,
        .age = boot_ms() - c->seen_since,
    };
    pthread_mutex_unlock(&c->told_lock);
}

/* ---- what is known of another owner -------------------------------------------------------------------------- */

static void note(struct claim *c, const struct claim_record *record)
{
    if (!claim_record_same(record, &c->seen)) {
        c->seen = *record;
        c->seen_since = boot_ms();
    }
}

static bool stands_still(const struct claim *c)
{
    return boot_ms() - c->seen_since >= c->timeout;
}

static uint64_t device_of(const struct claim *c)
{
    struct stat status;
    return stat(c->folder, &status) == 0 ? (uint64_t)status.st_dev : 0;
}

/* Locks the lock file, for as long as we live; false when somebody has it, or there are no locks here. */
static bool get_lock(struct claim *c)
{
    char path[PATH_BYTES];
    if (c->lock_fd >= 0) {
        return true;
    }
    snprintf(path, sizeof path, "%s/" CLAIM_NAME ".lock", c->folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        c->lock_fd = fd;
        return true;
    }
    if (fd >= 0) {
        close(fd);
    }
    return false;
}

static void drop_lock(struct claim *c)
{
    if (c->lock_fd >= 0) {
        close(c->lock_fd);
        c->lock_fd = -1;
    }
}

static bool is_dead(struct claim *c, const struct claim_record *record)
{
    return record->state == CLAIM_HOLDS && record->locks && strcmp(record->boot, c->own.boot) == 0 &&
           record->device == device_of(c) && get_lock(c);
}

static bool may_be_taken(struct claim *c, const struct claim_record *record)
{
    return record->state == CLAIM_FREE || is_dead(c, record) || stands_still(c);
}

static void describe(const struct claim *c, char *text, size_t size)
{
    const struct claim_record *r = &c->seen;
    long long age = (long long)(boot_ms() - c->seen_since);
    if (r->state == CLAIM_UNREADABLE) {
        snprintf(text, size,
                 "%s is claimed by a process that has not told its name (epoch %llu, %lld ms ago)", c->folder,
                 (unsigned long long)r->epoch, age);
    } else {
        snprintf(text, size,
                 "%s is claimed by process %lld on %s (epoch %llu, heartbeat %llu, unchanged for %lld ms)",
                 c->folder, (long long)r->pid, r->host, (unsigned long long)r->epoch,
                 (unsigned long long)r->beat, age);
    }
}

/* ---- taking it ------------------------------------------------------------------------------------------------ */

/* Gives back the file of an epoch that we asked for, and must not have after all. errno stays. */
static void take_back(struct claim *c)
{
    char path[PATH_BYTES];
    int error = errno;
    path_of(c, c->own.epoch, path);
    close(c->fd);
    c->fd = -1;
    unlink(path);
    errno = error;
}

static bool ask(struct claim *c, uint64_t epoch)
{
    char path[PATH_BYTES];
    path_of(c, epoch, path);
    c->fd = disk_open(DISK_CLAIM_OPEN, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL);
    if (c->fd < 0) {
        return false;
    }
    c->own.epoch = epoch;
    c->own.beat = 1;
    c->own.state = CLAIM_ASKED;
    c->own.device = device_of(c);
    c->own.locks = get_lock(c);
    if (write_own(c)) {
        return true;
    }
    take_back(c);
    return false;
}

/* Nothing has moved while we asked: the claim is ours. */
static bool confirm(struct claim *c, const struct claim_record *before)
{
    struct claim_record now;
    uint64_t highest;
    if (before->epoch > 0) {
        read_claim(c, before->epoch, &now);
        if (!claim_record_same(&now, before)) {
            note(c, &now);
            errno = EBUSY;
            return false;
        }
    }
    c->own.state = CLAIM_HOLDS;
    if (!write_own(c) || !highest_epoch(c, &highest)) {
        return false;
    }
    errno = EBUSY;
    return highest == c->own.epoch;
}

static void become_owner(struct claim *c)
{
    atomic_store(&c->verified, boot_ms());
    atomic_store(&c->state, CLAIM_HELD);
    delete_older(c);
    c->error = 0;
}

/* One attempt; the lock is held. False with c->error. */
static bool try_take(struct claim *c)
{
    struct claim_record record = {.state = CLAIM_FREE};
    uint64_t highest;
    bool good = highest_epoch(c, &highest);
    if (good && highest > 0) {
        read_claim(c, highest, &record);
        note(c, &record);
        good = may_be_taken(c, &record);
        errno = EBUSY; /* when it may not */
    }
    good = good && ask(c, highest + 1);
    if (good && !confirm(c, &record)) {
        take_back(c);
        good = false;
    }
    if (good) {
        become_owner(c);
        return true;
    }
    c->error = errno == EEXIST ? EBUSY : errno;
    drop_lock(c);
    return false;
}

/* ---- keeping it ----------------------------------------------------------------------------------------------- */

static void lose(struct claim *c)
{
    char text[512];
    describe(c, text, sizeof text);
    c->error = ESTALE;
    atomic_store(&c->state, CLAIM_LOST);
    close(c->fd);
    c->fd = -1;
    drop_lock(c);
    logger_warning(
        "The claim on the data folder is lost: %s. This server writes nothing into it any more, and refuses writes; its "
        "data may differ from what is there now. Restart it when that is to be its own again",
        text);
}

/* Somebody has a higher epoch than we. */
static bool face_successor(struct claim *c, uint64_t epoch)
{
    struct claim_record record;
    char path[PATH_BYTES];
    read_claim(c, epoch, &record);
    note(c, &record);
    if (record.state == CLAIM_HOLDS || record.state == CLAIM_FREE) {
        lose(c);
        return false;
    }
    if (stands_still(c)) { /* it asked, and died before it went on: we have been there all the time */
        path_of(c, epoch, path);
        unlink(path);
    }
    c->error = EBUSY;
    return false;
}

/* All claims were deleted, by hand: whoever creates the next one has it. */
static bool create_again(struct claim *c)
{
    struct claim_record nobody = {.state = CLAIM_FREE};
    uint64_t epoch = c->own.epoch + 1;
    close(c->fd);
    c->fd = -1;
    if (ask(c, epoch) && confirm(c, &nobody)) {
        logger_warning("The claim on %s was deleted, and is made again", c->folder);
        become_owner(c);
        return true;
    }
    lose(c);
    return false;
}

/* Writes the heartbeat, then looks whether the claim is still ours; the lock is held. False with c->error. */
static bool renew(struct claim *c)
{
    uint64_t highest;
    int64_t began = boot_ms();
    c->own.beat++;
    c->own.locks = get_lock(c);
    if (!write_own(c) || !highest_epoch(c, &highest)) {
        c->error = errno;
        return false;
    }
    if (highest == 0) {
        return create_again(c);
    }
    if (highest != c->own.epoch) {
        if (highest < c->own.epoch) {
            read_claim(c, highest, &c->seen);
            lose(c);
            return false;
        }
        return face_successor(c, highest);
    }
    c->error = 0;
    atomic_store(&c->verified, began);
    return true;
}

/* ---- the thread ----------------------------------------------------------------------------------------------- */

static int64_t beat_ms(const struct claim *c)
{
    return c->timeout / 5 < BEAT_MS ? c->timeout / 5 : BEAT_MS;
}

static void rest(struct claim *c, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&c->wake, &c->lock, &until);
}

static void *run_thread(void *argument)
{
    struct claim *c = argument;
    mem_thread_init();
    pthread_mutex_lock(&c->lock);
    while (!c->stopping) {
        int state = atomic_load(&c->state);
        if (state == CLAIM_HELD) {
            renew(c);
        } else if (state == CLAIM_WATCHING && try_take(c)) {
            logger_notice("The data folder %s is claimed now (epoch %llu)", c->folder,
                          (unsigned long long)c->own.epoch);
        }
        tell(c);
        rest(c, beat_ms(c));
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void start_thread(struct claim *c)
{
    if (!c->running) {
        c->running = pthread_create(&c->thread, NULL, run_thread, c) == 0;
    }
}

/* ---- for others ------------------------------------------------------------------------------------------------ */

static void find_folder(struct claim *c)
{
    if (getcwd(c->folder, sizeof c->folder) == NULL) {
        strcpy(c->folder, ".");
    }
}

void claim_init(struct claim *c, int64_t timeout)
{
    pthread_condattr_t attributes;
    memset(c, 0, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    pthread_mutex_init(&c->told_lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    claim_record_new(&c->own);
    c->timeout = timeout;
    c->fd = c->lock_fd = -1;
    find_folder(c);
}

/* Watches until the other one has moved, which is the proof that it lives, or the claim is ours. */
static bool watch(struct claim *c)
{
    struct claim_record first = c->seen;
    while (c->error == EBUSY && claim_record_same(&first, &c->seen)) {
        rest(c, WATCH_MS < beat_ms(c) ? WATCH_MS : beat_ms(c));
        if (try_take(c)) {
            return true;
        }
    }
    return false;
}

bool claim_take(struct claim *c, bool waits, char *error, size_t error_size)
{
    pthread_mutex_lock(&c->lock);
    bool taken = atomic_load(&c->state) == CLAIM_HELD || try_take(c);
    if (!taken && waits && c->error == EBUSY) {
        describe(c, error, error_size);
        logger_notice("%s: waiting for that to end, or to move", error);
        taken = watch(c);
    }
    if (!taken) {
        atomic_store(&c->state, CLAIM_WATCHING);
        if (c->error == EBUSY) {
            describe(c, error, error_size);
        } else {
            snprintf(error, error_size, "%s cannot be claimed: %s", c->folder, strerror(c->error));
        }
    }
    start_thread(c);
    tell(c);
    pthread_mutex_unlock(&c->lock);
    return taken;
}

/* The first writer asks for it. */
static int check_first(struct claim *c)
{
    char error[512];
    if (claim_take(c, false, error, sizeof error)) {
        return 0;
    }
    logger_warning("Nothing may be written: %s", error);
    pthread_mutex_lock(&c->lock); /* the thread goes on watching */
    int number = c->error;
    pthread_mutex_unlock(&c->lock);
    return number;
}

int claim_check(struct claim *c, bool anew)
{
    int state = atomic_load(&c->state);
    if (state == CLAIM_HELD && !anew && boot_ms() - atomic_load(&c->verified) < c->timeout / 3) {
        return 0;
    }
    if (state == CLAIM_NONE) {
        return check_first(c);
    }
    pthread_mutex_lock(&c->lock);
    state = atomic_load(&c->state); /* the thread may have changed it */
    bool good = state == CLAIM_HELD ? renew(c) : state == CLAIM_WATCHING && try_take(c);
    int error = good ? 0 : c->error;
    tell(c);
    pthread_mutex_unlock(&c->lock);
    return error;
}

void claim_give_up(struct claim *c)
{
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_broadcast(&c->wake);
    bool running = c->running;
    pthread_mutex_unlock(&c->lock);
    if (running) {
        pthread_join(c->thread, NULL);
    }
    pthread_mutex_lock(&c->lock);
    if (atomic_load(&c->state) == CLAIM_HELD && renew(c)) {
        c->own.state = CLAIM_FREE;
        write_own(c);
    }
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
    drop_lock(c);
    c->running = c->stopping = false;
    atomic_store(&c->state, CLAIM_NONE);
    tell(c);
    pthread_mutex_unlock(&c->lock);
}

void claim_move(struct claim *c)
{
    claim_give_up(c);
    pthread_mutex_lock(&c->lock);
    memset(&c->seen, 0, sizeof c->seen);
    find_folder(c);
    tell(c);
    pthread_mutex_unlock(&c->lock);
}

void claim_figures(struct claim *c, struct claim_figures *figures)
{
    pthread_mutex_lock(&c->told_lock);
    *figures = c->told;
    pthread_mutex_unlock(&c->told_lock);
}
