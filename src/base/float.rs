//! Doubles as Redis reads and prints them.
//!
//! *Reading* follows C's `strtod`: decimal and hexadecimal numbers, `inf` and `infinity` in any case,
//! a sign. Redis adds that nothing may stand before or after the number, that `nan` is refused, and
//! that a finite number must not become infinite or zero on the way (`1e309`, `1e-400`).
//!
//! *Printing* has two forms. The short one ([`push_f64`]) is that of Redis 7.2 and later: whole
//! numbers up to 2^62 in full, everything else by Grisu2 digits laid out like this, where `n` digits
//! stand for `digits × 10^k`:
//!
//! | condition | layout | example |
//! |---|---|---|
//! | `k >= 0` and magnitude `< n + 7` | digits and zeros | `4611686018427389000` |
//! | `k < 0` and (`k > -7` or magnitude `< 4`) | with a point | `0.000001`, `12.75` |
//! | otherwise | with an exponent, never padded | `1e+20`, `1.5e-7` |
//!
//! Magnitude is the distance of the first digit from the units place, in either direction. The long
//! form ([`push_f64_17g`]) is C's `%.17g`.

use std::io::Write;

use super::grisu::{self, Decimal};
use super::hexfloat::HexFloat;
use super::num;

/// A double as a command argument, or `None` if Redis would say "value is not a valid float".
/// Never a NaN; infinity only where the text names it.
///
/// ```
/// use ochre::base::float::parse_f64;
/// assert_eq!(parse_f64(b"0x1.8p1"), Some(3.0));
/// assert_eq!(parse_f64(b"-inf"), Some(f64::NEG_INFINITY));
/// assert_eq!(parse_f64(b"nan").or(parse_f64(b" 1")).or(parse_f64(b"1e309")), None);
/// ```
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    if is_hexadecimal(text) {
        return parse_hexadecimal(text);
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let refused = value.is_nan()
        || value.is_infinite() && !names_infinity(text)
        || value == 0.0 && has_nonzero_digit(text);
    (!refused).then_some(value)
}

/// A double as the bound of a range, or `None` if Redis would say "min or max is not a float". Laxer than
/// [`parse_f64`]: an empty text is 0, too large and too small numbers become infinite and zero, and what follows a NUL is not
/// looked at; but hexadecimal numbers are refused.
///
/// ```
/// use ochre::base::float::parse_f64_bound;
/// assert_eq!(parse_f64_bound(b""), Some(0.0));
/// assert_eq!(parse_f64_bound(b"1e400"), Some(f64::INFINITY));
/// assert_eq!(parse_f64_bound(b"0x10").or(parse_f64_bound(b"nan")).or(parse_f64_bound(b"1 ")), None);
/// ```
pub fn parse_f64_bound(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    // Most numbers are whole, and these are read in fewer steps; both ways round alike.
    if let Some(whole) = num::parse_i64(text) {
        return Some(whole as f64);
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!value.is_nan()).then_some(value)
}

/// Whether the text begins like a hexadecimal number.
pub(super) fn is_hexadecimal(text: &[u8]) -> bool {
    matches!(text, [b'0', b'x' | b'X', ..] | [b'+' | b'-', b'0', b'x' | b'X', ..])
}

/// Whether a text that has been read as infinite says so, rather than being too large a number.
pub(super) fn names_infinity(text: &[u8]) -> bool {
    matches!(text, [b'i' | b'I', ..] | [b'+' | b'-', b'i' | b'I', ..])
}

/// Whether the digits of a decimal number, before any exponent, are not all zero.
pub(super) fn has_nonzero_digit(text: &[u8]) -> bool {
    text.iter().take_while(|byte| !matches!(byte, b'e' | b'E')).any(|byte| matches!(byte, b'1'..=b'9'))
}

fn parse_hexadecimal(text: &[u8]) -> Option<f64> {
    const PRECISION: u32 = 53;
    const LOWEST: i64 = -1074;
    let number = HexFloat::parse(text)?;
    let (significand, exponent) = number.round(PRECISION, LOWEST);
    if significand == 0 && !number.is_zero() {
        return None;
    }
    // The top bit decides on overflow; within range both factors and the product are exact.
    let top = i64::from(u128::BITS - significand.leading_zeros()) + exponent;
    if significand != 0 && top > 1024 {
        return None;
    }
    let magnitude = significand as f64;
    let value = if significand == 0 { 0.0 } else { scale(magnitude, i32::try_from(exponent).ok()?) };
    Some(if number.negative { -value } else { value })
}

/// `value × 2^exponent` in steps that stay within the range of exact powers of two. The caller
/// makes sure that the result is representable.
fn scale(mut value: f64, mut exponent: i32) -> f64 {
    let power = |exponent: i32| f64::from_bits(((exponent + 1023) as u64) << 52);
    while exponent > 1000 {
        value *= power(1000);
        exponent -= 1000;
    }
    while exponent < -1000 {
        value *= power(-1000);
        exponent += 1000;
    }
    value * power(exponent)
}

/// Appends the short form.
///
/// ```
/// let mut out = Vec::new();
/// ochre::base::float::push_f64(&mut out, 1e20);
/// assert_eq!(out, b"1e+20");
/// ```
pub fn push_f64(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    if magnitude <= WHOLE_LIMIT && magnitude.trunc() == magnitude {
        if value.is_sign_negative() {
            out.push(b'-');
        }
        return num::push_u64(out, magnitude as u64);
    }
    push_f64_digits(out, value);
}

/// Appends what C's `%.*g` prints: at most `precision` (1 to 17) significant digits, without zeros at the end.
///
/// ```
/// let mut out = Vec::new();
/// ochre::base::float::push_g(&mut out, 1.0 / 3.0, 14);
/// assert_eq!(out, b"0.33333333333333");
/// ```
pub fn push_g(out: &mut Vec<u8>, value: f64, precision: usize) {
    if !value.is_finite() {
        let text: &[u8] = if value.is_nan() { b"nan" } else { b"inf" };
        if value.is_sign_negative() {
            out.push(b'-');
        }
        return out.extend_from_slice(text);
    }
    let precision = precision.clamp(1, 17);
    let scientific = format!("{value:.*e}", precision - 1);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let is_short = exponent >= -4 && exponent < precision as i32;
    let text = if is_short {
        format!("{value:.*}", (precision as i32 - 1 - exponent).max(0) as usize)
    } else {
        digits.to_owned()
    };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    out.extend_from_slice(text.as_bytes());
    if !is_short {
        let sign = if exponent < 0 { '-' } else { '+' };
        out.extend_from_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
    }
}

/// Appends the fewest digits that mean this value, whole numbers too: 1e17 is `1e+17`. Digests are made of it.
pub fn push_f64_digits(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        return out.extend_from_slice(b"nan");
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    if magnitude == f64::INFINITY {
        out.extend_from_slice(b"inf");
    } else if magnitude == 0.0 {
        out.push(b'0');
    } else {
        push_layout(out, &grisu::decimal(magnitude), value.is_sign_negative());
    }
}

/// Whole numbers up to here are printed in full.
const WHOLE_LIMIT: f64 = (1u64 << 62) as f64;

fn push_layout(out: &mut Vec<u8>, decimal: &Decimal, negative: bool) {
    let digits = decimal.digits();
    let k = decimal.exponent;
    let first_place = k + digits.len() as i32 - 1;
    let magnitude = first_place.unsigned_abs() as usize;
    if k >= 0 && magnitude < digits.len() + 7 {
        out.extend_from_slice(digits);
        push_zeros(out, k.unsigned_abs() as usize);
    } else if k < 0 && (k > -7 || magnitude < 4) {
        push_with_point(out, digits, first_place);
    } else {
        // Redis keeps one character for the sign within a fixed length.
        let kept = digits.len().min(grisu::DIGITS_MAX - usize::from(negative));
        push_with_point(out, digits.get(..kept).unwrap_or(digits), 0);
        out.extend_from_slice(if first_place < 0 { b"e-" } else { b"e+" });
        num::push_u64(out, magnitude as u64);
    }
}

/// Appends digits of which the first stands at `10^first_place`.
fn push_with_point(out: &mut Vec<u8>, digits: &[u8], first_place: i32) {
    match usize::try_from(first_place) {
        Ok(first_place) => {
            let (whole, fraction) = digits.split_at_checked(first_place + 1).unwrap_or((digits, &[]));
            out.extend_from_slice(whole);
            if !fraction.is_empty() {
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
        }
        Err(_) => {
            out.extend_from_slice(b"0.");
            push_zeros(out, first_place.unsigned_abs() as usize - 1);
            out.extend_from_slice(digits);
        }
    }
}

fn push_zeros(out: &mut Vec<u8>, count: usize) {
    out.resize(out.len() + count, b'0');
}

/// Appends the value as C's `%.17g` prints it.
///
/// ```
/// let mut out = Vec::new();
/// ochre::base::float::push_f64_17g(&mut out, 0.1);
/// assert_eq!(out, b"0.10000000000000001");
/// ```
pub fn push_f64_17g(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() || value.is_infinite() || value == 0.0 {
        return push_f64(out, value);
    }
    if value < 0.0 {
        out.push(b'-');
    }
    // One digit, a point, sixteen digits, `e` and an exponent of up to four characters.
    let mut scientific = [0u8; 32];
    let mut rest = scientific.as_mut_slice();
    let _ = write!(rest, "{:.16e}", value.abs());
    let unused = rest.len();
    let written = scientific.get(..scientific.len() - unused).unwrap_or_default();
    let mut parts = written.split(|&byte| byte == b'e');
    let mut digits = [0u8; 17];
    let significand = parts.next().unwrap_or_default().iter().filter(|byte| byte.is_ascii_digit());
    digits.iter_mut().zip(significand).for_each(|(slot, digit)| *slot = *digit);
    let first_place = parts.next().and_then(num::parse_i64).unwrap_or(0) as i32;
    push_17g_layout(out, &digits, first_place);
}

fn push_17g_layout(out: &mut Vec<u8>, digits: &[u8; 17], first_place: i32) {
    let kept = digits.iter().rposition(|&digit| digit != b'0').map_or(1, |last| last + 1);
    let scientific = !(-4..17).contains(&first_place);
    let whole = if scientific { 1 } else { usize::try_from(first_place).map_or(0, |place| place + 1) };
    let shown = digits.get(..kept.max(whole)).unwrap_or(digits);
    push_with_point(out, shown, if scientific { 0 } else { first_place });
    if scientific {
        let sign = if first_place < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", first_place.unsigned_abs());
    }
}

#[cfg(test)]
mod tests;
