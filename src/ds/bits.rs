//! Bits of byte strings: counting, finding, combining, and fields of any width at any offset.
//!
//! Bit 0 is the highest bit of the first byte, as SETBIT and BITFIELD number them:
//!
//! ```text
//! byte   0                 1
//!      ┌─┬─┬─┬─┬─┬─┬─┬─┐ ┌─┬─┬─┬─┬─┬─┬─┬─┐
//! bit   0 1 2 3 4 5 6 7   8 9 …               "a" = 0x61 = bits 1, 2 and 7
//! ```
//!
//! Long strings are worked through many bytes a step: the loops below are plain, so that the compiler turns them into
//! vector instructions, and counting is compiled a second time for processors with AVX2, which count the bits
//! of 32 bytes with two table look-ups. Everything here is total: offsets behind the end read as zero.

#![allow(unsafe_code)] // One call of a function that is compiled for a newer processor, after asking for it.

/// How many bits are set.
pub fn count_ones(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= 32 && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { count_ones_avx2(bytes) };
    }
    count_ones_any(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn count_ones_avx2(bytes: &[u8]) -> u64 {
    count_ones_any(bytes)
}

#[inline(always)]
fn count_ones_any(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let whole: u64 = words.iter().map(|&word| u64::from(u64::from_le_bytes(word).count_ones())).sum();
    whole + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// How many of the bits in `bits` are set; what lies behind the end counts as zero.
pub fn count_ones_in(bytes: &[u8], bits: std::ops::Range<usize>) -> u64 {
    let (head, body, tail) = split(bytes, bits);
    u64::from(head.count_ones()) + count_ones(body) + u64::from(tail.count_ones())
}

/// The range of bits as a masked first byte, whole bytes, and a masked last byte.
fn split(bytes: &[u8], bits: std::ops::Range<usize>) -> (u8, &[u8], u8) {
    let end = bits.end.min(bytes.len() * 8);
    if bits.start >= end {
        return (0, &[], 0);
    }
    let (first, last) = (bits.start / 8, (end - 1) / 8);
    let from = 0xff_u8 >> (bits.start % 8);
    let to = 0xff_u8 << (7 - (end - 1) % 8);
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    if first == last {
        return (byte(first) & from & to, &[], 0);
    }
    (byte(first) & from, bytes.get(first + 1..last).unwrap_or_default(), byte(last) & to)
}

/// The first bit in `bits` (which end at the end of the string at the latest) that is `wanted`.
pub fn first_bit_in(bytes: &[u8], bits: std::ops::Range<usize>, wanted: bool) -> Option<usize> {
    let end = bits.end.min(bytes.len() * 8);
    if bits.start >= end {
        return None;
    }
    // In the first byte, bits before the range are made to look unwanted.
    let first = bits.start / 8;
    let flip = if wanted { 0 } else { 0xff };
    let head = (bytes.get(first)? ^ flip) & (0xff >> (bits.start % 8));
    let at = if head != 0 {
        first * 8 + head.leading_zeros() as usize
    } else {
        let skipped = first + 1;
        let body = bytes.get(skipped..end.div_ceil(8)).unwrap_or_default();
        let found = first_byte_other_than(body, flip)?;
        (skipped + found) * 8 + (body.get(found)? ^ flip).leading_zeros() as usize
    };
    (at < end).then_some(at)
}

/// Index of the first byte that is not `plain`.
fn first_byte_other_than(bytes: &[u8], plain: u8) -> Option<usize> {
    const STEP: usize = 64;
    let (blocks, rest) = bytes.as_chunks::<STEP>();
    // Without an early exit inside a block, so that it is compared in a few vector instructions.
    let is_plain = |block: &[u8; STEP]| block.iter().fold(0, |seen, byte| seen | (byte ^ plain)) == 0;
    let skipped = blocks.iter().position(|block| !is_plain(block));
    let start = skipped.unwrap_or(bytes.len() / STEP) * STEP;
    let tail = if skipped.is_some() { bytes.get(start..)? } else { rest };
    tail.iter().position(|&byte| byte != plain).map(|at| start + at)
}

/// Bit number `offset`.
#[inline]
pub fn bit(bytes: &[u8], offset: usize) -> bool {
    bytes.get(offset / 8).is_some_and(|byte| byte >> (7 - offset % 8) & 1 == 1)
}

/// Sets bit number `offset`, which must lie inside; returns what it was.
#[inline]
pub fn set_bit(bytes: &mut [u8], offset: usize, on: bool) -> bool {
    let Some(byte) = bytes.get_mut(offset / 8) else { return false };
    let mask = 0x80 >> (offset % 8);
    let was = *byte & mask != 0;
    *byte = if on { *byte | mask } else { *byte & !mask };
    was
}

/// The bytes from `offset / 8` on that a field of up to 64 bits can touch.
const FIELD_BYTES: usize = 9;

/// The unsigned number in the `width` bits (1 to 64) from bit `offset` on, highest first.
pub fn field(bytes: &[u8], offset: usize, width: u32) -> u64 {
    let mut window = [0; 16];
    let touched = bytes.get(offset / 8..).unwrap_or_default();
    for (place, byte) in window.iter_mut().zip(touched.iter().take(FIELD_BYTES)) {
        *place = *byte;
    }
    let shifted = u128::from_be_bytes(window) << (offset % 8);
    (shifted >> (128 - width.clamp(1, 64))) as u64
}

/// Overwrites the `width` bits (1 to 64) from bit `offset` on with the low bits of `value`. Bits behind the end of
/// the string are lost.
pub fn set_field(bytes: &mut [u8], offset: usize, width: u32, value: u64) {
    let shift = 128 - width.clamp(1, 64) - (offset % 8) as u32;
    let mask = u128::from(u64::MAX >> (64 - width.clamp(1, 64))) << shift;
    let touched = bytes.get_mut(offset / 8..).unwrap_or_default();
    let mut window = [0; 16];
    for (place, byte) in window.iter_mut().zip(touched.iter().take(FIELD_BYTES)) {
        *place = *byte;
    }
    let window = u128::from_be_bytes(window) & !mask | (u128::from(value) << shift) & mask;
    for (byte, new) in touched.iter_mut().take(FIELD_BYTES).zip(window.to_be_bytes()) {
        *byte = new;
    }
}

/// What BITOP does with its sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    And,
    Or,
    Xor,
    /// Of the first source; others are ignored.
    Not,
}

/// The sources combined, as long as the longest; shorter ones count as padded with zero bytes.
pub fn combine(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    /// The part of the result that is worked on stays in the first cache while all sources pass by.
    const BLOCK: usize = 16 * 1024;
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let mut result = Vec::with_capacity(len);
    while result.len() < len {
        let start = result.len();
        let end = (start + BLOCK).min(len);
        let part = |source: &&[u8]| {
            let behind = source.len().min(end);
            start.min(behind)..behind
        };
        result.extend_from_slice(first.get(part(first)).unwrap_or_default());
        result.resize(end, 0);
        let Some(block) = result.get_mut(start..) else { break };
        match operation {
            Operation::Not => block.iter_mut().for_each(|byte| *byte = !*byte),
            _ => others.iter().for_each(|source| {
                fold(operation, block, source.get(part(source)).unwrap_or_default());
            }),
        }
    }
    result
}

fn fold(operation: Operation, into: &mut [u8], source: &[u8]) {
    let pairs = into.iter_mut().zip(source);
    match operation {
        Operation::And => {
            pairs.for_each(|(byte, other)| *byte &= other);
            into.iter_mut().skip(source.len()).for_each(|byte| *byte = 0);
        }
        Operation::Or => pairs.for_each(|(byte, other)| *byte |= other),
        Operation::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
        Operation::Not => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sources at their plainest: one bit after the other.
    fn ones(bytes: &[u8]) -> Vec<bool> {
        (0..bytes.len() * 8).map(|at| bytes[at / 8] >> (7 - at % 8) & 1 == 1).collect()
    }

    proptest! {
        #[test]
        fn counting_and_finding_agree_with_single_bits(
            plain in prop::sample::select(vec![0u8, 0xff]),
            len in 0usize..300,
            changes in prop::collection::vec((0usize..300, any::<u8>()), 0..4),
            start in 0usize..2400, span in 0usize..2400, wanted: bool,
        ) {
            let mut bytes = vec![plain; len];
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) { *place = byte; }
            }
            let all = ones(&bytes);
            let range = start..start + span;
            let inside = |at: &usize| range.contains(at);
            prop_assert_eq!(count_ones(&bytes), all.iter().filter(|&&one| one).count() as u64);
            let count = (0..all.len()).filter(inside).filter(|&at| all[at]).count() as u64;
            prop_assert_eq!(count_ones_in(&bytes, range.clone()), count);
            let first = (0..all.len()).filter(inside).find(|&at| all[at] == wanted);
            prop_assert_eq!(first_bit_in(&bytes, range.clone(), wanted), first);
            prop_assert_eq!(bit(&bytes, start), all.get(start).copied().unwrap_or(false));
        }

        #[test]
        fn a_field_is_what_was_put_there(
            bytes in prop::collection::vec(any::<u8>(), 0..40), offset in 0usize..300, width in 1u32..=64, value: u64,
        ) {
            let all = ones(&bytes);
            let read = (0..width as usize)
                .fold(0u64, |sum, at| sum << 1 | u64::from(all.get(offset + at).copied().unwrap_or(false)));
            prop_assert_eq!(field(&bytes, offset, width), read);
            let mut changed = bytes.clone();
            set_field(&mut changed, offset, width, value);
            let expected: Vec<bool> = all.iter().enumerate().map(|(at, &old)| {
                match at.checked_sub(offset) {
                    Some(from) if from < width as usize => value >> (width as usize - 1 - from) & 1 == 1,
                    _ => old,
                }
            }).collect();
            prop_assert_eq!(ones(&changed), expected);
        }

        #[test]
        fn sources_combine_byte_by_byte(
            sources in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..4),
            long in prop::sample::select(vec![0usize, 20_000]),
        ) {
            let sources: Vec<Vec<u8>> = sources.into_iter().map(|mut source| {
                let pattern = source.clone();
                source.resize(if pattern.len() > 25 { source.len() + long } else { source.len() }, 0x5a);
                source
            }).collect();
            let slices: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let len = sources.iter().map(Vec::len).max().unwrap_or(0);
            let at = |source: &Vec<u8>, index: usize| source.get(index).copied().unwrap_or(0);
            for operation in [Operation::And, Operation::Or, Operation::Xor, Operation::Not] {
                let expected: Vec<u8> = (0..len).map(|index| {
                    let bytes = sources.iter().map(|source| at(source, index));
                    match operation {
                        Operation::And => bytes.reduce(|a, b| a & b),
                        Operation::Or => bytes.reduce(|a, b| a | b),
                        Operation::Xor => bytes.reduce(|a, b| a ^ b),
                        Operation::Not => sources.first().map(|source| !at(source, index)),
                    }.unwrap_or(0)
                }).collect();
                prop_assert_eq!(combine(operation, &slices), expected);
            }
        }
    }

    #[test]
    fn bits_are_numbered_from_the_left() {
        let mut bytes = [0, 0];
        assert!(!set_bit(&mut bytes, 7, true));
        assert!(set_bit(&mut bytes, 7, true));
        assert_eq!(bytes, [1, 0]);
        assert!(!set_bit(&mut bytes, 8, true));
        assert_eq!(bytes, [1, 0x80]);
        assert!(!set_bit(&mut bytes, 16, true));
    }
}
