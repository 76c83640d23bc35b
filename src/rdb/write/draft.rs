//! A draft: keys put down in a hurry, under a lock, to be written properly afterwards.
//!
//! ```text
//! under the lock   bytes  00 03 6b 65 79 ‹text of 90 bytes› 00 04 …     holes: (5, text of 90 bytes), (…, handle)
//! afterwards       out    00 03 6b 65 79 c3 2f 40 5a …                  texts compressed, big values walked
//! ```
//!
//! Putting down costs a copy of what is small and a reference of what is big; compressing and walking cost no lock. A value that
//! takes long to write gets a draft of its own, to be written when nobody waits for drafts any more.

use super::file::{self, Head};
use super::value::{Format, Handle, needs_field_deadlines};
use super::{COMPRESS_ABOVE_BYTES, Output, push_text};
use crate::ds::blob::Blob;
use crate::rdb::VERSION_FIELD_DEADLINES;
use crate::value::set::Set;
use crate::value::{Facts, Value};
use std::convert::Infallible;

/// Values of more bytes in one piece are put down by reference.
const PIECE_MAX_BYTES: usize = 1024;
/// Tables of more elements are put down by reference.
const TABLE_MAX_LEN: usize = 16;

/// Values of about so many bytes take some milliseconds to write.
const HUGE_BYTES: usize = 1 << 20;

/// See the module's head.
#[derive(Default)]
pub struct Draft {
    format: Format,
    bytes: Vec<u8>,
    holes: Vec<Hole>,
    keys: usize,
    version: u32,
    /// Keys with huge values, each in a draft of its own.
    huge: Vec<Draft>,
}

/// Something in the bytes that is to be written in another way.
struct Hole {
    at: usize,
    what: What,
}

enum What {
    /// A text of so many bytes, which are there.
    Text(usize),
    /// A value of which nothing is there.
    Value(Handle),
}

impl Draft {
    pub fn new(format: Format) -> Draft {
        Draft { format, version: format.version, ..Draft::default() }
    }

    /// Puts a key down.
    pub fn push(&mut self, entry: &mut Blob<Value>, head: Head) {
        if entry.value_mut().is_some_and(|value| value.heap_bytes(1) >= HUGE_BYTES) {
            let mut own = Draft::new(self.format);
            own.put(entry, head);
            self.version = self.version.max(own.version);
            self.huge.push(own);
        } else {
            self.put(entry, head);
        }
    }

    /// The keys with huge values, which are no part of this draft any more.
    pub fn take_huge(&mut self) -> Vec<Draft> {
        std::mem::take(&mut self.huge)
    }

    fn put(&mut self, entry: &mut Blob<Value>, head: Head) {
        self.keys += 1;
        let kind = if let Some(value) = entry.value_mut().filter(|value| is_big(value)) {
            let handle = Handle::of(value);
            let kind = file::write_key_of(entry.key(), head, &handle, self.format, self);
            self.holes.push(Hole { at: self.bytes.len(), what: What::Value(handle) });
            kind
        } else {
            let format = self.format;
            match file::write_key(entry.key(), head, &entry.payload(), format, self) {
                Ok(kind) => kind,
                Err(never) => match never {},
            }
        };
        if needs_field_deadlines(kind) {
            self.version = self.version.max(VERSION_FIELD_DEADLINES);
        }
    }

    /// Number of keys.
    pub fn keys(&self) -> usize {
        self.keys
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.huge.is_empty()
    }

    /// The version that its content needs.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Bytes that were put down, without what is put down by reference.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that it takes in memory by itself.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.holes.capacity() * size_of::<Hole>()
    }

    /// Writes it properly, and leaves an empty one that keeps its room.
    ///
    /// # Errors
    /// Those of [`Output::pause`].
    pub fn finish<O: Output>(&mut self, out: &mut O) -> Result<(), O::Error> {
        let mut at = 0;
        for hole in self.holes.drain(..) {
            out.bytes().extend_from_slice(self.bytes.get(at..hole.at).unwrap_or_default());
            at = hole.at;
            match hole.what {
                What::Text(len) => {
                    out.text(self.bytes.get(at..at + len).unwrap_or_default());
                    at += len;
                }
                What::Value(handle) => handle.write(self.format, out)?,
            }
            out.pause()?;
        }
        out.bytes().extend_from_slice(self.bytes.get(at..).unwrap_or_default());
        self.bytes.clear();
        self.keys = 0;
        out.pause()
    }
}

/// Whether a value is better put down by reference.
fn is_big(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() > PIECE_MAX_BYTES,
        Value::Set(Set::Table(table)) => table.len() > TABLE_MAX_LEN,
        Value::Hash(hash) if hash.is_table() => hash.len() > TABLE_MAX_LEN,
        other => other.heap_bytes(1) > PIECE_MAX_BYTES,
    }
}

impl Output for Draft {
    type Error = Infallible;

    #[inline]
    fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    #[inline]
    fn text(&mut self, text: &[u8]) {
        if text.len() <= COMPRESS_ABOVE_BYTES {
            return push_text(&mut self.bytes, text, None);
        }
        self.holes.push(Hole { at: self.bytes.len(), what: What::Text(text.len()) });
        self.bytes.extend_from_slice(text);
    }
}
