//! Counters in fields: HINCRBY, HINCRBYFLOAT. The field's deadline stays.

use super::limits;
use crate::base::longdouble::LongDouble;
use crate::base::num::parse_i64;
use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::ds::listpack::{Digits, Element};
use crate::keyspace::{Effect, EventClass};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::hash::{FieldTtl, Hash};

pub const COMMANDS: &[Command] = &[
    Command::write("hincrby", 4, hincrby)
        .element(2)
        .doc(Group::Hash, "2.0.0", "Adds to the integer in a field; a missing field counts as 0.", "O(1)")
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::string("field"), Arg::integer("increment")]),
    Command::write("hincrbyfloat", 4, hincrbyfloat)
        .doc(
            Group::Hash,
            "2.6.0",
            "Adds to the number in a field, which may have a fraction; a missing field counts as 0.",
            "O(1)",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::string("field"), Arg::double("increment")])
        .must_rewrite(),
];

const NOT_AN_INTEGER: CmdError = CmdError::text("ERR hash value is not an integer");
const NOT_A_FLOAT: CmdError = CmdError::text("ERR hash value is not a float");
const NAN_OR_INFINITY: CmdError = CmdError::text("ERR value is NaN or Infinity");

fn hincrby(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (now, limits) = (cx.now(), limits(cx.config));
    let (name, by) = (req.arg(2), int(req.arg(3))?);
    let sum = cx.edit(req.key(0)?, |entry| {
        let old = match entry.value::<Hash>()?.and_then(|hash| hash.get(name, now)) {
            Some(Element::Int(number)) => number,
            Some(Element::Text(text)) => parse_i64(text).ok_or(NOT_AN_INTEGER)?,
            None => 0,
        };
        let sum = old.checked_add(by).ok_or(CmdError::Overflow)?;
        let mut digits = Digits::new();
        let hash: &mut Hash = entry.value_or_default()?;
        hash.set(name, digits.format(sum).as_bytes(), FieldTtl::Keep, now, limits);
        Ok((sum, Effect::event(EventClass::Hash, "hincrby")))
    })?;
    Ok(reply.int(sum))
}

fn hincrbyfloat(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (now, limits) = (cx.now(), limits(cx.config));
    let name = req.arg(2);
    let by = LongDouble::parse(req.arg(3)).ok_or(CmdError::NotAFloat)?;
    if by.is_nan_or_inf() {
        return Err(NAN_OR_INFINITY);
    }
    let (sum, is_expiring) = cx.edit(req.key(0)?, |entry| {
        let hash = entry.value::<Hash>()?;
        let is_expiring = hash.is_some_and(|hash| hash.deadline(name, now).flatten().is_some());
        let old = match hash.and_then(|hash| hash.get(name, now)) {
            Some(Element::Int(number)) => LongDouble::from_i64(number),
            Some(Element::Text(text)) => LongDouble::parse(text).ok_or(NOT_A_FLOAT)?,
            None => LongDouble::from_i64(0),
        };
        let sum = old.add(by);
        if sum.is_nan_or_inf() {
            return Err(CmdError::NaNOrInfinity);
        }
        let mut digits = Vec::with_capacity(32);
        sum.push_human(&mut digits);
        let hash: &mut Hash = entry.value_or_default()?;
        hash.set(name, &digits, FieldTtl::Keep, now, limits);
        Ok(((digits, is_expiring), Effect::event(EventClass::Hash, "hincrbyfloat")))
    })?;
    // In words that older servers know, where there are such.
    if is_expiring {
        cx.rewrite(&[b"HSETEX", req.arg(1), b"KEEPTTL", b"FIELDS", b"1", name, &sum]);
    } else {
        cx.rewrite(&[b"HSET", req.arg(1), name, &sum]);
    }
    Ok(reply.bulk(&sum))
}
