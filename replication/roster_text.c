/*
 * The roster as text. The fields of a member are written and read by one table, so that what is written can be read.
 */
#include "replication/roster_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "commands/text.h"

static const char *const kind_names[] = {
    [IDENTITY_PLAIN] = "nothing", [IDENTITY_LISTED] = "setting", [IDENTITY_POD] = "pod"};
static const char *const role_names[] = {[ROSTER_REPLICA] = "replica", [ROSTER_MASTER] = "master"};
static const char *const state_names[] = {[ROSTER_UNKNOWN] = "unknown",
                                          [ROSTER_CONNECTING] = "connecting",
                                          [ROSTER_SYNCING] = "syncing",
                                          [ROSTER_IN_SYNC] = "in_sync",
                                          [ROSTER_GONE] = "gone"};

enum { KINDS = 3, ROLES = 2, STATES = 5 };

const char *roster_state_name(enum roster_state state)
{
    return state_names[state];
}

const char *roster_role_name(enum roster_role role)
{
    return role_names[role];
}

/* ---- INFO -------------------------------------------------------------------------------------------- */

void roster_write_info(const struct roster_view *view, struct reply *text)
{
    text_addf(text, "roster_from:%s\r\nroster_self:%d\r\nroster_members:%zu\r\n", kind_names[view->kind],
              view->self, view->count);
    for (size_t i = 0; i < view->count; i++) {
        const struct roster_member *m = &view->members[i];
        text_addf(text,
                  "roster_member%zu:ordinal=%d,host=%s,port=%d,role=%s,state=%s,offset=%lld,lag_bytes=%lld,"
                  "lag_ms=%lld\r\n",
                  i, m->ordinal, m->host, m->port, role_names[m->role], state_names[m->state],
                  (long long)m->offset, (long long)m->lag_bytes, (long long)m->lag_ms);
    }
}

/* The place of a word in a list of names; -1 for none of them. */
static int index_of(const char *word, const char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(word, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

/* What a server sent reaches a terminal: a host is only what could be one. */
static bool is_plain_text(const char *text)
{
    while (*text != '\0' && isgraph((unsigned char)*text)) {
        text++;
    }
    return *text == '\0';
}

static bool read_member(const char *line, struct roster_member *m)
{
    char role[16], state[16];
    long long offset, lag_bytes, lag_ms;
    int end = 0;
    int read =
        sscanf(line,
               "ordinal=%d,host=%255[^,],port=%d,role=%15[a-z],state=%15[a-z_],offset=%lld,lag_bytes=%lld,"
               "lag_ms=%lld%n",
               &m->ordinal, m->host, &m->port, role, state, &offset, &lag_bytes, &lag_ms, &end);
    int role_index = read == 8 ? index_of(role, role_names, ROLES) : -1;
    int state_index = read == 8 ? index_of(state, state_names, STATES) : -1;
    if (role_index < 0 || state_index < 0 || line[end] != '\0' || !is_plain_text(m->host)) {
        return false;
    }
    m->role = (enum roster_role)role_index;
    m->state = (enum roster_state)state_index;
    m->offset = offset;
    m->lag_bytes = lag_bytes;
    m->lag_ms = lag_ms;
    m->last_seen = 0;
    return true;
}

/* Takes a line of INFO that begins with "roster_"; false for one that cannot be read. */
static bool read_line(const char *line, struct roster_view *view, int *kind, size_t *members)
{
    char word[16];
    int number;
    if (sscanf(line, "roster_from:%15s", word) == 1) {
        *kind = index_of(word, kind_names, KINDS);
        return *kind >= 0;
    }
    if (sscanf(line, "roster_self:%d", &view->self) == 1 ||
        sscanf(line, "roster_members:%zu", members) == 1) {
        return true;
    }
    if (sscanf(line, "roster_member%d:", &number) != 1) {
        return true; /* of a later version */
    }
    return view->count < ROSTER_MEMBERS && read_member(strchr(line, ':') + 1, &view->members[view->count++]);
}

bool roster_read_info(const char *info, struct roster_view *view, char *err, size_t err_size)
{
    char line[1024];
    size_t members = 0;
    int kind = -1;
    *view = (struct roster_view){.self = -1};
    while (*info != '\0') {
        size_t length = strcspn(info, "\r\n");
        snprintf(line, sizeof line, "%.*s", length < sizeof line ? (int)length : 0, info);
        if (strncmp(line, "roster_", 7) == 0 && !read_line(line, view, &kind, &members)) {
            snprintf(err, err_size, "a line that cannot be understood: %.200s", line);
            return false;
        }
        info += length + strspn(info + length, "\r\n");
    }
    if (kind < 0 || members != view->count) {
        snprintf(err, err_size, kind < 0 ? "it tells of no roster" : "the roster it tells of is cut off");
        return false;
    }
    view->kind = (enum identity_kind)kind;
    return true;
}

/* ---- the table --------------------------------------------------------------------------------------- */

enum { COLUMNS = 7, CELL_SIZE = IDENTITY_HOST_SIZE + 9 };

struct row {
    char cells[COLUMNS][CELL_SIZE];
};

static const struct {
    const char *title;
    bool right; /* a number */
} columns[COLUMNS] = {
    {"ordinal", true}, {"address", false},  {"role", false},  {"state", false},
    {"offset", true},  {"lag bytes", true}, {"lag ms", true},
};

static void fill_number(char *cell, int64_t number)
{
    snprintf(cell, CELL_SIZE, number < 0 ? "-" : "%lld", (long long)number);
}

static void fill(struct row *row, const struct roster_member *m)
{
    fill_number(row->cells[0], m->ordinal);
    endpoint_write(m->host, m->port, row->cells[1], CELL_SIZE);
    snprintf(row->cells[2], CELL_SIZE, "%s", role_names[m->role]);
    snprintf(row->cells[3], CELL_SIZE, "%s", m->state == ROSTER_IN_SYNC ? "in sync" : state_names[m->state]);
    fill_number(row->cells[4], m->offset);
    fill_number(row->cells[5], m->lag_bytes);
    fill_number(row->cells[6], m->lag_ms);
}

static void print_row(const struct row *row, const int *widths, bool marked, FILE *out)
{
    fprintf(out, "%c", marked ? '*' : ' ');
    for (int i = 0; i < COLUMNS; i++) {
        fprintf(out, columns[i].right ? " %*s" : " %-*s", widths[i], row->cells[i]);
        fprintf(out, i < COLUMNS - 1 ? " " : "\n");
    }
}

void roster_print(const struct roster_view *view, FILE *out)
{
    static const struct row no_row;
    struct row row = no_row;
    int widths[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) {
        snprintf(row.cells[i], CELL_SIZE, "%s", columns[i].title);
        widths[i] = (int)strlen(columns[i].title);
    }
    struct row titles = row;
    for (size_t m = 0; m < view->count; m++) {
        fill(&row, &view->members[m]);
        for (int i = 0; i < COLUMNS; i++) {
            int width = (int)strlen(row.cells[i]);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    print_row(&titles, widths, false, out);
    for (size_t m = 0; m < view->count; m++) {
        fill(&row, &view->members[m]);
        print_row(&row, widths, view->members[m].ordinal == view->self, out);
    }
}

/* ---- the judgement ----------------------------------------------------------------------------------- */

/* "is unknown" reads badly of a state. */
static const char *lacking(enum roster_state state)
{
    switch (state) {
    case ROSTER_CONNECTING: return "is being connected to";
    case ROSTER_SYNCING: return "is still syncing";
    case ROSTER_GONE: return "is gone";
    default: return "is not known to be in sync";
    }
}

bool roster_judge(const struct roster_view *view, char *why, size_t why_size)
{
    const struct roster_member *master = NULL, *lacks = NULL;
    char address[CELL_SIZE];
    for (size_t i = view->count; i-- > 0;) {
        const struct roster_member *m = &view->members[i];
        master = m->role == ROSTER_MASTER ? m : master;
        lacks = m->state != ROSTER_IN_SYNC ? m : lacks;
    }
    if (view->kind == IDENTITY_PLAIN) {
        snprintf(why, why_size, "no roster: a plain server");
    } else if (master == NULL) {
        snprintf(why, why_size, "no member is the master");
    } else if (lacks != NULL) {
        endpoint_write(lacks->host, lacks->port, address, sizeof address);
        snprintf(why, why_size, "not in sync: ordinal %d, %s, %s", lacks->ordinal, address,
                 lacking(lacks->state));
    } else {
        endpoint_write(master->host, master->port, address, sizeof address);
        snprintf(why, why_size, "in sync: %zu member%s, the master is ordinal %d, %s", view->count,
                 view->count == 1 ? "" : "s", master->ordinal, address);
    }
    return view->kind != IDENTITY_PLAIN && master != NULL && lacks == NULL;
}
