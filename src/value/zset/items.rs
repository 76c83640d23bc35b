//! Reading members of a range of ranks, from either end.

use super::small::Score;
use super::{Range, ZSet};
use crate::ds::listpack::{self, Element};
use crate::ds::member::Member;
use crate::ds::tree::{self, Cursor};

/// Members are asked for this many steps before they are read.
const AHEAD: usize = 6;

/// Members with their scores. The member of a big set is a text even where it could be an integer.
pub struct Items<'z> {
    source: Source<'z>,
    left: usize,
    is_reversed: bool,
}

// An iterator lives on the stack for one reply; a box would cost more than the room.
#[allow(clippy::large_enum_variant)]
enum Source<'z> {
    Small(listpack::Iter<'z>),
    Big(tree::Iter<'z, Member>),
}

impl<'z> Items<'z> {
    pub(super) fn new(zset: &'z ZSet, range: Range<usize>, is_reversed: bool) -> Self {
        let source = match zset {
            ZSet::Small(pack) if is_reversed => {
                let mut iter = pack.iter();
                if let Some(behind) = (pack.len() / 2).checked_sub(range.end + 1) {
                    // Passes over the pairs behind.
                    iter.nth_back(2 * behind + 1);
                }
                Source::Small(iter)
            }
            ZSet::Small(pack) => {
                Source::Small(pack.seek(2 * range.start).map_or(pack.iter(), |at| pack.iter_from(at)))
            }
            ZSet::Big(big) => {
                let tree = big.tree();
                Source::Big(if is_reversed {
                    let to = tree.seek(range.end as u64).map_or_else(|| tree.end(), |(cursor, _)| cursor);
                    tree.range(&Cursor::FRONT, &to)
                } else {
                    tree.iter_from_rank(range.start as u64)
                })
            }
        };
        Items { source, left: range.len(), is_reversed }
    }
}

impl<'z> Iterator for Items<'z> {
    type Item = (Element<'z>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.source {
            Source::Small(iter) if self.is_reversed => {
                let (score, member) = (iter.next_back()?, iter.next_back()?);
                Some((member, Score(score).value()))
            }
            Source::Small(iter) => Some((iter.next()?, Score(iter.next()?).value())),
            Source::Big(iter) => {
                let ahead = if self.is_reversed { iter.ahead_back(AHEAD) } else { iter.ahead(AHEAD) };
                if let Some(member) = ahead {
                    member.prefetch();
                }
                let member = if self.is_reversed { iter.next_back() } else { iter.next() }?;
                Some((Element::Text(member.bytes()), member.score()))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }

    /// All that are left, asking only once where they come from: walks of a hundred members are what ranges are used for.
    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, init: B, mut visit: F) -> B {
        let Source::Big(iter) = &mut self.source else { return self.fold_steps(init, visit) };
        if self.is_reversed {
            return self.fold_steps(init, visit);
        }
        let (mut value, mut left) = (init, self.left);
        while left > 0 {
            let run = iter.run();
            if run.is_empty() {
                break;
            }
            let run = run.get(..left).unwrap_or(run);
            run.iter().take(AHEAD).for_each(Member::prefetch);
            for (index, member) in run.iter().enumerate() {
                run.get(index + AHEAD).into_iter().for_each(Member::prefetch);
                value = visit(value, (Element::Text(member.bytes()), member.score()));
            }
            left -= run.len();
        }
        value
    }
}

impl<'z> Items<'z> {
    fn fold_steps<B, F: FnMut(B, <Self as Iterator>::Item) -> B>(self, init: B, mut visit: F) -> B {
        let mut value = init;
        for item in self {
            value = visit(value, item);
        }
        value
    }
}

impl ExactSizeIterator for Items<'_> {}
