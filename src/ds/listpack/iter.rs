//! Walking a listpack from both ends.

use super::Position;
use super::codec::{Element, decode, entry_len, entry_len_before};

/// The elements of a listpack, or those from a position on. [`Iterator::nth`] steps over elements without reading them.
#[derive(Clone)]
pub struct Iter<'p> {
    bytes: &'p [u8],
    front: usize,
    back: usize,
}

impl<'p> Iter<'p> {
    pub(super) fn new(bytes: &'p [u8], front: usize, back: usize) -> Iter<'p> {
        Iter { bytes, front, back }
    }

    /// Where the next element stands, if there is one.
    pub fn position(&self) -> Option<Position> {
        (self.front < self.back).then(|| Position::at(self.front))
    }

    /// The elements with their positions.
    pub fn with_positions(mut self) -> impl Iterator<Item = (Position, Element<'p>)> {
        std::iter::from_fn(move || Some((self.position()?, self.next()?)))
    }
}

impl<'p> Iterator for Iter<'p> {
    type Item = Element<'p>;

    #[inline]
    fn next(&mut self) -> Option<Element<'p>> {
        if self.front >= self.back {
            return None;
        }
        let (element, len) = decode(&self.bytes[self.front..]);
        self.front += len;
        Some(element)
    }

    fn nth(&mut self, skipped: usize) -> Option<Element<'p>> {
        for _ in 0..skipped {
            if self.front >= self.back {
                return None;
            }
            self.front += entry_len(&self.bytes[self.front..]);
        }
        self.next()
    }
}

impl<'p> DoubleEndedIterator for Iter<'p> {
    #[inline]
    fn next_back(&mut self) -> Option<Element<'p>> {
        if self.front >= self.back {
            return None;
        }
        self.back -= entry_len_before(&self.bytes[..self.back]);
        Some(decode(&self.bytes[self.back..]).0)
    }

    fn nth_back(&mut self, skipped: usize) -> Option<Element<'p>> {
        for _ in 0..skipped {
            if self.front >= self.back {
                return None;
            }
            self.back -= entry_len_before(&self.bytes[..self.back]);
        }
        self.next_back()
    }
}

impl std::iter::FusedIterator for Iter<'_> {}
