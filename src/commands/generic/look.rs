//! Looking at keys without their values: EXISTS, TOUCH, TYPE.
//!
//! A key named twice counts twice.

use crate::dispatch::{Command, Outcome, ReadCx, ReplySlot, Request};
use crate::keyspace::entry::kind_of;
use crate::spec::{AclCategories, Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::read("exists", -2, exists)
        .doc(Group::Generic, "1.0.0", "Counts how many of the keys exist.", "O(N) in the number of keys.")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::range(1, -1, 1, KeyFlags::RO)])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .args(&[Arg::key("key", 0).multiple()]),
    Command::read("touch", -2, touch)
        .doc(
            Group::Generic,
            "3.2.1",
            "Counts how many of the keys exist and notes that they are used.",
            "O(N) in the number of keys.",
        )
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::range(1, -1, 1, KeyFlags::RO)])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .args(&[Arg::key("key", 0).multiple()]),
    Command::read("type", 2, type_of)
        .doc(Group::Generic, "1.0.0", "Returns the type of the value under a key.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::one(1, KeyFlags::RO)])
        .args(&[Arg::key("key", 0)]),
];

fn exists(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.count(req.keys().iter().filter(|key| cx.inspect(**key).is_some()).count()))
}

fn touch(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.count(req.keys().iter().filter(|key| cx.touch(**key)).count()))
}

fn type_of(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.status(cx.inspect(req.key(0)?).map_or("none", |entry| kind_of(entry).word())))
}
