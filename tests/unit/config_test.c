/* The settings in memory: defaults, CONFIG GET's formats, CONFIG SET's errors to the letter, hooks. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
    struct config cfg;
    char err[CONFIG_ERR_SIZE];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    config_init_defaults(&fixture->cfg);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    config_free(&fixture->cfg);
    free(fixture);
    return 0;
}

static struct slice text(const char *bytes)
{
    return (struct slice){bytes, strlen(bytes)};
}

static bool set(struct fixture *fixture, const char *name, const char *value)
{
    struct slice pair[2] = {text(name), text(value)};
    return config_set(&fixture->cfg, pair, 1, false, fixture->err, sizeof fixture->err);
}

static void assert_value(struct fixture *fixture, const char *name, const char *expected)
{
    char *value = config_value(&fixture->cfg, name);
    assert_non_null(value);
    assert_string_equal(value, expected);
    free(value);
}

static void assert_set(struct fixture *fixture, const char *name, const char *value, const char *shown)
{
    if (!set(fixture, name, value)) {
        fail_msg("%s", fixture->err);
    }
    assert_value(fixture, name, shown);
}

static void assert_refused(struct fixture *fixture, const char *name, const char *value, const char *error)
{
    char *before = config_value(&fixture->cfg, name);
    assert_false(set(fixture, name, value));
    assert_string_equal(fixture->err, error);
    if (before != NULL) {
        assert_value(fixture, name, before);
    }
    free(before);
}

/* Values of redis-server 7.0.15's CONFIG GET, and of 7.2 for what is newer. */
static void defaults_are_those_of_redis(void **state)
{
    static const char *const expected[][2] = {
        {"bind", "* -::*"},
        {"port", "6379"},
        {"tcp-backlog", "511"},
        {"tcp-keepalive", "300"},
        {"maxclients", "10000"},
        {"databases", "16"},
        {"protected-mode", "yes"},
        {"proto-max-bulk-len", "536870912"},
        {"client-query-buffer-limit", "1073741824"},
        {"client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"},
        {"maxmemory", "0"},
        {"maxmemory-clients", "0"},
        {"maxmemory-policy", "noeviction"},
        {"save", "3600 1 300 100 60 10000"},
        {"notify-keyspace-events", ""},
        {"unixsocketperm", "0"},
        {"loglevel", "notice"},
        {"latency-tracking-info-percentiles", "50 99 99.9"},
        {"hash-max-listpack-entries", "512"},
        {"set-max-listpack-entries", "128"},
        {"lua-time-limit", "5000"},
        {"hz", "10"},
        {"oom-score-adj-values", "0 200 800"},
        {"proc-title-template", "{title} {listen-addr} {server-mode}"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_value(*state, expected[i][0], expected[i][1]);
    }
    struct fixture *fixture = *state;
    assert_int_equal(fixture->cfg.maxmemory_policy, CONFIG_POLICY_NOEVICTION);
    assert_int_equal(fixture->cfg.save_count, 3);
    assert_int_equal(fixture->cfg.save[2].changes, 10000);
}

static void values_are_shown_as_redis_shows_them(void **state)
{
    assert_set(*state, "maxmemory", "100mB", "104857600");
    assert_set(*state, "maxmemory", "2k", "2000");
    assert_set(*state, "maxmemory", "1gb", "1073741824");
    assert_set(*state, "MaxMemory-Clients", "5%", "5%");
    assert_set(*state, "maxmemory-clients", "1gb", "1073741824");
    assert_set(*state, "maxmemory-policy", "ALLKEYS-LFU", "allkeys-lfu");
    assert_set(*state, "protected-mode", "No", "no");
    assert_set(*state, "notify-keyspace-events", "KEA", "AKE");
    assert_set(*state, "notify-keyspace-events", "Kx", "xK");
    assert_set(*state, "notify-keyspace-events", "AKEmn", "AKEm");
    assert_set(*state, "notify-keyspace-events", "gxetKm$", "g$xetKm");
    assert_set(*state, "client-output-buffer-limit", "normal 1mb 2kb 3 replica 1 2 3",
               "normal 1048576 2048 3 slave 1 2 3 pubsub 33554432 8388608 60");
    assert_set(*state, "save", "60 1", "60 1");
    assert_set(*state, "save", "", "");
    assert_set(*state, "latency-tracking-info-percentiles", "50 99.5 100", "50 99.5 100");
    assert_set(*state, "latency-tracking-info-percentiles", "0.0 50.10 99.9999999", "0 50.1 100");
    assert_set(*state, "latency-tracking-info-percentiles", "", "");
    assert_set(*state, "slowlog-log-slower-than", "-1", "-1");
    assert_set(*state, "slave-priority", "7", "7");
    assert_value(*state, "replica-priority", "7");
    assert_set(*state, "hz", "50", "50");
}

#define FAILED(name) "ERR CONFIG SET failed (possibly related to argument '" name "') - "

static void errors_are_those_of_redis(void **state)
{
    static const char policies[] = FAILED(
        "maxmemory-policy") "argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, volatile-ttl, "
                            "allkeys-lru, allkeys-lfu, allkeys-random, noeviction";
    static const char *const cases[][3] = {
        {"foo", "1", "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"},
        {"maxmemory", "abc", FAILED("maxmemory") "argument must be a memory value"},
        {"MAXMEMORY", "abc", FAILED("maxmemory") "argument must be a memory value"},
        {"Slave-Priority", "abc", FAILED("slave-priority") "argument couldn't be parsed into an integer"},
        {"Port", "6380", FAILED("Port") "can't set immutable config"},
        {"maxmemory", "-1", FAILED("maxmemory") "argument must be a memory value"},
        {"timeout", "007", FAILED("timeout") "argument couldn't be parsed into an integer"},
        {"timeout", "-0", FAILED("timeout") "argument couldn't be parsed into an integer"},
        {"client-query-buffer-limit", "",
         FAILED(
             "client-query-buffer-limit") "argument must be between 1048576 and 9223372036854775807 inclusive"},
        {"maxmemory", "9999999999gb",
         FAILED("maxmemory") "argument must be between 0 and 9223372036854775807 inclusive"},
        {"maxmemory", "99999999999999999999",
         FAILED("maxmemory") "argument must be between 0 and 9223372036854775807 inclusive"},
        {"maxmemory-clients", "9999999999gb",
         FAILED("maxmemory-clients") "argument must be a memory or percent value"},
        {"oom-score-adj-values", "1 2", FAILED("oom-score-adj-values") "wrong number of arguments"},
        {"oom-score-adj-values", "1 2 3000",
         FAILED(
             "oom-score-adj-values") "Invalid oom-score-adj-values, elements must be between -2000 and 2000."},
        {"shutdown-on-sigterm", "now please",
         FAILED(
             "shutdown-on-sigterm") "argument(s) must be one of the following: default, save, nosave, now, force"},
        {"latency-tracking-info-percentiles", "nan",
         FAILED("latency-tracking-info-percentiles") "Invalid latency-tracking-info-percentiles parameters"},
        {"activedefrag", "yes",
         FAILED(
             "activedefrag") "Active defragmentation cannot be enabled: it requires a Redis server compiled with a "
                             "modified Jemalloc like the one shipped by default with the Redis source distribution"},
        {"maxmemory-policy", "foo", policies},
        {"timeout", "-1", FAILED("timeout") "argument must be between 0 and 2147483647 inclusive"},
        {"timeout", "abc", FAILED("timeout") "argument couldn't be parsed into an integer"},
        {"timeout", "", FAILED("timeout") "argument couldn't be parsed into an integer"},
        {"timeout", " 1", FAILED("timeout") "argument couldn't be parsed into an integer"},
        {"timeout", "99999999999", FAILED("timeout") "argument must be between 0 and 2147483647 inclusive"},
        {"maxclients", "0", FAILED("maxclients") "argument must be between 1 and 4294967295 inclusive"},
        {"appendonly", "foo", FAILED("appendonly") "argument must be 'yes' or 'no'"},
        {"databases", "3", FAILED("databases") "can't set immutable config"},
        {"dir", "/tmp", FAILED("dir") "can't set protected config"},
        {"maxmemory-clients", "101%",
         FAILED("maxmemory-clients") "percentage argument must be less or equal to 100"},
        {"maxmemory-clients", "-1", FAILED("maxmemory-clients") "argument must be a memory or percent value"},
        {"maxmemory-clients", "%", FAILED("maxmemory-clients") "argument must be a memory or percent value"},
        {"client-output-buffer-limit", "foo 1 2 3",
         FAILED(
             "client-output-buffer-limit") "Invalid client class specified in buffer limit configuration."},
        {"client-output-buffer-limit", "normal 1 2",
         FAILED("client-output-buffer-limit") "Wrong number of arguments in buffer limit configuration."},
        {"client-output-buffer-limit", "pubsub 1 2 3 normal 1mb 2kb -1",
         FAILED("client-output-buffer-limit") "Error in hard, soft or soft_seconds setting in buffer limit "
                                              "configuration."},
        {"save", "3600", FAILED("save") "Invalid save parameters"},
        {"save", "60 1 x 2", FAILED("save") "Invalid save parameters"},
        {"save", "0 1", FAILED("save") "Invalid save parameters"},
        {"save", "3600 1  60 2", FAILED("save") "Invalid save parameters"},
        {"notify-keyspace-events", "q",
         FAILED("notify-keyspace-events") "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."},
        {"latency-tracking-info-percentiles", "50 101",
         FAILED(
             "latency-tracking-info-percentiles") "latency-tracking-info-percentiles parameters should sit between "
                                                  "[0.0,100.0]"},
        {"latency-tracking-info-percentiles", "a b",
         FAILED("latency-tracking-info-percentiles") "Invalid latency-tracking-info-percentiles parameters"},
        {"proto-max-bulk-len", "1",
         FAILED("proto-max-bulk-len") "argument must be between 1048576 and 9223372036854775807 inclusive"},
        {"slave-priority", "x", FAILED("slave-priority") "argument couldn't be parsed into an integer"},
        {"rename-command", "a b",
         "ERR Unknown option or number of arguments for CONFIG SET - 'rename-command'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(*state, cases[i][0], cases[i][1], cases[i][2]);
    }
}

static void a_zero_byte_in_a_value_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct slice pair[2] = {text("requirepass"), {"a\0b", 3}};
    assert_false(config_set(&fixture->cfg, pair, 1, false, fixture->err, sizeof fixture->err));
    assert_string_equal(fixture->err, FAILED("requirepass") "argument can't hold a zero byte");
    assert_string_equal(fixture->cfg.requirepass, "");
}

static void a_set_of_several_is_all_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct slice pairs[] = {text("timeout"), text("7"),         text("save"),
                            text("1 1"),     text("maxmemory"), text("x")};
    assert_false(config_set(&fixture->cfg, pairs, 3, false, fixture->err, sizeof fixture->err));
    assert_string_equal(fixture->err, FAILED("maxmemory") "argument must be a memory value");
    assert_int_equal(fixture->cfg.timeout, 0);
    assert_int_equal(fixture->cfg.save_count, 3);
    pairs[5] = text("1mb");
    assert_true(config_set(&fixture->cfg, pairs, 3, false, fixture->err, sizeof fixture->err));
    assert_int_equal(fixture->cfg.timeout, 7);
    assert_int_equal(fixture->cfg.save_count, 1);
    assert_int_equal(fixture->cfg.maxmemory, 1048576);
}

static void the_same_setting_twice_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct slice pairs[] = {text("slave-priority"), text("1"), text("replica-priority"), text("2")};
    assert_false(config_set(&fixture->cfg, pairs, 2, false, fixture->err, sizeof fixture->err));
    assert_string_equal(fixture->err, FAILED("replica-priority") "duplicate parameter");
    assert_int_equal(fixture->cfg.replica_priority, 100);
}

static void protected_settings_open_as_allowed(void **state)
{
    struct fixture *fixture = *state;
    struct slice pair[2] = {text("dbfilename"), text("other.rdb")};
    fixture->cfg.enable_protected_configs = CONFIG_ALLOW_LOCAL;
    assert_false(config_set(&fixture->cfg, pair, 1, false, fixture->err, sizeof fixture->err));
    assert_true(config_set(&fixture->cfg, pair, 1, true, fixture->err, sizeof fixture->err));
    assert_string_equal(fixture->cfg.dbfilename, "other.rdb");
    fixture->cfg.enable_protected_configs = CONFIG_ALLOW_YES;
    assert_refused(fixture, "dbfilename", "a/b",
                   FAILED("dbfilename") "dbfilename can't be a path, just a filename");
}

static void setting_dir_changes_the_working_directory(void **state)
{
    struct fixture *fixture = *state;
    char start[4096], now[4096], folder[] = "/tmp/ordinal-config-XXXXXX";
    assert_non_null(getcwd(start, sizeof start));
    assert_non_null(mkdtemp(folder));
    fixture->cfg.enable_protected_configs = CONFIG_ALLOW_YES;
    assert_set(fixture, "dir", folder, folder);
    assert_string_equal(getcwd(now, sizeof now), folder);
    assert_refused(fixture, "dir", "/nonexistent/folder", FAILED("dir") "No such file or directory");
    assert_string_equal(getcwd(now, sizeof now), folder);
    assert_int_equal(chdir(start), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- CONFIG GET --------------------------------------------------------------------------------------------- */

static void collect(void *ctx, const char *name, const char *value, size_t value_size)
{
    assert_int_equal(strlen(value), value_size);
    strcat(strcat(strcat(strcat(ctx, name), "="), value), ";");
}

static void assert_get(struct fixture *fixture, const char *first, const char *second, const char *expected)
{
    char found[16384] = "";
    struct slice patterns[2] = {text(first), text(second)};
    config_get(&fixture->cfg, patterns, 2, collect, found);
    assert_string_equal(found, expected);
}

static void get_matches_patterns_once_and_in_order(void **state)
{
    assert_get(*state, "slowlog-*", "slow*", "slowlog-log-slower-than=10000;slowlog-max-len=128;");
    assert_get(*state, "MAXMEMORY", "x", "MAXMEMORY=0;");
    assert_get(*state, "*ziplist-value", "*ziplist-size",
               "hash-max-ziplist-value=64;list-max-ziplist-size=-2;zset-max-ziplist-value=64;");
    assert_get(*state, "nosuch", "", "");
}

static void hidden_and_unlisted_settings_stay_out_of_patterns(void **state)
{
    assert_get(*state, "key-load-dela*", "user", "");
    assert_get(*state, "key-load-delay", "rename-command", "key-load-delay=0;");
}

/* ---- hooks -------------------------------------------------------------------------------------------------- */

struct observer {
    int calls;
    int seen;
    bool refuse;
};

static bool observe(void *ctx, struct config *cfg, const char **err)
{
    struct observer *observer = ctx;
    observer->calls++;
    observer->seen = cfg->timeout;
    *err = "not today";
    return !observer->refuse;
}

static void a_hook_hears_of_real_changes_only(void **state)
{
    struct fixture *fixture = *state;
    struct observer observer = {0};
    config_on_change(&fixture->cfg, "timeout", observe, &observer);
    assert_true(set(fixture, "maxclients", "5"));
    assert_true(set(fixture, "timeout", "0"));
    assert_int_equal(observer.calls, 0);
    assert_true(set(fixture, "timeout", "9"));
    assert_int_equal(observer.calls, 1);
    assert_int_equal(observer.seen, 9);
}

static void a_hook_for_several_settings_runs_once(void **state)
{
    struct fixture *fixture = *state;
    struct observer observer = {0};
    config_on_change(&fixture->cfg, "timeout", observe, &observer);
    config_on_change(&fixture->cfg, "tcp-keepalive", observe, &observer);
    struct slice pairs[] = {text("tcp-keepalive"), text("1"), text("timeout"), text("2")};
    assert_true(config_set(&fixture->cfg, pairs, 2, false, fixture->err, sizeof fixture->err));
    assert_int_equal(observer.calls, 1);
    assert_true(set(fixture, "tcp-keepalive", "3"));
    assert_int_equal(observer.calls, 2);
}

static void a_hook_that_refuses_undoes_the_whole_set(void **state)
{
    struct fixture *fixture = *state;
    struct observer first = {0}, second = {.refuse = true}, third = {0};
    config_on_change(&fixture->cfg, "timeout", observe, &first);
    config_on_change(&fixture->cfg, "maxclients", observe, &second);
    config_on_change(&fixture->cfg, "tcp-keepalive", observe, &third);
    struct slice pairs[] = {text("timeout"),       text("4"), text("maxclients"), text("5"),
                            text("tcp-keepalive"), text("6")};
    assert_false(config_set(&fixture->cfg, pairs, 3, false, fixture->err, sizeof fixture->err));
    assert_string_equal(fixture->err, FAILED("maxclients") "not today");
    assert_int_equal(fixture->cfg.timeout, 0);
    assert_int_equal(fixture->cfg.maxclients, 10000);
    assert_int_equal(fixture->cfg.tcp_keepalive, 300);
    assert_int_equal(first.calls, 2); /* with the new value, and with the old one again */
    assert_int_equal(first.seen, 0);
    assert_int_equal(third.calls, 0);
}

/* ---- derived values ----------------------------------------------------------------------------------------- */

static void client_memory_follows_maxmemory(void **state)
{
    struct fixture *fixture = *state;
    assert_true(set(fixture, "maxmemory", "1050"));
    assert_int_equal(config_maxmemory_clients(&fixture->cfg), 0);
    assert_true(set(fixture, "maxmemory-clients", "7%"));
    assert_int_equal(config_maxmemory_clients(&fixture->cfg), 73);
    assert_true(set(fixture, "maxmemory-clients", "2kb"));
    assert_int_equal(config_maxmemory_clients(&fixture->cfg), 2048);
}

static void a_password_matches_itself_alone(void **state)
{
    struct fixture *fixture = *state;
    assert_false(config_password_matches(&fixture->cfg, "", 0));
    assert_true(set(fixture, "requirepass", "s3cret"));
    assert_true(config_password_matches(&fixture->cfg, "s3cret", 6));
    assert_false(config_password_matches(&fixture->cfg, "s3cre", 5));
    assert_false(config_password_matches(&fixture->cfg, "s3cret\0", 7));
    assert_true(set(fixture, "requirepass", ""));
    assert_false(config_password_matches(&fixture->cfg, "", 0));
}

static void loops_default_to_the_cpus(void **state)
{
    struct fixture *fixture = *state;
    int loops = config_loops(&fixture->cfg);
    assert_in_range(loops, 1, sysconf(_SC_NPROCESSORS_CONF));
    fixture->cfg.loops = 3;
    assert_int_equal(config_loops(&fixture->cfg), 3);
}

/* ---- help and documentation ---------------------------------------------------------------------------------- */

static char *printed(void (*print)(FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void check_documented(void *ctx, const char *name, const char *value, size_t value_size)
{
    char quoted[128];
    (void)value;
    (void)value_size;
    snprintf(quoted, sizeof quoted, "`%s`", name);
    if (strstr(ctx, quoted) == NULL) {
        fail_msg("%s is not in the documentation", name);
    }
}

static void every_setting_is_documented(void **state)
{
    struct fixture *fixture = *state;
    struct slice all = text("*");
    char *docs = printed(config_docs);
    config_get(&fixture->cfg, &all, 1, check_documented, docs);
    free(docs);
}

static void help_names_what_can_be_set_and_nothing_without_effect(void **state)
{
    (void)state;
    char *help = printed(config_help);
    assert_non_null(strstr(help, "  --maxmemory-policy "));
    assert_non_null(strstr(help, "  --log-format "));
    assert_null(strstr(help, "--io-threads"));
    free(help);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_redis),
        TEST(values_are_shown_as_redis_shows_them),
        TEST(errors_are_those_of_redis),
        TEST(a_zero_byte_in_a_value_is_refused),
        TEST(a_set_of_several_is_all_or_nothing),
        TEST(the_same_setting_twice_is_refused),
        TEST(protected_settings_open_as_allowed),
        TEST(setting_dir_changes_the_working_directory),
        TEST(get_matches_patterns_once_and_in_order),
        TEST(hidden_and_unlisted_settings_stay_out_of_patterns),
        TEST(a_hook_hears_of_real_changes_only),
        TEST(a_hook_for_several_settings_runs_once),
        TEST(a_hook_that_refuses_undoes_the_whole_set),
        TEST(client_memory_follows_maxmemory),
        TEST(a_password_matches_itself_alone),
        TEST(loops_default_to_the_cpus),
        TEST(every_setting_is_documented),
        TEST(help_names_what_can_be_set_and_nothing_without_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
