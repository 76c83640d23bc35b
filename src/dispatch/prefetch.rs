//! Fetching memory ahead of the requests that will need it.
//!
//! A pipeline's requests are decoded before the first runs, so the cache lines that they will touch can be on their way
//! together instead of one after another.

use smallvec::SmallVec;

use super::exec::Executor;
use crate::keyspace::entry::facts_of;
use crate::keyspace::{DbIndex, Key, LockSet, ShardId};
use crate::resp::Args;
use crate::value::Stage;

impl Executor<'_> {
    /// Fetches the memory that the next requests will need, while there is still time: first the bucket line of
    /// each key, then the entries. Only where there is one shard, because a table can't be looked at without its
    /// lock, and only for tables beyond the processor's caches. Then the same for the elements that requests look up in big
    /// collections.
    #[inline]
    pub fn prefetch<'a>(&mut self, db: DbIndex, requests: impl Iterator<Item = Args<'a>> + Clone) {
        let keyspace = &self.engine.keyspace;
        if keyspace.shard_count() != 1 || self.view.lock(&LockSet::One(ShardId(0))).is_err() {
            return;
        }
        if self.view.is_beyond_caches(db) {
            self.prefetch_keys(db, requests.clone());
        }
        // Pipelines are mostly of one kind: when the first request looks up nothing in a big collection, so do the others.
        if self.prefetch_elements(db, requests.clone().take(1), Stage::Bucket) {
            self.prefetch_elements(db, requests.clone(), Stage::Bucket);
            self.prefetch_elements(db, requests, Stage::Entry);
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

    pub(super) fn prefetch_keys<'a>(&mut self, db: DbIndex, requests: impl Iterator<Item = Args<'a>>) {
        let keyspace = &self.engine.keyspace;
        let mut keys: SmallVec<[Key<'a>; 16]> = SmallVec::new();
        for args in requests {
            let Some(registered) = self.find(args.at(0)) else { continue };
            // A request that announces keys it doesn't have is refused when it runs.
            let _ = registered.command.walk_keys(&args, |position, _| {
                let key = keyspace.key(args.at(position));
                self.view.prefetch_bucket(db, key);
                keys.push(key);
            });
        }
        for key in keys {
            self.view.prefetch_entry(db, key);
        }
    }
}
