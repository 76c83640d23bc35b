//! The keyspace: databases spread over lock shards, and the only road to the data.
//!
//! ```text
//! Key (bytes + hash) ─▶ LockSet ─▶ View (locks) ─▶ read(key) / edit(key, |entry| …) ─▶ Effects
//! ```
//!
//! * [`Keyspace`] owns the shards; shard = top bits of the seeded hash; one shard when there is one worker.
//! * [`View`] holds the locks of the shards that one command (or a batch of them) needs, and is the only type
//!   through which code reaches entries.
//! * [`View::edit`] is the only way to a mutable entry: around it expiry, deadlines, statistics, events and the
//!   journal are done once, for everybody ([`edit`]).
//! * [`snapshot`] gives all data as it was at one moment.
//! * [`evict`] chooses what goes when memory is full, [`expire`] removes keys at their deadline, [`scan`] walks them with a
//!   stateless cursor, [`reclaim`] frees big values off the workers, [`sizes`] counts how long values are.
//!
//! **Invariant:** nobody holds one shard while waiting for another, except under the script mutex
//! ([`Keyspace::script_mutex`]), of which there is one; so nobody deadlocks.
//! **Invariant:** an entry behind its deadline is visible to nobody, whether it has been removed yet or not.

pub mod access;
mod audience;
pub mod audit;
mod by_key;
pub mod edit;
pub mod effects;
pub mod entry;
pub mod evict;
pub mod expire;
pub mod freeze;
mod held;
pub mod load;
pub mod lock;
pub mod reclaim;
pub mod scan;
pub mod shard;
pub mod sizes;
pub mod snapshot;
#[cfg(test)]
mod tests;
mod unlogged;
pub mod view;
pub mod waiters;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

pub use access::AccessClock;
pub use edit::{EntryMut, Ttl, WrongType};
pub use effects::{Effect, EffectRecord, Effects, EventClass, What};
pub use entry::Entry;
pub use evict::{EvictionPolicy, Order};
pub use expire::ExpiryPolicy;
pub use shard::{Db, Shard};
pub use unlogged::Log;
pub use view::{LockSet, ShardSet, View};
pub use watch::WatchFlag;

use crate::ds::table::HashSeed;
use lock::ParkingMutex;

/// Two requests on ten keys each meet in one of 512 shards every sixth time, in one of 256 every third, and nearly always in one of
/// 32. What holds sixteen keys ahead meets others more often. With more shards, small caches would have too few keys in each to draw
/// what is evicted from, and what needs all shards would wait for more locks.
const SHARDS_PER_WORKER: usize = 256;
const SHARDS_MAX: usize = 4096;

/// Number of a database, as in SELECT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DbIndex(pub u16);

impl DbIndex {
    pub fn as_usize(self) -> usize {
        usize::from(self.0)
    }
}

/// A position in the journal: the number of bytes appended before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct JournalOffset(pub u64);

/// Number of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardId(pub u16);

/// A key with its hash. Only the dispatcher makes them, from the positions that the key walker announced, so
/// a handler can't reach a key that is not locked.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    bytes: &'a [u8],
    hash: u64,
}

impl<'a> Key<'a> {
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

/// All data of the server.
pub struct Keyspace {
    shards: Box<[ParkingMutex<Shard>]>,
    shard_bits: u32,
    seed: HashSeed,
    databases: u16,
    /// Serialises everybody who may hold shards while waiting for more: writing scripts, and whoever failed
    /// several times to get many shards at once.
    script_mutex: ParkingMutex<()>,
    /// Somebody wants to hear about effects (journal, notifications, tracking, tests). Only then are they
    /// recorded.
    observed: AtomicU8,
    /// How access times are kept; see [`access`].
    access: access::SharedAccess,
    expiry: expire::SharedPolicy,
    /// Earliest deadline any shard has announced since the expiry cron last looked, unix ms.
    earliest_deadline: AtomicU64,
    /// Wakes the expiry task when an earlier deadline was announced.
    deadline_moved: tokio::sync::Notify,
    snapshots: Arc<snapshot::Snapshots>,
    /// How many requests have ever waited for a key.
    waits: AtomicU64,
    /// Candidates for eviction. Held for moments, under locks of shards.
    pool: parking_lot::Mutex<evict::ranked::Pool>,
}

impl Keyspace {
    /// An empty keyspace for `workers` workers. `seed` is three random words.
    pub fn new(workers: usize, databases: u16, seed: [u64; 3]) -> Keyspace {
        let shards =
            if workers <= 1 { 1 } else { (SHARDS_PER_WORKER * workers).next_power_of_two().min(SHARDS_MAX) };
        let shard_bits = shards.trailing_zeros();
        let seed = HashSeed::random_from(seed);
        let empty = Arc::new(Db::new(seed, shard_bits));
        let shard = |_| ParkingMutex::new(Shard::new(databases, &empty));
        Keyspace {
            shards: (0..shards).map(shard).collect(),
            shard_bits,
            seed,
            databases,
            script_mutex: ParkingMutex::new(()),
            observed: AtomicU8::new(Observed::Nothing as u8),
            access: access::SharedAccess::default(),
            expiry: expire::SharedPolicy::default(),
            earliest_deadline: AtomicU64::new(u64::MAX),
            deadline_moved: tokio::sync::Notify::new(),
            snapshots: Arc::default(),
            waits: AtomicU64::new(0),
            pool: parking_lot::Mutex::default(),
        }
    }

    #[inline]
    pub fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        Key { bytes, hash: self.seed.hash(bytes) }
    }

    /// A key whose hash was computed before, by [`Keyspace::key`].
    #[inline]
    pub fn key_again<'a>(&self, bytes: &'a [u8], hash: u64) -> Key<'a> {
        debug_assert_eq!(self.seed.hash(bytes), hash);
        Key { bytes, hash }
    }

    #[inline]
    pub fn shard_of(&self, hash: u64) -> ShardId {
        // Two shifts, because with one shard there are no bits to take, and shifting by 64 is not defined.
        ShardId((hash >> 1).wrapping_shr(63_u32.wrapping_sub(self.shard_bits)) as u16)
    }

    fn shard_ids(&self) -> impl Iterator<Item = ShardId> {
        (0..self.shards.len()).map(|id| ShardId(id as u16))
    }

    /// The shards of a set, which may name some more than once.
    fn shards_of(&self, set: &LockSet) -> ShardSet {
        match set {
            LockSet::Nothing => ShardSet::new(),
            LockSet::One(id) => [*id].into_iter().collect(),
            LockSet::Many(ids) => ids.clone(),
            LockSet::All => self.shard_ids().collect(),
        }
    }

    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    pub fn databases(&self) -> u16 {
        self.databases
    }

    #[inline]
    fn shard(&self, id: ShardId) -> &ParkingMutex<Shard> {
        &self.shards[usize::from(id.0)]
    }

    /// Parks `waker` until the shard is free; `false` when it is free already.
    pub fn park(&self, busy: Busy, waker: &std::task::Waker) -> bool {
        match busy {
            Busy::Shard(id) => self.shard(id).park(waker),
            Busy::ScriptMutex => self.script_mutex.park(waker),
            Busy::Snapshot => self.snapshots.park(waker),
        }
    }

    /// Whether that is held by somebody who keeps it for long.
    pub fn is_held_long(&self, busy: Busy) -> bool {
        match busy {
            Busy::Shard(id) => self.shard(id).is_held_long(),
            Busy::ScriptMutex => self.script_mutex.is_held_long(),
            Busy::Snapshot => false,
        }
    }

    /// Turns the recording of effects on or off.
    pub fn observe(&self, observed: Observed) {
        self.observed.store(observed as u8, Ordering::Release);
    }

    #[inline]
    pub fn observed(&self) -> Observed {
        match self.observed.load(Ordering::Relaxed) {
            0 => Observed::Nothing,
            1 => Observed::Commands,
            _ => Observed::Everything,
        }
    }

    /// How access times are kept now.
    pub fn access_clock(&self) -> AccessClock {
        self.access.load()
    }

    /// Changes how access times are kept, from the next command on.
    pub fn set_access_clock(&self, clock: AccessClock) {
        self.access.store(clock);
    }
}

/// What of effects is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Observed {
    Nothing,
    /// What the journal needs to repeat them: other forms of commands, and what expired.
    Commands,
    /// Also which keys were modified, and events.
    Everything,
}

/// What a [`View`] could not get at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    Shard(ShardId),
    ScriptMutex,
    /// A snapshot can't keep up with the changes.
    Snapshot,
}
