//! Visiting entries in hash order, from any position; and choosing one at random.
//!
//! A *position* is a 64-bit place in hash space. `scan_bucket(position)` visits the entries of one bucket whose
//! hash is not below the position, and returns where the next bucket starts. Why a client that hands the
//! result back each time sees every element that stays in the table: after each call, all elements
//! with a hash below the returned position were visited, and resizing changes buckets but no hash.
//! Elements are not seen twice either, because what lies below the position is skipped.
//!
//! Every returned position has its low twelve bits zero (see `segment`), so `position >> 12` is a cursor.
//!
//! A random entry: choose a random position, then the `j`-th entry of its bucket for a random `j` below a
//! constant, and start over if there is none. Every entry then has the same chance, whatever the fill of
//! its bucket; buckets that cover more of hash space than others are rejected in proportion.

#![allow(unsafe_code)] // Walks the raw slots of a bucket.

use super::bucket::{self, Bucket};
use super::directory::Directory;
use super::segment::{LARGE, Route};
use super::{Slot, Table, resize};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A bucket with more entries than this is rare (10⁻³ at full load); those behind get a smaller chance.
const CHOICES: u64 = 16;
/// Zero bits below every returned position: a cursor does without them.
const CURSOR_SHIFT: u32 = 12;
/// Tries of `sample` before it takes the next entry in hash order.
const TRIES: usize = 256;

/// The buckets that are visited in one go, and where they end.
struct Span {
    route: Route,
    first: usize,
    count: usize,
    /// The first position behind, relative to the table; 2⁶⁴ at the end.
    end: u128,
    /// Whether some entry in here may lie before the position asked for.
    is_partial: bool,
}

impl<S: Slot> Table<S> {
    /// Visits every entry whose hash is at least `position` in the bucket that contains it, and returns the
    /// first position behind that bucket, or `None` at the end of this table. The position must have this
    /// table's shard number in its top bits; the returned one has too, and its low twelve bits are zero.
    pub fn scan_bucket(&self, position: u64, mut visit: impl FnMut(&S)) -> Option<u64> {
        let span = self.span_at(position)?;
        for index in span.first..span.first + span.count {
            let bucket = span.route.bucket(index);
            self.prefetch_chain(bucket);
            self.for_each_in_bucket(bucket, |entry| {
                if !span.is_partial || self.seed.hash(entry.key()) >= position {
                    visit(entry);
                }
            });
        }
        self.position_behind(position, span.end)
    }

    /// One page of a walk by cursor over a whole table without shard bits: visits buckets from `cursor` (0 at first) on
    /// until `count` entries were visited. Returns the cursor of the next page, 0 at the end. Any number is a valid
    /// cursor.
    pub fn scan_page(&self, cursor: u64, count: usize, mut visit: impl FnMut(&S)) -> u64 {
        debug_assert!(self.skip == 0, "the shard number is not part of a collection's cursor");
        if cursor >> (64 - CURSOR_SHIFT) != 0 {
            return 0;
        }
        let (mut position, mut visited) = (cursor << CURSOR_SHIFT, 0);
        loop {
            let next = self.scan_bucket(position, |entry| {
                visited += 1;
                visit(entry);
            });
            match next {
                Some(next) if visited >= count => return next >> CURSOR_SHIFT,
                Some(next) => position = next,
                None => return 0,
            }
        }
    }

    /// Removes the entries that `is_unwanted` picks among those that `scan_bucket(position)` would visit,
    /// hands them to `give`, and returns what `scan_bucket` would.
    pub fn drain_bucket_where(
        &mut self,
        position: u64,
        mut is_unwanted: impl FnMut(&S) -> bool,
        mut give: impl FnMut(S),
    ) -> Option<u64> {
        self.thaw_around(position);
        let span = self.span_at(position)?;
        let seed = self.seed;
        let is_taken =
            |entry: &mut S| (!span.is_partial || seed.hash(entry.key()) >= position) && is_unwanted(entry);
        self.take_where(&span.route, span.first..span.first + span.count, is_taken, &mut give);
        self.position_behind(position, span.end)
    }

    /// As [`drain_bucket_where`](Self::drain_bucket_where) for the whole segment at `position`: for taking many out. Whoever
    /// picks should do so without a look at the entries, which are fetched together once they are picked.
    pub fn drain_segment_where(
        &mut self,
        position: u64,
        mut is_unwanted: impl FnMut() -> bool,
        mut give: impl FnMut(S),
    ) -> Option<u64> {
        self.thaw_around(position);
        let route = *self.route(position)?;
        let depth = route.shape.depth();
        let start = self.relative(position) & !(u64::MAX >> depth);
        let is_partial = self.relative(position) > start;
        let seed = self.seed;
        let is_taken = |entry: &mut S| (!is_partial || seed.hash(entry.key()) >= position) && is_unwanted();
        self.take_where(&route, 0..route.shape.buckets(), is_taken, &mut give);
        self.position_behind(position, route.shape.boundary(start, route.shape.buckets()))
    }

    /// Takes the entries that `is_taken` picks out of some buckets of a segment.
    fn take_where(
        &mut self,
        route: &Route,
        buckets: std::ops::Range<usize>,
        mut is_taken: impl FnMut(&mut S) -> bool,
        give: &mut impl FnMut(S),
    ) {
        let mut taken = Vec::new();
        for index in buckets {
            self.extract(route.bucket(index), &mut is_taken, &mut taken);
        }
        if !taken.is_empty() {
            self.note_removed(route.id, taken.len());
        }
        taken.iter().for_each(|entry| crate::ds::prefetch::read(resize::address_of(entry)));
        taken.into_iter().for_each(give);
    }

    /// Moves the entries that `is_taken` picks from one bucket into `taken`. The caller accounts for them.
    pub(super) fn extract(
        &mut self,
        bucket: NonNull<Bucket>,
        mut is_taken: impl FnMut(&mut S) -> bool,
        taken: &mut Vec<S>,
    ) {
        let mut k = 0;
        // SAFETY: the bucket belongs to this table, which is borrowed exclusively; places are used before
        // the next change; slots hold values of type `S`.
        unsafe {
            while let Some(place) = bucket::nth(bucket, k) {
                if is_taken(place.cast::<S>().as_mut()) {
                    taken.push(resize::entry_from(bucket::remove(bucket, place, &mut self.bytes)));
                } else {
                    k += 1;
                }
            }
        }
    }

    /// An entry chosen by `random`: every entry has the same chance but for buckets of extreme length.
    /// `None` only if the table is empty. Expected cost: some three buckets at normal fill.
    pub fn sample(&self, random: u64) -> Option<&S> {
        let mut state = random;
        let widest = match self.by_depth.len() {
            0 => return None,
            1 => self.route(0)?.shape.buckets() as u64,
            depths => (LARGE as u64) << (depths - 1),
        };
        for _ in 0..TRIES {
            let position = mix(&mut state);
            let route = self.route(position)?;
            let narrowness = (route.shape.buckets() as u64) << route.shape.depth();
            let dice = mix(&mut state);
            if ((u128::from(dice) * u128::from(widest)) >> 64) as u64 >= narrowness {
                continue;
            }
            let bucket = route.bucket(route.shape.bucket_at(self.relative(position)));
            let choice = ((mix(&mut state) >> 32) * CHOICES) >> 32;
            // SAFETY: the bucket belongs to this table, which is borrowed; slots hold values of type `S`.
            unsafe {
                let entries = bucket::len(bucket) as u64;
                let choice = if entries > CHOICES { mix(&mut state) % entries } else { choice };
                if let Some(place) = bucket::nth(bucket, choice as usize) {
                    return Some(place.cast::<S>().as_ref());
                }
            }
        }
        self.first_from(state)
    }

    /// All entries in hash order of their buckets.
    pub fn iter(&self) -> Iter<'_, S> {
        Iter::from(&self.directory, 0)
    }

    /// The first entry behind a position, starting over at the end. Takes as long as the table is empty.
    fn first_from(&self, position: u64) -> Option<&S> {
        Iter::from(&self.directory, self.relative(position)).next().or_else(|| self.iter().next())
    }

    fn span_at(&self, position: u64) -> Option<Span> {
        let route = *self.route(position)?;
        let relative = self.relative(position);
        let depth = route.shape.depth();
        // The segment's first position: the bits of its prefix, the rest zero.
        let start = relative & !(u64::MAX >> depth);
        let (first, count) = if route.shape.is_reseeded() {
            (0, route.shape.buckets())
        } else {
            (route.shape.bucket_at(relative), 1)
        };
        let is_partial = u128::from(relative) > route.shape.boundary(start, first);
        Some(Span { route, first, count, end: route.shape.boundary(start, first + count), is_partial })
    }

    fn position_behind(&self, position: u64, end: u128) -> Option<u64> {
        let end = u64::try_from(end).ok()?;
        let shard = position & !(u64::MAX >> self.skip);
        Some(shard | end >> self.skip)
    }

    pub(super) fn entries_of(&self, bucket: NonNull<Bucket>) -> impl Iterator<Item = &S> {
        // SAFETY: the bucket belongs to this table, which is borrowed as long as the iterator and what it gives; slots hold
        // values of type `S`.
        (0..).map_while(move |k| unsafe { bucket::nth(bucket, k).map(|place| place.cast::<S>().as_ref()) })
    }

    pub(super) fn for_each_in_bucket(&self, bucket: NonNull<Bucket>, mut visit: impl FnMut(&S)) {
        let mut k = 0;
        // SAFETY: the bucket belongs to this table, which is borrowed; slots hold values of type `S`.
        unsafe {
            while let Some(place) = bucket::nth(bucket, k) {
                visit(place.cast::<S>().as_ref());
                k += 1;
            }
        }
    }

    /// Hints that all entries of a bucket will be read.
    pub(super) fn prefetch_chain(&self, bucket: NonNull<Bucket>) {
        // SAFETY: as in `for_each_in_bucket`.
        unsafe { bucket::prefetch_all(bucket) };
    }
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub(super) fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Iterator over a table, see [`Table::iter`].
pub struct Iter<'t, S: Slot> {
    directory: &'t Directory,
    /// The segment that is visited, and where it starts; `None` at the end.
    route: Option<&'t Route>,
    start: u64,
    /// Bucket in the segment, entry in its chain.
    bucket: usize,
    entry: usize,
    gives: PhantomData<&'t S>,
}

impl<'t, S: Slot> Iter<'t, S> {
    /// The entries of the segment that covers `position` (relative to the table) and of all behind. The directory must
    /// be one of entries `S` that live as long as it is borrowed.
    pub(super) fn from(directory: &'t Directory, position: u64) -> Self {
        let route = directory.route(position);
        Self { directory, route, start: position, bucket: 0, entry: 0, gives: PhantomData }
    }

    /// Goes to the next segment.
    fn advance(&mut self, from: &Route) {
        let depth = from.shape.depth();
        let end = (u128::from(self.start >> (63 - depth) >> 1) + 1) << (64 - depth);
        self.route = u64::try_from(end).ok().and_then(|end| self.directory.route(end));
        self.start = end as u64;
        (self.bucket, self.entry) = (0, 0);
    }
}

impl<'t, S: Slot> Iterator for Iter<'t, S> {
    type Item = &'t S;

    fn next(&mut self) -> Option<&'t S> {
        loop {
            let route = self.route?;
            if self.bucket == route.shape.buckets() {
                self.advance(route);
                continue;
            }
            // SAFETY: `from` was promised that the buckets live and hold values of type `S`.
            match unsafe { bucket::nth(route.bucket(self.bucket), self.entry) } {
                Some(place) => {
                    self.entry += 1;
                    // SAFETY: as above.
                    return Some(unsafe { place.cast::<S>().as_ref() });
                }
                None => {
                    (self.bucket, self.entry) = (self.bucket + 1, 0);
                    if self.bucket + 1 < route.shape.buckets() {
                        // SAFETY: as above.
                        unsafe { bucket::prefetch_all(route.bucket(self.bucket + 1)) };
                    }
                }
            }
        }
    }
}
