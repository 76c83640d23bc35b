//! Walking from one place to another, from either side.
//!
//! An iterator holds the path of each of its two sides as slices of branches, so stepping within a leaf touches the leaf
//! only, and nothing is allocated.

use super::cursor::Cursor;
use super::node::{Branch, Node};
use super::{HEIGHT_MAX, Item, Tree};

/// Items between two places; see [`Tree::range`].
pub struct Iter<'t, T: Item> {
    /// Before the next item; at the end of a leaf only at the end of the tree.
    front: Side<'t, T>,
    /// Behind the next item from the back.
    back: Side<'t, T>,
}

/// One side of an iterator: a place.
struct Side<'t, T: Item> {
    /// The branches on the path, from the root; as many as the tree is high.
    nodes: [&'t [Branch<T>]; HEIGHT_MAX],
    /// The index in each of them.
    path: [u8; HEIGHT_MAX],
    height: u8,
    leaf: &'t [T],
    /// The index in the leaf.
    at: usize,
}

impl<T: Item> Tree<T> {
    /// All items.
    pub fn iter(&self) -> Iter<'_, T> {
        self.range(&Cursor::FRONT, &self.end())
    }

    /// The items from `from` to before `to`; none if `to` lies before `from`.
    pub fn range(&self, from: &Cursor, to: &Cursor) -> Iter<'_, T> {
        let from = if from.path <= to.path { from } else { to };
        let mut front = Side::new(self, from);
        front.normalise();
        let mut back = Side::new(self, to);
        back.normalise();
        Iter { front, back }
    }

    /// The items from `from` on.
    pub fn iter_from(&self, from: &Cursor) -> Iter<'_, T> {
        self.range(from, &self.end())
    }

    /// The item that contains position `rank` and those behind it; none from the end on.
    pub fn iter_from_rank(&self, rank: u64) -> Iter<'_, T> {
        let from = self.seek(rank).map_or_else(|| self.end(), |(cursor, _)| cursor);
        self.iter_from(&from)
    }
}

impl<'t, T: Item> Side<'t, T> {
    fn new(tree: &'t Tree<T>, cursor: &Cursor) -> Self {
        let mut nodes: [&'t [Branch<T>]; HEIGHT_MAX] = [&[]; HEIGHT_MAX];
        let (mut node, mut height) = (&tree.root, 0);
        loop {
            match node {
                Node::Leaf(items) => {
                    let at = usize::from(cursor.path[height]).min(items.len());
                    return Side { nodes, path: cursor.path, height: height as u8, leaf: items, at };
                }
                Node::Inner(branches) => {
                    nodes[height] = branches;
                    node = &branches[usize::from(cursor.path[height])].node;
                    height += 1;
                }
            }
        }
    }

    /// Steps over the end of a leaf.
    #[inline]
    fn normalise(&mut self) {
        if self.at == self.leaf.len() {
            self.turn(true);
        }
    }

    /// Goes to the start of the next leaf, or to the end of the one before; stays where there is none.
    #[cold]
    fn turn(&mut self, forward: bool) -> bool {
        let height = usize::from(self.height);
        let can_turn = |&depth: &usize| {
            let index = usize::from(self.path[depth]);
            if forward { index + 1 < self.nodes[depth].len() } else { index > 0 }
        };
        let Some(turn) = (0..height).rev().find(can_turn) else { return false };
        self.path[turn] = if forward { self.path[turn] + 1 } else { self.path[turn] - 1 };
        for depth in turn..height {
            match &self.nodes[depth][usize::from(self.path[depth])].node {
                Node::Inner(branches) => {
                    self.nodes[depth + 1] = branches;
                    self.path[depth + 1] = if forward { 0 } else { (branches.len() - 1) as u8 };
                }
                Node::Leaf(items) => {
                    self.leaf = items;
                    self.at = if forward { 0 } else { items.len() };
                }
            }
        }
        true
    }
}

impl<'t, T: Item> Iter<'t, T> {
    /// The item `count` steps ahead, if it lies in the same leaf: for prefetching. It may lie behind the other side.
    #[inline]
    pub fn ahead(&self, count: usize) -> Option<&'t T> {
        self.front.leaf.get(self.front.at + count)
    }

    /// Takes the next items of one leaf together; none at the end.
    #[inline]
    pub fn run(&mut self) -> &'t [T] {
        let leaf: &'t [T] = self.front.leaf;
        let is_last = std::ptr::eq(leaf.as_ptr(), self.back.leaf.as_ptr());
        let end = if is_last { self.back.at } else { leaf.len() };
        let run = leaf.get(self.front.at..end).unwrap_or_default();
        self.front.at += run.len();
        if !is_last {
            self.front.normalise();
        }
        run
    }

    /// As [`ahead`](Self::ahead), from the other side.
    #[inline]
    pub fn ahead_back(&self, count: usize) -> Option<&'t T> {
        self.back.leaf.get(self.back.at.checked_sub(1 + count)?)
    }

    #[inline]
    fn is_done(&self) -> bool {
        self.front.at == self.back.at && std::ptr::eq(self.front.leaf.as_ptr(), self.back.leaf.as_ptr())
    }
}

impl<'t, T: Item> Iterator for Iter<'t, T> {
    type Item = &'t T;

    #[inline]
    fn next(&mut self) -> Option<&'t T> {
        if self.is_done() {
            return None;
        }
        let item = self.front.leaf.get(self.front.at)?;
        self.front.at += 1;
        self.front.normalise();
        Some(item)
    }
}

impl<'t, T: Item> DoubleEndedIterator for Iter<'t, T> {
    #[inline]
    fn next_back(&mut self) -> Option<&'t T> {
        if self.is_done() {
            return None;
        }
        if self.back.at == 0 && !self.back.turn(false) {
            return None;
        }
        self.back.at -= 1;
        self.back.leaf.get(self.back.at)
    }
}

impl<T: Item> std::iter::FusedIterator for Iter<'_, T> {}
