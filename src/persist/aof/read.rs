//! Reads one file of commands: whole records, whole transactions, verified blocks, and a verdict on the end.
//!
//! ```text
//! bytes ─▶ lines that begin with # ─▶ ours: verify the block that follows      others: skip
//!       ─▶ records ─▶ MULTI … EXEC gathered ─▶ visit(command) …                nothing is visited of a transaction cut off
//! ```
//!
//! The verdict says up to which offset everything was whole, and what stopped the reading: the end, a record cut off
//! ([`Stop::CutOff`]), or something that no record begins with ([`Stop::Broken`]). Whether the rest may be dropped is for the
//! caller, with the help of [`Verdict::is_torn`]: a covered file tells a torn end from damage.
//!
//! A block that the file ends in can't be verified. Its records are taken one by one, up to the first with an all-zero
//! sector: that is a hole which a crash has left, and what is around it may never have been written.

use std::io::{self, Read};

use super::checksum::{self, Found, Line};
use crate::base::crc::crc64;
use crate::resp::{Args, Record, RecordParser};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
/// Longest line that begins with `#`, with its end: what Redis's loader can skip.
const ANNOTATION_MAX_BYTES: usize = 1024;
/// The unit in which a disk loses data.
const SECTOR_BYTES: u64 = 512;

/// Commands that are foreseen at once.
const AHEAD: usize = 16;

/// Why reading stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// At the end of the file, behind a whole record.
    End,
    /// The file ends inside a record, a block or a transaction.
    CutOff,
    /// What is there is no record; the words say what is wrong.
    Broken(&'static str),
    /// Before what was written later than was asked for.
    Later,
}

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub stop: Stop,
    /// Behind the last whole record or transaction.
    pub valid_bytes: u64,
    /// Where reading stopped.
    pub stopped_at: u64,
    pub file_bytes: u64,
    pub commands: u64,
    /// Lines of the records so far, counted from 1, as Redis's tool does.
    pub line: u64,
    /// Everything from some offset on is covered by checksums.
    pub is_covered: bool,
    /// The rest was not yet synced when the power failed, as far as the file itself can tell.
    pub is_torn: bool,
    /// The block that the valid bytes end in, if whole records of it count: offsets of its line and of the first byte behind it.
    pub unfinished: Option<(u64, u64)>,
}

/// Who hears of commands.
pub trait Visitor<E> {
    /// A command and its offset in the file.
    ///
    /// # Errors
    /// Those of the visitor; they end the reading.
    fn visit(&mut self, args: Args<'_>, offset: u64) -> Result<(), E>;

    /// Commands that will probably be visited next, so that what they need can be fetched together.
    fn foresee(&mut self, _: &[Args<'_>]) {}
}

impl<E, F: FnMut(Args<'_>, u64) -> Result<(), E>> Visitor<E> for F {
    fn visit(&mut self, args: Args<'_>, offset: u64) -> Result<(), E> {
        self(args, offset)
    }
}

/// The file, as far as it is in memory.
struct Source<'r> {
    reader: &'r mut (dyn Read + Send),
    bytes: Vec<u8>,
    /// Offset in the file of `bytes[0]`, and of the first byte not yet taken.
    base: u64,
    at: u64,
    /// From where on bytes stay although they were taken.
    kept: Option<u64>,
    is_ended: bool,
}

impl Source<'_> {
    fn rest(&self) -> &[u8] {
        self.behind(self.at)
    }

    /// What is in memory from an offset on.
    fn behind(&self, offset: u64) -> &[u8] {
        self.bytes.get((offset - self.base) as usize..).unwrap_or_default()
    }

    /// Reads on; `false` at the end.
    fn more(&mut self, wanted: usize) -> io::Result<bool> {
        if self.is_ended {
            return Ok(false);
        }
        let needed = self.kept.unwrap_or(self.at);
        self.bytes.drain(..(needed - self.base) as usize);
        self.base = needed;
        let before = self.bytes.len();
        // Doubled, so that a long record is not looked at too often. Memory grows with what really comes.
        let most = wanted.max(before).clamp(READ_BYTES, 64 * READ_BYTES);
        let read = (&mut self.reader).take(most as u64).read_to_end(&mut self.bytes)?;
        self.is_ended = read < most;
        Ok(read > 0)
    }

    /// Makes `len` bytes available, if the file has them.
    fn fill(&mut self, len: u64) -> io::Result<bool> {
        while (self.rest().len() as u64) < len {
            let missing = usize::try_from(len - self.rest().len() as u64).unwrap_or(usize::MAX);
            if !self.more(missing)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// See the module's head. Built with what is at the start of the file already taken (an RDB preamble).
pub struct LogReader<'r> {
    source: Source<'r>,
    /// The next commands as they were parsed when they were foreseen, with their lengths; how many there are and how many of
    /// these have been read.
    foreseen: Vec<(RecordParser, usize)>,
    foreseen_count: usize,
    foreseen_read: usize,
    /// Since when everything must be covered.
    is_covered: bool,
    /// The verified block that is being read: offsets of its line and of the first byte behind that, and its end.
    block: (u64, u64),
    block_end: u64,
    /// Offsets of the block at hand and of its first record, if it can't be verified because the file ends in it.
    unfinished: Option<(u64, u64)>,
    /// Where the commands of the transaction at hand begin. Their bytes are kept, and are parsed again when EXEC has come.
    transaction: Option<Vec<u64>>,
    commands: u64,
    line: u64,
    /// Behind the last whole record or transaction, and the block that goes on behind it.
    valid: u64,
    valid_in: Option<(u64, u64)>,
    /// Unix seconds; commands behind a line that names a later time are not read.
    until: Option<i64>,
}

/// One step of reading.
enum Step {
    On,
    Stop(Stop),
}

impl<'r> LogReader<'r> {
    /// A reader of a file whose first `offset` bytes have been read from it before.
    pub fn new(reader: &'r mut (dyn Read + Send), offset: u64) -> LogReader<'r> {
        let source =
            Source { reader, bytes: Vec::new(), base: offset, at: offset, kept: None, is_ended: false };
        LogReader {
            source,
            foreseen: (0..AHEAD).map(|_| (RecordParser::default(), 0)).collect(),
            foreseen_count: 0,
            foreseen_read: 0,
            is_covered: false,
            block: (0, 0),
            block_end: 0,
            unfinished: None,
            transaction: None,
            commands: 0,
            line: 1,
            valid: offset,
            valid_in: None,
            until: None,
        }
    }

    /// Reads only what was written up to a time, Unix seconds, by the lines that `aof-timestamp-enabled` writes.
    pub fn until(mut self, seconds: Option<i64>) -> LogReader<'r> {
        self.until = seconds;
        self
    }

    /// Gives every command outside of a transaction, and those of whole transactions, to `visit`, with its offset.
    ///
    /// # Errors
    /// Those of the disk and of `visit`.
    pub fn read<E: From<io::Error>>(mut self, visit: &mut dyn Visitor<E>) -> Result<Verdict, E> {
        let stop = loop {
            if let Step::Stop(stop) = self.step(visit)? {
                break stop;
            }
        };
        let stop = if stop == Stop::End && self.transaction.is_some() { Stop::CutOff } else { stop };
        let stopped_at = self.source.at;
        if stop == Stop::CutOff {
            self.line += memchr::memmem::find_iter(self.source.rest(), b"\r\n").count() as u64;
        }
        let is_torn = match stop {
            Stop::End | Stop::Later => false,
            Stop::CutOff => !self.is_covered || self.rest_is_unsynced()?,
            Stop::Broken(_) => self.is_covered && self.rest_is_unsynced()?,
        };
        self.source.kept = None;
        while self.source.more(READ_BYTES)? {
            self.source.at = self.source.base + self.source.bytes.len() as u64;
        }
        Ok(Verdict {
            stop,
            valid_bytes: self.valid,
            stopped_at,
            file_bytes: self.source.base + self.source.bytes.len() as u64,
            commands: self.commands,
            line: self.line,
            is_covered: self.is_covered,
            is_torn,
            unfinished: self.valid_in.filter(|(_, body)| self.valid > *body),
        })
    }

    /// Whether no later block says that what is bad here had been synced. In a block that the file seems to end in, all of it is
    /// suspect, its length first.
    fn rest_is_unsynced(&mut self) -> io::Result<bool> {
        let bad = self.unfinished.map_or(self.source.at, |(start, _)| start);
        while self.source.more(READ_BYTES)? {}
        let synced = checksum::synced_according_to_rest(self.source.rest(), self.source.at);
        Ok(synced.is_none_or(|synced| synced <= bad))
    }

    fn step<E: From<io::Error>>(&mut self, visit: &mut dyn Visitor<E>) -> Result<Step, E> {
        if self.source.rest().is_empty() && !self.source.more(READ_BYTES)? {
            let is_inside = self.unfinished.is_some() || self.source.at < self.block_end;
            return Ok(Step::Stop(if is_inside { Stop::CutOff } else { Stop::End }));
        }
        if self.source.rest().first() == Some(&b'#') {
            return Ok(self.annotation()?);
        }
        let is_inside = self.unfinished.is_some() || self.source.at < self.block_end;
        if self.is_covered && !is_inside {
            return Ok(Step::Stop(Stop::Broken("no checksum line where there must be one")));
        }
        self.record(visit)
    }

    /// Reads a line that begins with `#`.
    fn annotation(&mut self) -> io::Result<Step> {
        self.source.fill(ANNOTATION_MAX_BYTES as u64)?;
        let (at, is_boundary) =
            (self.source.at, self.source.at >= self.block_end && self.unfinished.is_none());
        let rest = self.source.rest();
        match checksum::find(rest, at) {
            Found::Line(Line::Start, used) if !self.is_covered => {
                self.is_covered = true;
                self.source.at += used as u64;
                self.settle();
                return Ok(Step::On);
            }
            Found::Line(Line::Block { len, seed, checksum, .. }, used) if self.is_covered && is_boundary => {
                return self.block(used as u64, len, seed, checksum);
            }
            Found::Line(Line::Block { .. }, _) if !self.is_covered => {
                return Ok(Step::Stop(Stop::Broken("a checksum line, but none with which checksums begin")));
            }
            Found::Line(..) => return Ok(Step::Stop(Stop::Broken("a checksum line in the wrong place"))),
            Found::Damaged => return Ok(Step::Stop(Stop::Broken("a damaged checksum line"))),
            Found::CutOff => return Ok(Step::Stop(Stop::CutOff)),
            Found::Other => {}
        }
        let line = rest.get(..rest.len().min(ANNOTATION_MAX_BYTES)).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', line) else {
            let is_cut = rest.len() < ANNOTATION_MAX_BYTES;
            let stop = if is_cut { Stop::CutOff } else { Stop::Broken("a comment without an end") };
            return Ok(Step::Stop(stop));
        };
        if self.is_covered && is_boundary {
            return Ok(Step::Stop(Stop::Broken("no checksum line where there must be one")));
        }
        if !self.is_covered && checksum::is_near(line.get(..end).unwrap_or_default()) {
            return Ok(Step::Stop(Stop::Broken("a damaged checksum line")));
        }
        if let (Some(until), Some(written)) = (self.until, time_of(line))
            && written > until
        {
            return Ok(Step::Stop(Stop::Later));
        }
        self.source.at += end as u64 + 1;
        self.settle();
        Ok(Step::On)
    }

    /// Verifies the block behind a checksum line of `used` bytes.
    fn block(&mut self, used: u64, len: u64, seed: u64, checksum: u64) -> io::Result<Step> {
        let whole = used.checked_add(len).filter(|whole| self.source.at.checked_add(*whole).is_some());
        let Some(whole) = whole else { return Ok(Step::Stop(Stop::Broken("a block of impossible length"))) };
        if self.source.fill(whole)? {
            let block = self.source.rest().get(used as usize..whole as usize).unwrap_or_default();
            if crc64(seed, block) != checksum {
                return Ok(Step::Stop(Stop::Broken("a block does not have its checksum")));
            }
            self.block = (self.source.at, self.source.at + used);
            self.block_end = self.source.at + whole;
        } else {
            self.unfinished = Some((self.source.at, self.source.at + used));
        }
        self.source.at += used;
        if len == 0 {
            self.settle();
        }
        Ok(Step::On)
    }

    /// Everything up to here is whole.
    fn settle(&mut self) {
        if self.transaction.is_none() {
            self.valid = self.source.at;
            self.valid_in = self.unfinished.or((self.valid < self.block_end).then_some(self.block));
        }
    }

    fn record<E: From<io::Error>>(&mut self, visit: &mut dyn Visitor<E>) -> Result<Step, E> {
        while self.foreseen_read == self.foreseen_count {
            let (count, next) = foresee(self.source.rest(), &mut self.foreseen, visit);
            (self.foreseen_count, self.foreseen_read) = (count, 0);
            match next {
                _ if count > 0 => {}
                Record::CutOff if self.source.more(READ_BYTES)? => {}
                Record::CutOff => return Ok(Step::Stop(Stop::CutOff)),
                _ => return Ok(Step::Stop(Stop::Broken("no command where there must be one"))),
            }
        }
        let Some((parser, len)) = self.foreseen.get(self.foreseen_read) else {
            return Ok(Step::Stop(Stop::End));
        };
        self.foreseen_read += 1;
        let (at, len) = (self.source.at, *len);
        let bytes = self.source.rest().get(..len).unwrap_or_default();
        if self.unfinished.is_some() && has_hole(bytes, at) {
            return Ok(Step::Stop(Stop::CutOff));
        }
        if self.unfinished.is_none() && self.is_covered && at + len as u64 > self.block_end {
            return Ok(Step::Stop(Stop::Broken("a command that reaches over the end of its block")));
        }
        let args = parser.args(bytes);
        let (word, lines) = (args.at(0), 1 + 2 * args.len() as u64);
        let (is_multi, is_exec) = (word.eq_ignore_ascii_case(b"MULTI"), word.eq_ignore_ascii_case(b"EXEC"));
        match (&mut self.transaction, is_multi, is_exec) {
            (Some(_), true, _) => return Ok(Step::Stop(Stop::Broken("MULTI inside MULTI"))),
            (None, true, _) => {
                self.transaction = Some(Vec::new());
                self.source.kept = Some(at + len as u64);
            }
            // Redis wrote such, and passes over them.
            (None, _, true) => {}
            (Some(_), _, true) => {
                let mut parser = RecordParser::default();
                for offset in self.transaction.take().unwrap_or_default() {
                    let bytes = self.source.behind(offset);
                    parser.parse(bytes);
                    visit.visit(parser.args(bytes), offset)?;
                    self.commands += 1;
                }
                self.source.kept = None;
            }
            (Some(transaction), ..) => transaction.push(at),
            (None, ..) => {
                visit.visit(args, at)?;
                self.commands += 1;
            }
        }
        self.line += lines;
        self.source.at += len as u64;
        self.settle();
        Ok(Step::On)
    }
}

/// The time, Unix seconds, of a line `#TS:1628217470` and what is behind it; `None` for other lines.
fn time_of(line: &[u8]) -> Option<i64> {
    let digits = line.strip_prefix(b"#TS:")?;
    let len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(digits.get(..len)?).ok()?.parse().ok()
}

/// Parses the next commands, as far as they are there, and shows them; how many, and what comes behind them unless there was
/// no room for more.
fn foresee<E>(
    mut rest: &[u8],
    foreseen: &mut [(RecordParser, usize)],
    visit: &mut dyn Visitor<E>,
) -> (usize, Record) {
    let mut records: Vec<(&RecordParser, &[u8])> = Vec::with_capacity(AHEAD);
    let mut next = Record::CutOff;
    for (parser, whole) in foreseen {
        next = parser.parse(rest);
        let Record::Complete(len) = next else { break };
        let (record, behind) = rest.split_at(len);
        *whole = len;
        records.push((parser, record));
        rest = behind;
    }
    let args: Vec<Args<'_>> = records.iter().map(|(parser, record)| parser.args(record)).collect();
    visit.foresee(&args);
    (args.len(), next)
}

/// Whether one of the disk's sectors is all zeros within these bytes, which begin at `offset` of the file.
fn has_hole(bytes: &[u8], offset: u64) -> bool {
    const SHORTEST: usize = 16;
    let mut start = 0;
    while start < bytes.len() {
        let next = (SECTOR_BYTES - (offset + start as u64) % SECTOR_BYTES) as usize;
        let piece = bytes.get(start..(start + next).min(bytes.len())).unwrap_or_default();
        if piece.len() >= SHORTEST && piece.iter().all(|&byte| byte == 0) {
            return true;
        }
        start += next;
    }
    false
}
