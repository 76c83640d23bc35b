//! Rounds of a worker: connections that are ready together are all read, then all run, then all answered.
//!
//! ```text
//! sockets are ready ─▶ tasks: read, join ─▶ read, join ─▶ … ─▶ the round: run, run, … ─▶ answer, answer, …
//! ```
//!
//! A small request costs less than the calls of the kernel around it, and these drive its code and data out of the nearest caches.
//! One after the other, each request would fetch them again; so they run in a row, planned together and with the memory that they
//! need fetched ahead, as if they were one client's pipeline. Answers leave behind all of them, as in Redis, which answers before it
//! sleeps: what is written to a client wakes it, and a client of several connections would be woken by each in turn to find one
//! answer at a time. Nobody waits for others for longer than [`STRETCH_MAX_US`] and the request that runs then.
//!
//! Who is alone does not wait: where it has been of no use, a round begins as soon as somebody has joined ([`Patience`]).
//!
//! What is read lies in one buffer, piece behind piece, until it has run. The round is a task like others: it is woken by the first
//! that joins, so its turn comes behind those that were ready by then.
//!
//! Requests run on a second stack, because one of them may be a script, which is left in the middle when it runs long
//! ([`crate::dispatch::slices`]). Then the stack goes with it, and the others of the round run on another one.
//!
//! **Invariant:** whoever has received something is in the round, and the buffer is used again only when all of it has run.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use smallvec::SmallVec;

use super::connection::AHEAD;
use super::courtesy::Patience;
use super::task::Served;
use super::worker::{KnownConfig, Worker};
use crate::base::clock::Clock;
use crate::dispatch::slices::{Ground, Stack, Turn};
use crate::dispatch::{Executor, Plan};
use crate::keyspace::DbIndex;
use crate::resp::{Decoder, Limits};
use crate::session::bump;

/// What a round can read, and one read can bring.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Room that a read is to have: a record of TLS fits.
const ROOM_MIN_BYTES: usize = 20 * 1024;
/// How long requests may run before those that have run are answered.
const STRETCH_MAX_US: u64 = 100;

/// A round on a second stack; whether it has panicked.
pub type Running = Coroutine<Turn, (), bool, DefaultStack>;

/// See the module's head.
#[derive(Default)]
pub struct Round {
    joined: RefCell<Vec<Rc<Served>>>,
    caller: OnceCell<Waker>,
    buffer: RefCell<Rc<Vec<u8>>>,
    used: Cell<usize>,
    is_running: Cell<bool>,
    is_of_one: Cell<bool>,
    /// Whether to wait for others.
    patience: Patience,
    /// Memory for the next round.
    spare: Cell<Option<Rc<Row>>>,
    decoder: Cell<Option<Decoder>>,
}

impl Round {
    /// The connection is to be polled when others have been read.
    pub fn join(&self, served: Rc<Served>) {
        let mut joined = self.joined.borrow_mut();
        if joined.is_empty()
            && let Some(caller) = self.caller.get()
        {
            caller.wake_by_ref();
        }
        joined.push(served);
    }

    /// Whether somebody who has requests need not join: others have not come lately, nor now.
    #[inline]
    pub fn is_unneeded(&self) -> bool {
        !self.is_running.get() && self.joined.borrow().is_empty() && !self.patience.is_due()
    }

    /// Lets `read` write to the room of the shared buffer; `None` if there is too little.
    #[inline]
    pub fn with_room<T>(&self, read: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        let mut buffer = self.buffer.borrow_mut();
        let bytes = Rc::get_mut(&mut buffer)?;
        if bytes.is_empty() {
            *bytes = vec![0; READ_BUFFER_BYTES];
        }
        // Whoever is not in the round finds room when it has run, also beside members who always have more to read.
        let end = if self.is_running.get() { READ_BUFFER_BYTES / 2 } else { READ_BUFFER_BYTES };
        let room = bytes.get_mut(self.used.get()..end)?;
        (room.len() >= ROOM_MIN_BYTES).then(|| read(room))
    }

    /// Keeps so many bytes of what was read until the round has run; returns where they lie.
    #[inline]
    pub fn keep(&self, len: usize) -> Range<usize> {
        let start = self.used.get();
        self.used.set(start + len);
        start..start + len
    }

    /// Whether replies have nobody to wait for.
    #[inline]
    pub fn is_of_one(&self) -> bool {
        self.is_of_one.get()
    }

    /// What has been read.
    #[inline]
    pub fn received(&self) -> Rc<Vec<u8>> {
        Rc::clone(&self.buffer.borrow())
    }

    /// All that was read has run.
    fn use_again(&self) {
        self.used.set(0);
        let mut buffer = self.buffer.borrow_mut();
        if Rc::get_mut(&mut buffer).is_none() {
            // A script has it that is in the middle.
            *buffer = Rc::default();
        }
    }
}

/// Members of a round on their way, in the order in which they joined.
#[derive(Default)]
struct Row {
    members: Vec<Rc<Served>>,
    /// Whose turn it is.
    at: Cell<usize>,
    /// Those behind the one whose turn it is run elsewhere.
    is_left: Cell<bool>,
}

/// Members whose requests have been decoded together.
#[derive(Default)]
struct Seats {
    /// How many requests each has.
    requests: SmallVec<[usize; AHEAD]>,
    /// The last one's.
    database: DbIndex,
}

/// Serves the connections of a worker in rounds until it ends.
pub async fn serve(worker: Rc<Worker>) {
    poll_fn(|cx| {
        let round = &worker.round;
        round.caller.get_or_init(|| cx.waker().clone());
        let joined = round.joined.borrow().len();
        if joined > 0 {
            round.patience.learn(joined > 1);
        }
        run(&worker, cx);
        Poll::<()>::Pending
    })
    .await;
}

/// A round of one, at once.
pub fn run_alone(worker: &Rc<Worker>, served: Rc<Served>, cx: &mut Context<'_>) {
    worker.round.joined.borrow_mut().push(served);
    run(worker, cx);
}

/// Lets those who have joined run and answers them: because it is their turn, because there is no room to read more, or because there
/// is nobody to wait for.
pub fn run(worker: &Rc<Worker>, cx: &mut Context<'_>) {
    // Members are polled on their own account, not on that of the task that happens to do it.
    let all = pin!(tokio::task::unconstrained(poll_fn(|_| {
        run_all(worker);
        Poll::Ready(())
    })));
    let _ = all.poll(cx);
}

fn run_all(worker: &Rc<Worker>) {
    let round = &worker.round;
    round.is_running.set(true);
    let mut row = round.spare.take().unwrap_or_default();
    if let Some(row) = Rc::get_mut(&mut row) {
        std::mem::swap(&mut row.members, &mut *round.joined.borrow_mut());
    }
    round.is_of_one.set(row.members.len() == 1);
    let mut answered = 0;
    while row.at.get() < row.members.len() {
        let behind = run_on_stack(worker, &row);
        let at = row.at.get();
        let is_over = behind.as_ref().map_or(at == row.members.len(), |behind| behind.members.is_empty());
        // One that has read again already is in the next round.
        if is_over && round.joined.borrow().is_empty() {
            round.use_again();
        }
        for member in row.members.get(answered..at).unwrap_or_default() {
            if catch_unwind(AssertUnwindSafe(|| member.answer())).is_err() {
                member.leave();
            }
        }
        answered = at;
        if let Some(behind) = behind {
            (row, answered) = (behind, 0);
        }
    }
    if let Some(ended) = Rc::get_mut(&mut row) {
        ended.members.clear();
        ended.at.set(0);
        round.spare.set(Some(row));
    }
    round.is_running.set(false);
}

/// Lets members run until it is time to answer. When one leaves in the middle of a script, those behind it are another row.
fn run_on_stack(worker: &Rc<Worker>, row: &Rc<Row>) -> Option<Rc<Row>> {
    let has_panicked = match worker.take_stack() {
        Ok(stack) => {
            let own = (Rc::clone(worker), Rc::clone(row));
            let run = move |stack: &Stack, _| own.1.run(&own.0, Ground::Own(stack));
            let mut running = Coroutine::with_stack(stack, run);
            match running.resume(Turn::Go) {
                CoroutineResult::Return(has_panicked) => {
                    worker.give_stack(running.into_stack());
                    has_panicked
                }
                CoroutineResult::Yield(()) => return Some(row.part_with(running)),
            }
        }
        Err(error) => {
            tracing::error!("No stack for requests, so scripts can't be interrupted: {error}");
            row.run(worker, Ground::Fixed)
        }
    };
    // A panic ends the connection whose request it was, not those of the others.
    if has_panicked && let Some(member) = row.members.get(row.at.get()) {
        member.leave();
        row.at.set(row.at.get() + 1);
    }
    None
}

impl Row {
    /// Lets members run until all have run, it is time to answer, or others do it; whether one has panicked. What the executor
    /// held has gone then.
    fn run(&self, worker: &Rc<Worker>, ground: Ground<'_>) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.run_stretch(worker, ground))).is_err()
    }

    /// The member whose turn it is stays behind with its script; those behind it are another row.
    fn part_with(&self, running: Running) -> Rc<Row> {
        let at = self.at.get();
        self.is_left.set(true);
        if let Some(member) = self.members.get(at) {
            member.leave_with(running);
        }
        let behind = self.members.get(at + 1..).unwrap_or_default();
        Rc::new(Row { members: behind.to_vec(), ..Row::default() })
    }

    /// As [`Row::run`].
    fn run_stretch(&self, worker: &Rc<Worker>, ground: Ground<'_>) {
        let time = &worker.engine.time;
        let began_us = time.monotonic_us();
        while self.at.get() < self.members.len() {
            // Where replies wait for the disk, each client is to wait for what it has seen itself.
            let is_apart = worker.engine.journal.is_holding() || self.members.len() == 1;
            let goes_on = !is_apart && self.run_together(worker, ground);
            if !goes_on && let Some(member) = self.members.get(self.at.get()) {
                member.go_on(ground);
                self.at.set(self.at.get() + 1);
            }
            if self.is_left.get() || time.monotonic_us() - began_us > STRETCH_MAX_US {
                return;
            }
        }
    }

    /// Runs the requests of members as if they were one client's, as long as there is nothing else to see to; whether it may do so again
    /// with the member whose turn it is then.
    fn run_together(&self, worker: &Rc<Worker>, ground: Ground<'_>) -> bool {
        let config = worker.config();
        let limits = Limits { bulk_max_bytes: config.proto_max_bulk_len, unauthenticated: false };
        let buffer = worker.round.received();
        let mut decoder = worker.round.decoder.take().unwrap_or_default();
        let mut seats = self.take_seats(&mut decoder, &buffer, &limits);
        let first = self.at.get();
        let goes_on = !seats.requests.is_empty() && {
            let mut executor = Executor::new(&worker.engine, &config, worker.stats(), worker.seed());
            executor.stand_on(ground);
            let goes_on = loop {
                if let ControlFlow::Break(goes_on) =
                    self.run_seated(&mut executor, &seats, &decoder, &buffer, &config)
                {
                    break goes_on;
                }
                if executor.elapsed_us() > STRETCH_MAX_US {
                    break true;
                }
                seats = self.take_seats(&mut decoder, &buffer, &limits);
                if seats.requests.is_empty() {
                    break true;
                }
            };
            self.account(worker, &mut executor, first);
            goes_on
        };
        worker.round.decoder.set(Some(decoder));
        goes_on
    }

    /// Decodes the requests of the next members, those who have nothing but whole ones.
    fn take_seats(&self, decoder: &mut Decoder, buffer: &[u8], limits: &Limits) -> Seats {
        decoder.clear();
        let mut seats = Seats::default();
        while let Some(member) = self.members.get(self.at.get() + seats.requests.len())
            && decoder.len() < AHEAD
            && let Some((database, part)) = member.peek(|connection| connection.plain_requests()).flatten()
            && let Some(requests) = decoder.decode_whole(buffer, part, limits, AHEAD)
        {
            seats.database = database;
            seats.requests.push(requests);
        }
        seats
    }

    /// Runs what was decoded. It ends early when the executor can't go on, or with `false` when the member whose turn it is has
    /// more to see to.
    fn run_seated(
        &self,
        executor: &mut Executor<'_>,
        seats: &Seats,
        decoder: &Decoder,
        buffer: &[u8],
        config: &KnownConfig,
    ) -> ControlFlow<bool> {
        let mut plan = Plan::default();
        executor.plan(decoder.requests(buffer), &mut plan);
        if plan.len() > 1 {
            executor.prefetch(seats.database, &plan);
        }
        let mut planned = plan.iter();
        let mut before = 0;
        for &requests in &seats.requests {
            let Some(member) = self.members.get(self.at.get()) else { break };
            let own = planned.by_ref().take(requests);
            let end_of = |request| decoder.end(before + request);
            let ran_wholly =
                member.peek(|connection| connection.run_with_others(executor, config, buffer, own, end_of));
            if ran_wholly != Some(true) {
                return ControlFlow::Break(false);
            }
            self.at.set(self.at.get() + 1);
            if self.is_left.get() {
                return ControlFlow::Break(true);
            }
            member.has_run();
            if !executor.turn_to_next_client() {
                return ControlFlow::Break(true);
            }
            before += requests;
        }
        ControlFlow::Continue(())
    }

    /// What is to be said of the requests of all members from `first` on, up to the one whose turn it is.
    fn account(&self, worker: &Worker, executor: &mut Executor<'_>, first: usize) {
        if worker.engine.journal.is_holding() {
            // Since this row began.
            let depends = executor.depends();
            for member in self.members.iter().take(self.at.get() + 1).skip(first) {
                member.peek(|connection| connection.depend_on(depends));
            }
        }
        let counters = &worker.stats().counters;
        bump(&counters.batches, 1);
        bump(&counters.batch_us, executor.elapsed_us());
    }
}
