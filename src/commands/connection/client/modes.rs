//! PAUSE and UNPAUSE for everybody, REPLY, NO-EVICT and NO-TOUCH for this connection, UNBLOCK for another one.

use crate::base::clock::UnixMs;
use crate::base::num::parse_i64;
use crate::dispatch::options::int;
use crate::dispatch::pause::PauseMode;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx};
use crate::keyspace::waiters::Ending;
use crate::session::{ClientId, ReplyMode};
use crate::spec::{Arg, CommandFlags, Group};

pub(super) const PAUSE: Command = Command::session("pause", -3, pause)
    .doc(Group::Connection, "3.0.0", "Makes commands wait for a while.", "O(1)")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .args(&[
        Arg::integer("timeout"),
        Arg::oneof("mode", &[Arg::token("write", "WRITE"), Arg::token("all", "ALL")])
            .since("6.2.0")
            .optional(),
    ]);

pub(super) const UNPAUSE: Command = Command::session("unpause", 2, unpause)
    .doc(
        Group::Connection,
        "6.2.0",
        "Lets commands that wait go on.",
        "O(N) in the number of clients that wait",
    )
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    );

pub(super) const REPLY: Command = Command::session("reply", 3, reply_mode)
    .doc(Group::Connection, "3.2.0", "Turns replies to this connection on or off.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::NOSCRIPT).union(CommandFlags::STALE))
    .args(&[Arg::oneof(
        "action",
        &[Arg::token("on", "ON"), Arg::token("off", "OFF"), Arg::token("skip", "SKIP")],
    )]);

pub(super) const NO_EVICT: Command = Command::session("no-evict", 3, no_evict)
    .doc(Group::Connection, "7.0.0", "Keeps this connection from being closed to save memory.", "O(1)")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .args(&[Arg::oneof("enabled", &[Arg::token("on", "ON"), Arg::token("off", "OFF")])]);

pub(super) const NO_TOUCH: Command = Command::session("no-touch", 3, no_touch)
    .doc(
        Group::Connection,
        "7.2.0",
        "Keeps the reads of this connection from counting as uses of keys.",
        "O(1)",
    )
    .flags(CommandFlags::LOADING.union(CommandFlags::NOSCRIPT).union(CommandFlags::STALE))
    .args(&[Arg::oneof("enabled", &[Arg::token("on", "ON"), Arg::token("off", "OFF")])]);

pub(super) const UNBLOCK: Command = Command::session("unblock", -3, unblock)
    .doc(
        Group::Connection,
        "5.0.0",
        "Wakes a connection that waits in a blocking command.",
        "O(log N) in the number of connections",
    )
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .args(&[
        Arg::integer("client-id"),
        Arg::oneof("unblock-type", &[Arg::token("timeout", "TIMEOUT"), Arg::token("error", "ERROR")])
            .optional(),
    ]);

fn pause(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let mode = match req.len() {
        3 => PauseMode::All,
        4 if req.arg(3).eq_ignore_ascii_case(b"WRITE") => PauseMode::Write,
        4 if req.arg(3).eq_ignore_ascii_case(b"ALL") => PauseMode::All,
        4 => return Err(CmdError::text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(CmdError::subcommand_syntax("client", req.arg(1))),
    };
    let until = end_of_timeout(req.arg(2), cx.now)?;
    cx.engine.pause(mode, until, cx.now);
    Ok(reply.ok())
}

/// When `arg` milliseconds from `now` are over.
pub fn end_of_timeout(arg: &[u8], now: UnixMs) -> Result<UnixMs, CmdError> {
    let timeout_ms = parse_i64(arg).ok_or(CmdError::Timeout)?;
    if timeout_ms < 0 {
        return Err(CmdError::text("ERR timeout is negative"));
    }
    let until = timeout_ms.checked_add(now.as_i64());
    until.map(UnixMs::from_i64).ok_or(CmdError::text("ERR timeout is out of range"))
}

fn unpause(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    cx.engine.go_on();
    Ok(reply.ok())
}

fn reply_mode(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    match req.arg(2).to_ascii_lowercase().as_slice() {
        b"on" => {
            cx.session.reply_mode = ReplyMode::On;
            return Ok(reply.ok());
        }
        b"off" => cx.session.reply_mode = ReplyMode::Off,
        b"skip" if cx.session.reply_mode == ReplyMode::Off => {}
        b"skip" => cx.session.skips_next = true,
        _ => return Err(CmdError::Syntax),
    }
    Ok(reply.nothing())
}

/// ON or OFF.
fn switch(arg: &[u8]) -> Result<bool, CmdError> {
    match arg.to_ascii_lowercase().as_slice() {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => Err(CmdError::Syntax),
    }
}

fn no_evict(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    cx.session.shared.set_no_evict(switch(req.arg(2))?);
    Ok(reply.ok())
}

fn no_touch(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let on = switch(req.arg(2))?;
    cx.session.no_touch = on;
    cx.session.shared.set_no_touch(on);
    Ok(reply.ok())
}

fn unblock(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let is_word = |word: &[u8]| req.arg(3).eq_ignore_ascii_case(word);
    let ending = match req.len() {
        3 => Ending::TimedOut,
        4 if is_word(b"TIMEOUT") => Ending::TimedOut,
        4 if is_word(b"ERROR") => Ending::Unblocked,
        4 => return Err(CmdError::text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        _ => return Err(CmdError::subcommand_syntax("client", req.arg(1))),
    };
    let id = int(req.arg(2))?;
    let client = u64::try_from(id).ok().and_then(|id| cx.engine.clients.find(ClientId(id)));
    let waiter = client.and_then(|client| client.waiter());
    Ok(reply.flag(waiter.is_some_and(|waiter| waiter.end(ending))))
}
