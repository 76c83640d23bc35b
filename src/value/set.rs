//! Sets: an intset or a listpack while small, a hash table beyond.
//!
//! ```text
//! SADD s 1 2 3     intset: nothing but integers, at most `set-max-intset-entries`
//! SADD s a         listpack: at most `set-max-listpack-entries`, none longer than `set-max-listpack-value`
//! SADD s <65 x>    hash table, for good: only a new set is small again
//! ```
//!
//! In a table each member is one blob without a value, about 12 bytes plus the member's size class. All tables of the server
//! share one seed: the hash of a member finds it in every set, and walking one set in hash order walks every other in
//! order too ([`combine`]).
//!
//! A clone of a small set shares its bytes; a table is cloned member by member, and frozen for readers by
//! [`Table::freeze`].

pub mod combine;
mod iter;
mod random;
#[cfg(test)]
mod tests;

pub use iter::{Iter, Member};
pub use random::Garbage;

use super::Facts;
use crate::base::num::parse_i64;
use crate::ds::blob::{Blob, Due};
use crate::ds::intset::IntSet;
use crate::ds::listpack::{Digits, Encoded, ListPack};
use crate::ds::table::{Arriving, Entry, HashSeed, Table};

/// Thresholds, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `set-max-intset-entries`.
    pub max_intset_entries: u64,
    /// `set-max-listpack-entries`.
    pub max_listpack_entries: u64,
    /// `set-max-listpack-value`, in bytes.
    pub max_listpack_value: u64,
}

impl Limits {
    /// Redis never makes larger intsets, whatever is configured.
    const INTSET_ENTRIES_MAX: u64 = 1 << 30;

    fn is_intset(&self, len: usize) -> bool {
        len as u64 <= self.max_intset_entries.min(Self::INTSET_ENTRIES_MAX)
    }

    fn is_listpack(&self, len: usize) -> bool {
        len as u64 <= self.max_listpack_entries
    }

    fn is_listpack_value(&self, bytes: usize) -> bool {
        bytes as u64 <= self.max_listpack_value
    }
}

/// No member of a set has a value.
#[derive(Clone, Debug)]
pub enum Never {}

impl Due for Never {}

/// A member in a table.
pub type Stored = Blob<Never>;

/// A set of byte strings.
#[derive(Clone)]
pub enum Set {
    Ints(IntSet),
    Packed(ListPack),
    Table(Box<Table<Stored>>),
}

impl Default for Set {
    fn default() -> Set {
        Set::Ints(IntSet::new())
    }
}

impl Set {
    /// An empty set in the form for `count` members of which `first` is one.
    pub fn for_members(first: &[u8], count: usize, limits: &Limits) -> Set {
        if limits.is_intset(count) && parse_i64(first).is_some() {
            Set::Ints(IntSet::new())
        } else if limits.is_listpack(count) {
            Set::Packed(ListPack::new())
        } else {
            Set::Table(Box::new(Table::new(HashSeed::of_process(), 0)))
        }
    }

    /// A table of different members.
    pub fn of_stored(members: Vec<Stored>) -> Set {
        let seed = HashSeed::of_process();
        let mut table = Table::expecting(seed, 0, members.len());
        members.into_iter().for_each(|member| table.insert_unique(seed.hash(member.key()), member));
        Set::Table(Box::new(table))
    }

    /// An empty table with room for so many members.
    pub fn with_room(expected: usize) -> Set {
        Set::Table(Box::new(Table::expecting(HashSeed::of_process(), 0, expected)))
    }

    /// Whether so many members are too many for any small form.
    pub fn is_big(count: usize, limits: &Limits) -> bool {
        !limits.is_intset(count) && !limits.is_listpack(count)
    }

    /// Becomes a table if `count` members to add are more than a small form may have in all.
    pub fn prepare(&mut self, count: usize, limits: &Limits) {
        let is_small_enough = match self {
            Set::Ints(_) => limits.is_intset(count),
            Set::Packed(_) => limits.is_listpack(count),
            Set::Table(_) => true,
        };
        if !is_small_enough {
            self.make_table();
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Set::Ints(ints) => ints.len(),
            Set::Packed(pack) => pack.len(),
            Set::Table(table) => table.len(),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All members: of small sets in their order, of a table in hash order.
    pub fn iter(&self) -> Iter<'_> {
        Iter::of(self)
    }

    #[inline]
    pub fn contains(&self, member: &[u8]) -> bool {
        match self {
            Set::Ints(ints) => parse_i64(member).is_some_and(|number| ints.contains(number)),
            Set::Packed(pack) => pack.find(member, pack.first(), 0).is_some(),
            Set::Table(table) => table.find(table.seed().hash(member), member).is_some(),
        }
    }

    /// Whether it is a table that contains the member.
    #[inline]
    pub fn has_in_table(&self, member: &[u8]) -> bool {
        matches!(self, Set::Table(table) if table.find(table.seed().hash(member), member).is_some())
    }

    /// Adds a member; whether it is new.
    #[inline]
    pub fn insert(&mut self, member: &[u8], limits: &Limits) -> bool {
        match self {
            Set::Table(table) => insert_into(table, member),
            Set::Packed(_) => self.insert_packed(member, limits),
            Set::Ints(_) => match parse_i64(member) {
                Some(number) => self.insert_int(number, limits),
                None => {
                    self.leave_ints(member, limits);
                    self.insert(member, limits)
                }
            },
        }
    }

    /// Adds a member of another set; whether it is new.
    pub fn insert_member(&mut self, member: Member<'_>, limits: &Limits) -> bool {
        match (&*self, member) {
            (Set::Ints(_), Member::Int(number)) => self.insert_int(number, limits),
            _ => self.insert(member.bytes(&mut Digits::new()), limits),
        }
    }

    fn insert_int(&mut self, number: i64, limits: &Limits) -> bool {
        let Set::Ints(ints) = self else { return false };
        if !ints.insert(number) {
            return false;
        }
        if !limits.is_intset(ints.len()) {
            self.make_table();
        }
        true
    }

    fn insert_packed(&mut self, member: &[u8], limits: &Limits) -> bool {
        let Set::Packed(pack) = self else { return false };
        let element = Encoded::from(member);
        if pack.find(element, pack.first(), 0).is_some() {
            return false;
        }
        if limits.is_listpack(pack.len() + 1)
            && limits.is_listpack_value(member.len())
            && pack.fits(element.len())
        {
            pack.push_back(element);
            return true;
        }
        self.make_table();
        self.insert(member, limits)
    }

    /// Removes a member; whether it was one.
    #[inline]
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Set::Ints(ints) => parse_i64(member).is_some_and(|number| ints.remove(number)),
            Set::Packed(pack) => {
                let found = pack.find(member, pack.first(), 0);
                found.map(|position| pack.remove(position)).is_some()
            }
            Set::Table(table) => table.remove(table.seed().hash(member), member).is_some(),
        }
    }

    /// An intset, if all members are integers and few enough.
    pub fn into_intset_if_possible(self, limits: &Limits) -> Set {
        if matches!(self, Set::Ints(_)) || !limits.is_intset(self.len()) {
            return self;
        }
        let numbers: Option<IntSet> = self.iter().map(Member::int).collect();
        numbers.map_or(self, Set::Ints)
    }

    /// Makes room for `member`, which is no integer: a listpack if everything fits there.
    fn leave_ints(&mut self, member: &[u8], limits: &Limits) {
        let Set::Ints(ints) = self else { return };
        let digits = |number: Option<i64>| number.map_or(0, |number| Digits::new().format(number).len());
        let longest = digits(ints.first()).max(digits(ints.last()));
        let fits = limits.is_listpack(ints.len() + 1)
            && limits.is_listpack_value(member.len())
            && limits.is_listpack_value(longest);
        if !fits {
            return self.make_table();
        }
        let mut pack = ListPack::new();
        ints.iter().for_each(|number| pack.push_back(number));
        *self = Set::Packed(pack);
    }

    fn make_table(&mut self) {
        let mut digits = Digits::new();
        *self = Set::of_stored(self.iter().map(|member| stored(member.bytes(&mut digits))).collect());
    }
}

/// A member as a table holds it.
pub fn stored(member: &[u8]) -> Stored {
    Stored::inline(member, b"", None, 0)
}

#[inline]
fn insert_into(table: &mut Table<Stored>, member: &[u8]) -> bool {
    match table.entry(table.seed().hash(member), member) {
        Entry::Occupied(_) => false,
        Entry::Vacant(vacant) => {
            vacant.insert(stored(member));
            true
        }
    }
}

impl Facts for Set {
    fn len(&self) -> usize {
        Set::len(self)
    }

    fn encoding(&self) -> &'static str {
        match self {
            Set::Ints(_) => "intset",
            Set::Packed(_) => "listpack",
            Set::Table(_) => "hashtable",
        }
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        match self {
            Set::Ints(ints) => ints.heap_bytes(),
            Set::Packed(pack) => pack.heap_bytes(),
            Set::Table(table) => {
                let members = super::sampled(table.iter().map(Stored::heap_bytes), table.len(), samples);
                size_of::<Table<Stored>>() + table.heap_bytes() + members
            }
        }
    }

    fn prefetch(&self, element: &[u8]) -> Option<Arriving<'_>> {
        match self {
            Set::Ints(_) | Set::Packed(_) => None,
            Set::Table(table) => super::prefetch_in(table, element),
        }
    }

    fn free_effort(&self) -> usize {
        match self {
            Set::Table(table) => table.len(),
            _ => 1,
        }
    }
}
