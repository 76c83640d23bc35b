//! Members by chance: every one equally likely.
//!
//! Several different ones from a small set, or many from a table, are chosen in one walk: the next member is taken with the
//! chance of (still wanted) / (still to come). Few from a big table are drawn one by one, and drawn again when they
//! have been seen.

use super::{Limits, Member, Set};
use crate::base::rng::Rng;
use crate::ds::listpack::{Digits, ListPack};
use std::collections::HashSet;

/// Above one in so many, members are chosen in a walk.
const WALK_SHARE: usize = 3;

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

    /// Removes one member and hands it to `visit`.
    pub fn pop(&mut self, rng: &mut Rng, visit: impl FnOnce(&[u8])) {
        let popped = self.random(rng).map(|member| member.bytes(&mut Digits::new()).to_vec());
        if let Some(member) = popped {
            self.remove(&member);
            visit(&member);
        }
    }

    /// Removes `count` different members (fewer than all) and hands them to `visit`. When few are left, what a table
    /// keeps becomes a new, small set, as in Redis.
    pub fn pop_many(&mut self, count: usize, rng: &mut Rng, limits: &Limits, mut visit: impl FnMut(&[u8])) {
        /// A table is built anew when more than so many members go for each that stays.
        const REBUILD_RATIO: usize = 5;
        let kept = self.len().saturating_sub(count);
        if matches!(self, Set::Table(_)) && kept.saturating_mul(REBUILD_RATIO) <= count {
            let mut small = Set::Packed(ListPack::new());
            self.random_distinct(kept, rng, |member| {
                small.insert_member(member, limits);
            });
            let mut digits = Digits::new();
            for member in self.iter() {
                let bytes = member.bytes(&mut digits);
                if !small.contains(bytes) {
                    visit(bytes);
                }
            }
            *self = small;
            return;
        }
        // Names end to end, because the set can't be walked and changed at once.
        let (mut names, mut ends) = (Vec::new(), Vec::with_capacity(count.min(self.len())));
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
