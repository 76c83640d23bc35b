//! Fetching memory ahead of the requests that will need it.
//!
//! A pipeline's requests are decoded before the first runs, so the cache lines that they will touch can be on their way
//! together instead of one after another: first the bucket line of each key, then the entries, then the same for the
//! elements that requests look up in big collections, or the beginnings of long strings that are read.
//!
//! A table can't be looked at without its lock. With one shard that is held for the batch anyway. With several the
//! shards of all the requests are taken at once, when they are few, but those that others hold: the requests then find them
//! held. Otherwise each request takes its own, and one with many keys fetches for itself.

use std::sync::Arc;

use smallvec::SmallVec;

use super::exec::Executor;
use super::plan::{Plan, Planned};
use crate::ds;
use crate::ds::table::Arriving;
use crate::keyspace::entry::{StringRef, facts_of, string_of};
use crate::keyspace::{DbIndex, Key, LockSet, ShardId};
use crate::value::Facts;

/// With several shards: how many keys may be locked ahead of the requests that need them. More would be in the way of
/// other workers more often than it helps this one.
const KEYS_AHEAD_MAX: usize = 16;
/// Of shorter strings the processor has fetched the end when it has copied the beginning.
const LONG_STRING_BYTES: usize = 256;
/// Lines of a long string that are fetched ahead. The processor itself sees where a copy goes, but only behind its first lines, and
/// not into the next page.
const LINES_AHEAD: usize = 8;
const LINE_BYTES: usize = 64;
/// Long strings that are fetched together.
const STRINGS_AT_ONCE: usize = 64;

impl Executor<'_> {
    /// Fetches the memory that the next requests will need, while there is still time, and locks it if need be. Only for
    /// tables beyond the processor's caches.
    #[inline]
    pub fn prefetch(&mut self, db: DbIndex, plan: &Plan<'_>) {
        let keyspace = &self.engine.keyspace;
        let keys = plan.keys();
        if keyspace.shard_count() > 1 {
            if keys.len() > KEYS_AHEAD_MAX {
                return;
            }
            self.view.look_ahead(db, keys);
        } else if self.view.lock(&LockSet::One(ShardId(0))).is_ok() {
            self.view.prefetch(db, keys);
        } else {
            return;
        }
        // Pipelines are mostly of one kind: what the first request does not need, the others don't.
        let Some(first) = plan.iter().next() else { return };
        if self.element_of(db, &first, &mut None).is_some() {
            self.prefetch_elements(db, plan);
        } else if reads(&first) && keys.first().is_some_and(|key| self.long_string(db, key).is_some()) {
            self.prefetch_strings(db, keys);
        }
    }

    /// Fetches for one request whose shards have just been locked, when there are several keys and shards.
    #[inline]
    pub(super) fn prefetch_own(&self, db: DbIndex, keys: &[Key<'_>]) {
        if keys.len() > 1 && self.engine.keyspace.shard_count() > 1 {
            self.view.prefetch(db, keys);
        }
    }

    /// The string under a key, if there is more of it than comes with its entry.
    fn long_string(&self, db: DbIndex, key: &Key<'_>) -> Option<StringRef<'_>> {
        let string = string_of(self.view.look(db, *key)?)?;
        match string {
            StringRef::Inline(bytes) if bytes.len() < LONG_STRING_BYTES => None,
            string => Some(string),
        }
    }

    /// Asks for long strings: for what leads to them, and when it is there, for how they begin and the page in which they end.
    fn prefetch_strings(&self, db: DbIndex, keys: &[Key<'_>]) {
        for keys in keys.chunks(STRINGS_AT_ONCE) {
            let strings: SmallVec<[StringRef<'_>; STRINGS_AT_ONCE]> =
                keys.iter().filter_map(|key| self.long_string(db, key)).collect();
            for string in &strings {
                if let StringRef::Long(long) = string {
                    ds::prefetch::read(Arc::as_ptr(long));
                }
            }
            for bytes in strings.into_iter().map(StringRef::bytes) {
                let lines = bytes.chunks(LINE_BYTES).take(LINES_AHEAD);
                lines.for_each(|line| ds::prefetch::read(line.as_ptr()));
                bytes.last().into_iter().for_each(|end| ds::prefetch::read(end));
            }
        }
    }

    /// Asks for what requests will look up in the collections under their keys.
    fn prefetch_elements(&self, db: DbIndex, plan: &Plan<'_>) {
        let mut last = None;
        let mut arriving: SmallVec<[Arriving<'_>; 64]> = SmallVec::new();
        for planned in plan.iter() {
            if let Some(element) = self.element_of(db, &planned, &mut last) {
                arriving.push(element);
            }
        }
        arriving.iter().for_each(Arriving::prefetch_entry);
    }

    /// Asks for the bucket of the element that a request looks up in a collection; `None` for other requests, and where it
    /// isn't worth it. `last` is the collection of the request before, by the hash of its key: those of a pipeline are
    /// often about one and the same. Should two keys have the same hash, a bucket comes that nobody needs.
    #[inline]
    fn element_of<'a>(
        &'a self,
        db: DbIndex,
        planned: &Planned<'a>,
        last: &mut Option<(u64, Option<&'a dyn Facts>)>,
    ) -> Option<Arriving<'a>> {
        let Planned::Request(request) = planned else { return None };
        let element = request.command.command.element;
        let &key = request.keys.first().filter(|_| element > 0)?;
        let facts = match *last {
            Some((hash, facts)) if hash == key.hash() => facts,
            _ => self.view.look(db, key).and_then(facts_of),
        };
        *last = Some((key.hash(), facts));
        facts?.prefetch(request.arg(element))
    }
}

/// Whether a request only reads.
fn reads(planned: &Planned<'_>) -> bool {
    matches!(planned, Planned::Request(request) if !request.command.command.is_write())
}
