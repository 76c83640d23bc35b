//! WAITAOF: waits until what was written so far is on the disk.
//!
//! ```text
//! first try ─▶ the journal's end is noted with the connection ─▶ durable? answer
//!                                                             ─▶ else Step::Parked, woken by the journal or at the deadline
//! ```
//!
//! Everything committed when the request came counts, not only what this client wrote: the journal has one order, so the
//! wait is at most for commits of the same moment. There are no replicas, so who asks for some waits for its whole time.

use super::command::Request;
use super::error::CmdError;
use super::exec::{Attempts, Executor, Parked};
use super::options::int;
use super::reply::ReplySlot;
use super::wait::timeout_millis;
use super::{Engine, Outcome};
use crate::base::clock::{Clock, UnixMs};
use crate::keyspace::JournalOffset;
use crate::resp::Args;

const LOCAL_RANGE: CmdError = CmdError::text("ERR value is out of range, value must between 0 and 1");
const REPLICA_RANGE: CmdError = CmdError::text("ERR value is out of range, must be positive");
const NO_FILE: CmdError =
    CmdError::text("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");

/// A wait for the disk that has begun.
#[derive(Clone, Copy, Debug)]
pub struct DiskWait {
    target: JournalOffset,
    /// Monotonic ns; `None` = for ever.
    deadline_ns: Option<u64>,
}

/// What a request asks for.
struct Wanted {
    local: bool,
    replicas: bool,
    timeout_ns: Option<u64>,
}

impl Wanted {
    fn parse(args: &Args<'_>, engine: &Engine, now: UnixMs) -> Result<Wanted, CmdError> {
        let local = int(args.at(1))?;
        if !(0..=1).contains(&local) {
            return Err(LOCAL_RANGE);
        }
        if int(args.at(2))? < 0 {
            return Err(REPLICA_RANGE);
        }
        let timeout = timeout_millis(args.at(3), now)?;
        if local > 0 && !engine.journal.is_on() {
            return Err(NO_FILE);
        }
        Ok(Wanted {
            local: local > 0,
            replicas: int(args.at(2))? > 0,
            timeout_ns: timeout.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
        })
    }
}

impl Executor<'_> {
    /// Behind everything committed so far, by this batch too.
    fn journal_end(&mut self) -> JournalOffset {
        self.view.log_all();
        self.engine.journal.end()
    }

    /// Where a WAITAOF must wait; `None` when it can be answered, with an error perhaps.
    pub(super) fn wait_for_disk(
        &mut self,
        args: &Args<'_>,
        attempts: &mut Attempts,
        now: UnixMs,
    ) -> Option<Parked> {
        let wanted = Wanted::parse(args, self.engine, now).ok()?;
        let now_ns = self.engine.time.monotonic_ns();
        let target = self.journal_end();
        let wait = *attempts.disk.get_or_insert_with(|| DiskWait {
            target,
            deadline_ns: wanted.timeout_ns.map(|timeout| now_ns.saturating_add(timeout)),
        });
        self.disk_target = Some(wait.target);
        let is_over = wait.deadline_ns.is_some_and(|deadline| now_ns >= deadline);
        let is_met = !wanted.replicas && (!wanted.local || self.engine.journal.durable() >= wait.target);
        if is_over || is_met {
            attempts.disk = None;
            return None;
        }
        let left_ns = wait.deadline_ns.map(|deadline| deadline - now_ns);
        // Who waits for replicas as well waits for nothing that the journal could tell.
        let target = if wanted.replicas { JournalOffset(u64::MAX) } else { wait.target };
        Some(Parked::Disk { target, left_ns })
    }

    /// Answers how many have what was written: this server, and replicas.
    pub(super) fn answer_waitaof(&mut self, request: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
        Wanted::parse(&request.args, self.engine, self.view.now())?;
        let end = self.journal_end();
        let journal = &self.engine.journal;
        let target = self.disk_target.take().unwrap_or(end);
        let is_durable = journal.is_on() && journal.durable() >= target;
        Ok(reply.write(|w| {
            w.array(2);
            w.int(i64::from(is_durable));
            w.int(0);
        }))
    }
}
