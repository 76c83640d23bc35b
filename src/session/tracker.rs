//! A client that caches what it reads, and wants to hear when that changes: CLIENT TRACKING.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Client, ClientId};

/// Which keys a client wants to hear about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those that it has read.
    Read,
    /// Those that it reads right after CLIENT CACHING YES.
    OptIn,
    /// Those that it reads, but not right after CLIENT CACHING NO.
    OptOut,
    /// All that begin with one of its prefixes, read or not.
    Broadcast,
}

/// What a prefix takes besides its bytes, with the client that it leads to.
const PREFIX_BYTES: usize = 128;

/// What CLIENT TRACKING ON said.
pub struct Tracker {
    pub client: Arc<Client>,
    pub scope: Scope,
    /// It does not want to hear of its own changes.
    pub no_loop: bool,
    /// Who hears it instead.
    pub redirect: Option<ClientId>,
    /// Sorted; none is the beginning of another, except that an empty one, which stands for all keys, may be the first of several.
    pub prefixes: Vec<Box<[u8]>>,
    is_broken: AtomicBool,
}

impl Tracker {
    pub fn new(client: Arc<Client>, scope: Scope, no_loop: bool, redirect: Option<ClientId>) -> Tracker {
        Tracker { client, scope, no_loop, redirect, prefixes: Vec::new(), is_broken: AtomicBool::new(false) }
    }

    /// What its prefixes take, about: each is kept twice, here and where changes look for it.
    pub fn heap_bytes(&self) -> usize {
        self.prefixes.iter().map(|prefix| 2 * prefix.len() + PREFIX_BYTES).sum()
    }

    /// Who hears it instead: 0 when nobody, -1 when nothing is tracked.
    pub fn redirect_of(tracker: Option<&Tracker>) -> i64 {
        match tracker {
            None => -1,
            Some(tracker) => tracker.redirect.map_or(0, |id| i64::try_from(id.0).unwrap_or(i64::MAX)),
        }
    }

    /// Whether who was to hear instead has gone.
    pub fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }

    pub fn set_broken(&self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::Relaxed);
    }

    /// Whether a read is to be remembered, `caching` being what CLIENT CACHING said just before.
    pub fn remembers(&self, caching: bool) -> bool {
        match self.scope {
            Scope::Read => true,
            Scope::OptIn => caching,
            Scope::OptOut => !caching,
            Scope::Broadcast => false,
        }
    }
}
