//! LCS: the longest common subsequence of two strings.
//!
//! The classic table, by dynamic programming: `len[i][j]` is the length for the first `i` bytes of one string and
//! the first `j` of the other. Walking back from the end along it gives the bytes, last one first, and the
//! *matches*: stretches that are contiguous in both strings.
//!
//! ```text
//! ohmytext                LCS a b      → mytext
//!   ╰┬─╯╰──╯              LCS a b LEN  → 6
//!    my   text            LCS a b IDX  → matches [4..7 / 5..8], [2..3 / 0..1], len 6
//! mynewtext
//! ```
//!
//! The table has four bytes per pair of positions. It may take at most `proto-max-bulk-len` bytes, and a failed
//! allocation is an error for the client, not the end of the server.

use bytes::Bytes;

use crate::dispatch::options::int_value;
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request};
use crate::keyspace::Key;
use crate::keyspace::entry::string_of;
use crate::resp::{Cursor, Writer};
use crate::spec::{Arg, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[Command::read("lcs", -3, lcs)
    .doc(
        Group::String,
        "7.0.0",
        "Finds the longest common subsequence of two strings.",
        "O(N*M) in the lengths of the strings.",
    )
    .keys(&[KeySpec::range(1, 1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))])
    .args(&[
        Arg::key("key1", 0),
        Arg::key("key2", 0),
        Arg::token("len", "LEN").optional(),
        Arg::token("idx", "IDX").optional(),
        Arg::integer("min-match-len").with_token("MINMATCHLEN").optional(),
        Arg::token("withmatchlen", "WITHMATCHLEN").optional(),
    ])];

const NOT_STRINGS: CmdError = CmdError::text("ERR The specified keys must contain string values");
const LEN_AND_IDX: CmdError =
    CmdError::text("ERR If you want both the length and indexes, please just use IDX.");
const TABLE_TOO_BIG: CmdError =
    CmdError::text("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
const NO_MEMORY: CmdError =
    CmdError::text("ERR Insufficient memory, failed allocating transient memory for LCS");

fn lcs(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    // Both count as read, whatever comes of it.
    let (first, second) = (string_at(cx, req.key(0)?), string_at(cx, req.key(1)?));
    let (Some(first), Some(second)) = (first, second) else { return Err(NOT_STRINGS) };
    let options = Options::parse(&mut req.args.cursor(3))?;
    let table = Lengths::compute(&first, &second, cx.config.proto_max_bulk_len)?;
    let answer = match options.answer {
        Answer::Length => return Ok(reply.count(table.total())),
        Answer::Text => return Ok(reply.bulk(&table.text())),
        Answer::Matches => table.matches(),
    };
    Ok(reply.write(|writer| write_matches(writer, &answer, table.total(), &options)))
}

/// The string, empty for a missing key; `None` for another type. Long ones are shared, not copied.
fn string_at(cx: &mut ReadCx<'_, '_>, key: Key<'_>) -> Option<Bytes> {
    let Some(entry) = cx.read(key) else { return Some(Bytes::new()) };
    let string = string_of(entry)?;
    Some(string.shared().unwrap_or_else(|| Bytes::copy_from_slice(string.bytes())))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Text,
    Length,
    Matches,
}

struct Options {
    answer: Answer,
    /// MINMATCHLEN: shorter matches are left out.
    min_match_len: usize,
    /// WITHMATCHLEN.
    with_match_len: bool,
}

impl Options {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Options, CmdError> {
        let (mut wants_len, mut wants_matches) = (false, false);
        let mut options = Options { answer: Answer::Text, min_match_len: 0, with_match_len: false };
        while cursor.remaining() > 0 {
            if cursor.take_word("IDX") {
                wants_matches = true;
            } else if cursor.take_word("LEN") {
                wants_len = true;
            } else if cursor.take_word("WITHMATCHLEN") {
                options.with_match_len = true;
            } else if cursor.take_word("MINMATCHLEN") {
                options.min_match_len = usize::try_from(int_value(cursor)?).unwrap_or(0);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        options.answer = match (wants_len, wants_matches) {
            (true, true) => return Err(LEN_AND_IDX),
            (true, false) => Answer::Length,
            (false, true) => Answer::Matches,
            (false, false) => Answer::Text,
        };
        Ok(options)
    }
}

/// A stretch that is contiguous in both strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    first_start: usize,
    second_start: usize,
    len: usize,
}

/// The table over two strings.
struct Lengths<'s> {
    first: &'s [u8],
    second: &'s [u8],
    /// Row by row, `first.len() + 1` rows of `second.len() + 1`.
    cells: Vec<u32>,
}

impl<'s> Lengths<'s> {
    /// # Errors
    /// The table would take more than `limit_bytes`, or there is no memory for it.
    fn compute(first: &'s [u8], second: &'s [u8], limit_bytes: u64) -> Result<Self, CmdError> {
        let width = second.len() + 1;
        let count = (first.len() + 1).checked_mul(width).ok_or(NO_MEMORY)?;
        let bytes = count.checked_mul(size_of::<u32>()).ok_or(NO_MEMORY)?;
        if bytes as u64 > limit_bytes {
            return Err(TABLE_TOO_BIG);
        }
        let mut cells = Vec::new();
        cells.try_reserve_exact(count).map_err(|_| NO_MEMORY)?;
        cells.resize(count, 0u32);
        let (mut above, mut rows) = cells.split_at_mut(width);
        for &byte in first {
            let (row, rest) = rows.split_at_mut(width);
            fill_row(row, above, byte, second);
            (above, rows) = (row, rest);
        }
        Ok(Lengths { first, second, cells })
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells.get(i * (self.second.len() + 1) + j).copied().unwrap_or(0)
    }

    /// Length of the subsequence.
    fn total(&self) -> usize {
        self.at(self.first.len(), self.second.len()) as usize
    }

    /// Walks back from the end and calls `visit` with the position in both strings of every common byte.
    fn walk_back(&self, mut visit: impl FnMut(usize, usize)) {
        let (mut i, mut j) = (self.first.len(), self.second.len());
        while i > 0 && j > 0 {
            if self.first.get(i - 1) == self.second.get(j - 1) {
                (i, j) = (i - 1, j - 1);
                visit(i, j);
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }

    fn text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.total());
        self.walk_back(|i, _| text.extend(self.first.get(i)));
        text.reverse();
        text
    }

    /// All matches, the last one first.
    fn matches(&self) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        self.walk_back(|i, j| match matches.last_mut() {
            Some(last) if (last.first_start, last.second_start) == (i + 1, j + 1) => {
                *last = Match { first_start: i, second_start: j, len: last.len + 1 };
            }
            _ => matches.push(Match { first_start: i, second_start: j, len: 1 }),
        });
        matches
    }
}

/// One row of the table from the row above it.
fn fill_row(row: &mut [u32], above: &[u32], byte: u8, second: &[u8]) {
    let mut left = 0;
    let neighbours = above.iter().zip(above.iter().skip(1));
    for ((cell, &other), (&diagonal, &up)) in row.iter_mut().skip(1).zip(second).zip(neighbours) {
        left = if byte == other { diagonal + 1 } else { up.max(left) };
        *cell = left;
    }
}

fn write_matches(writer: &mut Writer<'_>, matches: &[Match], total: usize, options: &Options) {
    let shown = || matches.iter().filter(|found| found.len >= options.min_match_len);
    writer.map(2);
    writer.bulk(b"matches");
    writer.array(shown().count());
    for found in shown() {
        writer.array(if options.with_match_len { 3 } else { 2 });
        for start in [found.first_start, found.second_start] {
            writer.array(2);
            writer.count(start);
            writer.count(start + found.len - 1);
        }
        if options.with_match_len {
            writer.count(found.len);
        }
    }
    writer.bulk(b"len");
    writer.count(total);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_matches() {
        let table = Lengths::compute(b"ohmytext", b"mynewtext", 1 << 20).unwrap();
        assert_eq!((table.total(), table.text()), (6, b"mytext".to_vec()));
        let expected = [
            Match { first_start: 4, second_start: 5, len: 4 },
            Match { first_start: 2, second_start: 0, len: 2 },
        ];
        assert_eq!(table.matches(), expected);
    }

    #[test]
    fn empty_strings_have_nothing_in_common() {
        let table = Lengths::compute(b"", b"abc", 1 << 20).unwrap();
        assert_eq!((table.total(), table.text(), table.matches()), (0, Vec::new(), Vec::new()));
    }

    #[test]
    fn the_table_is_bounded() {
        let (long, short) = ([b'x'; 512], [b'x'; 511]);
        assert!(Lengths::compute(&short, &short, 1 << 20).is_ok());
        assert_eq!(Lengths::compute(&long, &short, 1 << 20).err(), Some(TABLE_TOO_BIG));
    }
}
