//! Scripts that run long: they run in slices, on a stack of their own, so that their thread serves others in between.
//!
//! ```text
//! round ─▶ second stack ─▶ executor ─▶ Lua ── hook, a slice is over ─▶ suspend ─▶ the worker's loop: others, sockets
//!                                      ◀───────────── resume ───────────────────┘
//! ```
//!
//! Requests of connections run on a second stack ([`Stack`], of the crate `corosensei`). Everything that a script needs lies on that
//! stack or belongs to the connection: executor, view, locks, Lua's own C frames. So it can be left in the middle and gone on with
//! later, without a thread, a channel or a copy; a switch takes some 10 ns. Where there is no second stack (tests, benchmarks) a
//! script runs to its end in one go.
//!
//! After [`SLICE_NS`] the hook of the interpreter calls [`Executor::breathe`]: at the next of its instructions that it counts, or
//! right behind the command that took so long. Locks stay held over a slice's end; that is what makes
//! scripts atomic. From the first slice on the locks are marked as held for long, so that nobody blocks a thread for them
//! (`crate::keyspace::lock`), and after `busy-reply-threshold` who needs them hears BUSY instead of waiting. Where there is one
//! shard everything but ALLOW_BUSY commands hears it, as in Redis; with several shards only who needs a shard that
//! the script holds, and who wants to run a script that writes.
//!
//! Nobody unwinds a script from outside: its stack has frames of C. A server that ends lets it go on with the order to stop
//! ([`Turn::End`]); what it has done is then not journalled, because half of a script is no state that there ever was.
//!
//! **Invariant:** at most one script per thread is between its beginning and its end ([`is_occupied`]): interpreters find what a
//! script may do in a scoped thread-local, and come and go in order. The interpreter checks it again (`crate::script::api`).

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use super::error::CmdError;
use super::exec::Executor;
use crate::base::clock::Clock;

/// How long a script runs before others get their turn: what clients of other shards wait at most.
pub const SLICE_NS: u64 = 1_000_000;

/// What a script hears when it goes on.
pub enum Turn {
    /// Others had their turn.
    Go,
    /// The server ends: stop.
    End,
}

/// The way from a script's stack back to the worker's.
pub type Stack = corosensei::Yielder<Turn, ()>;

/// What an executor stands on.
#[derive(Clone, Copy, Default)]
pub enum Ground<'k> {
    /// A stack that can't be left: scripts run to their end at once.
    #[default]
    Fixed,
    /// A stack that can be left.
    Own(&'k Stack),
}

thread_local! {
    /// A script of this thread waits for its next slice.
    static IS_OCCUPIED: Cell<bool> = const { Cell::new(false) };
    /// Who wants to run one meanwhile.
    static WAITING: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// Whether a script of this thread waits for its next slice, so that no other can run.
#[inline]
pub fn is_occupied() -> bool {
    IS_OCCUPIED.get()
}

/// Asks for `waker` to be woken when that is over.
pub fn park(waker: &Waker) {
    WAITING.with_borrow_mut(|waiting| waiting.push(waker.clone()));
}

fn rouse() {
    WAITING.take().into_iter().for_each(Waker::wake);
}

/// The scripts of a server that run for longer than a slice.
#[derive(Default)]
pub struct LongScripts {
    sliced: AtomicUsize,
    /// Those beyond `busy-reply-threshold`.
    scripts: AtomicUsize,
    functions: AtomicUsize,
}

const SCRIPT: CmdError =
    CmdError::text("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.");
const FUNCTION: CmdError = CmdError::text(
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
);

impl LongScripts {
    /// Whether one runs for longer than a slice.
    #[inline]
    pub fn any(&self) -> bool {
        self.sliced.load(Ordering::Relaxed) > 0
    }

    /// What clients hear while one runs for longer than `busy-reply-threshold`.
    pub fn objection(&self) -> Option<CmdError> {
        if self.scripts.load(Ordering::Relaxed) > 0 {
            return Some(SCRIPT);
        }
        (self.functions.load(Ordering::Relaxed) > 0).then_some(FUNCTION)
    }

    fn over(&self, is_function: bool) -> &AtomicUsize {
        if is_function { &self.functions } else { &self.scripts }
    }
}

/// What a script that is under way has been counted as; counted no more when it is dropped.
pub struct Pace<'k> {
    long: &'k LongScripts,
    /// Monotonic times at which the script and its present slice began, in ns.
    began_ns: u64,
    slice_ns: u64,
    is_sliced: bool,
    /// It is beyond the threshold; a function or not.
    over: Option<bool>,
    /// It was told to stop.
    is_ended: bool,
}

impl<'k> Pace<'k> {
    pub(super) fn new(long: &'k LongScripts, now_ns: u64) -> Pace<'k> {
        Pace { long, began_ns: now_ns, slice_ns: now_ns, is_sliced: false, over: None, is_ended: false }
    }

    /// Monotonic.
    pub(super) fn began_ns(&self) -> u64 {
        self.began_ns
    }

    /// Whether its slice is over.
    #[inline]
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.slice_ns) >= SLICE_NS
    }

    /// Whether it was told to stop.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }
}

impl Drop for Pace<'_> {
    fn drop(&mut self) {
        if self.is_sliced {
            self.long.sliced.fetch_sub(1, Ordering::Relaxed);
            rouse();
        }
        if let Some(is_function) = self.over {
            self.long.over(is_function).fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Executor<'_> {
    /// Lets others have the thread, if the script's slice is over. Whether the script is to go on.
    pub(super) fn breathe(&mut self, pace: &mut Pace<'_>, is_function: bool) -> bool {
        let now_ns = self.engine.time.monotonic_ns();
        if pace.is_ended {
            return false;
        }
        if !pace.is_due(now_ns) {
            return true;
        }
        let threshold_ms = self.config().busy_reply_threshold;
        let is_over = threshold_ms > 0 && now_ns.saturating_sub(pace.began_ns) / 1_000_000 >= threshold_ms;
        if is_over && pace.over.is_none() && matches!(self.ground, Ground::Own(_)) {
            pace.over = Some(is_function);
            pace.long.over(is_function).fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                "Slow script detected: still in execution after {threshold_ms} milliseconds. You can try killing the \
                 script using the {} KILL command.",
                if is_function { "FUNCTION" } else { "SCRIPT" }
            );
        }
        self.rest(pace);
        !pace.is_ended
    }

    /// Ends the slice: lets others have the thread, where that is possible.
    pub(super) fn rest(&mut self, pace: &mut Pace<'_>) {
        let Ground::Own(stack) = self.ground else {
            std::thread::yield_now();
            pace.slice_ns = self.engine.time.monotonic_ns();
            return;
        };
        if !std::mem::replace(&mut pace.is_sliced, true) {
            pace.long.sliced.fetch_add(1, Ordering::Relaxed);
        }
        self.view.hold_long();
        if pace.over.is_some() {
            // Who waits since before now is to hear of it; at every slice, because somebody may just be lying down.
            self.view.rouse();
            rouse();
        }
        IS_OCCUPIED.set(true);
        pace.is_ended |= matches!(stack.suspend(()), Turn::End);
        IS_OCCUPIED.set(false);
        pace.slice_ns = self.engine.time.monotonic_ns();
    }
}
