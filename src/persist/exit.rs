//! The last thing before the end: what has to be on the disk is, or the server goes on.
//!
//! ```text
//! SHUTDOWN, or a signal ─▶ the first append-only file is being written?   refused, unless by force
//!                       ─▶ a save in the background                       given up
//!                       ─▶ save points, or SAVE                           saved while nobody is served; refused if that fails
//! ```
//!
//! What is being loaded lies on the disk already and is not saved.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::dispatch::Engine;
use crate::dispatch::engine::ShutdownRequest;
use crate::persist::aof::Aof;
use crate::persist::rdb::Saver;

/// Why the server can't end; said in the log as well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("Writing initial AOF, can't exit")]
    FirstLog,
    #[error("Error trying to save the DB, can't exit: {0}")]
    Save(String),
}

/// Gets ready for the end; whether the data set is one that is saved. Requests wait from then on.
///
/// # Errors
/// See [`Refused`]; then requests go on. Never when `request.force` is set.
pub fn prepare(engine: &Arc<Engine>, request: ShutdownRequest) -> Result<bool, Refused> {
    if engine.parts.find::<Aof>().is_some_and(|aof| aof.is_first_underway()) {
        if !request.force {
            return Err(refused(Refused::FirstLog));
        }
        tracing::warn!("Writing initial AOF. Exit anyway.");
    }
    let is_loading = engine.lifecycle.loading.load(Ordering::SeqCst);
    let saves = match request.save {
        _ if is_loading => false,
        Some(saves) => saves,
        None => !engine.config.snapshot().save.is_empty(),
    };
    let Some(saver) = engine.parts.find::<Saver>() else { return Ok(saves) };
    match saver.prepare_exit(engine, saves) {
        Ok(()) => Ok(saves),
        Err(error) if request.force => {
            tracing::warn!("Error trying to save the DB. Exit anyway: {error}");
            Ok(false)
        }
        Err(error) => Err(refused(Refused::Save(error.to_string()))),
    }
}

fn refused(why: Refused) -> Refused {
    tracing::warn!("{why}");
    why
}
