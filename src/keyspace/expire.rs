//! Expiry: lazy on access, and active at the deadline.
//!
//! The table keeps, per segment, a lower bound of the earliest deadline of each bucket, and an order over
//! segments (see [`crate::ds::table`]); so the next key to expire is known without searching. One task sleeps until
//! then, or is woken when somebody sets an earlier deadline:
//!
//! ```text
//! SET k v PX 50 ─▶ announce_deadline(t+50) ─▶ earlier than the sleeper's alarm? wake it
//! sleeper ─▶ at the deadline: lock the shard, remove what is due in at most SLICE_BUCKETS buckets, unlock, next
//! ```
//!
//! Fields of a hash expire the same way: the table takes an entry's deadline to be the earlier of its own and that of its
//! first field (see [`crate::ds::blob::Due`]), and the sweep removes the fields, or the key with its last field.
//!
//! The work for one expired key is one bucket, however many other volatile keys there are; a mass expiry is cut into
//! slices, so other clients get the lock in between.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::audience::Audience;
use super::entry::is_expired;
use super::reclaim::free_elsewhere;
use super::sizes::Place;
use super::view::Circumstances;
use super::{Db, DbIndex, Entry, Keyspace, LockSet, ShardId, View, edit};
use crate::base::clock::UnixMs;
use crate::value::Value;

/// After how long a shard that a script holds is looked at again.
const HELD_RETRY_MS: u64 = 20;
/// Buckets visited under one lock: some 1,000 entries, about 100 µs at worst.
const SLICE_BUCKETS: usize = 128;

/// Elements of one collection that expire in one visit; a slice may visit it as often as buckets.
const VISIT_ELEMENTS: usize = 32;

/// What happens to entries behind their deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryPolicy {
    /// Removed on access and actively.
    Active,
    /// Removed on access only (DEBUG SET-ACTIVE-EXPIRE 0).
    Lazy,
    /// Invisible, but kept (CLIENT PAUSE, replicas).
    Frozen,
}

impl ExpiryPolicy {
    #[inline]
    pub fn removes_on_access(self) -> bool {
        self != ExpiryPolicy::Frozen
    }
}

#[derive(Default)]
pub(super) struct SharedPolicy {
    policy: AtomicU8,
    /// For a while it is [`ExpiryPolicy::Frozen`], whatever it is otherwise.
    is_frozen: AtomicBool,
}

impl SharedPolicy {
    #[inline]
    pub(super) fn load(&self) -> ExpiryPolicy {
        if self.is_frozen.load(Ordering::Relaxed) {
            return ExpiryPolicy::Frozen;
        }
        match self.policy.load(Ordering::Relaxed) {
            0 => ExpiryPolicy::Active,
            1 => ExpiryPolicy::Lazy,
            _ => ExpiryPolicy::Frozen,
        }
    }
}

impl Keyspace {
    pub fn set_expiry_policy(&self, policy: ExpiryPolicy) {
        self.expiry.policy.store(policy as u8, Ordering::Relaxed);
        self.deadline_moved.notify_one();
    }

    /// Keeps what expires from now on, invisible, or goes on removing it. It counts from the next lock on.
    pub fn freeze_expiry(&self, on: bool) {
        self.expiry.is_frozen.store(on, Ordering::Relaxed);
        self.deadline_moved.notify_one();
    }

    pub fn expiry_policy(&self) -> ExpiryPolicy {
        self.expiry.load()
    }

    /// Tells the sleeper of a deadline, if it would sleep past it.
    #[inline]
    pub(super) fn announce_deadline(&self, when: u64) {
        if when < self.earliest_deadline.load(Ordering::Relaxed)
            && when < self.earliest_deadline.fetch_min(when, Ordering::SeqCst)
        {
            self.deadline_moved.notify_one();
        }
    }

    /// Returns when an earlier deadline than the one promised to [`Keyspace::sleep_until`] was announced.
    pub async fn deadline_moved(&self) {
        self.deadline_moved.notified().await;
    }

    /// The sleeper promises to be awake at `alarm`.
    pub fn sleep_until(&self, alarm: UnixMs) {
        self.earliest_deadline.store(alarm.0, Ordering::SeqCst);
    }
}

impl View<'_> {
    /// Removes what is due in one slice of a shard. Returns the next deadline of the shard: at or before
    /// `now` when there is more to do. A shard that is held for long is left for later.
    pub fn expire_slice(&mut self, shard: ShardId) -> Option<UnixMs> {
        if self.lock_patiently(&LockSet::One(shard)).is_err() {
            return Some(UnixMs(self.now().0.saturating_add(HELD_RETRY_MS)));
        }
        let now = self.now();
        let (mut shards, cx) = self.split_held();
        let shard = shards.next()?;
        if cx.expiry != ExpiryPolicy::Active {
            return None;
        }
        let mut budget = SLICE_BUCKETS;
        for index in 0..shard.databases() {
            let db_index = DbIndex(index);
            let (db, audience) = shard.parts_mut(db_index);
            if db.table.next_deadline().is_none_or(|when| when >= now.0) {
                continue;
            }
            let mut removed = 0;
            let Db { table, volatile, sizes } = db;
            // Who goes is counted out as it is when it goes.
            let is_over = |entry: &mut Entry| {
                let place = Place::of(entry);
                let is_over = is_expired(entry, now) || expire_elements(entry, db_index, cx, audience);
                sizes.shift(Some(place), Some(Place::of(entry)).filter(|_| !is_over));
                is_over
            };
            // A key lives through the millisecond of its deadline, as in `is_expired`.
            let mut gone = Vec::new();
            let visited = table.take_due_where(now.0 - 1, budget, is_over, |entry| gone.push(entry));
            for entry in gone {
                audience.touch(db_index, entry.key(), &mut cx.ready);
                removed += usize::from(entry.deadline().is_some());
                match is_expired(&entry, now) {
                    true => cx.expired(db_index, entry.key()),
                    false => cx.emptied(db_index, entry.key()),
                }
                edit::discard(entry);
            }
            *volatile -= removed;
            budget = budget.saturating_sub(visited.max(1));
            if budget == 0 {
                break;
            }
        }
        // Due at the millisecond behind the deadline.
        shard.next_deadline().map(|when| UnixMs(when.saturating_add(1)))
    }
}

/// Removes what has expired inside a collection, at most [`VISIT_ELEMENTS`]; whether it is empty now.
fn expire_elements(entry: &mut Entry, db: DbIndex, cx: &mut Circumstances, audience: &mut Audience) -> bool {
    let mut elements = Vec::new();
    let Some(facts) = entry.value_mut().and_then(Value::facts_mut) else { return false };
    facts.expire(cx.now.0, VISIT_ELEMENTS, &mut |name| elements.push(name.into()));
    if let Some(garbage) = facts.take_garbage() {
        free_elsewhere(garbage);
    }
    let is_empty = facts.is_empty();
    if !elements.is_empty() {
        audience.touch(db, entry.key(), &mut cx.ready);
        cx.elements_expired(db, entry.key(), elements);
    }
    is_empty
}
