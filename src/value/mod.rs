//! What a value is, apart from keys and replies: kinds, encodings and their thresholds.
//!
//! Small strings live inside their entry (see [`crate::ds::blob`]); everything else is a [`Value`] that the
//! entry owns. A kind is added here as a variant; its semantics get a module of their own.

pub mod string;

use std::sync::Arc;

/// A string too long to stand inside its entry. Shared with replies under way, copied on write.
pub type LongString = Arc<Vec<u8>>;

/// A value that does not fit inside an entry. A clone is a value of its own: changes to one never show in the other.
#[derive(Clone)]
pub enum Value {
    String(LongString),
}

/// The type of a value, in the words of TYPE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String,
    List,
    Set,
    SortedSet,
    Hash,
    Stream,
}

impl Kind {
    pub const ALL: [Kind; 6] =
        [Kind::String, Kind::List, Kind::Set, Kind::SortedSet, Kind::Hash, Kind::Stream];

    pub const fn word(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::SortedSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
        }
    }

    pub fn from_word(word: &[u8]) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| word.eq_ignore_ascii_case(kind.word().as_bytes()))
    }
}

impl Value {
    pub fn kind(&self) -> Kind {
        match self {
            Value::String(_) => Kind::String,
        }
    }

    /// Heap bytes behind the value, for MEMORY USAGE.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::String(string) => string.capacity() + size_of::<Vec<u8>>() + 2 * size_of::<usize>(),
        }
    }

    /// How much work freeing it is, in units of about one allocation. Values above
    /// [`crate::keyspace::reclaim::LARGE_EFFORT`] are freed off the workers.
    pub fn free_effort(&self) -> usize {
        match self {
            // Unmapping megabytes takes as long as freeing some hundred blocks.
            Value::String(string) => 1 + string.capacity() / (64 * 1024),
        }
    }
}
