//! How far a snapshot is: what INFO tells of a save or a rewrite while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::snapshot::Snapshot;

/// See the module's head.
#[derive(Default)]
pub struct Progress(Mutex<Option<(Arc<AtomicU64>, u64)>>);

impl Progress {
    /// Follows a snapshot that is about to be written.
    pub fn follow(&self, snapshot: &Snapshot) {
        *self.0.lock() = Some((snapshot.progress(), snapshot.keys()));
    }

    /// It is written, or given up.
    pub fn end(&self) {
        *self.0.lock() = None;
    }

    /// Keys written so far, and keys in all; zeros while there is nothing to follow.
    pub fn told(&self) -> (u64, u64) {
        let followed = self.0.lock();
        followed.as_ref().map_or((0, 0), |(done, keys)| (done.load(Ordering::Relaxed), *keys))
    }
}
