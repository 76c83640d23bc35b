//! Small sorted sets: pairs of member and score in one listpack, in order.

use super::Range;
use crate::base::float::{parse_f64, push_f64};
use crate::ds::listpack::{Digits, Element, Encoded, ListPack, Position};
use crate::ds::member::order;
use smallvec::SmallVec;
use std::cmp::Ordering;

/// Most that heads, back lengths and a score add to the bytes of a member.
pub(super) const OVERHEAD_BYTES: usize = 64;
/// Whole scores up to here are written as integers, as Redis does.
const INTEGER_MAX: f64 = (i64::MAX / 2) as f64;

/// The element that stands for a score.
#[derive(Clone, Copy)]
pub(super) struct Score<'p>(pub Element<'p>);

impl Score<'_> {
    #[inline]
    pub(super) fn value(self) -> f64 {
        match self.0 {
            Element::Int(number) => number as f64,
            // The text was printed from a score, or checked when it was loaded.
            Element::Text(text) => parse_f64(text).unwrap_or(0.0),
        }
    }
}

/// The text of a score that is no integer.
type Text = SmallVec<[u8; 32]>;

/// The element for a score; `text` is room for it.
pub(super) fn encode_score(score: f64, text: &mut Text) -> Encoded<'_> {
    if score.abs() <= INTEGER_MAX && score.trunc() == score {
        return Encoded::from(score as i64);
    }
    let mut digits = Vec::with_capacity(32);
    push_f64(&mut digits, score);
    text.extend_from_slice(&digits);
    Encoded::from(&text[..])
}

/// Appends a pair.
pub(super) fn push(pack: &mut ListPack, member: &[u8], score: f64) {
    pack.push_back(member);
    pack.push_back(encode_score(score, &mut Text::new()));
}

/// Where a member stands, and its score.
#[inline]
pub(super) fn find(pack: &ListPack, member: &[u8]) -> Option<(Position, f64)> {
    let position = pack.find(member, pack.first(), 1)?;
    let score = pack.next(position)?;
    Some((position, Score(pack.at(score)).value()))
}

/// Removes the pair at a member's position.
pub(super) fn remove(pack: &mut ListPack, position: Position) {
    pack.remove_run(position, 2);
}

/// Inserts a member that is not there.
pub(super) fn insert(pack: &mut ListPack, member: &[u8], score: f64) {
    let mut text = Text::new();
    let pair = [Encoded::from(member), encode_score(score, &mut text)];
    let place = if is_above_last(pack, member, score) { None } else { place_of(pack, member, score) };
    pack.splice(place, 0, &pair);
}

/// Whether a member belongs behind all others: so it is when they come in order.
fn is_above_last(pack: &ListPack, member: &[u8], score: f64) -> bool {
    let mut back = pack.iter();
    match (back.next_back(), back.next_back()) {
        (Some(last_score), Some(last)) => compare((last, Score(last_score)), member, score).is_lt(),
        _ => true,
    }
}

/// The position of the first pair above a member.
fn place_of(pack: &ListPack, member: &[u8], score: f64) -> Option<Position> {
    let mut iter = pack.iter();
    loop {
        let position = iter.position()?;
        let pair = (iter.next()?, Score(iter.next()?));
        if compare(pair, member, score).is_gt() {
            return Some(position);
        }
    }
}

fn compare(pair: (Element<'_>, Score<'_>), member: &[u8], score: f64) -> Ordering {
    order(pair.1.value(), score).then_with(|| pair.0.bytes(&mut Digits::new()).cmp(member))
}

/// A member's rank and score.
pub(super) fn rank(pack: &ListPack, member: &[u8]) -> Option<(usize, f64)> {
    let needle = Encoded::from(member);
    let (mut rank, mut position) = (0, pack.first()?);
    loop {
        let score = pack.next(position)?;
        if pack.is_at(position, &needle) {
            return Some((rank, Score(pack.at(score)).value()));
        }
        position = pack.next(score)?;
        rank += 1;
    }
}

/// The ranks of the pairs that `place` calls equal: those from the first that is not less to before the next that is
/// greater.
pub(super) fn ranks(
    pack: &ListPack,
    mut place: impl FnMut(Element<'_>, Score<'_>) -> Ordering,
) -> Range<usize> {
    let mut iter = pack.iter();
    let (mut rank, mut start) = (0, None);
    while let (Some(member), Some(score)) = (iter.next(), iter.next()) {
        let order = place(member, Score(score));
        if order != Ordering::Less {
            start.get_or_insert(rank);
            if order == Ordering::Greater {
                break;
            }
        }
        rank += 1;
    }
    start.unwrap_or(rank)..rank
}
