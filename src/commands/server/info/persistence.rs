//! Section persistence: the snapshot's fields say that there is none; those of the append-only file are in [`super::aof`].

use std::sync::atomic::Ordering::Relaxed;

use super::facts::Facts;
use super::{aof, decimals2, say};
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
        ],
    );
    aof::emit_state(facts, out);
    say(
        out,
        &[
            (Field::gauge("module_fork_in_progress", "Whether a module's child runs"), zero),
            (Field::gauge("module_fork_last_cow_size", "Bytes copied for a module"), zero),
        ],
    );
    aof::emit_sizes(facts, out);
    aof::emit_loading(facts, out);
}
