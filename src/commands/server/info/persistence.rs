//! Section persistence: nothing is saved, so all of it says that.

use std::sync::atomic::Ordering::Relaxed;

use super::facts::Facts;
use super::{decimals2, say};
use crate::observe::info::{Emitter, Field, Value};

pub(super) fn emit(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let engine = facts.engine;
    let (zero, never, fine) = (Value::Uint(0), Value::Int(-1), Value::Text("ok"));
    let loading = u64::from(engine.lifecycle.loading.load(Relaxed));
    let changes = engine.stats.lifetime_totals().changes;
    let last_save_s = engine.gauges.last_save_seconds.load(Relaxed);
    say(
        out,
        &[
            (Field::gauge("loading", "Whether the data set is being loaded"), Value::Uint(loading)),
            (Field::gauge("async_loading", "Whether it is loaded beside the old one"), zero),
            (Field::gauge("current_cow_peak", "Bytes copied while a child runs"), zero),
            (Field::gauge("current_cow_size", "Bytes copied while a child runs"), zero),
            (Field::gauge("current_cow_size_age", "Age of that number in seconds"), zero),
            (Field::gauge("current_fork_perc", "Progress of the save, per cent"), decimals2(0.0)),
            (Field::gauge("current_save_keys_processed", "Keys saved so far"), zero),
            (Field::gauge("current_save_keys_total", "Keys to save"), zero),
            (
                Field::gauge("rdb_changes_since_last_save", "Changes since the last save"),
                Value::Uint(changes),
            ),
            (Field::gauge("rdb_bgsave_in_progress", "Whether a save runs"), zero),
            (Field::gauge("rdb_last_save_time", "Unix time of the last save"), Value::Uint(last_save_s)),
            (Field::info("rdb_last_bgsave_status", "How the last save ended"), fine),
            (Field::gauge("rdb_last_bgsave_time_sec", "Seconds the last save took"), never),
            (Field::gauge("rdb_current_bgsave_time_sec", "Seconds this save takes"), never),
            (Field::counter("rdb_saves", "Saves"), zero),
            (Field::gauge("rdb_last_cow_size", "Bytes copied during the last save"), zero),
            (Field::gauge("rdb_last_load_keys_expired", "Keys not loaded because they had expired"), zero),
            (Field::gauge("rdb_last_load_keys_loaded", "Keys loaded"), zero),
            (Field::gauge("aof_enabled", "Whether there is an append only file"), zero),
            (Field::gauge("aof_rewrite_in_progress", "Whether it is being rewritten"), zero),
            (Field::gauge("aof_rewrite_scheduled", "Whether it will be rewritten"), zero),
            (Field::gauge("aof_last_rewrite_time_sec", "Seconds the last rewrite took"), never),
            (Field::gauge("aof_current_rewrite_time_sec", "Seconds this rewrite takes"), never),
            (Field::info("aof_last_bgrewrite_status", "How the last rewrite ended"), fine),
            (Field::counter("aof_rewrites", "Rewrites"), zero),
            (Field::counter("aof_rewrites_consecutive_failures", "Rewrites that failed in a row"), zero),
            (Field::info("aof_last_write_status", "How the last write ended"), fine),
            (Field::gauge("aof_last_cow_size", "Bytes copied during the last rewrite"), zero),
            (Field::gauge("module_fork_in_progress", "Whether a module's child runs"), zero),
            (Field::gauge("module_fork_last_cow_size", "Bytes copied for a module"), zero),
        ],
    );
}
