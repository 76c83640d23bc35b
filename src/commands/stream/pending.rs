//! XACK and XPENDING.

use super::{group_of, interval_end, interval_start, stream_ids, write_id};
use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::keyspace::Effect;
use crate::resp::Writer;
use crate::spec::{Arg, CommandFlags, Group as Chapter, KeyFlags, KeySpec};
use crate::value::stream::{Group, Pending, Stream, StreamId};

pub const COMMANDS: &[Command] = &[
    Command::write("xack", -4, xack)
        .doc(
            Chapter::Stream,
            "5.0.0",
            "Acknowledges entries that were delivered; returns how many were pending.",
            "O(log(N)) for each id.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::string("group"), Arg::string("id").multiple()]),
    Command::read("xpending", -3, xpending)
        .doc(
            Chapter::Stream,
            "5.0.0",
            "Tells which entries of a group are pending, in all or one by one.",
            "O(log(N)+M), M being the number of entries returned or passed over because of IDLE. The summary: O(C) in the number of consumers.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output"])
        .args(&[
            Arg::key("key", 0),
            Arg::string("group"),
            Arg::block(
                "filters",
                &[
                    Arg::integer("min-idle-time").with_token("IDLE").since("6.2.0").optional(),
                    Arg::string("start"),
                    Arg::string("end"),
                    Arg::integer("count"),
                    Arg::string("consumer").optional(),
                ],
            )
            .optional(),
        ]),
];

fn xack(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let name = req.arg(2);
    let acknowledged = cx.edit(req.key(0)?, |entry| {
        entry.count_access();
        if entry.value::<Stream>()?.and_then(|stream| stream.group(name)).is_none() {
            return Ok((0, Effect::NONE));
        }
        let ids = stream_ids(req.args.iter().skip(3))?;
        let group = entry.value_mut::<Stream>()?.and_then(|stream| stream.group_mut(name));
        let Some((_, group)) = group else { return Ok((0, Effect::NONE)) };
        let acknowledged = ids.iter().filter(|&&id| group.remove_pending(id).is_some()).count();
        Ok((acknowledged, Effect::NONE.changes(acknowledged as u32).unwatched()))
    })?;
    Ok(reply.count(acknowledged))
}

/// What the long form asks for.
struct Query<'a> {
    min_idle_ms: i64,
    start: StreamId,
    end: StreamId,
    most: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Query<'a> {
    /// `None` for the short form.
    fn parse(req: &Request<'a>) -> Result<Option<Query<'a>>, CmdError> {
        match req.len() {
            3 => return Ok(None),
            6..=9 => {}
            _ => return Err(CmdError::Syntax),
        }
        let (mut at, mut min_idle_ms) = (3, 0);
        if req.arg(3).eq_ignore_ascii_case(b"idle") {
            min_idle_ms = int(req.arg(4))?;
            if req.len() < 8 {
                return Err(CmdError::Syntax);
            }
            at = 5;
        }
        let most = usize::try_from(int(req.arg(at + 2))?).unwrap_or(0);
        let (start, end) = (interval_start(req.arg(at))?, interval_end(req.arg(at + 1))?);
        Ok(Some(Query { min_idle_ms, start, end, most, consumer: req.args.get(at + 3) }))
    }
}

fn xpending(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let query = Query::parse(req)?;
    let now_ms = cx.now().0;
    let key = req.key(0)?;
    let (_, group) = group_of(cx.value::<Stream>(key)?, key.bytes(), req.arg(2))?;
    Ok(reply.write(|writer| match query {
        None => write_summary(writer, group),
        Some(query) => write_pending(writer, group, &query, now_ms),
    }))
}

/// How many, first and last id, and how many each consumer has.
fn write_summary(writer: &mut Writer<'_>, group: &Group) {
    let pending = group.pending();
    writer.array(4);
    writer.count(pending.len());
    let (Some(first), Some(last)) = (pending.first(), pending.last()) else {
        writer.null();
        writer.null();
        return writer.null_array();
    };
    write_id(writer, first.id);
    write_id(writer, last.id);
    writer.array_counted(|writer| {
        let busy = group.consumers().filter(|consumer| !consumer.pending().is_empty());
        busy.map(|consumer| {
            writer.array(2);
            writer.bulk(consumer.name());
            writer.bulk_int(consumer.pending().len() as i64);
        })
        .count()
    });
}

fn write_pending(writer: &mut Writer<'_>, group: &Group, query: &Query<'_>, now_ms: u64) {
    let consumer = match query.consumer.map(|name| group.consumer_named(name)) {
        Some(None) => return writer.array(0),
        consumer => consumer.flatten(),
    };
    writer.array_counted(|writer| {
        group
            .pending_between(consumer, query.start, query.end)
            .filter(|pending| query.min_idle_ms == 0 || idle_ms(pending, now_ms) >= query.min_idle_ms)
            .take(query.most)
            .map(|pending| {
                writer.array(4);
                write_id(writer, pending.id);
                writer.bulk_or_null(group.consumer(pending.consumer).map(|consumer| consumer.name()));
                writer.int(idle_ms(pending, now_ms).max(0));
                writer.uint(pending.deliveries);
            })
            .count()
    });
}

/// Time since the last delivery; negative if a client gave one that lies ahead.
pub(super) fn idle_ms(pending: &Pending, now_ms: u64) -> i64 {
    now_ms.wrapping_sub(pending.delivered_ms) as i64
}
