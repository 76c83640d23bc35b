//! Client-side caching: which clients have read which keys, and telling them when these change.
//!
//! ```text
//! GET k  (A tracks)  ─▶ keys: k → [A]                    under the shard's lock
//! SET k  (B)         ─▶ keys: k → A hears "invalidate k", k is forgotten       when the command has run
//! a client that tracks a prefix hears of every key that begins with it, read or not: once for all that was changed by what a
//! client had sent together, when that has run
//! ```
//!
//! Names count, not databases, as in Redis: a change of `k` in any of them is told to whoever has read any.
//!
//! A read is remembered before its shard is let go, and a change is told before its shard is let go, so no change between
//! the two is missed. Who has gone stays in the lists until their keys change, or nobody tracks; numbers of clients are not
//! used again.
//!
//! The table is bounded by `tracking-table-max-keys`: beyond it some key is forgotten and its readers are told that it has
//! changed, so the bound costs cache hits, never truth.

mod message;
mod prefixes;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::keyspace::{EffectRecord, Effects, What};
use crate::session::{ClientId, Registry, Scope, Tracker};
use message::{tell_all, tell_keys};
use prefixes::Prefixes;

/// Keys that a client has read and then changed itself; `None` is all of them.
pub type OwnChanges = Vec<Option<Box<[u8]>>>;

/// Keys that were changed, each with who is not to hear of it under NOLOOP.
pub type ChangedKeys = Vec<(Box<[u8]>, Option<ClientId>)>;

/// Who has read a key.
type Readers = SmallVec<[ClientId; 2]>;

/// All tracking.
#[derive(Default)]
pub struct Tracking {
    trackers: DashMap<ClientId, Arc<Tracker>>,
    keys: DashMap<Box<[u8]>, Readers>,
    prefixes: RwLock<Prefixes>,
    /// Lengths of the tables above, which they would have to lock themselves to tell.
    tracker_count: AtomicUsize,
    key_count: AtomicUsize,
    item_count: AtomicUsize,
}

impl Tracking {
    /// Whether anybody tracks.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.tracker_count.load(Ordering::Relaxed) > 0
    }

    /// Clients that track.
    pub fn clients(&self) -> usize {
        self.tracker_count.load(Ordering::Relaxed)
    }

    /// Keys that clients have read.
    pub fn keys(&self) -> usize {
        self.key_count.load(Ordering::Relaxed)
    }

    /// Readers of all keys.
    pub fn items(&self) -> usize {
        self.item_count.load(Ordering::Relaxed)
    }

    /// Distinct prefixes.
    pub fn prefixes(&self) -> usize {
        self.prefixes.read().len()
    }

    /// What a client tracks.
    pub fn tracker(&self, client: ClientId) -> Option<Arc<Tracker>> {
        if !self.is_active() {
            return None;
        }
        self.trackers.get(&client).map(|tracker| Arc::clone(&tracker))
    }

    /// Lets a client track, or changes how it does.
    pub fn start(&self, tracker: &Arc<Tracker>) {
        let id = tracker.client.id;
        let mut prefixes = self.prefixes.write();
        match self.trackers.insert(id, Arc::clone(tracker)) {
            Some(before) => before.prefixes.iter().for_each(|prefix| prefixes.remove(prefix, id)),
            None => _ = self.tracker_count.fetch_add(1, Ordering::SeqCst),
        }
        tracker.prefixes.iter().for_each(|prefix| prefixes.add(prefix, tracker));
    }

    /// Ends what [`Tracking::start`] began. With the last that tracks the keys go, for nobody would hear of their changes.
    pub fn stop(&self, client: ClientId) {
        // Nobody starts meanwhile.
        let mut prefixes = self.prefixes.write();
        let Some((_, tracker)) = self.trackers.remove(&client) else { return };
        tracker.prefixes.iter().for_each(|prefix| prefixes.remove(prefix, client));
        if self.tracker_count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.forget_all();
        }
    }

    fn forget_all(&self) {
        self.keys.clear();
        self.key_count.store(0, Ordering::Relaxed);
        self.item_count.store(0, Ordering::Relaxed);
    }

    /// Remembers that a client has read a key; there are at most `max_keys` keys, 0 being no bound.
    pub fn remember(&self, client: ClientId, key: &[u8], max_keys: u64, clients: &Registry) {
        let is_new = match self.keys.entry(key.into()) {
            Entry::Occupied(mut readers) => {
                if readers.get().contains(&client) {
                    return;
                }
                readers.get_mut().push(client);
                false
            }
            Entry::Vacant(vacant) => {
                vacant.insert(SmallVec::from_slice(&[client]));
                true
            }
        };
        self.item_count.fetch_add(1, Ordering::Relaxed);
        if is_new {
            self.key_count.fetch_add(1, Ordering::Relaxed);
            self.limit(max_keys, Some(key), clients);
        }
    }

    /// Forgets keys other than `but` when there are more than `max_keys`, 0 being no bound: their readers have to read them again.
    #[inline]
    pub fn limit(&self, max_keys: u64, but: Option<&[u8]>, clients: &Registry) {
        let surplus = (self.keys() as u64).saturating_sub(max_keys);
        if max_keys > 0 && surplus > 0 {
            // A few more than must: who looks for one at a time walks each time over the places of those that have gone.
            self.forget(surplus + max_keys / 128, but, clients);
        }
    }

    #[cold]
    fn forget(&self, count: u64, but: Option<&[u8]>, clients: &Registry) {
        let names = self.keys.iter().map(|readers| readers.key().clone());
        let victims: Vec<_> = names.filter(|key| but != Some(key)).take(count as usize).collect();
        victims.iter().for_each(|key| _ = self.invalidate(key, None, clients));
    }

    /// Tells who has read what `origin` has changed. What `origin` itself has read is added to `own`: it hears of that when it is
    /// done ([`Tracking::tell_own`]).
    pub fn tell(
        &self,
        record: &EffectRecord,
        origin: Option<ClientId>,
        own: &mut OwnChanges,
        clients: &Registry,
    ) {
        match record.what {
            What::Modified => {
                if self.invalidate(&record.key, origin, clients) {
                    own.push(Some(record.key.clone()));
                }
            }
            // That was nobody's change, even if somebody's look has found it.
            What::Expired => _ = self.invalidate(&record.key, None, clients),
            What::Flushed => {
                if self.flush(origin, clients) {
                    own.push(None);
                }
            }
            What::Event(..) | What::ElementsExpired(_) => {}
        }
    }

    /// Tells a client what of its own changes it had read.
    pub fn tell_own(&self, client: Option<ClientId>, own: OwnChanges, clients: &Registry) {
        if own.is_empty() {
            return;
        }
        let Some(tracker) = client.and_then(|client| self.tracker(client)) else { return };
        for key in own {
            match key {
                Some(key) => tell_keys(&tracker, &[&key], clients),
                None => tell_all(&tracker, clients),
            }
        }
    }

    /// Adds to `changed` what `origin` has changed, if somebody tracks prefixes. What is `of_scripts` is nobody's: as in Redis,
    /// NOLOOP does not spare a client what its own scripts have changed.
    pub fn gather(
        &self,
        effects: &Effects,
        origin: Option<ClientId>,
        of_scripts: &[Range<usize>],
        changed: &mut ChangedKeys,
    ) {
        if self.prefixes() == 0 || effects.records.iter().any(|record| record.what == What::Flushed) {
            // After a flush everybody has been told that everything has changed.
            return;
        }
        let is_of_script = |at| of_scripts.iter().any(|range| range.contains(&at));
        changed.extend(effects.records.iter().enumerate().filter_map(|(at, record)| match record.what {
            What::Modified => Some((record.key.clone(), origin.filter(|_| !is_of_script(at)))),
            What::Expired => Some((record.key.clone(), None)),
            _ => None,
        }));
    }

    /// Tells who tracks prefixes what was gathered.
    pub fn broadcast(&self, changed: &ChangedKeys, clients: &Registry) {
        if !changed.is_empty() {
            self.prefixes.read().tell(changed, clients);
        }
    }

    /// Tells the readers of a key, and forgets them; whether `origin` is among them, who is not told now.
    fn invalidate(&self, key: &[u8], origin: Option<ClientId>, clients: &Registry) -> bool {
        let Some((_, readers)) = self.keys.remove(key) else { return false };
        self.key_count.fetch_sub(1, Ordering::Relaxed);
        self.item_count.fetch_sub(readers.len(), Ordering::Relaxed);
        let mut is_own = false;
        for reader in readers {
            let Some(tracker) = self.tracker(reader) else { continue };
            if tracker.scope == Scope::Broadcast {
                continue;
            }
            match origin == Some(reader) {
                true => is_own = !tracker.no_loop,
                false => tell_keys(&tracker, &[key], clients),
            }
        }
        is_own
    }

    /// Everything has changed. Whether `origin` tracks, who is not told now.
    pub fn flush(&self, origin: Option<ClientId>, clients: &Registry) -> bool {
        self.forget_all();
        // Sending takes locks of its own.
        let trackers: Vec<_> = self.trackers.iter().map(|tracker| Arc::clone(&tracker)).collect();
        let (own, others): (Vec<_>, Vec<_>) =
            trackers.iter().partition(|tracker| origin == Some(tracker.client.id));
        others.iter().for_each(|tracker| tell_all(tracker, clients));
        !own.is_empty()
    }
}
