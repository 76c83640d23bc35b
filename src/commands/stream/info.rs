//! XINFO: what a stream, its groups and their consumers are.
//!
//! Redis tells the keys and nodes of the radix tree that holds a stream's blocks. Ours is another tree; `radix-tree-keys`
//! is the number of blocks, as there, and `radix-tree-nodes` one more, which is what a radix tree of few blocks has.

use super::{no_group_of_key, write_entries, write_entry, write_id};
use crate::dispatch::options::int;
use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReadCx, ReplySlot, Request};
use crate::resp::Writer;
use crate::spec::{AclCategories, Arg, CommandFlags, Group as Chapter, KeyFlags, KeySpec};
use crate::value::stream::{Consumer, Group, Log, Stream, StreamId};

pub const COMMANDS: &[Command] = &[Command::container(
    "xinfo",
    -2,
    &[
        Command::read("consumers", 4, consumers)
            .doc(Chapter::Stream, "5.0.0", "Lists the consumers of a consumer group.", "O(1)")
            .keys(&[KeySpec::one(2, KeyFlags::RO.union(KeyFlags::ACCESS))])
            .tips(&["nondeterministic_output"])
            .args(&[Arg::key("key", 0), Arg::string("group")]),
        Command::read("stream", -3, stream)
            .doc(Chapter::Stream, "5.0.0", "Describes a stream.", "O(1)")
            .keys(&[KeySpec::one(2, KeyFlags::RO.union(KeyFlags::ACCESS))])
            .args(&[
                Arg::key("key", 0),
                Arg::block(
                    "full-block",
                    &[Arg::token("full", "FULL"), Arg::integer("count").with_token("COUNT").optional()],
                )
                .optional(),
            ]),
        Command::read("groups", 3, groups)
            .doc(Chapter::Stream, "5.0.0", "Lists the consumer groups of a stream.", "O(1)")
            .keys(&[KeySpec::one(2, KeyFlags::RO.union(KeyFlags::ACCESS))])
            .args(&[Arg::key("key", 0)]),
        Command::admin("help", 2, help)
            .doc(Chapter::Stream, "5.0.0", "Explains the subcommands.", "O(1)")
            .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
            .acl(AclCategories::STREAM),
    ],
)
.doc(Chapter::Stream, "5.0.0", "Commands that describe streams.", "Depends on subcommand.")];

fn stream(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let stream = cx.value::<Stream>(req.key(0)?)?.ok_or(CmdError::NoSuchKey)?;
    let Some(word) = req.args.get(3) else {
        return Ok(reply.write(|writer| write_short(writer, stream)));
    };
    let wrong = || CmdError::subcommand_syntax("xinfo", req.arg(1));
    if !word.eq_ignore_ascii_case(b"full") {
        return Err(wrong());
    }
    const DEFAULT_MOST: usize = 10;
    let most = match req.len() {
        4 => DEFAULT_MOST,
        6 if req.arg(4).eq_ignore_ascii_case(b"count") => match int(req.arg(5))? {
            0 => usize::MAX,
            count => usize::try_from(count).unwrap_or(DEFAULT_MOST),
        },
        _ => return Err(wrong()),
    };
    Ok(reply.write(|writer| write_full(writer, stream, most)))
}

/// What both forms begin with: seven pairs.
fn write_head(writer: &mut Writer<'_>, log: &Log) {
    writer.bulk(b"length");
    writer.uint(log.len());
    writer.bulk(b"radix-tree-keys");
    writer.count(log.block_count());
    writer.bulk(b"radix-tree-nodes");
    writer.count(log.block_count() + 1);
    let ids: [(&[u8], StreamId); 2] =
        [(b"last-generated-id", log.last_id()), (b"max-deleted-entry-id", log.max_deleted_id())];
    for (name, id) in ids {
        writer.bulk(name);
        write_id(writer, id);
    }
    writer.bulk(b"entries-added");
    writer.uint(log.entries_added());
    writer.bulk(b"recorded-first-entry-id");
    write_id(writer, log.first_id());
}

fn write_short(writer: &mut Writer<'_>, stream: &Stream) {
    let log = stream.log();
    writer.map(10);
    write_head(writer, log);
    writer.bulk(b"groups");
    writer.count(stream.group_count());
    let first = log.range(StreamId::MIN, StreamId::MAX).next();
    let last = log.range_back(StreamId::MIN, StreamId::MAX).next();
    for (name, entry) in [(b"first-entry".as_slice(), first), (b"last-entry", last)] {
        writer.bulk(name);
        match entry {
            Some(entry) => write_entry(writer, &entry),
            None => writer.null(),
        }
    }
}

fn write_full(writer: &mut Writer<'_>, stream: &Stream, most: usize) {
    let log = stream.log();
    writer.map(9);
    write_head(writer, log);
    writer.bulk(b"entries");
    write_entries(writer, log.range(StreamId::MIN, StreamId::MAX), most);
    writer.bulk(b"groups");
    writer.array(stream.group_count());
    for (name, group) in stream.groups() {
        writer.map(7);
        write_name(writer, name);
        write_progress(writer, group, log);
        writer.bulk(b"pel-count");
        writer.count(group.pending().len());
        writer.bulk(b"pending");
        writer.array(group.pending().len().min(most));
        for pending in group.pending().iter().take(most) {
            writer.array(4);
            write_id(writer, pending.id);
            writer.bulk_or_null(group.consumer(pending.consumer).map(Consumer::name));
            writer.uint(pending.delivered_ms);
            writer.uint(pending.deliveries);
        }
        writer.bulk(b"consumers");
        writer.array(group.consumer_count());
        group.consumers().for_each(|consumer| write_full_consumer(writer, group, consumer, most));
    }
}

fn write_full_consumer(writer: &mut Writer<'_>, group: &Group, consumer: &Consumer, most: usize) {
    writer.map(5);
    write_name(writer, consumer.name());
    writer.bulk(b"seen-time");
    writer.uint(consumer.seen_ms);
    writer.bulk(b"active-time");
    writer.int(consumer.active_ms.map_or(-1, |active_ms| active_ms as i64));
    writer.bulk(b"pel-count");
    writer.count(consumer.pending().len());
    writer.bulk(b"pending");
    writer.array(consumer.pending().len().min(most));
    for pending in consumer.pending().iter().take(most).filter_map(|&id| group.find_pending(id)) {
        writer.array(3);
        write_id(writer, pending.id);
        writer.uint(pending.delivered_ms);
        writer.uint(pending.deliveries);
    }
}

fn write_name(writer: &mut Writer<'_>, name: &[u8]) {
    writer.bulk(b"name");
    writer.bulk(name);
}

/// Three pairs: how far the group has read.
fn write_progress(writer: &mut Writer<'_>, group: &Group, log: &Log) {
    writer.bulk(b"last-delivered-id");
    write_id(writer, group.last_id);
    let counts =
        [(b"entries-read".as_slice(), group.entries_read.map(|read| read as i64)), (b"lag", group.lag(log))];
    for (name, count) in counts {
        writer.bulk(name);
        match count {
            Some(count) => writer.int(count),
            None => writer.null(),
        }
    }
}

fn groups(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let stream = cx.value::<Stream>(req.key(0)?)?.ok_or(CmdError::NoSuchKey)?;
    Ok(reply.write(|writer| {
        writer.array(stream.group_count());
        for (name, group) in stream.groups() {
            writer.map(6);
            write_name(writer, name);
            writer.bulk(b"consumers");
            writer.count(group.consumer_count());
            writer.bulk(b"pending");
            writer.count(group.pending().len());
            write_progress(writer, group, stream.log());
        }
    }))
}

fn consumers(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (now_ms, key) = (cx.now().0, req.key(0)?);
    let stream = cx.value::<Stream>(key)?.ok_or(CmdError::NoSuchKey)?;
    let group = stream.group(req.arg(3)).ok_or_else(|| no_group_of_key(key.bytes(), req.arg(3)))?;
    Ok(reply.write(|writer| {
        writer.array(group.consumer_count());
        for consumer in group.consumers() {
            writer.map(4);
            write_name(writer, consumer.name());
            writer.bulk(b"pending");
            writer.count(consumer.pending().len());
            writer.bulk(b"idle");
            writer.uint(now_ms.saturating_sub(consumer.seen_ms));
            writer.bulk(b"inactive");
            writer.int(consumer.active_ms.map_or(-1, |active_ms| now_ms.saturating_sub(active_ms) as i64));
        }
    }))
}

fn help(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help(
        "xinfo",
        &[
            "CONSUMERS <key> <groupname>",
            "    Show consumers of <groupname>.",
            "GROUPS <key>",
            "    Show the stream consumer groups.",
            "STREAM <key> [FULL [COUNT <count>]",
            "    Show information about the stream.",
        ],
    ))
}
