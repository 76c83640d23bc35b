//! Walking the elements of a quicklist, or of a listpack, in one direction.

use super::node::Node;
use super::nodes;
use crate::ds::listpack::{self, Element, Front, ListPack};

/// Elements in a row, forwards or backwards.
pub struct Iter<'q> {
    inside: Inside<'q>,
    nodes: nodes::Iter<'q>,
    /// What comes when all nodes are done.
    last: Option<listpack::Iter<'q>>,
    backward: bool,
}

/// What is left of the present node.
enum Inside<'q> {
    Packed(listpack::Iter<'q>),
    Plain(Option<&'q [u8]>),
}

impl<'q> Iter<'q> {
    /// The elements of `front` and `nodes`, without the first `skipped`, which all are in the first of these that there is.
    pub(super) fn forward(front: Option<&'q Front>, nodes: nodes::Iter<'q>, skipped: usize) -> Iter<'q> {
        let front = front.map(|front| Inside::Packed(front.iter()));
        Iter::new(front, nodes, None, false, skipped)
    }

    /// The elements of `nodes` and `front` backwards, without the first `skipped`, which all are in the first of these that
    /// is met.
    pub(super) fn backward(front: Option<&'q Front>, nodes: nodes::Iter<'q>, skipped: usize) -> Iter<'q> {
        Iter::new(None, nodes, front.map(Front::iter), true, skipped)
    }

    fn new(
        first: Option<Inside<'q>>,
        nodes: nodes::Iter<'q>,
        last: Option<listpack::Iter<'q>>,
        backward: bool,
        skipped: usize,
    ) -> Iter<'q> {
        let mut iter = Iter { inside: Inside::Plain(None), nodes, last, backward };
        if let Some(inside) = first.or_else(|| iter.next_run()) {
            iter.inside = inside;
        }
        iter.skip_inside(skipped);
        iter
    }

    /// The elements of a listpack from an end on, without the first `skipped`.
    pub fn of_pack(pack: &'q ListPack, skipped: usize, backward: bool) -> Iter<'q> {
        Iter::new(Some(Inside::Packed(pack.iter())), nodes::Iter::none(), None, backward, skipped)
    }

    /// The elements of the next node, or of what waits before all nodes.
    fn next_run(&mut self) -> Option<Inside<'q>> {
        let node = if self.backward { self.nodes.next_back() } else { self.nodes.next() };
        node.map(Inside::of).or_else(|| self.last.take().map(Inside::Packed))
    }

    fn skip_inside(&mut self, skipped: usize) {
        let Some(last) = skipped.checked_sub(1) else { return };
        if let Inside::Packed(inside) = &mut self.inside {
            if self.backward {
                inside.nth_back(last)
            } else {
                inside.nth(last)
            };
        }
    }

    /// Gives up to `count` elements to `visit`, in a loop of its own for each node: the fast way through many.
    #[inline]
    pub fn visit(mut self, count: usize, mut visit: impl FnMut(Element<'q>)) {
        let mut left = count;
        while left > 0 {
            match &mut self.inside {
                Inside::Packed(inside) if self.backward => {
                    inside.by_ref().rev().take(left).for_each(|element| {
                        visit(element);
                        left -= 1;
                    });
                }
                Inside::Packed(inside) => {
                    inside.by_ref().take(left).for_each(|element| {
                        visit(element);
                        left -= 1;
                    });
                }
                Inside::Plain(plain) => {
                    if let Some(text) = plain.take() {
                        visit(Element::Text(text));
                        left -= 1;
                    }
                }
            }
            if left > 0 {
                let Some(inside) = self.next_run() else { return };
                self.inside = inside;
            }
        }
    }

    #[cold]
    fn turn(&mut self) -> Option<Element<'q>> {
        loop {
            self.inside = self.next_run()?;
            if let Some(element) = self.next_inside() {
                return Some(element);
            }
        }
    }

    #[inline]
    fn next_inside(&mut self) -> Option<Element<'q>> {
        match &mut self.inside {
            Inside::Packed(inside) if self.backward => inside.next_back(),
            Inside::Packed(inside) => inside.next(),
            Inside::Plain(plain) => plain.take().map(Element::Text),
        }
    }
}

impl<'q> Inside<'q> {
    fn of(node: &'q Node) -> Inside<'q> {
        match node {
            Node::Packed { pack, .. } => Inside::Packed(pack.iter()),
            Node::Plain(bytes) => Inside::Plain(Some(bytes)),
        }
    }
}

impl<'q> Iterator for Iter<'q> {
    type Item = Element<'q>;

    #[inline]
    fn next(&mut self) -> Option<Element<'q>> {
        match self.next_inside() {
            Some(element) => Some(element),
            None => self.turn(),
        }
    }
}

impl std::iter::FusedIterator for Iter<'_> {}
