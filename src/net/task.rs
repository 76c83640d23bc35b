//! The task of a connection: polls it, on a stack of its own when it runs scripts.
//!
//! ```text
//! task ─▶ drive on the worker's stack: reads ─▶ round ─▶ drive: runs ── a script comes ──▶ the connection moves onto a second stack
//!                                                         ▲                                   │ drive there; in the middle of a
//!                                                         │                                   ▼ script: suspend
//!                                                         └── the connection comes back, the stack is free
//! ```
//!
//! A connection is polled by its task when its socket or somebody else calls, and by the [round](super::round) while it is a member of
//! one. In between it lies in what both share ([`Served`]); whoever polls it takes it out, so that one that panics goes away.
//!
//! A connection that has run a script runs what comes on a second stack from then on: moving there costs less than finding out
//! again. Between polls it has none; only one that is in the middle of a script keeps it, and is polled again when the others and the
//! sockets have had their turn.
//!
//! **Invariants:** The task of a member of a round does not poll it. A stack that was left in the middle is gone on with until its
//! end, also when the worker ends: it is never unwound from outside ([`crate::dispatch::slices`]). So a script runs on when its
//! client hangs up, as in Redis.

use std::cell::{Cell, OnceCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};

use super::connection::{Connection, End, Polled};
use super::round;
use super::worker::Worker;
use crate::dispatch::slices::{Ground, Stack, Turn};

/// A poll on a second stack; it gives the connection back.
type Running = Coroutine<Turn, (), (Box<Connection>, Result<Polled, End>), DefaultStack>;

#[derive(Default)]
enum State {
    Resting(Box<Connection>),
    Running(Running),
    #[default]
    Ended,
}

/// What a poll left behind.
enum Left {
    Rests,
    /// To be polled by the round, for the first time.
    Joins,
    /// To be polled by the round again.
    Stays,
    /// To be polled again when the round has run.
    NoRoom,
    Ended,
}

/// A connection between its task and the round.
pub struct Served {
    state: Cell<State>,
    /// It has run scripts.
    wants_stack: Cell<bool>,
    is_in_round: Cell<bool>,
    /// In a round: its task is to end too.
    has_ended: Cell<bool>,
    /// The task's; it has one as long as it lives.
    waker: OnceCell<Waker>,
    worker: Rc<Worker>,
}

impl Served {
    /// Its turn to run, in a round.
    pub fn go_on(self: &Rc<Self>) {
        match self.poll_in_round() {
            Left::Stays => {}
            left => {
                self.is_in_round.set(false);
                self.see_to(left);
            }
        }
    }

    /// Its turn to answer, if it is still in the round.
    pub fn answer(self: &Rc<Self>) {
        if self.is_in_round.replace(false) {
            let left = self.poll_in_round();
            self.see_to(left);
        }
    }

    /// Lets `look` at the connection between two polls, unless it runs scripts.
    pub fn peek<T>(&self, look: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        if self.wants_stack.get() {
            return None;
        }
        match self.state.take() {
            State::Resting(mut connection) => {
                let seen = look(&mut connection);
                self.state.set(State::Resting(connection));
                Some(seen)
            }
            other => {
                self.state.set(other);
                None
            }
        }
    }

    /// It has panicked in a round, which has ended it.
    pub fn leave(self: &Rc<Self>) {
        self.is_in_round.set(false);
        self.see_to(Left::Ended);
    }

    fn poll_in_round(&self) -> Left {
        let Some(waker) = self.waker.get() else { return Left::Rests };
        // A panic has ended this connection, not those of the others.
        let polled = catch_unwind(AssertUnwindSafe(|| self.poll(&mut Context::from_waker(waker))));
        polled.unwrap_or(Left::Ended)
    }

    fn see_to(self: &Rc<Self>, left: Left) {
        match left {
            Left::Rests => {}
            Left::Joins | Left::Stays => {
                self.is_in_round.set(true);
                self.worker.round.join(Rc::clone(self));
            }
            Left::NoRoom => {
                if let Some(waker) = self.waker.get() {
                    waker.wake_by_ref();
                }
            }
            Left::Ended => {
                self.has_ended.set(true);
                if let Some(waker) = self.waker.get() {
                    waker.wake_by_ref();
                }
            }
        }
    }

    /// Polls the connection.
    fn poll(&self, cx: &mut Context<'_>) -> Left {
        let Some((connection, polled)) = self.drive(cx) else {
            // Sockets and timers are looked at before this task's turn comes again.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
            return Left::Rests;
        };
        match polled {
            Ok(polled) => {
                self.state.set(State::Resting(connection));
                match polled {
                    Polled::Rests | Polled::WantsStack => Left::Rests,
                    Polled::HasRequests => Left::Joins,
                    Polled::HasReplies => Left::Stays,
                    Polled::NoRoom => Left::NoRoom,
                }
            }
            Err(end) => {
                connection.report(end);
                Left::Ended
            }
        }
    }

    /// Polls the connection; what it came to when that is over.
    fn drive(&self, cx: &mut Context<'_>) -> Option<(Box<Connection>, Result<Polled, End>)> {
        let running = match self.state.take() {
            State::Resting(mut connection) => {
                if !self.wants_stack.get() || !connection.has_requests() {
                    let polled = connection.drive(cx, Ground::Wanted);
                    if polled != Ok(Polled::WantsStack) {
                        return Some((connection, polled));
                    }
                    self.wants_stack.set(true);
                }
                match self.worker.take_stack() {
                    Ok(stack) => Coroutine::with_stack(stack, move |stack: &Stack, turn| {
                        on_stack(connection, stack, turn)
                    }),
                    Err(error) => {
                        tracing::error!(
                            "No stack for a script, which therefore can't be interrupted: {error}"
                        );
                        let polled = connection.drive(cx, Ground::Fixed);
                        return Some((connection, polled));
                    }
                }
            }
            State::Running(running) => running,
            State::Ended => return None,
        };
        self.resume(running, Turn::Go(cx.waker().clone()))
    }

    fn resume(&self, mut running: Running, turn: Turn) -> Option<(Box<Connection>, Result<Polled, End>)> {
        match running.resume(turn) {
            CoroutineResult::Yield(()) => {
                self.state.set(State::Running(running));
                None
            }
            CoroutineResult::Return(done) => {
                self.worker.give_stack(running.into_stack());
                Some(done)
            }
        }
    }
}

/// What runs on a second stack.
fn on_stack(
    mut connection: Box<Connection>,
    stack: &Stack,
    turn: Turn,
) -> (Box<Connection>, Result<Polled, End>) {
    let Turn::Go(waker) = turn else { return (connection, Ok(Polled::Rests)) };
    // A task has one waker as long as it lives.
    let polled = connection.drive(&mut Context::from_waker(&waker), Ground::Own(stack));
    (connection, polled)
}

/// See the module's head.
pub struct Task(Rc<Served>);

impl Task {
    pub fn new(connection: Connection) -> Task {
        let worker = Rc::clone(&connection.worker);
        Task(Rc::new(Served {
            state: Cell::new(State::Resting(Box::new(connection))),
            wants_stack: Cell::default(),
            is_in_round: Cell::default(),
            has_ended: Cell::default(),
            waker: OnceCell::new(),
            worker,
        }))
    }
}

impl Future for Task {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let served = &self.get_mut().0;
        served.waker.get_or_init(|| cx.waker().clone());
        if served.is_in_round.get() {
            return Poll::Pending;
        }
        if served.has_ended.get() {
            return Poll::Ready(());
        }
        let mut left = served.poll(cx);
        if matches!(left, Left::NoRoom) {
            round::run(&served.worker, cx);
            left = served.poll(cx);
        }
        match left {
            Left::Ended => Poll::Ready(()),
            left => {
                served.see_to(left);
                Poll::Pending
            }
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        while let State::Running(running) = self.0.state.take() {
            self.0.resume(running, Turn::End);
        }
    }
}
