//! Building a tree from items that come in order, leaf by leaf, without a search.

use super::node::{Branch, Node};
use super::{Item, NODE_MAX, Tree};
use crate::ds::shared_vec::SharedVec;

impl<T: Item> FromIterator<T> for Tree<T> {
    /// A tree of full nodes. The items must come in the order that they are to have.
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items = items.into_iter();
        let (mut len, mut level) = (0, Vec::new());
        loop {
            let leaf: Vec<T> = items.by_ref().take(NODE_MAX).collect();
            len += leaf.len();
            let leaf = Node::Leaf(SharedVec::from_vec(leaf));
            let weight = leaf.weight();
            match Branch::new(leaf, weight) {
                Some(branch) => level.push(branch),
                None => break,
            }
        }
        while level.len() > 1 {
            level = next_level(level);
        }
        match level.pop() {
            Some(root) => Tree { root: root.node, len, weight: root.weight },
            None => Tree::new(),
        }
    }
}

/// Groups branches into nodes.
fn next_level<T: Item>(branches: Vec<Branch<T>>) -> Vec<Branch<T>> {
    let mut level = Vec::with_capacity(branches.len().div_ceil(NODE_MAX));
    let mut branches = branches.into_iter();
    loop {
        let node = Node::Inner(branches.by_ref().take(NODE_MAX).collect());
        let weight = node.weight();
        match Branch::new(node, weight) {
            Some(branch) => level.push(branch),
            None => return level,
        }
    }
}
