#include "replication/census.h"

#include "logger.h"
#include "memory.h"

static void found(struct lookup *lookup, const char *error)
{
    struct census *census = lookup->data;
    if (error == NULL) {
        roster_take_service(census->roster, lookup->targets, lookup->count);
    } else if (!census->failed) {
        logger_notice("The members of the set cannot be looked up: %s", error);
    }
    census->failed = error != NULL;
}

static void ask(uv_timer_t *timer)
{
    struct census *census = timer->data;
    roster_lookup_service(census->roster, &census->lookup, found);
}

static void end(uv_async_t *async)
{
    struct census *census = async->data;
    uv_close((uv_handle_t *)&census->end, NULL);
    uv_close((uv_handle_t *)&census->timer, NULL);
    lookup_close(&census->lookup, NULL);
}

static void *thread_main(void *argument)
{
    struct census *census = argument;
    mem_thread_init();
    uv_run(&census->uv, UV_RUN_DEFAULT);
    return NULL;
}

bool census_start(struct census *census, struct roster *roster)
{
    census->roster = roster;
    if (roster_service(roster) == NULL) {
        return true;
    }
    if (uv_loop_init(&census->uv) != 0 || uv_async_init(&census->uv, &census->end, end) != 0) {
        return false;
    }
    uv_timer_init(&census->uv, &census->timer);
    lookup_init(&census->lookup, &census->uv, NULL);
    census->end.data = census->timer.data = census->lookup.data = census;
    uv_timer_start(&census->timer, ask, CENSUS_EVERY_MS, CENSUS_EVERY_MS);
    census->running = pthread_create(&census->thread, NULL, thread_main, census) == 0;
    return census->running;
}

void census_stop(struct census *census)
{
    if (census->running) {
        uv_async_send(&census->end);
        pthread_join(census->thread, NULL);
        uv_loop_close(&census->uv);
        census->running = false;
    }
}
