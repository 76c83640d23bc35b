//! Loading a snapshot file: parsed key by key, put in by the batch ([`super::insert`]).
//!
//! What Redis refuses to start with is refused: a damaged file, data of unknown modules, a database that is not there, a
//! key twice. Keys that have expired meanwhile, and keys of long ago without elements, are passed over and counted.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Saver;
use super::insert::Inserters;
use crate::base::clock::{Clock, UnixMs};
use crate::config::Config;
use crate::dispatch::{CmdError, Engine};
use crate::keyspace::entry::string_entry;
use crate::keyspace::{AccessClock, DbIndex, Entry, View};
use crate::rdb::read::{Error, Item, Key, Limits, Loaded as Value, Options, Reader};
use crate::rdb::write::file::Access;
use crate::script::{Functions, library};
use crate::value::string::Encoding;

/// Why a file was not loaded. What it held up to there may be in the keyspace.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{path}: {error}")]
    Disk { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Rdb(#[from] Error),
    #[error("the file has a database {0}, and there are only {1} here (see the option databases)")]
    Database(u64, u16),
    #[error("a library of functions can't be loaded: {0}")]
    Function(String),
    #[error("the key '{0}' is there twice")]
    Twice(String),
}

/// What a file held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub keys: u64,
    /// Passed over because they had expired.
    pub expired: u64,
    /// Passed over because they had no elements.
    pub empty: u64,
    /// Libraries of functions.
    pub functions: u64,
    pub bytes: u64,
}

/// How to load.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Keys that have expired are passed over; what comes behind an RDB file in an append-only file says itself what
    /// becomes of them.
    pub drops_expired: bool,
    /// A key that is there already is replaced instead of refused.
    pub replaces: bool,
}

impl Saver {
    /// Loads the file at boot. `None` when there is none.
    ///
    /// # Errors
    /// See [`LoadError`]. The engine must not be used then.
    pub fn load(&self, engine: &Arc<Engine>) -> Result<Option<Loaded>, LoadError> {
        let config = engine.config.snapshot();
        let mut view = View::new(&engine.keyspace, 0);
        let manner = Manner { drops_expired: true, replaces: false };
        let began_us = engine.time.monotonic_us();
        let loaded = self.load_in(&mut view, engine, &config, manner)?;
        if let Some(loaded) = &loaded {
            let seconds = engine.time.monotonic_us().saturating_sub(began_us) as f64 / 1e6;
            let rate = loaded.bytes as f64 / 1e6 / seconds.max(1e-6);
            tracing::info!(
                "Done loading RDB, keys loaded: {}, keys expired: {}, empty keys skipped: {}.",
                loaded.keys,
                loaded.expired,
                loaded.empty
            );
            tracing::info!("DB loaded from disk: {seconds:.3} seconds, {rate:.0} MB/s");
        }
        Ok(loaded)
    }

    /// Loads the file under the locks of `view`, or under those it takes now and then.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load_in(
        &self,
        view: &mut View<'_>,
        engine: &Engine,
        config: &Config,
        manner: Manner,
    ) -> Result<Option<Loaded>, LoadError> {
        let path = self.path(config);
        let failed = |error: io::Error| LoadError::Disk { path: path.clone(), error };
        let storage = self.storage();
        let total = match storage.len(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed)?,
        };
        let file = storage.open(&path).map_err(failed)?;
        engine.gauges.loading_total_bytes.store(total, Relaxed);
        engine.gauges.loading_loaded_bytes.store(0, Relaxed);
        engine.gauges.loading_began_seconds.store(engine.time.now_ms().seconds(), Relaxed);
        let options = Options { total_bytes: Some(total), ..options(config) };
        let loaded = load(view, engine, config, Reader::open(file, options)?, manner)?;
        self.status.note_loaded(engine, loaded.keys, loaded.expired);
        Ok(Some(loaded))
    }
}

/// How files are read under a configuration.
pub fn options(config: &Config) -> Options {
    Options {
        limits: Limits::of(config),
        verifies_checksum: config.rdbchecksum,
        skips_modules: config.rdb_skip_module_data,
        total_bytes: None,
    }
}

/// Puts all that a reader gives into the keyspace: under the locks of `view` if it holds all shards, else under those it
/// takes for each batch.
///
/// # Errors
/// See [`LoadError`].
pub fn load<R: Read>(
    view: &mut View<'_>,
    engine: &Engine,
    config: &Config,
    reader: Reader<R>,
    manner: Manner,
) -> Result<Loaded, LoadError> {
    let refusal = OnceLock::new();
    let loaded = std::thread::scope(|scope| {
        let mut loader = Loader {
            engine,
            manner,
            now: engine.time.now_ms(),
            clock: engine.keyspace.access_clock(),
            db: DbIndex(0),
            inserters: Inserters::begin(scope, view, manner.replaces, &refusal),
            loaded: Loaded::default(),
            modules: BTreeMap::new(),
            delay: Duration::from_micros(u64::try_from(config.key_load_delay).unwrap_or(0)),
        };
        let read = loader.read_all(config, reader);
        loader.inserters.finish();
        read
    })?;
    refuse(refusal.get().map(Vec::as_slice))?;
    Ok(loaded)
}

fn refuse(twice: Option<&[u8]>) -> Result<(), LoadError> {
    twice.map_or(Ok(()), |name| Err(LoadError::Twice(name.escape_ascii().to_string())))
}

/// Adds a library of functions. `replaces`: one of its name goes, else that is an error.
fn add_functions(engine: &Engine, config: &Config, code: &[u8], replaces: bool) -> Result<(), LoadError> {
    let Some(functions) = engine.parts.find::<Functions>() else { return Ok(()) };
    let library = library::make(&functions, code, config.lua_memory_limit);
    let added = library.and_then(|library| match !replaces && functions.has(&library.name) {
        true => Err(CmdError::quoting("ERR Library '", &library.name, "' already exists")),
        false => functions.put(library),
    });
    added.map_err(|error| LoadError::Function(String::from_utf8_lossy(&error.line()).into_owned()))
}

struct Loader<'l, 'k, 's> {
    engine: &'l Engine,
    manner: Manner,
    now: UnixMs,
    clock: AccessClock,
    db: DbIndex,
    inserters: Inserters<'l, 'k, 's>,
    loaded: Loaded,
    /// How often data of each module was passed over.
    modules: BTreeMap<String, u64>,
    delay: Duration,
}

impl<'k: 's, 's> Loader<'_, 'k, 's> {
    fn read_all<R: Read>(&mut self, config: &Config, mut reader: Reader<R>) -> Result<Loaded, LoadError> {
        loop {
            match reader.next_item()? {
                Item::Aux(name, text) => tell_of(name, text),
                Item::SelectDb(db) => self.select(db)?,
                Item::ResizeDb(keys, _) => self.expect(keys),
                Item::SlotInfo { .. } => {}
                Item::Function(code) => {
                    add_functions(self.engine, config, code, self.manner.replaces)?;
                    self.loaded.functions += 1;
                }
                Item::Module { name, .. } => *self.modules.entry(name).or_default() += 1,
                Item::Key(key) => {
                    if self.add(key) {
                        refuse(self.inserters.refused())?;
                        self.engine.gauges.loading_loaded_bytes.store(reader.offset(), Relaxed);
                    }
                }
                Item::EmptyKey(name) => {
                    self.loaded.empty += 1;
                    tracing::info!("Passed over the key '{}', which has no elements", name.escape_ascii());
                }
                Item::End => {
                    self.loaded.bytes = reader.offset();
                    self.tell_of_modules();
                    return Ok(std::mem::take(&mut self.loaded));
                }
            }
        }
    }

    fn select(&mut self, db: u64) -> Result<(), LoadError> {
        let databases = self.engine.keyspace.databases();
        match u16::try_from(db) {
            Ok(db) if db < databases => self.db = DbIndex(db),
            _ => return Err(LoadError::Database(db, databases)),
        }
        Ok(())
    }

    /// A hint only: as much room is made as the file can fill.
    fn expect(&mut self, keys: u64) {
        /// The shortest key: type, name of one byte, value of one byte.
        const KEY_MIN_BYTES: u64 = 5;
        let total = self.engine.gauges.loading_total_bytes.load(Relaxed);
        let keys = usize::try_from(keys.min(total / KEY_MIN_BYTES)).unwrap_or(0);
        self.inserters.expect(self.db, keys);
    }

    fn tell_of_modules(&self) {
        for (name, count) in &self.modules {
            tracing::warn!(
                "Data of the module {name} was passed over {count} times and is not in memory (rdb-skip-module-data)"
            );
        }
    }

    /// Whether a batch of keys went on its way with it.
    #[inline]
    fn add(&mut self, key: Key<'_>) -> bool {
        if self.manner.drops_expired && key.deadline.is_some_and(|deadline| deadline < self.now.0) {
            self.loaded.expired += 1;
            return false;
        }
        let entry = entry_of(key, self.clock, self.now);
        self.loaded.keys += 1;
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
        self.inserters.add(self.engine.keyspace.arrival(self.db, entry))
    }
}

fn entry_of(key: Key<'_>, clock: AccessClock, now: UnixMs) -> Entry {
    let mut entry = match key.value {
        Value::Text(text) => string_entry(key.name, text, Encoding::of(text), key.deadline),
        Value::Collection(value) => Entry::boxed(key.name, value, key.deadline, 0),
    };
    entry.set_clock(match key.access {
        Some(Access::Idle(seconds)) => clock.idle_for(seconds, now),
        Some(Access::Frequency(counter)) => clock.counted(counter, now),
        None => clock.initial(now),
    });
    entry
}

fn tell_of(name: &[u8], text: &[u8]) {
    match name {
        b"redis-ver" | b"valkey-ver" => {
            tracing::info!("Loading RDB produced by version {}", text.escape_ascii());
        }
        b"used-mem" => tracing::info!("RDB memory usage when created: {} bytes", text.escape_ascii()),
        _ => {}
    }
}
