//! What is done now and then, on the main thread: expiry at the deadline, idle clients, pauses, samples.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::clock::{Clock, UnixMs};
use crate::config::Config;
use crate::dispatch::exec::Attempts;
use crate::dispatch::memory::{Room, evict_clients, make_room};
use crate::dispatch::sink::Commit;
use crate::dispatch::{Engine, Executor};
use crate::ds::breaks::Pace;
use crate::keyspace::{ExpiryPolicy, ShardId, View};
use crate::net::limits;
use crate::net::tls::Tls;
use crate::persist::rdb::Saver;
use crate::session::{Client, ClientKind, bump};

/// Pace of the samples behind `instantaneous_ops_per_sec`.
const TICK: Duration = Duration::from_millis(100);
/// Between two tries to serve those whose shards were busy.
const SETTLE_PAUSE: Duration = Duration::from_millis(1);
/// Every how many ticks clients are looked at.
const CLIENTS_EVERY: u64 = 10;
/// Longest sleep of the expiry task; deadlines set meanwhile wake it.
const EXPIRY_SLEEP_MAX_MS: u64 = 60_000;

/// Samples, idle clients, pauses.
pub async fn run(engine: Arc<Engine>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut ticks: u64 = 0;
    loop {
        interval.tick().await;
        ticks += 1;
        engine.used_memory();
        engine.gauges.sample(&engine);
        let config = engine.config.snapshot();
        evict_clients(&engine, &config, engine.stats.worker(engine.workers));
        engine.eviction.look_at_pages(&engine, &config);
        // What CONFIG SET made too much goes even if nobody sends a command.
        engine.eviction.wake();
        engine.tracking.limit(config.tracking_table_max_keys, None, &engine.clients);
        if let Some(saver) = engine.parts.find::<Saver>() {
            // It waits for locks, and starts a thread.
            saver.tick(&engine);
        }
        if ticks.is_multiple_of(CLIENTS_EVERY) {
            follow_tls_files(&engine, &config);
            let now_us = engine.time.monotonic_us();
            let living = engine.clients.iter().filter(|client| !client.is_killed());
            living.for_each(|client| close_overdue(&engine, &config, &client, now_us));
        }
    }
}

/// Takes up certificates that were replaced.
fn follow_tls_files(engine: &Engine, config: &Config) {
    let Some(tls) = engine.parts.find::<Tls>() else { return };
    match tls.follow_files(config) {
        Ok(false) => {}
        Ok(true) => tracing::info!("The files of TLS have changed, new connections are served with them"),
        Err(error) => {
            tracing::warn!("The files of TLS have changed and can't be used, the old ones stay: {error}")
        }
    }
}

/// Removes what is over `maxmemory` and was not removed by commands.
pub async fn evict(engine: Arc<Engine>) {
    loop {
        engine.eviction.unfinished().await;
        while evict_slice(&engine) == Room::Unfinished {
            tokio::task::yield_now().await;
        }
    }
}

fn evict_slice(engine: &Arc<Engine>) -> Room {
    let mut view = View::new(&engine.keyspace, engine.time.monotonic_ns());
    let stats = engine.stats.worker(engine.workers);
    let (config, now) = (engine.config.snapshot(), engine.time.now_ms());
    let room = make_room(engine, &config, &mut view, stats, now, 0);
    if view.has_ready() {
        // Whoever waits for something of a key that is gone is told so.
        let owed = Executor::new(engine, &config, stats, now.0).serve_ready(view.take_ready());
        settle(engine, owed);
    }
    room
}

/// Serves those whose shards were busy: now, or when a script that holds them lets go.
fn settle(engine: &Arc<Engine>, mut owed: Attempts) {
    let once = |engine: &Arc<Engine>, owed: &mut Attempts| {
        let (config, stats) = (engine.config.snapshot(), engine.stats.worker(engine.workers));
        Executor::new(engine, &config, stats, engine.time.now_ms().0).settle(owed).is_ok()
    };
    if once(engine, &mut owed) {
        return;
    }
    let engine = Arc::clone(engine);
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            while !once(&engine, &mut owed) {
                tokio::time::sleep(SETTLE_PAUSE).await;
            }
        });
        return;
    }
    while !once(&engine, &mut owed) {
        std::thread::yield_now();
    }
}

/// Ends pauses at their time, and serves those who could not be served meanwhile.
pub async fn pauses(engine: Arc<Engine>) {
    loop {
        engine.pause.started().await;
        while let Some(until) = engine.pause.until() {
            match until.since(engine.time.now_ms()) {
                0 => engine.go_on(),
                // Looked at again after at most a tick, because a shorter pause may have come.
                wait_ms => tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(wait_ms).min(TICK)) => {}
                    () = engine.pause.started() => {}
                },
            }
        }
        let ready = engine.pause.take_put_off();
        if !ready.is_empty() {
            let (config, stats) = (engine.config.snapshot(), engine.stats.worker(engine.workers));
            let now = engine.time.now_ms();
            let owed = Executor::new(&engine, &config, stats, now.0).serve_ready(ready);
            settle(&engine, owed);
        }
    }
}

/// Closes a client that has idled too long, or was too slow: with its password, a request, or reading its replies.
fn close_overdue(engine: &Engine, config: &Config, client: &Client, now_us: u64) {
    let (id, addr) = (client.id.0, &client.addr);
    let idle_us = now_us.saturating_sub(client.usage.last_active_us.load(Ordering::Relaxed));
    // Who waits for others has no reason to say anything.
    let waits = client.is_monitor() || client.is_blocked() || client.kind() != ClientKind::Normal;
    let unsent = client.usage.output_bytes.load(Ordering::Relaxed) + client.mailbox_bytes();
    if limits::is_stranger_overdue(config.authentication_timeout, client, now_us) {
        tracing::debug!("Closing client id={id} addr={addr}: it has not authenticated");
    } else if limits::is_dribbling(config.request_timeout, client, now_us) {
        tracing::info!("Closing client id={id} addr={addr}: its request does not arrive");
    } else if config.timeout > 0 && !waits && idle_us > u64::from(config.timeout) * 1_000_000 {
        tracing::debug!("Closing client id={id} addr={addr}: it has been idle for too long");
    } else if unsent > 0 && limits::is_over(config, client, true, unsent, now_us) {
        bump(&engine.stats.worker(engine.workers).counters.output_limit_disconnections, 1);
        let qbuf = client.usage.query_bytes.load(Ordering::Relaxed);
        tracing::warn!(
            "Closing client id={id} addr={addr}: over the limit of its output buffer (qbuf={qbuf} omem={unsent})"
        );
    } else {
        return;
    }
    client.kill();
}

/// Removes keys at their deadline. Sleeps until the next one, or until an earlier one is announced.
pub async fn expire(engine: Arc<Engine>) {
    let mut pace = Pace::begin();
    loop {
        let now = engine.time.now_ms();
        // Announcements from here on wake us; those before are seen by the sweep.
        engine.keyspace.sleep_until(UnixMs(now.0 + EXPIRY_SLEEP_MAX_MS));
        let next = sweep(&engine, now, &mut pace);
        let alarm = next.unwrap_or(UnixMs(u64::MAX)).min(UnixMs(now.0 + EXPIRY_SLEEP_MAX_MS));
        if alarm <= now {
            // More is due: let the main thread's other tasks in between.
            tokio::task::yield_now().await;
            continue;
        }
        let wait = Duration::from_millis(alarm.0.saturating_sub(engine.time.now_ms().0));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = engine.keyspace.deadline_moved() => {}
        }
        pace = Pace::begin();
    }
}

/// One slice of every shard, with breaks between; returns the earliest deadline that is left.
pub(super) fn sweep(engine: &Arc<Engine>, now: UnixMs, pace: &mut Pace) -> Option<UnixMs> {
    if engine.keyspace.expiry_policy() != ExpiryPolicy::Active {
        return None;
    }
    let began_ns = engine.time.monotonic_ns();
    let mut next: Option<UnixMs> = None;
    let mut view = View::new(&engine.keyspace, now.0);
    for shard in 0..engine.keyspace.shard_count() {
        view.begin(now, true);
        let due = view.expire_slice(ShardId(shard as u16));
        let effects = view.take_effects();
        if effects.expired + effects.expired_elements > 0 {
            let counters = &engine.stats.worker(engine.workers).counters;
            bump(&counters.expired_keys, effects.expired);
            bump(&counters.expired_subkeys, effects.expired_elements);
            engine.commit(&mut view, &Commit::new(&[], &effects, None));
        }
        view.release();
        if view.has_ready() {
            let (config, stats) = (engine.config.snapshot(), engine.stats.worker(engine.workers));
            let owed = Executor::new(engine, &config, stats, now.0).serve_ready(view.take_ready());
            settle(engine, owed);
        }
        next = due.into_iter().chain(next).min();
        // All that has left a big collection is swept in one go, on a CPU that a worker may want.
        pace.step();
    }
    let spent_us = (engine.time.monotonic_ns() - began_ns) / 1000;
    bump(&engine.stats.worker(engine.workers).counters.expire_us, spent_us);
    next
}
