//! What a value is, apart from keys and replies: kinds, encodings and their thresholds.
//!
//! Small strings live inside their entry (see [`crate::ds::blob`]); everything else is a [`Value`] that the
//! entry owns. Strings have no elements; every other kind is a [`Collection`] with a module of its own, and becomes
//! a variant of `Value` by one line in [`collections`](self).
//!
//! ```text
//!  Value ─┬─ String(LongString)             bytes above about 1 KB
//!         └─ List, Set, …(a Collection)     small: packed bytes as Redis has them; big: a structure of `ds`
//! ```
//!
//! **Invariant:** a clone is a value of its own, changes to one never show in the other. Packed values, lists, sorted sets
//! and streams are cloned by sharing nodes that a writer copies, at once at any size (see [`crate::ds::shared_vec`]);
//! big hashes and sets are cloned element by element, and frozen at once by [`crate::ds::table::Table::freeze`].
//!
//! **Invariant:** an entry never holds an empty collection (a stream without entries counts as one that isn't); the guard of [`crate::keyspace::edit`] sees to it.

pub mod geo;
pub mod hash;
pub mod list;
pub mod set;
pub mod stream;
pub mod string;
pub mod zset;

use std::any::Any;
use std::sync::Arc;

use crate::ds::blob::Due;
use crate::ds::table::{Arriving, Slot, Table};

/// A string too long to stand inside its entry. Shared with replies under way, copied on write.
pub type LongString = Arc<Vec<u8>>;

/// A kind of value with elements.
pub trait Collection: Clone + Default + Send + Sync + 'static {
    /// The collection in a value of this kind.
    fn of(value: &Value) -> Option<&Self>;
    /// The collection in a value of this kind.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    /// As a value.
    fn into_value(self) -> Value;
}

/// Asks for the bucket of an element.
fn prefetch_in<'t, S: Slot>(table: &'t Table<S>, element: &[u8]) -> Option<Arriving<'t>> {
    table.prefetch_bucket(table.seed().hash(element))
}

/// What every collection tells of itself.
pub trait Facts {
    /// Elements (fields of a hash, entries of a stream).
    fn len(&self) -> usize;

    /// Whether an entry may not hold it (a stream without entries still is a value).
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name that OBJECT ENCODING gives.
    fn encoding(&self) -> &'static str;

    /// Heap bytes behind it, for MEMORY USAGE: elements are weighed by `samples` of them, by all when that is 0.
    fn heap_bytes(&self, samples: usize) -> usize;

    /// How much work freeing it is, in units of about one allocation. Values above
    /// [`crate::keyspace::reclaim::LARGE_EFFORT`] are freed off the workers.
    fn free_effort(&self) -> usize;

    /// Asks the processor for what looking up `element` will need first, its bucket; when that is there, its entry can be asked
    /// for. `None` where it isn't worth it: small collections lie in one piece.
    fn prefetch(&self, element: &[u8]) -> Option<Arriving<'_>> {
        let _ = element;
        None
    }

    /// Not later than the time (Unix milliseconds) at which an element expires, or something else is to be cleared away;
    /// `None` when nothing is.
    fn due(&self) -> Option<u64> {
        None
    }

    /// Removes up to `most` elements that expired before `now_ms` and names each to `tell`.
    fn expire(&mut self, now_ms: u64, most: usize, tell: &mut dyn FnMut(&[u8])) {
        let _ = (now_ms, most, tell);
    }

    /// What was cut off before, and may be freed now where nobody waits; asked for behind [`Facts::expire`].
    fn take_garbage(&mut self) -> Option<Box<dyn Any + Send>> {
        None
    }
}

/// Makes each kind a variant of [`Value`].
macro_rules! collections {
    ($($kind:ident($type:ty)),* $(,)?) => {
        /// A value that does not fit inside an entry.
        #[derive(Clone)]
        pub enum Value {
            String(LongString),
            $($kind($type),)*
        }

        impl Value {
            pub fn kind(&self) -> Kind {
                match self {
                    Value::String(_) => Kind::String,
                    $(Value::$kind(_) => Kind::$kind,)*
                }
            }

            /// What it tells of itself, unless it is a string.
            #[inline]
            pub fn facts(&self) -> Option<&dyn Facts> {
                match self {
                    Value::String(_) => None,
                    $(Value::$kind(collection) => Some(collection),)*
                }
            }

            #[inline]
            pub fn facts_mut(&mut self) -> Option<&mut dyn Facts> {
                match self {
                    Value::String(_) => None,
                    $(Value::$kind(collection) => Some(collection),)*
                }
            }
        }

        impl Due for Value {
            #[inline]
            fn due(&self) -> Option<u64> {
                match self {
                    Value::String(_) => None,
                    $(Value::$kind(collection) => collection.due(),)*
                }
            }
        }

        $(impl Collection for $type {
            #[inline]
            fn of(value: &Value) -> Option<&Self> {
                if let Value::$kind(collection) = value { Some(collection) } else { None }
            }

            #[inline]
            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$kind(collection) = value { Some(collection) } else { None }
            }

            fn into_value(self) -> Value {
                Value::$kind(self)
            }
        })*
    };
}

collections! {
    Hash(hash::Hash),
    List(list::List),
    Set(set::Set),
    SortedSet(zset::ZSet),
    Stream(stream::Stream),
}

/// Bytes of `len` elements, weighing `samples` of them, or all if that is 0.
fn sampled(weights: impl Iterator<Item = usize>, len: usize, samples: usize) -> usize {
    let taken = if samples == 0 { len } else { samples.min(len) };
    let sum: usize = weights.take(taken).sum();
    sum.saturating_mul(len).checked_div(taken).unwrap_or(0)
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
    /// Heap bytes behind the value; see [`Facts::heap_bytes`].
    pub fn heap_bytes(&self, samples: usize) -> usize {
        match self {
            Value::String(string) => string.capacity() + size_of::<Vec<u8>>() + 2 * size_of::<usize>(),
            other => other.facts().map_or(0, |facts| facts.heap_bytes(samples)),
        }
    }

    /// See [`Facts::free_effort`].
    pub fn free_effort(&self) -> usize {
        match self {
            // Unmapping megabytes takes as long as freeing some hundred blocks.
            Value::String(string) => 1 + string.capacity() / (64 * 1024),
            other => other.facts().map_or(1, Facts::free_effort),
        }
    }
}
