//! Bytes from outside: buffered, counted and summed up.
//!
//! **Invariant:** a length that was read allocates nothing by itself; buffers grow with the bytes that arrive.

use super::error::{Error, What};
use crate::base::crc::crc64;
use crate::base::num::push_i64;
use crate::rdb::{length, lzf};
use std::io::Read;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// Elements that room is made for before any of them has arrived.
const AHEAD_MAX: usize = 1024;

/// A text may not be longer: nowhere in memory would be a place for its length.
const TEXT_MAX_BYTES: u64 = u32::MAX as u64 - 4096;

/// A length, or the way in which a text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Plain(u64),
    Encoded(u8),
}

/// See the module's head.
pub(super) struct Source<R> {
    read: R,
    /// Bytes that have arrived; `at..end` are still to be given out.
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    /// Where in the buffer what is not summed up yet starts.
    summed: usize,
    checksum: u64,
    has_checksum: bool,
    /// Offset of the buffer's first byte.
    before: u64,
    /// Bytes in all, if that is known.
    total: Option<u64>,
    /// A compressed text.
    packed: Vec<u8>,
}

impl<R: Read> Source<R> {
    /// `total`: how many bytes there are in all, if somebody knows.
    pub(super) fn new(read: R, total: Option<u64>) -> Source<R> {
        // A payload of DUMP needs no more than itself.
        let room = total.and_then(|total| usize::try_from(total).ok()).unwrap_or(usize::MAX);
        Source {
            read,
            buffer: vec![0; room.clamp(1, CHUNK_BYTES)],
            at: 0,
            end: 0,
            summed: 0,
            checksum: 0,
            has_checksum: true,
            before: 0,
            total,
            packed: Vec::new(),
        }
    }

    /// Leaves the checksum alone from now on.
    pub(super) fn sum_nothing(&mut self) {
        self.has_checksum = false;
    }

    /// Bytes given out so far.
    pub(super) fn offset(&self) -> u64 {
        self.before + self.at as u64
    }

    /// Bytes that are still to come, if that is known.
    pub(super) fn left(&self) -> Option<u64> {
        Some(self.total?.saturating_sub(self.offset()))
    }

    /// The checksum of what was given out.
    pub(super) fn checksum(&mut self) -> u64 {
        self.sum();
        self.checksum
    }

    fn sum(&mut self) {
        if self.has_checksum {
            self.checksum = crc64(self.checksum, self.buffer.get(self.summed..self.at).unwrap_or_default());
        }
        self.summed = self.at;
    }

    #[cold]
    pub(super) fn error(&self, what: What) -> Error {
        Error { offset: self.offset(), what }
    }

    #[cold]
    pub(super) fn corrupt(&self, why: &'static str) -> Error {
        self.error(What::Corrupt(why))
    }

    /// Makes sure that `count` bytes, at most a chunk, are in the buffer.
    fn fill(&mut self, count: usize) -> Result<(), Error> {
        while self.end - self.at < count {
            if self.at > 0 && (self.at == self.end || self.buffer.len() - self.at < count) {
                self.sum();
                self.buffer.copy_within(self.at..self.end, 0);
                self.before += self.at as u64;
                (self.end, self.at, self.summed) = (self.end - self.at, 0, 0);
            }
            if self.buffer.len() < count {
                self.buffer.resize(count, 0);
            }
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.read.read(room) {
                Ok(0) => return Err(self.error(What::Truncated)),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(What::Read(error))),
            }
        }
        Ok(())
    }

    /// The next `N` bytes, of which there are few.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        if self.end - self.at < N {
            self.fill(N)?;
        }
        let bytes = self.buffer.get(self.at..self.at + N).and_then(|bytes| bytes.try_into().ok());
        self.at += N;
        bytes.ok_or(Error { offset: self.before, what: What::Truncated })
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    /// Appends the next `count` bytes.
    pub(super) fn bytes(&mut self, count: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.left().is_some_and(|left| left < count) {
            return Err(self.error(What::Truncated));
        }
        let mut left = count;
        while left > 0 {
            if self.at == self.end {
                self.fill(1)?;
            }
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(self.end - self.at);
            out.extend_from_slice(self.buffer.get(self.at..self.at + part).unwrap_or_default());
            self.at += part;
            left -= part as u64;
        }
        Ok(())
    }

    /// Passes over the next `count` bytes.
    pub(super) fn skip(&mut self, count: u64) -> Result<(), Error> {
        let mut left = count;
        while left > 0 {
            if self.at == self.end {
                self.fill(1)?;
            }
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(self.end - self.at);
            self.at += part;
            left -= part as u64;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn length_or_encoding(&mut self) -> Result<Length, Error> {
        let first = self.byte()?;
        Ok(Length::Plain(match first >> 6 {
            0 => u64::from(first),
            1 => u64::from(first & 0x3f) << 8 | u64::from(self.byte()?),
            2 if first == length::BITS_32 => u64::from(u32::from_be_bytes(self.array()?)),
            2 if first == length::BITS_64 => u64::from_be_bytes(self.array()?),
            2 => return Err(self.corrupt("a length of an unknown kind")),
            _ => return Ok(Length::Encoded(first)),
        }))
    }

    #[inline]
    pub(super) fn length(&mut self) -> Result<u64, Error> {
        match self.length_or_encoding()? {
            Length::Plain(length) => Ok(length),
            Length::Encoded(_) => Err(self.corrupt("a text where a length should be")),
        }
    }

    /// A number of elements, none of which takes less than `least` bytes: more than can follow are refused.
    #[inline]
    pub(super) fn count(&mut self, least: u64) -> Result<u64, Error> {
        let count = self.length()?;
        match self.left() {
            Some(left) if count > left / least => Err(self.error(What::Truncated)),
            _ => Ok(count),
        }
    }

    /// How many of `count` elements room may be made for at once.
    pub(super) fn expected(&self, count: u64) -> usize {
        // Each takes two bytes at least, and a file that tells its length has them.
        let most = self.left().map_or(AHEAD_MAX as u64, |left| (left / 8).max(16));
        count.min(most) as usize
    }

    /// Replaces `out` by a text.
    #[inline]
    pub(super) fn text(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.clear();
        match self.length_or_encoding()? {
            Length::Plain(len) if len <= (self.end - self.at) as u64 => {
                let end = self.at + len as usize;
                out.extend_from_slice(self.buffer.get(self.at..end).unwrap_or_default());
                self.at = end;
                Ok(())
            }
            Length::Plain(len) if len <= TEXT_MAX_BYTES => self.bytes(len, out),
            Length::Plain(_) => Err(self.corrupt("a text of more than 4 GB")),
            Length::Encoded(length::LZF) => self.compressed(out),
            Length::Encoded(encoding) => {
                let number = self.integer(encoding)?;
                push_i64(out, number);
                Ok(())
            }
        }
    }

    fn integer(&mut self, encoding: u8) -> Result<i64, Error> {
        Ok(match encoding {
            length::INT_8 => i64::from(i8::from_le_bytes(self.array()?)),
            length::INT_16 => i64::from(i16::from_le_bytes(self.array()?)),
            length::INT_32 => i64::from(i32::from_le_bytes(self.array()?)),
            _ => return Err(self.corrupt("a text of an unknown encoding")),
        })
    }

    fn compressed(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let (packed_len, len) = (self.length()?, self.length()?);
        if packed_len.max(len) > TEXT_MAX_BYTES {
            return Err(self.corrupt("a text of more than 4 GB"));
        }
        let mut packed = std::mem::take(&mut self.packed);
        packed.clear();
        let read = self.bytes(packed_len, &mut packed);
        let unpacked = read.and_then(|()| {
            let len = usize::try_from(len).map_err(|_| self.corrupt("a compressed text is too long"))?;
            lzf::decompress(&packed, len, out).map_err(|_| self.corrupt("a compressed text is damaged"))
        });
        // Room for one huge text is not kept for all others.
        if packed.capacity() <= CHUNK_BYTES {
            self.packed = packed;
        }
        unpacked
    }

    /// A text of its own.
    pub(super) fn new_text(&mut self) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        self.text(&mut text)?;
        Ok(text)
    }

    pub(super) fn double(&mut self) -> Result<f64, Error> {
        self.array().map(f64::from_le_bytes)
    }

    /// A time in Unix milliseconds.
    pub(super) fn ms(&mut self) -> Result<i64, Error> {
        self.array().map(i64::from_le_bytes)
    }
}
