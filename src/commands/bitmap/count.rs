//! Counting and finding bits: BITCOUNT and BITPOS.
//!
//! ```text
//! SET k "\xff\xf0"     BITCOUNT k → 12     BITCOUNT k 4 11 BIT → 8     BITPOS k 0 → 12
//! ```
//!
//! BITPOS for a zero bit sees endless zeros behind the string, unless an end was given.

use super::range::Unit;
use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request};
use crate::ds::bits;
use crate::spec::{Arg, Group, KeyFlags, KeySpec};

const UNIT: Arg =
    Arg::oneof("unit", &[Arg::token("byte", "BYTE"), Arg::token("bit", "BIT")]).since("7.0.0").optional();

pub const COMMANDS: &[Command] = &[
    Command::read("bitcount", -2, bitcount)
        .doc(
            Group::Bitmap,
            "2.6.0",
            "Counts the set bits of a string or of a part of it.",
            "O(N) in the length of the part.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::block("range", &[Arg::integer("start"), Arg::integer("end"), UNIT]).optional(),
        ]),
    Command::read("bitpos", -3, bitpos)
        .doc(
            Group::Bitmap,
            "2.8.7",
            "Returns the position of the first set or clear bit of a string or of a part of it.",
            "O(N) in the length of the part.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::integer("bit"),
            Arg::block(
                "range",
                &[
                    Arg::integer("start"),
                    Arg::block("end-unit-block", &[Arg::integer("end"), UNIT]).optional(),
                ],
            )
            .optional(),
        ]),
];

fn bitcount(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let range = match req.len() {
        2 => None,
        4 | 5 => {
            let (start, end) = (int(req.arg(2))?, int(req.arg(3))?);
            let unit = req.args.get(4).map_or(Ok(Unit::Byte), Unit::from_word)?;
            Some((start, end, unit))
        }
        _ => return Err(CmdError::Syntax),
    };
    let string = cx.string(req.key(0)?)?;
    let bytes = string.map_or(&[][..], |string| string.bytes());
    let count = match range {
        None => bits::count_ones(bytes),
        // Two places before the beginning both mean the first one; BITCOUNT alone asks for their order before.
        Some((start, end, _)) if start < 0 && end < 0 && start > end => 0,
        Some((start, end, unit)) => bits::count_ones_in(bytes, unit.bits_between(start, end, bytes.len())),
    };
    Ok(reply.count(count as usize))
}

fn bitpos(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const NOT_A_BIT: CmdError = CmdError::text("ERR The bit argument must be 1 or 0.");
    let wanted = match int(req.arg(2))? {
        0 => false,
        1 => true,
        _ => return Err(NOT_A_BIT),
    };
    if req.len() > 6 {
        return Err(CmdError::Syntax);
    }
    let start = req.args.get(3).map_or(Ok(0), int)?;
    let unit = req.args.get(5).map_or(Ok(Unit::Byte), Unit::from_word)?;
    let end = req.args.get(4).map(int).transpose()?;
    let Some(string) = cx.string(req.key(0)?)? else { return Ok(reply.int(if wanted { -1 } else { 0 })) };
    let bytes = string.bytes();
    let range = unit.bits_between(start, end.unwrap_or(-1), bytes.len());
    let is_open = end.is_none() && !wanted && !range.is_empty();
    Ok(match bits::first_bit_in(bytes, range, wanted) {
        Some(at) => reply.count(at),
        None if is_open => reply.count(bytes.len() * 8),
        None => reply.int(-1),
    })
}
