//! Runs commands of a log: what a client did once, done again without the client.
//!
//! No gates, no replies, no statistics, no effects: everything was allowed, answered and told when it happened. And no
//! time: nothing expires while a log is replayed, because what did expire is in the log as a command of its own. So
//! the commands run at the beginning of time, only the access clocks of keys are set to now.

use super::command::{Handler, Request};
use super::exec::Executor;
use super::plan::{Keys, Plan};
use super::reply::ReplySlot;
use crate::base::clock::UnixMs;
use crate::keyspace::{DbIndex, LockSet};
use crate::resp::{Args, Output};
use crate::session::Session;

/// Why a command of a log could not run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    #[error("Unknown command '{0}'")]
    Unknown(String),
    #[error("Wrong number of arguments for '{0}'")]
    Arity(String),
    #[error("'{0}' does not belong into a log")]
    Foreign(String),
    /// It ran and failed, which it did not when it was logged.
    #[error("'{name}' failed: {error}")]
    Failed { name: String, error: String },
    #[error("SELECT of a database that is not there: {0}")]
    Database(String),
}

impl Executor<'_> {
    /// Runs a command of a log as a use of its keys at `now`; SELECT, MULTI and EXEC are the reader's. The thread may block for
    /// locks.
    ///
    /// # Errors
    /// See [`ReplayError`]; after [`ReplayError::Failed`] going on is possible.
    pub fn replay(
        &mut self,
        session: &mut Session,
        args: Args<'_>,
        now: UnixMs,
        out: &mut Output,
    ) -> Result<(), ReplayError> {
        let name = || args.at(0).escape_ascii().to_string();
        let found = self.find(args.at(0)).ok_or_else(|| ReplayError::Unknown(name()))?;
        let registered = args.get(1).and_then(|word| found.subcommand(word)).unwrap_or(found);
        if !registered.command.spec.accepts(args.len()) {
            return Err(ReplayError::Arity(name()));
        }
        let mut keys = Keys::new();
        let locks = match registered.command.handler {
            Handler::Write(_) | Handler::Read(_) => self.find_keys(registered, &args, &mut keys),
            // Logs of Redis before 5.0 have scripts as they came, which can reach any key.
            Handler::Script(_) => {
                self.find_keys(registered, &args, &mut keys);
                LockSet::All
            }
            _ => return Err(ReplayError::Foreign(name())),
        };
        self.view.lock_blocking_for(&locks);
        self.view.begin_replay(now);
        let mark = out.mark();
        let request = Request { command: registered, args, keys: &keys };
        let outcome = self.handle(session, &request, ReplySlot::new(out, session.proto));
        out.truncate(mark);
        self.view.forget_effects();
        self.rewrites.clear();
        outcome.map(drop).map_err(|error| ReplayError::Failed {
            name: name(),
            error: String::from_utf8_lossy(&error.line()).into_owned(),
        })
    }

    /// Fetches the memory that the next commands of a log will need, under the locks of all shards; they stay held until
    /// [`Executor::release`].
    pub fn foresee_replay(&mut self, db: DbIndex, commands: &[Args<'_>]) {
        self.view.lock_blocking_for(&LockSet::All);
        let mut plan = Plan::default();
        self.plan(commands.iter().copied(), &mut plan);
        self.view.prefetch(db, plan.keys());
    }

    /// SELECT of a log.
    ///
    /// # Errors
    /// When there is no such database.
    pub fn replay_select(&self, session: &mut Session, index: &[u8]) -> Result<(), ReplayError> {
        let number = std::str::from_utf8(index).ok().and_then(|text| text.parse::<u16>().ok());
        match number.filter(|&number| number < self.engine.keyspace.databases()) {
            Some(number) => {
                session.db = DbIndex(number);
                Ok(())
            }
            None => Err(ReplayError::Database(index.escape_ascii().to_string())),
        }
    }
}
