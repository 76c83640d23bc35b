//! SAVE, BGSAVE, LASTSAVE: the snapshot file on request.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::dispatch::wait::Awaited;
use crate::dispatch::{AdminCx, CmdError, Command, Engine, Outcome, ReplySlot, Request};
use crate::persist::rdb::{SaveError, Saver};
use crate::spec::{AclCategories, Arg, CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[
    Command::admin("save", 1, save)
        .doc(
            Group::Server,
            "1.0.0",
            "Saves all data to the snapshot file and answers when that is done.",
            "O(N) in the number of keys of all databases",
        )
        .flags(
            CommandFlags::ADMIN
                .union(CommandFlags::NO_ASYNC_LOADING)
                .union(CommandFlags::NO_MULTI)
                .union(CommandFlags::NOSCRIPT),
        ),
    Command::admin("bgsave", -1, bgsave)
        .doc(Group::Server, "1.0.0", "Saves all data to the snapshot file in the background.", "O(1)")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::NOSCRIPT))
        .args(&[Arg::token("schedule", "SCHEDULE").since("3.2.2").optional()]),
    Command::admin("lastsave", 1, lastsave)
        .doc(Group::Server, "1.0.0", "Tells when the last save succeeded, in Unix seconds.", "O(1)")
        .flags(CommandFlags::FAST.union(CommandFlags::LOADING).union(CommandFlags::STALE))
        .acl(AclCategories::ADMIN.union(AclCategories::DANGEROUS))
        .tips(&["nondeterministic_output"]),
];

const ALREADY: CmdError = CmdError::text("ERR Background save already in progress");
const FAILED: CmdError = CmdError::text("ERR");
const OTHER: CmdError = CmdError::text(
    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.",
);

/// The saver of this server.
pub(super) fn saver(cx: &AdminCx<'_, '_>) -> Result<Arc<Saver>, CmdError> {
    cx.engine.parts.find::<Saver>().ok_or(FAILED)
}

/// Only its client waits; everybody else goes on.
fn save(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let saver = saver(cx)?;
    let work = move |engine: &Arc<Engine>| match saver.save(engine) {
        Ok(_) => Ok(()),
        Err(SaveError::AlreadySaving) => Err(ALREADY),
        Err(SaveError::OtherSnapshot) => Err(OTHER),
        // The reason is in the log, as in Redis.
        Err(SaveError::Disk(_)) => Err(FAILED),
    };
    let awaited = Awaited::work("ochre-save", reply.proto(), work);
    cx.wait(reply, awaited, FAILED)
}

fn bgsave(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let may_schedule = match (req.len(), req.args.get(1)) {
        (1, _) => false,
        (2, Some(word)) if word.eq_ignore_ascii_case(b"schedule") => true,
        _ => return Err(CmdError::Syntax),
    };
    let saver = saver(cx)?;
    if cx.in_transaction {
        saver.schedule();
        return Ok(reply.status("Background saving scheduled"));
    }
    let engine = Arc::clone(cx.engine);
    match cx.with_all(|view| saver.start_in(view, &engine))? {
        Ok(()) => Ok(reply.status("Background saving started")),
        Err(SaveError::OtherSnapshot) if may_schedule => {
            saver.schedule();
            Ok(reply.status("Background saving scheduled"))
        }
        Err(SaveError::AlreadySaving) => Err(ALREADY),
        Err(SaveError::OtherSnapshot) => Err(OTHER),
        Err(SaveError::Disk(_)) => Err(FAILED),
    }
}

fn lastsave(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let seconds = cx.engine.gauges.last_save_seconds.load(Relaxed);
    Ok(reply.write(|writer| writer.uint(seconds)))
}
