//! Reading a string and changing the key in one step: GETSET, GETDEL, GETEX, and DELIFEQ (from Valkey).
//!
//! ```text
//! GETEX k            just GET
//! GETEX k EX 10      a new deadline       journal: PEXPIREAT k …
//! GETEX k EXAT 1     in the past: deleted journal: DEL k
//! GETEX k PERSIST    no deadline          journal: PERSIST k
//! ```

use super::set::SET;
use super::set_options::Expiry;
use crate::base::clock::UnixMs;
use crate::dispatch::options::deadline;
use crate::dispatch::{CmdError, Command, Outcome, Replied, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EntryMut, EventClass, Ttl};
use crate::resp::Cursor;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::write("getset", 3, getset)
        .doc(Group::String, "1.0.0", "Stores a string under a key and returns the one before.", "O(1)")
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::string("value")])
        .deprecated("6.2.0", "`SET` with the `!GET` argument"),
    Command::write("getdel", 2, getdel)
        .doc(Group::String, "6.2.0", "Returns the string under a key and deletes the key.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))])
        .args(&[Arg::key("key", 0)]),
    Command::write("getex", -2, getex)
        .doc(
            Group::String,
            "6.2.0",
            "Returns the string under a key and sets or removes its time to live.",
            "O(1)",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))
            .notes("The time to live may change")])
        .args(&[
            Arg::key("key", 0),
            Arg::oneof(
                "expiration",
                &[
                    Arg::integer("seconds").with_token("EX"),
                    Arg::integer("milliseconds").with_token("PX"),
                    Arg::unix_time("unix-time-seconds").with_token("EXAT"),
                    Arg::unix_time("unix-time-milliseconds").with_token("PXAT"),
                    Arg::token("persist", "PERSIST"),
                ],
            )
            .optional(),
        ])
        .must_rewrite(),
    Command::write("delifeq", 3, delifeq)
        .doc(Group::String, "9.0.0", "Deletes a key if it holds this very string.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RM.union(KeyFlags::DELETE))])
        .args(&[Arg::key("key", 0), Arg::string("value")]),
];

const DEL: Effect = Effect::event(EventClass::Generic, "del");

fn getset(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let replied = cx.edit(req.key(0)?, |entry| {
        let (replied, _) = answer(entry, reply)?;
        entry.set_string(req.arg(2), Ttl::Clear);
        Ok((replied, SET))
    })?;
    cx.rewrite(&[b"SET", req.arg(1), req.arg(2)]);
    Ok(replied)
}

fn getdel(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (replied, existed) = cx.edit(req.key(0)?, |entry| {
        let (replied, existed) = answer(entry, reply)?;
        entry.remove();
        Ok(((replied, existed), if existed { DEL } else { Effect::NONE }))
    })?;
    if existed {
        cx.rewrite(&[b"DEL", req.arg(1)]);
    }
    Ok(replied)
}

/// What GETEX did to the deadline.
enum Change {
    Nothing,
    Set(UnixMs),
    Persisted,
    Deleted,
}

fn getex(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let expiry = getex_options(&mut req.args.cursor(2))?;
    let (replied, change) = cx.edit(req.key(0)?, |entry| {
        let (replied, existed) = answer(entry, reply)?;
        let change = if existed { plan(entry, &expiry)? } else { Change::Nothing };
        let effect = match change {
            Change::Nothing => Effect::NONE,
            Change::Set(when) => {
                entry.set_deadline(Some(when));
                Effect::event(EventClass::Generic, "expire")
            }
            Change::Persisted => {
                entry.set_deadline(None);
                Effect::event(EventClass::Generic, "persist")
            }
            Change::Deleted => {
                entry.remove();
                DEL
            }
        };
        Ok(((replied, change), effect))
    })?;
    let key = req.arg(1);
    match change {
        Change::Nothing => {}
        Change::Set(when) => {
            cx.rewrite(&[b"PEXPIREAT", key, itoa::Buffer::new().format(when.0).as_bytes()]);
        }
        Change::Persisted => cx.rewrite(&[b"PERSIST", key]),
        Change::Deleted => cx.rewrite(&[b"DEL", key]),
    }
    Ok(replied)
}

fn getex_options<'a>(cursor: &mut Cursor<'a>) -> Result<Expiry<'a>, CmdError> {
    let mut expiry = Expiry::Default;
    while cursor.remaining() > 0 {
        let is_known = expiry.take_time(cursor)? || expiry.take_word(cursor, "PERSIST", Expiry::Persist)?;
        if !is_known {
            return Err(CmdError::Syntax);
        }
    }
    Ok(expiry)
}

fn plan(entry: &EntryMut<'_, '_>, expiry: &Expiry<'_>) -> Result<Change, CmdError> {
    Ok(match *expiry {
        Expiry::Default | Expiry::Keep => Change::Nothing,
        Expiry::Persist if entry.deadline().is_some() => Change::Persisted,
        Expiry::Persist => Change::Nothing,
        Expiry::At(unit, amount) => match deadline(amount, unit, entry.now(), "getex")? {
            when if when <= entry.now() => Change::Deleted,
            when => Change::Set(when),
        },
    })
}

/// Answers the string, and says whether there is one.
fn answer(entry: &mut EntryMut<'_, '_>, reply: ReplySlot<'_>) -> Result<(Replied, bool), CmdError> {
    entry.count_access();
    Ok(match entry.string()? {
        Some(value) => (reply.string(value), true),
        None => (reply.null(), false),
    })
}

fn delifeq(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let is_deleted = cx.edit(req.key(0)?, |entry| {
        let is_equal = entry.string()?.is_some_and(|string| string.bytes() == req.arg(2));
        if is_equal {
            entry.remove();
        }
        Ok((is_equal, if is_equal { DEL } else { Effect::NONE }))
    })?;
    if is_deleted {
        cx.rewrite(&[b"DEL", req.arg(1)]);
    }
    Ok(reply.flag(is_deleted))
}
