//! The list commands that wait: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH.
//!
//! Each is its sister without the B, and waits where that finds nothing (see [`crate::dispatch::wait`]). It is journalled as
//! what it did in the end.
//!
//! ```text
//! BLPOP a b 2.5     waits up to 2.5 s     RPUSH b x → BLPOP: b x     journal: RPUSH b x, LPOP b
//! ```

use super::moves::{MOVED_KEYS, move_element};
use super::multi::{parse, pop_from};
use super::pop::popped;
use super::{end_of, limits, write_element};
use crate::dispatch::wait::{Awaited, timeout_seconds};
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, Key};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Kind;
use crate::value::list::{End, List};

const POPPED: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);
const POP_KEYS: &[KeySpec] = &[KeySpec::range(1, -2, 1, POPPED)];
const POP_ARGS: &[Arg] = &[Arg::key("key", 0).multiple(), Arg::double("timeout")];
const LEFT_OR_RIGHT: &[Arg] = &[Arg::token("left", "LEFT"), Arg::token("right", "RIGHT")];

pub const COMMANDS: &[Command] = &[
    Command::write("blpop", -3, blpop)
        .doc(
            Group::List,
            "2.0.0",
            "Takes the first element of the first list that has one; waits until there is one.",
            "O(N) where N is the number of keys.",
        )
        .flags(CommandFlags::BLOCKING)
        .keys(POP_KEYS)
        .args(POP_ARGS),
    Command::write("brpop", -3, brpop)
        .doc(
            Group::List,
            "2.0.0",
            "Takes the last element of the first list that has one; waits until there is one.",
            "O(N) where N is the number of keys.",
        )
        .flags(CommandFlags::BLOCKING)
        .keys(POP_KEYS)
        .args(POP_ARGS),
    Command::write("blmpop", -5, blmpop)
        .doc(
            Group::List,
            "7.0.0",
            "Takes elements from an end of the first list that has some; waits until there are some.",
            "O(N+M) with N keys and M elements returned.",
        )
        .flags(CommandFlags::BLOCKING.union(CommandFlags::MOVABLE_KEYS))
        .keys(&[KeySpec::counted(2, POPPED)])
        .args(&[
            Arg::double("timeout"),
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            Arg::oneof("where", LEFT_OR_RIGHT),
            Arg::integer("count").with_token("COUNT").optional(),
        ]),
    Command::write("blmove", 6, blmove)
        .doc(
            Group::List,
            "6.2.0",
            "Moves the element at an end of a list to an end of a list and returns it; waits until there is one.",
            "O(1)",
        )
        .flags(CommandFlags::BLOCKING.union(CommandFlags::DENYOOM))
        .keys(MOVED_KEYS)
        .args(&[
            Arg::key("source", 0),
            Arg::key("destination", 1),
            Arg::oneof("wherefrom", LEFT_OR_RIGHT),
            Arg::oneof("whereto", LEFT_OR_RIGHT),
            Arg::double("timeout"),
        ]),
    Command::write("brpoplpush", 4, brpoplpush)
        .doc(
            Group::List,
            "2.2.0",
            "Moves the last element of a list to the front of a list and returns it; waits until there is one.",
            "O(1)",
        )
        .flags(CommandFlags::BLOCKING.union(CommandFlags::DENYOOM))
        .keys(MOVED_KEYS)
        .args(&[Arg::key("source", 0), Arg::key("destination", 1), Arg::double("timeout")])
        .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"),
];

fn blpop(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    pop_first(cx, req, reply, End::Front)
}

fn brpop(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    pop_first(cx, req, reply, End::Back)
}

fn pop_first(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, end: End) -> Outcome {
    let timeout = timeout_seconds(req.arg(req.len() - 1), cx.now())?;
    for key in req.keys() {
        if cx.holds::<List>(*key)? {
            return pop_named(cx, *key, reply, end);
        }
    }
    Ok(cx.wait(reply, Awaited::value(Kind::List, timeout), ReplySlot::null_array))
}

/// Answers with the key and the element taken.
fn pop_named(cx: &mut WriteCx<'_, '_>, key: Key<'_>, reply: ReplySlot<'_>, end: End) -> Outcome {
    let limits = limits(cx.config);
    let replied = reply.try_write(|w| {
        cx.edit(key, |entry| {
            let Some(list) = entry.value_mut::<List>()? else { return Ok(((), Effect::NONE)) };
            w.array(2);
            w.bulk(key.bytes());
            list.take(end, |element| write_element(w, element));
            list.shrink(limits);
            Ok(((), popped(end)))
        })
    })?;
    cx.rewrite(&[if end == End::Front { b"LPOP" } else { b"RPOP" }, key.bytes()]);
    Ok(replied)
}

fn blmpop(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (end, count) = parse(req, 2)?;
    let timeout = timeout_seconds(req.arg(1), cx.now())?;
    for key in req.keys() {
        if cx.holds::<List>(*key)? {
            return pop_from(cx, *key, reply, end, count);
        }
    }
    Ok(cx.wait(reply, Awaited::value(Kind::List, timeout), ReplySlot::null_array))
}

fn blmove(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (Some(from), Some(to)) = (end_of(req.arg(3)), end_of(req.arg(4))) else {
        return Err(CmdError::Syntax);
    };
    let form = [b"LMOVE", req.arg(1), req.arg(2), req.arg(3), req.arg(4)];
    move_or_wait(cx, req, reply, (from, to), &form)
}

fn brpoplpush(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let form = [b"RPOPLPUSH", req.arg(1), req.arg(2)];
    move_or_wait(cx, req, reply, (End::Back, End::Front), &form)
}

fn move_or_wait(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    ends: (End, End),
    form: &[&[u8]],
) -> Outcome {
    let timeout = timeout_seconds(req.arg(req.len() - 1), cx.now())?;
    match move_element(cx, req, ends)? {
        Some(element) => {
            cx.rewrite(form);
            Ok(reply.bulk(&element))
        }
        None => {
            let awaited = Awaited { keys: 1, ..Awaited::value(Kind::List, timeout) };
            Ok(cx.wait(reply, awaited, ReplySlot::null))
        }
    }
}
