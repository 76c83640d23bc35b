//! Giving the CPU away before a worker sleeps, where that has been of use.
//!
//! Where clients share the server's CPUs, a worker that has served everybody would go to sleep and be
//! woken by the first client that the CPU runs in its place: two switches for one request. Giving the CPU away while still able to
//! run lets those clients send first, so one look at the sockets finds several requests.
//! It is given up for a while where it was of no use ([`Patience`]), so that nobody spins; or where whoever ran had so much to do
//! that it can't be a client.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::base::clock::{Clock, Time};

/// A yield that took as long let somebody else run; one that found nobody takes a tenth of it.
const SOMEBODY_RAN_NS: u64 = 3_000;
/// Who runs as long is no client that waits for the next answer: a yield gives such a one a whole slice, during which nobody is
/// served and the caches fill with other things, to spare one switch.
const SOMEBODY_ELSE_RAN_NS: u64 = 1_000_000;
/// Most occasions left out between two that are taken.
const LEFT_OUT_MAX: u32 = 255;

/// Whether to take the next occasion: after each that was of no use twice as many are left out. One thread uses it.
#[derive(Default)]
pub struct Patience {
    /// Occasions until the next that is taken.
    left: AtomicU32,
    /// How many were left out before the last one.
    between: AtomicU32,
}

impl Patience {
    /// Whether this occasion is to be taken; then it is to be told what came of it.
    #[inline]
    pub fn is_due(&self) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        left == 0
    }

    /// Whether the occasion that was taken was of use.
    pub fn learn(&self, was_of_use: bool) {
        let between = match was_of_use {
            true => 0,
            false => (2 * self.between.load(Ordering::Relaxed) + 1).min(LEFT_OUT_MAX),
        };
        self.between.store(between, Ordering::Relaxed);
        self.left.store(between, Ordering::Relaxed);
    }
}

/// What a worker does before it sleeps.
pub struct Courtesy {
    time: Time,
    patience: Patience,
}

impl Courtesy {
    pub fn new(time: Time) -> Courtesy {
        Courtesy { time, patience: Patience::default() }
    }

    /// The worker has nothing to do and is about to wait for its sockets.
    pub fn before_sleep(&self) {
        if !self.patience.is_due() {
            return;
        }
        let began_ns = self.time.monotonic_ns();
        std::thread::yield_now();
        let took_ns = self.time.monotonic_ns().saturating_sub(began_ns);
        self.patience.learn(was_of_use(took_ns));
    }
}

/// Whether a yield that took so long has let a client run.
fn was_of_use(took_ns: u64) -> bool {
    (SOMEBODY_RAN_NS..SOMEBODY_ELSE_RAN_NS).contains(&took_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_turns_of_others_are_of_use() {
        assert_eq!([300, 3_000, 200_000, 999_999].map(was_of_use), [false, true, true, true]);
        assert_eq!([1_000_000, 3_000_000].map(was_of_use), [false, false]);
    }

    #[test]
    fn what_is_of_no_use_is_tried_ever_more_seldom() {
        let patience = Patience::default();
        let left_out = || {
            let mut count = 0;
            while !patience.is_due() {
                count += 1;
            }
            count
        };
        let mut seen = Vec::new();
        for _ in 0..10 {
            seen.push(left_out());
            patience.learn(false);
        }
        assert_eq!(seen, [0, 1, 3, 7, 15, 31, 63, 127, 255, 255]);
        left_out();
        patience.learn(true);
        assert_eq!((left_out(), left_out()), (0, 0));
    }
}
