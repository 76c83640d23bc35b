//! Hashes: fields with values, each of which may have a deadline.
//!
//! | encoding | when | bytes |
//! |---|---|---|
//! | `listpack` | small, no field ever had a deadline | field, value, field, value, … |
//! | `listpackex` | small, some field had one | field, value, deadline, … ascending by deadline; those without (0) last |
//! | `hashtable` | beyond the [`Limits`] | a table of blobs, one per field, deadline inside |
//!
//! A hash only goes down this list. The packed forms have the elements of Redis's listpacks in their order, without what
//! walking back needs ([`crate::ds::listpack::ForwardPack`]).
//!
//! A field behind its deadline is not there for anybody who asks with `now`; it is removed when the sweep of
//! [`crate::keyspace::expire`] comes by, which [`Facts::due`] tells when to do. Until then it counts in
//! [`Facts::len`], as in Redis.
//!
//! Example. `HSET k a 1 b 2`, `HPEXPIRE k 50 FIELDS 1 a`: the listpack `a 1 b 2` becomes `a 1 ⟨now+50⟩ b 2 0`; after the sweep
//! at now+51 it is `b 2 0`.

mod iter;
mod packed;
pub mod raw;

#[cfg(test)]
mod tests;

pub use iter::Iter;

use super::{Facts, LongString};
use crate::base::clock::UnixMs;
use crate::base::rng::Rng;
use crate::ds::blob::{Blob, Payload};
use crate::ds::listpack::Element;
use crate::ds::table::{Arriving, Entry, HashSeed, Table};
use packed::Packed;

/// A field of a big hash with its value and deadline.
pub type Field = Blob<LongString>;

/// How big a hash may get in a packed form: `hash-max-listpack-entries`, `hash-max-listpack-value`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most fields.
    pub entries: usize,
    /// Longest field or value, in bytes.
    pub value_bytes: usize,
}

/// What a write does to the deadline of its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldTtl {
    Keep,
    Clear,
    At(UnixMs),
}

/// See the module's head.
#[derive(Clone)]
pub struct Hash(Form);

#[derive(Clone)]
enum Form {
    Packed(Packed),
    Table(Box<Table<Field>>),
}

/// Whether a deadline lets its field be seen: like a key, it lives through the millisecond of its deadline.
#[inline]
fn is_live(deadline: Option<u64>, now: UnixMs) -> bool {
    deadline.is_none_or(|deadline| deadline >= now.0)
}

#[inline]
fn value_of(field: &Field) -> Element<'_> {
    match field.payload() {
        Payload::Inline(bytes) => Element::Text(bytes),
        Payload::Value(long) => Element::Text(long.as_slice()),
    }
}

fn new_field(name: &[u8], value: &[u8], deadline: Option<u64>) -> Field {
    if Field::can_inline(name.len(), value.len()) {
        Field::inline(name, value, deadline, 0)
    } else {
        Field::boxed(name, LongString::new(value.to_vec()), deadline, 0)
    }
}

impl Default for Hash {
    fn default() -> Hash {
        Hash(Form::Packed(Packed::default()))
    }
}

impl Hash {
    /// The value of a field. In a packed hash it may come as an integer; text of a table may look like one.
    #[inline]
    pub fn get(&self, name: &[u8], now: UnixMs) -> Option<Element<'_>> {
        match &self.0 {
            Form::Packed(packed) => packed.get(name, now),
            Form::Table(table) => find(table, name, now).map(value_of),
        }
    }

    pub fn contains(&self, name: &[u8], now: UnixMs) -> bool {
        self.get(name, now).is_some()
    }

    /// The deadline of a field; the outer `None` for a field that is not there.
    pub fn deadline(&self, name: &[u8], now: UnixMs) -> Option<Option<UnixMs>> {
        let deadline = match &self.0 {
            Form::Packed(packed) => packed.deadline(name, now)?,
            Form::Table(table) => find(table, name, now)?.deadline(),
        };
        Some(deadline.map(UnixMs))
    }

    /// Leaves the packed form beforehand if `fields` more, the longest text of which has `longest` bytes, would not fit.
    pub fn make_room(&mut self, fields: usize, longest: usize, total_bytes: usize, limits: Limits) {
        let Form::Packed(packed) = &self.0 else { return };
        if fields > limits.entries || longest > limits.value_bytes || !packed.fits(total_bytes) {
            self.unpack();
        }
    }

    /// Gives a field a value; whether the field is new.
    #[inline]
    pub fn set(&mut self, name: &[u8], value: &[u8], ttl: FieldTtl, now: UnixMs, limits: Limits) -> bool {
        if let Form::Packed(packed) = &self.0
            && (name.len().max(value.len()) > limits.value_bytes || !packed.fits(name.len() + value.len()))
        {
            self.unpack();
        }
        let created = match &mut self.0 {
            Form::Packed(packed) => packed.set(name, value, ttl, now),
            Form::Table(table) => return set_in(table, name, value, ttl, now),
        };
        if created && self.len() > limits.entries {
            self.unpack();
        }
        created
    }

    /// Removes a field; whether it was there.
    pub fn remove(&mut self, name: &[u8], now: UnixMs) -> bool {
        match &mut self.0 {
            Form::Packed(packed) => packed.remove(name, now),
            Form::Table(table) => {
                let hash = table.seed().hash(name);
                let Some(deadline) = table.remove(hash, name).map(|field| field.deadline()) else {
                    return false;
                };
                if deadline.is_some() {
                    table.forget_deadline(hash);
                }
                is_live(deadline, now)
            }
        }
    }

    /// Prepares a packed hash for deadlines, as the commands that set them do even if no field is there.
    pub fn allow_deadlines(&mut self) {
        if let Form::Packed(packed) = &mut self.0 {
            packed.allow_deadlines();
        }
    }

    /// Gives a field a deadline or takes it away; whether the field is there.
    pub fn set_deadline(&mut self, name: &[u8], deadline: Option<UnixMs>, now: UnixMs) -> bool {
        let deadline = deadline.map(|when| when.0);
        match &mut self.0 {
            Form::Packed(packed) => packed.set_deadline(name, deadline, now),
            Form::Table(table) => {
                let hash = table.seed().hash(name);
                let Some(field) = table.find_mut(hash, name).filter(|field| is_live(field.deadline(), now))
                else {
                    return false;
                };
                let old = field.deadline();
                field.set_deadline(deadline);
                tell_table(table, hash, old, deadline);
                true
            }
        }
    }

    /// The fields that are there, with their values.
    pub fn iter(&self, now: UnixMs) -> Iter<'_> {
        match &self.0 {
            Form::Packed(packed) => packed.iter(now),
            Form::Table(table) => Iter::table(table.iter(), now),
        }
    }

    /// Fields that are there at `now`: fewer than [`Facts::len`] while some wait to be removed.
    pub fn live_len(&self, now: UnixMs) -> usize {
        if self.due().is_none_or(|due| due >= now.0) { self.len() } else { self.iter(now).count() }
    }

    /// One page of HSCAN: visits fields until about `count` were looked at, a packed hash at once. The cursor of the next
    /// page, 0 at the end.
    pub fn scan(
        &self,
        cursor: u64,
        count: usize,
        now: UnixMs,
        mut visit: impl FnMut(Element<'_>, Element<'_>),
    ) -> u64 {
        match &self.0 {
            Form::Packed(packed) => {
                packed.iter(now).for_each(|(name, value)| visit(name, value));
                0
            }
            Form::Table(table) => table.scan_page(cursor, count, |field| {
                if is_live(field.deadline(), now) {
                    visit(Element::Text(field.key()), value_of(field));
                }
            }),
        }
    }

    /// A random field and its value; `None` when none is there.
    pub fn random(&self, rng: &mut Rng, now: UnixMs) -> Option<(Element<'_>, Element<'_>)> {
        /// Draws before a table whose fields are nearly all behind their deadline is walked.
        const TRIES: usize = 64;
        match &self.0 {
            Form::Packed(packed) => packed.random(rng, now),
            Form::Table(table) => {
                let is_seen = |field: &&Field| is_live(field.deadline(), now);
                let found = (0..TRIES).find_map(|_| table.sample(rng.next_u64()).filter(is_seen));
                let found = found.or_else(|| table.iter().find(is_seen))?;
                Some((Element::Text(found.key()), value_of(found)))
            }
        }
    }

    /// Whether random draws are cheap at any size; otherwise many of them should walk once.
    pub fn is_table(&self) -> bool {
        matches!(self.0, Form::Table(_))
    }

    /// Goes from a packed form to a table.
    fn unpack(&mut self) {
        let Form::Packed(packed) = &self.0 else { return };
        let mut table = Table::expecting(HashSeed::of_process(), 0, packed.len());
        packed.for_each(|name, value, deadline| {
            let (mut name_digits, mut value_digits) = Default::default();
            let name = name.bytes(&mut name_digits);
            table.insert_unique(
                table.seed().hash(name),
                new_field(name, value.bytes(&mut value_digits), deadline),
            );
        });
        self.0 = Form::Table(Box::new(table));
    }
}

fn find<'t>(table: &'t Table<Field>, name: &[u8], now: UnixMs) -> Option<&'t Field> {
    table.find(table.seed().hash(name), name).filter(|field| is_live(field.deadline(), now))
}

fn set_in(table: &mut Table<Field>, name: &[u8], value: &[u8], ttl: FieldTtl, now: UnixMs) -> bool {
    let hash = table.seed().hash(name);
    match table.entry(hash, name) {
        Entry::Vacant(vacant) => {
            let deadline = if let FieldTtl::At(when) = ttl { Some(when.0) } else { None };
            vacant.insert(new_field(name, value, deadline));
            true
        }
        Entry::Occupied(mut occupied) => {
            let old = occupied.get().deadline();
            let was_live = is_live(old, now);
            let deadline = match ttl {
                FieldTtl::Keep if was_live => old,
                FieldTtl::At(when) => Some(when.0),
                FieldTtl::Keep | FieldTtl::Clear => None,
            };
            let field = occupied.get_mut();
            if field.is_boxed() || !Field::can_inline(name.len(), value.len()) {
                occupied.replace(new_field(name, value, deadline));
            } else {
                field.set_inline(value);
                if deadline != old {
                    field.set_deadline(deadline);
                }
            }
            tell_table(table, hash, old, deadline);
            !was_live
        }
    }
}

/// Tells the table that the deadline of a field has changed: whether there is any must be known exactly, because files say so.
#[inline]
fn tell_table(table: &mut Table<Field>, hash: u64, old: Option<u64>, new: Option<u64>) {
    match (old, new) {
        (old, new) if old == new => {}
        (_, Some(when)) => table.note_deadline(hash, when),
        (_, None) => table.forget_deadline(hash),
    }
}

impl Facts for Hash {
    fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.len(),
            Form::Table(table) => table.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Packed(packed) => packed.encoding(),
            Form::Table(_) => "hashtable",
        }
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.heap_bytes(),
            Form::Table(table) => {
                let weigh = |field: &Field| match field.payload() {
                    Payload::Inline(_) => field.heap_bytes(),
                    Payload::Value(long) => field.heap_bytes() + long.capacity() + 5 * size_of::<usize>(),
                };
                size_of::<Table<Field>>()
                    + table.heap_bytes()
                    + super::sampled(table.iter().map(weigh), table.len(), samples)
            }
        }
    }

    fn free_effort(&self) -> usize {
        match &self.0 {
            Form::Packed(_) => 1,
            Form::Table(table) => table.len(),
        }
    }

    fn prefetch(&self, element: &[u8]) -> Option<Arriving<'_>> {
        match &self.0 {
            Form::Packed(_) => None,
            Form::Table(table) => super::prefetch_in(table, element),
        }
    }

    #[inline]
    fn due(&self) -> Option<u64> {
        match &self.0 {
            Form::Packed(packed) => packed.due(),
            Form::Table(table) => table.next_deadline(),
        }
    }

    fn expire(&mut self, now_ms: u64, most: usize, tell: &mut dyn FnMut(&[u8])) {
        match &mut self.0 {
            Form::Packed(packed) => packed.expire(now_ms, most, tell),
            Form::Table(table) => {
                // A field lives through the millisecond of its deadline.
                if let Some(before) = now_ms.checked_sub(1) {
                    table.take_due(before, most / 4, |field| tell(field.key()));
                }
            }
        }
    }
}
