//! The thread that starts, stops and rewrites.
//!
//! It looks at what is wanted and what is, and does one thing at a time; whoever wants something says so at the desk and rings.
//!
//! ```text
//! wanted, not on                  start: journal on, a base of everything, then the manifest
//! on, not wanted                  stop: write and sync the rest
//! BGREWRITEAOF, or grown enough   rewrite
//! the writer's file is poisoned   rewrite, every second until it works
//! ```

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::checksum;
use super::manifest::{Part, Role};
use super::rewrite::push_entry;
use super::{Aof, Desk, Files};
use crate::base::clock::Clock;
use crate::config::Config;
use crate::dispatch::Engine;
use crate::keyspace::freeze::FrozenKeyspace;
use crate::keyspace::{JournalOffset, LockSet, View};
use crate::persist::snapshot::{Snapshot, Style, cut_in};
use crate::persist::storage::{File, Growing};
use crate::resp::push_record;
use crate::script::Functions;

/// Between two looks at sizes and failures.
const LOOK: Duration = Duration::from_millis(100);
const RETRY_NS: u64 = 1_000_000_000;
/// Failures in a row after which rewrites by themselves become rare, and the longest pause between them.
const FAILURES_MAX: u64 = 3;
const PAUSE_MAX_MINUTES: u64 = 60;
/// Bytes of a base that are written at once, and that are synced at once.
const CHUNK_BYTES: usize = 256 << 10;
const SYNC_BYTES: u64 = 4 << 20;

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Nothing,
    Stop,
    Rewrite,
    End,
}

/// The loop of the control thread.
pub(super) fn run(aof: &Arc<Aof>, engine: &Arc<Engine>) {
    loop {
        let task = {
            let mut desk = aof.desk.lock();
            let task = aof.task(&mut desk, engine);
            if task == Task::Nothing {
                aof.bell.wait_for(&mut desk, LOOK);
                continue;
            }
            task
        };
        let mut files = aof.files.lock();
        match task {
            Task::End => return,
            Task::Nothing => {}
            Task::Stop => {
                if let Err(error) = aof.stop_writer(&mut files, engine) {
                    tracing::warn!("The AOF was switched off with its end unwritten: {error}");
                }
            }
            Task::Rewrite => aof.run_rewrite(&mut files, engine),
        }
    }
}

impl Aof {
    fn task(&self, desk: &mut Desk, engine: &Engine) -> Task {
        if desk.is_stopping {
            return Task::End;
        }
        if desk.is_on && !desk.wanted {
            return Task::Stop;
        }
        // One snapshot at a time; what is wanted meanwhile waits.
        let is_busy = engine.keyspace.is_being_saved();
        self.status.is_scheduled.store(is_busy && desk.rewrite_wanted, Ordering::Relaxed);
        if is_busy {
            return Task::Nothing;
        }
        if std::mem::take(&mut desk.rewrite_wanted) {
            return Task::Rewrite;
        }
        if engine.time.monotonic_ns() < desk.next_try_ns {
            return Task::Nothing;
        }
        if desk.is_on && self.orders.poison().is_some() {
            desk.is_vouched = false;
        }
        if desk.wanted && !desk.is_vouched {
            return Task::Rewrite;
        }
        if desk.is_on && self.has_grown(desk, &engine.config.snapshot()) {
            return Task::Rewrite;
        }
        Task::Nothing
    }

    fn has_grown(&self, desk: &Desk, config: &Config) -> bool {
        let total = self.status.total_bytes();
        if config.auto_aof_rewrite_percentage == 0 || total < config.auto_aof_rewrite_min_size.max(1) {
            return false;
        }
        let base = desk.rewritten_bytes.max(1);
        let growth = total.saturating_sub(base).saturating_mul(100) / base;
        let has_grown = growth >= u64::from(config.auto_aof_rewrite_percentage);
        if has_grown {
            tracing::info!("Starting automatic rewriting of AOF on {growth}% growth");
        }
        has_grown
    }

    fn run_rewrite(&self, files: &mut Files, engine: &Arc<Engine>) {
        let status = &self.status;
        status.is_rewriting.store(true, Ordering::Relaxed);
        self.note_rewrite_start(engine);
        let config = engine.config.snapshot();
        self.configure_writer(&config);
        let began_us = engine.time.monotonic_us();
        tracing::info!("Background append only file rewriting started");
        let result = self.rewrite_now(files, engine, &config);
        let now_us = engine.time.monotonic_us();
        status.last_rewrite_s.store(((now_us - began_us) / 1_000_000) as i64, Ordering::Relaxed);
        status.rewrites.fetch_add(1, Ordering::Relaxed);
        status.has_rewrite_failed.store(result.is_err(), Ordering::Relaxed);
        match result {
            Ok(()) => {
                status.failures_in_a_row.store(0, Ordering::Relaxed);
                tracing::info!("Background AOF rewrite finished successfully");
            }
            Err(error) => self.note_failure(engine, &error),
        }
        status.is_rewriting.store(false, Ordering::Relaxed);
        self.configure_writer(&engine.config.snapshot());
        engine.journal.call();
    }

    fn note_failure(&self, engine: &Engine, error: &io::Error) {
        tracing::warn!("Background AOF rewrite failed: {error}");
        let failures = self.status.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        let mut desk = self.desk.lock();
        let now_ns = engine.time.monotonic_ns();
        desk.next_try_ns = now_ns + RETRY_NS;
        if failures >= FAILURES_MAX && desk.is_vouched {
            let minutes = (1u64 << (failures - FAILURES_MAX).min(10)).min(PAUSE_MAX_MINUTES);
            desk.next_try_ns = now_ns + minutes * 60 * 1_000_000_000;
            tracing::warn!(
                "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {minutes} minutes"
            );
        }
    }

    fn is_cancelled(&self, was_wanted: bool) -> bool {
        let desk = self.desk.lock();
        desk.is_stopping || desk.wanted != was_wanted
    }

    /// The steps of a rewrite; see the head of [`super`].
    fn rewrite_now(&self, files: &mut Files, engine: &Arc<Engine>, config: &Config) -> io::Result<()> {
        self.storage.create_dir(&self.names.folder)?;
        if files.writer.is_none() {
            // What is there from an earlier time is history as soon as this is done.
            files.manifest = super::load::find_manifest(&*self.storage, &self.names)
                .map_err(|error| io::Error::other(error.to_string()))?
                .unwrap_or_default();
        }
        let (wanted, is_vouched) = {
            let desk = self.desk.lock();
            (desk.wanted, desk.is_vouched)
        };
        let cut = if wanted {
            self.cut(files, engine, config, is_vouched)?
        } else {
            Cut::without_log(engine, config)?
        };
        let Cut { source, generation, offset, increment, temporary } = cut;
        let is_rdb = matches!(source, Source::Snapshot(_));
        let base = self.write_base(source, config, wanted, engine.time.now_ms().seconds());
        let base_bytes = base.inspect_err(|_| self.remove_temporaries_of(temporary.as_ref()))?;
        if self.is_cancelled(wanted) {
            self.remove_temporaries_of(temporary.as_ref());
            return Err(io::Error::other("cancelled"));
        }
        let number = files.manifest.next_base();
        let base = Part::new(self.names.base(number, is_rdb), number, Role::Base);
        let mut manifest = files.manifest.clone();
        if let Some((_, part)) = &temporary {
            manifest.increments.push(part.clone());
        }
        let first = increment.unwrap_or_else(|| manifest.next_increment());
        manifest.supersede(base.clone(), first);
        self.commit_manifest(&manifest, &base, temporary.as_ref())?;
        files.manifest = manifest;
        self.status.base_bytes.store(base_bytes, Ordering::Relaxed);
        self.status.earlier_bytes.store(base_bytes, Ordering::Relaxed);
        {
            let mut desk = self.desk.lock();
            desk.rewritten_bytes = base_bytes;
            if desk.is_on {
                desk.is_vouched = true;
                self.orders.vouch(generation, offset.0);
                self.set_release(engine, config, &desk);
                engine.journal.call();
            }
        }
        if !config.aof_disable_auto_gc {
            self.remove_history(&mut files.manifest);
        }
        Ok(())
    }

    /// Freezes the data set, and leads the journal into a new increment at the same moment.
    fn cut(
        &self,
        files: &mut Files,
        engine: &Arc<Engine>,
        config: &Config,
        is_vouched: bool,
    ) -> io::Result<Cut> {
        let is_on = files.writer.is_some();
        let number = files.manifest.next_increment();
        let part = Part::new(self.names.increment(number), number, Role::Incremental);
        let is_named = is_on && is_vouched;
        let name = if is_named { part.name.clone() } else { self.names.temporary_increment(number) };
        tracing::info!("Creating AOF incr file {name} on background rewrite");
        let path = self.names.path(&name);
        let log = self.create_log(engine, path, config)?;
        self.storage.sync_dir(&self.names.folder)?;
        if is_named {
            let mut manifest = files.manifest.clone();
            manifest.increments.push(part.clone());
            self.persist(&manifest)?;
            files.manifest = manifest;
            let before = self.status.total_bytes();
            self.status.earlier_bytes.store(before, Ordering::Relaxed);
        }
        let temporary = (!is_named).then_some((name, part));
        let cut = if is_on {
            files.generation += 1;
            self.orders.hand_over(files.generation, log);
            freeze(engine, config, || engine.journal.cut(files.generation))
        } else {
            self.launch(files, engine, log, config, false)?;
            let cut = freeze(engine, config, || {
                engine.journal.switch(true);
                engine.update_observation();
                engine.journal.end()
            });
            if cut.is_err() {
                // A writer without a journal is of no use, and has written nothing.
                let _ = self.stop_writer(files, engine);
            }
            cut
        };
        let (source, offset) = cut?;
        Ok(Cut { source, generation: files.generation, offset, increment: Some(number), temporary })
    }

    /// Writes the base under its temporary name and syncs it; returns its bytes.
    fn write_base(
        &self,
        source: Source,
        config: &Config,
        wanted: bool,
        unix_seconds: u64,
    ) -> io::Result<u64> {
        let mut file = self.storage.create(&self.names.temporary_base())?;
        let (frozen, functions) = match source {
            Source::Frozen(frozen, functions) => (frozen, functions),
            Source::Snapshot(snapshot) => {
                let sync_every = config.aof_rewrite_incremental_fsync.then_some(SYNC_BYTES);
                let is_cancelled = || self.is_cancelled(wanted);
                self.status.saved.follow(&snapshot);
                let written = snapshot.write(Growing::new(&mut *file, sync_every, &is_cancelled));
                self.status.saved.end();
                let written = written?;
                file.sync()?;
                return Ok(written.bytes);
            }
        };
        let mut base = BaseWriter::new(&mut *file, config);
        if config.aof_timestamp_enabled {
            base.put(format!("#TS:{unix_seconds}\r\n").as_bytes())?;
        }
        for code in &functions {
            push_record(&mut base.buffer, [b"FUNCTION".as_slice(), b"LOAD", code].into_iter());
        }
        for (db, entries) in frozen.databases() {
            let number = db.0.to_string();
            push_record(&mut base.buffer, [b"SELECT".as_slice(), number.as_bytes()].into_iter());
            for entry in entries {
                push_entry(&mut base.buffer, entry);
                if base.buffer.len() >= CHUNK_BYTES {
                    base.flush()?;
                    if self.is_cancelled(wanted) {
                        return Err(io::Error::other("cancelled"));
                    }
                }
            }
        }
        base.flush()?;
        let len = base.finish()?;
        file.sync()?;
        Ok(len)
    }

    /// Gives the files their names and replaces the manifest. A complete manifest under its temporary name lies there before the
    /// first file has its name, so that a start can tell what a crash in between has left.
    fn commit_manifest(
        &self,
        manifest: &super::Manifest,
        base: &Part,
        temporary: Option<&(String, Part)>,
    ) -> io::Result<()> {
        let (storage, folder) = (&*self.storage, &self.names.folder);
        let staged = self.names.temporary_manifest();
        let mut file = storage.create(&staged)?;
        file.write_all(manifest.text().as_bytes())?;
        file.sync()?;
        storage.sync_dir(folder)?;
        storage.rename(&self.names.temporary_base(), &self.names.path(&base.name))?;
        if let Some((name, part)) = temporary {
            storage.rename(&self.names.path(name), &self.names.path(&part.name))?;
        }
        storage.sync_dir(folder)?;
        storage.rename(&staged, &self.names.manifest())?;
        storage.sync_dir(folder)
    }

    /// Best effort: what stays is removed by the next start.
    fn remove_temporaries_of(&self, increment: Option<&(String, Part)>) {
        let _ = self.storage.remove(&self.names.temporary_base());
        if let Some((name, _)) = increment {
            let _ = self.storage.remove(&self.names.path(name));
        }
    }
}

/// The data set at one moment, in the form that the base will have.
enum Source {
    /// For commands: the keys, and the texts of the libraries of functions.
    Frozen(FrozenKeyspace, Vec<Vec<u8>>),
    /// For an RDB file.
    Snapshot(Snapshot),
}

/// Freezes the data set; `at_cut` runs at the same moment.
fn freeze<R>(engine: &Arc<Engine>, config: &Config, at_cut: impl FnOnce() -> R) -> io::Result<(Source, R)> {
    let mut view = View::new(&engine.keyspace, 0);
    view.lock_blocking(&LockSet::All);
    if !config.aof_use_rdb_preamble {
        let functions = engine.parts.find::<Functions>().map(|functions| functions.codes());
        return Ok((Source::Frozen(view.freeze(), functions.unwrap_or_default()), at_cut()));
    }
    let style = Style { is_aof_base: true, ..Style::of(config) };
    let mut answer = None;
    let snapshot = cut_in(&mut view, engine, style, || answer = Some(at_cut()));
    match (snapshot, answer) {
        (Some(snapshot), Some(answer)) => Ok((Source::Snapshot(snapshot), answer)),
        _ => Err(io::Error::other("another snapshot is under way")),
    }
}

/// One moment of the data set.
struct Cut {
    source: Source,
    generation: u64,
    offset: JournalOffset,
    /// Number of the increment that begins here.
    increment: Option<u64>,
    /// It has another name until the manifest names it.
    temporary: Option<(String, Part)>,
}

impl Cut {
    /// The data set alone: there is no log that would go on.
    fn without_log(engine: &Arc<Engine>, config: &Config) -> io::Result<Cut> {
        let (source, ()) = freeze(engine, config, || ())?;
        Ok(Cut { source, generation: 0, offset: JournalOffset(0), increment: None, temporary: None })
    }
}

/// Writes a base in blocks.
struct BaseWriter<'f> {
    file: &'f mut dyn File,
    buffer: Vec<u8>,
    len: u64,
    synced: u64,
    checksums: bool,
    is_covered: bool,
    syncs: bool,
}

impl<'f> BaseWriter<'f> {
    fn new(file: &'f mut dyn File, config: &Config) -> BaseWriter<'f> {
        BaseWriter {
            file,
            buffer: Vec::with_capacity(2 * CHUNK_BYTES),
            len: 0,
            synced: 0,
            checksums: config.aof_checksum,
            is_covered: false,
            syncs: config.aof_rewrite_incremental_fsync,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.checksums {
            if !std::mem::replace(&mut self.is_covered, true) {
                self.put(&checksum::start_line(self.len))?;
            }
            let line = checksum::block_line(self.len, self.synced, &[&self.buffer]);
            self.put(&line)?;
        }
        let buffer = std::mem::take(&mut self.buffer);
        self.put(&buffer)?;
        self.buffer = buffer;
        self.buffer.clear();
        if self.syncs && self.len - self.synced >= SYNC_BYTES {
            self.file.sync()?;
            self.synced = self.len;
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Everything before the end is on the disk, says the last line.
    fn finish(mut self) -> io::Result<u64> {
        if self.is_covered {
            self.file.sync()?;
            let line = checksum::block_line(self.len, self.len, &[]);
            self.put(&line)?;
        }
        Ok(self.len)
    }
}
