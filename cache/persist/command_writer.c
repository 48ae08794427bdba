#include "persist/command_writer.h"

#include "types/number.h"

/* "*3\r\n", "$5\r\n". */
static void write_head(struct rdb_writer *writer, char mark, uint64_t number)
{
    char text[NUMBER_I64_MAX_CHARS + 3];
    size_t len = 0;
    text[len++] = mark;
    len += number_format_i64(text + len, (int64_t)number);
    text[len++] = '\r';
    text[len++] = '\n';
    rdb_write_bytes(writer, text, len);
}

void command_write_begin(struct rdb_writer *writer, uint64_t words)
{
    write_head(writer, '*', words);
}

void command_write_runs(struct rdb_writer *writer, struct slice head, struct slice tail)
{
    rdb_writer_drain_full(writer);
    write_head(writer, '$', head.len + tail.len);
    rdb_write_bytes(writer, head.ptr, head.len);
    rdb_write_bytes(writer, tail.ptr, tail.len);
    rdb_write_bytes(writer, "\r\n", 2);
}

void command_write_word(struct rdb_writer *writer, struct slice word)
{
    command_write_runs(writer, word, (struct slice){NULL, 0});
}

void command_write_int(struct rdb_writer *writer, int64_t number)
{
    char digits[NUMBER_I64_MAX_CHARS];
    command_write_word(writer, (struct slice){digits, number_format_i64(digits, number)});
}
