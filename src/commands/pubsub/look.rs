//! PUBSUB: who listens to what.

use crate::base::glob::Pattern;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx};
use crate::session::Space;
use crate::spec::{Arg, CommandFlags, Group};

pub const COMMANDS: &[Command] = &[Command::container(
    "pubsub",
    -2,
    &[
        Command::session("shardnumsub", -2, shardnumsub)
            .doc(
                Group::PubSub,
                "7.0.0",
                "Returns how many listen to each of some shard channels.",
                "O(N) in the number of channels.",
            )
            .flags(FLAGS)
            .args(&[Arg::string("shardchannel").optional().multiple()]),
        Command::session("channels", -2, channels)
            .doc(
                Group::PubSub,
                "2.8.0",
                "Returns the channels that somebody listens to.",
                "O(N) in the number of channels.",
            )
            .flags(FLAGS)
            .args(&[Arg::pattern("pattern").optional()]),
        Command::session("shardchannels", -2, shardchannels)
            .doc(
                Group::PubSub,
                "7.0.0",
                "Returns the shard channels that somebody listens to.",
                "O(N) in the number of channels.",
            )
            .flags(FLAGS)
            .args(&[Arg::pattern("pattern").optional()]),
        Command::session("numpat", 2, numpat)
            .doc(Group::PubSub, "2.8.0", "Returns how many patterns somebody listens to.", "O(1)")
            .flags(FLAGS),
        Command::session("numsub", -2, numsub)
            .doc(
                Group::PubSub,
                "2.8.0",
                "Returns how many listen to each of some channels.",
                "O(N) in the number of channels.",
            )
            .flags(FLAGS)
            .args(&[Arg::string("channel").optional().multiple()]),
        Command::session("help", 2, help)
            .doc(Group::PubSub, "6.2.0", "Describes the subcommands.", "O(1)")
            .flags(CommandFlags::LOADING.union(CommandFlags::STALE)),
    ],
)
.doc(Group::PubSub, "2.8.0", "Tells who listens to what.", "Depends on subcommand.")];

const FLAGS: CommandFlags = CommandFlags::LOADING.union(CommandFlags::PUBSUB).union(CommandFlags::STALE);

fn channels(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    list(cx, req, reply, Space::Channel)
}

fn shardchannels(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    list(cx, req, reply, Space::Shard)
}

fn list(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>, space: Space) -> Outcome {
    if req.len() > 3 {
        return Err(CmdError::subcommand_syntax("pubsub", req.arg(1)));
    }
    let pattern = req.args.get(2).map(Pattern::new);
    Ok(reply.write(|writer| {
        writer.array_counted(|writer| {
            let mut count = 0;
            cx.engine.pubsub.for_each_channel(space, |channel| {
                if pattern.as_ref().is_none_or(|pattern| pattern.matches(channel)) {
                    count += 1;
                    writer.bulk(channel);
                }
            });
            count
        });
    }))
}

fn numsub(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    count(cx, req, reply, Space::Channel)
}

fn shardnumsub(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    count(cx, req, reply, Space::Shard)
}

fn count(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>, space: Space) -> Outcome {
    Ok(reply.write(|writer| {
        writer.array((req.len() - 2) * 2);
        for name in req.args.iter().skip(2) {
            writer.bulk(name);
            writer.count(cx.engine.pubsub.subscribers(space, name));
        }
    }))
}

fn numpat(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.count(cx.engine.pubsub.len(Space::Pattern)))
}

fn help(_: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help(
        "pubsub",
        &[
            "CHANNELS [<pattern>]",
            "    Return the currently active channels matching a <pattern> (default: '*').",
            "NUMPAT",
            "    Return number of subscriptions to patterns.",
            "NUMSUB [<channel> ...]",
            "    Return the number of subscribers for the specified channels, excluding",
            "    pattern subscriptions(default: no channels).",
            "SHARDCHANNELS [<pattern>]",
            "    Return the currently active shard level channels matching a <pattern> (default: '*').",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Return the number of subscribers for the specified shard level channel(s)",
        ],
    ))
}
