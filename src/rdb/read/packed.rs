//! Packed values of all times as listpacks: ziplists (Redis 2.4 to 6.2) and zipmaps (before 2.6).
//!
//! ```text
//! ziplist   total u32, offset of the last entry u32, count u16 (65535: unknown), entry, …, ff     little-endian
//! entry     length of the entry before (1 byte, or fe and 4), then
//!           00llllll text   01llllll +1 text   80 +4 text (big-endian)
//!           c0 d0 e0 f0 fe: integers of 2 4 8 3 1 bytes   f1 … fd: the integers 0 … 12
//! zipmap    count (254 and more: unknown), then length, name, length, n, value, n unused bytes, …, ff
//!           a length is one byte, or fe and 4 bytes
//! ```
//!
//! Example: the ziplist of `a` and `5` is `10 00 00 00  0d 00 00 00  02 00  00 01 61  03 f6  ff`.

use crate::ds::listpack::{Encoded, ListPack};

/// Bytes of a ziplist before its entries.
const ZIPLIST_HEAD_BYTES: usize = 10;
const END: u8 = 0xff;
/// Announces a length of four bytes.
const LONG: u8 = 0xfe;

/// Takes bytes off the front, if there are enough.
struct Cut<'b>(&'b [u8]);

impl<'b> Cut<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u32_le(&mut self) -> Option<usize> {
        self.array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }
}

/// The listpack of the elements of a ziplist; `None` when the bytes are none.
pub(super) fn from_ziplist(bytes: &[u8]) -> Option<ListPack> {
    let mut cut = Cut(bytes);
    let (total, tail) = (cut.u32_le()?, cut.u32_le()?);
    let told = u16::from_le_bytes(cut.array()?);
    if total != bytes.len() {
        return None;
    }
    let mut pack = ListPack::new();
    let (mut count, mut before, mut last) = (0_usize, 0, ZIPLIST_HEAD_BYTES);
    loop {
        let at = bytes.len() - cut.0.len();
        let first = cut.byte()?;
        if first == END {
            break;
        }
        let told_before = if first == LONG { cut.u32_le()? } else { usize::from(first) };
        if told_before != before {
            return None;
        }
        let element = ziplist_element(&mut cut)?;
        if !pack.fits(element.len()) {
            return None;
        }
        pack.push_back(element);
        before = bytes.len() - cut.0.len() - at;
        last = at;
        count += 1;
    }
    let is_told = told == u16::MAX || usize::from(told) == count;
    (cut.0.is_empty() && is_told && tail == last).then_some(pack)
}

fn ziplist_element<'b>(cut: &mut Cut<'b>) -> Option<Encoded<'b>> {
    let first = cut.byte()?;
    let number = match first {
        0..0x40 => return Some(Encoded::from(cut.take(usize::from(first))?)),
        0x40..0x80 => {
            let len = usize::from(first & 0x3f) << 8 | usize::from(cut.byte()?);
            return Some(Encoded::from(cut.take(len)?));
        }
        0x80 => {
            let len = u32::from_be_bytes(cut.array()?) as usize;
            return Some(Encoded::from(cut.take(len)?));
        }
        0xc0 => i64::from(i16::from_le_bytes(cut.array()?)),
        0xd0 => i64::from(i32::from_le_bytes(cut.array()?)),
        0xe0 => i64::from_le_bytes(cut.array()?),
        0xf0 => {
            let [a, b, c] = cut.array()?;
            i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)
        }
        0xfe => i64::from(i8::from_le_bytes(cut.array()?)),
        0xf1..=0xfd => i64::from(first & 0x0f) - 1,
        _ => return None,
    };
    Some(Encoded::from(number))
}

/// The pairs of a zipmap, which may hold duplicates; `None` when the bytes are none.
pub(super) fn from_zipmap(bytes: &[u8]) -> Option<ListPack> {
    let mut cut = Cut(bytes);
    let told = cut.byte()?;
    let mut pack = ListPack::new();
    let mut count = 0_usize;
    loop {
        let first = cut.byte()?;
        if first == END {
            break;
        }
        let len = zipmap_length(first, &mut cut)?;
        let name = cut.take(len)?;
        let first = cut.byte()?;
        let len = zipmap_length(first, &mut cut)?;
        let unused = usize::from(cut.byte()?);
        let value = cut.take(len)?;
        cut.take(unused)?;
        let pair = [Encoded::from(name), Encoded::from(value)];
        if !pack.fits(pair.iter().map(Encoded::len).sum()) {
            return None;
        }
        pack.splice(None, 0, &pair);
        count += 1;
    }
    let is_told = told >= LONG || usize::from(told) == count;
    (cut.0.is_empty() && is_told).then_some(pack)
}

fn zipmap_length(first: u8, cut: &mut Cut<'_>) -> Option<usize> {
    match first {
        // A length that fits in one byte is never written in five.
        LONG => cut.u32_le().filter(|&len| len >= usize::from(LONG)),
        END => None,
        short => Some(usize::from(short)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &[u8] = b"\x10\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xf6\xff";

    fn elements(pack: &ListPack) -> Vec<String> {
        pack.iter().map(|element| String::from_utf8_lossy(&element.to_vec()).into_owned()).collect()
    }

    #[test]
    fn every_kind_of_ziplist_entry() {
        let mut bytes = vec![0; ZIPLIST_HEAD_BYTES];
        let long = vec![b'x'; 70];
        let huge = vec![b'y'; 20_000];
        let heads: [(&[u8], &[u8]); 9] = [
            (b"\x03", b"abc"),
            (b"\x40\x46", &long),
            (b"\x80\0\0\x4e\x20", &huge),
            (b"\xc0\xfe\xff", b""),
            (b"\xd0\0\0\x01\0", b""),
            (b"\xe0\0\0\0\0\0\0\0\x80", b""),
            (b"\xf0\xff\xff\xff", b""),
            (b"\xfe\x80", b""),
            (b"\xfd", b""),
        ];
        let mut before = 0;
        let mut last = 0;
        for (head, text) in heads {
            last = bytes.len();
            if before < 254 {
                bytes.push(before as u8);
            } else {
                bytes.push(LONG);
                bytes.extend_from_slice(&(before as u32).to_le_bytes());
            }
            bytes.extend_from_slice(head);
            bytes.extend_from_slice(text);
            before = bytes.len() - last;
        }
        bytes.push(END);
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
        bytes[8] = heads.len() as u8;
        let found = elements(&from_ziplist(&bytes).unwrap());
        assert_eq!((found[0].as_str(), found[1].len(), found[2].len()), ("abc", 70, 20_000));
        assert_eq!(found[3..], ["-2", "65536", "-9223372036854775808", "-1", "-128", "12"]);
    }

    #[test]
    fn damaged_ziplists_are_refused() {
        assert_eq!(elements(&from_ziplist(SMALL).unwrap()), ["a", "5"]);
        for at in 0..SMALL.len() {
            assert!(from_ziplist(&SMALL[..at]).is_none(), "cut at {at}");
            // A changed text or integer is as good as the right one.
            if at != 12 && at != 14 {
                let mut damaged = SMALL.to_vec();
                damaged[at] ^= 0x55;
                assert!(from_ziplist(&damaged).is_none(), "byte {at}");
            }
        }
    }

    #[test]
    fn zipmaps_are_read_and_damaged_ones_refused() {
        let bytes = b"\x02\x01a\x01\x00x\x02bb\x03\x02123..\xff";
        assert_eq!(elements(&from_zipmap(bytes).unwrap()), ["a", "x", "bb", "123"]);
        assert!(from_zipmap(b"\xff\x01a\x01\x00x\xff").is_some());
        assert!(from_zipmap(b"\x02\x01a\x01\x00x\xff").is_none(), "a wrong count");
        assert!(from_zipmap(b"\x01\xfe\x01\0\0\0a\x01\x00x\xff").is_none(), "a length in too many bytes");
        (0..bytes.len()).for_each(|at| assert!(from_zipmap(&bytes[..at]).is_none(), "cut at {at}"));
    }
}
