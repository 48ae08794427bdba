/* INFO persistence: snapshots, the append-only file, what is being loaded, and who may write into the folder. */
#include "commands/aof.h"
#include "commands/folder.h"
#include "commands/info_lines.h"
#include "commands/load.h"
#include "commands/saving.h"

/* Of a load that is under way. */
static void loading_fields(struct info *info)
{
    const struct loading *loading = info->server->loading;
    double total = (double)loading->progress.total;
    double bytes = (double)loading->progress.bytes;
    double seconds = (double)(info->now - loading->began) / 1000;
    info_line(info, "loading_start_time:%lld", (long long)loading->began_wall);
    info_number(info, "loading_total_bytes", (int64_t)loading->progress.total);
    info_number(info, "loading_rdb_used_mem", (int64_t)loading->progress.used_memory);
    info_number(info, "loading_loaded_bytes", (int64_t)loading->progress.bytes);
    info_line(info, "loading_loaded_perc:%.2f", total > 0 ? 100 * bytes / total : 0.0);
    info_number(info, "loading_eta_seconds",
                bytes > 0 && total > bytes ? (int64_t)(seconds * (total - bytes) / bytes) : 1);
}

static const char *status(bool good)
{
    return good ? "ok" : "err";
}

static void aof_lines(struct info *info)
{
    struct aof_figures aof;
    aof_figures(info->server, &aof);
    info_line(info, "aof_enabled:%d\r\naof_rewrite_in_progress:%d\r\naof_rewrite_scheduled:%d", aof.on,
              aof.rewriting, aof.scheduled);
    info_number(info, "aof_last_rewrite_time_sec", aof.last_seconds);
    info_number(info, "aof_current_rewrite_time_sec", aof.current_seconds);
    info_line(info, "aof_last_bgrewrite_status:%s", status(aof.last_rewrite_good));
    info_number(info, "aof_rewrites", aof.rewrites);
    info_number(info, "aof_rewrites_consecutive_failures", aof.failures);
    info_line(info, "aof_last_write_status:%s\r\naof_last_cow_size:0", status(aof.last_write_good));
    if (!aof.on) {
        return;
    }
    info_number(info, "aof_current_size", aof.size);
    info_number(info, "aof_base_size", aof.base_size);
    info_number(info, "aof_pending_rewrite", aof.scheduled);
    info_number(info, "aof_buffer_length", aof.buffered);
    info_number(info, "aof_pending_bio_fsync", aof.syncing);
    info_number(info, "aof_delayed_fsync", aof.delayed);
}

/* "cow": what is kept beside the data for the snapshot's sake. There is no fork, but its share of the keys tells as much. */
static void snapshot_under_way(struct info *info, const struct snapshot *s)
{
    const struct cut *cut = &info->server->keyspace.cut;
    bool running = snapshot_running(s);
    uint64_t keys = running ? s->progress.keys : 0, total = running ? s->progress.keys_total : 0;
    info_number(info, "current_cow_peak", running ? cut->kept_peak : 0);
    info_number(info, "current_cow_size", cut->kept);
    info_number(info, "current_cow_size_age", 0);
    info_line(info, "current_fork_perc:%.2f", total > 0 ? 100 * (double)keys / (double)total : 0.0);
    info_number(info, "current_save_keys_processed", (int64_t)keys);
    info_number(info, "current_save_keys_total", (int64_t)total);
}

static void snapshot_file(struct info *info, const struct saving *saving)
{
    bool running = snapshot_running(&saving->snapshot) && !aof_is_rewriting(info->server); /* replicas' too */
    info_number(info, "rdb_changes_since_last_save", (int64_t)saving_changes(info->server));
    info_number(info, "rdb_bgsave_in_progress", running);
    info_number(info, "rdb_last_save_time", saving->last_save);
    info_line(info, "rdb_last_bgsave_status:%s", saving->failed ? "err" : "ok");
    info_number(info, "rdb_last_bgsave_time_sec", saving->last_seconds);
    info_number(info, "rdb_current_bgsave_time_sec",
                running ? (info->now - saving->snapshot.progress.began) / 1000 : -1);
    info_number(info, "rdb_saves", (int64_t)saving->saves);
    info_number(info, "rdb_last_cow_size", saving->last_kept);
}

/* Who may write into the data folder. */
static void claim_fields(struct info *info)
{
    static const char *const states[] = {
        [CLAIM_NONE] = "none", [CLAIM_WATCHING] = "watching", [CLAIM_HELD] = "held", [CLAIM_LOST] = "lost"};
    struct claim_figures claim;
    folder_figures(&claim);
    info_line(info, "claim_state:%s", states[claim.state]);
    info_number(info, "claim_epoch", (int64_t)(claim.state == CLAIM_HELD ? claim.epoch : claim.other.epoch));
    info_number(info, "claim_heartbeat",
                (int64_t)(claim.state == CLAIM_HELD ? claim.beat : claim.other.beat));
    if (claim.state == CLAIM_WATCHING || claim.state == CLAIM_LOST) {
        info_line(info, "claim_owner_host:%s\r\nclaim_owner_pid:%lld", claim.other.host,
                  (long long)claim.other.pid);
        info_number(info, "claim_heartbeat_age_ms", claim.age);
    }
}

void info_persistence(struct info *info)
{
    const struct server *server = info->server;
    const struct rdb_load_progress *last = &server->loading->progress;
    bool loading = load_is_active(server);
    bool beside = server->loading->beside;
    info_line(info, "loading:%d\r\nasync_loading:%d", loading && !beside, loading && beside);
    snapshot_under_way(info, &server->saving->snapshot);
    snapshot_file(info, server->saving);
    info_number(info, "rdb_last_load_keys_expired", (int64_t)last->expired);
    info_number(info, "rdb_last_load_keys_loaded", (int64_t)last->loaded);
    info_number(info, "rdb_last_load_streams_skipped", (int64_t)last->skipped[RDB_SKIPPED_STREAM]);
    info_number(info, "rdb_last_load_modules_skipped", (int64_t)last->skipped[RDB_SKIPPED_MODULE]);
    info_number(info, "rdb_last_load_functions_skipped", (int64_t)last->skipped[RDB_SKIPPED_FUNCTION]);
    aof_lines(info);
    info_line(info, "module_fork_in_progress:0\r\nmodule_fork_last_cow_size:0");
    claim_fields(info);
    if (loading) {
        loading_fields(info);
    }
}
