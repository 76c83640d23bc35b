//! BGREWRITEAOF: asks for a new base of the append-only file. WAITAOF: its row; see [`crate::dispatch::durable`].

use std::sync::atomic::Ordering;

use crate::dispatch::transaction::Control;
use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReplySlot, Request};
use crate::persist::aof::{Aof, RewriteRefused};
use crate::spec::{AclCategories, Arg, CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[
    Command::admin("bgrewriteaof", 1, bgrewriteaof)
        .doc(Group::Server, "1.0.0", "Rewrites the append only file in the background.", "O(1)")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::NOSCRIPT)),
    Command::control("waitaof", 4, Control::WaitAof)
        .doc(Group::Generic, "7.2.0", "Waits until writes are on the disk, here and on replicas.", "O(1)")
        .flags(CommandFlags::BLOCKING)
        .acl(AclCategories::CONNECTION)
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .args(&[Arg::integer("numlocal"), Arg::integer("numreplicas"), Arg::integer("timeout")]),
];

fn bgrewriteaof(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let Some(aof) = cx.engine.parts.find::<Aof>() else {
        return Err(CmdError::text(
            "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
        ));
    };
    // One snapshot at a time.
    let is_put_off = cx.engine.keyspace.is_being_saved();
    match aof.rewrite(cx.engine) {
        Ok(()) if is_put_off => {
            aof.status.is_scheduled.store(true, Ordering::Relaxed);
            Ok(reply.status("Background append only file rewriting scheduled"))
        }
        // Redis begins only behind the transaction, and says so.
        Ok(()) if cx.in_transaction => Ok(reply.status("Background append only file rewriting scheduled")),
        Ok(()) => Ok(reply.status("Background append only file rewriting started")),
        Err(RewriteRefused::AlreadyRunning) => {
            Err(CmdError::text("ERR Background append only file rewriting already in progress"))
        }
        Err(RewriteRefused::NoThread) => Err(CmdError::text(
            "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
        )),
    }
}
