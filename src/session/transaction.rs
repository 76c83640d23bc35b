//! What MULTI and WATCH leave with a connection until EXEC.

use std::sync::{Arc, Weak};

use crate::keyspace::{DbIndex, WatchFlag};
use crate::resp::{Args, OwnedRequests};
use crate::spec::CommandFlags;

/// The requests between MULTI and EXEC.
#[derive(Default)]
pub struct Transaction {
    requests: OwnedRequests,
    /// What was found out about each of them when it came.
    queued: Vec<Queued>,
    /// Flags of any of the requests.
    pub flags: CommandFlags,
    /// One of them runs a script.
    pub runs_scripts: bool,
    /// A request was refused: EXEC will run none.
    pub failed: bool,
}

/// What a queued request means, so that EXEC need not find it out again.
#[derive(Clone, Copy)]
pub struct Queued {
    /// Number of the command or subcommand.
    pub command: u16,
    /// Hash of the first key, if there are keys.
    pub key_hash: u64,
}

/// How many requests a transaction has, and what they take.
#[derive(Clone, Copy)]
pub struct Outline {
    pub requests: usize,
    pub heap_bytes: usize,
}

impl Transaction {
    /// Keeps a request for EXEC.
    pub fn push(&mut self, args: &Args<'_>, queued: Queued, flags: CommandFlags) {
        self.requests.push(args);
        if self.queued.capacity() == 0 {
            self.queued.reserve(12);
        }
        self.queued.push(queued);
        self.flags = self.flags | flags;
    }

    pub fn len(&self) -> usize {
        self.queued.len()
    }

    pub fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Args<'_>, Queued)> {
        self.requests.iter().zip(self.queued.iter().copied())
    }

    /// Begins anew, with the room that there is.
    pub fn reset(&mut self) {
        self.requests.clear();
        self.queued.clear();
        let (requests, queued) = (std::mem::take(&mut self.requests), std::mem::take(&mut self.queued));
        *self = Transaction { requests, queued, ..Transaction::default() };
    }

    /// What CLIENT LIST shows of it.
    #[inline]
    pub fn outline(&self) -> Outline {
        let queued_bytes = self.queued.capacity() * size_of::<Queued>();
        Outline { requests: self.len(), heap_bytes: self.requests.heap_bytes() + queued_bytes }
    }
}

/// The keys that a client watches.
#[derive(Default)]
pub struct Watch {
    /// Dropped with the last key: what the shards know of it is dead then.
    flag: Option<Arc<WatchFlag>>,
    keys: Vec<(DbIndex, Box<[u8]>)>,
    name_bytes: usize,
}

/// What a watched key takes besides the bytes of its name, with the client and with its shard.
const WATCHED_BYTES: usize = 96;

impl Watch {
    /// Adds a key, and returns the flag to be raised; `None` if it is watched already.
    pub fn add(&mut self, db: DbIndex, key: &[u8]) -> Option<&Arc<WatchFlag>> {
        if self.keys.iter().any(|(watched, name)| *watched == db && **name == *key) {
            return None;
        }
        self.keys.push((db, key.into()));
        self.name_bytes += key.len();
        Some(self.flag.get_or_insert_default())
    }

    pub fn keys(&self) -> &[(DbIndex, Box<[u8]>)] {
        &self.keys
    }

    /// What the keys take, about: each is kept twice, here and with its shard.
    pub fn heap_bytes(&self) -> usize {
        2 * self.name_bytes + WATCHED_BYTES * self.keys.len()
    }

    /// What is raised when one of the keys is changed; for others to look at.
    pub fn flag(&self) -> Weak<WatchFlag> {
        self.flag.as_ref().map(Arc::downgrade).unwrap_or_default()
    }

    /// Whether one of the keys was changed.
    pub fn is_broken(&self) -> bool {
        self.flag.as_ref().is_some_and(|flag| flag.is_raised())
    }

    pub fn clear(&mut self) {
        *self = Watch::default();
    }
}
