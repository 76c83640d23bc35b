//! Stream commands.
//!
//! ```text
//! add        XADD XTRIM, with the options of `trim`        read        XREAD, and how STREAMS is found
//! range      XLEN XRANGE XREVRANGE                         read_group  XREADGROUP
//! delete     XDEL XSETID                                   group       XGROUP
//! info       XINFO                                         pending     XACK XPENDING
//!                                                          claim       XCLAIM XAUTOCLAIM
//! ```
//!
//! What consumer groups do is journalled as the state that came of it: a delivery as XCLAIM with the entry's consumer,
//! time and count, a group's progress as XGROUP SETID, so that a repetition reads no clock and chooses nothing.

pub mod add;
pub mod claim;
pub mod delete;
pub mod group;
pub mod info;
mod journal;
pub mod pending;
pub mod range;
pub mod read;
pub mod read_group;
mod trim;

use crate::config::Config;
use crate::dispatch::CmdError;
use crate::ds::listpack::Element;
use crate::resp::Writer;
use crate::value::stream::{Entry, Group, Limits, Stream, StreamId};

/// How big the blocks of a stream get.
fn limits(config: &Config) -> Limits {
    Limits {
        node_bytes: usize::try_from(config.stream_node_max_bytes).unwrap_or(usize::MAX),
        node_entries: usize::try_from(config.stream_node_max_entries).unwrap_or(usize::MAX),
    }
}

const INVALID_ID: CmdError = CmdError::text("ERR Invalid stream ID specified as stream command argument");

/// An id; without a sequence number, the first of its millisecond.
fn stream_id(arg: &[u8]) -> Result<StreamId, CmdError> {
    StreamId::parse(arg, 0).ok_or(INVALID_ID)
}

/// Ids of the arguments from `index` on.
fn stream_ids<'a>(args: impl Iterator<Item = &'a [u8]>) -> Result<Vec<StreamId>, CmdError> {
    args.map(stream_id).collect()
}

/// Start of an interval: an id, `-`, `+`, or an id behind `(`, which is left out itself.
fn interval_start(arg: &[u8]) -> Result<StreamId, CmdError> {
    const NONE: CmdError = CmdError::text("ERR invalid start ID for the interval");
    match arg {
        [b'(', id @ ..] if !id.is_empty() => stream_id(id)?.next().ok_or(NONE),
        _ => edge_or_id(arg, 0),
    }
}

/// End of an interval, as [`interval_start`].
fn interval_end(arg: &[u8]) -> Result<StreamId, CmdError> {
    const NONE: CmdError = CmdError::text("ERR invalid end ID for the interval");
    match arg {
        [b'(', id @ ..] if !id.is_empty() => {
            StreamId::parse(id, u64::MAX).ok_or(INVALID_ID)?.prev().ok_or(NONE)
        }
        _ => edge_or_id(arg, u64::MAX),
    }
}

fn edge_or_id(arg: &[u8], missing_seq: u64) -> Result<StreamId, CmdError> {
    match arg {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => StreamId::parse(arg, missing_seq).ok_or(INVALID_ID),
    }
}

/// What C prints of a text.
fn c_text(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The group of a key that there may not be.
fn group_of<'s>(
    stream: Option<&'s Stream>,
    key: &[u8],
    name: &[u8],
) -> Result<(&'s Stream, &'s Group), CmdError> {
    let found = stream.and_then(|stream| Some((stream, stream.group(name)?)));
    found.ok_or_else(|| no_group(key, name, b""))
}

/// `NOGROUP No such key 'k' or consumer group 'g'` and what follows.
fn no_group(key: &[u8], name: &[u8], after: &[u8]) -> CmdError {
    let parts = [b"NOGROUP No such key '", c_text(key), b"' or consumer group '", c_text(name), b"'", after];
    CmdError::Bytes(parts.concat())
}

/// `NOGROUP No such consumer group 'g' for key name 'k'`.
fn no_group_of_key(key: &[u8], name: &[u8]) -> CmdError {
    let parts = [b"NOGROUP No such consumer group '", c_text(name), b"' for key name '", c_text(key), b"'"];
    CmdError::Bytes(parts.concat())
}

fn write_id(writer: &mut Writer<'_>, id: StreamId) {
    writer.bulk(&id.text());
}

/// Id and fields.
fn write_entry(writer: &mut Writer<'_>, entry: &Entry<'_>) {
    writer.array(2);
    write_id(writer, entry.id);
    writer.array(2 * entry.len());
    for (name, value) in entry.fields() {
        write_element(writer, name);
        write_element(writer, value);
    }
}

/// An array of up to `most` entries.
fn write_entries<'s>(writer: &mut Writer<'_>, entries: impl Iterator<Item = Entry<'s>>, most: usize) {
    writer.array_counted(|writer| entries.take(most).map(|entry| write_entry(writer, &entry)).count());
}

#[inline]
fn write_element(writer: &mut Writer<'_>, element: Element<'_>) {
    match element {
        Element::Int(number) => writer.bulk_int(number),
        Element::Text(text) => writer.bulk(text),
    }
}
