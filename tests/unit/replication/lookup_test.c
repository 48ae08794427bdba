/* Names to addresses, against a name server of the test's own. */
#include "replication/lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "clock.h"
#include "memory.h"
#include "name_server.h"

struct fixture {
    struct name_server dns;
    struct lookup_options options;
    uv_loop_t uv;
    struct lookup lookup;
    int done; /* how often the callback ran */
    char error[LOOKUP_ERROR_SIZE];
    bool closed;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    name_server_start(&f->dns);
    f->options = (struct lookup_options){.servers = f->dns.address};
    uv_loop_init(&f->uv);
    lookup_init(&f->lookup, &f->uv, &f->options);
    f->lookup.data = f;
    *state = f;
    return 0;
}

static void on_closed(struct lookup *lookup)
{
    struct fixture *f = lookup->data;
    f->closed = true;
}

/* Whatever a test did: the handle closes, and leaves nothing on the loop. */
static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (!uv_is_closing((uv_handle_t *)&f->lookup.timer)) {
        lookup_close(&f->lookup, on_closed);
    }
    uv_run(&f->uv, UV_RUN_DEFAULT);
    assert_true(f->closed);
    assert_int_equal(uv_loop_close(&f->uv), 0);
    name_server_stop(&f->dns);
    free(f);
    return 0;
}

static void on_done(struct lookup *lookup, const char *error)
{
    struct fixture *f = lookup->data;
    f->done++;
    assert_false(lookup_active(lookup));
    snprintf(f->error, sizeof f->error, "%s", error != NULL ? error : "");
    assert_true(error == NULL ? lookup->count > 0 : lookup->count == 0 && lookup->targets == NULL);
}

/* Runs the loop until the lookup has ended, which it does once. */
static void finish(struct fixture *f)
{
    int before = f->done;
    assert_true(lookup_active(&f->lookup)); /* never within the call that starts it */
    while (f->done == before) {
        uv_run(&f->uv, UV_RUN_ONCE);
    }
    assert_int_equal(f->done, before + 1);
}

static void find_host(struct fixture *f, const char *name, int port)
{
    lookup_host(&f->lookup, name, port, on_done);
    finish(f);
}

static void find_service(struct fixture *f, const char *name)
{
    lookup_service(&f->lookup, name, on_done);
    finish(f);
}

/* "10.0.0.1:6379 [fd00::1]:6379" */
static const char *addresses(const struct lookup_target *target)
{
    static char text[512];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < target->count; i++) {
        const union lookup_address *at = &target->addresses[i];
        bool six = at->any.sa_family == AF_INET6;
        char host[INET6_ADDRSTRLEN];
        inet_ntop(at->any.sa_family, six ? (const void *)&at->v6.sin6_addr : (const void *)&at->v4.sin_addr,
                  host, sizeof host);
        len += (size_t)snprintf(text + len, sizeof text - len, six ? "%s[%s]:%d" : "%s%s:%d",
                                i > 0 ? " " : "", host, ntohs(six ? at->v6.sin6_port : at->v4.sin_port));
    }
    return text;
}

static void a_name_has_the_addresses_that_dns_gives(void **state)
{
    struct fixture *f = *state;
    name_add(&f->dns, (struct name_record){"four.test", ns_t_a, "10.0.0.1", 0, 0});
    name_add(&f->dns, (struct name_record){"six.test", ns_t_aaaa, "fd00::1", 0, 0});
    find_host(f, "four.test", 6379);
    assert_string_equal(f->error, "");
    assert_int_equal(f->lookup.count, 1);
    assert_string_equal(f->lookup.targets->host, "four.test");
    assert_int_equal(f->lookup.targets->port, 6379);
    assert_string_equal(addresses(f->lookup.targets), "10.0.0.1:6379");
    find_host(f, "six.test", 7000);
    assert_string_equal(f->error, "");
    assert_string_equal(addresses(f->lookup.targets), "[fd00::1]:7000");
}

static void both_families_are_found(void **state)
{
    struct fixture *f = *state;
    name_add(&f->dns, (struct name_record){"both.test", ns_t_a, "127.0.0.1", 0, 0});
    name_add(&f->dns, (struct name_record){"both.test", ns_t_aaaa, "fd00::2", 0, 0});
    find_host(f, "both.test", 1);
    assert_string_equal(f->error, "");
    assert_int_equal(f->lookup.targets->count, 2);
    assert_non_null(strstr(addresses(f->lookup.targets), "127.0.0.1:1"));
    assert_non_null(strstr(addresses(f->lookup.targets), "[fd00::2]:1"));
}

static void more_addresses_than_there_is_room_for_are_left_out(void **state)
{
    struct fixture *f = *state;
    char many[LOOKUP_ADDRESSES + 3][32];
    for (int i = 0; i < LOOKUP_ADDRESSES + 3; i++) {
        snprintf(many[i], sizeof many[i], "10.0.0.%d", i + 1);
        name_add(&f->dns, (struct name_record){"many.test", ns_t_a, many[i], 0, 0});
    }
    find_host(f, "many.test", 1);
    assert_int_equal(f->lookup.targets->count, LOOKUP_ADDRESSES);
}

static void an_address_needs_no_name_server(void **state)
{
    struct fixture *f = *state;
    find_host(f, "192.0.2.7", 6379);
    assert_string_equal(addresses(f->lookup.targets), "192.0.2.7:6379");
    find_host(f, "fd00::7", 6379);
    assert_string_equal(addresses(f->lookup.targets), "[fd00::7]:6379");
    assert_int_equal(name_questions(&f->dns), 0);
}

/* The first address and name of the machine's own hosts file that is not "localhost", which c-ares knows by itself. */
static bool first_host(char *address, char *name)
{
    char line[1024];
    bool found = false;
    FILE *hosts = fopen("/etc/hosts", "r");
    while (hosts != NULL && !found && fgets(line, sizeof line, hosts) != NULL) {
        found = sscanf(line, "%63s %255s", address, name) == 2 && address[0] != '#' &&
                strstr(name, "localhost") == NULL;
    }
    if (hosts != NULL) {
        fclose(hosts);
    }
    return found;
}

static void the_hosts_file_is_honoured(void **state)
{
    struct fixture *f = *state;
    char address[64], name[256];
    assert_true(first_host(address, name));
    find_host(f, name, 6379);
    assert_string_equal(f->error, "");
    assert_non_null(strstr(addresses(f->lookup.targets), address));
    assert_int_equal(name_questions(&f->dns), 0);
}

static void an_address_that_changes_is_seen_by_the_next_lookup(void **state)
{
    struct fixture *f = *state;
    name_add(&f->dns, (struct name_record){"pod.test", ns_t_a, "10.0.0.1", 0, 0});
    find_host(f, "pod.test", 6379);
    assert_string_equal(addresses(f->lookup.targets), "10.0.0.1:6379");
    name_clear(&f->dns);
    find_host(f, "pod.test", 6379);
    assert_string_equal(f->error, "pod.test: no such name (NXDOMAIN)");
    name_add(&f->dns, (struct name_record){"pod.test", ns_t_a, "10.0.0.2", 0, 0});
    find_host(f, "pod.test", 6379);
    assert_string_equal(addresses(f->lookup.targets), "10.0.0.2:6379");
}

static void errors_name_the_name_and_what_dns_said(void **state)
{
    struct fixture *f = *state;
    char endless[400];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    name_add(&f->dns, (struct name_record){"bare.test", 0, "", 0, 0});
    find_host(f, "bare.test", 1);
    assert_string_equal(f->error, "bare.test: the name has no address");
    find_service(f, "bare.test");
    assert_string_equal(f->error, "bare.test: the name has no SRV record");
    find_service(f, "absent.test");
    assert_string_equal(f->error, "absent.test: no such name (NXDOMAIN)");
    find_host(f, "", 1);
    assert_string_equal(f->error, ": an empty name");
    find_host(f, endless, 1);
    assert_non_null(strstr(f->error, "aaa: this is too long for a name"));
    name_fail(&f->dns, ns_r_servfail);
    find_host(f, "broken.test", 1);
    assert_string_equal(f->error, "broken.test: each name server failed, refused, or could not be reached");
    name_fail(&f->dns, ns_r_refused);
    find_service(f, "broken.test");
    assert_string_equal(f->error, "broken.test: each name server failed, refused, or could not be reached");
}

static void a_lost_datagram_is_sent_again(void **state)
{
    struct fixture *f = *state;
    name_add(&f->dns, (struct name_record){"lossy.test", ns_t_a, "10.0.0.3", 0, 0});
    name_drop(&f->dns, 2);
    find_host(f, "lossy.test", 1);
    assert_string_equal(f->error, "");
    assert_string_equal(addresses(f->lookup.targets), "10.0.0.3:1");
    assert_true(name_questions(&f->dns) >= 4);
}

static void without_an_answer_the_limit_ends_it(void **state)
{
    struct fixture *f = *state;
    name_mute(&f->dns, true);
    f->lookup.options.limit_ms = 300;
    int64_t started = clock_now();
    find_host(f, "silent.test", 1);
    assert_in_range(clock_now() - started, 300, 5000);
    assert_string_equal(f->error, "silent.test: no answer from the name server within 300 ms");
    find_service(f, "silent.test");
    assert_string_equal(f->error, "silent.test: no answer from the name server within 300 ms");
}

/* The system says at once that nobody is there, or says nothing at all. */
static void nobody_at_the_servers_address_is_an_error(void **state)
{
    struct fixture *f = *state;
    name_server_stop(&f->dns);
    find_host(f, "lonely.test", 1);
    assert_true(strcmp(f->error, "lonely.test: each name server failed, refused, or could not be reached") ==
                    0 ||
                strncmp(f->error, "lonely.test: no answer from the name server", 43) == 0);
    name_server_start(&f->dns);
}

static void a_service_has_its_targets_ports_and_addresses(void **state)
{
    struct fixture *f = *state;
    const char *service = "_redis._tcp.redis-headless.test";
    name_add(&f->dns, (struct name_record){service, ns_t_srv, "redis-0.redis-headless.test", 6379, 0});
    name_add(&f->dns, (struct name_record){service, ns_t_srv, "redis-1.redis-headless.test", 6380, 3});
    name_add(&f->dns, (struct name_record){service, ns_t_srv, "redis-2.redis-headless.test", 6379, 0});
    name_add(&f->dns, (struct name_record){"redis-0.redis-headless.test", ns_t_a, "10.0.0.1", 0, 0});
    name_add(&f->dns, (struct name_record){"redis-1.redis-headless.test", ns_t_aaaa, "fd00::1", 0, 0});
    find_service(f, service);
    assert_string_equal(f->error, "");
    assert_int_equal(f->lookup.count, 3);
    assert_string_equal(f->lookup.targets[0].host, "redis-0.redis-headless.test");
    assert_string_equal(addresses(&f->lookup.targets[0]), "10.0.0.1:6379");
    assert_string_equal(f->lookup.targets[1].host, "redis-1.redis-headless.test");
    assert_int_equal(f->lookup.targets[1].priority, 3);
    assert_string_equal(addresses(&f->lookup.targets[1]), "[fd00::1]:6380");
    assert_string_equal(f->lookup.targets[2].host, "redis-2.redis-headless.test");
    assert_int_equal(f->lookup.targets[2].count, 0); /* listed, and without an address */
}

static void names_in_full_are_not_searched_for(void **state)
{
    struct fixture *f = *state;
    name_add(&f->dns, (struct name_record){"short.search.test", ns_t_a, "10.0.0.6", 0, 0});
    name_add(&f->dns, (struct name_record){"service.test", ns_t_srv, "short", 6379, 0});
    setenv("LOCALDOMAIN", "search.test", 1);
    find_host(f, "short", 1);
    assert_string_equal(addresses(f->lookup.targets), "10.0.0.6:1");
    int before = name_questions(&f->dns);
    find_host(f, "short.", 1);
    assert_string_equal(f->error, "short: no such name (NXDOMAIN)");
    assert_int_equal(name_questions(&f->dns) - before, 2); /* A and AAAA */
    find_service(f, "service.test");
    assert_string_equal(f->error, "");
    assert_int_equal(f->lookup.targets->count, 0);
    find_host(f, "short.search.test.", 1);
    assert_string_equal(addresses(f->lookup.targets), "10.0.0.6:1");
    unsetenv("LOCALDOMAIN");
}

static void a_service_that_is_not_to_be_had_is_an_error(void **state)
{
    struct fixture *f = *state;
    name_add(&f->dns, (struct name_record){"gone.test", ns_t_srv, "", 0, 0});
    find_service(f, "gone.test");
    assert_string_equal(f->error, "gone.test: the SRV records name no host");
}

static bool name_one(const void *set, int number, struct lookup_target *out)
{
    snprintf(out->host, sizeof out->host, "redis-%d.%s", number, (const char *)set);
    out->port = 6379;
    return true;
}

static void members_are_found_by_their_names_where_no_records_list_them(void **state)
{
    struct fixture *f = *state;
    const struct lookup_namer namer = {name_one, "set.test", 4};
    name_add(&f->dns, (struct name_record){"set.test", ns_t_a, "10.0.0.1", 0, 0});
    name_add(&f->dns, (struct name_record){"redis-0.set.test", ns_t_a, "10.0.0.1", 0, 0});
    name_add(&f->dns, (struct name_record){"redis-2.set.test", ns_t_a, "10.0.0.3", 0, 0});
    for (int i = 0; i < 2; i++) {
        lookup_members(&f->lookup, "set.test", &namer, on_done);
        finish(f);
        assert_string_equal(f->error, "");
        assert_int_equal(f->lookup.count, 2);
        assert_string_equal(addresses(&f->lookup.targets[0]), "10.0.0.1:6379");
        assert_string_equal(f->lookup.targets[1].host, "redis-2.set.test");
        assert_string_equal(addresses(&f->lookup.targets[1]), "10.0.0.3:6379");
    }
    name_clear(&f->dns);
    lookup_members(&f->lookup, "set.test", &namer, on_done);
    finish(f);
    assert_string_equal(f->error, "set.test: none of its members has an address");
}

static void records_that_list_the_members_are_enough(void **state)
{
    struct fixture *f = *state;
    const struct lookup_namer namer = {name_one, "set.test", 4};
    name_add(&f->dns, (struct name_record){"set.test", ns_t_srv, "redis-1.set.test", 6380, 0});
    name_add(&f->dns, (struct name_record){"redis-0.set.test", ns_t_a, "10.0.0.1", 0, 0});
    name_add(&f->dns, (struct name_record){"redis-1.set.test", ns_t_a, "10.0.0.2", 0, 0});
    lookup_members(&f->lookup, "set.test", &namer, on_done);
    finish(f);
    assert_string_equal(f->error, "");
    assert_int_equal(f->lookup.count, 1);
    assert_string_equal(addresses(&f->lookup.targets[0]), "10.0.0.2:6380");
}

static void a_service_too_long_for_a_datagram_is_fetched_by_tcp(void **state)
{
    struct fixture *f = *state;
    char hosts[20][64];
    for (int i = 0; i < 20; i++) {
        snprintf(hosts[i], sizeof hosts[i], "redis-%d.a-rather-long-name-of-a-service.test", i);
        name_add(&f->dns, (struct name_record){"long.test", ns_t_srv, hosts[i], 6379, 0});
        name_add(&f->dns, (struct name_record){hosts[i], ns_t_a, "10.0.0.9", 0, 0});
    }
    find_service(f, "long.test");
    assert_string_equal(f->error, "");
    assert_int_equal(f->lookup.count, 20);
    assert_string_equal(f->lookup.targets[19].host, hosts[19]);
    assert_string_equal(addresses(&f->lookup.targets[19]), "10.0.0.9:6379");
    assert_int_equal(name_connections(&f->dns), 1);
}

static void wait_for_questions(struct fixture *f, int count)
{
    while (name_questions(&f->dns) < count) {
        uv_run(&f->uv, UV_RUN_NOWAIT);
    }
}

static void a_lookup_in_flight_can_be_given_up(void **state)
{
    struct fixture *f = *state;
    name_mute(&f->dns, true);
    lookup_host(&f->lookup, "slow.test", 1, on_done);
    wait_for_questions(f, 1);
    lookup_stop(&f->lookup);
    assert_false(lookup_active(&f->lookup));
    lookup_stop(&f->lookup);
    uv_run(&f->uv, UV_RUN_DEFAULT); /* returns: nothing is left that could wake it */
    assert_int_equal(f->done, 0);
    name_mute(&f->dns, false);
    name_add(&f->dns, (struct name_record){"slow.test", ns_t_a, "10.0.0.4", 0, 0});
    find_host(f, "slow.test", 1);
    assert_string_equal(addresses(f->lookup.targets), "10.0.0.4:1");
}

static void a_new_lookup_takes_the_place_of_one_in_flight(void **state)
{
    struct fixture *f = *state;
    name_mute(&f->dns, true);
    lookup_service(&f->lookup, "slow.test", on_done);
    wait_for_questions(f, 1);
    name_mute(&f->dns, false);
    name_add(&f->dns, (struct name_record){"quick.test", ns_t_a, "10.0.0.5", 0, 0});
    find_host(f, "quick.test", 1);
    assert_string_equal(f->lookup.targets->host, "quick.test");
}

static void a_lookup_in_flight_can_be_closed(void **state)
{
    struct fixture *f = *state;
    name_mute(&f->dns, true);
    lookup_host(&f->lookup, "slow.test", 1, on_done);
    wait_for_questions(f, 1);
    lookup_close(&f->lookup, on_closed);
    assert_false(f->closed);
    uv_run(&f->uv, UV_RUN_DEFAULT);
    assert_true(f->closed);
    assert_int_equal(f->done, 0);
}

static void on_done_again(struct lookup *lookup, const char *error)
{
    struct fixture *f = lookup->data;
    on_done(lookup, error);
    if (f->done < 3) {
        lookup_host(lookup, "again.test", 1, on_done_again);
    } else {
        lookup_close(lookup, on_closed);
    }
}

static void the_callback_may_start_anew_and_close(void **state)
{
    struct fixture *f = *state;
    lookup_host(&f->lookup, "again.test", 1, on_done_again);
    uv_run(&f->uv, UV_RUN_DEFAULT);
    assert_int_equal(f->done, 3);
    assert_true(f->closed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_has_the_addresses_that_dns_gives),
        TEST(both_families_are_found),
        TEST(more_addresses_than_there_is_room_for_are_left_out),
        TEST(an_address_needs_no_name_server),
        TEST(the_hosts_file_is_honoured),
        TEST(an_address_that_changes_is_seen_by_the_next_lookup),
        TEST(errors_name_the_name_and_what_dns_said),
        TEST(a_lost_datagram_is_sent_again),
        TEST(without_an_answer_the_limit_ends_it),
        TEST(nobody_at_the_servers_address_is_an_error),
        TEST(a_service_has_its_targets_ports_and_addresses),
        TEST(names_in_full_are_not_searched_for),
        TEST(members_are_found_by_their_names_where_no_records_list_them),
        TEST(records_that_list_the_members_are_enough),
        TEST(a_service_that_is_not_to_be_had_is_an_error),
        TEST(a_service_too_long_for_a_datagram_is_fetched_by_tcp),
        TEST(a_lookup_in_flight_can_be_given_up),
        TEST(a_new_lookup_takes_the_place_of_one_in_flight),
        TEST(a_lookup_in_flight_can_be_closed),
        TEST(the_callback_may_start_anew_and_close),
    };
    mem_thread_init();
    clock_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
