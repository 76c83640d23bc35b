//! What a client listens to.

use std::collections::BTreeSet;

/// A space of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Channel,
    Pattern,
    Shard,
}

/// Names in each of the three spaces.
#[derive(Default)]
pub struct Subscriptions {
    pub channels: BTreeSet<Box<[u8]>>,
    pub patterns: BTreeSet<Box<[u8]>>,
    pub shard_channels: BTreeSet<Box<[u8]>>,
    name_bytes: usize,
}

/// What a name takes besides its bytes, with the client and where its listeners are found.
const NAME_BYTES: usize = 128;

impl Subscriptions {
    fn names_mut(&mut self, space: Space) -> &mut BTreeSet<Box<[u8]>> {
        match space {
            Space::Channel => &mut self.channels,
            Space::Pattern => &mut self.patterns,
            Space::Shard => &mut self.shard_channels,
        }
    }

    pub fn names(&self, space: Space) -> &BTreeSet<Box<[u8]>> {
        match space {
            Space::Channel => &self.channels,
            Space::Pattern => &self.patterns,
            Space::Shard => &self.shard_channels,
        }
    }

    /// Adds a name; whether it is new.
    pub fn add(&mut self, space: Space, name: &[u8]) -> bool {
        let is_new = self.names_mut(space).insert(name.into());
        self.name_bytes += if is_new { name.len() } else { 0 };
        is_new
    }

    /// Removes a name; whether it was there.
    pub fn remove(&mut self, space: Space, name: &[u8]) -> bool {
        let was_there = self.names_mut(space).remove(name);
        self.name_bytes -= if was_there { name.len() } else { 0 };
        was_there
    }

    /// What the names take, about: each is kept twice, here and where listeners are found.
    pub fn heap_bytes(&self) -> usize {
        let count = self.channels.len() + self.patterns.len() + self.shard_channels.len();
        2 * self.name_bytes + NAME_BYTES * count
    }

    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shard_channels.is_empty()
    }
}
