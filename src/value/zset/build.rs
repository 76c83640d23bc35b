//! Sorted sets from members that come in whatever order.

use super::big::Big;
use super::{Limits, ZSet, small};
use crate::ds::listpack::ListPack;
use crate::ds::member::{Member, order};
use crate::ds::table::Table;

impl ZSet {
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
