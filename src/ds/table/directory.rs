//! The directory: from a position in hash space to the segment that covers it.
//!
//! A radix tree of at most three levels. A node takes up to [`NODE_BITS`] bits of the position; it starts with one slot
//! and doubles as its segments get deeper, and only a node that uses all its bits has children:
//!
//! ```text
//!  bits of the position   ├──── 9 ────┤├──── 9 ────┤├─ 6 ─┤
//!  root  ┌─────────┐
//!        │ segment │◀── shallow segments repeat in neighbouring slots
//!        │ segment │     ┌─────────┐
//!        │ node ───┼────▶│ segment │
//!        │    …    │     │ segment │
//!        └─────────┘     └─────────┘
//! ```
//!
//! So the directory of a table of a hundred million entries grows like that of a small one: no step touches more than
//! 512 slots. And a frozen copy is one reference to the root: a writer copies the nodes on one path.
//!
//! Invariants:
//! - a node has 2ᵇ slots, b ≤ [`NODE_BITS`]; children exist only where b = [`NODE_BITS`];
//! - the 2ᵇ⁻ᵈ slots that a segment of depth d (relative to the node) covers hold the same route.

use super::segment::Route;
use crate::ds::shared_vec::SharedVec;

/// Bits of the position that one node can tell apart: a full node is 8 KiB.
const NODE_BITS: u32 = 9;

/// What a slot leads to.
#[derive(Clone)]
enum Slot {
    Segment(Route),
    Node(Node),
}

const _: () = assert!(size_of::<Slot>() == 16);

type Node = SharedVec<Slot>;

/// See the module's head. Positions are relative to the table: without its shard bits.
#[derive(Clone)]
pub(super) struct Directory {
    root: Node,
}

/// The slot of a position in a node of so many slots, a power of two; anything in an empty node.
#[inline]
fn index(position: u64, slots: usize) -> usize {
    // Two shifts, because a node of one slot would shift by 64.
    (position >> 1).wrapping_shr(63_u32.wrapping_sub(slots.trailing_zeros())) as usize
}

impl Directory {
    pub(super) const fn new() -> Self {
        Self { root: SharedVec::new() }
    }

    /// The segment that covers `position`; `None` only without any segment.
    #[inline]
    pub(super) fn route(&self, mut position: u64) -> Option<&Route> {
        let mut node = self.root.as_slice();
        loop {
            match node.get(index(position, node.len()))? {
                Slot::Segment(route) => return Some(route),
                Slot::Node(child) => node = child.as_slice(),
            }
            position <<= NODE_BITS;
        }
    }

    /// Makes `route` the one for all positions that share its segment's `prefix`, the first `depth` bits.
    pub(super) fn publish(&mut self, prefix: u32, route: Route) {
        let depth = route.shape.depth();
        // Two shifts, because a depth of 0 would shift by 64.
        let start = (u64::from(prefix) << 1) << (63 - depth);
        publish(&mut self.root, start, depth, route);
    }

    /// Gives back what the path to `position` does not need any more, after segments became shallower.
    pub(super) fn narrow(&mut self, position: u64) {
        narrow(&mut self.root, position, 0);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        heap_bytes(&self.root)
    }
}

fn publish(node: &mut Node, start: u64, depth: u32, route: Route) {
    let needed = depth.min(NODE_BITS);
    if node.len() < 1 << needed {
        widen(node, 1 << needed, route);
    }
    let slots = node.len();
    let first = index(start, slots);
    let slot = |at: usize| -> usize { first + at };
    if depth <= NODE_BITS {
        let covered = slots >> depth;
        node.make_mut()[slot(0)..slot(covered)].fill(Slot::Segment(route));
        return;
    }
    let slot = &mut node.make_mut()[slot(0)];
    if let Slot::Segment(parent) = *slot {
        *slot = Slot::Node(SharedVec::from_slice(&[Slot::Segment(parent)]));
    }
    if let Slot::Node(child) = slot {
        publish(child, start << NODE_BITS, depth - NODE_BITS, route);
    }
}

/// Repeats each slot until there are `slots`; an empty node is filled with `route`.
fn widen(node: &mut Node, slots: usize, route: Route) {
    let times = slots / node.len().max(1);
    if node.is_empty() {
        *node = SharedVec::from_vec(vec![Slot::Segment(route); slots]);
    } else {
        *node = node.iter().flat_map(|slot| std::iter::repeat_n(slot, times)).cloned().collect();
    }
}

/// `above`: bits that lead to this node.
fn narrow(node: &mut Node, position: u64, above: u32) {
    let at = index(position, node.len());
    if let Some(Slot::Node(_)) = node.get(at)
        && let Slot::Node(child) = &mut node.make_mut()[at]
    {
        narrow(child, position << NODE_BITS, above + NODE_BITS);
        if let [Slot::Segment(only)] = **child {
            node.make_mut()[at] = Slot::Segment(only);
        }
    }
    let needs = |slot: &Slot| match slot {
        Slot::Segment(route) => route.shape.depth() - above.min(route.shape.depth()),
        Slot::Node(_) => NODE_BITS,
    };
    let slots = 1 << node.iter().map(needs).max().unwrap_or(0).min(NODE_BITS);
    if slots < node.len() {
        *node = node.iter().step_by(node.len() / slots).cloned().collect();
    }
}

fn heap_bytes(node: &Node) -> usize {
    let child = |slot: &Slot| match slot {
        Slot::Segment(_) => 0,
        Slot::Node(child) => heap_bytes(child),
    };
    node.heap_bytes() + node.iter().map(child).sum::<usize>()
}
