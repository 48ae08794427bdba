#include "commands/memory_report.h"

int64_t memory_report_table(const struct db *db)
{
    return db_shard(db, 0) != NULL ? (int64_t)(db_memory(db) + SHARDS * sizeof(struct shard)) : 0;
}

void memory_report_make(struct server *server, const struct client_totals *totals, int64_t used,
                        struct memory_report *report)
{
    *report = (struct memory_report){
        .used = used,
        .peak = mem_peak(),
        .startup = server->stats.startup_memory,
        .resident = (int64_t)mem_resident(),
        .clients = totals->memory,
    };
    for (int i = 0; i < server->keyspace.count; i++) {
        report->tables += memory_report_table(&server->keyspace.dbs[i]);
        report->keys += db_size(&server->keyspace.dbs[i]);
    }
    report->overhead = report->startup + report->clients + report->tables;
    report->dataset = report->used > report->overhead ? report->used - report->overhead : 0;
    mem_allocator_stats(&report->allocator);
}

double memory_report_dataset_percent(const struct memory_report *report)
{
    int64_t net = report->used - report->startup;
    return net > 0 ? 100.0 * memory_ratio(report->dataset, net) : 0;
}
