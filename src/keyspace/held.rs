//! The shards that a view holds.
//!
//! Each guard stands where its lock says, so that a shard is found without a search:
//!
//! ```text
//! locks    … [ 7: place 1 ] … [ 90: place 0 ] … [ 91: place 1, another view's ] …
//! guards       (90, ·) (7, ·)                     91? guards[1] is that of 7: not held
//! ```
//!
//! What a lock says is only true for its holder. To everybody else it says some place, and there stands the guard of another
//! shard, or none.

use smallvec::SmallVec;

use super::lock::{ParkingGuard, ParkingMutex, release_all};
use super::{JournalOffset, Shard, ShardId};

/// Guards that need no memory of their own.
const FEW: usize = 16;

/// See the module's head.
pub(super) struct Held<'k> {
    shards: &'k [ParkingMutex<Shard>],
    /// Ascending by shard when all are held.
    guards: SmallVec<[(ShardId, ParkingGuard<'k, Shard>); FEW]>,
}

impl<'k> Held<'k> {
    pub(super) fn new(shards: &'k [ParkingMutex<Shard>]) -> Held<'k> {
        Held { shards, guards: SmallVec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.guards.len()
    }

    pub(super) fn holds_all(&self) -> bool {
        self.guards.len() == self.shards.len()
    }

    /// Where the guard of a shard is, if it is held.
    #[inline]
    pub(super) fn place(&self, id: ShardId) -> Option<usize> {
        let place = self.shards.get(usize::from(id.0))?.place();
        self.guards.get(place).is_some_and(|(held, _)| *held == id).then_some(place)
    }

    /// A shard, if it is held.
    #[inline]
    pub(super) fn get(&self, id: ShardId) -> Option<&Shard> {
        let place = self.shards.get(usize::from(id.0))?.place();
        self.guards.get(place).filter(|(held, _)| *held == id).map(|(_, guard)| &**guard)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: ShardId) -> Option<&mut Shard> {
        let place = match self.shards {
            // Of one worker: nothing to ask.
            [_] => return self.guards.first_mut().map(|(_, guard)| &mut **guard),
            shards => shards.get(usize::from(id.0))?.place(),
        };
        self.guards.get_mut(place).filter(|(held, _)| *held == id).map(|(_, guard)| &mut **guard)
    }

    pub(super) fn guards(&self) -> impl DoubleEndedIterator<Item = &ParkingGuard<'k, Shard>> {
        self.guards.iter().map(|(_, guard)| guard)
    }

    pub(super) fn shards_mut(&mut self) -> impl Iterator<Item = &mut Shard> {
        self.guards.iter_mut().map(|(_, guard)| &mut **guard)
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.guards.reserve(more);
    }

    /// Adds the guard of a shard that was not held.
    #[inline(always)] // Once a key; the compiler thinks it too long.
    pub(super) fn take(&mut self, id: ShardId, guard: ParkingGuard<'k, Shard>) {
        guard.note_place(self.guards.len());
        self.guards.push((id, guard));
    }

    /// Holds a shard, if it is free now or within a short spin, or is held already.
    #[inline]
    pub(super) fn try_take(&mut self, id: ShardId) -> bool {
        self.place(id).is_some() || self.take_if(id, self.shards[usize::from(id.0)].try_lock())
    }

    /// Holds a shard, if it is free, or is held already.
    #[inline]
    pub(super) fn try_take_at_once(&mut self, id: ShardId) -> bool {
        self.place(id).is_some() || self.take_if(id, self.shards[usize::from(id.0)].try_lock_at_once())
    }

    #[inline(always)] // As above.
    fn take_if(&mut self, id: ShardId, guard: Option<ParkingGuard<'k, Shard>>) -> bool {
        let Some(guard) = guard else { return false };
        self.take(id, guard);
        true
    }

    /// Puts what is held in order.
    pub(super) fn sort(&mut self) {
        self.guards.sort_unstable_by_key(|(id, _)| *id);
        self.guards.iter().enumerate().for_each(|(place, (_, guard))| guard.note_place(place));
    }

    /// Lets go what was taken behind the first `count`.
    pub(super) fn release_behind(&mut self, count: usize) {
        self.guards.truncate(count);
    }

    /// Lets everything go; behind the last write of any of it in the journal.
    #[inline]
    pub(super) fn release(&mut self) -> JournalOffset {
        let last_write = self.guards.iter().map(|(_, shard)| shard.last_write).max().unwrap_or_default();
        release_all(&mut self.guards);
        last_write
    }
}
