//! The whole keyspace as it is at one moment, for a reader that takes its time.
//!
//! Freezing takes one reference per table (see [`crate::ds::table`]); whoever changes a frozen segment copies it first. So
//! the moment under the locks is short at any size, and the reader needs no lock.

use super::{DbIndex, Entry, View};
use crate::ds::table::Frozen;

/// See the module's head.
pub struct FrozenKeyspace {
    tables: Vec<(DbIndex, Vec<Frozen<Entry>>)>,
    len: usize,
}

impl FrozenKeyspace {
    /// Databases that have keys, ascending, each with its parts.
    pub fn databases(&self) -> impl Iterator<Item = (DbIndex, impl Iterator<Item = &Entry>)> {
        self.tables.iter().map(|(db, parts)| (*db, parts.iter().flat_map(Frozen::iter)))
    }

    /// Number of keys, those behind their deadline included.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl View<'_> {
    /// Freezes all databases; every shard must be held.
    pub fn freeze(&mut self) -> FrozenKeyspace {
        debug_assert!(self.holds_all());
        let databases = self.keyspace().databases();
        let mut tables: Vec<(DbIndex, Vec<_>)> =
            (0..databases).map(|index| (DbIndex(index), Vec::new())).collect();
        let (shards, _) = self.split_held();
        let mut len = 0;
        for shard in shards {
            for (db, parts) in &mut tables {
                if !shard.db(*db).is_empty() {
                    let table = &mut shard.db_mut(*db).table;
                    len += table.len();
                    parts.push(table.freeze());
                }
            }
        }
        tables.retain(|(_, parts)| !parts.is_empty());
        FrozenKeyspace { tables, len }
    }
}
