//! Who has to hear that a key of a shard was changed: transactions that watch it, and requests that wait for it.
//!
//! Every road that changes a key ends in [`Audience::touch`], under the shard's lock. Mostly nobody is there, and two
//! empty tables are all that is looked at.

use super::DbIndex;
use super::waiters::{ReadyKey, Waiters};
use super::watch::Watchers;

/// The audience of a shard's keys.
#[derive(Default)]
pub(super) struct Audience {
    pub watchers: Watchers,
    pub waiters: Waiters,
}

impl Audience {
    /// A key was changed, created or removed. If somebody waits for it, it is put to those that are `ready`.
    #[inline]
    pub fn touch(&mut self, db: DbIndex, key: &[u8], ready: &mut Vec<ReadyKey>) {
        self.watchers.touch(db, key);
        self.stir(db, key, ready);
    }

    /// A key was changed in a way that is no modification to who watches it.
    #[inline]
    pub fn stir(&self, db: DbIndex, key: &[u8], ready: &mut Vec<ReadyKey>) {
        if !self.waiters.is_empty() && self.waiters.wait_for(db, key) {
            ready.push((db, key.into()));
        }
    }

    /// All keys of a database may have changed.
    pub fn stir_all(&self, db: DbIndex, ready: &mut Vec<ReadyKey>) {
        ready.extend(self.waiters.keys_of(db).map(|key| (db, Box::from(key))));
    }
}
