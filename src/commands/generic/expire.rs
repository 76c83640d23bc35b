//! Giving keys a deadline: EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT.
//!
//! ```text
//! EXPIRE k 100         relative seconds        journal: PEXPIREAT k 1700000100000
//! EXPIRE k 100 GT      only if that is later   (no deadline counts as infinitely late)
//! EXPIRE k -1          in the past: deleted    journal: DEL k
//! EXPIRE k 100 GET     answers the time to live that the key had, as TTL would (an extension)
//! ```
//!
//! With GET the answer is -2 for a missing key, -1 for one that had no deadline; PEXPIRE and PEXPIREAT answer
//! milliseconds.

use super::ttl::{NO_DEADLINE, NO_KEY, ms_left, seconds_left};
use crate::base::clock::UnixMs;
use crate::dispatch::options::{TimeUnit, int};
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EntryMut, EventClass};
use crate::resp::Cursor;
use crate::spec::{AclCategories, Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::write("expire", -3, expire)
        .doc(Group::Generic, "1.0.0", "Sets the time to live of a key in seconds.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[
            Arg::key("key", 0),
            Arg::integer("seconds"),
            Arg::oneof(
                "condition",
                &[
                    Arg::token("nx", "NX"),
                    Arg::token("xx", "XX"),
                    Arg::token("gt", "GT"),
                    Arg::token("lt", "LT"),
                ],
            )
            .since("7.0.0")
            .optional(),
        ])
        .must_rewrite(),
    Command::write("pexpire", -3, pexpire)
        .doc(Group::Generic, "2.6.0", "Sets the time to live of a key in milliseconds.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[
            Arg::key("key", 0),
            Arg::integer("milliseconds"),
            Arg::oneof(
                "condition",
                &[
                    Arg::token("nx", "NX"),
                    Arg::token("xx", "XX"),
                    Arg::token("gt", "GT"),
                    Arg::token("lt", "LT"),
                ],
            )
            .since("7.0.0")
            .optional(),
        ])
        .must_rewrite(),
    Command::write("expireat", -3, expireat)
        .doc(Group::Generic, "1.2.0", "Sets the time at which a key expires, in Unix seconds.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[
            Arg::key("key", 0),
            Arg::unix_time("unix-time-seconds"),
            Arg::oneof(
                "condition",
                &[
                    Arg::token("nx", "NX"),
                    Arg::token("xx", "XX"),
                    Arg::token("gt", "GT"),
                    Arg::token("lt", "LT"),
                ],
            )
            .since("7.0.0")
            .optional(),
        ])
        .must_rewrite(),
    Command::write("pexpireat", -3, pexpireat)
        .doc(Group::Generic, "2.6.0", "Sets the time at which a key expires, in Unix milliseconds.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[
            Arg::key("key", 0),
            Arg::unix_time("unix-time-milliseconds"),
            Arg::oneof(
                "condition",
                &[
                    Arg::token("nx", "NX"),
                    Arg::token("xx", "XX"),
                    Arg::token("gt", "GT"),
                    Arg::token("lt", "LT"),
                ],
            )
            .since("7.0.0")
            .optional(),
        ])
        .must_rewrite(),
];

fn expire(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    expire_key(cx, req, reply, TimeUnit::Seconds, "expire")
}

fn pexpire(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    expire_key(cx, req, reply, TimeUnit::Milliseconds, "pexpire")
}

fn expireat(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    expire_key(cx, req, reply, TimeUnit::UnixSeconds, "expireat")
}

fn pexpireat(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    expire_key(cx, req, reply, TimeUnit::UnixMilliseconds, "pexpireat")
}

/// Words behind the time.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    /// NX: only keys without a deadline.
    only_persistent: bool,
    /// XX: only keys with one.
    only_volatile: bool,
    /// GT: only to a later one.
    only_later: bool,
    /// LT: only to an earlier one.
    only_earlier: bool,
    /// GET.
    answers_old: bool,
}

impl Options {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Options, CmdError> {
        const NX_WITH_OTHERS: CmdError =
            CmdError::text("ERR NX and XX, GT or LT options at the same time are not compatible");
        const GT_WITH_LT: CmdError =
            CmdError::text("ERR GT and LT options at the same time are not compatible");
        let mut options = Options::default();
        while cursor.remaining() > 0 {
            let flag = if cursor.take_word("NX") {
                &mut options.only_persistent
            } else if cursor.take_word("XX") {
                &mut options.only_volatile
            } else if cursor.take_word("GT") {
                &mut options.only_later
            } else if cursor.take_word("LT") {
                &mut options.only_earlier
            } else if cursor.take_word("GET") {
                &mut options.answers_old
            } else {
                return Err(CmdError::quoting(
                    "ERR Unsupported option ",
                    cursor.next().unwrap_or_default(),
                    "",
                ));
            };
            *flag = true;
        }
        if options.only_persistent && (options.only_volatile || options.only_later || options.only_earlier) {
            return Err(NX_WITH_OTHERS);
        }
        if options.only_later && options.only_earlier {
            return Err(GT_WITH_LT);
        }
        Ok(options)
    }

    /// Whether the conditions hold for the change from one deadline to another, in Unix ms. The new one may be
    /// negative.
    fn hold(&self, old: Option<UnixMs>, new_ms: i64) -> bool {
        let old_ms = old.map(UnixMs::as_i64);
        let is_refused = self.only_persistent && old.is_some()
            || self.only_volatile && old.is_none()
            || self.only_later && old_ms.is_none_or(|old_ms| new_ms <= old_ms)
            || self.only_earlier && old_ms.is_some_and(|old_ms| new_ms >= old_ms);
        !is_refused
    }
}

/// What became of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Nothing,
    Deleted,
    Set,
}

fn expire_key(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    unit: TimeUnit,
    name: &'static str,
) -> Outcome {
    let options = Options::parse(&mut req.args.cursor(3))?;
    let when_ms = unit.deadline_ms(int(req.arg(2))?, cx.wall_now()).ok_or(CmdError::InvalidExpire(name))?;
    let (done, old) = cx.edit(req.key(0)?, |entry| {
        let old = old_answer(entry, unit);
        if !entry.exists() || !options.hold(entry.deadline(), when_ms) {
            return Ok::<_, CmdError>(((Done::Nothing, old), Effect::NONE));
        }
        if when_ms <= entry.now().as_i64() {
            entry.remove();
            return Ok(((Done::Deleted, old), Effect::event(EventClass::Generic, "del")));
        }
        entry.set_deadline(Some(UnixMs::from_i64(when_ms)));
        Ok(((Done::Set, old), Effect::event(EventClass::Generic, "expire")))
    })?;
    journal(cx, req, done, when_ms);
    Ok(reply.int(if options.answers_old { old } else { i64::from(done != Done::Nothing) }))
}

/// What TTL (or PTTL, for the commands in milliseconds) would answer.
fn old_answer(entry: &EntryMut<'_, '_>, unit: TimeUnit) -> i64 {
    let now = entry.now();
    match (entry.exists(), entry.deadline(), unit) {
        (false, ..) => NO_KEY,
        (true, None, _) => NO_DEADLINE,
        (true, Some(deadline), TimeUnit::Seconds | TimeUnit::UnixSeconds) => seconds_left(deadline, now),
        (true, Some(deadline), TimeUnit::Milliseconds | TimeUnit::UnixMilliseconds) => ms_left(deadline, now),
    }
}

fn journal(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, done: Done, when_ms: i64) {
    let key = req.arg(1);
    match done {
        Done::Nothing => {}
        Done::Deleted if cx.config.lazyfree_lazy_expire => cx.rewrite(&[b"UNLINK", key]),
        Done::Deleted => cx.rewrite(&[b"DEL", key]),
        Done::Set => {
            let mut digits = itoa::Buffer::new();
            let mut command: Vec<&[u8]> = Vec::new();
            if cx.is_observed() {
                command.extend([&b"PEXPIREAT"[..], key, digits.format(when_ms).as_bytes()]);
                command.extend(req.args.iter().skip(3).filter(|word| !word.eq_ignore_ascii_case(b"get")));
            }
            cx.rewrite(&command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::OwnedArgs;

    fn parse(words: &str) -> Result<Options, CmdError> {
        let args = OwnedArgs::from_slices(words.split_whitespace().map(str::as_bytes));
        Options::parse(&mut args.as_args().cursor(0))
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(parse("nx nx get").is_ok() && parse("xx gt").is_ok() && parse("lt XX").is_ok());
        assert!(parse("nx xx").is_err() && parse("nx lt").is_err() && parse("gt lt").is_err());
        assert_eq!(parse("foo"), Err(CmdError::Bytes(b"ERR Unsupported option foo".to_vec())));
    }

    #[test]
    fn no_deadline_is_infinitely_late() {
        let (later, earlier) = (parse("gt").unwrap(), parse("lt").unwrap());
        assert!(!later.hold(None, 5) && earlier.hold(None, 5));
        assert!(later.hold(Some(UnixMs(4)), 5) && !later.hold(Some(UnixMs(5)), 5));
        assert!(earlier.hold(Some(UnixMs(6)), 5) && !earlier.hold(Some(UnixMs(5)), 5));
        assert!(parse("nx").unwrap().hold(None, 5) && !parse("xx").unwrap().hold(None, 5));
    }
}
