//! The keyspace as it was at one moment, for a thread that takes its time; nobody forks, and nothing is copied twice.
//!
//! ```text
//! cut        all shards locked: a watch on every table (see [`crate::ds::table`]), unlock         microseconds
//! writer     meets a bucket that was not put down yet: drafts it first        ─┐
//! saver      locks a shard, drafts the next buckets, unlocks                  ─┴▶ queue ─▶ saver writes drafts properly
//! FLUSHALL   the table goes with its watch; who frees it drafts the rest
//! ```
//!
//! A draft (see [`crate::rdb::write::Draft`]) is a copy of what is small and a reference of what is big, so what happens under
//! a lock takes as long as copying one bucket, some 7 entries, or for the saver some of them; compressing, walking big
//! values and writing hold none. Buckets are drafted together, those of one table behind each other, until a draft is worth
//! its way through the queue.
//!
//! The queue is bounded: when it is full, requests that write wait before they take any lock ([`Keyspace::is_choked`]), and
//! so does the thread that frees flushed tables; requests that read never do. Who holds a lock never waits, so the bound
//! is passed by what is under way.
//!
//! **Invariant:** every entry that was there at the cut is drafted exactly once, as it was at the cut, with the number that its
//! database had then.

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use smallvec::SmallVec;

use super::access::idle_seconds;
use super::{AccessClock, DbIndex, Entry, Keyspace, Shard, ShardId, View};
use crate::base::clock::UnixMs;
use crate::ds::table::Keeper;
use crate::rdb::write::file::{Access, Head};
use crate::rdb::write::{Draft, Format};

/// What drafts may take in memory before writers wait, in bytes.
const QUEUE_MAX_BYTES: usize = 48 << 20;
/// Entries that the saver drafts under one lock: about a quarter of a segment.
const SLICE_ENTRIES: usize = 64;
/// After somebody had to wait for the saver, it rests before so many slices, each time several times as long as a slice
/// takes: so clients have the shard most of the time, and a machine with one processor goes on serving.
const RESTS: u32 = 8;
const REST: Duration = Duration::from_micros(150);
/// Who shows no more entries at once puts them behind others, in a draft that is passed on when it has so many bytes.
const FEW: usize = 64;
const GATHERED_BYTES: usize = 16 << 10;
/// Drafts that are kept for their room.
const SPARE_MAX: usize = 64;

/// What of an entry's access clock is put down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKept {
    Nothing,
    Idle,
    Frequency,
}

/// What a keyspace knows of snapshots.
#[derive(Default)]
pub(super) struct Snapshots {
    /// Number of the last one.
    last: AtomicU32,
    is_running: AtomicBool,
    /// More drafts wait than the queue should hold.
    is_choked: AtomicBool,
    /// Requests that wait for it to empty.
    parked: Mutex<Vec<Waker>>,
}

impl Snapshots {
    #[cold]
    fn unchoke(&self) {
        if self.is_choked.swap(false, Ordering::SeqCst) {
            let parked = std::mem::take(&mut *self.parked.lock());
            parked.into_iter().for_each(Waker::wake);
        }
    }

    /// Asks for `waker` to be woken when there is room; `false` when there is.
    pub(super) fn park(&self, waker: &Waker) -> bool {
        let mut parked = self.parked.lock();
        // Looked at again under the lock: whoever makes room takes the wakers afterwards.
        if !self.is_choked.load(Ordering::SeqCst) {
            return false;
        }
        if !parked.iter().any(|other| other.will_wake(waker)) {
            parked.push(waker.clone());
        }
        true
    }
}

impl Keyspace {
    /// Whether requests that write should wait (see [`Busy::Snapshot`](super::Busy::Snapshot)).
    #[inline]
    pub fn is_choked(&self) -> bool {
        self.snapshots.is_choked.load(Ordering::Relaxed)
    }

    /// Whether a snapshot is under way.
    pub fn is_being_saved(&self) -> bool {
        self.snapshots.is_running.load(Ordering::Acquire)
    }
}

/// What saver and writers share.
struct Shared {
    format: Format,
    clock_kept: ClockKept,
    clock: AccessClock,
    at: UnixMs,
    queue: Mutex<Queue>,
    /// The queue has changed, or a table is done.
    changed: Condvar,
    /// Nobody wants the rest.
    abandoned: AtomicBool,
    /// Tables that were not drafted whole.
    tables: AtomicUsize,
    snapshots: Arc<Snapshots>,
}

#[derive(Default)]
struct Queue {
    drafts: Vec<(DbIndex, Draft)>,
    spare: Vec<Draft>,
    bytes: usize,
}

/// The keeper of one table.
struct TableKeeper {
    db: DbIndex,
    shared: Arc<Shared>,
    /// Of buckets that were shown alone. Whoever shows them holds the shard, so nobody waits for this.
    gathered: Mutex<Draft>,
}

impl TableKeeper {
    fn new(db: DbIndex, shared: &Arc<Shared>) -> TableKeeper {
        TableKeeper { db, shared: Arc::clone(shared), gathered: Mutex::new(Draft::new(shared.format)) }
    }
}

impl Keeper<Entry> for TableKeeper {
    fn keep(&self, entries: Vec<&mut Entry>, may_wait: bool) {
        let shared = &*self.shared;
        if shared.abandoned.load(Ordering::Acquire) {
            return;
        }
        if entries.len() > FEW {
            let mut draft = shared.spare();
            shared.put_down(&mut draft, entries);
            return shared.pass_on(self.db, draft, may_wait);
        }
        let mut gathered = self.gathered.lock();
        shared.put_down(&mut gathered, entries);
        if gathered.len() >= GATHERED_BYTES {
            let full = std::mem::replace(&mut *gathered, shared.spare());
            shared.pass_on(self.db, full, may_wait);
        }
    }
}

impl Drop for TableKeeper {
    fn drop(&mut self) {
        let gathered = std::mem::take(self.gathered.get_mut());
        if !gathered.is_empty() {
            self.shared.pass_on(self.db, gathered, false);
        }
        // Under the lock, so that who waits for the last one can't miss it.
        let _queue = self.shared.queue.lock();
        self.shared.tables.fetch_sub(1, Ordering::AcqRel);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// An empty draft.
    fn spare(&self) -> Draft {
        let spare = self.queue.lock().spare.pop();
        spare.unwrap_or_else(|| Draft::new(self.format))
    }

    fn put_down(&self, draft: &mut Draft, entries: Vec<&mut Entry>) {
        for entry in entries {
            let head = Head { deadline: entry.deadline(), access: self.access(entry) };
            draft.push(entry, head);
        }
    }

    /// Puts a draft into the queue. When that is full, writers wait from then on; who `may_wait` does so here.
    fn pass_on(&self, db: DbIndex, draft: Draft, may_wait: bool) {
        let mut queue = self.queue.lock();
        queue.bytes += draft.heap_bytes();
        queue.drafts.push((db, draft));
        self.changed.notify_all();
        if queue.bytes > QUEUE_MAX_BYTES {
            self.snapshots.is_choked.store(true, Ordering::SeqCst);
            while may_wait && queue.bytes > QUEUE_MAX_BYTES && !self.abandoned.load(Ordering::Acquire) {
                self.changed.wait(&mut queue);
            }
        }
    }

    fn access(&self, entry: &Entry) -> Option<Access> {
        match self.clock_kept {
            ClockKept::Nothing => None,
            ClockKept::Idle => Some(Access::Idle(idle_seconds(entry.clock(), self.at))),
            ClockKept::Frequency => {
                let counter = self.clock.frequency(entry.clock(), self.at);
                Some(Access::Frequency(u8::try_from(counter).unwrap_or(u8::MAX)))
            }
        }
    }
}

/// How big a database was at the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DbSize {
    pub db: DbIndex,
    pub keys: usize,
    pub volatile: usize,
    /// Hashes some of whose fields have deadlines.
    pub inner_deadlines: usize,
}

/// A keyspace at the moment of its cut: give it [back](Cut::end) to that keyspace in the end.
#[must_use = "watches stay on the tables until the cut is ended"]
pub struct Cut {
    shared: Arc<Shared>,
    /// Numbers of its watches: each table has one of its own.
    numbers: RangeInclusive<u32>,
    sizes: Vec<DbSize>,
    /// Where the walk stands: the shard, `None` at the end, the table by its watch, and the position in its hashes.
    shard: Option<usize>,
    table: u32,
    position: u64,
    /// Slices before which the saver still rests.
    rests: u32,
    /// Taken from the queue, to be handed out.
    taken: Vec<(DbIndex, Draft)>,
}

impl View<'_> {
    /// Cuts: from now on changes of the keyspace don't show in what the cut gives. All shards are held. `None` while
    /// another cut is under way.
    pub fn cut(&mut self, format: Format, clock_kept: ClockKept) -> Option<Cut> {
        debug_assert!(self.holds_all());
        let snapshots = &self.keyspace().snapshots;
        if snapshots.is_running.swap(true, Ordering::AcqRel) {
            return None;
        }
        let mut number = snapshots.last.load(Ordering::Relaxed);
        let first = number.wrapping_add(1);
        let shared = Arc::new(Shared {
            format,
            clock_kept,
            clock: self.access_clock(),
            at: self.now(),
            queue: Mutex::default(),
            changed: Condvar::new(),
            abandoned: AtomicBool::new(false),
            tables: AtomicUsize::new(0),
            snapshots: Arc::clone(snapshots),
        });
        let mut sizes: Vec<DbSize> = Vec::new();
        for shard in self.split_held().0 {
            for index in 0..shard.databases() {
                let index = DbIndex(index);
                let db = shard.db_mut(index);
                if db.is_empty() {
                    continue;
                }
                let (volatile, inner_deadlines) = (db.volatile(), db.sizes.inner_deadlines());
                add_size(&mut sizes, DbSize { db: index, keys: db.len(), volatile, inner_deadlines });
                shared.tables.fetch_add(1, Ordering::Relaxed);
                // Four billion tables would take centuries of snapshots.
                number += 1;
                db.table.watch(number, Arc::new(TableKeeper::new(index, &shared)));
            }
        }
        snapshots.last.store(number, Ordering::Relaxed);
        let numbers = first..=number;
        Some(Cut {
            shared,
            numbers,
            sizes,
            shard: Some(0),
            table: 0,
            position: 0,
            rests: 0,
            taken: Vec::new(),
        })
    }
}

fn add_size(sizes: &mut Vec<DbSize>, more: DbSize) {
    match sizes.iter_mut().find(|size| size.db == more.db) {
        Some(size) => {
            size.keys += more.keys;
            size.volatile += more.volatile;
            size.inner_deadlines += more.inner_deadlines;
        }
        None => sizes.push(more),
    }
}

impl Cut {
    /// The databases that had keys.
    pub fn sizes(&self) -> &[DbSize] {
        &self.sizes
    }

    /// Some keys of a database, to be written and [given back](Self::give_back); `None` when all were given out. Blocks this
    /// thread.
    pub fn next_draft(&mut self, keyspace: &Keyspace) -> Option<(DbIndex, Draft)> {
        loop {
            if let Some(next) = self.taken.pop() {
                return Some(next);
            }
            let mut queue = self.shared.queue.lock();
            if !queue.drafts.is_empty() {
                self.taken.append(&mut queue.drafts);
            } else if self.shard.is_some() {
                drop(queue);
                self.step(keyspace);
            } else if self.shared.tables.load(Ordering::Acquire) == 0 {
                return None;
            } else {
                // A flushed table is being drafted by who frees it.
                self.shared.changed.wait(&mut queue);
            }
        }
    }

    /// Whether writers put down more than is taken: so that they will have to wait if that goes on.
    pub fn is_behind(&self) -> bool {
        self.shared.queue.lock().bytes > QUEUE_MAX_BYTES / 4
    }

    /// Takes a draft that was written, for its room.
    pub fn give_back(&mut self, draft: Draft) {
        let mut queue = self.shared.queue.lock();
        queue.bytes = queue.bytes.saturating_sub(draft.heap_bytes());
        if queue.spare.len() < SPARE_MAX {
            queue.spare.push(draft);
        }
        // At once, so that who waits does so for one draft, not for a queue of them.
        if queue.bytes <= QUEUE_MAX_BYTES {
            self.shared.changed.notify_all();
            drop(queue);
            self.shared.snapshots.unchoke();
        }
    }

    /// Drafts the next buckets of a table under the lock of its shard.
    fn step(&mut self, keyspace: &Keyspace) {
        let Some(index) = self.shard else { return };
        if index >= keyspace.shard_count() {
            self.shard = None;
            return;
        }
        if self.rests > 0 {
            self.rests -= 1;
            std::thread::sleep(REST);
        }
        let id = ShardId(index as u16);
        let is_wanted = keyspace.with_shard(id, |shard| {
            self.step_in(shard, index);
            keyspace.shard(id).is_wanted()
        });
        if is_wanted {
            self.rests = RESTS;
        }
    }

    /// The part of it under the lock.
    fn step_in(&mut self, shard: &mut Shard, index: usize) {
        // SWAPDB may have moved it: a table is known by its watch.
        let watched = (0..shard.databases()).map(DbIndex).filter_map(|db| {
            Some((db, shard.db(db).table.watched().filter(|number| self.numbers.contains(number))?))
        });
        let mut watched: SmallVec<[(DbIndex, u32); 16]> = watched.collect();
        // The present one first.
        watched.sort_by_key(|&(_, number)| number != self.table);
        let Some(&(db, number)) = watched.first() else {
            // All of this shard are done, or gone with their watch.
            self.shard = Some(index + 1);
            return;
        };
        if number != self.table {
            (self.table, self.position) = (number, 0);
        }
        let next = shard.db_mut(db).table.keep_next(self.position, SLICE_ENTRIES);
        self.position = next.unwrap_or(0);
    }

    /// Ends it; what was not given out is given up.
    pub fn end(self, keyspace: &Keyspace) {
        self.shared.abandoned.store(true, Ordering::Release);
        {
            // Under the lock, so that nobody begins to wait behind this.
            let _queue = self.shared.queue.lock();
            self.shared.changed.notify_all();
        }
        if self.shared.tables.load(Ordering::Acquire) > 0 {
            for index in 0..keyspace.shard_count() {
                keyspace.with_shard(ShardId(index as u16), |shard| {
                    for db in (0..shard.databases()).map(DbIndex) {
                        let table = &mut shard.db_mut(db).table;
                        if table.watched().is_some_and(|number| self.numbers.contains(&number)) {
                            table.unwatch();
                        }
                    }
                });
            }
        }
        self.shared.snapshots.unchoke();
        self.shared.snapshots.is_running.store(false, Ordering::Release);
    }
}
