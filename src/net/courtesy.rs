//! Letting others run before a worker sleeps.
//!
//! Where clients share the server's CPUs, a worker that has served everybody would go to sleep and be woken by the first
//! client that the CPU runs in its place: two switches for one request. Giving the CPU away while still able to run lets
//! those clients send first, so one look at the sockets finds several requests.
//!
//! **Invariant:** nobody spins, and who has a CPU for himself hardly pays: a yield that came back at once found nobody, and
//! after each such one twice as many sleeps go by without.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::base::clock::{Clock, Time};

/// A yield that took as long let somebody else run; one that found nobody takes a tenth of it.
const SOMEBODY_RAN_NS: u64 = 3_000;
/// Most sleeps without a yield between two of them.
const SLEEPS_BETWEEN: u32 = 255;

/// What a worker remembers of its last yields; only this worker's thread uses it.
pub struct Courtesy {
    time: Time,
    /// Sleeps until the next yield.
    left: AtomicU32,
    /// Sleeps that went by before the last one.
    between: AtomicU32,
}

impl Courtesy {
    pub fn new(time: Time) -> Courtesy {
        Courtesy { time, left: AtomicU32::new(0), between: AtomicU32::new(0) }
    }

    /// The worker has nothing to do and is about to wait for its sockets.
    pub fn before_sleep(&self) {
        let left = self.left.load(Ordering::Relaxed);
        if left > 0 {
            return self.left.store(left - 1, Ordering::Relaxed);
        }
        let began_ns = self.time.monotonic_ns();
        std::thread::yield_now();
        let took_ns = self.time.monotonic_ns().saturating_sub(began_ns);
        let between = match took_ns < SOMEBODY_RAN_NS {
            true => (2 * self.between.load(Ordering::Relaxed) + 1).min(SLEEPS_BETWEEN),
            false => 0,
        };
        self.between.store(between, Ordering::Relaxed);
        self.left.store(between, Ordering::Relaxed);
    }
}
