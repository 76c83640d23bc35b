//! Sparse registers: runs of equal ones.
//!
//! ```text
//! ZERO   00nnnnnn           n + 1 registers are zero           1 to 64
//! XZERO  01nnnnnn nnnnnnnn  n + 1 registers are zero           1 to 16384, the high byte first
//! VAL    1rrrrrnn           n + 1 registers have rank r + 1    1 to 4 registers, ranks 1 to 32
//! ```
//!
//! All-zero registers are one XZERO: `7f ff`. Adding an element splits one run into up to three, and joins equal
//! neighbours again near that place. Which joins are done is part of the format, because equal histories should
//! give equal bytes: see [`join`].
//!
//! Invariant of a sound string: the runs make exactly 16384 registers. [`locate`] needs only the runs up to its
//! register, the whole passes check everything.

use super::{Corrupted, Distribution, HEADER_BYTES, RANKS_STORED, REGISTERS, Trace};
use std::borrow::Cow;
use std::fmt::Write as _;

pub(super) const ALL_ZERO: [u8; 2] = [0x7f, 0xff];
const ZERO_MAX: usize = 64;
const VAL_MAX: usize = 4;
const RANK_MAX: u8 = 32;

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// 0 for both kinds of zero runs.
    rank: u8,
    /// Registers.
    len: usize,
    /// Bytes of its code.
    size: usize,
}

#[inline]
fn run_at(bytes: &[u8], at: usize) -> Option<Run> {
    let code = *bytes.get(at)?;
    Some(match code >> 6 {
        0 => Run { rank: 0, len: usize::from(code) + 1, size: 1 },
        1 => {
            // A string from outside may end here; the missing byte counts as 0, as the terminator of Redis does.
            let low = bytes.get(at + 1).copied().unwrap_or(0);
            Run { rank: 0, len: (usize::from(code & 0x3f) << 8 | usize::from(low)) + 1, size: 2 }
        }
        _ => Run { rank: (code >> 2 & 0x1f) + 1, len: usize::from(code & 3) + 1, size: 1 },
    })
}

fn val(rank: u8, len: usize) -> u8 {
    0x80 | (rank.saturating_sub(1) & 0x1f) << 2 | (len.saturating_sub(1) as u8 & 3)
}

/// The run that a register lies in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    run: Run,
    /// Where its code is, and the code before it.
    at: usize,
    before: Option<usize>,
    /// Its first register.
    first: usize,
}

impl Site {
    #[inline]
    pub(super) fn rank(&self) -> u8 {
        self.run.rank
    }
}

/// Finds the run of `register`.
#[inline]
pub(super) fn locate(bytes: &[u8], register: usize) -> Result<Site, Corrupted> {
    let (mut at, mut before, mut first) = (HEADER_BYTES, None, 0);
    while let Some(run) = run_at(bytes, at) {
        if register < first + run.len {
            return Ok(Site { run, at, before, first });
        }
        before = Some(at);
        at += run.size;
        first += run.len;
    }
    Err(Corrupted)
}

/// Raises the register of `trace`, whose run is `site`; `false` when that takes the dense form, and then nothing has changed.
pub(super) fn raise(bytes: &mut Cow<'_, [u8]>, site: &Site, trace: Trace, max_bytes: usize) -> bool {
    if trace.rank > RANK_MAX {
        return false;
    }
    let codes = split(site, trace);
    let codes = codes.as_slice();
    // Only what grows is measured: a string that is too long already may still change its ranks.
    if codes.len() > site.run.size && bytes.len() + codes.len() - site.run.size > max_bytes {
        return false;
    }
    let bytes = bytes.to_mut();
    let end = (site.at + site.run.size).min(bytes.len());
    bytes.splice(site.at..end, codes.iter().copied());
    join(bytes, site.before.unwrap_or(HEADER_BYTES));
    true
}

/// The codes of up to three runs.
#[derive(Default)]
struct Codes {
    bytes: [u8; 5],
    len: usize,
}

impl Codes {
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, code: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = code;
            self.len += 1;
        }
    }

    /// `len` registers of one rank; none if there are none.
    fn push_run(&mut self, rank: u8, len: usize) {
        match len {
            0 => {}
            _ if rank > 0 => self.push(val(rank, len)),
            1..=ZERO_MAX => self.push(len as u8 - 1),
            _ => {
                let code = (len - 1) as u16 | 0x4000;
                code.to_be_bytes().into_iter().for_each(|byte| self.push(byte));
            }
        }
    }
}

/// What the run becomes when one of its registers gets another rank.
fn split(site: &Site, trace: Trace) -> Codes {
    let mut codes = Codes::default();
    let before = trace.register - site.first;
    codes.push_run(site.run.rank, before);
    codes.push_run(trace.rank, 1);
    codes.push_run(site.run.rank, site.run.len - before - 1);
    codes
}

/// Joins neighbours of the same rank while they fit into one code: at most five codes are looked at from `at` on, a
/// successful joining counts as one.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    const LOOKS: usize = 5;
    for _ in 0..LOOKS {
        let Some(run) = run_at(bytes, at) else { return };
        match run_at(bytes, at + run.size) {
            Some(next) if run.rank > 0 && next.rank == run.rank && run.len + next.len <= VAL_MAX => {
                if let Some(code) = bytes.get_mut(at + 1) {
                    *code = val(run.rank, run.len + next.len);
                }
                bytes.remove(at);
            }
            _ => at += run.size,
        }
    }
}

/// Calls `visit` with every run and its first register; all registers must be there, and no more.
fn for_each_run(bytes: &[u8], mut visit: impl FnMut(Run, usize)) -> Result<(), Corrupted> {
    let (mut at, mut first) = (HEADER_BYTES, 0);
    while let Some(run) = run_at(bytes, at) {
        if first + run.len > REGISTERS {
            return Err(Corrupted);
        }
        visit(run, first);
        at += run.size;
        first += run.len;
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupted) }
}

pub(super) fn distribution(bytes: &[u8]) -> Result<Distribution, Corrupted> {
    let mut ranks = [0; RANKS_STORED];
    for_each_run(bytes, |run, _| ranks[usize::from(run.rank) % RANKS_STORED] += run.len as u32)?;
    Ok(ranks)
}

/// Raises all of `into` to the sparse registers. When they turn out to be corrupted some are raised already.
pub(super) fn merge(bytes: &[u8], into: &mut [u8; REGISTERS]) -> Result<(), Corrupted> {
    for_each_run(bytes, |run, first| {
        if run.rank > 0 {
            let places = into.iter_mut().skip(first).take(run.len);
            places.for_each(|rank| *rank = run.rank.max(*rank));
        }
    })
}

/// `z:3 v:2,1 Z:16380`: zero runs of both kinds, and ranks with their lengths, whatever they add up to.
pub(super) fn describe(bytes: &[u8]) -> String {
    let (mut text, mut at) = (String::new(), HEADER_BYTES);
    while let Some(run) = run_at(bytes, at) {
        if !text.is_empty() {
            text.push(' ');
        }
        // Writing to a string can't fail.
        let _ = match (run.rank, run.size) {
            (0, 1) => write!(text, "z:{}", run.len),
            (0, _) => write!(text, "Z:{}", run.len),
            (rank, _) => write!(text, "v:{rank},{}", run.len),
        };
        at += run.size;
    }
    text
}
