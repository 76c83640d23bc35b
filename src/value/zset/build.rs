//! Sorted sets from members that come in whatever order.

use super::big::Big;
use super::{Limits, ZSet, small};
use crate::ds::listpack::ListPack;
use crate::ds::member::{Member, order};
use crate::ds::table::{HashSeed, Table};

/// Collects members in whatever order, and notices those that are there twice.
pub struct Builder {
    members: Vec<(f64, Member)>,
    index: Table<Member>,
}

impl Builder {
    /// Adds a member, whose score is a number; `false` if it is there already.
    pub fn push(&mut self, member: &[u8], score: f64) -> bool {
        let new = Member::new(member, score);
        let hash = self.index.seed().hash(member);
        self.members.push((score, new.clone()));
        self.index.insert(hash, new).is_none()
    }

    /// The set of the members, small if it is within the limits.
    pub fn finish(self, limits: Limits) -> ZSet {
        ZSet::from_members(self.members, Some(self.index), limits)
    }
}

impl ZSet {
    /// A builder with room for so many members.
    pub fn builder(expected: usize) -> Builder {
        Builder {
            members: Vec::with_capacity(expected),
            index: Table::expecting(HashSeed::of_process(), 0, expected),
        }
    }

    /// The set of these members, which must all be different, in whatever order they come: small if it is within the
    /// limits.
    pub fn from_scores<M: AsRef<[u8]>>(members: impl Iterator<Item = (M, f64)>, limits: Limits) -> ZSet {
        let members = members.map(|(member, score)| (score, Member::new(member.as_ref(), score)));
        ZSet::from_members(members.collect(), None, limits)
    }

    /// The set of the members in a table: small if it is within the limits, as the results of set algebra are.
    pub(super) fn from_table(index: Table<Member>, limits: Limits) -> ZSet {
        let mut members: Vec<(f64, Member)> = Vec::with_capacity(index.len());
        members.extend(index.iter().map(|member| (member.score(), member.clone())));
        ZSet::from_members(members, Some(index), limits)
    }

    /// The set of members that are all different; `index` finds them, if it is there.
    pub(super) fn from_members(
        mut members: Vec<(f64, Member)>,
        index: Option<Table<Member>>,
        limits: Limits,
    ) -> ZSet {
        members.sort_unstable_by(|one, other| {
            order(one.0, other.0).then_with(|| one.1.bytes().cmp(other.1.bytes()))
        });
        let lengths = || members.iter().map(|(_, member)| member.bytes().len());
        let is_small = members.len() <= limits.entries
            && lengths().all(|len| len <= limits.value)
            && ListPack::new().fits(lengths().map(|len| len + small::OVERHEAD_BYTES).sum());
        if is_small {
            let mut pack = ListPack::new();
            members.iter().for_each(|(score, member)| small::push(&mut pack, member.bytes(), *score));
            return ZSet::Small(pack);
        }
        let tree = members.into_iter().map(|(_, member)| member).collect();
        ZSet::Big(Box::new(Big::new(tree, index)))
    }
}
