//! Counters that cost a worker one addition, and rates drawn from them.
//!
//! Each worker owns one [`Counters`] block, alone on its cache lines. Only the owner writes, so an
//! increment is a relaxed load and store, not a locked instruction; readers sum the blocks of all
//! workers and see each counter at some moment of the recent past, never torn and never going back.
//!
//! A [`Rate`] turns such a sum into "per second": Redis takes a sample every 100 ms and shows the mean
//! of the last 16, so `instantaneous_ops_per_sec` looks back over 1.6 seconds.

use std::sync::atomic::{AtomicU64, Ordering};

/// `N` counters with a single writer.
#[derive(Debug)]
#[repr(align(128))] // Two cache lines, which is what adjacent-line prefetch makes of one.
pub struct Counters<const N: usize> {
    values: [AtomicU64; N],
}

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Counters { values: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl<const N: usize> Counters<N> {
    /// Adds to counter `index`. Only the owning worker may call this: two writers at once would lose
    /// increments (nothing worse). An index from `N` on is ignored.
    #[inline]
    pub fn add(&self, index: usize, amount: u64) {
        if let Some(value) = self.values.get(index) {
            value.store(value.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
        }
    }

    /// The present value of counter `index`; 0 from `N` on.
    #[inline]
    pub fn value(&self, index: usize) -> u64 {
        self.values.get(index).map_or(0, |value| value.load(Ordering::Relaxed))
    }

    /// The sum of counter `index` over several blocks.
    pub fn sum<'a>(blocks: impl IntoIterator<Item = &'a Self>, index: usize) -> u64 {
        blocks.into_iter().fold(0, |sum, block| sum.wrapping_add(block.value(index)))
    }
}

/// Samples in the mean.
const SAMPLES: usize = 16;

/// A per-second rate over the last 16 samples of a growing number.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    samples: [u64; SAMPLES],
    next: usize,
    last: Option<(u64, u64)>,
}

impl Rate {
    /// Takes a sample: `total` is the number so far, `monotonic_us` the time. Call every 100 ms. The
    /// first call only sets the starting point, as does one after the total went back (a reset).
    pub fn sample(&mut self, monotonic_us: u64, total: u64) {
        if let Some((last_us, last_total)) = self.last {
            let elapsed_us = monotonic_us.saturating_sub(last_us);
            if elapsed_us == 0 {
                return;
            }
            if let Some(grown) = total.checked_sub(last_total) {
                self.push(u128::from(grown) * 1_000_000 / u128::from(elapsed_us));
            }
        }
        self.last = Some((monotonic_us, total));
    }

    fn push(&mut self, per_second: u128) {
        if let Some(slot) = self.samples.get_mut(self.next % SAMPLES) {
            *slot = u64::try_from(per_second).unwrap_or(u64::MAX);
        }
        self.next = (self.next + 1) % SAMPLES;
    }

    /// The mean of the last 16 samples, where those not yet taken count as zero.
    pub fn per_second(&self) -> u64 {
        let sum: u128 = self.samples.iter().map(|&sample| u128::from(sample)).sum();
        (sum / SAMPLES as u128) as u64
    }

    /// Forgets all samples, as `CONFIG RESETSTAT` does.
    pub fn reset(&mut self) {
        *self = Rate::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_summed_and_do_not_share_cache_lines() {
        let blocks = [Counters::<3>::default(), Counters::default()];
        blocks[0].add(1, 5);
        blocks[1].add(1, 7);
        blocks[1].add(2, 1);
        blocks[1].add(3, 1);
        assert_eq!([0, 1, 2, 3].map(|index| Counters::sum(&blocks, index)), [0, 12, 1, 0]);
        assert_eq!(size_of::<Counters<3>>() % 128, 0);
    }

    #[test]
    fn a_steady_stream_shows_its_rate_after_sixteen_samples() {
        let mut rate = Rate::default();
        for tick in 0..=16u64 {
            rate.sample(tick * 100_000, tick * 50);
        }
        assert_eq!(rate.per_second(), 500);
        for tick in 17..=24u64 {
            rate.sample(tick * 100_000, 16 * 50);
        }
        assert_eq!(rate.per_second(), 250);
        rate.reset();
        assert_eq!(rate.per_second(), 0);
    }

    #[test]
    fn standing_time_and_falling_totals_are_no_samples() {
        let mut rate = Rate::default();
        rate.sample(0, 100);
        rate.sample(0, 900);
        rate.sample(1_000_000, 50);
        assert_eq!(rate.per_second(), 0);
        rate.sample(2_000_000, 66);
        assert_eq!(rate.per_second(), 1);
        rate.sample(2_000_001, u64::MAX);
        assert!(rate.per_second() > 0);
    }
}
