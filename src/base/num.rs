//! Whole numbers as Redis reads and prints them.
//!
//! Redis treats a string as a number only if printing that number gives the string back: no plus
//! sign, no leading zeros, no blanks, no `-0`. That rule decides which values get the integer
//! encoding, so it has to be exact here. [`parse_u64`] is the one lenient reader: cursors go through
//! C's `strtoull` when they are not canonical, and keep its habits.

/// The canonical decimal form of an `i64`, or `None`.
///
/// ```
/// use ochre::base::num::parse_i64;
/// assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
/// assert_eq!(parse_i64(b"+1").or(parse_i64(b"01")).or(parse_i64(b"-0")).or(parse_i64(b" 1")), None);
/// ```
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        // A lone digit is by far the commonest number; `-0` is the one that is not canonical.
        [digit @ b'0'..=b'9'] if !negative => Some(i64::from(digit - b'0')),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {
            let magnitude = sum_of_digits(digits)?;
            if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
        }
        _ => None,
    }
}

/// The canonical decimal form of a `u64` (digits only, no leading zeros), or `None`.
pub fn parse_canonical_u64(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if text.len() <= 20 => sum_of_digits(text),
        _ => None,
    }
}

/// The value of at most 20 digits, `None` on anything else or beyond 64 bits.
#[inline]
fn sum_of_digits(digits: &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// An unsigned number as `SCAN` accepts its cursor.
///
/// A canonical signed number must not be negative. Anything else goes by the rules of C's
/// `strtoull`: leading blanks, a sign (a minus wraps around), leading zeros, the end at the first
/// NUL byte, and nothing else after the digits.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    if let Some(number) = parse_i64(text) {
        return u64::try_from(number).ok();
    }
    let text = text.split(|&byte| byte == 0).next()?;
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t'..=b'\r'))?;
    let (negative, digits) = match text.get(start..)? {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let magnitude = sum_of_digits(digits)?;
    Some(if negative { magnitude.wrapping_neg() } else { magnitude })
}

/// Whether `text` is exactly what printing some `i64` gives.
#[inline]
pub fn is_canonical_i64(text: &[u8]) -> bool {
    parse_i64(text).is_some()
}

/// Appends `number` in decimal.
#[inline]
pub fn push_i64(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends `number` in decimal.
#[inline]
pub fn push_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn signed_numbers_as_incrby_accepts_them() {
        let accepted: [(&str, i64); 7] = [
            ("0", 0),
            ("1", 1),
            ("-1", -1),
            ("10", 10),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-9223372036854775807", -i64::MAX),
        ];
        for (text, number) in accepted {
            assert_eq!(parse_i64(text.as_bytes()), Some(number), "{text}");
        }
        let refused = [
            "",
            "-",
            "+1",
            "01",
            "00",
            "-0",
            "-01",
            " 1",
            "1 ",
            "1x",
            "x",
            "--1",
            "0x10",
            "1.0",
            "1e3",
            "1\0",
            "/",
            ":",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "18446744073709551616",
        ];
        for text in refused {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn cursors_as_scan_accepts_them() {
        let accepted: [(&[u8], u64); 15] = [
            (b"0", 0),
            (b"00", 0),
            (b"+0", 0),
            (b"-0", 0),
            (b"+1", 1),
            (b" 0", 0),
            (b"\t0", 0),
            (b"\n1", 1),
            (b"01", 1),
            (b"9223372036854775808", 1 << 63),
            (b"18446744073709551615", u64::MAX),
            (b"-18446744073709551615", 1),
            (b"-01", u64::MAX),
            (b"0\x00", 0),
            (b"0\x00a", 0),
        ];
        for (text, number) in accepted {
            assert_eq!(parse_u64(text), Some(number), "{text:?}");
        }
        let refused: [&[u8]; 14] = [
            b"",
            b" ",
            b"+",
            b"-",
            b"-1",
            b"-5",
            b"0 ",
            b"1x",
            b"0x10",
            b"18446744073709551616",
            b"99999999999999999999999",
            b"\x00",
            b"+-1",
            b"- 1",
        ];
        for text in refused {
            assert_eq!(parse_u64(text), None, "{text:?}");
        }
    }

    #[test]
    fn canonical_unsigned_numbers() {
        assert_eq!(parse_canonical_u64(b"18446744073709551615"), Some(u64::MAX));
        for text in ["", "00", "+1", "-1", "18446744073709551616", " 1"] {
            assert_eq!(parse_canonical_u64(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_reading_are_inverse(signed: i64, unsigned: u64) {
            let mut out = Vec::new();
            push_i64(&mut out, signed);
            prop_assert_eq!(parse_i64(&out), Some(signed));
            out.clear();
            push_u64(&mut out, unsigned);
            prop_assert_eq!(parse_u64(&out), Some(unsigned));
            prop_assert_eq!(parse_canonical_u64(&out), Some(unsigned));
        }

        #[test]
        fn only_what_printing_gives_is_canonical(text in "[-+0-9 ]{0,21}") {
            let printed = text.parse::<i64>().ok().map(|number| number.to_string());
            prop_assert_eq!(is_canonical_i64(text.as_bytes()), printed.as_deref() == Some(text.as_str()));
        }
    }
}
