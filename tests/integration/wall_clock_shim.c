/*
 * A wall clock that a test can step: preloaded into a server, it adds an offset to every reading of the wall clock
 * and leaves the monotonic clocks alone. The offset is eight bytes (nanoseconds) in the file that WALL_CLOCK_FILE
 * names, mapped shared, so that a step is seen by the next reading of any thread.
 *
 * It asks the kernel directly and allocates nothing, so it may be called before anything is initialised: jemalloc
 * reads the clock while it sets itself up, which is where libfaketime falls into a recursion.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SECOND = 1000000000 };

static const _Atomic int64_t *offset;

__attribute__((constructor)) static void map_offset(void)
{
    const char *path = getenv("WALL_CLOCK_FILE");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    void *map = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (map != MAP_FAILED) {
        offset = map;
    }
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = (int)syscall(SYS_clock_gettime, clock, now);
    if (status == 0 && offset != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t step = atomic_load_explicit(offset, memory_order_relaxed);
        int64_t nanoseconds = now->tv_nsec + step % SECOND;
        now->tv_sec += step / SECOND + (nanoseconds >= SECOND) - (nanoseconds < 0);
        now->tv_nsec = (nanoseconds + SECOND) % SECOND;
    }
    return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0) {
        return -1;
    }
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *seconds)
{
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0) {
        return (time_t)-1;
    }
    if (seconds != NULL) {
        *seconds = precise.tv_sec;
    }
    return precise.tv_sec;
}
