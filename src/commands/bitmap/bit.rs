//! Single bits: SETBIT and GETBIT.
//!
//! ```text
//! SETBIT k 7 1 → 0, and k is "\x01"     SETBIT k 7 0 → 1     GETBIT k 100 → 0
//! ```
//!
//! A bit inside the string is changed where it lies, however long the string is. Setting a bit to what it is
//! changes nothing, and nobody hears of it.

use super::bit_offset;
use crate::base::num::parse_i64;
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::ds::bits;
use crate::keyspace::{Effect, EventClass};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::string::grow;

pub const COMMANDS: &[Command] = &[
    Command::write("setbit", 4, setbit)
        .doc(
            Group::Bitmap,
            "2.2.0",
            "Sets or clears one bit of a string and returns what it was. The string grows as needed.",
            "O(1)",
        )
        .flags(CommandFlags::DENYOOM)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::integer("offset"), Arg::integer("value")]),
    Command::read("getbit", 3, getbit)
        .doc(Group::Bitmap, "2.2.0", "Returns one bit of a string.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::integer("offset")]),
];

fn setbit(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const INVALID_BIT: CmdError = CmdError::text("ERR bit is not an integer or out of range");
    let offset = bit_offset(req.arg(2), cx.config.proto_max_bulk_len)?;
    let on = match parse_i64(req.arg(3)) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(INVALID_BIT),
    };
    let was = cx.edit(req.key(0)?, |entry| {
        const CHANGED: Effect = Effect::event(EventClass::String, "setbit");
        if offset / 8 < entry.string()?.map_or(0, |string| string.bytes().len()) {
            let was = entry.string_mut()?.is_some_and(|bytes| bits::set_bit(bytes, offset, on));
            return Ok((was, if was == on { Effect::NONE } else { CHANGED }));
        }
        entry.modify_string(|bytes| {
            grow(bytes, offset / 8 + 1);
            bits::set_bit(bytes, offset, on);
        })?;
        Ok((false, CHANGED))
    })?;
    Ok(reply.flag(was))
}

fn getbit(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let offset = bit_offset(req.arg(2), cx.config.proto_max_bulk_len)?;
    let string = cx.string(req.key(0)?)?;
    Ok(reply.flag(string.is_some_and(|string| bits::bit(string.bytes(), offset))))
}
