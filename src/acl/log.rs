//! ACL LOG: what was refused, newest first.
//!
//! A refusal like one of the ten newest, less than a minute after its last time, counts there instead of making an entry of
//! its own, so a client that tries in a loop does not push the others out.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// How many entries a refusal is compared with.
const COMPARED: usize = 10;
/// Longest time between two refusals that are one entry, in ms.
const GROUPED_WITHIN_MS: u64 = 60_000;

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Command,
    Key,
    Channel,
    Auth,
}

impl Reason {
    pub fn word(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
        }
    }
}

/// Where the request stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    TopLevel,
    Multi,
    Lua,
}

impl Context {
    pub fn word(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

/// One kind of refusal.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Stays with the entry; grows from entry to entry.
    pub id: u64,
    pub count: u64,
    pub reason: Reason,
    pub context: Context,
    /// The command, key or channel; for a login the command it was tried with.
    pub object: Vec<u8>,
    pub username: Vec<u8>,
    /// The line of CLIENT LIST at the last time.
    pub client: Vec<u8>,
    /// Unix ms.
    pub created_ms: u64,
    pub updated_ms: u64,
}

/// A refusal on its way into the log.
pub struct Refusal<'r> {
    pub reason: Reason,
    pub context: Context,
    pub object: &'r [u8],
    pub username: &'r [u8],
    pub client: Vec<u8>,
    pub now_ms: u64,
}

#[derive(Default)]
struct Entries {
    /// Newest first.
    entries: VecDeque<Entry>,
    next_id: u64,
}

/// See the module's head.
#[derive(Default)]
pub struct Log(Mutex<Entries>);

impl Log {
    /// Adds a refusal; the log holds at most `len_max` entries after it.
    pub fn add(&self, refusal: Refusal<'_>, len_max: usize) {
        let mut log = self.0.lock();
        if len_max == 0 {
            // What nobody wants to remember is not numbered either.
            return log.entries.clear();
        }
        let is_same = |entry: &Entry| {
            entry.reason == refusal.reason
                && entry.context == refusal.context
                && refusal.now_ms.abs_diff(entry.updated_ms) <= GROUPED_WITHIN_MS
                && entry.object == refusal.object
                && entry.username == refusal.username
        };
        let known = log.entries.iter().take(COMPARED).position(is_same);
        let entry = match known.and_then(|position| log.entries.remove(position)) {
            Some(mut entry) => {
                entry.count += 1;
                entry.client = refusal.client;
                entry.updated_ms = refusal.now_ms;
                entry
            }
            None => {
                let id = log.next_id;
                log.next_id += 1;
                Entry {
                    id,
                    count: 1,
                    reason: refusal.reason,
                    context: refusal.context,
                    object: refusal.object.to_vec(),
                    username: refusal.username.to_vec(),
                    client: refusal.client,
                    created_ms: refusal.now_ms,
                    updated_ms: refusal.now_ms,
                }
            }
        };
        log.entries.push_front(entry);
        log.entries.truncate(len_max);
    }

    /// The newest entries.
    pub fn newest(&self, count: usize) -> Vec<Entry> {
        self.0.lock().entries.iter().take(count).cloned().collect()
    }

    /// ACL LOG RESET.
    pub fn clear(&self) {
        self.0.lock().entries.clear();
    }
}
