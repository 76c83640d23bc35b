//! Which key goes when memory is full.
//!
//! ```text
//! over maxmemory ─▶ a shard, locked ─▶ victim by policy ─▶ removed, told as `evicted`, journalled as DEL ─▶ next shard …
//! ```
//!
//! | family | file | the victim is |
//! |---|---|---|
//! | LRU, LFU | [`ranked`] | the worst of the best candidates that samples have found so far |
//! | random | [`random`] | any |
//! | TTL | [`soonest`] | the one with the earliest deadline, found by the index of deadlines |
//!
//! Keys are spread over shards by a hash, so every few shards are a fair sample of all keys: a victim is chosen inside a
//! [`group`] of them, under their locks alone, and the next one comes from the next group. One shard of many holds too few keys
//! to choose from where all keys are few. Who decides how many go, and when, is the dispatcher.
//!
//! **Invariant:** a victim is removed as DEL would remove it: counts, deadlines and watchers know of it.

pub mod random;
pub mod ranked;
pub mod soonest;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::effects::{EventClass, What};
use super::view::Circumstances;
use super::{DbIndex, Key, Shard, View, edit, reclaim};
use crate::base::clock::UnixMs;
use crate::base::rng::Rng;
use crate::keyspace::{AccessClock, Db, Entry};
use ranked::Rank;
use smallvec::SmallVec;

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

/// Shards that are chosen from together.
const GROUP: usize = 16;

/// How many groups there are of so many shards.
pub fn group_count(shards: usize) -> usize {
    shards.div_ceil(GROUP)
}

/// The shards of a group.
pub fn group(number: usize, shards: usize) -> Range<usize> {
    let first = number * GROUP;
    first..shards.min(first + GROUP)
}

/// A key that may go.
pub(super) struct Victim {
    /// The greater, the sooner it goes.
    rank: u64,
    db: DbIndex,
    key: Box<[u8]>,
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
    /// Removes one key of the held shards; the bytes that it took, `None` when the policy lets none go. The effects are to be committed
    /// before the locks are released.
    pub fn evict_one(&mut self, policy: EvictionPolicy, samples: usize) -> Option<usize> {
        let held = self.shards().count().max(1);
        // Together as many as one shard would give.
        let samples = samples.div_ceil(held);
        let mut victims: SmallVec<[(usize, Victim); GROUP]> = SmallVec::new();
        let (shards, cx) = self.split_held();
        for (at, shard) in shards.enumerate() {
            let choice = &mut Choice { policy, samples, now: cx.now, access: cx.access, rng: &mut cx.rng };
            let victim = match policy.order {
                Order::Lru => ranked::victim(shard, choice, Rank::Idle),
                Order::Lfu => ranked::victim(shard, choice, Rank::Unused),
                Order::Random => random::victim(shard, choice),
                Order::Ttl => soonest::victim(shard, choice),
            };
            victims.extend(victim.map(|victim| (at, victim)));
        }
        // Many are equally unused: not always those of the same shard go.
        let turn = cx.rng.index(held);
        let best = victims.iter().max_by_key(|(at, victim)| (victim.rank, (at + turn) % held))?.0;
        let (shards, cx) = self.split_held();
        let mut victims = victims.into_iter().peekable();
        let mut freed = None;
        for (at, shard) in shards.enumerate() {
            match victims.next_if(|(of, _)| *of == at) {
                Some((_, victim)) if at == best => freed = remove(shard, cx, &victim),
                Some((_, other)) if matches!(policy.order, Order::Lru | Order::Lfu) => {
                    ranked::keep(shard, &other);
                }
                _ => {}
            }
        }
        freed
    }
}

fn remove(shard: &mut Shard, cx: &mut Circumstances, victim: &Victim) -> Option<usize> {
    let (db, audience) = shard.parts_mut(victim.db);
    let hash = db.table.seed().hash(&victim.key);
    let entry = db.remove(Key { bytes: &victim.key, hash })?;
    audience.touch(victim.db, &victim.key, &mut cx.ready);
    if cx.observed {
        // For the journal it is as if the key had died by itself: a DEL.
        cx.effects.record(victim.db, &victim.key, What::Expired);
        cx.effects.record(victim.db, &victim.key, What::Event(EventClass::Evicted, "evicted"));
    }
    Some(discard(entry))
}

/// Frees a victim and tells its bytes. What is freed elsewhere counts as free from now on, or too many keys would go meanwhile.
fn discard(entry: Entry) -> usize {
    const WEIGHED_ELEMENTS: usize = 16;
    let bytes = super::entry::heap_bytes(&entry, WEIGHED_ELEMENTS);
    if edit::is_large(&entry) {
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
