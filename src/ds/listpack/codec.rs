//! One entry of a listpack: how an element is written, read and skipped.
//!
//! ```text
//! entry = head, body, back length
//!
//! 0xxxxxxx                       0 … 127                      110xxxxx +1            −4096 … 4095
//! 10llllll +l                    text of up to 63 bytes       1110llll +1 +l         text of up to 4095 bytes
//! f0 +4 +l                       longer text                  f1 f2 f3 f4 +2 3 4 8   integers, little-endian
//! ff                             end of the listpack
//! ```
//!
//! The back length tells how long head and body are, so that the listpack can be walked from its end: groups of
//! seven bits, the highest first, each but the first with its top bit set. Reading backwards, the byte without
//! that bit is the last. `"ab"` is `82 61 62 03`, the text `-7` is the integer `df f9 02`.
//!
//! **Rule:** there is exactly one way to write an element. What parses as an integer is written as the smallest
//! integer, so two elements are equal if and only if their heads and bodies are the same bytes.

use crate::base::num::parse_i64;

/// Ends every listpack.
pub(super) const TERMINATOR: u8 = 0xFF;
/// Up to here a number is its own head, and that the whole of it.
pub(super) const SMALL_MAX: u8 = 127;
/// A text longer than this is never the text of an `i64`.
const INT_MAX_BYTES: usize = 20;
const TEXT_6_MAX_BYTES: usize = 63;
const TEXT_12_MAX_BYTES: usize = 4095;

/// An element as it is stored, or a reference to its bytes.
#[derive(Clone, Copy, Debug)]
pub enum Element<'a> {
    Int(i64),
    /// Never the text of an integer.
    Text(&'a [u8]),
}

/// Room for the digits of an integer element.
pub type Digits = itoa::Buffer;

impl<'a> Element<'a> {
    /// The bytes of the element; those of an integer are printed into `digits`.
    #[inline]
    pub fn bytes<'b>(self, digits: &'b mut Digits) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Element::Int(number) => digits.format(number).as_bytes(),
            Element::Text(text) => text,
        }
    }

    pub fn to_vec(self) -> Vec<u8> {
        self.bytes(&mut Digits::new()).to_vec()
    }

    /// Appends the bytes of the element.
    pub fn write_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes(&mut Digits::new()));
    }

    /// Length of its text in bytes.
    pub fn text_len(self) -> usize {
        match self {
            Element::Int(_) => self.bytes(&mut Digits::new()).len(),
            Element::Text(text) => text.len(),
        }
    }

    /// The integer, if the text is exactly the text of one.
    pub fn int(self) -> Option<i64> {
        match self {
            Element::Int(number) => Some(number),
            Element::Text(_) => None,
        }
    }
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Element::Int(one), Element::Int(other)) => one == other,
            (Element::Text(one), Element::Text(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Element<'_> {}

impl PartialEq<[u8]> for Element<'_> {
    fn eq(&self, bytes: &[u8]) -> bool {
        match self {
            Element::Int(number) => parse_i64(bytes) == Some(*number),
            Element::Text(text) => *text == bytes,
        }
    }
}

/// An element ready to be written or looked for: the head is made once, the text is borrowed.
///
/// Made by `From` of bytes, of integers, and of an [`Element`] of another listpack.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    head: [u8; 9],
    head_len: u8,
    body: &'a [u8],
}

impl<'a> Encoded<'a> {
    #[inline]
    fn text(body: &'a [u8]) -> Encoded<'a> {
        let mut head = [0; 9];
        let len = body.len();
        let head_len = if len <= TEXT_6_MAX_BYTES {
            head[0] = 0x80 | len as u8;
            1
        } else if len <= TEXT_12_MAX_BYTES {
            head[0] = 0xE0 | (len >> 8) as u8;
            head[1] = len as u8;
            2
        } else {
            head[0] = 0xF0;
            head[1..5].copy_from_slice(&(len as u32).to_le_bytes());
            5
        };
        Encoded { head, head_len, body }
    }

    /// The number, if its head is the whole of it: one of up to [`SMALL_MAX`].
    #[inline]
    pub(super) fn small(&self) -> Option<u8> {
        (self.head[0] <= SMALL_MAX).then_some(self.head[0])
    }

    /// Bytes of head and body together.
    #[inline]
    pub(super) fn body_end(&self) -> usize {
        usize::from(self.head_len) + self.body.len()
    }

    /// Bytes of the whole entry.
    #[inline]
    pub fn len(&self) -> usize {
        let size = self.body_end();
        size + back_len_bytes(size)
    }

    /// No entry is empty: an empty text has two bytes.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Writes the entry, which takes [`Encoded::len`] bytes, to the start of `place`; what is behind it, where it may leave
    /// anything.
    #[inline]
    pub(super) fn write<'p>(&self, place: &'p mut [u8]) -> &'p mut [u8] {
        let size = self.body_end();
        // Texts of up to 63 bytes and small numbers, as nearly all are.
        if self.head_len == 1 {
            let (entry, rest) = place.split_at_mut(size + 1);
            entry[0] = self.head[0];
            if size > 1 {
                copy_text(&mut entry[1..size], self.body);
            }
            entry[size] = size as u8;
            return rest;
        }
        self.write_wide(place)
    }

    #[inline(never)] // Writing the others is to stay short.
    fn write_wide<'p>(&self, place: &'p mut [u8]) -> &'p mut [u8] {
        let rest = self.write_body(place);
        let count = write_back_len(self.body_end(), rest);
        &mut rest[count..]
    }

    /// Writes head and body, which take [`Encoded::body_end`] bytes, to the start of `place`; what is behind them, where it
    /// may leave anything.
    #[inline]
    pub(super) fn write_body<'p>(&self, place: &'p mut [u8]) -> &'p mut [u8] {
        const WORD: usize = 8;
        let head_len = usize::from(self.head_len);
        let size = self.body_end();
        if head_len == 1 {
            place[0] = self.head[0];
        } else if let (..=WORD, Some(word)) = (head_len, place.first_chunk_mut::<WORD>()) {
            // One store, where copying so few bytes would be a call.
            word.copy_from_slice(&self.head[..WORD]);
        } else {
            place[..head_len].copy_from_slice(&self.head[..head_len]);
        }
        if !self.body.is_empty() {
            place[head_len..size].copy_from_slice(self.body);
        }
        &mut place[size..]
    }

    /// Whether the entry that starts `bytes` is this element.
    #[inline]
    pub(super) fn starts(&self, bytes: &[u8]) -> bool {
        // The first byte tells most elements apart.
        if bytes[0] != self.head[0] {
            return false;
        }
        let head_len = usize::from(self.head_len);
        bytes.get(..self.body_end()).is_some_and(|start| {
            (head_len == 1 || start[..head_len] == self.head[..head_len]) && start[head_len..] == *self.body
        })
    }
}

impl<'a> From<&'a [u8]> for Encoded<'a> {
    #[inline(always)] // Its parts stay in registers then.
    fn from(bytes: &'a [u8]) -> Encoded<'a> {
        if let [b'-' | b'0'..=b'9', ..] = bytes
            && bytes.len() <= INT_MAX_BYTES
            && let Some(number) = parse_i64(bytes)
        {
            return Encoded::from(number);
        }
        Encoded::text(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Encoded<'a> {
    fn from(bytes: &'a [u8; N]) -> Encoded<'a> {
        Encoded::from(&bytes[..])
    }
}

impl<'a> From<Element<'a>> for Encoded<'a> {
    #[inline]
    fn from(element: Element<'a>) -> Encoded<'a> {
        match element {
            Element::Int(number) => Encoded::from(number),
            Element::Text(text) => Encoded::text(text),
        }
    }
}

impl From<i64> for Encoded<'_> {
    #[inline]
    fn from(number: i64) -> Self {
        let mut head = [0; 9];
        let bytes = number.to_le_bytes();
        let head_len = match number {
            0..=127 => {
                head[0] = bytes[0];
                1
            }
            -4096..=4095 => {
                head[0] = 0xC0 | (bytes[1] & 0x1F);
                head[1] = bytes[0];
                2
            }
            _ => {
                let (mark, len) = match number {
                    -0x8000..=0x7FFF => (0xF1, 2),
                    -0x80_0000..=0x7F_FFFF => (0xF2, 3),
                    -0x8000_0000..=0x7FFF_FFFF => (0xF3, 4),
                    _ => (0xF4, 8),
                };
                head[0] = mark;
                head[1..=len].copy_from_slice(&bytes[..len]);
                len + 1
            }
        };
        Encoded { head, head_len: head_len as u8, body: &[] }
    }
}

/// Copies a text to a place of its length. Of one with 8 to 16 bytes both ends are copied as numbers, and they may overlap: that takes
/// less than a call.
#[inline]
fn copy_text(place: &mut [u8], text: &[u8]) {
    const WORD: usize = 8;
    if (WORD..=2 * WORD).contains(&text.len())
        && let (Some(first), Some(last)) = (text.first_chunk::<WORD>(), text.last_chunk::<WORD>())
    {
        place[..WORD].copy_from_slice(first);
        let behind = place.len() - WORD;
        place[behind..].copy_from_slice(last);
    } else {
        place.copy_from_slice(text);
    }
}

/// Bytes of the back length of an entry whose head and body take `size`. The limits are off by one from three bytes
/// on, as the format has it.
#[inline]
pub(super) const fn back_len_bytes(size: usize) -> usize {
    match size {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// Writes the back length for `size` to the start of `place`; how many bytes it took.
#[inline]
fn write_back_len(size: usize, place: &mut [u8]) -> usize {
    if size <= 127 {
        place[0] = size as u8;
        return 1;
    }
    let count = back_len_bytes(size);
    for (index, byte) in place[..count].iter_mut().enumerate() {
        let group = (size >> (7 * (count - 1 - index))) as u8 & 0x7F;
        *byte = if index == 0 { group } else { group | 0x80 };
    }
    count
}

/// Length of the whole entry by its first byte, where that is enough to tell; 0 where it isn't.
static ENTRY_LEN: [u8; 256] = {
    let mut lens = [0; 256];
    let mut first = 0;
    while first < 256 {
        lens[first] = match first {
            0..0x80 => 2,
            0x80..0xC0 => 2 + (first as u8 & 0x3F),
            0xC0..0xE0 => 3,
            0xF1 => 4,
            0xF2 => 5,
            0xF3 => 6,
            0xF4 => 10,
            _ => 0,
        };
        first += 1;
    }
    lens
};

/// Length of the entry that starts `bytes`, which must not be the terminator.
#[inline]
pub(super) fn entry_len(bytes: &[u8]) -> usize {
    match ENTRY_LEN[usize::from(bytes[0])] {
        0 => {
            let (head, len) = long_text(bytes);
            head + len + back_len_bytes(head + len)
        }
        len => usize::from(len),
    }
}

/// Length of head and body of the entry that starts `bytes`, which must not be the terminator.
#[inline]
pub(super) fn body_end(bytes: &[u8]) -> usize {
    match ENTRY_LEN[usize::from(bytes[0])] {
        0 => {
            let (head, len) = long_text(bytes);
            head + len
        }
        // Its back length takes one byte.
        len => usize::from(len) - 1,
    }
}

/// Head length and text length of a text of more than 63 bytes.
#[inline]
fn long_text(bytes: &[u8]) -> (usize, usize) {
    if bytes[0] < 0xF0 {
        return (2, (usize::from(bytes[0] & 0x0F) << 8) | usize::from(bytes[1]));
    }
    (5, u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize)
}

/// The element of the entry that starts `bytes`, and the length of the entry.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> (Element<'_>, usize) {
    let first = bytes[0];
    match first {
        0x80..0xC0 => {
            let len = usize::from(first & 0x3F);
            (Element::Text(&bytes[1..=len]), len + 2)
        }
        0..0x80 => (Element::Int(i64::from(first)), 2),
        _ => decode_wide(bytes),
    }
}

fn decode_wide(bytes: &[u8]) -> (Element<'_>, usize) {
    let first = bytes[0];
    if first < 0xE0 {
        // Sign-extended from 13 bits.
        let number = (((i16::from(first & 0x1F) << 8) | i16::from(bytes[1])) << 3) >> 3;
        return (Element::Int(i64::from(number)), 3);
    }
    let len = match first {
        0xF1 => 2,
        0xF2 => 3,
        0xF3 => 4,
        0xF4 => 8,
        _ => {
            let (head, len) = long_text(bytes);
            let size = head + len;
            return (Element::Text(&bytes[head..size]), size + back_len_bytes(size));
        }
    };
    let mut number = [0; 8];
    number[8 - len..].copy_from_slice(&bytes[1..=len]);
    (Element::Int(i64::from_le_bytes(number) >> (64 - 8 * len)), len + 2)
}

/// Length of the entry that ends `bytes`.
#[inline]
pub(super) fn entry_len_before(bytes: &[u8]) -> usize {
    let mut at = bytes.len() - 1;
    let last = bytes[at];
    if last < 0x80 {
        return usize::from(last) + 1;
    }
    let mut size = usize::from(last & 0x7F);
    let mut shift = 7;
    loop {
        at -= 1;
        size |= usize::from(bytes[at] & 0x7F) << shift;
        if bytes[at] < 0x80 {
            return size + bytes.len() - at;
        }
        shift += 7;
    }
}

/// As [`decode`] for bytes from outside: `None` when the entry does not end within them, when its back length is
/// not the one it should have, or when there is no such kind of entry. The element may be written in another than the
/// smallest form.
pub(super) fn decode_checked(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let first = *bytes.first()?;
    let head = match first {
        0xE0..0xF0 => 2,
        0xF0 => 5,
        0xF5..=0xFF => return None,
        _ => 1,
    };
    if bytes.len() < head {
        return None;
    }
    let size = match ENTRY_LEN[usize::from(first)] {
        0 => {
            let (head, len) = long_text(bytes);
            head + len
        }
        len => usize::from(len) - 1,
    };
    let mut back_len = [0; 5];
    let count = write_back_len(size, &mut back_len);
    let entry = bytes.get(..size + count)?;
    (entry.get(size..)? == back_len.get(..count)?).then(|| decode(entry))
}
