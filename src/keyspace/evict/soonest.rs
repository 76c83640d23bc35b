//! Eviction by deadline: the key of a shard that would expire soonest.
//!
//! The table's index of deadlines ([`crate::ds::table`]) knows it without samples. Its bounds may be too low; each look corrects
//! the ones that it met, so a few looks are enough. A hash whose fields expire soon has a bound too without a deadline of its
//! own: it may not go, and when such hashes hide the others, the earliest of some samples goes instead.

use super::{Choice, sample};
use crate::base::clock::UnixMs;
use crate::keyspace::{DbIndex, Entry, Shard};

/// Bounds that are corrected before samples have to do.
const LOOKS: usize = 16;
/// Buckets of one look.
const LOOK_BUCKETS: usize = 16;

/// The key of a database that would expire soonest, and its deadline.
pub(super) fn of(shard: &mut Shard, db: DbIndex, choice: &mut Choice<'_>) -> Option<(UnixMs, Box<[u8]>)> {
    if shard.db(db).volatile() == 0 {
        return None;
    }
    of_database(shard, db).or_else(|| of_samples(shard, db, choice))
}

fn of_database(shard: &mut Shard, db: DbIndex) -> Option<(UnixMs, Box<[u8]>)> {
    let table = &mut shard.db_mut(db).table;
    for _ in 0..LOOKS {
        let bound = table.next_deadline()?;
        let mut found = None;
        let is_it = |entry: &mut Entry| {
            if found.is_none() && entry.deadline() == Some(bound) {
                found = Some(entry.key().into());
            }
            // It is only looked for: who removes it does the rest as well.
            false
        };
        table.take_due_where(bound, LOOK_BUCKETS, is_it, drop);
        if let Some(key) = found {
            return Some((UnixMs(bound), key));
        }
    }
    None
}

fn of_samples(shard: &Shard, index: DbIndex, choice: &mut Choice<'_>) -> Option<(UnixMs, Box<[u8]>)> {
    let db = shard.db(index);
    let drawn =
        (0..choice.samples).filter_map(|_| sample(db, choice).map(|entry| (entry.deadline(), entry.key())));
    let (when, key) = drawn.min_by_key(|(when, _)| when.unwrap_or(u64::MAX))?;
    Some((UnixMs(when?), key.into()))
}
