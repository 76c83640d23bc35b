//! Lists: one listpack while small, a quicklist beyond.
//!
//! ```text
//! RPUSH l a b c            listpack
//! RPUSH l <8 KiB of them>  quicklist: before anything is added that would pass `list-max-listpack-size`
//! LTRIM l 0 9              listpack again: one node, at most half as big as the limit
//! ```
//!
//! The gap between the two limits keeps a list from changing its form with every push and pop. Which limit is in force
//! when is a rule of Redis that OBJECT ENCODING shows: [`List::grow`] is called before a command adds elements, with
//! everything it is going to add, [`List::shrink`] after it has removed some.

use super::Facts;
use crate::ds::listpack::{Element, Encoded, ListPack};
use crate::ds::quicklist::{self, Iter, NodeLimit, QuickList};

pub use crate::ds::quicklist::End;

/// Thresholds, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `list-max-listpack-size`.
    pub max_listpack_size: i32,
}

impl Limits {
    fn node(self) -> NodeLimit {
        NodeLimit::of(self.max_listpack_size)
    }
}

/// A list of byte strings.
#[derive(Clone)]
pub enum List {
    Packed(ListPack),
    Quick(Box<QuickList>),
}

impl Default for List {
    fn default() -> List {
        List::Packed(ListPack::new())
    }
}

impl List {
    /// A list read from a file or a payload, in the form it should have.
    pub fn from_quicklist(mut list: QuickList, limits: Limits) -> List {
        match list.only_pack() {
            Some(pack) if !limits.node().is_exceeded_by(pack.byte_len(), pack.len()) => {
                List::Packed(pack.clone())
            }
            _ => List::Quick(Box::new(list)),
        }
    }

    /// Gets ready for `count` more elements of `bytes` in all; asks for them only while they matter.
    #[inline(always)] // Long lists only pass by.
    pub fn grow(&mut self, limits: Limits, bytes: impl FnOnce() -> usize, count: usize) {
        if let List::Packed(pack) = self
            && limits.node().is_exceeded_by(pack.byte_len() + bytes(), pack.len() + count)
        {
            *self = List::Quick(Box::new(QuickList::of_pack(limits.node(), std::mem::take(pack))));
        }
    }

    /// Becomes a listpack again if little is left.
    #[inline]
    pub fn shrink(&mut self, limits: Limits) {
        if let List::Quick(list) = self
            && let Some(pack) = list.only_pack()
            && limits.node().is_half_full_at_most(pack.byte_len(), pack.len())
        {
            *self = List::Packed(pack.clone());
        }
    }

    // Reading

    /// The outermost element.
    #[inline]
    pub fn end(&self, end: End) -> Option<Element<'_>> {
        match (self, end) {
            (List::Packed(pack), End::Front) => pack.first().map(|at| pack.at(at)),
            (List::Packed(pack), End::Back) => pack.last().map(|at| pack.at(at)),
            (List::Quick(list), end) => list.end(end),
        }
    }

    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        match self {
            List::Packed(pack) => pack.get(index),
            List::Quick(list) => list.get(index),
        }
    }

    /// The elements from `index` on, towards the back.
    pub fn iter_from(&self, index: usize) -> Iter<'_> {
        match self {
            List::Packed(pack) => Iter::of_pack(pack, index, false),
            List::Quick(list) => list.iter_from(index),
        }
    }

    /// The elements from `index` on, towards the front.
    pub fn iter_back_from(&self, index: usize) -> Iter<'_> {
        match self {
            List::Packed(pack) => Iter::of_pack(pack, pack.len().saturating_sub(index + 1), true),
            List::Quick(list) => list.iter_back_from(index),
        }
    }

    // Changing

    /// Adds an element at an end; [`List::grow`] comes before.
    #[inline(always)] // As what it calls.
    pub fn push(&mut self, end: End, bytes: &[u8]) {
        match (self, end) {
            (List::Packed(pack), End::Front) => pack.push_front(bytes),
            (List::Packed(pack), End::Back) => pack.push_back(bytes),
            (List::Quick(list), end) => list.push(end, bytes),
        }
    }

    /// Removes the outermost element, if there is one, when `visit` has seen it.
    #[inline]
    pub fn take(&mut self, end: End, visit: impl FnOnce(Element<'_>)) {
        match (self, end) {
            (List::Packed(pack), End::Front) => pack.take_front(visit),
            (List::Packed(pack), End::Back) => pack.take_back(visit),
            (List::Quick(list), end) => list.take(end, visit),
        };
    }

    /// As [`List::remove_range`]; gives the list as it was before if much is to be freed, and how much that is. As long as
    /// it is there nothing is freed.
    pub fn cut(&mut self, start: usize, count: usize) -> Option<(List, usize)> {
        /// Nodes of the quicklist, of up to 8 KB as a rule.
        const MANY: usize = 16;
        let before = match &*self {
            List::Quick(list)
                if list.node_count() > MANY && count > list.len() / list.node_count() * MANY =>
            {
                Some((self.clone(), self.free_effort()))
            }
            _ => None,
        };
        self.remove_range(start, count);
        before
    }

    /// Removes up to `count` elements from `start` on.
    pub fn remove_range(&mut self, start: usize, count: usize) {
        match self {
            List::Packed(pack) => pack.remove_range(start, count),
            List::Quick(list) => list.remove_range(start, count),
        }
    }

    /// Removes up to `most` elements that equal `bytes`, from that end on; how many.
    pub fn remove_equal(&mut self, bytes: &[u8], most: usize, from: End) -> usize {
        match self {
            List::Packed(pack) => {
                quicklist::remove_equal(pack, &Encoded::from(bytes), most, from == End::Back)
            }
            List::Quick(list) => list.remove_equal(bytes, most, from),
        }
    }

    /// Puts `bytes` in the place of the element at `index`; whether there is one.
    pub fn set(&mut self, index: usize, bytes: &[u8]) -> bool {
        match self {
            List::Packed(pack) => pack.seek(index).map(|at| pack.replace(at, bytes)).is_some(),
            List::Quick(list) => list.set(index, bytes),
        }
    }

    /// Inserts before the element at `index`, or behind it.
    pub fn insert(&mut self, index: usize, behind: bool, bytes: &[u8]) {
        match self {
            List::Packed(pack) => {
                pack.splice(pack.seek(index + usize::from(behind)), 0, &[Encoded::from(bytes)]);
            }
            List::Quick(list) => list.insert(index, behind, bytes),
        }
    }
}

impl Facts for List {
    #[inline]
    fn len(&self) -> usize {
        match self {
            List::Packed(pack) => pack.len(),
            List::Quick(list) => list.len(),
        }
    }

    #[inline]
    fn is_empty(&self) -> bool {
        match self {
            List::Packed(pack) => pack.is_empty(),
            List::Quick(list) => list.is_empty(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self {
            List::Packed(_) => "listpack",
            List::Quick(_) => "quicklist",
        }
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        match self {
            List::Packed(pack) => pack.heap_bytes(),
            List::Quick(list) => size_of::<QuickList>() + list.heap_bytes(samples),
        }
    }

    fn free_effort(&self) -> usize {
        match self {
            List::Packed(_) => 1,
            List::Quick(list) => 1 + list.node_count(),
        }
    }
}
