//! Putting in what is being loaded: by the thread that reads the file, or by threads beside it, each for shards of its own.
//!
//! ```text
//! reader ─ decodes ─▶ a batch for each inserter ─▶ bounded queue ─▶ inserter: the locks of its shards, in they go
//! ```
//!
//! A table of millions lies in no cache, so that putting in is two thirds of loading, and decoding the rest: with two cores and
//! one inserter beside the reader loading is faster by that rest, with more cores and shards by more. Where there is one core, or
//! the caller holds the locks, the reader puts in itself, and nothing is handed over.
//!
//! The order of keys stays as in the file for each shard, so the last of two of the same name wins as it would there.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use crate::keyspace::load::Arrival;
use crate::keyspace::{DbIndex, Keyspace, LockSet, View};

/// Keys put in under one lock.
const BATCH_KEYS: usize = 512;
/// Batches that wait for an inserter.
const QUEUED: usize = 8;
/// More don't help: the reader gives no more.
const INSERTERS_MAX: usize = 4;

/// The name of a key that was there already.
type Refusal = OnceLock<Vec<u8>>;

/// Who puts in.
pub(super) enum Inserters<'v, 'k, 's> {
    Reader { view: &'v mut View<'k>, replaces: bool, batch: Vec<Arrival>, refusal: &'s Refusal },
    Others { keyspace: &'k Keyspace, all: Vec<Inserter>, refusal: &'s Refusal },
}

/// What goes to one of several threads, which ends when this is dropped.
pub(super) struct Inserter {
    batch: Vec<Arrival>,
    queue: SyncSender<Vec<Arrival>>,
}

impl<'v, 'k: 's, 's> Inserters<'v, 'k, 's> {
    /// As many as there are cores for, besides this thread's. What is in the keyspace already is replaced if it `replaces`, or else
    /// becomes the `refusal`.
    pub(super) fn begin<'e>(
        scope: &'s Scope<'s, 'e>,
        view: &'v mut View<'k>,
        replaces: bool,
        refusal: &'s Refusal,
    ) -> Inserters<'v, 'k, 's> {
        let keyspace = view.keyspace();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let wanted = if view.holds_all() { 0 } else { cores - 1 };
        let mut all = Vec::new();
        for _ in 0..wanted.min(keyspace.shard_count()).min(INSERTERS_MAX) {
            let (queue, batches) = sync_channel(QUEUED);
            let work = move || insert(View::new(keyspace, 0), &batches, replaces, refusal);
            // Fewer threads than wanted are no reason not to load.
            if std::thread::Builder::new().name("ochre-load".into()).spawn_scoped(scope, work).is_err() {
                break;
            }
            all.push(Inserter { batch: Vec::with_capacity(BATCH_KEYS), queue });
        }
        match all.is_empty() {
            true => Inserters::Reader { view, replaces, batch: Vec::with_capacity(BATCH_KEYS), refusal },
            false => Inserters::Others { keyspace, all, refusal },
        }
    }

    /// Makes room for about so many keys, where there are none yet.
    pub(super) fn expect(&mut self, db: DbIndex, keys: usize) {
        match self {
            Inserters::Reader { view, .. } => expect(view, db, keys),
            Inserters::Others { keyspace, .. } => expect(&mut View::new(keyspace, 0), db, keys),
        }
    }

    /// Takes a key. Whether a batch was handed over or put in with it.
    #[inline]
    pub(super) fn add(&mut self, arrival: Arrival) -> bool {
        let batch = match self {
            Inserters::Reader { batch, .. } => batch,
            Inserters::Others { all, .. } => {
                let count = all.len();
                match all.get_mut(usize::from(arrival.shard().0) % count) {
                    Some(inserter) => &mut inserter.batch,
                    None => return false,
                }
            }
        };
        batch.push(arrival);
        if batch.len() < BATCH_KEYS {
            return false;
        }
        self.put_in();
        true
    }

    /// Puts in, or hands over, what has been taken.
    fn put_in(&mut self) {
        match self {
            Inserters::Reader { view, replaces, batch, refusal } => put_in(view, batch, *replaces, refusal),
            Inserters::Others { all, .. } => {
                for inserter in all.iter_mut().filter(|inserter| !inserter.batch.is_empty()) {
                    let fresh = Vec::with_capacity(BATCH_KEYS);
                    // It ends early only by a panic, which the end of the scope hands on.
                    let _ = inserter.queue.send(std::mem::replace(&mut inserter.batch, fresh));
                }
            }
        }
    }

    /// The first key that was refused, so far.
    pub(super) fn refused(&self) -> Option<&[u8]> {
        let (Inserters::Reader { refusal, .. } | Inserters::Others { refusal, .. }) = self;
        refusal.get().map(Vec::as_slice)
    }

    /// Everything is in at the end of the scope; the refusal tells the rest.
    pub(super) fn finish(mut self) {
        self.put_in();
    }
}

fn expect(view: &mut View<'_>, db: DbIndex, keys: usize) {
    let held = view.holds_all();
    if !held {
        view.lock_blocking(&LockSet::All);
    }
    view.expect(db, keys);
    if !held {
        view.release();
    }
}

/// The loop of an inserter, until nobody sends any more.
fn insert(mut view: View<'_>, batches: &Receiver<Vec<Arrival>>, replaces: bool, refusal: &Refusal) {
    for mut batch in batches {
        put_in(&mut view, &mut batch, replaces, refusal);
    }
}

fn put_in(view: &mut View<'_>, batch: &mut Vec<Arrival>, replaces: bool, refusal: &Refusal) {
    if let Some(refused) = view.load(batch, replaces).first() {
        // One is enough to tell of.
        let _ = refusal.set(refused.key().to_vec());
    }
}
