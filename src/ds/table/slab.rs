//! The records of segments by id, in chunks, so that growing never moves what is there.
//!
//! A table of ten million entries has some thirty thousand segments. Doubling one array of them would be the
//! longest pause of the whole table; a chunk more is not noticed.

use super::segment::{Segment, SegmentId};
use std::ops::{Index, IndexMut};

/// Segments in a chunk.
const CHUNK: usize = 256;

/// Segments with the ids `0..len`.
pub(super) struct Slab {
    /// All chunks but the last are full; none is empty.
    chunks: Vec<Vec<Segment>>,
}

impl Slab {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// The id that the next segment gets.
    pub(super) fn next_id(&self) -> SegmentId {
        // A table has 2²⁴ segments at most.
        SegmentId::new(self.len() as u32)
    }

    /// Adds a segment under the next id.
    pub(super) fn push(&mut self, segment: Segment) {
        if let Some(last) = self.chunks.last_mut().filter(|last| last.len() < CHUNK) {
            last.push(segment);
            return;
        }
        // The first chunk grows from one, because most tables are tiny.
        let mut chunk = Vec::with_capacity(if self.chunks.is_empty() { 1 } else { CHUNK });
        chunk.push(segment);
        if self.chunks.is_empty() {
            self.chunks.reserve_exact(1);
        }
        self.chunks.push(chunk);
    }

    /// Takes a segment out; the last one gets its id.
    pub(super) fn swap_remove(&mut self, id: SegmentId) -> Option<Segment> {
        let chunk = self.chunks.last_mut()?;
        let last = chunk.pop()?;
        if chunk.is_empty() {
            self.chunks.pop();
            give_back(&mut self.chunks);
        } else {
            give_back(chunk);
        }
        Some(match self.get_mut(id) {
            Some(place) => std::mem::replace(place, last),
            None => last,
        })
    }

    pub(super) fn get_mut(&mut self, id: SegmentId) -> Option<&mut Segment> {
        self.chunks.get_mut(id.index() / CHUNK)?.get_mut(id.index() % CHUNK)
    }

    /// Hints that a record will be needed soon.
    #[inline]
    pub(super) fn prefetch(&self, id: SegmentId) {
        let chunk = self.chunks.get(id.index() / CHUNK);
        if let Some(segment) = chunk.and_then(|chunk| chunk.get(id.index() % CHUNK)) {
            crate::ds::prefetch::read(segment);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.chunks.iter().flatten()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let records = self.chunks.iter().map(Vec::capacity).sum::<usize>() * size_of::<Segment>();
        records + self.chunks.capacity() * size_of::<Vec<Segment>>()
    }
}

/// Frees half of the memory of a vector that uses less than a quarter of it.
fn give_back<T>(records: &mut Vec<T>) {
    if records.len() < records.capacity() / 4 {
        records.shrink_to(records.len() * 2);
    }
}

impl Index<SegmentId> for Slab {
    type Output = Segment;

    #[inline]
    fn index(&self, id: SegmentId) -> &Segment {
        &self.chunks[id.index() / CHUNK][id.index() % CHUNK]
    }
}

impl IndexMut<SegmentId> for Slab {
    #[inline]
    fn index_mut(&mut self, id: SegmentId) -> &mut Segment {
        &mut self.chunks[id.index() / CHUNK][id.index() % CHUNK]
    }
}
