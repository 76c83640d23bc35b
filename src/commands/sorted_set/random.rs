//! Members without an order: ZRANDMEMBER, ZSCAN.
//!
//! ```text
//! ZRANDMEMBER key            one
//! ZRANDMEMBER key 3          up to three different ones
//! ZRANDMEMBER key -3         three, possibly the same
//! ```

use std::collections::HashSet;

use super::write_member;
use crate::base::float::{push_f64, push_f64_17g};
use crate::base::rng::Rng;
use crate::commands::scan::{Page, ScanOf, ScanOptions, cursor_of};
use crate::dispatch::options::{int, repetitions};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request};
use crate::resp::{Proto, Writer};
use crate::spec::{Arg, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::zset::ZSet;

pub const COMMANDS: &[Command] = &[
    Command::read("zrandmember", -2, zrandmember)
        .doc(
            Group::SortedSet,
            "6.2.0",
            "Returns random members of a sorted set.",
            "O(N*log(N)), N being the number of members returned.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output"])
        .args(&[
            Arg::key("key", 0),
            Arg::block(
                "options",
                &[Arg::integer("count"), Arg::token("withscores", "WITHSCORES").optional()],
            )
            .optional(),
        ]),
    Command::read("zscan", -3, zscan)
        .doc(
            Group::SortedSet,
            "2.8.0",
            "Walks over the members and scores of a sorted set, page by page.",
            "O(1) for every call, O(N) for the whole walk.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output"])
        .args(&[
            Arg::key("key", 0),
            Arg::integer("cursor"),
            Arg::pattern("pattern").with_token("MATCH").optional(),
            Arg::integer("count").with_token("COUNT").optional(),
        ]),
];

fn zrandmember(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let mut rng = cx.rng().clone();
    if req.len() == 2 {
        let zset = cx.value::<ZSet>(req.key(0)?)?;
        let answer = reply.write(|writer| match zset {
            Some(zset) => write_at(writer, zset, rng.index(zset.len()), false),
            None => writer.null(),
        });
        *cx.rng() = rng;
        return Ok(answer);
    }
    let (count, with_scores) = count_of(req)?;
    let zset = cx.value::<ZSet>(req.key(0)?)?;
    if zset.is_some() && count < 0 {
        repetitions(count)?;
    }
    let answer = reply.write(|writer| match zset {
        Some(zset) => write_many(writer, zset, &mut rng, count, with_scores),
        None => writer.array(0),
    });
    *cx.rng() = rng;
    Ok(answer)
}

/// Count and WITHSCORES.
fn count_of(req: &Request<'_>) -> Result<(i64, bool), CmdError> {
    const LOWEST: CmdError = CmdError::text(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    let count = int(req.arg(2))?;
    if count == i64::MIN {
        return Err(LOWEST);
    }
    match req.len() {
        3 => Ok((count, false)),
        4 if req.arg(3).eq_ignore_ascii_case(b"withscores") => {
            if !(-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
                return Err(CmdError::OutOfRange);
            }
            Ok((count, true))
        }
        _ => Err(CmdError::Syntax),
    }
}

fn write_many(writer: &mut Writer<'_>, zset: &ZSet, rng: &mut Rng, count: i64, with_scores: bool) {
    let len = zset.len();
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let wanted = if count < 0 { wanted } else { wanted.min(len) };
    let is_nested = with_scores && writer.proto() == Proto::Resp3;
    writer.array(if with_scores && !is_nested { 2 * wanted } else { wanted });
    let write = |writer: &mut Writer<'_>, rank| {
        if is_nested {
            writer.array(2);
        }
        write_at(writer, zset, rank, with_scores);
    };
    if count < 0 {
        (0..wanted).for_each(|_| write(writer, rng.index(len)));
    } else {
        different(rng, len, wanted).into_iter().for_each(|rank| write(writer, rank));
    }
}

/// `wanted` different numbers below `len`, every choice equally likely (Floyd, in Bentley's "Programming pearls: a
/// sample of brilliance", 1987). The order is not random.
fn different(rng: &mut Rng, len: usize, wanted: usize) -> Vec<usize> {
    if wanted == len {
        return (0..len).collect();
    }
    let mut chosen = HashSet::with_capacity(wanted);
    let mut order = Vec::with_capacity(wanted);
    for last in len - wanted..len {
        let candidate = rng.index(last + 1);
        let number = if chosen.insert(candidate) { candidate } else { last };
        chosen.insert(number);
        order.push(number);
    }
    order
}

fn write_at(writer: &mut Writer<'_>, zset: &ZSet, rank: usize, with_score: bool) {
    for (member, score) in zset.items(rank..rank + 1, false) {
        write_member(writer, member);
        if with_score {
            writer.double(score);
        }
    }
}

fn zscan(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let cursor = cursor_of(req.arg(2))?;
    let mut page = Page::default();
    let Some(zset) = cx.value::<ZSet>(req.key(0)?)? else { return Ok(page.reply(reply)) };
    let options = ScanOptions::parse(&mut req.args.cursor(3), ScanOf::Members)?;
    let (mut text, is_big) = (Vec::new(), matches!(zset, ZSet::Big(_)));
    page.next = zset.scan(cursor, options.count, &mut |member, score| {
        if options.is_match(member) {
            page.elements.push(member);
            text.clear();
            // As Redis has it: what a listpack stores, and the long form of a double in a hash table.
            if is_big {
                push_f64_17g(&mut text, score)
            } else {
                push_f64(&mut text, score)
            }
            page.elements.push(&text);
        }
    });
    Ok(page.reply(reply))
}

#[cfg(test)]
mod tests {
    use super::different;
    use crate::base::rng::Rng;

    #[test]
    fn different_numbers_are_different_and_all_are_possible() {
        let mut rng = Rng::from_seed(7);
        let mut seen = [0; 10];
        for _ in 0..2000 {
            let mut chosen = different(&mut rng, 10, 4);
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), 4);
            chosen.into_iter().for_each(|number| seen[number] += 1);
        }
        // 800 expected each, with a standard deviation of 22.
        assert!(seen.iter().all(|count| (650..950).contains(count)), "{seen:?}");
        assert_eq!(different(&mut rng, 3, 3), [0, 1, 2]);
    }
}
