//! How long the values of a database are: what INFO keysizes shows, and how many hashes have fields with deadlines.
//!
//! Counts by type and power of two, kept where entries come, go and change (`Db::insert`, `Db::remove`, `View::edit`, loading,
//! expiry), so that asking costs nothing, whatever the number of keys.
//!
//! ```text
//! a string of 5 bytes, a list of 5 elements  ─▶  strings: 4 → 1      lists: 4 → 1      (4 to 7)
//! ```
//!
//! **Invariant:** the counts of a database are those of the entries in its table. Debug builds count again whenever they are
//! asked for.

use super::entry::Entry;
use crate::ds::blob::Payload;
use crate::value::hash::Hash;
use crate::value::{Facts, Value};
use std::num::NonZeroU16;

/// Lengths 0, 1, 2–3, 4–7 … 2^47 and more.
pub const CLASSES: usize = 49;
/// The types that are counted, as INFO calls them.
pub const ROWS: [&str; 5] = ["strings_sizes", "lists_items", "sets_items", "zsets_items", "hashes_items"];
const COUNTS: usize = ROWS.len() * CLASSES;

/// Where an entry is counted: the number of its count, below that whether elements of it have deadlines, and lowest a one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(NonZeroU16);

impl Place {
    #[inline(always)] // The part that most entries need is short.
    pub fn of(entry: &Entry) -> Place {
        match entry.payload() {
            Payload::Inline(bytes) => Place::at(0, bytes.len(), false),
            Payload::Value(value) => Place::of_value(value),
        }
    }

    #[inline(never)] // As above.
    fn of_value(value: &Value) -> Place {
        match value {
            Value::String(long) => Place::at(0, long.as_slice().len(), false),
            Value::List(list) => Place::at(1, list.len(), false),
            Value::Set(set) => Place::at(2, set.len(), false),
            Value::SortedSet(zset) => Place::at(3, zset.len(), false),
            Value::Hash(hash) => Place::of_hash(hash),
            // Counted too, where nobody asks.
            Value::Stream(_) => Place::at(ROWS.len(), 0, false),
        }
    }

    #[inline(never)] // The others need no calls, so no room for what these leave behind.
    fn of_hash(hash: &Hash) -> Place {
        Place::at(4, hash.len(), hash.due().is_some())
    }

    #[inline]
    fn at(row: usize, len: usize, has_inner_deadline: bool) -> Place {
        let class = (usize::BITS - len.leading_zeros()) as usize;
        let count = (row * CLASSES + class.min(CLASSES - 1)) as u16;
        Place(NonZeroU16::MIN | count << 2 | u16::from(has_inner_deadline) << 1)
    }

    #[inline]
    fn index(self) -> usize {
        usize::from(self.0.get() >> 2)
    }

    /// Whether it is that of a collection without elements. Streams may have none.
    #[inline]
    pub fn has_no_elements(self) -> bool {
        let index = self.index();
        (CLASSES..COUNTS).contains(&index) && index.is_multiple_of(CLASSES)
    }

    #[inline]
    fn has_inner_deadline(self) -> bool {
        self.0.get() & 2 != 0
    }
}

/// The counts of one database, or of a part of it.
#[derive(Clone, Debug, Default)]
pub struct Sizes {
    /// Of all rows, and one for streams; nothing before there is an entry.
    counts: Vec<u32>,
    /// Collections some of whose elements have deadlines.
    inner_deadlines: usize,
}

impl Sizes {
    #[inline]
    pub(super) fn enter(&mut self, place: Place) {
        if self.counts.is_empty() {
            self.counts = vec![0; COUNTS + 1];
        }
        if let Some(count) = self.counts.get_mut(place.index()) {
            *count += 1;
        }
        self.inner_deadlines += usize::from(place.has_inner_deadline());
    }

    #[inline]
    pub(super) fn leave(&mut self, place: Place) {
        if let Some(count) = self.counts.get_mut(place.index()) {
            *count -= 1;
        }
        self.inner_deadlines -= usize::from(place.has_inner_deadline());
    }

    /// An entry that was counted at one place, if it was there, is counted at another, if it is there.
    #[inline]
    pub(super) fn shift(&mut self, before: Option<Place>, after: Option<Place>) {
        if before == after {
            return;
        }
        before.into_iter().for_each(|place| self.leave(place));
        after.into_iter().for_each(|place| self.enter(place));
    }

    /// Those of entries.
    pub(super) fn of<'e>(entries: impl Iterator<Item = &'e Entry>) -> Sizes {
        let mut sizes = Sizes::default();
        entries.for_each(|entry| sizes.enter(Place::of(entry)));
        sizes
    }

    /// Adds those of another part.
    pub fn add(&mut self, other: &Sizes) {
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.inner_deadlines += other.inner_deadlines;
    }

    /// Whether both say the same.
    pub(super) fn same(&self, other: &Sizes) -> bool {
        self.rows().eq(other.rows()) && self.inner_deadlines == other.inner_deadlines
    }

    /// For each of [`ROWS`] its counts by class of length.
    pub fn rows(&self) -> impl Iterator<Item = &[u32]> {
        let counts = self.counts.get(..COUNTS).unwrap_or(&[0; COUNTS]);
        counts.chunks_exact(CLASSES)
    }

    /// Hashes with fields that have deadlines.
    pub fn inner_deadlines(&self) -> usize {
        self.inner_deadlines
    }
}
