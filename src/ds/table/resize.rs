//! Growing, splitting, re-seeding, shrinking and merging segments.
//!
//! Every step takes the entries of one segment (or two buddies) out, allocates the new arrays and puts
//! the entries back in. A segment holds at most 456 entries. From 32 buckets on, another size needs no look at the entries
//! themselves, because bucket and tag tell where they belong ([`Nearness`]); a split does, so it takes 20 to 50 µs where
//! memory is slow, most of it waiting for them. The directory grows in small nodes too, so no step depends on the size of
//! the table.
//!
//! ```text
//!  1 → 2 → 4 → 8 → 16 → 32 → 40 → 48 → 56 → 64 → two of 32        full: the next size
//!                        └───────── merge ────────┘                ¾ of the next smaller size: that one
//! ```
//!
//! *Hysteresis*: a step back is taken at three quarters of the load that the step forward needs, buddies
//! merge when they hold less than two thirds of what would split them; so no sequence of single
//! insertions and deletions resizes all the time.
//!
//! *Re-seeding*. Buckets follow a Poisson distribution: with 7.1 entries on average, one with more than
//! `7 + 5 × 6` has a probability below 10⁻¹⁵. So a sixth child is taken for an attack, and the segment is
//! rebuilt with SipHash. It can't be split when its entries agree in the next hash bit too (less than an
//! eighth would go to one half); then it gets more buckets instead, at 1.5 times a step so that the cost per
//! entry stays constant. Splits, merges and shrinking try the ordinary placement first, so a segment
//! returns to normal when the colliding keys are gone or divided.

#![allow(unsafe_code)] // Entries change places as raw pointers.

use super::bucket::{self, ChainTooLong, Placed};
use super::segment::{
    self, LARGE, MAX_BUCKETS, MAX_PREFIX_BITS, Nearness, Route, SMALL, Segment, SegmentId, Shape, full_at,
    next_size, previous_size, size_for,
};
use super::{HashSeed, Slot, Table};
use smallvec::{SmallVec, smallvec};
use std::mem::ManuallyDrop;

/// Children that a chain of an ordinary segment may have.
const MAX_CHILDREN: usize = 5;
/// Buddies merge below this many entries together.
const MERGE_BELOW: usize = 300;
/// Entries that are asked for before the first of them is looked at.
const ENTRIES_AHEAD: usize = 32;

/// An entry that has been taken out of its bucket, and its hash.
#[derive(Clone, Copy)]
pub(super) struct Loose {
    entry: *mut u8,
    hash: u64,
}

/// Reads an entry in a slot without owning it.
///
/// # Safety
/// `entry` was stored as an `S` and outlives the result.
unsafe fn peek<S: Slot>(entry: &*mut u8) -> &S {
    // SAFETY: an `S` is transparent over the pointer (contract of `Slot`).
    unsafe { &*std::ptr::from_ref(entry).cast() }
}

impl Loose {
    /// Reads its key for the hash.
    #[inline]
    fn take_hash<S: Slot>(&mut self, seed: HashSeed) {
        // SAFETY: entries of a table are stored as `S`, and stay alive while they are moved.
        self.hash = seed.hash(unsafe { peek::<S>(&self.entry) }.key());
    }
}

/// # Safety
/// `entry` was stored as an `S` and is not used any more.
pub(super) unsafe fn entry_from<S: Slot>(entry: *mut u8) -> S {
    // SAFETY: as in `peek`; the caller gives the ownership.
    unsafe { std::mem::transmute_copy(&entry) }
}

/// Where an entry lies.
pub(super) fn address_of<S: Slot>(entry: &S) -> *const u8 {
    // SAFETY: as in `peek`; the pointer is copied, not the ownership.
    unsafe { std::mem::transmute_copy(entry) }
}

pub(super) fn entry_into<S: Slot>(entry: S) -> *mut u8 {
    let entry = ManuallyDrop::new(entry);
    // SAFETY: as in `peek`; ownership moves into the pointer.
    unsafe { std::mem::transmute_copy(&entry) }
}

/// Takes a segment apart: hands out its entries, with the numbers of their buckets and their tags, and frees its memory.
pub(super) fn dismantle(route: Route, bytes: &mut usize, mut visit: impl FnMut(usize, *mut u8, u8)) {
    crate::ds::breaks::between_pieces();
    for bucket in route.all_buckets() {
        // SAFETY: the segment is alive until the next loop.
        unsafe { bucket::prefetch_child(bucket) };
    }
    for (index, bucket) in route.all_buckets().enumerate() {
        // SAFETY: the segment is given up, each bucket is dismantled once.
        unsafe { bucket::dismantle(bucket, |entry, tag| visit(index, entry, tag), bytes) };
    }
    // SAFETY: made by `new_buckets` with the size in the route.
    unsafe { segment::free_buckets(route.buckets, route.shape.buckets(), bytes) };
}

/// Allocates the buckets of a segment and puts the entries in. `None`, and nothing has happened, if more than `most` belong
/// into one bucket.
fn lay_out(entries: &[Placed], id: SegmentId, shape: Shape, most: usize, bytes: &mut usize) -> Option<Route> {
    // Sorted by bucket, so that each chain is made at once, as long as it will be: counted, and then put where those of the
    // buckets before end. No count is above that of the entries, so none wraps.
    let mut ends: SmallVec<[u32; LARGE]> = smallvec![0; shape.buckets()];
    let ends = ends.as_mut_slice();
    for placed in entries {
        let count = &mut ends[placed.bucket as usize];
        *count = count.wrapping_add(1);
    }
    if ends.iter().any(|&count| count as usize > most) {
        return None;
    }
    let mut before = 0;
    for end in ends.iter_mut() {
        before += std::mem::replace(end, before);
    }
    let mut sorted = entries.to_vec();
    for &placed in entries {
        let end = &mut ends[placed.bucket as usize];
        let at = *end;
        *end = at.wrapping_add(1);
        sorted[at as usize] = placed;
    }
    let route = Route { buckets: segment::new_buckets(shape.buckets(), bytes), id, shape };
    let mut begin = 0;
    for (index, &end) in ends.iter().enumerate() {
        // SAFETY: the bucket was just made.
        unsafe { bucket::fill(route.bucket(index), &sorted[begin..end as usize], bytes) };
        begin = end as usize;
    }
    Some(route)
}

impl<S: Slot> Table<S> {
    /// Adds an entry whose key is not in the table.
    pub(super) fn insert_new(&mut self, hash: u64, entry: S) -> &mut S {
        let deadline = entry.deadline();
        let raw = entry_into(entry);
        let place = loop {
            let Some(&route) = self.route(hash) else {
                self.plant();
                continue;
            };
            let id = route.id;
            debug_assert!(!self.is_frozen(id), "a probe for change thaws what it finds");
            let buckets = route.shape.buckets();
            if self.segments[id].len as usize >= full_at(buckets) && buckets < MAX_BUCKETS {
                self.grow(id);
                continue;
            }
            // SAFETY: `raw` is the entry that came in as `S`.
            let key = unsafe { peek::<S>(&raw) }.key();
            let (index, tag) = route.shape.locate(&self.seed, self.relative(hash), key);
            let limit = if route.shape.is_reseeded() { usize::MAX } else { MAX_CHILDREN };
            // SAFETY: the bucket belongs to this table, which is borrowed exclusively.
            match unsafe { bucket::push(route.bucket(index), tag, raw, limit, &mut self.bytes) } {
                Ok(place) => {
                    self.segments[id].len += 1;
                    self.len += 1;
                    break place;
                }
                Err(ChainTooLong) => self.rebuild(id, buckets, true),
            }
        };
        if let Some(when_ms) = deadline {
            self.note_deadline(hash, when_ms);
        }
        // SAFETY: the slot was just filled with an `S`.
        unsafe { place.cast::<S>().as_mut() }
    }

    /// Accounts for entries that left a segment, and takes a step back if it has become sparse.
    #[inline]
    pub(super) fn note_removed(&mut self, id: SegmentId, count: usize) {
        self.len -= count;
        let segment = &mut self.segments[id];
        segment.len -= count as u32;
        let shape = segment.route.shape;
        if (segment.len as usize) < sparse_below(shape.buckets(), shape.depth()) {
            self.shrink(id);
        }
    }

    /// The first segment.
    fn plant(&mut self) {
        let buckets = segment::new_buckets(1, &mut self.bytes);
        let route = Route { buckets, id: self.segments.next_id(), shape: Shape::new(1, 0, false) };
        self.directory.publish(0, route);
        self.add_segment(route, 0);
    }

    /// The record of a new segment without entries.
    pub(super) fn add_segment(&mut self, route: Route, prefix: u32) -> SegmentId {
        let id = self.segments.next_id();
        let (born, shown) = (self.epoch(), self.shown());
        self.segments.push(Segment { route, prefix, len: 0, minima: None, due: u64::MAX, born, shown });
        self.count_depth(route.shape.depth(), 1);
        id
    }

    /// Counts a segment more or less at a depth.
    fn count_depth(&mut self, depth: u32, change: i32) {
        let depth = depth as usize;
        if self.by_depth.len() <= depth {
            self.by_depth.reserve_exact(depth + 1 - self.by_depth.len());
            self.by_depth.resize(depth + 1, 0);
        }
        self.by_depth[depth] = self.by_depth[depth].wrapping_add_signed(change);
        while self.by_depth.last() == Some(&0) {
            self.by_depth.pop();
        }
    }

    fn grow(&mut self, id: SegmentId) {
        let shape = self.segments[id].route.shape;
        if shape.buckets() < LARGE {
            self.rebuild(id, next_size(shape.buckets()), shape.is_reseeded());
        } else {
            self.split(id);
        }
    }

    /// Steps back while the segment is sparse. Each round at least halves the work of the next.
    fn shrink(&mut self, mut id: SegmentId) {
        loop {
            let segment = &self.segments[id];
            let (len, shape) = (segment.len as usize, segment.route.shape);
            if len >= sparse_below(shape.buckets(), shape.depth()) {
                return;
            }
            let step = |buckets| previous_size(buckets, shape.depth());
            let mut smaller = step(shape.buckets());
            // Many may have left at once: the steps between are skipped.
            while len < sparse_below(smaller, shape.depth()) && step(smaller) < smaller {
                smaller = step(smaller);
            }
            if smaller < shape.buckets() {
                self.rebuild(id, smaller, false);
            } else if let Some(buddy) =
                self.buddy(id).filter(|b| self.segments[*b].len as usize + len < MERGE_BELOW)
            {
                id = self.merge(id, buddy);
            } else {
                return;
            }
        }
    }

    /// The segment with which this one could merge: its other half, if that has the same depth.
    fn buddy(&self, id: SegmentId) -> Option<SegmentId> {
        let segment = &self.segments[id];
        let depth = segment.route.shape.depth();
        if depth == 0 {
            return None;
        }
        let other = self.directory.route(u64::from(segment.prefix ^ 1) << (64 - depth))?;
        (other.shape.depth() == depth).then_some(other.id)
    }

    /// Readies a segment for losing its buckets, which it leaves to the caller, with how many entries there are.
    fn vacate(&mut self, id: SegmentId) -> (Route, usize) {
        self.thaw_segment(id);
        self.drop_minima(id);
        let segment = &mut self.segments[id];
        (segment.route, std::mem::take(&mut segment.len) as usize)
    }

    /// Takes the entries of a segment out, leaving it without buckets.
    fn gather(&mut self, id: SegmentId, into: &mut Vec<Loose>) {
        let ((route, len), seed) = (self.vacate(id), self.seed);
        into.reserve(len);
        let first = into.len();
        dismantle(route, &mut self.bytes, |_, entry, _| into.push(Loose { entry, hash: 0 }));
        // All are looked at, for their hash: most of a step's time is this wait, so it overlaps.
        let prefetch = |loose: &Loose| crate::ds::prefetch::read(loose.entry);
        into[first..].iter().take(ENTRIES_AHEAD).for_each(prefetch);
        for at in first..into.len() {
            into.get(at + ENTRIES_AHEAD).into_iter().for_each(prefetch);
            into[at].take_hash::<S>(seed);
        }
    }

    /// As [`gather`](Self::gather), for a shape of which `nearness` says where entries belong: few are looked at.
    fn gather_near(&mut self, id: SegmentId, to: Shape, nearness: Nearness) -> Vec<Placed> {
        let ((route, len), seed, skip) = (self.vacate(id), self.seed, u32::from(self.skip));
        let look = |entry| {
            let mut loose = Loose { entry, hash: 0 };
            loose.take_hash::<S>(seed);
            to.place_at(loose.hash << skip)
        };
        let mut entries = Vec::with_capacity(len);
        dismantle(route, &mut self.bytes, |bucket, entry, tag| {
            let place = nearness.bucket(bucket, tag).map_or_else(|| look(entry), |bucket| (bucket, tag));
            debug_assert!(place == look(entry), "bucket and tag tell the place");
            entries.push(Placed::new(entry, place));
        });
        entries
    }

    /// An entry to be put in by [`build`](Self::build).
    pub(super) fn loose(&self, entry: S) -> Loose {
        Loose { hash: self.seed.hash(entry.key()), entry: entry_into(entry) }
    }

    /// Allocates buckets for `entries` and puts them in. Prefers the ordinary placement unless `reseeded`.
    pub(super) fn build(
        &mut self,
        entries: &[Loose],
        id: SegmentId,
        buckets: usize,
        depth: u32,
        reseeded: bool,
    ) -> Route {
        let shape = Shape::new(buckets, depth, reseeded);
        let placed = |loose: &Loose| match reseeded {
            true => self.place_anew(loose.entry, shape),
            // The entries are not looked at.
            false => Placed::new(loose.entry, shape.place_at(self.relative(loose.hash))),
        };
        let entries = entries.iter().map(placed).collect();
        self.settle(entries, id, shape)
    }

    /// As [`build`](Self::build), for entries that have their places in that shape.
    fn settle(&mut self, mut entries: Vec<Placed>, id: SegmentId, mut shape: Shape) -> Route {
        loop {
            let most = if shape.is_reseeded() { usize::MAX } else { bucket::room_of(MAX_CHILDREN) };
            if let Some(route) = lay_out(&entries, id, shape, most, &mut self.bytes) {
                return route;
            }
            shape = Shape::new(shape.buckets(), shape.depth(), true);
            entries.iter_mut().for_each(|placed| *placed = self.place_anew(placed.entry, shape));
        }
    }

    /// Where the entry belongs in a re-seeded segment, by its key.
    fn place_anew(&self, entry: *mut u8, shape: Shape) -> Placed {
        // SAFETY: entries that are moved are the table's own, stored as `S`.
        let key = unsafe { peek::<S>(&entry) }.key();
        Placed::new(entry, shape.locate(&self.seed, 0, key))
    }

    /// Gives a segment another size or kind.
    fn rebuild(&mut self, id: SegmentId, buckets: usize, reseeded: bool) {
        self.thaw_segment(id);
        let had_deadlines = self.segments[id].minima.is_some();
        let old = self.segments[id].route.shape;
        let shape = Shape::new(buckets, old.depth(), reseeded);
        let (route, len) = if let Some(nearness) = Nearness::new(old, shape) {
            let entries = self.gather_near(id, shape, nearness);
            let len = entries.len();
            (self.settle(entries, id, shape), len)
        } else {
            let mut entries = Vec::new();
            self.gather(id, &mut entries);
            (self.build(&entries, id, buckets, old.depth(), reseeded), entries.len())
        };
        self.install(route, len, had_deadlines);
    }

    /// Makes `route` the buckets of its segment, which hold `len` entries.
    pub(super) fn install(&mut self, route: Route, len: usize, has_deadlines: bool) {
        let (born, shown) = (self.epoch(), self.shown());
        let segment = &mut self.segments[route.id];
        let old_depth = segment.route.shape.depth();
        segment.route = route;
        segment.len = len as u32;
        (segment.born, segment.shown) = (born, shown);
        self.directory.publish(segment.prefix, route);
        if old_depth != route.shape.depth() {
            self.count_depth(old_depth, -1);
            self.count_depth(route.shape.depth(), 1);
        }
        if has_deadlines {
            self.recompute_minima(route.id);
        }
    }

    /// Splits a full segment in two. If that would not divide its entries, or no hash bit is left, gives it
    /// more buckets and SipHash instead.
    fn split(&mut self, id: SegmentId) {
        let Segment { route, ref minima, .. } = self.segments[id];
        let (depth, has_deadlines) = (route.shape.depth(), minima.is_some());
        let mut entries = Vec::new();
        self.gather(id, &mut entries);
        let bit = depth + u32::from(self.skip);
        let (low, high): (Vec<_>, Vec<_>) = entries.iter().partition(|loose| loose.hash << bit >> 63 == 0);
        let is_last_bit = bit >= MAX_PREFIX_BITS;
        if is_last_bit || low.len().min(high.len()) < entries.len() / 8 {
            let more = self.build(&entries, id, next_size(route.shape.buckets()), depth, true);
            return self.install(more, entries.len(), has_deadlines);
        }
        let prefix = self.segments[id].prefix << 1;
        self.segments[id].prefix = prefix;
        let low_route = self.build(&low, id, size_for(low.len(), depth + 1), depth + 1, false);
        let new_id = self.segments.next_id();
        let high_route = self.build(&high, new_id, size_for(high.len(), depth + 1), depth + 1, false);
        self.add_segment(high_route, prefix | 1);
        self.install(low_route, low.len(), has_deadlines);
        self.install(high_route, high.len(), has_deadlines);
    }

    /// Merges two buddies; returns the id of the result.
    fn merge(&mut self, a: SegmentId, b: SegmentId) -> SegmentId {
        let Segment { route, prefix, .. } = self.segments[a];
        let has_deadlines = [a, b].iter().any(|id| self.segments[*id].minima.is_some());
        let depth = route.shape.depth();
        let mut entries = Vec::new();
        self.gather(a, &mut entries);
        self.gather(b, &mut entries);
        let (kept, gone) = (a.min(b), a.max(b));
        let merged = self.build(&entries, kept, size_for(entries.len(), depth - 1), depth - 1, false);
        self.segments[kept].prefix = prefix >> 1;
        self.install(merged, entries.len(), has_deadlines);
        self.directory.narrow((u64::from(prefix) << 1) << (63 - depth));
        self.forget_segment(gone);
        kept
    }

    /// Removes an empty segment's record; the last one takes its id.
    fn forget_segment(&mut self, id: SegmentId) {
        if let Some(gone) = self.segments.swap_remove(id) {
            self.count_depth(gone.route.shape.depth(), -1);
        }
        let Some(moved) = self.segments.get_mut(id) else { return };
        let (due, old_id) = (moved.due, moved.route.id);
        moved.route.id = id;
        self.directory.publish(moved.prefix, moved.route);
        self.rename_watched(old_id, id);
        if self.by_deadline.remove(&(due, old_id)) {
            self.by_deadline.insert((due, id));
        }
    }
}

/// The number of entries below which a segment takes a step back.
#[inline]
fn sparse_below(buckets: usize, depth: u32) -> usize {
    if depth > 0 && buckets <= SMALL {
        // No smaller size: a merge, if the buddy is small too. (The smaller one of two asks for it.)
        return MERGE_BELOW / 2;
    }
    match previous_size(buckets, depth) {
        smaller if smaller < buckets => full_at(smaller) * 3 / 4,
        _ => 0,
    }
}
