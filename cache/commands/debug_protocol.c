#include "commands/debug_protocol.h"

static void reply_string_type(struct reply *r)
{
    reply_bulk_string(r, "Hello World");
}

static void reply_integer_type(struct reply *r)
{
    reply_int(r, 12345);
}

static void reply_double_type(struct reply *r)
{
    if (r->resp == 2) {
        reply_bulk_string(r, "3.141");
    } else {
        REPLY_LITERAL(r, ",3.141\r\n");
    }
}

#define BIG_NUMBER "1234567999999999999999999999999999999"

static void reply_bignum_type(struct reply *r)
{
    if (r->resp == 2) {
        reply_bulk_string(r, BIG_NUMBER);
    } else {
        REPLY_LITERAL(r, "(" BIG_NUMBER "\r\n");
    }
}

static void reply_three(struct reply *r)
{
    for (int i = 0; i < 3; i++) {
        reply_int(r, i);
    }
}

static void reply_array_type(struct reply *r)
{
    reply_array(r, 3);
    reply_three(r);
}

static void reply_set_type(struct reply *r)
{
    reply_set(r, 3);
    reply_three(r);
}

static void reply_map_type(struct reply *r)
{
    reply_map(r, 3);
    for (int i = 0; i < 3; i++) {
        reply_int(r, i);
        reply_bool(r, i == 1);
    }
}

/* RESP2 knows no attributes: only the reply that they belong to is sent. */
static void reply_attribute_type(struct reply *r)
{
    if (r->resp == 3) {
        REPLY_LITERAL(r, "|1\r\n");
        reply_bulk_string(r, "key-popularity");
        reply_array(r, 2);
        reply_bulk_string(r, "key:123");
        reply_int(r, 90);
    }
    reply_bulk_string(r, "Some real reply following the attribute");
}

/* A push answers no request, so a reply follows it. */
static void reply_push_type(struct reply *r)
{
    if (r->resp == 2) {
        reply_error(r, "ERR RESP2 is not supported by this command");
        return;
    }
    reply_push(r, 2);
    reply_bulk_string(r, "server-cpu-usage");
    reply_int(r, 42);
    reply_bulk_string(r, "Some real reply following the push reply");
}

static void reply_verbatim_type(struct reply *r)
{
    reply_verbatim(r, "txt", SLICE("This is a verbatim\nstring"));
}

static void reply_true_type(struct reply *r)
{
    reply_bool(r, true);
}

static void reply_false_type(struct reply *r)
{
    reply_bool(r, false);
}

void debug_protocol_run(struct call *c)
{
    static const struct {
        const char *name;
        void (*reply)(struct reply *r);
    } types[] = {
        {"string", reply_string_type},
        {"integer", reply_integer_type},
        {"double", reply_double_type},
        {"bignum", reply_bignum_type},
        {"null", reply_null},
        {"array", reply_array_type},
        {"set", reply_set_type},
        {"map", reply_map_type},
        {"attrib", reply_attribute_type},
        {"push", reply_push_type},
        {"verbatim", reply_verbatim_type},
        {"true", reply_true_type},
        {"false", reply_false_type},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (slice_is(c->argv[2], types[i].name)) {
            types[i].reply(c->reply);
            return;
        }
    }
    reply_error(c->reply, "ERR Wrong protocol type name. Please use one of the following: "
                          "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false");
}
