//! DEBUG OBJECT, POPULATE, HTSTATS and STRUCTSIZE: what lies in the keyspace, and how.

use crate::base::num::parse_i64;
use crate::dispatch::options::int;
use crate::dispatch::{AdminCx, CmdError, Outcome, Replied, ReplySlot, Request};
use crate::keyspace::access::idle_seconds;
use crate::keyspace::entry::{encoding_word, is_expired, string_entry, string_of};
use crate::keyspace::{DbIndex, Effect, Entry, EventClass, LockSet};
use crate::resp::Args;
use crate::session::{Client, Session};
use crate::value::string::Encoding;

/// Keys created under one lock.
const POPULATE_SLICE: u64 = 1024;

pub(super) fn object(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now = cx.now();
    let line = cx.with_key(req.arg(2), |view, db, key| {
        let access = view.keyspace().access_clock();
        let entry = view.peek(db, key)?;
        let bytes = string_of(entry).map(|string| string.bytes()).unwrap_or_default();
        Some(format!(
            "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
            bytes.as_ptr(),
            encoding_word(entry),
            serialized_len(bytes),
            access.shown(entry.clock()),
            idle_seconds(entry.clock(), now)
        ))
    })?;
    line.map(|line| reply.write(|w| w.status_bytes(line.as_bytes()))).ok_or(CmdError::NoSuchKey)
}

/// Bytes that a string takes in a snapshot, before compression: a number in its shortest form or a length and
/// the bytes.
fn serialized_len(bytes: &[u8]) -> usize {
    const NUMBER_MAX_BYTES: usize = 11;
    let number = Some(bytes).filter(|bytes| bytes.len() <= NUMBER_MAX_BYTES).and_then(parse_i64);
    match number {
        Some(number) if i8::try_from(number).is_ok() => 2,
        Some(number) if i16::try_from(number).is_ok() => 3,
        Some(number) if i32::try_from(number).is_ok() => 5,
        _ => {
            bytes.len()
                + if bytes.len() < 1 << 6 {
                    1
                } else if bytes.len() < 1 << 14 {
                    2
                } else {
                    5
                }
        }
    }
}

/// Creates the keys that are not there yet; nobody is told and nothing is journalled, as in Redis.
pub(super) fn populate(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const REFUSED: CmdError = CmdError::text("ERR value is out of range, must be positive");
    let number = |arg| parse_i64(arg).and_then(|number| u64::try_from(number).ok()).ok_or(REFUSED);
    let count = number(req.arg(2))?;
    let prefix = if req.len() > 3 { req.arg(3) } else { b"key" };
    let size = if req.len() > 4 { number(req.arg(4))? } else { 0 };
    if size > cx.config.proto_max_bulk_len {
        return Err(CmdError::StringTooLong);
    }
    let (db, size) = (cx.db(), usize::try_from(size).unwrap_or(usize::MAX));
    for start in (0..count).step_by(POPULATE_SLICE as usize) {
        cx.with_all(|view| {
            for number in start..count.min(start + POPULATE_SLICE) {
                let (name, value) = numbered(prefix, number, size);
                let key = view.keyspace().key(&name);
                if view.peek(db, key).is_none() {
                    view.put(db, key, string_entry(&name, &value, Encoding::Raw, None), Effect::NONE);
                }
            }
        })?;
    }
    Ok(reply.ok())
}

/// `key:7` and `value:7`, the value cut or filled with zero bytes to `size` unless that is 0.
fn numbered(prefix: &[u8], number: u64, size: usize) -> (Vec<u8>, Vec<u8>) {
    let mut name = prefix.to_vec();
    name.extend_from_slice(format!(":{number}").as_bytes());
    let mut value = format!("value:{number}").into_bytes();
    if size > 0 {
        value.resize(size, 0);
    }
    (name, value)
}

/// What the panic policy does is tested with this.
pub(super) fn panic(cx: &mut AdminCx<'_, '_>, key: Option<&[u8]>) -> Outcome {
    let db = cx.db();
    cx.with_all(|view| {
        if let Some(name) = key {
            let key = view.keyspace().key(name);
            let effect = Effect::event(EventClass::Generic, "panic");
            view.put(db, key, string_entry(name, b"half a change", Encoding::Raw, None), effect);
        }
        panic!("asked for by DEBUG PANIC");
    })
}

pub(super) fn table_stats(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let index = int(req.arg(2))?;
    let databases = cx.engine.keyspace.databases();
    let index = u16::try_from(index).ok().filter(|&index| index < databases);
    let db = DbIndex(index.ok_or(CmdError::text("ERR Out of range database"))?);
    let (keys, volatile, bytes) = cx.with_all(|view| {
        let bytes: usize = view.shards().map(|shard| shard.db(db).table_bytes()).sum();
        (view.len(db), view.volatile(db).0, bytes)
    })?;
    let lines = |elements: usize, more: String| {
        if elements == 0 { String::new() } else { format!(" number of elements: {elements}\n{more}") }
    };
    let text = format!(
        "[Dictionary HT]\n{}[Expires HT]\n{}",
        lines(keys, format!(" bytes: {bytes}\n")),
        lines(volatile, String::new())
    );
    Ok(reply.write(|w| w.verbatim(b"txt", text.as_bytes())))
}

/// Strings are the only type, and have no table inside.
pub(super) fn value_stats(cx: &mut AdminCx<'_, '_>, req: &Request<'_>) -> Outcome {
    let is_there = cx.with_key(req.arg(2), |view, db, key| view.peek(db, key).is_some())?;
    Err(if is_there {
        CmdError::text("ERR The value stored at the specified key is not represented using an hash table")
    } else {
        CmdError::NoSuchKey
    })
}

pub(super) fn structure_sizes(reply: ReplySlot<'_>) -> Replied {
    let sizes = [
        ("entry", size_of::<Entry>()),
        ("client", size_of::<Client>()),
        ("session", size_of::<Session>()),
        ("arguments", size_of::<Args<'_>>()),
        ("lockset", size_of::<LockSet>()),
    ];
    let text: String = sizes.iter().map(|(name, bytes)| format!("{name}:{bytes} ")).collect();
    let text = format!("bits:{} {text}", usize::BITS);
    reply.write(|w| w.bulk(text.as_bytes()))
}

/// Whether the entry is there for clients.
pub(super) fn is_live(entry: &Entry, now: crate::base::clock::UnixMs) -> bool {
    !is_expired(entry, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_a_snapshot() {
        for (value, len) in
            [(&b"v"[..], 2), (b"12", 2), (b"12345", 3), (b"70000", 5), (b"9999999999", 11), (&[b'x'; 64], 66)]
        {
            assert_eq!(serialized_len(value), len, "{value:?}");
        }
    }

    #[test]
    fn populated_values_have_their_size() {
        assert_eq!(numbered(b"k", 3, 0), (b"k:3".to_vec(), b"value:3".to_vec()));
        assert_eq!(numbered(b"k", 3, 9).1, b"value:3\0\0");
        assert_eq!(numbered(b"k", 3, 2).1, b"va");
    }
}
