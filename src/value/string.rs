//! Strings: the three encodings that OBJECT ENCODING tells apart, and their size limit.
//!
//! The encoding is what Redis would have chosen, kept so that clients see the same names; it does not decide
//! how we store the bytes. `SET k 12` is `int`; APPEND and SETRANGE make a string `raw` for good, even a
//! short one.

use crate::base::num::is_canonical_i64;

/// Growing strings get at most this much room ahead, in bytes.
const AHEAD_MAX_BYTES: usize = 1 << 20;
/// Longest string that Redis calls `embstr`, in bytes.
const EMBSTR_MAX_BYTES: usize = 44;
/// Longest text of an i64.
const INT_MAX_BYTES: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Int = 0,
    Embstr = 1,
    Raw = 2,
}

impl Encoding {
    /// What SET chooses for `value`.
    #[inline]
    pub fn of(value: &[u8]) -> Encoding {
        match value {
            _ if value.len() > EMBSTR_MAX_BYTES => Encoding::Raw,
            [b'-' | b'0'..=b'9', ..] if value.len() <= INT_MAX_BYTES && is_canonical_i64(value) => {
                Encoding::Int
            }
            _ => Encoding::Embstr,
        }
    }

    /// What Redis chooses for a text that it doesn't look at again (INCRBYFLOAT): never `int`.
    pub fn of_text(value: &[u8]) -> Encoding {
        if value.len() > EMBSTR_MAX_BYTES { Encoding::Raw } else { Encoding::Embstr }
    }

    pub fn word(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Raw => "raw",
        }
    }

    /// Back from the bits kept in an entry.
    pub fn from_bits(bits: u8) -> Encoding {
        match bits & 3 {
            0 => Encoding::Int,
            1 => Encoding::Embstr,
            _ => Encoding::Raw,
        }
    }
}

/// Lengthens a string with zero bytes. Room is made ahead so that growing bit by bit stays cheap, but never more than
/// 1 MB; a string that begins far out costs its own pages only once they are written to.
pub fn grow(bytes: &mut Vec<u8>, len: usize) {
    if bytes.is_empty() && bytes.capacity() < len {
        *bytes = vec![0; len];
    } else if bytes.len() < len {
        if bytes.capacity() < len {
            bytes.reserve_exact(len - bytes.len() + len.min(AHEAD_MAX_BYTES));
        }
        bytes.resize(len, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::{AHEAD_MAX_BYTES, Encoding, grow};

    #[test]
    fn room_ahead_is_bounded() {
        let mut bytes = Vec::new();
        for len in [3, 4, 1000, 3 << 20, (3 << 20) + 1, 10] {
            let longest = bytes.len().max(len);
            grow(&mut bytes, len);
            assert_eq!(bytes, vec![0; longest]);
            assert!(bytes.capacity() <= 2 * longest && bytes.capacity() <= longest + AHEAD_MAX_BYTES);
        }
    }

    #[test]
    fn encodings_are_those_of_set() {
        for (value, encoding) in [
            (&b"12"[..], Encoding::Int),
            (b"-9223372036854775808", Encoding::Int),
            (b"9223372036854775808", Encoding::Embstr),
            (b"012", Encoding::Embstr),
            (b"-0", Encoding::Embstr),
            (b"", Encoding::Embstr),
            (&[b'x'; 44], Encoding::Embstr),
            (&[b'x'; 45], Encoding::Raw),
        ] {
            assert_eq!(Encoding::of(value), encoding, "{value:?}");
        }
    }
}
