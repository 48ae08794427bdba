#include "replication/lease.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

enum {
    LONGEST_MS = 3600 * 1000,
    PROMPT_MS = 50,  /* a grant that came within so long tells the time … */
    CLOCK_OFF_MS = 5 /* … and counts when it is more off than what it took, and this */
};

/* The master's wall clock as it is now, give or take half of what the grant took. */
static void look_at_clock(int64_t took, int64_t wall)
{
    int64_t now = clock_now();
    int64_t off = clock_to_wall_kept(now) - (wall + took / 2);
    if (took <= PROMPT_MS && (off > took + CLOCK_OFF_MS || off < -took - CLOCK_OFF_MS)) {
        clock_keep_wall(wall + took / 2, now);
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
    look_at_clock(now - sent, wall);
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
