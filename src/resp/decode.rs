//! From received bytes to requests.
//!
//! A request is `*<n>\r\n` followed by `n` times `$<len>\r\n<bytes>\r\n`, or an inline line. The decoder is
//! resumable: it is called with all bytes of the request received so far, remembers how far it came, and
//! looks at each byte once, however the network cuts them. So a million arguments arriving in 16 KB
//! pieces cost a million steps.
//!
//! ```text
//! "*2\r\n$3\r\nGET\r\n$1"        → Incomplete   (remembers: 1 argument left, stands behind GET)
//! "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" → Request { consumed: 20 }
//! ```
//!
//! Like Redis it takes the length's word for where a bulk ends and does not look at the two bytes behind it.
//! Error texts are those of Redis; after an error the connection is closed, because the stream is out
//! of step.

use super::args::{Args, Span};
use crate::base::words::split_args;

/// Longest inline request, and longest `*…`/`$…` line: bytes without a line end.
const LINE_MAX_BYTES: usize = 64 * 1024;
/// Before authentication: most arguments, and longest argument.
const UNAUTHENTICATED_ARGS_MAX: i64 = 10;
const UNAUTHENTICATED_BULK_MAX_BYTES: i64 = 16 * 1024;

/// What the server allows this client right now.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`: longest argument in bytes.
    pub bulk_max_bytes: u64,
    /// The client must still authenticate, so that only tiny requests are taken.
    pub unauthenticated: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bulk_max_bytes: 512 * 1024 * 1024, unauthenticated: false }
    }
}

/// Outcome of [`Decoder::decode`].
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A request is complete and took this many bytes; [`Decoder::args`] reads it.
    /// It can be empty (`*0`, an empty line): Redis ignores such a request silently.
    Request { consumed: usize },
    /// More bytes are needed.
    Incomplete,
    /// The stream can't be understood any more.
    Error(ProtocolError),
}

/// Why a stream is given up. `Display` gives Redis's text, without the `-ERR `.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("Protocol error: too big mbulk count string")]
    CountLineTooLong,
    #[error("Protocol error: invalid multibulk length")]
    InvalidCount,
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedCount,
    #[error("Protocol error: too big bulk count string")]
    LengthLineTooLong,
    #[error("Protocol error: expected '$', got '{}'", *.0 as char)]
    ExpectedBulk(u8),
    #[error("Protocol error: invalid bulk length")]
    InvalidLength,
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedLength,
    #[error("Protocol error: too big inline request")]
    InlineTooLong,
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
}

/// The decoder of one connection.
#[derive(Default)]
pub struct Decoder {
    spans: Vec<Span>,
    /// Arguments of an inline request, unescaped one behind the other.
    inline: Vec<u8>,
    is_inline: bool,
    /// Offset of the first byte not looked at yet.
    position: usize,
    /// Arguments still to come; `None` while the `*` line is not read.
    missing: Option<i64>,
    /// Length of the argument whose `$` line has been read.
    bulk_len: Option<usize>,
}

enum Line {
    Number { value: Option<i64>, next: usize },
    Unfinished,
}

impl Decoder {
    /// Reads the request that begins at `bytes[0]`.
    ///
    /// Call it again with the same bytes plus more after [`Decoded::Incomplete`]; after a request, call it
    /// with the bytes that follow.
    #[inline]
    pub fn decode(&mut self, bytes: &[u8], limits: &Limits) -> Decoded {
        let outcome = if self.missing.is_none() && bytes.first().is_some_and(|&byte| byte != b'*') {
            self.decode_inline(bytes)
        } else {
            self.decode_multibulk(bytes, limits)
        };
        match outcome {
            Ok(Some(consumed)) => {
                self.position = 0;
                self.missing = None;
                Decoded::Request { consumed }
            }
            Ok(None) => Decoded::Incomplete,
            Err(error) => Decoded::Error(error),
        }
    }

    /// The request that [`Decoder::decode`] just completed; `bytes` is the slice it was given.
    #[inline]
    pub fn args<'a>(&'a self, bytes: &'a [u8]) -> Args<'a> {
        Args::new(if self.is_inline { &self.inline } else { bytes }, &self.spans)
    }

    /// Gives back the memory of an extraordinarily long request.
    pub fn shrink(&mut self) {
        const KEEP_SPANS: usize = 64;
        if self.missing.is_none() {
            self.spans.clear();
            self.spans.shrink_to(KEEP_SPANS);
            self.inline = Vec::new();
        }
    }

    /// Whether a request has begun and not ended.
    pub fn is_mid_request(&self) -> bool {
        self.missing.is_some()
    }

    /// Heap bytes held by the list of arguments.
    pub fn heap_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Span>() + self.inline.capacity()
    }

    fn decode_inline(&mut self, bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let Some(newline) = memchr::memchr(b'\n', bytes) else {
            return if bytes.len() > LINE_MAX_BYTES { Err(ProtocolError::InlineTooLong) } else { Ok(None) };
        };
        let line = bytes.get(..newline).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let words = split_args(line).map_err(|_| ProtocolError::UnbalancedQuotes)?;
        self.is_inline = true;
        self.inline.clear();
        self.spans.clear();
        for word in &words {
            // A line is at most 64 KB, so its words fit 32 bits.
            self.spans.push(Span { start: self.inline.len() as u32, len: word.len() as u32 });
            self.inline.extend_from_slice(word);
        }
        Ok(Some(newline + 1))
    }

    fn decode_multibulk(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        let mut missing = match self.missing {
            Some(missing) => missing,
            None => match self.read_count(bytes, limits)? {
                Some(count) => count,
                None => return Ok(None),
            },
        };
        while missing > 0 {
            let Some(span) = self.read_bulk(bytes, limits)? else {
                self.missing = Some(missing);
                return Ok(None);
            };
            self.spans.push(span);
            missing -= 1;
        }
        Ok(Some(self.position))
    }

    fn read_count(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<i64>, ProtocolError> {
        self.is_inline = false;
        self.spans.clear();
        self.bulk_len = None;
        if bytes.is_empty() {
            return Ok(None);
        }
        match read_line(bytes, 1) {
            Line::Unfinished if bytes.len() > LINE_MAX_BYTES => Err(ProtocolError::CountLineTooLong),
            Line::Unfinished => Ok(None),
            Line::Number { value, next } => {
                let count = value.filter(|&n| n <= i64::from(i32::MAX)).ok_or(ProtocolError::InvalidCount)?;
                if limits.unauthenticated && count > UNAUTHENTICATED_ARGS_MAX {
                    return Err(ProtocolError::UnauthenticatedCount);
                }
                self.position = next;
                Ok(Some(count))
            }
        }
    }

    #[inline]
    fn read_bulk(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Span>, ProtocolError> {
        let len = match self.bulk_len {
            Some(len) => len,
            None => {
                let Some(&marker) = bytes.get(self.position) else { return Ok(None) };
                let line = read_line(bytes, self.position + 1);
                let Line::Number { value, next } = line else {
                    return if bytes.len() - self.position > LINE_MAX_BYTES {
                        Err(ProtocolError::LengthLineTooLong)
                    } else {
                        Ok(None)
                    };
                };
                if marker != b'$' {
                    return Err(ProtocolError::ExpectedBulk(marker));
                }
                let len = value
                    .and_then(|n| u64::try_from(n).ok())
                    .filter(|&n| n <= limits.bulk_max_bytes && n <= u64::from(u32::MAX))
                    .ok_or(ProtocolError::InvalidLength)?;
                if limits.unauthenticated && len > UNAUTHENTICATED_BULK_MAX_BYTES as u64 {
                    return Err(ProtocolError::UnauthenticatedLength);
                }
                self.position = next;
                len as usize
            }
        };
        if bytes.len() - self.position < len + 2 {
            self.bulk_len = Some(len);
            return Ok(None);
        }
        self.bulk_len = None;
        // The request as a whole must be describable in 32 bits.
        let start = u32::try_from(self.position).map_err(|_| ProtocolError::InvalidLength)?;
        self.position += len + 2;
        Ok(Some(Span { start, len: len as u32 }))
    }
}

/// Reads the decimal number that begins at `from` and ends with CR, plus one byte behind the CR.
#[inline]
fn read_line(bytes: &[u8], from: usize) -> Line {
    let rest = bytes.get(from..).unwrap_or_default();
    // Nearly all numbers have a few digits, so they are read and checked in one pass.
    let mut value = 0i64;
    for (index, &byte) in rest.iter().enumerate().take(10) {
        match byte {
            b'0'..=b'9' => value = value * 10 + i64::from(byte - b'0'),
            b'\r' if index > 0 && (index == 1 || rest.first() != Some(&b'0')) => {
                return if rest.len() > index + 1 {
                    Line::Number { value: Some(value), next: from + index + 2 }
                } else {
                    Line::Unfinished
                };
            }
            _ => break,
        }
    }
    read_unusual_line(rest, from)
}

#[cold]
fn read_unusual_line(rest: &[u8], from: usize) -> Line {
    match memchr::memchr(b'\r', rest) {
        Some(end) if rest.len() > end + 1 => {
            let value = crate::base::num::parse_i64(rest.get(..end).unwrap_or_default());
            Line::Number { value, next: from + end + 2 }
        }
        _ => Line::Unfinished,
    }
}
