//! Section persistence: of the snapshot file; the fields of the append-only file are in [`super::aof`].

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::facts::Facts;
use super::{aof, decimals2, say};
use crate::observe::info::{Emitter, Field, Value};
use crate::persist::aof::Aof;
use crate::persist::rdb::Saver;

pub(super) fn emit(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let engine = facts.engine;
    let zero = Value::Uint(0);
    let saver = engine.parts.find::<Saver>();
    // Nobody saves where there is no saver: everything is as before the first save.
    let status = saver.as_deref().map_or_else(Default::default, |saver| Arc::clone(&saver.status));
    let loading = u64::from(engine.lifecycle.loading.load(Relaxed));
    let last_save_s = engine.gauges.last_save_seconds.load(Relaxed);
    let rewrite = engine.parts.find::<Aof>().map(|aof| Arc::clone(&aof.status));
    let rewrite = rewrite.as_deref().filter(|status| status.is_rewriting.load(Relaxed));
    let (done, total) = rewrite.map_or_else(|| status.saved.told(), |status| status.saved.told());
    let percent = if total == 0 { 0.0 } else { done as f64 * 100.0 / total as f64 };
    let word = if status.is_fine() { "ok" } else { "err" };
    let takes_s = status.takes_seconds(engine).and_then(|seconds| i64::try_from(seconds).ok());
    let eta_s = match (takes_s, done) {
        (Some(seconds), 1..) => {
            (seconds as f64 * (total.saturating_sub(done)) as f64 / done as f64).ceil() as i64
        }
        _ => -1,
    };
    say(
        out,
        &[
            (Field::gauge("loading", "Whether the data set is being loaded"), Value::Uint(loading)),
            (Field::gauge("async_loading", "Whether it is loaded beside the old one"), zero),
            (Field::gauge("current_cow_peak", "Bytes copied while a child runs"), zero),
            (Field::gauge("current_cow_size", "Bytes copied while a child runs"), zero),
            (Field::gauge("current_cow_size_age", "Age of that number in seconds"), zero),
            (Field::gauge("current_fork_perc", "Progress of the save, per cent"), decimals2(percent)),
            (Field::gauge("current_save_keys_processed", "Keys saved so far"), Value::Uint(done)),
            (Field::gauge("current_save_keys_total", "Keys to save"), Value::Uint(total)),
            (
                Field::gauge("current_save_eta_seconds", "Seconds until its end, as it looks"),
                Value::Int(eta_s),
            ),
            (
                Field::gauge("rdb_changes_since_last_save", "Changes since the last save"),
                Value::Uint(status.unsaved_changes(engine)),
            ),
            (
                Field::gauge("rdb_bgsave_in_progress", "Whether a save runs"),
                Value::Uint(u64::from(status.is_saving())),
            ),
            (Field::gauge("rdb_last_save_time", "Unix time of the last save"), Value::Uint(last_save_s)),
            (Field::info("rdb_last_bgsave_status", "How the last save ended"), Value::Text(word)),
            (
                Field::gauge("rdb_last_bgsave_time_sec", "Seconds the last save took"),
                Value::Int(status.last_took_seconds()),
            ),
            (
                Field::gauge("rdb_current_bgsave_time_sec", "Seconds this save takes"),
                Value::Int(takes_s.unwrap_or(-1)),
            ),
            (Field::counter("rdb_saves", "Saves"), Value::Uint(status.saves())),
            (Field::gauge("rdb_last_cow_size", "Bytes copied during the last save"), zero),
            (
                Field::gauge("rdb_last_load_keys_expired", "Keys not loaded because they had expired"),
                Value::Uint(status.keys_expired.load(Relaxed)),
            ),
            (
                Field::gauge("rdb_last_load_keys_loaded", "Keys loaded"),
                Value::Uint(status.keys_loaded.load(Relaxed)),
            ),
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
