//! The two checksums of the Redis world.
//!
//! *CRC-64* with the Jones polynomial `0xad93d23594c935a9`, bit-reflected, starting at zero and with
//! no final change: it ends every RDB file and `DUMP` payload. Its check value, the checksum of
//! `123456789`, is `e9c6d914c4b8d9ca`. Short runs take eight bytes per step with eight tables ("slicing",
//! Kounavis and Berry 2005), all computed while compiling; long ones are folded by carry-less multiplication (`crc_fast`),
//! five times as fast.
//!
//! *CRC-16/XMODEM*, polynomial `0x1021`, most significant bit first, starting at zero: a key's
//! cluster slot is this checksum modulo 16,384. Its check value is `0x31c3`.

use crc_fast::CrcParams;
use std::sync::OnceLock;

/// From this length on folding is worth its start.
const FOLD_MIN_BYTES: usize = 256;

/// The Jones polynomial with its bits reversed, as a reflected CRC uses it.
const JONES_REFLECTED: u64 = 0xad93_d235_94c9_35a9_u64.reverse_bits();

/// `CRC64[k][b]` is the checksum of byte `b` followed by `k` zero bytes.
static CRC64: [[u64; 256]; 8] = crc64_tables();
static CRC16: [u16; 256] = crc16_table();

const fn crc64_tables() -> [[u64; 256]; 8] {
    let mut tables = [[0u64; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ JONES_REFLECTED } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

const fn crc16_table() -> [u16; 256] {
    let mut table = [0u16; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// Continues a CRC-64 over `bytes`; start with 0.
///
/// ```
/// use ochre::base::crc::crc64;
/// assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
/// assert_eq!(crc64(crc64(0, b"1234"), b"56789"), crc64(0, b"123456789"));
/// ```
#[inline]
pub fn crc64(crc: u64, bytes: &[u8]) -> u64 {
    if bytes.len() < FOLD_MIN_BYTES { crc64_sliced(crc, bytes) } else { crc64_folded(crc, bytes) }
}

fn params() -> CrcParams {
    static PARAMS: OnceLock<CrcParams> = OnceLock::new();
    *PARAMS.get_or_init(|| {
        CrcParams::new("CRC-64/REDIS", 64, 0xad93_d235_94c9_35a9, 0, true, 0, 0xe9c6_d914_c4b8_d9ca)
    })
}

fn crc64_folded(crc: u64, bytes: &[u8]) -> u64 {
    let mut params = params();
    (params.init, params.init_algorithm) = (crc, crc);
    crc_fast::checksum_with_params(params, bytes)
}

fn crc64_sliced(mut crc: u64, bytes: &[u8]) -> u64 {
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = (crc ^ u64::from_le_bytes(*word)).to_le_bytes();
        crc = 0;
        for (table, byte) in CRC64.iter().rev().zip(mixed) {
            crc ^= table[usize::from(byte)];
        }
    }
    for &byte in tail {
        crc = (crc >> 8) ^ CRC64[0][usize::from(crc as u8 ^ byte)];
    }
    crc
}

/// The CRC-16/XMODEM of `bytes`.
///
/// ```
/// assert_eq!(ochre::base::crc::crc16(b"foo") % 16_384, 12_182);
/// ```
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| (crc << 8) ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn crc64_by_bits(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |crc, &byte| {
            (0..8).fold(crc ^ u64::from(byte), |crc, _| (crc >> 1) ^ (JONES_REFLECTED * (crc & 1)))
        })
    }

    #[test]
    fn check_values() {
        assert_eq!(crc64(0, b""), 0);
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc16(b""), 0);
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn slots_as_redis_numbers_them() {
        for (key, slot) in [("foo", 12_182), ("bar", 5_061), ("hello", 866), ("user1000", 3_443)] {
            assert_eq!(crc16(key.as_bytes()) % 16_384, slot, "{key}");
        }
    }

    proptest! {
        #[test]
        fn both_ways_equal_bit_by_bit_however_the_input_is_cut(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
            cut in 0usize..2000,
        ) {
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let whole = crc64_by_bits(&bytes);
            prop_assert_eq!(crc64(crc64(0, head), tail), whole);
            prop_assert_eq!(crc64_sliced(0, &bytes), whole);
        }
    }
}
