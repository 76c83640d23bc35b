//! XDEL and XSETID: changes from within, which the counters of a stream remember.

use super::{stream_id, stream_ids};
use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass};
use crate::resp::Args;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::stream::{Log, Stream, StreamId};

pub const COMMANDS: &[Command] = &[
    Command::write("xdel", -3, xdel)
        .doc(
            Group::Stream,
            "5.0.0",
            "Removes entries by their ids; returns how many there were.",
            "O(log(N)) for each id.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))])
        .args(&[Arg::key("key", 0), Arg::string("id").multiple()]),
    Command::write("xsetid", -3, xsetid)
        .doc(Group::Stream, "5.0.0", "Sets the last id of a stream, and its counters.", "O(1)")
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[
            Arg::key("key", 0),
            Arg::string("last-id"),
            Arg::integer("entries-added").with_token("ENTRIESADDED").since("7.0.0").optional(),
            Arg::string("max-deleted-id").with_token("MAXDELETEDID").since("7.0.0").optional(),
        ]),
];

fn xdel(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let removed = cx.edit(req.key(0)?, |entry| {
        if entry.value::<Stream>()?.is_none() {
            return Ok((0, Effect::NONE));
        }
        let ids = stream_ids(req.args.iter().skip(2))?;
        let Some(stream) = entry.value_mut::<Stream>()? else { return Ok((0, Effect::NONE)) };
        let removed = ids.iter().filter(|&&id| stream.log_mut().delete(id)).count();
        let effect = match removed {
            0 => Effect::NONE,
            _ => Effect::event(EventClass::Stream, "xdel").changes(removed as u32),
        };
        Ok((removed, effect))
    })?;
    Ok(reply.count(removed))
}

/// What XSETID is to set.
struct Setting {
    last_id: StreamId,
    entries_added: Option<u64>,
    max_deleted_id: Option<StreamId>,
}

impl Setting {
    fn parse(args: &Args<'_>) -> Result<Setting, CmdError> {
        const NEGATIVE: CmdError = CmdError::text("ERR entries_added must be positive");
        const BELOW_DELETED: CmdError = CmdError::text(
            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        );
        let mut setting =
            Setting { last_id: stream_id(args.at(2))?, entries_added: None, max_deleted_id: None };
        let mut cursor = args.cursor(3);
        while let Some(word) = cursor.next() {
            let value = cursor.next().ok_or(CmdError::Syntax)?;
            if word.eq_ignore_ascii_case(b"entriesadded") {
                setting.entries_added = Some(u64::try_from(int(value)?).map_err(|_| NEGATIVE)?);
            } else if word.eq_ignore_ascii_case(b"maxdeletedid") {
                let id = stream_id(value)?;
                if setting.last_id < id {
                    return Err(BELOW_DELETED);
                }
                // Zero sets nothing.
                setting.max_deleted_id = Some(id).filter(|id| !id.is_zero());
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(setting)
    }

    /// Refuses what would break the order of ids, or the counts.
    fn check(&self, log: &Log) -> Result<(), CmdError> {
        const BELOW_DELETED: CmdError =
            CmdError::text("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
        const BELOW_TOP: CmdError =
            CmdError::text("ERR The ID specified in XSETID is smaller than the target stream top item");
        const FEWER: CmdError = CmdError::text(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        );
        if self.last_id < log.max_deleted_id() {
            return Err(BELOW_DELETED);
        }
        if !log.is_empty() && self.last_id < log.top_id() {
            return Err(BELOW_TOP);
        }
        if self.entries_added.is_some_and(|added| added < log.len()) {
            return Err(FEWER);
        }
        Ok(())
    }
}

fn xsetid(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let setting = Setting::parse(&req.args)?;
    cx.edit(req.key(0)?, |entry| {
        let stream = entry.value::<Stream>()?.ok_or(CmdError::NoSuchKey)?;
        setting.check(stream.log())?;
        if let Some(stream) = entry.value_mut::<Stream>()? {
            stream.log_mut().set_id(setting.last_id, setting.entries_added, setting.max_deleted_id);
        }
        Ok(((), Effect::event(EventClass::Stream, "xsetid").unwatched()))
    })?;
    Ok(reply.ok())
}
