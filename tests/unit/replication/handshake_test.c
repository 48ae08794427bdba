/* The handshake with a master whose replies lie ready: what is asked, and what is made of each answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"
#include "replication/handshake.h"

#define ID     "0123456789012345678901234567890123456789"
#define HELLO  "+PONG\r\n"
#define UNSAID "-ERR Unrecognized REPLCONF option\r\n"
#define KNOWN  "+OK\r\n+OK\r\n" UNSAID
#define PSYNC  HELLO KNOWN

/* What an Ordinal says. */
#define OTHER_ID      "abcdefabcdefabcdefabcdefabcdefabcdefabcd"
#define TOLD(history) HELLO "+OK\r\n+OK\r\n+HISTORY serves " history " 1700000000000\r\n"

static struct link to_master;
static int master;
static char asked[4096];

static bool goes_on(void *context)
{
    (void)context;
    return true;
}

/* A link whose other end has said `replies`, and has nothing more to say. */
static void connect_to(const char *replies)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    link_init(&to_master, eventfd(0, EFD_NONBLOCK), &(struct link_hooks){.goes_on = goes_on});
    to_master.fd = pair[0];
    to_master.timeout = 1000;
    master = pair[1];
    assert_int_equal(write(master, replies, strlen(replies)), strlen(replies));
    shutdown(master, SHUT_WR);
}

static void disconnect(void)
{
    ssize_t got = read(master, asked, sizeof asked - 1);
    asked[got > 0 ? got : 0] = '\0';
    close(master);
    close(to_master.event);
    link_free(&to_master);
}

static enum handshake_answer run(const char *replies, const struct handshake_own *own,
                                 struct handshake_result *result)
{
    connect_to(replies);
    enum handshake_answer answer = handshake_run(&to_master, own, result);
    disconnect();
    return answer;
}

static const struct handshake_own fresh = {.user = "", .password = "", .announce_ip = "", .port = 7000};
static const struct handshake_own knows = {
    .user = "", .password = "", .announce_ip = "", .port = 7000, .id = ID, .offset = 41};

static void what_is_asked(void **state)
{
    struct handshake_result result;
    (void)state;
    assert_int_equal(run(PSYNC "+FULLRESYNC " ID " 99\r\n", &fresh, &result), HANDSHAKE_FULL);
    assert_string_equal(result.id, ID);
    assert_int_equal(result.offset, 99);
    assert_string_equal(asked,
                        "*1\r\n$4\r\nPING\r\n*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n7000\r\n"
                        "*7\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n"
                        "$4\r\ncapa\r\n$7\r\nordinal\r\n*2\r\n$8\r\nREPLCONF\r\n$7\r\nhistory\r\n"
                        "*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n");
}

static void a_history_is_asked_for_by_its_next_byte(void **state)
{
    struct handshake_result result;
    (void)state;
    assert_int_equal(run(PSYNC "+CONTINUE\r\n", &knows, &result), HANDSHAKE_CONTINUE);
    assert_string_equal(result.id, "");
    assert_non_null(strstr(asked, "PSYNC\r\n$40\r\n" ID "\r\n$2\r\n42\r\n"));
    assert_int_equal(run(PSYNC "+CONTINUE " ID "\r\n", &knows, &result), HANDSHAKE_CONTINUE);
    assert_string_equal(result.id, ID);
}

static void passwords(void **state)
{
    struct handshake_own own = fresh;
    struct handshake_result result;
    (void)state;
    own.password = "secret";
    assert_int_equal(run("-NOAUTH no\r\n+OK\r\n" KNOWN "+FULLRESYNC " ID " 0\r\n", &own, &result),
                     HANDSHAKE_FULL);
    assert_non_null(strstr(asked, "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"));
    own.user = "me";
    assert_int_equal(run(HELLO "-WRONGPASS no\r\n", &own, &result), HANDSHAKE_FAILED);
    assert_non_null(strstr(asked, "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n"));
    assert_string_equal(to_master.error, "Unable to AUTH to MASTER: -WRONGPASS no");
}

static void what_a_master_need_not_know(void **state)
{
    struct handshake_own own = fresh;
    struct handshake_result result;
    (void)state;
    own.announce_ip = "10.0.0.1";
    assert_int_equal(run(HELLO UNSAID UNSAID UNSAID UNSAID "\n\n\n+FULLRESYNC " ID " 0\r\n", &own, &result),
                     HANDSHAKE_FULL);
    assert_non_null(strstr(asked, "$10\r\nip-address\r\n$8\r\n10.0.0.1\r\n"));
}

static void a_member_of_the_roster_says_who_it_is(void **state)
{
    struct handshake_own own = knows;
    struct handshake_result result;
    (void)state;
    own.node_id = "me";
    own.ordinal = 2;
    own.epoch = 3;
    assert_int_equal(run(TOLD("3 50 " ID) "+OK\r\n+CONTINUE\r\n", &own, &result), HANDSHAKE_CONTINUE);
    assert_non_null(strstr(asked, "$7\r\nnode-id\r\n$2\r\nme\r\n$7\r\nordinal\r\n$1\r\n2\r\n"));
    assert_int_equal(result.history.epoch, 3);
    assert_int_equal(result.history.clock, 1700000000000);
    assert_true(result.asked <= result.heard);
}

/* It would empty this node. */
static void a_master_of_an_older_history_is_not_followed(void **state)
{
    static const char *const older[] = {TOLD("2 5000 " ID) "+OK\r\n", TOLD("3 5000 " OTHER_ID) "+OK\r\n"};
    struct handshake_own own = knows;
    struct handshake_result result;
    (void)state;
    own.epoch = 3;
    for (size_t i = 0; i < sizeof older / sizeof *older; i++) {
        assert_int_equal(run(older[i], &own, &result), HANDSHAKE_FAILED);
        assert_non_null(strstr(asked, "REPLCONF\r\n$5\r\nnewer\r\n"));
        assert_null(strstr(asked, "PSYNC\r\n"));
        assert_non_null(strstr(to_master.error, "is older than this node's"));
    }
    own.epoch = 0; /* whoever is told by hand to follow does so */
    assert_int_equal(run(TOLD("2 5000 " ID) "+CONTINUE\r\n", &own, &result), HANDSHAKE_CONTINUE);
}

static void answers_that_are_none(void **state)
{
    static const struct {
        const char *replies;
        enum handshake_answer answer;
    } rows[] = {
        {"", HANDSHAKE_FAILED},
        {"-ERR go away\r\n", HANDSHAKE_FAILED},
        {PSYNC, HANDSHAKE_FAILED},
        {PSYNC "+FULLRESYNC\r\n", HANDSHAKE_FAILED},
        {PSYNC "+FULLRESYNC short 1\r\n", HANDSHAKE_FAILED},
        {PSYNC "+FULLRESYNC " ID "\r\n", HANDSHAKE_FAILED},
        {PSYNC "+FULLRESYNC " ID " x\r\n", HANDSHAKE_FAILED},
        {PSYNC "+FULLRESYNC " ID " -1\r\n", HANDSHAKE_FAILED},
        {PSYNC "+CONTINUE\r\n", HANDSHAKE_FAILED},
        {PSYNC "$5\r\nhello\r\n", HANDSHAKE_FAILED},
        {PSYNC "-ERR what\r\n", HANDSHAKE_FAILED},
        {PSYNC "-NOMASTERLINK later\r\n", HANDSHAKE_LATER},
        {PSYNC "-LOADING later\r\n", HANDSHAKE_LATER},
        {PSYNC "-ERR unknown command 'PSYNC'\r\n", HANDSHAKE_OLD},
    };
    struct handshake_result result;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(run(rows[i].replies, &fresh, &result), rows[i].answer);
        assert_true(rows[i].answer == HANDSHAKE_OLD || to_master.error[0] != '\0');
    }
}

static void how_a_snapshot_comes(void **state)
{
    struct handshake_bulk bulk;
    (void)state;
    connect_to("\n\n$EOF:" ID "\r\nREDIS");
    assert_true(handshake_await_bulk(&to_master, &bulk));
    assert_true(bulk.marked);
    assert_string_equal(bulk.mark, ID);
    char rest[8];
    assert_int_equal(link_read(&to_master, rest, sizeof rest), 5);
    assert_memory_equal(rest, "REDIS", 5);
    disconnect();
    connect_to("$123\r\n");
    assert_true(handshake_await_bulk(&to_master, &bulk));
    assert_false(bulk.marked);
    assert_int_equal(bulk.size, 123);
    disconnect();
    static const char *const wrong[] = {
        "", "$0\r\n", "$-1\r\n", "$x\r\n", "$EOF:short\r\n", "-ERR no\r\n", "hello\r\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        connect_to(wrong[i]);
        assert_false(handshake_await_bulk(&to_master, &bulk));
        assert_true(to_master.error[0] != '\0');
        disconnect();
    }
}

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked),
        cmocka_unit_test(a_history_is_asked_for_by_its_next_byte),
        cmocka_unit_test(passwords),
        cmocka_unit_test(what_a_master_need_not_know),
        cmocka_unit_test(a_member_of_the_roster_says_who_it_is),
        cmocka_unit_test(a_master_of_an_older_history_is_not_followed),
        cmocka_unit_test(answers_that_are_none),
        cmocka_unit_test(how_a_snapshot_comes),
    };
    return cmocka_run_group_tests_name("handshake", tests, NULL, NULL);
}
