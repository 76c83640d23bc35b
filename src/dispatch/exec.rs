//! Runs one request: the gates in their order, the locks, the handler, what follows.
//!
//! ```text
//! lookup → arity → user → disk and loading → memory → subscriber → long scripts → MULTI queue → pause → keys → locks
//!   → handler → effects → slow log, statistics → who waits for what was changed
//! ```
//!
//! Scripts run on a stack of their own, see [`super::slices`].
//!
//! An [`Executor`] lives for one batch of a connection's requests and keeps the shard locked while the next
//! request needs no other. It never blocks: when it can't go on it says so ([`Step::Parked`]) without having
//! run anything, and the connection tries the same request again when it is woken.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::command::{Handler, Request};
use super::cx::{AdminCx, ReadCx, SessionCx, WriteCx};
use super::durable::DiskWait;
use super::engine::Engine;
use super::error::CmdError;
use super::gates::{admit, is_exec, subcommand, writes};
use super::redact::shown;
use super::reply::ReplySlot;
use super::sink::Commit;
use super::slices::{self, Ground};
use super::stats::WorkerStats;
use super::table::Registered;
use super::transaction::{Control, Gathered};
use super::wait::Awaited;
use super::{Outcome, monitor};
use crate::base::clock::{Clock, UnixMs};
use crate::config::Config;
use crate::keyspace::waiters::{ReadyKey, Waiter};
use crate::keyspace::{Busy, DbIndex, Effects, JournalOffset, Key, LockSet, View};
use crate::resp::{Args, Output, OwnedArgs, Proto};
use crate::session::{ClientId, ReplyMode, Session, Transaction, bump};
use crate::spec::CommandFlags;

/// Failed attempts after which a request waits for its locks in order instead of trying again.
const ATTEMPTS_MAX: u32 = 8;

/// A request that took longer lets the shards go that are held for those behind it: others have waited long enough.
const HOLD_MAX_NS: u64 = 50_000;

/// Whether the request ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It ran, or was refused; its reply is in the output.
    Done,
    /// Its client waits for what others do; the reply comes with the end of that ([`Session::waiting`]).
    Waits,
    /// Nothing happened; try again when woken from there.
    Parked(Parked),
    /// Nothing happened; try again on a stack that can be left ([`Ground::Own`]).
    WantsStack,
    /// It is a line of an HTTP request: somebody tricked a browser into talking to us. The connection is to be closed
    /// before what follows, which the attacker chose, is taken for commands.
    CrossProtocol,
}

/// Where a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    Lock(Busy),
    /// CLIENT PAUSE.
    Pause,
    /// Another script of this thread is under way.
    Script,
    /// WAITAOF: until the journal is durable up to there, or for so many ns.
    Disk {
        target: JournalOffset,
        left_ns: Option<u64>,
    },
}

/// What a connection keeps between its batches for the executor.
#[derive(Default)]
pub struct Attempts {
    /// How often the pending request failed to get its locks.
    failed: u32,
    /// Requests of others that the connection's last one made ready, but whose shards were busy.
    pub(super) debts: VecDeque<Arc<Waiter>>,
    /// Keys that were made ready, but whose shards are held for long.
    pub(super) unserved: Vec<ReadyKey>,
    /// The wait of a WAITAOF.
    pub(super) disk: Option<DiskWait>,
    /// The script that only reads needs the script mutex after all.
    wants_mutex: bool,
}

impl Attempts {
    /// Whether others are to be served before anything else of the connection happens, the sending of its replies included.
    #[inline]
    pub fn owes(&self) -> bool {
        !(self.debts.is_empty() && self.unserved.is_empty())
    }
}

/// A command, and how a request spelled its name, if that was short.
#[derive(Clone, Copy, Default)]
struct Spelled<'k> {
    command: Option<&'k Registered>,
    len: usize,
    packed: u64,
}

/// A name of one to eight bytes as a number: two of the same length are the same if their numbers are.
#[inline]
fn packed(name: &[u8]) -> Option<u64> {
    match name {
        [one] => Some(u64::from(*one)),
        [one, two] => Some(u64::from(u16::from_le_bytes([*one, *two]))),
        [one, two, three] => Some(u64::from(u32::from_le_bytes([*one, *two, *three, 0]))),
        _ if name.len() > 8 => None,
        _ => {
            // The halves overlap where the name is shorter than eight.
            let [head, tail] = [*name.first_chunk()?, *name.last_chunk()?].map(u32::from_le_bytes);
            Some(u64::from(head) | u64::from(tail) << 32)
        }
    }
}

/// Runs a batch of requests of one connection.
pub struct Executor<'k> {
    pub(super) engine: &'k Arc<Engine>,
    config: &'k Config,
    /// Version of the configuration when the batch began, and whether a request of this batch has changed it.
    config_version: u64,
    is_stale: bool,
    /// Version of the users when they were last looked at.
    pub(super) acl_version: u64,
    pub(super) stats: &'k WorkerStats,
    pub(super) view: View<'k>,
    /// What a WAITAOF has waited for.
    pub(super) disk_target: Option<JournalOffset>,
    /// Behind what the batch has written to the journal.
    depends: JournalOffset,
    pub(super) rewrites: Vec<OwnedArgs>,
    /// While EXEC runs its requests: what they did.
    pub(super) gathered: Option<Box<Gathered>>,
    /// Memory for that.
    pub(super) spare: Option<Box<Gathered>>,
    /// The room of a transaction that has run, for the next of the batch.
    pub(super) spare_transaction: Option<Box<Transaction>>,
    /// What the last request waits for.
    pub(super) awaited: Option<Awaited>,
    /// The requests that run are those of a script.
    pub(super) in_script: bool,
    /// What the batch runs on.
    pub(super) ground: Ground<'k>,
    /// A script was told to stop because the server ends: nothing of it counts.
    pub(super) is_abandoned: bool,
    /// What a command about the server found held for long.
    obstacle: Option<Busy>,
    /// The command of the last request, and how it was spelled: of clients', and of scripts'.
    last: [Spelled<'k>; 2],
    /// Wall and monotonic time at which the batch began.
    began: UnixMs,
    began_ns: u64,
    /// Monotonic time at which the last request ended, in ns.
    pub(super) last_ns: u64,
}

pub(super) type Keys<'a> = SmallVec<[Key<'a>; 4]>;

impl<'k> Executor<'k> {
    /// Begins a batch. `stats` are those of this worker, `seed` starts its random numbers.
    pub fn new(
        engine: &'k Arc<Engine>,
        config: &'k Config,
        stats: &'k WorkerStats,
        seed: u64,
    ) -> Executor<'k> {
        let began_ns = engine.time.monotonic_ns();
        Executor {
            engine,
            config,
            config_version: engine.config.version(),
            is_stale: false,
            acl_version: engine.acl.version(),
            stats,
            view: View::new(&engine.keyspace, seed),
            disk_target: None,
            depends: JournalOffset(0),
            rewrites: Vec::new(),
            gathered: None,
            spare: None,
            spare_transaction: None,
            awaited: None,
            in_script: false,
            ground: Ground::Fixed,
            is_abandoned: false,
            obstacle: None,
            last: Default::default(),
            began: engine.time.now_ms(),
            began_ns,
            last_ns: began_ns,
        }
    }

    /// Says what the batch runs on.
    pub fn stand_on(mut self, ground: Ground<'k>) -> Executor<'k> {
        self.ground = ground;
        self
    }

    /// The wall time at which the last request ended: two clock reads a batch and one a request are enough.
    #[inline]
    pub(super) fn now(&self) -> UnixMs {
        UnixMs(self.began.0 + (self.last_ns - self.began_ns) / 1_000_000)
    }

    /// Whether a request of the batch has changed the configuration; then the batch should end, so that what
    /// follows a CONFIG SET in a pipeline runs under it.
    #[inline]
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// How long the batch has taken so far, in µs.
    pub fn elapsed_us(&self) -> u64 {
        (self.last_ns - self.began_ns) / 1000
    }

    /// Runs the request, or says where it must wait.
    pub fn run(
        &mut self,
        session: &mut Session,
        args: Args<'_>,
        attempts: &mut Attempts,
        out: &mut Output,
    ) -> Step {
        if attempts.owes()
            && let Err(busy) = self.settle(attempts)
        {
            return Step::Parked(Parked::Lock(busy));
        }
        let now = self.now();
        let Some(registered) = self.find(args.at(0)).and_then(|found| admit(found, &args)) else {
            return self.turn_away(session, &args, out);
        };
        if !session.may_do_everything(self.acl_version)
            && let Err(error) = self.check_access(session, registered, &args)
        {
            self.refuse_queued(session, Some(registered), error, out);
            return Step::Done;
        }
        if (self.engine.journal.is_refusing() || self.engine.lifecycle.is_obstructed())
            && let Some(error) = self.objection_of_state(session, registered)
        {
            self.refuse_queued(session, Some(registered), error, out);
            return Step::Done;
        }
        if self.config.maxmemory > 0 {
            let room = self.make_room(session, registered, out);
            // Some key may have gone, whatever becomes of the request.
            self.serve(attempts);
            if let Err(error) = room {
                self.refuse_queued(session, Some(registered), error, out);
                return Step::Done;
            }
        }
        if session.is_subscriber() && session.proto == Proto::Resp2 && !registered.command.while_subscribed {
            self.refuse_subscriber(session, registered, out);
            return Step::Done;
        }
        if self.engine.long_scripts.any()
            && let Some(error) = self.objection_of_script(registered)
        {
            self.refuse_queued(session, Some(registered), error, out);
            return Step::Done;
        }
        if let Some(transaction) = session.transaction.as_deref_mut()
            && registered.command.is_queued
        {
            let queued = self.queue(transaction, registered, &args);
            self.answer_queued(session, registered, queued, out);
            return Step::Done;
        }
        if self.engine.pause.is_paused() && self.must_wait(session, registered, &args, now) {
            self.view.release();
            return Step::Parked(Parked::Pause);
        }
        if self.engine.keyspace.is_choked() && writes(session, registered) {
            self.view.release();
            return Step::Parked(Parked::Lock(Busy::Snapshot));
        }
        if matches!(registered.command.handler, Handler::Control(Control::WaitAof))
            && let Some(place) = self.wait_for_disk(&args, attempts, now)
        {
            self.view.release();
            return Step::Parked(place);
        }
        let runs_scripts = Self::runs_scripts(session, registered);
        if runs_scripts {
            if matches!(self.ground, Ground::Wanted) {
                return Step::WantsStack;
            }
            if slices::is_occupied() {
                self.view.release();
                return self.put_off(session, registered, Parked::Script, out);
            }
        }
        let mut keys = Keys::new();
        let locks = match registered.only_key.and_then(|position| args.get(position)) {
            // Nearly all requests have one key at a fixed place.
            Some(key) => {
                let key = self.engine.keyspace.key(key);
                keys.push(key);
                LockSet::One(self.engine.keyspace.shard_of(key.hash()))
            }
            None if is_exec(registered) => self.transaction_locks(session),
            None => self.find_keys(registered, &args, &mut keys),
        };
        let locked = match runs_scripts {
            false => self.lock(&locks, attempts),
            true if self.engine.keyspace.shard_count() == 1 => self.lock(&LockSet::All, attempts),
            true if !attempts.wants_mutex && self.only_reads(registered, &args) => {
                self.lock(&locks, attempts)
            }
            true => self.view.lock_in_order(&locks),
        };
        if let Err(busy) = locked {
            return self.put_off(session, registered, Parked::Lock(busy), out);
        }
        attempts.wants_mutex = false;
        self.prefetch_own(session.db, &keys);
        self.view.begin(now, session.no_touch);
        let request = Request { command: registered, args, keys: &keys };
        let began_ns = self.last_ns;
        self.call(session, &request, out);
        if let Some(busy) = self.obstacle.take() {
            attempts.wants_mutex = runs_scripts;
            return self.put_off(session, registered, Parked::Lock(busy), out);
        }
        if let Some(awaited) = self.awaited.take() {
            self.fall_asleep(session, &request, awaited);
        }
        if self.view.has_ready() {
            self.serve(attempts);
        }
        if self.last_ns - began_ns > HOLD_MAX_NS {
            self.view.release();
        }
        if session.waiting.is_some() { Step::Waits } else { Step::Done }
    }

    /// Whether a script may run, which may want shards that the request's keys don't tell.
    #[inline]
    fn runs_scripts(session: &Session, registered: &Registered) -> bool {
        match registered.command.handler {
            Handler::Script(_) => true,
            Handler::Control(Control::Exec) => {
                session.transaction.as_deref().is_some_and(|transaction| transaction.runs_scripts)
            }
            _ => false,
        }
    }

    /// What becomes of a request that can't have its locks now.
    #[cold]
    fn put_off(
        &mut self,
        session: &mut Session,
        registered: &Registered,
        place: Parked,
        out: &mut Output,
    ) -> Step {
        let is_for_script = match place {
            Parked::Lock(busy) => self.engine.keyspace.is_held_long(busy),
            place => place == Parked::Script,
        };
        if is_for_script && let Some(error) = self.engine.long_scripts.objection() {
            self.refuse_queued(session, Some(registered), error, out);
            return Step::Done;
        }
        Step::Parked(place)
    }

    /// Whether the request runs a script that only reads.
    pub(super) fn only_reads(&self, registered: &Registered, args: &Args<'_>) -> bool {
        registered.command.reads_if.is_some_and(|reads| reads(self.engine, args))
    }

    pub(super) fn config(&self) -> &'k Config {
        self.config
    }

    /// Lets all locks go; a later request locks again.
    pub fn release(&mut self) {
        self.view.release();
    }

    /// The command called `name`; pipelines mostly repeat the last one, spelled the same.
    #[inline]
    pub(super) fn find(&mut self, name: &[u8]) -> Option<&'k Registered> {
        let [of_clients, of_scripts] = &mut self.last;
        let last = if self.in_script { of_scripts } else { of_clients };
        let Some(packed) = packed(name) else { return self.engine.commands.find(name) };
        if last.packed == packed && last.len == name.len() {
            return last.command;
        }
        let found = self.engine.commands.find(name)?;
        *last = Spelled { command: Some(found), len: name.len(), packed };
        Some(found)
    }

    /// The keys of the request and the shards that it needs: one walk decides both. Where the keys can't be told
    /// (a number of keys that is none) there are none: the command says in its own words what is wrong.
    #[inline]
    pub(super) fn find_keys<'a>(
        &self,
        registered: &Registered,
        args: &Args<'a>,
        keys: &mut Keys<'a>,
    ) -> LockSet {
        let keyspace = &self.engine.keyspace;
        let command = registered.command;
        if command.walk_keys(args, |position, _| keys.push(keyspace.key(args.at(position)))).is_err() {
            keys.clear();
        }
        match command.handler {
            Handler::Session(_) | Handler::Admin(_) | Handler::Container => LockSet::Nothing,
            _ if command.scope.is_all(args) => LockSet::All,
            _ => match keys.as_slice() {
                [key] => LockSet::One(keyspace.shard_of(key.hash())),
                _ => LockSet::of(keys.iter().map(|key| keyspace.shard_of(key.hash()))),
            },
        }
    }

    /// The shards that a request needs inside a transaction: a command about the server may want any.
    pub(super) fn locks_of(&mut self, args: &Args<'_>) -> LockSet {
        let found = self.find(args.at(0)).and_then(|found| subcommand(found, args));
        match found {
            None => LockSet::Nothing,
            Some(registered) if matches!(registered.command.handler, Handler::Admin(_)) => LockSet::All,
            Some(registered) => self.find_keys(registered, args, &mut Keys::new()),
        }
    }

    /// Runs a queued request under the locks of its transaction.
    pub(super) fn run_again(&mut self, session: &mut Session, args: Args<'_>, out: &mut Output) {
        let Some(registered) = self.find(args.at(0)).and_then(|found| admit(found, &args)) else {
            self.turn_away(session, &args, out);
            return;
        };
        // It was allowed when it was queued; a request before it, or somebody else, can have changed that.
        if let Err(error) = self.check_rights(session, registered, &args) {
            return self.refuse(session, Some(registered), &error, out);
        }
        let mut keys = Keys::new();
        self.find_keys(registered, &args, &mut keys);
        // The clock stands still in a transaction.
        self.view.begin(self.view.now(), session.no_touch);
        self.call(session, &Request { command: registered, args, keys: &keys }, out);
    }

    #[inline]
    pub(super) fn lock(&mut self, locks: &LockSet, attempts: &mut Attempts) -> Result<(), Busy> {
        let locked = if attempts.failed < ATTEMPTS_MAX {
            self.view.lock(locks)
        } else {
            self.view.lock_in_order(locks)
        };
        attempts.failed = if locked.is_ok() { 0 } else { attempts.failed + 1 };
        locked
    }

    pub(super) fn call(&mut self, session: &mut Session, request: &Request<'_>, out: &mut Output) {
        let registered = request.command;
        let mark = out.mark();
        if self.gathered.is_none() {
            // What EXEC or a script runs was not sent as a request of its own.
            session.shared.set_last_command(registered.id);
        }
        if session.reply_mode == ReplyMode::SkipNext && self.gathered.is_none() {
            session.reply_mode = ReplyMode::Skip;
        }
        // A command that failed after it had asked for another form leaves it behind.
        self.rewrites.clear();
        let is_admin = matches!(request.command.command.handler, Handler::Admin(_));
        if is_admin && self.gathered.is_none() {
            // It may wait for locks itself, and nobody waits while holding. A transaction with such a command in it holds all
            // locks already.
            self.view.release();
        }
        let seen = self.view.seen();
        let is_script = matches!(registered.command.handler, Handler::Script(_));
        if is_script && self.engine.monitors.any() {
            // Before what it runs.
            monitor::feed(self.engine, session, registered, &request.args, false);
        }
        let outcome = self.handle(session, request, ReplySlot::new(out, session.proto));
        let failed = outcome.is_err();
        if let Err(error) = outcome {
            out.truncate(mark);
            if let CmdError::HeldLong(busy) = error
                && self.gathered.is_none()
            {
                self.view.release();
                self.obstacle = Some(busy);
                return;
            }
            self.write_error(session, &error, out);
        }
        match session.reply_mode {
            // Its reply comes later, and so does what CLIENT REPLY does to it.
            _ if self.awaited.is_some() => {}
            // The requests of a transaction are parts of one reply.
            _ if self.gathered.is_some() => {}
            ReplyMode::On | ReplyMode::SkipNext => {}
            mode => {
                if failed || !request.command.command.is_pushed() {
                    out.truncate(mark);
                }
                if mode == ReplyMode::Skip {
                    session.reply_mode = ReplyMode::On;
                }
            }
        }
        self.finish(session, request);
        if session.tracking.is_some() {
            // Behind its own effects: a key that it found expired is not news to it.
            self.remember_read(session, request);
        }
        if is_admin {
            // It may have changed what a view assumes while it holds a lock.
            if self.gathered.is_none() {
                self.view.release();
                // Looking at the server is not looking at data: an operator must see in when the disk hangs.
                self.view.forget_seen(seen);
            }
            self.is_stale = self.engine.config.version() != self.config_version
                || self.engine.acl.version() != self.acl_version;
            // CONFIG SET itself is accounted for under what it set.
            let config = self.engine.config.snapshot();
            return self.account(session, request, failed, &config);
        }
        self.account(session, request, failed, self.config);
    }

    #[inline]
    pub(super) fn handle(
        &mut self,
        session: &mut Session,
        request: &Request<'_>,
        reply: ReplySlot<'_>,
    ) -> Outcome {
        match request.command.command.handler {
            Handler::Read(run) => run(&mut self.write_cx(session).read, request, reply),
            Handler::Write(run) => run(&mut self.write_cx(session), request, reply),
            Handler::Session(run) => {
                let now = self.view.now();
                let mut cx = SessionCx { session, engine: self.engine, config: self.config, now };
                run(&mut cx, request, reply)
            }
            Handler::Admin(run) => {
                let in_transaction = self.gathered.is_some();
                let Executor { view, engine, config, awaited, .. } = self;
                run(&mut AdminCx { view, session, engine, config, in_transaction, awaited }, request, reply)
            }
            Handler::Script(run) => {
                let began_ns = self.last_ns;
                let done = self.with_script(session, |cx| run(cx, request, reply));
                // It took as long as all that it ran.
                self.last_ns = began_ns;
                done
            }
            Handler::Control(control) => self.control(control, session, request, reply),
            Handler::Container => Err(request.arity_error()),
        }
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
    fn remember_read(&mut self, session: &mut Session, request: &Request<'_>) {
        let command = request.command.command;
        let Some(tracker) = &session.tracking else { return };
        // Of a script the keys count that it has read, not those that it announces.
        let is_read = command.spec.flags.contains(CommandFlags::READONLY)
            && !matches!(command.handler, Handler::Script(_));
        if is_read && tracker.remembers(session.caching) {
            for key in request.keys() {
                match &mut self.gathered {
                    Some(gathered) => gathered.note_read(key.bytes()),
                    None => self.remember(session.id(), key.bytes()),
                }
            }
        }
        // What CLIENT CACHING said is for the next command or transaction, and for CLIENT commands before it.
        let is_client = request.args.at(0).eq_ignore_ascii_case(b"client");
        if !is_client && self.gathered.is_none() && session.transaction.is_none() {
            session.caching = false;
        }
    }

    /// Remembers that a client has read a key.
    pub(super) fn remember(&self, client: ClientId, key: &[u8]) {
        let max_keys = self.config.tracking_table_max_keys;
        self.engine.tracking.remember(client, key, max_keys, &self.engine.clients);
    }

    /// Hands the effects to whoever listens, while the locks are still held.
    #[inline]
    fn finish(&mut self, session: &Session, request: &Request<'_>) {
        let effects = self.view.effects();
        let counters = &self.stats.counters;
        if effects.hits + effects.misses + effects.expired + effects.changes == 0
            && effects.records.is_empty()
            && !effects.is_forced
        {
            return;
        }
        bump(&counters.keyspace_hits, effects.hits);
        bump(&counters.keyspace_misses, effects.misses);
        bump(&counters.expired_keys, effects.expired);
        bump(&counters.changes, effects.changes);
        // A change that nobody is told of still is journalled.
        if effects.records.is_empty() && !(effects.is_repeated() && self.view.is_observed()) {
            self.view.forget_effects();
            return;
        }
        self.commit(session, request);
    }

    fn commit(&mut self, session: &Session, request: &Request<'_>) {
        let effects = self.view.effects();
        debug_assert!(
            !effects.is_repeated() || !request.command.command.must_rewrite || !self.rewrites.is_empty(),
            "{} changed something that its repetition would not repeat, and gave no other form",
            request.command.full_name
        );
        let repeats_itself = effects.is_repeated() && self.rewrites.is_empty() && self.gathered.is_none();
        if repeats_itself && effects.records.is_empty() && !self.engine.sinks.any() {
            // The usual case of a server with an append-only file: nobody else is told. A shorter way to the same.
            self.view.forget_effects();
            if let Some(offset) = self.engine.journal.append_one(session.db, &request.args) {
                self.view.note_write(offset);
                self.depends = self.depends.max(offset);
            }
            return;
        }
        let effects = self.view.take_effects();
        if repeats_itself {
            let (commands, client) = ([(session.db, request.args)], Some(session.id()));
            return self.publish(&Commit { commands: &commands, effects: &effects, client, marks: &[] });
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
            return gathered.add(session.db, &commands, effects);
        }
        let commands: SmallVec<[(DbIndex, Args<'_>); 2]> =
            commands.into_iter().map(|command| (session.db, command)).collect();
        let client = Some(session.id());
        self.publish(&Commit { commands: &commands, effects: &effects, client, marks: &[] });
    }

    /// Hands a commit to whoever listens; the reply depends on it.
    pub(super) fn publish(&mut self, commit: &Commit<'_>) {
        let offset = self.engine.commit(&mut self.view, commit);
        self.depends = self.depends.max(offset.unwrap_or_default());
    }

    /// Ends the batch: how far the journal must be durable before its replies leave, where that matters.
    pub fn depends(&mut self) -> JournalOffset {
        self.view.release();
        self.depends.max(self.view.seen())
    }

    #[inline]
    fn account(&mut self, session: &Session, request: &Request<'_>, failed: bool, config: &Config) {
        let now_ns = self.engine.time.monotonic_ns();
        let nanos = now_ns.saturating_sub(self.last_ns);
        self.last_ns = now_ns;
        if self.awaited.as_ref().is_some_and(|awaited| awaited.begin.is_none()) {
            // It counts when it is run again and served.
            return;
        }
        self.stats.ran(request.command.id, nanos, failed, config.latency_tracking);
        bump(&self.stats.counters.commands, 1);
        bump(&session.shared.usage.commands, 1);
        let slower_than = config.slowlog_log_slower_than;
        if slower_than >= 0 && !self.in_script && nanos / 1000 >= slower_than as u64 {
            self.log_slow(session, request, nanos / 1000);
        }
        let threshold_ms = config.latency_monitor_threshold;
        if threshold_ms > 0 && nanos / 1_000_000 >= threshold_ms {
            let fast = request.command.command.spec.flags.contains(CommandFlags::FAST);
            let event = if fast { "fast-command" } else { "command" };
            self.engine.latency.record(event, self.engine.time.now_ms().seconds(), nanos / 1_000_000);
        }
        let is_script = matches!(request.command.command.handler, Handler::Script(_));
        if self.engine.monitors.any() && !is_script {
            monitor::feed(self.engine, session, request.command, &request.args, self.in_script);
        }
    }

    #[cold]
    fn log_slow(&self, session: &Session, request: &Request<'_>, micros: u64) {
        if request.command.command.spec.flags.contains(CommandFlags::SKIP_SLOWLOG) {
            return;
        }
        let args = (0..request.len()).map(|index| shown(request.command, &request.args, index));
        let names = session.shared.names();
        let seconds = self.engine.time.now_ms().seconds();
        self.engine.slowlog.push(seconds, micros, args, &session.shared.addr, &names.name);
    }
}
