//! What stands between a request and its run, and what a client hears whose request does not run.
//!
//! Each gate answers one question about a request and its client, in this order:
//!
//! ```text
//! protected commands → user → disk and loading → memory → subscriber → long scripts → MULTI queue → pause → snapshot
//! ```
//!
//! A request that is refused dooms the transaction that it was to be a part of.

use std::sync::atomic::Ordering;

use super::command::{Handler, Request};
use super::error::CmdError;
use super::exec::{Attempts, Executor, Parked, Step};
use super::memory::bytes_left;
use super::pause::PauseMode;
use super::table::Registered;
use super::transaction::{Control, refused_exec};
use crate::alloc;
use crate::base::clock::UnixMs;
use crate::config::EnableCommand;
use crate::keyspace::Busy;
use crate::resp::{Args, Output, Proto};
use crate::session::{ReplyMode, Session, bump};
use crate::spec::CommandFlags;

const UNSAVED: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";
/// What a client hears whose request must wait for the end of loading.
pub const LOADING: CmdError = CmdError::text("LOADING Redis is loading the dataset in memory");

impl Executor<'_> {
    /// Lets a request through, or says what became of it instead.
    ///
    /// Nearly always nothing stands between a client's requests and their run. One look tells, and counts for the requests
    /// about keys of the same plan that follow: only other requests of the client can change it. What others did who had
    /// their replies before this client sent its requests was seen by that look.
    pub(super) fn pass_gates(
        &mut self,
        session: &mut Session,
        request: &Request<'_>,
        is_about_keys: bool,
        attempts: &mut Attempts,
        out: &mut Output,
    ) -> Option<Step> {
        if attempts.owes()
            && let Err(busy) = self.settle(attempts)
        {
            return Some(Step::Parked(Parked::Lock(busy)));
        }
        let is_guarded = self.is_short_of_memory() | self.is_guarded(session, request.command);
        self.is_clear = is_about_keys && !is_guarded && !self.is_followed(session);
        if self.is_clear {
            self.view.begin(self.now(), session.no_touch);
        }
        if is_guarded { self.stop_at_gates(session, request, attempts, out) } else { None }
    }

    /// Whether what the last look told holds for another request about keys.
    #[inline]
    pub(super) fn is_still_clear(&self) -> bool {
        self.is_clear && self.clear_until.is_none_or(|bytes| alloc::thread_bytes() <= bytes)
    }

    /// Whether `maxmemory` is exceeded. If not, what this thread allocates is watched from now on; others see to theirs.
    #[inline]
    fn is_short_of_memory(&mut self) -> bool {
        if self.config.maxmemory == 0 {
            return false;
        }
        let left = bytes_left(self.engine, self.config);
        self.clear_until = left.map(|bytes| alloc::thread_bytes().saturating_add_unsigned(bytes));
        left.is_none()
    }

    /// Whether something may stand between a client's requests and their run.
    #[inline]
    fn is_guarded(&self, session: &Session, registered: &Registered) -> bool {
        let engine = self.engine;
        !session.may_do_everything(self.acl_version)
            | registered.command.spec.flags.contains(CommandFlags::PROTECTED)
            | engine.journal.is_refusing()
            | engine.lifecycle.is_obstructed()
            | session.is_subscriber()
            | engine.long_scripts.any()
            | session.transaction.is_some()
            | engine.pause.is_paused()
            | engine.keyspace.is_choked()
    }

    /// Whether more follows a client's requests than their replies: these may be dropped, what was read be remembered, or
    /// somebody looks on.
    #[inline]
    fn is_followed(&self, session: &Session) -> bool {
        (session.reply_mode != ReplyMode::On)
            | session.skips_next
            | session.tracking.is_some()
            | self.engine.monitors.any()
    }

    /// Asks the gates in their order; what became of the request when one of them did not let it through.
    fn stop_at_gates(
        &mut self,
        session: &mut Session,
        request: &Request<'_>,
        attempts: &mut Attempts,
        out: &mut Output,
    ) -> Option<Step> {
        let (registered, args) = (request.command, &request.args);
        if registered.command.spec.flags.contains(CommandFlags::PROTECTED)
            && let Some(error) = self.objection_of_guard(session, registered)
        {
            self.refuse_queued(session, Some(registered), error, out);
            return Some(Step::Done);
        }
        if !session.may_do_everything(self.acl_version)
            && let Err(error) = self.check_access(session, registered, args)
        {
            self.refuse_queued(session, Some(registered), error, out);
            return Some(Step::Done);
        }
        if (self.engine.journal.is_refusing() || self.engine.lifecycle.is_obstructed())
            && let Some(error) = self.objection_of_state(session, registered, args)
        {
            self.refuse_queued(session, Some(registered), error, out);
            return Some(Step::Done);
        }
        if self.config.maxmemory > 0 {
            let room = self.make_room(session, request, out);
            // Some key may have gone, whatever becomes of the request.
            self.serve(attempts);
            if let Err(error) = room {
                self.refuse_queued(session, Some(registered), error, out);
                return Some(Step::Done);
            }
        }
        if session.is_subscriber() && session.proto == Proto::Resp2 && !registered.command.while_subscribed {
            self.refuse_subscriber(session, registered, out);
            return Some(Step::Done);
        }
        if self.engine.long_scripts.any()
            && let Some(error) = self.objection_of_script(registered)
        {
            self.refuse_queued(session, Some(registered), error, out);
            return Some(Step::Done);
        }
        if let Some(transaction) = session.transaction.as_deref_mut()
            && registered.command.is_queued
        {
            let queued = self.queue(transaction, request);
            self.answer_queued(session, registered, queued, out);
            return Some(Step::Done);
        }
        if self.engine.pause.is_paused() && self.must_wait(session, registered, args, self.now()) {
            self.view.release();
            return Some(Step::Parked(Parked::Pause));
        }
        if self.engine.keyspace.is_choked()
            && self.flags_of(session, registered, args).contains(CommandFlags::WRITE)
        {
            self.view.release();
            return Some(Step::Parked(Parked::Lock(Busy::Snapshot)));
        }
        None
    }

    /// Answers a request that was not admitted.
    #[cold]
    pub(super) fn turn_away(&mut self, session: &mut Session, args: &Args<'_>, out: &mut Output) -> Step {
        if args.is_empty() {
            // Redis passes over a request without words silently.
            return Step::Done;
        }
        let found = self.find(args.at(0));
        if found.is_none() && is_http(args.at(0)) {
            return Step::CrossProtocol;
        }
        let (registered, error) = objection(found, args);
        self.refuse_queued(session, registered, error, out);
        Step::Done
    }

    /// Answers a request that is not run, and dooms the transaction that it was to be a part of.
    #[cold]
    pub(super) fn refuse_queued(
        &mut self,
        session: &mut Session,
        registered: Option<&Registered>,
        mut error: CmdError,
        out: &mut Output,
    ) {
        if let Some(transaction) = session.transaction.as_deref_mut() {
            transaction.failed = true;
        }
        if registered.is_some_and(is_exec) {
            session.transaction = None;
            session.watch.clear();
            error = refused_exec(&error);
        }
        self.refuse(session, registered, &error, out);
    }

    /// Why a protected command is refused to a client that its option does not let in. It comes before the password, as in
    /// Redis: what is closed is closed to all.
    #[cold]
    fn objection_of_guard(&self, session: &Session, registered: &Registered) -> Option<CmdError> {
        let command = registered.full_name.split('|').next().unwrap_or_default();
        let guard = match command {
            "debug" => self.config().enable_debug_command,
            _ => self.config().enable_module_command,
        };
        let is_open = match guard {
            EnableCommand::Yes => true,
            EnableCommand::Local => session.shared.is_local(),
            EnableCommand::No => false,
        };
        if is_open {
            return None;
        }
        Some(CmdError::owned(format!(
            "ERR {} command not allowed. If the enable-{command}-command option is set to \"local\", you can run it from \
             a local connection, otherwise you need to set this option in the configuration file, and then restart the \
             server.",
            command.to_ascii_uppercase()
        )))
    }

    /// Why the request is refused while the journal or a snapshot can't be written, or while data is being loaded.
    #[cold]
    pub(super) fn objection_of_state(
        &self,
        session: &Session,
        registered: &Registered,
        args: &Args<'_>,
    ) -> Option<CmdError> {
        let flags = self.flags_of(session, registered, args);
        let own = registered.command.spec.flags;
        if self.engine.lifecycle.loading.load(Ordering::Relaxed) && !own.contains(CommandFlags::LOADING) {
            return Some(LOADING);
        }
        // As in Redis also PING, so that who checks a server's health hears of it.
        if !flags.contains(CommandFlags::WRITE) && registered.full_name != "ping" {
            return None;
        }
        if let Some(reason) = self.engine.journal.refusal() {
            return Some(CmdError::owned(format!("MISCONF Errors writing to the AOF file: {reason}")));
        }
        let config = self.config();
        let stops = config.stop_writes_on_bgsave_error && !config.save.is_empty();
        let reason = self.engine.lifecycle.unsaved_reason().filter(|_| stops)?;
        Some(CmdError::owned(format!("{UNSAVED} {reason}")))
    }

    /// Why the request is refused while a script runs for too long. Where there are several shards only those requests are
    /// that can't have their locks.
    #[cold]
    pub(super) fn objection_of_script(&self, registered: &Registered) -> Option<CmdError> {
        let is_allowed = registered.command.spec.flags.contains(CommandFlags::ALLOW_BUSY);
        let has_one_shard = self.engine.keyspace.shard_count() == 1;
        self.engine.long_scripts.objection().filter(|_| has_one_shard && !is_allowed)
    }

    #[cold]
    pub(super) fn must_wait(
        &self,
        session: &Session,
        registered: &Registered,
        args: &Args<'_>,
        now: UnixMs,
    ) -> bool {
        let flags = self.flags_of(session, registered, args);
        match self.engine.pause.mode_at(now) {
            None => false,
            // As in Redis nothing gets through, CLIENT UNPAUSE neither: the time ends such a pause.
            Some(PauseMode::All) => true,
            Some(PauseMode::Write) => {
                flags.intersects(CommandFlags::WRITE | CommandFlags::MAY_REPLICATE)
                    && !self.only_reads(registered, args)
            }
        }
    }

    /// Whether the client may do what it asks for, as of now.
    pub(super) fn check_rights(
        &mut self,
        session: &mut Session,
        registered: &Registered,
        args: &Args<'_>,
    ) -> Result<(), CmdError> {
        if session.may_do_everything(self.engine.acl.version()) {
            return Ok(());
        }
        self.check_access(session, registered, args)
    }

    /// What the request does, or all the requests that EXEC runs.
    #[cold]
    pub(super) fn flags_of(
        &self,
        session: &Session,
        registered: &Registered,
        args: &Args<'_>,
    ) -> CommandFlags {
        let queued = session.transaction.as_deref().filter(|_| is_exec(registered)).map(|it| it.flags);
        self.flags(registered, args) | queued.unwrap_or_default()
    }

    /// In RESP2 a client that listens gets messages where replies would be, so it may send little.
    #[cold]
    pub(super) fn refuse_subscriber(
        &mut self,
        session: &mut Session,
        registered: &Registered,
        out: &mut Output,
    ) {
        let error = CmdError::quoting(
            "ERR Can't execute '",
            registered.full_name.as_bytes(),
            "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
        );
        self.refuse_queued(session, Some(registered), error, out);
    }

    /// Answers a request that was queued, or refused instead.
    #[inline]
    pub(super) fn answer_queued(
        &mut self,
        session: &mut Session,
        registered: &Registered,
        queued: Result<(), CmdError>,
        out: &mut Output,
    ) {
        session.shared.set_last_command(registered.id);
        match queued {
            Err(error) => self.refuse(session, Some(registered), &error, out),
            Ok(()) if session.reply_mode == ReplyMode::On => out.writer(session.proto).status("QUEUED"),
            Ok(()) => {}
        }
    }

    /// Answers a request that is not run.
    #[cold]
    pub(super) fn refuse(
        &mut self,
        session: &mut Session,
        registered: Option<&Registered>,
        error: &CmdError,
        out: &mut Output,
    ) {
        if let Some(registered) = registered {
            self.stats.rejected(registered.id);
        }
        if self.gathered.is_none() {
            match registered {
                Some(registered) => session.shared.set_last_command(registered.id),
                None => session.shared.forget_last_command(),
            }
            session.end_caching(registered.map(|registered| registered.full_name.as_str()));
        }
        let mark = out.mark();
        self.write_error(session, error, out);
        // A refusal is the one reply that CLIENT REPLY SKIP drops, like any other.
        let is_skipped = self.gathered.is_none() && std::mem::take(&mut session.skips_next);
        if is_skipped || session.reply_mode != ReplyMode::On {
            out.truncate(mark);
        }
        self.tick();
    }

    #[cold]
    pub(super) fn write_error(&self, session: &Session, error: &CmdError, out: &mut Output) {
        if !matches!(error, CmdError::Counted(_)) {
            self.count_error(error);
        }
        out.writer(session.proto).error(&error.line());
    }

    #[cold]
    pub(super) fn count_error(&self, error: &CmdError) {
        bump(&self.stats.counters.error_replies, 1);
        self.engine.stats.error(&error.line());
    }
}

pub(super) fn is_exec(registered: &Registered) -> bool {
    matches!(registered.command.handler, Handler::Control(Control::Exec))
}

/// The command or subcommand that the request means, if it is known and has the right number of arguments.
#[inline]
pub(super) fn admit<'k>(found: &'k Registered, args: &Args<'_>) -> Option<&'k Registered> {
    let registered = if found.subcommands.is_empty() { found } else { subcommand(found, args)? };
    registered.command.spec.accepts(args.len()).then_some(registered)
}

/// What a request for a command with subcommands runs; `None` when there is no such subcommand.
pub(super) fn subcommand<'k>(found: &'k Registered, args: &Args<'_>) -> Option<&'k Registered> {
    let is_container = matches!(found.command.handler, Handler::Container);
    match args.get(1) {
        None => Some(found),
        Some(word) => found.subcommand(word).or((!is_container).then_some(found)),
    }
}

/// Why a request was not admitted, and which command's statistics show it.
fn objection<'k>(found: Option<&'k Registered>, args: &Args<'_>) -> (Option<&'k Registered>, CmdError) {
    let Some(found) = found else {
        return (None, CmdError::unknown_command(args.at(0), args.iter().skip(1)));
    };
    let Some(registered) = subcommand(found, args) else {
        return (None, CmdError::unknown_subcommand(&found.full_name, args.at(1)));
    };
    (Some(registered), CmdError::Arity(registered.full_name.clone().into()))
}

/// Whether a line begins as the two lines do that a page in a browser can make every browser send.
#[cold]
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}
