//! The task of a connection: polls it when its socket or somebody else calls.
//!
//! ```text
//! socket, mail, timer ─▶ task: reads, answers, waits ── requests came ──▶ round: runs them, answers
//!                          ▲                                               │ in the middle of a script
//!                          └─ goes on with the script, slice by slice ◀────┘
//! ```
//!
//! The task runs no requests: that is what the [round](super::round) of the worker is for, and while a connection is a member of one
//! its task leaves it alone. In between it lies in what both share ([`Served`]); whoever polls it takes it out, so that one that
//! panics goes away.
//!
//! A script that runs long leaves its round, with the stack that the round ran on. It is gone on with when the others and the sockets
//! have had their turn.
//!
//! **Invariant:** a stack that was left in the middle is gone on with until its end, also when the worker ends: it is never
//! unwound from outside ([`crate::dispatch::slices`]). So a script runs on when its client hangs up, as in Redis.

use std::cell::{Cell, OnceCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use corosensei::CoroutineResult;

use super::connection::{Connection, Polled};
use super::round::{self, Running};
use super::worker::Worker;
use crate::dispatch::slices::{Ground, Turn};

/// Where a connection is with the requests that it has.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    /// In the next round, or in this one before its turn.
    Joined,
    /// In this round, behind its turn to run.
    HasRun,
}

/// A connection between its task and the round.
pub struct Served {
    /// Between two polls.
    resting: Cell<Option<Box<Connection>>>,
    /// Its script is in the middle, and has the connection on its stack.
    script: Cell<Option<Box<Running>>>,
    place: Cell<Place>,
    /// The connection is closed; its task is to end too.
    has_ended: Cell<bool>,
    /// The task's; it has one as long as it lives.
    waker: OnceCell<Waker>,
    worker: Rc<Worker>,
}

impl Served {
    /// Its turn to run, in a round on `ground`.
    pub fn go_on(self: &Rc<Self>, ground: Ground<'_>) {
        self.place.set(Place::HasRun);
        let left = self.poll(Some(ground));
        if left != Some(Polled::HasReplies) {
            self.place.set(Place::Outside);
            self.see_to(left);
        }
    }

    /// Its turn to run, in a round, has come and gone.
    pub fn has_run(&self) {
        self.place.set(Place::HasRun);
    }

    /// Its turn to answer, if it has not left the round.
    pub fn answer(self: &Rc<Self>) {
        if self.place.get() == Place::HasRun {
            self.place.set(Place::Outside);
            self.see_to(self.poll(None));
        }
    }

    /// Its script leaves the round in the middle.
    pub fn leave_with(&self, running: Running) {
        self.script.set(Some(Box::new(running)));
        self.place.set(Place::Outside);
        self.wait_for_next_slice();
    }

    /// It has panicked in a round, which has ended it.
    pub fn leave(self: &Rc<Self>) {
        self.place.set(Place::Outside);
        self.see_to(None);
    }

    /// Lets `look` at the connection between two polls.
    pub fn peek<T>(&self, look: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        let mut connection = self.resting.take()?;
        let seen = look(&mut connection);
        self.resting.set(Some(connection));
        Some(seen)
    }

    /// Polls the connection; without `ground` no requests run. `None` when it has ended.
    fn poll(&self, ground: Option<Ground<'_>>) -> Option<Polled> {
        let waker = self.waker.get()?;
        let mut connection = self.resting.take()?;
        match connection.drive(&mut Context::from_waker(waker), ground) {
            Ok(polled) => {
                self.resting.set(Some(connection));
                Some(polled)
            }
            Err(end) => {
                connection.report(end);
                None
            }
        }
    }

    fn see_to(self: &Rc<Self>, left: Option<Polled>) {
        match left {
            Some(Polled::Rests) => {}
            Some(Polled::HasRequests | Polled::HasReplies) => self.worker.round.join(self.to_join()),
            Some(Polled::NoRoom) => self.wake(),
            None => {
                self.has_ended.set(true);
                self.wake();
            }
        }
    }

    /// This, as a member of a round.
    fn to_join(self: &Rc<Self>) -> Rc<Self> {
        self.place.set(Place::Joined);
        Rc::clone(self)
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// Sockets and timers are looked at before this task's turn comes again.
    fn wait_for_next_slice(&self) {
        if let Some(waker) = self.waker.get() {
            let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(waker));
        }
    }

    /// Goes on with a script that is in the middle; whether it still is.
    fn go_on_with_script(&self) -> bool {
        let Some(mut running) = self.script.take() else { return false };
        match running.resume(Turn::Go) {
            CoroutineResult::Yield(()) => {
                self.script.set(Some(running));
                self.wait_for_next_slice();
                true
            }
            CoroutineResult::Return(has_panicked) => {
                self.worker.give_stack(running.into_stack());
                if has_panicked {
                    self.has_ended.set(true);
                }
                false
            }
        }
    }
}

/// See the module's head.
pub struct Task(Rc<Served>);

impl Task {
    pub fn new(connection: Connection) -> Task {
        let worker = Rc::clone(&connection.worker);
        Task(Rc::new(Served {
            resting: Cell::new(Some(Box::new(connection))),
            script: Cell::default(),
            place: Cell::default(),
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
        if served.go_on_with_script() || served.place.get() != Place::Outside {
            return Poll::Pending;
        }
        if served.has_ended.get() {
            return Poll::Ready(());
        }
        let mut left = served.poll(None);
        if left == Some(Polled::NoRoom) {
            round::run(&served.worker, cx);
            left = served.poll(None);
        }
        if left.is_none() {
            return Poll::Ready(());
        }
        if left == Some(Polled::HasRequests) && served.worker.round.is_unneeded() {
            round::run_alone(&served.worker, served.to_join(), cx);
        } else {
            served.see_to(left);
        }
        Poll::Pending
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        while let Some(mut running) = self.0.script.take() {
            match running.resume(Turn::End) {
                CoroutineResult::Yield(()) => self.0.script.set(Some(running)),
                CoroutineResult::Return(_) => self.0.worker.give_stack(running.into_stack()),
            }
        }
    }
}
