//! The task of a connection: polls it, on a stack of its own when it runs scripts.
//!
//! ```text
//! poll ─▶ Connection::drive on the worker's stack ── a script comes ──▶ the connection moves onto a second stack
//!            ▲                                                             │ drive there; in the middle of a script: suspend
//!            └────────────── the connection comes back, the stack is free ─┘
//! ```
//!
//! A connection that has run a script begins on a second stack from then on: moving there costs less than finding out again. Between
//! polls it has none; only one that is in the middle of a script keeps it, and is polled again when the others and the sockets have
//! had their turn.
//!
//! **Invariant:** a stack that was left in the middle is gone on with until its end, also when the worker ends: it is never
//! unwound from outside ([`crate::dispatch::slices`]). So a script runs on when its client hangs up, as in Redis.

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};

use super::connection::{Connection, End, Polled};
use super::worker::Worker;
use crate::dispatch::slices::{Ground, Stack, Turn};

/// A poll on a second stack; it gives the connection back.
type Running = Coroutine<Turn, (), (Box<Connection>, Result<Polled, End>), DefaultStack>;

enum State {
    Resting(Box<Connection>),
    Running(Rc<Worker>, Running),
    Ended,
}

/// See the module's head.
pub struct Task {
    state: State,
    /// It has run scripts.
    wants_stack: bool,
}

impl Task {
    pub fn new(connection: Connection) -> Task {
        Task { state: State::Resting(Box::new(connection)), wants_stack: false }
    }

    /// Polls the connection; what it came to when that is over.
    fn drive(&mut self, cx: &mut Context<'_>) -> Option<(Box<Connection>, Result<Polled, End>)> {
        let (worker, running) = match std::mem::replace(&mut self.state, State::Ended) {
            State::Resting(mut connection) => {
                if !self.wants_stack {
                    let polled = connection.drive(cx, Ground::Wanted);
                    if polled != Ok(Polled::WantsStack) {
                        return Some((connection, polled));
                    }
                    self.wants_stack = true;
                }
                let worker = Rc::clone(&connection.worker);
                match worker.take_stack() {
                    Ok(stack) => {
                        let run = move |stack: &Stack, turn| on_stack(connection, stack, turn);
                        (worker, Coroutine::with_stack(stack, run))
                    }
                    Err(error) => {
                        tracing::error!(
                            "No stack for a script, which therefore can't be interrupted: {error}"
                        );
                        let polled = connection.drive(cx, Ground::Fixed);
                        return Some((connection, polled));
                    }
                }
            }
            State::Running(worker, running) => (worker, running),
            State::Ended => return None,
        };
        self.resume(worker, running, Turn::Go(cx.waker().clone()))
    }

    fn resume(
        &mut self,
        worker: Rc<Worker>,
        mut running: Running,
        turn: Turn,
    ) -> Option<(Box<Connection>, Result<Polled, End>)> {
        match running.resume(turn) {
            CoroutineResult::Yield(()) => {
                self.state = State::Running(worker, running);
                None
            }
            CoroutineResult::Return(done) => {
                worker.give_stack(running.into_stack());
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

impl Future for Task {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let task = self.get_mut();
        let Some((connection, polled)) = task.drive(cx) else {
            // Sockets and timers are looked at before this task's turn comes again.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
            return Poll::Pending;
        };
        match polled {
            Ok(_) => {
                task.state = State::Resting(connection);
                Poll::Pending
            }
            Err(end) => {
                connection.report(end);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        while let State::Running(worker, running) = std::mem::replace(&mut self.state, State::Ended) {
            self.resume(worker, running, Turn::End);
        }
    }
}
