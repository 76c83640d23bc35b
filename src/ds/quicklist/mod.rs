//! Quicklist: a long list as a sequence of packed nodes.
//!
//! ```text
//! head [a b c …]   tree of nodes [d e f …] [one very long element] …   tail [… y z]
//! ```
//!
//! A node is a listpack of up to [`NodeLimit`] bytes or elements, or one element that is too long for that. The nodes
//! at the two ends are at hand, so pushing and popping walk nothing; the nodes between are in a tree that counts
//! elements, so an index is found in O(log n). A clone shares all nodes, whoever writes copies the one it touches.
//!
//! What is pushed in front waits before the head until it is worth moving the head's bytes ([`Front`]). It belongs to
//! the head: reading goes over it first, and whatever changes the list elsewhere lets it [settle](QuickList::settle) before.
//! **Invariant:** nothing waits before a list without nodes, or before a head that is no listpack.
//!
//! Where one node ends and the next begins follows the rules of Redis to the byte, because clients can tell: a
//! list of one small node becomes a listpack again (OBJECT ENCODING), and DUMP shows every node.
//! - pushing fills the outermost node, counting 8 bytes of overhead for the new element;
//! - removing never joins nodes;
//! - inserting into a full node goes to its neighbour if it is at the edge and there is room, else splits the node and then
//!   joins what fits together around the place;
//! - replacing in place may let a node grow beyond its limit; what is too long splits the node, and what fits on either side
//!   is joined.

mod iter;
mod node;
mod nodes;

#[cfg(test)]
mod tests;

pub use iter::Iter;
pub use node::{Node, NodeLimit, remove_equal};

use crate::ds::listpack::{Element, Encoded, Front, ListPack};
use nodes::{Nodes, Place};
use std::borrow::Cow;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Front,
    Back,
}

/// The node with the element of that index.
fn place_of(nodes: &Nodes, index: usize) -> Option<Place> {
    nodes.locate(index).map(|(place, _)| place)
}

/// A long list; see the module.
#[derive(Clone)]
pub struct QuickList {
    limit: NodeLimit,
    /// `None` before something is pushed in front.
    front: Option<Box<Front>>,
    nodes: Nodes,
    /// Number of elements: what waits and what is in nodes.
    len: usize,
}

impl QuickList {
    /// An empty list whose nodes keep to `limit`.
    pub fn new(limit: NodeLimit) -> QuickList {
        QuickList { limit, front: None, nodes: Nodes::new(), len: 0 }
    }

    /// A list that begins with the elements of a listpack, in one node.
    pub fn of_pack(limit: NodeLimit, pack: ListPack) -> QuickList {
        let mut list = QuickList::new(limit);
        list.push_node(Node::packed(pack));
        list
    }

    /// Appends a node as it is; an empty one is passed over.
    pub fn push_node(&mut self, node: Node) {
        if node.count() > 0 {
            self.settle();
            self.len += node.count();
            self.nodes.push_back(node);
        }
    }

    /// The list with all its elements in nodes.
    pub fn settled(&self) -> Cow<'_, QuickList> {
        if self.waiting() == 0 {
            return Cow::Borrowed(self);
        }
        let mut list = self.clone();
        list.settle();
        Cow::Owned(list)
    }

    /// The nodes of a list that is [`settled`](QuickList::settled).
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = &Node> {
        debug_assert!(self.waiting() == 0, "elements wait in front of the nodes");
        self.nodes.iter_from(Place::Head)
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The listpack that is all there is, if there is one node and it is one.
    #[inline]
    pub fn only_pack(&mut self) -> Option<&ListPack> {
        if self.nodes.len() != 1 {
            return None;
        }
        self.settle();
        match self.nodes.first() {
            Node::Packed { pack, .. } => Some(pack),
            Node::Plain(_) => None,
        }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        debug_assert_eq!(self.len, self.waiting() + self.nodes.elements());
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap bytes behind it, by the weight of `samples` nodes, or of all when that is 0.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        self.nodes.heap_bytes(samples) + self.front.as_ref().map_or(0, |_| size_of::<Front>())
    }

    /// Elements that wait before the head.
    #[inline]
    fn waiting(&self) -> usize {
        self.front.as_ref().map_or(0, |front| front.len())
    }

    /// Moves what waits before the head into it.
    fn settle(&mut self) {
        if let Some(front) = self.front.as_mut().filter(|front| !front.is_empty()) {
            self.nodes.first_mut().take_waiting(front);
        }
    }

    // Reading

    /// The outermost element.
    #[inline]
    pub fn end(&self, end: End) -> Option<Element<'_>> {
        match end {
            End::Front => {
                let waiting = self.front.as_ref().and_then(|front| front.first());
                waiting.or_else(|| self.nodes.first().first())
            }
            End::Back => self.nodes.last().last(),
        }
    }

    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        let Some(index) = index.checked_sub(self.waiting()) else {
            return self.front.as_ref()?.iter().nth(index);
        };
        let (place, offset) = self.nodes.locate(index)?;
        self.nodes.node(place).get(offset)
    }

    /// The elements from `index` on, towards the back.
    pub fn iter_from(&self, index: usize) -> Iter<'_> {
        let Some(index) = index.checked_sub(self.waiting()) else {
            return Iter::forward(self.front.as_deref(), self.nodes.iter_from(Place::Head), index);
        };
        let Some((place, offset)) = self.nodes.locate(index) else {
            return Iter::forward(None, nodes::Iter::none(), 0);
        };
        Iter::forward(None, self.nodes.iter_from(place), offset)
    }

    /// The elements from `index` on, towards the front.
    pub fn iter_back_from(&self, index: usize) -> Iter<'_> {
        let Some(index) = index.checked_sub(self.waiting()) else {
            let skipped = self.waiting() - 1 - index;
            return Iter::backward(self.front.as_deref(), nodes::Iter::none(), skipped);
        };
        let Some((place, offset)) = self.nodes.locate(index) else {
            return Iter::backward(None, nodes::Iter::none(), 0);
        };
        let skipped = self.nodes.node(place).count() - 1 - offset;
        Iter::backward(self.front.as_deref(), self.nodes.iter_to(place), skipped)
    }

    // Changing

    #[inline(always)] // The end mostly is known.
    pub fn push(&mut self, end: End, bytes: &[u8]) {
        self.len += 1;
        match end {
            End::Front => self.push_front(bytes),
            End::Back => self.push_back(bytes),
        }
    }

    fn push_front(&mut self, bytes: &[u8]) {
        let limit = self.limit;
        let front = self.front.get_or_insert_default();
        let node = self.nodes.first_mut();
        if !limit.allows_beside(node, (front.byte_len(), front.len()), bytes.len()) {
            self.settle();
            return self.nodes.push_front(Node::of(bytes, limit));
        }
        let element = Encoded::from(bytes);
        if node.count() > 0 {
            if front.push(&element) {
                return;
            }
            node.take_waiting(front);
            if front.push(&element) {
                return;
            }
        }
        node.push_front(element);
    }

    fn push_back(&mut self, bytes: &[u8]) {
        let limit = self.limit;
        if self.nodes.has_one_at_most() {
            self.settle();
        }
        let node = self.nodes.last_mut();
        if limit.allows(node, bytes.len()) {
            node.push_back(bytes);
        } else {
            self.nodes.push_back(Node::of(bytes, limit));
        }
    }

    /// Removes the outermost element, if there is one, when `visit` has seen it.
    #[inline]
    pub fn take<R>(&mut self, end: End, visit: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        self.len = self.len.checked_sub(1)?;
        if let Some(front) = self.front.as_mut().filter(|front| !front.is_empty()) {
            if end == End::Front {
                return front.take(visit);
            }
            if self.nodes.has_one_at_most() {
                self.settle();
            }
        }
        let (node, place) = match end {
            End::Front => (self.nodes.first_mut(), Place::Head),
            End::Back => (self.nodes.last_mut(), Place::Tail),
        };
        if node.count() <= 1 {
            let seen = node.first().map(visit);
            self.nodes.remove(place);
            return seen;
        }
        match end {
            End::Front => node.take_front(visit),
            End::Back => node.take_back(visit),
        }
    }

    /// Removes up to `count` elements from `start` on.
    pub fn remove_range(&mut self, start: usize, mut count: usize) {
        let asked = count;
        let waiting = self.waiting();
        let start = if start > waiting {
            // The head keeps an element.
            start - waiting
        } else {
            self.settle();
            start
        };
        while let Some((place, offset)) = self.nodes.locate(start).filter(|_| count > 0) {
            let inside = self.nodes.node(place).count();
            let removed = count.min(inside - offset);
            count -= match place {
                _ if removed < inside => {
                    self.nodes.modify(place, |node| node.remove_range(offset, removed));
                    removed
                }
                Place::Middle(_) => self.nodes.remove_middle(start, count),
                _ => {
                    self.nodes.remove(place);
                    removed
                }
            };
        }
        self.len -= asked - count;
    }

    /// Removes up to `most` elements that equal `bytes`, from that end on; how many.
    pub fn remove_equal(&mut self, bytes: &[u8], most: usize, from: End) -> usize {
        self.settle();
        let needle = Encoded::from(bytes);
        let backward = from == End::Back;
        // What lies before `start` (behind it, when walking backwards) has been looked at.
        let (mut start, mut removed) = (if backward { self.len() } else { 0 }, 0);
        while removed < most {
            let index = if backward { start.checked_sub(1) } else { Some(start) };
            let Some((place, offset)) = index.and_then(|index| self.nodes.locate(index)) else { break };
            let node = self.nodes.node(place);
            let before = node.count();
            let mut left = before;
            if node.contains(&needle, bytes) {
                let is_plain = node.is_plain();
                let gone = match is_plain {
                    true => 1,
                    false => {
                        self.nodes.modify(place, |node| node.remove_equal(&needle, most - removed, backward))
                    }
                };
                left = before - gone;
                removed += gone;
                if left == 0 {
                    self.nodes.remove(place);
                }
            }
            start = if backward { start - (offset + 1) } else { start + left };
        }
        self.len -= removed;
        removed
    }

    /// Puts `bytes` in the place of the element at `index`; whether there is one.
    pub fn set(&mut self, index: usize, bytes: &[u8]) -> bool {
        self.settle();
        let Some((place, offset)) = self.nodes.locate(index) else { return false };
        let node = self.nodes.node(place);
        let is_large = self.limit.is_large(bytes.len());
        match node {
            Node::Packed { pack, .. } if !is_large && pack.fits(Encoded::from(bytes).len()) => {
                self.nodes.modify(place, |node| node.replace(offset, bytes));
            }
            Node::Plain(_) if is_large => {
                let new = Node::plain(bytes);
                self.nodes.modify(place, |node| *node = new);
            }
            Node::Plain(_) => {
                // The new element may find room in the next node.
                self.insert(index, true, bytes);
                self.nodes.remove(place_of(&self.nodes, index).unwrap_or(place));
                self.len -= 1;
            }
            Node::Packed { count, .. } => {
                let count = *count as usize;
                if offset + 1 < count {
                    self.split(place, offset + 1);
                }
                // The element is the last of its node now.
                let Some((place, _)) = self.nodes.locate(index) else { return false };
                let new = Node::of(bytes, self.limit);
                if offset == 0 {
                    self.nodes.modify(place, |node| *node = new);
                } else {
                    self.nodes.modify(place, |node| node.take_back(|_| ()));
                    self.nodes.insert_after(place, new);
                    self.merge_around(index);
                }
            }
        }
        true
    }

    /// Inserts before the element at `index`, or behind it; nothing happens if there is none.
    pub fn insert(&mut self, index: usize, behind: bool, bytes: &[u8]) {
        self.settle();
        let Some((place, offset)) = self.nodes.locate(index) else { return };
        self.len += 1;
        let node = self.nodes.node(place);
        let is_edge = if behind { offset + 1 == node.count() } else { offset == 0 };
        if self.limit.allows(node, bytes.len()) {
            return self.nodes.modify(place, |node| node.insert(offset + usize::from(behind), bytes));
        }
        let is_large = self.limit.is_large(bytes.len());
        if !is_edge {
            return self.insert_splitting(index, offset, behind, bytes);
        }
        let neighbour = if behind { Some(index + 1) } else { index.checked_sub(1) };
        if let Some((neighbour, _)) = neighbour.and_then(|index| self.nodes.locate(index))
            && !is_large
            && self.limit.allows(self.nodes.node(neighbour), bytes.len())
        {
            return self.nodes.modify(neighbour, |node| {
                if behind { node.push_front(bytes) } else { node.push_back(bytes) }
            });
        }
        let new = Node::of(bytes, self.limit);
        if behind { self.nodes.insert_after(place, new) } else { self.nodes.insert_before(place, new) }
    }

    /// Splits the full node of the element at `index` between it and its neighbour in that direction, and puts the new
    /// element between.
    fn insert_splitting(&mut self, index: usize, offset: usize, behind: bool, bytes: &[u8]) {
        let start = index - offset;
        let cut = offset + usize::from(behind);
        let Some((place, _)) = self.nodes.locate(index) else { return };
        self.split(place, cut);
        if self.limit.is_large(bytes.len()) {
            if let Some((left, _)) = self.nodes.locate(start) {
                self.nodes.insert_after(left, Node::of(bytes, self.limit));
            }
            return;
        }
        // The new element goes to the half that the old element did not stay in.
        let half = self.nodes.locate(if behind { start + cut } else { start });
        if let Some((half, _)) = half {
            self.nodes
                .modify(half, |node| if behind { node.push_front(bytes) } else { node.push_back(bytes) });
        }
        self.merge_around(if behind { start } else { start + cut + 1 });
    }

    /// Splits a node; the two halves hold the elements before `offset` and from there on.
    fn split(&mut self, place: Place, offset: usize) {
        let tail = self.nodes.modify(place, |node| node.split_off(offset));
        self.nodes.insert_after(place, tail);
    }

    /// Joins what fits around the node that starts at `center`: the two nodes before it, the two behind it, then it with
    /// the one before, and the result with the one behind.
    fn merge_around(&mut self, center: usize) {
        let start_of = |list: &Self, index: usize| {
            list.nodes.locate(index).map(|(place, offset)| (index - offset, list.nodes.node(place).count()))
        };
        let Some((_, count)) = start_of(self, center) else { return };
        let next = center + count;
        let before = center.checked_sub(1).and_then(|index| start_of(self, index)).map(|(start, _)| start);
        let behind = start_of(self, next).map(|(start, count)| start + count);
        for boundary in [before, behind, Some(center), Some(next)].into_iter().flatten() {
            self.merge_at(boundary);
        }
    }

    /// Joins the nodes before and behind `boundary`, the index of a first element of a node, if the rule allows it.
    fn merge_at(&mut self, boundary: usize) {
        let Some((left, _)) = boundary.checked_sub(1).and_then(|index| self.nodes.locate(index)) else {
            return;
        };
        let Some((right, _)) = self.nodes.locate(boundary) else { return };
        if self.limit.allows_merge(self.nodes.node(left), self.nodes.node(right)) {
            let moved = self.nodes.node(right).clone();
            self.nodes.remove(right);
            // Places may have shifted.
            if let Some((left, _)) = self.nodes.locate(boundary - 1) {
                self.nodes.modify(left, |node| node.append(&moved));
            }
        }
    }
}
