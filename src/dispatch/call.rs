//! Runs a request whose locks are held: its handler, and what follows from it.
//!
//! ```text
//! handler → reply, or the error instead → effects to whoever listens → statistics, slow log
//! ```
//!
//! Requests about keys take a short way through this; commands about the server, scripts and transactions have more around them.

use smallvec::SmallVec;

use super::command::{Handler, Request, ScriptHandler, SessionHandler};
use super::cx::{AdminCx, ReadCx, SessionCx, WriteCx};
use super::error::CmdError;
use super::exec::{Executor, HOLD_MAX_NS};
use super::gates::is_exec;
use super::redact::shown;
use super::reply::ReplySlot;
use super::sink::Commit;
use super::{Outcome, monitor};
use crate::base::clock::Clock;
use crate::config::Config;
use crate::journal;
use crate::keyspace::{DbIndex, Effects, JournalOffset};
use crate::resp::{Args, Output, OwnedArgs};
use crate::session::{ReplyMode, Session, bump};
use crate::spec::CommandFlags;
use crate::tracking::OwnChanges;

/// What durations are recorded for, as the configuration says.
#[derive(Clone, Copy)]
pub(super) struct Accounts {
    /// `latency-tracking`
    has_histogram: bool,
    /// From here on, in ns, there is more to do: locks are to go, it is one for the slow log, or a latency event.
    long_ns: u64,
}

impl Accounts {
    pub(super) fn of(config: &Config) -> Accounts {
        let slowlog_us = u64::try_from(config.slowlog_log_slower_than).ok();
        let event_ms = Some(config.latency_monitor_threshold).filter(|&threshold_ms| threshold_ms > 0);
        let slowlog_ns = slowlog_us.map_or(u64::MAX, |us| us.saturating_mul(1000));
        let event_ns = event_ms.map_or(u64::MAX, |ms| ms.saturating_mul(1_000_000));
        Accounts {
            has_histogram: config.latency_tracking,
            long_ns: slowlog_ns.min(event_ns).min(HOLD_MAX_NS),
        }
    }
}

impl<'k> Executor<'k> {
    /// As [`Executor::call`], for a request about keys while nothing is unusual ([`Executor::pass_gates`]): nobody drops its
    /// reply, remembers what it read or looks on, and it is not a part of something.
    #[inline(always)] // Nearly all requests come here.
    pub(super) fn call_plainly(&mut self, session: &mut Session, request: &Request<'_>, out: &mut Output) {
        let mark = out.mark();
        session.shared.set_last_command(request.command.id);
        if !self.rewrites.is_empty() {
            self.rewrites.clear();
        }
        // As `handle`, which would have to copy what it returns.
        let outer = self.audit(request);
        let outcome = self.run_handler(session, request, ReplySlot::new(out, session.proto));
        self.view.end_audit(outer);
        let failed = match outcome {
            Ok(_) => false,
            Err(error) => {
                out.truncate(mark);
                self.write_error(session, &error, out);
                true
            }
        };
        self.finish(session, request);
        self.account(session, request, failed, self.accounts);
    }

    /// As [`Executor::call`], for what a transaction or a script runs.
    #[inline(never)] // So that the one place that matters can have its own.
    pub(super) fn call_inside(&mut self, session: &mut Session, request: &Request<'_>, out: &mut Output) {
        self.call(session, request, out);
    }

    /// Runs a request under its locks, and answers it.
    #[inline(always)] // As above.
    pub(super) fn call(&mut self, session: &mut Session, request: &Request<'_>, out: &mut Output) {
        match request.command.command.handler {
            Handler::Admin(_) => self.call_admin(session, request, out),
            Handler::Script(_) => self.call_script(session, request, out),
            _ => {
                let failed = self.answer(session, request, out);
                self.account(session, request, failed, self.accounts);
                if self.engine.monitors.any() {
                    monitor::feed(self.engine, session, request.command, &request.args, self.in_script);
                }
            }
        }
    }

    /// Runs a request again that waited. Monitors have seen it when it came.
    pub(super) fn call_again(&mut self, session: &mut Session, request: &Request<'_>, out: &mut Output) {
        let failed = self.answer(session, request, out);
        self.account(session, request, failed, self.accounts);
    }

    fn call_admin(&mut self, session: &mut Session, request: &Request<'_>, out: &mut Output) {
        self.count_lookups();
        let is_alone = self.gathered.is_none();
        if is_alone {
            // It may wait for locks itself, and nobody waits while holding. A transaction with such a command in it holds all
            // locks already.
            self.view.release();
        }
        let seen = self.view.seen();
        let failed = self.answer(session, request, out);
        if self.obstacle.is_some() {
            return;
        }
        if is_alone {
            // It may have changed what a view assumes while it holds a lock.
            self.view.release();
            // Looking at the server is not looking at data: an operator must see in when the disk hangs.
            self.view.forget_seen(seen);
        }
        self.note_changed_settings();
        // CONFIG SET itself is accounted for under what it set.
        let accounts = Accounts::of(&self.engine.config.snapshot());
        self.account(session, request, failed, accounts);
        if self.engine.monitors.any() {
            monitor::feed(self.engine, session, request.command, &request.args, self.in_script);
        }
    }

    fn call_script(&mut self, session: &mut Session, request: &Request<'_>, out: &mut Output) {
        if self.engine.monitors.any() {
            // Before what it runs.
            monitor::feed(self.engine, session, request.command, &request.args, false);
        }
        let failed = self.answer(session, request, out);
        if self.obstacle.is_none() {
            self.account(session, request, failed, self.accounts);
        }
    }

    /// Runs the handler, and tells who listens what it did; whether it failed. When it could not run because of what is held for
    /// long, that is the obstacle, and nothing happened.
    #[inline(always)] // Nearly all calls come from one place.
    fn answer(&mut self, session: &mut Session, request: &Request<'_>, out: &mut Output) -> bool {
        let mark = out.mark();
        if self.gathered.is_none() {
            // What EXEC or a script runs was not sent as a request of its own.
            session.shared.set_last_command(request.command.id);
            if session.skips_next {
                session.skip_reply();
            }
        }
        if !self.rewrites.is_empty() {
            // A command that failed after it had asked for another form leaves it behind.
            self.rewrites.clear();
        }
        // As `handle`, which would have to copy what it returns.
        let outer = self.audit(request);
        let outcome = self.run_handler(session, request, ReplySlot::new(out, session.proto));
        self.view.end_audit(outer);
        let failed = match outcome {
            Ok(_) => false,
            Err(error) => {
                out.truncate(mark);
                if let CmdError::HeldLong(busy) = error
                    && self.gathered.is_none()
                {
                    self.view.release();
                    self.obstacle = Some(busy);
                    return true;
                }
                self.write_error(session, &error, out);
                true
            }
        };
        if session.reply_mode != ReplyMode::On {
            self.silence(session, request, failed, mark, out);
        }
        self.finish(session, request);
        if session.tracking.is_some() {
            // Behind its own effects: a key that it found expired is not news to it.
            self.remember_read(session, request);
        }
        failed
    }

    /// Takes a reply back that CLIENT REPLY drops.
    #[cold]
    fn silence(
        &self,
        session: &mut Session,
        request: &Request<'_>,
        failed: bool,
        mark: usize,
        out: &mut Output,
    ) {
        if self.awaited.is_some() {
            // It comes later, and so does what CLIENT REPLY does to it.
            return;
        }
        // EXEC has seen to its parts as they came.
        if failed || !(request.command.command.is_pushed() || is_exec(request.command)) {
            out.truncate(mark);
        }
        if session.reply_mode == ReplyMode::Skip {
            session.reply_mode = ReplyMode::On;
        }
    }

    /// Runs the handler for who answers nobody: commands of a log.
    pub(super) fn handle(
        &mut self,
        session: &mut Session,
        request: &Request<'_>,
        reply: ReplySlot<'_>,
    ) -> Outcome {
        let outer = self.audit(request);
        let outcome = self.run_handler(session, request, reply);
        self.view.end_audit(outer);
        outcome
    }

    #[inline(always)] // As above.
    fn run_handler(&mut self, session: &mut Session, request: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
        match request.command.command.handler {
            Handler::Read(run) => run(&mut self.write_cx(session).read, request, reply),
            Handler::Write(run) => run(&mut self.write_cx(session), request, reply),
            Handler::Session(run) => self.run_session(run, session, request, reply),
            Handler::Admin(run) => {
                let in_transaction = self.gathered.is_some();
                let Executor { view, engine, config, awaited, .. } = self;
                run(&mut AdminCx { view, session, engine, config, in_transaction, awaited }, request, reply)
            }
            Handler::Script(run) => self.run_script(run, session, request, reply),
            Handler::Control(control) => self.control(control, session, request, reply),
            Handler::Container => Err(request.arity_error()),
        }
    }

    fn run_session(
        &mut self,
        run: SessionHandler,
        session: &mut Session,
        request: &Request<'_>,
        reply: ReplySlot<'_>,
    ) -> Outcome {
        let now = self.view.now();
        let stopped_us = self.gathered.as_mut().map(|gathered| &mut gathered.time_us);
        let Executor { engine, config, in_script, .. } = *self;
        let mut cx = SessionCx { session, engine, config, now, in_script, stopped_us };
        run(&mut cx, request, reply)
    }

    fn run_script(
        &mut self,
        run: ScriptHandler,
        session: &Session,
        request: &Request<'_>,
        reply: ReplySlot<'_>,
    ) -> Outcome {
        let began_ns = self.last_ns;
        let done = self.with_script(session, |cx| run(cx, request, reply));
        // It took as long as all that it ran.
        self.last_ns = began_ns;
        done
    }

    /// What a command that writes may reach; one that reads is lent its inner part.
    #[inline]
    fn write_cx<'c>(&'c mut self, session: &'c mut Session) -> WriteCx<'c, 'k> {
        let read = ReadCx {
            view: &mut self.view,
            session,
            engine: self.engine,
            config: self.config,
            may_wait: self.gathered.is_none(),
            awaited: &mut self.awaited,
            in_script: self.in_script,
        };
        WriteCx { read, rewrites: &mut self.rewrites }
    }

    /// Remembers what a client that caches has read, while nobody can change it.
    #[cold]
    fn remember_read(&self, session: &mut Session, request: &Request<'_>) {
        let command = request.command.command;
        let Some(tracker) = &session.tracking else { return };
        // Of a script the keys count that it has read, not those that it announces.
        let is_read = command.spec.flags.contains(CommandFlags::READONLY)
            && !matches!(command.handler, Handler::Script(_));
        if is_read && tracker.remembers(session.caching) {
            let max_keys = self.config.tracking_table_max_keys;
            for key in request.keys() {
                self.engine.tracking.remember(session.id(), key.bytes(), max_keys, &self.engine.clients);
            }
        }
        // A request that waits is not over.
        if self.gathered.is_none() && self.awaited.is_none() {
            session.end_caching(Some(&request.command.full_name));
        }
    }

    /// Hits and misses are counted when there is more to say, or somebody may ask, or the batch ends.
    pub(super) fn count_lookups(&mut self) {
        let (hits, misses) = self.view.take_lookups();
        bump(&self.stats.counters.keyspace_hits, hits);
        bump(&self.stats.counters.keyspace_misses, misses);
    }

    /// Hands the effects to whoever listens, while the locks are still held.
    #[inline(always)] // As above.
    fn finish(&mut self, session: &Session, request: &Request<'_>) {
        if self.view.effects().is_empty() {
            return;
        }
        self.count_lookups();
        let counters = &self.stats.counters;
        let effects = self.view.effects();
        bump(&counters.expired_keys, effects.expired);
        bump(&counters.changes, effects.changes);
        // A change that nobody is told of still is journalled.
        let is_told = !effects.records.is_empty() || effects.is_repeated() && self.view.is_observed();
        self.view.set_unfinished(true);
        if is_told {
            self.commit(session, request);
        } else {
            self.view.forget_effects();
        }
        // The rest of a transaction follows.
        self.view.set_unfinished(self.gathered.is_some());
    }

    #[inline(always)] // As above.
    fn commit(&mut self, session: &Session, request: &Request<'_>) {
        let effects = self.view.effects();
        let repeats_itself = effects.is_repeated() && self.rewrites.is_empty() && self.gathered.is_none();
        let is_write = matches!(request.command.command.handler, Handler::Write(_));
        if !repeats_itself || !is_write || !effects.records.is_empty() || self.engine.sinks.any() {
            return self.commit_thoroughly(session, request, repeats_itself);
        }
        debug_assert!(!request.command.command.must_rewrite, "{}", request.command.full_name);
        // The usual case of a server with an append-only file: nobody else is told, and the locks that are held stand for
        // what the reply depends on. A shorter way to the same.
        self.view.forget_effects();
        if self.engine.journal.is_on() {
            self.log(session, request);
        }
    }

    #[inline(never)] // Of its own, so that servers without an append-only file have the registers.
    fn log(&mut self, session: &Session, request: &Request<'_>) {
        journal::push_request(self.view.unlogged(&self.engine.journal, session.db), &request.args);
    }

    #[inline(never)]
    fn commit_thoroughly(&mut self, session: &Session, request: &Request<'_>, repeats_itself: bool) {
        let effects = self.view.take_effects();
        debug_assert!(
            !effects.is_repeated() || !request.command.command.must_rewrite || !self.rewrites.is_empty(),
            "{} changed something that its repetition would not repeat, and gave no other form",
            request.command.full_name
        );
        if repeats_itself {
            let commands = [(session.db, request.args)];
            return self.publish(&Commit::new(&commands, &effects, Some(session.id())));
        }
        self.commit_other(session, request, effects);
    }

    #[cold]
    fn commit_other(&mut self, session: &Session, request: &Request<'_>, effects: Effects) {
        let rewrites = std::mem::take(&mut self.rewrites);
        let commands: SmallVec<[Args<'_>; 2]> = if !effects.is_repeated() {
            SmallVec::new()
        } else if rewrites.is_empty() {
            [request.args].into_iter().collect()
        } else {
            rewrites.iter().map(OwnedArgs::as_args).collect()
        };
        if let Some(gathered) = &mut self.gathered {
            self.engine.tell(&effects, Some(session.id()), &mut gathered.own_changes);
            return gathered.add(session.db, &commands, effects, self.in_script);
        }
        let commands: SmallVec<[(DbIndex, Args<'_>); 2]> =
            commands.into_iter().map(|command| (session.db, command)).collect();
        self.publish(&Commit::new(&commands, &effects, Some(session.id())));
    }

    /// Hands a commit to whoever listens; the reply depends on it.
    pub(super) fn publish(&mut self, commit: &Commit<'_>) {
        let mut own = OwnChanges::new();
        self.engine.tell(commit.effects, commit.client, &mut own);
        self.record(commit, own);
    }

    /// As [`Executor::publish`], of what clients were told while it happened.
    pub(super) fn record(&mut self, commit: &Commit<'_>, own: OwnChanges) {
        let offset = self.engine.record(&mut self.view, commit, own, &mut self.changed.keys);
        self.depends = self.depends.max(offset.unwrap_or_default());
    }

    /// Ends the batch: how far the journal must be durable before its replies leave, where that matters.
    pub fn depends(&mut self) -> JournalOffset {
        self.view.release();
        self.depends.max(self.view.seen())
    }

    #[inline(always)] // As above.
    fn account(&mut self, session: &Session, request: &Request<'_>, failed: bool, accounts: Accounts) {
        let nanos = self.tick();
        if self.awaited.as_ref().is_some_and(|awaited| awaited.begin.is_none()) {
            // It counts when it is run again and served.
            return;
        }
        self.stats.ran(request.command.id, nanos, failed, accounts.has_histogram);
        bump(&self.stats.counters.commands, 1);
        bump(&session.shared.usage.commands, 1);
        if nanos >= accounts.long_ns {
            self.note_long(session, request, nanos);
        }
    }

    #[cold]
    fn note_long(&mut self, session: &Session, request: &Request<'_>, nanos: u64) {
        self.has_run_long |= nanos >= HOLD_MAX_NS;
        let config = self.engine.config.snapshot();
        let flags = request.command.command.spec.flags;
        let seconds = self.engine.time.now_ms().seconds();
        let (micros, millis) = (nanos / 1000, nanos / 1_000_000);
        let is_slow = u64::try_from(config.slowlog_log_slower_than).is_ok_and(|limit_us| micros >= limit_us);
        if is_slow && !self.in_script && !flags.contains(CommandFlags::SKIP_SLOWLOG) {
            let args = (0..request.len()).map(|index| shown(request.command, &request.args, index));
            let names = session.shared.names();
            self.engine.slowlog.push(seconds, micros, args, &session.shared.addr, &names.name);
        }
        let threshold_ms = config.latency_monitor_threshold;
        if threshold_ms > 0 && millis >= threshold_ms {
            let event = if flags.contains(CommandFlags::FAST) { "fast-command" } else { "command" };
            self.engine.latency.record(event, seconds, millis);
        }
    }
}
