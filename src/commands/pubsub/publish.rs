//! Saying something: PUBLISH, SPUBLISH.

use crate::dispatch::{Command, Outcome, ReplySlot, Request, SessionCx};
use crate::spec::{Arg, ChannelSpec, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::session("publish", 3, publish)
        .doc(
            Group::PubSub,
            "2.0.0",
            "Sends a message to all who listen to a channel.",
            "O(N+M) for the N subscribers of the channel and the M patterns that may match it.",
        )
        .flags(FLAGS)
        .channels(ChannelSpec::ONE)
        .args(&[Arg::string("channel"), Arg::string("message")]),
    Command::session("spublish", 3, spublish)
        .doc(
            Group::PubSub,
            "7.0.0",
            "Sends a message to all who listen to a shard channel.",
            "O(N) in the subscribers of the channel.",
        )
        .flags(FLAGS)
        .channels(ChannelSpec::ONE)
        .keys(&[KeySpec::one(1, KeyFlags::NOT_KEY)])
        .args(&[Arg::string("shardchannel"), Arg::string("message")]),
];

const FLAGS: CommandFlags = CommandFlags::FAST
    .union(CommandFlags::LOADING)
    .union(CommandFlags::PUBSUB)
    .union(CommandFlags::STALE)
    .union(CommandFlags::MAY_REPLICATE);

fn publish(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.count(cx.engine.pubsub.publish(req.arg(1), req.arg(2))))
}

fn spublish(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.count(cx.engine.pubsub.publish_to_shard(req.arg(1), req.arg(2))))
}
