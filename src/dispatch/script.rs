//! Scripts: handlers that run commands of their own choice.
//!
//! ```text
//! EVALSHA … ─▶ locks of its declared keys ─▶ handler ─▶ ScriptCx::run(command) ─▶ gates ─▶ further locks ─▶ handler
//!                                                       ScriptCx::run(command) ─▶ …            one commit for all
//! ```
//!
//! A script may touch keys that it has not declared. So with several shards it holds the script mutex from its beginning: its
//! holder is the only one who may wait for a shard while it holds others ([`crate::keyspace::view`]). Where there is one shard it
//! holds that. All locks are kept to the end, so nobody sees half of what a script does.
//!
//! A script that is known to read only ([`Command::more_flags`]) begins with the locks of its declared keys alone, like any request: such
//! scripts run at the same time. If it touches another key whose shard is not free at once, it is stopped and run again from
//! its beginning, with the mutex: it has changed nothing.
//!
//! A command of a script passes gates of its own: it must be allowed in scripts, to the script's user, and to a
//! script of that kind. It answers like any request; the interpreter reads the reply.

use std::sync::Arc;

use super::command::{Handler, Request};
use super::engine::Engine;
use super::error::CmdError;
use super::exec::Executor;
use super::gates::subcommand;
use super::memory::is_exceeded;
use super::plan::Keys;
use super::slices::Pace;
use super::table::Registered;
use super::transaction::Control;
use crate::base::clock::UnixMs;
use crate::config::Config;
use crate::ds::door;
use crate::keyspace::{Busy, Key, LockSet};
use crate::resp::{Args, Output, Proto};
use crate::session::Session;
use crate::spec::CommandFlags;

/// For commands that run scripts.
pub struct ScriptCx<'c, 'k> {
    executor: &'c mut Executor<'k>,
    /// The client that asked for the script.
    pub session: &'c Session,
    /// The client as which the script's commands run: it may select a database of its own.
    inner: Session,
    pub rules: Rules,
    /// A command of the script may have changed something.
    pub has_written: bool,
    pace: Pace<'k>,
    /// It needs locks that it may not wait for.
    must_restart: bool,
}

/// What a script may do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Nothing but reading.
    pub is_read_only: bool,
    /// Also what needs memory when there is none.
    pub allows_oom: bool,
}

const UNKNOWN: CmdError = CmdError::text("ERR Unknown Redis command called from script");
const ARITY: CmdError = CmdError::text("ERR Wrong number of args calling Redis command from script");
const NOT_HERE: CmdError = CmdError::text("ERR This Redis command is not allowed from script");
const READ_ONLY: CmdError = CmdError::text("ERR Write commands are not allowed from read-only scripts.");
/// Nobody sees it.
const STOPPED: CmdError = CmdError::text("ERR the script was stopped");
const NO_COMMAND: CmdError = CmdError::text("ERR Invalid command passed to redis.acl_check_cmd()");

impl<'k> ScriptCx<'_, 'k> {
    pub fn engine(&self) -> &'k Arc<Engine> {
        self.executor.engine
    }

    pub fn config(&self) -> &'k Config {
        self.executor.config()
    }

    /// When the script began, monotonic, in µs.
    pub fn began_us(&self) -> u64 {
        self.pace.began_ns() / 1000
    }

    pub fn now(&self) -> UnixMs {
        self.executor.view.now()
    }

    /// Whether there is no memory for what needs some.
    pub fn is_out_of_memory(&self) -> bool {
        let config = self.executor.config();
        config.maxmemory > 0 && is_exceeded(self.executor.engine, config, 0)
    }

    /// The protocol version in which the script's commands answer.
    pub fn set_proto(&mut self, proto: Proto) {
        self.inner.proto = proto;
    }

    /// To be called now and then while the script runs: others get their turn. Whether it is to go on; if not, nothing of it
    /// counts.
    pub fn breathe(&mut self, is_function: bool) -> bool {
        !self.must_restart && self.executor.breathe(&mut self.pace, is_function)
    }

    /// Runs a command; its reply, or the error that it gave, is in `out`.
    ///
    /// # Errors
    /// Why it was not run.
    pub fn run(&mut self, args: Args<'_>, out: &mut Output) -> Result<(), CmdError> {
        let mut refused = None;
        let ran = self.run_admitted(args, out, &mut refused);
        if let Err(error) = &ran {
            self.executor.count_error(error);
            if let Some(registered) = refused {
                self.executor.stats.rejected(registered.id);
            }
        }
        ran
    }

    /// As [`ScriptCx::run`]; `refused` is the command that was not run, as far as there is one.
    fn run_admitted(
        &mut self,
        args: Args<'_>,
        out: &mut Output,
        refused: &mut Option<&'k Registered>,
    ) -> Result<(), CmdError> {
        let Some(found) = self.executor.find(args.at(0)) else { return Err(UNKNOWN) };
        let registered = match args.get(1) {
            Some(word) if !found.subcommands.is_empty() => found.subcommand(word).ok_or(UNKNOWN)?,
            _ => found,
        };
        if !registered.command.spec.accepts(args.len()) {
            return Err(ARITY);
        }
        *refused = Some(registered);
        let command = registered.command;
        let flags = command.spec.flags;
        let is_denied = flags.contains(CommandFlags::NOSCRIPT) && !self.allows_everything();
        let is_elsewhere = match command.handler {
            // It does not wait here, as in a transaction.
            Handler::Control(control) => control != Control::WaitAof,
            Handler::Script(_) => true,
            _ => false,
        };
        if is_denied || is_elsewhere {
            return Err(NOT_HERE);
        }
        self.executor.check_script_rights(&mut self.inner, registered, &args)?;
        let writes = flags.contains(CommandFlags::WRITE);
        if self.rules.is_read_only && (writes || flags.contains(CommandFlags::MAY_REPLICATE)) {
            return Err(READ_ONLY);
        }
        // What has begun to write goes on to its end.
        let needs_room = flags.contains(CommandFlags::DENYOOM) && !self.rules.allows_oom && !self.has_written;
        if needs_room && self.is_out_of_memory() {
            return Err(CmdError::OutOfMemory);
        }
        self.has_written |= writes;
        let keyspace = &self.executor.engine.keyspace;
        let (one, mut several);
        let (keys, locks): (&[Key<'_>], LockSet) = match command.handler {
            Handler::Admin(_) => (&[], LockSet::All),
            _ => match registered.only_key.and_then(|position| args.get(position)) {
                Some(name) => {
                    one = keyspace.key(name);
                    (std::slice::from_ref(&one), LockSet::One(keyspace.shard_of(one.hash())))
                }
                None => {
                    several = Keys::new();
                    let locks = self.executor.find_keys(registered, &args, &mut several);
                    (&several, locks)
                }
            },
        };
        self.extend(&locks)?;
        // The clock stands still in a script.
        self.executor.view.begin(self.executor.view.now(), self.inner.no_touch);
        self.executor.call_inside(&mut self.inner, &Request { command: registered, args, keys }, out);
        if self.pace.is_due(self.executor.last_ns) {
            door::hurry();
        }
        Ok(())
    }

    /// DEBUG SET-DISABLE-DENY-SCRIPTS.
    fn allows_everything(&self) -> bool {
        self.executor.engine.allows_all_in_scripts.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Takes further shards. A script that only reads may not wait for them: then it begins anew, as one that may.
    fn extend(&mut self, locks: &LockSet) -> Result<(), CmdError> {
        if self.executor.view.try_extend(locks) {
            return Ok(());
        }
        self.must_restart |= !self.executor.view.may_wait();
        while !self.must_restart && !self.pace.is_ended() {
            if self.executor.view.extend(locks).is_ok() {
                return Ok(());
            }
            // Another script has it; its thread may be waiting for this one.
            self.executor.rest(&mut self.pace);
        }
        Err(STOPPED)
    }

    /// Whether the script could not go on without more locks; nothing of it counts.
    ///
    /// # Errors
    /// If so: what makes the request begin anew.
    pub fn check_restart(&self) -> Result<(), CmdError> {
        if self.must_restart { Err(CmdError::HeldLong(Busy::ScriptMutex)) } else { Ok(()) }
    }

    /// Whether the script's user may run a command.
    ///
    /// # Errors
    /// There is no such command.
    pub fn may_run(&mut self, args: Args<'_>) -> Result<bool, CmdError> {
        let found = self.executor.find(args.at(0)).ok_or(NO_COMMAND)?;
        // The number of its arguments is not asked for.
        let registered = subcommand(found, &args).ok_or(NO_COMMAND)?;
        Ok(self.executor.may_access(&mut self.inner, registered, &args))
    }
}

impl<'k> Executor<'k> {
    /// Runs a handler that runs commands: what they do is one commit.
    pub(super) fn with_script<R>(
        &mut self,
        session: &Session,
        run: impl FnOnce(&mut ScriptCx<'_, 'k>) -> R,
    ) -> R {
        self.as_one(session.id(), |executor| {
            let inner = session.for_script();
            let was_in_script = std::mem::replace(&mut executor.in_script, true);
            let engine: &'k Engine = executor.engine;
            let pace = Pace::new(&engine.long_scripts, executor.last_ns);
            let rules = Rules::default();
            let mut cx =
                ScriptCx { executor, session, inner, rules, has_written: false, pace, must_restart: false };
            let done = run(&mut cx);
            cx.executor.in_script = was_in_script;
            cx.executor.is_abandoned |= cx.pace.is_ended();
            done
        })
    }
}
