//! Buckets: one cache line of seven entries, and the chain behind a full one.
//!
//! ```text
//!  byte 0         7   8        16        24        32        40        48        56        64
//!      ┌───────────┬─────────┬─────────┬─────────┬─────────┬─────────┬─────────┬─────────┐
//!      │tags 0..7│m│ entry 0 │ entry 1 │ entry 2 │ entry 3 │ entry 4 │ entry 5 │ entry 6 │
//!      └───────────┴─────────┴─────────┴─────────┴─────────┴─────────┴─────────┴─────────┘
//!       m: count (3 bits) | chained (1 bit)                    chained: child ┘  room in its low 3 bits
//! ```
//!
//! The first eight bytes are read as one word: seven one-byte tags (some bits of each entry's hash) below
//! one byte with the number of entries and the chained flag. Comparing all tags with the wanted one
//! takes five instructions; a wrong candidate (1 in 128 to 256 per entry) costs one look at its key.
//!
//! When an eighth entry arrives, the last slot becomes a pointer to a *child*: the same word, and exactly as
//! many slots as the child has entries. A child is at least 8-aligned, so the low three bits of the pointer say
//! how many slots that is. At the fill this table runs at, a third of the buckets are chained, most with two
//! or three entries behind them. Measured over growth phases, children of a whole cache line would make it 14
//! bytes per entry, children with slots in steps of two 12.0, exact ones 11.8; reallocating a child of 24 to
//! 64 bytes for each entry is cheap.
//!
//! Invariants of a chain:
//! - Entries are dense: a node with count `n` uses slots `0..n`. Only the last node may have free slots;
//!   chained nodes hold six entries and the link. So the entry with number `k` is found without search.
//! - A child holds at least two entries: with one it would fold back into its parent.
//! - Only the last node may have less room than seven; a child at the end has no free slot.
//!
//! Entries are stored as raw pointers; `table` gives them their type. Functions are `unsafe` because a
//! [`Node`] is a plain address: the caller keeps the bucket alive and holds the table exclusively where
//! the function writes.

#![allow(unsafe_code)] // Nodes of variable size, linked by tagged pointers: no safe type expresses them.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Slots of a full node.
pub(super) const SLOTS: usize = 7;
/// Entries of a node whose last slot is the link.
const LINKED: usize = SLOTS - 1;

/// Entries of a chain with so many children.
pub(super) const fn room_of(children: usize) -> usize {
    SLOTS + children * LINKED
}

const LOW_BITS: u64 = 0x0001_0101_0101_0101;
const HIGH_BITS: u64 = LOW_BITS << 7;
const COUNT_SHIFT: u32 = 56;
const COUNT_ONE: u64 = 1 << COUNT_SHIFT;
const CHAINED: u64 = 1 << 63;

/// The first node of a chain. All zero bytes is the empty bucket.
#[repr(C, align(64))]
pub(super) struct Bucket {
    word: u64,
    slots: [*mut u8; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64 && size_of::<*mut u8>() == 8);

fn child_layout(room: usize) -> Layout {
    // 24 to 64 bytes at alignment 8 is always a valid layout.
    Layout::from_size_align(8 + 8 * room, 8).unwrap_or(Layout::new::<Bucket>())
}

/// Bytes of a child with `room` slots.
const fn child_bytes(room: usize) -> usize {
    8 + 8 * room
}

/// A bucket or a child: where its word is, and how many slots follow.
#[derive(Clone, Copy)]
pub(super) struct Node {
    word: NonNull<u64>,
    room: usize,
}

/// An entry on its way: its tag, and the number of its bucket in a segment.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    pub(super) entry: *mut u8,
    pub(super) bucket: u32,
    pub(super) tag: u8,
}

impl Placed {
    #[inline]
    pub(super) fn new(entry: *mut u8, (bucket, tag): (usize, u8)) -> Placed {
        Placed { entry, bucket: bucket as u32, tag }
    }
}

/// Where an entry's pointer lies. Good until the next insertion into, or removal from, its bucket.
pub(super) type Place = NonNull<*mut u8>;

/// The bucket's chain would grow beyond the bound; nothing was changed.
pub(super) struct ChainTooLong;

/// Marks the lanes of `word` below its count that hold `tag`: bit 7 of each byte. Lanes above a real match
/// may be marked too (the borrow of the subtraction); comparing keys weeds them out.
#[inline]
fn matches(word: u64, tag: u8) -> u64 {
    let differences = word ^ (LOW_BITS * u64::from(tag));
    let zero_lanes = differences.wrapping_sub(LOW_BITS) & !differences & HIGH_BITS;
    zero_lanes & !(u64::MAX << (8 * count(word)))
}

#[inline]
fn count(word: u64) -> usize {
    (word >> COUNT_SHIFT) as usize & SLOTS
}

impl Node {
    #[inline]
    pub(super) fn of(bucket: NonNull<Bucket>) -> Self {
        Self { word: bucket.cast(), room: SLOTS }
    }

    #[inline]
    unsafe fn word(self) -> u64 {
        // SAFETY: the node is alive (the caller's promise) and starts with its word.
        unsafe { self.word.read() }
    }

    #[inline]
    unsafe fn set_word(self, word: u64) {
        // SAFETY: as in `word`, and the caller has the table exclusively.
        unsafe { self.word.write(word) }
    }

    #[inline]
    unsafe fn place(self, index: usize) -> Place {
        debug_assert!(index < self.room);
        // SAFETY: slots follow the word, and `index < room`.
        unsafe { self.word.add(1 + index).cast() }
    }

    #[inline]
    unsafe fn slot(self, index: usize) -> *mut *mut u8 {
        // SAFETY: as in `place`.
        unsafe { self.place(index).as_ptr() }
    }

    /// The number of the slot, if it is one of this node.
    #[inline]
    fn index_of(self, place: Place) -> Option<usize> {
        let before = place.addr().get().checked_sub(self.word.addr().get() + size_of::<u64>())?;
        Some(before / size_of::<*mut u8>()).filter(|&index| index < self.room)
    }

    /// The child of a chained node.
    #[inline]
    unsafe fn child(self) -> Node {
        // SAFETY: a chained node has room seven and its last slot is a link.
        let link = unsafe { *self.slot(LINKED) };
        let room = link.addr() & SLOTS;
        // SAFETY: `link` was made by `link_to` from a non-null, 8-aligned pointer.
        Node { word: unsafe { NonNull::new_unchecked(link.map_addr(|a| a & !SLOTS).cast()) }, room }
    }

    unsafe fn link_to(self, child: Node) {
        // SAFETY: the caller has exclusive access to this node, whose room is seven.
        unsafe { *self.slot(LINKED) = child.word.as_ptr().cast::<u8>().map_addr(|a| a | child.room) };
    }

    fn new_child(room: usize, bytes: &mut usize) -> Node {
        let layout = child_layout(room);
        // SAFETY: the size is 24 at least.
        let Some(word) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        *bytes += child_bytes(room);
        Node { word: word.cast(), room }
    }

    unsafe fn free_child(self, bytes: &mut usize) {
        *bytes -= child_bytes(self.room);
        // SAFETY: made by `new_child` with the same room; the caller unlinks it.
        unsafe { dealloc(self.word.as_ptr().cast(), child_layout(self.room)) };
    }

    /// Moves a child to an allocation with `room` slots and links `parent` to it.
    unsafe fn refit(self, parent: Node, room: usize, bytes: &mut usize) -> Node {
        let fitted = Node::new_child(room, bytes);
        let words = 1 + self.room.min(room);
        // SAFETY: both nodes have at least that many words and are distinct allocations.
        unsafe {
            std::ptr::copy_nonoverlapping(self.word.as_ptr(), fitted.word.as_ptr(), words);
            parent.link_to(fitted);
            self.free_child(bytes);
        }
        fitted
    }

    /// Appends to a node with a free slot.
    unsafe fn append(self, tag: u8, entry: *mut u8) -> Place {
        // SAFETY: the caller promises exclusive access and a free slot.
        unsafe {
            let word = self.word();
            let index = count(word);
            *self.slot(index) = entry;
            self.set_word(with_tag(word, index, tag) + COUNT_ONE);
            self.place(index)
        }
    }
}

#[inline]
fn with_tag(word: u64, index: usize, tag: u8) -> u64 {
    let shift = 8 * index;
    word & !(0xff << shift) | u64::from(tag) << shift
}

#[inline]
fn tag_at(word: u64, index: usize) -> u8 {
    (word >> (8 * index)) as u8
}

/// The entry with this tag that `is_wanted` recognises. One pass over the chain.
#[inline(always)] // Into the two places that look keys up.
pub(super) unsafe fn find(
    bucket: NonNull<Bucket>,
    tag: u8,
    mut is_wanted: impl FnMut(*mut *mut u8) -> bool,
) -> Option<Place> {
    let mut node = Node::of(bucket);
    loop {
        // SAFETY: the caller keeps the chain alive; lanes below the count are initialised slots.
        unsafe {
            let word = node.word();
            let mut hits = matches(word, tag);
            while hits != 0 {
                let index = hits.trailing_zeros() as usize / 8;
                if is_wanted(node.slot(index)) {
                    return Some(node.place(index));
                }
                hits &= hits - 1;
            }
            if word & CHAINED == 0 {
                return None;
            }
            node = node.child();
        }
    }
}

/// Hints that the entries with this tag in the first node, or the first child, will be read soon; whether there are any.
#[inline]
pub(super) unsafe fn prefetch_entries(bucket: NonNull<Bucket>, tag: u8) -> bool {
    let node = Node::of(bucket);
    // SAFETY: the caller keeps the chain alive.
    unsafe {
        let word = node.word();
        let mut hits = matches(word, tag);
        if hits == 0 && word & CHAINED != 0 {
            crate::ds::prefetch::read(node.child().word.as_ptr());
        }
        let is_there = hits != 0;
        while hits != 0 {
            crate::ds::prefetch::read(*node.slot(hits.trailing_zeros() as usize / 8));
            hits &= hits - 1;
        }
        is_there
    }
}

/// Hints that all entries of the chain will be read soon.
#[inline]
pub(super) unsafe fn prefetch_all(bucket: NonNull<Bucket>) {
    let mut node = Node::of(bucket);
    loop {
        // SAFETY: the caller keeps the chain alive; a chained node has a child and slots up to the link.
        unsafe {
            let word = node.word();
            (0..count(word)).for_each(|index| crate::ds::prefetch::read(*node.slot(index)));
            if word & CHAINED == 0 {
                return;
            }
            node = node.child();
        }
    }
}

/// Hints that the first child, if there is one, will be read soon.
pub(super) unsafe fn prefetch_child(bucket: NonNull<Bucket>) {
    let node = Node::of(bucket);
    // SAFETY: the caller keeps the chain alive; a chained node has a child.
    unsafe {
        if node.word() & CHAINED != 0 {
            crate::ds::prefetch::read(node.child().word.as_ptr());
        }
    }
}

/// The place of entry number `k` of the chain; `None` behind the last.
#[inline]
pub(super) unsafe fn nth(bucket: NonNull<Bucket>, mut k: usize) -> Option<Place> {
    let mut node = Node::of(bucket);
    loop {
        // SAFETY: the caller keeps the chain alive.
        let word = unsafe { node.word() };
        if k < count(word) {
            // SAFETY: below the count.
            return Some(unsafe { node.place(k) });
        }
        if word & CHAINED == 0 {
            return None;
        }
        k -= LINKED;
        // SAFETY: the node is chained.
        node = unsafe { node.child() };
    }
}

/// Entries in the whole chain.
pub(super) unsafe fn len(bucket: NonNull<Bucket>) -> usize {
    let mut node = Node::of(bucket);
    let mut entries = 0;
    loop {
        // SAFETY: the caller keeps the chain alive, and `child` is asked only of chained nodes.
        unsafe {
            let word = node.word();
            entries += count(word);
            if word & CHAINED == 0 {
                return entries;
            }
            node = node.child();
        }
    }
}

/// Adds an entry at the end of the chain. `bytes` counts the memory of children. Refuses to start child
/// number `max_children + 1`.
pub(super) unsafe fn push(
    bucket: NonNull<Bucket>,
    tag: u8,
    entry: *mut u8,
    max_children: usize,
    bytes: &mut usize,
) -> Result<Place, ChainTooLong> {
    let (mut parent, mut node, mut children) = (None, Node::of(bucket), 0);
    // SAFETY: the caller keeps the chain alive and has exclusive access; `child` is asked only of chained
    // nodes; `append` only where a slot is free.
    unsafe {
        while node.word() & CHAINED != 0 {
            parent = Some(node);
            node = node.child();
            children += 1;
        }
        if count(node.word()) < SLOTS {
            let node = match parent {
                Some(parent) => node.refit(parent, node.room + 1, bytes),
                None => node,
            };
            return Ok(node.append(tag, entry));
        }
        if children >= max_children {
            return Err(ChainTooLong);
        }
        let child = Node::new_child(2, bytes);
        child.set_word(0);
        let word = node.word();
        child.append(tag_at(word, LINKED), *node.slot(LINKED));
        node.link_to(child);
        node.set_word((word - COUNT_ONE) | CHAINED);
        Ok(child.append(tag, entry))
    }
}

/// Puts entries into an empty bucket and the chain that they need.
#[inline]
pub(super) unsafe fn fill(bucket: NonNull<Bucket>, mut entries: &[Placed], bytes: &mut usize) {
    let mut node = Node::of(bucket);
    // SAFETY: the caller has exclusive access; a node gets no more than it has room for: the bucket, and a child that more are
    // to follow, have seven slots, the last child as many as are left.
    unsafe {
        loop {
            let here = if entries.len() > SLOTS { LINKED } else { entries.len() };
            let (own, others) = entries.split_at(here);
            let mut word = here as u64 * COUNT_ONE;
            for (index, &Placed { entry, tag, .. }) in own.iter().enumerate() {
                *node.slot(index) = entry;
                word |= u64::from(tag) << (8 * index);
            }
            if others.is_empty() {
                return node.set_word(word);
            }
            let child = Node::new_child(others.len().min(SLOTS), bytes);
            node.link_to(child);
            node.set_word(word | CHAINED);
            (node, entries) = (child, others);
        }
    }
}

/// Takes an entry out; the last entry of the chain fills the hole.
pub(super) unsafe fn remove(bucket: NonNull<Bucket>, place: Place, bytes: &mut usize) -> *mut u8 {
    let (mut parent, mut tail) = (None, Node::of(bucket));
    let mut hole = tail.index_of(place).map(|index| (tail, index));
    // SAFETY: as in `push`; `place` is current, so its slot is initialised.
    unsafe {
        while tail.word() & CHAINED != 0 {
            parent = Some(tail);
            tail = tail.child();
            hole = hole.or_else(|| tail.index_of(place).map(|index| (tail, index)));
        }
        let word = tail.word();
        let last = count(word) - 1;
        let entry = place.read();
        place.write(*tail.slot(last));
        if let Some((node, index)) = hole {
            node.set_word(with_tag(node.word(), index, tag_at(word, last)));
        }
        tail.set_word(tail.word() - COUNT_ONE);
        if let Some(parent) = parent {
            if last == 1 {
                let (survivor, tag) = (*tail.slot(0), tag_at(tail.word(), 0));
                *parent.slot(LINKED) = survivor;
                parent.set_word((with_tag(parent.word(), LINKED, tag) & !CHAINED) + COUNT_ONE);
                tail.free_child(bytes);
            } else {
                tail.refit(parent, last, bytes);
            }
        }
        entry
    }
}

/// Calls `visit` with every entry and frees the children. The bucket itself is left in its old state and
/// must not be used again.
pub(super) unsafe fn dismantle(
    bucket: NonNull<Bucket>,
    mut visit: impl FnMut(*mut u8, u8),
    bytes: &mut usize,
) {
    let mut node = Node::of(bucket);
    let mut is_child = false;
    loop {
        // SAFETY: the caller gives the chain up; each node is freed after its last use.
        unsafe {
            let word = node.word();
            for index in 0..count(word) {
                visit(*node.slot(index), tag_at(word, index));
            }
            let next = (word & CHAINED != 0).then(|| node.child());
            if is_child {
                node.free_child(bytes);
            }
            match next {
                Some(child) => node = child,
                None => return,
            }
            is_child = true;
        }
    }
}
