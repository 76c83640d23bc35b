//! Ids of entries: Unix milliseconds and a number within the millisecond, ordered as a pair.
//!
//! ```text
//! 1526919030474-55      the form that is always printed
//! 1526919030474         the number is left out: the first or last of the millisecond, by what is asked
//! ```
//!
//! Reading is as lenient as C's `strtoull`: `01- 2` is `1-2`.

use std::ops::Deref;

use crate::base::num::parse_u64;
use crate::ds::tree::Item;

/// The longest text read as an id, in bytes.
const TEXT_MAX_BYTES: usize = 127;

/// The id of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Unix milliseconds, if nobody chose another number.
    pub ms: u64,
    pub seq: u64,
}

/// A sequence number as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    Given(u64),
    /// Not written at all.
    Missing,
    /// `*`: the next one.
    Next,
}

impl StreamId {
    /// Below every entry's id.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    pub fn is_zero(self) -> bool {
        self == StreamId::MIN
    }

    /// The id behind this one; `None` behind the last.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id before this one; `None` before the first.
    pub fn prev(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// Reads `ms-seq` or `ms`; the sequence that a missing one stands for is `missing_seq`.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<StreamId> {
        let (ms, sequence) = StreamId::parse_parts(text)?;
        match sequence {
            Sequence::Given(seq) => Some(StreamId { ms, seq }),
            Sequence::Missing => Some(StreamId { ms, seq: missing_seq }),
            Sequence::Next => None,
        }
    }

    /// Reads `ms-seq`, `ms` or `ms-*`.
    pub fn parse_parts(text: &[u8]) -> Option<(u64, Sequence)> {
        if text.len() > TEXT_MAX_BYTES {
            return None;
        }
        // What C would see of it.
        let text = text.split(|&byte| byte == 0).next()?;
        let Some(dash) = text.iter().position(|&byte| byte == b'-') else {
            return Some((parse_u64(text)?, Sequence::Missing));
        };
        let (ms, seq) = (text.get(..dash)?, text.get(dash + 1..)?);
        let ms = parse_u64(ms)?;
        match seq {
            b"*" => Some((ms, Sequence::Next)),
            seq => Some((ms, Sequence::Given(parse_u64(seq)?))),
        }
    }

    /// As it is printed.
    pub fn text(self) -> IdText {
        let mut text = IdText { bytes: [0; ID_TEXT_MAX_BYTES], len: 0 };
        text.push(itoa::Buffer::new().format(self.ms).as_bytes());
        text.push(b"-");
        text.push(itoa::Buffer::new().format(self.seq).as_bytes());
        text
    }
}

/// A tree of ids in their order.
impl Item for StreamId {
    type Key = StreamId;

    const IS_UNIT: bool = true;

    fn key(&self) -> StreamId {
        *self
    }

    fn weight(&self) -> u64 {
        1
    }
}

/// Twice the digits of `u64::MAX` and the dash.
const ID_TEXT_MAX_BYTES: usize = 41;

/// A printed id.
#[derive(Clone, Copy)]
pub struct IdText {
    bytes: [u8; ID_TEXT_MAX_BYTES],
    len: usize,
}

impl IdText {
    fn push(&mut self, part: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.len..self.len + part.len()) {
            place.copy_from_slice(part);
            self.len += part.len();
        }
    }
}

impl Deref for IdText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_leniently_as_redis_reads_them() {
        let parse = |text: &str| StreamId::parse(text.as_bytes(), 7);
        assert_eq!(parse("1-2"), Some(StreamId::new(1, 2)));
        assert_eq!(parse("1"), Some(StreamId::new(1, 7)));
        assert_eq!(parse("01- 2"), Some(StreamId::new(1, 2)));
        assert_eq!(parse("1--05"), Some(StreamId::new(1, u64::MAX - 4)));
        for bad in ["", "-", "+", "1-", "-1", "1--5", "a-1", "1-*", "1-2-3", "18446744073709551616-1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(StreamId::parse_parts(b"5-*"), Some((5, Sequence::Next)));
    }

    #[test]
    fn neighbours_and_text() {
        let id = StreamId::new(1, u64::MAX);
        assert_eq!((id.next(), id.next().and_then(StreamId::prev)), (Some(StreamId::new(2, 0)), Some(id)));
        assert_eq!((StreamId::MAX.next(), StreamId::MIN.prev()), (None, None));
        assert_eq!(&*StreamId::MAX.text(), b"18446744073709551615-18446744073709551615");
        assert_eq!(&*StreamId::MIN.text(), b"0-0");
    }
}
