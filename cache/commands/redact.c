#include "commands/redact.h"

static bool secret_setting(struct slice name)
{
    static const char *const names[] = {"masterauth", "masteruser", "requirepass", "tls-key-file-pass",
                                        "tls-client-key-file-pass"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (slice_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* HELLO version AUTH user password */
static bool hello_secret(const struct call *c, size_t index)
{
    return (index >= 3 && slice_is(c->argv[index - 1], "auth")) ||
           (index >= 4 && slice_is(c->argv[index - 2], "auth"));
}

bool redact_argument(const struct call *c, size_t index)
{
    struct slice name = c->argv[0];
    if (slice_is(name, "auth")) {
        return index >= 1;
    }
    if (slice_is(name, "hello")) {
        return hello_secret(c, index);
    }
    return slice_is(name, "config") && index >= 3 && index % 2 == 1 && slice_is(c->argv[1], "set") &&
           secret_setting(c->argv[index - 1]);
}
