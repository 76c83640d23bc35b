//! Changing a part of a string: APPEND and SETRANGE.
//!
//! ```text
//! SET k Hello     APPEND k " World" → 11     SETRANGE k 6 Redis → "Hello Redis"
//! SETRANGE new 3 x → "\0\0\0x"
//! ```
//!
//! A string that was changed this way is `raw` from then on, as OBJECT ENCODING tells.

use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass, Ttl};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::write("append", 3, append)
        .doc(
            Group::String,
            "2.0.0",
            "Appends to the string under a key; a missing key counts as empty.",
            "O(1) amortized; long strings grow in place.",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))])
        .args(&[Arg::key("key", 0), Arg::string("value")]),
    Command::write("setrange", 4, setrange)
        .doc(
            Group::String,
            "2.2.0",
            "Overwrites a part of the string under a key, with zero bytes before it if need be.",
            "O(N) in the length of the value.",
        )
        .flags(CommandFlags::DENYOOM)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::integer("offset"), Arg::string("value")]),
];

fn append(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let tail = req.arg(2);
    let limit = cx.config.proto_max_bulk_len;
    let len = cx.edit(req.key(0)?, |entry| {
        let effect = Effect::event(EventClass::String, "append");
        let Some(old) = entry.string()? else {
            entry.set_string(tail, Ttl::Clear);
            return Ok((tail.len(), effect));
        };
        let len = checked_len(old.bytes().len(), tail.len(), limit)?;
        entry.modify_string(|bytes| bytes.extend_from_slice(tail))?;
        Ok((len, effect))
    })?;
    Ok(reply.count(len))
}

fn setrange(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let Ok(offset) = usize::try_from(int(req.arg(2))?) else {
        return Err(CmdError::text("ERR offset is out of range"));
    };
    let part = req.arg(3);
    let limit = cx.config.proto_max_bulk_len;
    let len = cx.edit(req.key(0)?, |entry| {
        let len = entry.string()?.map_or(0, |string| string.bytes().len());
        if part.is_empty() {
            return Ok((len, Effect::NONE));
        }
        let end = checked_len(offset, part.len(), limit)?;
        entry.modify_string(|bytes| overwrite(bytes, offset, part))?;
        Ok((len.max(end), Effect::event(EventClass::String, "setrange")))
    })?;
    Ok(reply.count(len))
}

/// The sum, if a string may be that long.
fn checked_len(len: usize, more: usize, limit_bytes: u64) -> Result<usize, CmdError> {
    len.checked_add(more).filter(|&sum| sum as u64 <= limit_bytes).ok_or(CmdError::StringTooLong)
}

/// Writes `part` at `offset`, with zero bytes before it when the string is shorter.
fn overwrite(bytes: &mut Vec<u8>, offset: usize, part: &[u8]) {
    // All at once: a new string takes what it needs, and one that grows gets room for more.
    bytes.reserve((offset + part.len()).saturating_sub(bytes.len()));
    if bytes.len() < offset {
        bytes.resize(offset, 0);
    }
    let kept = bytes.len().min(offset + part.len());
    let (over, behind) = part.split_at(kept - offset);
    if let Some(place) = bytes.get_mut(offset..kept) {
        place.copy_from_slice(over);
    }
    bytes.extend_from_slice(behind);
}

#[cfg(test)]
mod tests {
    use super::{checked_len, overwrite};

    #[test]
    fn parts_go_where_they_belong() {
        for (old, offset, part, new) in [
            (&b"Hello World"[..], 6, &b"Redis"[..], &b"Hello Redis"[..]),
            (b"", 2, b"x", b"\0\0x"),
            (b"abc", 1, b"xyz", b"axyz"),
            (b"abc", 3, b"d", b"abcd"),
            (b"abc", 5, b"d", b"abc\0\0d"),
            (b"abcdef", 0, b"x", b"xbcdef"),
        ] {
            let mut bytes = old.to_vec();
            overwrite(&mut bytes, offset, part);
            assert_eq!(bytes, new);
        }
    }

    #[test]
    fn a_new_string_takes_what_it_needs() {
        let mut bytes = Vec::new();
        overwrite(&mut bytes, 100_000, b"x");
        assert_eq!(bytes.capacity(), 100_001);
    }

    #[test]
    fn too_long_is_refused() {
        assert_eq!(checked_len(5, 5, 10), Ok(10));
        assert!(checked_len(5, 6, 10).is_err());
        assert!(checked_len(usize::MAX, 1, u64::MAX).is_err());
    }
}
