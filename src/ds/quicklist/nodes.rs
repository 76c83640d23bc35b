//! The nodes of a quicklist in their order: the two outermost at hand, those between in a counted tree.
//!
//! ```text
//! head │ tree of the nodes between │ tail
//! ```
//!
//! **Invariant:** no node is empty, except the head of an empty list. A tail there is as soon as there are two nodes.

use super::node::Node;
use crate::ds::tree::{self, Cursor, Tree};

#[derive(Clone)]
pub(super) struct Nodes {
    head: Node,
    middle: Tree<Node>,
    tail: Option<Node>,
}

/// Which node; good until nodes come or go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Head,
    Middle(Cursor),
    Tail,
}

impl Nodes {
    pub(super) fn new() -> Nodes {
        Nodes { head: Node::empty(), middle: Tree::new(), tail: None }
    }

    /// Number of elements.
    #[inline]
    pub(super) fn elements(&self) -> usize {
        self.head.count() + self.middle.weight() as usize + self.tail.as_ref().map_or(0, Node::count)
    }

    /// Number of nodes.
    pub(super) fn len(&self) -> usize {
        usize::from(self.head.count() > 0) + self.middle.len() + usize::from(self.tail.is_some())
    }

    /// Whether the first node is the last one too.
    #[inline]
    pub(super) fn has_one_at_most(&self) -> bool {
        self.tail.is_none()
    }

    #[inline]
    pub(super) fn first(&self) -> &Node {
        &self.head
    }

    #[inline]
    pub(super) fn last(&self) -> &Node {
        self.tail.as_ref().unwrap_or(&self.head)
    }

    #[inline]
    pub(super) fn first_mut(&mut self) -> &mut Node {
        &mut self.head
    }

    #[inline]
    pub(super) fn last_mut(&mut self) -> &mut Node {
        self.tail.as_mut().unwrap_or(&mut self.head)
    }

    /// The node with the element of that index, and the element's offset in it.
    pub(super) fn locate(&self, index: usize) -> Option<(Place, usize)> {
        let Some(behind_head) = index.checked_sub(self.head.count()) else {
            return Some((Place::Head, index));
        };
        if let Some((cursor, offset)) = self.middle.seek(behind_head as u64) {
            return Some((Place::Middle(cursor), offset as usize));
        }
        let offset = behind_head - self.middle.weight() as usize;
        self.tail.as_ref().filter(|tail| offset < tail.count()).map(|_| (Place::Tail, offset))
    }

    /// The node at a place. A place that is none gives the head.
    pub(super) fn node(&self, place: Place) -> &Node {
        match place {
            Place::Head => &self.head,
            Place::Middle(cursor) => self.middle.get(&cursor).unwrap_or(&self.head),
            Place::Tail => self.last(),
        }
    }

    pub(super) fn modify<R>(&mut self, place: Place, change: impl FnOnce(&mut Node) -> R) -> R {
        match place {
            Place::Head => change(&mut self.head),
            Place::Middle(cursor) => self.middle.modify_at(&cursor, change),
            Place::Tail => change(self.last_mut()),
        }
    }

    #[cold]
    pub(super) fn push_front(&mut self, node: Node) {
        if self.head.count() == 0 {
            self.head = node;
            return;
        }
        let second = std::mem::replace(&mut self.head, node);
        match self.tail {
            Some(_) => self.middle.push_front(second),
            None => self.tail = Some(second),
        }
    }

    #[cold]
    pub(super) fn push_back(&mut self, node: Node) {
        if self.head.count() == 0 {
            self.head = node;
        } else if let Some(second) = self.tail.replace(node) {
            self.middle.push_back(second);
        }
    }

    #[cold]
    pub(super) fn remove(&mut self, place: Place) {
        match place {
            Place::Head => {
                let next = self.middle.pop_front().or_else(|| self.tail.take());
                self.head = next.unwrap_or_else(Node::empty);
            }
            Place::Middle(cursor) => {
                self.middle.remove_at(&cursor);
            }
            Place::Tail if self.tail.is_some() => self.tail = self.middle.pop_back(),
            Place::Tail => self.head = Node::empty(),
        }
    }

    pub(super) fn insert_before(&mut self, place: Place, node: Node) {
        match place {
            Place::Head => self.push_front(node),
            Place::Middle(cursor) => self.middle.insert_at(&cursor, node),
            Place::Tail => self.middle.push_back(node),
        }
    }

    pub(super) fn insert_after(&mut self, place: Place, node: Node) {
        match place {
            Place::Head if self.tail.is_some() => self.middle.push_front(node),
            Place::Middle(cursor) => {
                let behind = self.middle.next(&cursor).unwrap_or_else(|| self.middle.end());
                self.middle.insert_at(&behind, node);
            }
            Place::Head | Place::Tail => self.push_back(node),
        }
    }

    /// Removes the nodes between the ends that lie wholly within `count` elements from `start` on; how many elements.
    pub(super) fn remove_middle(&mut self, start: usize, count: usize) -> usize {
        let before = self.middle.weight();
        if let Some(start) = start.checked_sub(self.head.count()) {
            self.middle.remove_range(start as u64, count as u64);
        }
        (before - self.middle.weight()) as usize
    }

    /// The nodes, from `place` on.
    pub(super) fn iter_from(&self, place: Place) -> Iter<'_> {
        let from = match place {
            Place::Head => Cursor::FRONT,
            Place::Middle(cursor) => cursor,
            Place::Tail => self.middle.end(),
        };
        Iter {
            head: Some(&self.head).filter(|head| place == Place::Head && head.count() > 0),
            middle: (!self.middle.is_empty()).then(|| self.middle.iter_from(&from)),
            tail: self.tail.as_ref(),
        }
    }

    /// The nodes up to `place`, for walking backwards.
    pub(super) fn iter_to(&self, place: Place) -> Iter<'_> {
        let to = match place {
            Place::Head => Cursor::FRONT,
            Place::Middle(cursor) => self.middle.next(&cursor).unwrap_or_else(|| self.middle.end()),
            Place::Tail => self.middle.end(),
        };
        Iter {
            head: Some(&self.head).filter(|head| head.count() > 0),
            middle: (!self.middle.is_empty()).then(|| self.middle.range(&Cursor::FRONT, &to)),
            tail: self.tail.as_ref().filter(|_| place == Place::Tail),
        }
    }

    /// Heap bytes; with `samples` nodes weighed, all when that is 0.
    pub(super) fn heap_bytes(&self, samples: usize) -> usize {
        let ends = self.head.heap_bytes() + self.tail.as_ref().map_or(0, Node::heap_bytes);
        let weighed = if samples == 0 { self.middle.len() } else { samples.min(self.middle.len()) };
        let sum: usize = self.middle.iter().take(weighed).map(Node::heap_bytes).sum();
        ends + self.middle.heap_bytes() + sum.saturating_mul(self.middle.len()) / weighed.max(1)
    }
}

/// Nodes in a row, from both ends.
pub struct Iter<'q> {
    head: Option<&'q Node>,
    middle: Option<tree::Iter<'q, Node>>,
    tail: Option<&'q Node>,
}

impl Iter<'_> {
    pub(super) fn none() -> Iter<'static> {
        Iter { head: None, middle: None, tail: None }
    }
}

impl<'q> Iterator for Iter<'q> {
    type Item = &'q Node;

    fn next(&mut self) -> Option<&'q Node> {
        self.head.take().or_else(|| self.middle.as_mut()?.next()).or_else(|| self.tail.take())
    }
}

impl<'q> DoubleEndedIterator for Iter<'q> {
    fn next_back(&mut self) -> Option<&'q Node> {
        self.tail.take().or_else(|| self.middle.as_mut()?.next_back()).or_else(|| self.head.take())
    }
}
