//! Segments: a run of buckets that covers one aligned slice of hash space.
//!
//! A segment of depth `d` covers a 2⁻ᵈ part of its table's hash space; its buckets share that part
//! equally (multiply-shift of the next 28 hash bits), so bucket `b` of `n` starts at a position:
//!
//! ```text
//!  hash    ┌────────────┬───────────┬──────────────────────────────┬──────────────────────────┐
//!          │ shard      │ segment   │ bucket = bits × n >> 28      │ …                        │
//!          │ skip bits  │ depth     │ 28 bits, 5 │ tag │           │ 12 bits at least         │
//!          └────────────┴───────────┴──────────────────────────────┴──────────────────────────┘
//!           ╰─── at most 24 bits ──╯
//! ```
//!
//! The *tag* is the eight of these bits behind the first five. A bucket of 32 or more covers 2²³ values of the bits or less,
//! so its number and the tag tell the first thirteen bits of an entry: enough to find its bucket in a segment of another size
//! without a look at the key, but for one in two hundred ([`Nearness`]). For a lookup they are as good as other bits at 32
//! buckets, and worth seven of them at 64.
//!
//! Because skip + depth ≤ 24, every boundary between buckets has its low twelve bits zero: a SCAN cursor
//! needs the upper 52 bits of a position only.
//!
//! Sizes. A table starts with one bucket and doubles up to 32; from there a segment grows by eight
//! buckets up to 64 and then splits in two. The arrays of 2048, 2560, 3072, 3584 and 4096 bytes are size
//! classes of jemalloc, so no byte is lost. It grows when it has 2 % more entries than slots in its buckets;
//! a higher threshold would save memory but send more lookups to a child (one more cache miss).
//!
//! A *re-seeded* segment (see `resize`) places its entries by SipHash instead. Order inside it means
//! nothing, so it is visited as a whole, and it may have more than 64 buckets.

#![allow(unsafe_code)] // Owns arrays of buckets by raw pointer, because directory entries copy that pointer.

use super::HashSeed;
use super::bucket::{Bucket, SLOTS};
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::num::NonZeroU32;
use std::ptr::NonNull;

/// Most bits of the hash that shard number and depth may use together.
pub(super) const MAX_PREFIX_BITS: u32 = 24;
/// Bits that select the bucket in a segment.
const BUCKET_BITS: u32 = 28;
/// Of these, those behind the tag.
const FINE_BITS: u32 = 15;
/// Buckets of a segment that has just split, and of one that splits next.
pub(super) const SMALL: usize = 32;
pub(super) const LARGE: usize = 64;
const STEP: usize = 8;
/// Most buckets of a re-seeded segment.
pub(super) const MAX_BUCKETS: usize = 1 << 24;
/// Entries per thousand slots at which a segment grows (chains add to the slots).
const FULL_PERMILLE: usize = 1020;

/// Buckets, depth and kind of a segment in four bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape(u32);

impl Shape {
    /// `buckets` in 1..=2²⁴, `depth` ≤ 24.
    pub(super) fn new(buckets: usize, depth: u32, reseeded: bool) -> Self {
        debug_assert!((1..=MAX_BUCKETS).contains(&buckets) && depth <= MAX_PREFIX_BITS);
        Self((buckets - 1) as u32 | depth << 24 | u32::from(reseeded) << 31)
    }

    #[inline]
    pub(super) fn buckets(self) -> usize {
        (self.0 & 0xff_ffff) as usize + 1
    }

    #[inline]
    pub(super) fn depth(self) -> u32 {
        self.0 >> 24 & 0x1f
    }

    #[inline]
    pub(super) fn is_reseeded(self) -> bool {
        self.0 >> 31 != 0
    }

    /// The bucket of a position, given relative to the table (shard bits shifted out).
    #[inline]
    pub(super) fn bucket_at(self, relative: u64) -> usize {
        self.bucket_of(self.bits_of(relative))
    }

    /// Bucket and tag of a position, as above, if the segment is not re-seeded.
    #[inline]
    pub(super) fn place_at(self, relative: u64) -> (usize, u8) {
        let bits = self.bits_of(relative);
        (self.bucket_of(bits), (bits >> FINE_BITS) as u8)
    }

    /// What selects the bucket.
    #[inline]
    fn bits_of(self, relative: u64) -> u64 {
        (relative << self.depth()) >> (64 - BUCKET_BITS)
    }

    #[inline]
    fn bucket_of(self, bits: u64) -> usize {
        ((bits * self.buckets() as u64) >> BUCKET_BITS) as usize
    }

    /// Where bucket `b` starts, relative to the table, for a segment that starts at `start`. One past the
    /// last bucket gives the segment's end, which may be 2⁶⁴.
    pub(super) fn boundary(self, start: u64, b: usize) -> u128 {
        let buckets = self.buckets() as u64;
        let bits = ((b as u64) << BUCKET_BITS).div_ceil(buckets);
        u128::from(start) + (u128::from(bits) << (64 - BUCKET_BITS - self.depth()))
    }

    /// Bucket and tag of a key. `relative` is the key's hash under `seed` without shard bits.
    #[inline]
    pub(super) fn locate(self, seed: &HashSeed, relative: u64, key: &[u8]) -> (usize, u8) {
        if self.is_reseeded() {
            let sip = seed.sip(key);
            return (self.bucket_of(sip >> (64 - BUCKET_BITS)), sip as u8);
        }
        self.place_at(relative)
    }

    /// Deadline minima that such a segment keeps: one a bucket, or one for all.
    pub(super) fn minima(self) -> usize {
        if self.is_reseeded() { 1 } else { self.buckets() }
    }
}

/// Where entries of a segment belong when it gets another size, as far as bucket and tag say; the depth is the same.
#[derive(Clone, Copy)]
pub(super) struct Nearness {
    /// How many 2⁻¹³ of the segment a bucket covers, as a number with 32 binary places.
    reach: u64,
    /// Buckets of the new size.
    buckets: u64,
}

impl Nearness {
    /// `None` if they don't say enough.
    pub(super) fn new(from: Shape, to: Shape) -> Option<Nearness> {
        debug_assert_eq!(from.depth(), to.depth());
        let tells = from.buckets() >= SMALL && !from.is_reseeded() && !to.is_reseeded();
        let reach = (1 << (BUCKET_BITS - FINE_BITS + 32)) / from.buckets() as u64;
        tells.then_some(Nearness { reach, buckets: to.buckets() as u64 })
    }

    /// The new bucket of an entry with this tag in this bucket; `None` when a boundary between two is too near.
    #[inline]
    pub(super) fn bucket(self, bucket: usize, tag: u8) -> Option<usize> {
        const ONE: u64 = 1 << BUCKET_BITS;
        // The first of the 2⁻¹³ that the bucket reaches into, or one below. It reaches into 256 at most where these begin
        // where it begins, and into 207 otherwise, so one of them has this tag. Nothing wraps but what is meant to.
        let first = (bucket as u64).wrapping_mul(self.reach) >> 32;
        let part = first.wrapping_add(u64::from(tag.wrapping_sub(first as u8)));
        // All of that part must belong into the same bucket.
        let start = (part << FINE_BITS).wrapping_mul(self.buckets);
        let width = self.buckets << FINE_BITS;
        (start % ONE <= ONE.wrapping_sub(width)).then_some((start >> BUCKET_BITS) as usize)
    }
}

/// Entries at which a segment with so many buckets must grow.
#[inline]
pub(super) fn full_at(buckets: usize) -> usize {
    (buckets * SLOTS * FULL_PERMILLE / 1000).max(1)
}

/// The size a segment grows to. Beyond 64 only re-seeded segments grow.
pub(super) fn next_size(buckets: usize) -> usize {
    match buckets {
        ..SMALL => buckets * 2,
        SMALL..LARGE => buckets + STEP,
        _ => (buckets + buckets / 2).next_multiple_of(STEP).min(MAX_BUCKETS),
    }
}

/// The size a segment shrinks to; itself when there is none.
pub(super) fn previous_size(buckets: usize, depth: u32) -> usize {
    match buckets {
        ..=SMALL if depth > 0 => buckets,
        ..=SMALL => (buckets / 2).max(1),
        _ if buckets <= LARGE => buckets - STEP,
        _ => (buckets * 2 / 3).next_multiple_of(STEP).max(LARGE),
    }
}

/// The smallest size that takes `len` entries and a few more.
pub(super) fn size_for(len: usize, depth: u32) -> usize {
    let mut buckets = if depth > 0 { SMALL } else { 1 };
    while buckets < MAX_BUCKETS && full_at(buckets) < len + len / 64 + 1 {
        buckets = next_size(buckets);
    }
    buckets
}

/// What the directory knows of a segment: enough to reach a bucket. Every directory entry of the segment
/// holds the same copy.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) buckets: NonNull<Bucket>,
    pub(super) id: SegmentId,
    pub(super) shape: Shape,
}

const _: () = assert!(size_of::<Route>() == 16);

/// Number of a segment's record, from 0 on. Kept as one more, so that a directory's slot has a value to spare.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct SegmentId(NonZeroU32);

impl SegmentId {
    /// # Panics
    /// If `index` is 2³² - 1: 2²⁴ segments are the most there can be.
    #[inline]
    pub(super) fn new(index: u32) -> Self {
        match NonZeroU32::new(index.wrapping_add(1)) {
            Some(id) => Self(id),
            None => panic!("segment numbers end before 2^32 - 1"),
        }
    }

    #[inline]
    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl Route {
    /// The address of bucket `index < shape.buckets()`.
    #[inline]
    pub(super) fn bucket(&self, index: usize) -> NonNull<Bucket> {
        debug_assert!(index < self.shape.buckets());
        // SAFETY: the array has `shape.buckets()` elements, and every caller derives `index` from it.
        unsafe { self.buckets.add(index) }
    }

    pub(super) fn all_buckets(self) -> impl Iterator<Item = NonNull<Bucket>> {
        (0..self.shape.buckets()).map(move |index| self.bucket(index))
    }
}

/// What only insertion, removal and resizing need.
pub(super) struct Segment {
    pub(super) route: Route,
    /// The first `depth` bits of the hashes in here, as a number.
    pub(super) prefix: u32,
    pub(super) len: u32,
    /// A lower bound of the earliest deadline in each bucket; only while some entry has one.
    pub(super) minima: Option<Box<[u64]>>,
    /// The minimum of `minima`, `u64::MAX` without.
    pub(super) due: u64,
    /// The table's epoch when these buckets were made; frozen copies from later epochs hold them too.
    pub(super) born: u32,
    /// The last watch that has seen all of these entries; see `watch`.
    pub(super) shown: u32,
}

fn array_layout(buckets: usize) -> Layout {
    // At most 2²⁴ buckets of 64 bytes: always a valid layout.
    Layout::array::<Bucket>(buckets).unwrap_or(Layout::new::<Bucket>())
}

/// Allocates empty buckets.
pub(super) fn new_buckets(buckets: usize, bytes: &mut usize) -> NonNull<Bucket> {
    let layout = array_layout(buckets);
    // SAFETY: the size is 64 at least, and zero bytes are the empty bucket.
    let Some(array) = NonNull::new(unsafe { alloc_zeroed(layout) }) else { handle_alloc_error(layout) };
    *bytes += layout.size();
    array.cast()
}

/// Frees an array made by [`new_buckets`] with this size, whose chains are dismantled.
pub(super) unsafe fn free_buckets(array: NonNull<Bucket>, buckets: usize, bytes: &mut usize) {
    let layout = array_layout(buckets);
    *bytes -= layout.size();
    // SAFETY: the caller's promise.
    unsafe { dealloc(array.as_ptr().cast(), layout) };
}
