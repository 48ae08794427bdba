/*
 * ordinal: command line and signals; puts the others together, and is the only one that knows them all.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "commands/aof.h"
#include "commands/command_docs.h"
#include "commands/folder.h"
#include "commands/groups.h"
#include "commands/load.h"
#include "commands/saving.h"
#include "commands/shutdown.h"
#include "commands/startup.h"
#include "config.h"
#include "health.h"
#include "logger.h"
#include "memory.h"
#include "net/listener.h"
#include "replication/node.h"
#include "replication/status.h"
#include "store/reaper.h"

extern char **environ;

static struct server server;
static struct config config;
static struct node node;
static uv_signal_t terminate, interrupt, hangup;
static uv_timer_t mounts_timer;
static char *mounts; /* as config_mounts told it last */

/* ---- signals ---------------------------------------------------------------------------------------- */

static void on_stop_signal(uv_signal_t *handle, int number)
{
    (void)handle;
    logger_notice("Received %s, shutting down", number == SIGTERM ? "SIGTERM" : "SIGINT");
    shutdown_by_signal(&server, number);
}

static void reload_settings(void)
{
    char error[CONFIG_ERR_SIZE];
    gate_enter(&server.gate, 0);
    gate_alone(&server.gate, 0);
    if (!config_reload(&config, environ, error, sizeof error)) {
        logger_warning("The settings were not reloaded: %s", error);
    }
    gate_together(&server.gate, 0);
    gate_leave(&server.gate, 0);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    if (!logger_reopen()) {
        logger_warning("Cannot reopen the log file: %s", strerror(errno));
    }
    reload_settings();
}

/* Files that Kubernetes has mounted are read again as soon as they change. */
static void look_at_mounts(uv_timer_t *timer)
{
    (void)timer;
    char *now = config_mounts(&config, environ);
    if (strcmp(now, mounts) != 0) {
        logger_notice("A mounted ConfigMap or Secret has changed");
        reload_settings();
    }
    free(mounts);
    mounts = now;
}

static void watch_mounts(void)
{
    enum { EVERY_MS = 1000 };
    mounts = config_mounts(&config, environ);
    uv_timer_init(&server.net.loops[0].uv, &mounts_timer);
    if (mounts[0] != '\0') {
        uv_timer_start(&mounts_timer, look_at_mounts, EVERY_MS, EVERY_MS);
    }
}

static void watch_signals(void)
{
    uv_loop_t *uv = &server.net.loops[0].uv;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow (ulimit -f) is an error like a full disk */
    uv_signal_init(uv, &terminate);
    uv_signal_init(uv, &interrupt);
    uv_signal_init(uv, &hangup);
    uv_signal_start(&terminate, on_stop_signal, SIGTERM);
    uv_signal_start(&interrupt, on_stop_signal, SIGINT);
    uv_signal_start(&hangup, on_hangup, SIGHUP);
}

/* ---- start ------------------------------------------------------------------------------------------ */

static bool configure_logger(void)
{
    struct logger_options options = {(enum logger_level)config.loglevel, config.logfile,
                                     config.log_format == CONFIG_LOG_JSON};
    return logger_configure(&options);
}

static bool on_log_setting(void *context, struct config *changed, const char **reason)
{
    (void)context;
    (void)changed;
    *reason = "the log file cannot be opened";
    return configure_logger();
}

/* Raises the limit of open files to what maxclients needs, or lowers maxclients to what the system allows. */
static void fit_open_files(void)
{
    enum { OWN_FILES = 64 };
    struct rlimit limit;
    rlim_t wanted = (rlim_t)config.maxclients + OWN_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    rlim_t most = limit.rlim_max;
    limit.rlim_cur = wanted;
    limit.rlim_max = most < wanted ? wanted : most;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) {
        return;
    }
    limit.rlim_max = most;
    limit.rlim_cur = most < wanted ? most : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted) {
        config.maxclients = (int64_t)limit.rlim_cur - OWN_FILES;
        logger_warning("maxclients is lowered to %lld: the system allows %llu open files (ulimit -n)",
                       (long long)config.maxclients, (unsigned long long)limit.rlim_cur);
    }
}

static void listen_tcp(void)
{
    char error[256];
    int opened = 0;
    for (size_t i = 0; i < config.bind.count; i++) {
        const char *address = config.bind.items[i];
        bool optional = address[0] == '-';
        int status = listener_open_tcp(&server.net, address + optional, config.port, config.tcp_backlog,
                                       error, sizeof error);
        if (status == 0) {
            opened++;
        } else if (!optional || status == UV_EADDRINUSE) {
            logger_warning("Failed to start: %s", error);
            exit(1);
        }
    }
    if (opened == 0) {
        logger_warning("Failed to start: none of the addresses of `bind` can be listened on");
        exit(1);
    }
}

static void listen_all(void)
{
    char error[256];
    if (config.port != 0) {
        listen_tcp();
    }
    if (config.unixsocket[0] != '\0' &&
        listener_open_unix(&server.net, config.unixsocket, (unsigned)config.unixsocketperm,
                           config.tcp_backlog, error, sizeof error) != 0) {
        logger_warning("Failed to start: %s", error);
        exit(1);
    }
}

static void write_pid_file(void)
{
    FILE *file = config.pidfile[0] != '\0' ? fopen(config.pidfile, "w") : NULL;
    if (file != NULL) {
        fprintf(file, "%d\n", (int)getpid());
        fclose(file);
    } else if (config.pidfile[0] != '\0') {
        logger_warning("Cannot write the pid file %s: %s", config.pidfile, strerror(errno));
    }
}

/* ---- command line ----------------------------------------------------------------------------------- */

static void print_usage(void)
{
    printf(
        "Usage: ordinal [FILE.conf | -] [--setting value ...]\n"
        "       ordinal ping [-h HOST] [-p PORT] [--ready]\n"
        "       ordinal status [-h HOST] [-p PORT]\n"
        "       ordinal --version | --help\n\n"
        "Settings may also come from the environment: ORDINAL_<SETTING>, or ORDINAL_<SETTING>_FILE to read\n"
        "a secret from a file.\n\nSettings:\n");
    config_help(stdout);
}

/* Runs what is no server. True when there was something of that kind; *status is then the exit status. */
static bool other_mode(int argc, char **argv, int *status)
{
    *status = 0;
    if (argc < 2) {
        return false;
    }
    if (strcmp(argv[1], "ping") == 0) {
        *status = health_ping(argc - 1, argv + 1);
    } else if (strcmp(argv[1], "status") == 0) {
        *status = status_run(argc - 1, argv + 1);
    } else if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0) {
        printf("Ordinal %s (Redis %s protocol), %s, libuv %s\n", ORDINAL_VERSION, REDIS_VERSION,
               mem_allocator_name(), uv_version_string());
    } else if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage();
    } else if (strcmp(argv[1], "--print-docs") == 0 && argc == 3 && strcmp(argv[2], "configuration") == 0) {
        config_docs(stdout);
    } else if (strcmp(argv[1], "--print-docs") == 0 && argc == 3 && strcmp(argv[2], "commands") == 0) {
        commands_docs(stdout);
    } else {
        return false;
    }
    return true;
}

/* The arguments of a container may begin with the program's name, which the entry point of other images takes away:
 * `args: [redis-server, --appendonly, "yes"]`. */
static void drop_program_name(int *argc, char ***argv)
{
    bool named = *argc > 1 && (strcmp((*argv)[1], "redis-server") == 0 || strcmp((*argv)[1], "ordinal") == 0);
    *argc -= named;
    *argv += named;
}

/* After a load that failed, the reason stays the last line. */
static void tell_end(int status)
{
    if (status == 0) {
        logger_notice("Ordinal is now ready to exit, bye bye");
    }
}

int main(int argc, char **argv)
{
    char error[CONFIG_ERR_SIZE];
    int status;
    mem_thread_init();
    clock_init();
    groups_register();
    node_register();
    drop_program_name(&argc, &argv);
    if (other_mode(argc, argv, &status)) {
        return status;
    }
    config_init_defaults(&config);
    if (!config_load(&config, argc, argv, environ, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    if (!configure_logger()) {
        fprintf(stderr, "Cannot open the log file %s: %s\n", config.logfile, strerror(errno));
        return 1;
    }
    config_on_change(&config, "loglevel", on_log_setting, NULL);
    config_on_change(&config, "log-format", on_log_setting, NULL);
    config_log_warnings(&config);
    fit_open_files();
    server_init(&server, &config);
    node_init(&node, &server);
    watch_signals();
    watch_mounts();
    listen_all();
    write_pid_file();
    reaper_start();
    if (!folder_begin(&server)) {
        exit(1);
    }
    load_start(&server);
    net_start(&server.net);
    logger_notice("Ordinal %s, pid %d, %d loop%s", ORDINAL_VERSION, (int)getpid(), server.net.count,
                  server.net.count == 1 ? "" : "s");
    if (load_is_active(&server)) {
        logger_notice("Answering on port %d; the data set is being loaded", server.net.port);
    } else {
        logger_notice("Ready to accept connections on port %d", server.net.port);
    }
    loop_run(&server.net.loops[0]);
    bool whole = node_stop(&node);
    whole = load_stop(&server) && whole;
    snapshot_stop(&server.saving->snapshot);
    net_stop(&server.net);
    aof_end(&server); /* its thread wakes loops until then */
    net_free(&server.net);
    folder_end();
    if (config.pidfile[0] != '\0') {
        unlink(config.pidfile);
    }
    if (!whole) {
        tell_end(0);
        _exit(0);
    }
    server_free(&server);
    node_free(&node);
    free(mounts);
    reaper_stop();
    tell_end(load_exit_status(&server));
    return load_exit_status(&server);
}
