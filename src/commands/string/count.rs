//! Counting: INCR, DECR, INCRBY, DECRBY in 64 bits, INCRBYFLOAT in x87's 80 bits.
//!
//! ```text
//! SET k 10     INCRBY k 5 → 15 (still `int`)     INCRBYFLOAT k 0.1 → "15.1" (`embstr`)
//! ```
//!
//! INCRBYFLOAT is journalled as the SET of its result, because another machine might round differently.

use crate::base::longdouble::LongDouble;
use crate::base::num::parse_i64;
use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass, Ttl};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::string::Encoding;

pub const COMMANDS: &[Command] = &[
    Command::write("incr", 2, incr)
        .doc(
            Group::String,
            "1.0.0",
            "Adds one to the integer under a key; a missing key counts as 0.",
            "O(1)",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0)]),
    Command::write("decr", 2, decr)
        .doc(
            Group::String,
            "1.0.0",
            "Takes one from the integer under a key; a missing key counts as 0.",
            "O(1)",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0)]),
    Command::write("incrby", 3, incrby)
        .doc(Group::String, "1.0.0", "Adds to the integer under a key; a missing key counts as 0.", "O(1)")
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::integer("increment")]),
    Command::write("decrby", 3, decrby)
        .doc(
            Group::String,
            "1.0.0",
            "Subtracts from the integer under a key; a missing key counts as 0.",
            "O(1)",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::integer("decrement")]),
    Command::write("incrbyfloat", 3, incrbyfloat)
        .doc(
            Group::String,
            "2.6.0",
            "Adds to the number under a key, which may have a fraction; a missing key counts as 0.",
            "O(1)",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::double("increment")])
        .must_rewrite(),
];

fn incr(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    add(cx, req, reply, 1)
}

fn decr(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    add(cx, req, reply, -1)
}

fn incrby(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    add(cx, req, reply, int(req.arg(2))?)
}

fn decrby(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const UNDERFLOW: CmdError = CmdError::text("ERR decrement would overflow");
    add(cx, req, reply, int(req.arg(2))?.checked_neg().ok_or(UNDERFLOW)?)
}

#[inline]
fn add(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, by: i64) -> Outcome {
    let sum = cx.edit(req.key(0)?, |entry| {
        let old = match entry.string()? {
            Some(string) => parse_i64(string.bytes()).ok_or(CmdError::NotAnInteger)?,
            None => 0,
        };
        let sum = old.checked_add(by).ok_or(CmdError::Overflow)?;
        entry.set_string_encoded(itoa::Buffer::new().format(sum).as_bytes(), Encoding::Int, Ttl::Keep);
        Ok((sum, Effect::event(EventClass::String, "incrby")))
    })?;
    Ok(reply.int(sum))
}

fn incrbyfloat(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let sum = cx.edit(req.key(0)?, |entry| {
        let old = match entry.string()? {
            Some(string) => LongDouble::parse(string.bytes()).ok_or(CmdError::NotAFloat)?,
            None => LongDouble::from_i64(0),
        };
        let by = LongDouble::parse(req.arg(2)).ok_or(CmdError::NotAFloat)?;
        let sum = old.add(by);
        if sum.is_nan_or_inf() {
            return Err(CmdError::NaNOrInfinity);
        }
        let mut digits = Vec::with_capacity(32);
        sum.push_human(&mut digits);
        entry.set_string_encoded(&digits, Encoding::of_text(&digits), Ttl::Keep);
        Ok((digits, Effect::event(EventClass::String, "incrbyfloat")))
    })?;
    cx.rewrite(&[b"SET", req.arg(1), &sum, b"KEEPTTL"]);
    Ok(reply.bulk(&sum))
}
