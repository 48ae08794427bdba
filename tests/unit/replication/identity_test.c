/* Who a node is, from settings, host names and hosts files as they come. */
#include "replication/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct identity found;
static char error[CONFIG_ERR_SIZE];

static struct identity_own machine(const char *hostname, int port)
{
    struct identity_own own = {.port = port, .addresses = {"127.0.0.1", "10.0.0.7", "fd00::7"}, .count = 3};
    snprintf(own.hostname, sizeof own.hostname, "%s", hostname);
    return own;
}

/* ---- the setting ------------------------------------------------------------------------------------- */

static bool list(const char *roster, const char *self)
{
    struct identity_own own = machine("beta", 6379);
    error[0] = '\0';
    return identity_from_list(roster, self, &own, &found, error, sizeof error);
}

static void assert_listed(const char *roster, const char *self, int ordinal)
{
    if (!list(roster, self)) {
        fail_msg("%s, %s: %s", roster, self, error);
    }
    assert_int_equal(found.kind, IDENTITY_LISTED);
    assert_int_equal(found.ordinal, ordinal);
}

static void assert_refused(const char *roster, const char *self, const char *message)
{
    assert_false(list(roster, self));
    assert_string_equal(error, message);
}

static void the_position_is_the_ordinal(void **state)
{
    (void)state;
    assert_listed("alpha:7000,beta,[FD00:0:0::1]:7001,10.9.9.9", "", 1);
    assert_int_equal(found.count, 4);
    assert_string_equal(found.listed[0].host, "alpha");
    assert_int_equal(found.listed[0].port, 7000);
    assert_string_equal(found.listed[1].host, "beta");
    assert_int_equal(found.listed[1].port, 6379);
    assert_string_equal(found.listed[2].host, "fd00::1");
    assert_int_equal(found.listed[2].port, 7001);
    assert_int_equal(found.listed[3].port, 6379);
    assert_listed("beta", "", 0);
}

static void a_node_recognises_itself_by_host_name_or_address_and_port(void **state)
{
    (void)state;
    assert_listed("alpha,BETA", "", 1);
    assert_listed("alpha:6379,beta:7000,beta:6379", "", 2);
    assert_listed("alpha,10.0.0.7", "", 1);
    assert_listed("[fd00:0::7]:6379,alpha", "", 0);
    assert_listed("127.0.0.1:7000,127.0.0.1:6379,127.0.0.1:7001", "", 1);
    assert_listed("127.0.0.5:6379,alpha", "", 0);
    assert_listed("localhost:7000,localhost", "", 1);
    assert_refused(
        "alpha,beta:7000", "",
        "roster: no member has port 6379 and this node's host name, beta, or the address of an interface: "
        "set roster-self");
    assert_refused(
        "alpha,beta,10.0.0.7", "",
        "roster: members 1 and 2 could both be this node (host name beta, port 6379): set roster-self");
}

static void roster_self_says_it_without_guessing(void **state)
{
    (void)state;
    assert_listed("a,b,c", "2", 2);
    assert_listed("a,b:7000,c", "B:7000", 1);
    assert_listed("a,b,[fd00::2]:1", "[FD00::2]:1", 2);
    assert_listed("a,b,c", "c", 2);
    assert_refused("a,b,c", "3", "roster-self: 3 is no ordinal of this roster, which has 0 to 2");
    assert_refused("a,b,c", "99999999999999999999999",
                   "roster-self: 99999999999999999999 is no ordinal of this roster, which has 0 to 2");
    assert_refused("a,b:7000,c", "b", "roster-self: \"b\" is no member of the roster");
    assert_refused("a,b", "b:", "roster-self: \"b:\": the port is no number from 1 to 65535");
}

static void what_is_wrong_in_a_roster_is_named(void **state)
{
    (void)state;
    const char *const bad_port = "roster: member 1, \"%s\": the port is no number from 1 to 65535";
    static const char *const ports[] = {"b:",   "b:0",     "b:65536",          "b:x",
                                        "b:-1", "b:6379x", "[::1]:99999999999"};
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        char roster[64], message[128];
        snprintf(roster, sizeof roster, "a,%s", ports[i]);
        snprintf(message, sizeof message, bad_port, ports[i]);
        assert_refused(roster, "0", message);
    }
    assert_refused("a,,b", "0", "roster: member 1, \"\": there is no host");
    assert_refused("a,", "0", "roster: member 1, \"\": there is no host");
    assert_refused(":6379", "0", "roster: member 0, \":6379\": there is no host");
    assert_refused("a, b", "0", "roster: member 1, \" b\": this is no host name");
    assert_refused("a b", "0", "roster: member 0, \"a b\": this is no host name");
    assert_refused("::1", "0",
                   "roster: member 0, \"::1\": an IPv6 address stands in brackets, as in [fd00::1]:6379");
    assert_refused("[::1", "0", "roster: member 0, \"[::1\": the bracket is not closed");
    assert_refused("[::g]", "0", "roster: member 0, \"[::g]\": what stands in brackets is no IPv6 address");
    assert_refused("[]", "0", "roster: member 0, \"[]\": what stands in brackets is no IPv6 address");
    assert_refused("[::1]6379", "0", "roster: member 0, \"[::1]6379\": only a port may follow the bracket");
    assert_refused("a,b,A:6379", "0", "roster: member 2, \"A:6379\", is member 0 as well");
}

static void a_roster_has_an_end(void **state)
{
    (void)state;
    char roster[1024] = "";
    for (int i = 0; i < IDENTITY_MEMBERS; i++) {
        snprintf(roster + strlen(roster), sizeof roster - strlen(roster), "%sh%d", i > 0 ? "," : "", i);
    }
    assert_listed(roster, "63", 63);
    strcat(roster, ",more");
    assert_refused(roster, "63", "roster: more than 64 members");
}

static void a_host_longer_than_any_name_is_refused(void **state)
{
    (void)state;
    char roster[IDENTITY_HOST_SIZE + 1];
    memset(roster, 'a', sizeof roster - 1);
    roster[sizeof roster - 1] = '\0';
    assert_false(list(roster, "0"));
    assert_non_null(strstr(error, "this is no host name"));
    roster[sizeof roster - 2] = '\0';
    assert_listed(roster, "0", 0);
}

static void an_endpoint_is_written_as_it_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = {"redis-0.redis.ns.svc:6379", "[fd00::1]:1", "10.0.0.1:65535"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct endpoint endpoint;
        char text[IDENTITY_HOST_SIZE + 9];
        assert_true(
            endpoint_read((struct slice){texts[i], strlen(texts[i])}, &endpoint, error, sizeof error));
        endpoint_write(endpoint.host, endpoint.port, text, sizeof text);
        assert_string_equal(text, texts[i]);
    }
}

/* ---- the pod ----------------------------------------------------------------------------------------- */

static bool pod(const char *hostname, const char *hosts)
{
    struct identity_own own = machine(hostname, 6380);
    char *copy = strdup(hosts); /* for AddressSanitizer: what lies behind the text is not to be read */
    error[0] = '\0';
    bool done = identity_from_hosts(&own, (struct slice){copy, strlen(hosts)}, &found, error, sizeof error);
    assert_true(done || error[0] != '\0');
    /* The names that are found are copies. */
    memset(copy, '?', strlen(hosts));
    free(copy);
    return done;
}

static const char kubelet[] = "# Kubernetes-managed hosts file.\n"
                              "127.0.0.1\tlocalhost\n"
                              "::1\tlocalhost ip6-localhost ip6-loopback\n"
                              "fe00::0\tip6-localnet\n"
                              "10.244.1.7\tredis-12.redis-headless.shop.svc.cluster.local\tredis-12\n";

static void a_pod_knows_its_set_ordinal_and_service(void **state)
{
    (void)state;
    assert_true(pod("redis-12", kubelet));
    assert_int_equal(found.kind, IDENTITY_POD);
    assert_int_equal(found.ordinal, 12);
    assert_int_equal(found.port, 6380);
    assert_string_equal(found.set, "redis");
    assert_string_equal(found.service, "redis-headless.shop.svc.cluster.local");
    /* setHostnameAsFQDN */
    assert_true(pod("redis-12.redis-headless.shop.svc.cluster.local", kubelet));
    assert_int_equal(found.ordinal, 12);
    /* Dual stack, no newline at the end, a set with numbers and hyphens in its name, no cluster domain. */
    assert_true(pod("my-redis-7-0", "10.1.1.1 my-redis-7-0.svc-a.ns.svc my-redis-7-0\r\n"
                                    "fd00::9  my-redis-7-0.svc-a.ns.svc my-redis-7-0"));
    assert_int_equal(found.kind, IDENTITY_POD);
    assert_string_equal(found.set, "my-redis-7");
    assert_string_equal(found.service, "svc-a.ns.svc");
    assert_true(pod("redis-12", "10.1.1.1 redis-12.a.b.svc.cluster.local. redis-12\n"));
    assert_string_equal(found.service, "a.b.svc.cluster.local");
}

static void what_is_no_pod_of_a_set_is_a_plain_server(void **state)
{
    (void)state;
    static const struct {
        const char *hostname, *hosts;
    } plain[] = {
        {"redis-12", ""},
        {"redis-12", "\n\n# redis-12.a.b.svc redis-12\n"},
        {"redis-12", "10.1.1.1 redis-12\n"},                       /* a pod without a headless service */
        {"redis-12", "10.1.1.1 redis-12.a.b.svc.cluster.local\n"}, /* not in short */
        {"redis-1", kubelet},                                      /* another's line */
        {"redis", kubelet},
        {"", kubelet},
        {"-12", "10.1.1.1 -12.a.b.svc -12\n"},
        {"12", "10.1.1.1 12.a.b.svc 12\n"},
        {"redis-", "10.1.1.1 redis-.a.b.svc redis-\n"},
        {"redis-07", "10.1.1.1 redis-07.a.b.svc redis-07\n"}, /* no ordinal is written so */
        {"redis-5b8f7-x2", "10.1.1.1 redis-5b8f7-x2.a.b.svc redis-5b8f7-x2\n"},
        {"cache-1", "127.0.1.1 cache-1.example.com cache-1\n"}, /* a machine, as Debian names it */
        {"cache-1", "127.0.1.1 cache-1.svc cache-1\n"},
        {"cache-1", "127.0.1.1 cache-1. cache-1\n"},
        {"cache-1", "127.0.1.1 cache-1.a.b.service cache-1\n"},
        {"cache-1", "127.0.1.1 cache-1.a..svc cache-1\n"},
        {"cache-1", "cache-1 cache-1.a.b.svc\n"}, /* the first word is an address, whatever it says */
        {"cache-1", "10.1.1.1 cache-1.a.b.svc\ncache-1\n"},
    };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        assert_true(pod(plain[i].hostname, plain[i].hosts));
        if (found.kind != IDENTITY_PLAIN || found.ordinal != -1) {
            fail_msg("%s is taken for ordinal %d of %s", plain[i].hostname, found.ordinal, found.service);
        }
    }
}

static void an_ordinal_beyond_all_sets_is_an_error(void **state)
{
    (void)state;
    assert_true(pod("redis-999999", "10.1.1.1 redis-999999.a.b.svc redis-999999\n"));
    assert_int_equal(found.ordinal, IDENTITY_ORDINAL_MAX);
    assert_false(pod("redis-1000000", "10.1.1.1 redis-1000000.a.b.svc redis-1000000\n"));
    assert_string_equal(error, "host name redis-1000000: its ordinal is beyond 999999");
}

static void members_are_named_by_their_ordinals(void **state)
{
    (void)state;
    struct endpoint member;
    assert_true(pod("redis-12", kubelet));
    assert_true(identity_member(&found, 0, &member));
    assert_string_equal(member.host, "redis-0.redis-headless.shop.svc.cluster.local");
    assert_int_equal(member.port, 6380);
    assert_int_equal(identity_ordinal_of(&found, member.host), 0);
    assert_int_equal(identity_ordinal_of(&found, "REDIS-42.redis-headless.shop.svc.cluster.local."), 42);
    static const char *const others[] = {
        "",
        ".",
        "redis-0",
        "redis-.redis-headless.shop.svc.cluster.local",
        "redis-x.redis-headless.shop.svc.cluster.local",
        "redis-00.redis-headless.shop.svc.cluster.local",
        "redis-99999999999.redis-headless.shop.svc.cluster.local",
        "redis-0.redis.shop.svc.cluster.local",
        "rediss-0.redis-headless.shop.svc.cluster.local",
        "10-244-1-7.redis-headless.shop.svc.cluster.local",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(identity_ordinal_of(&found, others[i]), -1);
    }
}

/* ---- this machine ------------------------------------------------------------------------------------ */

static bool find(const char *roster, const char *self)
{
    char *argv[] = {"ordinal", "--port", "7123", "--roster", (char *)roster, "--roster-self", (char *)self};
    struct config config;
    config_init_defaults(&config);
    assert_true(config_load_args(&config, 7, argv, error, sizeof error));
    bool done = identity_find(&config, &found, error, sizeof error);
    config_free(&config);
    return done;
}

static void the_machine_itself_is_asked(void **state)
{
    (void)state;
    char hostname[IDENTITY_HOST_SIZE] = "", roster[2 * IDENTITY_HOST_SIZE];
    assert_int_equal(gethostname(hostname, sizeof hostname - 1), 0);
    snprintf(roster, sizeof roster, "nowhere.test:7123,%s:7123", hostname);
    assert_true(find(roster, ""));
    assert_int_equal(found.ordinal, 1);
    assert_true(find("[::1]:7122,nowhere.test,127.0.0.1:7123", ""));
    assert_int_equal(found.ordinal, 2);
    assert_false(find("nowhere.test:7123", ""));
    assert_true(find("", ""));
    assert_int_equal(found.kind, IDENTITY_PLAIN);
    assert_false(find("", "1"));
    assert_string_equal(error, "roster-self is set, and roster is not");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_position_is_the_ordinal),
        cmocka_unit_test(a_node_recognises_itself_by_host_name_or_address_and_port),
        cmocka_unit_test(roster_self_says_it_without_guessing),
        cmocka_unit_test(what_is_wrong_in_a_roster_is_named),
        cmocka_unit_test(a_roster_has_an_end),
        cmocka_unit_test(a_host_longer_than_any_name_is_refused),
        cmocka_unit_test(an_endpoint_is_written_as_it_is_read),
        cmocka_unit_test(a_pod_knows_its_set_ordinal_and_service),
        cmocka_unit_test(what_is_no_pod_of_a_set_is_a_plain_server),
        cmocka_unit_test(an_ordinal_beyond_all_sets_is_an_error),
        cmocka_unit_test(members_are_named_by_their_ordinals),
        cmocka_unit_test(the_machine_itself_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
