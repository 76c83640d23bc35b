//! The part of a string that BITCOUNT and BITPOS look at.
//!
//! ```text
//! "abc"    1 -1 → bits 8..24      -2 -2 BYTE → 8..16      4 -9 BIT → 4..16      2 1 → none
//! ```

use crate::dispatch::CmdError;
use std::ops::Range;

/// What positions count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Byte,
    Bit,
}

impl Unit {
    pub(super) fn from_word(word: &[u8]) -> Result<Unit, CmdError> {
        match word {
            _ if word.eq_ignore_ascii_case(b"byte") => Ok(Unit::Byte),
            _ if word.eq_ignore_ascii_case(b"bit") => Ok(Unit::Bit),
            _ => Err(CmdError::Syntax),
        }
    }

    fn bits(self) -> usize {
        match self {
            Unit::Byte => 8,
            Unit::Bit => 1,
        }
    }

    /// The bits from `start` to `end`, both included, of a string of `len` bytes; negative positions count from the
    /// end.
    pub(super) fn bits_between(self, start: i64, end: i64, len: usize) -> Range<usize> {
        let total = len * 8 / self.bits();
        let position = |index: i64| match usize::try_from(index) {
            Ok(index) => index,
            Err(_) => total.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX)),
        };
        if total == 0 {
            return 0..0;
        }
        let (start, end) = (position(start), position(end).min(total - 1));
        if start > end { 0..0 } else { start * self.bits()..(end + 1) * self.bits() }
    }
}

#[cfg(test)]
mod tests {
    use super::Unit;

    #[test]
    fn positions_count_from_both_ends() {
        for (unit, start, end, expected) in [
            (Unit::Byte, 0, -1, 0..24),
            (Unit::Byte, 1, -1, 8..24),
            (Unit::Byte, -2, -2, 8..16),
            (Unit::Byte, -100, 100, 0..24),
            (Unit::Byte, -100, -50, 0..8),
            (Unit::Byte, -50, -100, 0..8),
            (Unit::Byte, 3, 5, 0..0),
            (Unit::Byte, i64::MIN, i64::MAX, 0..24),
            (Unit::Bit, 4, -9, 4..16),
            (Unit::Bit, 23, 23, 23..24),
            (Unit::Bit, 24, 24, 0..0),
        ] {
            assert_eq!(unit.bits_between(start, end, 3), expected, "{unit:?} {start} {end}");
        }
        assert_eq!(Unit::Byte.bits_between(0, -1, 0), 0..0);
    }
}
