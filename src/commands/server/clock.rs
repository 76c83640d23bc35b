//! TIME.

use crate::dispatch::{Command, Outcome, ReplySlot, Request, SessionCx};
use crate::spec::{CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[
    // No command about the server for the dispatcher: it needs no locks, and scripts ask for it all the time.
    Command::session("time", 1, time)
        .doc(Group::Server, "2.6.0", "Tells the time of the server.", "O(1)")
        .flags(CommandFlags::FAST.union(CommandFlags::LOADING).union(CommandFlags::STALE))
        .tips(&["nondeterministic_output"]),
];

fn time(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now_us = cx.wall_us();
    let parts = [now_us / 1_000_000, now_us % 1_000_000].map(|part| part.to_string());
    Ok(reply.bulks(&parts))
}
