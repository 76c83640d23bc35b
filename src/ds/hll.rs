//! HyperLogLog: how many different elements were added, within 0.81 %, in at most 12 KB.
//!
//! An element's hash chooses one of 16384 registers and a *rank*: how many bits it takes to the first one bit. A register
//! keeps the highest rank it has seen, and the number of elements follows from the distribution of all ranks
//! ([`estimate`]). The bytes are Redis's, so that dumps and replicas can be exchanged:
//!
//! ```text
//!  0      4     5        8           16
//! ┌──────┬─────┬────────┬───────────┬──────────────────────────────────────────┐
//! │"HYLL"│ enc │ 0 0 0  │ last count│ registers: dense (enc 0) or sparse (1)   │
//! └──────┴─────┴────────┴───────────┴──────────────────────────────────────────┘
//! count:  little-endian; its highest bit says that it is out of date
//! dense:  6 bits a register, lowest bits first: 12288 bytes
//! sparse: runs of equal registers, 18 bytes when all are zero; see `sparse`
//! ```
//!
//! Such strings also come from outside (SET, RESTORE), so nothing here trusts them: [`encoding_of`] looks at the header,
//! and whatever walks sparse registers can answer [`Corrupted`].
//!
//! Format and estimator: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog" (2007); Heule, Nunkesser, Hall, "HyperLogLog in
//! practice" (2013); Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017).

mod dense;
mod estimate;
mod hash;
pub mod selftest;
mod sparse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

/// Number of registers: 2¹⁴.
pub const REGISTERS: usize = 1 << REGISTER_BITS;
const REGISTER_BITS: u32 = 14;
/// Bits of a hash that the rank is read from.
const RANK_BITS: u32 = 64 - REGISTER_BITS;
/// Ranks from 0 to 51.
const RANKS: usize = RANK_BITS as usize + 2;
const HEADER_BYTES: usize = 16;
/// Length of a dense one.
pub const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * 6 / 8;
const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING_AT: usize = 4;
const COUNT_AT: std::ops::Range<usize> = 8..16;
/// In the last byte of the count: it is out of date.
const STALE: u8 = 0x80;

/// How the registers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Dense,
    Sparse,
}

/// The runs of a sparse one don't make 16384 registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupted;

/// The encoding by header and length; `None` when the string is no HyperLogLog.
#[inline]
pub fn encoding_of(bytes: &[u8]) -> Option<Encoding> {
    let (magic, rest) = bytes.get(..HEADER_BYTES)?.split_first_chunk()?;
    // At once, not byte by byte.
    if magic != MAGIC {
        return None;
    }
    match rest {
        [0, ..] if bytes.len() == DENSE_BYTES => Some(Encoding::Dense),
        [1, ..] => Some(Encoding::Sparse),
        _ => None,
    }
}

/// One without elements, sparse; its count is fresh: 0.
pub fn empty() -> Vec<u8> {
    let mut bytes = header(Encoding::Sparse);
    bytes.extend_from_slice(&sparse::ALL_ZERO);
    bytes
}

fn header(encoding: Encoding) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    if let Some(magic) = bytes.get_mut(..ENCODING_AT) {
        magic.copy_from_slice(MAGIC);
    }
    if let Some(place) = bytes.get_mut(ENCODING_AT) {
        *place = u8::from(encoding == Encoding::Sparse);
    }
    bytes
}

/// Where an element leaves its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    pub register: usize,
    /// 1 to 51.
    pub rank: u8,
}

impl Trace {
    #[inline]
    pub fn of(element: &[u8]) -> Trace {
        let hash = hash::murmur64a(element);
        // The bit behind the last ends every rank.
        let rest = hash >> REGISTER_BITS | 1 << RANK_BITS;
        Trace { register: hash as usize % REGISTERS, rank: rest.trailing_zeros() as u8 + 1 }
    }
}

/// The count of the last time, if nothing has changed since.
pub fn fresh_count(bytes: &[u8]) -> Option<u64> {
    let (count, _) = bytes.get(COUNT_AT)?.as_chunks::<8>();
    let count = u64::from_le_bytes(*count.first()?);
    (count >> 63 == 0).then_some(count)
}

/// Keeps a count for the next time.
pub fn keep_count(bytes: &mut [u8], count: u64) {
    if let Some(place) = bytes.get_mut(COUNT_AT) {
        place.copy_from_slice(&count.to_le_bytes());
    }
}

/// Says that the kept count is out of date.
#[inline]
pub fn forget_count(bytes: &mut [u8]) {
    if let Some(last) = bytes.get_mut(COUNT_AT.end - 1) {
        *last |= STALE;
    }
}

/// Whether it is a dense one in which none of these would raise a register.
#[inline]
pub fn has_dense(bytes: &[u8], traces: impl Iterator<Item = Trace>) -> bool {
    if encoding_of(bytes) != Some(Encoding::Dense) {
        return false;
    }
    // A loop is compiled into the caller, where `any` would be a call.
    for trace in traces {
        if raises_dense(bytes, trace) {
            return false;
        }
    }
    true
}

/// Whether a register of a dense one would rise.
#[inline]
fn raises_dense(bytes: &[u8], trace: Trace) -> bool {
    dense::get(bytes, trace.register) < trace.rank
}

/// Adds to a dense one in place; whether a register rose.
#[inline]
pub fn add_dense(bytes: &mut [u8], trace: Trace) -> bool {
    bytes.get_mut(HEADER_BYTES..).is_some_and(|registers| dense::raise(registers, trace.register, trace.rank))
}

/// Adds to one of either encoding, which is copied first if it is borrowed and a register rises; whether one did. A
/// sparse one that would grow beyond `sparse_max_bytes`, or can't express the rank, becomes dense.
pub fn add(bytes: &mut Cow<'_, [u8]>, trace: Trace, sparse_max_bytes: usize) -> Result<bool, Corrupted> {
    if encoding_of(bytes) == Some(Encoding::Dense) {
        return Ok(raises_dense(bytes, trace) && add_dense(bytes.to_mut(), trace));
    }
    let site = sparse::locate(bytes, trace.register)?;
    if site.rank() >= trace.rank {
        return Ok(false);
    }
    if sparse::raise(bytes, &site, trace, sparse_max_bytes) {
        return Ok(true);
    }
    let mut dense = to_dense(bytes)?;
    let has_risen = add_dense(&mut dense, trace);
    *bytes = Cow::Owned(dense);
    Ok(has_risen)
}

/// The dense form of a sparse one, count included.
pub fn to_dense(bytes: &[u8]) -> Result<Vec<u8>, Corrupted> {
    let mut registers = Registers::default();
    registers.merge(bytes)?;
    let mut dense = registers.to_dense();
    copy_count(&mut dense, bytes);
    Ok(dense)
}

/// Copies what a header holds behind the encoding.
pub fn copy_count(into: &mut [u8], from: &[u8]) {
    const KEPT: std::ops::Range<usize> = ENCODING_AT + 1..HEADER_BYTES;
    if let (Some(into), Some(from)) = (into.get_mut(KEPT), from.get(KEPT)) {
        into.copy_from_slice(from);
    }
}

/// The estimated number of elements.
pub fn count(bytes: &[u8]) -> Result<u64, Corrupted> {
    let registers = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let ranks = match encoding_of(bytes).ok_or(Corrupted)? {
        Encoding::Dense => dense::distribution(registers),
        Encoding::Sparse => sparse::distribution(bytes)?,
    };
    Ok(estimate::count(&ranks))
}

/// The runs of a sparse one as PFDEBUG DECODE prints them; see [`sparse`].
pub fn describe_sparse(bytes: &[u8]) -> String {
    sparse::describe(bytes)
}

/// All registers, a byte each: for merging.
pub struct Registers(Box<[u8; REGISTERS]>);

impl Default for Registers {
    fn default() -> Self {
        Registers(Box::new([0; REGISTERS]))
    }
}

impl Registers {
    /// Raises every register to that of `bytes`.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<(), Corrupted> {
        match encoding_of(bytes).ok_or(Corrupted)? {
            Encoding::Dense => {
                dense::merge(bytes.get(HEADER_BYTES..).unwrap_or_default(), &mut self.0);
                Ok(())
            }
            Encoding::Sparse => sparse::merge(bytes, &mut self.0),
        }
    }

    /// The estimated number of elements of all that was merged.
    pub fn count(&self) -> u64 {
        let mut ranks = [0; RANKS_STORED];
        for &rank in self.0.iter() {
            if let Some(place) = ranks.get_mut(usize::from(rank)) {
                *place += 1;
            }
        }
        estimate::count(&ranks)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = u8> + '_ {
        self.0.iter().copied()
    }

    /// The traces of all registers that are not zero.
    pub fn traces(&self) -> impl Iterator<Item = Trace> + '_ {
        let all = self.0.iter().enumerate().map(|(register, &rank)| Trace { register, rank });
        all.filter(|trace| trace.rank > 0)
    }

    /// A dense one with these registers.
    pub fn to_dense(&self) -> Vec<u8> {
        let mut bytes = header(Encoding::Dense);
        bytes.reserve_exact(DENSE_BYTES - HEADER_BYTES);
        dense::pack(&self.0, &mut bytes);
        bytes
    }
}

/// Registers have six bits, so bytes from outside can hold ranks that no element has.
const RANKS_STORED: usize = 64;

/// How many registers have each rank.
type Distribution = [u32; RANKS_STORED];
