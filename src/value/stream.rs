//! Streams: a log of entries, and consumer groups that read it.
//!
//! ```text
//! Stream ─┬─ Log      entries in blocks, last id, counters                  `log`, `block`
//!         └─ groups   name → last id read, pending entries, consumers       `group`
//! ```
//!
//! A stream is a value even when it has no entries: its last id and its groups remain. Entries are found by id; groups by
//! name, in the order of the names' bytes.
//!
//! A clone shares blocks, groups and pending lists until one of the two changes; the first change of a group copies
//! its list of consumers.

pub mod block;
pub mod group;
pub mod id;
pub mod log;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use block::{Entry, Limits};
pub use group::{Consumer, ConsumerId, Group, Pending};
pub use id::{IdText, Sequence, StreamId};
pub use log::{Garbage, Log, Trim};

use super::Facts;

/// A counter as the commands of a log take it: none beyond 2^63 - 1, which only XSETID and its like come near. One that went
/// beyond stays there when the log is loaded, where Redis writes a negative number and loses the group.
pub fn loggable(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// See the module's head.
#[derive(Clone, Default)]
pub struct Stream {
    // Behind a box, because an entry of the keyspace holds values of few words.
    body: Box<Body>,
}

type Groups = BTreeMap<Box<[u8]>, Arc<Group>>;

#[derive(Clone, Default)]
struct Body {
    log: Log,
    /// `None` before the first.
    groups: Option<Arc<Groups>>,
}

impl From<Log> for Stream {
    /// A stream without groups.
    fn from(log: Log) -> Stream {
        Stream { body: Box::new(Body { log, groups: None }) }
    }
}

impl Stream {
    /// The entries.
    #[inline]
    pub fn log(&self) -> &Log {
        &self.body.log
    }

    /// The entries, for change.
    #[inline]
    pub fn log_mut(&mut self) -> &mut Log {
        &mut self.body.log
    }

    pub fn group_count(&self) -> usize {
        self.body.groups.as_ref().map_or(0, |groups| groups.len())
    }

    /// Names and groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.body.groups.iter().flat_map(|groups| groups.iter()).map(|(name, group)| (&**name, &**group))
    }

    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.body.groups.as_ref()?.get(name).map(|group| &**group)
    }

    /// A group, for change, and the log beside it.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<(&Log, &mut Group)> {
        let Body { log, groups } = &mut *self.body;
        let group = Arc::make_mut(groups.as_mut()?).get_mut(name)?;
        Some((log, Arc::make_mut(group)))
    }

    /// Adds a group; `false` if there is one of that name.
    pub fn create_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.group(name).is_some() {
            return false;
        }
        let groups = Arc::make_mut(self.body.groups.get_or_insert_default());
        groups.insert(name.into(), Arc::new(group));
        true
    }

    /// Takes a group out.
    pub fn remove_group(&mut self, name: &[u8]) -> Option<Arc<Group>> {
        Arc::make_mut(self.body.groups.as_mut()?).remove(name)
    }
}

impl Facts for Stream {
    fn len(&self) -> usize {
        usize::try_from(self.log().len()).unwrap_or(usize::MAX)
    }

    fn is_empty(&self) -> bool {
        false
    }

    fn encoding(&self) -> &'static str {
        "stream"
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        size_of::<Body>()
            + self.log().heap_bytes(samples)
            + self.groups().map(|(name, group)| name.len() + group.heap_bytes()).sum::<usize>()
    }

    fn free_effort(&self) -> usize {
        self.log().free_effort() + self.groups().map(|(_, group)| group.free_effort()).sum::<usize>()
    }
}
