//! BITFIELD and BITFIELD_RO: a string as an array of integers of any width.
//!
//! ```text
//! BITFIELD k SET u8 0 200 OVERFLOW SAT INCRBY u8 0 100 GET u4 0 → [0, 255, 15]
//! ```
//!
//! The string is lengthened to hold every field that is written before the first operation, even if that one then
//! fails for its OVERFLOW.

use super::field_parse::{Change, Field, Operation, Overflow, is_read_only, parse};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::ds::bits;
use crate::keyspace::{Effect, EventClass};
use crate::resp::{Args, Writer};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::string::grow;

const READ: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const CHANGE: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE);
const GET: Arg =
    Arg::block("get-block", &[Arg::string("encoding"), Arg::integer("offset")]).with_token("GET");

pub const COMMANDS: &[Command] = &[
    Command::write("bitfield", -2, bitfield)
        .doc(
            Group::Bitmap,
            "3.2.0",
            "Reads, sets and increments integers of any width inside a string.",
            "O(1) for each operation.",
        )
        .flags(CommandFlags::DENYOOM)
        .keys(&[KeySpec::one(1, CHANGE.union(KeyFlags::VARIABLE))
            .notes("A request with nothing but GET only reads the key.")])
        .key_flags(key_flags)
        .args(&[
            Arg::key("key", 0),
            Arg::oneof("operation", &[GET, Arg::block("write", &[OVERFLOW, WRITE])]).optional().multiple(),
        ]),
    Command::read("bitfield_ro", -2, bitfield_ro)
        .doc(
            Group::Bitmap,
            "6.0.0",
            "Reads integers of any width inside a string.",
            "O(1) for each operation.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, READ)])
        .args(&[Arg::key("key", 0), GET.optional().multiple().multiple_token()]),
];

const OVERFLOW: Arg = Arg::oneof(
    "overflow-block",
    &[Arg::token("wrap", "WRAP"), Arg::token("sat", "SAT"), Arg::token("fail", "FAIL")],
)
.with_token("OVERFLOW")
.optional();

const WRITE: Arg = Arg::oneof(
    "write-operation",
    &[
        Arg::block("set-block", &[Arg::string("encoding"), Arg::integer("offset"), Arg::integer("value")])
            .with_token("SET"),
        Arg::block(
            "incrby-block",
            &[Arg::string("encoding"), Arg::integer("offset"), Arg::integer("increment")],
        )
        .with_token("INCRBY"),
    ],
);

fn key_flags(args: &Args<'_>) -> KeyFlags {
    if is_read_only(args) { READ } else { CHANGE }
}

fn bitfield(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let operations = parse(&req.args, cx.config.proto_max_bulk_len)?;
    let Some(bytes_needed) = bytes_needed(&operations) else {
        return read_all(cx, req, reply, &operations);
    };
    cx.edit(req.key(0)?, |entry| {
        let len = entry.string()?.map_or(0, |string| string.bytes().len());
        let has_grown = len < bytes_needed;
        if has_grown {
            entry.modify_string(|bytes| grow(bytes, bytes_needed))?;
        }
        let Some(bytes) = entry.string_mut()? else { return Err(CmdError::WrongType) };
        let mut changes = 0;
        let replied = reply.write(|writer| {
            writer.array(operations.len());
            for operation in &operations {
                changes += u32::from(run(bytes, *operation, has_grown, writer));
            }
        });
        Ok((replied, effect(changes, has_grown)))
    })
}

/// Bytes that the string must have; `None` when nothing is written.
fn bytes_needed(operations: &[Operation]) -> Option<usize> {
    let last_bits = operations.iter().filter_map(|operation| match operation {
        Operation::Read(_) => None,
        Operation::Write(field, ..) => Some(field.offset + field.width as usize - 1),
    });
    last_bits.max().map(|bit| bit / 8 + 1)
}

fn effect(changes: u32, has_grown: bool) -> Effect {
    match changes {
        // Longer although every operation failed: no change, as in Redis, but copies of the data must hear of it.
        0 if has_grown => Effect::UNTOLD,
        0 => Effect::NONE,
        _ => Effect::event(EventClass::String, "setbit").changes(changes),
    }
}

fn bitfield_ro(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const GET_ONLY: CmdError = CmdError::text("ERR BITFIELD_RO only supports the GET subcommand");
    let operations = parse(&req.args, cx.config.proto_max_bulk_len)?;
    if bytes_needed(&operations).is_some() {
        return Err(GET_ONLY);
    }
    read_all(cx, req, reply, &operations)
}

fn read_all(
    cx: &mut ReadCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    operations: &[Operation],
) -> Outcome {
    let string = cx.string(req.key(0)?)?;
    let bytes = string.map_or(&[][..], |string| string.bytes());
    Ok(reply.write(|writer| {
        writer.array(operations.len());
        for operation in operations {
            let (Operation::Read(field) | Operation::Write(field, ..)) = *operation;
            writer.int(read(bytes, field) as i64);
        }
    }))
}

/// Runs one operation and answers it; whether it counts as a change.
fn run(bytes: &mut [u8], operation: Operation, has_grown: bool, writer: &mut Writer<'_>) -> bool {
    let (field, change, overflow) = match operation {
        Operation::Read(field) => {
            writer.int(read(bytes, field) as i64);
            return false;
        }
        Operation::Write(field, change, overflow) => (field, change, overflow),
    };
    let old = read(bytes, field);
    let wanted = match change {
        // Redis takes the value of SET for an unsigned field as 64 bits without sign.
        Change::Set(value) if !field.signed => i128::from(value as u64),
        Change::Set(value) => signed_to_set(value, field),
        Change::Increment(by) => old + i128::from(by),
    };
    let Some(new) = fit(wanted, field, overflow) else {
        writer.null();
        return false;
    };
    bits::set_field(bytes, field.offset, field.width, new as u64);
    let answer = if matches!(change, Change::Set(_)) { old } else { new };
    writer.int(answer as i64);
    has_grown || old != new
}

/// A value for a signed field. Redis computes in 64 bits how far it lies below the field's maximum; where that
/// overflows, it takes the value for one that is too big: the same low bits, above the range.
fn signed_to_set(value: i64, field: Field) -> i128 {
    let max = i64::MAX >> (64 - field.width);
    let taken_for = if max.checked_sub(value).is_some() || field.width == 64 { 0 } else { 1 << 64 };
    i128::from(value) + taken_for
}

/// The number in a field.
fn read(bytes: &[u8], field: Field) -> i128 {
    interpret(bits::field(bytes, field.offset, field.width), field)
}

/// The low bits of `raw` as a number of the field's shape.
fn interpret(raw: u64, field: Field) -> i128 {
    let unused = 64 - field.width;
    if field.signed {
        i128::from(((raw << unused) as i64) >> unused)
    } else {
        i128::from(raw << unused >> unused)
    }
}

/// `wanted` as the field can hold it; `None` when it fails.
fn fit(wanted: i128, field: Field, overflow: Overflow) -> Option<i128> {
    let (min, max) = if field.signed {
        (-(1_i128 << (field.width - 1)), (1_i128 << (field.width - 1)) - 1)
    } else {
        (0, (1_i128 << field.width) - 1)
    };
    match overflow {
        _ if (min..=max).contains(&wanted) => Some(wanted),
        Overflow::Wrap => Some(interpret(wanted as u64, field)),
        Overflow::Saturate => Some(wanted.clamp(min, max)),
        Overflow::Fail => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, Overflow, fit};

    #[test]
    fn what_does_not_fit_is_wrapped_cut_or_refused() {
        let field = |signed, width| Field { signed, width, offset: 0 };
        for (wanted, field, wrapped, cut) in [
            (100, field(false, 8), Some(100), Some(100)),
            (256, field(false, 8), Some(0), Some(255)),
            (-1, field(false, 8), Some(255), Some(0)),
            (128, field(true, 8), Some(-128), Some(127)),
            (-129, field(true, 8), Some(127), Some(-128)),
            (1, field(true, 1), Some(-1), Some(0)),
            (
                i128::from(i64::MAX) + 1,
                field(true, 64),
                Some(i128::from(i64::MIN)),
                Some(i128::from(i64::MAX)),
            ),
            (i128::from(u64::MAX), field(false, 63), Some((1 << 63) - 1), Some((1 << 63) - 1)),
        ] {
            assert_eq!(fit(wanted, field, Overflow::Wrap), wrapped, "{wanted} {field:?}");
            assert_eq!(fit(wanted, field, Overflow::Saturate), cut, "{wanted} {field:?}");
            let fits = cut == Some(wanted);
            assert_eq!(fit(wanted, field, Overflow::Fail), fits.then_some(wanted));
        }
    }
}
