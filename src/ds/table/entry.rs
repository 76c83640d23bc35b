//! The result of one probe: an entry that is there, or the right to put one in.
//!
//! A command that reads, decides and writes one key pays for one walk over the bucket this way. While an
//! [`Entry`] exists the table is borrowed exclusively, so its place stays valid. The place is all that is kept of the
//! probe: few commands remove what they have looked at, and these find the way to its bucket again.

#![allow(unsafe_code)] // A place is the address of a slot; here it becomes a reference again.

use super::bucket;
use super::{Slot, Table, resize};
use std::ptr::NonNull;

/// What a probe found.
pub enum Entry<'t, S: Slot> {
    /// The key is there.
    Occupied(Occupied<'t, S>),
    /// The key is not there.
    Vacant(Vacant<'t, S>),
}

/// An entry that is in the table.
pub struct Occupied<'t, S: Slot> {
    pub(super) table: &'t mut Table<S>,
    pub(super) hash: u64,
    /// Its slot.
    pub(super) place: NonNull<S>,
}

/// The place where an entry belongs.
pub struct Vacant<'t, S: Slot> {
    pub(super) table: &'t mut Table<S>,
    pub(super) hash: u64,
}

impl<'t, S: Slot> Occupied<'t, S> {
    /// The entry.
    #[inline]
    pub fn get(&self) -> &S {
        // SAFETY: `place` is current (the table is borrowed since the probe), and slots hold `S`.
        unsafe { self.place.as_ref() }
    }

    /// The entry. Its key must stay; after setting an earlier deadline call [`Table::note_deadline`].
    #[inline]
    pub fn get_mut(&mut self) -> &mut S {
        // SAFETY: as in `get`, and the table is borrowed exclusively.
        unsafe { self.place.as_mut() }
    }

    /// The entry, for as long as the table is borrowed.
    #[inline]
    pub fn into_mut(mut self) -> &'t mut S {
        // SAFETY: as in `get_mut`; the borrow of the table is given up for this one.
        unsafe { self.place.as_mut() }
    }

    /// Puts `entry`, which has the same key, in the place of this one. Notes its deadline.
    pub fn replace(mut self, entry: S) -> S {
        debug_assert!(self.get().key() == entry.key(), "a replacement has the same key");
        let deadline = entry.deadline();
        let old = std::mem::replace(self.get_mut(), entry);
        if let Some(when_ms) = deadline {
            self.table.note_deadline(self.hash, when_ms);
        }
        old
    }

    /// Takes the entry out.
    pub fn remove(self) -> S {
        self.vacate().0
    }

    /// Takes the entry out and keeps the right to put another one with this key in.
    pub fn vacate(self) -> (S, Vacant<'t, S>) {
        let Occupied { table, hash, place } = self;
        let Some(&route) = table.route(hash) else { unreachable!("a table with an entry has a segment") };
        // SAFETY: `place` is current (the table is borrowed since the probe), and slots hold `S`.
        let key = unsafe { place.as_ref() }.key();
        let (index, _) = route.shape.locate(&table.seed, table.relative(hash), key);
        // SAFETY: `place` is current and lies in that bucket, which is where the probe found this key.
        let entry = unsafe { bucket::remove(route.bucket(index), place.cast(), &mut table.bytes) };
        table.note_removed(route.id, 1);
        // SAFETY: it was stored as an `S`, and its slot is gone.
        let entry = unsafe { resize::entry_from(entry) };
        (entry, Vacant { table, hash })
    }
}

impl<'t, S: Slot> Vacant<'t, S> {
    /// Puts `entry`, which has the key that was probed for, in. Notes its deadline.
    pub fn insert(self, entry: S) -> &'t mut S {
        debug_assert!(self.table.seed.hash(entry.key()) == self.hash, "the entry has the key of the probe");
        self.table.insert_new(self.hash, entry)
    }
}
