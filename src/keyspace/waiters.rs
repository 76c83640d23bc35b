//! Requests that wait for a key: BLPOP and its kind.
//!
//! Each shard has a table of the keys that are waited for, behind its lock, with the waiters of each in the order in which
//! they came. Whoever changes a key looks there (usually the table is empty, and that is all) and notes that the key is
//! *ready*; after its command the dispatcher runs the waiters' requests again, still under the locks of the change.
//!
//! ```text
//! BLPOP q  (A)   ─▶ shard: q → [A]                      A's connection sleeps
//! LPUSH q x (B)  ─▶ q is ready ─▶ A's request runs again: q, x ─▶ A is told, q → []     then B gets its reply
//! ```
//!
//! A [`Waiter`] hangs in the lists of all its keys, in several shards perhaps. Its state decides who ends its wait: the
//! first that finds it waiting under its lock, be it a change of a key, the end of its time, CLIENT UNBLOCK or its hang-up.
//! So an element is never taken for somebody who is not there any more, and nobody is served twice.
//!
//! **Invariant:** the lock of a waiter's state is taken under locks of shards or under none; under it nobody waits for a
//! shard.
//!
//! Who stops waiting without being served needs no lock to leave: its entries are dead, and are swept out when the lists
//! have doubled since the last sweep.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use super::by_key::ByKey;
use super::{DbIndex, JournalOffset};
use crate::base::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use crate::resp::{Output, OwnedArgs, Proto};
use crate::value::Kind;

/// Waiters up to which nothing is swept.
const SWEEP_MIN: usize = 64;

/// Which values can serve a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub kind: Kind,
    /// It also wants to know that the key is gone, or has become something else.
    pub or_none: bool,
}

impl Wanted {
    /// Whether a key that now holds a value of that kind, or none, is worth a try.
    pub fn is_met_by(self, kind: Option<Kind>) -> bool {
        self.or_none || kind == Some(self.kind)
    }
}

/// What it takes to run a request again on behalf of its client.
pub struct Pending {
    pub args: OwnedArgs,
    pub db: DbIndex,
    pub proto: Proto,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// CLIENT CACHING.
    pub caching: bool,
}

/// What a client gets whose request waited.
#[derive(Default)]
pub struct Served {
    /// What was said to it before.
    pub mail: Output,
    pub reply: Output,
    /// It may leave when the journal is released that far.
    pub depends: JournalOffset,
}

/// How a wait ended.
pub enum Ending {
    /// The request ran.
    Served(Served),
    /// Its time was over, or somebody said so.
    TimedOut,
    /// CLIENT UNBLOCK ERROR.
    Unblocked,
    /// Its client has gone.
    Left,
}

/// The state of a waiter.
pub enum Wait {
    Pending(Box<Pending>),
    Ended(Ending),
    /// The connection knows the ending.
    Known,
}

/// One request that waits.
pub struct Waiter {
    /// Number of the client.
    pub client: u64,
    /// Its place among all that ever waited: lists are in this order.
    place: u64,
    pub wanted: Wanted,
    pub has_timeout: bool,
    /// Kept beside the state, so that dead entries are seen without its lock.
    is_over: AtomicBool,
    state: Mutex<Wait>,
    waker: Waker,
}

impl Waiter {
    /// `place` is drawn under the locks of all its keys, so that who comes later has a higher one in every list.
    pub fn new(
        (client, place): (u64, u64),
        wanted: Wanted,
        has_timeout: bool,
        pending: Pending,
        waker: Waker,
    ) -> Waiter {
        Waiter {
            client,
            place,
            wanted,
            has_timeout,
            is_over: AtomicBool::new(false),
            state: Mutex::new(Wait::Pending(Box::new(pending))),
            waker,
        }
    }

    pub fn place(&self) -> u64 {
        self.place
    }

    /// Its state, locked: while it is pending, nobody else can end it.
    pub fn claim(&self) -> MutexGuard<'_, Wait> {
        self.state.lock()
    }

    /// Ends the wait under the lock of its state, and wakes the connection.
    pub fn end_claimed(&self, state: &mut Wait, ending: Ending) {
        *state = Wait::Ended(ending);
        self.is_over.store(true, Ordering::Release);
        self.waker.wake_by_ref();
    }

    /// Ends the wait, unless that has happened already; whether it did.
    pub fn end(&self, ending: Ending) -> bool {
        let mut state = self.claim();
        let is_pending = matches!(*state, Wait::Pending(_));
        if is_pending {
            self.end_claimed(&mut state, ending);
        }
        is_pending
    }

    /// The ending, once.
    pub fn take_ending(&self) -> Option<Ending> {
        if !self.is_over() {
            return None;
        }
        match std::mem::replace(&mut *self.claim(), Wait::Known) {
            Wait::Ended(ending) => Some(ending),
            Wait::Pending(_) | Wait::Known => None,
        }
    }

    /// Whether it waits no more.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

/// A key of a database.
pub type ReadyKey = (DbIndex, Box<[u8]>);

/// Who waits for a key, first come first.
#[derive(Default)]
struct Line {
    waiters: VecDeque<Arc<Waiter>>,
    /// How many of them also want to know that the key is gone.
    or_none: usize,
}

impl Line {
    fn push(&mut self, waiter: &Arc<Waiter>) {
        self.or_none += usize::from(waiter.wanted.or_none);
        self.waiters.push_back(Arc::clone(waiter));
    }

    /// Whether it was there.
    fn remove(&mut self, waiter: &Waiter) -> bool {
        let found = self.waiters.binary_search_by_key(&waiter.place, |other| other.place);
        let removed = found.ok().and_then(|index| self.waiters.remove(index));
        self.or_none -= usize::from(removed.as_ref().is_some_and(|removed| removed.wanted.or_none));
        removed.is_some()
    }

    /// Forgets who waits no more.
    fn sweep(&mut self) {
        self.waiters.retain(|waiter| !waiter.is_over());
        self.or_none = self.waiters.iter().filter(|waiter| waiter.wanted.or_none).count();
    }
}

/// Who waits for keys of a shard.
#[derive(Default)]
pub(super) struct Waiters {
    /// No line is empty.
    lines: ByKey<Line>,
    /// Entries of all lines, dead ones included.
    entries: usize,
    /// Entries at which the next sweep is due.
    sweep_at: usize,
}

impl Waiters {
    /// Puts a waiter behind the others of a key.
    pub(super) fn add(&mut self, db: DbIndex, key: &[u8], waiter: &Arc<Waiter>) {
        if self.entries >= self.sweep_at.max(SWEEP_MIN) {
            self.sweep();
        }
        self.lines.get_or_default(db, key).push(waiter);
        self.entries += 1;
    }

    fn sweep(&mut self) {
        self.entries = 0;
        self.lines.retain(|line| {
            line.sweep();
            self.entries += line.waiters.len();
            !line.waiters.is_empty()
        });
        self.sweep_at = self.entries * 2;
    }

    /// Takes out one that has been served.
    pub(super) fn remove(&mut self, db: DbIndex, key: &[u8], waiter: &Arc<Waiter>) {
        let Some(line) = self.lines.get_mut(db, key) else { return };
        self.entries -= usize::from(line.remove(waiter));
        if line.waiters.is_empty() {
            self.lines.remove(db, key);
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether somebody may wait for the key.
    pub(super) fn wait_for(&self, db: DbIndex, key: &[u8]) -> bool {
        self.lines.get(db, key).is_some()
    }

    /// The first behind `place` that a key with a value of that kind, or none, is worth a try to.
    pub(super) fn next(
        &self,
        db: DbIndex,
        key: &[u8],
        place: u64,
        kind: Option<Kind>,
    ) -> Option<Arc<Waiter>> {
        let line = self.lines.get(db, key)?;
        if kind.is_none() && line.or_none == 0 {
            // What is pushed is mostly gone with the first of many.
            return None;
        }
        let begin = line.waiters.partition_point(|waiter| waiter.place <= place);
        let mut behind = line.waiters.range(begin..);
        behind.find(|waiter| waiter.wanted.is_met_by(kind) && !waiter.is_over()).map(Arc::clone)
    }

    /// Keys of a database that somebody waits for.
    pub(super) fn keys_of(&self, db: DbIndex) -> impl Iterator<Item = &[u8]> {
        self.lines.keys_of(db)
    }

    /// For each key that is waited for: whether one of its waiters wants to know that it is gone.
    pub(super) fn census(&self) -> impl Iterator<Item = bool> {
        self.lines.values().filter_map(|line| {
            let mut living = line.waiters.iter().filter(|waiter| !waiter.is_over()).peekable();
            living.peek()?;
            Some(living.any(|waiter| waiter.wanted.or_none))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(place: u64) -> Arc<Waiter> {
        let wanted = Wanted { kind: Kind::List, or_none: false };
        let args = OwnedArgs::from_slices([b"BLPOP".as_slice(), b"q", b"0"]);
        let pending = Pending { args, db: DbIndex(0), proto: Proto::Resp2, no_touch: false, caching: false };
        Arc::new(Waiter::new((1, place), wanted, false, pending, Waker::noop().clone()))
    }

    #[test]
    fn first_come_first_and_only_the_living() {
        let mut waiters = Waiters::default();
        let (one, two) = (waiter(1), waiter(2));
        waiters.add(DbIndex(0), b"q", &one);
        waiters.add(DbIndex(0), b"q", &two);
        assert!(waiters.wait_for(DbIndex(0), b"q") && !waiters.wait_for(DbIndex(1), b"q"));
        let next = |waiters: &Waiters, place, kind| {
            waiters.next(DbIndex(0), b"q", place, kind).map(|waiter| waiter.place())
        };
        let list = Some(Kind::List);
        assert_eq!([0, 1, 2].map(|place| next(&waiters, place, list)), [Some(1), Some(2), None]);
        assert_eq!((next(&waiters, 0, None), next(&waiters, 0, Some(Kind::Set))), (None, None));
        assert!(one.end(Ending::TimedOut));
        assert!(!one.end(Ending::Left), "only one ends it");
        assert!(matches!(one.take_ending(), Some(Ending::TimedOut)));
        assert!(one.take_ending().is_none());
        assert_eq!(next(&waiters, 0, list), Some(2));
        waiters.remove(DbIndex(0), b"q", &two);
        assert_eq!(waiters.census().count(), 0);
    }

    #[test]
    fn who_left_is_swept_out() {
        let mut waiters = Waiters::default();
        for place in 0..10_000 {
            let waiter = waiter(place);
            waiters.add(DbIndex(0), b"q", &waiter);
            waiter.end(Ending::TimedOut);
        }
        assert!(waiters.entries <= SWEEP_MIN);
    }
}
