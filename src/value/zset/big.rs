//! Big sorted sets: a hash table from bytes to member, and a tree of the members in order.
//!
//! A clone shares the tree and leaves the index behind: snapshots never look members up, and a copied key builds its
//! index, in one pass over the tree, when somebody first asks for a member.

use super::{LexRange, Range, ScoreRange, small};
use crate::ds::listpack::{Digits, ListPack};
use crate::ds::member::{At, AtScore, Fence, Member};
use crate::ds::table::{Entry, HashSeed, Table};
use crate::ds::tree::{Probe, Tree};
use std::cmp::Ordering;
use std::sync::OnceLock;

/// See the module's head.
pub struct Big {
    index: OnceLock<Table<Member>>,
    tree: Tree<Member>,
}

impl Clone for Big {
    fn clone(&self) -> Self {
        Big { index: OnceLock::new(), tree: self.tree.clone() }
    }
}

impl Big {
    /// A set of the members in `tree`, found by `index`, if there is one already.
    pub(super) fn new(tree: Tree<Member>, index: Option<Table<Member>>) -> Big {
        Big { index: index.map_or_else(OnceLock::new, OnceLock::from), tree }
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
        Some((self.index.get_mut()?, &mut self.tree))
    }

    #[inline]
    pub(super) fn find(&self, member: &[u8]) -> Option<&Member> {
        let index = self.index();
        index.find(index.seed().hash(member), member)
    }

    /// Gives a member a score; the one it had.
    pub(super) fn set(&mut self, bytes: &[u8], score: f64) -> Option<f64> {
        let (index, tree) = self.parts()?;
        match index.entry(index.seed().hash(bytes), bytes) {
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
        let (index, tree) = self.parts()?;
        let gone = index.remove(index.seed().hash(bytes), bytes)?;
        take_out(tree, &gone);
        Some(gone.score())
    }

    pub(super) fn remove_ranks(&mut self, range: Range<usize>) {
        if range.len() == self.len() {
            *self = Big::new(Tree::new(), None);
            return;
        }
        let Some((index, tree)) = self.parts() else { return };
        for member in tree.iter_from_rank(range.start as u64).take(range.len()) {
            index.remove(index.seed().hash(member.bytes()), member.bytes());
        }
        tree.remove_range(range.start as u64, range.len() as u64);
    }

    pub(super) fn rank(&self, bytes: &[u8]) -> Option<(usize, f64)> {
        let member = self.find(bytes)?;
        let cursor = self.tree.locate(At(member.score(), bytes), |other| other.is_same(member))?;
        Some((self.tree.rank(&cursor) as usize, member.score()))
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
        self.index().scan_page(cursor, count, |member| visit(member.bytes(), member.score()))
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
