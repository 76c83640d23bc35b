//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! ```text
//! MULTI ─▶ requests pass the gates that need no data (known, arity, authentication) and are queued: QUEUED
//! EXEC  ─▶ locks of all queued requests and watched keys at once ─▶ a watched key changed? null
//!                                                                ─▶ run one after the other under these locks
//! ```
//!
//! A request that is refused while queueing dooms the transaction (EXECABORT); one that fails while running fails alone.
//! Because all locks are held from the first request to the last, nobody sees half of it, on any number of workers; and its
//! effects are one commit.

use std::ops::Range;

use smallvec::SmallVec;

use super::command::{Handler, Request};
use super::error::CmdError;
use super::exec::Executor;
use super::reply::{Replied, ReplySlot};
use super::{Commit, Outcome};
use crate::keyspace::{DbIndex, Effects, Key, LockSet, ShardId};
use crate::resp::{Args, Output, OwnedArgs};
use crate::session::{ClientId, Queued, ReplyMode, Session, Transaction};
use crate::spec::CommandFlags;
use crate::tracking::OwnChanges;

/// What a control command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Multi,
    Exec,
    Discard,
    Watch,
    Unwatch,
    WaitAof,
}

const NESTED: CmdError = CmdError::text("ERR MULTI calls can not be nested");
const EXEC_ALONE: CmdError = CmdError::text("ERR EXEC without MULTI");
const DISCARD_ALONE: CmdError = CmdError::text("ERR DISCARD without MULTI");
const WATCH_INSIDE: CmdError = CmdError::text("ERR WATCH inside MULTI is not allowed");
const ABORTED: CmdError = CmdError::text("EXECABORT Transaction discarded because of previous errors.");
const NOT_INSIDE: CmdError = CmdError::text("ERR Command not allowed inside a transaction");

/// What the requests of a transaction did, until it is committed as one.
#[derive(Default)]
pub(super) struct Gathered {
    commands: Vec<(DbIndex, OwnedArgs)>,
    effects: Effects,
    /// How many effects came before each command.
    marks: Vec<usize>,
    /// Which of the effects are those of scripts.
    of_scripts: Vec<Range<usize>>,
    /// What its client has read before and it has changed.
    pub(super) own_changes: OwnChanges,
    /// What TIME says in it, once it was asked for.
    pub(super) time_us: Option<u64>,
}

impl Gathered {
    pub(super) fn add(&mut self, db: DbIndex, commands: &[Args<'_>], mut effects: Effects, in_script: bool) {
        let before = self.effects.records.len();
        let behind = before + effects.records.len();
        match self.of_scripts.last_mut() {
            _ if !in_script => {}
            Some(last) if last.end == before => last.end = behind,
            _ => self.of_scripts.push(before..behind),
        }
        // A key that expires does so before the command that finds out.
        self.effects.records.append(&mut effects.records);
        self.commands.extend(commands.iter().map(|command| (db, command.to_owned())));
        self.marks.resize(self.commands.len(), self.effects.records.len());
        self.effects.changes += effects.changes;
    }
}

/// EXEC's answer when it was refused itself.
pub(super) fn refused_exec(error: &CmdError) -> CmdError {
    let line = error.line();
    let reason = line.strip_prefix(b"ERR ").unwrap_or(&line);
    CmdError::quoting("EXECABORT Transaction discarded because of: ", reason, "")
}

impl<'k> Executor<'k> {
    /// Keeps a request for EXEC, or refuses it.
    pub(super) fn queue(&self, transaction: &mut Transaction, request: &Request<'_>) -> Result<(), CmdError> {
        let Request { command: registered, args, keys } = request;
        let flags = registered.command.spec.flags;
        if flags.contains(CommandFlags::NO_MULTI) {
            transaction.failed = true;
            return Err(NOT_INSIDE);
        }
        let flags = self.flags(registered, args);
        let flags = match registered.command.more_flags {
            // A script that only reads is repeated nowhere, whatever commands of its kind may do.
            Some(_) if flags.contains(CommandFlags::READONLY) => {
                flags.intersection(CommandFlags::READONLY.union(CommandFlags::DENYOOM))
            }
            _ => flags,
        };
        let key_hash = keys.first().map_or(0, Key::hash);
        transaction.push(args, Queued { command: registered.id, key_hash }, flags);
        transaction.runs_scripts |= matches!(registered.command.handler, Handler::Script(_));
        Ok(())
    }

    /// The shards of everything that EXEC is going to touch.
    pub(super) fn transaction_locks(&self, session: &Session) -> LockSet {
        let Some(transaction) = session.transaction.as_deref().filter(|it| !it.failed) else {
            return LockSet::Nothing;
        };
        let keyspace = &self.engine.keyspace;
        if keyspace.shard_count() == 1 {
            return LockSet::One(ShardId(0));
        }
        let watched = session.watch.keys().iter().map(|(_, key)| keyspace.key(key));
        let mut shards: SmallVec<[ShardId; 16]> = watched.map(|key| keyspace.shard_of(key.hash())).collect();
        for (args, queued) in transaction.iter() {
            match self.locks_inside(&args, queued) {
                LockSet::Nothing => {}
                LockSet::One(shard) => shards.push(shard),
                LockSet::Many(set) => shards.extend(set),
                LockSet::All => return LockSet::All,
            }
        }
        LockSet::of(shards)
    }

    /// Runs a control command; the locks of its keys, or of its transaction, are held.
    pub(super) fn control(
        &mut self,
        control: Control,
        session: &mut Session,
        request: &Request<'_>,
        reply: ReplySlot<'_>,
    ) -> Outcome {
        match control {
            Control::Multi if session.transaction.is_some() => return Err(NESTED),
            Control::Multi => session.transaction = Some(self.spare_transaction.take().unwrap_or_default()),
            Control::Exec => return self.execute(session, reply),
            Control::WaitAof => return self.answer_waitaof(request, reply),
            Control::Discard => {
                session.transaction.take().ok_or(DISCARD_ALONE)?;
                session.watch.clear();
            }
            Control::Watch if session.transaction.is_some() => return Err(WATCH_INSIDE),
            Control::Watch => {
                let db = session.db;
                for key in request.keys() {
                    // One that is behind its deadline goes now, not while it is watched.
                    self.view.peek(db, *key);
                    if let Some(flag) = session.watch.add(db, key.bytes()) {
                        self.view.watch(db, *key, flag);
                    }
                }
            }
            Control::Unwatch => session.watch.clear(),
        }
        Ok(reply.ok())
    }

    fn execute(&mut self, session: &mut Session, reply: ReplySlot<'_>) -> Outcome {
        let mut transaction = session.transaction.take().ok_or(EXEC_ALONE)?;
        let is_broken = self.is_watch_broken(session);
        session.watch.clear();
        if transaction.failed {
            return Err(ABORTED);
        }
        if is_broken && session.reply_mode != ReplyMode::On {
            return Ok(reply.nothing());
        }
        if is_broken {
            return Ok(reply.null_array());
        }
        session.executing = Some(transaction.outline());
        let replied = self.run_queued(session, &transaction, reply);
        session.executing = None;
        transaction.reset();
        self.spare_transaction = Some(transaction);
        Ok(replied)
    }

    /// Whether a watched key was changed; one that has expired was.
    fn is_watch_broken(&mut self, session: &Session) -> bool {
        let keyspace = &self.engine.keyspace;
        if session.transaction.as_deref().is_none_or(|it| !it.failed) {
            for (db, name) in session.watch.keys() {
                let key = keyspace.key(name);
                if self.view.is_held(key) {
                    self.view.peek(*db, key);
                }
            }
        }
        session.watch.is_broken()
    }

    fn run_queued(
        &mut self,
        session: &mut Session,
        transaction: &Transaction,
        reply: ReplySlot<'_>,
    ) -> Replied {
        self.as_one(session.id(), |executor| {
            reply.with_output(|out: &mut Output, proto| {
                // As in Redis CLIENT REPLY counts for what follows it, in the middle of the array too.
                if session.reply_mode == ReplyMode::On {
                    out.writer(proto).array(transaction.len());
                }
                for (args, queued) in transaction.iter() {
                    executor.run_inside(session, args, queued, out);
                }
            })
        })
    }

    /// Tells a client what of its reads its transaction has changed so far, before it tracks in another way or not at all.
    #[cold]
    pub(super) fn tell_own(&mut self, client: ClientId) {
        if let Some(gathered) = &mut self.gathered {
            let own = std::mem::take(&mut gathered.own_changes);
            self.engine.tracking.tell_own(Some(client), own, &self.engine.clients);
        }
    }

    /// Runs requests, and commits what they do as one when they are done; unless they are part of something bigger that
    /// does so.
    pub(super) fn as_one<R>(&mut self, client: ClientId, run: impl FnOnce(&mut Self) -> R) -> R {
        if self.gathered.is_some() {
            return run(self);
        }
        self.gathered = Some(self.spare.take().unwrap_or_default());
        let done = run(self);
        let Some(mut gathered) = self.gathered.take() else { return done };
        let has_done_nothing = gathered.commands.is_empty() && gathered.effects.records.is_empty();
        if !has_done_nothing && !self.is_abandoned {
            let commands: Vec<(DbIndex, Args<'_>)> =
                gathered.commands.iter().map(|(db, command)| (*db, command.as_args())).collect();
            let own = std::mem::take(&mut gathered.own_changes);
            let Gathered { effects, marks, of_scripts, .. } = &*gathered;
            let commit = Commit { commands: &commands, effects, client: Some(client), marks, of_scripts };
            self.record(&commit, own);
        }
        self.view.set_unfinished(false);
        if has_done_nothing {
            gathered.time_us = None;
            self.spare = Some(gathered);
        }
        done
    }
}
