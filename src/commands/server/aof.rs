//! BGREWRITEAOF: asks for a new base of the append-only file.

use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReplySlot, Request};
use crate::persist::aof::{Aof, RewriteRefused};
use crate::spec::{CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[Command::admin("bgrewriteaof", 1, bgrewriteaof)
    .doc(Group::Server, "1.0.0", "Rewrites the append only file in the background.", "O(1)")
    .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::NOSCRIPT))];

fn bgrewriteaof(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let Some(aof) = cx.engine.parts.find::<Aof>() else {
        return Err(CmdError::text(
            "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
        ));
    };
    match aof.rewrite(cx.engine) {
        Ok(()) => Ok(reply.status("Background append only file rewriting started")),
        Err(RewriteRefused::AlreadyRunning) => {
            Err(CmdError::text("ERR Background append only file rewriting already in progress"))
        }
        Err(RewriteRefused::NoThread) => Err(CmdError::text(
            "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
        )),
    }
}
