//! The append-only file's part of section persistence.

use std::sync::atomic::Ordering::Relaxed;

use super::facts::Facts;
use super::say;
use crate::base::clock::Clock;
use crate::observe::info::{Emitter, Field, Value};
use crate::persist::aof::Aof;
use crate::persist::aof::status::Status;

/// Whether it is on, and how rewrites and writes went.
pub(super) fn emit_state(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let aof = facts.engine.parts.find::<Aof>();
    let is_on = aof.as_deref().is_some_and(Aof::is_wanted);
    let none = Status::new();
    let status = aof.as_deref().map_or(&none, |aof| &*aof.status);
    let flag = |on: bool| Value::Uint(u64::from(on));
    let word = |failed: bool| Value::Text(if failed { "err" } else { "ok" });
    let is_rewriting = status.is_rewriting.load(Relaxed);
    let now_us = facts.engine.time.monotonic_us();
    let running_s = now_us.saturating_sub(status.rewrite_began_us.load(Relaxed)) / 1_000_000;
    let running_s = if is_rewriting { i64::try_from(running_s).unwrap_or(i64::MAX) } else { -1 };
    let failures = status.failures_in_a_row.load(Relaxed);
    say(
        out,
        &[
            (Field::gauge("aof_enabled", "Whether there is an append only file"), flag(is_on)),
            (Field::gauge("aof_rewrite_in_progress", "Whether it is being rewritten"), flag(is_rewriting)),
            (
                Field::gauge("aof_rewrite_scheduled", "Whether it will be rewritten"),
                flag(status.is_scheduled.load(Relaxed)),
            ),
            (
                Field::gauge("aof_last_rewrite_time_sec", "Seconds the last rewrite took"),
                Value::Int(status.last_rewrite_s.load(Relaxed)),
            ),
            (
                Field::gauge("aof_current_rewrite_time_sec", "Seconds this rewrite takes"),
                Value::Int(running_s),
            ),
            (
                Field::info("aof_last_bgrewrite_status", "How the last rewrite ended"),
                word(status.has_rewrite_failed.load(Relaxed)),
            ),
            (Field::counter("aof_rewrites", "Rewrites"), Value::Uint(status.rewrites.load(Relaxed))),
            (
                Field::counter("aof_rewrites_consecutive_failures", "Rewrites that failed in a row"),
                Value::Uint(failures),
            ),
            (
                Field::info("aof_last_write_status", "How the last write ended"),
                word(status.error().is_some()),
            ),
            (Field::gauge("aof_last_cow_size", "Bytes copied during the last rewrite"), Value::Uint(0)),
        ],
    );
}

/// Sizes, while it is on.
pub(super) fn emit_sizes(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let Some(aof) = facts.engine.parts.find::<Aof>().filter(|aof| aof.is_wanted()) else { return };
    let (status, journal) = (&aof.status, &facts.engine.journal);
    let count = |number: u64| Value::Uint(number);
    say(
        out,
        &[
            (Field::gauge("aof_current_size", "Bytes of the append only file"), count(status.total_bytes())),
            (
                Field::gauge("aof_base_size", "Its bytes after the last rewrite"),
                count(status.base_bytes.load(Relaxed)),
            ),
            (
                Field::gauge("aof_pending_rewrite", "Whether a rewrite waits for a save"),
                count(u64::from(status.is_scheduled.load(Relaxed))),
            ),
            (
                Field::gauge("aof_buffer_length", "Bytes that wait to be written"),
                count(journal.backlog_bytes()),
            ),
            (Field::gauge("aof_pending_bio_fsync", "Syncs that wait in the background"), count(0)),
            (
                Field::counter("aof_delayed_fsync", "Syncs that took longer than two seconds"),
                count(status.delayed_syncs.load(Relaxed)),
            ),
            (
                Field::counter("aof_fsyncs", "Syncs of the append only file"),
                count(status.syncs.load(Relaxed)),
            ),
            (
                Field::counter("aof_fsynced_commits", "Commands and transactions that these made durable"),
                count(status.synced_commits.load(Relaxed)),
            ),
        ],
    );
}

/// How far loading has come.
pub(super) fn emit_loading(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let gauges = &facts.engine.gauges;
    if !facts.engine.lifecycle.loading.load(Relaxed) {
        return;
    }
    let (total, loaded) =
        (gauges.loading_total_bytes.load(Relaxed), gauges.loading_loaded_bytes.load(Relaxed));
    let began_s = gauges.loading_began_seconds.load(Relaxed);
    let elapsed_s = facts.now.seconds().saturating_sub(began_s);
    let left = total.saturating_sub(loaded);
    let eta_s = elapsed_s.saturating_mul(left).checked_div(loaded).unwrap_or(1);
    let percent = loaded as f64 * 100.0 / (total.max(1)) as f64;
    say(
        out,
        &[
            (Field::gauge("loading_start_time", "Unix time at which loading began"), Value::Uint(began_s)),
            (Field::gauge("loading_total_bytes", "Bytes to load"), Value::Uint(total)),
            (Field::gauge("loading_loaded_bytes", "Bytes loaded"), Value::Uint(loaded)),
            (Field::gauge("loading_loaded_perc", "Of these, per cent"), super::decimals2(percent)),
            (Field::gauge("loading_eta_seconds", "Seconds until the end, as it looks"), Value::Uint(eta_s)),
        ],
    );
}
