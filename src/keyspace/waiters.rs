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

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use parking_lot::{Mutex, MutexGuard};

use super::{DbIndex, JournalOffset};
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
}

/// How a wait ended.
pub enum Ending {
    /// The request ran; this is its reply, which may leave when the journal is released that far.
    Served(Output, JournalOffset),
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
    pub wanted: Wanted,
    pub has_timeout: bool,
    /// Kept beside the state, so that dead entries are seen without its lock.
    is_over: AtomicBool,
    state: Mutex<Wait>,
    waker: Waker,
}

impl Waiter {
    pub fn new(client: u64, wanted: Wanted, has_timeout: bool, pending: Pending, waker: Waker) -> Waiter {
        Waiter {
            client,
            wanted,
            has_timeout,
            is_over: AtomicBool::new(false),
            state: Mutex::new(Wait::Pending(Box::new(pending))),
            waker,
        }
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

/// Who waits for each key of a database.
type Lists = HashMap<Box<[u8]>, VecDeque<Arc<Waiter>>>;

/// Who waits for keys of a shard.
#[derive(Default)]
pub(super) struct Waiters {
    /// No list is empty, no database without lists.
    dbs: HashMap<DbIndex, Lists>,
    /// Entries of all lists, dead ones included.
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
        let lists = self.dbs.entry(db).or_default();
        lists.entry(key.into()).or_default().push_back(Arc::clone(waiter));
        self.entries += 1;
    }

    fn sweep(&mut self) {
        self.entries = 0;
        self.dbs.retain(|_, lists| {
            lists.retain(|_, waiters| {
                waiters.retain(|waiter| !waiter.is_over());
                self.entries += waiters.len();
                !waiters.is_empty()
            });
            !lists.is_empty()
        });
        self.sweep_at = self.entries * 2;
    }

    /// Takes out one that has been served.
    pub(super) fn remove(&mut self, db: DbIndex, key: &[u8], waiter: &Arc<Waiter>) {
        let Some(lists) = self.dbs.get_mut(&db) else { return };
        let Some(waiters) = lists.get_mut(key) else { return };
        let before = waiters.len();
        waiters.retain(|other| !Arc::ptr_eq(other, waiter));
        self.entries -= before - waiters.len();
        if waiters.is_empty() {
            lists.remove(key);
            if lists.is_empty() {
                self.dbs.remove(&db);
            }
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.dbs.is_empty()
    }

    fn list(&self, db: DbIndex, key: &[u8]) -> Option<&VecDeque<Arc<Waiter>>> {
        self.dbs.get(&db)?.get(key)
    }

    /// Whether somebody may wait for the key.
    pub(super) fn wait_for(&self, db: DbIndex, key: &[u8]) -> bool {
        self.list(db, key).is_some()
    }

    /// Who waits for the key, first come first.
    pub(super) fn of(&self, db: DbIndex, key: &[u8]) -> Vec<Arc<Waiter>> {
        let waiters = self.list(db, key).into_iter().flatten();
        waiters.filter(|waiter| !waiter.is_over()).map(Arc::clone).collect()
    }

    /// Keys of a database that somebody waits for.
    pub(super) fn keys_of(&self, db: DbIndex) -> impl Iterator<Item = &[u8]> {
        self.dbs.get(&db).into_iter().flat_map(|lists| lists.keys()).map(|key| &**key)
    }

    /// For each key that is waited for: whether one of its waiters wants to know that it is gone.
    pub(super) fn census(&self) -> impl Iterator<Item = bool> {
        self.dbs.values().flat_map(HashMap::values).filter_map(|waiters| {
            let mut living = waiters.iter().filter(|waiter| !waiter.is_over()).peekable();
            living.peek()?;
            Some(living.any(|waiter| waiter.wanted.or_none))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter() -> Arc<Waiter> {
        let wanted = Wanted { kind: Kind::List, or_none: false };
        let args = OwnedArgs::from_slices([b"BLPOP".as_slice(), b"q", b"0"]);
        let pending = Pending { args, db: DbIndex(0), proto: Proto::Resp2, no_touch: false };
        Arc::new(Waiter::new(1, wanted, false, pending, Waker::noop().clone()))
    }

    #[test]
    fn first_come_first_and_only_the_living() {
        let mut waiters = Waiters::default();
        let (one, two) = (waiter(), waiter());
        waiters.add(DbIndex(0), b"q", &one);
        waiters.add(DbIndex(0), b"q", &two);
        assert!(waiters.wait_for(DbIndex(0), b"q") && !waiters.wait_for(DbIndex(1), b"q"));
        assert!(Arc::ptr_eq(&waiters.of(DbIndex(0), b"q")[0], &one));
        assert!(one.end(Ending::TimedOut));
        assert!(!one.end(Ending::Left), "only one ends it");
        assert!(matches!(one.take_ending(), Some(Ending::TimedOut)));
        assert!(one.take_ending().is_none());
        assert_eq!(waiters.of(DbIndex(0), b"q").len(), 1);
        waiters.remove(DbIndex(0), b"q", &two);
        assert_eq!(waiters.census().count(), 0);
    }

    #[test]
    fn who_left_is_swept_out() {
        let mut waiters = Waiters::default();
        for _ in 0..10_000 {
            let waiter = waiter();
            waiters.add(DbIndex(0), b"q", &waiter);
            waiter.end(Ending::TimedOut);
        }
        assert!(waiters.entries <= SWEEP_MIN);
    }
}
