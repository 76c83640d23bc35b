//! What was changed under the locks that are held, and the log has not heard of yet.
//!
//! The requests of a batch that need no other lock are appended together: the log's own lock is taken once for all of them.
//!
//! ```text
//! lock ─▶ SET a 1 ─▶ SET b 2 ─▶ …  ─▶ log_all: one append, its offset noted in the held shards ─▶ release
//! ```
//!
//! **Invariant:** nobody else can have seen a change that the log has not heard of: [`View::release`] tells it before it lets
//! go, and so does a view that is dropped. Whoever else appends, or asks how far the log reaches, calls [`View::log_all`] before.

use std::cell::Cell;

use super::{DbIndex, JournalOffset, View};

/// More is not put off.
const WAITING_MAX_BYTES: usize = 16 << 10;

/// Keeps what was changed, in order.
pub trait Log {
    /// Appends `records`, commands for the database `db` that are `commits` commits, and answers how far the log reaches now.
    /// The caller holds the locks of what they are about.
    fn append_records(&self, db: DbIndex, records: &[u8], commits: u64) -> JournalOffset;
}

/// See the module's head.
#[derive(Default)]
pub(super) struct Unlogged<'k> {
    log: Option<&'k dyn Log>,
    db: DbIndex,
    records: Vec<u8>,
    commits: u64,
}

thread_local! {
    /// A buffer for the next batch.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<'k> View<'k> {
    /// Where the record of one more commit is to be appended: a command for `db` that has changed what is held.
    #[inline]
    pub fn unlogged(&mut self, log: &'k dyn Log, db: DbIndex) -> &mut Vec<u8> {
        let Unlogged { commits, db: last, records, .. } = &self.unlogged;
        if *commits == 0 || *last != db || records.len() >= WAITING_MAX_BYTES {
            self.log_what_follows(log, db);
        }
        self.unlogged.commits += 1;
        &mut self.unlogged.records
    }

    #[inline(never)] // As below.
    fn log_what_follows(&mut self, log: &'k dyn Log, db: DbIndex) {
        self.log_all();
        self.unlogged = Unlogged { log: Some(log), db, records: SPARE.take(), commits: 0 };
    }

    /// Tells the log what it has not heard of.
    #[inline]
    pub fn log_all(&mut self) {
        if self.unlogged.commits > 0 {
            self.log_some();
        }
    }

    #[inline(never)] // Once per batch at most, from many places.
    fn log_some(&mut self) {
        let Unlogged { log, db, mut records, commits } = std::mem::take(&mut self.unlogged);
        if let Some(log) = log {
            let offset = log.append_records(db, &records, commits);
            self.note_write(offset);
            // Also when nothing is held: a write without keys.
            self.seen = self.seen.max(offset);
        }
        // What a big value has left is not kept.
        if records.capacity() <= 2 * WAITING_MAX_BYTES {
            records.clear();
            SPARE.set(records);
        }
    }
}
