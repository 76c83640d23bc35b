//! SHUTDOWN: asks the server to end, or takes the wish back.
//!
//! Nothing is answered when it works: the connection closes with the server. Data is saved first, if SAVE or save points
//! say so; when that fails the server goes on, unless FORCE says to end all the same.

use crate::dispatch::engine::ShutdownRequest;
use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReplySlot, Request};
use crate::persist::exit;
use crate::spec::{Arg, CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[Command::admin("shutdown", -1, shutdown)
    .doc(
        Group::Server,
        "1.0.0",
        "Ends the server.",
        "O(N) in the number of keys when the data set is saved, else O(1)",
    )
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::ALLOW_BUSY)
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NO_MULTI)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .args(&[
        Arg::oneof("save-selector", &[Arg::token("nosave", "NOSAVE"), Arg::token("save", "SAVE")]).optional(),
        Arg::token("now", "NOW").since("7.0.0").optional(),
        Arg::token("force", "FORCE").since("7.0.0").optional(),
        Arg::token("abort", "ABORT").since("7.0.0").optional(),
    ])];

fn shutdown(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let lifecycle = &cx.engine.lifecycle;
    match parse(req)? {
        None if lifecycle.abort() => {
            tracing::info!("Shutdown manually aborted.");
            Ok(reply.ok())
        }
        None => Err(CmdError::text("ERR No shutdown in progress.")),
        Some(request) => {
            if request.save != Some(false)
                && let Some(error) = cx.engine.long_scripts.objection()
            {
                return Err(error);
            }
            exit::prepare(cx.engine, request)
                .map_err(|_| CmdError::text("ERR Errors trying to SHUTDOWN. Check logs."))?;
            lifecycle.shut_down(request);
            Ok(reply.nothing())
        }
    }
}

/// What is asked for; `None` is ABORT.
fn parse(req: &Request<'_>) -> Result<Option<ShutdownRequest>, CmdError> {
    let mut request = ShutdownRequest::default();
    let mut is_abort = false;
    for word in req.args.iter().skip(1) {
        match word.to_ascii_lowercase().as_slice() {
            b"save" if request.save != Some(false) => request.save = Some(true),
            b"nosave" if request.save != Some(true) => request.save = Some(false),
            b"now" => request.now = true,
            b"force" => request.force = true,
            b"abort" => is_abort = true,
            _ => return Err(CmdError::Syntax),
        }
    }
    match (is_abort, request == ShutdownRequest::default()) {
        (false, _) => Ok(Some(request)),
        (true, true) => Ok(None),
        (true, false) => Err(CmdError::Syntax),
    }
}
