//! Storing one string: SET with all its options, SETNX, SETEX and PSETEX.
//!
//! ```text
//! SET k v EX 10 NX GET
//!         │     │  └─ the answer is the old string, not OK
//!         │     └─ condition: NX, XX, IFEQ old, IFNE old; it decides whether anything happens
//!         └─ expiry: EX, PX, EXAT, PXAT, KEEPTTL; without one a deadline is taken away
//! ```
//!
//! The journal never gets a relative time or a comparison: what happened is `SET k v PXAT …`.

use super::set_options::{Condition, SetOptions};
use crate::dispatch::options::{TimeUnit, deadline};
use crate::dispatch::{CmdError, Command, Outcome, Replied, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EntryMut, EventClass, Ttl};
use crate::resp::Args;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::write("set", -3, set)
        .doc(Group::String, "1.0.0", "Stores a string under a key, whatever was there before.", "O(1)")
        .flags(CommandFlags::DENYOOM)
        .keys(&[KeySpec::one(
            1,
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE).union(KeyFlags::VARIABLE),
        )
        .notes("Read and returned when `GET` or a comparison is given")])
        .args(&[
            Arg::key("key", 0),
            Arg::string("value"),
            Arg::oneof(
                "condition",
                &[
                    Arg::token("nx", "NX"),
                    Arg::token("xx", "XX"),
                    Arg::string("ifeq-value").with_token("IFEQ").since("8.4.0"),
                    Arg::string("ifne-value").with_token("IFNE").since("8.4.0"),
                ],
            )
            .since("2.6.12")
            .optional(),
            Arg::token("get", "GET").since("6.2.0").optional(),
            Arg::oneof(
                "expiration",
                &[
                    Arg::integer("seconds").with_token("EX").since("2.6.12"),
                    Arg::integer("milliseconds").with_token("PX").since("2.6.12"),
                    Arg::unix_time("unix-time-seconds").with_token("EXAT").since("6.2.0"),
                    Arg::unix_time("unix-time-milliseconds").with_token("PXAT").since("6.2.0"),
                    Arg::token("keepttl", "KEEPTTL").since("6.0.0"),
                ],
            )
            .optional(),
        ])
        .key_flags(set_key_flags),
    Command::write("setnx", 3, setnx)
        .doc(Group::String, "1.0.0", "Stores a string unless the key exists.", "O(1)")
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::INSERT))])
        .args(&[Arg::key("key", 0), Arg::string("value")])
        .deprecated("2.6.12", "`SET` with the `NX` argument"),
    Command::write("setex", 4, setex)
        .doc(Group::String, "2.0.0", "Stores a string with a time to live in seconds.", "O(1)")
        .flags(CommandFlags::DENYOOM)
        .keys(&[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::integer("seconds"), Arg::string("value")])
        .deprecated("2.6.12", "`SET` with the `EX` argument")
        .must_rewrite(),
    Command::write("psetex", 4, psetex)
        .doc(Group::String, "2.6.0", "Stores a string with a time to live in milliseconds.", "O(1)")
        .flags(CommandFlags::DENYOOM)
        .keys(&[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::integer("milliseconds"), Arg::string("value")])
        .deprecated("2.6.12", "`SET` with the `PX` argument")
        .must_rewrite(),
];

/// What storing a string means to others.
pub(super) const SET: Effect = Effect::event(EventClass::String, "set");

/// The same with a deadline.
pub(super) fn effect_of(ttl: Ttl) -> Effect {
    match ttl {
        Ttl::At(_) => SET.and(EventClass::Generic, "expire"),
        Ttl::Keep | Ttl::Clear => SET,
    }
}

/// Without GET the old value is of no interest.
fn set_key_flags(args: &Args<'_>) -> KeyFlags {
    if args.iter().skip(3).any(|option| option.eq_ignore_ascii_case(b"GET")) {
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE)
    } else {
        KeyFlags::OW.union(KeyFlags::UPDATE)
    }
}

fn set(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    if req.len() > 3 {
        return set_with_options(cx, req, reply);
    }
    cx.edit(req.key(0)?, |entry| {
        entry.set_string(req.arg(2), Ttl::Clear);
        Ok(((), SET))
    })?;
    Ok(reply.ok())
}

fn set_with_options(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let options = SetOptions::parse(&mut req.args.cursor(3))?;
    let ttl = options.expiry.ttl(cx.wall_now(), "set")?;
    let value = req.arg(2);
    let (replied, is_stored) = cx.edit(req.key(0)?, |entry| {
        let (replied, holds) = answer(entry, &options, reply)?;
        if !holds {
            return Ok(((replied, false), Effect::NONE));
        }
        entry.set_string(value, ttl);
        Ok(((replied, true), effect_of(ttl)))
    })?;
    if is_stored {
        rewrite_set(cx, req, &options, ttl);
    }
    Ok(replied)
}

/// Answers, before the old string is gone, and says whether the condition holds.
fn answer(
    entry: &mut EntryMut<'_, '_>,
    options: &SetOptions<'_>,
    reply: ReplySlot<'_>,
) -> Result<(Replied, bool), CmdError> {
    if !options.answers_old {
        let holds = options.condition.holds(entry)?;
        return Ok((if holds { reply.ok() } else { reply.null() }, holds));
    }
    entry.count_access();
    let replied = match entry.string()? {
        Some(old) => reply.string(old),
        None => reply.null(),
    };
    Ok((replied, options.condition.holds(entry)?))
}

/// Journals a SET that had options which must not, or need not, be repeated.
fn rewrite_set(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, options: &SetOptions<'_>, ttl: Ttl) {
    let is_absolute = options.expiry.unit().is_none_or(|unit| unit == TimeUnit::UnixMilliseconds);
    let is_compared = matches!(options.condition, Condition::Equal(_) | Condition::Different(_));
    if !cx.is_observed() || (is_absolute && !options.answers_old && !is_compared) {
        return;
    }
    let mut command: Vec<&[u8]> = vec![b"SET", req.arg(1), req.arg(2)];
    let mut digits = itoa::Buffer::new();
    match ttl {
        Ttl::At(when) => command.extend([&b"PXAT"[..], digits.format(when.0).as_bytes()]),
        Ttl::Keep => command.push(b"KEEPTTL"),
        Ttl::Clear => {}
    }
    cx.rewrite(&command);
}

fn setnx(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let is_stored = cx.edit(req.key(0)?, |entry| {
        if entry.exists() {
            return Ok((false, Effect::NONE));
        }
        entry.set_string(req.arg(2), Ttl::Clear);
        Ok((true, SET))
    })?;
    Ok(reply.flag(is_stored))
}

fn setex(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    set_for(cx, req, reply, TimeUnit::Seconds, "setex")
}

fn psetex(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    set_for(cx, req, reply, TimeUnit::Milliseconds, "psetex")
}

fn set_for(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    unit: TimeUnit,
    command: &'static str,
) -> Outcome {
    let when = deadline(req.arg(2), unit, cx.wall_now(), command)?;
    cx.edit(req.key(0)?, |entry| {
        entry.set_string(req.arg(3), Ttl::At(when));
        Ok(((), effect_of(Ttl::At(when))))
    })?;
    cx.rewrite(&[b"SET", req.arg(1), req.arg(3), b"PXAT", itoa::Buffer::new().format(when.0).as_bytes()]);
    Ok(reply.ok())
}
