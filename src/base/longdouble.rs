//! The 80-bit arithmetic of `INCRBYFLOAT` and `HINCRBYFLOAT`.
//!
//! Redis adds in C's `long double`, which on x86 is the 80-bit extended type: 64 bits of
//! significand, an exponent up to 2^16383. With plain doubles the documented example 10.5 + 0.1
//! would still come out as 10.6, but 3 + 1.1 would not come out as 4.1, and long counters would drift
//! apart from Redis's. So the type is emulated in software (`rustc_apfloat`, the compiler's own
//! arithmetic), the same on every machine.
//!
//! Reading follows `strtold` with Redis's conditions: nothing around the number, no `nan`, fewer than
//! 5,120 characters, and no over- or underflow. Printing is C's `%.17Lf` with the trailing zeros cut
//! off, which is never longer than 4,951 characters.
//!
//! ```
//! use ochre::base::longdouble::LongDouble;
//! let sum = LongDouble::parse(b"3").unwrap().add(LongDouble::parse(b"1.1").unwrap());
//! let mut out = Vec::new();
//! sum.push_human(&mut out);
//! assert_eq!(out, b"4.1");
//! ```

use rustc_apfloat::Float;
use rustc_apfloat::ieee::X87DoubleExtended;

use super::float::{has_nonzero_digit, is_hexadecimal, names_infinity};
use super::hexfloat::HexFloat;
use super::num;

/// An 80-bit extended floating-point number.
#[derive(Clone, Copy, Debug)]
pub struct LongDouble(X87DoubleExtended);

/// Texts of this length and longer are refused.
const TEXT_LIMIT: usize = 5 * 1024;

const SIGNIFICAND_BITS: u32 = 64;
/// The exponent of the lowest bit of the smallest number.
const LOWEST_EXPONENT: i64 = -16_445;
const EXPONENT_MAX_BIASED: i64 = 0x7fff;
/// Digits after the point.
const DECIMALS: usize = 17;
const DECIMALS_POWER: u128 = 100_000_000_000_000_000;

impl LongDouble {
    /// A number as a command argument or stored value, or `None` if Redis would say "value is not a
    /// valid float". Never a NaN; infinity only where the text names it.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() >= TEXT_LIMIT {
            return None;
        }
        if is_hexadecimal(text) {
            return parse_hexadecimal(text);
        }
        // The grammar (and the naming of infinity) is the same as for doubles.
        let ascii = std::str::from_utf8(text).ok()?;
        let double: f64 = ascii.parse().ok()?;
        if double.is_nan() {
            return None;
        }
        if names_infinity(text) {
            return Some(LongDouble::infinity(double < 0.0));
        }
        let value = X87DoubleExtended::from_str_r(ascii, rustc_apfloat::Round::NearestTiesToEven).ok()?.value;
        let refused = !value.is_finite() || value.is_zero() && has_nonzero_digit(text);
        (!refused).then_some(LongDouble(value))
    }

    fn infinity(negative: bool) -> LongDouble {
        LongDouble(if negative { -X87DoubleExtended::INFINITY } else { X87DoubleExtended::INFINITY })
    }

    /// The exact value of an integer.
    pub fn from_i64(number: i64) -> LongDouble {
        LongDouble(X87DoubleExtended::from_i128(i128::from(number)).value)
    }

    /// The sum, rounded to nearest.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // Rounding and infinities deserve a visible call.
    pub fn add(self, other: LongDouble) -> LongDouble {
        LongDouble((self.0 + other.0).value)
    }

    /// The product, rounded to nearest.
    #[must_use]
    pub fn times(self, factor: i64) -> LongDouble {
        LongDouble((self.0 * LongDouble::from_i64(factor).0).value)
    }

    /// The smallest integer that is not below the value, or `None` outside of `i64` (or for NaN).
    pub fn ceil_i64(self) -> Option<i64> {
        let converted = self.0.to_i128_r(64, rustc_apfloat::Round::TowardPositive, &mut false);
        let in_range = !converted.status.contains(rustc_apfloat::Status::INVALID_OP);
        in_range.then_some(converted.value).and_then(|value| i64::try_from(value).ok())
    }

    /// Whether the value cannot be stored.
    pub fn is_nan_or_inf(self) -> bool {
        !self.0.is_finite()
    }

    /// Appends the value with at most 17 decimals and without trailing zeros.
    pub fn push_human(self, out: &mut Vec<u8>) {
        if self.0.is_nan() {
            return out.extend_from_slice(b"nan");
        }
        let negative = self.0.is_negative();
        if self.0.is_infinite() {
            return out.extend_from_slice(if negative { b"-inf" } else { b"inf" });
        }
        let (significand, exponent) = self.unpack();
        let start = out.len();
        if negative {
            out.push(b'-');
        }
        if exponent >= 0 {
            push_shifted(out, significand, exponent.unsigned_abs());
        } else {
            push_fixed(out, significand, exponent.unsigned_abs());
        }
        // A value that rounds to nothing has no sign either.
        if out.get(start..) == Some(b"-0") {
            out.remove(start);
        }
    }

    /// Significand and exponent of a finite value.
    fn unpack(self) -> (u64, i64) {
        let bits = self.0.to_bits();
        let biased = (bits >> 64) as i64 & EXPONENT_MAX_BIASED;
        (bits as u64, biased.max(1) - 1 + LOWEST_EXPONENT)
    }
}

fn parse_hexadecimal(text: &[u8]) -> Option<LongDouble> {
    let number = HexFloat::parse(text)?;
    let (significand, mut exponent) = number.round(SIGNIFICAND_BITS, LOWEST_EXPONENT);
    let sign = u128::from(number.negative) << 79;
    if significand == 0 {
        return number.is_zero().then(|| LongDouble(X87DoubleExtended::from_bits(sign)));
    }
    // Bring the top bit to bit 63, as far as the smallest exponent allows.
    let carried = significand >> 64 != 0;
    let mut significand = if carried { significand >> 1 } else { significand } as u64;
    exponent += i64::from(carried);
    let shift = i64::from(significand.leading_zeros()).min(exponent - LOWEST_EXPONENT);
    significand <<= shift;
    exponent -= shift;
    let normal = significand >> 63 == 1;
    let biased = if normal { exponent - LOWEST_EXPONENT + 1 } else { 0 };
    if biased >= EXPONENT_MAX_BIASED {
        return None;
    }
    let bits = sign | (biased as u128) << 64 | u128::from(significand);
    Some(LongDouble(X87DoubleExtended::from_bits(bits)))
}

/// Appends the whole number `significand × 2^shift`, `shift` up to 16,320.
fn push_shifted(out: &mut Vec<u8>, significand: u64, shift: u64) {
    const CHUNK: u64 = 10_000_000_000_000_000_000;
    let limbs = usize::try_from(shift / 64).unwrap_or(0);
    let mut number = vec![0u64; limbs];
    let spread = u128::from(significand) << (shift % 64);
    number.extend([spread as u64, (spread >> 64) as u64]);
    // Peel off 19 decimal digits at a time, lowest first.
    let mut chunks = Vec::new();
    while number.pop_if(|top| *top == 0).is_some() {}
    while !number.is_empty() {
        let mut rest = 0u128;
        for limb in number.iter_mut().rev() {
            rest = rest << 64 | u128::from(*limb);
            *limb = (rest / u128::from(CHUNK)) as u64;
            rest %= u128::from(CHUNK);
        }
        chunks.push(rest as u64);
        while number.pop_if(|top| *top == 0).is_some() {}
    }
    num::push_u64(out, chunks.pop().unwrap_or(0));
    for chunk in chunks.iter().rev() {
        push_padded(out, *chunk, 19);
    }
}

/// Appends `significand × 2^-down` rounded to 17 decimals, `down` from 1 on.
fn push_fixed(out: &mut Vec<u8>, significand: u64, down: u64) {
    let (mut whole, fraction) = match down {
        ..64 => (u128::from(significand >> down), u128::from(significand & ((1 << down) - 1))),
        _ => (0, u128::from(significand)),
    };
    let mut decimals = round_shift(fraction * DECIMALS_POWER, down);
    if decimals == DECIMALS_POWER {
        whole += 1;
        decimals = 0;
    }
    num::push_u64(out, whole as u64);
    if decimals == 0 {
        return;
    }
    out.push(b'.');
    push_padded(out, decimals as u64, DECIMALS);
    while out.pop_if(|digit| *digit == b'0').is_some() {}
}

/// `value / 2^shift` to nearest, ties to even; `value` below 2^127.
fn round_shift(value: u128, shift: u64) -> u128 {
    if shift >= 128 {
        return 0;
    }
    let kept = value >> shift;
    let below = value & ((1u128 << shift) - 1);
    let half = 1u128 << (shift - 1);
    kept + u128::from(below > half || below == half && kept & 1 == 1)
}

/// Appends a number with leading zeros up to `width` digits (at most 19).
fn push_padded(out: &mut Vec<u8>, number: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number);
    out.resize(out.len() + width.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(digits.as_bytes());
}

#[cfg(test)]
mod tests;
