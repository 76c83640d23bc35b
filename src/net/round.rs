//! Rounds of a worker: connections that are ready together are all read, then all run, then all answered.
//!
//! ```text
//! sockets are ready ─▶ tasks: read, join ─▶ read, join ─▶ … ─▶ the round: run, run, … ─▶ answer, answer, …
//! ```
//!
//! A small request costs less than the calls of the kernel around it, and these drive its code and data out of the nearest caches.
//! One after the other, each request would fetch them again; so they run in a row. Answers leave behind all of them, as in Redis,
//! which answers before it sleeps: what is written to a client wakes it, and a client of several connections would be woken by
//! each in turn to find one answer at a time.
//!
//! What is read lies in one buffer, piece behind piece, until it has run. The round is a task like others: it is woken by the first
//! that joins, so its turn comes behind those that were ready by then.
//!
//! **Invariant:** whoever has received something is in the round, and the buffer is reset only when all of it has run.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::ops::{Deref, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use smallvec::SmallVec;

use super::connection::{AHEAD, Ran};
use super::task::Served;
use super::worker::Worker;
use crate::base::clock::Clock;
use crate::dispatch::slices::Ground;
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

/// See the module's head.
#[derive(Default)]
pub struct Round {
    joined: RefCell<Vec<Rc<Served>>>,
    /// Room for the members of the round that runs.
    members: Cell<Vec<Rc<Served>>>,
    caller: OnceCell<Waker>,
    buffer: Cell<Option<Vec<u8>>>,
    used: Cell<usize>,
    decoder: RefCell<Decoder>,
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

    /// The shared buffer.
    #[inline]
    pub fn buffer(&self) -> ReadBuffer<'_> {
        let bytes = self.buffer.take().unwrap_or_else(|| vec![0; READ_BUFFER_BYTES]);
        ReadBuffer { round: self, bytes }
    }
}

/// Serves the connections of a worker in rounds until it ends.
pub async fn serve(worker: Rc<Worker>) {
    poll_fn(|cx| {
        worker.round.caller.get_or_init(|| cx.waker().clone());
        run(&worker, cx);
        Poll::<()>::Pending
    })
    .await;
}

/// Lets those who have joined run and answers them: because it is their turn, or because there is no room to read more.
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
    let mut members = round.members.take();
    std::mem::swap(&mut members, &mut *round.joined.borrow_mut());
    let (at, mut answered) = (Cell::new(0), 0);
    while at.get() < members.len() {
        // A panic ends the connection whose request it was, not those of the others. What the executor holds goes with it.
        if catch_unwind(AssertUnwindSafe(|| run_stretch(worker, &members, &at))).is_err() {
            if let Some(member) = members.get(at.get()) {
                member.leave();
            }
            at.set(at.get() + 1);
        }
        // One that has read again already is in the next round.
        if at.get() == members.len() && round.joined.borrow().is_empty() {
            round.used.set(0);
        }
        for member in members.get(answered..at.get()).unwrap_or_default() {
            member.answer();
        }
        answered = at.get();
    }
    members.clear();
    round.members.set(members);
}

/// Lets members run from number `at` on, which it keeps where it stands, until all have run or it is time to answer.
fn run_stretch(worker: &Rc<Worker>, members: &[Rc<Served>], at: &Cell<usize>) {
    let time = &worker.engine.time;
    let began_us = time.monotonic_us();
    while let Some(member) = members.get(at.get()) {
        // Where replies wait for the disk, each client is to wait for what it has seen itself.
        if worker.engine.journal.is_holding() || !run_row(worker, members, at) {
            member.go_on();
            at.set(at.get() + 1);
        }
        if time.monotonic_us() - began_us > STRETCH_MAX_US {
            return;
        }
    }
}

/// Runs members in a row as long as there is nothing but requests to see to; whether the next one can begin another row.
fn run_row(worker: &Rc<Worker>, members: &[Rc<Served>], at: &Cell<usize>) -> bool {
    let config = worker.config();
    let buffer = worker.received();
    let mut decoder = worker.round.decoder.borrow_mut();
    let limits = Limits { bulk_max_bytes: config.proto_max_bulk_len, unauthenticated: false };
    let first = at.get();
    let mut executor = None;
    let goes_on = 'all: loop {
        decoder.clear();
        let mut seats: SmallVec<[usize; AHEAD]> = SmallVec::new();
        let mut database = DbIndex::default();
        while let Some(member) = members.get(at.get() + seats.len())
            && decoder.len() < AHEAD
            && let Some((db, part)) = member.peek(|connection| connection.plain_requests()).flatten()
            && let Some(requests) = decoder.decode_whole(&buffer, part, &limits, AHEAD)
        {
            database = db;
            seats.push(requests);
        }
        if seats.is_empty() {
            break executor.is_some();
        }
        let executor = executor.get_or_insert_with(|| {
            let mut executor = Executor::new(&worker.engine, &config, worker.stats(), worker.seed());
            executor.stand_on(Ground::Wanted);
            executor
        });
        let mut plan = Plan::default();
        executor.plan(decoder.requests(&buffer), &mut plan);
        if plan.len() > 1 {
            executor.prefetch(database, &plan);
        }
        let mut planned = plan.iter();
        let mut ran = 0;
        for requests in seats {
            let Some(member) = members.get(at.get()) else { break };
            executor.turn_to_next_client();
            let before = ran;
            let own = planned.by_ref().take(requests);
            let came = member.peek(|connection| {
                connection
                    .run_with_others(executor, &config, &buffer, own, |index| decoder.end(before + index))
            });
            if matches!(came, None | Some(Ran::InPart)) {
                break 'all false;
            }
            ran += requests;
            at.set(at.get() + 1);
            if came == Some(Ran::Specially) {
                break 'all true;
            }
        }
        if executor.elapsed_us() > STRETCH_MAX_US {
            break true;
        }
    };
    if let Some(mut executor) = executor {
        if worker.engine.journal.is_holding() {
            // Since this row began.
            let depends = executor.depends();
            for member in members.iter().take(at.get() + 1).skip(first) {
                member.peek(|connection| connection.depend_on(depends));
            }
        }
        let counters = &worker.stats().counters;
        bump(&counters.batches, 1);
        bump(&counters.batch_us, executor.elapsed_us());
    }
    goes_on
}

/// The shared read buffer, while it is in use.
pub struct ReadBuffer<'w> {
    round: &'w Round,
    bytes: Vec<u8>,
}

impl ReadBuffer<'_> {
    #[inline]
    pub fn has_room(&self) -> bool {
        self.bytes.len() - self.round.used.get() >= ROOM_MIN_BYTES
    }

    /// Where the next read goes.
    #[inline]
    pub fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.round.used.get()..).unwrap_or_default()
    }

    /// Keeps so many bytes of what was read until the round has run; returns where they lie.
    #[inline]
    pub fn keep(&mut self, len: usize) -> Range<usize> {
        let start = self.round.used.get();
        self.round.used.set(start + len);
        start..start + len
    }
}

impl Deref for ReadBuffer<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for ReadBuffer<'_> {
    fn drop(&mut self) {
        self.round.buffer.set(Some(std::mem::take(&mut self.bytes)));
    }
}
