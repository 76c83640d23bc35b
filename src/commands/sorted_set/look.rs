//! Looking without changing: ZCARD, ZSCORE, ZMSCORE, ZCOUNT, ZLEXCOUNT, ZRANK, ZREVRANK.

use super::{lex_range, score_range};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::zset::ZSet;

pub const COMMANDS: &[Command] = &[
    Command::read("zcard", 2, zcard)
        .doc(Group::SortedSet, "1.2.0", "Returns the number of members of a sorted set.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO)])
        .args(&[Arg::key("key", 0)]),
    Command::read("zscore", 3, zscore)
        .element(2)
        .doc(Group::SortedSet, "1.2.0", "Returns the score of a member.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::string("member")]),
    Command::read("zmscore", -3, zmscore)
        .doc(
            Group::SortedSet,
            "6.2.0",
            "Returns the scores of several members.",
            "O(N), N being the number of members asked for.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
    Command::read("zcount", 4, zcount)
        .doc(
            Group::SortedSet,
            "2.0.0",
            "Counts the members with scores in a range.",
            "O(log(N)), N being the size of the sorted set.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::double("min"), Arg::double("max")]),
    Command::read("zlexcount", 4, zlexcount)
        .doc(
            Group::SortedSet,
            "2.8.9",
            "Counts the members in a range of members.",
            "O(log(N)), N being the size of the sorted set.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::string("min"), Arg::string("max")]),
    Command::read("zrank", -3, zrank)
        .element(2)
        .doc(
            Group::SortedSet,
            "2.0.0",
            "Returns the position of a member, counted from the lowest score.",
            "O(log(N))",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::string("member"), Arg::token("withscore", "WITHSCORE").optional()]),
    Command::read("zrevrank", -3, zrevrank)
        .doc(
            Group::SortedSet,
            "2.0.0",
            "Returns the position of a member, counted from the highest score.",
            "O(log(N))",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::string("member"), Arg::token("withscore", "WITHSCORE").optional()]),
];

fn zcard(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.count(cx.value::<ZSet>(req.key(0)?)?.map_or(0, ZSet::len)))
}

fn zscore(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let score = cx.value::<ZSet>(req.key(0)?)?.and_then(|zset| zset.score(req.arg(2)));
    Ok(match score {
        Some(score) => reply.write(|writer| writer.double(score)),
        None => reply.null(),
    })
}

fn zmscore(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let zset = cx.value::<ZSet>(req.key(0)?)?;
    Ok(reply.write(|writer| {
        writer.array(req.len() - 2);
        for member in req.args.iter().skip(2) {
            match zset.and_then(|zset| zset.score(member)) {
                Some(score) => writer.double(score),
                None => writer.null(),
            }
        }
    }))
}

fn zcount(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let range = score_range(req.arg(2), req.arg(3))?;
    let zset = cx.value::<ZSet>(req.key(0)?)?.filter(|_| !range.is_empty());
    Ok(reply.count(zset.map_or(0, |zset| zset.ranks_by_score(&range).len())))
}

fn zlexcount(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let range = lex_range(req.arg(2), req.arg(3))?;
    let zset = cx.value::<ZSet>(req.key(0)?)?.filter(|_| !range.is_empty());
    Ok(reply.count(zset.map_or(0, |zset| zset.ranks_by_lex(&range).len())))
}

fn zrank(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    rank(cx, req, reply, false)
}

fn zrevrank(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    rank(cx, req, reply, true)
}

fn rank(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, is_reversed: bool) -> Outcome {
    let with_score = match req.len() {
        0..=3 => false,
        4 if req.arg(3).eq_ignore_ascii_case(b"withscore") => true,
        4 => return Err(CmdError::Syntax),
        _ => return Err(req.arity_error()),
    };
    let zset = cx.value::<ZSet>(req.key(0)?)?;
    let found = zset.and_then(|zset| {
        let (rank, score) = zset.rank(req.arg(2))?;
        Some((if is_reversed { zset.len() - 1 - rank } else { rank }, score))
    });
    Ok(match found {
        Some((rank, score)) if with_score => reply.write(|writer| {
            writer.array(2);
            writer.count(rank);
            writer.double(score);
        }),
        Some((rank, _)) => reply.count(rank),
        None if with_score => reply.null_array(),
        None => reply.null(),
    })
}
