//! Eviction by use: the longest unused (LRU) or the least used (LFU) key, as far as samples tell.
//!
//! Nobody keeps all keys in the order of their use. A few are drawn at random instead, as Redis does, and the best candidates
//! of all draws so far are remembered in a pool, so that a few draws per victim come close to the exact order:
//!
//! ```text
//! draw 5 ─▶ pool of 16 by rank ─▶ the worst: still there, still as unused? ─▶ victim
//!                                                  └ used meanwhile: back into the pool with its new rank
//! ```

use super::{Choice, Victim, sample};
use crate::base::clock::UnixMs;
use crate::keyspace::access::{idle_minutes, idle_seconds};
use crate::keyspace::{AccessClock, DbIndex, Entry, Shard};

/// Candidates remembered in each shard.
const POOL_LEN: usize = 16;

/// What makes a key a better victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// Time without use.
    Idle,
    /// Few uses.
    Unused,
}

impl Rank {
    /// The greater, the sooner it goes.
    fn of(self, entry: &Entry, access: &AccessClock, now: UnixMs) -> u64 {
        match self {
            Rank::Idle => idle_seconds(entry.clock(), now),
            Rank::Unused => {
                // Many keys are used equally little; of these the longest unused goes.
                let unused = 255 - u64::from(access.frequency(entry.clock(), now).min(255));
                unused << 16 | u64::from(idle_minutes(entry.clock(), now))
            }
        }
    }
}

/// The best candidates so far; the best is the last.
#[derive(Default)]
pub(in crate::keyspace) struct Pool {
    candidates: Vec<Victim>,
    /// What the ranks mean, and whether only volatile keys were drawn.
    kind: Option<(Rank, bool)>,
}

impl Pool {
    fn offer(&mut self, rank: u64, db: DbIndex, key: &[u8]) {
        if self.candidates.len() >= POOL_LEN
            && self.candidates.first().is_some_and(|worst| rank <= worst.rank)
        {
            return;
        }
        if self.candidates.iter().any(|known| known.db == db && *known.key == *key) {
            return;
        }
        let at = self.candidates.partition_point(|known| known.rank < rank);
        self.candidates.insert(at, Victim { rank, db, key: key.into() });
        if self.candidates.len() > POOL_LEN {
            self.candidates.remove(0);
        }
    }
}

/// The best candidate of a shard, which leaves the pool; [`keep`] puts it back when another shard has a better one.
pub(super) fn victim(shard: &mut Shard, choice: &mut Choice<'_>, rank: Rank) -> Option<Victim> {
    let mut pool = std::mem::take(&mut shard.pool);
    let kind = Some((rank, choice.policy.is_volatile));
    if pool.kind != kind {
        pool = Pool { candidates: Vec::new(), kind };
    }
    let (now, access) = (choice.now, choice.access);
    for index in 0..shard.databases() {
        let db = shard.db(DbIndex(index));
        if db.is_empty() {
            continue;
        }
        for _ in 0..choice.samples {
            let Some(entry) = sample(db, choice) else { break };
            pool.offer(rank.of(entry, &access, now), DbIndex(index), entry.key());
        }
    }
    let victim = best(shard, &mut pool, choice, rank);
    shard.pool = pool;
    victim
}

/// Puts a candidate back.
pub(super) fn keep(shard: &mut Shard, candidate: &Victim) {
    shard.pool.offer(candidate.rank, candidate.db, &candidate.key);
}

/// Takes the best candidate that is still what it was.
fn best(shard: &Shard, pool: &mut Pool, choice: &Choice<'_>, rank: Rank) -> Option<Victim> {
    // Each round takes a candidate for good, or gives one its right place; so there is an end.
    for _ in 0..2 * POOL_LEN {
        let candidate = pool.candidates.pop()?;
        let table = &shard.db(candidate.db).table;
        let found = table.find(table.seed().hash(&candidate.key), &candidate.key);
        let Some(entry) = found.filter(|entry| !choice.policy.is_volatile || entry.deadline().is_some())
        else {
            continue;
        };
        let now = rank.of(entry, &choice.access, choice.now);
        if now >= candidate.rank || pool.candidates.last().is_none_or(|next| now >= next.rank) {
            return Some(Victim { rank: now, ..candidate });
        }
        pool.offer(now, candidate.db, &candidate.key);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_the_best_once() {
        let mut pool = Pool::default();
        for rank in (0..40u8).rev().chain(0..40) {
            pool.offer(u64::from(rank), DbIndex(0), &[rank]);
        }
        let ranks: Vec<u64> = pool.candidates.iter().map(|candidate| candidate.rank).collect();
        assert_eq!(ranks, (24..40).collect::<Vec<u64>>());
    }
}
