//! A block: consecutive entries of a stream in one listpack, laid out as Redis lays out the nodes of its streams.
//!
//! ```text
//! master  live, deleted, number of names, name, …, 0
//! entry   flags, ms − first.ms, seq − first.seq,                          value, …,       length
//!    or   flags, ms − first.ms, seq − first.seq, number of fields, name, value, …,        length
//! ```
//!
//! The names of the block's first entry stand in its master; an entry with the very same names (flag 2) holds values
//! only. A deleted entry (flag 1) stays where it is and is passed over. `length` counts the elements of the entry before
//! it, so that a block can be read backwards; the 0 that ends the master stops such a walk.
//!
//! `{1-1: a=x, 1-2: a=y}` is `2 0 1 a 0 | 2 0 0 x 4 | 2 0 1 y 4`.
//!
//! **Invariants:** ids ascend; the master's counts are those of the entries; a block in a stream has a live entry.

use smallvec::SmallVec;

use super::id::StreamId;
use crate::ds::listpack::{Element, Encoded, Iter, ListPack, Position, Run};
use crate::ds::tree::Item;

/// The entry is deleted.
const DELETED: i64 = 1;
/// The entry's names are the master's.
const SAME_NAMES: i64 = 2;
/// Elements of the master before its names.
const MASTER_HEAD: usize = 3;
/// Elements of an entry before its fields or values, as `length` counts them.
const ENTRY_HEAD: usize = 3;
/// No block may become larger, in bytes.
pub const BLOCK_MAX_BYTES: usize = 1 << 30;

/// How big blocks become: `stream-node-max-bytes` and `stream-node-max-entries`; 0 is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub node_bytes: usize,
    pub node_entries: usize,
}

/// See the module's head.
#[derive(Clone)]
pub struct Block {
    first: StreamId,
    live: u32,
    deleted: u32,
    pack: ListPack,
}

impl Item for Block {
    type Key = StreamId;

    #[inline]
    fn key(&self) -> StreamId {
        self.first
    }

    #[inline]
    fn weight(&self) -> u64 {
        u64::from(self.live)
    }
}

/// No less than what names and values take in a block, `parts` and `bytes` in all, with everything around them.
fn packed_bytes(parts: usize, bytes: usize) -> usize {
    const PART_MAX_EXTRA: usize = 10;
    const ENTRY_MAX_EXTRA: usize = 128;
    bytes.saturating_add(parts.saturating_mul(PART_MAX_EXTRA)).saturating_add(ENTRY_MAX_EXTRA)
}

type Elements<'a> = SmallVec<[Encoded<'a>; 16]>;

/// Where the elements of an entry are put down before the block takes them.
trait Draft<'a> {
    fn number(&mut self, number: i64);
    fn text(&mut self, text: &'a [u8]);
}

/// Short ones.
impl<'a> Draft<'a> for Run {
    #[inline(always)] // As there.
    fn number(&mut self, number: i64) {
        self.push_number(number);
    }

    #[inline]
    fn text(&mut self, text: &'a [u8]) {
        self.push_text(text);
    }
}

/// Any others: they are copied once.
impl<'a> Draft<'a> for Elements<'a> {
    fn number(&mut self, number: i64) {
        self.push(Encoded::from(number));
    }

    fn text(&mut self, text: &'a [u8]) {
        self.push(Encoded::from(text));
    }
}

impl Block {
    /// A block of one entry; `fields` are names and values in turn.
    pub fn new(id: StreamId, fields: &[&[u8]]) -> Block {
        let count = fields.len() / 2;
        let mut elements: Elements<'_> = [1, 0, count as i64].into_iter().map(Encoded::from).collect();
        elements.extend(fields.iter().step_by(2).map(|&name| Encoded::from(name)));
        elements.extend([0, SAME_NAMES, 0, 0].map(Encoded::from));
        elements.extend(fields.iter().skip(1).step_by(2).map(|&value| Encoded::from(value)));
        elements.push(Encoded::from((ENTRY_HEAD + count) as i64));
        let mut pack = ListPack::new();
        pack.splice(None, 0, &elements);
        Block { first: id, live: 1, deleted: 0, pack }
    }

    /// A block of bytes from outside, every element of which is looked at; `None` if it is none.
    pub fn validate(first: StreamId, pack: ListPack) -> Option<Block> {
        let mut elements = pack.iter();
        let mut left = pack.len();
        let mut number = |left: &mut usize| {
            *left = left.checked_sub(1)?;
            elements.next()?.int()
        };
        let (live, deleted) = (number(&mut left)?, number(&mut left)?);
        let name_count = usize::try_from(number(&mut left)?).ok()?;
        left = left.checked_sub(name_count)?;
        let mut elements = pack.iter();
        elements.nth((MASTER_HEAD + name_count).checked_sub(1)?);
        // The zero that ends the master.
        left = left.checked_sub(1)?;
        if elements.next()?.int()? != 0 {
            return None;
        }
        let (mut found_live, mut found_deleted) = (0_u32, 0_u32);
        while left > 0 {
            let flags = elements.next()?.int()?;
            elements.next()?.int()?;
            elements.next()?.int()?;
            let (head, parts) = match flags & SAME_NAMES {
                0 => (ENTRY_HEAD + 1, usize::try_from(elements.next()?.int()?).ok()?.checked_mul(2)?),
                _ => (ENTRY_HEAD, name_count),
            };
            // What the entry consists of, and its length behind it.
            left = left.checked_sub(head.checked_add(parts)?.checked_add(1)?)?;
            if flags & !(DELETED | SAME_NAMES) != 0 {
                return None;
            }
            if let Some(last) = parts.checked_sub(1) {
                elements.nth(last)?;
            }
            if usize::try_from(elements.next()?.int()?).ok()? != head + parts {
                return None;
            }
            if flags & DELETED == 0 { found_live += 1 } else { found_deleted += 1 }
        }
        let is_told = i64::from(found_live) == live && i64::from(found_deleted) == deleted;
        is_told.then_some(Block { first, live: found_live, deleted: found_deleted, pack })
    }

    /// Whether an entry of so many names and values, `bytes` in all, can be stored.
    pub fn fits(fields: usize, bytes: usize) -> bool {
        packed_bytes(fields, bytes) <= BLOCK_MAX_BYTES
    }

    /// Whether an entry of so many names and values, `bytes` in all, still belongs into the block.
    #[inline]
    pub fn has_room(&self, fields: usize, bytes: usize, limits: Limits) -> bool {
        let max_bytes = match limits.node_bytes {
            0 => BLOCK_MAX_BYTES,
            bytes => bytes.min(BLOCK_MAX_BYTES),
        };
        let entries = self.live as usize + self.deleted as usize;
        self.pack.byte_len() + bytes < max_bytes
            && self.pack.fits(packed_bytes(fields, bytes))
            && (limits.node_entries == 0 || entries < limits.node_entries)
    }

    /// Appends an entry; its id is above all others, and the block has room. `fields` have `bytes` in all.
    #[inline]
    pub fn append(&mut self, id: StreamId, fields: &[&[u8]], bytes: usize) {
        let has_same_names = self.has_names(fields);
        if Run::has_room(ENTRY_HEAD + 2, fields.len(), bytes) {
            let mut run = Run::default();
            self.encode(id, fields, has_same_names, &mut run);
            self.pack.append_run(&run);
        } else {
            let mut elements = Elements::new();
            self.encode(id, fields, has_same_names, &mut elements);
            self.pack.splice(None, 0, &elements);
        }
        self.live += 1;
        self.write_counts();
    }

    /// Puts down the elements of a new entry.
    fn encode<'f>(&self, id: StreamId, fields: &[&'f [u8]], has_same_names: bool, to: &mut impl Draft<'f>) {
        let count = fields.len() / 2;
        // One by one: iterators that skip take more time than all the rest.
        to.number(if has_same_names { SAME_NAMES } else { 0 });
        to.number(id.ms.wrapping_sub(self.first.ms) as i64);
        to.number(id.seq.wrapping_sub(self.first.seq) as i64);
        if has_same_names {
            for pair in fields.chunks_exact(2) {
                to.text(pair[1]);
            }
            to.number((ENTRY_HEAD + count) as i64);
        } else {
            to.number(count as i64);
            for part in fields {
                to.text(part);
            }
            to.number((ENTRY_HEAD + 1 + 2 * count) as i64);
        }
    }

    /// Whether the master has the names of `fields`.
    #[inline]
    fn has_names(&self, fields: &[&[u8]]) -> bool {
        let behind = |position| self.pack.next(position);
        let Some(name_count) = self.pack.first().and_then(behind).and_then(behind) else { return false };
        let mut master = self.pack.iter_from(name_count);
        master.next().and_then(Element::int) == Some((fields.len() / 2) as i64)
            && fields.chunks_exact(2).all(|pair| master.next().is_some_and(|own| own == *pair[0]))
    }

    /// Makes the master tell the counts; only needed of `deleted` where that changed.
    fn write_counts(&mut self) {
        let Some(live) = self.pack.first() else { return };
        self.pack.replace(live, i64::from(self.live));
    }

    fn write_deleted(&mut self) {
        self.write_counts();
        if let Some(deleted) = self.pack.first().and_then(|live| self.pack.next(live)) {
            self.pack.replace(deleted, i64::from(self.deleted));
        }
    }

    /// Its id in the tree: that of its first entry, even when that is deleted.
    pub fn first(&self) -> StreamId {
        self.first
    }

    /// Entries that are not deleted.
    pub fn live(&self) -> u32 {
        self.live
    }

    /// The bytes, as RDB files have them.
    pub fn pack(&self) -> &ListPack {
        &self.pack
    }

    /// The id of the last entry, deleted or not.
    pub fn last(&self) -> StreamId {
        let mut walk = self.walk_back();
        walk.next_any().map_or(self.first, |found| found.entry.id)
    }

    /// Marks the entry as deleted that [`Block::locate`] found.
    pub fn delete(&mut self, place: EntryPlace) {
        self.mark(place.at, place.flags);
        self.write_deleted();
    }

    /// Where the live entry with that id stands. Deleted ones say nothing about what follows: after XSETID a lower id may
    /// stand behind them.
    pub fn locate(&self, id: StreamId) -> Option<EntryPlace> {
        let mut front = self.pack.iter();
        let name_count = length(front.nth(MASTER_HEAD - 1));
        front.nth(name_count);
        loop {
            let at = Iter::position(&front)?;
            let (flags, found) = self.decode_head(&mut front)?;
            let skipped = if flags & SAME_NAMES != 0 { name_count } else { 2 * length(front.next()) };
            if found >= id && flags & DELETED == 0 {
                return (found == id).then_some(EntryPlace { at, flags });
            }
            front.nth(skipped);
        }
    }

    /// Flags and id of the entry that starts at `front`.
    #[inline]
    fn decode_head(&self, front: &mut Iter<'_>) -> Option<(i64, StreamId)> {
        let flags = front.next()?.int()?;
        let ms = front.next()?.int()? as u64;
        let seq = front.next()?.int()? as u64;
        Some((flags, StreamId::new(self.first.ms.wrapping_add(ms), self.first.seq.wrapping_add(seq))))
    }

    /// Marks entries as deleted, from the first on, as long as `is_old` says so of one that is live and the number of
    /// those deleted before it; how many.
    pub fn delete_front(&mut self, mut is_old: impl FnMut(StreamId, u64) -> bool) -> u64 {
        let mut walk = self.walk();
        let (mut old, mut count) = (Vec::new(), 0);
        while let Some(found) = walk.next_any() {
            if found.is_deleted() {
                continue;
            }
            if !is_old(found.entry.id, count) {
                break;
            }
            old.push((found.at, found.flags));
            count += 1;
        }
        for (at, flags) in old {
            self.mark(at, flags);
        }
        self.write_deleted();
        count
    }

    /// Sets the flag. It takes no more bytes than before, so no entry moves.
    fn mark(&mut self, at: Position, flags: i64) {
        self.pack.replace(at, flags | DELETED);
        self.live -= 1;
        self.deleted += 1;
    }

    /// The entry with that id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let place = self.locate(id)?;
        let found = self.walk().decode(&mut self.pack.iter_from(place.at))?;
        Some(found.entry)
    }

    /// Walks the entries, oldest first.
    pub fn walk(&self) -> Walk<'_> {
        let mut names = self.pack.iter();
        let name_count = length(names.nth(MASTER_HEAD - 1));
        let mut front = names.clone();
        front.nth(name_count);
        Walk { block: self, names, name_count, place: Place::Front(front) }
    }

    /// Walks the entries, newest first.
    pub fn walk_back(&self) -> Walk<'_> {
        let mut names = self.pack.iter();
        let name_count = length(names.nth(MASTER_HEAD - 1));
        Walk { block: self, names, name_count, place: Place::Back(self.pack.last()) }
    }
}

/// Where an entry stands in its block: good until the block changes.
#[derive(Clone, Copy)]
pub struct EntryPlace {
    at: Position,
    flags: i64,
}

/// An element that counts others.
fn length(element: Option<Element<'_>>) -> usize {
    element.and_then(Element::int).and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

/// Where a walk stands.
#[derive(Clone)]
enum Place<'b> {
    /// Before the next entry.
    Front(Iter<'b>),
    /// At the length that ends the next entry.
    Back(Option<Position>),
}

/// Reads a block's entries one by one.
#[derive(Clone)]
pub struct Walk<'b> {
    block: &'b Block,
    names: Iter<'b>,
    name_count: usize,
    place: Place<'b>,
}

/// An entry, deleted or not, and where it stands.
struct Found<'b> {
    at: Position,
    flags: i64,
    entry: Entry<'b>,
}

impl Found<'_> {
    fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }
}

impl<'b> Walk<'b> {
    fn next_any(&mut self) -> Option<Found<'b>> {
        let mut front = match &self.place {
            Place::Front(front) => front.clone(),
            Place::Back(at) => {
                let pack = &self.block.pack;
                let end = (*at)?;
                let len = length(Some(pack.at(end)));
                if len == 0 {
                    return None;
                }
                let start = (0..len).try_fold(end, |at, _| pack.prev(at))?;
                self.place = Place::Back(pack.prev(start));
                pack.iter_from(start)
            }
        };
        let found = self.decode(&mut front)?;
        if let Place::Front(place) = &mut self.place {
            *place = front;
        }
        Some(found)
    }

    /// The entry that starts at `front`, which stands behind it then.
    #[inline]
    fn decode(&self, front: &mut Iter<'b>) -> Option<Found<'b>> {
        let at = Iter::position(front)?;
        let (flags, id) = self.block.decode_head(front)?;
        let (names, count) = match flags & SAME_NAMES {
            0 => (None, length(front.next())),
            _ => (Some(self.names.clone()), self.name_count),
        };
        let values = front.clone();
        // Over the fields and the length.
        front.nth(if names.is_some() { count } else { 2 * count });
        Some(Found { at, flags, entry: Entry { id, names, values, count } })
    }
}

impl<'b> Iterator for Walk<'b> {
    type Item = Entry<'b>;

    fn next(&mut self) -> Option<Entry<'b>> {
        loop {
            let found = self.next_any()?;
            if !found.is_deleted() {
                return Some(found.entry);
            }
        }
    }
}

/// An entry as it lies in its block.
#[derive(Clone)]
pub struct Entry<'b> {
    pub id: StreamId,
    /// The master's, if the entry has the same.
    names: Option<Iter<'b>>,
    /// Values, or names and values in turn.
    values: Iter<'b>,
    count: usize,
}

impl<'b> Entry<'b> {
    /// Number of fields.
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Names and values.
    pub fn fields(&self) -> impl Iterator<Item = (Element<'b>, Element<'b>)> + use<'b> {
        let (mut names, mut values) = (self.names.clone(), self.values.clone());
        (0..self.count).map_while(move |_| {
            let name = match &mut names {
                Some(names) => names.next()?,
                None => values.next()?,
            };
            Some((name, values.next()?))
        })
    }
}
