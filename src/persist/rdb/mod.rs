//! The snapshot file: saving it, on request or by save points, and loading it at boot.
//!
//! ```text
//! temp-PID.rdb ─ write ─ sync ─▶ rename to dbfilename ─▶ sync of the folder          or the old file stays
//! ```
//!
//! * [`Saver`] is what commands and the server see: one save at a time, in the background or while the asker waits;
//! * [`load`] is the way back, [`check`] the tool for an operator;
//! * [`status`] is what INFO tells.
//!
//! After a save in the background that failed, writes are refused until one succeeds, if save points ask for saves and
//! `stop-writes-on-bgsave-error` says so: data that can't be saved should not grow unnoticed.

pub mod check;
mod insert;
pub mod load;
pub mod status;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::snapshot::{Snapshot, Style, Written, cut, cut_in, cut_patiently};
use crate::base::clock::{Clock, UnixMs};
use crate::config::Config;
use crate::dispatch::Engine;
use crate::dispatch::pause::PauseMode;
use crate::keyspace::View;
use crate::persist::storage::{Growing, Storage, folder_of};
use status::Status;

/// Bytes that are synced at once while a file is written, so that the last sync is short, and none keeps the processor from others
/// for long: handing 32 MB to the disk takes the kernel 3.5 ms.
const SYNC_BYTES: u64 = 8 << 20;
/// After a failure save points wait so long, in seconds.
const RETRY_SECONDS: u64 = 5;

/// See the module's head.
pub struct Saver {
    storage: Arc<dyn Storage>,
    root: PathBuf,
    pub status: Arc<Status>,
    /// BGSAVE SCHEDULE asked for one behind what is under way.
    is_scheduled: AtomicBool,
    job: Mutex<Option<JoinHandle<()>>>,
    /// What is being written in the background is not wanted any more.
    is_given_up: AtomicBool,
}

/// Why nothing is saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error("a save is under way")]
    AlreadySaving,
    #[error("another snapshot is under way")]
    OtherSnapshot,
    #[error("{0}")]
    Disk(#[from] io::Error),
}

impl Saver {
    /// Puts the snapshot file of `engine` within `root`. Nothing is read or written yet.
    pub fn install(engine: &Engine, root: PathBuf, storage: Arc<dyn Storage>) -> Arc<Saver> {
        let saver = Arc::new(Saver {
            storage,
            root,
            status: Arc::default(),
            is_scheduled: AtomicBool::new(false),
            job: Mutex::default(),
            is_given_up: AtomicBool::new(false),
        });
        engine.parts.put(Arc::clone(&saver));
        saver
    }

    /// Where the file is.
    pub fn path(&self, config: &Config) -> PathBuf {
        self.root.join(&config.dbfilename)
    }

    /// Saves now, while the caller waits.
    ///
    /// # Errors
    /// See [`SaveError`]; the file is what it was.
    pub fn save(&self, engine: &Arc<Engine>) -> Result<Written, SaveError> {
        let snapshot = self.begin(engine, |style| cut(engine, style, || {}))?;
        let written = self.replace_file(engine, snapshot);
        Ok(self.finish(engine, written, false)?)
    }

    /// Saves in the background. Blocks until it has all locks, unless a script holds one for long.
    ///
    /// # Errors
    /// [`SaveError::AlreadySaving`], [`SaveError::OtherSnapshot`] (or that script), or there is no thread to be had.
    pub fn start(self: &Arc<Self>, engine: &Arc<Engine>) -> Result<(), SaveError> {
        let snapshot = self.begin(engine, |style| cut_patiently(engine, style))?;
        self.spawn(engine, snapshot)
    }

    /// As [`start`](Self::start), for who holds all shards.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_in(self: &Arc<Self>, view: &mut View<'_>, engine: &Arc<Engine>) -> Result<(), SaveError> {
        let snapshot = self.begin(engine, |style| cut_in(view, engine, style, || {}))?;
        self.spawn(engine, snapshot)
    }

    fn spawn(self: &Arc<Self>, engine: &Arc<Engine>, snapshot: Snapshot) -> Result<(), SaveError> {
        let (saver, on) = (Arc::clone(self), Arc::clone(engine));
        let work = move || {
            let written = saver.replace_file(&on, snapshot);
            // It was logged, and INFO tells it.
            let _ = saver.finish(&on, written, true);
        };
        let mut job = self.job.lock();
        match std::thread::Builder::new().name("ochre-save".into()).spawn(work) {
            Ok(thread) => *job = Some(thread),
            Err(error) => {
                self.finish(engine, Err(error), true)?;
            }
        }
        tracing::info!("Background saving started");
        Ok(())
    }

    /// Saves in the background as soon as nothing else is under way.
    pub fn schedule(&self) {
        self.is_scheduled.store(true, Ordering::Release);
    }

    /// Waits for a save in the background.
    pub fn wait(&self) {
        let job = self.job.lock().take();
        if let Some(job) = job {
            // What went wrong is in the log.
            let _ = job.join();
        }
    }

    /// What is being saved in the background is not wanted any more; that is no failure.
    pub fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Release);
    }

    /// All data was thrown away (FLUSHALL): replaces the file by one of what there is now, behind a save that was given up.
    /// Blocks this thread until that is done or has failed. If another kind of snapshot is under way, the file is
    /// replaced soon after it.
    pub fn start_over(&self, engine: &Arc<Engine>) {
        self.wait();
        match self.save(engine) {
            // What the disk refused was logged.
            Ok(_) | Err(SaveError::Disk(_)) => {}
            Err(SaveError::AlreadySaving | SaveError::OtherSnapshot) => self.schedule(),
        }
    }

    /// Gets ready for the end of the server: what is being saved is given up, and all data saved if `saves`. Requests wait from
    /// then on, so that nothing is acknowledged behind the save.
    ///
    /// # Errors
    /// See [`SaveError`]; then requests go on.
    pub fn prepare_exit(&self, engine: &Arc<Engine>, saves: bool) -> Result<(), SaveError> {
        self.give_up();
        self.wait();
        if !saves {
            return Ok(());
        }
        tracing::info!("Saving the final RDB snapshot before exiting.");
        engine.pause(PauseMode::All, UnixMs(u64::MAX), engine.time.now_ms());
        let saved = self.save(engine);
        if saved.is_err() {
            engine.go_on();
        }
        saved.map(drop)
    }

    /// Saves what came behind [`prepare_exit`](Self::prepare_exit), if anything did; nobody is served any more.
    pub fn finish_exit(&self, engine: &Arc<Engine>, was_saved: bool) {
        if was_saved && self.status.unsaved_changes(engine) > 0 {
            // What went wrong was logged.
            let _ = self.save(engine);
        }
    }

    /// What is due: a scheduled save, or one that a save point asks for. Call now and then.
    pub fn tick(self: &Arc<Self>, engine: &Arc<Engine>) {
        if self.status.is_saving() || engine.lifecycle.loading.load(Ordering::Relaxed) {
            return;
        }
        let is_due = self.is_scheduled.load(Ordering::Acquire) || self.is_due(engine);
        if !is_due || engine.keyspace.is_being_saved() || engine.long_scripts.any() {
            return;
        }
        self.is_scheduled.store(false, Ordering::Release);
        if let Err(error) = self.start(engine) {
            tracing::warn!("Background saving can't start: {error}");
        }
    }

    fn is_due(&self, engine: &Engine) -> bool {
        let config = engine.config.snapshot();
        let (now, changes) = (engine.time.now_ms().seconds(), self.status.unsaved_changes(engine));
        let since = now.saturating_sub(engine.gauges.last_save_seconds.load(Ordering::Relaxed));
        if !self.status.is_fine() && now.saturating_sub(self.status.last_try_seconds()) < RETRY_SECONDS {
            return false;
        }
        let is_over = |seconds: i64| u64::try_from(seconds).is_ok_and(|seconds| since > seconds);
        let point = config.save.iter().find(|point| changes >= point.changes && is_over(point.seconds));
        if let Some(point) = point {
            tracing::info!("{} changes in {} seconds. Saving...", point.changes, point.seconds);
        }
        point.is_some()
    }

    /// Cuts, if no save is under way.
    fn begin(
        &self,
        engine: &Engine,
        cut: impl FnOnce(Style) -> Option<Snapshot>,
    ) -> Result<Snapshot, SaveError> {
        if !self.status.begin(engine) {
            return Err(SaveError::AlreadySaving);
        }
        self.is_given_up.store(false, Ordering::Release);
        match cut(Style::of(&engine.config.snapshot())) {
            Some(snapshot) => {
                self.status.follow(&snapshot);
                Ok(snapshot)
            }
            None => {
                self.status.give_up();
                Err(SaveError::OtherSnapshot)
            }
        }
    }

    /// Writes the file, in the place of the old one once it is whole and on the disk.
    fn replace_file(&self, engine: &Engine, snapshot: Snapshot) -> io::Result<Written> {
        let config = engine.config.snapshot();
        let path = self.path(&config);
        let temporary = self.temporary();
        let written = self.write_temporary(&temporary, snapshot, config.rdb_save_incremental_fsync);
        let moved = written.and_then(|written| {
            self.storage.rename(&temporary, &path)?;
            Ok(written)
        });
        if moved.is_err() {
            // Best effort: it is only litter.
            let _ = self.storage.remove(&temporary);
        }
        let written = moved?;
        self.storage.sync_dir(folder_of(&path))?;
        Ok(written)
    }

    fn temporary(&self) -> PathBuf {
        self.root.join(format!("temp-{}.rdb", std::process::id()))
    }

    /// Removes what is being written, for who ends the process in the middle of it.
    pub fn remove_temporary(&self) {
        // Most often there is none.
        let _ = self.storage.remove(&self.temporary());
    }

    fn write_temporary(&self, path: &Path, snapshot: Snapshot, syncs: bool) -> io::Result<Written> {
        let mut file = self.storage.create(path)?;
        let is_given_up = || self.is_given_up.load(Ordering::Acquire);
        let written = snapshot.write(Growing::new(&mut *file, syncs.then_some(SYNC_BYTES), &is_given_up))?;
        file.sync()?;
        Ok(written)
    }

    /// A failure of which nobody is told at once has consequences; who asked and waited knows himself.
    fn finish(
        &self,
        engine: &Engine,
        written: io::Result<Written>,
        in_background: bool,
    ) -> io::Result<Written> {
        let is_given_up = written.is_err() && self.is_given_up.load(Ordering::Acquire);
        let in_background = in_background && !is_given_up;
        self.status.end(engine, &written, in_background);
        match &written {
            Ok(written) => {
                tracing::info!("DB saved on disk: {} keys, {} bytes", written.keys, written.bytes);
                engine.lifecycle.set_unsaved(None);
            }
            Err(error) => {
                let config = engine.config.snapshot();
                let reason = self.describe(&self.path(&config), error);
                if is_given_up {
                    tracing::info!("A save was given up");
                } else {
                    tracing::warn!("Saving failed: {reason}");
                }
                if in_background {
                    engine.lifecycle.set_unsaved(Some(reason));
                }
            }
        }
        written
    }

    /// What an operator needs to know of a disk that does not take the file.
    fn describe(&self, path: &Path, error: &io::Error) -> String {
        let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let uid = rustix::process::geteuid().as_raw();
        let free = match self.storage.free_bytes(folder_of(path)) {
            Ok(free) => format!("{free} bytes free"),
            Err(_) => "free space unknown".to_owned(),
        };
        format!("{}: {error} (uid {uid}, {free})", shown.display())
    }

    pub(super) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }
}
