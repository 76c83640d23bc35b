//! How long a command takes: a latency histogram for one command on one worker.
//!
//! Buckets grow with the value so that every recorded time is kept to two significant digits (better
//! than 1 %), from 1 ns to 1 s; longer times count as 1 s. This is the layout of HdrHistogram with the
//! parameters that Redis uses, so percentiles and the `LATENCY HISTOGRAM` pairs come out with the same
//! numbers: row 0 holds 0..128 one by one, row 1 holds 128..256 one by one, and every further row
//! covers one power of two with 128 buckets, twice as wide as the ones before.
//!
//! ```text
//! row       0      1        2        3            23
//! values    0-127  128-255  256-511  512-1023  …  2^29 - 2^30
//! width     1      1        2        4            2^22
//! ```
//!
//! Rows are allocated when first hit (512 bytes each). A command's times span few powers of two, so a
//! histogram usually takes 2 to 4 KB instead of the 24 KB of a full one. Counters have 32 bits; a
//! counter that is about to wrap moves its 2^32 into a list that nearly always stays empty.
//!
//! One writer per histogram: [`Histogram::record`] is a relaxed load and store. Readers copy whole
//! histograms into a [`Merged`] one, which is where the questions are asked.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

/// Times beyond this count as this.
const VALUE_MAX_NS: u64 = 1_000_000_000;
const ROW_BITS: u32 = 7;
const ROW_LEN: usize = 1 << ROW_BITS;
/// The last row ends at 2^30, the first power of two above the largest value.
const ROWS: usize = 24;
/// The first power of two that `LATENCY HISTOGRAM` reports, about a microsecond.
const FIRST_LEVEL_NS: u64 = 1024;

type Row = [AtomicU32; ROW_LEN];

/// The times of one command on one worker.
#[derive(Debug)]
pub struct Histogram {
    rows: [OnceLock<Box<Row>>; ROWS],
    /// Buckets that have wrapped, once for every 2^32.
    wrapped: Mutex<Vec<usize>>,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { rows: std::array::from_fn(|_| OnceLock::new()), wrapped: Mutex::default() }
    }
}

impl Histogram {
    /// A histogram without values, and without memory beyond itself.
    pub fn new() -> Histogram {
        Histogram::default()
    }

    /// Counts a duration. Only the owning worker may call this: two writers at once would lose
    /// counts (nothing worse).
    #[inline(always)] // Once per request; the compiler thinks it too long.
    pub fn record(&self, ns: u64) {
        let index = index_of(ns.clamp(1, VALUE_MAX_NS));
        let Some(row) = self.rows.get(index >> ROW_BITS) else { return };
        let row = row.get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU32::new(0))));
        let Some(counter) = row.get(index % ROW_LEN) else { return };
        let count = counter.load(Ordering::Relaxed).wrapping_add(1);
        if count == 0 {
            self.note_wrapped(index);
        }
        counter.store(count, Ordering::Relaxed);
    }

    #[cold]
    fn note_wrapped(&self, index: usize) {
        self.wrapped.lock().push(index);
    }

    /// Forgets everything. The owner may record meanwhile, which loses at most that value.
    pub fn reset(&self) {
        for counter in self.rows.iter().filter_map(|row| row.get()).flat_map(|row| row.iter()) {
            counter.store(0, Ordering::Relaxed);
        }
        self.wrapped.lock().clear();
    }

    /// Bytes held beyond the histogram itself.
    pub fn allocated_bytes(&self) -> usize {
        self.rows.iter().filter(|row| row.get().is_some()).count() * size_of::<Row>()
    }
}

/// The bucket of a value up to [`VALUE_MAX_NS`].
#[inline]
fn index_of(value: u64) -> usize {
    // Values below 256 are their own index; of larger ones the top eight bits count.
    let shift = u64::BITS - (ROW_BITS + 1) - (value | 0xff).leading_zeros();
    ((u64::from(shift) << ROW_BITS) + (value >> shift)) as usize
}

/// The largest value that falls into a bucket.
fn highest_in(index: usize) -> u64 {
    let shift = (index >> ROW_BITS).saturating_sub(1);
    let within = index - (shift << ROW_BITS);
    ((within as u64 + 1) << shift) - 1
}

/// A sum of histograms at one moment.
#[derive(Clone, Debug)]
pub struct Merged {
    /// Empty as long as nothing was merged.
    counts: Vec<u64>,
    total: u64,
}

impl Merged {
    /// The sum of `parts`, for example one command's histograms of all workers.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a Histogram>) -> Merged {
        let mut merged = Merged { counts: Vec::new(), total: 0 };
        parts.into_iter().for_each(|part| merged.add(part));
        merged
    }

    fn add(&mut self, part: &Histogram) {
        self.counts.resize(ROWS * ROW_LEN, 0);
        for (sums, row) in self.counts.chunks_exact_mut(ROW_LEN).zip(&part.rows) {
            let Some(row) = row.get() else { continue };
            for (sum, counter) in sums.iter_mut().zip(row.iter()) {
                *sum += u64::from(counter.load(Ordering::Relaxed));
            }
        }
        for &index in part.wrapped.lock().iter() {
            if let Some(sum) = self.counts.get_mut(index) {
                *sum += 1 << 32;
            }
        }
        self.total = self.counts.iter().sum();
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The value, in nanoseconds, at or below which `percentile` per cent of all lie (0 to 100, cut
    /// to that); the largest value of its bucket. 0 if there are no values.
    pub fn percentile_ns(&self, percentile: f64) -> u64 {
        let wanted = (percentile.clamp(0.0, 100.0) / 100.0 * self.total as f64 + 0.5) as u64;
        let wanted = wanted.clamp(1, self.total.max(1));
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return highest_in(index);
            }
        }
        0
    }

    /// The same in microseconds, as `INFO latencystats` prints it with three decimals.
    pub fn percentile_us(&self, percentile: f64) -> f64 {
        self.percentile_ns(percentile) as f64 / 1000.0
    }

    /// What `LATENCY HISTOGRAM` prints: for the powers of two from 1,024 ns on, the microsecond at which
    /// the bucket ends and how many values lie in or below that bucket. Powers that add nothing to the
    /// one before are left out.
    pub fn cumulative_pow2_us(&self) -> Vec<(u64, u64)> {
        let mut pairs: Vec<(u64, u64)> = Vec::new();
        let (mut level_ns, mut seen, mut reported) = (FIRST_LEVEL_NS, 0, 0);
        let last = self.counts.len().saturating_sub(1);
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if highest_in(index) < level_ns && index != last {
                continue;
            }
            if seen > reported {
                pairs.push((highest_in(index) / 1000, seen));
                reported = seen;
            }
            level_ns <<= 1;
        }
        pairs
    }
}

#[cfg(test)]
mod tests;
