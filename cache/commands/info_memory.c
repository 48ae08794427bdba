/* INFO memory: what is used, by whom, and what the allocator and the system hold beside it. */
#include <stdlib.h>
#include <unistd.h>

#include "commands/info_lines.h"
#include "commands/memory_report.h"
#include "store/reaper.h"

static void scripts_memory(struct info *info)
{
    static const char *const fields[] = {
        "used_memory_scripts_eval", "number_of_cached_scripts", "number_of_functions",
        "number_of_libraries",      "used_memory_vm_functions", NULL,
    };
    info_bytes(info, "used_memory_lua", 0);
    info_number(info, "used_memory_vm_eval", 0);
    info_zeros(info, fields);
    info_bytes(info, "used_memory_vm_total", 0);
    info_number(info, "used_memory_functions", 0);
    info_bytes(info, "used_memory_scripts", 0);
}

static void allocator_memory(struct info *info, const struct memory_report *report)
{
    int64_t allocated = (int64_t)report->allocator.allocated;
    int64_t active = (int64_t)report->allocator.active;
    int64_t resident = (int64_t)report->allocator.resident;
    info_line(info, "allocator_frag_ratio:%.2f", memory_ratio(active, allocated));
    info_number(info, "allocator_frag_bytes", active - allocated);
    info_line(info, "allocator_rss_ratio:%.2f", memory_ratio(resident, active));
    info_number(info, "allocator_rss_bytes", resident - active);
    info_line(info, "rss_overhead_ratio:%.2f", memory_ratio(report->resident, resident));
    info_number(info, "rss_overhead_bytes", report->resident - resident);
    info_line(info, "mem_fragmentation_ratio:%.2f", memory_ratio(report->resident, report->used));
    info_number(info, "mem_fragmentation_bytes", report->resident - report->used);
}

/* The log is the backlog, and the buffer of all replicas; what the backlog would not keep is kept for them. */
static void replication_memory(struct info *info, const struct log_stats *log)
{
    const struct server *server = info->server;
    int64_t all = server->history.backlog ? (int64_t)log->memory : 0;
    int64_t size = history_backlog_size(server);
    int64_t backlog = all > size && server->replicas > 0 ? size : all;
    info_number(info, "mem_replication_backlog", backlog);
    info_number(info, "mem_total_replication_buffers", all);
    info_number(info, "mem_clients_slaves", all - backlog);
}

void info_memory(struct info *info)
{
    const struct server *server = info->server;
    struct memory_report report;
    struct log_stats log;
    memory_report_make(info->server, &info->clients, info->used, &report);
    char *policy = config_value(server->config, "maxmemory-policy");
    info_bytes(info, "used_memory", report.used);
    info_bytes(info, "used_memory_rss", report.resident);
    info_bytes(info, "used_memory_peak", report.peak);
    info_line(info, "used_memory_peak_perc:%.2f%%", 100 * memory_ratio(report.used, report.peak));
    info_number(info, "used_memory_overhead", report.overhead);
    info_number(info, "used_memory_startup", report.startup);
    info_number(info, "used_memory_dataset", report.dataset);
    info_line(info, "used_memory_dataset_perc:%.2f%%", memory_report_dataset_percent(&report));
    info_number(info, "allocator_allocated", (int64_t)report.allocator.allocated);
    info_number(info, "allocator_active", (int64_t)report.allocator.active);
    info_number(info, "allocator_resident", (int64_t)report.allocator.resident);
    info_bytes(info, "total_system_memory",
               (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE));
    scripts_memory(info);
    info_bytes(info, "maxmemory", server->config->maxmemory);
    info_line(info, "maxmemory_policy:%s", policy != NULL ? policy : "");
    free(policy);
    allocator_memory(info, &report);
    log_stats(&info->server->log, &log);
    info_number(info, "mem_not_counted_for_evict",
                cut_bytes(&server->keyspace.cut)); /* the log is not in used_memory */
    replication_memory(info, &log);
    info_number(info, "mem_clients_normal", report.clients);
    info_line(info, "mem_cluster_links:0\r\nmem_aof_buffer:0\r\nmem_allocator:%s", mem_allocator_name());
    info_number(info, "active_defrag_running", 0);
    info_number(info, "lazyfree_pending_objects", (int64_t)reaper_pending());
    info_number(info, "lazyfreed_objects", (int64_t)info->totals.freed);
}
