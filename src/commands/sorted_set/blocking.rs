//! The sorted-set commands that wait: BZPOPMIN, BZPOPMAX, BZMPOP.
//!
//! Each is its sister without the B, and waits where that finds nothing (see [`crate::dispatch::wait`]). It is journalled as
//! the ZPOPMIN or ZPOPMAX that it was in the end.

use super::pop::{End, POPPED, pop, pop_first, zmpop_options};
use super::{algebra, write_member};
use crate::dispatch::wait::{Awaited, timeout_seconds};
use crate::dispatch::{Command, Outcome, ReplySlot, Request, WriteCx};
use crate::resp::Args;
use crate::spec::keys::InvalidKeys;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Kind;
use crate::value::zset::ZSet;

const KEYS: &[KeySpec] = &[KeySpec::range(1, -2, 1, POPPED)];
const ARGS: &[Arg] = &[Arg::key("key", 0).multiple(), Arg::double("timeout")];

pub const COMMANDS: &[Command] = &[
    Command::write("bzpopmin", -3, bzpopmin)
        .doc(
            Group::SortedSet,
            "5.0.0",
            "Removes the member with the lowest score from the first sorted set that has any and returns it; waits until there is one.",
            "O(log(N)) with N members.",
        )
        .flags(CommandFlags::BLOCKING.union(CommandFlags::FAST))
        .keys(KEYS)
        .args(ARGS),
    Command::write("bzpopmax", -3, bzpopmax)
        .doc(
            Group::SortedSet,
            "5.0.0",
            "Removes the member with the highest score from the first sorted set that has any and returns it; waits until there is one.",
            "O(log(N)) with N members.",
        )
        .flags(CommandFlags::BLOCKING.union(CommandFlags::FAST))
        .keys(KEYS)
        .args(ARGS),
    Command::write("bzmpop", -5, bzmpop)
        .doc(
            Group::SortedSet,
            "7.0.0",
            "Removes members with the lowest or highest scores from the first sorted set that has any; waits until there are some.",
            "O(K)+O(M*log(N)) with K keys, N members, M of which are removed.",
        )
        .flags(CommandFlags::BLOCKING.union(CommandFlags::MOVABLE_KEYS))
        .keys(&[KeySpec::counted(2, POPPED)])
        .args(&[
            Arg::double("timeout"),
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            Arg::oneof("where", &[Arg::token("min", "MIN"), Arg::token("max", "MAX")]),
            Arg::integer("count").with_token("COUNT").optional(),
        ])
        .key_walker(popped_keys),
];

fn bzpopmin(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    pop_named(cx, req, reply, End::Min)
}

fn bzpopmax(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    pop_named(cx, req, reply, End::Max)
}

/// Answers with the key, the member and its score.
fn pop_named(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, end: End) -> Outcome {
    let timeout = timeout_seconds(req.arg(req.len() - 1), cx.now())?;
    for &key in req.keys() {
        if !cx.holds::<ZSet>(key)? {
            continue;
        }
        let replied = reply.try_write(|writer| {
            pop(cx, key, end, 1, |items| {
                writer.array(3);
                writer.bulk(key.bytes());
                for (member, score) in items {
                    write_member(writer, member);
                    writer.double(score);
                }
            })
            .map(|_| ())
        })?;
        cx.rewrite(&[end.command(), key.bytes()]);
        return Ok(replied);
    }
    Ok(cx.wait(reply, Awaited::value(Kind::SortedSet, timeout), ReplySlot::null_array))
}

fn bzmpop(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (end, count) = zmpop_options(&req.args, 2)?;
    let timeout = timeout_seconds(req.arg(1), cx.now())?;
    match pop_first(cx, req, reply, end, count)? {
        Ok(replied) => Ok(replied),
        Err(reply) => Ok(cx.wait(reply, Awaited::value(Kind::SortedSet, timeout), ReplySlot::null_array)),
    }
}

/// The keys of BZMPOP. A wrong count announces none, so that the handler can say what is wrong with it.
fn popped_keys(args: &Args<'_>, visit: &mut dyn FnMut(usize, KeyFlags)) -> Result<(), InvalidKeys> {
    algebra::input_positions(args, 2).for_each(|position| visit(position, POPPED));
    Ok(())
}
