//! `maxmemory`: what counts, who makes room, and who is refused.
//!
//! Before a command runs, keys go until what is used fits again ([`crate::keyspace::evict`] says which). That is bounded by time
//! (`maxmemory-eviction-tenacity`): what is left then is done by a task beside the commands, in slices of the same length, and
//! the command runs. When nothing may go, a command that needs memory (DENYOOM) is refused, and so is EXEC of a transaction with
//! such a command in it.
//!
//! Counted is everything that is allocated, but for what has a bound of its own or is nobody's to keep:
//!
//! | not counted | because |
//! |---|---|
//! | values on their way to be freed | they are gone |
//! | buffers of clients beyond 64 KB each | `maxmemory-clients` is their budget ([`evict_clients`]): who reads slowly pushes out other clients, not data |
//! | messages on their way to clients | telling of what went would be a reason for more to go |
//! | what such messages made of the few buffers that workers keep | there is a bound to them |
//! | commands on their way to the append-only file | as messages; and their queue has a bound |
//!
//! With `maxmemory-clients 0` clients have no budget. Then what they keep back counts, as in Redis, so that there is a bound to
//! memory at all.
//!
//! **Invariant:** no lock is waited for: a shard that is busy is passed over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::Notify;

use super::command::Request;
use super::engine::Engine;
use super::error::CmdError;
use super::exec::Executor;
use super::fragmentation::{self, Reserve};
use super::sink::Commit;
use super::stats::WorkerStats;
use crate::alloc;
use crate::base::clock::{Clock, UnixMs};
use crate::base::machine;
use crate::config::{Config, MaxmemoryPolicy};
use crate::keyspace::{EvictionPolicy, LockSet, Order, ShardId, View, reclaim};
use crate::resp::Output;
use crate::session::{Session, bump};
use crate::spec::CommandFlags;

/// Smallest limit for clients, so that somebody can always speak to the server.
const CLIENTS_MIN_BYTES: u64 = 128 * 1024;
/// Keys that go between two looks at memory and clock.
const KEYS_PER_LOOK: usize = 16;
/// See the module's head.
#[derive(Default)]
pub struct Eviction {
    /// There is more to remove than one command had time for.
    unfinished: Notify,
    /// Since when `maxmemory` is exceeded, monotonic µs; 0 = it is not.
    exceeded_since_us: AtomicU64,
    exceeded_us: AtomicU64,
    /// What fragmentation takes.
    pub reserve: Arc<Reserve>,
}

/// How the making of room ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Enough,
    /// Time is up; the rest follows.
    Unfinished,
    /// Nothing may go.
    Impossible,
}

impl Eviction {
    /// Microseconds over `maxmemory`, since the start and in the present stretch.
    pub fn exceeded_us(&self, now_us: u64) -> (u64, u64) {
        let current = match self.exceeded_since_us.load(Relaxed) {
            0 => 0,
            since => now_us.saturating_sub(since),
        };
        (self.exceeded_us.load(Relaxed) + current, current)
    }

    /// Returns when there is something to remove beside the commands.
    pub async fn unfinished(&self) {
        self.unfinished.notified().await;
    }

    /// Looks at what pages take, if keys may go for it. To be called some ten times a second.
    pub fn look_at_pages(&self, engine: &Engine, config: &Config) {
        if let Some(pages) = self.look(engine, config) {
            self.reserve.shrink(config.maxmemory, pages);
        }
    }

    /// What pages take, if keys may go for it; when it is too much, the reserve has grown.
    fn look(&self, engine: &Engine, config: &Config) -> Option<u64> {
        let maxmemory = config.maxmemory;
        if maxmemory < fragmentation::MAXMEMORY_MIN_BYTES || policy(config).is_none() {
            self.reserve.clear();
            return None;
        }
        let uncounted = uncounted_bytes(engine, config, 0);
        let mut pages = page_bytes(uncounted)?;
        if pages > fragmentation::most(maxmemory) {
            // Those that nobody uses go first.
            _ = alloc::purge();
            pages = page_bytes(uncounted)?;
        }
        self.reserve.grow(maxmemory, pages);
        self.reserve.look_ahead(maxmemory, alloc::allocated_bytes() as u64);
        Some(pages)
    }

    /// Has the task look whether memory fits.
    pub fn wake(&self) {
        self.unfinished.notify_one();
    }

    fn note(&self, room: Room, now_us: u64) {
        let since = self.exceeded_since_us.load(Relaxed);
        if room == Room::Enough && since != 0 && self.exceeded_since_us.swap(0, Relaxed) != 0 {
            self.exceeded_us.fetch_add(now_us.saturating_sub(since), Relaxed);
        } else if room != Room::Enough && since == 0 {
            self.exceeded_since_us.store(now_us.max(1), Relaxed);
        }
    }
}

/// The policy, `None` for `noeviction`.
fn policy(config: &Config) -> Option<EvictionPolicy> {
    let (order, is_volatile) = match config.maxmemory_policy {
        MaxmemoryPolicy::AllkeysLru => (Order::Lru, false),
        MaxmemoryPolicy::AllkeysLfu => (Order::Lfu, false),
        MaxmemoryPolicy::AllkeysRandom => (Order::Random, false),
        MaxmemoryPolicy::VolatileLru => (Order::Lru, true),
        MaxmemoryPolicy::VolatileLfu => (Order::Lfu, true),
        MaxmemoryPolicy::VolatileRandom => (Order::Random, true),
        MaxmemoryPolicy::VolatileTtl => (Order::Ttl, true),
        MaxmemoryPolicy::Noeviction => return None,
    };
    Some(EvictionPolicy { order, is_volatile })
}

/// Microseconds of one go: 50 for each of the first ten points of tenacity, then 15 % more for each, without end at 100.
fn time_limit_us(tenacity: u32) -> u64 {
    match tenacity {
        0..=10 => 50 * u64::from(tenacity),
        11..=99 => (500.0 * 1.15_f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

/// Bytes that clients may take together, by `maxmemory-clients`; `None` for no limit.
pub fn clients_limit(config: &Config) -> Option<u64> {
    // A share needs a whole: without `maxmemory` that is the machine's memory, so that readers who do not read have a bound.
    let whole_bytes = match config.maxmemory {
        0 => machine::memory_bytes(),
        bytes => bytes,
    };
    match config.maxmemory_clients.bytes(whole_bytes) {
        0 => None,
        bytes => Some(bytes.max(CLIENTS_MIN_BYTES)),
    }
}

/// Bytes on their way to clients and to the disk that `maxmemory` does not count; `untold` are those of a large output that the
/// registry of clients does not know of yet.
pub fn uncounted_bytes(engine: &Engine, config: &Config, untold: usize) -> u64 {
    let large = clients_limit(config).map_or(0, |_| engine.clients.large_buffer_bytes() + untold as u64);
    let lent = engine.stats.buffer_bytes() as u64;
    large + engine.clients.mail_bytes() + lent + engine.journal.backlog_bytes()
}

/// Bytes that may be allocated before somebody has to look again whether `maxmemory` is exceeded; `None` when that must be done
/// now, or was so when it was done last.
pub(super) fn bytes_left(engine: &Engine, config: &Config) -> Option<u64> {
    let reserve = &engine.eviction.reserve;
    let limit = config.maxmemory.saturating_sub(reserve.bytes(config.maxmemory)).min(reserve.looked_ahead());
    let was_exceeded = engine.eviction.exceeded_since_us.load(Relaxed) != 0;
    limit.checked_sub(alloc::allocated_bytes() as u64).filter(|_| !was_exceeded)
}

/// Whether more is used than `maxmemory` allows.
pub(super) fn is_exceeded(engine: &Engine, config: &Config, untold: usize) -> bool {
    excess_bytes(engine, config, untold) > 0
}

/// How much more is used than `maxmemory` allows.
fn excess_bytes(engine: &Engine, config: &Config, untold: usize) -> u64 {
    let (used, reserve) = (alloc::allocated_bytes() as u64, &engine.eviction.reserve);
    if reserve.is_due(used) {
        engine.eviction.look(engine, config);
    }
    let limit = config.maxmemory.saturating_sub(reserve.bytes(config.maxmemory));
    if used <= limit {
        return 0;
    }
    let uncounted = reclaim::pending_bytes() as u64 + uncounted_bytes(engine, config, untold);
    used.saturating_sub(uncounted).saturating_sub(limit)
}

/// Removes keys until memory fits, time is up, or nothing may go. What `view` held it holds no more, unless nothing had to be
/// done.
pub fn make_room(
    engine: &Engine,
    config: &Config,
    view: &mut View<'_>,
    stats: &WorkerStats,
    now: UnixMs,
    untold: usize,
) -> Room {
    if config.maxmemory == 0 || engine.pause.is_paused() {
        // While clients are paused the data stays as it is.
        return Room::Enough;
    }
    if !is_exceeded(engine, config, untold) {
        if engine.eviction.exceeded_since_us.load(Relaxed) != 0 {
            engine.eviction.note(Room::Enough, engine.time.monotonic_us());
        }
        return Room::Enough;
    }
    let began_ns = engine.time.monotonic_ns();
    let room = match policy(config) {
        None => Room::Impossible,
        Some(policy) => remove_keys(engine, config, view, stats, now, untold, policy, began_ns),
    };
    let ended_ns = engine.time.monotonic_ns();
    engine.eviction.note(room, ended_ns / 1000);
    let threshold_ms = config.latency_monitor_threshold;
    let spent_ms = (ended_ns - began_ns) / 1_000_000;
    if threshold_ms > 0 && spent_ms >= threshold_ms {
        engine.latency.record("eviction-cycle", now.seconds(), spent_ms);
    }
    if room == Room::Unfinished {
        engine.eviction.wake();
    }
    room
}

#[allow(clippy::too_many_arguments)] // Everything that one command knows; it is called from one place.
fn remove_keys(
    engine: &Engine,
    config: &Config,
    view: &mut View<'_>,
    stats: &WorkerStats,
    now: UnixMs,
    untold: usize,
    policy: EvictionPolicy,
    began_ns: u64,
) -> Room {
    let limit_ns = time_limit_us(config.maxmemory_eviction_tenacity).saturating_mul(1000);
    let shards = engine.keyspace.shard_count();
    let samples = config.maxmemory_samples as usize;
    let mut shard = view.rng().index(shards);
    // Shards in a row that had nothing to give, and whether one of them could not be asked.
    let (mut fruitless, mut some_busy) = (0, false);
    // What is told of a removal takes memory itself until it is sent. So what goes is decided now, not by what is used
    // after each key, or telling of keys would be a reason to remove more of them.
    let wanted = excess_bytes(engine, config, untold);
    let (mut removed, mut freed) = (0_u64, 0_u64);
    let room = loop {
        let before = removed;
        match view.lock(&LockSet::One(ShardId(shard as u16))) {
            Ok(()) => {
                view.begin(now, true);
                // With many shards a draw from each in turn; with one, a few before the next look at the clock.
                for _ in 0..if shards == 1 { KEYS_PER_LOOK } else { 1 } {
                    let Some(bytes) = view.evict_one(policy, samples) else { break };
                    (removed, freed) = (removed + 1, freed + bytes as u64);
                    if freed >= wanted {
                        break;
                    }
                }
                tell(engine, view);
            }
            Err(_) => some_busy = true,
        }
        fruitless = if removed > before { 0 } else { fruitless + 1 };
        shard = (shard + 1) % shards;
        if removed > 0 && freed >= wanted {
            break Room::Enough;
        }
        if fruitless >= shards {
            // Who is locked may have something to give; who asked everybody else in vain comes back later.
            break if some_busy { Room::Unfinished } else { Room::Impossible };
        }
        if engine.time.monotonic_ns().saturating_sub(began_ns) >= limit_ns {
            break Room::Unfinished;
        }
    };
    view.release();
    bump(&stats.counters.evicted_keys, removed);
    give_back(engine, config, freed);
    room
}

/// Has the allocator give back the pages of what was removed, whenever that has become much, and looks at how many it has left.
///
/// It would give back after a second by itself, but who writes faster than that finds room in other places meanwhile: values of
/// many sizes took 1.35 times the limit.
fn give_back(engine: &Engine, config: &Config, freed: u64) {
    let maxmemory = config.maxmemory;
    let much = engine.eviction.reserve.much(maxmemory);
    reclaim::give_back_pages(freed, much, || {
        let (reserve, uncounted) = (Arc::clone(&engine.eviction.reserve), uncounted_bytes(engine, config, 0));
        move || {
            if let Some(pages) = page_bytes(uncounted) {
                reserve.grow(maxmemory, pages);
            }
        }
    });
}

/// Memory of the process, without pages of files and what is `uncounted`.
fn page_bytes(uncounted: u64) -> Option<u64> {
    let of_system = machine::resident().map(|resident| resident.anonymous);
    let bytes = of_system.or_else(|| alloc::stats().ok().map(|stats| stats.resident as u64))?;
    Some(bytes.saturating_sub(uncounted))
}

/// Tells of what was removed, under the lock of where it was.
fn tell(engine: &Engine, view: &mut View<'_>) {
    let effects = view.take_effects();
    if !effects.records.is_empty() {
        engine.commit(view, &Commit::new(&[], &effects, None));
    }
}

impl Executor<'_> {
    /// Makes room before a request, or says that there is none for it. A client that tracks hears what it cost before the reply.
    ///
    /// # Errors
    /// OOM.
    pub(super) fn make_room(
        &mut self,
        session: &Session,
        request: &Request<'_>,
        out: &mut Output,
    ) -> Result<(), CmdError> {
        let (now, config) = (self.now(), self.config());
        let untold = session.shared.untold_bytes(out.heap_bytes());
        let room = make_room(self.engine, config, &mut self.view, self.stats, now, untold);
        if session.tracking.is_some() && session.shared.is_called() {
            session.shared.take_mail(out);
        }
        match room {
            Room::Impossible if self.needs_memory(session, request) => Err(CmdError::OutOfMemory),
            _ => Ok(()),
        }
    }

    /// Whether there is memory for a request that has waited. Nothing is removed for it: the next request does that.
    ///
    /// # Errors
    /// OOM.
    pub(super) fn check_memory(&self, flags: CommandFlags) -> Result<(), CmdError> {
        if !flags.contains(CommandFlags::DENYOOM) {
            return Ok(());
        }
        // What made it ready may have changed the limit.
        let config = self.engine.config.snapshot();
        let is_full =
            config.maxmemory > 0 && policy(&config).is_none() && is_exceeded(self.engine, &config, 0);
        if is_full { Err(CmdError::OutOfMemory) } else { Ok(()) }
    }

    fn needs_memory(&self, session: &Session, request: &Request<'_>) -> bool {
        self.flags_of(session, request.command, &request.args).contains(CommandFlags::DENYOOM)
    }
}

/// Closes the clients with the biggest buffers until all together are within `maxmemory-clients`; how many. Those that CLIENT
/// NO-EVICT spares stay.
pub fn evict_clients(engine: &Engine, config: &Config, stats: &WorkerStats) -> usize {
    let Some(limit) = clients_limit(config) else { return 0 };
    if engine.clients.buffer_bytes() <= limit {
        return 0;
    }
    // Read once: a buffer that shrinks while others are looked at would leave its share to the small ones.
    let living = engine.clients.iter().filter(|client| !client.is_killed());
    let mut clients: Vec<_> = living.map(|client| (client.buffer_bytes(), client)).collect();
    // Those on their way out are still in the registry's count.
    let mut total: u64 = clients.iter().map(|(bytes, _)| bytes).sum();
    clients.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let mut evicted = 0;
    for (bytes, client) in clients.iter().filter(|(_, client)| !client.is_no_evict()) {
        if total <= limit {
            break;
        }
        total -= bytes;
        tracing::info!(
            "Evicting client id={} addr={}: clients are over maxmemory-clients",
            client.id.0,
            client.addr
        );
        client.kill();
        evicted += 1;
    }
    // CONFIG SET counts among those of the main thread, from a worker.
    stats.counters.evicted_clients.fetch_add(evicted as u64, Relaxed);
    evicted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{MemoryOrPercent, Startup, Store};

    #[test]
    fn tenacity_is_time() {
        assert_eq!([0, 1, 10].map(time_limit_us), [0, 50, 500]);
        assert_eq!(time_limit_us(11), 575);
        assert!((100_000_000..=170_000_000).contains(&time_limit_us(99)));
        assert_eq!(time_limit_us(100), u64::MAX);
    }

    #[test]
    fn clients_have_a_bound_without_maxmemory_too() {
        let usual = Store::load(Startup::default()).unwrap().snapshot();
        let limit = |maxmemory, maxmemory_clients| {
            let mut config = Config::clone(&usual);
            (config.maxmemory, config.maxmemory_clients) = (maxmemory, maxmemory_clients);
            clients_limit(&config)
        };
        let quarter = usual.maxmemory_clients;
        assert_eq!(limit(0, quarter).map(|bytes| bytes / 100), Some(machine::memory_bytes() / 4 / 100));
        assert_eq!(limit(1 << 30, quarter), Some(1 << 28));
        assert_eq!(limit(0, MemoryOrPercent::Bytes(1 << 20)), Some(1 << 20));
        assert_eq!(limit(0, MemoryOrPercent::Bytes(0)), None);
    }

    #[test]
    fn stretches_over_the_limit_add_up() {
        let eviction = Eviction::default();
        eviction.note(Room::Impossible, 100);
        eviction.note(Room::Unfinished, 200);
        assert_eq!(eviction.exceeded_us(250), (150, 150));
        eviction.note(Room::Enough, 300);
        eviction.note(Room::Enough, 400);
        assert_eq!(eviction.exceeded_us(500), (200, 0));
    }
}
