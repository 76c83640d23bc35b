//! Which key goes when memory is full.
//!
//! ```text
//! over maxmemory ─▶ a shard, locked: draw ─▶ victim by policy ─▶ its shard, locked: removed, told as `evicted`, journalled as DEL
//! ```
//!
//! | family | file | the victim is |
//! |---|---|---|
//! | LRU, LFU | [`ranked`] | the worst of the best candidates that samples have found so far |
//! | TTL | [`ranked`], [`soonest`] | the one with the earliest deadline, found by the index of deadlines of each shard |
//! | random | [`random`] | any |
//!
//! Keys are spread over shards by a hash, so every shard is a fair sample of all keys: candidates are drawn from one shard after
//! the other. Who decides how many go, and when, is the dispatcher.
//!
//! **Invariant:** a victim is removed as DEL would remove it: counts, deadlines and watchers know of it.

pub mod random;
pub mod ranked;
pub mod soonest;
#[cfg(test)]
mod tests;

use super::effects::{EventClass, What};
use super::view::Circumstances;
use super::{DbIndex, Key, LockSet, Shard, View, edit, reclaim};
use crate::base::clock::UnixMs;
use crate::base::rng::Rng;
use crate::keyspace::{AccessClock, Db, Entry};
use ranked::Rank;

/// By what the victim is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Longest unused.
    Lru,
    /// Least used.
    Lfu,
    Random,
    /// Earliest deadline.
    Ttl,
}

/// `maxmemory-policy`, if it is not `noeviction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvictionPolicy {
    pub order: Order,
    /// Only keys with a deadline may go.
    pub is_volatile: bool,
}

/// What a choice depends on besides the data.
pub(super) struct Choice<'c> {
    policy: EvictionPolicy,
    /// `maxmemory-samples`.
    samples: usize,
    now: UnixMs,
    access: AccessClock,
    rng: &'c mut Rng,
}

/// Draws for a key with a deadline before the index of deadlines is asked instead.
const VOLATILE_DRAWS: usize = 8;

impl View<'_> {
    /// Draws from the held shards, and removes the best of all candidates, whose shard is held then; the bytes that it took.
    /// `None` when the policy lets none go, or somebody else holds those that it would. The effects are to be committed before
    /// the locks are released.
    pub fn evict_one(&mut self, policy: EvictionPolicy, samples: usize) -> Option<usize> {
        let rank = match policy.order {
            Order::Lru => Rank::Idle,
            Order::Lfu => Rank::Unused,
            Order::Ttl => Rank::Soonest,
            Order::Random => return self.evict_any(policy, samples),
        };
        let keyspace = self.keyspace();
        {
            let mut pool = keyspace.pool.lock();
            pool.be_for(rank, policy.is_volatile);
            let (shards, cx) = self.split_held();
            for shard in shards {
                let (now, access) = (cx.now, cx.access);
                let choice = &mut Choice { policy, samples, now, access, rng: &mut cx.rng };
                ranked::draw(shard, choice, rank, &mut pool);
            }
        }
        // Each round takes a candidate for good, or gives one its right place; so there is an end.
        for _ in 0..2 * ranked::POOL_LEN {
            let (best, next) = keyspace.pool.lock().take()?;
            let key = keyspace.key(&best.key);
            if self.lock(&LockSet::One(keyspace.shard_of(key.hash()))).is_err() {
                continue;
            }
            let (shard, cx) = self.split(key);
            let found = shard.db(best.db).table.find(key.hash(), key.bytes());
            let Some(entry) = found.filter(|entry| !policy.is_volatile || entry.deadline().is_some()) else {
                continue;
            };
            let now = rank.of(entry, &cx.access, cx.now);
            if now >= best.rank || next.is_none_or(|next| now >= next) {
                return remove(shard, cx, best.db, key);
            }
            keyspace.pool.lock().offer(now, best.db, &best.key);
        }
        None
    }

    fn evict_any(&mut self, policy: EvictionPolicy, samples: usize) -> Option<usize> {
        let keyspace = self.keyspace();
        let (mut shards, cx) = self.split_held();
        shards.find_map(|shard| {
            let choice = &mut Choice { policy, samples, now: cx.now, access: cx.access, rng: &mut cx.rng };
            let (db, name) = random::victim(shard, choice)?;
            remove(shard, cx, db, keyspace.key(&name))
        })
    }
}

fn remove(shard: &mut Shard, cx: &mut Circumstances, index: DbIndex, key: Key<'_>) -> Option<usize> {
    let (db, audience) = shard.parts_mut(index);
    let entry = db.remove(key)?;
    audience.touch(index, key.bytes(), &mut cx.ready);
    if cx.observed {
        // For the journal it is as if the key had died by itself: a DEL.
        cx.effects.record(index, key.bytes(), What::Expired);
        cx.effects.record(index, key.bytes(), What::Event(EventClass::Evicted, "evicted"));
    }
    Some(discard(entry))
}

/// Frees a victim and tells its bytes. What is freed elsewhere counts as free from now on, or too many keys would go meanwhile.
fn discard(entry: Entry) -> usize {
    const WEIGHED_ELEMENTS: usize = 16;
    let bytes = super::entry::heap_bytes(&entry, WEIGHED_ELEMENTS);
    if edit::is_large(&entry) && !reclaim::is_behind() {
        reclaim::free_weighed_elsewhere(entry, bytes);
    }
    bytes
}

/// A random key of a database that the policy lets go.
fn sample<'d>(db: &'d Db, choice: &mut Choice<'_>) -> Option<&'d Entry> {
    if !choice.policy.is_volatile {
        return db.table.sample(choice.rng.next_u64());
    }
    if db.volatile() == 0 {
        return None;
    }
    for _ in 0..VOLATILE_DRAWS {
        let found = db.table.sample(choice.rng.next_u64())?;
        if found.deadline().is_some() {
            return Some(found);
        }
    }
    let draw = choice.rng.next_u64();
    let found = db.table.sample_due(draw, |entry| entry.deadline().is_some());
    // Rarely the bounds of the index are all out of date; then every key is looked at.
    found.or_else(|| db.iter().find(|entry| entry.deadline().is_some()))
}

/// A database of the shard with keys that may go, each with the chance of its number of such keys.
fn database(shard: &Shard, choice: &mut Choice<'_>) -> Option<DbIndex> {
    let candidates = |db: &Db| if choice.policy.is_volatile { db.volatile() } else { db.len() };
    let counts = (0..shard.databases()).map(|index| (DbIndex(index), candidates(shard.db(DbIndex(index)))));
    let total: usize = counts.clone().map(|(_, count)| count).sum();
    if total == 0 {
        return None;
    }
    let mut rank = choice.rng.index(total);
    for (index, count) in counts {
        if rank < count {
            return Some(index);
        }
        rank -= count;
    }
    None
}
