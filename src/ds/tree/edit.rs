//! Changing a tree: insertion, removal and change of one item.
//!
//! Each goes down the path of a cursor, copies the nodes on it that are shared, changes the leaf, and on the way
//! back up sets weights and keys right and makes room or joins nodes where it must.

use super::cursor::{below, index_in};
use super::node::{Branch, Edges, End, NODE_MIN, Node, mend, relieve};
use super::{Cursor, HEIGHT_MAX, Item, NODE_MAX, Probe, Tree};
use crate::ds::shared_vec::SharedVec;

impl<T: Item> Tree<T> {
    /// Inserts an item before `cursor`.
    ///
    /// # Panics
    /// If `cursor` doesn't come from this tree as it is now.
    pub fn insert_at(&mut self, cursor: &Cursor, item: T) {
        let weight = item.weight();
        if let Some(end) = insert_below(&mut self.root, &cursor.path, item, weight, Edges::ROOT) {
            self.grow(end);
        }
        self.len += 1;
        self.weight += weight;
    }

    /// Inserts an item where the order of the probe, which equals it, wants it: behind its equals.
    pub fn insert<P: Probe<T>>(&mut self, probe: P, item: T) {
        let cursor = self.upper_bound(probe);
        self.insert_at(&cursor, item);
    }

    /// Inserts an item before all others.
    pub fn push_front(&mut self, item: T) {
        self.insert_at(&Cursor::FRONT, item);
    }

    /// Inserts an item behind all others.
    pub fn push_back(&mut self, item: T) {
        self.insert_at(&self.end(), item);
    }

    /// Puts a root above the one that has become too big.
    #[cold]
    fn grow(&mut self, end: End) {
        let root = std::mem::replace(&mut self.root, Node::empty());
        let weight = root.weight();
        let Some(branch) = Branch::new(root, weight) else { return };
        let mut branches = SharedVec::new();
        branches.push(branch);
        relieve(&mut branches, 0, end);
        self.root = Node::Inner(branches);
        debug_assert!(self.height() < HEIGHT_MAX);
    }

    /// Takes the first item out.
    pub fn pop_front(&mut self) -> Option<T> {
        (self.len > 0).then(|| self.remove_at(&Cursor::FRONT))
    }

    /// Takes the last item out.
    pub fn pop_back(&mut self) -> Option<T> {
        let last = self.prev(&self.end())?;
        Some(self.remove_at(&last))
    }

    /// Takes the item behind `cursor` out.
    ///
    /// # Panics
    /// If there is none, or `cursor` doesn't come from this tree as it is now.
    pub fn remove_at(&mut self, cursor: &Cursor) -> T {
        let cursor = self.normal(*cursor);
        let item = remove_below(&mut self.root, &cursor.path, Edges::ROOT);
        self.len -= 1;
        self.weight -= item.weight();
        self.collapse();
        item
    }

    /// Takes an item that equals the probe out.
    pub fn remove<P: Probe<T>>(&mut self, probe: P) -> Option<T> {
        let cursor = self.find(probe)?;
        Some(self.remove_at(&cursor))
    }

    /// Changes the item behind `cursor` in place. Its place in the order must stay the same.
    ///
    /// # Panics
    /// If there is none, or `cursor` doesn't come from this tree as it is now.
    pub fn modify_at<R>(&mut self, cursor: &Cursor, change: impl FnOnce(&mut T) -> R) -> R {
        let cursor = self.normal(*cursor);
        let mut path = cursor.path.iter();
        self.modify_where(|_| path.next().copied().map_or(0, usize::from), change)
    }

    /// Changes the first item in place; `None` if there is none.
    pub fn modify_first<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        (self.len > 0).then(|| self.modify_where(|_| 0, change))
    }

    /// Changes the last item in place; `None` if there is none.
    pub fn modify_last<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        (self.len > 0).then(|| self.modify_where(|len| len - 1, change))
    }

    /// Changes the item that `choose` leads to: from the root down, it gets the number of parts of a node, and says which.
    fn modify_where<R>(
        &mut self,
        mut choose: impl FnMut(usize) -> usize,
        change: impl FnOnce(&mut T) -> R,
    ) -> R {
        let Modified { result, lost, gained, .. } = modify_below(&mut self.root, &mut choose, change);
        self.weight = self.weight - lost + gained;
        result
    }

    /// Puts an item in the place of the one behind `cursor`.
    ///
    /// # Panics
    /// As [`modify_at`](Self::modify_at).
    pub fn replace_at(&mut self, cursor: &Cursor, item: T) -> T {
        self.modify_at(cursor, |place| std::mem::replace(place, item))
    }

    /// Removes roots that have only one child.
    pub(super) fn collapse(&mut self) {
        loop {
            let only = match &mut self.root {
                Node::Inner(branches) if branches.is_empty() => Node::empty(),
                Node::Inner(branches) if branches.len() == 1 => {
                    std::mem::replace(&mut branches.make_mut()[0].node, Node::empty())
                }
                _ => return,
            };
            self.root = only;
        }
    }
}

/// Inserts below a node. If the node has become too big: at which end of the whole sequence the item was inserted.
fn insert_below<T: Item>(node: &mut Node<T>, path: &[u8], item: T, weight: u64, edges: Edges) -> Option<End> {
    let index = index_in(path);
    match node {
        Node::Leaf(items) => {
            let end = edges.end_at(index, items.len());
            items.insert(index, item);
            (items.len() > NODE_MAX).then_some(end)
        }
        Node::Inner(branches) => {
            let edges = edges.of_child(index, branches.len());
            let branch = &mut branches.make_mut()[index];
            if below(path).iter().all(|&index| index == 0) {
                branch.key = item.key();
            }
            let overfull = insert_below(&mut branch.node, below(path), item, weight, edges);
            branch.weight += weight;
            let end = overfull?;
            relieve(branches, index, end);
            (branches.len() > NODE_MAX).then_some(end)
        }
    }
}

fn remove_below<T: Item>(node: &mut Node<T>, path: &[u8], edges: Edges) -> T {
    let index = index_in(path);
    match node {
        Node::Leaf(items) => items.remove(index),
        Node::Inner(branches) => {
            let count = branches.len();
            let branch = &mut branches.make_mut()[index];
            let item = remove_below(&mut branch.node, below(path), edges.of_child(index, count));
            branch.weight -= item.weight();
            if below(path).iter().all(|&index| index == 0) {
                branch.refresh_key();
            }
            if branch.node.len() < NODE_MIN {
                mend(branches, index, edges);
            }
            item
        }
    }
}

/// What a change of an item means to the nodes above.
struct Modified<R> {
    result: R,
    /// Its weight before and after.
    lost: u64,
    gained: u64,
    /// It is the first item below.
    is_first: bool,
}

fn modify_below<T: Item, R>(
    node: &mut Node<T>,
    choose: &mut impl FnMut(usize) -> usize,
    change: impl FnOnce(&mut T) -> R,
) -> Modified<R> {
    let index = choose(node.len());
    match node {
        Node::Leaf(items) => {
            let item = &mut items.make_mut()[index];
            let lost = item.weight();
            let result = change(item);
            Modified { result, lost, gained: item.weight(), is_first: index == 0 }
        }
        Node::Inner(branches) => {
            let branch = &mut branches.make_mut()[index];
            let below = modify_below(&mut branch.node, choose, change);
            branch.weight = branch.weight - below.lost + below.gained;
            if below.is_first {
                branch.refresh_key();
            }
            Modified { is_first: below.is_first && index == 0, ..below }
        }
    }
}
