//! Bitmaps: strings, looked at bit by bit. The loops are in [`crate::ds::bits`].
//!
//! | module | commands |
//! |---|---|
//! | [`bit`] | SETBIT, GETBIT |
//! | [`count`] | BITCOUNT, BITPOS |
//! | [`bitop`] | BITOP |
//! | [`field`] | BITFIELD, BITFIELD_RO |

pub mod bit;
pub mod bitop;
pub mod count;
pub mod field;
mod field_parse;
mod range;

use crate::base::num::parse_i64;
use crate::dispatch::CmdError;

const INVALID_OFFSET: CmdError = CmdError::text("ERR bit offset is not an integer or out of range");

/// The number of a bit, which lies inside the longest string that may be.
fn bit_offset(arg: &[u8], limit_bytes: u64) -> Result<usize, CmdError> {
    scaled_offset(arg, 1, limit_bytes)
}

/// A number that counts things of `width` bits.
fn scaled_offset(arg: &[u8], width: u32, limit_bytes: u64) -> Result<usize, CmdError> {
    parse_i64(arg)
        .and_then(|number| u64::try_from(number).ok()?.checked_mul(u64::from(width)))
        .filter(|offset| offset / 8 < limit_bytes)
        .and_then(|offset| usize::try_from(offset).ok())
        .ok_or(INVALID_OFFSET)
}
