//! The writer: takes what the journal has, writes it, syncs it, says how far it came.
//!
//! A state machine that one thread turns ([`super::thread`]) and that tests turn by hand:
//!
//! ```text
//! Vouched   ──write fails──▶ Vouched, with the bytes kept for another try; new writes are refused
//!    │      ◀──succeeds──
//!    │ sync fails, or a failed write can't be taken back
//!    ▼
//! Poisoned  ── nothing is written until a new base and a new increment are complete ──▶ Vouched
//!
//! Building  ── the file is written, but the base that it needs is not there yet (CONFIG SET appendonly yes)
//! ```
//!
//! *Group commit* (`always`). While a sync runs, other commits queue up. When it is done the writer waits a moment for the
//! clients that it has just released: until as many commits have come as were released and were waiting, or none has come
//! for a while. So two groups of clients that take turns become one, and a lone client waits for nobody. How long is a
//! matter of experience ([`Patience`]): it grows while those that are waited for come, and shrinks when they don't.
//!
//! *Once a second* (`everysec`). Written every twenty milliseconds, or sooner when there is much; synced when a second has passed
//! since the last sync began, likewise. What is long goes past the page cache ([`crate::persist::storage`]). What is appended
//! meanwhile waits in the journal's queue, and is lost with a process that is killed. On a busy machine a writer that wakes
//! takes the processor from a worker, which costs more than its own work: every five milliseconds took 7 % of all requests.
//!
//! **Invariant:** a commit is called durable only after a sync of the file that it is in, begun after it was written
//! there, has succeeded, and while that file is one that a restart would load.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use smallvec::{SmallVec, smallvec};

use super::checksum;
use super::status::{Orders, Settings, Status};
use crate::config::AppendFsync;
use crate::journal::{Alarm, Journal, Piece, Records};
use crate::keyspace::JournalOffset;
use crate::persist::storage::File;

/// Pause between writes that need not be durable at once, unless much has come: long enough to make them few, short against a
/// second.
const GATHER: Duration = Duration::from_millis(20);
/// So many bytes are much.
const MUCH_BYTES: u64 = 1 << 20;
/// Bound of the whole wait for more commits under `always`.
const GROUP_MAX_NS: u64 = 20_000_000;
/// Between two tries after a failure.
const RETRY_NS: u64 = 100_000_000;
/// Between two syncs under `everysec`.
const SECOND_NS: u64 = 1_000_000_000;
/// So much is synced before the second is over: the kernel takes the processor for 0.4 ms then. For what comes in a second at full
/// speed it takes it for 10 ms, which is a stall where that processor is the only one, and altogether it takes no less.
const SYNC_BYTES: u64 = 8 << 20;
/// A sync that takes longer is counted as a delay.
const DELAYED_NS: u64 = 2_000_000_000;

/// A file that is open for appending.
pub struct OpenLog {
    pub file: Box<dyn File>,
    pub path: PathBuf,
    pub len: u64,
    /// Everything from some offset on is covered by checksums.
    pub is_covered: bool,
}

impl OpenLog {
    /// Begins to cover an open file of `len` bytes with checksums if that is wanted, and syncs it, so that a start can always
    /// tell a covered file. `stamp` is the time to be noted before, in unix seconds.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(
        mut file: Box<dyn File>,
        path: PathBuf,
        len: u64,
        is_covered: bool,
        checksums: bool,
        stamp: Option<u64>,
    ) -> io::Result<OpenLog> {
        let mut lines = Vec::new();
        if checksums && !is_covered {
            if let Some(seconds) = stamp {
                lines.extend_from_slice(format!("#TS:{seconds}\r\n").as_bytes());
            }
            lines.extend(checksum::start_line(len + lines.len() as u64));
            file.write_all(&lines)?;
        }
        // What was read from it may never have been synced; from here on it counts as durable.
        file.sync()?;
        Ok(OpenLog { file, path, len: len + lines.len() as u64, is_covered: is_covered || checksums })
    }
}

/// Whether a restart would find what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Health {
    Vouched,
    Building,
    Poisoned,
}

/// How long the writer waits for the next commit of a group.
///
/// ```text
/// 50 clients that ask again at once          up to 10 ms, but the last of them has come long before
/// 50 clients that think for a second         0.1 ms, and 4 ms once in a while, to see whether that has changed
/// ```
#[derive(Clone, Copy, Debug)]
struct Patience {
    ns: u64,
    /// Waits since the last try.
    waits: u32,
}

impl Patience {
    const MIN_NS: u64 = 100_000;
    /// On a busy machine a client that asks again at once may need that long.
    const MAX_NS: u64 = 10_000_000;
    /// To begin with, and to see.
    const TRY_NS: u64 = 4_000_000;
    const TRY_EVERY: u32 = 32;

    /// How long to wait in this group.
    fn of_this_group(&self) -> u64 {
        if self.waits >= Patience::TRY_EVERY { self.ns.max(Patience::TRY_NS) } else { self.ns }
    }

    /// They came, or did not.
    fn learn(&mut self, they_came: bool) {
        let was_try = self.waits >= Patience::TRY_EVERY;
        self.waits = if was_try { 0 } else { self.waits + 1 };
        let ns = match they_came {
            true if was_try => self.ns.max(Patience::TRY_NS),
            true => self.ns * 2,
            // Slowly: a busy machine can hold up those who would have come.
            false => self.ns / 4 * 3,
        };
        self.ns = ns.clamp(Patience::MIN_NS, Patience::MAX_NS);
    }
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { ns: Patience::TRY_NS, waits: 0 }
    }
}

/// What the thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nap {
    pub alarm: Alarm,
    pub at_most: Option<Duration>,
}

/// See the module's head.
pub struct Writer {
    orders: Arc<Orders>,
    status: Arc<Status>,
    log: OpenLog,
    health: Health,
    /// Number of the file, counted from the start of the process.
    generation: u64,
    /// What could not be written yet.
    unwritten: Option<Records>,
    retry_ns: u64,
    /// Offset in the file, and in the journal, up to which everything is synced.
    synced_len: u64,
    written: JournalOffset,
    synced: JournalOffset,
    durable: JournalOffset,
    last_sync_ns: u64,
    patience: Patience,
    /// Commits written since the last sync, and how many are expected in the next.
    commits: u64,
    expected: u64,
    group_began_ns: Option<u64>,
    /// Commits that wait for the next sync, and when the last of them was seen to come.
    gathered: u64,
    last_came_ns: u64,
    /// Something was written since the file was last sealed.
    is_unsealed: bool,
    /// Unix seconds of the last time line.
    stamped: u64,
    spares: Vec<Vec<u8>>,
}

impl Writer {
    /// A writer behind the end of `log`, all of which is synced. `is_vouched` says that a restart would load it.
    pub fn new(
        log: OpenLog,
        generation: u64,
        is_vouched: bool,
        orders: Arc<Orders>,
        status: Arc<Status>,
    ) -> Writer {
        status.current_bytes.store(log.len, Ordering::Relaxed);
        Writer {
            orders,
            status,
            synced_len: log.len,
            log,
            health: if is_vouched { Health::Vouched } else { Health::Building },
            generation,
            unwritten: None,
            retry_ns: 0,
            written: JournalOffset(0),
            synced: JournalOffset(0),
            durable: JournalOffset(0),
            last_sync_ns: 0,
            patience: Patience::default(),
            commits: 0,
            expected: 0,
            group_began_ns: None,
            gathered: 0,
            last_came_ns: 0,
            is_unsealed: false,
            stamped: 0,
            spares: Vec::new(),
        }
    }

    /// Does what is to be done at this moment. `clock` tells monotonic nanoseconds, and is asked again after a sync.
    pub fn turn(&mut self, journal: &Journal, clock: &dyn Fn() -> u64, unix_seconds: u64) -> Nap {
        let settings = self.orders.settings();
        let now_ns = clock();
        self.hear(&settings, journal);
        if self.health == Health::Poisoned {
            self.skip_to_new_file(journal);
            return Nap { alarm: Alarm::Never, at_most: Some(Duration::from_nanos(RETRY_NS)) };
        }
        if self.unwritten.is_some() && now_ns < self.retry_ns {
            return self.nap_until(self.retry_ns, now_ns, Alarm::Never);
        }
        let is_always = settings.fsync == AppendFsync::Always;
        if is_always && let Some(nap) = self.gather(journal, now_ns) {
            return nap;
        }
        self.drain(journal, &settings, clock, unix_seconds);
        if self.health == Health::Poisoned || self.unwritten.is_some() {
            self.refuse_if_poisoned(journal);
            journal.progress(self.written, self.durable);
            return Nap { alarm: Alarm::Never, at_most: Some(Duration::from_nanos(RETRY_NS)) };
        }
        let now_ns = clock();
        if self.is_sync_due(&settings, now_ns) {
            self.sync(clock);
            self.refuse_if_poisoned(journal);
        }
        journal.progress(self.written, self.durable);
        let now_ns = clock();
        if is_always {
            self.expected = self.commits + journal.waiting_commits();
            self.commits = 0;
            self.group_began_ns = None;
            self.gathered = 0;
        }
        self.next_nap(journal, &settings, now_ns)
    }

    /// Takes note of what others have done: a base that was completed makes the file one that counts.
    fn hear(&mut self, settings: &Settings, journal: &Journal) {
        if self.health != Health::Vouched && settings.vouched == Some(self.generation) {
            self.health = Health::Vouched;
            // The base holds everything up to the cut, and what came after is in this file.
            self.durable = self.durable.max(JournalOffset(settings.base_offset)).max(self.synced);
            self.written = self.written.max(self.durable);
            self.recovered(journal);
        }
    }

    /// Waits for more commits to share a sync.
    fn gather(&mut self, journal: &Journal, now_ns: u64) -> Option<Nap> {
        let waiting = journal.waiting_commits();
        let enough = (self.expected * 9).div_ceil(10);
        if waiting == 0 {
            return None;
        }
        if waiting >= enough {
            if self.group_began_ns.is_some() {
                self.patience.learn(true);
            }
            return None;
        }
        let began = *self.group_began_ns.get_or_insert(now_ns);
        if waiting > self.gathered {
            // They are still coming.
            self.gathered = waiting;
            self.last_came_ns = now_ns;
        }
        let until = (self.last_came_ns.max(began) + self.patience.of_this_group()).min(began + GROUP_MAX_NS);
        if now_ns >= until {
            if until < began + GROUP_MAX_NS {
                self.patience.learn(false);
            }
            return None;
        }
        Some(self.nap_until(until, now_ns, Alarm::Commits(enough)))
    }

    fn nap_until(&self, until_ns: u64, now_ns: u64, alarm: Alarm) -> Nap {
        Nap { alarm, at_most: Some(Duration::from_nanos(until_ns.saturating_sub(now_ns))) }
    }

    fn next_nap(&mut self, journal: &Journal, settings: &Settings, now_ns: u64) -> Nap {
        let is_synced = self.synced_len >= self.log.len;
        let idle = match settings.fsync {
            _ if journal.waiting_commits() > 0 => Some(Duration::ZERO),
            AppendFsync::Always if is_synced && !self.is_unsealed => None,
            AppendFsync::No => None,
            AppendFsync::Everysec if is_synced && !self.is_unsealed => None,
            _ => Some(Duration::from_nanos(
                (self.last_sync_ns + SECOND_NS).saturating_sub(now_ns).max(1_000_000),
            )),
        };
        match (settings.fsync, self.commits) {
            (AppendFsync::Always, _) => Nap { alarm: Alarm::Commits(1), at_most: idle },
            // Something has just come, so more will: look again soon, or when it is much, instead of being woken for each.
            (_, 1..) => {
                self.commits = 0;
                Nap { alarm: Alarm::Bytes(MUCH_BYTES), at_most: Some(GATHER) }
            }
            (_, 0) => Nap { alarm: Alarm::Commits(1), at_most: idle },
        }
    }

    /// Writes what waits, up to a bound so that syncs are not put off.
    fn drain(&mut self, journal: &Journal, settings: &Settings, clock: &dyn Fn() -> u64, unix_seconds: u64) {
        const PIECES_MAX: usize = 128;
        if let Some(records) = self.unwritten.take() {
            if !self.put(records, settings, clock, unix_seconds, journal) {
                return;
            }
            self.recovered(journal);
        }
        // What comes while this is written can wait for the next turn, unless clients wait for it.
        let upto =
            if settings.fsync == AppendFsync::Always { JournalOffset(u64::MAX) } else { journal.end() };
        for _ in 0..PIECES_MAX {
            let piece = journal.take(std::mem::take(&mut self.spares));
            match piece {
                None => return,
                Some(Piece::Cut(generation)) => self.change_file(generation, journal, clock),
                Some(Piece::Records(records)) => {
                    self.put(records, settings, clock, unix_seconds, journal);
                }
            }
            if self.health == Health::Poisoned || self.unwritten.is_some() {
                return;
            }
            journal.progress(self.written, self.durable);
            if self.written >= upto {
                return;
            }
        }
    }

    /// Writes records; keeps them when that fails. Whether it worked.
    fn put(
        &mut self,
        records: Records,
        settings: &Settings,
        clock: &dyn Fn() -> u64,
        unix_seconds: u64,
        journal: &Journal,
    ) -> bool {
        let pause_us = self.status.flush_sleep_us.load(Ordering::Relaxed);
        if pause_us > 0 {
            std::thread::sleep(Duration::from_micros(pause_us));
        }
        // It has just had the processor, for some hundred microseconds if much was written, which others may wait for.
        std::thread::yield_now();
        match self.write(&records, settings, unix_seconds) {
            Ok(()) => {
                self.written = records.end;
                self.commits += records.commits;
                self.is_unsealed = self.log.is_covered;
                self.spares = records.parts;
                true
            }
            Err(error) => {
                self.unwritten = Some(records);
                self.retry_ns = clock() + RETRY_NS;
                self.failed_write(&error, journal);
                false
            }
        }
    }

    fn write(&mut self, records: &Records, settings: &Settings, unix_seconds: u64) -> io::Result<()> {
        let mut stamp = String::new();
        if settings.timestamps && self.stamped != unix_seconds {
            stamp = format!("#TS:{unix_seconds}\r\n");
        }
        let mut line = Vec::new();
        let mut parts: SmallVec<[&[u8]; 8]> = smallvec![stamp.as_bytes()];
        parts.extend(records.parts.iter().map(Vec::as_slice));
        if self.log.is_covered {
            line = checksum::block_line(self.log.len, self.synced_len, &parts);
            parts.insert(0, &line);
        }
        match settings.fsync {
            // Nobody waits for a slow disk as long as the system has memory.
            AppendFsync::No => parts.iter().try_for_each(|part| self.log.file.write_all(part))?,
            AppendFsync::Everysec | AppendFsync::Always => self.log.file.write_through(&parts)?,
        }
        let len = self.log.len + (line.len() + stamp.len() + records.len()) as u64;
        self.log.len = len;
        self.stamped = unix_seconds;
        self.status.current_bytes.store(len, Ordering::Relaxed);
        Ok(())
    }

    /// Says that nothing up to here can be torn any more, so that damage is told from a torn end later.
    fn seal(&mut self) -> io::Result<()> {
        if self.log.is_covered && self.is_unsealed {
            let line = checksum::block_line(self.log.len, self.synced_len, &[]);
            self.log.file.write_all(&line)?;
            self.log.len += line.len() as u64;
            self.status.current_bytes.store(self.log.len, Ordering::Relaxed);
        }
        self.is_unsealed = false;
        Ok(())
    }

    fn is_sync_due(&mut self, settings: &Settings, now_ns: u64) -> bool {
        let unsynced = self.log.len.saturating_sub(self.synced_len);
        let is_unsynced = unsynced > 0;
        let is_second_over = now_ns.saturating_sub(self.last_sync_ns) >= SECOND_NS;
        let is_due = match settings.fsync {
            AppendFsync::Always => is_unsynced && (self.commits > 0 || is_second_over),
            AppendFsync::No => false,
            // Never weakens `always`.
            AppendFsync::Everysec if settings.spares_syncs => false,
            AppendFsync::Everysec => is_unsynced && is_second_over || unsynced >= SYNC_BYTES,
        };
        is_due || self.is_seal_due(settings, is_unsynced, is_second_over)
    }

    /// A file that nothing was written to for a second is sealed; the seal is synced with what comes next.
    fn is_seal_due(&mut self, settings: &Settings, is_unsynced: bool, is_second_over: bool) -> bool {
        if settings.fsync != AppendFsync::No && !is_unsynced && is_second_over && self.is_unsealed {
            // A seal that can't be written is missed by nobody: the next write will find the disk full itself.
            let (len, sealed) = (self.log.len, self.seal());
            if sealed.is_err() && self.log.file.truncate(len).is_err() {
                return true;
            }
        }
        false
    }

    fn sync(&mut self, clock: &dyn Fn() -> u64) {
        let began = clock();
        match self.log.file.sync() {
            Ok(()) => {
                let took = clock().saturating_sub(began);
                self.last_sync_ns = began;
                self.status.syncs.fetch_add(1, Ordering::Relaxed);
                self.status.synced_commits.fetch_add(self.commits, Ordering::Relaxed);
                self.status.delayed_syncs.fetch_add(u64::from(took >= DELAYED_NS), Ordering::Relaxed);
                self.synced_len = self.log.len;
                self.synced = self.written;
                if self.health == Health::Vouched {
                    self.durable = self.written;
                }
            }
            Err(error) => self.poison("Fail to fsync the AOF file", &error),
        }
    }

    /// Goes over to another file; the old one is synced first.
    fn change_file(&mut self, generation: u64, journal: &Journal, clock: &dyn Fn() -> u64) {
        let Some(log) = self.orders.take_file(generation) else { return };
        if self.synced_len < self.log.len {
            self.sync(clock);
        }
        self.adopt(log, generation);
        if self.health == Health::Poisoned {
            self.hear(&self.orders.settings(), journal);
        }
    }

    fn adopt(&mut self, log: OpenLog, generation: u64) {
        self.synced_len = log.len;
        self.log = log;
        self.generation = generation;
        self.stamped = 0;
        self.is_unsealed = false;
        self.status.current_bytes.store(self.log.len, Ordering::Relaxed);
    }

    /// What was meant for a file that is not trusted is in the base that takes its place.
    fn skip_to_new_file(&mut self, journal: &Journal) {
        let newest = self.orders.newest();
        while self.generation < newest {
            match journal.take(Vec::new()) {
                None => return,
                Some(Piece::Records(_)) => {}
                Some(Piece::Cut(generation)) => {
                    if let Some(log) = self.orders.take_file(generation) {
                        self.adopt(log, generation);
                    }
                }
            }
        }
    }

    fn failed_write(&mut self, error: &io::Error, journal: &Journal) {
        tracing::warn!("Error writing to the AOF file {}: {error}", self.log.path.display());
        if let Err(worse) = self.log.file.truncate(self.log.len) {
            tracing::warn!("Could not remove the short write from {}: {worse}", self.log.path.display());
            self.poison("Error writing to the AOF file", error);
        }
        self.status.set_error(Some(error.to_string()));
        journal.refuse(Some(plain(error)));
    }

    fn refuse_if_poisoned(&self, journal: &Journal) {
        if self.health == Health::Poisoned {
            journal.refuse(self.orders.poison());
        }
    }

    fn poison(&mut self, what: &str, error: &io::Error) {
        tracing::error!(
            "{what} {}: {error}. The file is not trusted any more: writes are refused until a new one is complete",
            self.log.path.display()
        );
        self.health = Health::Poisoned;
        self.unwritten = None;
        self.status.set_error(Some(error.to_string()));
        self.orders.poisoned(plain(error));
    }

    fn recovered(&mut self, journal: &Journal) {
        if self.status.set_error(None) {
            tracing::info!("AOF write error looks solved. The server can write again.");
        }
        journal.refuse(None);
    }

    /// Writes and syncs everything that is left.
    ///
    /// # Errors
    /// When not everything is on the disk.
    pub fn finish(
        &mut self,
        journal: &Journal,
        clock: &dyn Fn() -> u64,
        unix_seconds: u64,
    ) -> io::Result<()> {
        let settings = self.orders.settings();
        self.hear(&settings, journal);
        loop {
            if self.health == Health::Poisoned {
                return Err(io::Error::other("the append only file is not trusted since a failure"));
            }
            self.drain(journal, &settings, clock, unix_seconds);
            if self.unwritten.is_some() {
                return Err(io::Error::other("the last commands could not be written"));
            }
            if journal.waiting_commits() == 0 {
                break;
            }
        }
        self.sync(clock);
        if self.is_unsealed {
            self.seal()?;
            self.sync(clock);
        }
        journal.progress(self.written, self.durable);
        match self.health {
            Health::Poisoned => Err(io::Error::other("the last sync failed")),
            Health::Vouched | Health::Building => Ok(()),
        }
    }
}

/// The error as C's `strerror` words it: without Rust's number behind it.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
