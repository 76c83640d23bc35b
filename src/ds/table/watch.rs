//! A watch over a table: everything that it holds now is shown to somebody once, before it changes.
//!
//! ```text
//!  watch(n, keeper)     costs nothing, at any size
//!  keep_next(position)  shows what was not shown yet, a few buckets at a time, in hash order
//!  a change of an entry shows its bucket first, if that was not shown yet: a microsecond
//!  a change of many     shows the segment that is about to change first, or what is left of it
//!  the last segment, or the table's end: shown, and the watch is over
//! ```
//!
//! Every segment remembers the number of the last watch that it was shown to whole, and the watch which buckets of others it was
//! shown. Whatever moves entries between buckets or segments (a split, a merge, a rebuild) changes them, so all of them were shown
//! before, and what comes out is marked as shown. Re-seeded segments are shown whole, always.
//!
//! Example. Watch 3 begins, a segment was last shown to watch 2. A write to its bucket 7 shows that one, the next write there goes
//! on. When `keep_next` has come by it has shown the other buckets, and the segment is marked 3: whatever is written there goes on.
//!
//! Reading through [`Table::find_touch`] is no change: what may be touched (the access clock) is nothing that is kept.
//!
//! Invariant: while a watch lasts, a bucket that was not shown, neither alone nor with its segment, holds exactly the entries that it
//! held when the watch began.

#![allow(unsafe_code)] // Entries lie in raw slots; here they are lent out.

use super::bucket::{self, Bucket};
use super::segment::{LARGE, SegmentId};
use super::{Slot, Table};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

/// Who is shown the entries.
pub trait Keeper<S>: Send + Sync {
    /// Takes what it needs of some entries, all of one segment. `may_wait`: nobody waits for the caller.
    ///
    /// A keeper may freeze what the values consist of, but leaves keys, values and deadlines as they are.
    fn keep(&self, entries: Vec<&mut S>, may_wait: bool);
}

/// A watch that lasts.
pub(super) struct Watch<S> {
    number: u32,
    keeper: Arc<dyn Keeper<S>>,
    /// Of segments that were not shown whole: a bit for each bucket that was.
    buckets: HashMap<SegmentId, u64>,
}

/// Buckets that are shown at once to who takes his time: some ten microseconds.
const RUN: usize = 16;
/// Tables of more entries are dropped where nobody waits.
const MANY: usize = 64;

/// What [`Table::find_touch`] found.
pub enum Touch<'t, S: Slot> {
    Missing,
    /// It is there, but the caller does not want it.
    Refused(Refused<'t, S>),
    Found(&'t mut S),
}

/// An entry that was not wanted.
pub struct Refused<'t, S: Slot> {
    table: &'t mut Table<S>,
    hash: u64,
}

impl<S: Slot> Refused<'_, S> {
    /// Takes it out; it has that key.
    pub fn remove(self, key: &[u8]) -> Option<S> {
        self.table.remove(self.hash, key)
    }
}

impl<S: Slot> Table<S> {
    /// Begins a watch, whose number is above that of every watch before. One that lasts is over then, with what
    /// it has been shown.
    pub fn watch(&mut self, number: u32, keeper: Arc<dyn Keeper<S>>) {
        self.watch = (!self.is_empty()).then(|| Box::new(Watch { number, keeper, buckets: HashMap::new() }));
    }

    /// The number of the watch that lasts.
    pub fn watched(&self) -> Option<u32> {
        self.watch.as_ref().map(|watch| watch.number)
    }

    /// Ends the watch, whatever it has been shown.
    pub fn unwatch(&mut self) {
        self.watch = None;
    }

    /// The mark of segments that are made now.
    #[inline]
    pub(super) fn shown(&self) -> u32 {
        self.watched().unwrap_or(0)
    }

    /// Shows what was not shown yet from `position` (relative to the table) on, some [`RUN`] buckets at a time, until about
    /// `entries` were shown. The position to go on from; `None` at the end, when the watch is over.
    pub fn keep_next(&mut self, mut position: u64, entries: usize) -> Option<u64> {
        let mut shown = 0;
        while self.watch.is_some() {
            let Some(&route) = self.directory.route(position) else { break };
            // Frozen copies may read it: what is lent must be the table's own.
            self.thaw_frozen(route.id);
            let (shape, prefix) = (self.segments[route.id].route.shape, self.segments[route.id].prefix);
            let buckets = match shape.is_reseeded() {
                true => 0..shape.buckets(),
                false => shape.bucket_at(position)..(shape.bucket_at(position) + RUN).min(shape.buckets()),
            };
            let end = buckets.end;
            shown += self.show_buckets(route.id, buckets, false);
            // Two shifts, because a depth of 0 would shift by 64.
            let start = u64::from(prefix) << (63 - shape.depth()) << 1;
            let Ok(next) = u64::try_from(shape.boundary(start, end)) else { break };
            position = next;
            if shown >= entries {
                return Some(position);
            }
        }
        self.unwatch();
        None
    }

    /// Shows what of a segment was not shown yet.
    pub(super) fn show(&mut self, id: SegmentId, may_wait: bool) {
        let all = 0..self.segments[id].route.shape.buckets();
        self.show_buckets(id, all, may_wait);
    }

    /// Shows the bucket that entries of `hash` belong into, if it was not shown yet.
    #[cold]
    pub(super) fn show_bucket(&mut self, id: SegmentId, hash: u64) {
        let bucket = self.segments[id].route.shape.bucket_at(self.relative(hash));
        self.show_buckets(id, bucket..bucket + 1, false);
    }

    /// Shows those of some buckets of a segment that were not shown yet; how many entries these have.
    fn show_buckets(&mut self, id: SegmentId, buckets: Range<usize>, may_wait: bool) -> usize {
        let Some(watch) = &mut self.watch else { return 0 };
        let segment = &mut self.segments[id];
        if segment.shown == watch.number {
            return 0;
        }
        let (route, all) = (segment.route, segment.route.shape.buckets());
        let mut new: SmallVec<[_; LARGE]> = SmallVec::new();
        if route.shape.is_reseeded() {
            // No hash tells the bucket, and there may be more than there are bits.
            segment.shown = watch.number;
            new.extend(route.all_buckets());
        } else {
            let bits = watch.buckets.entry(id).or_default();
            let shown = *bits;
            new.extend(buckets.clone().filter(|at| shown >> at & 1 == 0).map(|at| route.bucket(at)));
            buckets.for_each(|at| *bits |= 1 << at);
            if bits.count_ones() as usize == all {
                segment.shown = watch.number;
                watch.buckets.remove(&id);
            }
        }
        let keeper = Arc::clone(&watch.keeper);
        new.iter().for_each(|&bucket| self.prefetch_chain(bucket));
        let mut entries = Vec::with_capacity(new.len() * bucket::SLOTS);
        for bucket in new {
            // SAFETY: the table is borrowed exclusively, its buckets are different ones, and the keeper gives the entries back below.
            unsafe { Self::lend(bucket, &mut entries) };
        }
        let count = entries.len();
        if count > 0 {
            keeper.keep(entries, may_wait);
        }
        count
    }

    /// The entries of a bucket of this table.
    ///
    /// # Safety
    /// A bucket is lent once, and what was lent is given up before anything else is done with the table.
    unsafe fn lend<'t>(bucket: NonNull<Bucket>, entries: &mut Vec<&'t mut S>)
    where
        S: 't,
    {
        let mut k = 0;
        // SAFETY: the bucket is alive, and so are its entries, as long as the table is left alone (the caller's promise).
        while let Some(place) = unsafe { bucket::nth(bucket, k) } {
            // SAFETY: slots hold values of type `S`, and each is lent once.
            entries.push(unsafe { place.cast::<S>().as_mut() });
            k += 1;
        }
    }

    /// A segment has got another number, whose segment was shown and is gone.
    pub(super) fn rename_watched(&mut self, from: SegmentId, to: SegmentId) {
        if let Some(watch) = &mut self.watch
            && let Some(buckets) = watch.buckets.remove(&from)
        {
            watch.buckets.insert(to, buckets);
        }
    }

    /// Shows what was not shown yet: the table goes.
    pub(super) fn show_rest(&mut self) {
        if self.watch.is_none() {
            return;
        }
        let (count, may_wait) = (self.segments.len(), self.len > MANY);
        for index in 0..count {
            let id = SegmentId::new(index as u32);
            self.thaw_frozen(id);
            self.show(id, may_wait);
        }
        self.unwatch();
    }

    /// The entry with this key, to be used but not changed: only what no watch keeps may be written (see the module's
    /// head). `wants` decides whether it is given out.
    #[inline(always)] // Every read of the keyspace comes through here.
    pub fn find_touch(&mut self, hash: u64, key: &[u8], wants: impl FnOnce(&S) -> bool) -> Touch<'_, S> {
        if self.freezes.is_some()
            && let Some(id) = self.route(hash).map(|route| route.id)
        {
            self.thaw_frozen(id);
        }
        let Some(mut slot) = self.slot(hash, key) else { return Touch::Missing };
        // SAFETY: the slot holds an `S`, and the table is borrowed exclusively.
        let entry = unsafe { slot.as_mut() };
        if wants(entry) { Touch::Found(entry) } else { Touch::Refused(Refused { table: self, hash }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ds::blob::{Blob, Payload};
    use crate::ds::table::HashSeed;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

    /// Notes what it is shown, and that it is shown nothing twice.
    #[derive(Default)]
    struct Notes(Mutex<Contents>);

    impl Keeper<Blob<u64>> for Notes {
        fn keep(&self, entries: Vec<&mut Blob<u64>>, _: bool) {
            let mut notes = self.0.lock().unwrap();
            for entry in entries {
                let Payload::Inline(value) = entry.payload() else { panic!("all values are inline") };
                assert_eq!(notes.insert(entry.key().to_vec(), value.to_vec()), None, "shown twice");
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16, u8),
        InsertMany(u16, u16),
        Change(u16, u8),
        Remove(u16),
        RemoveMany(u16, u16),
        Touch(u16),
        Expire(u16),
        Keep(u8),
        Freeze,
        Melt,
        Drop,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (any::<u16>(), any::<u8>()).prop_map(|(key, value)| Step::Insert(key % 4000, value)),
            2 => (any::<u16>(), 0..900u16).prop_map(|(key, count)| Step::InsertMany(key % 4000, count)),
            4 => (any::<u16>(), any::<u8>()).prop_map(|(key, value)| Step::Change(key % 4000, value)),
            4 => any::<u16>().prop_map(|key| Step::Remove(key % 4000)),
            2 => (any::<u16>(), 0..900u16).prop_map(|(key, count)| Step::RemoveMany(key % 4000, count)),
            2 => any::<u16>().prop_map(|key| Step::Touch(key % 4000)),
            1 => (0..200u16).prop_map(Step::Expire),
            3 => any::<u8>().prop_map(Step::Keep),
            1 => Just(Step::Freeze),
            1 => Just(Step::Melt),
            1 => Just(Step::Drop),
        ]
    }

    fn key(number: u16) -> Vec<u8> {
        format!("key:{number}").into_bytes()
    }

    fn put(table: &mut Table<Blob<u64>>, number: u16, value: u8) {
        let key = key(number);
        // Some are due at once.
        let deadline = value.is_multiple_of(5).then_some(u64::from(value));
        table.insert(table.seed().hash(&key), Blob::inline(&key, &[value], deadline, 0));
    }

    fn contents(table: &Table<Blob<u64>>) -> Contents {
        let pair = |entry: &Blob<u64>| match entry.payload() {
            Payload::Inline(value) => (entry.key().to_vec(), value.to_vec()),
            Payload::Value(_) => panic!("all values are inline"),
        };
        table.iter().map(pair).collect()
    }

    #[test]
    fn one_change_shows_one_bucket_and_whoever_walks_the_others_once() {
        let mut table = Table::new(HashSeed::random_from([1, 2, 3]), 0);
        (0..3000).for_each(|number| put(&mut table, number, 7));
        let notes = Arc::new(Notes::default());
        table.watch(1, Arc::clone(&notes) as Arc<dyn Keeper<_>>);
        let seen = || notes.0.lock().unwrap().len();
        let hash = table.seed().hash(&key(5));
        for _ in 0..3 {
            table.find_mut(hash, &key(5)).unwrap().set_inline(&[8]);
            assert!((1..30).contains(&seen()), "{} entries were shown for one", seen());
        }
        let mut position = Some(0);
        while let Some(from) = position {
            let before = seen();
            position = table.keep_next(from, 1);
            assert!(seen() - before < 200, "{} entries were shown at once", seen() - before);
        }
        assert_eq!(seen(), 3000);
    }

    proptest! {
        #[test]
        fn a_watch_sees_what_there_was_when_it_began(
            before in 0..3000u16,
            steps in proptest::collection::vec(step(), 1..60),
        ) {
            let mut table = Table::new(HashSeed::random_from([1, 2, 3]), 0);
            (0..before).for_each(|number| put(&mut table, number, number as u8));
            // One that was before, so that marks are not all fresh.
            table.watch(1, Arc::new(Notes::default()));
            while table.keep_next(0, usize::MAX).is_some() {}
            let notes = Arc::new(Notes::default());
            let expected = contents(&table);
            table.watch(2, Arc::clone(&notes) as Arc<dyn Keeper<_>>);
            let (mut position, mut frozen) = (Some(0), Vec::new());
            for step in steps {
                match step {
                    Step::Insert(number, value) => put(&mut table, number, value),
                    Step::InsertMany(first, count) => {
                        (first..first + count).for_each(|number| put(&mut table, number, 7));
                    }
                    Step::Change(number, value) => {
                        let hash = table.seed().hash(&key(number));
                        if let Some(entry) = table.find_mut(hash, &key(number)) {
                            entry.set_inline(&[value]);
                        }
                    }
                    Step::Remove(number) => drop(table.remove(table.seed().hash(&key(number)), &key(number))),
                    Step::RemoveMany(first, count) => {
                        for number in first..first + count {
                            table.remove(table.seed().hash(&key(number)), &key(number));
                        }
                    }
                    Step::Touch(number) => {
                        let hash = table.seed().hash(&key(number));
                        if let Touch::Found(entry) = table.find_touch(hash, &key(number), |_| true) {
                            entry.set_clock(u32::from(number));
                        }
                    }
                    Step::Expire(now) => drop(table.take_due(u64::from(now), 5, |_| {})),
                    Step::Keep(count) => {
                        position = position.and_then(|from| table.keep_next(from, usize::from(count)));
                    }
                    Step::Freeze => frozen.push((table.freeze(), contents(&table))),
                    Step::Melt => drop(frozen.pop()),
                    Step::Drop => drop(table.take()),
                }
            }
            while let Some(from) = position {
                position = table.keep_next(from, 100);
            }
            prop_assert!(*notes.0.lock().unwrap() == expected);
            prop_assert_eq!(table.watched(), None);
            for (frozen, then) in frozen {
                prop_assert_eq!(frozen.iter().count(), then.len());
            }
        }
    }
}
