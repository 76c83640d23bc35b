//! MONITOR: from now on this connection sees every command; see [`crate::dispatch::monitor`] for what it sees.

use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx};
use crate::spec::{CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[Command::session("monitor", 1, monitor)
    .doc(Group::Server, "1.0.0", "Streams every command the server runs.", "")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )];

fn monitor(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const INSIDE: CmdError = CmdError::text("ERR MONITOR isn't allowed for DENY BLOCKING client");
    if cx.is_inside() {
        return Err(INSIDE);
    }
    if !cx.session.monitor {
        cx.session.monitor = true;
        cx.session.shared.set_monitor(true);
        cx.engine.monitors.joined();
    }
    Ok(reply.ok())
}
