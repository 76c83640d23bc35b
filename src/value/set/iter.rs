//! Members, and walking over them.

use super::{Set, Stored};
use crate::base::num::parse_i64;
use crate::ds::listpack::{self, Digits, Element};
use crate::ds::{intset, table};

/// A member as it is stored.
#[derive(Clone, Copy, Debug)]
pub enum Member<'s> {
    Int(i64),
    /// Any bytes; in a table also those of integers.
    Text(&'s [u8]),
}

impl<'s> Member<'s> {
    /// The bytes of the member; those of an integer are printed into `digits`.
    #[inline]
    pub fn bytes<'b>(self, digits: &'b mut Digits) -> &'b [u8]
    where
        's: 'b,
    {
        match self {
            Member::Int(number) => digits.format(number).as_bytes(),
            Member::Text(text) => text,
        }
    }

    /// The integer, if the bytes are exactly the text of one.
    pub fn int(self) -> Option<i64> {
        match self {
            Member::Int(number) => Some(number),
            Member::Text(text) => parse_i64(text),
        }
    }
}

impl<'s> From<Element<'s>> for Member<'s> {
    fn from(element: Element<'s>) -> Member<'s> {
        match element {
            Element::Int(number) => Member::Int(number),
            Element::Text(text) => Member::Text(text),
        }
    }
}

/// Walks over the members of a set.
pub struct Iter<'s>(Kind<'s>);

enum Kind<'s> {
    Ints(intset::Iter<'s>),
    Packed(listpack::Iter<'s>),
    Table(Ahead<'s>),
}

impl<'s> Iter<'s> {
    pub(super) fn of(set: &'s Set) -> Iter<'s> {
        Iter(match set {
            Set::Ints(ints) => Kind::Ints(ints.iter()),
            Set::Packed(pack) => Kind::Packed(pack.iter()),
            Set::Table(table) => Kind::Table(Ahead::new(table.iter())),
        })
    }
}

impl<'s> Iterator for Iter<'s> {
    type Item = Member<'s>;

    #[inline]
    fn next(&mut self) -> Option<Member<'s>> {
        match &mut self.0 {
            Kind::Ints(ints) => ints.next().map(Member::Int),
            Kind::Packed(pack) => pack.next().map(Member::from),
            Kind::Table(ahead) => ahead.next().map(|stored| Member::Text(stored.key())),
        }
    }
}

/// Asks for the memory of members some steps before they are read.
struct Ahead<'s> {
    members: table::Iter<'s, Stored>,
    asked: [Option<&'s Stored>; Ahead::STEPS],
    at: usize,
}

impl<'s> Ahead<'s> {
    const STEPS: usize = 16;

    fn new(members: table::Iter<'s, Stored>) -> Ahead<'s> {
        let mut ahead = Ahead { members, asked: [None; Ahead::STEPS], at: 0 };
        for _ in 0..Ahead::STEPS {
            ahead.step();
        }
        ahead
    }

    /// Asks for one more; the one that was asked for `STEPS` before.
    #[inline]
    fn step(&mut self) -> Option<&'s Stored> {
        let next = self.members.next();
        if let Some(next) = next {
            next.prefetch();
        }
        let place = self.asked.get_mut(self.at % Ahead::STEPS)?;
        self.at = (self.at + 1) % Ahead::STEPS;
        std::mem::replace(place, next)
    }

    #[inline]
    fn next(&mut self) -> Option<&'s Stored> {
        self.step()
    }
}
