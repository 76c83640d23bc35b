//! Nodes: what they weigh, and how neighbours share, split and join.
//!
//! Leaves and inner nodes differ in what they hold only, so sharing and joining are written once, over [`Part`].
//! Moving parts between neighbours keeps the weights of their branches by adding up what moved, so that items are not
//! asked for their weight more often than needed.

use super::{Item, NODE_MAX};
use crate::ds::shared_vec::SharedVec;

/// Below this a node looks for a neighbour to join.
pub(super) const NODE_MIN: usize = NODE_MAX / 3;
/// Free places that a neighbour must have for sharing to be worth the move.
const ROOM_MIN: usize = NODE_MAX / 8;

/// A leaf or an inner node.
pub(super) enum Node<T: Item> {
    Leaf(SharedVec<T>),
    Inner(SharedVec<Branch<T>>),
}

/// One child of an inner node.
pub(super) struct Branch<T: Item> {
    pub node: Node<T>,
    /// Sum of the weights below.
    pub weight: u64,
    /// The key of the first item below.
    pub key: T::Key,
}

/// Which end of the whole sequence a change happens at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
    Neither,
}

/// Whether a node lies on the first or the last path of the tree.
#[derive(Clone, Copy)]
pub(super) struct Edges {
    pub first: bool,
    pub last: bool,
}

impl Edges {
    pub(super) const ROOT: Edges = Edges { first: true, last: true };

    /// The edges of child `index` of `count`.
    pub(super) fn of_child(self, index: usize, count: usize) -> Edges {
        Edges { first: self.first && index == 0, last: self.last && index + 1 == count }
    }

    /// The end of the sequence at which something is inserted before item `index` of a leaf of `count`.
    pub(super) fn end_at(self, index: usize, count: usize) -> End {
        if self.last && index == count {
            End::Back
        } else if self.first && index == 0 {
            End::Front
        } else {
            End::Neither
        }
    }
}

/// What a node is made of: items or branches.
pub(super) trait Part<T: Item>: Clone {
    fn part_weight(&self) -> u64;
}

impl<T: Item> Part<T> for T {
    #[inline]
    fn part_weight(&self) -> u64 {
        self.weight()
    }
}

impl<T: Item> Part<T> for Branch<T> {
    #[inline]
    fn part_weight(&self) -> u64 {
        self.weight
    }
}

/// Sum of the weights of some parts.
#[inline]
pub(super) fn weight_of<T: Item, P: Part<T>>(parts: &[P]) -> u64 {
    parts.iter().map(P::part_weight).sum()
}

impl<T: Item> Clone for Node<T> {
    fn clone(&self) -> Self {
        match self {
            Node::Leaf(items) => Node::Leaf(items.clone()),
            Node::Inner(branches) => Node::Inner(branches.clone()),
        }
    }
}

impl<T: Item> Clone for Branch<T> {
    fn clone(&self) -> Self {
        Branch { node: self.node.clone(), weight: self.weight, key: self.key.clone() }
    }
}

impl<T: Item> Node<T> {
    pub(super) fn empty() -> Self {
        Node::Leaf(SharedVec::new())
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Inner(branches) => branches.len(),
        }
    }

    /// The key of the first item below, `None` in an empty node.
    pub(super) fn first_key(&self) -> Option<T::Key> {
        match self {
            Node::Leaf(items) => items.first().map(T::key),
            Node::Inner(branches) => branches.first().map(|branch| branch.key.clone()),
        }
    }

    /// Sum of the weights below.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Node::Leaf(items) => weight_of::<T, T>(items),
            Node::Inner(branches) => weight_of::<T, Branch<T>>(branches),
        }
    }

    /// Number of items below.
    pub(super) fn items(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Inner(branches) => branches.iter().map(|branch| branch.node.items()).sum(),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Node::Leaf(items) => items.heap_bytes(),
            Node::Inner(branches) => {
                branches.heap_bytes() + branches.iter().map(|branch| branch.node.heap_bytes()).sum::<usize>()
            }
        }
    }

    /// Splits a node off behind the first `at` parts; its weight comes with it.
    pub(super) fn split_off(&mut self, at: usize) -> (Node<T>, u64) {
        match self {
            Node::Leaf(items) => {
                let tail = items.split_off(at);
                let weight = weight_of::<T, T>(&tail);
                (Node::Leaf(tail), weight)
            }
            Node::Inner(branches) => {
                let tail = branches.split_off(at);
                let weight = weight_of::<T, Branch<T>>(&tail);
                (Node::Inner(tail), weight)
            }
        }
    }

    /// Appends the parts of a node of the same height.
    pub(super) fn append(&mut self, tail: Node<T>) {
        match (self, tail) {
            (Node::Leaf(items), Node::Leaf(tail)) => items.join(tail),
            (Node::Inner(branches), Node::Inner(tail)) => branches.join(tail),
            // Neighbours have the same height.
            (Node::Leaf(_), Node::Inner(_)) | (Node::Inner(_), Node::Leaf(_)) => {
                debug_assert!(false, "neighbours of different height");
            }
        }
    }
}

impl<T: Item> Branch<T> {
    /// A branch for a node; `None` if the node is empty.
    pub(super) fn new(node: Node<T>, weight: u64) -> Option<Self> {
        Some(Branch { key: node.first_key()?, node, weight })
    }

    /// Asks the processor for the key.
    #[inline]
    pub(super) fn prefetch(&self) {
        crate::ds::prefetch::read(self);
    }

    /// Takes the key over from the node, whose first item changed.
    pub(super) fn refresh_key(&mut self) {
        if let Some(key) = self.node.first_key() {
            self.key = key;
        }
    }

    fn split_off(&mut self, at: usize) -> Option<Branch<T>> {
        let (node, weight) = self.node.split_off(at);
        self.weight -= weight;
        Branch::new(node, weight)
    }

    /// Appends the parts of the right neighbour; this branch may be empty after a cut.
    fn append(&mut self, tail: Branch<T>) {
        if self.node.len() == 0 {
            self.key = tail.key;
        }
        self.weight += tail.weight;
        self.node.append(tail.node);
    }
}

/// Makes room after child `index` got one part too many: shares with a neighbour, or adds a node.
pub(super) fn relieve<T: Item>(branches: &mut SharedVec<Branch<T>>, index: usize, end: End) {
    let at = match end {
        End::Back => Some(NODE_MAX),
        End::Front => Some(1),
        End::Neither => None,
    };
    if let Some(at) = at {
        return split_child(branches, index, at);
    }
    let len_at = |at: Option<usize>| at.and_then(|at| branches.get(at)).map(|branch| branch.node.len());
    let (left, right) = (len_at(index.checked_sub(1)), len_at(Some(index + 1)));
    // The emptier neighbour; `first` is the left one of the pair.
    let (first, neighbour) = match (left, right) {
        (Some(left), Some(right)) if right < left => (index, right),
        (Some(left), _) => (index - 1, left),
        (None, Some(right)) => (index, right),
        (None, None) => return split_child(branches, index, NODE_MAX.div_ceil(2)),
    };
    if neighbour + ROOM_MIN <= NODE_MAX {
        level(branches, first);
    } else {
        two_to_three(branches, first);
    }
}

/// Splits child `index` behind its first `at` parts.
fn split_child<T: Item>(branches: &mut SharedVec<Branch<T>>, index: usize, at: usize) {
    if let Some(tail) = branches.make_mut().get_mut(index).and_then(|branch| branch.split_off(at)) {
        branches.insert(index + 1, tail);
    }
}

/// Children `first` and `first + 1`.
fn pair<T: Item>(
    branches: &mut SharedVec<Branch<T>>,
    first: usize,
) -> Option<(&mut Branch<T>, &mut Branch<T>)> {
    match branches.make_mut().get_mut(first..) {
        Some([a, b, ..]) => Some((a, b)),
        _ => None,
    }
}

/// Divides the parts of children `first` and `first + 1` evenly.
fn level<T: Item>(branches: &mut SharedVec<Branch<T>>, first: usize) {
    let Some((a, b)) = pair(branches, first) else { return };
    let (has, wanted) = (a.node.len(), (a.node.len() + b.node.len()) / 2);
    if has > wanted {
        let Some(mut moved) = a.split_off(wanted) else { return };
        std::mem::swap(b, &mut moved);
        b.append(moved);
    } else if let Some(mut rest) = b.split_off(wanted - has) {
        std::mem::swap(b, &mut rest);
        a.append(rest);
    }
}

/// Divides the parts of children `first` and `first + 1` among three.
fn two_to_three<T: Item>(branches: &mut SharedVec<Branch<T>>, first: usize) {
    let Some((a, b)) = pair(branches, first) else { return };
    let (a_len, b_len) = (a.node.len(), b.node.len());
    let third = (a_len + b_len) / 3;
    // The last third comes from b, the first stays in a, and what is left of both meets in the middle.
    let Some(last) = b.split_off(b_len - third) else { return };
    let Some(mut middle) = a.split_off(third) else { return };
    std::mem::swap(b, &mut middle);
    b.append(middle);
    branches.insert(first + 2, last);
}

/// Puts child `index` right if it has become empty or small: removes it, joins it to a neighbour or borrows.
/// `edges` are the parent's.
pub(super) fn mend<T: Item>(branches: &mut SharedVec<Branch<T>>, index: usize, edges: Edges) {
    let count = branches.len();
    let len_at = |at: usize| branches.get(at).map_or(0, |branch| branch.node.len());
    let len = len_at(index);
    if index >= count || len >= NODE_MIN {
        return;
    }
    if len == 0 {
        branches.remove(index);
        return;
    }
    let first = index.saturating_sub(1);
    if first + 1 >= count {
        return;
    }
    let together = len_at(first) + len_at(first + 1);
    let Edges { first: is_first, last: is_last } = edges.of_child(index, count);
    let is_end = is_first || is_last;
    // At the ends nodes come and go; joining them as late as possible saves splitting them again.
    if together <= if is_end { NODE_MAX * 2 / 3 } else { NODE_MAX } {
        join(branches, first, edges);
    } else if !is_end {
        level(branches, first);
    }
}

/// Joins child `first + 1` to child `first`.
fn join<T: Item>(branches: &mut SharedVec<Branch<T>>, first: usize, edges: Edges) {
    let right = branches.remove(first + 1);
    let count = branches.len();
    if let Some(left) = branches.make_mut().get_mut(first) {
        let seam = left.node.len();
        left.append(right);
        // Cutting a range leaves small nodes on both sides of the seam, which had no neighbours until now.
        if let Node::Inner(children) = &mut left.node {
            let edges = edges.of_child(first, count);
            mend(children, seam, edges);
            mend(children, seam.saturating_sub(1), edges);
        }
    }
}
