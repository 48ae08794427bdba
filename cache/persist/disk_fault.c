/*
 * Faults of the disk, read from the environment at the first visit of any point. In other builds this file is empty.
 */
#include "persist/disk_fault.h"

#ifdef ORDINAL_FAULTS

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FAULTS_MOST = 16, CRASHED = 137, HOLD_NS = 1000 * 1000 };

enum action { ACTION_ERROR, ACTION_EXIT, ACTION_TEAR, ACTION_HALF, ACTION_HOLD };

struct fault {
    enum disk_point point;
    unsigned long first, last; /* visits … */
    char while_exists[256];    /* … or, unless empty, this file */
    enum action action;
    int error;
};

static struct {
    pthread_mutex_t lock; /* guards visits */
    pthread_once_t once;
    struct fault faults[FAULTS_MOST];
    int count;
    int trace; /* descriptor, -1: none */
    unsigned long visits[DISK_POINT_COUNT];
} injected = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT, .trace = -1};

static const char *const point_names[] = {
#define X(name, text) text,
    DISK_POINTS(X)
#undef X
};

static const struct {
    const char *name;
    int error;
} errors[] = {
    {"ENOSPC", ENOSPC}, {"EIO", EIO},       {"EROFS", EROFS},   {"EDQUOT", EDQUOT}, {"EACCES", EACCES},
    {"EPERM", EPERM},   {"EMFILE", EMFILE}, {"ENOENT", ENOENT}, {"EFBIG", EFBIG},   {"EINTR", EINTR},
};

_Noreturn static void misspelt(const char *text)
{
    fprintf(stderr, "ordinal: ORDINAL_FAULT: cannot make sense of '%s'\n", text);
    _exit(2);
}

static enum disk_point point_of(const char *name)
{
    for (int i = 0; i < DISK_POINT_COUNT; i++) {
        if (strcmp(point_names[i], name) == 0) {
            return (enum disk_point)i;
        }
    }
    misspelt(name);
}

static void parse_action(struct fault *fault, const char *text)
{
    static const struct {
        const char *name;
        enum action action;
    } actions[] = {
        {"exit", ACTION_EXIT}, {"tear", ACTION_TEAR}, {"half", ACTION_HALF}, {"hold", ACTION_HOLD}};
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(actions[i].name, text) == 0) {
            fault->action = actions[i].action;
            return;
        }
    }
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (strcmp(errors[i].name, text) == 0) {
            fault->action = ACTION_ERROR;
            fault->error = errors[i].error;
            return;
        }
    }
    misspelt(text);
}

static void parse_visits(struct fault *fault, const char *text)
{
    char *end;
    if (text[0] == '@') {
        snprintf(fault->while_exists, sizeof fault->while_exists, "%s", text + 1);
        return;
    }
    fault->first = fault->last = strtoul(text, &end, 10);
    if (end[0] == '+' && end[1] == '\0') {
        fault->last = (unsigned long)-1;
    } else if (end[0] != '\0' || fault->first == 0) {
        misspelt(text);
    }
}

static void parse_fault(char *text)
{
    char *rest = NULL;
    char *point = strtok_r(text, ":", &rest);
    char *visits = strtok_r(NULL, ":", &rest);
    char *action = strtok_r(NULL, ":", &rest);
    if (point == NULL || visits == NULL || action == NULL || injected.count == FAULTS_MOST) {
        misspelt(text);
    }
    struct fault *fault = &injected.faults[injected.count++];
    fault->point = point_of(point);
    parse_visits(fault, visits);
    parse_action(fault, action);
}

static void parse_all(void)
{
    const char *variable = getenv("ORDINAL_FAULT");
    char *text = variable != NULL ? strdup(variable) : NULL;
    char *rest = NULL;
    for (char *one = text != NULL ? strtok_r(text, ";", &rest) : NULL; one != NULL;
         one = strtok_r(NULL, ";", &rest)) {
        if (strncmp(one, "trace=", 6) == 0) {
            injected.trace = open(one + 6, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        } else {
            parse_fault(one);
        }
    }
    free(text);
}

_Noreturn void disk_fault_exit(void)
{
    _exit(CRASHED);
}

static bool is_due(const struct fault *fault, enum disk_point point, unsigned long visit)
{
    if (fault->point != point) {
        return false;
    }
    return fault->while_exists[0] != '\0' ? access(fault->while_exists, F_OK) == 0
                                          : visit >= fault->first && visit <= fault->last;
}

static void hold(const struct fault *fault)
{
    const struct timespec pause = {0, HOLD_NS};
    while (fault->while_exists[0] != '\0' && access(fault->while_exists, F_OK) == 0) {
        nanosleep(&pause, NULL);
    }
}

static unsigned long count_visit(enum disk_point point)
{
    char line[64];
    pthread_mutex_lock(&injected.lock);
    unsigned long visit = ++injected.visits[point];
    if (injected.trace >= 0) {
        int len = snprintf(line, sizeof line, "%s %lu\n", point_names[point], visit);
        if (write(injected.trace, line, (size_t)len) != len) {
            misspelt("trace");
        }
    }
    pthread_mutex_unlock(&injected.lock);
    return visit;
}

struct disk_fault disk_fault_visit(enum disk_point point)
{
    struct disk_fault result = {0, false, false};
    pthread_once(&injected.once, parse_all);
    unsigned long visit = count_visit(point);
    for (int i = 0; i < injected.count; i++) {
        const struct fault *fault = &injected.faults[i];
        if (!is_due(fault, point, visit)) {
            continue;
        }
        switch (fault->action) {
        case ACTION_ERROR: result.error = fault->error; break;
        case ACTION_EXIT: disk_fault_exit();
        case ACTION_TEAR: result.half = result.exit = true; break;
        case ACTION_HALF: result.half = true; break;
        case ACTION_HOLD: hold(fault); break;
        }
    }
    return result;
}

#endif
