/*
 * Faults of the disk, for disk.c alone, and only in the build with faults (disk.h has what may be asked for).
 */
#ifndef ORDINAL_PERSIST_DISK_FAULT_H
#define ORDINAL_PERSIST_DISK_FAULT_H

#include "persist/disk.h"

/* What the call at a point is to do. */
struct disk_fault {
    int error; /* fail with this errno; 0: do not */
    bool half; /* write half of the bytes … */
    bool exit; /* … and end the process then */
};

#ifdef ORDINAL_FAULTS

/* Notes a visit of the point. Ends the process, or waits, where that is asked for. */
struct disk_fault disk_fault_visit(enum disk_point point);

/* Ends the process as a crash would. */
_Noreturn void disk_fault_exit(void);

#else

static inline struct disk_fault disk_fault_visit(enum disk_point point)
{
    (void)point;
    return (struct disk_fault){0, false, false};
}

static inline void disk_fault_exit(void)
{
}

#endif

#endif
