//! XREADGROUP: new entries for a consumer of a group, or again those it has not acknowledged.
//!
//! ```text
//! id >     entries that nobody in the group had: they become pending, and the group goes on     XCLAIM …, XGROUP SETID
//! an id    the consumer's own pending entries behind it, delivered once more                    XCLAIM …
//! ```
//!
//! All streams are checked before anything is read. With BLOCK a request that finds nothing waits, also for the end of its
//! group: then it runs again and is told.

use smallvec::SmallVec;

use super::journal::Deeds;
use super::read::{ReadOptions, STREAMS_ARG, streams_spec, walk_streams, write_stream_name};
use super::{no_group, stream_id, write_entry, write_id};
use crate::dispatch::wait::Awaited;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::waiters;
use crate::keyspace::{Effect, EventClass, Key};
use crate::resp::{Proto, Writer};
use crate::spec::{Arg, CommandFlags, Group as Chapter};
use crate::value::Kind;
use crate::value::stream::{ConsumerId, Group, Log, Pending, Stream, StreamId};

pub const COMMANDS: &[Command] = &[Command::write("xreadgroup", -7, xreadgroup)
    .doc(
        Chapter::Stream,
        "5.0.0",
        "Returns new entries of streams, or those pending, to a consumer of a group.",
        "O(M) for each stream, M being the number of entries returned. O(N) for XADD when N clients wait.",
    )
    .flags(CommandFlags::BLOCKING.union(CommandFlags::MOVABLE_KEYS))
    .keys(&[streams_spec(4)])
    .key_walker(walk_streams)
    .must_rewrite()
    .args(&[
        Arg::block("group-block", &[Arg::string("group"), Arg::string("consumer")]).with_token("GROUP"),
        Arg::integer("count").with_token("COUNT").optional(),
        Arg::integer("milliseconds").with_token("BLOCK").optional(),
        Arg::token("noack", "NOACK").optional(),
        STREAMS_ARG,
    ])];

/// What is wanted of a stream.
#[derive(Clone, Copy)]
enum Wanted {
    New,
    /// Own pending entries behind this id.
    Behind(StreamId),
}

/// The request, read.
struct Reading<'a> {
    options: ReadOptions<'a>,
    group: &'a [u8],
    consumer: &'a [u8],
    streams: SmallVec<[(Key<'a>, Wanted); 4]>,
}

fn xreadgroup(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let options = ReadOptions::parse(&req.args, true, cx.now())?;
    let Some((group, consumer)) = options.group else { return Err(CmdError::Syntax) };
    let (mut streams, mut is_served) = (SmallVec::new(), false);
    for (index, id) in options.ids.iter().enumerate() {
        let key = req.key(index)?;
        let stream = cx.value::<Stream>(key)?;
        let Some((stream, group)) = stream.and_then(|stream| Some((stream, stream.group(group)?))) else {
            return Err(no_group(key.bytes(), group, b" in XREADGROUP with GROUP option"));
        };
        let wanted = Wanted::parse(id)?;
        is_served |= wanted.is_served(stream.log(), group);
        streams.push((key, wanted));
    }
    let reading = Reading { options, group, consumer, streams };
    if !is_served {
        // The consumer has been seen all the same.
        for &(key, _) in &reading.streams {
            read_one(cx, key, None, &reading)?;
        }
        let Some(timeout) = reading.options.block else { return Ok(reply.null_array()) };
        let wanted = waiters::Wanted { kind: Kind::Stream, or_none: true };
        let awaited = Awaited { wanted, ..Awaited::value(Kind::Stream, timeout) };
        return Ok(cx.wait(reply, awaited, ReplySlot::null_array));
    }
    reply.try_write(|writer| {
        let mut outcome = Ok(());
        let fill = |writer: &mut Writer<'_>| {
            let mut served = 0;
            for &(key, wanted) in &reading.streams {
                match read_one(cx, key, Some((wanted, &mut *writer)), &reading) {
                    Ok(is_served) => served += usize::from(is_served),
                    Err(error) => outcome = Err(error),
                }
            }
            served
        };
        match writer.proto() {
            Proto::Resp2 => writer.array_counted(fill),
            Proto::Resp3 => writer.map_counted(fill),
        }
        outcome
    })
}

impl Wanted {
    fn parse(arg: &[u8]) -> Result<Wanted, CmdError> {
        const DOLLAR: CmdError = CmdError::text(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
             consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just \
             return an empty result set.",
        );
        const PLUS: CmdError = CmdError::text(
            "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this \
             consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just \
             return an empty result set.",
        );
        match arg {
            b">" => Ok(Wanted::New),
            b"$" => Err(DOLLAR),
            b"+" => Err(PLUS),
            arg => Ok(match stream_id(arg)? {
                StreamId::MAX => Wanted::New,
                id => Wanted::Behind(id),
            }),
        }
    }

    /// Whether the reply names the stream: for new entries only if there are some.
    fn is_served(self, log: &Log, group: &Group) -> bool {
        match self {
            Wanted::New => !log.is_empty() && log.top_id() > group.last_id,
            Wanted::Behind(_) => true,
        }
    }
}

/// Reads one stream, if there is a place to write to, and notes that the consumer was seen; whether something was
/// written.
fn read_one(
    cx: &mut WriteCx<'_, '_>,
    key: Key<'_>,
    wanted: Option<(Wanted, &mut Writer<'_>)>,
    reading: &Reading<'_>,
) -> Result<bool, CmdError> {
    let now_ms = cx.wall_now().0;
    let mut deeds = Deeds::new(cx);
    let is_written = cx.edit(key, |entry| {
        entry.count_access();
        let Some(stream) = entry.value_mut::<Stream>()? else { return Ok((false, Effect::NONE)) };
        let Some((log, group)) = stream.group_mut(reading.group) else { return Ok((false, Effect::NONE)) };
        let Some((consumer, is_new)) = group.open_consumer(reading.consumer, now_ms) else {
            return Ok((false, Effect::NONE));
        };
        let mut effect = Effect::NONE;
        if is_new {
            deeds.created(reading.consumer);
            effect = Effect::event(EventClass::Stream, "xgroup-createconsumer");
        }
        let wanted = wanted.filter(|(wanted, _)| wanted.is_served(log, group));
        let is_written = wanted.is_some();
        if let Some((wanted, writer)) = wanted {
            write_stream_name(writer, key);
            let mut delivery = Delivery { log, group, consumer, now_ms, deeds: &mut deeds };
            let changes = match wanted {
                Wanted::New => delivery.deliver(reading.options.most, reading.options.no_ack, writer),
                Wanted::Behind(id) => delivery.repeat(id, reading.options.most, writer),
            };
            effect = effect.changes(u32::from(is_new) + changes);
        }
        Ok((is_written, effect.unwatched()))
    })?;
    deeds.tell(cx, key.bytes(), reading.group);
    Ok(is_written)
}

/// Entries on their way to a consumer.
struct Delivery<'s> {
    log: &'s Log,
    group: &'s mut Group,
    consumer: ConsumerId,
    now_ms: u64,
    deeds: &'s mut Deeds,
}

impl Delivery<'_> {
    /// Delivers entries that the group has not read; the number of changes, which is one.
    fn deliver(&mut self, most: usize, no_ack: bool, writer: &mut Writer<'_>) -> u32 {
        let log = self.log;
        let start = self.group.last_id.next().unwrap_or(StreamId::MAX);
        writer.array_counted(|writer| {
            let mut count = 0;
            for entry in log.range(start, StreamId::MAX).take(most) {
                self.group.advance(entry.id, log);
                write_entry(writer, &entry);
                if !no_ack {
                    self.make_pending(Pending {
                        id: entry.id,
                        delivered_ms: self.now_ms,
                        deliveries: 1,
                        consumer: self.consumer,
                    });
                }
                count += 1;
            }
            count
        });
        if !no_ack {
            self.group.note_active(self.consumer, self.now_ms);
        }
        self.deeds.advanced(self.group);
        1
    }

    /// Delivers once more what the consumer has not acknowledged; the number of changes.
    fn repeat(&mut self, behind: StreamId, most: usize, writer: &mut Writer<'_>) -> u32 {
        let log = self.log;
        let mut changes = 0;
        writer.array_counted(|writer| {
            let (mut next, mut count) = (behind.next(), 0);
            while let Some(start) = next.filter(|_| count < most) {
                let own = self.group.pending_between(Some(self.consumer), start, StreamId::MAX).next();
                let Some(&pending) = own else { break };
                match log.get(pending.id) {
                    Some(entry) => {
                        write_entry(writer, &entry);
                        let deliveries = pending.deliveries.saturating_add(1);
                        self.make_pending(Pending { delivered_ms: self.now_ms, deliveries, ..pending });
                        changes = 1;
                    }
                    None => {
                        writer.array(2);
                        write_id(writer, pending.id);
                        writer.null_array();
                    }
                }
                (next, count) = (pending.id.next(), count + 1);
            }
            count
        });
        changes
    }

    fn make_pending(&mut self, pending: Pending) {
        self.group.set_pending(pending);
        self.deeds.claimed(self.group, pending);
    }
}
