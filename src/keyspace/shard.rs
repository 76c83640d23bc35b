//! One shard: its part of every database.

use std::sync::Arc;

use super::edit::discard;
use super::view::Circumstances;
use crate::ds::table::{HashSeed, Table};
use crate::keyspace::audience::Audience;
use crate::keyspace::entry::{Entry, is_expired};
use crate::keyspace::sizes::{Place, Sizes};
use crate::keyspace::{DbIndex, JournalOffset, Key};

/// A shard's part of one database.
#[repr(C)]
pub struct Db {
    pub(super) table: Table<Entry>,
    /// Entries with a deadline.
    pub(super) volatile: usize,
    pub(super) sizes: Sizes,
}

/// What one lock protects. It lies beside the lock, and so does the database that nearly everybody uses: all shards together
/// take few pages, and a lookup follows no pointer to get at its table.
#[repr(C)]
pub struct Shard {
    /// Behind the last change of this shard in the journal.
    pub(super) last_write: JournalOffset,
    dbs: Dbs,
    pub(super) audience: Audience,
}

/// A shard's part of all databases.
#[repr(C)]
struct Dbs {
    /// Database 0.
    first: Db,
    /// None of them before one is used: most servers have but the first, and there are many shards.
    rest: Box<[Db]>,
    /// How many they will be.
    rest_len: u16,
    /// What the others look like until then.
    empty: Arc<Db>,
}

impl Shard {
    /// `empty` is a database like all of this shard's, which it shares with other shards.
    pub(super) fn new(databases: u16, empty: &Arc<Db>) -> Shard {
        Shard {
            last_write: JournalOffset(0),
            dbs: Dbs {
                first: empty.another(),
                rest: Box::default(),
                rest_len: databases.saturating_sub(1),
                empty: Arc::clone(empty),
            },
            audience: Audience::default(),
        }
    }

    /// The database; its index was checked when it was selected.
    #[inline]
    pub fn db(&self, index: DbIndex) -> &Db {
        self.dbs.get(index)
    }

    #[inline]
    pub(super) fn db_mut(&mut self, index: DbIndex) -> &mut Db {
        self.dbs.get_mut(index)
    }

    /// The database and the audience of its keys.
    #[inline]
    pub(super) fn parts_mut(&mut self, index: DbIndex) -> (&mut Db, &mut Audience) {
        (self.dbs.get_mut(index), &mut self.audience)
    }

    /// Tells the watchers of `db`, which is emptied, or swapped with `other`.
    pub(super) fn touch_watched(&mut self, db: DbIndex, other: Option<DbIndex>) {
        let Shard { dbs, audience, .. } = self;
        audience.watchers.touch_where(db, |key| {
            let holds = |index: DbIndex| {
                let table = &dbs.get(index).table;
                table.find(table.seed().hash(key), key).is_some()
            };
            holds(db) || other.is_some_and(holds)
        });
    }

    /// Removes what has expired in `other` under keys that are watched in `db`, before the two are swapped: who watches a
    /// missing key is not to be told of one that comes and has expired.
    pub(super) fn expire_before_swap(&mut self, db: DbIndex, other: DbIndex, cx: &mut Circumstances) {
        let Shard { dbs, audience, .. } = self;
        let table = dbs.get_mut(other);
        let expired = |key: &&[u8]| {
            let found = table.table.find(table.table.seed().hash(key), key);
            found.is_some_and(|entry| is_expired(entry, cx.now))
        };
        let gone: Vec<Box<[u8]>> = audience.watchers.keys_of(db).filter(expired).map(Box::from).collect();
        for key in gone {
            let hash = table.table.seed().hash(&key);
            if let Some(entry) = table.remove(Key { bytes: &key, hash }) {
                cx.expired(other, &key);
                audience.touch(other, &key, &mut cx.ready);
                discard(entry);
            }
        }
    }

    /// How many databases there may be something in, from the first on.
    pub(super) fn databases(&self) -> u16 {
        1 + self.dbs.rest.len() as u16
    }

    pub(super) fn swap(&mut self, one: DbIndex, other: DbIndex) {
        self.dbs.swap(one, other);
    }

    /// A lower bound of the earliest deadline in the shard, unix ms.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.dbs.iter().filter_map(|db| db.table.next_deadline()).min()
    }
}

impl Dbs {
    #[inline]
    fn get(&self, index: DbIndex) -> &Db {
        match index.as_usize().checked_sub(1) {
            None => &self.first,
            Some(index) => self.rest.get(index).unwrap_or(&self.empty),
        }
    }

    #[inline]
    fn get_mut(&mut self, index: DbIndex) -> &mut Db {
        match index.as_usize().checked_sub(1) {
            None => &mut self.first,
            Some(index) => &mut self.rest()[index],
        }
    }

    fn rest(&mut self) -> &mut [Db] {
        if self.rest.is_empty() {
            self.rest = (0..self.rest_len).map(|_| self.empty.another()).collect();
        }
        &mut self.rest
    }

    fn swap(&mut self, one: DbIndex, other: DbIndex) {
        self.rest();
        match (one.as_usize().checked_sub(1), other.as_usize().checked_sub(1)) {
            (None, None) => {}
            (None, Some(rest)) | (Some(rest), None) => std::mem::swap(&mut self.first, &mut self.rest[rest]),
            (Some(one), Some(other)) => self.rest.swap(one, other),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Db> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

impl Db {
    pub(super) fn new(seed: HashSeed, shard_bits: u32) -> Db {
        Db { table: Table::new(seed, shard_bits), volatile: 0, sizes: Sizes::default() }
    }

    /// One like it, but empty.
    fn another(&self) -> Db {
        Db { table: self.table.another(), volatile: 0, sizes: Sizes::default() }
    }

    /// Keys, those behind their deadline but not yet removed included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Keys with a deadline.
    pub fn volatile(&self) -> usize {
        self.volatile
    }

    /// Bytes of the table itself, without the entries.
    pub fn table_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    /// Every entry, in hash order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.table.iter()
    }

    /// How long the values are.
    pub fn sizes(&self) -> &Sizes {
        debug_assert!(self.sizes.same(&Sizes::of(self.iter())), "an entry came, went or changed uncounted");
        &self.sizes
    }

    /// Removes the entry and keeps the counts.
    pub(super) fn remove(&mut self, key: Key<'_>) -> Option<Entry> {
        let entry = self.table.remove(key.hash(), key.bytes())?;
        self.forget(&entry);
        Some(entry)
    }

    /// An entry was taken out of the table.
    pub(super) fn forget(&mut self, entry: &Entry) {
        self.volatile -= usize::from(entry.deadline().is_some());
        self.sizes.leave(Place::of(entry));
    }

    /// Puts an entry under its own key, which must not be there.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry) {
        self.volatile += usize::from(entry.deadline().is_some());
        self.sizes.enter(Place::of(&entry));
        let replaced = self.table.insert(hash, entry);
        debug_assert!(replaced.is_none());
    }

    /// Takes everything out, for freeing it elsewhere.
    pub(super) fn take(&mut self) -> Table<Entry> {
        self.volatile = 0;
        self.sizes = Sizes::default();
        self.table.take()
    }
}
