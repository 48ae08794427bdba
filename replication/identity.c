/*
 * Who this node is. What is wrong in a setting is told with the member that it is in and its number, since a roster is
 * usually put together by a script or a template.
 */
#include "replication/identity.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HOSTS_FILE "/etc/hosts"

/* For an error's text. */
#define ENDPOINT_SIZE (IDENTITY_HOST_SIZE + 9)

/* ---- endpoints --------------------------------------------------------------------------------------- */

static bool refuse(char *err, size_t err_size, const char *reason)
{
    snprintf(err, err_size, "%s", reason);
    return false;
}

static bool read_number(struct slice text, int max, int *out)
{
    int number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        number = number * 10 + (text.ptr[i] - '0');
        if (number > max) {
            return false;
        }
    }
    *out = number;
    return text.len > 0;
}

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("-._", c) != NULL;
}

static bool is_host_name(struct slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] == '\0' || !is_host_char(host.ptr[i])) {
            return false;
        }
    }
    return host.len > 0 && host.len < IDENTITY_HOST_SIZE && host.ptr[0] != '-' && host.ptr[0] != '.';
}

static bool read_bracketed(struct slice address, struct endpoint *out, char *err, size_t err_size)
{
    struct in6_addr binary;
    char text[INET6_ADDRSTRLEN];
    snprintf(text, sizeof text, "%.*s", (int)address.len, address.ptr);
    if (address.len >= sizeof text || inet_pton(AF_INET6, text, &binary) != 1) {
        return refuse(err, err_size, "what stands in brackets is no IPv6 address");
    }
    inet_ntop(AF_INET6, &binary, out->host, sizeof out->host);
    return true;
}

/* Splits into host and port: ":6379" or nothing is left in `port`. */
static bool read_host(struct slice text, struct endpoint *out, struct slice *port, char *err, size_t err_size)
{
    bool bracketed = text.len > 0 && text.ptr[0] == '[';
    const char *end = text.len > 0 ? memchr(text.ptr, bracketed ? ']' : ':', text.len) : NULL;
    if (bracketed && end == NULL) {
        return refuse(err, err_size, "the bracket is not closed");
    }
    size_t length = end != NULL ? (size_t)(end - text.ptr) : text.len;
    size_t rest = length + bracketed;
    *port = (struct slice){text.ptr + rest, text.len - rest};
    if (bracketed) {
        return read_bracketed((struct slice){text.ptr + 1, length - 1}, out, err, err_size);
    }
    if (port->len > 1 && memchr(port->ptr + 1, ':', port->len - 1) != NULL) {
        return refuse(err, err_size, "an IPv6 address stands in brackets, as in [fd00::1]:6379");
    }
    if (!is_host_name((struct slice){text.ptr, length})) {
        return refuse(err, err_size, length == 0 ? "there is no host" : "this is no host name");
    }
    snprintf(out->host, sizeof out->host, "%.*s", (int)length, text.ptr);
    return true;
}

bool endpoint_read(struct slice text, struct endpoint *out, char *err, size_t err_size)
{
    struct slice port;
    if (!read_host(text, out, &port, err, err_size)) {
        return false;
    }
    out->port = IDENTITY_PORT;
    if (port.len == 0) {
        return true;
    }
    if (port.ptr[0] != ':') {
        return refuse(err, err_size, "only a port may follow the bracket");
    }
    if (!read_number((struct slice){port.ptr + 1, port.len - 1}, 65535, &out->port) || out->port == 0) {
        return refuse(err, err_size, "the port is no number from 1 to 65535");
    }
    return true;
}

void endpoint_write(const char *host, int port, char *text, size_t size)
{
    snprintf(text, size, strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, port);
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

/* ---- the setting ------------------------------------------------------------------------------------- */

static bool add_member(struct identity *id, struct slice text, char *err, size_t err_size)
{
    char reason[128];
    struct endpoint *member = &id->listed[id->count];
    if (id->count == IDENTITY_MEMBERS) {
        snprintf(err, err_size, "roster: more than %d members", IDENTITY_MEMBERS);
        return false;
    }
    if (!endpoint_read(text, member, reason, sizeof reason)) {
        snprintf(err, err_size, "roster: member %zu, \"%.*s\": %s", id->count,
                 (int)(text.len < IDENTITY_HOST_SIZE ? text.len : IDENTITY_HOST_SIZE), text.ptr, reason);
        return false;
    }
    for (size_t i = 0; i < id->count; i++) {
        if (endpoint_equal(&id->listed[i], member)) {
            snprintf(err, err_size, "roster: member %zu, \"%.*s\", is member %zu as well", id->count,
                     (int)text.len, text.ptr, i);
            return false;
        }
    }
    id->count++;
    return true;
}

static bool read_members(const char *roster, struct identity *id, char *err, size_t err_size)
{
    for (;;) {
        size_t length = strcspn(roster, ",");
        if (!add_member(id, (struct slice){roster, length}, err, err_size)) {
            return false;
        }
        if (roster[length] == '\0') {
            return true;
        }
        roster += length + 1;
    }
}

/* `roster-self`: an ordinal, or a member. */
static bool take_self(const char *self, struct identity *id, char *err, size_t err_size)
{
    struct slice text = {self, strlen(self)};
    struct endpoint wanted;
    char reason[128];
    if (strspn(self, "0123456789") == text.len) {
        if (read_number(text, (int)id->count - 1, &id->ordinal)) {
            return true;
        }
        snprintf(err, err_size, "roster-self: %.20s is no ordinal of this roster, which has 0 to %zu", self,
                 id->count - 1);
        return false;
    }
    if (!endpoint_read(text, &wanted, reason, sizeof reason)) {
        snprintf(err, err_size, "roster-self: \"%.*s\": %s", IDENTITY_HOST_SIZE, self, reason);
        return false;
    }
    for (size_t i = 0; i < id->count; i++) {
        if (endpoint_equal(&id->listed[i], &wanted)) {
            id->ordinal = (int)i;
            return true;
        }
    }
    snprintf(err, err_size, "roster-self: \"%s\" is no member of the roster", self);
    return false;
}

static bool is_loopback(const char *host)
{
    struct in_addr address;
    return strcasecmp(host, "localhost") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

static bool is_own(const struct endpoint *member, const struct identity_own *own)
{
    if (member->port != own->port) {
        return false;
    }
    bool mine = strcasecmp(member->host, own->hostname) == 0 || is_loopback(member->host);
    for (size_t i = 0; i < own->count && !mine; i++) {
        mine = strcmp(member->host, own->addresses[i]) == 0;
    }
    return mine;
}

static bool recognise(struct identity *id, const struct identity_own *own, char *err, size_t err_size)
{
    for (size_t i = 0; i < id->count; i++) {
        if (!is_own(&id->listed[i], own)) {
            continue;
        }
        if (id->ordinal >= 0) {
            snprintf(err, err_size,
                     "roster: members %d and %zu could both be this node (host name %s, port %d): "
                     "set roster-self",
                     id->ordinal, i, own->hostname, own->port);
            return false;
        }
        id->ordinal = (int)i;
    }
    if (id->ordinal < 0) {
        snprintf(
            err, err_size,
            "roster: no member has port %d and this node's host name, %s, or the address of an interface: "
            "set roster-self",
            own->port, own->hostname);
    }
    return id->ordinal >= 0;
}

bool identity_from_list(const char *roster, const char *self, const struct identity_own *own,
                        struct identity *out, char *err, size_t err_size)
{
    *out = (struct identity){.kind = IDENTITY_LISTED, .ordinal = -1, .port = own->port};
    return read_members(roster, out, err, err_size) &&
           (self[0] != '\0' ? take_self(self, out, err, err_size) : recognise(out, own, err, err_size));
}

/* ---- the pod ----------------------------------------------------------------------------------------- */

/* Where the number at the end of "redis-0" starts; 0 when it has none. StatefulSets number without leading zeros. */
static size_t number_at(const char *name)
{
    size_t end = strlen(name), at = end;
    while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9') {
        at--;
    }
    bool numbered = at < end && at >= 2 && name[at - 1] == '-' && (name[at] != '0' || at + 1 == end);
    return numbered ? at : 0;
}

/* "redis-headless.ns.svc" or the same with a cluster domain: the third label is "svc". */
static bool is_service(struct slice domain)
{
    const char *at = domain.ptr, *end = domain.ptr + domain.len;
    for (int label = 0; label < 2; label++) {
        const char *dot = at < end ? memchr(at, '.', (size_t)(end - at)) : NULL;
        if (dot == NULL || dot == at) {
            return false;
        }
        at = dot + 1;
    }
    size_t left = (size_t)(end - at);
    return left >= 3 && memcmp(at, "svc", 3) == 0 && (left == 3 || at[3] == '.');
}

/* The next word of a line; an empty one at its end. */
static struct slice next_word(struct slice *line)
{
    while (line->len > 0 && strchr(" \t\r", line->ptr[0]) != NULL) {
        line->ptr++;
        line->len--;
    }
    struct slice word = {line->ptr, 0};
    while (word.len < line->len && strchr(" \t\r", line->ptr[word.len]) == NULL) {
        word.len++;
    }
    line->ptr += word.len;
    line->len -= word.len;
    return word;
}

/* Whether the line names the pod both in short and in full, and then its service. */
static bool line_service(struct slice line, struct slice pod, struct slice *service)
{
    bool in_short = false, in_full = false;
    next_word(&line); /* the address */
    for (struct slice word = next_word(&line); word.len > 0; word = next_word(&line)) {
        if (word.len == pod.len && strncasecmp(word.ptr, pod.ptr, pod.len) == 0) {
            in_short = true;
        } else if (word.len > pod.len && word.ptr[pod.len] == '.' &&
                   strncasecmp(word.ptr, pod.ptr, pod.len) == 0) {
            bool dot = word.ptr[word.len - 1] == '.';
            *service = (struct slice){word.ptr + pod.len + 1,
                                      word.len - pod.len - 1 - (dot && word.len > pod.len + 1)};
            in_full = is_service(*service);
        }
    }
    return in_short && in_full && service->len < IDENTITY_HOST_SIZE;
}

static bool hosts_service(struct slice hosts, struct slice pod, struct slice *service)
{
    while (hosts.len > 0) {
        const char *newline = memchr(hosts.ptr, '\n', hosts.len);
        size_t length = newline != NULL ? (size_t)(newline - hosts.ptr) : hosts.len;
        const char *comment = memchr(hosts.ptr, '#', length);
        struct slice line = {hosts.ptr, comment != NULL ? (size_t)(comment - hosts.ptr) : length};
        if (line_service(line, pod, service)) {
            return true;
        }
        hosts.ptr += length + (newline != NULL);
        hosts.len -= length + (newline != NULL);
    }
    return false;
}

bool identity_from_hosts(const struct identity_own *own, struct slice hosts, struct identity *out, char *err,
                         size_t err_size)
{
    char pod[IDENTITY_HOST_SIZE];
    struct slice service = {"", 0};
    *out = (struct identity){.kind = IDENTITY_PLAIN, .ordinal = -1, .port = own->port};
    /* A pod with setHostnameAsFQDN has its name in full as its host name. */
    snprintf(pod, sizeof pod, "%.*s", (int)strcspn(own->hostname, "."), own->hostname);
    size_t number = number_at(pod);
    if (number == 0 || !hosts_service(hosts, (struct slice){pod, strlen(pod)}, &service)) {
        return true;
    }
    if (!read_number((struct slice){pod + number, strlen(pod + number)}, IDENTITY_ORDINAL_MAX,
                     &out->ordinal)) {
        snprintf(err, err_size, "host name %s: its ordinal is beyond %d", pod, IDENTITY_ORDINAL_MAX);
        return false;
    }
    out->kind = IDENTITY_POD;
    snprintf(out->set, sizeof out->set, "%.*s", (int)number - 1, pod);
    snprintf(out->service, sizeof out->service, "%.*s", (int)service.len, service.ptr);
    return true;
}

bool identity_member(const struct identity *id, int ordinal, struct endpoint *out)
{
    int length = snprintf(out->host, sizeof out->host, "%s-%d.%s", id->set, ordinal, id->service);
    out->port = id->port;
    return length < (int)sizeof out->host;
}

int identity_ordinal_of(const struct identity *id, const char *host)
{
    size_t set = strlen(id->set), length = strlen(host);
    int ordinal;
    if (length > 0 && host[length - 1] == '.') {
        length--;
    }
    const char *dot = memchr(host, '.', length);
    if (dot == NULL || strncasecmp(host, id->set, set) != 0 || host[set] != '-') {
        return -1;
    }
    struct slice number = {host + set + 1, (size_t)(dot - host) - set - 1};
    struct slice domain = {dot + 1, length - (size_t)(dot + 1 - host)};
    bool canonical = number.len == 1 || (number.len > 1 && number.ptr[0] != '0');
    bool ours =
        canonical && slice_is(domain, id->service) && read_number(number, IDENTITY_ORDINAL_MAX, &ordinal);
    return ours ? ordinal : -1;
}

/* ---- this machine ------------------------------------------------------------------------------------ */

static void own_address(struct identity_own *own, const struct sockaddr *address)
{
    if (address == NULL || own->count == IDENTITY_ADDRESSES) {
        return;
    }
    if (address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, own->addresses[own->count++],
                  IDENTITY_ADDRESS_SIZE);
    } else if (address->sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, own->addresses[own->count++],
                  IDENTITY_ADDRESS_SIZE);
    }
}

static void own_find(struct identity_own *own, int port)
{
    struct ifaddrs *interfaces;
    *own = (struct identity_own){.port = port};
    if (gethostname(own->hostname, sizeof own->hostname - 1) != 0) {
        own->hostname[0] = '\0';
    }
    if (getifaddrs(&interfaces) == 0) {
        for (const struct ifaddrs *at = interfaces; at != NULL; at = at->ifa_next) {
            own_address(own, at->ifa_addr);
        }
        freeifaddrs(interfaces);
    }
}

/* A file that cannot be read is an empty one: there are machines without. */
static bool find_pod(const struct identity_own *own, struct identity *out, char *err, size_t err_size)
{
    char *text = NULL;
    size_t room = 0;
    FILE *file = fopen(HOSTS_FILE, "re");
    ssize_t size = file != NULL ? getdelim(&text, &room, '\0', file) : 0;
    bool done =
        identity_from_hosts(own, (struct slice){text, size > 0 ? (size_t)size : 0}, out, err, err_size);
    free(text);
    if (file != NULL) {
        fclose(file);
    }
    return done;
}

bool identity_find(const struct config *config, struct identity *out, char *err, size_t err_size)
{
    struct identity_own own;
    own_find(&own, config->port);
    if (config->roster[0] != '\0') {
        return identity_from_list(config->roster, config->roster_self, &own, out, err, err_size);
    }
    if (config->roster_self[0] != '\0') {
        return refuse(err, err_size, "roster-self is set, and roster is not");
    }
    return find_pod(&own, out, err, err_size);
}
