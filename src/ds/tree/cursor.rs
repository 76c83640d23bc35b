//! Cursors: paths to items, and the descents that find them.
//!
//! A cursor names a place between items: the item behind it, or the end of a leaf. `lower_bound` may say "the end of this leaf"
//! where "the start of the next" would be as true: the item that is inserted there belongs into the fuller one
//! of the two, and reading steps over it ([`Tree::get`]).

use super::node::{Branch, Node, weight_of};
use super::{HEIGHT_MAX, Item, Probe, Tree};
use crate::ds::shared_vec::SharedVec;
use std::cmp::Ordering;

/// A place in a tree: good until the tree changes. Made and understood only by the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The index in the root, in its child, and so on; behind the leaf's, zeros.
    pub(super) path: [u8; HEIGHT_MAX],
}

impl Cursor {
    /// The first place of every tree.
    pub const FRONT: Cursor = Cursor { path: [0; HEIGHT_MAX] };

    #[inline]
    pub(super) fn set(&mut self, depth: usize, index: usize) {
        if let Some(place) = self.path.get_mut(depth) {
            // A node has fewer than 256 parts.
            *place = index as u8;
        }
    }
}

/// The index at a depth of a path.
#[inline]
pub(super) fn index_in(path: &[u8]) -> usize {
    path.first().copied().map_or(0, usize::from)
}

/// The path below.
#[inline]
pub(super) fn below(path: &[u8]) -> &[u8] {
    path.get(1..).unwrap_or_default()
}

impl<T: Item> Tree<T> {
    /// The place behind the last item.
    pub fn end(&self) -> Cursor {
        self.descend(|branches| branches.len() - 1, |items| items.len())
    }

    /// The place before the first item that is not below the probe.
    pub fn lower_bound<P: Probe<T>>(&self, mut probe: P) -> Cursor {
        self.bound(&mut probe, |order| order == Ordering::Less)
    }

    /// The place before the first item that is above the probe.
    pub fn upper_bound<P: Probe<T>>(&self, mut probe: P) -> Cursor {
        self.bound(&mut probe, |order| order != Ordering::Greater)
    }

    /// The last item that is not above the probe: of a sequence of blocks, the one that a key belongs to.
    pub fn floor<P: Probe<T>>(&self, probe: P) -> Option<Cursor> {
        self.prev(&self.upper_bound(probe))
    }

    /// Some item that equals the probe.
    pub fn find<P: Probe<T>>(&self, mut probe: P) -> Option<Cursor> {
        let cursor = self.normal(self.bound(&mut probe, |order| order == Ordering::Less));
        (probe.item(self.get(&cursor)?) == Ordering::Equal).then_some(cursor)
    }

    /// The item that `is_it` recognises among those of the leaf where the probe belongs. Keys of branches are compared
    /// with the probe, items are not: for an item that is known to be there, whose key nothing else has.
    pub fn locate<P: Probe<T>>(&self, mut probe: P, is_it: impl Fn(&T) -> bool) -> Option<Cursor> {
        let (mut cursor, mut depth, mut node) = (Cursor::FRONT, 0, &self.root);
        loop {
            match node {
                Node::Leaf(items) => {
                    cursor.set(depth, items.iter().position(is_it)?);
                    return Some(cursor);
                }
                Node::Inner(branches) => {
                    let behind = partition(branches, Branch::prefetch, |branch| {
                        probe.key(&branch.key) != Ordering::Greater
                    });
                    let index = behind.saturating_sub(1);
                    cursor.set(depth, index);
                    node = &branches.get(index)?.node;
                }
            }
            depth += 1;
        }
    }

    /// The rank of the item that [`Tree::locate`] finds: one descent that adds up weights on its way. It reads branches one
    /// behind the other, which the processor foresees; halving them would read fewer, each after a wait, and then
    /// the weights of all before. Of each few, only one key is compared.
    pub fn locate_rank<P: Probe<T>>(&self, mut probe: P, is_it: impl Fn(&T) -> bool) -> Option<u64> {
        const STRIDE: usize = 8;
        let (mut rank, mut node) = (0, &self.root);
        loop {
            match node {
                Node::Leaf(items) => {
                    let index = items.iter().position(is_it)?;
                    return Some(rank + weight_of::<T, T>(items.get(..index)?));
                }
                Node::Inner(branches) => {
                    // The first branch is never behind the item.
                    let mut rest = branches.as_slice();
                    for stride in [STRIDE, 1] {
                        while let Some(next) = rest.get(stride)
                            && !probe.is_above(&next.key)
                        {
                            let (before, behind) = rest.split_at(stride);
                            rank += weight_of::<T, Branch<T>>(before);
                            rest = behind;
                        }
                    }
                    node = &rest.first()?.node;
                }
            }
        }
    }

    /// The item that contains position `rank` (in units of weight), and the offset of the position in it.
    /// `None` from the end on.
    pub fn seek(&self, rank: u64) -> Option<(Cursor, u64)> {
        if rank >= self.weight {
            return None;
        }
        let (mut cursor, mut rest, mut depth, mut node) = (Cursor::FRONT, rank, 0, &self.root);
        loop {
            match node {
                Node::Leaf(items) => {
                    let index = skip(items.iter().map(T::weight), &mut rest);
                    cursor.set(depth, index);
                    return Some((cursor, rest));
                }
                Node::Inner(branches) => {
                    let index = skip(branches.iter().map(|branch| branch.weight), &mut rest);
                    cursor.set(depth, index);
                    node = &branches.get(index)?.node;
                }
            }
            depth += 1;
        }
    }

    /// The item that contains position `rank`, and the offset of the position in it.
    pub fn at_rank(&self, rank: u64) -> Option<(&T, u64)> {
        let (cursor, offset) = self.seek(rank)?;
        Some((self.get(&cursor)?, offset))
    }

    /// The weight of everything before a place.
    pub fn rank(&self, cursor: &Cursor) -> u64 {
        let (mut node, mut path, mut rank) = (&self.root, &cursor.path[..], 0);
        loop {
            let index = index_in(path);
            match node {
                Node::Leaf(items) => {
                    return rank + weight_of::<T, T>(items.get(..index).unwrap_or(items));
                }
                Node::Inner(branches) => {
                    rank += weight_of::<T, Branch<T>>(branches.get(..index).unwrap_or_default());
                    let Some(branch) = branches.get(index) else { return rank };
                    node = &branch.node;
                }
            }
            path = below(path);
        }
    }

    /// The item behind a place; `None` at the end.
    pub fn get(&self, cursor: &Cursor) -> Option<&T> {
        let (items, index) = self.leaf(cursor)?;
        match items.get(index) {
            Some(item) => Some(item),
            None => {
                let next = self.normal(*cursor);
                let (items, index) = self.leaf(&next)?;
                items.get(index)
            }
        }
    }

    /// The place one item further; `None` if there is no item behind `cursor`.
    pub fn next(&self, cursor: &Cursor) -> Option<Cursor> {
        let mut next = self.normal(*cursor);
        let (items, index) = self.leaf(&next)?;
        if index >= items.len() {
            return None;
        }
        next.set(self.height(), index + 1);
        Some(next)
    }

    /// The item before a place.
    pub fn prev(&self, cursor: &Cursor) -> Option<Cursor> {
        let mut prev = *cursor;
        let leaf = self.height();
        let turn = (0..=leaf).rev().find(|&depth| prev.path.get(depth).is_some_and(|&index| index > 0))?;
        prev.set(turn, usize::from(prev.path[turn]) - 1);
        // Down the last path of the node that was turned to.
        let (mut node, mut depth) = (&self.root, 0);
        while let Node::Inner(branches) = node {
            if depth > turn {
                prev.set(depth, branches.len() - 1);
            }
            node = &branches.get(usize::from(prev.path[depth]))?.node;
            depth += 1;
        }
        if depth > turn {
            prev.set(depth, node.len() - 1);
        }
        Some(prev)
    }

    /// The leaf that contains position `rank`; some leaf if there is no such position.
    pub(super) fn leaf_at(&self, mut rank: u64) -> &SharedVec<T> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(items) => return items,
                Node::Inner(branches) => {
                    let index = skip(branches.iter().map(|branch| branch.weight), &mut rank);
                    node = &branches[index.min(branches.len() - 1)].node;
                }
            }
        }
    }

    /// Branches above every leaf.
    pub(super) fn height(&self) -> usize {
        let (mut node, mut height) = (&self.root, 0);
        while let Node::Inner(branches) = node {
            node = &branches[0].node;
            height += 1;
        }
        height
    }

    /// The same place, before an item wherever there is one.
    pub(super) fn normal(&self, cursor: Cursor) -> Cursor {
        match self.leaf(&cursor) {
            Some((items, index)) if index >= items.len() => self.next_leaf(&cursor).unwrap_or(cursor),
            _ => cursor,
        }
    }

    /// The start of the leaf behind that of `cursor`.
    fn next_leaf(&self, cursor: &Cursor) -> Option<Cursor> {
        let (mut node, mut depth, mut turn) = (&self.root, 0, None);
        while let Node::Inner(branches) = node {
            let index = usize::from(cursor.path[depth]);
            if index + 1 < branches.len() {
                turn = Some(depth);
            }
            node = &branches.get(index)?.node;
            depth += 1;
        }
        let turn = turn?;
        let mut next = *cursor;
        next.set(turn, usize::from(cursor.path[turn]) + 1);
        (turn + 1..=depth).for_each(|depth| next.set(depth, 0));
        Some(next)
    }

    /// The leaf of a cursor, and the index in it.
    fn leaf(&self, cursor: &Cursor) -> Option<(&[T], usize)> {
        let (mut node, mut path) = (&self.root, &cursor.path[..]);
        loop {
            let index = index_in(path);
            match node {
                Node::Leaf(items) => return Some((items, index)),
                Node::Inner(branches) => node = &branches.get(index)?.node,
            }
            path = below(path);
        }
    }

    /// Before the first item that is not before (as `is_before` sees its order to the probe).
    #[inline]
    fn bound<P: Probe<T>>(&self, probe: &mut P, is_before: impl Fn(Ordering) -> bool) -> Cursor {
        let probe = std::cell::RefCell::new(probe);
        self.descend(
            |branches| {
                let mut probe = probe.borrow_mut();
                partition(branches, Branch::prefetch, |branch| is_before(probe.key(&branch.key)))
                    .saturating_sub(1)
            },
            |items| {
                let mut probe = probe.borrow_mut();
                partition(items, T::prefetch, |item| is_before(probe.item(item)))
            },
        )
    }

    /// The path that `branch` and `item` choose; both get nodes that are not empty, but for an empty root.
    #[inline]
    fn descend(&self, branch: impl Fn(&[Branch<T>]) -> usize, item: impl Fn(&[T]) -> usize) -> Cursor {
        let (mut cursor, mut depth, mut node) = (Cursor::FRONT, 0, &self.root);
        loop {
            match node {
                Node::Leaf(items) => {
                    cursor.set(depth, item(items));
                    return cursor;
                }
                Node::Inner(branches) => {
                    let index = branch(branches);
                    cursor.set(depth, index);
                    node = &branches[index].node;
                }
            }
            depth += 1;
        }
    }
}

/// As `partition_point`, for parts that lie in far memory, or point there: what the next comparisons may need is asked
/// for together (by `fetch`), so that a node costs two waits instead of six.
#[inline]
fn partition<P>(parts: &[P], fetch: impl Fn(&P), mut is_before: impl FnMut(&P) -> bool) -> usize {
    /// Pieces that a round leaves one of.
    const PIECES: usize = 8;
    let (mut start, mut rest) = (0, parts);
    while rest.len() > PIECES {
        let step = rest.len() / PIECES;
        // The last part of each piece but the last.
        let ends = || rest.iter().skip(step - 1).step_by(step).take(PIECES - 1);
        ends().for_each(&fetch);
        let (mut low, mut high) = (0, PIECES - 1);
        while low < high {
            let middle = (low + high) / 2;
            match rest.get((middle + 1) * step - 1) {
                Some(end) if is_before(end) => low = middle + 1,
                _ => high = middle,
            }
        }
        let until = if low == PIECES - 1 { rest.len() } else { (low + 1) * step };
        start += low * step;
        rest = &rest[low * step..until];
    }
    rest.iter().for_each(&fetch);
    start + rest.partition_point(is_before)
}

/// The number of leading weights that fit into `rest`, which is reduced by them.
#[inline]
fn skip(weights: impl Iterator<Item = u64>, rest: &mut u64) -> usize {
    let mut index = 0;
    for weight in weights {
        if *rest < weight {
            break;
        }
        *rest -= weight;
        index += 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::partition;

    #[test]
    fn a_partition_is_found_among_any_number() {
        for len in 0..200_usize {
            let parts: Vec<usize> = (0..len).collect();
            for point in 0..=len {
                assert_eq!(partition(&parts, |_| (), |&part| part < point), point, "of {len}");
            }
        }
    }
}
