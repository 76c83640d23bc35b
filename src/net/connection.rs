//! One connection, as a state machine that a worker polls.
//!
//! ```text
//!        ┌──────────── by its task ──────────┐        ┌──────── by the round ───────┐
//!   mail? ─▶ still waiting? ─▶ read what came ─▶ join ─▶ run what is complete ─▶ wait ─▶ write once ─▶ read again
//! ```
//!
//! Requests are read into the worker's shared buffer and run from there, in rounds with those of others ([`super::round`]); only an
//! incomplete tail is copied into the connection, and what is missing of a long argument is read behind it. So an idle connection
//! holds no buffer. A batch is bounded: a long pipeline gives the worker back after [`BATCH_COMMANDS`] commands or
//! [`BATCH_OUTPUT_BYTES`] of replies.
//!
//! A request that can't run now (its shard is locked elsewhere, CLIENT PAUSE) parks the connection: the waker is left
//! where it waits, the request stays in the buffer, and it is decoded again when the connection is woken.
//!
//! **Invariant:** the bytes of `input` begin at the start of the first request that has not run.

use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::time::Sleep;

use super::buffers::BUFFER_BYTES;
use super::debts::Debts;
use super::limits;
use super::round::READ_BUFFER_BYTES;
use super::stream::Stream;
use super::worker::{KnownConfig, Worker};
use crate::base::clock::Clock;
use crate::dispatch::exec::Attempts;
use crate::dispatch::memory::evict_clients;
use crate::dispatch::plan::Planned;
use crate::dispatch::slices::{self, Ground};
use crate::dispatch::{Executor, Parked, Plan, Step};
use crate::keyspace::waiters::{Ending, Wait};
use crate::keyspace::{DbIndex, JournalOffset};
use crate::resp::{Decoded, Decoder, Limits, Output};
use crate::session::{SMALL_BUFFERS_BYTES, Session, bump};

/// Commands run before other connections get their turn.
const BATCH_COMMANDS: usize = 256;
/// Input read ahead while a request waits for something that may take long.
const WAITING_INPUT_MAX_BYTES: usize = 64 << 10;
/// Requests decoded ahead, so that the memory they need is fetched together.
pub(super) const AHEAD: usize = 16;
/// Reply bytes collected before they are written and other connections get their turn.
const BATCH_OUTPUT_BYTES: usize = 256 * 1024;
/// Replies up to here wait for other connections: what a buffer holds without growing.
const PUT_OFF_MAX_BYTES: usize = BUFFER_BYTES;
/// `client-query-buffer-limit` before authentication, in bytes: the longest password that may come in pieces, and what
/// stands around it.
const UNAUTHENTICATED_INPUT_MAX_BYTES: u64 = (16 << 10) + 512;
/// What a connection takes beside its buffers, about.
const CONNECTION_BYTES: usize = 2 << 10;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The peer closed, or the socket failed.
    Peer,
    /// It was asked to: QUIT, CLIENT KILL, a protocol error.
    Asked,
    QueryLimit,
    OutputLimit,
    /// Strangers have taken what they may, and it wants more.
    StrangerLimit,
    /// It talks HTTP.
    CrossProtocol,
}

/// Why a batch stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// Everything complete has run.
    NeedInput,
    /// Others get their turn.
    Yield,
    /// A lock or a pause ends it.
    Parked,
    /// The last request waits for what others do.
    Waits,
    /// A reply is longer than the output may be.
    Over,
    /// Nothing more is to be run or written.
    CrossProtocol,
}

/// What a poll of a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Polled {
    /// It is woken when there is something to do.
    Rests,
    /// Requests have come; to be polled again when those of others have been read.
    HasRequests,
    /// To be polled again when others have run too: then its replies leave.
    HasReplies,
    /// To be polled again when there is room to read.
    NoRoom,
}

/// What a read came to.
enum Read {
    Nothing,
    Something,
    /// The worker's buffer is full of what others have read.
    NoRoom,
}

/// Why the next complete request did not run.
enum Stop {
    Park(Parked),
    Waits,
    CrossProtocol,
}

/// See the module's head.
pub struct Connection {
    pub(super) worker: Rc<Worker>,
    stream: Stream,
    session: Session,
    decoder: Decoder,
    input: Vec<u8>,
    output: Output,
    /// The output's buffer is the worker's.
    has_lent_buffer: bool,
    attempts: Attempts,
    /// Ends the wait of the last request.
    alarm: Option<Pin<Box<Sleep>>>,
    /// How far the journal must be released before the output may leave.
    depends: JournalOffset,
    /// There is input that was not looked at since it came or since the connection was woken.
    unread_input: bool,
    has_waker: bool,
    /// What it has read lies here in the worker's buffer.
    received: Range<usize>,
    /// Its replies are to be sent, before anything else.
    has_put_off: bool,
}

impl Connection {
    pub fn new(worker: Rc<Worker>, stream: Stream, session: Session) -> Connection {
        worker.engine.clients.insert(Arc::clone(&session.shared));
        session.shared.set_stranger(!session.is_known(), || session.shared.connected_us);
        bump(&worker.stats().counters.connections, 1);
        Connection {
            worker,
            stream,
            session,
            decoder: Decoder::default(),
            input: Vec::new(),
            output: Output::default(),
            has_lent_buffer: false,
            attempts: Attempts::default(),
            alarm: None,
            depends: JournalOffset::default(),
            unread_input: false,
            has_waker: false,
            received: 0..0,
            has_put_off: false,
        }
    }

    /// Does what there is to do. `ground`: what requests may run on, if they may.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>, ground: Option<Ground<'_>>) -> Result<Polled, End> {
        if !self.has_waker {
            self.session.shared.set_owner(cx.waker().clone(), Arc::clone(&self.worker.post));
            self.has_waker = true;
        }
        // Replies that wait for the disk leave before anything else runs: what follows would make them wait for more.
        if !self.attempts.owes() && self.must_hold(cx) {
            self.keep_received();
            self.take_orders()?;
            return Ok(Polled::Rests);
        }
        let was_put_off = std::mem::take(&mut self.has_put_off);
        if was_put_off {
            self.send(cx)?;
        }
        if self.may_only_read() {
            return self.read_next(cx, was_put_off);
        }
        if was_put_off {
            self.count_buffers();
        }
        let mut has_waited = false;
        loop {
            self.take_mail()?;
            if self.attempts.owes() && !self.settle(cx) {
                return Ok(Polled::Rests);
            }
            if self.session.waiting.is_some() {
                if self.poll_wait(cx).is_pending() {
                    if !self.must_hold(cx) {
                        self.flush(cx)?;
                    }
                    if self.output.is_empty() {
                        // Others need it meanwhile.
                        self.give_buffer();
                    }
                    return self.listen_waiting(cx).map(|()| Polled::Rests);
                }
                has_waited = true;
                self.take_mail()?;
                if self.output.is_over() {
                    return Err(End::OutputLimit);
                }
            }
            let pause = if self.session.close_after_reply {
                Some(Pause::NeedInput)
            } else if let Some(ground) = ground
                && self.has_requests()
            {
                Some(self.run_requests(cx, ground)?)
            } else {
                // What it has to say already does not wait for what comes next, not even for the news that the peer has hung up.
                let must_hold = self.must_hold(cx);
                if !must_hold {
                    self.flush(cx)?;
                }
                if self.has_requests() {
                    return Ok(Polled::HasRequests);
                }
                if must_hold {
                    return Ok(Polled::Rests);
                }
                match self.read(cx)? {
                    Read::Nothing => None,
                    Read::Something => return Ok(Polled::HasRequests),
                    Read::NoRoom => return Ok(Polled::NoRoom),
                }
            };
            match pause {
                Some(Pause::CrossProtocol) => return Err(End::CrossProtocol),
                Some(Pause::Over) => return Err(End::OutputLimit),
                _ => {}
            }
            if self.attempts.owes() {
                continue;
            }
            if self.must_hold(cx) {
                return Ok(Polled::Rests);
            }
            if self.attempts.take_served() {
                // Who waited for the last request hears first, as in Redis: it was woken before this task wakes itself.
                self.has_put_off = true;
                cx.waker().wake_by_ref();
                return Ok(Polled::Rests);
            }
            if pause == Some(Pause::NeedInput) && !has_waited && self.may_put_off() {
                self.has_put_off = true;
                return Ok(Polled::HasReplies);
            }
            self.flush(cx)?;
            if self.session.close_after_reply {
                return if self.is_all_sent() { Err(End::Asked) } else { Ok(Polled::Rests) };
            }
            match pause {
                Some(Pause::NeedInput | Pause::CrossProtocol | Pause::Over | Pause::Waits) => {}
                Some(Pause::Yield) => {
                    cx.waker().wake_by_ref();
                    return Ok(Polled::Rests);
                }
                Some(Pause::Parked) if self.session.shared.is_blocked() => {
                    return self.listen(cx).map(|()| Polled::Rests);
                }
                Some(Pause::Parked) => return Ok(Polled::Rests),
                None => return self.rest().map(|()| Polled::Rests),
            }
        }
    }

    /// Whether there is nothing to do for it before it reads: nearly always when its socket calls, and when it has been answered.
    #[inline]
    fn may_only_read(&self) -> bool {
        !self.has_requests()
            && self.is_all_sent()
            && self.session.waiting.is_none()
            && !self.session.close_after_reply
            && !self.session.shared.is_called()
            && !self.attempts.has_work()
            && !self.worker.engine.journal.is_holding()
    }

    /// Reads what has come, or rests. Who has just been answered has mostly not sent more: that costs no read.
    fn read_next(&mut self, cx: &mut Context<'_>, was_answered: bool) -> Result<Polled, End> {
        let read = match was_answered && !self.stream.is_readable(cx) {
            true => Read::Nothing,
            false => self.read(cx)?,
        };
        let polled = match read {
            Read::Nothing => return self.rest().map(|()| Polled::Rests),
            Read::Something => Polled::HasRequests,
            Read::NoRoom => Polled::NoRoom,
        };
        if was_answered {
            self.count_buffers();
        }
        Ok(polled)
    }

    /// Serves others whom the last request made ready; `false` when it has to be woken for that.
    fn settle(&mut self, cx: &mut Context<'_>) -> bool {
        let worker = Rc::clone(&self.worker);
        let config = worker.config();
        let mut executor = Executor::new(&worker.engine, &config, worker.stats(), worker.seed());
        while let Err(busy) = executor.settle(&mut self.attempts) {
            executor.release();
            if park(&worker, Parked::Lock(busy), cx) {
                return false;
            }
        }
        true
    }

    /// Whether the last request still waits; writes its reply when it does not.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((waiter, timeout)) = &self.session.waiting else { return Poll::Ready(()) };
        if let (Some(timeout), None) = (timeout, &self.alarm) {
            self.alarm = Some(Box::pin(tokio::time::sleep(*timeout)));
        }
        if self.alarm.as_mut().is_some_and(|alarm| alarm.as_mut().poll(cx).is_ready()) {
            // Unless it has just been served.
            waiter.end(Ending::TimedOut);
            self.alarm = None;
        }
        let Some(ending) = waiter.take_ending() else { return Poll::Pending };
        if let Ending::Served(served) = &ending {
            self.depends = self.depends.max(served.depends);
        }
        let worker = &self.worker;
        worker.engine.end_wait(&mut self.session, ending, worker.stats(), &mut self.output);
        worker.engine.clients.set_blocked(&self.session.shared, false);
        self.session.shared.usage.last_active_us.store(worker.engine.time.monotonic_us(), Ordering::Relaxed);
        self.alarm = None;
        self.unread_input = !self.input.is_empty();
        Poll::Ready(())
    }

    fn take_mail(&mut self) -> Result<(), End> {
        if !self.session.shared.is_called() {
            return Ok(());
        }
        // While others run its request on its behalf, what that says to the client itself is to come behind the reply.
        let wait = self.session.waiting.as_ref().map(|(waiter, _)| waiter.claim());
        if matches!(wait.as_deref(), Some(Wait::Ended(_))) {
            return Ok(());
        }
        if self.session.shared.take_call() {
            if self.session.shared.is_killed() {
                return Err(End::Asked);
            }
            self.session.shared.take_mail(&mut self.output);
            drop(wait);
            self.depend_on_everything();
        }
        Ok(())
    }

    /// Replies that are in the output may tell of what the journal holds up to there.
    pub(super) fn depend_on(&mut self, depends: JournalOffset) {
        self.depends = self.depends.max(depends);
    }

    /// What others have put into the output may tell of any write before now.
    fn depend_on_everything(&mut self) {
        let journal = &self.worker.engine.journal;
        if journal.is_holding() {
            self.depends = journal.end();
        }
    }

    /// While replies are held mail waits too, but an order to close is obeyed.
    fn take_orders(&self) -> Result<(), End> {
        if self.session.shared.is_killed() { Err(End::Asked) } else { Ok(()) }
    }

    /// Whether replies must wait for the journal; then the waker is left there.
    #[inline]
    fn must_hold(&self, cx: &mut Context<'_>) -> bool {
        let journal = &self.worker.engine.journal;
        journal.is_holding() && !journal.is_released(self.depends) && journal.park(self.depends, cx.waker())
    }

    /// Whether there is something to run.
    #[inline]
    pub(super) fn has_requests(&self) -> bool {
        self.unread_input || !self.received.is_empty()
    }

    /// Reads once.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<Read, End> {
        if let Some(read) = self.read_on(cx)? {
            if !read {
                return Ok(Read::Nothing);
            }
            self.look_at_longer_input()?;
            return Ok(Read::Something);
        }
        let worker = Rc::clone(&self.worker);
        let Some(read) = worker.round.with_room(|room| self.receive(room, cx)) else {
            return Ok(Read::NoRoom);
        };
        let Some(len) = read? else { return Ok(Read::Nothing) };
        self.received = worker.round.keep(len);
        Ok(Read::Something)
    }

    fn run_requests(&mut self, cx: &mut Context<'_>, ground: Ground<'_>) -> Result<Pause, End> {
        if !self.input.is_empty() && !self.received.is_empty() {
            self.keep_received();
            self.look_at_longer_input()?;
        }
        if self.unread_input {
            return Ok(self.run_input(cx, ground));
        }
        // The usual case: run the requests where they lie.
        let received = std::mem::take(&mut self.received);
        let buffer = self.worker.round.received();
        let bytes = buffer.get(received).unwrap_or_default();
        let (consumed, pause) = self.run(bytes, cx, ground);
        self.keep(bytes.get(consumed..).unwrap_or_default());
        self.unread_input = pause != Pause::NeedInput;
        self.check_input_limit()?;
        Ok(pause)
    }

    /// Takes what it has received out of the worker's buffer.
    fn keep_received(&mut self) {
        let received = std::mem::take(&mut self.received);
        if !received.is_empty() {
            let buffer = self.worker.round.received();
            self.keep(buffer.get(received).unwrap_or_default());
            self.unread_input = true;
        }
    }

    fn look_at_longer_input(&mut self) -> Result<(), End> {
        self.unread_input = true;
        if self.input.len() >= SMALL_BUFFERS_BYTES {
            // A long request may come without a pause: what it takes counts before it has run.
            self.count_buffers();
        }
        // One who is over the limit does not get its request through because it came in one piece.
        self.check_input_limit()
    }

    /// Reads the next of a long argument to where it is kept, with no way round; whether something was there. `None` when
    /// no such argument is coming.
    fn read_on(&mut self, cx: &mut Context<'_>) -> Result<Option<bool>, End> {
        let Some(end) = self.decoder.awaited_end() else { return Ok(None) };
        let missing = end.saturating_sub(self.input.len());
        if missing < READ_BUFFER_BYTES || !self.session.authenticated {
            return Ok(None);
        }
        self.make_room(READ_BUFFER_BYTES, end);
        match self.stream.poll_read_onto(cx, &mut self.input, missing) {
            None => Ok(None),
            Some(Poll::Pending) => Ok(Some(false)),
            Some(Poll::Ready(read)) => self.note_received(read).map(|_| Some(true)),
        }
    }

    /// Makes room for `bytes` more. It doubles, but the last time it grows to what is announced.
    fn make_room(&mut self, bytes: usize, end: usize) {
        let needed = self.input.len() + bytes;
        if needed > self.input.capacity() {
            let room = end.min(2 * self.input.capacity()).max(needed);
            self.input.reserve_exact(room - self.input.len());
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if !self.session.authenticated {
            // A stranger gets what it uses, not room to grow.
            self.input.reserve_exact(bytes.len());
        } else if let Some(end) = self.decoder.awaited_end() {
            self.make_room(bytes.len(), end);
        }
        self.input.extend_from_slice(bytes);
    }

    /// Reads once into `buffer`; `None` when nothing is there.
    fn receive(&mut self, buffer: &mut [u8], cx: &mut Context<'_>) -> Result<Option<usize>, End> {
        let Poll::Ready(read) = self.stream.poll_read(cx, buffer) else { return Ok(None) };
        self.note_received(read).map(Some)
    }

    /// Counts what a read has brought.
    fn note_received(&self, read: std::io::Result<usize>) -> Result<usize, End> {
        let len = match read {
            Ok(0) | Err(_) => return Err(End::Peer),
            Ok(len) => len,
        };
        let counters = &self.worker.stats().counters;
        bump(&counters.reads, 1);
        bump(&counters.net_input_bytes, len as u64);
        bump(&self.session.shared.usage.net_input_bytes, len as u64);
        Ok(len)
    }

    /// Reads on while the request at hand waits, so that a peer that hangs up is noticed and its request never runs.
    /// Who sends more than [`WAITING_INPUT_MAX_BYTES`] meanwhile is left to wait in the socket.
    fn listen(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let worker = Rc::clone(&self.worker);
        while self.input.len() < WAITING_INPUT_MAX_BYTES {
            let read = worker.round.with_room(|room| {
                let read = self.receive(room, cx);
                if let Ok(Some(len)) = read {
                    self.input.extend_from_slice(room.get(..len).unwrap_or_default());
                }
                read
            });
            match read {
                Some(read) => {
                    if read?.is_none() {
                        return Ok(());
                    }
                }
                None => {
                    cx.waker().wake_by_ref();
                    return Ok(());
                }
            }
            let now_us = worker.engine.time.monotonic_us();
            self.session.shared.usage.last_active_us.store(now_us, Ordering::Relaxed);
        }
        Ok(())
    }

    /// As [`Connection::listen`]; who hangs up the moment it is served still gets its reply, for it may have closed only its
    /// sending half.
    fn listen_waiting(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let heard = self.listen(cx);
        if heard == Err(End::Peer)
            && let Some((waiter, _)) = &self.session.waiting
            && !waiter.end(Ending::Left)
            && self.poll_wait(cx).is_ready()
            && !self.must_hold(cx)
        {
            self.flush(cx)?;
        }
        heard
    }

    fn run_input(&mut self, cx: &mut Context<'_>, ground: Ground<'_>) -> Pause {
        let input = std::mem::take(&mut self.input);
        let (consumed, pause) = self.run(&input, cx, ground);
        self.input = input;
        self.input.drain(..consumed);
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        self.unread_input = pause != Pause::NeedInput;
        pause
    }

    /// Runs the complete requests at the start of `bytes`; returns how many bytes they took.
    fn run(&mut self, bytes: &[u8], cx: &mut Context<'_>, ground: Ground<'_>) -> (usize, Pause) {
        let worker = Rc::clone(&self.worker);
        let config = worker.config();
        self.prepare(&config, bytes.len());
        let mut limits = Limits { bulk_max_bytes: config.proto_max_bulk_len, unauthenticated: false };
        let mut executor = Executor::new(&worker.engine, &config, worker.stats(), worker.seed());
        executor.stand_on(ground);
        self.session.shared.usage.last_active_us.store(executor.began_us(), Ordering::Relaxed);
        let (mut consumed, mut commands) = (0, 0);
        let pause = loop {
            limits.unauthenticated = !self.session.authenticated;
            // Authentication changes the limits of what follows, so strangers are read one by one.
            let ahead = if limits.unauthenticated { 1 } else { AHEAD };
            let rest = bytes.get(consumed..).unwrap_or_default();
            let decoded = self.decoder.decode(rest, &limits, ahead);
            let (ran, stop) = self.run_complete(&mut executor, rest);
            consumed += self.decoder.consume(ran);
            commands += ran;
            match stop {
                Some(Stop::Park(place)) => {
                    executor.release();
                    let is_paused = matches!(place, Parked::Pause | Parked::Disk { .. });
                    if park(&worker, place, cx) {
                        worker.engine.clients.set_blocked(&self.session.shared, is_paused);
                        break Pause::Parked;
                    }
                    continue;
                }
                Some(Stop::Waits) => break Pause::Waits,
                Some(Stop::CrossProtocol) => break Pause::CrossProtocol,
                None => {}
            }
            if self.output.is_over() {
                break Pause::Over;
            }
            if self.session.close_after_reply {
                break Pause::NeedInput;
            }
            if executor.is_stale() {
                break Pause::Yield;
            }
            match decoded {
                Decoded::Full if commands >= BATCH_COMMANDS || self.output.len() >= BATCH_OUTPUT_BYTES => {
                    break Pause::Yield;
                }
                Decoded::Full => {}
                Decoded::Incomplete => break Pause::NeedInput,
                Decoded::Error(error) => {
                    self.output.writer(self.session.proto).error(&[b"ERR ", &*error.text()].concat());
                    self.session.close_after_reply = true;
                    break Pause::NeedInput;
                }
            }
        };
        self.depends = self.depends.max(executor.depends());
        let batch_us = executor.elapsed_us();
        drop(executor);
        if pause == Pause::Waits {
            worker.engine.clients.set_blocked(&self.session.shared, true);
        }
        bump(&worker.stats().counters.batches, 1);
        bump(&worker.stats().counters.batch_us, batch_us);
        self.conclude(consumed);
        (consumed, pause)
    }

    /// Makes ready for running requests that are so many bytes.
    #[inline]
    fn prepare(&mut self, config: &KnownConfig, bytes: usize) {
        self.worker.engine.clients.set_blocked(&self.session.shared, false);
        // What CLIENT LIST shows of a client that is being served: all that is buffered of its input.
        let usage = &self.session.shared.usage;
        usage.query_bytes.store(bytes, Ordering::Relaxed);
        usage.query_free_bytes.store(READ_BUFFER_BYTES.saturating_sub(bytes), Ordering::Relaxed);
        if self.output.is_empty() && !self.has_lent_buffer {
            self.output.write_into(self.worker.take_buffer());
            self.has_lent_buffer = true;
        }
        self.output.set_limit(config.production_max(&self.session));
    }

    /// Shows what has become of the session by requests that were so many bytes.
    #[inline]
    fn conclude(&mut self, consumed: usize) {
        self.session.publish();
        self.session.shared.set_stranger(!self.session.is_known(), || self.worker.engine.time.monotonic_us());
        if consumed > 0 {
            self.session.shared.usage.request_began_us.store(0, Ordering::Relaxed);
        }
    }

    /// Where what it has received lies, if there is nothing else to see to than requests.
    pub(super) fn plain_requests(&self) -> Option<(DbIndex, Range<usize>)> {
        let is_plain = !self.received.is_empty()
            && self.input.is_empty()
            && self.session.authenticated
            && !self.session.close_after_reply
            && !self.session.shared.is_called();
        is_plain.then(|| (self.session.db, self.received.clone()))
    }

    /// Runs all that it has received, which is decoded already: `planned`; whether all of it has run and nothing else is to be seen to
    /// before it is answered. `end_of` tells where a request ends, counted as [`Connection::plain_requests`] does.
    pub(super) fn run_with_others<'a>(
        &mut self,
        executor: &mut Executor<'_>,
        config: &KnownConfig,
        bytes: &[u8],
        planned: impl Iterator<Item = Planned<'a>>,
        end_of: impl Fn(usize) -> usize,
    ) -> bool {
        let received = std::mem::take(&mut self.received);
        self.prepare(config, received.len());
        self.session.shared.usage.last_active_us.store(executor.began_us(), Ordering::Relaxed);
        let (ran, stop) =
            run_planned(executor, planned, &mut self.session, &mut self.attempts, &mut self.output);
        if matches!(stop, Some(Stop::Waits)) {
            self.worker.engine.clients.set_blocked(&self.session.shared, true);
        }
        let behind = ran.checked_sub(1).map_or(received.start, end_of);
        self.conclude(behind - received.start);
        let is_done = stop.is_none() && behind == received.end && !self.output.is_over();
        if !is_done {
            self.keep(bytes.get(behind..received.end).unwrap_or_default());
            self.unread_input = true;
        }
        self.has_put_off = is_done && !self.attempts.has_work() && self.may_put_off();
        self.has_put_off
    }

    /// Runs the requests that are decoded, in order; returns how many ran and why the next one did not.
    fn run_complete(&mut self, executor: &mut Executor<'_>, bytes: &[u8]) -> (usize, Option<Stop>) {
        let mut plan = Plan::default();
        executor.plan(self.decoder.requests(bytes), &mut plan);
        if plan.len() > 1 {
            executor.prefetch(self.session.db, &plan);
        }
        let mut planned = plan.iter();
        let all = planned.by_ref().take(plan.len());
        run_planned(executor, all, &mut self.session, &mut self.attempts, &mut self.output)
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        if !self.is_all_sent() && !self.attempts.owes() {
            self.send(cx)?;
            self.count_buffers();
        }
        Ok(())
    }

    /// Sends what there is to send, as far as the socket takes it. What it holds then is to be counted.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let (writes, bytes) = self.stream.poll_flush(cx, &mut self.output).map_err(|_| End::Peer)?;
        let counters = &self.worker.stats().counters;
        bump(&counters.writes, writes);
        bump(&counters.net_output_bytes, bytes as u64);
        bump(&self.session.shared.usage.net_output_bytes, bytes as u64);
        if self.output.is_empty() {
            self.give_buffer();
        } else if std::mem::take(&mut self.has_lent_buffer) {
            // Who knows for how long.
            self.worker.part_with_buffer();
        }
        let usage = &self.session.shared.usage;
        if self.is_all_sent() {
            usage.output_bytes.store(0, Ordering::Relaxed);
            usage.output_chunks.store(0, Ordering::Relaxed);
            usage.over_soft_since_us.store(0, Ordering::Relaxed);
            return Ok(());
        }
        let unsent = self.output.len() + self.stream.unsent();
        usage.output_bytes.store(unsent, Ordering::Relaxed);
        usage.output_chunks.store(self.output.chunk_count(), Ordering::Relaxed);
        let now_us = self.worker.engine.time.monotonic_us();
        let config = self.worker.config();
        if limits::is_over(&config, &self.session.shared, self.session.authenticated, unsent, now_us) {
            return Err(End::OutputLimit);
        }
        Ok(())
    }

    /// Whether the replies of a batch may wait for the other connections that are ready.
    #[inline]
    fn may_put_off(&self) -> bool {
        let is_short = !self.output.is_empty() && self.output.len() <= PUT_OFF_MAX_BYTES;
        is_short && !self.session.close_after_reply && !self.worker.round.is_of_one()
    }

    /// Lets the output's buffer go: to the worker, if it is the worker's.
    fn give_buffer(&mut self) {
        let buffer = self.output.take_buffer();
        if std::mem::take(&mut self.has_lent_buffer) {
            self.worker.give_buffer(buffer);
        }
    }

    /// Whether nothing waits to be sent.
    #[inline]
    fn is_all_sent(&self) -> bool {
        self.output.is_empty() && self.stream.unsent() == 0
    }

    fn check_input_limit(&self) -> Result<(), End> {
        let config = self.worker.config();
        let limit = if self.session.authenticated {
            config.client_query_buffer_limit
        } else {
            config.client_query_buffer_limit.min(UNAUTHENTICATED_INPUT_MAX_BYTES)
        };
        if self.input.len() as u64 > limit { Err(End::QueryLimit) } else { Ok(()) }
    }

    /// Shows CLIENT LIST what is held while waiting, and gives back what a long request needed.
    fn rest(&mut self) -> Result<(), End> {
        if self.output.is_empty() && self.output.heap_bytes() > 0 {
            // There was nothing to answer: half a request came.
            self.give_buffer();
        }
        let usage = &self.session.shared.usage;
        usage.query_bytes.store(self.input.len(), Ordering::Relaxed);
        usage.query_free_bytes.store(self.input.capacity() - self.input.len(), Ordering::Relaxed);
        if self.input.is_empty() {
            self.decoder.shrink();
        }
        usage.argv_bytes.store(self.decoder.heap_bytes(), Ordering::Relaxed);
        if !self.input.is_empty() && usage.request_began_us.load(Ordering::Relaxed) == 0 {
            usage
                .request_began_us
                .store(usage.last_active_us.load(Ordering::Relaxed).max(1), Ordering::Relaxed);
            usage.request_began_at.store(usage.net_input_bytes.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.count_buffers();
        self.check_stranger()
    }

    /// Counts what strangers take; the one that goes over what all of them may have is closed, unless it only came.
    fn check_stranger(&self) -> Result<(), End> {
        let client = &self.session.shared;
        let clients = &self.worker.engine.clients;
        if client.stranger_since_us().is_none() {
            clients.count_stranger(client, 0);
            return Ok(());
        }
        let buffers = self.buffer_bytes();
        clients.count_stranger(client, CONNECTION_BYTES + buffers);
        let limit = self.worker.config().unauthenticated_memory_limit;
        let is_over = limit > 0 && buffers > 0 && clients.stranger_bytes() > limit;
        if is_over { Err(End::StrangerLimit) } else { Ok(()) }
    }

    fn buffer_bytes(&self) -> usize {
        let buffers = self.input.capacity() + self.decoder.heap_bytes() + self.output.heap_bytes();
        buffers + self.session.shared.usage.remembered_bytes()
    }

    /// Tells what this connection holds; when that is more than before, clients may be over their budget.
    fn count_buffers(&self) {
        let held = self.buffer_bytes() + self.stream.heap_bytes();
        let engine = &self.worker.engine;
        if engine.clients.count_buffers(&self.session.shared, held, self.output.heap_bytes()) {
            evict_clients(engine, &self.worker.config(), self.worker.stats());
        }
    }

    /// Once a minute at most: who attacks does not get to fill the disk.
    fn warn_of_attack(&self) {
        if self.worker.may_warn_of_attack() {
            tracing::warn!(
                "Possible SECURITY ATTACK detected: a client at {} sent an HTTP request. Web pages can make browsers send \
                 such requests, with commands hidden in them, to servers that only the browser's machine can reach. The \
                 connection was closed and nothing in the request was run.",
                self.session.shared.addr
            );
        }
    }

    /// Says in counters and log why the connection ended.
    pub(super) fn report(&self, end: End) {
        let counters = &self.worker.stats().counters;
        let (counter, what) = match end {
            End::Peer | End::Asked => return,
            // Whoever closed it has said why.
            End::OutputLimit if self.session.shared.is_killed() => return,
            End::CrossProtocol => return self.warn_of_attack(),
            End::QueryLimit => (&counters.query_limit_disconnections, "query buffer"),
            End::StrangerLimit => {
                return tracing::debug!(
                    "Closing client id={} addr={}: clients without a password are over their limit",
                    self.session.id().0,
                    self.session.shared.addr
                );
            }
            End::OutputLimit => (&counters.output_limit_disconnections, "output buffer"),
        };
        bump(counter, 1);
        tracing::warn!(
            "Closing client id={} addr={}: over the limit of its {what} (qbuf={} omem={})",
            self.session.id().0,
            self.session.shared.addr,
            self.input.len(),
            self.output.len()
        );
    }
}

/// Runs requests in order; returns how many ran and why the next one did not.
#[inline(never)] // So that there is one, with all that a request goes through in it: both callers give it the same type.
fn run_planned<'a>(
    executor: &mut Executor<'_>,
    planned: impl Iterator<Item = Planned<'a>>,
    session: &mut Session,
    attempts: &mut Attempts,
    output: &mut Output,
) -> (usize, Option<Stop>) {
    let mut ran = 0;
    for planned in planned {
        match executor.run(session, &planned, attempts, output) {
            // Nearly always.
            Step::Done if executor.was_plain() && !output.is_over() => {}
            Step::Done if session.close_after_reply || executor.is_stale() || output.is_over() => {
                return (ran + 1, None);
            }
            // What it said to itself comes behind the reply, and before it waits.
            step @ (Step::Done | Step::Waits) => {
                if session.is_subscriber() || session.tracking.is_some() {
                    session.shared.take_mail(output);
                }
                if step == Step::Waits {
                    return (ran + 1, Some(Stop::Waits));
                }
            }
            Step::Parked(place) => return (ran, Some(Stop::Park(place))),
            Step::CrossProtocol => return (ran, Some(Stop::CrossProtocol)),
        }
        ran += 1;
    }
    (ran, None)
}

/// Leaves the waker where the request waits; `false` when it need not wait any more.
fn park(worker: &Worker, place: Parked, cx: &mut Context<'_>) -> bool {
    match place {
        Parked::Lock(busy) => worker.engine.keyspace.park(busy, cx.waker()),
        Parked::Pause => worker.engine.pause.park(cx.waker()),
        Parked::Script => {
            slices::park(cx.waker());
            true
        }
        Parked::Disk { target, left_ns } => {
            if let Some(left_ns) = left_ns {
                let waker = cx.waker().clone();
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(std::time::Duration::from_nanos(left_ns)).await;
                    waker.wake();
                });
            }
            worker.engine.journal.park_until_durable(target, cx.waker())
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let engine = &self.worker.engine;
        if std::thread::panicking() {
            // The panic policy: this connection ends, the others go on.
            bump(&self.worker.stats().counters.panics, 1);
        }
        if self.session.monitor {
            engine.monitors.left();
        }
        if let Some((waiter, _)) = &self.session.waiting {
            waiter.end(Ending::Left);
        }
        if self.attempts.owes() {
            Debts::leave(&self.worker, std::mem::take(&mut self.attempts));
        }
        engine.leave_channels(&mut self.session);
        engine.stop_tracking(&mut self.session);
        engine.clients.set_blocked(&self.session.shared, false);
        engine.clients.remove(self.session.id());
        self.worker.left();
        self.give_buffer();
    }
}
