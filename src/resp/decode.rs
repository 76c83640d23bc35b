//! From received bytes to requests.
//!
//! A request is `*<n>\r\n` followed by `n` times `$<len>\r\n<bytes>\r\n`, or an inline line. The decoder is
//! resumable: it is called with all bytes of the request received so far, remembers how far it came, and
//! looks at each byte once, however the network cuts them. So a million arguments arriving in 16 KB
//! pieces cost a million steps.
//!
//! ```text
//! "*2\r\n$3\r\nGET\r\n$1"        → Incomplete   (remembers: 1 argument left, stands behind GET)
//! "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" → one complete request, 20 bytes
//! ```
//!
//! Several complete requests are read ahead, so that the lines of memory they need can be fetched together.
//!
//! Like Redis it takes the length's word for where a bulk ends and does not look at the two bytes behind it.
//! Error texts are those of Redis; after an error the connection is closed, because the stream is out
//! of step.

use std::ops::Range;

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

/// Why [`Decoder::decode`] stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// As many requests as were asked for are complete.
    Full,
    /// More bytes are needed.
    Incomplete,
    /// The stream can't be understood any more behind the complete requests.
    Error(ProtocolError),
}

/// Why a stream is given up. Its text is Redis's, without the `-ERR `.
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

impl ProtocolError {
    /// What the client is told, with the byte as it came, which may be no character.
    pub fn text(&self) -> Vec<u8> {
        match self {
            ProtocolError::ExpectedBulk(byte) => {
                [b"Protocol error: expected '$', got '".as_slice(), &[*byte], b"'"].concat()
            }
            other => other.to_string().into(),
        }
    }
}

/// One complete request.
#[derive(Clone, Copy, Debug)]
struct Complete {
    /// How many arguments it has; they lie behind those of the request before.
    arguments: u32,
    /// Its arguments are words of a line.
    is_inline: bool,
    /// Offset of the first byte behind it.
    end: usize,
    /// Where the bytes end that its arguments lie in, as [`Args`] wants them.
    lying_end: usize,
}

/// The decoder of one connection.
///
/// It holds the complete requests of a batch and, behind them, what is known of the one that is still coming.
#[derive(Default)]
pub struct Decoder {
    /// Arguments of the complete requests, then those of the unfinished one.
    spans: Vec<Span>,
    /// How many of them are of complete requests.
    complete_spans: usize,
    complete: Vec<Complete>,
    /// Arguments of inline requests, unescaped one behind the other.
    inline: Vec<u8>,
    /// Offset of the first byte not looked at yet.
    position: usize,
    /// Arguments of the unfinished request still to come; `None` while its `*` line is not read.
    missing: Option<i64>,
    /// Length of the argument whose `$` line has been read.
    bulk_len: Option<usize>,
}

enum Line {
    Number { value: Option<i64>, next: usize },
    Unfinished,
}

impl Decoder {
    /// Reads requests from where it stopped until `most` are complete. `bytes[0]` is the first byte that
    /// [`Decoder::consume`] has not taken; call it again with the same bytes plus more after
    /// [`Decoded::Incomplete`].
    ///
    /// A request can be empty (`*0`, an empty line): Redis ignores such a request silently.
    #[inline(never)] // Once for many requests: its loop needs the registers for itself.
    pub fn decode(&mut self, bytes: &[u8], limits: &Limits, most: usize) -> Decoded {
        let may_be_plain = bytes.len() <= u32::MAX as usize && !limits.unauthenticated;
        while self.complete.len() < most {
            let begins = self.missing.is_none();
            if begins && may_be_plain && self.decode_plain(bytes) {
                continue;
            }
            let is_inline = begins && bytes.get(self.position).is_some_and(|&byte| byte != b'*');
            let outcome =
                if is_inline { self.decode_inline(bytes) } else { self.decode_multibulk(bytes, limits) };
            match outcome {
                Ok(true) => self.complete_request(is_inline),
                Ok(false) => return Decoded::Incomplete,
                Err(error) => return Decoded::Error(error),
            }
        }
        Decoded::Full
    }

    /// Reads what lies in a part of `bytes`, if that is nothing but at most `most` whole requests; returns how many. They stand
    /// behind those that were read before, and count from the beginning of `bytes`, as their ends do. Behind parts that were not
    /// read so it goes on as if they had not been there; going by its first request, a part with too many is soon given up.
    #[inline(never)] // As above.
    pub fn decode_whole(
        &mut self,
        bytes: &[u8],
        part: Range<usize>,
        limits: &Limits,
        most: usize,
    ) -> Option<usize> {
        let bytes = bytes.get(..part.end).filter(|bytes| bytes.len() <= u32::MAX as usize)?;
        let (before, spans_before) = (self.complete.len(), self.spans.len());
        self.position = part.start;
        while self.position < part.end {
            let is_whole = self.complete.len() - before < most
                && (self.decode_plain(bytes) || self.decode_whole_thoroughly(bytes, limits));
            let is_first = self.complete.len() == before + 1;
            if !is_whole || is_first && part.len() > most * (self.position - part.start) {
                self.complete.truncate(before);
                self.spans.truncate(spans_before);
                self.complete_spans = spans_before;
                (self.missing, self.bulk_len) = (None, None);
                return None;
            }
        }
        Some(self.complete.len() - before)
    }

    fn decode_whole_thoroughly(&mut self, bytes: &[u8], limits: &Limits) -> bool {
        let is_whole = bytes.get(self.position) == Some(&b'*')
            && matches!(self.decode_multibulk(bytes, limits), Ok(true));
        if is_whole {
            self.complete_request(false);
        }
        is_whole
    }

    /// Forgets all requests.
    pub fn clear(&mut self) {
        self.spans.clear();
        self.complete.clear();
        self.inline.clear();
        (self.complete_spans, self.position, self.missing, self.bulk_len) = (0, 0, None, None);
    }

    /// The request that was read is no record.
    fn complete_request(&mut self, is_inline: bool) {
        self.missing = None;
        let spans = self.spans.get(self.complete_spans..).unwrap_or_default();
        let (arguments, lying_end) = (spans.len() as u32, spans.last().map_or(0, Span::end));
        self.complete_spans = self.spans.len();
        self.complete.push(Complete { arguments, is_inline, end: self.position, lying_end });
    }

    /// Reads a request of the usual kind: all there, at most 999 arguments of at most 999 bytes, every byte between them as a log
    /// has it. Anything else is left as it was, for the thorough way.
    #[inline(always)] // For each of two loops.
    fn decode_plain(&mut self, bytes: &[u8]) -> bool {
        let head = bytes.get(self.position..).unwrap_or_default();
        let value = |digit: u8| u32::from(digit - b'0');
        let (arguments, digits) = match *head {
            [b'*', one @ b'1'..=b'9', b'\r', ..] => (value(one), 1),
            [b'*', ten @ b'1'..=b'9', one @ b'0'..=b'9', b'\r', ..] => (value(ten) * 10 + value(one), 2),
            [b'*', hundred @ b'1'..=b'9', ten @ b'0'..=b'9', one @ b'0'..=b'9', b'\r', ..] => {
                (value(hundred) * 100 + value(ten) * 10 + value(one), 3)
            }
            _ => return false,
        };
        let mut at = self.position + 1 + digits;
        for _ in 0..arguments {
            let line = bytes.get(at..at + 8).and_then(|line| line.first_chunk());
            let Some((len, head)) = line.and_then(|line| short_line(u64::from_le_bytes(*line))) else {
                self.spans.truncate(self.complete_spans);
                return false;
            };
            at += head;
            self.spans.push(Span { start: at as u32, len });
            at += len as usize;
        }
        if bytes.get(at..at + 2) != Some(b"\r\n") {
            self.spans.truncate(self.complete_spans);
            return false;
        }
        self.position = at + 2;
        self.complete_spans = self.spans.len();
        let end = self.position;
        self.complete.push(Complete { arguments, is_inline: false, end, lying_end: end });
        true
    }

    /// How many requests are complete.
    #[inline]
    pub fn len(&self) -> usize {
        self.complete.len()
    }

    pub fn is_empty(&self) -> bool {
        self.complete.is_empty()
    }

    /// The complete requests; `bytes` is the slice that [`Decoder::decode`] was given.
    #[inline]
    pub fn requests<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Args<'a>> {
        let mut spans = self.spans.as_slice();
        self.complete.iter().map(move |complete| {
            let (own, behind) = spans.split_at_checked(complete.arguments as usize).unwrap_or_default();
            spans = behind;
            let lying_in = if complete.is_inline { &self.inline } else { bytes };
            Args::new(lying_in.get(..complete.lying_end).unwrap_or_default(), own)
        })
    }

    /// Offset behind request number `index`.
    #[inline]
    pub fn end(&self, index: usize) -> usize {
        self.complete.get(index).map_or(0, |complete| complete.end)
    }

    /// Takes the first `count` complete requests, which have run; returns their bytes, which the caller drops too.
    /// When some have not run, everything behind is decoded again.
    pub fn consume(&mut self, count: usize) -> usize {
        let taken = count.checked_sub(1).map_or(0, |last| self.end(last));
        if count < self.complete.len() {
            self.spans.clear();
            (self.position, self.missing, self.bulk_len) = (0, None, None);
        } else {
            // What is known of the unfinished request stays, seen from its new beginning.
            self.spans.drain(..self.complete_spans);
            for span in &mut self.spans {
                span.start -= taken as u32;
            }
            self.position -= taken;
        }
        self.complete.clear();
        self.complete_spans = 0;
        self.inline.clear();
        taken
    }

    /// Gives back the memory of an extraordinarily long request or batch.
    pub fn shrink(&mut self) {
        const KEPT_BYTES: usize = 1024;
        if self.missing.is_none() && self.heap_bytes() > KEPT_BYTES {
            *self = Decoder::default();
        }
    }

    /// Where the argument ends that is there in part, counted from the first byte that was not consumed; `None` when its length
    /// is not known.
    pub fn awaited_end(&self) -> Option<usize> {
        self.bulk_len.map(|len| self.position.saturating_add(len).saturating_add(2))
    }

    /// Heap bytes held by the lists of arguments.
    pub fn heap_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Span>()
            + self.complete.capacity() * size_of::<Complete>()
            + self.inline.capacity()
    }

    fn decode_inline(&mut self, bytes: &[u8]) -> Result<bool, ProtocolError> {
        let rest = bytes.get(self.position..).unwrap_or_default();
        let Some(newline) = memchr::memchr(b'\n', rest) else {
            return if rest.len() > LINE_MAX_BYTES { Err(ProtocolError::InlineTooLong) } else { Ok(false) };
        };
        let line = rest.get(..newline).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let words = split_args(line).map_err(|_| ProtocolError::UnbalancedQuotes)?;
        for word in &words {
            // The lines of a batch were received in one piece, so their words fit 32 bits.
            self.spans.push(Span { start: self.inline.len() as u32, len: word.len() as u32 });
            self.inline.extend_from_slice(word);
        }
        self.position += newline + 1;
        Ok(true)
    }

    #[inline]
    fn decode_multibulk(&mut self, bytes: &[u8], limits: &Limits) -> Result<bool, ProtocolError> {
        let mut missing = match self.missing {
            Some(missing) => missing,
            None => match self.read_count(bytes, limits)? {
                Some(count) => count,
                None => return Ok(false),
            },
        };
        while missing > 0 {
            let Some(span) = self.read_bulk(bytes, limits)? else {
                self.missing = Some(missing);
                return Ok(false);
            };
            self.spans.push(span);
            missing -= 1;
        }
        Ok(true)
    }

    fn read_count(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<i64>, ProtocolError> {
        let unread = bytes.len().saturating_sub(self.position);
        if unread == 0 {
            return Ok(None);
        }
        match read_line(bytes, self.position + 1) {
            Line::Unfinished if unread > LINE_MAX_BYTES => Err(ProtocolError::CountLineTooLong),
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
                // An empty line ends where it begins.
                let digits = self.position + usize::from(marker != b'\r');
                let Line::Number { value, next } = read_line(bytes, digits) else {
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

/// The length in the line before an argument, from eight bytes that begin with the end of the line before it, and how far from
/// there the argument is. Such eight there are before any argument of a whole request.
///
/// ```text
/// \r\n$3\r\n     \r\n$16\r\n     \r\n$120\r\n
/// ```
#[inline]
fn short_line(bytes: u64) -> Option<(u32, usize)> {
    // Equal bytes become 0, and digits their value; shifted and turned so that the digits are the lowest bytes, any other
    // difference makes a number that is too big.
    let one = ((bytes ^ u64::from_le_bytes(*b"\r\n$0\r\n\0\0")) << 16).rotate_right(40);
    if one < 10 {
        return Some((one as u32, b"\r\n$0\r\n".len()));
    }
    let two = ((bytes ^ u64::from_le_bytes(*b"\r\n$00\r\n\0")) << 8).rotate_right(32);
    let (tens, ones) = (two as u8, (two >> 8) as u32);
    if two < 10 << 8 && (1..10).contains(&tens) {
        return Some((u32::from(tens) * 10 + ones, b"\r\n$00\r\n".len()));
    }
    let three = (bytes ^ u64::from_le_bytes(*b"\r\n$000\r\n")).rotate_right(24);
    let (hundreds, tens, ones) = (three as u8, (three >> 8) as u8, (three >> 16) as u32);
    let is_short = three < 10 << 16 && (1..10).contains(&hundreds) && tens < 10;
    is_short.then_some((u32::from(hundreds) * 100 + u32::from(tens) * 10 + ones, b"\r\n$000\r\n".len()))
}

/// Reads the decimal number that begins at `from` and ends with CR, plus one byte behind the CR.
#[inline]
fn read_line(bytes: &[u8], from: usize) -> Line {
    let rest = bytes.get(from..).unwrap_or_default();
    // Nearly all numbers have one digit or two.
    match rest {
        [one @ b'0'..=b'9', b'\r', _, ..] => {
            Line::Number { value: Some(i64::from(one - b'0')), next: from + 3 }
        }
        [ten @ b'1'..=b'9', one @ b'0'..=b'9', b'\r', _, ..] => {
            let value = i64::from(ten - b'0') * 10 + i64::from(one - b'0');
            Line::Number { value: Some(value), next: from + 4 }
        }
        _ => read_long_line(rest, from),
    }
}

fn read_long_line(rest: &[u8], from: usize) -> Line {
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
