//! DEBUG RELOAD: saves all data, forgets it, and loads it again; so a test sees what survives.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::commands::server::save::saver;
use crate::dispatch::wait::Awaited;
use crate::dispatch::{AdminCx, CmdError, Engine, Outcome, ReplySlot, Request};
use crate::keyspace::{LockSet, View};
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
    let saver = saver(cx)?;
    let manner = Manner { drops_expired: true, replaces: merges };
    let work = move |engine: &Arc<Engine>| {
        if saves {
            saver.wait();
            saver.save(engine).map_err(|error| CmdError::owned(format!("ERR {error}")))?;
        }
        engine.lifecycle.loading.store(true, Ordering::SeqCst);
        let mut view = View::new(&engine.keyspace, 0);
        if flushes {
            view.lock_blocking(&LockSet::All);
            forget_all(engine, &mut view);
            view.release();
        }
        let loaded = saver.load_in(&mut view, engine, &engine.config.snapshot(), manner);
        engine.lifecycle.loading.store(false, Ordering::SeqCst);
        match loaded {
            Ok(Some(_)) => Ok(()),
            _ => Err(CmdError::text("ERR Error trying to load the RDB dump, check server logs")),
        }
    };
    let awaited = Awaited::reload("ochre-reload", reply.proto(), work);
    cx.wait(reply, awaited, CmdError::text("ERR DEBUG RELOAD can't run inside a transaction"))
}
