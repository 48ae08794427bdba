#include "net/loop.h"

#include <stdio.h>
#include <stdlib.h>

#include "memory.h"
#include "net/conn.h"
#include "net/hold.h"
#include "net/listener.h"
#include "net/output.h"
#include "net/turn.h"

static void must(int status, const char *what)
{
    if (status < 0) {
        fprintf(stderr, "ordinal: %s: %s\n", what, uv_strerror(status));
        exit(1);
    }
}

/* ---- mailbox -------------------------------------------------------------------------------------- */

static void put_message(struct loop *loop, struct message *m)
{
    m->next = atomic_load_explicit(&loop->mailbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&loop->mailbox, &m->next, m, memory_order_release,
                                                  memory_order_relaxed)) {
        /* m->next now holds the newer head */
    }
    uv_async_send(&loop->wake);
}

bool loop_post(struct loop *loop, void (*run)(struct loop *, void *), void *argument)
{
    struct message *m = mem_alloc(sizeof *m);
    if (m == NULL) {
        return false;
    }
    *m = (struct message){NULL, run, argument, false};
    put_message(loop, m);
    return true;
}

void loop_post_lent(struct loop *loop, struct message *m, void (*run)(struct loop *, void *), void *argument)
{
    *m = (struct message){NULL, run, argument, true};
    put_message(loop, m);
}

/* Takes all messages at once; they lie newest first, and are run oldest first. */
void loop_run_messages(struct loop *loop)
{
    if (atomic_load_explicit(&loop->mailbox, memory_order_relaxed) == NULL) {
        return;
    }
    struct message *newest = atomic_exchange_explicit(&loop->mailbox, NULL, memory_order_acquire);
    struct message *oldest = NULL;
    while (newest != NULL) {
        struct message *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct message m = *oldest;
        if (!m.lent) {
            mem_free(oldest, sizeof *oldest);
        }
        m.run(loop, m.argument);
        oldest = m.next;
    }
}

static void on_wake(uv_async_t *wake)
{
    struct loop *loop = wake->data;
    loop_run_messages(loop);
    if (atomic_load(&loop->stop_asked) && !loop->stopping) {
        loop_stop(loop);
    }
}

/* ---- life ------------------------------------------------------------------------------------------- */

/* Sends what was queued for connections of this loop, and what other loops have for them. */
static void send_queued(struct loop *loop)
{
    if (loop->net->hooks.before_poll != NULL) {
        loop->net->hooks.before_poll(loop);
    }
    output_flush_queues(loop);
    hold_flush(
        loop); /* last: nothing may be held after it before the loop sleeps, unless the mark is looked at again */
}

/* What came from other loops goes first: it was there before the requests that are served now. */
static void on_polled(uv_check_t *check)
{
    struct loop *loop = check->loop->data;
    if (loop->turn_count > 0) {
        send_queued(loop);
        turn_serve_all(loop);
    }
}

static void on_before_poll(uv_prepare_t *prepare)
{
    send_queued(prepare->loop->data);
}

static void loop_init(struct loop *loop, struct net *net, int index)
{
    memset(loop, 0, sizeof *loop);
    loop->index = index;
    loop->net = net;
    must(uv_loop_init(&loop->uv), "cannot make an event loop");
    loop->uv.data = loop;
    must(uv_async_init(&loop->uv, &loop->wake, on_wake), "cannot make a loop's mailbox");
    loop->wake.data = loop;
    loop->read_area = mem_must(LOOP_READ_AREA);
    must(uv_check_init(&loop->uv, &loop->after_poll), "cannot make a loop's check");
    uv_check_start(&loop->after_poll, on_polled);
    must(uv_prepare_init(&loop->uv, &loop->before_poll), "cannot make a loop's prepare");
    uv_prepare_start(&loop->before_poll, on_before_poll);
    loop->reply.resp = 2;
}

void net_init(struct net *net, int count, const struct net_hooks *hooks)
{
    memset(net, 0, sizeof *net);
    net->hooks = *hooks;
    net->count = count;
    net->loops = mem_alloc_lines((sizeof(struct loop) * (size_t)count + 63) / 64 * 64);
    if (net->loops == NULL) {
        must(UV_ENOMEM, "cannot make the loops");
    }
    net->max_connections = INT64_MAX;
    net->max_bulk = 512 * 1024 * 1024;
    net->query_limit = 1024 * 1024 * 1024;
    for (int i = 0; i < count; i++) {
        loop_init(&net->loops[i], net, i);
    }
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    resp_args_free(&loop->args);
    reply_free(&loop->reply);
    mem_free(loop->read_area, LOOP_READ_AREA);
}

void loop_free(struct loop *loop)
{
    loop_run_messages(loop); /* they came too late to matter, and free what they carry */
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
}

static void *thread_main(void *argument)
{
    mem_thread_init();
    loop_run(argument);
    return NULL;
}

void net_start(struct net *net)
{
    for (int i = 1; i < net->count; i++) {
        struct loop *loop = &net->loops[i];
        int error = pthread_create(&loop->thread, NULL, thread_main, loop);
        if (error != 0) {
            must(-error, "cannot start a loop's thread");
        }
    }
}

/* All but the mailbox, to which loops that still run may post: it only keeps the loop running no longer. */
static void close_handle(uv_handle_t *handle, void *wake)
{
    if (handle == wake) {
        uv_unref(handle);
    } else if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

void loop_conn_gone(struct loop *loop)
{
    if (loop->stopping && loop->conns == NULL) {
        uv_walk(&loop->uv, close_handle, &loop->wake);
    }
}

void loop_stop(struct loop *loop)
{
    struct conn *next;
    loop->stopping = true;
    if (loop->index == 0) {
        listener_close_all(loop->net);
    }
    for (struct conn *conn = loop->conns; conn != NULL; conn = next) {
        next = conn->next;
        conn_close(conn);
    }
    /* What belongs to a connection (a blocked client's timer) is closed with it; the other handles go when
     * all are gone. */
    loop_conn_gone(loop);
}

void loop_wake(struct loop *loop)
{
    uv_async_send(&loop->wake);
}

void loop_ask_to_stop(struct loop *loop)
{
    atomic_store(&loop->stop_asked, true);
    uv_async_send(&loop->wake);
}

void net_stop(struct net *net)
{
    for (int i = 1; i < net->count; i++) {
        loop_ask_to_stop(&net->loops[i]);
    }
    for (int i = 1; i < net->count; i++) {
        pthread_join(net->loops[i].thread, NULL);
    }
}

void net_free(struct net *net)
{
    for (int i = 0; i < net->count; i++) {
        loop_free(&net->loops[i]);
    }
}
