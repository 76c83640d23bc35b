//! Sections stats and threads.

use std::sync::atomic::Ordering::Relaxed;

use super::facts::Facts;
use super::{decimals2, say};
use crate::base::clock::Clock;
use crate::observe::info::{Emitter, Field, RowName, Value};
use crate::script::Scripts;
use crate::session::Space;

/// One row for every worker: its connections and its calls to the system.
pub(super) fn emit_threads(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let engine = facts.engine;
    let mut clients = vec![0u64; engine.workers];
    for client in engine.clients.iter() {
        if let Some(count) = clients.get_mut(client.worker) {
            *count += 1;
        }
    }
    for (worker, count) in clients.into_iter().enumerate() {
        let counters = &engine.stats.worker(worker).counters;
        out.row(
            RowName { prefix: "io_thread_", label: "thread", value: &worker.to_string() },
            &[
                (Field::gauge("clients", "Connections of a worker"), Value::Uint(count)),
                (Field::counter("reads", "Reads of a worker"), Value::Uint(counters.reads.load(Relaxed))),
                (Field::counter("writes", "Writes of a worker"), Value::Uint(counters.writes.load(Relaxed))),
            ],
        );
    }
}

pub(super) fn emit(facts: &Facts<'_>, out: &mut dyn Emitter) {
    emit_traffic(facts, out);
    emit_keys(facts, out);
    emit_features(facts, out);
    emit_work(facts, out);
    emit_refusals(facts, out);
}

fn emit_traffic(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let (totals, gauges) = (facts.totals(), &facts.engine.gauges);
    let kilobytes = |bytes: u64| decimals2(bytes as f64 / 1024.0);
    let (zero, none) = (Value::Uint(0), decimals2(0.0));
    say(
        out,
        &[
            (
                Field::counter("total_connections_received", "Connections accepted"),
                Value::Uint(totals.connections),
            ),
            (Field::counter("total_commands_processed", "Commands run"), Value::Uint(totals.commands)),
            (
                Field::gauge("instantaneous_ops_per_sec", "Commands per second"),
                Value::Uint(gauges.ops_per_sec.load(Relaxed)),
            ),
            (Field::counter("total_net_input_bytes", "Bytes read"), Value::Uint(totals.net_input_bytes)),
            (Field::counter("total_net_output_bytes", "Bytes written"), Value::Uint(totals.net_output_bytes)),
            (Field::counter("total_net_repl_input_bytes", "Bytes read from the primary"), zero),
            (Field::counter("total_net_repl_output_bytes", "Bytes written to replicas"), zero),
            (
                Field::gauge("instantaneous_input_kbps", "Kilobytes read per second"),
                kilobytes(gauges.input_bytes_per_sec.load(Relaxed)),
            ),
            (
                Field::gauge("instantaneous_output_kbps", "Kilobytes written per second"),
                kilobytes(gauges.output_bytes_per_sec.load(Relaxed)),
            ),
            (Field::gauge("instantaneous_input_repl_kbps", "The same, from the primary"), none),
            (Field::gauge("instantaneous_output_repl_kbps", "The same, to replicas"), none),
            (
                Field::counter("rejected_connections", "Connections refused over maxclients"),
                Value::Uint(totals.rejected_connections),
            ),
            (
                Field::counter("panics", "Commands that panicked; each ended its connection"),
                Value::Uint(totals.panics),
            ),
            (Field::counter("sync_full", "Full syncs with replicas"), zero),
            (Field::counter("sync_partial_ok", "Partial syncs with replicas"), zero),
            (Field::counter("sync_partial_err", "Partial syncs that were refused"), zero),
        ],
    );
}

fn emit_keys(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let totals = facts.totals();
    let zero = Value::Uint(0);
    let now_us = facts.engine.time.monotonic_us();
    let (exceeded_us, exceeding_us) = facts.engine.eviction.exceeded_us(now_us);
    let evicted_scripts = facts.engine.parts.find::<Scripts>().map_or(0, |scripts| scripts.evicted());
    say(
        out,
        &[
            (
                Field::counter("expired_subkeys", "Fields of hashes that expired"),
                Value::Uint(totals.expired_subkeys),
            ),
            (Field::counter("expired_keys", "Keys that expired"), Value::Uint(totals.expired_keys)),
            (Field::gauge("expired_stale_perc", "Share of keys behind their deadline"), decimals2(0.0)),
            (Field::counter("expired_time_cap_reached_count", "Rounds of expiry that were cut short"), zero),
            (
                Field::counter("expire_cycle_cpu_milliseconds", "Milliseconds spent removing expired keys"),
                Value::Uint(totals.expire_us / 1000),
            ),
            (Field::counter("evicted_keys", "Keys removed for maxmemory"), Value::Uint(totals.evicted_keys)),
            (
                Field::counter("evicted_clients", "Clients closed for maxmemory-clients"),
                Value::Uint(totals.evicted_clients),
            ),
            (
                Field::counter("evicted_scripts", "Scripts removed from the cache"),
                Value::Uint(evicted_scripts),
            ),
            (
                Field::counter("total_eviction_exceeded_time", "Milliseconds over maxmemory"),
                Value::Uint(exceeded_us / 1000),
            ),
            (
                Field::gauge("current_eviction_exceeded_time", "The same, without a break until now"),
                Value::Uint(exceeding_us / 1000),
            ),
            (Field::counter("keyspace_hits", "Keys looked up and found"), Value::Uint(totals.keyspace_hits)),
            (
                Field::counter("keyspace_misses", "Keys looked up and not found"),
                Value::Uint(totals.keyspace_misses),
            ),
        ],
    );
}

/// Parts that this server does not have, or has without such a number.
fn emit_features(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let zero = Value::Uint(0);
    let names = |space| Value::Uint(facts.engine.pubsub.len(space) as u64);
    let tracking = &facts.engine.tracking;
    let count = |count: usize| Value::Uint(count as u64);
    say(
        out,
        &[
            (Field::gauge("pubsub_channels", "Channels with subscribers"), names(Space::Channel)),
            (Field::gauge("pubsub_patterns", "Patterns with subscribers"), names(Space::Pattern)),
            (Field::gauge("pubsubshard_channels", "Shard channels with subscribers"), names(Space::Shard)),
            (
                Field::gauge("latest_fork_usec", "Microseconds that the cut of the last snapshot took"),
                Value::Uint(facts.engine.gauges.latest_cut_us.load(Relaxed)),
            ),
            (Field::counter("total_forks", "Forks"), zero),
            (Field::gauge("migrate_cached_sockets", "Connections kept for MIGRATE"), zero),
            (Field::gauge("slave_expires_tracked_keys", "Keys with deadlines on a writable replica"), zero),
            (Field::counter("active_defrag_hits", "Values moved by defragmentation"), zero),
            (Field::counter("active_defrag_misses", "Values left by defragmentation"), zero),
            (Field::counter("active_defrag_key_hits", "Keys moved by defragmentation"), zero),
            (Field::counter("active_defrag_key_misses", "Keys left by defragmentation"), zero),
            (Field::counter("total_active_defrag_time", "Milliseconds of defragmentation"), zero),
            (Field::gauge("current_active_defrag_time", "The same, of this round"), zero),
            (Field::gauge("tracking_total_keys", "Keys that clients cache"), count(tracking.keys())),
            (
                Field::gauge("tracking_total_items", "Clients counted for each such key"),
                count(tracking.items()),
            ),
            (
                Field::gauge("tracking_total_prefixes", "Prefixes that clients cache"),
                count(tracking.prefixes()),
            ),
        ],
    );
}

fn emit_work(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let totals = facts.totals();
    let threaded = |count: u64| Value::Uint(if facts.engine.workers > 1 { count } else { 0 });
    say(
        out,
        &[
            (
                Field::counter("unexpected_error_replies", "Errors towards a primary or replica"),
                Value::Uint(0),
            ),
            (Field::counter("total_error_replies", "Error replies"), Value::Uint(totals.error_replies)),
            (Field::counter("dump_payload_sanitizations", "Payloads checked deeply"), Value::Uint(0)),
            (Field::counter("total_reads_processed", "Reads from sockets"), Value::Uint(totals.reads)),
            (Field::counter("total_writes_processed", "Writes to sockets"), Value::Uint(totals.writes)),
            (
                Field::counter("io_threaded_reads_processed", "Reads beside other threads"),
                threaded(totals.reads),
            ),
            (
                Field::counter("io_threaded_writes_processed", "Writes beside other threads"),
                threaded(totals.writes),
            ),
            (
                Field::counter(
                    "client_query_buffer_limit_disconnections",
                    "Clients closed for long requests",
                ),
                Value::Uint(totals.query_limit_disconnections),
            ),
            (
                Field::counter(
                    "client_output_buffer_limit_disconnections",
                    "Clients closed for unread replies",
                ),
                Value::Uint(totals.output_limit_disconnections),
            ),
            (Field::counter("reply_buffer_shrinks", "Reply buffers made smaller"), Value::Uint(0)),
            (Field::counter("reply_buffer_expands", "Reply buffers made larger"), Value::Uint(0)),
        ],
    );
}

fn emit_refusals(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let (totals, gauges) = (facts.totals(), &facts.engine.gauges);
    say(
        out,
        &[
            (Field::counter("eventloop_cycles", "Batches of commands"), Value::Uint(totals.batches)),
            (
                Field::counter("eventloop_duration_sum", "Microseconds in batches"),
                Value::Uint(totals.batch_us),
            ),
            (
                Field::counter("eventloop_duration_cmd_sum", "Microseconds in commands"),
                Value::Uint(totals.batch_us),
            ),
            (
                Field::gauge("instantaneous_eventloop_cycles_per_sec", "Batches per second"),
                Value::Uint(gauges.batches_per_sec.load(Relaxed)),
            ),
            (
                Field::gauge("instantaneous_eventloop_duration_usec", "Microseconds of a batch"),
                Value::Uint(gauges.batch_us.load(Relaxed)),
            ),
            (Field::counter("acl_access_denied_auth", "Logins refused"), Value::Uint(totals.acl_denied_auth)),
            (
                Field::counter("acl_access_denied_cmd", "Commands refused to users"),
                Value::Uint(totals.acl_denied_command),
            ),
            (
                Field::counter("acl_access_denied_key", "Keys refused to users"),
                Value::Uint(totals.acl_denied_key),
            ),
            (
                Field::counter("acl_access_denied_channel", "Channels refused to users"),
                Value::Uint(totals.acl_denied_channel),
            ),
        ],
    );
}
