//! Building whole tables: of a known number of entries, or as a copy of another one.
//!
//! A table that grows entry by entry moves each of them several times. When it is known how many will come, the segments
//! are made at once, each for its share; a share that turns out bigger grows as usual.

#![allow(unsafe_code)] // None of its own but for storing entries as raw slots through `resize`.

use super::bucket::SLOTS;
use super::segment::{self, LARGE, MAX_PREFIX_BITS, Route, Shape, size_for};
use super::{HashSeed, Slot, Table};

/// Entries of a segment in a table that is made for a number of entries: room for luck below the 456 at which it splits.
const SHARE: usize = SLOTS * LARGE * 3 / 4;

impl<S: Slot> Table<S> {
    /// An empty table with room for about `entries`. For the rest see [`new`](Self::new).
    ///
    /// # Panics
    /// If `skip_bits` is 24 or more.
    pub fn expecting(seed: HashSeed, skip_bits: u32, entries: usize) -> Self {
        let mut table = Table::new(seed, skip_bits);
        let segments = (entries / SHARE).next_power_of_two();
        let depth = segments.trailing_zeros().min(MAX_PREFIX_BITS - skip_bits);
        let buckets = size_for(entries >> depth, depth);
        for prefix in 0..1_u32 << depth {
            let route = Route {
                buckets: segment::new_buckets(buckets, &mut table.bytes),
                id: table.segments.next_id(),
                shape: Shape::new(buckets, depth, false),
            };
            table.directory.publish(prefix, route);
            table.add_segment(route, prefix);
        }
        table
    }

    /// Puts in an entry whose key is not there yet: spares the look for it. A second entry with the same key would be
    /// kept beside the first, which nothing expects.
    pub fn insert_unique(&mut self, hash: u64, entry: S) {
        debug_assert!(self.find(hash, entry.key()).is_none(), "the key is there already");
        self.thaw(hash);
        self.insert_new(hash, entry);
    }
}

impl<S: Slot> Clone for Table<S> {
    /// A table of its own with copies of all entries, in the same segments.
    fn clone(&self) -> Self {
        let mut copy = Table::new(self.seed, u32::from(self.skip));
        copy.directory = self.directory.clone();
        for segment in self.segments.iter() {
            let mut entries = Vec::with_capacity(segment.len as usize);
            for bucket in segment.route.all_buckets() {
                self.prefetch_chain(bucket);
                self.for_each_in_bucket(bucket, |entry| entries.push(self.loose(entry.clone())));
            }
            let (shape, id) = (segment.route.shape, copy.segments.next_id());
            let route = copy.build(&entries, id, shape.buckets(), shape.depth(), shape.is_reseeded());
            copy.add_segment(route, segment.prefix);
            copy.install(route, entries.len(), segment.minima.is_some());
            copy.len += entries.len();
        }
        copy
    }
}
