//! ROLE and WAIT, for a server that has no replicas: it is a master, and no write can reach anybody else.

use crate::base::clock::Clock;
use crate::commands::connection::client::modes::end_of_timeout;
use crate::dispatch::options::int;
use crate::dispatch::{AdminCx, Command, Outcome, ReplySlot, Request};
use crate::spec::{AclCategories, Arg, CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[
    Command::admin("role", 1, role)
        .doc(Group::Server, "2.8.12", "Tells the role in replication.", "O(1)")
        .flags(
            CommandFlags::FAST
                .union(CommandFlags::LOADING)
                .union(CommandFlags::NOSCRIPT)
                .union(CommandFlags::STALE),
        )
        .acl(AclCategories::ADMIN.union(AclCategories::DANGEROUS)),
    Command::admin("wait", 3, wait)
        .doc(Group::Generic, "3.0.0", "Waits until writes have reached replicas.", "O(1)")
        .flags(CommandFlags::BLOCKING)
        .acl(AclCategories::CONNECTION)
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .args(&[Arg::integer("numreplicas"), Arg::integer("timeout")]),
];

fn role(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.write(|w| {
        w.array(3);
        w.bulk(b"master");
        // Offset of the replication stream, which is empty.
        w.int(0);
        w.array(0);
    }))
}

/// Answers at once: waiting longer for replicas that don't exist changes nothing.
fn wait(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    int(req.arg(1))?;
    end_of_timeout(req.arg(2), cx.engine.time.now_ms())?;
    Ok(reply.int(0))
}
