//! Encoding: lengths, texts, values, and the marks of a file.
//!
//! Everything is written to an [`Output`]. There are three:
//!
//! * [`Bytes`], a growing buffer: DUMP, small values;
//! * [`Draft`], for whoever holds a lock: texts are put down as they are and big values by reference; compressing and
//!   walking happen in [`Draft::finish`], without the lock;
//! * whatever a caller brings to take bytes away while they come ([`Output::pause`]).
//!
//! Example. The text `abc` is `03 61 62 63`, the text `-7` is `c0 f9`, the length 300 is `41 2c`.

pub mod draft;
pub mod file;
pub mod stream;
pub mod value;

use std::convert::Infallible;

pub use draft::Draft;
pub use stream::Stream;
pub use value::{Format, Handle};

use super::length;
use super::lzf::Compressor;
use crate::base::num::parse_i64;

/// Texts up to this length are worth a try as an integer.
const INT_TEXT_MAX_BYTES: usize = 11;
/// Texts longer than this are worth a try of compression.
const COMPRESS_ABOVE_BYTES: usize = 20;
/// What compression must spare, in bytes.
const COMPRESS_SPARES_BYTES: usize = 4;

/// Where encoded bytes go.
pub trait Output {
    type Error;

    /// The bytes so far that nobody has taken away.
    fn bytes(&mut self) -> &mut Vec<u8>;

    /// Writes a text in its shortest form.
    fn text(&mut self, text: &[u8]);

    /// Called between elements: here the bytes may be taken away.
    ///
    /// # Errors
    /// Whatever goes wrong with that; encoding ends.
    fn pause(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Bytes in memory.
pub struct Bytes<'b> {
    pub bytes: &'b mut Vec<u8>,
    /// `None` leaves texts as they are.
    pub compressor: Option<&'b mut Compressor>,
}

impl Output for Bytes<'_> {
    type Error = Infallible;

    #[inline]
    fn bytes(&mut self) -> &mut Vec<u8> {
        self.bytes
    }

    #[inline]
    fn text(&mut self, text: &[u8]) {
        push_text(self.bytes, text, self.compressor.as_deref_mut());
    }
}

/// Appends a length, or any number: in as few bytes as the format allows.
#[inline]
pub fn push_length(out: &mut Vec<u8>, length: u64) {
    if length < 1 << 6 {
        out.push(length as u8);
    } else if length < 1 << 14 {
        out.extend_from_slice(&((length as u16) | 0x4000).to_be_bytes());
    } else if let Ok(length) = u32::try_from(length) {
        out.push(length::BITS_32);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(length::BITS_64);
        out.extend_from_slice(&length.to_be_bytes());
    }
}

/// Appends a text: as an integer if it is the text of one of 32 bits, compressed if that is shorter, else as it is.
#[inline]
pub fn push_text(out: &mut Vec<u8>, text: &[u8], compressor: Option<&mut Compressor>) {
    if text.len() <= INT_TEXT_MAX_BYTES {
        if !push_int(out, text) {
            push_plain(out, text);
        }
        return;
    }
    match compressor {
        Some(compressor) if text.len() > COMPRESS_ABOVE_BYTES => push_compressed(out, text, compressor),
        _ => push_plain(out, text),
    }
}

#[inline]
fn push_plain(out: &mut Vec<u8>, text: &[u8]) {
    push_length(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// Whether the text is that of an integer of 32 bits, and was appended as such.
#[inline]
fn push_int(out: &mut Vec<u8>, text: &[u8]) -> bool {
    let Some(b'-' | b'0'..=b'9') = text.first() else { return false };
    let Some(number) = parse_i64(text) else { return false };
    let bytes = number.to_le_bytes();
    let (mark, len) = match number {
        -0x80..=0x7f => (length::INT_8, 1),
        -0x8000..=0x7fff => (length::INT_16, 2),
        -0x8000_0000..=0x7fff_ffff => (length::INT_32, 4),
        _ => return false,
    };
    out.push(mark);
    out.extend_from_slice(bytes.get(..len).unwrap_or_default());
    true
}

#[cold]
fn push_compressed(out: &mut Vec<u8>, text: &[u8], compressor: &mut Compressor) {
    // The heads are of unknown length before what they measure, so the text is made behind room for the longest.
    const HEAD_MAX_BYTES: usize = 19;
    let start = out.len();
    out.resize(start + HEAD_MAX_BYTES, 0);
    let body = out.len();
    if !compressor.compress(text, text.len() - COMPRESS_SPARES_BYTES, out) {
        out.truncate(start);
        return push_plain(out, text);
    }
    let len = out.len() - body;
    let mut head = Vec::with_capacity(HEAD_MAX_BYTES);
    head.push(length::LZF);
    push_length(&mut head, len as u64);
    push_length(&mut head, text.len() as u64);
    out.splice(start..body, head);
}

/// Appends a double as eight bytes.
#[inline]
pub(super) fn push_double(out: &mut Vec<u8>, number: f64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends a time in Unix milliseconds.
#[inline]
pub(super) fn push_ms(out: &mut Vec<u8>, ms: i64) {
    out.extend_from_slice(&ms.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &[u8]) -> Vec<u8> {
        let (mut bytes, mut compressor) = (Vec::new(), Compressor::default());
        push_text(&mut bytes, text, Some(&mut compressor));
        bytes
    }

    #[test]
    fn lengths_take_as_few_bytes_as_possible() {
        for (length, bytes) in [
            (0, &[0][..]),
            (63, &[63]),
            (64, &[0x40, 64]),
            (300, &[0x41, 0x2c]),
            (16_383, &[0x7f, 0xff]),
            (16_384, &[0x80, 0, 0, 0x40, 0]),
            (u64::from(u32::MAX), &[0x80, 0xff, 0xff, 0xff, 0xff]),
            (1 << 32, &[0x81, 0, 0, 0, 1, 0, 0, 0, 0]),
        ] {
            let mut out = Vec::new();
            push_length(&mut out, length);
            assert_eq!(out, bytes, "{length}");
        }
    }

    #[test]
    fn texts_that_are_integers_become_integers() {
        for (from, to) in [
            (&b"-7"[..], &b"\xc0\xf9"[..]),
            (b"127", b"\xc0\x7f"),
            (b"128", b"\xc1\x80\x00"),
            (b"-32769", b"\xc2\xff\x7f\xff\xff"),
            (b"-2147483648", b"\xc2\x00\x00\x00\x80"),
            (b"2147483648", b"\x0a2147483648"),
            (b"007", b"\x03007"),
            (b"-0", b"\x02-0"),
            (b"", b"\x00"),
            (b"abc", b"\x03abc"),
        ] {
            assert_eq!(text(from), to, "{from:?}");
        }
    }

    #[test]
    fn what_gets_no_shorter_is_not_compressed() {
        assert_eq!(text(&[b'a'; 20])[0], 20);
        assert_eq!(text(&[b'a'; 21])[0], length::LZF);
        assert_eq!(text(b"abcdefghijklmnopqrstuvwxyz")[0], 26);
    }
}
