//! Encoded bytes on their way into any [`std::io::Write`]: in chunks, summed up as they leave.

use super::{Output, push_text};
use crate::base::crc::crc64;
use crate::rdb::lzf::Compressor;
use std::io::{self, Write};

/// Bytes that leave at once: some 50 µs of work, behind which the writer offers the processor to who has waited for it.
const CHUNK_BYTES: usize = 8 << 10;

/// See the module's head.
pub struct Stream<W> {
    to: W,
    bytes: Vec<u8>,
    compressor: Option<Compressor>,
    /// `None` when nobody wants it.
    checksum: Option<u64>,
    written: u64,
}

impl<W: Write> Stream<W> {
    pub fn new(to: W, compresses: bool, sums_up: bool) -> Stream<W> {
        Stream {
            to,
            bytes: Vec::with_capacity(2 * CHUNK_BYTES),
            compressor: compresses.then(Compressor::default),
            checksum: sums_up.then_some(0),
            written: 0,
        }
    }

    /// Bytes that have left.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Lets everything leave. The checksum of all that did so far, if it is summed up.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn flush(&mut self) -> io::Result<Option<u64>> {
        self.to.write_all(&self.bytes)?;
        self.written += self.bytes.len() as u64;
        if let Some(checksum) = &mut self.checksum {
            *checksum = crc64(*checksum, &self.bytes);
        }
        self.bytes.clear();
        // Room for one huge text is not kept.
        self.bytes.shrink_to(4 * CHUNK_BYTES);
        Ok(self.checksum)
    }

    /// The writer; what has not left is lost.
    pub fn into_inner(self) -> W {
        self.to
    }
}

impl<W: Write> Output for Stream<W> {
    type Error = io::Error;

    #[inline]
    fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    #[inline]
    fn text(&mut self, text: &[u8]) {
        push_text(&mut self.bytes, text, self.compressor.as_mut());
    }

    #[inline]
    fn pause(&mut self) -> io::Result<()> {
        if self.bytes.len() >= CHUNK_BYTES { self.flush().map(drop) } else { Ok(()) }
    }
}
