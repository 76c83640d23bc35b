//! TIME and LASTSAVE.

use std::sync::atomic::Ordering::Relaxed;

use crate::dispatch::{AdminCx, Command, Outcome, ReplySlot, Request, SessionCx};
use crate::spec::{AclCategories, CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[
    // No command about the server for the dispatcher: it needs no locks, and scripts ask for it all the time.
    Command::session("time", 1, time)
        .doc(Group::Server, "2.6.0", "Tells the time of the server.", "O(1)")
        .flags(CommandFlags::FAST.union(CommandFlags::LOADING).union(CommandFlags::STALE))
        .tips(&["nondeterministic_output"]),
    Command::admin("lastsave", 1, lastsave)
        .doc(Group::Server, "1.0.0", "Tells when the data set was last saved.", "O(1)")
        .flags(CommandFlags::FAST.union(CommandFlags::LOADING).union(CommandFlags::STALE))
        .acl(AclCategories::ADMIN.union(AclCategories::DANGEROUS))
        .tips(&["nondeterministic_output"]),
];

fn time(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now_us = cx.wall_us();
    let parts = [now_us / 1_000_000, now_us % 1_000_000].map(|part| part.to_string());
    Ok(reply.bulks(&parts))
}

fn lastsave(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let seconds = cx.engine.gauges.last_save_seconds.load(Relaxed);
    Ok(reply.write(|w| w.uint(seconds)))
}
