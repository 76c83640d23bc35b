//! The little language of BITFIELD: operations on integers of any width at any place in a string.
//!
//! ```text
//! GET u4 0     SET i16 #3 -7     OVERFLOW SAT     INCRBY u2 100 1
//! ```
//!
//! `i` is signed (up to 64 bits), `u` unsigned (up to 63); `#3` is three times the width. OVERFLOW holds for the
//! operations behind it.

use super::scaled_offset;
use crate::base::num::parse_i64;
use crate::dispatch::CmdError;
use crate::dispatch::options::int;
use crate::resp::Args;

/// A number's place and shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub signed: bool,
    /// 1 to 64, or to 63 without a sign.
    pub width: u32,
    /// Of its first bit.
    pub offset: usize,
}

/// What happens to a result that doesn't fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Set(i64),
    Increment(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Read(Field),
    Write(Field, Change, Overflow),
}

/// Reads all operations, from the third argument on.
pub(super) fn parse(args: &Args<'_>, limit_bytes: u64) -> Result<Vec<Operation>, CmdError> {
    let mut operations = Vec::with_capacity(args.len() / 3);
    let mut overflow = Overflow::Wrap;
    let mut cursor = args.cursor(2);
    while let Some(word) = cursor.next() {
        let is = |name: &str, operands: usize| {
            word.eq_ignore_ascii_case(name.as_bytes()) && cursor.remaining() >= operands
        };
        if is("overflow", 1) {
            overflow = overflow_named(cursor.next().unwrap_or_default())?;
            continue;
        }
        let change: Option<fn(i64) -> Change> = match () {
            () if is("get", 2) => None,
            () if is("set", 3) => Some(Change::Set),
            () if is("incrby", 3) => Some(Change::Increment),
            () => return Err(CmdError::Syntax),
        };
        let mut operand = || cursor.next().unwrap_or_default();
        let field = field(operand(), operand(), limit_bytes)?;
        operations.push(match change {
            None => Operation::Read(field),
            Some(change) => Operation::Write(field, change(int(operand())?), overflow),
        });
    }
    Ok(operations)
}

fn overflow_named(word: &[u8]) -> Result<Overflow, CmdError> {
    match word {
        _ if word.eq_ignore_ascii_case(b"wrap") => Ok(Overflow::Wrap),
        _ if word.eq_ignore_ascii_case(b"sat") => Ok(Overflow::Saturate),
        _ if word.eq_ignore_ascii_case(b"fail") => Ok(Overflow::Fail),
        _ => Err(CmdError::text("ERR Invalid OVERFLOW type specified")),
    }
}

fn field(shape: &[u8], offset: &[u8], limit_bytes: u64) -> Result<Field, CmdError> {
    const INVALID: CmdError = CmdError::text(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
    );
    let (signed, digits, width_max) = match shape {
        [b'i', digits @ ..] => (true, digits, 64),
        [b'u', digits @ ..] => (false, digits, 63),
        _ => return Err(INVALID),
    };
    let width = parse_i64(digits).filter(|width| (1..=width_max).contains(width)).ok_or(INVALID)? as u32;
    let offset = match offset {
        [b'#', count @ ..] => scaled_offset(count, width, limit_bytes)?,
        plain => scaled_offset(plain, 1, limit_bytes)?,
    };
    Ok(Field { signed, width, offset })
}

/// Whether the operations only read; what can't be understood counts as writing.
pub(super) fn is_read_only(args: &Args<'_>) -> bool {
    let mut cursor = args.cursor(2);
    while let Some(word) = cursor.next() {
        let operands = match () {
            () if word.eq_ignore_ascii_case(b"get") => 2,
            () if word.eq_ignore_ascii_case(b"overflow") => 1,
            () => return false,
        };
        if cursor.remaining() < operands {
            return false;
        }
        for _ in 0..operands {
            cursor.next();
        }
    }
    true
}
