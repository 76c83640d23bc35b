//! What outlives the process: the append-only file, and the seam to the disk below it.
//!
//! ```text
//! commit ─▶ journal (memory) ─▶ aof::Writer ─▶ storage ─▶ disk
//! boot   ◀─ aof::load ◀──────────────────────  storage ◀─ disk
//! ```

use crate::dispatch::Engine;
use crate::keyspace::{DbIndex, View};
use crate::script::Functions;

pub mod aof;
pub mod exit;
mod pace;
pub mod progress;
pub mod rdb;
pub mod snapshot;
pub mod storage;

/// Forgets all data, functions too, before it is loaded again; `view` holds all shards. Nothing happened to anybody: who listens
/// hears nothing, and who caches is told when it is loaded.
pub fn forget_all(engine: &Engine, view: &mut View<'_>) {
    for db in 0..engine.keyspace.databases() {
        view.flush(DbIndex(db), false);
    }
    if let Some(functions) = engine.parts.find::<Functions>() {
        functions.flush();
    }
    view.forget_effects();
}
