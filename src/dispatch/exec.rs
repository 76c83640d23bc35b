//! Runs the requests of a batch: from a plan to a reply.
//!
//! ```text
//! plan ([`super::plan`]) → gates ([`super::gates`]) → locks → handler and its effects ([`super::call`])
//!   → who waits for what was changed ([`super::wait`])
//! ```
//!
//! Scripts that run long are left in the middle, see [`super::slices`].
//!
//! An [`Executor`] lives for one batch: requests of a connection, or of several whose turn comes one after the other
//! ([`Executor::turn_to_next_client`]). It keeps the shard locked while the next
//! request needs no other. It never blocks: when it can't go on it says so ([`Step::Parked`]) without having
//! run anything, and the connection tries the same request again when it is woken.

use std::collections::VecDeque;
use std::sync::Arc;

use super::call::Accounts;
use super::command::{Handler, Request};
use super::durable::DiskWait;
use super::engine::{Changed, Engine};
use super::gates::{is_exec, subcommand};
use super::plan::{Keys, Planned, push_keys};
use super::slices::{self, Ground};
use super::stats::WorkerStats;
use super::table::{Registered, packed};
use super::transaction::{Control, Gathered};
use super::wait::Awaited;
use crate::base::clock::{Clock, TickRate, UnixMs};
use crate::config::Config;
use crate::keyspace::waiters::{ReadyKey, Waiter};
use crate::keyspace::{Busy, JournalOffset, Key, LockSet, View};
use crate::resp::{Args, Output, OwnedArgs};
use crate::session::{Queued, Session, Transaction};
use crate::spec::CommandFlags;

/// Failed attempts after which a request waits for its locks in order instead of trying again.
const ATTEMPTS_MAX: u32 = 8;

const NS_PER_MS: u64 = 1_000_000;

/// A request that took so long lets the shards go that are held for those behind it: others have waited long enough.
pub(super) const HOLD_MAX_NS: u64 = 50_000;

/// Whether the request ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It ran, or was refused; its reply is in the output.
    Done,
    /// Its client waits for what others do; the reply comes with the end of that ([`Session::waiting`]).
    Waits,
    /// Nothing happened; try again when woken from there.
    Parked(Parked),
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
    /// Requests of others that waited were run.
    pub(super) has_served: bool,
}

impl Attempts {
    /// Whether requests of others that waited were run since this was asked last.
    #[inline]
    pub fn take_served(&mut self) -> bool {
        std::mem::take(&mut self.has_served)
    }

    /// Whether others were served, or are to be.
    #[inline]
    pub fn has_work(&self) -> bool {
        self.has_served || self.owes()
    }

    /// Whether others are to be served before anything else of the connection happens, the sending of its replies included.
    #[inline]
    pub fn owes(&self) -> bool {
        !(self.debts.is_empty() && self.unserved.is_empty())
    }
}

/// Commands that a batch remembers by how their names were spelled.
const RECENT: usize = 8;
/// An odd number of many bits, which spreads spellings.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A command, and how a request spelled its name, if that was short.
#[derive(Clone, Copy, Default)]
struct Spelled<'k> {
    command: Option<&'k Registered>,
    len: usize,
    packed: u64,
}

/// Runs a batch of requests of one connection.
pub struct Executor<'k> {
    pub(super) engine: &'k Arc<Engine>,
    pub(super) config: &'k Config,
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
    pub(super) depends: JournalOffset,
    /// What the batch has changed for those who track prefixes.
    pub(super) changed: Changed<'k>,
    pub(super) rewrites: Vec<OwnedArgs>,
    /// While EXEC runs its requests: what they did.
    pub(super) gathered: Option<Box<Gathered>>,
    /// Memory for that.
    pub(super) spare: Option<Box<Gathered>>,
    /// The room of a transaction that has run, for the next of the batch.
    pub(super) spare_transaction: Option<Box<Transaction>>,
    /// What the last request waits for.
    pub(super) awaited: Option<Awaited>,
    /// Nothing is unusual about the next request, if that is about keys alone; see [`Executor::pass_gates`].
    pub(super) is_clear: bool,
    /// With `maxmemory`: up to which count of bytes that this thread has allocated that holds.
    pub(super) clear_until: Option<i64>,
    /// The requests that run are those of a script.
    pub(super) in_script: bool,
    /// What the batch runs on.
    pub(super) ground: Ground<'k>,
    /// A script was told to stop because the server ends: nothing of it counts.
    pub(super) is_abandoned: bool,
    /// The last request took longer than locks are held.
    pub(super) has_run_long: bool,
    /// What a command about the server, or a script, found held for long.
    pub(super) obstacle: Option<Busy>,
    /// The command of the last request, and how it was spelled: of clients', and of scripts'.
    last: [Spelled<'k>; 2],
    /// Those of others before, each where its spelling says: MULTI, INCR and EXEC come in turns.
    recent: [Spelled<'k>; RECENT],
    /// Wall and monotonic time at which the batch began.
    began: UnixMs,
    began_ns: u64,
    /// The wall time now, and the monotonic time at which its next millisecond begins.
    now: UnixMs,
    turn_ns: u64,
    /// The last look at the clock: monotonic time, and what the counter said.
    looked: (u64, u64),
    tick_rate: TickRate,
    pub(super) accounts: Accounts,
    /// Monotonic time at which the last request ended, in ns.
    pub(super) last_ns: u64,
}

impl Drop for Executor<'_> {
    fn drop(&mut self) {
        self.count_lookups();
    }
}

impl<'k> Executor<'k> {
    /// Begins a batch. `stats` are those of this worker, `seed` starts its random numbers.
    #[inline(always)] // It is large, and is made where it stays.
    pub fn new(
        engine: &'k Arc<Engine>,
        config: &'k Config,
        stats: &'k WorkerStats,
        seed: u64,
    ) -> Executor<'k> {
        let began_ns = engine.time.monotonic_ns();
        let began = engine.time.now_ms();
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
            changed: Changed::new(engine),
            rewrites: Vec::new(),
            gathered: None,
            spare: None,
            spare_transaction: None,
            awaited: None,
            is_clear: false,
            clear_until: None,
            in_script: false,
            ground: Ground::Fixed,
            is_abandoned: false,
            has_run_long: false,
            obstacle: None,
            last: Default::default(),
            recent: Default::default(),
            began,
            began_ns,
            now: began,
            turn_ns: began_ns + NS_PER_MS,
            looked: (began_ns, engine.time.ticks()),
            tick_rate: engine.time.tick_rate(),
            accounts: Accounts::of(config),
            last_ns: began_ns,
        }
    }

    /// Says what the batch runs on.
    #[inline]
    pub fn stand_on(&mut self, ground: Ground<'k>) {
        self.ground = ground;
    }

    /// The requests of another client follow; whether they may, or need a batch of their own.
    #[inline]
    pub fn turn_to_next_client(&mut self) -> bool {
        if !self.is_clear {
            self.view.release();
        }
        self.is_clear = false;
        self.disk_target = None;
        !self.is_stale && self.changed.keys.is_empty()
    }

    /// When the batch began, monotonic µs.
    #[inline]
    pub fn began_us(&self) -> u64 {
        self.began_ns / 1000
    }

    /// The wall time at which the last request ended.
    #[inline]
    pub(super) fn now(&self) -> UnixMs {
        self.now
    }

    /// A request has ended now; how long it took, in ns. Two looks at the clock a batch and one at the counter a request are
    /// enough: the wall time follows from the monotonic one.
    #[inline(always)] // Once per request.
    pub(super) fn tick(&mut self) -> u64 {
        let (looked_ns, ticks) = self.looked;
        let mut now_ns = looked_ns + self.tick_rate.ns_between(ticks, self.engine.time.ticks());
        if now_ns >= self.turn_ns {
            now_ns = self.look_at_clock();
        }
        let nanos = now_ns.saturating_sub(self.last_ns);
        self.last_ns += nanos;
        nanos
    }

    /// The wall time goes on by what the clock says, so that keys expire by that alone.
    #[cold]
    fn look_at_clock(&mut self) -> u64 {
        let time = &self.engine.time;
        let now_ns = time.monotonic_ns();
        self.looked = (now_ns, time.ticks());
        if now_ns >= self.turn_ns {
            let passed_ms = (now_ns - self.began_ns) / NS_PER_MS;
            self.now = UnixMs(self.began.0 + passed_ms);
            self.turn_ns = self.began_ns + (passed_ms + 1) * NS_PER_MS;
        }
        now_ns
    }

    /// Notes that what the batch runs under may have changed.
    pub(super) fn note_changed_settings(&mut self) {
        self.is_stale = self.engine.config.version() != self.config_version
            || self.engine.acl.version() != self.acl_version;
    }

    /// Whether a request of the batch has changed the configuration; then the batch should end, so that what
    /// follows a CONFIG SET in a pipeline runs under it.
    #[inline]
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Whether the last request was about keys and nothing about it or its client was unusual.
    #[inline]
    pub fn was_plain(&self) -> bool {
        self.is_clear
    }

    /// How long the batch has taken so far, in µs.
    pub fn elapsed_us(&self) -> u64 {
        (self.last_ns - self.began_ns) / 1000
    }

    /// Runs a request of a plan, or says where it must wait.
    #[inline(always)] // Into the one loop that all requests come through.
    pub fn run(
        &mut self,
        session: &mut Session,
        planned: &Planned<'_>,
        attempts: &mut Attempts,
        out: &mut Output,
    ) -> Step {
        let request = match planned {
            Planned::Request(request) => request,
            Planned::Stray(args) => {
                return match self.settle(attempts) {
                    Ok(()) => self.turn_away(session, args, out),
                    Err(busy) => Step::Parked(Parked::Lock(busy)),
                };
            }
        };
        let is_about_keys = matches!(request.command.command.handler, Handler::Read(_) | Handler::Write(_));
        if !(is_about_keys && self.is_still_clear())
            && let Some(step) = self.pass_gates(session, request, is_about_keys, attempts, out)
        {
            return step;
        }
        let locked = match is_about_keys {
            true => self.lock_keys(session, request, attempts),
            false => self.lock_more(session, request, attempts),
        };
        match locked {
            Ok(()) => {}
            Err(Step::Parked(place)) => return self.put_off(session, request.command, place, out),
            Err(step) => return step,
        }
        // The gates may have looked again.
        if self.is_clear {
            self.view.go_on(self.now);
            self.call_plainly(session, request, out);
        } else {
            self.view.begin(self.now, session.no_touch);
            self.call(session, request, out);
            if let Some(busy) = self.obstacle.take() {
                attempts.wants_mutex = Self::runs_scripts(session, request.command);
                return self.put_off(session, request.command, Parked::Lock(busy), out);
            }
        }
        if self.awaited.is_some() {
            self.fall_asleep(session, request);
        }
        if self.view.has_ready() {
            self.serve(attempts);
            self.is_clear = false;
        }
        if std::mem::take(&mut self.has_run_long) {
            self.view.release();
        }
        if session.waiting.is_some() { Step::Waits } else { Step::Done }
    }

    /// Takes the locks of a request about keys.
    #[inline]
    fn lock_keys(
        &mut self,
        session: &Session,
        request: &Request<'_>,
        attempts: &mut Attempts,
    ) -> Result<(), Step> {
        if self.view.holds_the_one() {
            attempts.failed = 0;
            return Ok(());
        }
        let locks = match request.keys {
            [key] if request.command.only_key.is_some() => {
                let shard = self.engine.keyspace.shard_of(key.hash());
                if self.view.holds(shard) {
                    attempts.failed = 0;
                    return Ok(());
                }
                LockSet::One(shard)
            }
            keys => self.locks_for(request.command, &request.args, keys),
        };
        self.lock(&locks, attempts).map_err(|busy| Step::Parked(Parked::Lock(busy)))?;
        self.prefetch_own(session.db, request.keys);
        Ok(())
    }

    /// Takes the locks of a request that is about more than keys, or says what else it needs before it can run.
    fn lock_more(
        &mut self,
        session: &Session,
        request: &Request<'_>,
        attempts: &mut Attempts,
    ) -> Result<(), Step> {
        let registered = request.command;
        if matches!(registered.command.handler, Handler::Control(Control::WaitAof))
            && let Some(place) = self.wait_for_disk(&request.args, attempts, self.now)
        {
            self.view.release();
            return Err(Step::Parked(place));
        }
        let runs_scripts = Self::runs_scripts(session, registered);
        if runs_scripts && slices::is_occupied() {
            self.view.release();
            return Err(Step::Parked(Parked::Script));
        }
        let locks = if is_exec(registered) {
            self.transaction_locks(session)
        } else {
            self.locks_for(registered, &request.args, request.keys)
        };
        let locked = match runs_scripts {
            false => self.lock(&locks, attempts),
            true if self.engine.keyspace.shard_count() == 1 => self.lock(&LockSet::All, attempts),
            true if !attempts.wants_mutex && self.only_reads(registered, &request.args) => {
                self.lock(&locks, attempts)
            }
            true => self.view.lock_in_order(&locks),
        };
        locked.map_err(|busy| Step::Parked(Parked::Lock(busy)))?;
        attempts.wants_mutex = false;
        self.prefetch_own(session.db, request.keys);
        Ok(())
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
        registered
            .command
            .more_flags
            .is_some_and(|_| self.flags(registered, args).contains(CommandFlags::READONLY))
    }

    /// What the request does: what its command does, and what the script that it runs says of itself.
    pub(super) fn flags(&self, registered: &Registered, args: &Args<'_>) -> CommandFlags {
        let more = registered.command.more_flags.map(|more_flags| more_flags(self.engine, args));
        registered.command.spec.flags | more.unwrap_or_default()
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
        let recent = &mut self.recent[(packed.wrapping_mul(SPREAD) >> 40) as usize % RECENT];
        if recent.packed != packed || recent.len != name.len() {
            *recent = Spelled { command: Some(self.engine.commands.find(name)?), len: name.len(), packed };
        }
        *last = *recent;
        last.command
    }

    /// The keys of a request and the shards that it needs.
    #[inline]
    pub(super) fn find_keys<'a>(
        &self,
        registered: &Registered,
        args: &Args<'a>,
        keys: &mut Keys<'a>,
    ) -> LockSet {
        push_keys(&self.engine.keyspace, registered, args, keys);
        self.locks_for(registered, args, keys)
    }

    /// The shards that a request with these keys needs.
    #[inline]
    fn locks_for(&self, registered: &Registered, args: &Args<'_>, keys: &[Key<'_>]) -> LockSet {
        let keyspace = &self.engine.keyspace;
        let command = registered.command;
        match command.handler {
            Handler::Session(_) | Handler::Admin(_) | Handler::Container => LockSet::Nothing,
            _ if command.scope.is_all(args) => LockSet::All,
            _ => match keys {
                [key] => LockSet::One(keyspace.shard_of(key.hash())),
                _ => LockSet::of(keys.iter().map(|key| keyspace.shard_of(key.hash()))),
            },
        }
    }

    /// The shards that a request needs that runs by itself later.
    pub(super) fn locks_of(&mut self, args: &Args<'_>) -> LockSet {
        match self.find(args.at(0)).and_then(|found| subcommand(found, args)) {
            None => LockSet::Nothing,
            Some(registered) => self.find_keys(registered, args, &mut Keys::new()),
        }
    }

    /// The shards that a request needs inside a transaction: a command about the server may want any.
    pub(super) fn locks_inside(&self, args: &Args<'_>, queued: Queued) -> LockSet {
        match self.engine.commands.by_id(queued.command) {
            None => LockSet::Nothing,
            Some(registered) if matches!(registered.command.handler, Handler::Admin(_)) => LockSet::All,
            Some(Registered { only_key: Some(_), .. }) => {
                LockSet::One(self.engine.keyspace.shard_of(queued.key_hash))
            }
            Some(registered) => self.find_keys(registered, args, &mut Keys::new()),
        }
    }

    /// Runs a queued request under the locks of its transaction.
    #[inline]
    pub(super) fn run_inside(
        &mut self,
        session: &mut Session,
        args: Args<'_>,
        queued: Queued,
        out: &mut Output,
    ) {
        let Some(command) = self.engine.commands.by_id(queued.command) else { return };
        // It was allowed when it was queued; a request before it, or somebody else, can have changed that.
        if let Err(error) = self.check_rights(session, command, &args) {
            return self.refuse(session, Some(command), &error, out);
        }
        let (keyspace, mut keys) = (&self.engine.keyspace, Keys::new());
        match command.only_key {
            Some(position) => keys.push(keyspace.key_again(args.at(position), queued.key_hash)),
            None => {
                push_keys(keyspace, command, &args, &mut keys);
            }
        }
        if session.tracking.is_some() && command.full_name == "client|tracking" {
            self.tell_own(session.id());
        }
        // The clock stands still in a transaction.
        self.view.begin(self.view.now(), session.no_touch);
        self.call_inside(session, &Request { command, args, keys: &keys }, out);
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
}
