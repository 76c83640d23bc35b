//! The one primitive: a view of the shards that a command needs, locked.
//!
//! ```text
//! view.lock(&LockSet)?  ─▶  view.read(db, key) / view.edit(db, key, …)  ─▶  view.take_effects()  ─▶  view.release()
//! ```
//!
//! A view lives for a batch of commands. While the next command stays inside what is held, nothing is locked
//! again; otherwise everything is released before anything else is tried, so nobody holds and waits. `lock` never
//! blocks: it reports what was [`Busy`], and the connection parks there.
//!
//! Whoever loses several times in a row calls [`View::lock_in_order`]: it takes the script mutex and then
//! blocks on shard after shard. That is safe because the holder of the script mutex is the only one
//! who ever waits while holding, and everybody else lets go within microseconds, or has said that it does not.
//!
//! A script that runs long lets its thread do other work now and then, and keeps its locks ([`View::hold_long`]). So no
//! thread that serves connections may block for a lock that is held for long: the thread that holds it may be the same one.
//! [`View::lock_patiently`] is for them.
//!
//! **Invariant:** views are not `Send` and exist only inside plain functions, so nothing awaits under a lock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::access::{AccessClock, lru_clock};
use super::audience::Audience;
use super::audit::{Access, Audit};
use super::edit;
use super::effects::{EventClass, What};
use super::entry::{is_expired, kind_of};
use super::held::Held;
use super::sizes::Place;
use super::unlogged::Unlogged;
use super::waiters::{ReadyKey, Waiter};
use super::{
    Busy, DbIndex, Effects, Entry, ExpiryPolicy, JournalOffset, Key, Keyspace, Observed, Shard, ShardId,
    WatchFlag,
};
use crate::base::clock::UnixMs;
use crate::base::rng::Rng;
use crate::ds::table::{Arriving, Touch};

/// More than that are let go before a request takes the one that it needs besides.
const HELD_FEW: usize = 16;

/// Shards in any order, some perhaps more than once.
pub type ShardSet = SmallVec<[ShardId; 16]>;

/// Which shards a command needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockSet {
    Nothing,
    One(ShardId),
    Many(ShardSet),
    All,
}

impl LockSet {
    /// The set that holds all `shards`.
    pub fn of(shards: impl IntoIterator<Item = ShardId>) -> LockSet {
        let set: ShardSet = shards.into_iter().collect();
        match set.as_slice() {
            [] => LockSet::Nothing,
            [one, others @ ..] if others.iter().all(|other| other == one) => LockSet::One(*one),
            _ => LockSet::Many(set),
        }
    }
}

/// Locked shards and the circumstances of the command that runs on them.
pub struct View<'k> {
    keyspace: &'k Keyspace,
    held: Held<'k>,
    /// The last write of any shard that was held.
    pub(super) seen: JournalOffset,
    pub(super) unlogged: Unlogged<'k>,
    pub(super) cx: Circumstances,
}

/// What an access needs to know besides the data.
pub(super) struct Circumstances {
    pub now: UnixMs,
    /// The time that keys are marked with as last used: now, except in a replay.
    pub used_at: UnixMs,
    /// That time as an LRU policy keeps it.
    pub lru_clock: u32,
    pub effects: Effects,
    pub access: AccessClock,
    /// CLIENT NO-TOUCH: reads leave the access clock alone.
    pub no_touch: bool,
    pub expiry: ExpiryPolicy,
    pub observed: bool,
    /// Also what the journal can do without is recorded.
    pub tells: bool,
    pub rng: Rng,
    /// Keys that were changed and that somebody waits for, in order.
    pub ready: Vec<ReadyKey>,
    /// An edit is under way; if the thread unwinds now, a value may be half changed.
    pub editing: bool,
    /// Something was changed that is told to nobody yet, because more belongs to it.
    pub is_unfinished: bool,
    /// In builds with debug assertions: the keys that the command may reach.
    pub audit: Audit,
}

impl<'k> View<'k> {
    /// A view that holds nothing yet. `seed` starts its random numbers.
    #[inline] // As its executor.
    pub fn new(keyspace: &'k Keyspace, seed: u64) -> View<'k> {
        View {
            keyspace,
            held: Held::new(keyspace),
            seen: JournalOffset(0),
            unlogged: Unlogged::default(),
            cx: Circumstances {
                now: UnixMs(0),
                used_at: UnixMs(0),
                lru_clock: 0,
                effects: Effects::default(),
                access: keyspace.access.load(),
                no_touch: false,
                expiry: keyspace.expiry.load(),
                observed: false,
                tells: false,
                rng: Rng::from_seed(seed),
                ready: Vec::new(),
                editing: false,
                is_unfinished: false,
                audit: Audit::default(),
            },
        }
    }

    /// The next command runs in the circumstances of the last one, perhaps later. Who has begun to listen without taking a lock
    /// that is held has not seen anything yet that this command could change.
    #[inline]
    pub fn go_on(&mut self, now: UnixMs) {
        if self.cx.now != now {
            self.cx.set_now(now, now);
        }
    }

    /// Sets the circumstances of the next command.
    #[inline]
    pub fn begin(&mut self, now: UnixMs, no_touch: bool) {
        self.go_on(now);
        self.cx.no_touch = no_touch;
        // Somebody may have begun to listen in the middle of a batch (CLIENT TRACKING).
        self.read_observed();
    }

    /// The next command is one of a log: it runs at the beginning of time, when nothing has expired yet.
    #[inline]
    pub fn begin_replay(&mut self, now: UnixMs) {
        self.cx.set_now(UnixMs(0), now);
        self.cx.no_touch = false;
    }

    #[inline]
    fn read_observed(&mut self) {
        let observed = self.keyspace.observed();
        self.cx.observed = observed >= Observed::Commands;
        self.cx.tells = observed >= Observed::Everything;
    }

    /// Settings are read when a lock is taken: whoever changes one for good does it under all locks, or is content
    /// with it counting from the next lock on.
    fn read_settings(&mut self) {
        self.cx.access = self.keyspace.access.load();
        self.cx.expiry = self.keyspace.expiry.load();
        self.read_observed();
    }

    pub fn keyspace(&self) -> &'k Keyspace {
        self.keyspace
    }

    /// Whether effects are recorded, as of when the lock was taken.
    pub fn is_observed(&self) -> bool {
        self.cx.observed
    }

    pub fn now(&self) -> UnixMs {
        self.cx.now
    }

    /// As [`View::now`], but also in a replay the time on the wall.
    pub fn wall_now(&self) -> UnixMs {
        self.cx.used_at
    }

    pub fn access_clock(&self) -> AccessClock {
        self.cx.access
    }

    /// The clock of an entry that is new now.
    pub fn new_clock(&self) -> u32 {
        self.cx.new_clock()
    }

    pub fn rng(&mut self) -> &mut Rng {
        &mut self.cx.rng
    }

    /// What the command did since the last call.
    #[inline]
    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.cx.effects)
    }

    /// How many hits and misses the command had since the last call.
    #[inline]
    pub fn take_lookups(&mut self) -> (u64, u64) {
        let effects = &mut self.cx.effects;
        (std::mem::take(&mut effects.hits), std::mem::take(&mut effects.misses))
    }

    /// Drops what was counted, keeping the buffer of records.
    #[inline]
    pub fn forget_effects(&mut self) {
        let effects = &mut self.cx.effects;
        if !effects.records.is_empty() {
            // Asked before, as also to drop none would be a call.
            effects.records.clear();
        }
        (effects.changes, effects.hits, effects.misses) = (0, 0, 0);
        (effects.expired, effects.expired_elements) = (0, 0);
        effects.is_forced = false;
    }

    /// Says whether what was changed is a part of something, of which nobody may see a part.
    #[inline]
    pub fn set_unfinished(&mut self, is_unfinished: bool) {
        self.cx.is_unfinished = is_unfinished;
    }

    /// What the command did so far.
    pub fn effects(&self) -> &Effects {
        &self.cx.effects
    }

    /// Holds at least `set`, or nothing and the one that was busy.
    #[inline]
    pub fn lock(&mut self, set: &LockSet) -> Result<(), Busy> {
        if self.covers(set) { Ok(()) } else { self.lock_afresh(set) }
    }

    /// Whether a shard is held.
    #[inline]
    pub fn holds(&self, shard: ShardId) -> bool {
        self.held.holds(shard)
    }

    /// Whether all there is is one shard, and it is held.
    #[inline]
    pub fn holds_the_one(&self) -> bool {
        self.held.len() == 1 && self.keyspace.shards.len() == 1
    }

    fn lock_afresh(&mut self, set: &LockSet) -> Result<(), Busy> {
        if let LockSet::One(id) = *set
            && self.try_one_more(id)
        {
            return Ok(());
        }
        self.release();
        let keyspace = self.keyspace;
        let locked = match set {
            LockSet::Nothing => Ok(()),
            LockSet::One(id) => self.try_shard(*id),
            LockSet::Many(ids) => {
                self.held.fetch(ids.iter().copied());
                ids.iter().try_for_each(|&id| self.try_shard(id))
            }
            LockSet::All => keyspace.shard_ids().try_for_each(|id| self.try_shard(id)),
        };
        self.read_settings();
        locked
    }

    /// Holds the shards of `keys`, but those that others hold, and asks for what their lookups will need ([`View::prefetch`]).
    pub fn look_ahead(&mut self, db: DbIndex, keys: &[Key<'_>]) {
        let keyspace = self.keyspace;
        self.release();
        let ids = keys.iter().map(|key| keyspace.shard_of(key.hash()));
        self.held.fetch(ids.clone());
        ids.for_each(|id| _ = self.held.try_take_at_once(id));
        self.read_settings();
        self.prefetch(db, keys);
    }

    /// Holds a shard besides the few that are held, if it is free.
    fn try_one_more(&mut self, id: ShardId) -> bool {
        (1..HELD_FEW).contains(&self.held.len())
            && !self.held.has_script_mutex()
            && self.held.try_take_at_once(id)
    }

    /// Holds `set` after waiting for it in order; the script mutex can be busy, or a shard that is held for long.
    pub fn lock_in_order(&mut self, set: &LockSet) -> Result<(), Busy> {
        self.release();
        let keyspace = self.keyspace;
        if !self.held.try_take_script_mutex() {
            return Err(Busy::ScriptMutex);
        }
        let mut ids = keyspace.shards_of(set);
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            if !self.held.take_unless_long(id) {
                self.release();
                return Err(Busy::Shard(id));
            }
        }
        self.read_settings();
        Ok(())
    }

    /// Holds `set`, blocking this thread for a short while: for threads that have other things to do.
    ///
    /// # Errors
    /// What somebody holds for long.
    pub fn lock_patiently(&mut self, set: &LockSet) -> Result<(), Busy> {
        if let LockSet::One(id) = *set {
            self.release();
            let is_held = self.held.take_unless_long(id);
            self.read_settings();
            return if is_held { Ok(()) } else { Err(Busy::Shard(id)) };
        }
        loop {
            match self.lock_in_order(set) {
                // To wait for it; it is let go, and taken with the rest.
                Err(Busy::ScriptMutex) if self.held.take_script_mutex_unless_long() => {}
                done => return done,
            }
        }
    }

    /// Says that what is held will be held for long.
    pub fn hold_long(&mut self) {
        self.held.hold_long();
    }

    /// Wakes who waits for what is held, to look again whether to go on waiting.
    pub fn rouse(&self) {
        self.held.rouse();
    }

    /// Holds `set`, blocking this thread: for threads that serve no connections.
    pub fn lock_blocking(&mut self, set: &LockSet) {
        if let LockSet::One(id) = *set {
            // Waiting for one while holding none needs no order.
            self.release();
            self.held.take_blocking(id);
            return self.read_settings();
        }
        while let Err(busy) = self.lock_in_order(set) {
            // To wait for it; it is let go, and taken with the rest.
            match busy {
                Busy::Shard(id) => self.held.take_blocking(id),
                Busy::ScriptMutex | Busy::Snapshot => self.held.take_script_mutex_blocking(),
            }
        }
    }

    /// As [`View::lock_blocking`], keeping what is held if that is enough.
    #[inline]
    pub fn lock_blocking_for(&mut self, set: &LockSet) {
        if !self.covers(set) {
            self.lock_blocking(set);
        }
    }

    /// Lets everything go.
    #[inline]
    pub fn release(&mut self) {
        self.log_all();
        self.seen = self.seen.max(self.held.last_write());
        self.held.release();
    }

    /// Takes the shards of `set` to those that are held, if all of them are free; never waits.
    pub fn try_extend(&mut self, set: &LockSet) -> bool {
        if self.covers(set) {
            return true;
        }
        let before = self.held.len();
        let all_free = self.keyspace.shards_of(set).into_iter().all(|id| self.held.try_take(id));
        if !all_free {
            self.held.release_behind(before);
        }
        all_free
    }

    /// Whether this may wait for shards while it holds others.
    pub fn may_wait(&self) -> bool {
        self.held.has_script_mutex() || self.held.len() == 0
    }

    /// Holds the shards of `set` besides those that are held, and waits for them a short while.
    ///
    /// # Errors
    /// One that somebody holds for long; what was held before is held still.
    ///
    /// # Panics
    /// When others are held without the script mutex: two who did so could wait for each other.
    pub fn extend(&mut self, set: &LockSet) -> Result<(), Busy> {
        if self.try_extend(set) {
            return Ok(());
        }
        assert!(self.may_wait(), "only the holder of the script mutex may wait while holding");
        for id in self.keyspace.shards_of(set) {
            if !self.held.take_unless_long(id) {
                return Err(Busy::Shard(id));
            }
        }
        Ok(())
    }

    /// The held shards have been changed, and the journal says so up to `offset`.
    #[inline]
    pub fn note_write(&mut self, offset: JournalOffset) {
        self.held.note_write(offset);
    }

    /// Up to where the journal holds the changes of the held shards.
    pub fn written(&mut self) -> JournalOffset {
        self.log_all();
        self.held.last_write()
    }

    /// Up to where the journal holds what this view can have shown so far. Let go of all locks first.
    pub fn seen(&self) -> JournalOffset {
        self.seen
    }

    /// Takes back what was seen since [`View::seen`] answered `seen`: it was not shown to anybody.
    pub fn forget_seen(&mut self, seen: JournalOffset) {
        self.seen = seen;
    }

    #[inline]
    fn covers(&self, set: &LockSet) -> bool {
        match set {
            LockSet::Nothing => true,
            LockSet::One(id) => self.holds(*id),
            _ if self.holds_all() => true,
            LockSet::Many(ids) => ids.iter().all(|&id| self.held.holds(id)),
            LockSet::All => false,
        }
    }

    #[inline(always)] // Once a key.
    fn try_shard(&mut self, id: ShardId) -> Result<(), Busy> {
        if self.held.try_take(id) {
            return Ok(());
        }
        self.release();
        Err(Busy::Shard(id))
    }

    /// The shard of `key` and, beside it, the circumstances.
    ///
    /// # Panics
    /// When the shard is not held. Keys are only made for the positions that also decide the lock set, so
    /// that would be a bug of the dispatcher; going on would mean a data race.
    #[inline]
    pub(super) fn split(&mut self, key: Key<'_>) -> (&mut Shard, &mut Circumstances) {
        self.cx.audit.check(key.bytes(), Access::Read);
        match self.held.get_mut(self.keyspace.shard_of(key.hash())) {
            Some(shard) => (shard, &mut self.cx),
            None => panic!("the shard of a key is not held"),
        }
    }

    /// The held shards, ascending, and, beside them, the circumstances.
    pub(super) fn split_held(&mut self) -> (impl Iterator<Item = &mut Shard>, &mut Circumstances) {
        (self.held.shards_mut(), &mut self.cx)
    }

    /// The held shards; ascending when all are.
    pub fn shards(&self) -> impl DoubleEndedIterator<Item = &Shard> {
        self.held.shards()
    }

    /// Whether every shard is held.
    pub fn holds_all(&self) -> bool {
        self.held.holds_all()
    }

    /// The entry of `key` as a client's access: counts a hit or a miss and notes the use.
    #[inline(always)] // Into the few places that reads of keys come through.
    pub fn read(&mut self, db: DbIndex, key: Key<'_>) -> Option<&Entry> {
        let (shard, cx) = self.split(key);
        match live(shard, cx, db, key) {
            Some(entry) => {
                cx.effects.hits += 1;
                if !cx.no_touch {
                    cx.touch(entry);
                }
                Some(entry)
            }
            None => {
                cx.miss(db, key);
                None
            }
        }
    }

    /// Whether the entry of `key` is there and `suffices` for a command that would have changed it otherwise. That is its use
    /// then, neither hit nor miss; if not, nothing has happened, and an edit follows.
    #[inline(always)] // As above.
    pub fn suffices(&mut self, db: DbIndex, key: Key<'_>, suffices: impl FnOnce(&Entry) -> bool) -> bool {
        let (shard, cx) = self.split(key);
        let now = cx.now;
        let wants = |entry: &Entry| !is_expired(entry, now) && suffices(entry);
        let Touch::Found(entry) = shard.db_mut(db).table.find_touch(key.hash(), key.bytes(), wants) else {
            return false;
        };
        if !cx.no_touch {
            cx.touch(entry);
        }
        true
    }

    /// The entry of `key` for commands about the key (TTL, TYPE): counts, but is no use of the value.
    pub fn inspect(&mut self, db: DbIndex, key: Key<'_>) -> Option<&Entry> {
        let (shard, cx) = self.split(key);
        match live(shard, cx, db, key) {
            Some(entry) => {
                cx.effects.hits += 1;
                Some(entry)
            }
            None => {
                cx.miss(db, key);
                None
            }
        }
    }

    /// As [`View::inspect`], but nobody is told of a miss (OBJECT).
    pub fn examine(&mut self, db: DbIndex, key: Key<'_>) -> Option<&Entry> {
        let (shard, cx) = self.split(key);
        let found = live(shard, cx, db, key).map(|entry| &*entry);
        match found {
            Some(_) => cx.effects.hits += 1,
            None => cx.effects.misses += 1,
        }
        found
    }

    /// Counts a hit or a miss and notes a use, even for a client whose reads are no uses (TOUCH); whether the
    /// key is there.
    pub fn touch(&mut self, db: DbIndex, key: Key<'_>) -> bool {
        let no_touch = std::mem::replace(&mut self.cx.no_touch, false);
        let found = self.read(db, key).is_some();
        self.cx.no_touch = no_touch;
        found
    }

    /// The entry of `key`, leaving no trace.
    pub fn peek(&mut self, db: DbIndex, key: Key<'_>) -> Option<&Entry> {
        let (shard, cx) = self.split(key);
        live(shard, cx, db, key).map(|entry| &*entry)
    }

    /// The entry of `key` by a shared borrow, so that several can be looked at at once; leaves no trace.
    pub fn look(&self, db: DbIndex, key: Key<'_>) -> Option<&Entry> {
        self.cx.audit.check(key.bytes(), Access::Read);
        let shard = self.held.get(self.keyspace.shard_of(key.hash()))?;
        let entry = shard.db(db).table.find(key.hash(), key.bytes())?;
        (!is_expired(entry, self.cx.now)).then_some(entry)
    }

    /// Whether the shard of `key` is held.
    pub fn is_held(&self, key: Key<'_>) -> bool {
        self.held.holds(self.keyspace.shard_of(key.hash()))
    }

    /// Raises `flag` when `key` is changed from now on.
    pub fn watch(&mut self, db: DbIndex, key: Key<'_>, flag: &Arc<WatchFlag>) {
        self.split(key).0.audience.watchers.add(db, key.bytes(), flag);
    }

    /// Puts a request behind the others that wait for `key`.
    pub fn wait(&mut self, db: DbIndex, key: Key<'_>, waiter: &Arc<Waiter>) {
        self.split(key).0.audience.waiters.add(db, key.bytes(), waiter);
    }

    /// Takes a request that has been served out of the list of `key`.
    pub fn wait_no_more(&mut self, db: DbIndex, key: Key<'_>, waiter: &Arc<Waiter>) {
        self.split(key).0.audience.waiters.remove(db, key.bytes(), waiter);
    }

    /// The first request behind `place` that waits for what `key` is now.
    pub fn next_waiter(&mut self, db: DbIndex, key: Key<'_>, place: u64) -> Option<Arc<Waiter>> {
        // One that waits for a list does not hear that its key became a set.
        let kind = self.look(db, key).map(kind_of);
        self.split(key).0.audience.waiters.next(db, key.bytes(), place, kind)
    }

    /// A place behind all that were drawn before.
    pub fn draw_place(&self) -> u64 {
        self.keyspace.waits.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether keys were changed that somebody waits for.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.cx.ready.is_empty()
    }

    /// Keys that were changed and that somebody waits for, in order, since the last call.
    pub fn take_ready(&mut self) -> Vec<ReadyKey> {
        std::mem::take(&mut self.cx.ready)
    }

    /// How many keys of the held shards are watched.
    pub fn watched(&self) -> usize {
        self.shards().map(|shard| shard.audience.watchers.count()).sum()
    }

    /// For each key of the held shards that is waited for: whether somebody wants to know that it is gone.
    pub fn waited_for(&self) -> impl Iterator<Item = bool> {
        self.shards().flat_map(|shard| shard.audience.waiters.census())
    }

    /// Tells the processor which line of the table an entry that is about to come will need.
    #[inline]
    pub(super) fn prefetch_bucket(&self, db: DbIndex, key: Key<'_>) {
        if let Some(shard) = self.held.get(self.keyspace.shard_of(key.hash())) {
            shard.db(db).table.prefetch_bucket(key.hash());
        }
    }

    /// Tells the processor which lines the next commands will need: the bucket line of each key, and when these have
    /// arrived, the entries. Only of a database that is too big for its caches, going by the part in the first held shard; keys
    /// whose shard is not held are passed over.
    #[inline]
    pub fn prefetch(&self, db: DbIndex, keys: &[Key<'_>]) {
        const ENTRIES_IN_CACHES: usize = 20_000;
        let shards = self.keyspace.shards.len();
        let Some(first) =
            self.shards().next().filter(|first| first.db(db).len() > ENTRIES_IN_CACHES / shards)
        else {
            return;
        };
        if shards == 1 {
            return first.db(db).table.prefetch(keys.iter().map(Key::hash));
        }
        let mut arriving: SmallVec<[Arriving<'_>; HELD_FEW]> = SmallVec::new();
        for key in keys {
            if let Some(shard) = self.held.get(self.keyspace.shard_of(key.hash()))
                && let Some(bucket) = shard.db(db).table.prefetch_bucket(key.hash())
            {
                arriving.push(bucket);
            }
        }
        arriving.iter().for_each(Arriving::prefetch_entry);
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        let has_changed = self.cx.editing || self.cx.is_unfinished || self.cx.effects.changes > 0;
        if has_changed && std::thread::panicking() {
            // The panic policy (ARCHITECTURE.md): a value may be half changed, or some keys of a command changed and
            // others not, and nothing of it is in the journal. Nobody may see that.
            tracing::error!(
                "A command panicked while it changed keys; stopping so that nothing half-changed is served"
            );
            std::process::abort();
        }
        self.log_all();
    }
}

/// The entry unless it is behind its deadline; removes it then, if the policy lets us.
#[inline(always)] // The compiler thinks it too long for the few places that matter.
fn live<'s>(
    shard: &'s mut Shard,
    cx: &mut Circumstances,
    db_index: DbIndex,
    key: Key<'_>,
) -> Option<&'s mut Entry> {
    let (db, audience) = shard.parts_mut(db_index);
    let now = cx.now;
    match db.table.find_touch(key.hash(), key.bytes(), |entry| !is_expired(entry, now)) {
        Touch::Found(entry) => Some(entry),
        Touch::Missing => None,
        Touch::Refused(expired) => {
            if cx.expiry.removes_on_access()
                && let Some(entry) = expired.remove(key.bytes())
            {
                db.volatile -= 1;
                db.sizes.leave(Place::of(&entry));
                drop_expired(entry, audience, cx, db_index, key);
            }
            None
        }
    }
}

/// What follows when an entry behind its deadline was removed.
#[cold]
fn drop_expired(
    entry: Entry,
    audience: &mut Audience,
    cx: &mut Circumstances,
    db_index: DbIndex,
    key: Key<'_>,
) {
    cx.expired(db_index, key.bytes());
    audience.touch(db_index, key.bytes(), &mut cx.ready);
    edit::discard(entry);
}

impl Circumstances {
    fn set_now(&mut self, now: UnixMs, used_at: UnixMs) {
        self.now = now;
        self.used_at = used_at;
        self.lru_clock = lru_clock(used_at);
    }

    /// Notes a use of an entry. Its line of memory is only written when the clock has moved: a key that two workers
    /// read all the time would otherwise travel between their caches all the time.
    #[inline]
    pub fn touch(&mut self, entry: &mut Entry) {
        let clock = entry.clock();
        let touched = self.used_clock(clock);
        if touched != clock {
            entry.set_clock(touched);
        }
    }

    /// The clock of an entry that is used now, and was `clock` before.
    #[inline]
    pub fn used_clock(&mut self, clock: u32) -> u32 {
        if self.access.lfu {
            self.access.counted_up(clock, self.used_at, &mut self.rng)
        } else {
            self.lru_clock
        }
    }

    /// The clock of an entry that is new now.
    #[inline]
    pub fn new_clock(&self) -> u32 {
        if self.access.lfu { self.access.initial(self.used_at) } else { self.lru_clock }
    }

    #[cold]
    fn miss_observed(&mut self, db: DbIndex, key: Key<'_>) {
        self.effects.record(db, key.bytes(), What::Event(EventClass::KeyMiss, "keymiss"));
    }

    #[inline]
    pub fn miss(&mut self, db: DbIndex, key: Key<'_>) {
        self.effects.misses += 1;
        if self.tells {
            self.miss_observed(db, key);
        }
    }

    /// Accounts for elements of a collection that expired.
    pub fn elements_expired(&mut self, db: DbIndex, key: &[u8], elements: Vec<Box<[u8]>>) {
        self.effects.expired_elements += elements.len() as u64;
        if self.observed {
            if self.tells {
                self.effects.record(db, key, What::Modified);
            }
            self.effects.record(db, key, What::ElementsExpired(elements));
            self.effects.record(db, key, What::Event(EventClass::Hash, "hexpired"));
        }
    }

    /// Accounts for a key whose last element expired.
    pub fn emptied(&mut self, db: DbIndex, key: &[u8]) {
        if self.tells {
            self.effects.record(db, key, What::Event(EventClass::Generic, "del"));
        }
    }

    /// Accounts for a key removed at its deadline.
    pub fn expired(&mut self, db: DbIndex, key: &[u8]) {
        self.effects.expired += 1;
        if self.observed {
            self.effects.record(db, key, What::Expired);
            self.effects.record(db, key, What::Event(EventClass::Expired, "expired"));
        }
    }
}
