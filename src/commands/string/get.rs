//! Reading strings: GET, MGET, STRLEN, GETRANGE and its old name SUBSTR.
//!
//! ```text
//! SET k Hello     GETRANGE k 1 3 → ell     GETRANGE k -3 -1 → llo     GETRANGE k 3 1 → (empty)
//! ```

use crate::dispatch::options::int;
use crate::dispatch::reply::write_string;
use crate::dispatch::{Command, Outcome, ReadCx, ReplySlot, Request};
use crate::keyspace::entry::string_of;
use crate::resp::SHARED_MIN_BYTES;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::read("get", 2, get)
        .doc(Group::String, "1.0.0", "Returns the string under a key.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0)]),
    Command::read("mget", -2, mget)
        .doc(Group::String, "1.0.0", "Returns the strings under several keys.", "O(N) in the number of keys.")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::range(1, -1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["request_policy:multi_shard"])
        .args(&[Arg::key("key", 0).multiple()]),
    Command::read("strlen", 2, strlen)
        .doc(Group::String, "2.2.0", "Returns the length of the string under a key in bytes.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO)])
        .args(&[Arg::key("key", 0)]),
    Command::read("getrange", 4, getrange)
        .doc(
            Group::String,
            "2.4.0",
            "Returns a part of the string under a key.",
            "O(N) in the length of the part.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::integer("start"), Arg::integer("end")]),
    Command::read("substr", 4, getrange)
        .doc(
            Group::String,
            "1.0.0",
            "Returns a part of the string under a key.",
            "O(N) in the length of the part.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::integer("start"), Arg::integer("end")])
        .deprecated("2.0.0", "`GETRANGE`"),
];

fn get(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(match cx.string(req.key(0)?)? {
        Some(value) => reply.string(value),
        None => reply.null(),
    })
}

/// Keys of other types count as missing.
fn mget(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.write(|writer| {
        writer.array(req.keys().len());
        for key in req.keys() {
            match cx.read(*key).and_then(string_of) {
                Some(value) => write_string(writer, value),
                None => writer.null(),
            }
        }
    }))
}

fn strlen(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let value = cx.string(req.key(0)?)?;
    Ok(reply.count(value.map_or(0, |value| value.bytes().len())))
}

fn getrange(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (start, end) = (int(req.arg(2))?, int(req.arg(3))?);
    let Some(value) = cx.string(req.key(0)?)? else { return Ok(reply.bulk(b"")) };
    let part = slice_of(value.bytes().len(), start, end);
    if part.len() >= SHARED_MIN_BYTES
        && let Some(shared) = value.shared()
    {
        return Ok(reply.bulk_shared(shared.slice(part)));
    }
    Ok(reply.bulk(value.bytes().get(part).unwrap_or_default()))
}

/// The bytes from `start` to `end`, both included; negative positions count from the end. What lies before the
/// beginning means the first byte.
fn slice_of(len: usize, start: i64, end: i64) -> std::ops::Range<usize> {
    if len == 0 || (start < 0 && end < 0 && start > end) {
        return 0..0;
    }
    let position = |index: i64| match usize::try_from(index) {
        Ok(index) => index,
        Err(_) => len.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let (start, end) = (position(start), position(end).min(len - 1));
    if start > end { 0..0 } else { start..end + 1 }
}

#[cfg(test)]
mod tests {
    use super::slice_of;

    #[test]
    fn ranges_as_getrange_cuts_them() {
        for (start, end, expected) in [
            (0, -1, 0..5),
            (1, 3, 1..4),
            (-3, -1, 2..5),
            (-100, 2, 0..3),
            (-100, -50, 0..1),
            (3, 1, 0..0),
            (-1, -3, 0..0),
            (5, 10, 0..0),
            (i64::MIN, i64::MAX, 0..5),
            (i64::MAX, i64::MAX, 0..0),
        ] {
            assert_eq!(slice_of(5, start, end), expected, "{start} {end}");
        }
        assert_eq!(slice_of(0, 0, -1), 0..0);
    }
}
