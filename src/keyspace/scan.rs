//! Walking and sampling: SCAN's cursor, KEYS, RANDOMKEY, and what concerns whole databases.
//!
//! Everything is ordered by hash: shards by its top bits, buckets inside a shard by the bits below. So a cursor
//! is a position in hash space, `position >> 12`, at most 52 bits (clients that read it as a double keep
//! it exact), and an element present during the whole iteration is returned, whatever grows, splits or merges
//! meanwhile.

use super::effects::What;
use super::entry::is_expired;
use super::{Db, DbIndex, Effect, Entry, View, reclaim};

/// The low bits of a hash position that a cursor drops.
const CURSOR_SHIFT: u32 = 12;

/// How often RANDOMKEY draws again when it meets keys behind their deadline.
const RANDOM_TRIES: usize = 100;

impl View<'_> {
    /// Visits whole buckets from `cursor` on until `count` entries were visited; returns the cursor to go on
    /// with, 0 at the end. Entries behind their deadline are visited too; `visit` can tell by its flag.
    pub fn scan(
        &mut self,
        db: DbIndex,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(&Entry, bool),
    ) -> u64 {
        debug_assert!(self.holds_all());
        self.cx.audit.check_all();
        let bits = self.keyspace().shard_bits;
        let now = self.now();
        // A cursor that never came from us may be anything; take it as a position and go on from there.
        let Some(mut position) =
            cursor.checked_shl(CURSOR_SHIFT).filter(|_| cursor >> (64 - CURSOR_SHIFT) == 0)
        else {
            return 0;
        };
        let first = position.checked_shr(64 - bits).unwrap_or(0) as usize;
        let mut visited = 0;
        for (index, shard) in self.shards().enumerate().skip(first) {
            loop {
                let next = shard.db(db).table.scan_bucket(position, |entry| {
                    visited += 1;
                    visit(entry, is_expired(entry, now));
                });
                match next {
                    Some(next) => position = next,
                    None => break,
                }
                if visited >= count {
                    return position >> CURSOR_SHIFT;
                }
            }
            let Some(start) = (index as u64 + 1).checked_shl(64 - bits).filter(|_| bits > 0) else {
                return 0;
            };
            position = start;
            if position == 0 {
                return 0;
            }
            if visited >= count {
                return position >> CURSOR_SHIFT;
            }
        }
        0
    }

    /// Every live entry of a database.
    pub fn for_each(&self, db: DbIndex, mut visit: impl FnMut(&Entry)) {
        self.cx.audit.check_all();
        let now = self.now();
        for shard in self.shards() {
            shard.db(db).iter().filter(|entry| !is_expired(entry, now)).for_each(&mut visit);
        }
    }

    /// Keys of a database, as DBSIZE counts them: those behind their deadline count until they are removed.
    pub fn len(&self, db: DbIndex) -> usize {
        self.shards().map(|shard| shard.db(db).len()).sum()
    }

    /// A random live entry.
    pub fn random(&mut self, db: DbIndex) -> Option<&Entry> {
        self.cx.audit.check_all();
        let now = self.now();
        for _ in 0..RANDOM_TRIES {
            let draw = self.rng().next_u64();
            let choice = self.rng().next_u64();
            let found = self.weighted_shard(db, draw)?.table.sample(choice)?;
            if !is_expired(found, now) {
                // Found again, because a reference from the loop can't leave it.
                return self.weighted_shard(db, draw)?.table.sample(choice);
            }
        }
        // Nearly everything is behind its deadline: look at all.
        self.shards().flat_map(|shard| shard.db(db).iter()).find(|entry| !is_expired(entry, now))
    }

    /// The shard of a random key: shards weigh as many as their keys.
    fn weighted_shard(&self, db: DbIndex, draw: u64) -> Option<&Db> {
        let total = self.len(db);
        if total == 0 {
            return None;
        }
        let mut rank = (draw % total as u64) as usize;
        for shard in self.shards() {
            let db = shard.db(db);
            if rank < db.len() {
                return Some(db);
            }
            rank -= db.len();
        }
        None
    }

    /// Empties a database; returns how many keys it had. Entries of a big one are freed off this thread; `lazily`:
    /// they count as lazily freed.
    pub fn flush(&mut self, db: DbIndex, lazily: bool) -> u64 {
        let mut removed = 0;
        let (shards, cx) = self.split_held();
        cx.audit.check_all();
        for shard in shards {
            shard.touch_watched(db, None);
            shard.audience.stir_all(db, &mut cx.ready);
            if db.0 >= shard.databases() {
                // Nothing has ever been there.
                continue;
            }
            let db = shard.db_mut(db);
            let objects = db.len() as u64;
            removed += objects;
            let table = db.take();
            if objects > reclaim::LARGE_EFFORT as u64 {
                // Even when it was not asked for: nobody should wait under the locks for a million frees.
                reclaim::free_many_elsewhere(table, if lazily { objects } else { 0 });
            }
        }
        cx.effects.changes += removed;
        cx.effects.is_forced = true;
        if cx.tells {
            cx.effects.record(db, b"", What::Flushed);
        }
        removed
    }

    /// Notes a change of what is no key but is saved and journalled as keys are.
    pub fn change_beside_keys(&mut self) {
        self.cx.effects.changes += 1;
    }

    /// SWAPDB.
    pub fn swap(&mut self, one: DbIndex, other: DbIndex, effect: Effect) {
        let (shards, cx) = self.split_held();
        cx.audit.check_all();
        cx.effects.changes += u64::from(effect.changes);
        if one == other {
            return;
        }
        for shard in shards {
            let pairs = [(one, other), (other, one)];
            if cx.expiry.removes_on_access() {
                pairs.iter().for_each(|(db, counterpart)| shard.expire_before_swap(*db, *counterpart, cx));
            }
            pairs.iter().for_each(|(db, counterpart)| shard.touch_watched(*db, Some(*counterpart)));
            shard.swap(one, other);
        }
        // Who waits in the first database is served before who waits in the second, as in Redis.
        for db in [one, other] {
            let (shards, cx) = self.split_held();
            shards.for_each(|shard| shard.audience.stir_all(db, &mut cx.ready));
        }
        if self.cx.tells {
            for db in [one, other] {
                self.cx.effects.record(db, b"", What::Flushed);
            }
        }
    }

    /// Keys with a deadline, and their mean time to live in ms (estimated from a sample).
    pub fn volatile(&self, db: DbIndex) -> (usize, u64) {
        const SAMPLE: usize = 64;
        const VISITED_MAX: usize = 4096;
        let now = self.now();
        let count = self.shards().map(|shard| shard.db(db).volatile()).sum();
        if count == 0 {
            return (0, 0);
        }
        let entries = self.shards().flat_map(|shard| shard.db(db).iter()).take(VISITED_MAX);
        let deadlines = entries.filter_map(Entry::deadline);
        let ttls: Vec<u64> = deadlines.take(SAMPLE).map(|when| when.saturating_sub(now.0)).collect();
        let sum: u128 = ttls.iter().map(|&ttl| u128::from(ttl)).sum();
        (count, (sum / ttls.len().max(1) as u128) as u64)
    }
}
