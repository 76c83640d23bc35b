//! Decimal digits, eight at a time: what the numbers in replies are made of.
//!
//! A number below 10⁸ is divided into halves, these into quarters, and these into digits, which lie side by side in one word:
//! each step is one multiplication for all of them.
//!
//! ```text
//! 12345678 → 1234 5678 → 12 34 56 78 → 1 2 3 4 5 6 7 8        the first digit in the lowest byte
//! ```

/// The first number of more than eight digits.
pub const END: u64 = 100_000_000;

const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// A number below [`END`] as text, the first digit in the lowest byte, and how many digits it has.
#[inline]
pub fn short(number: u64) -> (u64, usize) {
    debug_assert!(number < END);
    // No part is ever above what it has room for, so nothing wraps. Each is divided by a multiplication and a shift.
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = halves.wrapping_mul(5243) >> 19 & 0x7f_0000_007f;
    let quarters = hundreds | halves.wrapping_sub(hundreds.wrapping_mul(100)) << 16;
    let tens = quarters.wrapping_mul(103) >> 10 & 0x000f_000f_000f_000f;
    let digits = tens | quarters.wrapping_sub(tens.wrapping_mul(10)) << 8;
    // The last one is text even if it is zero.
    let leading = (digits | 1 << 56).trailing_zeros() as usize / 8;
    ((digits | ZEROS) >> (8 * leading), 8 - leading)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(number: u64) {
        let (word, len) = short(number);
        assert_eq!(word.to_le_bytes()[..len], *number.to_string().as_bytes());
        assert_eq!(word.checked_shr(8 * len as u32).unwrap_or(0), 0, "nothing behind the digits of {number}");
    }

    #[test]
    fn digits_are_those_of_the_number_around_every_power_of_ten() {
        (0..100_000).for_each(check);
        for power in 0..8 {
            let power = 10_u64.pow(power);
            (0..1000).map(|step| power * 10 - 1 - step.min(power * 9)).for_each(check);
        }
    }

    proptest! {
        #[test]
        fn digits_are_those_of_any_number(number in 0..END) {
            check(number);
        }
    }
}
