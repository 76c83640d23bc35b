//! Grisu2: the decimal digits of a double, short, always reading back as the same double.
//!
//! The algorithm is Florian Loitsch's ("Printing Floating-Point Numbers Quickly and Accurately with
//! Integers", PLDI 2010). It is used although newer ones are faster and always shortest, because
//! Redis uses it and its rare imperfections are visible: about one double in a thousand gets a digit
//! more than needed, or a last digit that is not the closest. Replies have to agree on those too.
//!
//! In short: widen the double to the interval of reals that round to it, scale the interval by a
//! cached power of ten so that its binary exponent lands between -60 and -32, then emit digits of
//! the upper end until the rest is inside the interval, and finally walk the last digit down
//! towards the true value. The scaling is off by at most one unit, so the interval is narrowed by one unit on
//! each side: safe, and the reason why the result is not always the shortest.
//!
//! The cached powers are the 64-bit roundings of `10^k` for `k` = -348, -340 … 340.

mod powers;

use powers::{FIRST_POWER, POWER_COUNT, POWER_STEP, power};

/// At most this many digits come out.
pub(super) const DIGITS_MAX: usize = 18;

const SIGNIFICAND_BITS: u32 = 52;
const HIDDEN_BIT: u64 = 1 << SIGNIFICAND_BITS;

/// Where the binary exponent of a scaled number lands: one division separates its whole and
/// fractional part.
const SCALED_EXPONENT_MIN: i32 = -60;
const SCALED_EXPONENT_MAX: i32 = -32;

/// `significand × 2^exponent`.
#[derive(Clone, Copy)]
struct Float {
    significand: u64,
    exponent: i32,
}

impl Float {
    /// The 64-bit rounding of a product.
    fn times(self, other: Float) -> Float {
        let product = u128::from(self.significand) * u128::from(other.significand);
        let significand = ((product + (1 << 63)) >> 64) as u64;
        Float { significand, exponent: self.exponent + other.exponent + 64 }
    }

    fn normalized(self) -> Float {
        let shift = self.significand.leading_zeros();
        Float { significand: self.significand << shift, exponent: self.exponent - shift as i32 }
    }
}

/// The digits of a positive finite double, as ASCII, and the power of ten of the last one.
pub(super) struct Decimal {
    digits: [u8; DIGITS_MAX],
    len: usize,
    pub(super) exponent: i32,
}

impl Decimal {
    pub(super) fn digits(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, digit: u64) {
        if (digit != 0 || self.len > 0)
            && let Some(slot) = self.digits.get_mut(self.len)
        {
            *slot = b'0' + digit as u8;
            self.len += 1;
        }
    }

    /// Lowers the last digit while that brings it closer to the true value: `rest` is how far the
    /// digits are below the upper end, `distance` how far the true value is, `unit` what one step
    /// of the last digit is worth, and `width` the whole interval.
    fn walk_down(&mut self, mut rest: u64, distance: u64, unit: u64, width: u64) {
        let Some(last) = self.len.checked_sub(1).and_then(|last| self.digits.get_mut(last)) else { return };
        while rest < distance
            && width - rest >= unit
            && (rest + unit < distance || distance - rest > rest + unit - distance)
        {
            *last -= 1;
            rest += unit;
        }
    }
}

/// Digits and decimal exponent of `value`, which must be finite and above zero.
pub(super) fn decimal(value: f64) -> Decimal {
    let value = unpack(value);
    let (lower, upper) = boundaries(value);
    let (power, power_exponent) = cached_power(upper.exponent);
    let value = value.normalized().times(power);
    let (mut lower, mut upper) = (lower.times(power), upper.times(power));
    lower.significand += 1;
    upper.significand -= 1;
    generate(value, lower, upper, -power_exponent)
}

fn unpack(value: f64) -> Float {
    let bits = value.to_bits();
    let fraction = bits & (HIDDEN_BIT - 1);
    match (bits >> SIGNIFICAND_BITS) as i32 & 0x7ff {
        0 => Float { significand: fraction, exponent: -1074 },
        biased => Float { significand: fraction | HIDDEN_BIT, exponent: biased - 1075 },
    }
}

/// The two ends of the interval that rounds to `value`, with the same exponent. Below a power of two
/// the neighbours are half as far away.
fn boundaries(value: Float) -> (Float, Float) {
    let upper =
        Float { significand: (value.significand << 1) + 1, exponent: value.exponent - 1 }.normalized();
    let shift = if value.significand == HIDDEN_BIT { 2 } else { 1 };
    let lower = (value.significand << shift) - 1;
    let down = value.exponent - shift - upper.exponent;
    (Float { significand: lower << down, exponent: upper.exponent }, upper)
}

/// A cached power of ten that brings a number with this binary exponent into the window, and its
/// decimal exponent. More than one may do; the estimate from which the search starts decides, and
/// has to be this one for the digits to agree.
fn cached_power(exponent: i32) -> (Float, i32) {
    let estimate = (-f64::from(exponent + POWER_COUNT) * std::f64::consts::LOG10_2) as i32;
    let mut index = (estimate - FIRST_POWER) / POWER_STEP;
    for _ in 0..POWER_COUNT {
        let Some((power, k)) = power(index) else { break };
        let scaled = exponent + power.exponent + 64;
        if scaled < SCALED_EXPONENT_MIN {
            index += 1;
        } else if scaled > SCALED_EXPONENT_MAX {
            index -= 1;
        } else {
            return (power, k);
        }
    }
    crate::never!("no cached power of ten for binary exponent {exponent}");
    (Float { significand: 1 << 63, exponent: -63 }, 0)
}

/// Emits digits of `upper` until what is left is inside the interval.
fn generate(value: Float, lower: Float, upper: Float, exponent: i32) -> Decimal {
    let mut out = Decimal { digits: [0; DIGITS_MAX], len: 0, exponent };
    let mut distance = upper.significand - value.significand;
    let mut width = upper.significand - lower.significand;
    let point = upper.exponent.unsigned_abs();
    let one = 1u64 << point;
    let mut whole = upper.significand >> point;
    let mut fraction = upper.significand & (one - 1);
    let mut place = 1_000_000_000u64;
    for power in (0..10).rev() {
        out.push(whole / place);
        whole %= place;
        let rest = (whole << point) + fraction;
        if rest <= width {
            out.exponent += power;
            out.walk_down(rest, distance, place << point, width);
            return out;
        }
        place /= 10;
    }
    loop {
        fraction *= 10;
        width *= 10;
        distance = distance.wrapping_mul(10);
        out.exponent -= 1;
        out.push(fraction >> point);
        fraction &= one - 1;
        if fraction < width {
            out.walk_down(fraction, distance, one, width);
            return out;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_read_back_as_the_same_double(bits in 1u64..0x7ff0_0000_0000_0000) {
            let value = f64::from_bits(bits);
            let decimal = decimal(value);
            let text = format!("{}e{}", String::from_utf8_lossy(decimal.digits()), decimal.exponent);
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
            prop_assert!(decimal.digits().len() <= 17, "{}", text);
            prop_assert!(decimal.digits()[0] != b'0');
        }
    }
}
