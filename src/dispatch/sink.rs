//! Whoever listens to effects: the journal, and tests.
//!
//! After a command, still under its locks, every sink gets one [`Commit`]: the effects in order, and the
//! command in the form that repeats them. So the order in which sinks see commits is a valid serial order.
//! While there is no sink, nothing is recorded and committing costs one relaxed load.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use crate::keyspace::{DbIndex, Effects};
use crate::resp::Args;
use crate::session::ClientId;

/// What one command did.
pub struct Commit<'a> {
    /// The commands that repeat it, each with the database that it is for; empty when only keys expired. Several are one
    /// transaction.
    pub commands: &'a [(DbIndex, Args<'a>)],
    pub effects: &'a Effects,
    /// Whose command it was; `None` when the server did it by itself.
    pub client: Option<ClientId>,
    /// How many of the effects came before each command; empty when all did.
    pub marks: &'a [usize],
    /// Which of the effects are those of scripts.
    pub of_scripts: &'a [Range<usize>],
}

impl<'a> Commit<'a> {
    /// Effects that all came before the commands, none of them a script's.
    pub fn new(
        commands: &'a [(DbIndex, Args<'a>)],
        effects: &'a Effects,
        client: Option<ClientId>,
    ) -> Commit<'a> {
        Commit { commands, effects, client, marks: &[], of_scripts: &[] }
    }
}

/// Somebody who hears of every commit.
pub trait Sink: Send + Sync {
    /// Called under the locks of the command: must be quick and must not touch the keyspace.
    fn commit(&self, commit: &Commit<'_>);
}

/// All listeners.
#[derive(Default)]
pub struct Sinks {
    /// There is one. Set under the locks of all shards, before the first is added.
    has_any: AtomicBool,
    all: ArcSwap<Vec<Arc<dyn Sink>>>,
}

impl Sinks {
    pub(super) fn add(&self, sink: Arc<dyn Sink>) {
        self.has_any.store(true, Ordering::Release);
        self.all.rcu(|sinks| {
            let mut sinks = Vec::clone(sinks);
            sinks.push(Arc::clone(&sink));
            sinks
        });
    }

    pub(super) fn any(&self) -> bool {
        self.has_any.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn commit(&self, commit: &Commit<'_>) {
        if self.any() {
            self.tell(commit);
        }
    }

    #[cold]
    fn tell(&self, commit: &Commit<'_>) {
        self.all.load().iter().for_each(|sink| sink.commit(commit));
    }
}
