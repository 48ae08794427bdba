#include "commands/info_lines.h"

#include <stdarg.h>

#include "commands/text.h"

void info_line(struct info *info, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_addv(info->out, format, args);
    va_end(args);
    REPLY_LITERAL(info->out, "\r\n");
}

void info_number(struct info *info, const char *name, int64_t value)
{
    info_line(info, "%s:%lld", name, (long long)value);
}

void info_zeros(struct info *info, const char *const *names)
{
    for (; *names != NULL; names++) {
        info_number(info, *names, 0);
    }
}

/* "1.50M" beside the number of bytes. */
static void human(struct info *info, const char *name, int64_t bytes)
{
    static const char units[] = "KMGTP";
    double value = (double)bytes;
    int unit = -1;
    while (value >= 1024 && unit < (int)sizeof units - 2) {
        value /= 1024;
        unit++;
    }
    if (unit < 0) {
        info_line(info, "%s_human:%lldB", name, (long long)bytes);
    } else {
        info_line(info, "%s_human:%.2f%c", name, value, units[unit]);
    }
}

void info_bytes(struct info *info, const char *name, int64_t bytes)
{
    info_number(info, name, bytes);
    human(info, name, bytes);
}
