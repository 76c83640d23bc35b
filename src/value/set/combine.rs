//! Intersection, difference and union.
//!
//! All three sieve the members of one set by the others: keep what is in all of them, or what is in none.
//!
//! ```text
//! intersection   members of the smallest            that are in all others
//! difference     members of the first               that are in no other
//! union          members of the first, then those of the second that are not in the first, and so on
//! ```
//!
//! Members are sieved in batches: hash all, ask for all buckets, ask for all entries, and only then look. As a table is
//! walked in hash order and all tables share their seed, the buckets of the others come in order too.

use super::{Iter, Limits, Member, Set};
use crate::ds::listpack::Digits;
use crate::ds::table::HashSeed;
use std::ops::ControlFlow;

/// Members that are looked up together.
const BATCH: usize = 32;
/// Above this many sets a union is cheaper collected than sieved.
const SIEVED_SETS_MAX: usize = 4;

/// Goes on until a visitor says otherwise.
pub type Flow = ControlFlow<()>;

/// What passes the sieve.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    InAll,
    InNone,
}

/// Visits what all `sets` have in common, which is nothing when there is none.
pub fn intersection<'s>(sets: &[&'s Set], visit: impl FnMut(Member<'s>) -> Flow) {
    let mut sets = sets.to_vec();
    sets.sort_by_key(|set| set.len());
    if let Some((smallest, others)) = sets.split_first() {
        let _ = sieve(smallest.iter(), others, Keep::InAll, visit);
    }
}

/// Visits what `first` has and none of the `others`.
pub fn difference(first: &Set, others: &[&Set], mut visit: impl FnMut(Member<'_>)) {
    let probes = first.len().saturating_mul(others.len() + 1) / 2;
    let copies = others.iter().map(|set| set.len()).sum::<usize>() + first.len();
    if probes > copies {
        // Many small others: taking them out of a copy is less work than asking each of them.
        let mut left = collected([first].into_iter());
        let mut digits = Digits::new();
        for member in others.iter().flat_map(|set| set.iter()) {
            left.remove(member.bytes(&mut digits));
        }
        return left.iter().for_each(visit);
    }
    let mut others = others.to_vec();
    // Those that have the most are the likeliest to have it.
    others.sort_by_key(|set| std::cmp::Reverse(set.len()));
    let _ = sieve(first.iter(), &others, Keep::InNone, |member| {
        visit(member);
        Flow::Continue(())
    });
}

/// Visits what any of `sets` has, once.
pub fn union(sets: &[&Set], mut visit: impl FnMut(Member<'_>)) {
    if sets.len() > SIEVED_SETS_MAX {
        let mut seen = Set::for_members(b"", 1, &TABLES);
        for member in sets.iter().flat_map(|set| set.iter()) {
            if seen.insert_member(member, &TABLES) {
                visit(member);
            }
        }
        return;
    }
    for (index, set) in sets.iter().enumerate() {
        let before = sets.get(..index).unwrap_or_default();
        let _ = sieve(set.iter(), before, Keep::InNone, |member| {
            visit(member);
            Flow::Continue(())
        });
    }
}

/// Limits under which everything is a table.
const TABLES: Limits = Limits { max_intset_entries: 0, max_listpack_entries: 0, max_listpack_value: 0 };

fn seed_of(set: &Set) -> Option<HashSeed> {
    if let Set::Table(table) = set { Some(table.seed()) } else { None }
}

fn collected<'s>(sets: impl Iterator<Item = &'s Set>) -> Set {
    let mut all = Set::for_members(b"", 1, &TABLES);
    sets.flat_map(Set::iter).for_each(|member| {
        all.insert_member(member, &TABLES);
    });
    all
}

fn sieve<'s>(
    mut members: Iter<'s>,
    others: &[&Set],
    keep: Keep,
    mut visit: impl FnMut(Member<'s>) -> Flow,
) -> Flow {
    let seed = others.iter().find_map(|set| seed_of(set));
    let Some(seed) = seed else {
        let mut digits = Digits::new();
        return members.try_for_each(|member| {
            let is_in = |set: &&Set| set.has(member, 0, &mut digits);
            if passes(others, keep, is_in) { visit(member) } else { Flow::Continue(()) }
        });
    };
    let mut batch: Vec<(Member<'s>, u64)> = Vec::with_capacity(BATCH);
    let mut digits = Digits::new();
    loop {
        batch.clear();
        batch.extend(
            members.by_ref().take(BATCH).map(|member| (member, seed.hash(member.bytes(&mut Digits::new())))),
        );
        if batch.is_empty() {
            return Flow::Continue(());
        }
        // Whoever has the member, or has it not, of the first is mostly the answer: the rest is not asked for.
        if let Some(Set::Table(table)) = others.first() {
            table.prefetch(batch.iter().map(|(_, hash)| *hash));
        }
        for &(member, hash) in &batch {
            if passes(others, keep, |set| set.has(member, hash, &mut digits)) {
                visit(member)?;
            }
        }
    }
}

#[inline]
fn passes(others: &[&Set], keep: Keep, is_in: impl FnMut(&&Set) -> bool) -> bool {
    let mut answers = others.iter().map(is_in);
    match keep {
        Keep::InAll => answers.all(|is_in| is_in),
        Keep::InNone => !answers.any(|is_in| is_in),
    }
}

impl Set {
    /// Whether it has a member of another set; `hash` is used in tables only.
    #[inline]
    fn has(&self, member: Member<'_>, hash: u64, digits: &mut Digits) -> bool {
        match (self, member) {
            (Set::Table(table), _) => table.find(hash, member.bytes(digits)).is_some(),
            (Set::Ints(ints), _) => member.int().is_some_and(|number| ints.contains(number)),
            (Set::Packed(pack), Member::Int(number)) => pack.find(number, pack.first(), 0).is_some(),
            (Set::Packed(pack), Member::Text(text)) => pack.find(text, pack.first(), 0).is_some(),
        }
    }
}
