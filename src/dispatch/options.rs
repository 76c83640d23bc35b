//! Reading arguments as numbers, with the errors that Redis gives.

use super::error::CmdError;
use crate::base::clock::UnixMs;
use crate::base::num::parse_i64;
use crate::resp::Cursor;

/// An integer argument.
#[inline]
pub fn int(arg: &[u8]) -> Result<i64, CmdError> {
    parse_i64(arg).ok_or(CmdError::NotAnInteger)
}

/// An integer of 32 bits, as database numbers are read.
pub fn int32(arg: &[u8]) -> Result<i32, CmdError> {
    const OUT_OF_RANGE: CmdError =
        CmdError::text("ERR value is out of range, value must between -2147483648 and 2147483647");
    i32::try_from(int(arg)?).map_err(|_| OUT_OF_RANGE)
}

/// The value behind an option word: a missing one is a syntax error.
pub fn value<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], CmdError> {
    cursor.next().ok_or(CmdError::Syntax)
}

/// The integer behind an option word.
pub fn int_value(cursor: &mut Cursor<'_>) -> Result<i64, CmdError> {
    int(value(cursor)?)
}

/// How many elements a negative count asks for, each drawn anew from a collection that is there. So many that no memory
/// would hold the reply are refused; Redis tries and is killed.
pub fn repetitions(count: i64) -> Result<usize, CmdError> {
    const MOST: usize = 1 << 27;
    let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count > MOST { Err(CmdError::OutOfRange) } else { Ok(count) }
}

/// Unit and reference of a time argument: EX, PX, EXAT, PXAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
}

impl TimeUnit {
    /// The unit that an option word names.
    pub fn from_word(word: &[u8]) -> Option<TimeUnit> {
        let units = [
            ("EX", TimeUnit::Seconds),
            ("PX", TimeUnit::Milliseconds),
            ("EXAT", TimeUnit::UnixSeconds),
            ("PXAT", TimeUnit::UnixMilliseconds),
        ];
        units.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(_, unit)| unit)
    }

    /// The deadline that `amount` means; `None` when it leaves the range of an i64 of milliseconds.
    pub fn deadline_ms(self, amount: i64, now: UnixMs) -> Option<i64> {
        let ms = match self {
            TimeUnit::Seconds | TimeUnit::UnixSeconds => amount.checked_mul(1000)?,
            TimeUnit::Milliseconds | TimeUnit::UnixMilliseconds => amount,
        };
        match self {
            TimeUnit::Seconds | TimeUnit::Milliseconds => ms.checked_add(now.as_i64()),
            TimeUnit::UnixSeconds | TimeUnit::UnixMilliseconds => Some(ms),
        }
    }
}

/// A positive time to live, as SET EX, GETEX and SETEX take it; `command` is named in the error.
pub fn deadline(arg: &[u8], unit: TimeUnit, now: UnixMs, command: &'static str) -> Result<UnixMs, CmdError> {
    let amount = int(arg)?;
    if amount <= 0 {
        return Err(CmdError::InvalidExpire(command));
    }
    let when = unit.deadline_ms(amount, now).ok_or(CmdError::InvalidExpire(command))?;
    Ok(UnixMs::from_i64(when))
}
