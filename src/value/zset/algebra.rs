//! Union, intersection and difference of sorted sets, and of sets, whose members count with score 1.
//!
//! The results of union and intersection have new scores: each input's is multiplied by its weight, then they are
//! aggregated, smallest input first as Redis does (sums of doubles depend on the order). What would be no number (inf times 0, inf
//! minus inf) becomes 0. Members of big inputs whose score stays are shared with the result, not copied.

use super::{Limits, ZSet};
use crate::ds::listpack::Digits;
use crate::ds::member::Member;
use crate::ds::table::{Entry, HashSeed, Table};
use crate::value::Facts;
use crate::value::set::Set;

/// How the scores of one member are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    #[default]
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn combine(self, one: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => number(one + other),
            Aggregate::Min => {
                if other < one {
                    other
                } else {
                    one
                }
            }
            Aggregate::Max => {
                if other > one {
                    other
                } else {
                    one
                }
            }
        }
    }
}

/// Zero in place of what is no number.
fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// The score of the members of sets.
const SET_SCORE: f64 = 1.0;

/// What members come from.
#[derive(Clone, Copy)]
pub enum Source<'v> {
    SortedSet(&'v ZSet),
    Set(&'v Set),
    /// A key that is not there.
    Missing,
}

/// A source with its weight.
#[derive(Clone, Copy)]
pub struct Input<'v> {
    pub source: Source<'v>,
    pub weight: f64,
}

impl<'v> Source<'v> {
    fn len(&self) -> usize {
        match self {
            Source::SortedSet(zset) => zset.len(),
            Source::Set(set) => set.len(),
            Source::Missing => 0,
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Source::SortedSet(zset) => zset.score(member),
            Source::Set(set) => set.contains(member).then_some(SET_SCORE),
            Source::Missing => None,
        }
    }

    fn is_same(&self, other: &Source<'_>) -> bool {
        match (self, other) {
            (Source::SortedSet(one), Source::SortedSet(other)) => std::ptr::eq(*one, *other),
            (Source::Set(one), Source::Set(other)) => std::ptr::eq(*one, *other),
            _ => false,
        }
    }

    /// Shows every member to `visit`, together with the one to share if there is one, until it returns `false`.
    fn each(&self, mut visit: impl FnMut(&[u8], f64, Option<&Member>) -> bool) {
        match self {
            Source::SortedSet(ZSet::Big(big)) => {
                let mut iter = big.tree().iter();
                loop {
                    if let Some(member) = iter.ahead(8) {
                        member.prefetch();
                    }
                    let Some(member) = iter.next() else { return };
                    if !visit(member.bytes(), member.score(), Some(member)) {
                        return;
                    }
                }
            }
            Source::SortedSet(zset) => {
                let mut digits = Digits::new();
                for (member, score) in zset.iter() {
                    if !visit(member.bytes(&mut digits), score, None) {
                        return;
                    }
                }
            }
            Source::Set(set) => {
                let mut digits = Digits::new();
                for member in set.iter() {
                    if !visit(member.bytes(&mut digits), SET_SCORE, None) {
                        return;
                    }
                }
            }
            Source::Missing => {}
        }
    }
}

/// A member with a score: the shared one if it has that score already.
fn member_with(bytes: &[u8], score: f64, shared: Option<&Member>) -> Member {
    match shared {
        Some(member) if member.score().to_bits() == score.to_bits() => member.clone(),
        _ => Member::new(bytes, score),
    }
}

fn smallest_first<'v>(inputs: &[Input<'v>]) -> Vec<Input<'v>> {
    let mut sorted = inputs.to_vec();
    sorted.sort_by_key(|input| input.source.len());
    sorted
}

/// The members of any input.
pub fn union(inputs: &[Input<'_>], aggregate: Aggregate, limits: Limits) -> ZSet {
    let seed = HashSeed::of_process();
    let mut found: Table<Member> = Table::new(seed, 0);
    for input in smallest_first(inputs) {
        input.source.each(|bytes, score, shared| {
            let score = number(input.weight * score);
            match found.entry(seed.hash(bytes), bytes) {
                Entry::Vacant(entry) => {
                    entry.insert(member_with(bytes, score, shared));
                }
                Entry::Occupied(entry) => {
                    let old = entry.get().score();
                    let combined = aggregate.combine(old, score);
                    if combined.to_bits() != old.to_bits() {
                        entry.replace(member_with(bytes, combined, shared));
                    }
                }
            }
            true
        });
    }
    ZSet::from_table(found, limits)
}

/// The members of all inputs.
pub fn intersection(inputs: &[Input<'_>], aggregate: Aggregate, limits: Limits) -> ZSet {
    let inputs = smallest_first(inputs);
    let mut found = Vec::new();
    if let [first, others @ ..] = &inputs[..] {
        first.source.each(|bytes, score, shared| {
            let combined = others.iter().try_fold(number(first.weight * score), |combined, other| {
                let value =
                    if other.source.is_same(&first.source) { score } else { other.source.score(bytes)? };
                Some(aggregate.combine(combined, other.weight * value))
            });
            if let Some(score) = combined {
                found.push((score, member_with(bytes, score, shared)));
            }
            true
        });
    }
    ZSet::from_members(found, None, limits)
}

/// How many members all inputs have, at most `limit`.
pub fn intersection_count(sources: &[Source<'_>], limit: usize) -> usize {
    let mut sources = sources.to_vec();
    sources.sort_by_key(Source::len);
    let mut count = 0;
    if let [first, others @ ..] = &sources[..] {
        first.each(|bytes, _, _| {
            count +=
                usize::from(others.iter().all(|other| other.is_same(first) || other.score(bytes).is_some()));
            count < limit
        });
    }
    count
}

/// The members of the first source that no other has, with their scores.
pub fn difference(sources: &[Source<'_>], limits: Limits) -> ZSet {
    let mut found = Vec::new();
    if let [first, others @ ..] = sources {
        first.each(|bytes, score, shared| {
            if !others.iter().any(|other| other.is_same(first) || other.score(bytes).is_some()) {
                found.push((score, member_with(bytes, score, shared)));
            }
            true
        });
    }
    ZSet::from_members(found, None, limits)
}
