//! Checksums in lines that Redis's loader skips.
//!
//! A loader of Redis 7 or later passes over every line that begins with `#`. So the writer puts such a line before each
//! block of commands that it writes at once:
//!
//! ```text
//! #OS:1f4,6b1c…e2\r\n           from here on (offset 1f4, which the line itself is at) everything is covered
//! #OB:3a,0,98d0…41\r\n          the next 3a bytes are a block; 0 bytes before this line were not synced when it was written
//! *3\r\n$3\r\nSET…              the block
//! #OB:2c,5e,0c44…9a\r\n         …
//! ```
//!
//! Numbers are hexadecimal without leading zeros; the checksum (CRC-64) covers the line up to it, the offset of the line
//! in the file, and the block. Between the blocks nothing else may stand, so that a damaged line is found too.
//!
//! *Torn or damaged?* What was not synced before a power failure may be torn, what was synced may not. A bad block is
//! damage if a later block says that it was synced: that block's offset less its unsynced bytes lies behind the bad one.
//! Otherwise it is the torn end of the file.

use crate::base::crc::crc64;

const START: &[u8] = b"#OS:";
const BLOCK: &[u8] = b"#OB:";
/// Longest line of ours, with its end.
pub const LINE_MAX_BYTES: usize = 4 + 2 * 17 + 16 + 2;

/// One line of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// From here on everything is covered.
    Start,
    Block {
        len: u64,
        /// Offset in the file up to which everything had been synced.
        synced: u64,
        /// Checksum of the line so far, and the one that the whole must have.
        seed: u64,
        checksum: u64,
    },
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A line of ours and its length.
    Line(Line, usize),
    /// It begins like a line of ours and is none.
    Damaged,
    /// It begins like a line of ours and does not end.
    CutOff,
    /// Something else.
    Other,
}

/// The line that covering begins with, at `offset` of the file.
pub fn start_line(offset: u64) -> Vec<u8> {
    let mut line = START.to_vec();
    line.extend_from_slice(format!("{offset:x},").as_bytes());
    let checksum = crc64(crc64(0, &offset.to_le_bytes()), &line);
    line.extend_from_slice(format!("{checksum:016x}\r\n").as_bytes());
    line
}

/// The line before a block that consists of `parts`, at `offset` of the file, of which everything up to `synced` is on the disk.
pub fn block_line(offset: u64, synced: u64, parts: &[&[u8]]) -> Vec<u8> {
    let mut line = BLOCK.to_vec();
    let len: usize = parts.iter().map(|part| part.len()).sum();
    line.extend_from_slice(format!("{len:x},{:x},", offset.saturating_sub(synced)).as_bytes());
    let seed = crc64(crc64(0, &offset.to_le_bytes()), &line);
    let checksum = parts.iter().fold(seed, |sum, part| crc64(sum, part));
    line.extend_from_slice(format!("{checksum:016x}\r\n").as_bytes());
    line
}

/// Looks for a line of ours at `offset` of the file.
pub fn find(bytes: &[u8], offset: u64) -> Found {
    let prefix = bytes.get(..START.len()).unwrap_or(bytes);
    let is_start = START.starts_with(prefix);
    if prefix.is_empty() || !is_start && !BLOCK.starts_with(prefix) {
        return Found::Other;
    }
    let head = bytes.get(..bytes.len().min(LINE_MAX_BYTES)).unwrap_or_default();
    let Some(end) = memchr::memchr(b'\n', head) else {
        return if bytes.len() < LINE_MAX_BYTES { Found::CutOff } else { Found::Damaged };
    };
    let line = head.get(..end).unwrap_or_default();
    match read(line, offset) {
        Some(line) => Found::Line(line, end + 1),
        None => Found::Damaged,
    }
}

fn read(line: &[u8], offset: u64) -> Option<Line> {
    let line = line.strip_suffix(b"\r")?;
    let (covered, checksum) = line.split_at_checked(line.len().checked_sub(16)?)?;
    let checksum = hex(checksum)?;
    let seed = crc64(crc64(0, &offset.to_le_bytes()), covered);
    let fields = covered.get(START.len()..)?.strip_suffix(b",")?;
    if line.starts_with(START) {
        return (hex(fields)? == offset && seed == checksum).then_some(Line::Start);
    }
    let comma = memchr::memchr(b',', fields)?;
    let (len, unsynced) = (hex(fields.get(..comma)?)?, hex(fields.get(comma + 1..)?)?);
    let synced = offset.checked_sub(unsynced)?;
    Some(Line::Block { len, synced, seed, checksum })
}

/// A hexadecimal number as we write it.
fn hex(digits: &[u8]) -> Option<u64> {
    let is_ours = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.is_empty() || !digits.iter().all(is_ours) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Whether a line that is not ours looks as if it had been, before a byte of it changed.
pub fn is_near(line: &[u8]) -> bool {
    let distance = |name: &[u8]| {
        let pairs = line.iter().zip(name).filter(|(one, other)| one != other);
        if line.len() < name.len() { usize::MAX } else { pairs.count() }
    };
    (distance(START) <= 1 || distance(BLOCK) <= 1) && line.iter().filter(|&&byte| byte == b',').count() >= 1
}

/// Looks for a block line behind `from` that is whole, with its block, and says how far the file was synced.
pub fn synced_according_to_rest(bytes: &[u8], base: u64) -> Option<u64> {
    let mut synced = None;
    for at in memchr::memmem::find_iter(bytes, BLOCK) {
        let offset = base + at as u64;
        let rest = bytes.get(at..).unwrap_or_default();
        if let Found::Line(Line::Block { len, synced: upto, seed, checksum }, used) = find(rest, offset) {
            let block = usize::try_from(len).ok().and_then(|len| rest.get(used..used.checked_add(len)?));
            if block.is_some_and(|block| crc64(seed, block) == checksum) {
                synced = synced.max(Some(upto));
            }
        }
    }
    synced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let block = b"*1\r\n$4\r\nPING\r\n";
        let line = block_line(1000, 900, &[block]);
        let Found::Line(Line::Block { len, synced, seed, checksum }, used) = find(&line, 1000) else {
            panic!("{}", line.escape_ascii());
        };
        assert_eq!((len, synced, used), (block.len() as u64, 900, line.len()));
        assert_eq!(crc64(seed, block), checksum);
        let start = start_line(500);
        assert_eq!(find(&start, 500), Found::Line(Line::Start, start.len()));
        assert!(line.len() <= LINE_MAX_BYTES && line.len() < 64);
        assert_eq!(find(b"*1\r\n", 0), Found::Other);
        assert_eq!(find(b"#TS:1\r\n", 0), Found::Other);
        assert_eq!(find(b"", 0), Found::Other);
    }

    #[test]
    fn a_line_cut_off_or_changed_is_not_taken() {
        let block = b"*1\r\n$4\r\nPING\r\n";
        let line = block_line(1000, 900, &[block]);
        for len in 1..line.len() {
            assert_eq!(find(&line[..len], 1000), Found::CutOff, "{len}");
        }
        let whole = |bytes: &[u8], offset| match find(bytes, offset) {
            Found::Line(Line::Block { len, seed, checksum, .. }, used) => usize::try_from(len)
                .ok()
                .and_then(|len| bytes.get(used..used + len))
                .is_some_and(|block| crc64(seed, block) == checksum),
            _ => false,
        };
        let bytes = [line.as_slice(), block].concat();
        assert!(whole(&bytes, 1000) && !whole(&bytes, 1001));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(!whole(&changed, 1000), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn later_blocks_tell_how_far_the_file_was_synced() {
        let mut bytes = b"garbage #OB:1,1,0000000000000000\r\n".to_vec();
        assert_eq!(synced_according_to_rest(&bytes, 0), None);
        let offset = 5000 + bytes.len() as u64;
        bytes.extend(block_line(offset, 4000, &[b"x"]));
        bytes.extend_from_slice(b"x");
        assert_eq!(synced_according_to_rest(&bytes, 5000), Some(4000));
    }
}
