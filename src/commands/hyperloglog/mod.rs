//! HyperLogLogs: strings that estimate how many different elements were added. The structure is
//! [`crate::ds::hll`].
//!
//! | module | commands |
//! |---|---|
//! | [`count`] | PFADD, PFCOUNT, PFMERGE |
//! | [`debug`] | PFDEBUG, PFSELFTEST |

pub mod count;
pub mod debug;

use crate::dispatch::CmdError;
use crate::ds::hll::{self, Corrupted, Encoding};
use crate::keyspace::entry::StringRef;

/// The bytes of a HyperLogLog, by its header.
fn inspect(string: StringRef<'_>) -> Result<(&[u8], Encoding), CmdError> {
    const NO_HLL: CmdError = CmdError::text("WRONGTYPE Key is not a valid HyperLogLog string value.");
    let bytes = string.bytes();
    match hll::encoding_of(bytes) {
        Some(encoding) => Ok((bytes, encoding)),
        // Not `ok_or`: the error would be made, and dropped, each time.
        None => Err(NO_HLL),
    }
}

fn corrupted(_: Corrupted) -> CmdError {
    CmdError::text("INVALIDOBJ Corrupted HLL object detected")
}
