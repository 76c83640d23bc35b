//! When and how often a key was used: the 27-bit clock in every entry.
//!
//! Under an LRU policy it is the unix time in eighths of a second, modulo 194 days: clients see Redis's clock, whole seconds modulo
//! 2^24, and eviction has an order where Redis has none, among keys used in the same second. Under an LFU policy it is Redis's
//! pair: 16 bits of minutes since the last decrement and 8 bits of a logarithmic counter, which grows with
//! probability `1 / (counter_above_5 * lfu_log_factor + 1)` and loses one per `lfu_decay_time` minutes.
//! OBJECT IDLETIME and OBJECT FREQ read it, eviction chooses by it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::base::clock::UnixMs;
use crate::base::rng::Rng;

/// Bits of a clock, and of its part below the second.
const CLOCK_BITS: u32 = 27;
const FRACTION_BITS: u32 = 3;
const CLOCK_MASK: u32 = (1 << CLOCK_BITS) - 1;
const SECONDS_MASK: u32 = CLOCK_MASK >> FRACTION_BITS;
/// Milliseconds in an eighth of a second.
const TICK_MS: u64 = 1000 >> FRACTION_BITS;
const MINUTES_MASK: u32 = 0xffff;
/// Counter of a new key, so that it is not evicted before it could be used.
const LFU_INIT: u32 = 5;

/// The policy, shared by all workers and changed by CONFIG SET.
#[derive(Default)]
pub(super) struct SharedAccess {
    lfu: AtomicBool,
    log_factor: AtomicU32,
    decay_minutes: AtomicU32,
}

/// How access times are kept right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessClock {
    /// `maxmemory-policy` is one of the LFU family.
    pub lfu: bool,
    /// `lfu-log-factor`.
    pub log_factor: u32,
    /// `lfu-decay-time`, minutes; 0 = never.
    pub decay_minutes: u32,
}

impl SharedAccess {
    pub(super) fn store(&self, clock: AccessClock) {
        self.lfu.store(clock.lfu, Ordering::Relaxed);
        self.log_factor.store(clock.log_factor, Ordering::Relaxed);
        self.decay_minutes.store(clock.decay_minutes, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn load(&self) -> AccessClock {
        AccessClock {
            lfu: self.lfu.load(Ordering::Relaxed),
            log_factor: self.log_factor.load(Ordering::Relaxed),
            decay_minutes: self.decay_minutes.load(Ordering::Relaxed),
        }
    }
}

impl AccessClock {
    /// The clock of a new entry.
    #[inline]
    pub fn initial(&self, now: UnixMs) -> u32 {
        if self.lfu { minutes(now) << 8 | LFU_INIT } else { lru_clock(now) }
    }

    /// The clock of an entry that was last used so many seconds ago; that of a new one under an LFU policy.
    pub fn idle_for(&self, seconds: u64, now: UnixMs) -> u32 {
        if self.lfu {
            return self.initial(now);
        }
        // Idle for longer than the clock can tell is as idle as it can tell.
        let seconds = seconds.min(u64::from(SECONDS_MASK)) as u32;
        lru_clock(now).wrapping_sub(seconds << FRACTION_BITS) & CLOCK_MASK
    }

    /// The clock of an entry with that logarithmic counter; that of a new one under an LRU policy.
    pub fn counted(&self, counter: u8, now: UnixMs) -> u32 {
        if self.lfu { minutes(now) << 8 | u32::from(counter) } else { self.initial(now) }
    }

    /// The clock of an entry that is used now, under an LFU policy. Under the others it is [`lru_clock`].
    pub fn counted_up(&self, clock: u32, now: UnixMs, rng: &mut Rng) -> u32 {
        let counter = self.grown(self.frequency(clock, now), rng);
        minutes(now) << 8 | counter
    }

    /// OBJECT FREQ: the counter, decayed to now.
    pub fn frequency(&self, clock: u32, now: UnixMs) -> u32 {
        let counter = clock & 0xff;
        if self.decay_minutes == 0 {
            return counter;
        }
        let elapsed = minutes(now).wrapping_sub(clock >> 8) & MINUTES_MASK;
        counter.saturating_sub(elapsed / self.decay_minutes)
    }

    /// A clock as Redis has it, in 24 bits.
    pub fn shown(&self, clock: u32) -> u32 {
        if self.lfu { clock } else { clock >> FRACTION_BITS }
    }

    fn grown(&self, counter: u32, rng: &mut Rng) -> u32 {
        if counter >= 255 {
            return 255;
        }
        let above = u64::from(counter.saturating_sub(LFU_INIT));
        let one_in = above * u64::from(self.log_factor) + 1;
        counter + u32::from(rng.below(one_in) == 0)
    }
}

/// OBJECT IDLETIME in seconds, of an LRU clock.
pub fn idle_seconds(clock: u32, now: UnixMs) -> u64 {
    u64::from(lru_seconds(now).wrapping_sub(clock >> FRACTION_BITS) & SECONDS_MASK)
}

/// How long an entry was not used, by its LRU clock, in eighths of a second.
pub fn idle_ticks(clock: u32, now: UnixMs) -> u32 {
    lru_clock(now).wrapping_sub(clock) & CLOCK_MASK
}

/// Minutes since the last use, of an LFU clock; modulo 2^16.
pub fn idle_minutes(clock: u32, now: UnixMs) -> u32 {
    minutes(now).wrapping_sub(clock >> 8) & MINUTES_MASK
}

/// The LRU clock now.
#[inline]
pub fn lru_clock(now: UnixMs) -> u32 {
    (now.0 / TICK_MS) as u32 & CLOCK_MASK
}

/// The LRU clock now as Redis has it: seconds modulo 2^24.
pub fn lru_seconds(now: UnixMs) -> u32 {
    lru_clock(now) >> FRACTION_BITS
}

fn minutes(now: UnixMs) -> u32 {
    (now.0 / 60_000) as u32 & MINUTES_MASK
}
