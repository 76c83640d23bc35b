//! An entry of the keyspace: one blob with header, deadline, key and value.
//!
//! The blob's two lowest meta bits hold the string [`Encoding`]; strings up to about 1 KB stand inline, longer
//! ones are a [`Value::String`].

use bytes::Bytes;

use crate::base::clock::UnixMs;
use crate::ds::blob::{Blob, Payload};
use crate::value::string::Encoding;
use crate::value::{Collection, Facts, Kind, LongString, Value};

/// What the table holds.
pub type Entry = Blob<Value>;

/// Builds a string entry.
#[inline]
pub fn string_entry(key: &[u8], value: &[u8], encoding: Encoding, deadline: Option<u64>) -> Entry {
    if Entry::can_inline(key.len(), value.len()) {
        Entry::inline(key, value, deadline, encoding as u8)
    } else {
        Entry::boxed(key, Value::String(LongString::new(value.to_vec())), deadline, encoding as u8)
    }
}

/// What the collection in an entry tells of itself, `None` for a string.
#[inline]
pub fn facts_of(entry: &Entry) -> Option<&dyn Facts> {
    match entry.payload() {
        Payload::Inline(_) => None,
        Payload::Value(value) => value.facts(),
    }
}

/// A copy of an entry under another key, with deadline and encoding, as if it were used for the first time (`clock`). What a clone of the
/// value shares (long strings, nodes of lists, sorted sets and streams) is shared until one of the two changes.
pub fn duplicate(entry: &Entry, key: &[u8], clock: u32) -> Entry {
    let mut twin = entry.clone().with_key(key);
    twin.set_clock(clock);
    twin
}

/// The type of an entry.
#[inline]
pub fn kind_of(entry: &Entry) -> Kind {
    match entry.payload() {
        Payload::Inline(_) => Kind::String,
        Payload::Value(value) => value.kind(),
    }
}

/// The bytes of a string entry, `None` for another type.
#[inline]
pub fn string_of(entry: &Entry) -> Option<StringRef<'_>> {
    match entry.payload() {
        Payload::Inline(bytes) => Some(StringRef::Inline(bytes)),
        Payload::Value(Value::String(long)) => Some(StringRef::Long(long)),
        Payload::Value(_) => None,
    }
}

/// The collection in an entry, `None` for another type.
#[inline]
pub fn collection_of<T: Collection>(entry: &Entry) -> Option<&T> {
    match entry.payload() {
        Payload::Inline(_) => None,
        Payload::Value(value) => T::of(value),
    }
}

/// A string as it lies in memory.
#[derive(Clone, Copy)]
pub enum StringRef<'e> {
    Inline(&'e [u8]),
    Long(&'e LongString),
}

impl<'e> StringRef<'e> {
    #[inline]
    pub fn bytes(self) -> &'e [u8] {
        match self {
            StringRef::Inline(bytes) => bytes,
            StringRef::Long(long) => long.as_slice(),
        }
    }

    /// The bytes for a reply: long strings by reference.
    pub fn shared(self) -> Option<Bytes> {
        match self {
            StringRef::Inline(_) => None,
            StringRef::Long(long) => Some(Bytes::from_owner(Owner(LongString::clone(long)))),
        }
    }
}

/// Keeps a long string alive while a reply is under way.
struct Owner(LongString);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// The name that OBJECT ENCODING gives.
pub fn encoding_word(entry: &Entry) -> &'static str {
    facts_of(entry).map_or_else(|| Encoding::from_bits(entry.meta()).word(), |facts| facts.encoding())
}

/// Whether the entry's deadline has passed: from then on nobody may see it.
#[inline]
pub fn is_expired(entry: &Entry, now: UnixMs) -> bool {
    // Redis: a key is gone once the clock is past its deadline, not at it.
    entry.deadline().is_some_and(|deadline| deadline < now.0)
}

/// Heap bytes of the entry and its value, without its share of the table. The elements of a collection are weighed by
/// `samples` of them, by all when that is 0.
pub fn heap_bytes(entry: &Entry, samples: usize) -> usize {
    entry.heap_bytes()
        + match entry.payload() {
            Payload::Inline(_) => 0,
            Payload::Value(value) => value.heap_bytes(samples),
        }
}
