//! Big sorted sets: a hash table from bytes to member, and a tree of the members in order.
//!
//! A clone shares the tree and leaves the index behind: snapshots never look members up, and a copied key builds its
//! index, in one pass over the tree, when somebody first asks for a member.
//!
//! ```text
//! ZREMRANGEBYRANK big 0 499999    tree: cut at once, O(log n)      index: still holds 500,000 that left
//!                                 ── the sweep of expiry, a few at a time ──▶ forgets them, then frees what was cut off
//! ```
//!
//! Taking many members out of the index would keep others waiting, so that is done little by little. As long as the
//! index holds some that have left, what it finds counts only if the tree has it too.

use super::{LexRange, Range, ScoreRange, small};
use crate::ds::listpack::{Digits, ListPack};
use crate::ds::member::{At, AtScore, Fence, Member};
use crate::ds::table::{Entry, HashSeed, Table};
use crate::ds::tree::{Probe, Tree};
use smallvec::SmallVec;
use std::any::Any;
use std::cmp::Ordering;
use std::sync::OnceLock;

/// So many members are taken out of the index at once.
const AT_ONCE_MAX: usize = 64;
/// How many that have left are forgotten with every change, so that the index can't grow faster than it is swept.
const WITH_EVERY_CHANGE: usize = 2;

/// See the module's head.
pub struct Big {
    index: OnceLock<Table<Member>>,
    tree: Tree<Member>,
    leaving: Vec<Leaving>,
}

/// Members that were cut off the tree.
struct Leaving {
    /// The tree before they were; it shares with the present one what stayed.
    tree: Tree<Member>,
    /// The ranks there of those that the index may still hold.
    ranks: Range<usize>,
    /// The index, where all left.
    _index: Option<Table<Member>>,
    effort: usize,
}

impl Clone for Big {
    fn clone(&self) -> Self {
        Big { index: OnceLock::new(), tree: self.tree.clone(), leaving: Vec::new() }
    }
}

impl Big {
    /// A set of the members in `tree`, found by `index`, if there is one already.
    pub(super) fn new(tree: Tree<Member>, index: Option<Table<Member>>) -> Big {
        Big { index: index.map_or_else(OnceLock::new, OnceLock::from), tree, leaving: Vec::new() }
    }

    pub(super) fn from_pack(pack: &ListPack) -> Big {
        let mut members = Vec::with_capacity(pack.len() / 2);
        let (mut iter, mut digits) = (pack.iter(), Digits::new());
        while let (Some(member), Some(score)) = (iter.next(), iter.next()) {
            members.push(Member::new(member.bytes(&mut digits), small::Score(score).value()));
        }
        let tree: Tree<Member> = members.into_iter().collect();
        let index = index_of(&tree);
        Big::new(tree, Some(index))
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.tree.len()
    }

    /// The members in order.
    #[inline]
    pub(super) fn tree(&self) -> &Tree<Member> {
        &self.tree
    }

    #[inline]
    pub(super) fn index(&self) -> &Table<Member> {
        self.index.get_or_init(|| index_of(&self.tree))
    }

    /// Builds the index if it is not there yet.
    #[inline]
    pub(super) fn prepare(&self) {
        self.index();
    }

    /// Index and tree, for change; never `None`.
    #[inline]
    fn parts(&mut self) -> Option<(&mut Table<Member>, &mut Tree<Member>)> {
        self.prepare();
        if !self.leaving.is_empty() {
            self.forget(WITH_EVERY_CHANGE);
        }
        Some((self.index.get_mut()?, &mut self.tree))
    }

    /// Whether the index may hold members that have left.
    #[inline]
    fn is_index_exact(&self) -> bool {
        self.leaving.is_empty()
    }

    #[inline]
    pub(super) fn find(&self, member: &[u8]) -> Option<&Member> {
        let index = self.index();
        let found = index.find(index.seed().hash(member), member)?;
        (self.is_index_exact() || is_in(&self.tree, found)).then_some(found)
    }

    /// Gives a member a score; the one it had.
    pub(super) fn set(&mut self, bytes: &[u8], score: f64) -> Option<f64> {
        let is_exact = self.is_index_exact();
        let (index, tree) = self.parts()?;
        match index.entry(index.seed().hash(bytes), bytes) {
            Entry::Occupied(entry) if !is_exact && !is_in(tree, entry.get()) => {
                let new = Member::new(bytes, score);
                entry.replace(new.clone());
                tree.insert(At(score, bytes), new);
                None
            }
            Entry::Occupied(entry) if entry.get().score() == score => Some(score),
            Entry::Occupied(entry) => {
                let new = Member::new(bytes, score);
                let old = entry.replace(new.clone());
                take_out(tree, &old);
                tree.insert(At(score, bytes), new);
                Some(old.score())
            }
            Entry::Vacant(entry) => {
                let new = Member::new(bytes, score);
                entry.insert(new.clone());
                tree.insert(At(score, bytes), new);
                None
            }
        }
    }

    pub(super) fn remove(&mut self, bytes: &[u8]) -> Option<f64> {
        let is_exact = self.is_index_exact();
        let (index, tree) = self.parts()?;
        let gone = index.remove(index.seed().hash(bytes), bytes)?;
        if !is_exact && !is_in(tree, &gone) {
            return None;
        }
        take_out(tree, &gone);
        Some(gone.score())
    }

    pub(super) fn remove_ranks(&mut self, range: Range<usize>) {
        if range.len() <= AT_ONCE_MAX {
            let Some((index, tree)) = self.parts() else { return };
            for member in tree.iter_from_rank(range.start as u64).take(range.len()) {
                forget_in(index, member);
            }
            tree.remove_range(range.start as u64, range.len() as u64);
            return;
        }
        let before = self.tree.clone();
        self.tree.remove_range(range.start as u64, range.len() as u64);
        let effort = range.len();
        let (ranks, index) = match self.index.get() {
            Some(_) if !self.tree.is_empty() => (range, None),
            // An index that is to be built knows nothing of them.
            _ => (0..0, self.index.take()),
        };
        self.leaving.push(Leaving { tree: before, ranks, _index: index, effort });
    }

    /// Whether there are members to forget, or to free.
    #[inline]
    pub(super) fn has_left(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Takes up to `most` members that have left out of the index.
    pub(super) fn forget(&mut self, most: usize) {
        let Some(index) = self.index.get_mut() else { return };
        let Some(leaving) = self.leaving.iter_mut().find(|leaving| !leaving.ranks.is_empty()) else { return };
        let most = most.min(leaving.ranks.len()).min(AT_ONCE_MAX);
        let members: SmallVec<[&Member; AT_ONCE_MAX]> =
            leaving.tree.iter_from_rank(leaving.ranks.start as u64).take(most).collect();
        // All waits for memory at once: for the members, for their buckets, for what these hold.
        let hash = |member: &&Member| index.seed().hash(member.bytes());
        members.iter().for_each(|member| member.prefetch());
        index.prefetch(members.iter().map(hash));
        members.iter().for_each(|member| forget_in(index, member));
        leaving.ranks.start += most;
    }

    /// What was cut off and is forgotten, to be freed where nobody waits.
    pub(super) fn take_garbage(&mut self) -> Option<Box<dyn Any + Send>> {
        let at = self.leaving.iter().position(|leaving| leaving.ranks.is_empty())?;
        Some(Box::new(self.leaving.swap_remove(at)))
    }

    pub(super) fn free_effort(&self) -> usize {
        self.len() + self.leaving.iter().map(|leaving| leaving.effort).sum::<usize>()
    }

    pub(super) fn rank(&self, bytes: &[u8]) -> Option<(usize, f64)> {
        let member = self.find(bytes)?;
        let rank = self.tree.locate_rank(At(member.score(), bytes), |other| other.is_same(member))?;
        Some((rank as usize, member.score()))
    }

    pub(super) fn ranks_by_score(&self, range: &ScoreRange) -> Range<usize> {
        let bound = |score: f64, is_behind: bool| {
            let cursor = if is_behind {
                self.tree.upper_bound(AtScore(score))
            } else {
                self.tree.lower_bound(AtScore(score))
            };
            self.tree.rank(&cursor) as usize
        };
        let start = if range.min == f64::NEG_INFINITY && !range.excludes_min {
            0
        } else {
            bound(range.min, range.excludes_min)
        };
        let end = if range.max == f64::INFINITY && !range.excludes_max {
            self.len()
        } else {
            bound(range.max, !range.excludes_max)
        };
        start..end
    }

    pub(super) fn ranks_by_lex(&self, range: &LexRange<'_>) -> Range<usize> {
        let start = self.tree.rank(&self.tree.lower_bound(Below(|member: &[u8]| range.is_below(member))));
        let end = self.tree.rank(&self.tree.lower_bound(Below(|member: &[u8]| !range.is_above(member))));
        start as usize..end as usize
    }

    pub(super) fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&[u8], f64)) -> u64 {
        let is_exact = self.is_index_exact();
        self.index().scan_page(cursor, count, |member| {
            if is_exact || is_in(&self.tree, member) {
                visit(member.bytes(), member.score());
            }
        })
    }

    pub(super) fn heap_bytes(&self, samples: usize) -> usize {
        let count = if samples == 0 { self.len() } else { samples.min(self.len()) };
        let sampled: usize = self.tree.iter().take(count).map(Member::heap_bytes).sum();
        let members = sampled.saturating_mul(self.len()) / count.max(1);
        members + self.tree.heap_bytes() + self.index.get().map_or(0, Table::heap_bytes)
    }
}

fn index_of(tree: &Tree<Member>) -> Table<Member> {
    let seed = HashSeed::of_process();
    let mut index = Table::expecting(seed, 0, tree.len());
    let mut iter = tree.iter();
    loop {
        if let Some(member) = iter.ahead(8) {
            member.prefetch();
        }
        let Some(member) = iter.next() else { return index };
        index.insert_unique(seed.hash(member.bytes()), member.clone());
    }
}

/// Whether the tree has this very member.
fn is_in(tree: &Tree<Member>, member: &Member) -> bool {
    tree.locate(At(member.score(), member.bytes()), |other| other.is_same(member)).is_some()
}

/// Takes this very member out of the index; not another one of the same bytes, which came later.
fn forget_in(index: &mut Table<Member>, member: &Member) {
    if let Entry::Occupied(entry) = index.entry(index.seed().hash(member.bytes()), member.bytes())
        && entry.get().is_same(member)
    {
        entry.remove();
    }
}

/// Takes a member that is known to be there out of the tree.
fn take_out(tree: &mut Tree<Member>, member: &Member) {
    let place = tree.locate(At(member.score(), member.bytes()), |other| other.is_same(member));
    debug_assert!(place.is_some(), "index and tree hold the same members");
    if let Some(cursor) = place {
        tree.remove_at(&cursor);
    }
}

/// Looks for the first member that a property does not hold for.
struct Below<F>(F);

impl<F: Fn(&[u8]) -> bool> Probe<Member> for Below<F> {
    fn key(&mut self, key: &Fence) -> Ordering {
        if self.0(key.bytes()) { Ordering::Less } else { Ordering::Equal }
    }

    fn item(&mut self, item: &Member) -> Ordering {
        if self.0(item.bytes()) { Ordering::Less } else { Ordering::Equal }
    }
}
