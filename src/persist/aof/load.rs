//! Loading: the manifest's files one after the other, each command through the executor.
//!
//! ```text
//! no manifest, no files          nothing to load
//! no manifest, an old file       it becomes the base of a new folder, as Redis 7 does it
//! no manifest, but numbered files refused: nobody can tell which of them count
//! manifest                       base, increments in order; only the end of the last file that has something in it may be cut
//! ```
//!
//! What is cut from an end that is more than unfinished is kept beside it, in a file whose name says from which offset.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::checksum;
use super::manifest::{MANIFEST_MAX_BYTES, Manifest, ManifestError, Part, Role};
use super::names::Names;
use super::read::{LogReader, Stop, Verdict, Visitor};
use super::writer::OpenLog;
use crate::base::clock::{Clock, UnixMs};
use crate::config::Config;
use crate::dispatch::{Engine, Executor, ReplayError};
use crate::persist::rdb;
use crate::persist::storage::{Storage, folder_of};
use crate::rdb::read::Reader;
use crate::resp::{Args, Output};
use crate::session::{Client, ClientId, Session, Transport};

/// Failed commands that are logged one by one.
const FAILURES_LOGGED: u64 = 10;
/// Between two looks at the progress, in commands.
const PROGRESS_EVERY: u64 = 1024;

/// Why the data could not be loaded. `Display` is a line for the log.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("Can't read the AOF file {}: {error}", path.display())]
    Disk { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Manifest { path: PathBuf, error: ManifestError },
    #[error(
        "The AOF manifest {} names the file {name} and it can't be opened: {error}. Nothing was loaded and nothing was changed; restore the file, or the whole folder from a backup",
        path.display()
    )]
    Missing { path: PathBuf, name: String, error: io::Error },
    #[error(
        "There is no manifest {} but there are AOF files beside it ({name}): which of them count can't be told. Restore the manifest, or move the files away to start without them",
        path.display()
    )]
    NoManifest { path: PathBuf, name: String },
    #[error(
        "Unexpected end of file reading the append only file {} at offset {offset}. You can: 1) Make a backup of your AOF file, then use ochre check-aof --fix {}. 2) Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the server.",
        path.display(), manifest.display()
    )]
    CutOff { path: PathBuf, manifest: PathBuf, offset: u64 },
    #[error(
        "Bad file format reading the append only file {} at offset {offset}: {what}. Make a backup of your AOF file, then use ochre check-aof --fix {}",
        path.display(), manifest.display()
    )]
    Broken { path: PathBuf, manifest: PathBuf, offset: u64, what: &'static str },
    #[error("{error} reading the append only file {} at offset {offset}", path.display())]
    Command { path: PathBuf, offset: u64, error: ReplayError },
    #[error("Error reading the RDB preamble of the AOF file {}: {error}", path.display())]
    Rdb { path: PathBuf, error: rdb::load::LoadError },
}

impl LoadError {
    fn disk(path: &Path) -> impl FnOnce(io::Error) -> LoadError + use<> {
        let path = path.to_owned();
        move |error| LoadError::Disk { path, error }
    }
}

/// What was found on the disk.
#[derive(Debug, Default)]
pub struct Loaded {
    pub manifest: Manifest,
    /// Whether there was a manifest, or an old file that it was made for.
    pub was_there: bool,
    /// Bytes of the files before the last, and of the last, after it was cut.
    pub earlier_bytes: u64,
    pub last_bytes: u64,
    /// The last file is covered by checksums.
    pub is_covered: bool,
    pub base_bytes: u64,
}

/// Finds the manifest, or makes one for an old file.
///
/// # Errors
/// See [`LoadError`].
pub fn find_manifest(storage: &dyn Storage, names: &Names) -> Result<Option<Manifest>, LoadError> {
    let path = names.manifest();
    if storage.exists(&path) {
        let bytes = storage.read(&path, MANIFEST_MAX_BYTES).map_err(LoadError::disk(&path))?;
        let manifest =
            Manifest::parse(&bytes).map_err(|error| LoadError::Manifest { path: path.clone(), error })?;
        return finish_upgrade(storage, names, manifest).map(Some);
    }
    let files = storage.list(&names.folder).unwrap_or_default();
    if let Some(name) = files.iter().find(|name| names.is_data(name)) {
        return finish_first(storage, names, &files, name.clone());
    }
    if !storage.exists(&names.old_style()) {
        return Ok(None);
    }
    let base = Part::new(names.old_style_name().to_owned(), 1, Role::Base);
    let manifest = Manifest { base: Some(base), ..Manifest::default() };
    let write = || {
        storage.create_dir(&names.folder)?;
        storage.replace(&path, &names.temporary_manifest(), manifest.text().as_bytes())
    };
    write().map_err(LoadError::disk(&path))?;
    finish_upgrade(storage, names, manifest).map(Some)
}

/// A crash while the very first manifest was about to get its name: it lies there under the temporary one, and says whether
/// all its files have theirs.
fn finish_first(
    storage: &dyn Storage,
    names: &Names,
    files: &[String],
    name: String,
) -> Result<Option<Manifest>, LoadError> {
    let (path, staged) = (names.manifest(), names.temporary_manifest());
    let bytes = storage.read(&staged, MANIFEST_MAX_BYTES).unwrap_or_default();
    let Ok(manifest) = Manifest::parse(&bytes) else { return Err(LoadError::NoManifest { path, name }) };
    let is_there = |name: &str| files.iter().any(|file| file == name);
    if manifest.files().all(|part| is_there(&part.name)) {
        let finish = || {
            storage.rename(&staged, &path)?;
            storage.sync_dir(&names.folder)
        };
        finish().map_err(LoadError::disk(&path))?;
        return Ok(Some(manifest));
    }
    let is_named = |name: &&String| manifest.files().any(|part| part.name == **name);
    match files.iter().filter(|name| names.is_data(name)).find(|name| !is_named(name)) {
        // It was never said that there is an append-only file: the next one takes these names.
        None => Ok(None),
        Some(stranger) => Err(LoadError::NoManifest { path, name: stranger.clone() }),
    }
}

/// Moves the old file into the folder, if that is what the manifest waits for.
fn finish_upgrade(storage: &dyn Storage, names: &Names, manifest: Manifest) -> Result<Manifest, LoadError> {
    let waits = manifest.base.as_ref().is_some_and(|base| base.name == names.old_style_name())
        && !storage.exists(&names.path(names.old_style_name()));
    if waits && storage.exists(&names.old_style()) {
        let (from, to) = (names.old_style(), names.path(names.old_style_name()));
        let rename = || {
            storage.rename(&from, &to)?;
            storage.sync_dir(&names.folder)?;
            storage.sync_dir(folder_of(&from))
        };
        rename().map_err(LoadError::disk(&from))?;
        tracing::info!(
            "Successfully migrated an old-style AOF configuration ({}) into the AOF directory ({}).",
            names.old_style_name(),
            names.folder.display()
        );
    }
    Ok(manifest)
}

/// Loads everything into an engine that serves nobody yet.
///
/// # Errors
/// See [`LoadError`]. Then the engine holds a part of the data and must not be used.
pub fn load(
    engine: &Arc<Engine>,
    storage: &dyn Storage,
    names: &Names,
    config: &Config,
) -> Result<Loaded, LoadError> {
    let Some(manifest) = find_manifest(storage, names)? else { return Ok(Loaded::default()) };
    let mut sizes = Vec::new();
    for part in manifest.files() {
        let missing = |error| {
            let (path, name) = (names.manifest(), part.name.clone());
            LoadError::Missing { path, name, error }
        };
        sizes.push(storage.len(&names.path(&part.name)).map_err(missing)?);
    }
    let may_be_torn =
        may_be_torn(storage, &manifest, |name| names.path(name)).map_err(LoadError::disk(&names.folder))?;
    let total: u64 = sizes.iter().sum();
    engine.gauges.loading_total_bytes.store(total, Ordering::Relaxed);
    engine.gauges.loading_loaded_bytes.store(0, Ordering::Relaxed);
    let began_ns = engine.time.monotonic_ns();
    let mut loaded = Loaded { was_there: true, ..Loaded::default() };
    let mut loading = Loading::new(engine, config);
    for (part, may_be_torn) in manifest.files().zip(may_be_torn) {
        let path = names.path(&part.name);
        let file_began_ns = engine.time.monotonic_ns();
        let verdict = loading.file(storage, &path, part.role == Role::Base)?;
        let len = settle(storage, names, &path, &verdict, may_be_torn, config)?;
        loading.done_bytes += len;
        loaded.earlier_bytes += std::mem::replace(&mut loaded.last_bytes, len);
        loaded.is_covered = verdict.is_covered && len > 0;
        if part.role == Role::Base {
            loaded.base_bytes = len;
        }
        let seconds = (engine.time.monotonic_ns() - file_began_ns) as f64 / 1e9;
        let kind = if part.role == Role::Base { "base" } else { "incr" };
        tracing::info!("DB loaded from {kind} file {}: {seconds:.3} seconds", part.name);
    }
    if manifest.increments.is_empty() {
        loaded.earlier_bytes += std::mem::take(&mut loaded.last_bytes);
        loaded.is_covered = false;
    }
    let (commands, failures) = (loading.commands, loading.failures);
    drop(loading);
    report(engine, total, commands, failures, began_ns);
    loaded.manifest = manifest;
    Ok(loaded)
}

/// Which files the writer may have been in when the power failed, so that they may end anywhere: those behind which there are no
/// commands. An increment has the lines that it begins with before the one before it gets its last commands. A base is whole
/// before there is anything behind it.
pub(super) fn may_be_torn(
    storage: &dyn Storage,
    manifest: &Manifest,
    place: impl Fn(&str) -> PathBuf,
) -> io::Result<Vec<bool>> {
    let (mut bytes_follow, mut commands_follow, mut may) = (false, false, Vec::new());
    for part in manifest.files().rev() {
        let path = place(&part.name);
        may.push(if part.role == Role::Base { !bytes_follow } else { !commands_follow });
        bytes_follow |= storage.len(&path)? > 0;
        commands_follow |= holds_commands(storage, &path)?;
    }
    may.reverse();
    Ok(may)
}

/// Whether anything but annotations was written to a log.
fn holds_commands(storage: &dyn Storage, path: &Path) -> io::Result<bool> {
    const HEAD_MAX_BYTES: u64 = 2 * checksum::LINE_MAX_BYTES as u64;
    if storage.len(path)? > HEAD_MAX_BYTES {
        return Ok(true);
    }
    let head = storage.read(path, HEAD_MAX_BYTES)?;
    Ok(head.split(|&byte| byte == b'\n').any(|line| !line.is_empty() && !line.starts_with(b"#")))
}

fn report(engine: &Engine, total: u64, commands: u64, failures: u64, began_ns: u64) {
    let seconds = (engine.time.monotonic_ns() - began_ns) as f64 / 1e9;
    let mut view = crate::keyspace::View::new(&engine.keyspace, 0);
    view.lock_blocking(&crate::keyspace::LockSet::All);
    let keys: usize = (0..engine.keyspace.databases()).map(|db| view.len(crate::keyspace::DbIndex(db))).sum();
    let megabytes = total as f64 / 1e6;
    tracing::info!(
        "DB loaded from append only file: {keys} keys, {commands} commands, {seconds:.3} seconds, {:.1} MB/s",
        megabytes / seconds.max(1e-9)
    );
    if failures > 0 {
        tracing::warn!(
            "{failures} commands of the append only file failed; the data may differ from what it was"
        );
    }
}

/// Decides about the end of a file: how many bytes of it stay.
pub(super) fn settle(
    storage: &dyn Storage,
    names: &Names,
    path: &Path,
    verdict: &Verdict,
    may_be_torn: bool,
    config: &Config,
) -> Result<u64, LoadError> {
    let dropped = verdict.file_bytes - verdict.valid_bytes;
    let (manifest, offset) = (names.manifest(), verdict.stopped_at);
    match verdict.stop {
        Stop::End | Stop::Later => return Ok(verdict.file_bytes),
        Stop::CutOff if may_be_torn && verdict.is_torn && config.aof_load_truncated => {
            tracing::warn!("!!! Warning: short read while loading the AOF file {}!!!", path.display());
            tracing::warn!("AOF {} loaded anyway because aof-load-truncated is enabled", path.display());
        }
        Stop::CutOff if !verdict.is_torn => {
            let what = "the file ends in a block that was whole once";
            return Err(LoadError::Broken { path: path.into(), manifest, offset, what });
        }
        Stop::CutOff => return Err(LoadError::CutOff { path: path.into(), manifest, offset }),
        Stop::Broken(what) => {
            let may_drop = verdict.is_torn && config.aof_load_truncated
                || dropped <= config.aof_load_corrupt_tail_max_size && !verdict.is_covered;
            if !may_be_torn || !may_drop {
                return Err(LoadError::Broken { path: path.into(), manifest, offset, what });
            }
            let side = PathBuf::from(format!("{}.dropped-{}", path.display(), verdict.valid_bytes));
            keep_beside(storage, path, &side, verdict.valid_bytes).map_err(LoadError::disk(&side))?;
            tracing::warn!(
                "The AOF file {} ends in {dropped} bytes that were never completely written ({what}, offset {offset}). They are \
                 dropped, and kept in {}",
                path.display(),
                side.display()
            );
        }
    }
    tracing::warn!("Truncating the AOF {} at offset {}", path.display(), verdict.valid_bytes);
    cut(storage, path, verdict).map_err(LoadError::disk(path))
}

/// Cuts off what is not valid, so that the file can be written on; returns its length then. What is whole of a block that is not
/// gets a checksum line of its own.
///
/// # Errors
/// Those of the disk.
pub fn cut(storage: &dyn Storage, path: &Path, verdict: &Verdict) -> io::Result<u64> {
    let Some((start, body)) = verdict.unfinished else {
        let mut file = storage.append(path)?;
        file.truncate(verdict.valid_bytes)?;
        file.sync()?;
        return Ok(verdict.valid_bytes);
    };
    let mut reader = storage.open(path)?;
    io::copy(&mut (&mut reader).take(body), &mut io::sink())?;
    let mut block = Vec::new();
    (&mut reader).take(verdict.valid_bytes - body).read_to_end(&mut block)?;
    let line = checksum::block_line(start, start, &[&block]);
    let mut file = storage.append(path)?;
    file.truncate(start)?;
    file.write_all(&line)?;
    file.write_all(&block)?;
    file.sync()?;
    Ok(start + (line.len() + block.len()) as u64)
}

/// Copies what is behind `offset` into another file.
fn keep_beside(storage: &dyn Storage, path: &Path, side: &Path, offset: u64) -> io::Result<()> {
    let mut reader = storage.open(path)?;
    io::copy(&mut (&mut reader).take(offset), &mut io::sink())?;
    let mut file = storage.create(side)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            len => file.write_all(buffer.get(..len).unwrap_or_default())?,
        }
    }
    file.sync()?;
    storage.sync_dir(folder_of(side))
}

/// Runs commands of logs on a session of its own.
struct Loading<'e> {
    engine: &'e Arc<Engine>,
    config: &'e Config,
    executor: Executor<'e>,
    session: Session,
    output: Output,
    now: UnixMs,
    commands: u64,
    failures: u64,
    /// Bytes of the files before this one.
    done_bytes: u64,
}

/// What ends the reading of a file early.
enum Interrupted {
    Disk(io::Error),
    Command(ReplayError, u64),
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Interrupted {
        Interrupted::Disk(error)
    }
}

impl<'e> Loading<'e> {
    fn new(engine: &'e Arc<Engine>, config: &'e Config) -> Loading<'e> {
        let stats = engine.stats.worker(engine.workers);
        let client = Client::new(ClientId(0), Transport::Unix, Default::default(), -1, engine.workers, 0);
        Loading {
            engine,
            config,
            executor: Executor::new(engine, config, stats, 0),
            session: Session::internal(Arc::new(client), &engine.acl),
            output: Output::default(),
            now: engine.time.now_ms(),
            commands: 0,
            failures: 0,
            done_bytes: 0,
        }
    }

    fn file(&mut self, storage: &dyn Storage, path: &Path, is_base: bool) -> Result<Verdict, LoadError> {
        let mut reader = storage.open(path).map_err(LoadError::disk(path))?;
        let preamble_bytes = if is_base { self.preamble(storage, path)? } else { 0 };
        io::copy(&mut (&mut reader).take(preamble_bytes), &mut io::sink()).map_err(LoadError::disk(path))?;
        let log = LogReader::new(&mut *reader, preamble_bytes);
        self.session.db = crate::keyspace::DbIndex(0);
        let read = log.read(self);
        self.executor.release();
        read.map_err(|interrupted| match interrupted {
            Interrupted::Disk(error) => LoadError::Disk { path: path.into(), error },
            Interrupted::Command(error, offset) => LoadError::Command { path: path.into(), offset, error },
        })
    }

    /// Loads the RDB file that a base is or begins with; returns its bytes, 0 if there is none.
    fn preamble(&mut self, storage: &dyn Storage, path: &Path) -> Result<u64, LoadError> {
        let mut magic = Vec::new();
        let reader = storage.open(path).map_err(LoadError::disk(path))?;
        reader.take(5).read_to_end(&mut magic).map_err(LoadError::disk(path))?;
        if magic != b"REDIS" && magic != b"VALKE" {
            return Ok(0);
        }
        tracing::info!("Reading RDB base file on AOF loading...");
        let failed = |error: rdb::load::LoadError| LoadError::Rdb { path: path.into(), error };
        let reader = storage.open(path).map_err(LoadError::disk(path))?;
        let reader =
            Reader::open(reader, rdb::load::options(self.config)).map_err(|error| failed(error.into()))?;
        // What comes behind says itself what becomes of keys that have expired.
        let manner = rdb::load::Manner { drops_expired: false, replaces: false };
        let mut view = crate::keyspace::View::new(&self.engine.keyspace, 0);
        let loaded = rdb::load::load(&mut view, self.engine, self.config, reader, manner).map_err(failed)?;
        Ok(loaded.bytes)
    }
}

impl Visitor<Interrupted> for Loading<'_> {
    fn foresee(&mut self, commands: &[Args<'_>]) {
        // Often enough for access times.
        self.now = self.engine.time.now_ms();
        self.executor.foresee_replay(self.session.db, commands);
    }

    fn visit(&mut self, args: Args<'_>, offset: u64) -> Result<(), Interrupted> {
        self.commands += 1;
        if self.commands.is_multiple_of(PROGRESS_EVERY) {
            // Others want to look at the server meanwhile.
            self.executor.release();
            let loaded = self.done_bytes + offset;
            self.engine.gauges.loading_loaded_bytes.store(loaded, Ordering::Relaxed);
        }
        let ran = if args.len() == 2 && args.at(0).eq_ignore_ascii_case(b"SELECT") {
            self.executor.replay_select(&mut self.session, args.at(1))
        } else {
            self.executor.replay(&mut self.session, args, self.now, &mut self.output)
        };
        match ran {
            Ok(()) => Ok(()),
            Err(error @ ReplayError::Failed { .. }) => {
                self.failures += 1;
                if self.failures <= FAILURES_LOGGED {
                    tracing::warn!("Offset {offset} of the append only file: {error}");
                }
                Ok(())
            }
            Err(error) => Err(Interrupted::Command(error, offset)),
        }
    }
}

/// Opens the last increment behind what was loaded from it.
///
/// # Errors
/// Those of the disk.
pub fn reopen(
    storage: &dyn Storage,
    path: PathBuf,
    len: u64,
    is_covered: bool,
    checksums: bool,
) -> io::Result<OpenLog> {
    let file = storage.append(&path)?;
    OpenLog::open(file, path, len, is_covered, checksums, None)
}
