//! A consumer group: how far it has read, which entries wait to be acknowledged, and by whom.
//!
//! ```text
//! pending (by id)     1-0 → alice, 12:00, 1×     1-1 → bob, 12:01, 3×     2-0 → alice, …
//! consumers           alice {1-0, 2-0}           bob {1-1}
//! ```
//!
//! Both lists are trees, so that each can be read from any id on, and so that a copy of a group costs no more than
//! its consumers.
//!
//! **Invariant:** an id is pending in the group exactly if it is in the list of the one consumer that it names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::id::StreamId;
use super::log::Log;
use crate::ds::tree::{Item, Tree};

/// A consumer within its group: good as long as the consumer exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerId(u32);

/// An entry that was delivered and not yet acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    pub id: StreamId,
    /// Unix milliseconds of the last delivery.
    pub delivered_ms: u64,
    pub deliveries: u64,
    pub consumer: ConsumerId,
}

impl Item for Pending {
    type Key = StreamId;

    const IS_UNIT: bool = true;

    fn key(&self) -> StreamId {
        self.id
    }

    fn weight(&self) -> u64 {
        1
    }
}

/// A reader of a group.
#[derive(Clone)]
pub struct Consumer {
    name: Arc<[u8]>,
    /// Unix milliseconds of its last attempt to read or claim.
    pub seen_ms: u64,
    /// Unix milliseconds of the last time it got something; `None` before.
    pub active_ms: Option<u64>,
    pending: Tree<StreamId>,
}

impl Consumer {
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The ids it has not acknowledged, ascending.
    pub fn pending(&self) -> &Tree<StreamId> {
        &self.pending
    }
}

/// What a removed consumer had not acknowledged.
pub struct Forgotten {
    ids: Tree<StreamId>,
    /// The list of the group before, where it was not changed in place.
    all: Tree<Pending>,
}

impl Forgotten {
    /// Number of entries.
    pub fn count(&self) -> usize {
        self.ids.len()
    }

    /// How much work freeing it is; see [`crate::value::Facts::free_effort`].
    pub fn free_effort(&self) -> usize {
        self.ids.free_effort() + self.all.free_effort()
    }
}

/// See the module's head.
#[derive(Clone, Default)]
pub struct Group {
    pub last_id: StreamId,
    /// How many of all entries ever added the group has read; `None` when that is unknown.
    pub entries_read: Option<u64>,
    pending: Tree<Pending>,
    by_name: BTreeMap<Arc<[u8]>, ConsumerId>,
    /// By [`ConsumerId`]; places of removed consumers are used again.
    consumers: Vec<Option<Consumer>>,
}

/// Orders ids in a tree against `id`.
fn by(id: StreamId) -> impl FnMut(&StreamId) -> std::cmp::Ordering {
    move |other| other.cmp(&id)
}

impl Group {
    /// A group that has read up to `last_id`.
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group { last_id, entries_read, ..Group::default() }
    }

    // Consumers

    pub fn consumer_count(&self) -> usize {
        self.by_name.len()
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> {
        self.by_name.values().filter_map(|&id| self.consumer(id))
    }

    pub fn consumer_named(&self, name: &[u8]) -> Option<ConsumerId> {
        self.by_name.get(name).copied()
    }

    pub fn consumer(&self, id: ConsumerId) -> Option<&Consumer> {
        self.consumers.get(id.0 as usize)?.as_ref()
    }

    fn consumer_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.consumers.get_mut(id.0 as usize)?.as_mut()
    }

    /// Adds a consumer; `None` if there is one of that name.
    pub fn create_consumer(&mut self, name: &[u8], now_ms: u64) -> Option<ConsumerId> {
        if self.by_name.contains_key(name) {
            return None;
        }
        let name: Arc<[u8]> = name.into();
        let consumer =
            Consumer { name: Arc::clone(&name), seen_ms: now_ms, active_ms: None, pending: Tree::new() };
        let free = self.consumers.iter().position(Option::is_none).unwrap_or(self.consumers.len());
        let id = ConsumerId(u32::try_from(free).ok()?);
        match self.consumers.get_mut(free) {
            Some(place) => *place = Some(consumer),
            None => self.consumers.push(Some(consumer)),
        }
        self.by_name.insert(name, id);
        Some(id)
    }

    /// The consumer of that name, which was seen now; created if it is new, and whether it is.
    pub fn open_consumer(&mut self, name: &[u8], now_ms: u64) -> Option<(ConsumerId, bool)> {
        match self.consumer_named(name) {
            Some(id) => {
                self.consumer_mut(id)?.seen_ms = now_ms;
                Some((id, false))
            }
            None => Some((self.create_consumer(name, now_ms)?, true)),
        }
    }

    /// Notes that the consumer got something.
    pub fn note_active(&mut self, id: ConsumerId, now_ms: u64) {
        if let Some(consumer) = self.consumer_mut(id) {
            consumer.active_ms = Some(now_ms);
        }
    }

    /// Removes a consumer and forgets what it has not acknowledged. `None` if there is none of that name.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<Forgotten> {
        /// Up to one in so many, entries are taken out one by one; for more the list is written anew.
        const RARE: usize = 16;
        let id = self.by_name.remove(name)?;
        let ids = self.consumers.get_mut(id.0 as usize)?.take()?.pending;
        let all = if ids.len() == self.pending.len() {
            std::mem::take(&mut self.pending)
        } else if ids.len() > self.pending.len() / RARE {
            let others = self.pending.iter().filter(|pending| pending.consumer != id).copied().collect();
            std::mem::replace(&mut self.pending, others)
        } else {
            for &id in ids.iter() {
                self.pending.remove(by(id));
            }
            Tree::new()
        };
        Some(Forgotten { ids, all })
    }

    // Pending entries

    /// Everything pending, by id.
    pub fn pending(&self) -> &Tree<Pending> {
        &self.pending
    }

    pub fn find_pending(&self, id: StreamId) -> Option<&Pending> {
        let cursor = self.pending.find(by(id))?;
        self.pending.get(&cursor)
    }

    /// The first pending entry that is not below `id`.
    pub fn pending_from(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&self.pending.lower_bound(by(id)))
    }

    /// What is pending from `start` to `end`, of one consumer or of all.
    pub fn pending_between(
        &self,
        consumer: Option<ConsumerId>,
        start: StreamId,
        end: StreamId,
    ) -> impl Iterator<Item = &Pending> {
        let own = consumer.map(|id| self.consumer(id).map(Consumer::pending));
        let all = own.is_none().then(|| self.pending.iter_from(&self.pending.lower_bound(by(start))));
        let own = own.flatten().map(|own| own.iter_from(&own.lower_bound(by(start))));
        let own = own.into_iter().flatten().filter_map(|&id| self.find_pending(id));
        all.into_iter().flatten().chain(own).take_while(move |pending| pending.id <= end)
    }

    /// Makes an entry pending as told, whoever had it before.
    pub fn set_pending(&mut self, pending: Pending) {
        // Most entries are delivered in order, once.
        if self.pending.last().is_none_or(|last| last.id < pending.id) {
            self.pending.push_back(pending);
            return self.give(pending.consumer, pending.id);
        }
        let before = match self.pending.find(by(pending.id)) {
            Some(cursor) => Some(self.pending.replace_at(&cursor, pending).consumer),
            None => {
                self.pending.insert(by(pending.id), pending);
                None
            }
        };
        if before != Some(pending.consumer) {
            if let Some(before) = before {
                self.take(before, pending.id);
            }
            self.give(pending.consumer, pending.id);
        }
    }

    fn give(&mut self, consumer: ConsumerId, id: StreamId) {
        let Some(consumer) = self.consumer_mut(consumer) else { return };
        match consumer.pending.last() {
            Some(&last) if last >= id => consumer.pending.insert(by(id), id),
            _ => consumer.pending.push_back(id),
        }
    }

    fn take(&mut self, consumer: ConsumerId, id: StreamId) {
        if let Some(consumer) = self.consumer_mut(consumer) {
            consumer.pending.remove(by(id));
        }
    }

    /// Forgets a pending entry, which is acknowledged or gone; what it was.
    pub fn remove_pending(&mut self, id: StreamId) -> Option<Pending> {
        let removed = self.pending.remove(by(id))?;
        self.take(removed.consumer, id);
        Some(removed)
    }

    // Progress

    /// Notes that the group has read the entry `id`, which is behind all it has read so far.
    pub fn advance(&mut self, id: StreamId, log: &Log) {
        self.entries_read = match self.entries_read {
            // What lies before the first entry may have been trimmed unread.
            Some(read) if self.last_id >= log.first_id() && !log.has_gaps_from(self.last_id) => {
                Some(read.wrapping_add(1))
            }
            read if log.entries_added() == 0 => read,
            _ => log.reads_up_to(id),
        };
        self.last_id = id;
    }

    /// How many entries the group has still to read; `None` when that can't be told. Negative if the group was said
    /// to have read more than there were.
    pub fn lag(&self, log: &Log) -> Option<i64> {
        let read = match self.entries_read {
            _ if log.is_empty() => return Some(0),
            // Everything there is lies ahead, whatever the group is said to have read.
            _ if self.last_id < log.first_id() && log.is_whole() => return i64::try_from(log.len()).ok(),
            Some(read) if !log.has_gaps_from(self.last_id) => read,
            _ => log.reads_up_to(self.last_id)?,
        };
        Some(log.entries_added().wrapping_sub(read) as i64)
    }

    // Memory

    /// Heap bytes.
    pub fn heap_bytes(&self) -> usize {
        const NODE_BYTES: usize = size_of::<(Arc<[u8]>, ConsumerId)>() + 2 * size_of::<usize>();
        let consumers =
            self.consumers().map(|consumer| consumer.name.len() + NODE_BYTES + consumer.pending.heap_bytes());
        size_of::<Group>()
            + self.pending.heap_bytes()
            + self.consumers.capacity() * size_of::<Option<Consumer>>()
            + consumers.sum::<usize>()
    }

    /// How much work freeing it is; see [`crate::value::Facts::free_effort`].
    pub fn free_effort(&self) -> usize {
        let consumers = self.consumers().map(|consumer| 1 + consumer.pending.free_effort());
        1 + self.pending.free_effort() + consumers.sum::<usize>()
    }
}
