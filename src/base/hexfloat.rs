//! Hexadecimal floating-point numbers (`0x1.8p3`) as C's `strtod` and `strtold` read them.
//!
//! Grammar: an optional sign, `0x`, hexadecimal digits with at most one point among them and at
//! least one digit in all, then optionally `p`, a sign and decimal digits. The value is exact until
//! it is rounded once, to nearest with ties to even, to the precision of the target type.

/// A hexadecimal number before rounding: `significand × 2^exponent`, plus a little more (less than
/// one unit of the significand) if `inexact`.
pub(super) struct HexFloat {
    pub(super) negative: bool,
    significand: u128,
    inexact: bool,
    exponent: i64,
}

/// Digits beyond this many significant bits only matter as "there was more".
const KEPT_BITS: u32 = 120;

/// Exponents are cut here; any number that far out over- or underflows in every type, even after
/// the shift by a gigabyte of digits.
const EXPONENT_LIMIT: i64 = 1 << 40;

impl HexFloat {
    /// Reads the whole of `text`. Answers `None` if it is not a hexadecimal number.
    pub(super) fn parse(text: &[u8]) -> Option<HexFloat> {
        let (negative, text) = match text {
            [b'-', text @ ..] => (true, text),
            [b'+', text @ ..] | text => (false, text),
        };
        let [b'0', b'x' | b'X', text @ ..] = text else { return None };
        let digits_len = text.iter().position(|byte| matches!(byte, b'p' | b'P')).unwrap_or(text.len());
        let (digits, exponent) = text.split_at_checked(digits_len)?;
        let mut number = HexFloat { negative, significand: 0, inexact: false, exponent: 0 };
        number.take_digits(digits)?;
        if let [_, exponent @ ..] = exponent {
            number.exponent += parse_exponent(exponent)?;
        }
        Some(number)
    }

    fn take_digits(&mut self, digits: &[u8]) -> Option<()> {
        let (mut seen_point, mut seen_digit) = (false, false);
        for &byte in digits {
            if byte == b'.' && !seen_point {
                seen_point = true;
                continue;
            }
            let digit = char::from(byte).to_digit(16)?;
            seen_digit = true;
            if u128::BITS - self.significand.leading_zeros() <= KEPT_BITS {
                self.significand = self.significand << 4 | u128::from(digit);
                self.exponent -= if seen_point { 4 } else { 0 };
            } else {
                self.inexact |= digit != 0;
                self.exponent += if seen_point { 0 } else { 4 };
            }
        }
        seen_digit.then_some(())
    }

    pub(super) fn is_zero(&self) -> bool {
        self.significand == 0
    }

    /// Rounds to at most `precision` bits (up to 64) whose lowest is not below `2^lowest`. Answers a
    /// significand, which a carry can leave at exactly `2^precision`, and its exponent.
    pub(super) fn round(&self, precision: u32, lowest: i64) -> (u128, i64) {
        let bits = i64::from(u128::BITS - self.significand.leading_zeros());
        let cut = (bits - i64::from(precision)).max(lowest - self.exponent).max(0);
        if cut > i64::from(KEPT_BITS) + 4 {
            return (0, lowest);
        }
        let kept = self.significand >> cut;
        let below = self.significand & ((1u128 << cut) - 1);
        let half = if cut == 0 { u128::MAX } else { 1u128 << (cut - 1) };
        let up = below > half || below == half && (self.inexact || kept & 1 == 1);
        (kept + u128::from(up), self.exponent + cut)
    }
}

fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for &byte in digits {
        let digit = char::from(byte).to_digit(10)?;
        value = (value * 10 + i64::from(digit)).min(EXPONENT_LIMIT);
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(text: &str, precision: u32, lowest: i64) -> Option<(u128, i64)> {
        HexFloat::parse(text.as_bytes()).map(|number| number.round(precision, lowest))
    }

    #[test]
    fn grammar() {
        for text in [
            "0x1",
            "0X1",
            "-0x1",
            "+0x1p4",
            "0x.8",
            "0x1.",
            "0x1P+3",
            "0xabcDEF",
            "0x0p-99999999999999999999",
        ] {
            assert!(rounded(text, 53, -1074).is_some(), "{text}");
        }
        for text in [
            "", "1", "0x", "0x.", "0xp1", "0x.p1", "0x1p", "0x1p+", "0x1.2.3", "0xg", "0x1 ", "0x1p1.",
            "--0x1", "0x-1",
        ] {
            assert!(rounded(text, 53, -1074).is_none(), "{text}");
        }
    }

    #[test]
    fn one_rounding_to_nearest_even() {
        assert_eq!(rounded("0x1.8p1", 53, -1074), Some((0x18, -3)));
        assert_eq!(rounded("0x1f", 4, -1074), Some((16, 1)));
        assert_eq!(rounded("0x11", 4, -1074), Some((8, 1)));
        assert_eq!(rounded("0x13", 4, -1074), Some((10, 1)));
        assert_eq!(rounded("0x1p-1075", 53, -1074), Some((0, -1074)));
        assert_eq!(rounded("0x1.8p-1075", 53, -1074), Some((1, -1074)));
        let long_tie = format!("0x11{}", "0".repeat(100));
        assert_eq!(rounded(&long_tie, 4, -1074).map(|(significand, _)| significand), Some(8));
        let above_tie = format!("0x11{}1", "0".repeat(100));
        assert_eq!(rounded(&above_tie, 4, -1074).map(|(significand, _)| significand), Some(9));
    }

    #[test]
    fn huge_exponents_stay_bounded() {
        let (significand, exponent) = rounded("0x1p99999999999999999999999", 53, -1074).unwrap();
        assert!(significand == 1 && exponent > 1_000_000);
        assert_eq!(rounded("0x1p-99999999999999999999999", 53, -1074), Some((0, -1074)));
    }
}
