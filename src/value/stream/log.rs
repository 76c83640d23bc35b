//! The log of a stream: entries in blocks, found by id, and the counters that survive the entries.
//!
//! ```text
//! blocks (ds::tree, by first id)    [1-0 … 4-7]  [5-0 … 5-99]  [6-0 … 9-3]
//!                                    dropped whole when trimmed    ▲ appended to
//! ```
//!
//! Three counters tell readers how far behind they are: how many entries were ever added, the last id given, and the
//! highest id that was deleted from within ([`Log::reads_up_to`]).
//!
//! **Invariants:** ids ascend and none is above `last_id`; `first_id` is that of the first live entry, or zero.

use super::block::{Block, Entry, Limits, Walk};
use super::id::{Sequence, StreamId};
use crate::ds::tree::{self, Cursor, Tree};

/// The entries of a stream; see the module's head.
#[derive(Clone, Default)]
pub struct Log {
    blocks: Tree<Block>,
    last_id: StreamId,
    first_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
}

/// Blocks that were cut off, to be freed where nobody waits.
pub struct Garbage {
    /// Holds what was cut off, and shares what was not.
    _blocks: Tree<Block>,
    /// How much work freeing it is; see [`crate::value::Facts::free_effort`].
    pub effort: usize,
}

/// What to cut off at the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    pub keep: Keep,
    /// Whole blocks only.
    pub is_approximate: bool,
    /// The most entries to remove, in whole blocks; 0 is no limit. Only of an approximate trim.
    pub limit: u64,
}

/// What a trim keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// At most so many entries.
    Len(u64),
    /// Entries from this id on.
    From(StreamId),
}

/// Orders ids in a tree against `id`.
fn by(id: StreamId) -> impl FnMut(&StreamId) -> std::cmp::Ordering {
    move |other| other.cmp(&id)
}

impl Log {
    /// Number of entries.
    #[inline]
    pub fn len(&self) -> u64 {
        self.blocks.weight()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The highest id ever given.
    #[inline]
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The id of the first entry, zero if there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The highest id that XDEL removed.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// The id of the last entry, zero if there is none.
    pub fn top_id(&self) -> StreamId {
        self.range_back(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MIN, |entry| entry.id)
    }

    /// A log of blocks from outside, each of which has live entries, in the order of their first ids; `None` if the ids of
    /// live entries don't ascend up to `last_id`.
    pub fn from_blocks(
        blocks: Vec<Block>,
        last_id: StreamId,
        max_deleted_id: StreamId,
        entries_added: u64,
    ) -> Option<Log> {
        let mut before: Option<StreamId> = None;
        for entry in blocks.iter().flat_map(Block::walk) {
            if before.replace(entry.id).is_some_and(|before| before >= entry.id) {
                return None;
            }
        }
        if before.is_some_and(|top| top > last_id) {
            return None;
        }
        let blocks: Tree<Block> = blocks.into_iter().collect();
        let mut log = Log { blocks, last_id, first_id: StreamId::MIN, max_deleted_id, entries_added };
        log.find_first();
        Some(log)
    }

    // Changing

    /// The id that an entry gets which asks for `*` at `now_ms`; `None` when there is no higher one.
    pub fn next_id(&self, now_ms: u64) -> Option<StreamId> {
        if now_ms > self.last_id.ms {
            return Some(StreamId::new(now_ms, 0));
        }
        self.last_id.next()
    }

    /// The id that an entry gets which asks for `ms` and `sequence`; `None` if it would not be above all others.
    pub fn resolve_id(&self, ms: u64, sequence: Sequence) -> Option<StreamId> {
        let seq = match sequence {
            Sequence::Given(seq) => seq,
            Sequence::Missing => 0,
            Sequence::Next if ms == self.last_id.ms => self.last_id.seq.checked_add(1)?,
            Sequence::Next => 0,
        };
        Some(StreamId::new(ms, seq)).filter(|&id| id > self.last_id)
    }

    /// Appends an entry whose id is above all others; `fields` are names and values in turn, `bytes` in all.
    pub fn append(&mut self, id: StreamId, fields: &[&[u8]], bytes: usize, limits: Limits) {
        debug_assert!(id > self.last_id);
        let appended = self.blocks.modify_last(|block| {
            let has_room = block.has_room(fields.len(), bytes, limits);
            if has_room {
                block.append(id, fields, bytes);
            }
            has_room
        });
        if appended != Some(true) {
            self.blocks.push_back(Block::new(id, fields));
        }
        if self.blocks.weight() == 1 {
            self.first_id = id;
        }
        self.last_id = id;
        self.entries_added = self.entries_added.wrapping_add(1);
    }

    /// Removes an entry from within; whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some(cursor) = self.blocks.floor(by(id)) else { return false };
        // Looked for before, so that a block which somebody shares is not copied in vain.
        let Some(block) = self.blocks.get(&cursor) else { return false };
        let Some(place) = block.locate(id) else { return false };
        if block.live() == 1 {
            self.blocks.remove_at(&cursor);
        } else {
            self.blocks.modify_at(&cursor, |block| block.delete(place));
        }
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id {
            self.find_first();
        }
        true
    }

    /// Removes entries at the front; how many, and the blocks that held them.
    pub fn trim(&mut self, trim: Trim) -> (u64, Option<Garbage>) {
        let before = self.len();
        let garbage = self.drop_blocks(trim);
        if !trim.is_approximate {
            self.trim_block(trim.keep);
        }
        let removed = before - self.len();
        if removed > 0 {
            self.find_first();
        }
        (removed, garbage)
    }

    /// Drops the blocks that hold nothing to be kept.
    fn drop_blocks(&mut self, trim: Trim) -> Option<Garbage> {
        let mut until = match trim.keep {
            Keep::Len(most) => self.place(self.len().checked_sub(most)?),
            Keep::From(id) => {
                let floor = self.blocks.floor(by(id))?;
                let is_old = self.blocks.get(&floor).is_some_and(|block| block.last() < id);
                let behind = if is_old { self.blocks.next(&floor) } else { None };
                behind.unwrap_or(floor)
            }
        };
        if trim.limit > 0 && self.blocks.rank(&until) > trim.limit {
            until = self.place(trim.limit);
        }
        if until == Cursor::FRONT {
            return None;
        }
        // A shared copy keeps alive what the cut drops, so that it costs nothing here.
        let blocks = self.blocks.clone();
        let effort = self.blocks.remove_between(&Cursor::FRONT, &until);
        Some(Garbage { _blocks: blocks, effort })
    }

    /// The block that contains position `rank`.
    fn place(&self, rank: u64) -> Cursor {
        self.blocks.seek(rank).map_or_else(|| self.blocks.end(), |(cursor, _)| cursor)
    }

    /// Deletes entries of the first block that are not to be kept.
    fn trim_block(&mut self, keep: Keep) {
        let (len, Some(first)) = (self.len(), self.blocks.first()) else { return };
        let has_old = match keep {
            Keep::Len(most) => len > most,
            Keep::From(id) => first.first() < id && first.walk().next().is_some_and(|entry| entry.id < id),
        };
        if !has_old {
            return;
        }
        let left = self.blocks.modify_first(|block| {
            block.delete_front(|id, removed| match keep {
                Keep::Len(most) => len - removed > most,
                Keep::From(first) => id < first,
            });
            block.live()
        });
        if left == Some(0) {
            self.blocks.pop_front();
        }
    }

    fn find_first(&mut self) {
        self.first_id =
            self.range(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MIN, |entry| entry.id);
    }

    /// XSETID: sets what isn't `None`.
    pub fn set_id(
        &mut self,
        last_id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) {
        self.last_id = last_id;
        self.entries_added = entries_added.unwrap_or(self.entries_added);
        self.max_deleted_id = max_deleted_id.unwrap_or(self.max_deleted_id);
    }

    // Reading

    /// The entries with ids from `start` to `end`, oldest first.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        let from = self.blocks.floor(by(start)).unwrap_or(Cursor::FRONT);
        Range { blocks: self.blocks.iter_from(&from), walk: None, start, end, is_reversed: false }
    }

    /// The entries with ids from `end` down to `start`, newest first.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> Range<'_> {
        let to = self.blocks.upper_bound(by(end));
        let blocks = self.blocks.range(&Cursor::FRONT, &to);
        Range { blocks, walk: None, start, end, is_reversed: true }
    }

    /// The entry with that id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let cursor = self.blocks.floor(by(id))?;
        self.blocks.get(&cursor)?.get(id)
    }

    /// The blocks, oldest first.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter()
    }

    // Counting what a reader has read

    /// Whether an entry may have been deleted from among those at `start` and behind it.
    pub fn has_gaps_from(&self, start: StreamId) -> bool {
        !self.is_empty()
            && !self.max_deleted_id.is_zero()
            && self.first_id <= self.max_deleted_id
            && start <= self.max_deleted_id
    }

    /// Whether no entry behind the first was deleted.
    pub fn is_whole(&self) -> bool {
        self.max_deleted_id.is_zero() || self.max_deleted_id < self.first_id
    }

    /// How many of all entries ever added a reader has had who has read up to `id`; `None` if nobody can tell, because
    /// entries within the log are deleted.
    pub fn reads_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id {
            return Some(self.entries_added);
        }
        if !id.is_zero() && id < self.max_deleted_id {
            return None;
        }
        if id == self.last_id {
            return Some(self.entries_added);
        }
        if id > self.last_id {
            return None;
        }
        let before = self.entries_added.wrapping_sub(self.len());
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less if self.is_whole() => Some(before),
            std::cmp::Ordering::Equal if self.is_whole() => Some(before.wrapping_add(1)),
            _ => None,
        }
    }

    // Memory

    /// Heap bytes; blocks are weighed by `samples` of them, by all when that is 0.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        let weights = self.blocks.iter().map(|block| block.pack().heap_bytes());
        self.blocks.heap_bytes() + crate::value::sampled(weights, self.blocks.len(), samples)
    }

    /// How much work freeing it is; see [`crate::value::Facts::free_effort`].
    pub fn free_effort(&self) -> usize {
        self.blocks.len() + self.blocks.free_effort()
    }
}

/// Entries with ids between two; see [`Log::range`].
pub struct Range<'s> {
    blocks: tree::Iter<'s, Block>,
    walk: Option<Walk<'s>>,
    start: StreamId,
    end: StreamId,
    is_reversed: bool,
}

impl<'s> Iterator for Range<'s> {
    type Item = Entry<'s>;

    fn next(&mut self) -> Option<Entry<'s>> {
        loop {
            let Some(entry) = self.walk.as_mut().and_then(Iterator::next) else {
                self.walk = Some(match self.is_reversed {
                    false => self.blocks.next()?.walk(),
                    true => self.blocks.next_back()?.walk_back(),
                });
                continue;
            };
            let (is_early, is_late) = (entry.id < self.start, entry.id > self.end);
            if if self.is_reversed { is_early } else { is_late } {
                return None;
            }
            if !is_early && !is_late {
                return Some(entry);
            }
        }
    }
}
