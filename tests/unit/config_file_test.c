/* Where settings come from: redis.conf with includes, the environment with its secret files, the command line. */
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
    char folder[64];
    char path[128];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    strcpy(fixture->folder, "/tmp/ordinal-config-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof fixture->path, "%s/redis.conf", fixture->folder);
    config_init_defaults(&fixture->cfg);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", fixture->folder);
    assert_int_equal(system(command), 0);
    config_free(&fixture->cfg);
    free(fixture);
    return 0;
}

static void write_file(struct fixture *fixture, const char *name, const char *content)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(content, out);
    assert_int_equal(fclose(out), 0);
}

static bool load(struct fixture *fixture, const char *content)
{
    write_file(fixture, "redis.conf", content);
    return config_load_file(&fixture->cfg, fixture->path, fixture->err, sizeof fixture->err);
}

static void assert_loads(struct fixture *fixture, const char *content)
{
    if (!load(fixture, content)) {
        fail_msg("%s", fixture->err);
    }
}

static void assert_value(struct fixture *fixture, const char *name, const char *expected)
{
    char *value = config_value(&fixture->cfg, name);
    assert_non_null(value);
    assert_string_equal(value, expected);
    free(value);
}

/* ---- files -------------------------------------------------------------------------------------------------- */

static void words_are_unquoted(void **state)
{
    struct fixture *fixture = *state;
    assert_loads(fixture, "# a comment\n\n  PORT 7000\r\nbind 10.0.0.1 -::1\n\tlogfile 'it\\'s here'\n"
                          "requirepass \"a\\x20\\\"b\\\\\\t\"\nmaxmemory 2gb\nunixsocketperm 770");
    assert_int_equal(fixture->cfg.port, 7000);
    assert_int_equal(fixture->cfg.bind.count, 2);
    assert_string_equal(fixture->cfg.bind.items[1], "-::1");
    assert_string_equal(fixture->cfg.logfile, "it's here");
    assert_string_equal(fixture->cfg.requirepass, "a \"b\\\t");
    assert_int_equal(fixture->cfg.maxmemory, INT64_C(2) << 30);
    assert_int_equal(fixture->cfg.unixsocketperm, 0770);
    assert_string_equal(fixture->cfg.config_file, fixture->path);
}

static void save_lines_add_up_after_the_defaults_are_gone(void **state)
{
    assert_loads(*state, "save 900 1\nsave 300 10 60 10000\n");
    assert_value(*state, "save", "900 1 300 10 60 10000");
}

static void an_empty_save_clears(void **state)
{
    assert_loads(*state, "save 900 1\nsave \"\"\n");
    assert_value(*state, "save", "");
    assert_loads(*state, "save \n");
    assert_value(*state, "save", "");
}

static void one_quoted_word_is_as_good_as_several(void **state)
{
    assert_loads(*state, "save \"60 7\"\nclient-output-buffer-limit \"pubsub 1 2 3\"\n");
    assert_value(*state, "save", "60 7");
    assert_value(*state, "client-output-buffer-limit",
                 "normal 0 0 0 slave 268435456 67108864 60 pubsub 1 2 3");
}

static void renamed_commands_and_users_are_kept(void **state)
{
    struct fixture *fixture = *state;
    assert_loads(fixture, "rename-command FLUSHALL \"\"\nrename-command KEYS k-e-y-s\nuser alice on +@all\n");
    assert_int_equal(fixture->cfg.rename_command.count, 4);
    assert_string_equal(fixture->cfg.rename_command.items[1], "");
    assert_string_equal(fixture->cfg.rename_command.items[3], "k-e-y-s");
    assert_int_equal(fixture->cfg.user.count, 1);
    assert_string_equal(fixture->cfg.user.items[0], "alice on +@all");
}

static void a_fault_names_file_line_and_reason(void **state)
{
    static const char *const cases[][3] = {
        {"port 0\n# c\n  foo  bar  \n", "3\n>>> 'foo  bar'", "Bad directive or wrong number of arguments"},
        {"maxmemory abc\n", "1\n>>> 'maxmemory abc'", "argument must be a memory value"},
        {"maxmemory 1 2\n", "1\n>>> 'maxmemory 1 2'", "wrong number of arguments"},
        {"maxmemory\n", "1\n>>> 'maxmemory'", "wrong number of arguments"},
        {"logfile \"abc\n", "1\n>>> 'logfile \"abc'", "Unbalanced quotes in configuration line"},
        {"logfile \"a\"b\n", "1\n>>> 'logfile \"a\"b'", "Unbalanced quotes in configuration line"},
        {"save \"60\"\n", "1\n>>> 'save \"60\"'", "Invalid save parameters"},
        {"shutdown-on-sigint\n", "1\n>>> 'shutdown-on-sigint'",
         "argument(s) must be one of the following: default, save, nosave, now, force"},
        {"replicaof a\n", "1\n>>> 'replicaof a'", "wrong number of arguments"},
        {"replicaof a b\n", "1\n>>> 'replicaof a b'", "Invalid master port"},
        {"rename-command get\n", "1\n>>> 'rename-command get'", "wrong number of arguments"},
        {"loadmodule /x.so\n", "1\n>>> 'loadmodule /x.so'", "Ordinal loads no modules: remove this line"},
        {"io-threads 4000\n", "1\n>>> 'io-threads 4000'", "argument must be between 1 and 128 inclusive"},
        {"requirepass pa ss\n", "1\n>>> 'requirepass …'", "wrong number of arguments"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[CONFIG_ERR_SIZE];
        assert_false(load(fixture, cases[i][0]));
        snprintf(
            expected, sizeof expected,
            "*** FATAL CONFIG FILE ERROR (Ordinal) ***\nReading the configuration file %s, at line %s\n%s",
            fixture->path, cases[i][1], cases[i][2]);
        assert_string_equal(fixture->err, expected);
    }
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    assert_false(config_load_file(&fixture->cfg, "/nonexistent/x.conf", fixture->err, sizeof fixture->err));
    assert_string_equal(
        fixture->err, "Fatal error, can't open config file '/nonexistent/x.conf': No such file or directory");
}

static void includes_are_read_in_their_place_and_in_order(void **state)
{
    struct fixture *fixture = *state;
    char content[512];
    write_file(fixture, "b.part", "timeout 2\ntcp-keepalive 22\n");
    write_file(fixture, "a.part", "timeout 1\nmaxclients 11\n");
    snprintf(content, sizeof content, "timeout 9\ninclude %s/*.part\nmaxclients 5\ninclude %s/none-*.conf\n",
             fixture->folder, fixture->folder);
    assert_loads(fixture, content);
    assert_int_equal(fixture->cfg.timeout, 2);
    assert_int_equal(fixture->cfg.tcp_keepalive, 22);
    assert_int_equal(fixture->cfg.maxclients, 5);
}

static void a_fault_in_an_include_names_the_included_file(void **state)
{
    struct fixture *fixture = *state;
    char content[256], expected[CONFIG_ERR_SIZE];
    write_file(fixture, "part.conf", "\nfoo\n");
    snprintf(content, sizeof content, "include %s/part.conf\n", fixture->folder);
    assert_false(load(fixture, content));
    snprintf(expected, sizeof expected, "%s/part.conf, at line 2\n>>> 'foo'\n", fixture->folder);
    assert_non_null(strstr(fixture->err, expected));
}

static void a_file_that_includes_itself_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    char content[256];
    snprintf(content, sizeof content, "include %s\n", fixture->path);
    assert_false(load(fixture, content));
    assert_non_null(strstr(fixture->err, "is included too deep"));
}

static void an_endless_include_ends(void **state)
{
    struct fixture *fixture = *state;
    assert_false(load(fixture, "include /dev/zero\n"));
    assert_string_equal(fixture->err, "Fatal error, can't open config file '/dev/zero': File too large");
}

static void settings_without_effect_are_named_with_the_reason(void **state)
{
    struct fixture *fixture = *state;
    assert_loads(fixture,
                 "io-threads 4\nrdbcompression yes\nhz 10\naclfile users.acl\ntls-key-file-pass hidden\n");
    assert_int_equal(fixture->cfg.warnings.count, 3);
    assert_string_equal(
        fixture->cfg.warnings.items[0],
        "Setting 'io-threads' is accepted but not needed: `loops` threads run whole commands");
    assert_non_null(strstr(fixture->cfg.warnings.items[1], "'aclfile' is kept"));
    assert_null(strstr(fixture->cfg.warnings.items[2], "hidden"));
    assert_value(fixture, "io-threads", "4");
}

/* ---- environment -------------------------------------------------------------------------------------------- */

static bool load_env(struct fixture *fixture, const char *first, const char *second)
{
    char *environment[] = {strdup(first), strdup(second), NULL};
    bool done = config_load_env(&fixture->cfg, environment, fixture->err, sizeof fixture->err);
    free(environment[0]);
    free(environment[1]);
    return done;
}

static void variables_set_what_they_name(void **state)
{
    struct fixture *fixture = *state;
    assert_true(load_env(fixture, "ORDINAL_MAXMEMORY_POLICY=allkeys-lru", "ORDINAL_SAVE=60 1"));
    assert_int_equal(fixture->cfg.maxmemory_policy, CONFIG_POLICY_ALLKEYS_LRU);
    assert_value(fixture, "save", "60 1");
    assert_true(load_env(fixture, "ORDINAL_REQUIREPASS=a \"b", "PATH=/bin"));
    assert_string_equal(fixture->cfg.requirepass, "a \"b");
}

static void a_secret_file_loses_one_newline(void **state)
{
    static const char *const cases[][2] = {
        {"s3cret", "s3cret"}, {"s3cret\n", "s3cret"}, {"s3cret\r\n", "s3cret"}, {"s3cret\n\n", "s3cret\n"},
        {"\n", ""},
    };
    struct fixture *fixture = *state;
    char variable[256];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_file(fixture, "secret", cases[i][0]);
        snprintf(variable, sizeof variable, "ORDINAL_REQUIREPASS_FILE=%s/secret", fixture->folder);
        assert_true(load_env(fixture, variable, "X=1"));
        assert_string_equal(fixture->cfg.requirepass, cases[i][1]);
    }
    snprintf(variable, sizeof variable, "REDIS_PASSWORD_FILE=%s/secret", fixture->folder);
    write_file(fixture, "secret", "other\n");
    assert_true(load_env(fixture, variable, "X=1"));
    assert_string_equal(fixture->cfg.requirepass, "other");
}

static void a_setting_that_ends_in_file_is_not_taken_for_a_secret(void **state)
{
    struct fixture *fixture = *state;
    assert_true(load_env(fixture, "ORDINAL_TLS_CERT_FILE=/x/tls.crt", "X=1"));
    assert_string_equal(fixture->cfg.tls_cert_file, "/x/tls.crt");
}

static void ordinal_password_wins_over_that_of_charts(void **state)
{
    struct fixture *fixture = *state;
    assert_true(load_env(fixture, "ORDINAL_REQUIREPASS=ours", "REDIS_PASSWORD=charts"));
    assert_string_equal(fixture->cfg.requirepass, "ours");
    assert_true(load_env(fixture, "REDIS_PASSWORD=charts", "X=1"));
    assert_string_equal(fixture->cfg.requirepass, "charts");
    assert_true(load_env(fixture, "REDIS_PASSWORD=", "X=1"));
    assert_string_equal(fixture->cfg.requirepass, "charts");
}

static void service_links_of_kubernetes_are_passed_over(void **state)
{
    static const char *const links[] = {
        "ORDINAL_PORT=tcp://10.96.0.7:6379",
        "ORDINAL_SERVICE_HOST=10.96.0.7",
        "ORDINAL_SERVICE_PORT=6379",
        "ORDINAL_PORT_6379_TCP_ADDR=10.96.0.7",
        "ORDINAL_HEADLESS_SERVICE_PORT_REDIS=6379",
        "ORDINAL_HEADLESS_PORT=tcp://10.96.0.7:6379",
        "ORDINAL_PORT_6379_TCP=tcp://10.96.0.7:6379",
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        assert_true(load_env(fixture, links[i], "X=1"));
    }
    assert_int_equal(fixture->cfg.port, 6379);
    assert_int_equal(fixture->cfg.warnings.count, 0);
    assert_true(load_env(fixture, "ORDINAL_MAXMEMROY=1gb", "X=1"));
    assert_int_equal(fixture->cfg.warnings.count, 1);
    assert_string_equal(fixture->cfg.warnings.items[0],
                        "Environment variable ORDINAL_MAXMEMROY names no setting");
}

static void a_bad_value_names_its_variable(void **state)
{
    struct fixture *fixture = *state;
    assert_false(load_env(fixture, "ORDINAL_TIMEOUT=soon", "X=1"));
    assert_string_equal(fixture->err,
                        "Environment variable ORDINAL_TIMEOUT: argument couldn't be parsed into an integer");
    assert_false(load_env(fixture, "REDIS_PASSWORD_FILE=/nonexistent/p", "X=1"));
    assert_string_equal(
        fixture->err,
        "Environment variable REDIS_PASSWORD_FILE: can't read '/nonexistent/p': No such file or directory");
}

/* ---- command line ------------------------------------------------------------------------------------------- */

#define ARGS(...) ((char *[]){__VA_ARGS__, NULL}), (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *))

static bool load_args(struct fixture *fixture, char **argv, int argc)
{
    return config_load_args(&fixture->cfg, argc, argv, fixture->err, sizeof fixture->err);
}

static void options_take_the_words_that_follow(void **state)
{
    struct fixture *fixture = *state;
    assert_true(
        load_args(fixture, ARGS("x.conf", "--port", "7000", "--bind", "127.0.0.1", "::1", "--save",
                                "--TIMEOUT", "5", "--requirepass", "--dashes", "--client-output-buffer-limit",
                                "pubsub 1 2 3", "--slowlog-log-slower-than", "-1")));
    assert_int_equal(fixture->cfg.port, 7000);
    assert_value(fixture, "bind", "127.0.0.1 ::1");
    assert_value(fixture, "save", "");
    assert_int_equal(fixture->cfg.timeout, 5);
    assert_string_equal(fixture->cfg.requirepass, "--dashes");
    assert_int_equal(fixture->cfg.client_output_buffer_limit[CONFIG_CLASS_PUBSUB].hard, 1);
    assert_int_equal(fixture->cfg.slowlog_log_slower_than, -1);
}

static void an_option_may_hold_its_value_itself(void **state)
{
    struct fixture *fixture = *state;
    assert_true(load_args(fixture, ARGS("--maxmemory 700mb", "--maxmemory-policy 'volatile-lru'", "--save",
                                        "--shutdown-on-sigint", "nosave force now nosave")));
    assert_value(fixture, "maxmemory", "734003200");
    assert_value(fixture, "maxmemory-policy", "volatile-lru");
    assert_value(fixture, "shutdown-on-sigint", "nosave now force");
    assert_false(load_args(fixture, ARGS("--maxmemory '7mb")));
    assert_string_equal(fixture->err, "Unbalanced quotes or no name in argument '--maxmemory '7mb'");
}

static void a_faulty_option_is_shown(void **state)
{
    struct fixture *fixture = *state;
    static const char head[] = "*** FATAL CONFIG FILE ERROR (Ordinal) ***\nReading the command line\n>>> ";
    assert_false(load_args(fixture, ARGS("--port", "abc")));
    assert_memory_equal(fixture->err, head, sizeof head - 1);
    assert_string_equal(fixture->err + sizeof head - 1,
                        "'port \"abc\"'\nargument couldn't be parsed into an integer");
    assert_false(load_args(fixture, ARGS("--port=7000")));
    assert_string_equal(fixture->err + sizeof head - 1,
                        "'port=7000'\nBad directive or wrong number of arguments");
    assert_false(load_args(fixture, ARGS("--port")));
    assert_string_equal(fixture->err + sizeof head - 1, "'port'\nwrong number of arguments");
    assert_false(load_args(fixture, ARGS("-x", "1")));
    assert_string_equal(fixture->err, "Unexpected argument '-x': settings are given as --name value");
}

static void each_source_wins_over_the_one_before(void **state)
{
    struct fixture *fixture = *state;
    char start[4096], now[4096];
    char *environment[] = {"ORDINAL_TIMEOUT=2", "ORDINAL_MAXCLIENTS=2", NULL};
    char *argv[] = {"ordinal", fixture->path, "--maxclients", "3", "--dir", fixture->folder, NULL};
    write_file(fixture, "redis.conf", "timeout 1\nmaxclients 1\ntcp-keepalive 1\n");
    assert_non_null(getcwd(start, sizeof start));
    assert_true(config_load(&fixture->cfg, 6, argv, environment, fixture->err, sizeof fixture->err));
    assert_string_equal(getcwd(now, sizeof now), fixture->folder);
    assert_int_equal(chdir(start), 0);
    assert_int_equal(fixture->cfg.tcp_keepalive, 1);
    assert_int_equal(fixture->cfg.timeout, 2);
    assert_int_equal(fixture->cfg.maxclients, 3);
    assert_string_equal(fixture->cfg.dir, fixture->folder);
}

static void a_folder_that_is_not_there_stops_the_start(void **state)
{
    struct fixture *fixture = *state;
    char *environment[] = {NULL};
    char *argv[] = {"ordinal", "--dir", "/nonexistent/folder", NULL};
    assert_false(config_load(&fixture->cfg, 3, argv, environment, fixture->err, sizeof fixture->err));
    assert_string_equal(fixture->err,
                        "Can't use '/nonexistent/folder' as working directory: No such file or directory");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(words_are_unquoted),
        TEST(save_lines_add_up_after_the_defaults_are_gone),
        TEST(an_empty_save_clears),
        TEST(one_quoted_word_is_as_good_as_several),
        TEST(renamed_commands_and_users_are_kept),
        TEST(a_fault_names_file_line_and_reason),
        TEST(a_file_that_is_not_there_is_an_error),
        TEST(includes_are_read_in_their_place_and_in_order),
        TEST(a_fault_in_an_include_names_the_included_file),
        TEST(a_file_that_includes_itself_is_an_error),
        TEST(an_endless_include_ends),
        TEST(settings_without_effect_are_named_with_the_reason),
        TEST(variables_set_what_they_name),
        TEST(a_secret_file_loses_one_newline),
        TEST(a_setting_that_ends_in_file_is_not_taken_for_a_secret),
        TEST(ordinal_password_wins_over_that_of_charts),
        TEST(service_links_of_kubernetes_are_passed_over),
        TEST(a_bad_value_names_its_variable),
        TEST(options_take_the_words_that_follow),
        TEST(a_faulty_option_is_shown),
        TEST(an_option_may_hold_its_value_itself),
        TEST(each_source_wins_over_the_one_before),
        TEST(a_folder_that_is_not_there_stops_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
