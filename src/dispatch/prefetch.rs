//! Fetching memory ahead of the requests that will need it.
//!
//! A pipeline's requests are decoded before the first runs, so the cache lines that they will touch can be on their way
//! together instead of one after another: first the bucket line of each key, then the entries, then the same for the
//! elements that requests look up in big collections.
//!
//! A table can't be looked at without its lock. With one shard that is held for the batch anyway. With several the
//! shards of all the requests are taken at once, when that are few and all of them free: the requests then find them
//! held. Otherwise each request takes its own, and one with many keys fetches for itself.

use smallvec::SmallVec;

use super::exec::{Executor, Keys};
use crate::keyspace::entry::facts_of;
use crate::keyspace::{DbIndex, Key, LockSet, ShardId};
use crate::resp::Args;
use crate::value::Stage;

/// With several shards: how many keys may be locked ahead of the requests that need them. More would be in the way of
/// other workers more often than it helps this one.
const KEYS_AHEAD_MAX: usize = 16;

type KeysAhead<'a> = SmallVec<[Key<'a>; KEYS_AHEAD_MAX]>;

impl Executor<'_> {
    /// Fetches the memory that the next requests will need, while there is still time, and locks it if need be. Only for
    /// tables beyond the processor's caches.
    #[inline]
    pub fn prefetch<'a>(&mut self, db: DbIndex, requests: impl Iterator<Item = Args<'a>> + Clone) {
        let has_one_shard = self.engine.keyspace.shard_count() == 1;
        let mut keys = KeysAhead::new();
        let locks = if has_one_shard {
            LockSet::One(ShardId(0))
        } else {
            self.keys_ahead(requests.clone(), KEYS_AHEAD_MAX, &mut keys);
            if keys.len() > KEYS_AHEAD_MAX {
                return;
            }
            LockSet::of(keys.iter().map(|key| self.engine.keyspace.shard_of(key.hash())))
        };
        if self.view.lock(&locks).is_err() {
            return;
        }
        if self.view.is_beyond_caches(db) {
            if has_one_shard {
                self.keys_ahead(requests.clone(), usize::MAX, &mut keys);
            }
            self.view.prefetch(db, &keys);
        }
        // Pipelines are mostly of one kind: when the first request looks up nothing in a big collection, so do the others.
        if self.prefetch_elements(db, requests.clone().take(1), Stage::Bucket) {
            self.prefetch_elements(db, requests.clone(), Stage::Bucket);
            self.prefetch_elements(db, requests, Stage::Entry);
        }
    }

    /// Fetches for the commands of a log, whose shards are held.
    pub(super) fn prefetch_requests<'a>(&mut self, db: DbIndex, requests: impl Iterator<Item = Args<'a>>) {
        let mut keys = KeysAhead::new();
        self.keys_ahead(requests, usize::MAX, &mut keys);
        self.view.prefetch(db, &keys);
    }

    /// The keys of `requests`; stops behind the request with which they are more than `max`.
    #[inline]
    fn keys_ahead<'a>(
        &mut self,
        requests: impl Iterator<Item = Args<'a>>,
        max: usize,
        keys: &mut KeysAhead<'a>,
    ) {
        let keyspace = &self.engine.keyspace;
        for args in requests {
            let Some(registered) = self.find(args.at(0)) else { continue };
            if let Some(key) = registered.only_key.and_then(|at| args.get(at)) {
                keys.push(keyspace.key(key));
                continue;
            }
            // A request that announces keys it doesn't have is refused when it runs.
            let _ = registered.command.walk_keys(&args, |at, _| keys.push(keyspace.key(args.at(at))));
            if keys.len() > max {
                return;
            }
        }
    }

    /// Fetches for one request whose shards have just been locked, when there are several keys and shards.
    #[inline]
    pub(super) fn prefetch_own(&self, db: DbIndex, keys: &Keys<'_>) {
        if keys.len() > 1 && self.engine.keyspace.shard_count() > 1 && self.view.is_beyond_caches(db) {
            self.view.prefetch(db, keys);
        }
    }

    /// Asks for what requests will look up in the collections under their keys; whether any of these is big.
    #[inline]
    fn prefetch_elements<'a>(
        &mut self,
        db: DbIndex,
        requests: impl Iterator<Item = Args<'a>>,
        stage: Stage,
    ) -> bool {
        let mut is_big = false;
        for args in requests {
            let Some(registered) = self.find(args.at(0)) else { continue };
            let (position, element) = (registered.only_key, registered.command.element);
            let Some(key) = position.and_then(|at| args.get(at)).filter(|_| element > 0) else { continue };
            let entry = self.view.look(db, self.engine.keyspace.key(key));
            is_big |= entry.and_then(facts_of).is_some_and(|facts| facts.prefetch(args.at(element), stage));
        }
        is_big
    }
}
