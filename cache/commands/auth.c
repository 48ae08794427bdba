#include "commands/auth.h"

#include <string.h>

#include "clock.h"
#include "commands/client.h"

enum {
    FIRST_DELAY_MS = 5,
    LONGEST_DELAY_MS = 1000,
    FORGOTTEN_AFTER_MS = 60000 /* without another wrong password */
};

static void host_of(const struct client *client, char *host, size_t size)
{
    const char *colon = strrchr(client->peer, ':');
    size_t len = colon != NULL ? (size_t)(colon - client->peer) : strlen(client->peer);
    len = len < size - 1 ? len : size - 1;
    memset(host, 0, size);
    memcpy(host, client->peer, len);
}

/* The guesser with this client's address, or NULL; *oldest is the place that may be given to a new one. */
static struct auth_guesser *find(struct client *client, struct auth_guesser **oldest)
{
    char host[sizeof((struct auth_guesser *)0)->host];
    struct auth_guesser *guessers = client->worker->guessers;
    host_of(client, host, sizeof host);
    *oldest = &guessers[0];
    for (int i = 0; i < AUTH_GUESSERS; i++) {
        if (guessers[i].failures > 0 && strcmp(guessers[i].host, host) == 0) {
            return &guessers[i];
        }
        if (guessers[i].until < (*oldest)->until) {
            *oldest = &guessers[i];
        }
    }
    return NULL;
}

static int64_t delay_of(uint32_t failures)
{
    int64_t delay = FIRST_DELAY_MS;
    for (uint32_t i = 1; i < failures && delay < LONGEST_DELAY_MS; i++) {
        delay *= 2;
    }
    return delay < LONGEST_DELAY_MS ? delay : LONGEST_DELAY_MS;
}

static void admit(void *unused, struct client *client)
{
    (void)unused;
    client_set_authenticated(client, true);
}

static bool on_password(void *server, struct config *config, const char **error)
{
    (void)error;
    if (config->requirepass[0] == '\0') {
        client_each(server, admit, NULL);
    }
    return true;
}

void auth_follow_settings(struct server *server)
{
    config_on_change(server->config, "requirepass", on_password, server);
}

void auth_failed(struct client *client, void (*refuse)(struct client *client), bool may_wait)
{
    struct auth_guesser *oldest;
    struct auth_guesser *guesser = find(client, &oldest);
    int64_t now = clock_now();
    counter_add(&client->worker->auth_failures, 1);
    if (guesser == NULL) {
        guesser = oldest;
        guesser->failures = 0;
        host_of(client, guesser->host, sizeof guesser->host);
    } else if (now - guesser->until > FORGOTTEN_AFTER_MS) {
        guesser->failures = 0;
    }
    guesser->failures++;
    int64_t delay = delay_of(guesser->failures);
    guesser->until = now + delay;
    if (may_wait && client_block(client, delay, refuse, NULL)) {
        client->blocked->fixed = true;
    } else {
        refuse(client);
    }
}

void auth_succeeded(struct client *client)
{
    struct auth_guesser *oldest;
    struct auth_guesser *guesser = find(client, &oldest);
    if (guesser != NULL) {
        *guesser = (struct auth_guesser){.failures = 0};
    }
}

static void say_nothing(struct client *client)
{
    (void)client;
}

void auth_opened(struct client *client)
{
    struct auth_guesser *oldest;
    const struct auth_guesser *guesser = client->authenticated ? NULL : find(client, &oldest);
    int64_t left = guesser != NULL ? guesser->until - clock_now() : 0;
    if (left > 0 && !client_is_local(client) && client_block(client, left, say_nothing, NULL)) {
        client->blocked->fixed = true;
    }
}
