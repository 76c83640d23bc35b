//! The journal: the one ordered stream of committed effects, on its way to the disk.
//!
//! ```text
//! command ─▶ effects ─▶ append, under the locks of its shards ─▶ queue ─▶ the writer's thread ─▶ file
//!                          │ offset                                            │ durable up to
//!                          ▼                                                   ▼
//!                       shard.last_write ─▶ reply depends on it ─▶ held until released ≥ offset
//! ```
//!
//! *Order.* An offset is the number of bytes appended so far. It is taken while the locks are held, so the order of the
//! stream is a valid serial order of the commands, and a reply can name the offset that it depends on: the last
//! write of every shard that it has looked at.
//!
//! *Release.* With `appendfsync always` a reply leaves when what it depends on is durable; otherwise at once, unless the
//! queue is over [`BACKLOG_MAX_BYTES`]: then when what it depends on has been written, which keeps the queue
//! bounded without anybody waiting for a disk. A connection whose reply is held parks its waker here.
//!
//! *Cost.* While nobody reads the journal, appending is one relaxed load. The switch is thrown under the locks of all
//! shards, so that the stream begins at one moment for all of them.
//!
//! **Invariant:** whoever appends holds the locks of what the commands are about.

mod encode;
#[cfg(test)]
mod tests;

pub use encode::push_request;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::{Condvar, Mutex};

use crate::keyspace::{DbIndex, EffectRecord, JournalOffset, Log};
use crate::resp::Args;

/// Bytes that may wait for the writer before replies wait for it too.
pub const BACKLOG_MAX_BYTES: u64 = 64 << 20;
/// Records are gathered in pieces of about this size.
const PIECE_BYTES: usize = 256 << 10;
/// The writer takes pieces together until they are as long as this, because a write past the page cache should be long.
const BATCH_BYTES: usize = 1 << 20;
/// A buffer that pieces are gathered in: the last batch of a piece fits too.
const BUFFER_BYTES: usize = PIECE_BYTES + (32 << 10);
/// Buffers that wait to be used again. Their memory is there already; that of a new one would be asked for under the locks.
const SPARES: usize = 10;

/// When replies may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// At once.
    #[default]
    Freely,
    /// When what they depend on is durable.
    Durable,
}

/// What the writer takes from the queue, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    Records(Records),
    /// What follows belongs to another file: the number that [`Journal::cut`] was given.
    Cut(u64),
}

/// Commands in the form of the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Behind each other.
    pub parts: Vec<Vec<u8>>,
    /// How many commits they are.
    pub commits: u64,
    /// Offset behind them.
    pub end: JournalOffset,
}

impl Records {
    /// Bytes of all parts.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Vec::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// When the sleeping writer is to be woken by an append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alarm {
    /// It is awake, or sleeps until its time.
    #[default]
    Never,
    /// By so many bytes in full pieces.
    Bytes(u64),
    /// By so many commits in the queue.
    Commits(u64),
}

#[derive(Default)]
struct Queue {
    /// Full pieces, of one part each, and cuts.
    pieces: VecDeque<Piece>,
    /// What is appended to, behind all pieces.
    open: Vec<u8>,
    open_commits: u64,
    /// Offset behind everything appended.
    end: u64,
    /// Bytes of the full pieces.
    full_bytes: u64,
    /// Commits that the writer has not taken.
    commits: u64,
    /// The database that the last command of the current file is for.
    db: Option<DbIndex>,
    alarm: Alarm,
    /// Somebody wants the writer to look around.
    is_called: bool,
    release: Release,
    written: u64,
    durable: u64,
    /// Emptied buffers, to be used again.
    spares: Vec<Vec<u8>>,
}

impl Queue {
    /// Takes away what is appended to; what comes next goes into another piece.
    fn close(&mut self) -> Records {
        let next = self.spares.pop().unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES));
        let bytes = std::mem::replace(&mut self.open, next);
        let commits = std::mem::take(&mut self.open_commits);
        Records { parts: vec![bytes], commits, end: JournalOffset(self.end) }
    }

    /// Closes the open piece if there is anything in it.
    fn push_open(&mut self) {
        if !self.open.is_empty() {
            let records = self.close();
            self.full_bytes += records.len() as u64;
            self.pieces.push_back(Piece::Records(records));
        }
    }

    /// Takes the next piece, the open one if there is no other.
    fn next(&mut self) -> Option<Piece> {
        let piece = match self.pieces.pop_front() {
            None if self.open.is_empty() => return None,
            None => return Some(Piece::Records(self.close())),
            Some(piece) => piece,
        };
        if let Piece::Records(records) = &piece {
            self.full_bytes -= records.len() as u64;
        }
        Some(piece)
    }

    /// Keeps a buffer to be used again, if it is one of the usual ones.
    fn keep(&mut self, mut spare: Vec<u8>) {
        if self.spares.len() < SPARES && (BUFFER_BYTES..2 * BUFFER_BYTES).contains(&spare.capacity()) {
            spare.clear();
            self.spares.push(spare);
        }
    }

    /// Counts what was appended behind the first `before` bytes of the open piece.
    fn count(&mut self, commits: u64, before: usize) {
        self.end += (self.open.len() - before) as u64;
        self.open_commits += commits;
        self.commits += commits;
    }
}

/// See the module's head.
#[derive(Default)]
pub struct Journal {
    /// Somebody reads. Changed under the locks of all shards.
    is_on: AtomicBool,
    queue: Mutex<Queue>,
    writer: Condvar,
    /// Replies that depend on less or as much may leave.
    released: AtomicU64,
    /// Something is held: `released` is not the end of time.
    is_holding: AtomicBool,
    parked: Mutex<Vec<(u64, Waker)>>,
    /// Those that wait for durability whatever the rule is.
    waiting: Mutex<Vec<(u64, Waker)>>,
    /// Why writes are refused.
    refusal: ArcSwapOption<String>,
    is_refusing: AtomicBool,
}

impl Journal {
    pub fn new() -> Journal {
        Journal { released: AtomicU64::new(u64::MAX), ..Journal::default() }
    }

    /// Whether somebody reads.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Begins or ends the stream. The caller holds the locks of all shards.
    pub fn switch(&self, on: bool) {
        self.is_on.store(on, Ordering::SeqCst);
        self.publish(&self.queue.lock());
    }

    /// Forgets what nobody will take any more: the stream has ended, and so has its writer.
    pub fn reset(&self) {
        let mut queue = self.queue.lock();
        queue.pieces.clear();
        queue.open = Vec::new();
        (queue.full_bytes, queue.open_commits, queue.commits, queue.db) = (0, 0, 0, None);
        (queue.written, queue.durable) = (queue.end, queue.end);
        queue.release = Release::Freely;
        self.publish(&queue);
        drop(queue);
        wake_up_to(&self.waiting, u64::MAX);
    }

    /// Appends what one command or transaction did; the offset behind it, `None` if nobody reads or there is nothing to
    /// say. `marks[i]` is the number of `records` that came before command `i`; without marks all did.
    #[inline]
    pub fn append(
        &self,
        commands: &[(DbIndex, Args<'_>)],
        records: &[EffectRecord],
        marks: &[usize],
    ) -> Option<JournalOffset> {
        if self.is_on() { self.append_on(commands, records, marks) } else { None }
    }

    fn append_on(
        &self,
        commands: &[(DbIndex, Args<'_>)],
        records: &[EffectRecord],
        marks: &[usize],
    ) -> Option<JournalOffset> {
        let count = commands.len() + encode::count(records);
        if count == 0 {
            return None;
        }
        let mut queue = self.queue.lock();
        let queue = &mut *queue;
        let before = queue.open.len();
        encode::Encoder::new(&mut queue.open, &mut queue.db)
            .transaction(count > 1, |encoder| encoder.interleave(commands, records, marks));
        queue.count(1, before);
        Some(self.look_after(queue))
    }

    /// Behind every commit: wakes the writer if it waits for that many, closes a piece that is full.
    #[inline]
    fn look_after(&self, queue: &mut Queue) -> JournalOffset {
        let is_enough = matches!(queue.alarm, Alarm::Commits(enough) if queue.commits >= enough);
        if is_enough || queue.open.len() >= PIECE_BYTES {
            self.make_room(queue, is_enough);
        }
        JournalOffset(queue.end)
    }

    #[cold]
    fn make_room(&self, queue: &mut Queue, is_enough: bool) {
        if queue.open.len() >= PIECE_BYTES {
            queue.push_open();
        }
        let is_long = match queue.alarm {
            Alarm::Bytes(much) => queue.full_bytes >= much,
            _ => queue.full_bytes > BACKLOG_MAX_BYTES / 8,
        };
        if queue.alarm != Alarm::Never && (is_enough || is_long) {
            queue.alarm = Alarm::Never;
            self.writer.notify_one();
        }
        if queue.end - queue.written > BACKLOG_MAX_BYTES && !self.is_holding.load(Ordering::Relaxed) {
            self.publish(queue);
        }
    }

    /// What is appended from now on belongs to the file `number`. The caller holds the locks of all shards.
    pub fn cut(&self, number: u64) -> JournalOffset {
        let mut queue = self.queue.lock();
        queue.push_open();
        queue.pieces.push_back(Piece::Cut(number));
        queue.db = None;
        queue.is_called = true;
        self.writer.notify_one();
        JournalOffset(queue.end)
    }

    /// Offset behind everything appended.
    pub fn end(&self) -> JournalOffset {
        JournalOffset(self.queue.lock().end)
    }

    /// Offset up to which everything is durable.
    pub fn durable(&self) -> JournalOffset {
        JournalOffset(self.queue.lock().durable)
    }

    /// Bytes that wait for the writer.
    pub fn backlog_bytes(&self) -> u64 {
        let queue = self.queue.lock();
        queue.end.saturating_sub(queue.written)
    }

    /// Sets when replies may leave from now on.
    pub fn set_release(&self, release: Release) {
        let mut queue = self.queue.lock();
        if queue.release != release {
            queue.release = release;
            queue.is_called = true;
            self.writer.notify_one();
            self.publish(&queue);
        }
    }

    /// For the writer: what is next, if there is anything: pieces that are written together, or a cut. `spares` are buffers to be
    /// used again.
    pub fn take(&self, spares: Vec<Vec<u8>>) -> Option<Piece> {
        let mut queue = self.queue.lock();
        spares.into_iter().for_each(|spare| queue.keep(spare));
        let mut batch = match queue.next()? {
            Piece::Records(records) => records,
            cut => return Some(cut),
        };
        while batch.len() < BATCH_BYTES && !matches!(queue.pieces.front(), Some(Piece::Cut(_))) {
            let Some(Piece::Records(mut more)) = queue.next() else { break };
            batch.parts.append(&mut more.parts);
            (batch.commits, batch.end) = (batch.commits + more.commits, more.end);
        }
        queue.commits -= batch.commits;
        Some(Piece::Records(batch))
    }

    /// For the writer: how many commits wait.
    pub fn waiting_commits(&self) -> u64 {
        self.queue.lock().commits
    }

    /// For the writer: sleeps until it is called, until as many commits wait as `alarm` says, or for `at_most`.
    pub fn sleep(&self, alarm: Alarm, at_most: Option<Duration>) {
        let mut queue = self.queue.lock();
        let is_due = |queue: &Queue| match alarm {
            _ if queue.is_called => true,
            Alarm::Never => false,
            Alarm::Bytes(much) => queue.full_bytes >= much,
            Alarm::Commits(enough) => queue.commits >= enough.max(1),
        };
        if !is_due(&queue) {
            queue.alarm = alarm;
            match at_most {
                Some(time) => drop(self.writer.wait_for(&mut queue, time)),
                None => self.writer.wait(&mut queue),
            }
            queue.alarm = Alarm::Never;
        }
        queue.is_called = false;
    }

    /// Makes the writer look around: its orders have changed.
    pub fn call(&self) {
        self.queue.lock().is_called = true;
        self.writer.notify_one();
    }

    /// For the writer: how far it came. Wakes connections whose replies may leave.
    pub fn progress(&self, written: JournalOffset, durable: JournalOffset) {
        let mut queue = self.queue.lock();
        queue.written = queue.written.max(written.0);
        queue.durable = queue.durable.max(durable.0);
        self.publish(&queue);
        let durable = queue.durable;
        drop(queue);
        wake_up_to(&self.waiting, durable);
    }

    /// Leaves a waker until everything up to `offset` is durable; `false` when it is already.
    pub fn park_until_durable(&self, offset: JournalOffset, waker: &Waker) -> bool {
        let mut waiting = self.waiting.lock();
        if self.durable() >= offset {
            return false;
        }
        waiting.retain(|(_, other)| !other.will_wake(waker));
        waiting.push((offset.0, waker.clone()));
        true
    }

    /// Works out what is released, and wakes who waited for it.
    fn publish(&self, queue: &Queue) {
        let released = match queue.release {
            Release::Durable if self.is_on() => queue.durable,
            _ if queue.end - queue.written > BACKLOG_MAX_BYTES => queue.written,
            _ => u64::MAX,
        };
        self.is_holding.store(released != u64::MAX, Ordering::SeqCst);
        self.released.store(released, Ordering::SeqCst);
        wake_up_to(&self.parked, released);
    }

    /// Whether replies can have to wait at all.
    #[inline]
    pub fn is_holding(&self) -> bool {
        self.is_holding.load(Ordering::Relaxed)
    }

    /// Whether a reply that depends on `offset` may leave.
    #[inline]
    pub fn is_released(&self, offset: JournalOffset) -> bool {
        offset.0 <= self.released.load(Ordering::SeqCst)
    }

    /// Leaves a waker until `offset` is released; `false` when it is already.
    pub fn park(&self, offset: JournalOffset, waker: &Waker) -> bool {
        let mut parked = self.parked.lock();
        if self.is_released(offset) {
            return false;
        }
        if !parked.iter().any(|(at, other)| *at == offset.0 && other.will_wake(waker)) {
            parked.push((offset.0, waker.clone()));
        }
        true
    }

    /// Refuses writes for this reason, or no longer.
    pub fn refuse(&self, reason: Option<String>) {
        self.is_refusing.store(reason.is_some(), Ordering::SeqCst);
        self.refusal.store(reason.map(Arc::new));
    }

    /// Whether writes are refused.
    #[inline]
    pub fn is_refusing(&self) -> bool {
        self.is_refusing.load(Ordering::Relaxed)
    }

    /// Why writes are refused.
    pub fn refusal(&self) -> Option<Arc<String>> {
        self.refusal.load_full()
    }
}

impl Log for Journal {
    fn append_records(&self, db: DbIndex, records: &[u8], commits: u64) -> JournalOffset {
        let mut queue = self.queue.lock();
        let queue = &mut *queue;
        let before = queue.open.len();
        encode::Encoder::new(&mut queue.open, &mut queue.db).records(db, records);
        queue.count(commits, before);
        self.look_after(queue)
    }
}

/// Wakes those who wait for no more than `offset`.
fn wake_up_to(parked: &Mutex<Vec<(u64, Waker)>>, offset: u64) {
    let mut parked = parked.lock();
    if parked.is_empty() {
        return;
    }
    let (free, held) = std::mem::take(&mut *parked).into_iter().partition(|(wanted, _)| *wanted <= offset);
    *parked = held;
    drop(parked);
    let free: Vec<(u64, Waker)> = free;
    free.into_iter().for_each(|(_, waker)| waker.wake());
}
