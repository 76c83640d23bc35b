//! OBJECT: how a value is kept, and how it is used.
//!
//! Frequency and idle time share the 24 bits of the access clock, so only one of them is known at a time: which,
//! the policy decides (see [`crate::keyspace::access`]).

use crate::base::clock::UnixMs;
use crate::base::num::parse_i64;
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, SessionCx};
use crate::keyspace::access::idle_seconds;
use crate::keyspace::entry::{encoding_word, string_of};
use crate::keyspace::{AccessClock, Entry};
use crate::spec::{AclCategories, Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::string::Encoding;

pub const COMMANDS: &[Command] = &[Command::container(
    "object",
    -2,
    &[
        Command::read("freq", 3, object_freq)
            .doc(Group::Generic, "4.0.0", "Returns how often a key is used, on a logarithmic scale.", "O(1)")
            .acl(AclCategories::KEYSPACE)
            .keys(&[KeySpec::one(2, KeyFlags::RO)])
            .tips(&["nondeterministic_output"])
            .args(&[Arg::key("key", 0)]),
        Command::read("refcount", 3, object_refcount)
            .doc(
                Group::Generic,
                "2.2.3",
                "Returns the number of references to the value under a key.",
                "O(1)",
            )
            .acl(AclCategories::KEYSPACE)
            .keys(&[KeySpec::one(2, KeyFlags::RO)])
            .tips(&["nondeterministic_output"])
            .args(&[Arg::key("key", 0)]),
        Command::read("idletime", 3, object_idletime)
            .doc(Group::Generic, "2.2.3", "Returns for how many seconds a key was not used.", "O(1)")
            .acl(AclCategories::KEYSPACE)
            .keys(&[KeySpec::one(2, KeyFlags::RO)])
            .tips(&["nondeterministic_output"])
            .args(&[Arg::key("key", 0)]),
        Command::read("encoding", 3, object_encoding)
            .doc(Group::Generic, "2.2.3", "Returns the internal encoding of the value under a key.", "O(1)")
            .acl(AclCategories::KEYSPACE)
            .keys(&[KeySpec::one(2, KeyFlags::RO)])
            .tips(&["nondeterministic_output"])
            .args(&[Arg::key("key", 0)]),
        Command::session("help", 2, object_help)
            .doc(Group::Generic, "6.2.0", "Describes the subcommands.", "O(1)")
            .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
            .acl(AclCategories::KEYSPACE),
    ],
)
.doc(Group::Generic, "2.2.3", "Tells how the value under a key is kept.", "Depends on subcommand.")];

/// Redis keeps one object for each of these numbers, whoever refers to it.
const SHARED_INTEGERS: std::ops::Range<i64> = 0..10_000;
/// References that Redis tells of an object that is never freed.
const SHARED_REFERENCES: i64 = i32::MAX as i64;

const NO_LFU: CmdError = CmdError::text(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);
const NO_LRU: CmdError = CmdError::text(
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);

fn object_encoding(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(match cx.examine(req.key(0)?) {
        Some(entry) => reply.bulk(encoding_word(entry).as_bytes()),
        None => reply.null(),
    })
}

fn object_refcount(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    // Policies that look at the use of each key share no values between keys.
    let by_use = cx.config.maxmemory_policy.is_lfu() || cx.config.maxmemory_policy.is_lru();
    let may_share = cx.config.maxmemory == 0 || !by_use;
    Ok(match cx.examine(req.key(0)?) {
        Some(entry) => reply.int(if may_share && is_shared_integer(entry) { SHARED_REFERENCES } else { 1 }),
        None => reply.null(),
    })
}

fn is_shared_integer(entry: &Entry) -> bool {
    let is_int = Encoding::from_bits(entry.meta()) == Encoding::Int;
    is_int
        && string_of(entry)
            .and_then(|string| parse_i64(string.bytes()))
            .is_some_and(|number| SHARED_INTEGERS.contains(&number))
}

fn object_idletime(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let answer = |clock: AccessClock, entry: u32, now: UnixMs| {
        if clock.lfu { Err(NO_LRU) } else { Ok(idle_seconds(entry, now)) }
    };
    answer_clock(cx, req, reply, answer)
}

fn object_freq(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let answer = |clock: AccessClock, entry: u32, now: UnixMs| {
        if clock.lfu { Ok(u64::from(clock.frequency(entry, now))) } else { Err(NO_LFU) }
    };
    answer_clock(cx, req, reply, answer)
}

/// Answers from the access clock of the key's entry; a missing key is null whatever the policy.
fn answer_clock(
    cx: &mut ReadCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    answer: impl FnOnce(AccessClock, u32, UnixMs) -> Result<u64, CmdError>,
) -> Outcome {
    let (clock, now) = (cx.keyspace().access_clock(), cx.now());
    let Some(entry) = cx.examine(req.key(0)?) else { return Ok(reply.null()) };
    let number = answer(clock, entry.clock(), now)?;
    Ok(reply.write(|writer| writer.uint(number)))
}

fn object_help(_: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help(
        "object",
        &[
            "ENCODING <key>",
            "    Return the kind of internal representation used in order to store the value",
            "    associated with a <key>.",
            "FREQ <key>",
            "    Return the access frequency index of the <key>. The returned integer is",
            "    proportional to the logarithm of the recent access frequency of the key.",
            "IDLETIME <key>",
            "    Return the idle time of the <key>, that is the approximated number of",
            "    seconds elapsed since the last access to the key.",
            "REFCOUNT <key>",
            "    Return the number of references of the value associated with the specified",
            "    <key>.",
        ],
    ))
}
