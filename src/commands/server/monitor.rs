//! MONITOR: from now on this connection sees every command; see [`crate::dispatch::monitor`] for what it sees.

use crate::dispatch::{Command, Outcome, ReplySlot, Request, SessionCx};
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
    if !cx.session.monitor {
        cx.session.monitor = true;
        cx.session.shared.set_monitor(true);
        cx.engine.monitors.joined();
    }
    Ok(reply.ok())
}
