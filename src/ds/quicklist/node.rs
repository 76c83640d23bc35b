//! The nodes of a quicklist and the rule of how much a node may hold.

use crate::ds::listpack::{Element, Encoded, Front, ListPack};
use crate::ds::shared_vec::SharedVec;
use crate::ds::tree;

/// Bytes that a node with a limit by count may have.
const SAFETY_BYTES: usize = 8192;
/// What the rule takes a listpack's entry to cost beyond its text, in bytes.
const ENTRY_OVERHEAD_BYTES: usize = 8;
/// What two listpacks lose when they become one: a header and a terminator.
const MERGED_BYTES: usize = 7;
/// Largest limit by count that a quicklist keeps.
const COUNT_MAX: i32 = (1 << 15) - 1;

/// How much a node may hold: what `list-max-listpack-size` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeLimit {
    Bytes(usize),
    /// Elements, and 8 KiB beside that.
    Count(usize),
}

impl NodeLimit {
    /// By the value of the option: a positive one is a number of elements, −1 … −5 mean 4, 8, 16, 32 and 64 KiB.
    pub fn of(size: i32) -> NodeLimit {
        match size {
            ..0 => NodeLimit::Bytes(4096 << (size.unsigned_abs() - 1).min(4)),
            _ => NodeLimit::Count(size.clamp(1, COUNT_MAX) as usize),
        }
    }

    /// Whether a node of that many bytes and elements is too big.
    #[inline]
    pub fn is_exceeded_by(self, bytes: usize, count: usize) -> bool {
        match self {
            NodeLimit::Bytes(max) => bytes > max,
            NodeLimit::Count(max) => bytes > SAFETY_BYTES || count > max,
        }
    }

    /// Whether a node is small enough that its list may become a listpack again.
    pub fn is_half_full_at_most(self, bytes: usize, count: usize) -> bool {
        match self {
            NodeLimit::Bytes(max) => bytes <= max / 2,
            NodeLimit::Count(max) => count <= max / 2,
        }
    }

    /// Whether an element needs a node of its own.
    #[inline]
    pub fn is_large(self, len: usize) -> bool {
        match self {
            NodeLimit::Bytes(max) => len > max,
            NodeLimit::Count(_) => len > SAFETY_BYTES,
        }
    }

    /// Whether a node may take another element of `len` bytes.
    #[inline]
    pub(super) fn allows(self, node: &Node, len: usize) -> bool {
        self.allows_beside(node, (0, 0), len)
    }

    /// Whether a node may take another element of `len` bytes beside others that belong to it, so many bytes and elements.
    #[inline]
    pub(super) fn allows_beside(self, node: &Node, others: (usize, usize), len: usize) -> bool {
        match node {
            Node::Packed { count, pack } => {
                // More than an element that needs a node of its own.
                let bytes = pack.byte_len() + others.0 + len + ENTRY_OVERHEAD_BYTES;
                !self.is_exceeded_by(bytes, *count as usize + others.1 + 1)
            }
            Node::Plain(_) => false,
        }
    }

    /// Whether two neighbours may become one node.
    pub(super) fn allows_merge(self, one: &Node, other: &Node) -> bool {
        match (one, other) {
            (Node::Packed { count, pack }, Node::Packed { count: other_count, pack: other }) => {
                let bytes = pack.byte_len() + other.byte_len() - MERGED_BYTES;
                !self.is_exceeded_by(bytes, *count as usize + *other_count as usize)
            }
            _ => false,
        }
    }
}

/// Some elements in a row.
#[derive(Clone)]
pub enum Node {
    /// The count stands beside the bytes so that counting touches no further memory.
    Packed { count: u32, pack: ListPack },
    /// One element that is too long for a listpack.
    Plain(SharedVec<u8>),
}

impl tree::Item for Node {
    type Key = ();

    fn key(&self) {}

    #[inline]
    fn weight(&self) -> u64 {
        self.count() as u64
    }
}

impl Node {
    pub(super) fn empty() -> Node {
        Node::Packed { count: 0, pack: ListPack::new() }
    }

    /// A node of one element.
    pub(super) fn of(bytes: &[u8], limit: NodeLimit) -> Node {
        if limit.is_large(bytes.len()) {
            let mut plain = SharedVec::new();
            plain.extend_from_slice(bytes);
            return Node::Plain(plain);
        }
        let mut pack = ListPack::new();
        pack.push_back(bytes);
        Node::Packed { count: 1, pack }
    }

    /// A node of a listpack's elements.
    pub fn packed(pack: ListPack) -> Node {
        Node::Packed { count: pack.len() as u32, pack }
    }

    /// A node of one element, however short.
    pub fn plain(bytes: &[u8]) -> Node {
        let mut plain = SharedVec::new();
        plain.extend_from_slice(bytes);
        Node::Plain(plain)
    }

    /// Number of elements.
    #[inline]
    pub fn count(&self) -> usize {
        match self {
            Node::Packed { count, .. } => *count as usize,
            Node::Plain(_) => 1,
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Node::Plain(_))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Node::Packed { pack, .. } => pack.heap_bytes(),
            Node::Plain(bytes) => bytes.heap_bytes(),
        }
    }

    pub(super) fn get(&self, offset: usize) -> Option<Element<'_>> {
        match self {
            Node::Packed { pack, .. } => pack.get(offset),
            Node::Plain(bytes) => (offset == 0).then(|| Element::Text(bytes)),
        }
    }

    #[inline]
    pub(super) fn first(&self) -> Option<Element<'_>> {
        match self {
            Node::Packed { pack, .. } => pack.first().map(|at| pack.at(at)),
            Node::Plain(bytes) => Some(Element::Text(bytes)),
        }
    }

    #[inline]
    pub(super) fn last(&self) -> Option<Element<'_>> {
        match self {
            Node::Packed { pack, .. } => pack.last().map(|at| pack.at(at)),
            Node::Plain(bytes) => Some(Element::Text(bytes)),
        }
    }

    // Changes of packed nodes; plain ones take no other element.

    #[inline]
    pub(super) fn push_back(&mut self, bytes: &[u8]) {
        if let Node::Packed { count, pack } = self {
            pack.push_back(bytes);
            *count += 1;
        }
    }

    #[inline]
    pub(super) fn push_front<'a>(&mut self, element: impl Into<Encoded<'a>>) {
        if let Node::Packed { count, pack } = self {
            pack.push_front(element);
            *count += 1;
        }
    }

    /// Takes what waited in front of it.
    #[cold]
    pub(super) fn take_waiting(&mut self, front: &mut Front) {
        if let Node::Packed { count, pack } = self {
            *count += front.len() as u32;
            front.move_into(pack);
        }
    }

    /// Removes the first element when `visit` has seen it.
    #[inline]
    pub(super) fn take_front<R>(&mut self, visit: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let Node::Packed { count, pack } = self else { return None };
        let seen = pack.take_front(visit)?;
        *count -= 1;
        Some(seen)
    }

    /// Removes the last element when `visit` has seen it.
    #[inline]
    pub(super) fn take_back<R>(&mut self, visit: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let Node::Packed { count, pack } = self else { return None };
        let seen = pack.take_back(visit)?;
        *count -= 1;
        Some(seen)
    }

    /// Inserts before the element at `offset`.
    pub(super) fn insert(&mut self, offset: usize, bytes: &[u8]) {
        if let Node::Packed { count, pack } = self {
            pack.splice(pack.seek(offset), 0, &[Encoded::from(bytes)]);
            *count += 1;
        }
    }

    /// Puts `bytes` in the place of the element at `offset`.
    pub(super) fn replace(&mut self, offset: usize, bytes: &[u8]) {
        if let Node::Packed { pack, .. } = self
            && let Some(at) = pack.seek(offset)
        {
            pack.replace(at, bytes);
        }
    }

    /// Removes `removed` elements from `offset` on; there must be so many.
    pub(super) fn remove_range(&mut self, offset: usize, removed: usize) {
        if let Node::Packed { count, pack } = self {
            pack.remove_range(offset, removed);
            *count -= removed as u32;
        }
    }

    /// Keeps the elements before `offset`, a node of the others is returned.
    pub(super) fn split_off(&mut self, offset: usize) -> Node {
        match self {
            Node::Packed { count, pack } => {
                let tail = Node::Packed { count: *count - offset as u32, pack: pack.split_off(offset) };
                *count = offset as u32;
                tail
            }
            Node::Plain(_) => Node::empty(),
        }
    }

    /// Takes the elements of another packed node behind its own.
    pub(super) fn append(&mut self, other: &Node) {
        if let (Node::Packed { count, pack }, Node::Packed { count: added, pack: other }) = (self, other) {
            pack.append(other);
            *count += added;
        }
    }

    /// Whether an element equals `needle`.
    pub(super) fn contains(&self, needle: &Encoded<'_>, bytes: &[u8]) -> bool {
        match self {
            Node::Packed { pack, .. } => pack.find(*needle, pack.first(), 0).is_some(),
            Node::Plain(plain) => **plain == *bytes,
        }
    }

    /// Removes up to `most` elements equal to `needle`, from the front or from the back; how many.
    pub(super) fn remove_equal(&mut self, needle: &Encoded<'_>, most: usize, backward: bool) -> usize {
        let Node::Packed { count, pack } = self else { return 0 };
        let removed = remove_equal(pack, needle, most, backward);
        *count -= removed as u32;
        removed
    }
}

/// Removes up to `most` elements equal to `needle`, from the front or from the back; how many.
pub fn remove_equal(pack: &mut ListPack, needle: &Encoded<'_>, most: usize, backward: bool) -> usize {
    let mut removed = 0;
    if backward {
        let mut at = pack.last();
        while let Some(position) = at.filter(|_| removed < most) {
            at = pack.prev(position);
            if pack.is_at(position, needle) {
                pack.remove(position);
                removed += 1;
            }
        }
        return removed;
    }
    let mut at = pack.find(*needle, pack.first(), 0);
    while let Some(position) = at.filter(|_| removed < most) {
        let next = pack.remove(position);
        removed += 1;
        at = pack.find(*needle, next, 0);
    }
    removed
}
