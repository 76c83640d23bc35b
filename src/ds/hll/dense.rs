//! Dense registers: six bits each, lowest bits first.
//!
//! ```text
//! byte   0          1          2          3
//!      ┌──────────┬──────────┬──────────┬───
//!      │1 1 0 0 0 0 0 0│2 2 2 2 1 1 1 1│3 3 3 3 3 3 2 2│        eight registers are six bytes
//!      └──────────┴──────────┴──────────┴───  (highest bit of each byte on the left)
//! ```
//!
//! Whole passes take eight registers at once: 48 bits are spread to eight bytes in three steps of shift and mask.

use super::{DENSE_BYTES, Distribution, HEADER_BYTES, RANKS_STORED, REGISTERS};

const PACKED: usize = 6;
const SPREAD: usize = 8;

/// A register of a whole dense string.
#[inline]
pub(super) fn get(bytes: &[u8], register: usize) -> u8 {
    bytes.get(HEADER_BYTES..).map_or(0, |registers| read(registers, register))
}

#[inline]
fn read(registers: &[u8], register: usize) -> u8 {
    let (at, shift) = (register * 6 / 8, register * 6 % 8);
    let pair = match registers.get(at..).and_then(<[u8]>::first_chunk) {
        Some(pair) => *pair,
        // The last register ends in the last byte.
        None => [registers.get(at).copied().unwrap_or(0), 0],
    };
    (u16::from_le_bytes(pair) >> shift) as u8 & 0x3f
}

/// Sets a register to `rank` if that is more; whether it was.
#[inline]
pub(super) fn raise(registers: &mut [u8], register: usize, rank: u8) -> bool {
    if read(registers, register) >= rank {
        return false;
    }
    let (at, shift) = (register * 6 / 8, register * 6 % 8);
    let [mask_low, mask_high] = (0x3f_u16 << shift).to_le_bytes();
    let [low, high] = (u16::from(rank) << shift).to_le_bytes();
    if let Some(byte) = registers.get_mut(at) {
        *byte = *byte & !mask_low | low;
    }
    // The last register ends in the last byte: nothing of it spills over.
    if let Some(byte) = registers.get_mut(at + 1) {
        *byte = *byte & !mask_high | high;
    }
    true
}

/// 48 bits to eight bytes of six bits.
#[inline]
fn spread(packed: [u8; PACKED]) -> [u8; SPREAD] {
    let [a, b, c, d, e, f] = packed;
    let bits = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    let halves = bits & 0xff_ffff | (bits & 0xffff_ff00_0000) << 8;
    let quarters = halves & 0x0000_0fff_0000_0fff | (halves & 0x00ff_f000_00ff_f000) << 4;
    let eighths = quarters & 0x003f_003f_003f_003f | (quarters & 0x0fc0_0fc0_0fc0_0fc0) << 2;
    eighths.to_le_bytes()
}

/// The inverse of [`spread`].
#[inline]
fn gather(ranks: [u8; SPREAD]) -> [u8; PACKED] {
    let eighths = u64::from_le_bytes(ranks) & 0x3f3f_3f3f_3f3f_3f3f;
    let quarters = eighths & 0x003f_003f_003f_003f | (eighths & 0x3f00_3f00_3f00_3f00) >> 2;
    let halves = quarters & 0x0000_0fff_0000_0fff | (quarters & 0x0fff_0000_0fff_0000) >> 4;
    let bits = halves & 0xff_ffff | (halves & 0x00ff_ffff_0000_0000) >> 8;
    let [a, b, c, d, e, f, ..] = bits.to_le_bytes();
    [a, b, c, d, e, f]
}

pub(super) fn distribution(registers: &[u8]) -> Distribution {
    // Four tables, so that equal neighbours don't wait for each other's increments.
    let mut tables = [[0_u32; RANKS_STORED]; 4];
    for packed in registers.as_chunks::<PACKED>().0 {
        for four in spread(*packed).as_chunks::<4>().0 {
            for (table, rank) in tables.iter_mut().zip(four) {
                table[usize::from(*rank) % RANKS_STORED] += 1;
            }
        }
    }
    let mut sum = [0; RANKS_STORED];
    for table in tables {
        sum.iter_mut().zip(table).for_each(|(sum, count)| *sum += count);
    }
    sum
}

/// Raises all of `into` to the dense registers.
pub(super) fn merge(registers: &[u8], into: &mut [u8; REGISTERS]) {
    let all = into.as_chunks_mut::<SPREAD>().0.iter_mut().zip(registers.as_chunks::<PACKED>().0);
    for (ranks, packed) in all {
        for (rank, other) in ranks.iter_mut().zip(spread(*packed)) {
            *rank = other.max(*rank);
        }
    }
}

/// Appends the registers in dense form.
pub(super) fn pack(ranks: &[u8; REGISTERS], into: &mut Vec<u8>) {
    ranks.as_chunks::<SPREAD>().0.iter().for_each(|ranks| into.extend_from_slice(&gather(*ranks)));
    debug_assert!(into.len() == DENSE_BYTES);
}
