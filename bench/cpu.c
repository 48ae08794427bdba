/* Sums the first field of every thread's schedstat: see cpu.h. A thread that ends between two readings takes
 * its time with it; the servers measured here keep theirs. */
#include "cpu.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

static uint64_t cpu_of_thread(int32_t pid, const char *thread)
{
    char path[320];
    snprintf(path, sizeof path, "/proc/%" PRId32 "/task/%s/schedstat", pid, thread);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    uint64_t ran = 0;
    if (fscanf(file, "%" SCNu64, &ran) != 1)
        ran = 0;
    fclose(file);
    return ran;
}

uint64_t cpu_of_process(int32_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%" PRId32 "/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return 0;
    uint64_t sum = 0;
    for (struct dirent *task = readdir(tasks); task; task = readdir(tasks))
        if (task->d_name[0] != '.')
            sum += cpu_of_thread(pid, task->d_name);
    closedir(tasks);
    return sum;
}
