#include "replication/lease.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

enum {
    LONGEST_MS = 3600 * 1000,
    PROMPT_MS = 50, /* a grant that came within so long tells the time */
    OFF_MS =
        2 /* by so much more than what it took, and what counts took, it may be off without being wrong */
};

void lease_set_clock(struct lease *lease, int64_t wall, int64_t took)
{
    clock_keep_wall(wall + took / 2, clock_now());
    lease->clock_took = took;
}

/* The master's wall clock is known give or take half of what it took to hear of it: a quicker grant tells it better, and one that does
 * not agree tells of a step, or that clocks do not run alike. */
static void look_at_clock(struct lease *lease, int64_t took, int64_t wall)
{
    int64_t off = clock_to_wall_kept(clock_now()) - (wall + took / 2);
    int64_t may = took + lease->clock_took + OFF_MS;
    if (took <= PROMPT_MS && (took < lease->clock_took || off > may || off < -may)) {
        lease_set_clock(lease, wall, took);
    }
}

bool lease_take(struct lease *lease, struct slice line)
{
    char text[128];
    int64_t sent, length, wall, offset;
    if (line.len >= sizeof text) {
        return false;
    }
    memcpy(text, line.ptr, line.len);
    text[line.len] = '\0';
    int64_t now = clock_boot();
    if (sscanf(text, "#LEASE %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &sent, &length, &wall, &offset) !=
            4 ||
        sent <= 0 || sent > now || length <= 0 || length > LONGEST_MS) {
        return false;
    }
    lease->length = length;
    atomic_store(&lease->master_offset, offset);
    atomic_store(&lease->until, sent + length);
    atomic_fetch_add(&lease->grants, 1);
    look_at_clock(lease, now - sent, wall);
    return true;
}

void lease_drop(struct lease *lease)
{
    atomic_store(&lease->until, 0);
}

bool lease_holds(const struct lease *lease)
{
    return clock_boot() < atomic_load(&lease->until);
}
