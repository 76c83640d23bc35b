//! Listpack: many small elements in one run of bytes, in the format of Redis 7 and 8.
//!
//! ```text
//! total bytes u32, number of elements u16 (65535: walk and count), entry, entry, …, ff        all little-endian
//!
//! ["a", "5"]  =  0c 00 00 00  02 00  81 61 02  05 01  ff
//! ```
//!
//! The format of an entry is told in `codec`. Listpacks hold small lists, hashes, sets, sorted sets, the nodes of big
//! lists and those of streams; RDB files and DUMP payloads contain them as they are.
//!
//! An element is found by walking, from either end, so operations are O(n) except at the ends. Elements are named by
//! [`Position`]: a byte offset, good until something before it changes.
//!
//! A clone costs nothing and shares the bytes until one of the two is changed. Who never walks back needs less: a
//! [`ForwardPack`].
//!
//! **Invariant:** the bytes are a listpack in which every element is written in its one form (see `codec`), and the
//! number of elements is told whenever it is below 65535. Bytes from outside get in through [`ListPack::validate`]
//! only, so that everything else can trust them. A `ListPack` that never held anything owns no memory.

mod codec;
mod forward;
mod front;
mod iter;
mod run;
mod validate;

#[cfg(test)]
mod tests;

pub use codec::{Digits, Element, Encoded};
pub use forward::{ForwardIter, ForwardPack};
pub use front::Front;
pub use iter::Iter;
pub use run::Run;
pub use validate::Corrupt;

use crate::ds::shared_vec::SharedVec;
use codec::{SMALL_MAX, TERMINATOR, decode, entry_len, entry_len_before};

/// Bytes before the first entry.
const HEADER_BYTES: usize = 6;
/// Stands for "many" in the header.
const COUNT_UNKNOWN: u16 = u16::MAX;
/// The smallest entry.
const ENTRY_MIN_BYTES: usize = 2;
/// No listpack may become larger, in bytes: lengths must stay far below 32 bits.
const MAX_BYTES: usize = 1 << 30;
const EMPTY: [u8; HEADER_BYTES + 1] = [HEADER_BYTES as u8 + 1, 0, 0, 0, 0, 0, TERMINATOR];

/// A listpack; see the module.
#[derive(Clone, Default)]
pub struct ListPack {
    /// Empty as long as there never was an element.
    bytes: SharedVec<u8>,
}

/// Where an element stands: the offset of its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u32);

impl Position {
    #[inline]
    fn at(offset: usize) -> Position {
        Position(offset as u32)
    }

    #[inline]
    fn offset(self) -> usize {
        self.0 as usize
    }
}

impl ListPack {
    pub fn new() -> ListPack {
        ListPack { bytes: SharedVec::new() }
    }

    /// A listpack of entries that are already encoded.
    fn of_entries(entries: &[u8], count: usize) -> ListPack {
        let mut pack = ListPack::new();
        if !entries.is_empty() {
            pack.open(HEADER_BYTES, 0, entries.len(), (0, count)).copy_from_slice(entries);
        }
        pack
    }

    /// The whole listpack, header and terminator included.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        if self.bytes.is_empty() { &EMPTY } else { self.bytes.as_slice() }
    }

    /// Bytes of the whole listpack.
    #[inline]
    pub fn byte_len(&self) -> usize {
        self.as_slice().len()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.heap_bytes()
    }

    /// Number of elements. From 65535 on they are counted by walking.
    #[inline]
    pub fn len(&self) -> usize {
        match self.told_count() {
            COUNT_UNKNOWN => self.counted(),
            count => usize::from(count),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.byte_len() == EMPTY.len()
    }

    /// Whether entries of `extra` bytes in all may be added.
    #[inline]
    pub fn fits(&self, extra: usize) -> bool {
        extra <= MAX_BYTES && self.byte_len() + extra <= MAX_BYTES
    }

    // Finding

    #[inline]
    pub fn first(&self) -> Option<Position> {
        self.unless_end(HEADER_BYTES)
    }

    #[inline]
    pub fn last(&self) -> Option<Position> {
        self.before(self.end())
    }

    /// The element behind the one at `position`.
    #[inline]
    pub fn next(&self, position: Position) -> Option<Position> {
        self.unless_end(self.behind(position.offset()))
    }

    /// The element before the one at `position`.
    #[inline]
    pub fn prev(&self, position: Position) -> Option<Position> {
        self.before(position.offset())
    }

    /// The element at `position`.
    #[inline]
    pub fn at(&self, position: Position) -> Element<'_> {
        decode(&self.as_slice()[position.offset()..]).0
    }

    /// The element with that index, and where it stands; the walk starts at the closer end.
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        self.seek(index).map(|position| self.at(position))
    }

    /// Where the element with that index stands; the walk starts at the closer end.
    pub fn seek(&self, index: usize) -> Option<Position> {
        let count = self.len();
        if index >= count {
            return None;
        }
        if index <= count / 2 {
            let offset = (0..index).fold(HEADER_BYTES, |offset, _| self.behind(offset));
            return Some(Position::at(offset));
        }
        let bytes = self.as_slice();
        let offset = (index..count).fold(self.end(), |offset, _| offset - entry_len_before(&bytes[..offset]));
        Some(Position::at(offset))
    }

    /// Where several elements stand, by ascending indices, in one walk: `found` gets index and position. An index may
    /// be repeated; those behind the end are passed over.
    pub fn seek_each(
        &self,
        ascending: impl IntoIterator<Item = usize>,
        mut found: impl FnMut(usize, Position),
    ) {
        let end = self.end();
        let (mut at, mut offset) = (0, HEADER_BYTES);
        for index in ascending {
            while at < index && offset < end {
                offset = self.behind(offset);
                at += 1;
            }
            if offset >= end {
                return;
            }
            found(index, Position::at(offset));
        }
    }

    /// The first of the elements equal to `needle`, looking at `from` and then at every element that has `skip` others
    /// between itself and the one before: 1 looks at the fields of field-value pairs.
    #[inline]
    pub fn find<'a>(
        &self,
        needle: impl Into<Encoded<'a>>,
        from: Option<Position>,
        skip: usize,
    ) -> Option<Position> {
        let needle = needle.into();
        let bytes = self.as_slice();
        let mut offset = from?.offset();
        loop {
            let entry = &bytes[offset..];
            if entry[0] == TERMINATOR {
                return None;
            }
            if needle.starts(entry) {
                return Some(Position::at(offset));
            }
            offset += entry_len(entry);
            for _ in 0..skip {
                if bytes[offset] == TERMINATOR {
                    return None;
                }
                offset = self.behind(offset);
            }
        }
    }

    /// Whether the element at `position` is `needle`.
    #[inline]
    pub fn is_at(&self, position: Position, needle: &Encoded<'_>) -> bool {
        needle.starts(&self.as_slice()[position.offset()..])
    }

    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self.as_slice(), HEADER_BYTES, self.end())
    }

    /// The elements from `position` on.
    pub fn iter_from(&self, position: Position) -> Iter<'_> {
        Iter::new(self.as_slice(), position.offset(), self.end())
    }

    // Changing. Whoever adds asks `fits` before.

    #[inline]
    pub fn push_back<'a>(&mut self, element: impl Into<Encoded<'a>>) {
        let element = element.into();
        let end = self.end();
        element.write(self.open(end, 0, element.len(), (0, 1)));
    }

    #[inline]
    pub fn push_front<'a>(&mut self, element: impl Into<Encoded<'a>>) {
        let element = element.into();
        element.write(self.open(HEADER_BYTES, 0, element.len(), (0, 1)));
    }

    /// Inserts before the element at `position`; the new one stands at `position` then.
    pub fn insert_before<'a>(&mut self, position: Position, element: impl Into<Encoded<'a>>) {
        let element = element.into();
        element.write(self.open(position.offset(), 0, element.len(), (0, 1)));
    }

    /// Inserts behind the element at `position`; where the new one stands.
    pub fn insert_after<'a>(&mut self, position: Position, element: impl Into<Encoded<'a>>) -> Position {
        let behind = Position::at(self.behind(position.offset()));
        self.insert_before(behind, element);
        behind
    }

    /// Puts another element in the place of the one at `position`. Bytes move only when the lengths differ.
    #[inline]
    pub fn replace<'a>(&mut self, position: Position, element: impl Into<Encoded<'a>>) {
        let element = element.into();
        match (element.small(), self.as_slice()[position.offset()]) {
            // One small number instead of another.
            (Some(number), 0..=SMALL_MAX) => self.bytes.make_mut()[position.offset()] = number,
            _ => self.replace_any(position, &element),
        }
    }

    #[inline(never)] // So that the short way stays short.
    fn replace_any(&mut self, position: Position, element: &Encoded<'_>) {
        let offset = position.offset();
        let removed = self.behind(offset) - offset;
        if removed == element.len() {
            element.write(&mut self.bytes.make_mut()[offset..offset + removed]);
        } else {
            element.write(self.open(offset, removed, element.len(), (1, 1)));
        }
    }

    /// Removes the first element, if there is one, when `visit` has seen it.
    #[inline]
    pub fn take_front<R>(&mut self, visit: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let first = self.first()?;
        let (element, len) = decode(&self.as_slice()[first.offset()..]);
        let seen = visit(element);
        self.open(HEADER_BYTES, len, 0, (1, 0));
        Some(seen)
    }

    /// Removes the last element, if there is one, when `visit` has seen it.
    #[inline]
    pub fn take_back<R>(&mut self, visit: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let last = self.last()?;
        let seen = visit(self.at(last));
        self.cut(last.offset(), 1);
        Some(seen)
    }

    /// Removes the element at `position`; the one behind it, which stands there now.
    pub fn remove(&mut self, position: Position) -> Option<Position> {
        self.remove_run(position, 1)
    }

    /// Removes up to `count` elements from `position` on; the one behind them, which stands there now.
    pub fn remove_run(&mut self, position: Position, count: usize) -> Option<Position> {
        self.splice(Some(position), count, &[]);
        self.unless_end(position.offset())
    }

    /// Removes up to `count` elements from that index on.
    pub fn remove_range(&mut self, index: usize, count: usize) {
        if let Some(position) = self.seek(index) {
            self.remove_run(position, count);
        }
    }

    /// Removes up to `removed` elements from `position` (`None`: the end) on and inserts `added` in their place, moving
    /// what is behind them once; where the first added element stands.
    pub fn splice(&mut self, position: Option<Position>, removed: usize, added: &[Encoded<'_>]) -> Position {
        let end = self.end();
        let start = position.map_or(end, Position::offset);
        let (mut stop, mut removed_count) = (start, 0);
        while removed_count < removed && stop < end {
            stop = self.behind(stop);
            removed_count += 1;
        }
        if stop > start || !added.is_empty() {
            let added_bytes = added.iter().map(Encoded::len).sum();
            let place = self.open(start, stop - start, added_bytes, (removed_count, added.len()));
            added.iter().fold(place, |place, element| element.write(place));
        }
        Position::at(start)
    }

    /// Appends the elements of `other`.
    pub fn append(&mut self, other: &ListPack) {
        let end = self.end();
        self.insert_all(end, other);
    }

    /// Puts the elements of `other` before the first.
    pub fn prepend(&mut self, other: &ListPack) {
        self.insert_all(HEADER_BYTES, other);
    }

    fn insert_all(&mut self, offset: usize, other: &ListPack) {
        if !other.is_empty() {
            let entries = &other.as_slice()[HEADER_BYTES..other.end()];
            self.open(offset, 0, entries.len(), (0, other.len())).copy_from_slice(entries);
        }
    }

    /// Keeps the elements before `index` and returns the others.
    pub fn split_off(&mut self, index: usize) -> ListPack {
        let Some(position) = self.seek(index) else { return ListPack::new() };
        let moved = self.len() - index;
        let offset = position.offset();
        let tail = ListPack::of_entries(&self.as_slice()[offset..self.end()], moved);
        self.cut(offset, moved);
        tail
    }

    // Inside

    /// Offset of the terminator.
    #[inline]
    fn end(&self) -> usize {
        self.byte_len() - 1
    }

    /// What stands behind the entry at `offset`.
    #[inline]
    fn behind(&self, offset: usize) -> usize {
        offset + entry_len(&self.as_slice()[offset..])
    }

    #[inline]
    fn unless_end(&self, offset: usize) -> Option<Position> {
        (offset < self.end()).then(|| Position::at(offset))
    }

    /// The entry that ends at `offset`.
    #[inline]
    fn before(&self, offset: usize) -> Option<Position> {
        let bytes = self.as_slice();
        (offset > HEADER_BYTES).then(|| Position::at(offset - entry_len_before(&bytes[..offset])))
    }

    #[inline]
    fn told_count(&self) -> u16 {
        let bytes = self.as_slice();
        u16::from_le_bytes([bytes[4], bytes[5]])
    }

    #[cold]
    fn counted(&self) -> usize {
        let end = self.end();
        let (mut offset, mut count) = (HEADER_BYTES, 0);
        while offset < end {
            offset = self.behind(offset);
            count += 1;
        }
        count
    }

    /// Replaces `removed` bytes at `offset` by a gap of `added`, which the caller must fill with whole entries; `counts`
    /// are the elements removed and added. The header is right afterwards.
    #[inline]
    fn open(&mut self, offset: usize, removed: usize, added: usize, counts: (usize, usize)) -> &mut [u8] {
        if self.bytes.is_empty() {
            return self.open_first(added, counts.1);
        }
        let total = self.bytes.len() - removed + added;
        let count = match self.told_count() {
            COUNT_UNKNOWN => self.count_after(offset, removed, total, counts),
            count => told(usize::from(count) - counts.0 + counts.1),
        };
        write_header(self.bytes.make_mut(), total, count);
        self.bytes.splice(offset, removed, added)
    }

    /// Removes the elements from `offset` on, which are `removed` in number.
    #[inline]
    fn cut(&mut self, offset: usize, removed: usize) {
        let total = offset + 1;
        let count = match self.told_count() {
            COUNT_UNKNOWN => self.count_after(offset, self.end() - offset, total, (removed, 0)),
            count => told(usize::from(count) - removed),
        };
        let bytes = self.bytes.shorten(total);
        write_header(bytes, total, count);
        bytes[offset] = TERMINATOR;
    }

    /// As [`ListPack::open`] for the first element ever, with one allocation.
    fn open_first(&mut self, added: usize, count: usize) -> &mut [u8] {
        let total = EMPTY.len() + added;
        let bytes = self.bytes.splice(0, 0, total);
        write_header(bytes, total, told(count));
        bytes[total - 1] = TERMINATOR;
        &mut bytes[HEADER_BYTES..total - 1]
    }

    /// The number to tell when it wasn't told so far. Counting again and again would cost too much, so that is done as
    /// soon as so many elements would not fit any more.
    #[cold]
    fn count_after(&self, offset: usize, removed: usize, total: usize, counts: (usize, usize)) -> u16 {
        const BYTES_OF_MANY: usize = EMPTY.len() + COUNT_UNKNOWN as usize * ENTRY_MIN_BYTES;
        debug_assert!(offset + removed < self.byte_len());
        if total >= BYTES_OF_MANY { COUNT_UNKNOWN } else { told(self.counted() - counts.0 + counts.1) }
    }
}

#[inline]
fn told(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(COUNT_UNKNOWN)
}

#[inline]
fn write_header(bytes: &mut [u8], total: usize, count: u16) {
    debug_assert!(total <= MAX_BYTES + EMPTY.len());
    bytes[..4].copy_from_slice(&(total as u32).to_le_bytes());
    bytes[4..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
}

impl<'a, E: Into<Encoded<'a>>> Extend<E> for ListPack {
    fn extend<I: IntoIterator<Item = E>>(&mut self, elements: I) {
        elements.into_iter().for_each(|element| self.push_back(element));
    }
}

impl<'a, E: Into<Encoded<'a>>> FromIterator<E> for ListPack {
    fn from_iter<I: IntoIterator<Item = E>>(elements: I) -> ListPack {
        let mut pack = ListPack::new();
        pack.extend(elements);
        pack
    }
}

impl<'p> IntoIterator for &'p ListPack {
    type Item = Element<'p>;
    type IntoIter = Iter<'p>;

    fn into_iter(self) -> Iter<'p> {
        self.iter()
    }
}

impl std::fmt::Debug for ListPack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
