//! LPUSH, RPUSH, and LPUSHX, RPUSHX for lists that are there already.
//!
//! ```text
//! RPUSH l a b c → 3: a b c          LPUSH l a b c → 3: c b a, one after the other
//! ```

use super::limits;
use crate::dispatch::{Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::list::{End, List};

const COMPLEXITY: &str = "O(1) for each element added.";

pub const COMMANDS: &[Command] = &[
    Command::write("lpush", -3, lpush)
        .doc(
            Group::List,
            "1.0.0",
            "Puts elements in front of a list, one after the other; a missing list is created.",
            COMPLEXITY,
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))])
        .args(&[Arg::key("key", 0), Arg::string("element").multiple()]),
    Command::write("rpush", -3, rpush)
        .doc(Group::List, "1.0.0", "Appends elements to a list; a missing list is created.", COMPLEXITY)
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))])
        .args(&[Arg::key("key", 0), Arg::string("element").multiple()]),
    Command::write("lpushx", -3, lpushx)
        .doc(Group::List, "2.2.0", "Puts elements in front of a list if there is one.", COMPLEXITY)
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))])
        .args(&[Arg::key("key", 0), Arg::string("element").multiple()]),
    Command::write("rpushx", -3, rpushx)
        .doc(Group::List, "2.2.0", "Appends elements to a list if there is one.", COMPLEXITY)
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))])
        .args(&[Arg::key("key", 0), Arg::string("element").multiple()]),
];

fn lpush(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    push(cx, req, reply, End::Front)
}

fn rpush(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    push(cx, req, reply, End::Back)
}

fn lpushx(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    push_if_there(cx, req, reply, End::Front)
}

fn rpushx(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    push_if_there(cx, req, reply, End::Back)
}

fn push(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, end: End) -> Outcome {
    let limits = limits(cx.config);
    let len = cx.edit(req.key(0)?, |entry| {
        let list = entry.value_or_default::<List>()?;
        push_all(list, limits, req, end);
        Ok((list.len(), pushed(end).changes(added(req))))
    })?;
    Ok(reply.count(len))
}

fn push_if_there(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, end: End) -> Outcome {
    let limits = limits(cx.config);
    let len = cx.edit(req.key(0)?, |entry| {
        let Some(list) = entry.value_mut::<List>()? else { return Ok((0, Effect::NONE)) };
        push_all(list, limits, req, end);
        Ok((list.len(), pushed(end).changes(added(req))))
    })?;
    Ok(reply.count(len))
}

#[inline(always)] // For each of two callers.
fn push_all(list: &mut List, limits: super::Limits, req: &Request<'_>, end: End) {
    let bytes = || (2..req.len()).map(|index| req.arg(index).len()).sum();
    list.grow(limits, bytes, req.len() - 2);
    for index in 2..req.len() {
        list.push(end, req.arg(index));
    }
}

fn added(req: &Request<'_>) -> u32 {
    u32::try_from(req.len() - 2).unwrap_or(u32::MAX)
}

/// The event of a push at that end.
pub(super) fn pushed(end: End) -> Effect {
    Effect::event(EventClass::List, if end == End::Front { "lpush" } else { "rpush" })
}
