//! DUMP and RESTORE: values as payloads that travel between servers.
//!
//! What RESTORE tells others does not depend on when they hear of it: a time to live becomes a moment, and a key that would
//! be gone on arrival is told as a deletion of what it replaces. Payloads are checked deeply, whoever sends them.

use std::sync::atomic::Ordering;

use crate::base::clock::UnixMs;
use crate::base::num::push_u64;
use crate::dispatch::options::{int, int_value};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::keyspace::entry::string_entry;
use crate::keyspace::{Effect, Entry, EventClass};
use crate::rdb::dump;
use crate::rdb::read::{Limits, Owned};
use crate::rdb::write::file::Access;
use crate::spec::{AclCategories, Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::string::Encoding;

pub const COMMANDS: &[Command] = &[
    Command::read("dump", 2, dump_key)
        .doc(
            Group::Generic,
            "2.6.0",
            "Returns the value under a key as bytes for RESTORE.",
            "O(N*M), where N is the number of elements and M their average size.",
        )
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output"])
        .args(&[Arg::key("key", 0)]),
    Command::write("restore", -4, restore)
        .doc(Group::Generic, "2.6.0", "Creates a key from what DUMP returned.", RESTORE_COMPLEXITY)
        .flags(CommandFlags::DENYOOM)
        .acl(AclCategories::DANGEROUS.union(AclCategories::KEYSPACE))
        .keys(&[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))])
        .args(RESTORE_ARGS)
        .must_rewrite(),
    Command::write("restore-asking", -4, restore)
        .doc(
            Group::Server,
            "3.0.0",
            "Creates a key from what DUMP returned, in a slot that is being moved here.",
            RESTORE_COMPLEXITY,
        )
        .flags(CommandFlags::ASKING.union(CommandFlags::DENYOOM))
        .acl(AclCategories::DANGEROUS.union(AclCategories::KEYSPACE))
        .keys(&[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))])
        .args(RESTORE_ARGS)
        .must_rewrite()
        .syscmd(),
];

const RESTORE_COMPLEXITY: &str =
    "O(N*M), where N is the number of elements and M their average size; O(N*M*log(N)) for sorted sets.";

const RESTORE_ARGS: &[Arg] = &[
    Arg::key("key", 0),
    Arg::integer("ttl"),
    Arg::string("serialized-value"),
    Arg::token("replace", "REPLACE").since("3.0.0").optional(),
    Arg::token("absttl", "ABSTTL").since("5.0.0").optional(),
    Arg::integer("seconds").with_token("IDLETIME").since("5.0.0").optional(),
    Arg::integer("frequency").with_token("FREQ").since("5.0.0").optional(),
];

fn dump_key(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let compresses = cx.config.rdbcompression;
    let Some(entry) = cx.read(req.key(0)?) else { return Ok(reply.null()) };
    let mut payload = Vec::new();
    dump::encode(&entry.payload(), compresses, &mut payload);
    Ok(reply.bulk(&payload))
}

/// What stands behind the payload.
#[derive(Default)]
struct Options {
    replaces: bool,
    is_absolute: bool,
    access: Option<Access>,
}

fn options(req: &Request<'_>) -> Result<Options, CmdError> {
    let (mut options, mut cursor) = (Options::default(), req.args.cursor(4));
    while cursor.remaining() > 0 {
        if cursor.take_word("REPLACE") {
            options.replaces = true;
        } else if cursor.take_word("ABSTTL") {
            options.is_absolute = true;
        } else if options.access.is_none_or(|access| matches!(access, Access::Idle(_)))
            && cursor.take_word("IDLETIME")
        {
            let seconds = u64::try_from(int_value(&mut cursor)?);
            options.access = Some(Access::Idle(
                seconds.map_err(|_| CmdError::text("ERR Invalid IDLETIME value, must be >= 0"))?,
            ));
        } else if options.access.is_none_or(|access| matches!(access, Access::Frequency(_)))
            && cursor.take_word("FREQ")
        {
            let counter = u8::try_from(int_value(&mut cursor)?);
            options.access = Some(Access::Frequency(
                counter.map_err(|_| CmdError::text("ERR Invalid FREQ value, must be >= 0 and <= 255"))?,
            ));
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(options)
}

fn restore(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let key = req.key(0)?;
    let options = options(req)?;
    // What is replaced is not looked at: behind its deadline it does not expire.
    if !options.replaces && cx.peek(key).is_some() {
        cx.note_use(cx.db(), key)?;
        return Err(CmdError::text("BUSYKEY Target key name already exists."));
    }
    let ttl =
        u64::try_from(int(req.arg(2))?).map_err(|_| CmdError::text("ERR Invalid TTL value, must be >= 0"))?;
    let skips = cx.engine.lifecycle.skips_checksums.load(Ordering::Relaxed);
    let decode = if skips { dump::decode_unchecked } else { dump::decode };
    let value = decode(req.arg(3), Limits::of(cx.config)).map_err(|error| match error {
        dump::Error::Foot => CmdError::text("ERR DUMP payload version or checksum are wrong"),
        dump::Error::Value(error) => {
            tracing::debug!("A payload for RESTORE was refused, integrity check failed: {error}");
            CmdError::text("ERR Bad data format")
        }
    })?;
    let now = cx.now();
    let deadline = match ttl {
        0 => None,
        ttl if options.is_absolute => Some(ttl),
        ttl => Some(now.0.saturating_add(ttl)),
    };
    if deadline.is_some_and(|deadline| deadline <= now.0) {
        // Gone on arrival.
        if options.replaces && cx.empty_destination(key) {
            cx.rewrite(&[b"DEL", key.bytes()]);
        }
        return Ok(reply.ok());
    }
    let mut entry = entry_of(key.bytes(), value, deadline);
    entry.set_clock(clock(cx, options.access, now));
    cx.put(cx.db(), key, entry, Effect::event(EventClass::Generic, "restore"));
    tell(cx, req, deadline, &options);
    Ok(reply.ok())
}

fn entry_of(name: &[u8], value: Owned, deadline: Option<u64>) -> Entry {
    match value {
        Owned::Text(text) => string_entry(name, &text, Encoding::of(&text), deadline),
        Owned::Collection(value) => Entry::boxed(name, value, deadline, 0),
    }
}

fn clock(cx: &mut WriteCx<'_, '_>, access: Option<Access>, now: UnixMs) -> u32 {
    let clock = cx.keyspace().access_clock();
    match access {
        Some(Access::Idle(seconds)) => clock.idle_for(seconds, now),
        Some(Access::Frequency(counter)) => clock.counted(counter, now),
        None => clock.initial(now),
    }
}

/// Others hear of the moment at which the key expires.
fn tell(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, deadline: Option<u64>, options: &Options) {
    let mut words: Vec<&[u8]> = req.args.iter().collect();
    let mut digits = Vec::new();
    if let Some(deadline) = deadline.filter(|_| !options.is_absolute) {
        push_u64(&mut digits, deadline);
        words.push(b"ABSTTL");
        if let Some(ttl) = words.get_mut(2) {
            *ttl = &digits;
        }
    }
    cx.rewrite(&words);
}
