//! Streams, in their three versions.
//!
//! ```text
//! blocks: first id, listpack    length, last id   [2: first id, highest deleted id, entries ever added]
//! groups: name, last id [2: entries read]
//!         pending: id, time, deliveries          of all, without owner
//!         consumers: name, seen [3: active], ids  each pending entry is named by exactly one
//! ```
//!
//! Ids within pending lists are 16 bytes, without a length before them.

use super::error::Error;
use super::source::Source;
use crate::ds::listpack::ListPack;
use crate::value::stream::block::Block;
use crate::value::stream::{ConsumerId, Group, Log, Pending, Stream, StreamId};
use std::io::Read;

/// An entry that waits to be acknowledged, and whose it is, once that is known.
struct Waiting {
    id: StreamId,
    delivered_ms: u64,
    deliveries: u64,
    consumer: Option<ConsumerId>,
}

impl<R: Read> Source<R> {
    /// `version`: 1, 2 or 3.
    pub(super) fn stream(&mut self, version: u8, scratch: &mut Vec<u8>) -> Result<Stream, Error> {
        let blocks = self.blocks(scratch)?;
        let told = self.length()?;
        let last_id = self.id_pair()?;
        let found: u64 = blocks.iter().map(|block| u64::from(block.live())).sum();
        if told != found {
            return Err(self.corrupt("a stream whose length is not that of its blocks"));
        }
        let (mut max_deleted_id, mut added) = (StreamId::MIN, told);
        if version >= 2 {
            // The first id follows from the blocks.
            self.id_pair()?;
            (max_deleted_id, added) = (self.id_pair()?, self.length()?);
        }
        let log = Log::from_blocks(blocks, last_id, max_deleted_id, added)
            .ok_or_else(|| self.corrupt("the ids of a stream do not ascend"))?;
        if added < told {
            return Err(self.corrupt("a stream with more entries than were ever added"));
        }
        let mut stream = Stream::from(log);
        for _ in 0..self.count(4)? {
            let name = self.new_text()?;
            let group = self.group(version, stream.log(), scratch)?;
            if !stream.create_group(&name, group) {
                return Err(self.corrupt("a stream with a group twice"));
            }
        }
        Ok(stream)
    }

    fn blocks(&mut self, scratch: &mut Vec<u8>) -> Result<Vec<Block>, Error> {
        let count = self.count(10)?;
        let mut blocks: Vec<Block> = Vec::with_capacity(self.expected(count));
        for _ in 0..count {
            self.text(scratch)?;
            let first = <[u8; 16]>::try_from(scratch.as_slice()).map(id_of);
            let first = first.map_err(|_| self.corrupt("a stream's block without id"))?;
            self.text(scratch)?;
            let pack = ListPack::validate(scratch).map_err(|_| self.corrupt("a packed value is damaged"))?;
            let block =
                Block::validate(first, pack).ok_or_else(|| self.corrupt("a stream's block is damaged"))?;
            if blocks.last().is_some_and(|before| before.first() >= first) {
                return Err(self.corrupt("the blocks of a stream do not ascend"));
            }
            // One whose entries are all deleted says nothing.
            if block.live() > 0 {
                blocks.push(block);
            }
        }
        Ok(blocks)
    }

    fn group(&mut self, version: u8, log: &Log, scratch: &mut Vec<u8>) -> Result<Group, Error> {
        let last_id = self.id_pair()?;
        let read = match version {
            1 => log.reads_up_to(last_id),
            _ => Some(self.length()?).filter(|&read| read != u64::MAX),
        };
        let mut group = Group::new(last_id, read);
        let mut waiting = self.waiting()?;
        for _ in 0..self.count(3)? {
            self.text(scratch)?;
            let seen_ms = self.ms()?;
            let active_ms = if version >= 3 { self.ms()? } else { seen_ms };
            let consumer = group
                .create_consumer(scratch, seen_ms as u64)
                .ok_or_else(|| self.corrupt("a group with a consumer twice"))?;
            if let Ok(active_ms) = u64::try_from(active_ms) {
                group.note_active(consumer, active_ms);
            }
            for _ in 0..self.count(16)? {
                let id = self.raw_id()?;
                let at = waiting.binary_search_by_key(&id, |waiting| waiting.id).ok();
                let entry = at.and_then(|at| waiting.get_mut(at)).filter(|entry| entry.consumer.is_none());
                match entry {
                    Some(entry) => entry.consumer = Some(consumer),
                    None => {
                        return Err(
                            self.corrupt("an entry is pending with two consumers, or in none of the group")
                        );
                    }
                }
            }
        }
        for Waiting { id, delivered_ms, deliveries, consumer } in waiting {
            let consumer = consumer.ok_or_else(|| self.corrupt("an entry is pending with no consumer"))?;
            group.set_pending(Pending { id, delivered_ms, deliveries, consumer });
        }
        Ok(group)
    }

    /// What is pending in a group, in order.
    fn waiting(&mut self) -> Result<Vec<Waiting>, Error> {
        let count = self.count(25)?;
        let mut waiting: Vec<Waiting> = Vec::with_capacity(self.expected(count));
        for _ in 0..count {
            let id = self.raw_id()?;
            let (delivered_ms, deliveries) = (self.ms()? as u64, self.length()?);
            if waiting.last().is_some_and(|before| before.id >= id) {
                return Err(self.corrupt("the pending entries of a group do not ascend"));
            }
            waiting.push(Waiting { id, delivered_ms, deliveries, consumer: None });
        }
        Ok(waiting)
    }

    fn id_pair(&mut self) -> Result<StreamId, Error> {
        Ok(StreamId::new(self.length()?, self.length()?))
    }

    fn raw_id(&mut self) -> Result<StreamId, Error> {
        self.array().map(id_of)
    }
}

fn id_of(bytes: [u8; 16]) -> StreamId {
    let both = u128::from_be_bytes(bytes);
    StreamId::new((both >> 64) as u64, both as u64)
}
