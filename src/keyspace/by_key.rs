//! A small table by database and key: what somebody wants to hear about.
//!
//! The databases come first, in a list, so that a key is looked up without being copied. There are few of both: who writes
//! pays for one look when anybody waits for or watches any key, and for none otherwise.

use std::collections::HashMap;

use super::DbIndex;

/// Keys of one database.
type Keys<V> = HashMap<Box<[u8]>, V>;

/// See the module's head.
pub(super) struct ByKey<V> {
    /// No database is without keys.
    dbs: Vec<(DbIndex, Keys<V>)>,
}

impl<V> Default for ByKey<V> {
    fn default() -> Self {
        ByKey { dbs: Vec::new() }
    }
}

impl<V> ByKey<V> {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.dbs.is_empty()
    }

    /// Keys of all databases.
    pub fn len(&self) -> usize {
        self.dbs.iter().map(|(_, keys)| keys.len()).sum()
    }

    fn keys(&self, db: DbIndex) -> Option<&Keys<V>> {
        self.dbs.iter().find(|(index, _)| *index == db).map(|(_, keys)| keys)
    }

    pub fn get(&self, db: DbIndex, key: &[u8]) -> Option<&V> {
        self.keys(db)?.get(key)
    }

    pub fn get_mut(&mut self, db: DbIndex, key: &[u8]) -> Option<&mut V> {
        self.dbs.iter_mut().find(|(index, _)| *index == db)?.1.get_mut(key)
    }

    pub fn remove(&mut self, db: DbIndex, key: &[u8]) -> Option<V> {
        let position = self.dbs.iter().position(|(index, _)| *index == db)?;
        let (_, keys) = self.dbs.get_mut(position)?;
        let removed = keys.remove(key);
        if keys.is_empty() {
            self.dbs.swap_remove(position);
        }
        removed
    }

    /// Keeps what `is_kept` says, which may change it.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&mut V) -> bool) {
        self.dbs.retain_mut(|(_, keys)| {
            keys.retain(|_, value| is_kept(value));
            !keys.is_empty()
        });
    }

    pub fn keys_of(&self, db: DbIndex) -> impl Iterator<Item = &[u8]> {
        self.keys(db).into_iter().flat_map(HashMap::keys).map(|key| &**key)
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.dbs.iter().flat_map(|(_, keys)| keys.values())
    }
}

impl<V: Default> ByKey<V> {
    pub fn get_or_default(&mut self, db: DbIndex, key: &[u8]) -> &mut V {
        let position = self.dbs.iter().position(|(index, _)| *index == db).unwrap_or_else(|| {
            self.dbs.push((db, Keys::new()));
            self.dbs.len() - 1
        });
        self.dbs[position].1.entry(key.into()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_apart_and_leave_nothing_behind() {
        let mut table = ByKey::<u32>::default();
        *table.get_or_default(DbIndex(0), b"a") += 1;
        *table.get_or_default(DbIndex(3), b"a") += 2;
        *table.get_or_default(DbIndex(3), b"b") += 3;
        assert_eq!((table.get(DbIndex(0), b"a"), table.get(DbIndex(1), b"a")), (Some(&1), None));
        assert_eq!((table.len(), table.keys_of(DbIndex(3)).count(), table.values().sum()), (3, 2, 6));
        assert_eq!(table.remove(DbIndex(0), b"b"), None);
        assert_eq!(table.remove(DbIndex(0), b"a"), Some(1));
        table.retain(|value| *value == 3);
        assert_eq!(table.get(DbIndex(3), b"a"), None);
        assert_eq!(table.get_mut(DbIndex(3), b"b"), Some(&mut 3));
        table.retain(|_| false);
        assert!(table.is_empty());
    }
}
