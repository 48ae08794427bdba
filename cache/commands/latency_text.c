#include "commands/latency_text.h"

#include <stdio.h>
#include <string.h>

#include "commands/text.h"

enum { COLUMNS = 80, ROWS = 4, STEPS = 3, AGE = 8 };

/* ---- graph ------------------------------------------------------------------------------------------ */

struct range {
    int64_t low, high;
};

static struct range range_of(const struct latency_event *event)
{
    struct range range = {INT64_MAX, 0};
    for (int i = 0; i < event->count; i++) {
        int64_t ms = latency_at(event, i)->ms;
        range.low = ms < range.low ? ms : range.low;
        range.high = ms > range.high ? ms : range.high;
    }
    return range;
}

/* How high a sample stands, in steps of a third of a row: 1 .. ROWS * STEPS. */
static int height(const struct latency_sample *sample, struct range range)
{
    int64_t span = range.high - range.low;
    return span == 0 ? 1 : (int)((sample->ms - range.low) * (ROWS * STEPS - 1) / span) + 1;
}

/* What a column of this height shows in a row, counted from the bottom. */
static char dot(int steps, int row)
{
    static const char tops[STEPS] = {'_', 'o', '#'};
    if (steps > (row + 1) * STEPS) {
        return '|';
    }
    return steps > row * STEPS ? tops[steps - row * STEPS - 1] : ' ';
}

/* "12s", "3m", "5h", "2d": how long ago. */
static void age(int64_t seconds, char *to)
{
    seconds = seconds < 0 ? 0 : seconds;
    if (seconds < 60) {
        snprintf(to, AGE, "%ds", (int)seconds);
    } else if (seconds < 3600) {
        snprintf(to, AGE, "%dm", (int)(seconds / 60));
    } else if (seconds < 86400) {
        snprintf(to, AGE, "%dh", (int)(seconds / 3600));
    } else {
        snprintf(to, AGE, "%dd", (int)(seconds / 86400 % 100000));
    }
}

/* The ages, written downwards. */
static void ages(const struct latency_event *event, int first, int64_t now, struct reply *out)
{
    char labels[COLUMNS][AGE];
    size_t rows = 0;
    for (int i = first; i < event->count; i++) {
        age(now - latency_at(event, i)->seconds, labels[i - first]);
        size_t len = strlen(labels[i - first]);
        rows = len > rows ? len : rows;
    }
    for (size_t row = 0; row < rows; row++) {
        text_addf(out, "\n");
        for (int i = first; i < event->count; i++) {
            const char *label = labels[i - first];
            text_addf(out, "%c", row < strlen(label) ? label[row] : ' ');
        }
    }
    text_addf(out, "\n");
}

void latency_graph(const struct latency_event *event, int64_t now_seconds, struct reply *out)
{
    struct range range = range_of(event);
    int first = event->count > COLUMNS ? event->count - COLUMNS : 0;
    text_addf(out, "%s - high %lld ms, low %lld ms (all time high %lld ms)\n", event->name,
              (long long)range.high, (long long)range.low, (long long)event->longest);
    for (int i = 0; i < COLUMNS; i++) {
        text_addf(out, "-");
    }
    for (int row = ROWS - 1; row >= 0; row--) {
        text_addf(out, "\n");
        for (int i = first; i < event->count; i++) {
            text_addf(out, "%c", dot(height(latency_at(event, i), range), row));
        }
    }
    text_addf(out, "\n");
    ages(event, first, now_seconds, out);
}

/* ---- report ----------------------------------------------------------------------------------------- */

struct summary {
    int64_t mean, deviation, apart; /* ms, ms, seconds between two */
};

static struct summary summarize(const struct latency_event *event)
{
    struct summary summary = {0, 0, 0};
    int64_t count = event->count;
    for (int i = 0; i < count; i++) {
        summary.mean += latency_at(event, i)->ms;
    }
    summary.mean /= count;
    for (int i = 0; i < count; i++) {
        int64_t off = latency_at(event, i)->ms - summary.mean;
        summary.deviation += off < 0 ? -off : off;
    }
    summary.deviation /= count;
    if (count > 1) {
        int64_t span = latency_at(event, (int)count - 1)->seconds - latency_at(event, 0)->seconds;
        summary.apart = span / (count - 1);
    }
    return summary;
}

static const char *advice(const char *event)
{
    static const char *const known[][2] = {
        {"command",
         "SLOWLOG GET shows which commands these were. Commands that go through a whole collection or "
         "keyspace (KEYS, SORT, large ranges) are better split into steps (SCAN and its kin)."},
        {"fast-command",
         "These commands touch one element and should take microseconds: look for a host that is "
         "out of processor time or memory (CPU throttling, swapping), or for very large values."},
        {"expire-cycle", "Very many keys ran out at once. Spread their times to live by a random part."},
        {"eviction-cycle",
         "Memory is at its limit and writes wait for room. Raise maxmemory, or let keys live "
         "shorter."},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i][0], event) == 0) {
            return known[i][1];
        }
    }
    return NULL;
}

void latency_report(const struct latency_event *events, int count, int64_t threshold, struct reply *out)
{
    if (threshold == 0 && count == 0) {
        text_addf(
            out,
            "Latency is not being monitored. CONFIG SET latency-monitor-threshold <milliseconds> turns it "
            "on.\n");
        return;
    }
    if (count == 0) {
        text_addf(out, "No event took %lld ms or longer since latency is monitored.\n", (long long)threshold);
        return;
    }
    text_addf(out, "Events that took %lld ms or longer:\n", (long long)threshold);
    for (int i = 0; i < count; i++) {
        struct summary summary = summarize(&events[i]);
        text_addf(
            out, "\n%d. %s: %d spikes, mean %lld ms, mean deviation %lld ms, one in %lld s, worst %lld ms.\n",
            i + 1, events[i].name, events[i].count, (long long)summary.mean, (long long)summary.deviation,
            (long long)summary.apart, (long long)events[i].longest);
        const char *what = advice(events[i].name);
        if (what != NULL) {
            text_addf(out, "   %s\n", what);
        }
    }
}
