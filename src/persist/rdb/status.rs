//! What is known of saving and loading: for INFO, save points, and the refusal of writes.

use std::io;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

use super::super::progress::Progress;
use super::super::snapshot::{Snapshot, Written};
use crate::base::clock::Clock;
use crate::dispatch::Engine;

/// See the module's head.
pub struct Status {
    is_saving: AtomicBool,
    began_seconds: AtomicU64,
    /// How far the present save is.
    pub saved: Progress,
    /// Changes that the server had counted at the present save's cut, and at that of the last one that succeeded.
    changes_at_cut: AtomicU64,
    changes_saved: AtomicU64,
    has_failed: AtomicBool,
    last_try_seconds: AtomicU64,
    /// −1 before the first.
    last_took_seconds: AtomicI64,
    saves: AtomicU64,
    /// What the last load found.
    pub keys_loaded: AtomicU64,
    pub keys_expired: AtomicU64,
}

impl Default for Status {
    fn default() -> Status {
        Status {
            is_saving: AtomicBool::new(false),
            began_seconds: AtomicU64::new(0),
            saved: Progress::default(),
            changes_at_cut: AtomicU64::new(0),
            changes_saved: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
            last_try_seconds: AtomicU64::new(0),
            last_took_seconds: AtomicI64::new(-1),
            saves: AtomicU64::new(0),
            keys_loaded: AtomicU64::new(0),
            keys_expired: AtomicU64::new(0),
        }
    }
}

impl Status {
    /// Notes that a save begins; `false` if one is under way.
    pub(super) fn begin(&self, engine: &Engine) -> bool {
        if self.is_saving.swap(true, AcqRel) {
            return false;
        }
        let now = engine.time.now_ms().seconds();
        self.began_seconds.store(now, Relaxed);
        self.last_try_seconds.store(now, Relaxed);
        true
    }

    /// Nothing came of what began.
    pub(super) fn give_up(&self) {
        self.is_saving.store(false, Release);
    }

    pub(super) fn follow(&self, snapshot: &Snapshot) {
        self.saved.follow(snapshot);
        self.changes_at_cut.store(snapshot.changes(), Relaxed);
    }

    pub(super) fn end(&self, engine: &Engine, written: &io::Result<Written>, in_background: bool) {
        let now = engine.time.now_ms().seconds();
        let took = now.saturating_sub(self.began_seconds.load(Relaxed));
        self.last_took_seconds.store(i64::try_from(took).unwrap_or(i64::MAX), Relaxed);
        if written.is_ok() || in_background {
            self.has_failed.store(written.is_err(), Relaxed);
        }
        if written.is_ok() {
            self.saves.fetch_add(1, Relaxed);
            self.changes_saved.store(self.changes_at_cut.load(Relaxed), Relaxed);
            engine.gauges.last_save_seconds.store(now, Relaxed);
        }
        self.saved.end();
        self.is_saving.store(false, Release);
    }

    /// Forgets the changes so far: they are in the file that was loaded.
    pub(super) fn note_loaded(&self, engine: &Engine, keys: u64, expired: u64) {
        self.keys_loaded.store(keys, Relaxed);
        self.keys_expired.store(expired, Relaxed);
        self.changes_saved.store(engine.stats.lifetime_totals().changes, Relaxed);
    }

    pub fn is_saving(&self) -> bool {
        self.is_saving.load(Acquire)
    }

    /// Whether the last save succeeded, or there was none.
    pub fn is_fine(&self) -> bool {
        !self.has_failed.load(Relaxed)
    }

    /// Changes since the cut of the last save.
    pub fn unsaved_changes(&self, engine: &Engine) -> u64 {
        engine.stats.lifetime_totals().changes.saturating_sub(self.changes_saved.load(Relaxed))
    }

    pub fn last_try_seconds(&self) -> u64 {
        self.last_try_seconds.load(Relaxed)
    }

    /// Seconds that the last save took; −1 before the first.
    pub fn last_took_seconds(&self) -> i64 {
        self.last_took_seconds.load(Relaxed)
    }

    /// Seconds that the present save has taken; `None` without one.
    pub fn takes_seconds(&self, engine: &Engine) -> Option<u64> {
        let now = engine.time.now_ms().seconds();
        self.is_saving().then(|| now.saturating_sub(self.began_seconds.load(Relaxed)))
    }

    /// How many saves succeeded.
    pub fn saves(&self) -> u64 {
        self.saves.load(Relaxed)
    }
}
