//! Asking for deadlines and taking them away: TTL, PTTL, EXPIRETIME, PEXPIRETIME, PERSIST.
//!
//! `-2` means that there is no such key, `-1` that it has no deadline. Seconds of a time to live are rounded to
//! nearest, as Redis does: a key set with `EX 10` has a TTL of 10 a moment later.

use crate::base::clock::UnixMs;
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, Entry, EventClass};
use crate::spec::{AclCategories, Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::read("ttl", 2, ttl)
        .doc(Group::Generic, "1.0.0", "Returns the time to live of a key in seconds.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output"])
        .args(&[Arg::key("key", 0)]),
    Command::read("pttl", 2, pttl)
        .doc(Group::Generic, "2.6.0", "Returns the time to live of a key in milliseconds.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output"])
        .args(&[Arg::key("key", 0)]),
    Command::read("expiretime", 2, expiretime)
        .doc(Group::Generic, "7.0.0", "Returns the time at which a key expires, in Unix seconds.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0)]),
    Command::read("pexpiretime", 2, pexpiretime)
        .doc(
            Group::Generic,
            "7.0.0",
            "Returns the time at which a key expires, in Unix milliseconds.",
            "O(1)",
        )
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0)]),
    Command::write("persist", 2, persist)
        .doc(Group::Generic, "2.2.0", "Takes the time to live from a key.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0)]),
];

/// The answer about a missing key.
pub(super) const NO_KEY: i64 = -2;
/// The answer about a key without a deadline.
pub(super) const NO_DEADLINE: i64 = -1;

fn ttl(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, seconds_left)
}

fn pttl(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, ms_left)
}

fn expiretime(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, |deadline, _| rounded_seconds(deadline.as_i64()))
}

fn pexpiretime(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, |deadline, _| deadline.as_i64())
}

/// Milliseconds from `now` to `deadline`.
pub(super) fn ms_left(deadline: UnixMs, now: UnixMs) -> i64 {
    UnixMs(deadline.since(now)).as_i64()
}

/// Seconds from `now` to `deadline`, to nearest.
pub(super) fn seconds_left(deadline: UnixMs, now: UnixMs) -> i64 {
    rounded_seconds(ms_left(deadline, now))
}

fn rounded_seconds(ms: i64) -> i64 {
    ms.saturating_add(500) / 1000
}

fn answer(
    cx: &mut ReadCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    form: impl FnOnce(UnixMs, UnixMs) -> i64,
) -> Outcome {
    let now = cx.now();
    Ok(reply.int(match cx.inspect(req.key(0)?).map(Entry::deadline) {
        None => NO_KEY,
        Some(None) => NO_DEADLINE,
        Some(Some(deadline)) => form(UnixMs(deadline), now),
    }))
}

fn persist(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let had_deadline = cx.edit(req.key(0)?, |entry| {
        if entry.deadline().is_none() {
            return Ok::<_, CmdError>((false, Effect::NONE));
        }
        entry.set_deadline(None);
        Ok((true, Effect::event(EventClass::Generic, "persist")))
    })?;
    Ok(reply.flag(had_deadline))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded() {
        assert_eq!(seconds_left(UnixMs(10_499), UnixMs(0)), 10);
        assert_eq!(seconds_left(UnixMs(10_500), UnixMs(0)), 11);
        assert_eq!(seconds_left(UnixMs(5), UnixMs(10)), 0);
        assert_eq!(rounded_seconds(i64::MAX), i64::MAX / 1000);
    }
}
