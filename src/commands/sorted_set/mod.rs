//! Sorted-set commands.
//!
//! ```text
//! add      ZADD ZINCRBY                      range    ZRANGE and its older forms, ZRANGESTORE
//! look     ZSCORE ZRANK ZCOUNT …             remove   ZREM ZREMRANGEBY…
//! algebra  ZUNION ZINTER ZDIFF …             pop      ZPOPMIN ZPOPMAX ZMPOP
//! random   ZRANDMEMBER ZSCAN                 blocking BZPOPMIN BZPOPMAX BZMPOP
//! ```
//!
//! What the commands share stands here: errors, limits from the configuration, and members as replies.

pub mod add;
pub mod algebra;
pub mod blocking;
pub mod look;
pub mod pop;
pub mod random;
pub mod range;
pub mod remove;

use crate::config::Config;
use crate::dispatch::CmdError;
use crate::ds::listpack::{Digits, Element};
use crate::keyspace::{Effect, EventClass};
use crate::resp::{Proto, Writer};
use crate::value::zset::{Items, LexRange, Limits, ScoreRange};

const NOT_A_SCORE_RANGE: CmdError = CmdError::text("ERR min or max is not a float");
const NOT_A_LEX_RANGE: CmdError = CmdError::text("ERR min or max not valid string range item");

/// Up to where sorted sets stay small.
pub(super) fn limits(config: &Config) -> Limits {
    let limit = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Limits { entries: limit(config.zset_max_listpack_entries), value: limit(config.zset_max_listpack_value) }
}

fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, CmdError> {
    ScoreRange::parse(min, max).ok_or(NOT_A_SCORE_RANGE)
}

fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, CmdError> {
    LexRange::parse(min, max).ok_or(NOT_A_LEX_RANGE)
}

/// The ranks from `start` to `stop`, both of which may count from the end, of a set of `len` members.
fn rank_range(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let from_end = |rank: i64| if rank < 0 { rank.saturating_add(len) } else { rank };
    let start = from_end(start).max(0);
    let stop = from_end(stop).min(len - 1);
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

/// An effect on a sorted set that counts for so many changes; none for 0.
pub(super) fn effect(name: &'static str, changes: usize) -> Effect {
    match u32::try_from(changes).unwrap_or(u32::MAX) {
        0 => Effect::NONE,
        changes => Effect::event(EventClass::SortedSet, name).changes(changes),
    }
}

#[inline]
pub(super) fn write_member(writer: &mut Writer<'_>, member: Element<'_>) {
    match member {
        Element::Text(bytes) => writer.bulk(bytes),
        Element::Int(_) => writer.bulk(member.bytes(&mut Digits::new())),
    }
}

/// Members as a whole reply. With scores: pairs in RESP3, one after the other in RESP2.
fn write_items(writer: &mut Writer<'_>, items: Items<'_>, with_scores: bool) {
    if with_scores && writer.proto() == Proto::Resp3 {
        return write_pairs(writer, items);
    }
    writer.array(items.len() * if with_scores { 2 } else { 1 });
    items.for_each(|(member, score)| {
        write_member(writer, member);
        if with_scores {
            writer.double(score);
        }
    });
}

/// Members and scores as an array of pairs.
fn write_pairs(writer: &mut Writer<'_>, items: Items<'_>) {
    writer.array(items.len());
    items.for_each(|(member, score)| {
        writer.array(2);
        write_member(writer, member);
        writer.double(score);
    });
}

#[cfg(test)]
mod tests {
    use super::rank_range;

    #[test]
    fn ranks_count_from_both_ends() {
        assert_eq!(rank_range(0, -1, 5), 0..5);
        assert_eq!(rank_range(-2, 10, 5), 3..5);
        assert_eq!(rank_range(-9, 1, 5), 0..2);
        assert!(rank_range(3, 1, 5).is_empty() && rank_range(5, 9, 5).is_empty());
        assert!(rank_range(0, -6, 5).is_empty() && rank_range(0, -1, 0).is_empty());
        assert!(rank_range(i64::MIN, i64::MIN, 5).is_empty());
        assert_eq!(rank_range(i64::MIN, i64::MAX, 5), 0..5);
    }
}
