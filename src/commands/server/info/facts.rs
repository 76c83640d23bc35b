//! Numbers that more than one section needs, and those that the system knows: read when first asked for.
//!
//! What lies behind locks is counted under those that the request holds, if it holds all (in a transaction, in a script), else under
//! locks of its own.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::alloc;
use crate::base::clock::{Clock, UnixMs};
use crate::base::machine;
use crate::config::Config;
use crate::dispatch::stats::Totals;
use crate::dispatch::{AdminCx, CmdError, Engine};
use crate::keyspace::sizes::Sizes;
use crate::keyspace::{Busy, DbIndex, LockSet, ShardId, View};
use crate::session::Client;

/// What sections draw on.
pub struct Facts<'e> {
    pub engine: &'e Engine,
    shards: RefCell<&'e mut (dyn Shards + 'e)>,
    /// What was held for long when it was needed: then what is said here is not true.
    busy: Cell<Option<Busy>>,
    pub config: Arc<Config>,
    pub now: UnixMs,
    totals: OnceCell<Totals>,
    memory: OnceCell<Memory>,
    databases: OnceCell<Vec<Database>>,
    waits: OnceCell<Waits>,
}

/// All shards, to look at.
trait Shards {
    /// Shows views that hold shards, until every shard was shown once.
    fn show(&mut self, look: &mut dyn FnMut(&View<'_>)) -> Result<(), Busy>;
    /// Shows one that holds all.
    fn show_all(&mut self, look: &mut dyn FnMut(&View<'_>)) -> Result<(), Busy>;
}

impl Shards for View<'_> {
    fn show(&mut self, look: &mut dyn FnMut(&View<'_>)) -> Result<(), Busy> {
        if self.holds_all() {
            look(self);
            return Ok(());
        }
        // One by one, so that nobody waits long.
        for shard in 0..self.keyspace().shard_count() {
            self.lock_patiently(&LockSet::One(ShardId(shard as u16)))?;
            look(self);
        }
        self.release();
        Ok(())
    }

    fn show_all(&mut self, look: &mut dyn FnMut(&View<'_>)) -> Result<(), Busy> {
        if self.holds_all() {
            look(self);
            return Ok(());
        }
        self.lock_patiently(&LockSet::All)?;
        look(self);
        self.release();
        Ok(())
    }
}

/// Requests that wait for keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// Clients that wait until a time.
    pub with_timeout: u64,
    /// Keys that somebody waits for.
    pub keys: u64,
    /// Those whose removal somebody waits for.
    pub keys_or_none: u64,
    /// Keys that somebody watches.
    pub watched: u64,
}

/// Bytes, of the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub used: u64,
    pub peak: u64,
    pub startup: u64,
    /// Physical memory.
    pub resident: u64,
    /// The allocator's own account.
    pub allocator_allocated: u64,
    pub allocator_active: u64,
    pub allocator_resident: u64,
    /// Buffers of clients.
    pub clients: u64,
    /// Tables of the keyspace without their entries.
    pub tables: u64,
    /// Keys in all databases.
    pub keys: u64,
}

/// One database.
#[derive(Clone, Debug, Default)]
pub struct Database {
    pub keys: u64,
    /// Keys with a deadline.
    pub volatile: u64,
    /// Their mean time to live, estimated, ms.
    pub mean_ttl_ms: u64,
    /// Bytes of the table itself.
    pub table_bytes: u64,
    /// How long its values are.
    pub sizes: Sizes,
}

impl<'e> Facts<'e> {
    pub fn new(cx: &'e mut AdminCx<'_, '_>) -> Facts<'e> {
        let engine = cx.engine;
        Facts {
            engine,
            shards: RefCell::new(cx.view_mut()),
            busy: Cell::new(None),
            config: engine.config.snapshot(),
            now: engine.time.now_ms(),
            totals: OnceCell::new(),
            memory: OnceCell::new(),
            databases: OnceCell::new(),
            waits: OnceCell::new(),
        }
    }

    /// To be asked when all is said.
    ///
    /// # Errors
    /// [`CmdError::HeldLong`]: what was said is not true, because a script holds what was to be counted.
    pub fn check(&self) -> Result<(), CmdError> {
        self.busy.get().map_or(Ok(()), |busy| Err(CmdError::HeldLong(busy)))
    }

    fn note(&self, counted: Result<(), Busy>) {
        self.busy.set(self.busy.get().or(counted.err()));
    }

    /// Counters since the last CONFIG RESETSTAT.
    pub fn totals(&self) -> &Totals {
        self.totals.get_or_init(|| self.engine.stats.totals())
    }

    pub fn waits(&self) -> Waits {
        *self.waits.get_or_init(|| Waits::count(self))
    }

    pub fn memory(&self) -> Memory {
        *self.memory.get_or_init(|| Memory::measure(self))
    }

    /// Every database, empty ones too.
    pub fn databases(&self) -> &[Database] {
        self.databases.get_or_init(|| databases(self))
    }
}

impl Waits {
    fn count(facts: &Facts<'_>) -> Waits {
        let clients = &facts.engine.clients;
        if clients.blocked_count() == 0 && !clients.iter().any(|client| client.watched() > 0) {
            return Waits::default();
        }
        let (mut wanted, mut watched): (Vec<bool>, u64) = (Vec::new(), 0);
        let counted = facts.shards.borrow_mut().show_all(&mut |view| {
            wanted.extend(view.waited_for());
            watched += view.watched() as u64;
        });
        facts.note(counted);
        let waiters = clients.iter().filter_map(|client| client.waiter());
        Waits {
            with_timeout: waiters.filter(|waiter| waiter.has_timeout).count() as u64,
            keys: wanted.len() as u64,
            keys_or_none: wanted.iter().filter(|or_none| **or_none).count() as u64,
            watched,
        }
    }
}

impl Memory {
    fn measure(facts: &Facts<'_>) -> Memory {
        let gauges = &facts.engine.gauges;
        let used = facts.engine.used_memory() as u64;
        let allocator = alloc::stats().ok();
        let allocated =
            |pick: fn(&alloc::Stats) -> usize| allocator.as_ref().map_or(used, |stats| pick(stats) as u64);
        Memory {
            used,
            peak: gauges.peak_memory_bytes.load(Relaxed),
            startup: gauges.startup_memory_bytes.load(Relaxed),
            resident: machine::resident().map_or(0, |resident| resident.all),
            allocator_allocated: allocated(|stats| stats.allocated),
            allocator_active: allocated(|stats| stats.active),
            allocator_resident: allocated(|stats| stats.resident),
            clients: facts.engine.clients.iter().map(|client| client_bytes(&client)).sum(),
            tables: facts.databases().iter().map(|db| db.table_bytes).sum(),
            keys: facts.databases().iter().map(|db| db.keys).sum(),
        }
    }

    /// All that is not keys and values.
    pub fn overhead(&self) -> u64 {
        self.startup + self.clients + self.tables
    }

    pub fn dataset(&self) -> u64 {
        self.used.saturating_sub(self.overhead())
    }

    /// Share of the data in what came after the start, per cent.
    pub fn dataset_percent(&self) -> f64 {
        let net = self.used.saturating_sub(self.startup);
        if net == 0 { 0.0 } else { 100.0 * self.dataset() as f64 / net as f64 }
    }

    pub fn peak_percent(&self) -> f64 {
        if self.peak == 0 { 0.0 } else { 100.0 * self.used as f64 / self.peak as f64 }
    }
}

/// `over / under`, 0 when there is nothing to divide by.
pub fn ratio(over: u64, under: u64) -> f64 {
    if under == 0 { 0.0 } else { over as f64 / under as f64 }
}

/// `over - under`, which may be negative.
pub fn difference(over: u64, under: u64) -> i64 {
    i64::try_from(i128::from(over) - i128::from(under)).unwrap_or(i64::MAX)
}

/// Bytes that a client takes: itself, and what `maxmemory-clients` counts of it.
fn client_bytes(client: &Client) -> u64 {
    size_of::<Client>() as u64 + client.buffer_bytes()
}

fn databases(facts: &Facts<'_>) -> Vec<Database> {
    let mut databases = vec![Database::default(); usize::from(facts.engine.keyspace.databases())];
    let counted = facts.shards.borrow_mut().show(&mut |view| {
        for (index, total) in databases.iter_mut().enumerate() {
            let db = DbIndex(index as u16);
            let keys = view.len(db) as u64;
            if keys > 0 {
                total.add(view, db, keys);
            }
        }
    });
    facts.note(counted);
    databases
}

impl Database {
    fn add(&mut self, view: &View<'_>, db: DbIndex, keys: u64) {
        let (volatile, mean_ttl_ms) = view.volatile(db);
        let volatile = volatile as u64;
        self.keys += keys;
        view.shards().for_each(|shard| self.sizes.add(shard.db(db).sizes()));
        self.table_bytes += view.shards().map(|shard| shard.db(db).table_bytes() as u64).sum::<u64>();
        let sum = u128::from(self.mean_ttl_ms) * u128::from(self.volatile)
            + u128::from(mean_ttl_ms) * u128::from(volatile);
        self.volatile += volatile;
        self.mean_ttl_ms = u64::try_from(sum / u128::from(self.volatile.max(1))).unwrap_or(u64::MAX);
    }
}

/// Seconds of processor time in user and kernel mode.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    pub user: f64,
    pub system: f64,
    pub children_user: f64,
    pub children_system: f64,
}

/// Processor time from a `stat` file of `/proc`, to a hundredth of a second as a rule.
pub fn cpu_time(stat: &str) -> CpuTime {
    let read = || {
        let text = std::fs::read_to_string(stat).ok()?;
        // The name in parentheses may hold blanks; fields are counted behind it.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let seconds = |index: usize| Some(fields.get(index)?.parse::<i64>().ok()? as f64 / ticks);
        Some(CpuTime {
            user: seconds(11)?,
            system: seconds(12)?,
            children_user: seconds(13)?,
            children_system: seconds(14)?,
        })
    };
    read().unwrap_or_default()
}
