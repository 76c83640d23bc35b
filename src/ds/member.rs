//! One member of a big sorted set: its bytes and its score, never changed, shared by index and tree.
//!
//! ```text
//!  ┌──────┬───────┬─────┬───────┐
//!  │ refs │ score │ len │ bytes │      14 bytes: 27, allocated as 32
//!  └──────┴───────┴─────┴───────┘
//!   0      4       12    13/17          a length from 255 on: ff and four bytes
//! ```
//!
//! The hash index finds a member by its bytes ([`Slot`]), the tree keeps members by score and then bytes ([`Item`]).
//! Both hold a reference; a changed score makes a new member. Branches of the tree hold the score beside a reference
//! to the member ([`Fence`]), so a descent reads members only where scores are equal.
//!
//! Invariants: everything but the count stays as it was made; the allocation is `size_class` bytes of header and
//! bytes, at alignment 8; the score is not NaN.

#![allow(unsafe_code)] // Header and bytes in one allocation behind one pointer: no safe type is this small.

use crate::alloc::size_class;
use crate::ds::table::Slot;
use crate::ds::tree::{Item, Probe};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cmp::Ordering;
use std::ptr::NonNull;
use std::sync::atomic::{self, AtomicU32, fence};

const SCORE_AT: usize = 4;
const LEN_AT: usize = 12;
const SHORT_AT: usize = 13;
const LONG_AT: usize = 17;
/// Stands for "the length follows".
const LONG: u8 = 255;

/// See the module's head.
#[repr(transparent)]
pub struct Member {
    start: NonNull<u8>,
}

// SAFETY: like an `Arc` of bytes: nothing but the atomic count changes, and the last owner frees it.
unsafe impl Send for Member {}
// SAFETY: as above.
unsafe impl Sync for Member {}

// SAFETY: transparent over a non-null pointer to the header, from which the key is read; a member never changes.
unsafe impl Slot for Member {
    #[inline]
    fn key(&self) -> &[u8] {
        self.bytes()
    }

    fn deadline(&self) -> Option<u64> {
        None
    }
}

impl Member {
    /// A member with one owner.
    ///
    /// # Panics
    /// If `bytes` has 4 GB or more (an argument of Redis ends at 512 MB).
    pub fn new(bytes: &[u8], score: f64) -> Member {
        debug_assert!(!score.is_nan());
        let layout = layout(bytes.len());
        // SAFETY: the size is 16 at least.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        let at = bytes_at(bytes.len());
        // SAFETY: header and bytes lie inside the fresh allocation, whose start is aligned to 8.
        unsafe {
            start.cast::<AtomicU32>().write(AtomicU32::new(1));
            start.add(SCORE_AT).cast::<f64>().write_unaligned(score);
            if at == SHORT_AT {
                start.add(LEN_AT).write(bytes.len() as u8);
            } else {
                start.add(LEN_AT).write(LONG);
                start.add(LEN_AT + 1).cast::<u32>().write_unaligned(bytes.len() as u32);
            }
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.add(at).as_ptr(), bytes.len());
        }
        Member { start }
    }

    /// The score.
    #[inline]
    pub fn score(&self) -> f64 {
        // SAFETY: written by `new`.
        unsafe { self.start.add(SCORE_AT).cast::<f64>().read_unaligned() }
    }

    /// The bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let len = self.len();
        // SAFETY: `len` bytes were written there by `new` and never change.
        unsafe { std::slice::from_raw_parts(self.start.add(bytes_at(len)).as_ptr(), len) }
    }

    #[inline]
    fn len(&self) -> usize {
        // SAFETY: written by `new`.
        unsafe {
            match self.start.add(LEN_AT).read() {
                LONG => self.start.add(LEN_AT + 1).cast::<u32>().read_unaligned() as usize,
                len => usize::from(len),
            }
        }
    }

    /// Whether both are the same member in memory.
    #[inline]
    pub fn is_same(&self, other: &Member) -> bool {
        self.start == other.start
    }

    /// Hints that the member will be read soon.
    #[inline]
    pub fn prefetch(&self) {
        crate::ds::prefetch::read(self.start.as_ptr());
    }

    /// Bytes of the allocation.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        let len = self.len();
        size_class(bytes_at(len) + len)
    }

    /// The order of a sorted set: by score, then by bytes.
    #[inline]
    pub fn order(&self, other: &Member) -> Ordering {
        order(self.score(), other.score()).then_with(|| self.bytes().cmp(other.bytes()))
    }

    fn refs(&self) -> &AtomicU32 {
        // SAFETY: the count starts the allocation, which is aligned to 8.
        unsafe { self.start.cast().as_ref() }
    }
}

/// The order of two scores, neither of which is NaN; zeros are equal whatever their sign.
#[inline]
pub fn order(one: f64, other: f64) -> Ordering {
    one.partial_cmp(&other).unwrap_or(Ordering::Equal)
}

const fn bytes_at(len: usize) -> usize {
    if len < LONG as usize { SHORT_AT } else { LONG_AT }
}

fn layout(len: usize) -> Layout {
    assert!(u32::try_from(len).is_ok(), "a member is shorter than 4 GB");
    // A length below 2³² and a header can't overflow.
    Layout::from_size_align(size_class(bytes_at(len) + len), 8).unwrap_or(Layout::new::<u64>())
}

impl Clone for Member {
    /// One more reference.
    #[inline]
    fn clone(&self) -> Self {
        // Relaxed: this owner already keeps the member alive.
        if self.refs().fetch_add(1, atomic::Ordering::Relaxed) > u32::MAX / 2 {
            // Two billion owners: a wrapped count would free what is used.
            std::process::abort();
        }
        Member { start: self.start }
    }
}

impl Drop for Member {
    #[inline]
    fn drop(&mut self) {
        // Release: the reads of this owner happen before the memory is freed.
        if self.refs().fetch_sub(1, atomic::Ordering::Release) == 1 {
            fence(atomic::Ordering::Acquire);
            // SAFETY: the last owner; allocated with this layout.
            unsafe { dealloc(self.start.as_ptr(), layout(self.len())) };
        }
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.bytes().escape_ascii().to_string(), self.score())
    }
}

/// What a branch of the tree says about its first member.
#[derive(Clone)]
pub struct Fence {
    score: f64,
    member: Member,
}

impl Fence {
    /// The bytes of the member.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.member.bytes()
    }
}

impl Item for Member {
    type Key = Fence;

    const IS_UNIT: bool = true;

    #[inline]
    fn key(&self) -> Fence {
        Fence { score: self.score(), member: self.clone() }
    }

    #[inline]
    fn weight(&self) -> u64 {
        1
    }

    #[inline]
    fn prefetch(&self) {
        Member::prefetch(self);
    }
}

/// Looks for a score and bytes.
#[derive(Clone, Copy)]
pub struct At<'b>(pub f64, pub &'b [u8]);

impl Probe<Member> for At<'_> {
    #[inline]
    fn key(&mut self, key: &Fence) -> Ordering {
        order(key.score, self.0).then_with(|| key.member.bytes().cmp(self.1))
    }

    #[inline]
    fn is_above(&mut self, key: &Fence) -> bool {
        // One comparison, mostly.
        key.score > self.0 || (key.score == self.0 && key.member.bytes() > self.1)
    }

    #[inline]
    fn item(&mut self, item: &Member) -> Ordering {
        order(item.score(), self.0).then_with(|| item.bytes().cmp(self.1))
    }
}

/// Looks for a score.
#[derive(Clone, Copy)]
pub struct AtScore(pub f64);

impl Probe<Member> for AtScore {
    #[inline]
    fn key(&mut self, key: &Fence) -> Ordering {
        order(key.score, self.0)
    }

    #[inline]
    fn item(&mut self, item: &Member) -> Ordering {
        order(item.score(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ds::tree::Tree;

    #[test]
    fn a_member_keeps_bytes_and_score_of_any_length() {
        for len in [0, 1, 14, 19, 20, 254, 255, 256, 70_000] {
            let bytes = vec![b'm'; len];
            let member = Member::new(&bytes, -1.5);
            let other = member.clone();
            drop(member);
            assert_eq!((other.bytes(), other.score()), (&bytes[..], -1.5));
        }
        assert_eq!(Member::new(&[0; 14], 1.0).heap_bytes(), 32);
        assert_eq!(Member::new(&[0; 19], 1.0).heap_bytes(), 32);
        assert_eq!(size_of::<Option<Member>>(), 8);
    }

    #[test]
    fn a_tree_orders_members_by_score_and_bytes() {
        let mut tree = Tree::new();
        for n in 0..10_000_u32 {
            let bytes = (n * 7919 % 10_000).to_string();
            let score = f64::from(n % 5);
            tree.insert(At(score, bytes.as_bytes()), Member::new(bytes.as_bytes(), score));
        }
        assert!(tree.iter().zip(tree.iter().skip(1)).all(|(a, b)| a.order(b) == Ordering::Less));
        for (rank, member) in tree.iter().enumerate() {
            let cursor = tree.locate(At(member.score(), member.bytes()), |m| m.is_same(member));
            assert_eq!(cursor.map(|cursor| tree.rank(&cursor)), Some(rank as u64));
            let found = tree.locate_rank(At(member.score(), member.bytes()), |m| m.is_same(member));
            assert_eq!(found, Some(rank as u64));
        }
        let (from, to) = (tree.lower_bound(AtScore(2.0)), tree.upper_bound(AtScore(2.0)));
        assert_eq!((tree.rank(&from), tree.rank(&to)), (4000, 6000));
        assert!(order(-0.0, 0.0).is_eq());
    }
}
