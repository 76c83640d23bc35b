//! A snapshot of all data into any writer, as an RDB file: for BGSAVE, the rewrite of the append-only file, and full syncs.
//!
//! ```text
//! cut(engine, at_cut)      all shards locked for microseconds; `at_cut` runs meanwhile (the journal's position, a new file)
//! snapshot.write(to)       on a thread of its own: drafts ─▶ compressed, walked, summed up ─▶ to
//! ```
//!
//! What the file holds is the data at the cut, whatever happens while it is written (see [`crate::keyspace::snapshot`]).
//! Databases may come in several parts: each is preceded by its number. Where others want the processor too, the writing rests
//! now and then ([`super::pace`]).

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::pace::Paced;
use crate::base::clock::{Clock, UnixMs};
use crate::config::Config;
use crate::dispatch::Engine;
use crate::keyspace::snapshot::{ClockKept, Cut, DbSize};
use crate::keyspace::{DbIndex, LockSet, View};
use crate::rdb::VERSION_FIELD_DEADLINES;
use crate::rdb::write::{Draft, Format, Output, Stream, file};
use crate::script::Functions;

/// How a snapshot is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub compresses: bool,
    pub sums_up: bool,
    /// The version whose forms are used; fields with deadlines are written whatever it is, and make the file tell a later
    /// one.
    pub format: Format,
    /// It is the base of an append-only file.
    pub is_aof_base: bool,
    /// Pause behind each key, for tests.
    pub key_delay: Duration,
}

impl Style {
    /// As the configuration has it, for content of any kind.
    pub fn of(config: &Config) -> Style {
        Style {
            compresses: config.rdbcompression,
            sums_up: config.rdbchecksum,
            format: Format::of(config),
            is_aof_base: false,
            key_delay: key_delay(config),
        }
    }
}

/// A negative delay is the part of a microsecond.
fn key_delay(config: &Config) -> Duration {
    match config.rdb_key_save_delay {
        delay @ 0.. => Duration::from_micros(delay.unsigned_abs().into()),
        delay => Duration::from_nanos(1000 / u64::from(delay.unsigned_abs())),
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub bytes: u64,
    pub keys: u64,
}

/// The data at one moment. Dropping it ends it.
pub struct Snapshot {
    engine: Arc<Engine>,
    /// `None` once it has ended.
    cut: Option<Cut>,
    style: Style,
    /// The version that the file tells: what its content needs.
    version: u32,
    at: UnixMs,
    used_memory: usize,
    /// The texts of the libraries of functions.
    functions: Vec<Vec<u8>>,
    keys: u64,
    keys_done: Arc<AtomicU64>,
    changes: u64,
}

/// Cuts now: all shards are locked, `at_cut` runs, and they are let go. Blocks this thread until it has them. `None`, and
/// `at_cut` does not run, while another snapshot is under way.
pub fn cut(engine: &Arc<Engine>, style: Style, at_cut: impl FnOnce()) -> Option<Snapshot> {
    let mut view = View::new(&engine.keyspace, 0);
    view.lock_blocking(&LockSet::All);
    let snapshot = cut_in(&mut view, engine, style, at_cut);
    // First of all: everybody waits.
    view.release();
    snapshot
}

/// As [`cut`], for threads that have other things to do: `None` also where a script holds a shard for long.
pub fn cut_patiently(engine: &Arc<Engine>, style: Style) -> Option<Snapshot> {
    let mut view = View::new(&engine.keyspace, 0);
    view.lock_patiently(&LockSet::All).ok()?;
    cut_in(&mut view, engine, style, || {})
}

/// As [`cut`], for who holds all shards already.
pub fn cut_in(
    view: &mut View<'_>,
    engine: &Arc<Engine>,
    style: Style,
    at_cut: impl FnOnce(),
) -> Option<Snapshot> {
    let at = engine.time.now_ms();
    view.begin(at, true);
    let policy = engine.config.snapshot().maxmemory_policy;
    let clock_kept = match () {
        () if policy.is_lfu() => ClockKept::Frequency,
        () if policy.is_lru() => ClockKept::Idle,
        () => ClockKept::Nothing,
    };
    let began_us = engine.time.monotonic_us();
    let cut = view.cut(style.format, clock_kept)?;
    at_cut();
    engine.gauges.latest_cut_us.store(engine.time.monotonic_us().saturating_sub(began_us), Ordering::Relaxed);
    let needs_late = cut.sizes().iter().any(|size| size.inner_deadlines > 0);
    let version = style.format.version;
    Some(Snapshot {
        engine: Arc::clone(engine),
        style,
        version: if needs_late { version.max(VERSION_FIELD_DEADLINES) } else { version },
        at,
        used_memory: engine.used_memory(),
        functions: engine.parts.find::<Functions>().map(|functions| functions.codes()).unwrap_or_default(),
        keys: cut.sizes().iter().map(|size| size.keys as u64).sum(),
        keys_done: Arc::default(),
        changes: engine.stats.lifetime_totals().changes,
        cut: Some(cut),
    })
}

impl Snapshot {
    /// Keys in all.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Keys written so far; goes on counting while it is written.
    pub fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.keys_done)
    }

    /// How many changes the server had counted at the cut.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Writes it all. Blocks this thread; holds a shard's lock now and then, for one segment at a time.
    ///
    /// # Errors
    /// Those of `to`; nothing of what was written is of use then.
    pub fn write<W: Write>(mut self, to: W) -> io::Result<Written> {
        let in_hurry = Cell::new(false);
        let mut out = Stream::new(Paced::new(to, &in_hurry), self.style.compresses, self.style.sums_up);
        out.bytes().extend_from_slice(&file::magic(self.version));
        self.push_head(&mut out);
        self.push_keys(&mut out, &in_hurry)?;
        file::push_end_mark(out.bytes());
        let checksum = out.flush()?.unwrap_or(0);
        file::push_end(out.bytes(), checksum);
        out.flush()?;
        Ok(Written { bytes: out.written(), keys: self.keys_done.load(Ordering::Relaxed) })
    }

    fn push_head(&self, out: &mut impl Output) {
        file::push_aux(out, "redis-ver", crate::REDIS_VERSION.as_bytes());
        file::push_aux(out, "redis-bits", b"64");
        file::push_aux(out, "ctime", self.at.seconds().to_string().as_bytes());
        file::push_aux(out, "used-mem", self.used_memory.to_string().as_bytes());
        file::push_aux(out, "aof-base", if self.style.is_aof_base { b"1" } else { b"0" });
        self.functions.iter().for_each(|code| file::push_function(out, code));
    }

    fn push_keys<W: Write>(&mut self, out: &mut Stream<W>, in_hurry: &Cell<bool>) -> io::Result<()> {
        let Some(cut) = &mut self.cut else { return Ok(()) };
        let mut parts = Parts { selected: None, unsized_dbs: cut.sizes().to_vec() };
        let mut huge = Vec::new();
        while let Some((db, mut draft)) = cut.next_draft(&self.engine.keyspace) {
            debug_assert!(draft.version() <= self.version, "more is in the file than was counted at the cut");
            huge.extend(draft.take_huge().into_iter().map(|draft| (db, draft)));
            let keys = draft.keys() as u64;
            in_hurry.set(cut.is_behind());
            let written = parts.push(db, &mut draft, out);
            cut.give_back(draft);
            written?;
            self.keys_done.fetch_add(keys, Ordering::Relaxed);
            if !self.style.key_delay.is_zero() {
                let keys = u32::try_from(keys).unwrap_or(u32::MAX);
                std::thread::sleep(self.style.key_delay.saturating_mul(keys));
                // Who is slow on purpose wants to see something happen.
                out.flush()?;
            }
        }
        in_hurry.set(false);
        // Behind all others: while one of these is written, nobody empties the queue that requests which write may wait for.
        for (db, mut draft) in huge {
            parts.push(db, &mut draft, out)?;
            self.keys_done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The databases of a file, in parts as they come.
struct Parts {
    /// What follows belongs to it.
    selected: Option<DbIndex>,
    /// Those whose sizes were not told yet.
    unsized_dbs: Vec<DbSize>,
}

impl Parts {
    /// Writes keys of a database, behind its number where another came before.
    fn push<W: Write>(&mut self, db: DbIndex, draft: &mut Draft, out: &mut Stream<W>) -> io::Result<()> {
        if draft.keys() > 0 && self.selected.replace(db) != Some(db) {
            file::push_select(out.bytes(), db.0);
            if let Some(at) = self.unsized_dbs.iter().position(|size| size.db == db) {
                let size = self.unsized_dbs.swap_remove(at);
                file::push_resize(out.bytes(), size.keys, size.volatile);
            }
        }
        draft.finish(out)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Some(cut) = self.cut.take() {
            cut.end(&self.engine.keyspace);
        }
    }
}
