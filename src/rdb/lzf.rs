//! LZF, the compression of texts in RDB files: the format of liblzf by Marc Lehmann, and its choices.
//!
//! ```text
//! 000lllll  then l + 1 bytes as they are
//! lllooooo oooooooo            copy l + 2 bytes (l = 1 … 6) from o + 1 bytes back
//! 111ooooo llllllll oooooooo   copy l + 9 bytes from there
//! ```
//!
//! A compressor may choose among many encodings of a text. This one finds the matches that liblzf finds (a table of
//! the last place of each hash of three bytes, the first match taken, two places noted at the end of a match), so that
//! payloads of DUMP equal those of a real server byte by byte.
//!
//! The table has 64 Ki places and is not cleared between texts: each text gets numbers of its own, above those of all
//! before it, so that older notes are recognised. Clearing would cost more than compressing a short text.
//!
//! Example: `aaaaaaaaaa` is `00 61` (one byte as it is), `e0 00 00` (nine bytes from one back).

const HASH_BITS: u32 = 16;
const LITERALS_MAX: usize = 32;
const OFFSET_MAX: usize = 1 << 13;
const MATCH_MAX: usize = (1 << 8) + (1 << 3);
/// The most bytes that one byte of compressed text stands for.
pub const RATIO_MAX: usize = MATCH_MAX / 3 + 1;

/// A compressor, with the table that it uses again for each text.
pub struct Compressor {
    /// Number of the last place of a hash, in the numbers of its text.
    places: Box<[u32]>,
    /// Number of the first byte of the next text.
    base: u32,
}

impl Default for Compressor {
    fn default() -> Self {
        Compressor { places: vec![0; 1 << HASH_BITS].into_boxed_slice(), base: 1 }
    }
}

/// The next three bytes, or as many as there are.
#[inline]
fn three(input: &[u8], at: usize) -> [u8; 3] {
    match input.get(at..at + 3) {
        Some(&[a, b, c]) => [a, b, c],
        _ => [0; 3],
    }
}

#[inline]
fn hash(bytes: [u8; 3]) -> usize {
    let word = u32::from(bytes[0]) << 16 | u32::from(bytes[1]) << 8 | u32::from(bytes[2]);
    ((word >> (24 - HASH_BITS)).wrapping_sub(word.wrapping_mul(5)) & ((1 << HASH_BITS) - 1)) as usize
}

impl Compressor {
    /// Appends the compressed text to `out` if that takes at most `limit` bytes; else leaves `out` as it is and says
    /// `false`.
    pub fn compress(&mut self, input: &[u8], limit: usize, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let done = self.try_compress(input, limit, out).is_some();
        if !done {
            out.truncate(start);
        }
        done
    }

    fn try_compress(&mut self, input: &[u8], limit: usize, out: &mut Vec<u8>) -> Option<()> {
        let Ok(len) = u32::try_from(input.len()) else { return None };
        if self.base.checked_add(len).is_none() {
            self.places.fill(0);
            self.base = 1;
        }
        let base = self.base;
        self.base += len;
        let start = out.len();
        let mut run = Run::open(out);
        let end = input.len();
        let mut at = 0;
        while at + 2 < end {
            let bytes = three(input, at);
            let place = &mut self.places[hash(bytes)];
            let before = *place;
            *place = base + at as u32;
            // The first byte of the text is never referred to.
            let distance = if before > base { at - (before - base) as usize } else { OFFSET_MAX + 1 };
            if distance > OFFSET_MAX || three(input, at - distance) != bytes {
                if run.used(start) >= limit {
                    return None;
                }
                run.literal(input[at]);
                at += 1;
                continue;
            }
            // Room for the longest code and the head of a run behind it.
            if run.used(start) - usize::from(run.literals == 0) + 4 >= limit {
                return None;
            }
            let len = match_len(input, at, distance);
            run.close();
            let offset = distance - 1;
            let (code, high) = (len - 2, (offset >> 8) as u8);
            if code < 7 {
                run.out.push(high | (code as u8) << 5);
            } else {
                run.out.extend_from_slice(&[high | 7 << 5, (code - 7) as u8]);
            }
            run.out.push(offset as u8);
            run = Run::open(run.out);
            at += len;
            if at + 2 >= end {
                break;
            }
            for noted in [at - 2, at - 1] {
                self.places[hash(three(input, noted))] = base + noted as u32;
            }
        }
        if run.used(start) + 3 > limit {
            return None;
        }
        input.get(at..).unwrap_or_default().iter().for_each(|&byte| run.literal(byte));
        run.close();
        Some(())
    }
}

/// Bytes that are the same `distance` back, at least three.
#[inline]
fn match_len(input: &[u8], at: usize, distance: usize) -> usize {
    let most = (input.len() - at - 2).min(MATCH_MAX);
    // liblzf compares sixteen bytes before it looks at the limit, which may so be passed by two bytes.
    let most = if most > 16 { most.max(19) } else { most.max(3) };
    let same = |len: &usize| input.get(at + len) == input.get(at + len - distance);
    (3..most).take_while(same).count() + 3
}

/// A run of bytes that stand as they are, behind the byte that counts them.
struct Run<'o> {
    out: &'o mut Vec<u8>,
    literals: usize,
}

impl<'o> Run<'o> {
    #[inline]
    fn open(out: &'o mut Vec<u8>) -> Run<'o> {
        out.push(0);
        Run { out, literals: 0 }
    }

    fn used(&self, start: usize) -> usize {
        self.out.len() - start
    }

    #[inline]
    fn literal(&mut self, byte: u8) {
        self.out.push(byte);
        self.literals += 1;
        if self.literals == LITERALS_MAX {
            self.close();
            self.out.push(0);
            self.literals = 0;
        }
    }

    /// Writes the count; an empty run disappears.
    #[inline]
    fn close(&mut self) {
        let Some(count) = self.literals.checked_sub(1) else {
            self.out.pop();
            return;
        };
        let head = self.out.len() - self.literals - 1;
        self.out[head] = count as u8;
    }
}

/// What is wrong with a compressed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// Appends the text to `out`; it must have exactly `len` bytes. `out` grows no further than that.
///
/// # Errors
/// [`Corrupt`] when `input` is no compressed text of that length; `out` then has some of it.
pub fn decompress(input: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), Corrupt> {
    if len / RATIO_MAX > input.len() {
        return Err(Corrupt);
    }
    let start = out.len();
    out.reserve(len);
    let mut rest = input;
    while let Some((&code, behind)) = rest.split_first() {
        rest = behind;
        let used = out.len() - start;
        if code < 32 {
            let (literals, behind) = rest.split_at_checked(usize::from(code) + 1).ok_or(Corrupt)?;
            if literals.len() > len - used {
                return Err(Corrupt);
            }
            out.extend_from_slice(literals);
            rest = behind;
            continue;
        }
        let mut count = usize::from(code >> 5) + 2;
        if count == 9 {
            let (&more, behind) = rest.split_first().ok_or(Corrupt)?;
            count += usize::from(more);
            rest = behind;
        }
        let (&low, behind) = rest.split_first().ok_or(Corrupt)?;
        rest = behind;
        let distance = (usize::from(code & 31) << 8 | usize::from(low)) + 1;
        if distance > used || count > len - used {
            return Err(Corrupt);
        }
        copy_back(out, distance, count);
    }
    if out.len() - start == len { Ok(()) } else { Err(Corrupt) }
}

/// Appends `count` bytes from `distance` back, which may reach into what is being appended.
fn copy_back(out: &mut Vec<u8>, distance: usize, count: usize) {
    let from = out.len() - distance;
    if distance >= count {
        return out.extend_from_within(from..from + count);
    }
    for at in from..from + count {
        let byte = out.get(at).copied().unwrap_or_default();
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compressed(input: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        Compressor::default().compress(input, input.len().saturating_sub(4), &mut out).then_some(out)
    }

    #[test]
    fn codes_as_a_real_server_writes_them() {
        assert_eq!(compressed(&[b'a'; 24]).as_deref(), Some(&b"\x01aa\xe0\x0b\x00\x01aa"[..]));
        assert_eq!(compressed(b"abcdefghijklmnopqrstuvwxyz"), None);
    }

    #[test]
    fn hostile_texts_are_refused() {
        let cases: [(&[u8], usize); 7] = [
            (b"", 1),
            (b"\x00", 1),
            (b"\x00aa", 1),
            (b"\x20\x00", 3),
            (b"\x00a\x20\x01", 4),
            (b"\x00a\xe0", 10),
            (b"\x00a\xe0\x00\x00", 9),
        ];
        for (input, len) in cases {
            assert_eq!(decompress(input, len, &mut Vec::new()), Err(Corrupt), "{input:?}");
        }
        let mut out = Vec::new();
        assert_eq!(decompress(b"\x00a", usize::MAX, &mut out), Err(Corrupt));
        assert_eq!(out.capacity(), 0, "a length from outside allocates nothing");
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(
            texts in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![4 => 0u8..3, 1 => any::<u8>()], 0..3000), 1..4),
        ) {
            let mut compressor = Compressor::default();
            for text in texts {
                let mut out = b"before".to_vec();
                if compressor.compress(&text, text.len().saturating_sub(4), &mut out) {
                    prop_assert!(out.len() - 6 <= text.len() - 4);
                    let mut back = Vec::new();
                    prop_assert_eq!(decompress(&out[6..], text.len(), &mut back), Ok(()));
                    prop_assert_eq!(back, text);
                } else {
                    prop_assert_eq!(out, b"before");
                }
            }
        }

        #[test]
        fn noise_is_never_more_than_refused(input in proptest::collection::vec(any::<u8>(), 0..200), len in 0usize..4000) {
            let mut out = Vec::new();
            if decompress(&input, len, &mut out).is_ok() {
                prop_assert_eq!(out.len(), len);
            }
            prop_assert!(out.len() <= len);
        }
    }
}
