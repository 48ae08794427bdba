#include "commands/text.h"

#include <stdio.h>

void text_addv(struct reply *text, const char *format, va_list args)
{
    char part[1024];
    int len = vsnprintf(part, sizeof part, format, args);
    reply_raw(text, part, len < 0 ? 0 : (size_t)len < sizeof part ? (size_t)len : sizeof part - 1);
}

void text_addf(struct reply *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_addv(text, format, args);
    va_end(args);
}

void text_reply(struct call *c, struct reply *text)
{
    if (text->failed) {
        call_out_of_memory(c);
    } else {
        reply_verbatim(c->reply, "txt", text->len > 0 ? (struct slice){text->data, text->len} : SLICE(""));
    }
    reply_free(text);
}
