//! DEBUG RELOAD: saves all data, forgets it, and loads it again; so a test sees what survives.

use crate::commands::server::save::saver;
use crate::dispatch::{AdminCx, CmdError, Outcome, ReplySlot, Request};
use crate::persist::forget_all;
use crate::persist::rdb::load::Manner;

/// `MERGE`: what is there is replaced by what the file has under the same key; `NOFLUSH`: what is there stays; `NOSAVE`: the
/// file is taken as it is.
pub(super) fn reload(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (mut flushes, mut saves, mut merges) = (true, true, false);
    for word in req.args.iter().skip(2) {
        match word.to_ascii_lowercase().as_slice() {
            b"merge" => merges = true,
            b"noflush" => flushes = false,
            b"nosave" => saves = false,
            _ => {
                return Err(CmdError::text(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    if cx.is_in_transaction() {
        // It takes the locks that the transaction holds.
        return Err(CmdError::text("ERR DEBUG RELOAD can't run inside a transaction"));
    }
    let saver = saver(cx)?;
    if saves {
        saver.wait();
        saver.save(cx.engine).map_err(|error| CmdError::owned(format!("ERR {error}")))?;
    }
    let (engine, config) = (std::sync::Arc::clone(cx.engine), cx.engine.config.snapshot());
    let manner = Manner { drops_expired: true, replaces: merges };
    let loaded = cx.with_all(|view| {
        if flushes {
            forget_all(&engine, view);
        }
        saver.load_in(view, &engine, &config, manner)
    })?;
    match loaded {
        Ok(Some(_)) => Ok(reply.ok()),
        _ => Err(CmdError::text("ERR Error trying to load the RDB dump, check server logs")),
    }
}
