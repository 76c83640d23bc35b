//! Asking for the deadlines of fields: HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME.
//!
//! One number per field: -2 for a field (or key) that is not there, -1 for one without deadline.

use super::fields::{self, NOT_POSITIVE};
use crate::base::clock::UnixMs;
use crate::dispatch::{Command, Outcome, ReadCx, ReplySlot, Request};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::hash::Hash;

pub const COMMANDS: &[Command] = &[
    Command::read("httl", -5, httl)
        .doc(
            Group::Hash,
            "7.4.0",
            "Returns the time to live of fields in seconds.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output"])
        .args(&[
            Arg::key("key", 0),
            Arg::block("fields", &[Arg::integer("numfields"), Arg::string("field").multiple()])
                .with_token("FIELDS"),
        ]),
    Command::read("hpttl", -5, hpttl)
        .doc(
            Group::Hash,
            "7.4.0",
            "Returns the time to live of fields in milliseconds.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output"])
        .args(&[
            Arg::key("key", 0),
            Arg::block("fields", &[Arg::integer("numfields"), Arg::string("field").multiple()])
                .with_token("FIELDS"),
        ]),
    Command::read("hexpiretime", -5, hexpiretime)
        .doc(
            Group::Hash,
            "7.4.0",
            "Returns when fields expire, as Unix time in seconds.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::block("fields", &[Arg::integer("numfields"), Arg::string("field").multiple()])
                .with_token("FIELDS"),
        ]),
    Command::read("hpexpiretime", -5, hpexpiretime)
        .doc(
            Group::Hash,
            "7.4.0",
            "Returns when fields expire, as Unix time in milliseconds.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::block("fields", &[Arg::integer("numfields"), Arg::string("field").multiple()])
                .with_token("FIELDS"),
        ]),
];

const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;

/// Whole seconds, rounded up: a field that lives is never said to have 0 left.
fn seconds(ms: i64) -> i64 {
    ms / 1000 + i64::from(ms % 1000 > 0)
}

fn httl(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, |when, now| seconds(when.as_i64() - now.as_i64()))
}

fn hpttl(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, |when, now| when.as_i64() - now.as_i64())
}

fn hexpiretime(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, |when, _| seconds(when.as_i64()))
}

fn hpexpiretime(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, |when, _| when.as_i64())
}

fn answer(
    cx: &mut ReadCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    number: fn(UnixMs, UnixMs) -> i64,
) -> Outcome {
    let now = cx.now();
    let hash = cx.value::<Hash>(req.key(0)?)?;
    let first = fields::parse(req, 2, NOT_POSITIVE)?;
    Ok(reply.write(|writer| {
        writer.array(req.args.len() - first);
        for name in req.args.iter().skip(first) {
            writer.int(match hash.and_then(|hash| hash.deadline(name, now)) {
                None => NO_FIELD,
                Some(None) => NO_DEADLINE,
                Some(Some(when)) => number(when, now),
            });
        }
    }))
}
