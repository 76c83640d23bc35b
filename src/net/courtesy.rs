//! Waiting for others, where that has been of use.
//!
//! **Before a worker sleeps.** Where clients share the server's CPUs, a worker that has served everybody would go to sleep and be
//! woken by the first client that the CPU runs in its place: two switches for one request. Giving the CPU away while still able to
//! run lets those clients send first, so one look at the sockets finds several requests.
//!
//! **Before a connection sends.** What is written to a client wakes it. A client of several connections would be woken by each of
//! them in turn, to find one answer at a time; so answers to pipelines leave when the other connections that were ready have run.
//!
//! Either is given up for a while where it was of no use ([`Patience`]), so that nobody spins, and who is alone hardly pays.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::base::clock::{Clock, Time};

/// A yield that took as long let somebody else run; one that found nobody takes a tenth of it.
const SOMEBODY_RAN_NS: u64 = 3_000;
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
        self.patience.learn(took_ns >= SOMEBODY_RAN_NS);
    }
}

/// The connections of a worker that wait with their replies until the others that are ready have run.
#[derive(Default)]
pub struct Gathering {
    waiting: Cell<usize>,
    patience: Patience,
}

/// What had happened when a connection began to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    batches: u64,
    /// None waited before it.
    is_first: bool,
}

impl Gathering {
    /// Whether a connection is to wait, after so many batches of this worker; then it is to leave again.
    #[inline]
    pub fn join(&self, batches: u64) -> Option<Awaited> {
        if !self.patience.is_due() {
            return None;
        }
        let waiting = self.waiting.replace(self.waiting.get() + 1);
        Some(Awaited { batches, is_first: waiting == 0 })
    }

    /// A connection that has waited goes on: that was of use if another one ran meanwhile, or waited before it.
    pub fn leave(&self, awaited: Awaited, batches: u64) {
        self.waiting.set(self.waiting.get() - 1);
        self.patience.learn(!awaited.is_first || awaited.batches != batches);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn who_is_alone_soon_waits_no_more_and_two_go_on_waiting() {
        let alone = Gathering::default();
        let first = alone.join(1).unwrap();
        alone.leave(first, 1);
        assert_eq!(alone.join(2), None);
        let two = Gathering::default();
        for turn in 0..4 {
            let (one, other) = (two.join(2 * turn).unwrap(), two.join(2 * turn + 1).unwrap());
            two.leave(one, 2 * turn + 1);
            two.leave(other, 2 * turn + 1);
        }
    }
}
