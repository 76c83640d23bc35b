//! Lists, sets, sorted sets and hashes, in every form that files have ever had.
//!
//! What Redis refuses is refused: elements that are there twice, odd numbers of elements in pairs, scores that are no numbers,
//! deadlines beyond what commands allow. What it would accept though it is out of order (a packed sorted set) is put
//! in order, because everybody else relies on it. Which form a value gets in memory follows the thresholds, as in Redis.

use super::error::{Error, What};
use super::limits::Limits;
use super::packed::from_ziplist;
use super::source::Source;
use crate::base::clock::UnixMs;
use crate::base::float::parse_f64;
use crate::ds::intset::IntSet;
use crate::ds::listpack::{Digits, Element, ListPack};
use crate::ds::member::order;
use crate::ds::quicklist::{End, Node, NodeLimit, QuickList};
use crate::ds::table::HashSeed;
use crate::rdb::node;
use crate::value::hash::{FieldTtl, Hash};
use crate::value::list::List;
use crate::value::set::Set;
use crate::value::zset::ZSet;
use crate::value::{Facts, Value};
use std::cmp::Ordering;
use std::io::Read;

/// The latest deadline of a field that Redis knows, in Unix milliseconds.
const DEADLINE_MAX: u64 = (1 << 46) - 1;
/// Nothing is behind its deadline at this time.
const ALWAYS: UnixMs = UnixMs(0);
/// Packed values with fewer elements are searched for duplicates pair by pair.
const PAIRWISE_MAX: usize = 16;

/// How an old or new packed value turns into a listpack.
pub(super) type Unpack = fn(&[u8]) -> Option<ListPack>;

pub(super) fn listpack(bytes: &[u8]) -> Option<ListPack> {
    ListPack::validate(bytes).ok()
}

/// The fields with deadlines of different servers and times.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadlines {
    /// The earliest first, theirs counted from it (and one more, 0 is none).
    Relative,
    /// Unix milliseconds, 0 is none; nothing before the fields.
    Absolute,
    /// Eight bytes behind each value, −1 is none.
    Trailing,
}

impl<R: Read> Source<R> {
    fn pack(&mut self, unpack: Unpack, scratch: &mut Vec<u8>) -> Result<ListPack, Error> {
        self.text(scratch)?;
        unpack(scratch).ok_or_else(|| self.corrupt("a packed value is damaged"))
    }

    fn unless_empty(&self, is_empty: bool) -> Result<(), Error> {
        if is_empty { Err(self.error(What::Empty)) } else { Ok(()) }
    }

    /// A count that is not zero, of elements of at least so many bytes.
    fn some(&mut self, min_bytes: u64) -> Result<u64, Error> {
        let count = self.count(min_bytes)?;
        self.unless_empty(count == 0)?;
        Ok(count)
    }

    /// A packed value that is not empty, of whole tuples the first of which are all different.
    fn tuples(&mut self, unpack: Unpack, stride: usize, scratch: &mut Vec<u8>) -> Result<ListPack, Error> {
        let pack = self.pack(unpack, scratch)?;
        self.unless_empty(pack.is_empty())?;
        self.refuse_duplicates(&pack, stride)?;
        Ok(pack)
    }

    // Lists

    pub(super) fn plain_list(&mut self, limits: &Limits, scratch: &mut Vec<u8>) -> Result<Value, Error> {
        let count = self.count(1)?;
        let mut list = QuickList::new(NodeLimit::of(limits.list.max_listpack_size));
        for _ in 0..count {
            self.text(scratch)?;
            list.push(End::Back, scratch);
        }
        self.finished_list(list, limits)
    }

    pub(super) fn packed_list(
        &mut self,
        unpack: Unpack,
        limits: &Limits,
        scratch: &mut Vec<u8>,
    ) -> Result<Value, Error> {
        let pack = self.pack(unpack, scratch)?;
        self.unless_empty(pack.is_empty())?;
        // As in Redis, it stays one until a command takes something away.
        let list = QuickList::of_pack(NodeLimit::of(limits.list.max_listpack_size), pack);
        Ok(Value::List(List::Quick(Box::new(list))))
    }

    /// `has_kinds`: each node tells whether it is packed or one long text (quicklist 2).
    pub(super) fn quicklist(
        &mut self,
        has_kinds: bool,
        limits: &Limits,
        scratch: &mut Vec<u8>,
    ) -> Result<Value, Error> {
        let count = self.some(1)?;
        let mut list = QuickList::new(NodeLimit::of(limits.list.max_listpack_size));
        for _ in 0..count {
            let node = match if has_kinds { self.length()? } else { node::PACKED } {
                node::PACKED => {
                    Node::packed(self.pack(if has_kinds { listpack } else { from_ziplist }, scratch)?)
                }
                node::PLAIN => {
                    self.text(scratch)?;
                    Node::plain(scratch)
                }
                _ => return Err(self.corrupt("a list's node of an unknown kind")),
            };
            list.push_node(node);
        }
        self.finished_list(list, limits)
    }

    fn finished_list(&self, list: QuickList, limits: &Limits) -> Result<Value, Error> {
        self.unless_empty(list.is_empty())?;
        Ok(Value::List(List::from_quicklist(list, limits.list)))
    }

    // Sets

    pub(super) fn plain_set(&mut self, limits: &Limits, scratch: &mut Vec<u8>) -> Result<Value, Error> {
        let count = self.some(1)?;
        let len = usize::try_from(count).unwrap_or(usize::MAX);
        let mut set = Set::default();
        if len as u64 > limits.set.max_intset_entries {
            set = Set::with_room(self.expected(count));
        }
        for _ in 0..count {
            self.text(scratch)?;
            if !set.insert(scratch, &limits.set) {
                return Err(self.corrupt("a set with a member twice"));
            }
        }
        Ok(Value::Set(set))
    }

    pub(super) fn intset(&mut self, limits: &Limits, scratch: &mut Vec<u8>) -> Result<Value, Error> {
        self.text(scratch)?;
        let ints = IntSet::validate(scratch).map_err(|_| self.corrupt("an intset is damaged"))?;
        self.unless_empty(ints.is_empty())?;
        let mut set = Set::Ints(ints);
        set.prepare(set.len(), &limits.set);
        Ok(Value::Set(set))
    }

    pub(super) fn packed_set(&mut self, limits: &Limits, scratch: &mut Vec<u8>) -> Result<Value, Error> {
        let pack = self.tuples(listpack, 1, scratch)?;
        let mut set = Set::Packed(pack);
        set.prepare(set.len(), &limits.set);
        Ok(Value::Set(set))
    }

    // Sorted sets

    /// `is_text`: scores are texts, as long ago.
    pub(super) fn plain_zset(
        &mut self,
        is_text: bool,
        limits: &Limits,
        scratch: &mut Vec<u8>,
    ) -> Result<Value, Error> {
        let count = self.some(2)?;
        let mut members = ZSet::builder(self.expected(count));
        for _ in 0..count {
            self.text(scratch)?;
            let score = if is_text { self.text_score()? } else { self.double()? };
            if score.is_nan() {
                return Err(self.corrupt("a score that is no number"));
            }
            if !members.push(scratch, score) {
                return Err(self.corrupt("a sorted set with a member twice"));
            }
        }
        Ok(Value::SortedSet(members.finish(limits.zset)))
    }

    /// A score as its text behind one byte, which is its length or stands for a score that has no text.
    fn text_score(&mut self) -> Result<f64, Error> {
        let len = match self.byte()? {
            255 => return Ok(f64::NEG_INFINITY),
            254 => return Ok(f64::INFINITY),
            253 => return Ok(f64::NAN),
            len => len,
        };
        let mut text = Vec::new();
        self.bytes(u64::from(len), &mut text)?;
        // C reads what it can of it.
        parse_f64(text.trim_ascii()).ok_or_else(|| self.corrupt("a score that is no number"))
    }

    pub(super) fn packed_zset(
        &mut self,
        unpack: Unpack,
        limits: &Limits,
        scratch: &mut Vec<u8>,
    ) -> Result<Value, Error> {
        let pack = self.tuples(unpack, 2, scratch)?;
        let (mut digits, mut before_digits) = (Digits::new(), Digits::new());
        let (mut elements, mut before) = (pack.iter(), None);
        let mut is_ordered = true;
        while let (Some(member), Some(score)) = (elements.next(), elements.next()) {
            let score = match score {
                Element::Int(number) => number as f64,
                Element::Text(text) => parse_f64(text)
                    .filter(|score| !score.is_nan())
                    .ok_or_else(|| self.corrupt("a score that is no number"))?,
            };
            if let Some((last, last_score)) = before.replace((member, score)) {
                let last: Element<'_> = last;
                let ascends = order(last_score, score)
                    .then_with(|| last.bytes(&mut before_digits).cmp(member.bytes(&mut digits)));
                is_ordered &= ascends == Ordering::Less;
            }
        }
        let zset = ZSet::Small(pack);
        let is_small = zset.len() <= limits.zset.entries;
        if is_ordered && is_small {
            return Ok(Value::SortedSet(zset));
        }
        let members = zset.iter().map(|(member, score)| (member.to_vec(), score));
        let ordered = ZSet::from_scores(members, limits.zset);
        Ok(Value::SortedSet(ordered))
    }

    // Hashes

    pub(super) fn plain_hash(&mut self, limits: &Limits, scratch: &mut Vec<u8>) -> Result<Value, Error> {
        let count = self.some(2)?;
        let mut hash = Hash::default();
        self.make_room(&mut hash, count, limits);
        let mut name = Vec::new();
        for _ in 0..count {
            self.text(&mut name)?;
            self.text(scratch)?;
            if !hash.set(&name, scratch, FieldTtl::Keep, ALWAYS, limits.hash) {
                return Err(self.corrupt("a hash with a field twice"));
            }
        }
        Ok(Value::Hash(hash))
    }

    pub(super) fn hash_with_deadlines(
        &mut self,
        kind: Deadlines,
        limits: &Limits,
        scratch: &mut Vec<u8>,
    ) -> Result<Value, Error> {
        let earliest = if kind == Deadlines::Relative { self.earliest()? } else { 0 };
        let count = self.some(3)?;
        let mut hash = Hash::default();
        self.make_room(&mut hash, count, limits);
        hash.allow_deadlines();
        let mut name = Vec::new();
        for _ in 0..count {
            let told = if kind == Deadlines::Trailing { 0 } else { self.length()? };
            self.text(&mut name)?;
            self.text(scratch)?;
            let deadline = match kind {
                Deadlines::Trailing => u64::try_from(self.ms()?).ok(),
                _ if told == 0 => None,
                Deadlines::Absolute => Some(told),
                Deadlines::Relative => Some(earliest.saturating_add(told - 1)),
            };
            if deadline.is_some_and(|deadline| deadline > DEADLINE_MAX) {
                return Err(self.corrupt("a deadline of a field is too late"));
            }
            let ttl = deadline.map_or(FieldTtl::Keep, |when| FieldTtl::At(UnixMs(when)));
            if !hash.set(&name, scratch, ttl, ALWAYS, limits.hash) {
                return Err(self.corrupt("a hash with a field twice"));
            }
        }
        Ok(Value::Hash(hash))
    }

    fn earliest(&mut self) -> Result<u64, Error> {
        let earliest = self.ms()?;
        u64::try_from(earliest)
            .ok()
            .filter(|&earliest| earliest <= DEADLINE_MAX)
            .ok_or_else(|| self.corrupt("a deadline of a field is too late"))
    }

    fn make_room(&self, hash: &mut Hash, count: u64, limits: &Limits) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > limits.hash.entries {
            hash.make_room(count, 0, 0, limits.hash);
        }
    }

    /// `limits_values`: the lengths of fields and values may forbid the packed form too, as in those of long ago.
    pub(super) fn packed_hash(
        &mut self,
        unpack: Unpack,
        limits_values: bool,
        limits: &Limits,
        scratch: &mut Vec<u8>,
    ) -> Result<Value, Error> {
        let pack = self.tuples(unpack, 2, scratch)?;
        let longest = if limits_values { pack.iter().map(Element::text_len).max() } else { None };
        let mut hash = Hash::from_pairs(&pack);
        hash.make_room(hash.len(), longest.unwrap_or(0), 0, limits.hash);
        Ok(Value::Hash(hash))
    }

    pub(super) fn packed_hash_with_deadlines(
        &mut self,
        has_earliest: bool,
        limits: &Limits,
        scratch: &mut Vec<u8>,
    ) -> Result<Value, Error> {
        if has_earliest {
            self.earliest()?;
        }
        let pack = self.tuples(listpack, 3, scratch)?;
        let mut before = 0;
        for deadline in pack.iter().skip(2).step_by(3) {
            let told = deadline.int().and_then(|told| u64::try_from(told).ok());
            // None at all lies behind every other.
            let place = match told.filter(|&told| told <= DEADLINE_MAX) {
                None => return Err(self.corrupt("a deadline of a field is too late")),
                Some(0) => u64::MAX,
                Some(told) => told,
            };
            if place < before {
                return Err(self.corrupt("the deadlines of fields are out of order"));
            }
            before = place;
        }
        let mut hash = Hash::from_triples(&pack);
        hash.make_room(hash.len(), 0, 0, limits.hash);
        Ok(Value::Hash(hash))
    }

    /// Refuses a listpack of tuples, the first of which name something, if a tuple is incomplete or a name there twice.
    fn refuse_duplicates(&self, pack: &ListPack, stride: usize) -> Result<(), Error> {
        let len = pack.len();
        if !len.is_multiple_of(stride) {
            return Err(self.corrupt("a packed value with an odd number of elements"));
        }
        let names = || pack.iter().step_by(stride);
        let is_unique = |at: usize, name: Element<'_>| names().take(at).all(|other| other != name);
        let is_sound = if len / stride <= PAIRWISE_MAX {
            names().enumerate().all(|(at, name)| is_unique(at, name))
        } else {
            let seed = HashSeed::of_process();
            let hash_of = |name: Element<'_>| match name {
                Element::Int(number) => seed.hash(&number.to_le_bytes()) as u32,
                Element::Text(text) => seed.hash(text) as u32,
            };
            let mut hashes: Vec<u32> = names().map(hash_of).collect();
            hashes.sort_unstable();
            // Those with a hash of their own are unique; the few others are compared.
            hashes.windows(2).all(|pair| pair.first() != pair.last()) || distinct(names().collect())
        };
        if is_sound { Ok(()) } else { Err(self.corrupt("a packed value with an element twice")) }
    }
}

fn distinct(mut names: Vec<Element<'_>>) -> bool {
    let compare = |one: &Element<'_>, other: &Element<'_>| match (one, other) {
        (Element::Int(one), Element::Int(other)) => one.cmp(other),
        (Element::Text(one), Element::Text(other)) => one.cmp(other),
        (Element::Int(_), Element::Text(_)) => Ordering::Less,
        (Element::Text(_), Element::Int(_)) => Ordering::Greater,
    };
    names.sort_unstable_by(compare);
    names.windows(2).all(|pair| pair.first() != pair.last())
}
