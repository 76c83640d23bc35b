//! The payload of DUMP: one value, the version of the format, and a checksum.
//!
//! ```text
//! type, value, version u16, CRC-64 of all before it                    little-endian
//!
//! 00 01 61 0c 00 ‹eight bytes›      the string `a`
//! ```

use super::read::{self, Limits, Owned};
use super::write::{self, Bytes, Format};
use super::{VERSION_FIELD_DEADLINES, lzf::Compressor};
use crate::base::crc::crc64;
use crate::ds::blob::Payload;
use crate::value::Value;
use std::cell::RefCell;

/// The version that Redis 8.0 puts there, whatever the value needs.
pub const VERSION: u32 = VERSION_FIELD_DEADLINES;
/// Bytes behind the value.
const FOOT_BYTES: usize = 10;

/// Why a payload is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no payload, or of a version that nobody here knows, or was damaged on the way.
    #[error("DUMP payload version or checksum are wrong")]
    Foot,
    #[error("{0}")]
    Value(read::Error),
}

/// Appends the payload of a value; long texts are compressed if `compresses`.
pub fn encode(value: &Payload<'_, Value>, compresses: bool, out: &mut Vec<u8>) {
    let start = out.len();
    push_value(value, Format { version: VERSION }, compresses, out);
    push_foot(start, VERSION, out);
}

/// As [`encode`], for another server: in the forms of `format`, and with no later version than the value needs, because one that
/// does not know the latest (Redis 7.2, Valkey) takes what it does know.
pub fn encode_as(format: Format, value: &Payload<'_, Value>, compresses: bool, out: &mut Vec<u8>) {
    let start = out.len();
    let kind = push_value(value, format, compresses, out);
    let is_late = write::value::needs_field_deadlines(kind);
    push_foot(start, if is_late { VERSION_FIELD_DEADLINES } else { format.version }, out);
}

/// A type and a value of it; the type.
fn push_value(value: &Payload<'_, Value>, format: Format, compresses: bool, out: &mut Vec<u8>) -> u8 {
    thread_local! {
        /// Its table is large, and as good for the next payload.
        static COMPRESSOR: RefCell<Compressor> = RefCell::default();
    }
    let kind = write::value::kind_of(value, format);
    out.push(kind);
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = compresses.then_some(compressor);
        match write::value::write(value, format, &mut Bytes { bytes: out, compressor }) {
            Ok(()) => {}
            Err(never) => match never {},
        }
    });
    kind
}

/// Closes what begins at `start`.
fn push_foot(start: usize, version: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&(version as u16).to_le_bytes());
    let checksum = crc64(0, out.get(start..).unwrap_or_default());
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// The version that a payload tells, and its value with the type before it.
///
/// # Errors
/// [`Error::Foot`].
pub fn check(payload: &[u8]) -> Result<(u32, &[u8]), Error> {
    let (body, foot) =
        payload.len().checked_sub(FOOT_BYTES).map(|at| payload.split_at(at)).ok_or(Error::Foot)?;
    let &[low, high, ref checksum @ ..] = foot else { return Err(Error::Foot) };
    let version = u32::from(u16::from_le_bytes([low, high]));
    let told = <[u8; 8]>::try_from(checksum).map(u64::from_le_bytes).map_err(|_| Error::Foot)?;
    let summed = payload.get(..payload.len() - checksum.len()).unwrap_or_default();
    if !read::is_known(version) || crc64(0, summed) != told {
        return Err(Error::Foot);
    }
    Ok((version, body))
}

/// The value of a payload.
///
/// # Errors
/// See [`Error`].
pub fn decode(payload: &[u8], limits: Limits) -> Result<Owned, Error> {
    let (version, body) = check(payload)?;
    read::value(body, version, limits).map_err(Error::Value)
}

/// As [`decode`], but whatever checksum and version are told: for tests that damage payloads by hand.
///
/// # Errors
/// See [`Error`].
pub fn decode_unchecked(payload: &[u8], limits: Limits) -> Result<Owned, Error> {
    let body = payload.len().checked_sub(FOOT_BYTES).and_then(|len| payload.get(..len)).ok_or(Error::Foot)?;
    read::value(body, VERSION, limits).map_err(Error::Value)
}

/// Appends the payload of FUNCTION DUMP: the texts of libraries.
pub fn encode_functions<'c>(codes: impl Iterator<Item = &'c [u8]>, compresses: bool, out: &mut Vec<u8>) {
    let (start, mut compressor) = (out.len(), compresses.then(Compressor::default));
    for code in codes {
        write::file::push_function(&mut Bytes { bytes: out, compressor: compressor.as_mut() }, code);
    }
    push_foot(start, VERSION, out);
}

/// The texts in a payload of FUNCTION DUMP.
///
/// # Errors
/// See [`Error`].
pub fn decode_functions(payload: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let (_, body) = check(payload)?;
    read::functions(body).map_err(Error::Value)
}
