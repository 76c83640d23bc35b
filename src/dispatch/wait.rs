//! Requests that wait: how they fall asleep, and how they are served.
//!
//! ```text
//! handler finds nothing ─▶ cx.wait(reply, Awaited) ─▶ Step::Waits: the waiter stands in the lists of its keys
//! a command changes one  ─▶ its commit ─▶ serve: run the request again under the same locks ─▶ its reply, its commit
//! ```
//!
//! A request is run again from its beginning, as its client, so whatever it finds then counts: another of its keys may serve
//! it, and one of a wrong type is an error. When it finds nothing again, it goes on waiting.
//!
//! A request that needs shards beyond those that the change holds is served at once if they are free. Otherwise the
//! executor owes: it lets go and runs it with locks of its own before anything else of its connection happens, so
//! before the reply to the change is sent ([`Attempts::debts`]). Meanwhile somebody else may take the element.
//!
//! [`Attempts::debts`]: super::exec::Attempts

use std::sync::Arc;
use std::time::Duration;

use super::CmdError;
use super::command::Request;
use super::cx::ReadCx;
use super::engine::Engine;
use super::exec::{Attempts, Executor};
use super::plan::Keys;
use super::reply::{Replied, ReplySlot};
use super::stats::WorkerStats;
use crate::base::clock::UnixMs;
use crate::base::longdouble::LongDouble;
use crate::base::num::parse_i64;
use crate::keyspace::waiters::{Ending, Pending, ReadyKey, Served, Wait, Waiter, Wanted};
use crate::keyspace::{Busy, DbIndex, LockSet};
use crate::resp::{Output, OwnedArgs, Proto};
use crate::session::{ClientId, ReplyMode, Session, bump};
use crate::value::Kind;

/// Begins what a request waits for, on behalf of its waiter.
pub type Begin = Box<dyn FnOnce(&Arc<Engine>, &Arc<Waiter>)>;

/// What a request waits for.
pub struct Awaited {
    pub wanted: Wanted,
    /// `None` is for ever.
    pub timeout: Option<Duration>,
    /// How many of its keys it waits for, from the first on.
    pub keys: usize,
    /// What to run when it is woken, where that is not what was sent.
    pub again: Option<OwnedArgs>,
    /// Begins what it waits for, once it sleeps. Called under the locks of its keys: must be quick.
    pub begin: Option<Begin>,
}

impl Awaited {
    /// Waits for a value of a kind under any of its keys.
    pub fn value(kind: Kind, timeout: Option<Duration>) -> Awaited {
        Awaited {
            wanted: Wanted { kind, or_none: false },
            timeout,
            keys: usize::MAX,
            again: None,
            begin: None,
        }
    }

    /// Waits for what happens outside: `begin` starts it, and ends the wait when that is over. No key wakes it.
    pub fn elsewhere(begin: impl FnOnce(&Arc<Engine>, &Arc<Waiter>) + 'static) -> Awaited {
        Awaited { keys: 0, begin: Some(Box::new(begin)), ..Awaited::value(Kind::String, None) }
    }

    /// Waits for work that may block, on a thread of its own called `name`. Its reply is OK, or the error.
    pub fn work(
        name: &'static str,
        proto: Proto,
        work: impl FnOnce(&Arc<Engine>) -> Result<(), CmdError> + Send + 'static,
    ) -> Awaited {
        Awaited::work_then(name, proto, work, |_| ())
    }

    /// Waits for work that loads all data anew. Who caches hears that everything may have changed, the client itself behind its
    /// reply.
    pub fn reload(
        name: &'static str,
        proto: Proto,
        work: impl FnOnce(&Arc<Engine>) -> Result<(), CmdError> + Send + 'static,
    ) -> Awaited {
        Awaited::work_then(name, proto, work, |engine| _ = engine.tracking.flush(None, &engine.clients))
    }

    fn work_then(
        name: &'static str,
        proto: Proto,
        work: impl FnOnce(&Arc<Engine>) -> Result<(), CmdError> + Send + 'static,
        behind: fn(&Engine),
    ) -> Awaited {
        let served = move |done: Result<(), CmdError>| {
            let mut served = Served::default();
            match done {
                Ok(()) => served.reply.writer(proto).status("OK"),
                Err(error) => served.reply.writer(proto).error(&error.line()),
            }
            Ending::Served(served)
        };
        Awaited::elsewhere(move |engine, waiter| {
            let (on, other) = (Arc::clone(engine), Arc::clone(waiter));
            let run = move || {
                other.end(served(work(&on)));
                behind(&on);
            };
            if let Err(error) = std::thread::Builder::new().name(name.into()).spawn(run) {
                let error = CmdError::owned(format!("ERR no thread is to be had: {error}"));
                waiter.end(served(Err(error)));
            }
        })
    }
}

const NEGATIVE: CmdError = CmdError::text("ERR timeout is negative");
const OUT_OF_RANGE: CmdError = CmdError::text("ERR timeout is out of range");
const UNBLOCKED: &[u8] = b"UNBLOCKED client unblocked via CLIENT UNBLOCK";

impl Engine {
    /// Answers a client whose request waited, however that ended. What was never served is counted here, in `stats`.
    pub fn end_wait(&self, session: &mut Session, mut ending: Ending, stats: &WorkerStats, out: &mut Output) {
        session.end_wait();
        session.caching = false;
        if let Ending::Served(served) = &mut ending {
            out.append(std::mem::take(&mut served.mail));
        }
        if let (Ending::TimedOut | Ending::Unblocked, Some(id)) = (&ending, session.shared.last_command()) {
            stats.ran(id, 0, matches!(ending, Ending::Unblocked), false);
            bump(&stats.counters.commands, 1);
        }
        let mode = session.reply_mode;
        if mode == ReplyMode::Skip {
            session.reply_mode = ReplyMode::On;
        }
        if matches!(mode, ReplyMode::Off | ReplyMode::Skip) {
            return;
        }
        match ending {
            Ending::Served(served) => out.append(served.reply),
            Ending::TimedOut => out.writer(session.proto).null_array(),
            Ending::Unblocked => {
                self.stats.error(UNBLOCKED);
                bump(&stats.counters.error_replies, 1);
                out.writer(session.proto).error(UNBLOCKED);
            }
            Ending::Left => {}
        }
    }
}

/// A timeout in seconds, fractions allowed and rounded up to milliseconds; 0 is for ever.
///
/// # Errors
/// What is no number, negative, or ends after the last millisecond that 63 bits can count.
pub fn timeout_seconds(arg: &[u8], now: UnixMs) -> Result<Option<Duration>, CmdError> {
    const NOT_A_FLOAT: CmdError = CmdError::text("ERR timeout is not a float or out of range");
    let seconds = LongDouble::parse(arg).ok_or(NOT_A_FLOAT)?;
    timeout(seconds.times(1000).ceil_i64().ok_or(OUT_OF_RANGE)?, now)
}

/// A timeout in whole milliseconds; 0 is for ever.
///
/// # Errors
/// As those of [`timeout_seconds`].
pub fn timeout_millis(arg: &[u8], now: UnixMs) -> Result<Option<Duration>, CmdError> {
    timeout(parse_i64(arg).ok_or(CmdError::Timeout)?, now)
}

fn timeout(timeout_ms: i64, now: UnixMs) -> Result<Option<Duration>, CmdError> {
    let millis = u64::try_from(timeout_ms).map_err(|_| NEGATIVE)?;
    timeout_ms.checked_add(now.as_i64()).ok_or(OUT_OF_RANGE)?;
    Ok((millis > 0).then(|| Duration::from_millis(millis)))
}

impl ReadCx<'_, '_> {
    /// Makes the request wait. Where nothing may wait (in a transaction) this is its reply: what `nothing` says.
    pub fn wait<'o>(
        &mut self,
        reply: ReplySlot<'o>,
        awaited: Awaited,
        nothing: impl FnOnce(ReplySlot<'o>) -> Replied,
    ) -> Replied {
        if !self.may_wait {
            return nothing(reply);
        }
        *self.awaited = Some(awaited);
        reply.nothing()
    }
}

/// What became of a request whose turn has come.
enum Turn {
    /// It was served, or goes on waiting.
    Over,
    /// Its shards are busy.
    Owed,
    /// CLIENT PAUSE keeps it from running.
    Paused,
}

impl<'k> Executor<'k> {
    /// Puts a request to sleep: under the locks of its keys, so that no change is missed.
    #[cold]
    pub(super) fn fall_asleep(&mut self, session: &mut Session, request: &Request<'_>) {
        let Some(awaited) = self.awaited.take() else { return };
        let pending = Pending {
            args: awaited.again.unwrap_or_else(|| request.args.to_owned()),
            db: session.db,
            proto: session.proto,
            no_touch: session.no_touch,
            caching: session.caching,
        };
        let Some(waker) = session.shared.waker() else { return };
        let has_timeout = awaited.timeout.is_some();
        let place = (session.id().0, self.view.draw_place());
        let waiter = Arc::new(Waiter::new(place, awaited.wanted, has_timeout, pending, waker));
        for key in request.keys().iter().take(awaited.keys) {
            self.view.wait(session.db, *key, &waiter);
        }
        if let Some(begin) = awaited.begin {
            begin(self.engine, &waiter);
        }
        session.begin_wait(waiter, awaited.timeout);
    }

    /// Serves who waits for the keys that were changed.
    pub(super) fn serve(&mut self, attempts: &mut Attempts) {
        while self.view.has_ready() {
            for (db, name) in self.view.take_ready() {
                self.serve_key(db, &name, attempts);
            }
        }
    }

    fn serve_key(&mut self, db: DbIndex, name: &[u8], attempts: &mut Attempts) {
        let key = self.engine.keyspace.key(name);
        if !self.view.is_held(key) {
            // The change was a command about the server, which lets go of everything when it is done.
            let shard = LockSet::One(self.engine.keyspace.shard_of(key.hash()));
            if self.view.lock_patiently(&shard).is_err() {
                attempts.unserved.push((db, name.into()));
                return;
            }
        }
        let mut place = 0;
        while let Some(waiter) = self.view.next_waiter(db, key, place) {
            place = waiter.place();
            match self.run_waiting(&waiter) {
                Turn::Over => attempts.has_served = true,
                Turn::Owed => attempts.debts.push_back(waiter),
                Turn::Paused => self.wait_out_pause((db, name.into()), attempts),
            }
        }
    }

    /// Keeps a key until clients go on, to look at it again; if they have done so already, that is soon.
    fn wait_out_pause(&self, key: ReadyKey, attempts: &mut Attempts) {
        if let Err(key) = self.engine.pause.put_off(key) {
            attempts.unserved.push(key);
        }
    }

    /// Runs a request that waits, if its shards are held or free, and its client is not paused.
    fn run_waiting(&mut self, waiter: &Arc<Waiter>) -> Turn {
        let Some(client) = self.engine.clients.find(ClientId(waiter.client)) else { return Turn::Over };
        let mut state = waiter.claim();
        let Wait::Pending(pending) = &*state else { return Turn::Over };
        let mut session = Session::stand_in(Arc::clone(&client), pending, &self.engine.acl);
        session.tracking = self.engine.tracking.tracker(client.id);
        let args = pending.args.as_args();
        let Some(registered) = self.find(args.at(0)) else { return Turn::Over };
        if self.engine.pause.is_paused() && self.must_wait(&session, registered, &args, self.now()) {
            return Turn::Paused;
        }
        let mut keys = Keys::new();
        let locks = self.find_keys(registered, &args, &mut keys);
        if !self.view.try_extend(&locks) {
            return Turn::Owed;
        }
        let mut served = Served::default();
        // What was said to it before this comes before its reply, what its own request says to it behind. Its worker takes no mail
        // while the state is claimed.
        client.take_mail(&mut served.mail);
        // What it was allowed when it fell asleep it may not be allowed any more, and there may be no memory for it.
        let admitted = self
            .check_rights(&mut session, registered, &args)
            .and_then(|()| self.check_memory(registered.command.spec.flags));
        match admitted {
            Err(error) => self.refuse(&mut session, Some(registered), &error, &mut served.reply),
            Ok(()) => {
                self.view.begin(self.now(), session.no_touch);
                let request = Request { command: registered, args, keys: &keys };
                self.call_again(&mut session, &request, &mut served.reply);
            }
        }
        if self.awaited.take().is_some() {
            client.return_mail(served.mail);
            return Turn::Over;
        }
        keys.iter().for_each(|key| self.view.wait_no_more(session.db, *key, waiter));
        drop(keys);
        served.depends = self.view.written();
        waiter.end_claimed(&mut state, Ending::Served(served));
        Turn::Over
    }

    /// Serves those whose shards were busy when it was their turn.
    ///
    /// # Errors
    /// What is busy still: to be called again when it is free.
    pub fn settle(&mut self, attempts: &mut Attempts) -> Result<(), Busy> {
        while let Some((db, name)) = attempts.unserved.pop() {
            let shard = self.engine.keyspace.shard_of(self.engine.keyspace.key(&name).hash());
            if let Err(busy) = self.lock(&LockSet::One(shard), attempts) {
                attempts.unserved.push((db, name));
                return Err(busy);
            }
            self.serve_key(db, &name, attempts);
            self.serve(attempts);
        }
        while let Some(waiter) = attempts.debts.front().map(Arc::clone) {
            let (db, args) = match &*waiter.claim() {
                Wait::Pending(pending) => (pending.db, pending.args.clone()),
                Wait::Ended(_) | Wait::Known => (DbIndex(0), OwnedArgs::default()),
            };
            let locks = self.locks_of(&args.as_args());
            self.lock(&locks, attempts)?;
            attempts.debts.pop_front();
            if let Turn::Paused = self.run_waiting(&waiter) {
                let mut keys = Keys::new();
                if let Some(registered) = self.find(args.as_args().at(0)) {
                    self.find_keys(registered, &args.as_args(), &mut keys);
                }
                keys.iter().for_each(|key| self.wait_out_pause((db, key.bytes().into()), attempts));
            }
            self.serve(attempts);
        }
        Ok(())
    }

    /// Serves who waits for keys that nobody's request has changed (they expired); returns what is owed still.
    pub fn serve_ready(&mut self, ready: Vec<ReadyKey>) -> Attempts {
        let mut attempts = Attempts::default();
        for (db, name) in ready {
            self.serve_key(db, &name, &mut attempts);
            self.serve(&mut attempts);
        }
        attempts
    }
}
