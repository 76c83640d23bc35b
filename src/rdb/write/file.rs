//! What stands around values in a file: its head, the marks before a key, its end.

use super::value::{self, Format, Handle};
use super::{Output, push_length, push_ms};
use crate::ds::blob::Payload;
use crate::rdb::mark;
use crate::value::Value;

/// When a key was last used, or how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Seconds since it was used.
    Idle(u64),
    /// The logarithmic counter of LFU policies.
    Frequency(u8),
}

/// What stands before a key's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Unix milliseconds.
    pub deadline: Option<u64>,
    pub access: Option<Access>,
}

/// The bytes that start every file.
pub fn magic(version: u32) -> [u8; 9] {
    let digit = |unit: u32| b'0' + (version / unit % 10) as u8;
    [b'R', b'E', b'D', b'I', b'S', digit(1000), digit(100), digit(10), digit(1)]
}

/// Something about the writer.
pub fn push_aux(out: &mut impl Output, name: &str, text: &[u8]) {
    out.bytes().push(mark::AUX);
    out.text(name.as_bytes());
    out.text(text);
}

/// A library of functions.
pub fn push_function(out: &mut impl Output, code: &[u8]) {
    out.bytes().push(mark::FUNCTION);
    out.text(code);
}

/// The database of the keys that follow.
pub fn push_select(out: &mut Vec<u8>, db: u16) {
    out.push(mark::SELECT);
    push_length(out, u64::from(db));
}

/// How many keys the database has, and how many of them with a deadline: a hint for the reader.
pub fn push_resize(out: &mut Vec<u8>, keys: usize, volatile: usize) {
    out.push(mark::RESIZE);
    push_length(out, keys as u64);
    push_length(out, volatile as u64);
}

/// The end; `checksum` is 0 for a file without.
pub fn push_end(out: &mut Vec<u8>, checksum: u64) {
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// The mark before the checksum, which is part of what is summed up.
pub fn push_end_mark(out: &mut Vec<u8>) {
    out.push(mark::END);
}

#[inline]
fn push_head(out: &mut Vec<u8>, head: Head) {
    if let Some(deadline) = head.deadline {
        out.push(mark::DEADLINE_MS);
        push_ms(out, deadline as i64);
    }
    match head.access {
        Some(Access::Idle(seconds)) => {
            out.push(mark::IDLE);
            push_length(out, seconds);
        }
        Some(Access::Frequency(counter)) => out.extend_from_slice(&[mark::FREQUENCY, counter]),
        None => {}
    }
}

/// A key with its value. Its type, which tells what version the file needs.
///
/// # Errors
/// Those of [`Output::pause`].
pub fn write_key<O: Output>(
    key: &[u8],
    head: Head,
    value: &Payload<'_, Value>,
    format: Format,
    out: &mut O,
) -> Result<u8, O::Error> {
    let kind = value::kind_of(value, format);
    push_head(out.bytes(), head);
    out.bytes().push(kind);
    out.text(key);
    value::write(value, format, out)?;
    out.pause()?;
    Ok(kind)
}

/// All of a key but its value; the value's type.
pub fn write_key_of(key: &[u8], head: Head, value: &Handle, format: Format, out: &mut impl Output) -> u8 {
    let kind = value.kind(format);
    push_head(out.bytes(), head);
    out.bytes().push(kind);
    out.text(key);
    kind
}
