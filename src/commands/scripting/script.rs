//! SCRIPT: the texts that the server has, and the scripts that run.

use std::sync::Arc;

use super::eval;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx};
use crate::script::{Scripts, cache};
use crate::spec::{Arg, CommandFlags, Group};

const TIPS: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub const COMMANDS: &[Command] = &[Command::container("script", -2, SUBCOMMANDS).doc(
    Group::Scripting,
    "2.6.0",
    "Commands about scripts.",
    "Depends on subcommand.",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::session("flush", -2, flush)
        .doc(Group::Scripting, "2.6.0", "Forgets all scripts.", "O(N) in the number of scripts.")
        .flags(CommandFlags::NOSCRIPT)
        .tips(TIPS)
        .args(&[Arg::oneof("flush-type", &[Arg::token("async", "ASYNC"), Arg::token("sync", "SYNC")])
            .since("6.2.0")
            .optional()]),
    Command::session("kill", 2, kill)
        .doc(Group::Scripting, "2.6.0", "Ends the script that runs, if it has not written.", "O(1)")
        .flags(CommandFlags::ALLOW_BUSY.union(CommandFlags::NOSCRIPT))
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
    Command::session("load", 3, load)
        .doc(Group::Scripting, "2.6.0", "Keeps a script.", "O(N) in the bytes of the script.")
        .flags(CommandFlags::NOSCRIPT.union(CommandFlags::STALE))
        .tips(TIPS)
        .args(&[Arg::string("script")]),
    Command::session("exists", -3, exists)
        .doc(
            Group::Scripting,
            "2.6.0",
            "Tells which scripts the server has.",
            "O(N) in the number of scripts asked for.",
        )
        .flags(CommandFlags::NOSCRIPT)
        .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"])
        .args(&[Arg::string("sha1").multiple()]),
    Command::session("show", 3, show)
        .doc(Group::Scripting, "8.0.0", "Returns the text of a script (from Valkey).", "O(1)")
        .flags(CommandFlags::NOSCRIPT.union(CommandFlags::STALE))
        .args(&[Arg::string("sha1")]),
    Command::session("debug", 3, debug)
        .doc(Group::Scripting, "3.2.0", "Sets the debug mode of scripts; there is none here.", "O(1)")
        .flags(CommandFlags::NOSCRIPT)
        .args(&[Arg::oneof(
            "mode",
            &[Arg::token("yes", "YES"), Arg::token("sync", "SYNC"), Arg::token("no", "NO")],
        )]),
    Command::session("help", 2, help)
        .doc(Group::Scripting, "5.0.0", "Lists the subcommands.", "O(1)")
        .flags(CommandFlags::LOADING.union(CommandFlags::STALE)),
];

const HELP_LINES: &[&str] = &[
    "DEBUG (YES|SYNC|NO)",
    "    Set the debug mode; there is no debugger, so only NO is accepted.",
    "EXISTS <sha1> [<sha1> ...]",
    "    Tell of each script whether the server has it.",
    "FLUSH [ASYNC|SYNC]",
    "    Forget all scripts.",
    "KILL",
    "    End the script that runs, if it has not written.",
    "LOAD <script>",
    "    Keep a script and tell its SHA-1.",
    "SHOW <sha1>",
    "    Tell the text of a script that the server has.",
];

fn scripts(cx: &SessionCx<'_>) -> Result<Arc<Scripts>, CmdError> {
    cx.engine.parts.find::<Scripts>().ok_or(CmdError::text("ERR scripts are not available"))
}

fn flush(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const WRONG: CmdError = CmdError::text("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    let is_known = |word: &[u8]| word.eq_ignore_ascii_case(b"SYNC") || word.eq_ignore_ascii_case(b"ASYNC");
    match req.len() {
        2 => {}
        3 if is_known(req.arg(2)) => {}
        _ => return Err(WRONG),
    }
    scripts(cx)?.flush();
    Ok(reply.ok())
}

fn kill(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    super::kill(&*scripts(cx)?, false)?;
    Ok(reply.ok())
}

fn load(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let scripts = scripts(cx)?;
    let script = eval::add(&scripts, req.arg(2), cx.config.lua_memory_limit, true)?;
    Ok(reply.bulk(&script.sha))
}

fn exists(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let scripts = scripts(cx)?;
    Ok(reply.write(|w| {
        w.array(req.len() - 2);
        for word in req.args.iter().skip(2) {
            let is_there = cache::parse_sha(word).is_some_and(|sha| scripts.find(&sha).is_some());
            w.int(i64::from(is_there));
        }
    }))
}

fn show(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const NO_SCRIPT: CmdError = CmdError::text("NOSCRIPT No matching script.");
    let scripts = scripts(cx)?;
    let script = cache::parse_sha(req.arg(2)).and_then(|sha| scripts.find(&sha)).ok_or(NO_SCRIPT)?;
    Ok(reply.bulk(&script.text))
}

fn debug(_: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    match req.arg(2).to_ascii_lowercase().as_slice() {
        b"no" => Ok(reply.ok()),
        b"yes" | b"sync" => Err(CmdError::text("ERR there is no debugger for scripts")),
        _ => Err(CmdError::text("ERR Use SCRIPT DEBUG YES/SYNC/NO")),
    }
}

fn help(_: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help("script", HELP_LINES))
}
