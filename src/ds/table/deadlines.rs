//! Finding the entries that are due, exactly, without an index of keys.
//!
//! An entry knows its own deadline. Above the entries there are two levels of minima: each segment with
//! a deadline in it keeps, per bucket, a lower bound of the earliest one; and the table keeps its segments
//! ordered by the least of these. What is due is then found from the top: first segment, its due buckets,
//! their due entries. Per volatile entry that costs 8 bytes in the entry, about 1.5 here, and nothing in a table
//! without deadlines.
//!
//! Bounds only: a deadline that is removed, or moved to later, leaves the bound too low. The sweep
//! that it causes finds nothing, corrects it, and that is all. So setting a later deadline costs nothing
//! here, and `note_deadline` must be called only when one was set or made earlier. Who must know whether
//! there is any deadline calls `forget_deadline` behind each removal; the keyspace does not.
//!
//! Example. A bucket holds `a` (due at 50) and `b` (due at 90): its bound is 50. `PERSIST a` changes
//! nothing here. At 50 the bucket is swept: nobody is due, the bound becomes 90.
//!
//! A re-seeded segment has one bound for all its buckets.

#![allow(unsafe_code)] // None of its own but for reading raw slots through `bucket`.

use super::segment::{Segment, SegmentId};
use super::{Slot, Table};

/// No deadline.
const NEVER: u64 = u64::MAX;

impl<S: Slot> Table<S> {
    /// Tells the table that an entry's deadline was set or made earlier in place (insertion and replacement do
    /// it themselves). `hash` is the hash of its key. A deadline of `u64::MAX` is the same as none.
    pub fn note_deadline(&mut self, hash: u64, when_ms: u64) {
        let relative = self.relative(hash);
        let Some(&route) = self.route(hash) else { return };
        if when_ms == NEVER {
            return;
        }
        let segment = &mut self.segments[route.id];
        let minima = segment.minima.get_or_insert_with(|| {
            self.bytes += route.shape.minima() * 8;
            vec![NEVER; route.shape.minima()].into_boxed_slice()
        });
        let bucket = if minima.len() == 1 { 0 } else { route.shape.bucket_at(relative) };
        minima[bucket] = minima[bucket].min(when_ms);
        if when_ms < segment.due {
            self.set_due(route.id, when_ms);
        }
    }

    /// Corrects the bound of a bucket that had the deadline of an entry with this hash, which was taken away or is gone.
    pub fn forget_deadline(&mut self, hash: u64) {
        let relative = self.relative(hash);
        let Some(&route) = self.route(hash) else { return };
        let Some(minima) = &self.segments[route.id].minima else { return };
        let at = if minima.len() == 1 { 0 } else { route.shape.bucket_at(relative) };
        let per_minimum = route.shape.buckets() / minima.len().max(1);
        let entries =
            (at * per_minimum..(at + 1) * per_minimum).flat_map(|at| self.entries_of(route.bucket(at)));
        let earliest = entries.filter_map(Slot::deadline).min().unwrap_or(NEVER);
        let Some(minima) = &mut self.segments[route.id].minima else { return };
        minima[at] = earliest;
        let due = minima.iter().copied().min().unwrap_or(NEVER);
        self.set_due(route.id, due);
    }

    /// A lower bound of the earliest deadline in the table, in Unix milliseconds; `None` if there is none.
    pub fn next_deadline(&self) -> Option<u64> {
        self.by_deadline.first().map(|(due, _)| *due)
    }

    /// An entry with a deadline that `is_wanted`, chosen by `random` out of a segment that has some: any of them can be found,
    /// with no equal chances. `None` when the bounds of the segment were out of date, or nobody in it was wanted.
    pub fn sample_due(&self, random: u64, is_wanted: impl Fn(&S) -> bool) -> Option<&S> {
        let ((first, _), (last, _)) = (*self.by_deadline.first()?, *self.by_deadline.last()?);
        let span = (last - first).max(1);
        let from = first + random % span;
        let &(_, id) = self.by_deadline.range(..(from + 1, SegmentId::new(0))).next_back()?;
        let segment = &self.segments[id];
        let minima = segment.minima.as_deref()?;
        let per_minimum = segment.route.shape.buckets() / minima.len().max(1);
        let begin = (random >> 32) as usize % minima.len().max(1);
        let mut wanted: Vec<&S> = Vec::new();
        for at in (begin..minima.len()).chain(0..begin).filter(|&at| minima[at] != NEVER) {
            for index in at * per_minimum..(at + 1) * per_minimum {
                wanted.extend(self.entries_of(segment.route.bucket(index)).filter(|entry| is_wanted(entry)));
            }
            if !wanted.is_empty() {
                return wanted.get((random >> 16) as usize % wanted.len()).copied();
            }
        }
        None
    }

    /// Removes entries whose deadline is `now_ms` or earlier and hands them to `give`, until none is left or
    /// `max_buckets` buckets were visited (a re-seeded segment is visited whole). Returns how many it removed.
    pub fn take_due(&mut self, now_ms: u64, max_buckets: usize, give: impl FnMut(S)) -> usize {
        self.take_due_where(now_ms, max_buckets, |_| true, give)
    }

    /// As [`take_due`](Self::take_due), but only those that `is_taken` picks. It may change the others (not their
    /// keys): one that is still due is visited again while the budget lasts, and by the next call.
    pub fn take_due_where(
        &mut self,
        now_ms: u64,
        max_buckets: usize,
        mut is_taken: impl FnMut(&mut S) -> bool,
        mut give: impl FnMut(S),
    ) -> usize {
        let (mut left, mut total) = (max_buckets, 0);
        let mut taken = Vec::new();
        while left > 0 {
            match self.by_deadline.first() {
                Some(&(due, id)) if due <= now_ms => {
                    self.sweep(id, now_ms, &mut left, &mut is_taken, &mut taken);
                }
                _ => break,
            }
            total += taken.len();
            taken.drain(..).for_each(&mut give);
        }
        total
    }

    /// Takes the due entries out of a segment's due buckets and makes the bounds of these exact.
    fn sweep(
        &mut self,
        id: SegmentId,
        now_ms: u64,
        left: &mut usize,
        is_taken: &mut impl FnMut(&mut S) -> bool,
        taken: &mut Vec<S>,
    ) {
        self.thaw_segment(id);
        let route = self.segments[id].route;
        let Some(mut minima) = self.segments[id].minima.take() else { return };
        let per_minimum = if route.shape.is_reseeded() { route.shape.buckets() } else { 1 };
        for (at, minimum) in minima.iter_mut().enumerate() {
            if *minimum > now_ms {
                continue;
            }
            if *left == 0 {
                break;
            }
            *left = left.saturating_sub(per_minimum);
            let mut earliest = NEVER;
            for index in at * per_minimum..(at + 1) * per_minimum {
                let bucket = route.bucket(index);
                self.prefetch_chain(bucket);
                let is_due = |entry: &mut S| {
                    let deadline = entry.deadline().unwrap_or(NEVER);
                    if deadline <= now_ms && deadline != NEVER && is_taken(entry) {
                        return true;
                    }
                    earliest = earliest.min(entry.deadline().unwrap_or(NEVER));
                    false
                };
                self.extract(bucket, is_due, taken);
            }
            *minimum = earliest;
        }
        let due = minima.iter().copied().min().unwrap_or(NEVER);
        self.segments[id].minima = Some(minima);
        self.set_due(id, due);
        if !taken.is_empty() {
            self.note_removed(id, taken.len());
        }
    }

    /// Moves a segment to its place in the order; one without a deadline gives its minima back.
    fn set_due(&mut self, id: SegmentId, due: u64) {
        let segment = &mut self.segments[id];
        if segment.due != due {
            if segment.due != NEVER {
                self.by_deadline.remove(&(segment.due, id));
            }
            segment.due = due;
            if due != NEVER {
                self.by_deadline.insert((due, id));
            }
        }
        if due == NEVER {
            self.drop_minima(id);
        }
    }

    /// Forgets the bounds of a segment that is taken apart or has no deadline any more.
    pub(super) fn drop_minima(&mut self, id: SegmentId) {
        let Segment { minima, due, .. } = &mut self.segments[id];
        if let Some(minima) = minima.take() {
            self.bytes -= minima.len() * 8;
        }
        if *due != NEVER {
            self.by_deadline.remove(&(*due, id));
            *due = NEVER;
        }
    }

    /// Computes the bounds of a segment that was rebuilt.
    pub(super) fn recompute_minima(&mut self, id: SegmentId) {
        let route = self.segments[id].route;
        let per_minimum = route.shape.buckets() / route.shape.minima();
        let mut minima = vec![NEVER; route.shape.minima()].into_boxed_slice();
        for (at, bucket) in route.all_buckets().enumerate() {
            self.for_each_in_bucket(bucket, |entry| {
                let minimum = &mut minima[at / per_minimum];
                *minimum = (*minimum).min(entry.deadline().unwrap_or(NEVER));
            });
        }
        let due = minima.iter().copied().min().unwrap_or(NEVER);
        self.bytes += minima.len() * 8;
        self.segments[id].minima = Some(minima);
        self.set_due(id, due);
    }
}
