//! The locks that a view holds: shards, and perhaps the script mutex.
//!
//! Which they are stands in the locks themselves ([`crate::ds::owned`]), so that whether a shard is held is known without a
//! search. The list is for those who go through all of them, and for letting go.

use smallvec::SmallVec;

use super::lock::ParkingMutex;
use super::{JournalOffset, Keyspace, Shard, ShardId};
use crate::ds::owned::{OwnedLock, Owner, Taken};

/// Locks that need no memory of their own.
const FEW: usize = 16;

/// See the module's head.
pub(super) struct Held<'k> {
    keyspace: &'k Keyspace,
    owner: Owner,
    /// Each once; in any order.
    shards: SmallVec<[&'k ParkingMutex<Shard>; FEW]>,
    has_script_mutex: bool,
    /// Others were told that they will be held for long.
    is_long: bool,
}

impl<'k> Held<'k> {
    #[inline]
    pub(super) fn new(keyspace: &'k Keyspace) -> Held<'k> {
        Held {
            keyspace,
            owner: Owner::new(),
            shards: SmallVec::new(),
            has_script_mutex: false,
            is_long: false,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.shards.len()
    }

    #[inline]
    pub(super) fn holds_all(&self) -> bool {
        self.shards.len() == self.keyspace.shards.len()
    }

    pub(super) fn has_script_mutex(&self) -> bool {
        self.has_script_mutex
    }

    #[inline]
    pub(super) fn holds(&self, id: ShardId) -> bool {
        self.keyspace.shard(id).value().is_of(&self.owner)
    }

    /// A shard, if it is held.
    #[inline]
    pub(super) fn get(&self, id: ShardId) -> Option<&Shard> {
        self.keyspace.shard(id).value().get(&self.owner)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: ShardId) -> Option<&mut Shard> {
        self.keyspace.shard(id).value().get_mut(&mut self.owner)
    }

    /// What is held; ascending when that is all.
    pub(super) fn shards(&self) -> impl DoubleEndedIterator<Item = &Shard> {
        self.shards.iter().filter_map(|lock| lock.value().get(&self.owner))
    }

    /// What is held, ascending.
    pub(super) fn shards_mut(&mut self) -> impl Iterator<Item = &mut Shard> {
        self.sort();
        OwnedLock::each_mut(self.shards.iter().map(|lock| lock.value()), &mut self.owner)
    }

    /// Puts the list in order: shards lie in memory as they are numbered.
    fn sort(&mut self) {
        let address = |lock: &&ParkingMutex<Shard>| std::ptr::from_ref(*lock).addr();
        if !self.shards.is_sorted_by_key(address) {
            self.shards.sort_unstable_by_key(address);
        }
    }

    /// Makes ready for taking these soon, all together: each may lie in the cache of another processor, and taking one waits for it
    /// before the next is even asked for.
    #[inline]
    pub(super) fn fetch(&mut self, ids: impl ExactSizeIterator<Item = ShardId>) {
        self.shards.reserve(ids.len());
        ids.for_each(|id| crate::ds::prefetch::write(self.keyspace.shard(id)));
    }

    /// Holds a shard, if it is free now or within a short spin, or is held already.
    #[inline(always)] // As below.
    pub(super) fn try_take(&mut self, id: ShardId) -> bool {
        let lock = self.keyspace.shard(id);
        let taken = lock.try_lock(&self.owner);
        self.note(lock, taken)
    }

    /// Holds a shard, if it is free, or is held already.
    #[inline(always)] // Once a key.
    pub(super) fn try_take_at_once(&mut self, id: ShardId) -> bool {
        let lock = self.keyspace.shard(id);
        let taken = lock.try_lock_at_once(&self.owner);
        self.note(lock, taken)
    }

    /// Holds a shard, blocking this thread while nobody holds it for long.
    pub(super) fn take_unless_long(&mut self, id: ShardId) -> bool {
        let lock = self.keyspace.shard(id);
        let taken = lock.lock_unless_long(&self.owner);
        self.note(lock, taken)
    }

    /// Holds a shard, blocking this thread.
    pub(super) fn take_blocking(&mut self, id: ShardId) {
        let lock = self.keyspace.shard(id);
        let taken = lock.lock_blocking(&self.owner);
        self.note(lock, taken);
    }

    #[inline(always)] // As above.
    fn note(&mut self, lock: &'k ParkingMutex<Shard>, taken: Taken) -> bool {
        if taken == Taken::Now {
            self.shards.push(lock);
        }
        taken != Taken::Not
    }

    /// Holds the script mutex, if it is free.
    pub(super) fn try_take_script_mutex(&mut self) -> bool {
        self.has_script_mutex = self.keyspace.script_mutex.try_lock(&self.owner) != Taken::Not;
        self.has_script_mutex
    }

    /// Holds the script mutex, blocking this thread while nobody holds it for long.
    pub(super) fn take_script_mutex_unless_long(&mut self) -> bool {
        self.has_script_mutex = self.keyspace.script_mutex.lock_unless_long(&self.owner) != Taken::Not;
        self.has_script_mutex
    }

    /// Holds the script mutex, blocking this thread.
    pub(super) fn take_script_mutex_blocking(&mut self) {
        self.keyspace.script_mutex.lock_blocking(&self.owner);
        self.has_script_mutex = true;
    }

    /// Tells others that what is held will be held for long.
    pub(super) fn hold_long(&mut self) {
        self.is_long = true;
        self.say_whether_long();
    }

    fn say_whether_long(&self) {
        self.shards.iter().for_each(|lock| lock.hold_long(self.is_long));
        if self.has_script_mutex {
            self.keyspace.script_mutex.hold_long(self.is_long);
        }
    }

    /// Wakes who waits for what is held.
    pub(super) fn rouse(&self) {
        self.shards.iter().for_each(|lock| lock.rouse());
        if self.has_script_mutex {
            self.keyspace.script_mutex.rouse();
        }
    }

    /// Lets go what was taken behind the first `count`.
    pub(super) fn release_behind(&mut self, count: usize) {
        ParkingMutex::unlock_all(&self.shards[count..], &mut self.owner);
        self.shards.truncate(count);
    }

    /// What is held was changed last at `offset` of the journal.
    #[inline]
    pub(super) fn note_write(&mut self, offset: JournalOffset) {
        for lock in &self.shards {
            if let Some(shard) = lock.value().get_mut(&mut self.owner) {
                shard.last_write = offset;
            }
        }
    }

    /// Behind the last write of any of it in the journal.
    #[inline]
    pub(super) fn last_write(&self) -> JournalOffset {
        self.shards().map(|shard| shard.last_write).max().unwrap_or_default()
    }

    /// Lets everything go.
    #[inline]
    pub(super) fn release(&mut self) {
        if self.is_long {
            self.is_long = false;
            self.say_whether_long();
        }
        ParkingMutex::unlock_all(&self.shards, &mut self.owner);
        self.shards.clear();
        if std::mem::take(&mut self.has_script_mutex) {
            self.keyspace.script_mutex.unlock(&mut self.owner);
        }
    }
}

impl Keyspace {
    /// Does something with a shard, blocking this thread until it is free: for threads that serve no connections.
    pub(super) fn with_shard<R>(&self, id: ShardId, run: impl FnOnce(&mut Shard) -> R) -> R {
        let mut held = Held::new(self);
        held.take_blocking(id);
        match held.get_mut(id) {
            Some(shard) => run(shard),
            None => unreachable!("it was taken just now"),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.release();
    }
}
