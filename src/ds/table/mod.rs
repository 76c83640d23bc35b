//! An extendible hash table of one-pointer entries, ordered by hash.
//!
//! It is the keyspace, every big hash and set, and the member index of big sorted sets. What it has that a
//! general hash map lacks: growth never pauses, a position in it is a number that survives growth and
//! shrinking (a SCAN cursor), and it costs about 12 bytes per entry, deadlines included.
//!
//! ```text
//!  directory                    segments                     bucket: 64 bytes
//!  ┌────────┐                 ┌──┬──┬──┬──┬ … ┐            ┌──────┬─┬─┬─┬─┬─┬─┬─┐
//!  │ 00 ────┼───────────────▶ │  │  │  │  │   │ 1..64      │ tags │e│e│e│e│e│e│e│
//!  │ 01 ────┼──────────┐      └──┴──┴──┴──┴ … ┘ buckets    └──────┴┼┴─┴─┴─┴─┴─┴─┘
//!  │ 10 ──┐ │          │      ┌──┬──┬──┬ … ┐                       ▼
//!  │ 11 ──┴─┼──────┐   └────▶ │  │  │  │   │                     entry (a `Slot`), e.g. `ds::blob`
//!  └────────┘      │          └──┴──┴──┴ … ┘
//!                  └────────▶ depth 1: both 10 and 11
//! ```
//!
//! The first bits of the hash lead through the directory, the next 28 select a bucket in the segment, and eight of these
//! are the tag (see `segment` for the picture). A lookup reads the directory (in cache), the bucket and
//! the entry: two dependent cache misses, which [`Table::prefetch_bucket`] and [`Arriving::prefetch_entry`]
//! can overlap for several keys.
//!
//! **Growth** (`resize`, `directory`). A full segment gets eight more buckets; at 64 it splits in two, and a node of the
//! directory doubles when it has no bit left to tell the halves apart. Emptied segments go the same way back. Each
//! step moves the 456 entries of one segment and 512 routes at most; there is no rehash of everything, ever.
//!
//! **Order** (`walk`). Directory, segment and bucket follow the hash, so buckets are visited in hash order,
//! and "all entries whose hash is below p were visited" stays true whatever is resized in between.
//!
//! **Floods** (`resize`). A chain of more than five children means that somebody found collisions of the
//! fast hash. That segment is then placed by SipHash under a separate key.
//!
//! **Deadlines** (`deadlines`). Entries may carry a time of death; finding the due ones is exact and needs
//! no second index of keys.
//!
//! **Watching** (`watch`). Somebody may ask to see every entry as it is now before it changes: a snapshot of all, without
//! a copy of any.
//!
//! **Freezing** (`frozen`). A frozen copy takes one reference, at any size; from then on whoever changes a segment first
//! copies that one.
//!
//! Invariant: what `entry`, `find` and the others take as `hash` is `seed.hash(key)`. A wrong hash loses
//! entries, but never memory safety.

#![allow(unsafe_code)] // Entries live in raw slots; here they get their type back.

mod bucket;
mod build;
mod deadlines;
mod directory;
mod entry;
mod frozen;
mod resize;
mod seed;
mod segment;
mod slab;
#[cfg(test)]
mod tests;
mod walk;
mod watch;

pub use entry::{Entry, Occupied, Vacant};
pub use frozen::Frozen;
pub use seed::HashSeed;
pub use walk::Iter;
pub use watch::{Keeper, Refused, Touch};

use directory::Directory;
use segment::{MAX_PREFIX_BITS, Route, SegmentId};
use slab::Slab;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// One owning, pointer-sized entry.
///
/// # Safety
/// The type is `repr(transparent)` over a non-null pointer (so it has eight bytes, none of them padding),
/// it doesn't care at which address it lies, and nothing but the owner changes it. The pointer should be
/// where `key` and `deadline` are read from: it is what the table prefetches.
pub unsafe trait Slot: Clone {
    /// The key; it must not change while the entry is in a table.
    fn key(&self) -> &[u8];
    /// When the entry is due, in Unix milliseconds; `None` for never.
    fn deadline(&self) -> Option<u64>;
}

/// The hash table. It allocates nothing before the first insertion.
///
/// First what a lookup needs: where several tables lie beside their locks, that shares their first line of memory.
#[repr(C)]
pub struct Table<S: Slot> {
    /// Empty before the first insertion.
    directory: Directory,
    seed: HashSeed,
    skip: u8,
    len: usize,
    /// Bytes of buckets, children and deadline minima.
    bytes: usize,
    segments: Slab,
    /// Segments by earliest deadline: `(due, id)` for each with `due != u64::MAX`.
    by_deadline: BTreeSet<(u64, SegmentId)>,
    /// Segments by depth; the last number is not 0.
    by_depth: Vec<u32>,
    /// Who holds frozen copies, if somebody may; see [`frozen`].
    freezes: Option<Box<frozen::Freezes<S>>>,
    /// Who must see what changes before it does; see [`watch`].
    watch: Option<Box<watch::Watch<S>>>,
    owns: PhantomData<S>,
}

/// A bucket that was asked for, and the tag of the entry that is wanted of it.
#[derive(Clone, Copy)]
pub struct Arriving<'t> {
    bucket: NonNull<bucket::Bucket>,
    tag: u8,
    segment: SegmentId,
    segments: &'t Slab,
}

impl Arriving<'_> {
    /// Hints that the entry will be needed soon; if there is none, what putting it in needs. Reads the bucket.
    #[inline]
    pub fn prefetch_entry(&self) {
        // SAFETY: the bucket belongs to the table, which is borrowed.
        if !unsafe { bucket::prefetch_entries(self.bucket, self.tag) } {
            self.segments.prefetch(self.segment);
        }
    }
}

const _: () = assert!(size_of::<Table<crate::ds::blob::Blob<u64>>>() <= 128);

// SAFETY: a table owns its entries and its memory like a `Vec<S>` does; nothing is shared behind `&self`.
unsafe impl<S: Slot + Send> Send for Table<S> {}
// SAFETY: `&Table` gives out `&S` only, and has no interior mutability.
unsafe impl<S: Slot + Sync> Sync for Table<S> {}

impl<S: Slot> Table<S> {
    /// An empty table. The top `skip_bits` of each hash (at most 23) are the shard number: equal for all
    /// keys of this table, and ignored by it.
    ///
    /// # Panics
    /// If `skip_bits` is 24 or more.
    pub fn new(seed: HashSeed, skip_bits: u32) -> Self {
        const { assert!(size_of::<S>() == size_of::<*mut u8>()) };
        assert!(skip_bits < MAX_PREFIX_BITS, "the shard number leaves no hash bits for segments");
        Self {
            directory: Directory::new(),
            segments: Slab::new(),
            by_deadline: BTreeSet::new(),
            seed,
            len: 0,
            bytes: 0,
            by_depth: Vec::new(),
            skip: skip_bits as u8,
            freezes: None,
            watch: None,
            owns: PhantomData,
        }
    }

    /// Number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The seed that `hash` arguments must come from.
    #[inline]
    pub fn seed(&self) -> HashSeed {
        self.seed
    }

    /// The entry with this key.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<&S> {
        let slot = self.slot(hash, key)?;
        // SAFETY: the slot holds an `S` that lives as long as the table is borrowed.
        Some(unsafe { slot.as_ref() })
    }

    /// The entry with this key. Its key must stay; after an earlier deadline was set in it, call
    /// [`note_deadline`](Self::note_deadline).
    #[inline]
    pub fn find_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut S> {
        self.thaw(hash);
        let mut slot = self.slot(hash, key)?;
        // SAFETY: as in `find`, and the table is borrowed exclusively.
        Some(unsafe { slot.as_mut() })
    }

    /// One probe whose result can be read, replaced, removed or filled.
    #[inline]
    pub fn entry(&mut self, hash: u64, key: &[u8]) -> Entry<'_, S> {
        self.thaw(hash);
        match self.slot(hash, key) {
            Some(place) => Entry::Occupied(Occupied { table: self, hash, place }),
            None => Entry::Vacant(Vacant { table: self, hash }),
        }
    }

    /// Puts `entry` in, and returns the one with the same key that it replaced.
    pub fn insert(&mut self, hash: u64, entry: S) -> Option<S> {
        self.thaw(hash);
        match self.slot(hash, entry.key()) {
            Some(place) => Some(Occupied { table: self, hash, place }.replace(entry)),
            None => {
                self.insert_new(hash, entry);
                None
            }
        }
    }

    /// Takes the entry with this key out.
    pub fn remove(&mut self, hash: u64, key: &[u8]) -> Option<S> {
        self.thaw(hash);
        let place = self.slot(hash, key)?;
        Some(Occupied { table: self, hash, place }.remove())
    }

    /// Hints that the bucket of `hash` will be needed soon. When it has arrived, the entry can be asked for. In a re-seeded
    /// segment this is some other bucket, which does no harm to who only fetches ahead.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) -> Option<Arriving<'_>> {
        let route = self.route(hash)?;
        let (index, tag) = route.shape.place_at(self.relative(hash));
        let bucket = route.bucket(index);
        crate::ds::prefetch::read(bucket.as_ptr());
        Some(Arriving { bucket, tag, segment: route.id, segments: &self.segments })
    }

    /// Hints that the entries of these hashes will be needed soon: first their buckets, and when all are on their way, what
    /// these hold.
    #[inline]
    pub fn prefetch(&self, hashes: impl Iterator<Item = u64>) {
        // Not collected: the room would be copied.
        let mut arriving: SmallVec<[Arriving<'_>; 64]> = SmallVec::new();
        arriving.extend(hashes.filter_map(|hash| self.prefetch_bucket(hash)));
        arriving.iter().for_each(Arriving::prefetch_entry);
    }

    /// Drops all entries and frees all memory, in this thread. See [`take`](Self::take).
    pub fn clear(&mut self) {
        drop(self.take());
    }

    /// Leaves an empty table behind and returns the contents, to be dropped in another thread for example.
    pub fn take(&mut self) -> Table<S> {
        let empty = self.another();
        std::mem::replace(self, empty)
    }

    /// An empty table for the same hashes.
    pub fn another(&self) -> Table<S> {
        Table::new(self.seed, u32::from(self.skip))
    }

    /// Heap bytes of the table itself, without the entries.
    pub fn heap_bytes(&self) -> usize {
        // A B-tree node of std has eleven keys and is about two thirds full.
        let ordered = self.by_deadline.len() * size_of::<(u64, SegmentId)>() * 3 / 2;
        self.bytes + self.directory.heap_bytes() + self.segments.heap_bytes() + ordered
    }

    /// A hash or position without its shard bits, as the segments see it.
    #[inline]
    fn relative(&self, hash: u64) -> u64 {
        // Below 24, so that nothing wraps.
        hash.wrapping_shl(u32::from(self.skip))
    }

    #[inline]
    fn route(&self, hash: u64) -> Option<&Route> {
        self.directory.route(self.relative(hash))
    }

    /// The slot of the entry with this key: an answer that fits a register.
    fn slot(&self, hash: u64, key: &[u8]) -> Option<NonNull<S>> {
        let route = *self.route(hash)?;
        let (index, tag) = route.shape.locate(&self.seed, self.relative(hash), key);
        // SAFETY: the bucket is alive while the table is borrowed, and its slots hold values of type `S`.
        unsafe { bucket::find(route.bucket(index), tag, |slot| is_same((*slot.cast::<S>()).key(), key)) }
            .map(NonNull::cast)
    }
}

/// Whether two keys are the same. Of those with 2 to 32 bytes, which most have, both ends are compared as numbers, and the ends
/// may overlap: that takes less than the way to `memcmp`.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && match one.len() {
            8..=16 => has_same_ends::<8>(one, other),
            17..=32 => has_same_ends::<16>(one, other),
            _ => is_same_rare(one, other),
        }
}

#[inline(never)] // What it needs would be worked out before each walk of a bucket.
fn is_same_rare(one: &[u8], other: &[u8]) -> bool {
    match one.len() {
        2..=3 => has_same_ends::<2>(one, other),
        4..=7 => has_same_ends::<4>(one, other),
        _ => one == other,
    }
}

#[inline]
fn has_same_ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<N>() == other.first_chunk() && one.last_chunk::<N>() == other.last_chunk()
}

impl<S: Slot> Drop for Table<S> {
    fn drop(&mut self) {
        self.show_rest();
        if self.retire_all() {
            return;
        }
        let mut bytes = self.bytes;
        for segment in self.segments.iter() {
            resize::dismantle(segment.route, &mut bytes, |_, entry, _| {
                // SAFETY: the entry was put in as an `S`, and its slot is not used any more.
                drop(unsafe { resize::entry_from::<S>(entry) });
            });
        }
    }
}

impl<S: Slot> std::fmt::Debug for Table<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("len", &self.len)
            .field("segments", &self.segments.len())
            .finish_non_exhaustive()
    }
}
