//! Members by chance: every one equally likely.
//!
//! Several different ones from a small set, or many from a table, are chosen in one walk: the next member is taken with the
//! chance of (still wanted) / (still to come). Few from a big table are drawn one by one, and drawn again when they
//! have been seen.

use super::{Limits, Member, Set, Stored};
use crate::base::rng::Rng;
use crate::ds::breaks::between_pieces;
use crate::ds::listpack::{Digits, ListPack};
use crate::value::Facts;
use std::collections::HashSet;

/// Above one in so many, members are chosen in a walk.
const WALK_SHARE: usize = 16;

impl Set {
    /// One member.
    pub fn random(&self, rng: &mut Rng) -> Option<Member<'_>> {
        match self {
            Set::Ints(ints) => ints.get(rng.index(ints.len())).map(Member::Int),
            Set::Packed(pack) => pack.get(rng.index(pack.len())).map(Member::from),
            Set::Table(table) => table.sample(rng.next_u64()).map(|stored| Member::Text(stored.key())),
        }
    }

    /// `count` members, the same one maybe several times.
    pub fn random_repeated(&self, count: u64, rng: &mut Rng, mut visit: impl FnMut(Member<'_>)) {
        if let Set::Packed(pack) = self {
            // One walk instead of one for each.
            let members: Vec<Member<'_>> = pack.iter().map(Member::from).collect();
            return (0..count).filter_map(|_| members.get(rng.index(members.len()))).for_each(|&m| visit(m));
        }
        for _ in 0..count {
            self.random(rng).into_iter().for_each(&mut visit);
        }
    }

    /// `count` different members, or all if there are no more.
    pub fn random_distinct(&self, count: usize, rng: &mut Rng, mut visit: impl FnMut(Member<'_>)) {
        if let Set::Table(table) = self
            && count.saturating_mul(WALK_SHARE) < table.len()
        {
            // By address: nothing moves while the set is borrowed.
            let mut seen = HashSet::with_capacity(count);
            while seen.len() < count {
                let Some(stored) = table.sample(rng.next_u64()) else { return };
                if seen.insert(std::ptr::from_ref(stored.key()).addr()) {
                    visit(Member::Text(stored.key()));
                }
            }
            return;
        }
        let (mut wanted, mut left) = (count.min(self.len()), self.len());
        for member in self.iter() {
            if rng.below(left as u64) < wanted as u64 {
                visit(member);
                wanted -= 1;
            }
            left -= 1;
        }
    }

    /// Removes one member.
    pub fn pop(&mut self, rng: &mut Rng) -> Option<Vec<u8>> {
        let member = self.random(rng)?.bytes(&mut Digits::new()).to_vec();
        self.remove(&member);
        Some(member)
    }

    /// Removes `count` different members (fewer than all) and hands them to `visit`; what is left of them is to be freed.
    /// When few members stay, these become a new set, a small one if possible, as in Redis.
    pub fn pop_many(
        &mut self,
        count: usize,
        rng: &mut Rng,
        limits: &Limits,
        mut visit: impl FnMut(&[u8]),
    ) -> Garbage {
        /// A table is built anew when more than so many members go for each that stays.
        const REBUILD_RATIO: usize = 5;
        /// Above one in so many, they are chosen in a walk that looks at no others.
        const DRAIN_SHARE: usize = 64;
        let (mut left, count) = (self.len(), count.min(self.len()));
        let mut kept = left - count;
        match self {
            Set::Table(_) if kept.saturating_mul(REBUILD_RATIO) <= count => {
                let mut rest = Set::Packed(ListPack::new());
                let mut digits = Digits::new();
                for member in self.iter() {
                    if rng.below(left as u64) < kept as u64 {
                        rest.insert_member(member, limits);
                        kept -= 1;
                    } else {
                        visit(member.bytes(&mut digits));
                    }
                    left -= 1;
                }
                Garbage { members: Vec::new(), set: Some(std::mem::replace(self, rest)) }
            }
            Set::Table(table) if count.saturating_mul(DRAIN_SHARE) >= left => {
                let mut members = Vec::with_capacity(count);
                let mut position = Some(0);
                while let Some(at) = position {
                    let is_chosen = || {
                        let is_chosen = rng.below(left as u64) >= kept as u64;
                        kept -= usize::from(!is_chosen);
                        left -= 1;
                        is_chosen
                    };
                    position = table.drain_segment_where(at, is_chosen, |member| {
                        visit(member.key());
                        members.push(member);
                    });
                }
                Garbage { members, set: None }
            }
            _ => {
                self.pop_drawn(count, rng, visit);
                Garbage::default()
            }
        }
    }

    fn pop_drawn(&mut self, count: usize, rng: &mut Rng, mut visit: impl FnMut(&[u8])) {
        // Names end to end, because the set can't be walked and changed at once.
        let (mut names, mut ends) = (Vec::new(), Vec::with_capacity(count));
        self.random_distinct(count, rng, |member| {
            names.extend_from_slice(member.bytes(&mut Digits::new()));
            ends.push(names.len());
        });
        let mut begin = 0;
        for end in ends {
            let name = names.get(begin..end).unwrap_or_default();
            self.remove(name);
            visit(name);
            begin = end;
        }
    }
}

/// What a removal of many leaves behind, to be freed where nobody waits.
#[derive(Default)]
pub struct Garbage {
    members: Vec<Stored>,
    set: Option<Set>,
}

impl Drop for Garbage {
    fn drop(&mut self) {
        /// Members freed in one piece.
        const PIECE: usize = 256;
        while !self.members.is_empty() {
            between_pieces();
            self.members.truncate(self.members.len().saturating_sub(PIECE));
        }
    }
}

impl Garbage {
    /// How much work freeing it is; see [`Facts::free_effort`].
    pub fn effort(&self) -> usize {
        self.members.len() + self.set.as_ref().map_or(0, Facts::free_effort)
    }
}
