//! WATCH: who wants to hear that a key was changed.
//!
//! Each shard has a table of its watched keys, behind its lock. Whoever changes a key looks there (usually the table is
//! empty, and that is all) and raises the flags of the key's watchers; EXEC asks its client's flag.
//!
//! ```text
//! WATCH k   ─▶ shard: k → [flag of A]        A: flag, keys
//! SET k v   ─▶ raises the flag, forgets k    (who is flagged needs no second call)
//! EXEC      ─▶ A's flag is up: null
//! ```
//!
//! A client that unwatches just drops its flag; its entries here are dead then, and are swept out when the table has
//! doubled since the last sweep. So nobody needs a lock to leave.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use super::DbIndex;
use super::by_key::ByKey;

/// Entries up to which nothing is swept.
const SWEEP_MIN: usize = 64;

/// Whether one of a client's watched keys was changed.
#[derive(Debug, Default)]
pub struct WatchFlag(AtomicBool);

impl WatchFlag {
    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The watched keys of a shard.
#[derive(Default)]
pub(super) struct Watchers {
    keys: ByKey<Vec<Weak<WatchFlag>>>,
    /// Entries at which the next sweep is due.
    sweep_at: usize,
}

impl Watchers {
    pub(super) fn add(&mut self, db: DbIndex, key: &[u8], flag: &Arc<WatchFlag>) {
        if self.keys.len() >= self.sweep_at.max(SWEEP_MIN) {
            self.keys.retain(|flags| {
                flags.retain(|flag| flag.strong_count() > 0);
                !flags.is_empty()
            });
            self.sweep_at = self.keys.len() * 2;
        }
        let flags = self.keys.get_or_default(db, key);
        flags.retain(|flag| flag.strong_count() > 0);
        flags.push(Arc::downgrade(flag));
    }

    /// A key was changed.
    #[inline]
    pub(super) fn touch(&mut self, db: DbIndex, key: &[u8]) {
        if !self.keys.is_empty() {
            self.raise(db, key);
        }
    }

    fn raise(&mut self, db: DbIndex, key: &[u8]) {
        for flag in self.keys.remove(db, key).into_iter().flatten() {
            if let Some(flag) = flag.upgrade() {
                flag.raise();
            }
        }
    }

    /// How many keys somebody watches who was not told of a change yet.
    pub(super) fn count(&self) -> usize {
        let is_watched = |flags: &&Vec<Weak<WatchFlag>>| {
            flags.iter().any(|flag| flag.upgrade().is_some_and(|flag| !flag.is_raised()))
        };
        self.keys.values().filter(is_watched).count()
    }

    /// The watched keys of a database.
    pub(super) fn keys_of(&self, db: DbIndex) -> impl Iterator<Item = &[u8]> {
        self.keys.keys_of(db)
    }

    /// Every key of a database that `is_touched` was changed.
    pub(super) fn touch_where(&mut self, db: DbIndex, is_touched: impl Fn(&[u8]) -> bool) {
        let touched: Vec<Box<[u8]>> = self.keys_of(db).filter(|key| is_touched(key)).map(Box::from).collect();
        touched.iter().for_each(|key| self.raise(db, key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_raised_by_their_keys_only() {
        let mut watchers = Watchers::default();
        let (one, other) = (Arc::new(WatchFlag::default()), Arc::new(WatchFlag::default()));
        watchers.add(DbIndex(0), b"a", &one);
        watchers.add(DbIndex(0), b"b", &one);
        watchers.add(DbIndex(0), b"b", &other);
        watchers.touch(DbIndex(1), b"a");
        watchers.touch(DbIndex(0), b"c");
        assert!(!one.is_raised() && !other.is_raised());
        watchers.touch(DbIndex(0), b"a");
        assert!(one.is_raised() && !other.is_raised());
        watchers.touch_where(DbIndex(0), |key| key == b"b");
        assert!(other.is_raised());
        assert!(watchers.keys.is_empty());
    }

    #[test]
    fn who_left_is_swept_out() {
        let mut watchers = Watchers::default();
        for number in 0..10_000_u32 {
            watchers.add(DbIndex(0), &number.to_le_bytes(), &Arc::new(WatchFlag::default()));
        }
        assert!(watchers.keys.len() <= SWEEP_MIN * 2);
    }
}
