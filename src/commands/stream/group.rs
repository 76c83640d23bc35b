//! XGROUP: creating, moving and removing consumer groups and their consumers.

use super::{edge_or_id, no_group_of_key, stream_id};
use crate::dispatch::options::int;
use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass};
use crate::spec::{AclCategories, Arg, CommandFlags, Group as Chapter, KeyFlags, KeySpec};
use crate::value::stream::group::Forgotten;
use crate::value::stream::{Group, Log, Stream, StreamId};

pub const COMMANDS: &[Command] = &[Command::container(
    "xgroup",
    -2,
    &[
        Command::write("setid", -5, setid)
            .doc(Chapter::Stream, "5.0.0", "Sets how far a consumer group has read.", "O(1)")
            .keys(&[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::UPDATE))])
            .args(&[Arg::key("key", 0), Arg::string("group"), ID_ARG, ENTRIES_READ_ARG]),
        Command::write("create", -5, create)
            .doc(Chapter::Stream, "5.0.0", "Creates a consumer group.", "O(1)")
            .flags(CommandFlags::DENYOOM)
            .keys(&[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::INSERT))])
            .args(&[
                Arg::key("key", 0),
                Arg::string("group"),
                ID_ARG,
                Arg::token("mkstream", "MKSTREAM").optional(),
                ENTRIES_READ_ARG,
            ]),
        Command::write("createconsumer", 5, create_consumer)
            .doc(Chapter::Stream, "6.2.0", "Creates a consumer in a consumer group.", "O(1)")
            .flags(CommandFlags::DENYOOM)
            .keys(&[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::INSERT))])
            .args(&[Arg::key("key", 0), Arg::string("group"), Arg::string("consumer")]),
        Command::write("delconsumer", 5, delete_consumer)
            .doc(
                Chapter::Stream,
                "5.0.0",
                "Removes a consumer of a consumer group; returns how many entries it had not acknowledged.",
                "O(1)",
            )
            .keys(&[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::DELETE))])
            .args(&[Arg::key("key", 0), Arg::string("group"), Arg::string("consumer")]),
        Command::admin("help", 2, help)
            .doc(Chapter::Stream, "5.0.0", "Explains the subcommands.", "O(1)")
            .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
            .acl(AclCategories::STREAM),
        Command::write("destroy", 4, destroy)
            .doc(
                Chapter::Stream,
                "5.0.0",
                "Removes a consumer group.",
                "O(N) in the number of entries pending in the group.",
            )
            .keys(&[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::DELETE))])
            .args(&[Arg::key("key", 0), Arg::string("group")]),
    ],
)
.doc(Chapter::Stream, "5.0.0", "Commands about consumer groups.", "Depends on subcommand.")];

const ID_ARG: Arg = Arg::oneof("id-selector", &[Arg::string("id"), Arg::token("new-id", "$")]);
const ENTRIES_READ_ARG: Arg =
    Arg::integer("entriesread").with_token("ENTRIESREAD").display("entries-read").optional();

const NO_KEY: CmdError = CmdError::text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
     option to create an empty stream automatically.",
);

/// The options of CREATE and SETID.
#[derive(Default)]
struct Options {
    makes_stream: bool,
    entries_read: Option<u64>,
    /// An option was given twice, which is said after what is wrong with the key.
    is_too_long: bool,
}

impl Options {
    fn parse(req: &Request<'_>, is_create: bool) -> Result<Options, CmdError> {
        const NEGATIVE: CmdError = CmdError::text("ERR value for ENTRIESREAD must be positive or -1");
        let mut options = Options::default();
        let mut cursor = req.args.cursor(5);
        while cursor.peek().is_some() {
            if is_create && cursor.take_word("mkstream") {
                options.makes_stream = true;
            } else if cursor.remaining() > 1 && cursor.take_word("entriesread") {
                options.entries_read = match int(cursor.next().unwrap_or_default())? {
                    -1 => None,
                    read => Some(u64::try_from(read).map_err(|_| NEGATIVE)?),
                };
            } else {
                return Err(wrong_number(req));
            }
        }
        // SETID takes none or this one; CREATE at most both.
        options.is_too_long = req.len() > if is_create { 8 } else { 7 };
        Ok(options)
    }
}

fn wrong_number(req: &Request<'_>) -> CmdError {
    CmdError::subcommand_syntax("xgroup", req.arg(1))
}

/// An id, or `$` for the last one of the stream.
fn id_or_last(arg: &[u8], log: Option<&Log>) -> Result<StreamId, CmdError> {
    match arg {
        b"$" => Ok(log.map_or(StreamId::MIN, Log::last_id)),
        id => stream_id(id),
    }
}

fn event(name: &'static str) -> Effect {
    Effect::event(EventClass::Stream, name).unwatched()
}

fn create(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const EXISTS: CmdError = CmdError::text("BUSYGROUP Consumer Group name already exists");
    let options = Options::parse(req, true)?;
    cx.edit(req.key(0)?, |entry| {
        let stream = entry.value::<Stream>()?;
        if stream.is_none() && !options.makes_stream {
            return Err(NO_KEY);
        }
        if options.is_too_long {
            return Err(wrong_number(req));
        }
        let last_id = id_or_last(req.arg(4), stream.map(Stream::log))?;
        if stream.is_some_and(|stream| stream.group(req.arg(3)).is_some()) {
            return Err(EXISTS);
        }
        let is_new = stream.is_none();
        let stream: &mut Stream = entry.value_or_default()?;
        stream.create_group(req.arg(3), Group::new(last_id, options.entries_read));
        let effect = Effect::event(EventClass::Stream, "xgroup-create");
        Ok(((), if is_new { effect } else { effect.unwatched() }))
    })?;
    Ok(reply.ok())
}

fn setid(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let options = Options::parse(req, false)?;
    let last_id = match req.arg(4) {
        _ if options.is_too_long => Err(wrong_number(req)),
        b"$" => Ok(None),
        id => edge_or_id(id, 0).map(Some),
    };
    change(cx, req, last_id, |last_id, log, group| {
        group.last_id = last_id.unwrap_or(log.last_id());
        group.entries_read = options.entries_read;
        ((), event("xgroup-setid"))
    })?;
    Ok(reply.ok())
}

/// Opens the group, which must exist; what else was wrong with the request is said after that.
fn change<T, R>(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    argument: Result<T, CmdError>,
    change: impl FnOnce(T, &Log, &mut Group) -> (R, Effect),
) -> Result<R, CmdError> {
    let (key, name) = (req.key(0)?, req.arg(3));
    cx.edit(key, |entry| {
        if entry.value::<Stream>()?.ok_or(NO_KEY)?.group(name).is_none() {
            return Err(no_group_of_key(key.bytes(), name));
        }
        let argument = argument?;
        match entry.value_mut::<Stream>()?.and_then(|stream| stream.group_mut(name)) {
            Some((log, group)) => Ok(change(argument, log, group)),
            None => Err(NO_KEY),
        }
    })
}

fn create_consumer(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now_ms = cx.wall_now().0;
    let is_new = change(cx, req, Ok(()), |(), _, group| match group.create_consumer(req.arg(4), now_ms) {
        Some(_) => (true, event("xgroup-createconsumer")),
        None => (false, Effect::NONE),
    })?;
    Ok(reply.flag(is_new))
}

fn delete_consumer(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let forgotten = change(cx, req, Ok(()), |(), _, group| match group.remove_consumer(req.arg(4)) {
        Some(forgotten) => (Some(forgotten), event("xgroup-delconsumer")),
        None => (None, Effect::NONE),
    })?;
    let count = forgotten.as_ref().map_or(0, Forgotten::count);
    if let Some(forgotten) = forgotten {
        let effort = forgotten.free_effort();
        cx.free(forgotten, effort);
    }
    Ok(reply.count(count))
}

fn destroy(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let is_removed = cx.edit(req.key(0)?, |entry| {
        if entry.value::<Stream>()?.ok_or(NO_KEY)?.group(req.arg(3)).is_none() {
            return Ok((false, Effect::NONE));
        }
        let removed = entry.value_mut::<Stream>()?.and_then(|stream| stream.remove_group(req.arg(3)));
        if let Some(removed) = removed {
            let effort = removed.free_effort();
            entry.free(removed, effort);
        }
        // Who waits as one of the group hears that it has gone.
        Ok((true, event("xgroup-destroy").only_waking()))
    })?;
    Ok(reply.flag(is_removed))
}

fn help(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help(
        "xgroup",
        &[
            "CREATE <key> <groupname> <id|$> [option]",
            "    Create a new consumer group. Options are:",
            "    * MKSTREAM",
            "      Create the empty stream if it does not exist.",
            "    * ENTRIESREAD entries_read",
            "      Set the group's entries_read counter (internal use).",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Create a new consumer in the specified group.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Remove the specified consumer.",
            "DESTROY <key> <groupname>",
            "    Remove the specified group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Set the current group ID and entries_read counter.",
        ],
    ))
}
