//! A counted, persistent B+ tree: a sequence of items that is found by position or by order, and copied in O(1).
//!
//! ```text
//!                      ┌ node │ weight │ first key ┐
//!              root    [ ·      130      a ][ ·      97      k ]
//!                        │                    │
//!              leaves  [a b c d …]          [k l m …]              items, at most 63 per leaf
//! ```
//!
//! Every item has a *weight* (how many elements it stands for: the entries of a packed node, or 1) and a *key*. The
//! tree keeps items in the order in which they were inserted; whoever inserts by a key keeps them sorted. A
//! branch stores the weight of everything below it and the key of its first item, so one descent finds
//! - the item at a position (*rank*, in units of weight): [`Tree::seek`], and back: [`Tree::rank`];
//! - the first item that is not below a key: [`Tree::lower_bound`], where the caller says how to compare (a
//!   [`Probe`]), so items without an order have `()` for a key.
//!
//! All of these give a [`Cursor`], the path of one item: ten bytes, good until the next change of the tree.
//!
//! *Copies.* Nodes are [`SharedVec`]s, one reference-counted pointer each. A clone of a tree is one more reference to its
//! root; whoever writes copies the nodes of its path that are shared, at most 63 items or branches each, and
//! leaves the other tree as it was. That is how snapshots freeze a collection of any size.
//!
//! *Fill.* A full node first shares with a neighbour that has room, then two full nodes become three, so that random
//! insertion leaves nodes about 0.8 full. At either end of the sequence a full node stays full and
//! a new one begins beside it, so that ascending and descending insertion fill nodes entirely. A node below a
//! third joins its neighbour or borrows from it; nodes at the two ends may be smaller, so a queue
//! never borrows.
//!
//! Invariants: all leaves have the same depth; no node but an empty root is empty; a branch's weight and key are
//! exactly those of its node. Depth of recursion is the height, which the fill bounds ([`HEIGHT_MAX`]).

mod build;
mod cursor;
mod edit;
mod iter;
mod node;
mod range;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

pub use cursor::Cursor;
pub use iter::Iter;
use node::{Branch, Node};

use super::shared_vec::SharedVec;

/// Items of a leaf, and branches of an inner node. 63 items of 8 bytes and the header of the vector fill the
/// allocator's class of 512 bytes.
pub const NODE_MAX: usize = 63;
/// Nodes on the longest path. Nodes between the ends hold a third of [`NODE_MAX`] at least, and a root grows only
/// out of a full one, so more would need 10¹² items.
pub const HEIGHT_MAX: usize = 10;

/// What a tree is made of. Items are copied when the leaf of a shared tree is written to, so a clone should cost
/// no more than a reference count.
pub trait Item: Clone {
    /// What branches say about their first item. It is cloned with every change of a first item.
    type Key: Clone;

    /// Every item weighs 1, so that weights count items.
    const IS_UNIT: bool = false;

    /// The key.
    fn key(&self) -> Self::Key;

    /// How many elements the item stands for.
    fn weight(&self) -> u64;

    /// Asks the processor for what comparing the item will read elsewhere.
    #[inline]
    fn prefetch(&self) {}
}

/// What somebody looks for: compares what is in the tree with it (as the closure of `slice::binary_search_by`
/// does). A closure over keys is one; implement it where comparing an item needs no key of its own.
pub trait Probe<T: Item> {
    /// Where `key` stands in relation to what is looked for.
    fn key(&mut self, key: &T::Key) -> Ordering;

    /// Whether `key` stands behind what is looked for.
    #[inline]
    fn is_above(&mut self, key: &T::Key) -> bool {
        self.key(key) == Ordering::Greater
    }

    /// Where `item` stands in relation to what is looked for.
    #[inline]
    fn item(&mut self, item: &T) -> Ordering {
        self.key(&item.key())
    }
}

impl<T: Item, F: FnMut(&T::Key) -> Ordering> Probe<T> for F {
    #[inline]
    fn key(&mut self, key: &T::Key) -> Ordering {
        self(key)
    }
}

/// The tree; see the head of the module.
pub struct Tree<T: Item> {
    root: Node<T>,
    len: usize,
    weight: u64,
}

impl<T: Item> Tree<T> {
    /// An empty tree. It allocates nothing before the first insertion.
    pub fn new() -> Self {
        Tree { root: Node::Leaf(SharedVec::new()), len: 0, weight: 0 }
    }

    /// Number of items.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Sum of the weights of all items.
    #[inline]
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Whether there is no item.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first item.
    pub fn first(&self) -> Option<&T> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(items) => return items.first(),
                Node::Inner(branches) => node = &branches.first()?.node,
            }
        }
    }

    /// The last item.
    pub fn last(&self) -> Option<&T> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(items) => return items.last(),
                Node::Inner(branches) => node = &branches.last()?.node,
            }
        }
    }

    /// Heap bytes of the nodes; what items own elsewhere is not included. Exact for small trees, from a sample of leaves
    /// above some thousand.
    pub fn heap_bytes(&self) -> usize {
        const SAMPLES: u64 = 64;
        if self.len <= 64 * NODE_MAX {
            return self.root.heap_bytes();
        }
        let (mut bytes, mut items) = (0, 0);
        for sample in 0..SAMPLES {
            let rank = u128::from(self.weight) * u128::from(sample) / u128::from(SAMPLES);
            let leaf = self.leaf_at(rank as u64);
            bytes += leaf.heap_bytes() + size_of::<Branch<T>>();
            items += leaf.len();
        }
        bytes.saturating_mul(self.len) / items.max(1)
    }

    /// How much work dropping the tree is: about the number of its nodes.
    pub fn free_effort(&self) -> usize {
        1 + self.len / (NODE_MAX * 3 / 4)
    }
}

impl<T: Item> Default for Tree<T> {
    fn default() -> Self {
        Tree::new()
    }
}

impl<T: Item> Clone for Tree<T> {
    /// One more reference to the root.
    fn clone(&self) -> Self {
        Tree { root: self.root.clone(), len: self.len, weight: self.weight }
    }
}

impl<T: Item> std::fmt::Debug for Tree<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("len", &self.len).field("weight", &self.weight).finish_non_exhaustive()
    }
}
