//! Deleting keys: DEL and UNLINK.
//!
//! The two differ in name only: the keyspace frees a big value in the background in any case (see
//! [`crate::keyspace::reclaim`]), and a small one at once.

use crate::dispatch::{Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass};
use crate::spec::{AclCategories, Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::write("del", -2, del)
        .doc(
            Group::Generic,
            "1.0.0",
            "Deletes keys.",
            "O(N) in the number of keys; big values are freed in the background.",
        )
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::range(1, -1, 1, KeyFlags::RM.union(KeyFlags::DELETE))])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .args(&[Arg::key("key", 0).multiple()]),
    Command::write("unlink", -2, del)
        .doc(
            Group::Generic,
            "4.0.0",
            "Deletes keys and frees their values in the background.",
            "O(1) per key; freeing happens in another thread.",
        )
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::range(1, -1, 1, KeyFlags::RM.union(KeyFlags::DELETE))])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .args(&[Arg::key("key", 0).multiple()]),
];

fn del(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let removed =
        req.keys().iter().filter(|key| cx.remove(**key, Effect::event(EventClass::Generic, "del"))).count();
    Ok(reply.count(removed))
}
