//! Sorted sets: members with a score, ordered by score and then by bytes.
//!
//! ```text
//!  Small(ListPack)   member, score, member, score, …      in order; the score an integer element if it is one
//!  Big               index: bytes → member                a hash table
//!                    tree: members in order               a counted B+ tree
//! ```
//!
//! A sorted set is small until it has more members, or a longer one, than its [`Limits`]; it never goes back, except
//! that results of set algebra choose by what they hold ([`ZSet::from_parts`]).
//!
//! Everything about ranges is arithmetic on *ranks* (positions in ascending order): [`ScoreRange`] and [`LexRange`]
//! turn into a range of ranks in O(log n), whose length is the count, whose parts are LIMIT, and whose items are read
//! from either end ([`ZSet::items`]).

mod algebra;
mod big;
mod build;
mod items;
mod range;
mod small;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::ops::Range;

pub use algebra::{Aggregate, Input, Source, difference, intersection, intersection_count, union};
use big::Big;
pub use build::Builder;
pub use items::Items;
pub use range::{LexBound, LexRange, ScoreRange};

use super::Facts;
use crate::ds::listpack::{Digits, ListPack};
use crate::ds::member::Member;
use crate::ds::table::Arriving;

/// Up to where a sorted set stays a listpack: `zset-max-listpack-entries` and `zset-max-listpack-value`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub entries: usize,
    /// Bytes of a member.
    pub value: usize,
}

/// A sorted set.
#[derive(Clone)]
pub enum ZSet {
    Small(ListPack),
    Big(Box<Big>),
}

impl Default for ZSet {
    fn default() -> Self {
        ZSet::Small(ListPack::new())
    }
}

impl ZSet {
    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            ZSet::Small(pack) => small::find(pack, member).map(|(_, score)| score),
            ZSet::Big(big) => big.find(member).map(|member| member.score()),
        }
    }

    /// Gives a member a score; the one it had, if it was there.
    pub fn set(&mut self, member: &[u8], score: f64, limits: Limits) -> Option<f64> {
        if let ZSet::Small(pack) = self {
            match small::find(pack, member) {
                Some((_, old)) if old == score => return Some(old),
                Some((position, old)) => {
                    small::remove(pack, position);
                    small::insert(pack, member, score);
                    return Some(old);
                }
                None => {
                    let is_small = pack.len() / 2 < limits.entries && member.len() <= limits.value;
                    if is_small && pack.fits(member.len() + small::OVERHEAD_BYTES) {
                        small::insert(pack, member, score);
                        return None;
                    }
                }
            }
        }
        self.enlarge().set(member, score)
    }

    /// Becomes big if that many members, which are about to come, would be too many.
    pub fn expect(&mut self, members: usize, limits: Limits) {
        if members > limits.entries {
            self.enlarge();
        }
    }

    /// Takes a member out; its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            ZSet::Small(pack) => {
                let (position, score) = small::find(pack, member)?;
                small::remove(pack, position);
                Some(score)
            }
            ZSet::Big(big) => big.remove(member),
        }
    }

    /// Removes the members of a range of ranks, which must not reach behind the last. Many leave at once and are cleared
    /// away later ([`Facts::expire`]).
    pub fn remove_ranks(&mut self, range: Range<usize>) {
        match self {
            ZSet::Small(pack) => pack.remove_range(2 * range.start, 2 * range.len()),
            ZSet::Big(big) => big.remove_ranks(range),
        }
    }

    /// A member's rank and score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            ZSet::Small(pack) => small::rank(pack, member),
            ZSet::Big(big) => big.rank(member),
        }
    }

    /// The ranks of the members with a score in the range.
    pub fn ranks_by_score(&self, range: &ScoreRange) -> Range<usize> {
        let bounds = match self {
            ZSet::Small(pack) => small::ranks(pack, |_, score| range.place(score.value())),
            ZSet::Big(big) => big.ranks_by_score(range),
        };
        bounds.start..bounds.end.max(bounds.start)
    }

    /// The ranks of the members in the range. All members have the same score, or the result is some range.
    pub fn ranks_by_lex(&self, range: &LexRange<'_>) -> Range<usize> {
        let bounds = match self {
            ZSet::Small(pack) => small::ranks(pack, |member, _| range.place(&member)),
            ZSet::Big(big) => big.ranks_by_lex(range),
        };
        bounds.start..bounds.end.max(bounds.start)
    }

    /// The members of a range of ranks, which must not reach behind the last, from its start or from its end.
    pub fn items(&self, range: Range<usize>, is_reversed: bool) -> Items<'_> {
        Items::new(self, range, is_reversed)
    }

    /// All members, lowest first.
    pub fn iter(&self) -> Items<'_> {
        self.items(0..self.len(), false)
    }

    /// The members of a range of ranks as a set of its own.
    pub fn part(&self, range: Range<usize>, limits: Limits) -> ZSet {
        let mut digits = Digits::new();
        let items = self.items(range, false);
        let members = items.map(|(member, score)| (score, Member::new(member.bytes(&mut digits), score)));
        ZSet::from_members(members.collect(), None, limits)
    }

    /// Shows about `count` members to `visit` and returns the cursor to go on with, 0 at the end. A small set is shown
    /// whole; in a big one, members that stay are seen if the cursors are followed until 0.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&[u8], f64)) -> u64 {
        match self {
            ZSet::Small(_) => {
                let mut digits = Digits::new();
                self.iter().for_each(|(member, score)| visit(member.bytes(&mut digits), score));
                0
            }
            ZSet::Big(big) => big.scan(cursor, count, visit),
        }
    }

    /// Builds what looking members up needs, if that was left for later: worth it for a set that is going to be stored.
    pub fn prepare(&self) {
        if let ZSet::Big(big) = self {
            big.prepare();
        }
    }

    /// The big form, whatever it was.
    fn enlarge(&mut self) -> &mut Big {
        loop {
            match self {
                ZSet::Small(pack) => *self = ZSet::Big(Box::new(Big::from_pack(pack))),
                ZSet::Big(big) => return big,
            }
        }
    }
}

impl Facts for ZSet {
    #[inline]
    fn len(&self) -> usize {
        match self {
            ZSet::Small(pack) => pack.len() / 2,
            ZSet::Big(big) => big.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self {
            ZSet::Small(_) => "listpack",
            ZSet::Big(_) => "skiplist",
        }
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        match self {
            ZSet::Small(pack) => pack.heap_bytes(),
            ZSet::Big(big) => size_of::<Big>() + big.heap_bytes(samples),
        }
    }

    fn prefetch(&self, element: &[u8]) -> Option<Arriving<'_>> {
        match self {
            ZSet::Small(_) => None,
            ZSet::Big(big) => super::prefetch_in(big.index(), element),
        }
    }

    fn free_effort(&self) -> usize {
        match self {
            ZSet::Small(_) => 1,
            ZSet::Big(big) => big.free_effort(),
        }
    }

    /// At once, while there are members to clear away.
    #[inline]
    fn due(&self) -> Option<u64> {
        matches!(self, ZSet::Big(big) if big.has_left()).then_some(0)
    }

    fn expire(&mut self, _now_ms: u64, most: usize, _tell: &mut dyn FnMut(&[u8])) {
        if let ZSet::Big(big) = self {
            big.forget(most);
        }
    }

    fn take_garbage(&mut self) -> Option<Box<dyn Any + Send>> {
        match self {
            ZSet::Small(_) => None,
            ZSet::Big(big) => big.take_garbage(),
        }
    }
}
