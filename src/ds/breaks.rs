//! Breaks in long work that nobody waits for.
//!
//! A scheduler lets a busy thread keep its CPU for some milliseconds before one that was just woken gets it. Freeing five
//! million allocations is busy for half a second; on a CPU that the thread shares with a worker, clients would feel
//! that. So who works on and on sleeps a little whenever it has been busy for [`BUSY_NS`]:
//!
//! - a loop has a [`Pace`] and asks it after each piece;
//! - a thread that only frees says so once ([`take_breaks`]), and what it frees in pieces (a table goes segment by segment,
//!   a tree node by node) calls [`between_pieces`], which does nothing on all other threads.
//!
//! Nobody may hold a lock across a break.

use crate::base::clock::{Clock, SystemClock};
use std::cell::Cell;
use std::time::Duration;

/// How long others wait at most for a CPU that somebody with a pace is on, apart from its last piece.
const BUSY_NS: u64 = 200_000;
const BREAK: Duration = Duration::from_micros(50);

/// When a break is due.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// When the last break ended, by the monotonic clock.
    since_ns: u64,
}

impl Pace {
    /// The pace of work that begins now.
    pub fn begin() -> Pace {
        Pace { since_ns: SystemClock.monotonic_ns() }
    }

    /// A place for a break, if it is time for one.
    pub fn step(&mut self) {
        if SystemClock.monotonic_ns().saturating_sub(self.since_ns) >= BUSY_NS {
            std::thread::sleep(BREAK);
            *self = Pace::begin();
        }
    }
}

thread_local! {
    /// `None` for a thread that takes no breaks.
    static PACE: Cell<Option<Pace>> = const { Cell::new(None) };
}

/// From now on this thread takes breaks.
pub fn take_breaks() {
    PACE.set(Some(Pace::begin()));
}

/// A place for a break, if this thread takes any and it is time for one.
#[inline]
pub fn between_pieces() {
    // Values may be dropped while a thread ends, when its variables are gone.
    if let Ok(Some(mut pace)) = PACE.try_with(Cell::get) {
        pace.step();
        PACE.set(Some(pace));
    }
}
