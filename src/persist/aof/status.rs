//! What the parts of the append-only file tell each other, and INFO.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::writer::OpenLog;
use crate::config::AppendFsync;
use crate::persist::progress::Progress;

/// How the writer is to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub fsync: AppendFsync,
    pub timestamps: bool,
    pub checksums: bool,
    /// A rewrite runs and `no-appendfsync-on-rewrite` is set.
    pub spares_syncs: bool,
    /// The newest file whose base is complete, and the journal's offset that the base reaches to.
    pub vouched: Option<u64>,
    pub base_offset: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            fsync: AppendFsync::Everysec,
            timestamps: false,
            checksums: true,
            spares_syncs: false,
            vouched: None,
            base_offset: 0,
        }
    }
}

#[derive(Default)]
struct Desk {
    settings: Settings,
    /// Files that a cut in the journal will lead to.
    files: Vec<(u64, OpenLog)>,
    newest: u64,
    /// The writer needs a new base.
    poison: Option<String>,
    is_stopping: bool,
}

/// What the writer is told, and tells.
#[derive(Default)]
pub struct Orders(Mutex<Desk>);

impl Orders {
    pub fn settings(&self) -> Settings {
        self.0.lock().settings
    }

    /// A new writer begins with file `number`.
    pub fn begin(&self, number: u64) {
        let mut desk = self.0.lock();
        (desk.newest, desk.is_stopping, desk.poison) = (number, false, None);
        desk.files.clear();
        desk.settings.vouched = None;
    }

    /// Changes how the writer works; it is called by who changes it.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.0.lock().settings);
    }

    /// Keeps the file that cut `number` leads to.
    pub fn hand_over(&self, number: u64, log: OpenLog) {
        let mut desk = self.0.lock();
        desk.files.push((number, log));
        desk.newest = desk.newest.max(number);
    }

    /// The file of a cut.
    pub fn take_file(&self, number: u64) -> Option<OpenLog> {
        let mut desk = self.0.lock();
        let at = desk.files.iter().position(|(known, _)| *known == number)?;
        Some(desk.files.swap_remove(at).1)
    }

    /// The number of the newest file.
    pub fn newest(&self) -> u64 {
        self.0.lock().newest
    }

    /// The writer does not trust its file any more.
    pub fn poisoned(&self, reason: String) {
        self.0.lock().poison = Some(reason);
    }

    /// Why the writer needs a new base, if it does.
    pub fn poison(&self) -> Option<String> {
        self.0.lock().poison.clone()
    }

    /// The base of file `number`, which reaches to `offset`, is complete.
    pub fn vouch(&self, number: u64, offset: u64) {
        let mut desk = self.0.lock();
        desk.settings.vouched = Some(number);
        desk.settings.base_offset = offset;
        desk.poison = None;
    }

    pub fn stop(&self) {
        self.0.lock().is_stopping = true;
    }

    pub fn is_stopping(&self) -> bool {
        self.0.lock().is_stopping
    }
}

/// Numbers for INFO.
#[derive(Default)]
pub struct Status {
    /// Bytes of all files, and after the last rewrite.
    pub current_bytes: AtomicU64,
    /// Bytes of the files before the one that is being written.
    pub earlier_bytes: AtomicU64,
    pub base_bytes: AtomicU64,
    pub syncs: AtomicU64,
    pub synced_commits: AtomicU64,
    pub delayed_syncs: AtomicU64,
    pub is_rewriting: AtomicBool,
    pub is_scheduled: AtomicBool,
    pub rewrites: AtomicU64,
    pub failures_in_a_row: AtomicU64,
    pub has_rewrite_failed: AtomicBool,
    pub last_rewrite_s: AtomicI64,
    /// DEBUG AOF-FLUSH-SLEEP: pause before each write, µs.
    pub flush_sleep_us: AtomicU64,
    /// How far the base of the running rewrite is.
    pub saved: Progress,
    /// Monotonic µs at which the running rewrite began.
    pub rewrite_began_us: AtomicU64,
    error: Mutex<Option<String>>,
}

impl Status {
    pub fn new() -> Status {
        Status { last_rewrite_s: AtomicI64::new(-1), ..Status::default() }
    }

    /// The last error of the writer; whether that is a change between fine and not.
    pub fn set_error(&self, error: Option<String>) -> bool {
        let mut last = self.error.lock();
        let is_change = last.is_some() != error.is_some();
        *last = error;
        is_change
    }

    pub fn error(&self) -> Option<String> {
        self.error.lock().clone()
    }

    /// Bytes of the whole append-only file.
    pub fn total_bytes(&self) -> u64 {
        self.earlier_bytes.load(Ordering::Relaxed) + self.current_bytes.load(Ordering::Relaxed)
    }
}
