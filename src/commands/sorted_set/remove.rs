//! Removing members: ZREM, and ranges by position, score and member.

use std::ops::Range;

use super::{effect, lex_range, rank_range, score_range};
use crate::dispatch::options::int;
use crate::dispatch::{Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::Effect;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::zset::ZSet;

pub const COMMANDS: &[Command] = &[
    Command::write("zrem", -3, zrem)
        .element(2)
        .doc(
            Group::SortedSet,
            "1.2.0",
            "Removes members from a sorted set, and the key with the last one.",
            "O(M*log(N)), M being the number of members removed.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))])
        .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
    Command::write("zremrangebyrank", 4, zremrangebyrank)
        .doc(
            Group::SortedSet,
            "2.0.0",
            "Removes the members in a range of positions.",
            "O(log(N)+M), M being the number of members removed.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))])
        .args(&[Arg::key("key", 0), Arg::integer("start"), Arg::integer("stop")]),
    Command::write("zremrangebyscore", 4, zremrangebyscore)
        .doc(
            Group::SortedSet,
            "1.2.0",
            "Removes the members with scores in a range.",
            "O(log(N)+M), M being the number of members removed.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))])
        .args(&[Arg::key("key", 0), Arg::double("min"), Arg::double("max")]),
    Command::write("zremrangebylex", 4, zremrangebylex)
        .doc(
            Group::SortedSet,
            "2.8.9",
            "Removes the members in a range of members.",
            "O(log(N)+M), M being the number of members removed.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))])
        .args(&[Arg::key("key", 0), Arg::string("min"), Arg::string("max")]),
];

fn zrem(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let removed = cx.edit(req.key(0)?, |entry| {
        let Some(zset) = entry.value_mut::<ZSet>()? else { return Ok((0, Effect::NONE)) };
        let members = req.args.iter().skip(2);
        let removed = members.filter(|member| zset.remove(member).is_some()).count();
        Ok((removed, effect("zrem", removed).events_first()))
    })?;
    Ok(reply.count(removed))
}

fn zremrangebyrank(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (start, stop) = (int(req.arg(2))?, int(req.arg(3))?);
    remove_range(cx, req, reply, "zremrangebyrank", |zset| rank_range(start, stop, zset.len()))
}

fn zremrangebyscore(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let range = score_range(req.arg(2), req.arg(3))?;
    let ranks = |zset: &ZSet| if range.is_empty() { 0..0 } else { zset.ranks_by_score(&range) };
    remove_range(cx, req, reply, "zremrangebyscore", ranks)
}

fn zremrangebylex(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let range = lex_range(req.arg(2), req.arg(3))?;
    let ranks = |zset: &ZSet| if range.is_empty() { 0..0 } else { zset.ranks_by_lex(&range) };
    remove_range(cx, req, reply, "zremrangebylex", ranks)
}

fn remove_range(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    event: &'static str,
    ranks: impl FnOnce(&ZSet) -> Range<usize>,
) -> Outcome {
    let removed = cx.edit(req.key(0)?, |entry| {
        let Some(range) = entry.value::<ZSet>()?.map(ranks) else { return Ok((0, Effect::NONE)) };
        if let Some(zset) = entry.value_mut::<ZSet>()?.filter(|_| !range.is_empty()) {
            zset.remove_ranks(range.clone());
        }
        Ok((range.len(), effect(event, range.len())))
    })?;
    Ok(reply.count(removed))
}
