//! Removing everything between two places.
//!
//! ```text
//!   from ──┐                    ┌── to
//!   [ a b c d ] [ e f g ] [ h i j k ]      cut the two paths, drop what lies between as whole sub-trees,
//!   [ a b     ]           [     j k ]      then join what became too small
//! ```

use super::cursor::{below, index_in};
use super::node::{Branch, Edges, Node, mend, weight_of};
use super::{Cursor, Item, Tree};
use crate::ds::shared_vec::SharedVec;

/// What a cut took away.
#[derive(Clone, Copy, Default)]
struct Removed {
    items: usize,
    weight: u64,
}

impl std::ops::AddAssign for Removed {
    fn add_assign(&mut self, other: Removed) {
        self.items += other.items;
        self.weight += other.weight;
    }
}

impl<T: Item> Tree<T> {
    /// Removes the items from `from` to before `to`; how many there were. Nothing if `to` lies before `from`.
    ///
    /// # Panics
    /// If a cursor doesn't come from this tree as it is now.
    pub fn remove_between(&mut self, from: &Cursor, to: &Cursor) -> usize {
        if from.path >= to.path {
            return 0;
        }
        let removed = cut(&mut self.root, Some(&from.path), Some(&to.path), Edges::ROOT);
        self.len -= removed.items;
        self.weight -= removed.weight;
        self.collapse();
        removed.items
    }

    /// Removes `count` positions from position `start` on, as far as there are so many. Where the range begins or ends
    /// inside an item, that item stays: cut it before.
    pub fn remove_range(&mut self, start: u64, count: u64) -> usize {
        let place = |rank: u64, rounds_up: bool| match self.seek(rank) {
            None => self.end(),
            Some((cursor, offset)) if offset > 0 && rounds_up => {
                self.next(&cursor).unwrap_or_else(|| self.end())
            }
            Some((cursor, _)) => cursor,
        };
        let (from, to) = (place(start, true), place(start.saturating_add(count), false));
        self.remove_between(&from, &to)
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = Tree::new();
    }
}

/// Removes what lies behind `from` (the start of the node if `None`) and before `to` (its end).
fn cut<T: Item>(node: &mut Node<T>, from: Option<&[u8]>, to: Option<&[u8]>, edges: Edges) -> Removed {
    match node {
        Node::Leaf(items) => {
            let range = from.map_or(0, index_in)..to.map_or(items.len(), index_in);
            let weight = weight_of::<T, T>(&items[range.clone()]);
            items.remove_range(range.clone());
            Removed { items: range.len(), weight }
        }
        Node::Inner(branches) => {
            let first = from.map_or(0, index_in);
            let last = to.map_or(branches.len() - 1, index_in);
            let mut removed = Removed::default();
            if first == last {
                removed += cut_child(branches, first, from, to, edges);
            } else {
                removed += cut_child(branches, last, None, to, edges);
                removed += cut_child(branches, first, from, None, edges);
                removed += drop_children(branches, first + 1, last);
                mend(branches, first + 1, edges);
            }
            mend(branches, first, edges);
            removed
        }
    }
}

/// Cuts in child `index` alone.
fn cut_child<T: Item>(
    branches: &mut SharedVec<Branch<T>>,
    index: usize,
    from: Option<&[u8]>,
    to: Option<&[u8]>,
    edges: Edges,
) -> Removed {
    let edges = edges.of_child(index, branches.len());
    let branch = &mut branches.make_mut()[index];
    let removed = cut(&mut branch.node, from.map(below), to.map(below), edges);
    branch.weight -= removed.weight;
    branch.refresh_key();
    removed
}

/// Removes the children from `first` to before `last`.
fn drop_children<T: Item>(branches: &mut SharedVec<Branch<T>>, first: usize, last: usize) -> Removed {
    let gone = &branches[first..last];
    let weight = weight_of::<T, Branch<T>>(gone);
    // Counting walks to every leaf, which is to be avoided when there are a hundred thousand.
    let count = || gone.iter().map(|branch| branch.node.items()).sum();
    let removed = Removed { items: if T::IS_UNIT { weight as usize } else { count() }, weight };
    branches.remove_range(first..last);
    removed
}
