//! Entries that wait in front of a listpack, so that not each of them moves all that is behind.
//!
//! ```text
//!  Front    [            entry, entry]     a short run of bytes, filled from its end towards its start
//!  ListPack                           [header, entry, entry, …, ff]
//! ```
//!
//! Putting an entry in front of a listpack moves its bytes, four kilobytes on average for the nodes of a big list. Here
//! entries gather until there is no more room; then all move in at once ([`Front::move_into`]), and what is behind them is
//! moved once instead of some twenty times.

use super::codec::{Element, Encoded, decode};
use super::iter::Iter;
use super::{HEADER_BYTES, ListPack};

/// With the two numbers it fills the allocator's class of 512 bytes.
const ROOM_BYTES: usize = 508;

/// See the module's head.
#[derive(Clone)]
pub struct Front {
    bytes: [u8; ROOM_BYTES],
    /// Where the first entry begins; the end when there is none.
    start: u16,
    count: u16,
}

impl Default for Front {
    fn default() -> Self {
        Front { bytes: [0; ROOM_BYTES], start: ROOM_BYTES as u16, count: 0 }
    }
}

impl Front {
    /// Number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of all entries.
    #[inline]
    pub fn byte_len(&self) -> usize {
        ROOM_BYTES - usize::from(self.start)
    }

    /// Puts an element before all others; `false` if there is no room for it.
    #[inline]
    pub fn push(&mut self, element: &Encoded<'_>) -> bool {
        let end = usize::from(self.start);
        let Some(start) = end.checked_sub(element.len()) else { return false };
        element.write(&mut self.bytes[start..end]);
        self.start = start as u16;
        self.count += 1;
        true
    }

    /// The first element.
    #[inline]
    pub fn first(&self) -> Option<Element<'_>> {
        (!self.is_empty()).then(|| decode(self.entries()).0)
    }

    /// Removes the first element, if there is one, when `visit` has seen it.
    #[inline]
    pub fn take<R>(&mut self, visit: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let (element, len) = decode(self.entries());
        let seen = visit(element);
        self.start += len as u16;
        self.count -= 1;
        Some(seen)
    }

    pub fn iter(&self) -> Iter<'_> {
        Iter::new(&self.bytes, usize::from(self.start), ROOM_BYTES)
    }

    /// Puts all elements before those of `pack`, and has none then.
    pub fn move_into(&mut self, pack: &mut ListPack) {
        let entries = self.entries();
        pack.open(HEADER_BYTES, 0, entries.len(), (0, self.len())).copy_from_slice(entries);
        (self.start, self.count) = (ROOM_BYTES as u16, 0);
    }

    fn entries(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}
