//! How fast a snapshot is written where others want the processor too.
//!
//! ```text
//! alone                    chunk · chunk · chunk · chunk · …      behind each chunk whoever waits for the processor may have it
//! others took the CPU      chunk ── rest, twice as long ── chunk ── rest ── …
//! writers are held up      chunk chunk chunk chunk …     their drafts fill the queue: resting would make them wait
//! ```
//!
//! A scheduler gives each thread its share, and who has used up his waits some milliseconds for the others, however short what he
//! has to do: who wakes may wait until the other's time is up or the clock ticks, which is 4 ms. So the saver offers the processor
//! itself, several times in a millisecond. So that a worker never comes to that, the saver takes less than its share: when it had to wait for the processor
//! while it made a chunk, which the kernel tells, others want it too. A lower priority would be the wrong means: on a machine where
//! all processors are busy the saver would stand still for long with a shard's lock in its hands.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// The longest rest: shorter than what a client would call a stall.
const REST_MAX: Duration = Duration::from_millis(4);
/// Chunks behind which it rests once it knows that others want the processor.
const RESTS: u32 = 16;

/// How long this thread ran and how long it waited for a processor, in ns since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spent {
    ran_ns: u64,
    waited_ns: u64,
}

impl Spent {
    /// As the kernel tells: `<ran> <waited> <how often>`.
    fn read(text: &[u8]) -> Option<Spent> {
        let mut numbers = std::str::from_utf8(text).ok()?.split_ascii_whitespace().map(str::parse);
        Some(Spent { ran_ns: numbers.next()?.ok()?, waited_ns: numbers.next()?.ok()? })
    }
}

/// When to rest, and for how long.
#[derive(Default)]
struct Pace {
    last: Spent,
    rests: u32,
}

impl Pace {
    /// How long to rest behind a chunk, having spent so much until now.
    fn rest(&mut self, now: Spent) -> Duration {
        let last = std::mem::replace(&mut self.last, now);
        let ran_ns = now.ran_ns.saturating_sub(last.ran_ns);
        if now.waited_ns.saturating_sub(last.waited_ns) > ran_ns / 8 {
            self.rests = RESTS;
        }
        if self.rests == 0 {
            return Duration::ZERO;
        }
        self.rests -= 1;
        Duration::from_nanos(2 * ran_ns).min(REST_MAX)
    }
}

/// A writer that rests behind what it has written, unless there is a hurry. See the module's head.
pub(super) struct Paced<'s, W> {
    to: W,
    in_hurry: &'s Cell<bool>,
    /// `None` where the kernel does not tell.
    spent: Option<File>,
    pace: Pace,
}

impl<'s, W: Write> Paced<'s, W> {
    /// For this thread.
    pub(super) fn new(to: W, in_hurry: &'s Cell<bool>) -> Paced<'s, W> {
        Paced { to, in_hurry, spent: File::open("/proc/thread-self/schedstat").ok(), pace: Pace::default() }
    }

    fn spent(&self) -> Option<Spent> {
        let mut text = [0; 64];
        let len = self.spent.as_ref()?.read_at(&mut text, 0).ok()?;
        Spent::read(text.get(..len)?)
    }
}

impl<W: Write> Write for Paced<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        let rest = self.spent().map_or(Duration::ZERO, |spent| self.pace.rest(spent));
        match rest {
            _ if self.in_hurry.get() => {}
            Duration::ZERO => std::thread::yield_now(),
            rest => std::thread::sleep(rest),
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn spent(ran_ms: u64, waited_ms: u64) -> Spent {
        Spent { ran_ns: ran_ms * MS, waited_ns: waited_ms * MS }
    }

    #[test]
    fn alone_it_never_rests() {
        let mut pace = Pace::default();
        for chunk in 0..100 {
            assert_eq!(pace.rest(spent(chunk, 0)), Duration::ZERO);
        }
    }

    #[test]
    fn where_others_run_it_rests_for_a_while_in_proportion_to_its_work() {
        let mut pace = Pace { last: spent(10, 5), rests: 0 };
        for chunk in 1..=u64::from(RESTS) {
            assert_eq!(pace.rest(spent(10 + chunk, 7)), Duration::from_millis(2));
        }
        assert_eq!(pace.rest(spent(40, 7)), Duration::ZERO);
        assert_eq!(pace.rest(spent(50, 12)), REST_MAX);
    }

    #[test]
    fn what_the_kernel_tells_is_read() {
        assert_eq!(Spent::read(b"81234 577 12\n"), Some(Spent { ran_ns: 81_234, waited_ns: 577 }));
        assert_eq!(Spent::read(b"81234"), None);
        assert_eq!(Spent::read(b""), None);
        assert_eq!(Spent::read(b"x y z"), None);
    }
}
