//! `FIELDS numfields field …`: the list of fields at the end of the commands about deadlines.

use crate::base::num::parse_i64;
use crate::dispatch::{CmdError, Request};

const MISSING: CmdError =
    CmdError::text("ERR Mandatory argument FIELDS is missing or not at the right position");
const MISMATCH: CmdError = CmdError::text("ERR The `numfields` parameter must match the number of arguments");
/// What most commands say of a number that is none or not positive.
pub(super) const NOT_POSITIVE: CmdError = CmdError::text("ERR Number of fields must be a positive integer");

/// Where the fields start and how many they are: all arguments behind the number.
///
/// # Errors
/// FIELDS is not at `index`; the number is none or less than 1 (`bad_number`), or not that of the fields.
pub(super) fn parse(req: &Request<'_>, index: usize, bad_number: CmdError) -> Result<usize, CmdError> {
    let word = req.args.get(index).ok_or(MISSING)?;
    if !word.eq_ignore_ascii_case(b"FIELDS") {
        return Err(MISSING);
    }
    let number =
        req.args.get(index + 1).ok_or_else(|| CmdError::Arity(req.command.full_name.clone().into()))?;
    let number = parse_i64(number).filter(|&number| number > 0).ok_or(bad_number)?;
    let first = index + 2;
    match req.args.len().checked_sub(first) {
        Some(fields) if i64::try_from(fields) == Ok(number) => Ok(first),
        _ => Err(MISMATCH),
    }
}
