//! The append-only file: a folder of files that together are every change since the beginning.
//!
//! ```text
//! manifest ─▶ base (everything up to a cut) + increments (what came after), in Redis's names and formats
//!
//! journal ─▶ Writer on its thread ─▶ the last increment
//! rewrite:  new increment ─▶ cut under all locks: freeze, and the journal goes on in the new increment
//!           ─▶ base from the frozen copy ─▶ manifest: base, new increment ─▶ the old files go
//! ```
//!
//! A crash at any point finds a manifest whose files are whole up to their unsynced ends: a file is synced before it is
//! named, the folder is synced before and after the manifest is replaced, and nothing is removed that a manifest on the disk
//! can still name.
//!
//! * [`Aof`] is what commands and the server see; its control thread ([`control`]) starts, stops and rewrites;
//! * [`writer`] owns the open file and knows whether it can be trusted;
//! * [`read`] and [`load`] are the way back; [`check`] is the tool for an operator;
//! * [`checksum`] is how a flipped bit is found.

pub mod check;
pub mod checksum;
mod control;
pub mod load;
pub mod manifest;
pub mod names;
pub mod read;
pub mod rewrite;
pub mod status;
#[cfg(test)]
mod tests;
pub mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use crate::base::clock::Clock;
use crate::config::{AppendFsync, Config};
use crate::dispatch::Engine;
use crate::journal::Release;
use crate::keyspace::{LockSet, View};
use crate::persist::forget_all;
use crate::persist::snapshot::{self, Style};
use crate::persist::storage::Storage;
use load::{LoadError, Loaded};
use manifest::{Manifest, Part, Role};
use names::Names;
use status::{Orders, Status};
use writer::{OpenLog, Writer};

/// See the module's head.
pub struct Aof {
    storage: Arc<dyn Storage>,
    names: Names,
    orders: Arc<Orders>,
    pub status: Arc<Status>,
    desk: Mutex<Desk>,
    bell: Condvar,
    /// Held by whoever replaces files, or reads them again. Taken before shards and before the desk, never by a worker.
    files: Mutex<Files>,
}

/// The files that there are.
#[derive(Default)]
struct Files {
    manifest: Manifest,
    /// The writer's files are counted.
    generation: u64,
    writer: Option<JoinHandle<io::Result<()>>>,
}

/// What is wanted, and what of it is so.
///
/// **Invariant:** held for moments. Workers take it while they hold shards, so under it nobody waits for shards, files or threads.
#[derive(Default)]
struct Desk {
    /// `appendonly`.
    wanted: bool,
    rewrite_wanted: bool,
    is_stopping: bool,
    /// A writer runs. Changed by the holder of the files only, as is the next.
    is_on: bool,
    /// A restart would load what the writer writes.
    is_vouched: bool,
    control: Option<JoinHandle<()>>,
    /// Monotonic ns before which nothing is tried again after a failure.
    next_try_ns: u64,
    /// Size after the last rewrite, which growth is measured against.
    rewritten_bytes: u64,
}

impl Aof {
    /// Puts the append-only file of `engine` where its configuration says, within `root`. Nothing is read or written yet.
    pub fn install(engine: &Engine, root: PathBuf, storage: Arc<dyn Storage>) -> Arc<Aof> {
        let config = engine.config.snapshot();
        let aof = Arc::new(Aof {
            storage,
            names: Names::new(root, &config),
            orders: Arc::default(),
            status: Arc::new(Status::new()),
            desk: Mutex::default(),
            bell: Condvar::new(),
            files: Mutex::default(),
        });
        engine.parts.put(Arc::clone(&aof));
        aof
    }

    /// Loads what is there, if the configuration asks for it, and goes on writing behind it.
    ///
    /// # Errors
    /// See [`LoadError`]. The engine must not be used then.
    pub fn begin(self: &Arc<Self>, engine: &Arc<Engine>) -> Result<(), LoadError> {
        let config = engine.config.snapshot();
        if !config.appendonly {
            return Ok(());
        }
        let loaded = load::load(engine, &*self.storage, &self.names, &config)?;
        self.start(&mut self.files.lock(), engine, loaded, &config)
            .map_err(|error| LoadError::Disk { path: self.names.folder.clone(), error })
    }

    /// Opens the last increment, makes what is missing, and starts the threads.
    fn start(
        self: &Arc<Self>,
        files: &mut Files,
        engine: &Arc<Engine>,
        loaded: Loaded,
        config: &Config,
    ) -> io::Result<()> {
        self.desk.lock().wanted = true;
        files.manifest = loaded.manifest;
        self.storage.create_dir(&self.names.folder)?;
        self.sweep(&mut files.manifest);
        let mut is_new = false;
        if files.manifest.files().next().is_none() {
            let name = self.names.base(1, config.aof_use_rdb_preamble);
            tracing::info!("Creating AOF base file {name} on server start");
            let mut file = self.storage.create(&self.names.path(&name))?;
            if config.aof_use_rdb_preamble {
                let style = Style { is_aof_base: true, ..Style::of(config) };
                let mut bytes = Vec::new();
                let snapshot = snapshot::cut(engine, style, || {});
                snapshot
                    .ok_or_else(|| io::Error::other("another snapshot is under way"))?
                    .write(&mut bytes)?;
                file.write_all(&bytes)?;
            }
            file.sync()?;
            files.manifest.base = Some(Part::new(name, 1, Role::Base));
            is_new = true;
        }
        let log = match files.manifest.increments.last() {
            Some(part) => {
                let path = self.names.path(&part.name);
                let (len, is_covered) = (loaded.last_bytes, loaded.is_covered);
                load::reopen(&*self.storage, path, len, is_covered, config.aof_checksum)?
            }
            None => {
                let number = files.manifest.next_increment();
                let name = self.names.increment(number);
                tracing::info!("Creating AOF incr file {name} on server start");
                let path = self.names.path(&name);
                let log = self.create_log(engine, path, config)?;
                files.manifest.increments.push(Part::new(name, number, Role::Incremental));
                is_new = true;
                log
            }
        };
        if is_new {
            self.storage.sync_dir(&self.names.folder)?;
            self.persist(&files.manifest)?;
        }
        let total = loaded.earlier_bytes + log.len;
        self.status.earlier_bytes.store(loaded.earlier_bytes, Ordering::Relaxed);
        self.status.base_bytes.store(loaded.base_bytes, Ordering::Relaxed);
        self.launch(files, engine, log, config, true)?;
        let offset = {
            let mut view = View::new(&engine.keyspace, 0);
            view.lock_blocking(&LockSet::All);
            engine.journal.switch(true);
            engine.update_observation();
            engine.journal.end()
        };
        self.orders.vouch(files.generation, offset.0);
        let mut desk = self.desk.lock();
        desk.rewritten_bytes = total;
        self.set_release(engine, config, &desk);
        self.hire_control(&mut desk, engine)
    }

    /// Starts a writer on `log`.
    fn launch(
        &self,
        files: &mut Files,
        engine: &Arc<Engine>,
        log: OpenLog,
        config: &Config,
        is_vouched: bool,
    ) -> io::Result<()> {
        files.generation += 1;
        self.configure_writer(config);
        self.orders.begin(files.generation);
        let (orders, status) = (Arc::clone(&self.orders), Arc::clone(&self.status));
        let writer = Writer::new(log, files.generation, is_vouched, orders, status);
        let (engine, orders) = (Arc::clone(engine), Arc::clone(&self.orders));
        let thread = std::thread::Builder::new().name("ochre-aof".into());
        files.writer = Some(thread.spawn(move || run_writer(writer, &engine, &orders))?);
        let mut desk = self.desk.lock();
        (desk.is_on, desk.is_vouched) = (true, is_vouched);
        Ok(())
    }

    fn hire_control(self: &Arc<Self>, desk: &mut Desk, engine: &Arc<Engine>) -> io::Result<()> {
        if desk.control.is_none() && !desk.is_stopping {
            let (aof, engine) = (Arc::clone(self), Arc::clone(engine));
            let thread = std::thread::Builder::new().name("ochre-aof-jobs".into());
            desk.control = Some(thread.spawn(move || control::run(&aof, &engine))?);
        }
        Ok(())
    }

    /// Removes what a crash has left behind, and history.
    fn sweep(&self, manifest: &mut Manifest) {
        let names = self.storage.list(&self.names.folder).unwrap_or_default();
        for name in names.iter().filter(|name| self.names.is_temporary(name)) {
            tracing::info!("Removing the temporary AOF file {name}");
            // Litter that can't be removed is still only litter.
            let _ = self.storage.remove(&self.names.path(name));
        }
        self.remove_history(manifest);
    }

    fn remove_history(&self, manifest: &mut Manifest) {
        if manifest.history.is_empty() {
            return;
        }
        for part in std::mem::take(&mut manifest.history) {
            tracing::info!("Removing the history file {} in the background", part.name);
            let _ = self.storage.remove(&self.names.path(&part.name));
        }
        if let Err(error) = self.persist(manifest) {
            tracing::warn!("The AOF manifest still names removed history files: {error}");
        }
    }

    /// An empty increment.
    fn create_log(&self, engine: &Engine, path: PathBuf, config: &Config) -> io::Result<OpenLog> {
        let file = self.storage.create(&path)?;
        let stamp = config.aof_timestamp_enabled.then(|| engine.time.now_ms().seconds());
        OpenLog::open(file, path, 0, false, config.aof_checksum, stamp)
    }

    fn persist(&self, manifest: &Manifest) -> io::Result<()> {
        let text = manifest.text();
        self.storage.replace(&self.names.manifest(), &self.names.temporary_manifest(), text.as_bytes())
    }

    fn configure_writer(&self, config: &Config) {
        let spares = config.no_appendfsync_on_rewrite && self.status.is_rewriting.load(Ordering::Relaxed);
        self.orders.change(|settings| {
            settings.fsync = config.appendfsync;
            settings.timestamps = config.aof_timestamp_enabled;
            settings.checksums = config.aof_checksum;
            settings.spares_syncs = spares;
        });
    }

    fn set_release(&self, engine: &Engine, config: &Config, desk: &Desk) {
        let is_strict = desk.is_on && desk.is_vouched && config.appendfsync == AppendFsync::Always;
        engine.journal.set_release(if is_strict { Release::Durable } else { Release::Freely });
    }

    /// Takes up changed options. What takes long is done by the control thread.
    pub fn configure(self: &Arc<Self>, engine: &Arc<Engine>, config: &Config) {
        self.configure_writer(config);
        let mut desk = self.desk.lock();
        if desk.is_vouched || !desk.is_on || config.appendfsync != AppendFsync::Always {
            self.set_release(engine, config, &desk);
        }
        if desk.wanted != config.appendonly {
            desk.wanted = config.appendonly;
            desk.next_try_ns = 0;
            self.status.is_rewriting.store(config.appendonly, Ordering::Relaxed);
            self.note_rewrite_start(engine);
            if let Err(error) = self.hire_control(&mut desk, engine) {
                tracing::error!("The AOF can't be switched: {error}");
            }
            self.bell.notify_all();
        }
        engine.journal.call();
    }

    /// BGREWRITEAOF.
    ///
    /// # Errors
    /// `AlreadyRunning` as a word for the reply.
    pub fn rewrite(self: &Arc<Self>, engine: &Arc<Engine>) -> Result<(), RewriteRefused> {
        let mut desk = self.desk.lock();
        if self.status.is_rewriting.swap(true, Ordering::Relaxed) {
            return Err(RewriteRefused::AlreadyRunning);
        }
        self.note_rewrite_start(engine);
        desk.rewrite_wanted = true;
        self.hire_control(&mut desk, engine).map_err(|_| RewriteRefused::NoThread)?;
        self.bell.notify_all();
        Ok(())
    }

    fn note_rewrite_start(&self, engine: &Engine) {
        self.status.rewrite_began_us.store(engine.time.monotonic_us(), Ordering::Relaxed);
    }

    /// `appendonly` as it is going to be.
    pub fn is_wanted(&self) -> bool {
        self.desk.lock().wanted
    }

    /// Whether the first file since it was switched on is being written: without it a restart would not find what is there.
    pub fn is_first_underway(&self) -> bool {
        let desk = self.desk.lock();
        desk.wanted && desk.is_on && !desk.is_vouched && self.orders.poison().is_none()
    }

    /// Ends everything; what was committed is written and synced.
    ///
    /// # Errors
    /// When that can't be said of all of it.
    pub fn close(&self, engine: &Engine) -> io::Result<()> {
        let control = {
            let mut desk = self.desk.lock();
            desk.is_stopping = true;
            self.bell.notify_all();
            desk.control.take()
        };
        if let Some(control) = control {
            // It panicked if this fails, and has said so.
            let _ = control.join();
        }
        let mut files = self.files.lock();
        if files.writer.is_some() {
            tracing::info!("Calling fsync() on the AOF file.");
        }
        self.stop_writer(&mut files, engine)
    }

    /// Ends the journal and the writer.
    fn stop_writer(&self, files: &mut Files, engine: &Engine) -> io::Result<()> {
        let Some(writer) = files.writer.take() else { return Ok(()) };
        {
            let mut view = View::new(&engine.keyspace, 0);
            view.lock_blocking(&LockSet::All);
            engine.journal.switch(false);
            engine.update_observation();
        }
        self.orders.stop();
        engine.journal.call();
        let ended = writer.join();
        {
            let mut desk = self.desk.lock();
            (desk.is_on, desk.is_vouched) = (false, false);
        }
        engine.journal.reset();
        engine.journal.refuse(None);
        ended.unwrap_or_else(|_| Err(io::Error::other("the writer of the append only file panicked")))
    }

    /// DEBUG LOADAOF: everything is written, forgotten, and loaded again.
    ///
    /// # Errors
    /// See [`LoadError`]. The engine must not be used then.
    pub fn reload(self: &Arc<Self>, engine: &Arc<Engine>) -> Result<(), LoadError> {
        let failed = |error| LoadError::Disk { path: self.names.folder.clone(), error };
        let config = engine.config.snapshot();
        let mut files = self.files.lock();
        engine.lifecycle.loading.store(true, Ordering::SeqCst);
        let mut again = || {
            let was_on = files.writer.is_some();
            self.stop_writer(&mut files, engine).map_err(failed)?;
            {
                let mut view = View::new(&engine.keyspace, 0);
                view.lock_blocking(&LockSet::All);
                forget_all(engine, &mut view);
            }
            let loaded = load::load(engine, &*self.storage, &self.names, &config)?;
            if was_on { self.start(&mut files, engine, loaded, &config).map_err(failed) } else { Ok(()) }
        };
        let loaded = again();
        engine.lifecycle.loading.store(false, Ordering::SeqCst);
        loaded
    }
}

/// Why BGREWRITEAOF did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewriteRefused {
    AlreadyRunning,
    NoThread,
}

fn run_writer(mut writer: Writer, engine: &Engine, orders: &Orders) -> io::Result<()> {
    let clock = || engine.time.monotonic_ns();
    loop {
        if orders.is_stopping() {
            return writer.finish(&engine.journal, &clock, engine.time.now_ms().seconds());
        }
        let nap = writer.turn(&engine.journal, &clock, engine.time.now_ms().seconds());
        if nap.at_most.is_none_or(|time| !time.is_zero()) {
            engine.journal.sleep(nap.alarm, nap.at_most);
        }
    }
}
