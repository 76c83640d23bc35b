//! PING, ECHO, SELECT, QUIT and RESET.

use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx};
use crate::keyspace::DbIndex;
use crate::resp::Proto;
use crate::session::ReplyMode;
use crate::spec::{Arg, CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[
    Command::session("ping", -1, ping)
        .doc(Group::Connection, "1.0.0", "Answers PONG, or the given message.", "O(1)")
        .flags(CommandFlags::FAST)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .args(&[Arg::string("message").optional()])
        .while_subscribed(),
    Command::session("echo", 2, echo)
        .doc(Group::Connection, "1.0.0", "Answers the given message.", "O(1)")
        .flags(CommandFlags::FAST.union(CommandFlags::LOADING).union(CommandFlags::STALE))
        .args(&[Arg::string("message")]),
    Command::session("select", 2, select)
        .doc(Group::Connection, "1.0.0", "Changes the database that this connection works on.", "O(1)")
        .flags(CommandFlags::FAST.union(CommandFlags::LOADING).union(CommandFlags::STALE))
        .args(&[Arg::integer("index")]),
    Command::session("quit", -1, quit)
        .doc(Group::Connection, "1.0.0", "Ends the connection once its replies are sent.", "O(1)")
        .flags(
            CommandFlags::ALLOW_BUSY
                .union(CommandFlags::FAST)
                .union(CommandFlags::LOADING)
                .union(CommandFlags::NO_AUTH)
                .union(CommandFlags::NOSCRIPT)
                .union(CommandFlags::STALE),
        )
        .deprecated("7.2.0", "just closing the connection")
        .never_queued()
        .while_subscribed(),
    Command::session("reset", 1, reset)
        .doc(Group::Connection, "6.2.0", "Puts the connection back into the state of a new one.", "O(1)")
        .flags(
            CommandFlags::ALLOW_BUSY
                .union(CommandFlags::FAST)
                .union(CommandFlags::LOADING)
                .union(CommandFlags::NO_AUTH)
                .union(CommandFlags::NOSCRIPT)
                .union(CommandFlags::STALE),
        )
        .never_queued()
        .while_subscribed(),
];

fn ping(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    if cx.session.is_subscriber() && cx.session.proto == Proto::Resp2 && req.len() <= 2 {
        // Among messages, a status line could not be told from one of them.
        return Ok(reply.bulks(&[b"pong", req.arg(1)]));
    }
    match req.len() {
        1 => Ok(reply.status("PONG")),
        2 => Ok(reply.bulk(req.arg(1))),
        _ => Err(req.arity_error()),
    }
}

fn echo(_: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.bulk(req.arg(1)))
}

const OUT_OF_INT: CmdError =
    CmdError::text("ERR value is out of range, value must between -2147483648 and 2147483647");

fn select(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let index = int(req.arg(1))?;
    // Redis reads a C int here.
    i32::try_from(index).map_err(|_| OUT_OF_INT)?;
    let index = u16::try_from(index).ok().filter(|&index| index < cx.engine.keyspace.databases());
    cx.session.db = DbIndex(index.ok_or(CmdError::DbIndexOutOfRange)?);
    cx.session.publish();
    Ok(reply.ok())
}

fn quit(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    cx.session.close_after_reply = true;
    Ok(reply.ok())
}

fn reset(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    if cx.session.monitor {
        cx.engine.monitors.left();
    }
    cx.engine.leave_channels(cx.session);
    cx.engine.stop_tracking(cx.session);
    let is_skipped = cx.session.reply_mode == ReplyMode::Skip;
    cx.session.reset(&cx.engine.acl);
    if is_skipped {
        // CLIENT REPLY SKIP was for this one; OFF ends with it.
        cx.session.reply_mode = ReplyMode::Skip;
    }
    cx.session.publish();
    let proto = cx.session.proto;
    Ok(reply.in_proto(proto).status("RESET"))
}
