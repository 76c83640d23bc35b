//! Time: the only module that may read the wall clock.
//!
//! Every other part of the server is handed a [`Time`], so a test can hold the clock still, move it
//! and watch keys expire without waiting. [`Time`] is an enum, not a trait object: reading the clock
//! happens for every command, and a match on two variants inlines where a virtual call would not.
//!
//! Two kinds of time are kept apart. *Wall* time (`now_ms`, `now_us`) counts from the Unix epoch and
//! may jump when somebody sets the clock; deadlines of keys are wall times because they survive a
//! restart. *Monotonic* time (`monotonic_us`) never goes back and is for durations only.
//!
//! ```
//! use ochre::base::clock::{Clock, Time, UnixMs};
//! let time = Time::manual(UnixMs(1_000));
//! let watch = time.clone();
//! time.advance_ms(500);
//! assert_eq!(watch.now_ms(), UnixMs(1_500));
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub u64);

impl UnixMs {
    /// A signed number of milliseconds as commands carry it; times before 1970 become the epoch
    /// itself, which is just as far in the past for every purpose here.
    #[inline]
    pub fn from_i64(ms: i64) -> UnixMs {
        UnixMs(u64::try_from(ms).unwrap_or(0))
    }

    /// The same moment as a signed number, as commands answer it; saturates at `i64::MAX`.
    #[inline]
    pub fn as_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// Whole seconds since the epoch, rounded down.
    #[inline]
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Milliseconds from `earlier` until `self`, zero if `earlier` is later.
    #[inline]
    pub fn since(self, earlier: UnixMs) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A source of time.
pub trait Clock: Send + Sync {
    /// Wall time in milliseconds.
    fn now_ms(&self) -> UnixMs;
    /// Wall time in microseconds since the Unix epoch.
    fn now_us(&self) -> u64;
    /// Nanoseconds since an arbitrary start; never goes back.
    fn monotonic_ns(&self) -> u64;

    /// Microseconds since the same start.
    #[inline]
    fn monotonic_us(&self) -> u64 {
        self.monotonic_ns() / 1000
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[inline]
    fn now_ms(&self) -> UnixMs {
        UnixMs(self.now_us() / 1000)
    }

    #[inline]
    fn now_us(&self) -> u64 {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        // Before the epoch there is nothing.
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        seconds.saturating_mul(1_000_000).saturating_add(time.tv_nsec as u64 / 1000)
    }

    #[inline]
    fn monotonic_ns(&self) -> u64 {
        // Straight from the kernel's clock page: once per command, so every instruction counts.
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
    }
}

/// A clock that moves only when told to.
///
/// Advancing it moves wall and monotonic time together; setting it moves wall time alone, as an
/// operator who corrects the system's clock does.
#[derive(Debug, Default)]
pub struct ManualClock {
    wall_us: AtomicU64,
    monotonic_us: AtomicU64,
}

impl ManualClock {
    fn starting_at(start: UnixMs) -> ManualClock {
        let wall_us = AtomicU64::new(start.0.saturating_mul(1000));
        ManualClock { wall_us, monotonic_us: AtomicU64::new(0) }
    }

    fn advance_us(&self, us: u64) {
        self.wall_us.fetch_add(us, Ordering::SeqCst);
        self.monotonic_us.fetch_add(us, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    #[inline]
    fn now_ms(&self) -> UnixMs {
        UnixMs(self.now_us() / 1000)
    }

    #[inline]
    fn now_us(&self) -> u64 {
        self.wall_us.load(Ordering::SeqCst)
    }

    #[inline]
    fn monotonic_ns(&self) -> u64 {
        self.monotonic_us.load(Ordering::SeqCst).saturating_mul(1000)
    }
}

/// How many nanoseconds 2³² ticks of a counter are; see [`Time::ticks`].
#[derive(Clone, Copy, Debug)]
pub struct TickRate(u64);

impl TickRate {
    const TICKS: u64 = 1 << 32;

    /// Nanoseconds from one look at the counter to a later one; 0 if that was not later. Processors may count apart, so it is for
    /// stretches of a millisecond behind a look at the clock.
    #[inline]
    pub fn ns_between(self, earlier: u64, later: u64) -> u64 {
        ((u128::from(later.saturating_sub(earlier)) * u128::from(self.0)) >> 32) as u64
    }
}

/// The clock that is passed around: cheap to clone, and clones of a manual clock move together.
#[derive(Clone, Debug)]
pub enum Time {
    /// The machine's clock, and the counter of its processors.
    System(quanta::Clock),
    /// A clock under the control of a test (or of the debugging command that freezes time).
    Manual(Arc<ManualClock>),
}

impl Default for Time {
    fn default() -> Time {
        Time::system()
    }
}

impl Time {
    /// The machine's clock.
    pub fn system() -> Time {
        Time::System(quanta::Clock::new())
    }

    /// What the processor's counter says, to be compared by [`TickRate::ns_between`]: for whoever asks all the time, as a look at it
    /// costs less than half of one at the clock. Where there is no steady counter it is the clock.
    #[inline]
    pub fn ticks(&self) -> u64 {
        match self {
            Time::System(counter) => counter.raw(),
            Time::Manual(clock) => clock.monotonic_ns(),
        }
    }

    /// How long the ticks of the counter are.
    #[inline]
    pub fn tick_rate(&self) -> TickRate {
        TickRate(match self {
            Time::System(counter) => counter.delta_as_nanos(0, TickRate::TICKS),
            Time::Manual(_) => TickRate::TICKS,
        })
    }

    /// A clock that stands at `start` until it is moved.
    pub fn manual(start: UnixMs) -> Time {
        Time::Manual(Arc::new(ManualClock::starting_at(start)))
    }

    /// Moves a manual clock forward. Answers false, and does nothing, on the system's clock.
    pub fn advance_ms(&self, ms: u64) -> bool {
        self.advance_us(ms.saturating_mul(1000))
    }

    /// Like [`Time::advance_ms`], in microseconds.
    pub fn advance_us(&self, us: u64) -> bool {
        match self {
            Time::System(_) => false,
            Time::Manual(clock) => {
                clock.advance_us(us);
                true
            }
        }
    }

    /// Sets the wall time of a manual clock, forward or back; its monotonic time stays. Answers
    /// false, and does nothing, on the system's clock.
    pub fn set(&self, now: UnixMs) -> bool {
        match self {
            Time::System(_) => false,
            Time::Manual(clock) => {
                clock.wall_us.store(now.0.saturating_mul(1000), Ordering::SeqCst);
                true
            }
        }
    }
}

impl Clock for Time {
    #[inline]
    fn now_ms(&self) -> UnixMs {
        match self {
            Time::System(_) => SystemClock.now_ms(),
            Time::Manual(clock) => clock.now_ms(),
        }
    }

    #[inline]
    fn now_us(&self) -> u64 {
        match self {
            Time::System(_) => SystemClock.now_us(),
            Time::Manual(clock) => clock.now_us(),
        }
    }

    #[inline]
    fn monotonic_ns(&self) -> u64 {
        match self {
            Time::System(_) => SystemClock.monotonic_ns(),
            Time::Manual(clock) => clock.monotonic_ns(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_with_its_clones() {
        let time = Time::manual(UnixMs(5));
        let other = time.clone();
        assert_eq!((time.now_ms(), time.now_us(), time.monotonic_us()), (UnixMs(5), 5_000, 0));
        assert!(other.advance_ms(7));
        assert!(other.advance_us(300));
        assert_eq!((time.now_ms(), time.now_us(), time.monotonic_us()), (UnixMs(12), 12_300, 7_300));
    }

    #[test]
    fn the_counter_goes_on_as_the_clock_does() {
        let time = Time::manual(UnixMs(5));
        let earlier = time.ticks();
        time.advance_us(3);
        assert_eq!(time.tick_rate().ns_between(earlier, time.ticks()), 3_000);
        let (time, counter) = (Time::system(), quanta::Clock::new());
        let (now, rate) = (time.ticks(), time.tick_rate());
        assert_eq!((rate.ns_between(now, now), rate.ns_between(now, now - 1)), (0, 0));
        for ticks in [1, 1000, 1_000_000, u64::MAX >> 8] {
            let (ns, expected) = (rate.ns_between(0, ticks), counter.delta_as_nanos(0, ticks));
            assert!(
                ns.abs_diff(expected) <= 1 + expected / 1_000_000,
                "{ticks} ticks are {expected} ns, not {ns}"
            );
        }
    }

    #[test]
    fn setting_the_wall_clock_back_leaves_monotonic_time_alone() {
        let time = Time::manual(UnixMs(100));
        time.advance_ms(1);
        assert!(time.set(UnixMs(50)));
        assert_eq!((time.now_ms(), time.monotonic_us()), (UnixMs(50), 1_000));
    }

    #[test]
    fn the_system_clock_cannot_be_moved_and_does_not_go_back() {
        let time = Time::system();
        let before = (time.now_ms(), time.monotonic_us());
        assert!(!time.advance_ms(1_000_000_000));
        assert!(!time.set(UnixMs(1)));
        assert!(before.0 > UnixMs(1_700_000_000_000));
        assert!(time.monotonic_us() >= before.1);
    }

    #[test]
    fn signed_milliseconds_saturate() {
        assert_eq!(UnixMs::from_i64(-1), UnixMs(0));
        assert_eq!(UnixMs::from_i64(9), UnixMs(9));
        assert_eq!(UnixMs(u64::MAX).as_i64(), i64::MAX);
        assert_eq!(UnixMs(1_999).seconds(), 1);
        assert_eq!((UnixMs(9).since(UnixMs(4)), UnixMs(4).since(UnixMs(9))), (5, 0));
    }
}
