//! Putting in what was read from a file: no command, no client, nobody to be told.
//!
//! Entries arrive in batches. Each batch takes the locks once, and asks for the memory of entries some steps before it
//! puts them in: a table of millions lies in no cache, and one wait after the other is most of the time of loading.

use super::sizes::Place;
use super::{DbIndex, Entry, Key, Keyspace, LockSet, ShardId, View};
use crate::ds::table;

/// Steps between asking for a bucket and using it.
const AHEAD: usize = 12;

/// An entry on its way in.
pub struct Arrival {
    db: DbIndex,
    hash: u64,
    shard: ShardId,
    entry: Entry,
}

impl Arrival {
    pub fn key(&self) -> &[u8] {
        self.entry.key()
    }

    pub fn shard(&self) -> ShardId {
        self.shard
    }
}

impl Keyspace {
    /// The entry as an arrival in a database.
    #[inline]
    pub fn arrival(&self, db: DbIndex, entry: Entry) -> Arrival {
        let hash = self.key(entry.key()).hash();
        Arrival { db, hash, shard: self.shard_of(hash), entry }
    }
}

impl View<'_> {
    /// Makes room for about `keys` keys in a database, where it is empty; all shards are held.
    pub fn expect(&mut self, db: DbIndex, keys: usize) {
        let keyspace = self.keyspace();
        let (bits, seed) = (keyspace.shard_bits, keyspace.seed);
        let share = keys / keyspace.shard_count();
        for shard in self.split_held().0 {
            let db = shard.db_mut(db);
            if db.is_empty() {
                db.table = table::Table::expecting(seed, bits, share);
            }
        }
    }

    /// Puts a batch in, under the locks that are held, or else under those it takes. What has the key of an arrival is
    /// replaced if it `replaces`; else the arrivals that found their key taken are given back.
    pub fn load(&mut self, batch: &mut Vec<Arrival>, replaces: bool) -> Vec<Arrival> {
        let holds = self.holds_all();
        if !holds {
            self.lock_blocking(&LockSet::of(batch.iter().map(Arrival::shard)));
        }
        let mut taken = Vec::new();
        let mut arrivals = std::mem::take(batch).into_iter();
        loop {
            if let Some(next) = arrivals.as_slice().get(AHEAD) {
                self.prefetch_bucket(next.db, Key { bytes: next.entry.key(), hash: next.hash });
            }
            let Some(arrival) = arrivals.next() else { break };
            if let Some(refused) = self.load_one(arrival, replaces) {
                taken.push(refused);
            }
        }
        if !holds {
            self.release();
        }
        taken
    }

    fn load_one(&mut self, arrival: Arrival, replaces: bool) -> Option<Arrival> {
        let Arrival { db, hash, shard, entry } = arrival;
        let keyspace = self.keyspace();
        let (own, due) = (entry.deadline(), table::Slot::deadline(&entry));
        let place = Place::of(&entry);
        let (held, _) = self.split(Key { bytes: &[], hash });
        let parts = held.db_mut(db);
        match parts.table.entry(hash, entry.key()) {
            table::Entry::Vacant(vacant) => {
                vacant.insert(entry);
            }
            table::Entry::Occupied(occupied) if replaces => {
                let replaced = occupied.replace(entry);
                parts.forget(&replaced);
                super::edit::discard(replaced);
            }
            table::Entry::Occupied(_) => return Some(Arrival { db, hash, shard, entry }),
        }
        parts.volatile += usize::from(own.is_some());
        parts.sizes.enter(place);
        if let Some(when) = due {
            keyspace.announce_deadline(when);
        }
        None
    }
}
