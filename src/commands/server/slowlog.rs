//! SLOWLOG: the last commands that took longer than `slowlog-log-slower-than`.

use crate::base::num::parse_i64;
use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReplySlot, Request};
use crate::observe::slowlog::Entry;
use crate::resp::Writer;
use crate::spec::{Arg, CommandFlags, Group};

/// The row of SLOWLOG.
pub const COMMANDS: &[Command] = &[Command::container("slowlog", -2, SUBCOMMANDS).doc(
    Group::Server,
    "2.2.12",
    "Commands about the log of slow commands.",
    "Depends on subcommand.",
)];

const SUBCOMMANDS: &[Command] = &[GET, LEN, RESET, HELP];

const GET: Command = Command::admin("get", -2, get)
    .doc(Group::Server, "2.2.12", "Shows entries of the slow log.", "O(N) in the number of entries shown")
    .flags(CommandFlags::ADMIN.union(CommandFlags::LOADING).union(CommandFlags::STALE))
    .tips(&["request_policy:all_nodes", "nondeterministic_output"])
    .args(&[Arg::integer("count").optional()]);

const LEN: Command = Command::admin("len", 2, len)
    .doc(Group::Server, "2.2.12", "Counts the entries of the slow log.", "O(1)")
    .flags(CommandFlags::ADMIN.union(CommandFlags::LOADING).union(CommandFlags::STALE))
    .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"]);

const RESET: Command = Command::admin("reset", 2, reset)
    .doc(Group::Server, "2.2.12", "Empties the slow log.", "O(N) in the number of entries")
    .flags(CommandFlags::ADMIN.union(CommandFlags::LOADING).union(CommandFlags::STALE))
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]);

const HELP: Command = Command::admin("help", 2, help)
    .doc(Group::Server, "6.2.0", "Lists the subcommands.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE));

const HELP_LINES: &[&str] = &[
    "GET [<count>]",
    "    Show the newest <count> entries (10 unless told, -1 for all): number, time, duration in",
    "    microseconds, arguments, address and name of the client.",
    "LEN",
    "    Count the entries.",
    "RESET",
    "    Forget all entries.",
];

/// Entries shown when no count is given.
const COUNT_DEFAULT: usize = 10;

fn get(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let count = match req.len() {
        2 => COUNT_DEFAULT,
        3 => parse_count(req.arg(2))?,
        _ => return Err(CmdError::subcommand_syntax("slowlog", req.arg(1))),
    };
    let entries = cx.engine.slowlog.latest(count);
    Ok(reply.write(|w| {
        w.array(entries.len());
        entries.iter().for_each(|entry| write_entry(w, entry));
    }))
}

fn parse_count(arg: &[u8]) -> Result<usize, CmdError> {
    let count = parse_i64(arg).filter(|&count| count >= -1);
    let count = count.ok_or(CmdError::text("ERR count should be greater than or equal to -1"))?;
    // -1 and what no log can hold mean all.
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

fn write_entry(w: &mut Writer<'_>, entry: &Entry) {
    w.array(6);
    w.uint(entry.id);
    w.uint(entry.unix_s);
    w.uint(entry.duration_us);
    w.array(entry.arguments.len());
    entry.arguments.iter().for_each(|argument| w.bulk(argument));
    w.bulk(entry.client_address.as_bytes());
    w.bulk(&entry.client_name);
}

fn len(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.count(cx.engine.slowlog.len()))
}

fn reset(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    cx.engine.slowlog.reset();
    Ok(reply.ok())
}

fn help(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help("slowlog", HELP_LINES))
}
