//! Listening: SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and their ends.
//!
//! Each name is confirmed by a message of its own: kind, name, and how many subscriptions the client has now
//! (channels and patterns together, shard channels by themselves). The confirmation comes before the first message
//! of the name and after the last, because what waits in the client's mailbox is written out first.

use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx};
use crate::resp::Writer;
use crate::session::{Session, Space};
use crate::spec::{Arg, ChannelSpec, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::session("subscribe", -2, subscribe)
        .doc(Group::PubSub, "2.0.0", "Listens to channels.", "O(N) in the number of channels.")
        .flags(FLAGS)
        .channels(ChannelSpec::ALL)
        .args(&[Arg::string("channel").multiple()])
        .while_subscribed(),
    Command::session("unsubscribe", -1, unsubscribe)
        .doc(
            Group::PubSub,
            "2.0.0",
            "Listens to channels no longer, to none at all without arguments.",
            "O(N) in the number of channels.",
        )
        .flags(FLAGS)
        .args(&[Arg::string("channel").optional().multiple()])
        .while_subscribed(),
    Command::session("psubscribe", -2, psubscribe)
        .doc(
            Group::PubSub,
            "2.0.0",
            "Listens to all channels that match patterns.",
            "O(N) in the number of patterns.",
        )
        .flags(FLAGS)
        .channels(ChannelSpec::PATTERNS)
        .args(&[Arg::pattern("pattern").multiple()])
        .while_subscribed(),
    Command::session("punsubscribe", -1, punsubscribe)
        .doc(
            Group::PubSub,
            "2.0.0",
            "Listens to patterns no longer, to none at all without arguments.",
            "O(N) in the number of patterns.",
        )
        .flags(FLAGS)
        .args(&[Arg::pattern("pattern").optional().multiple()])
        .while_subscribed(),
    Command::session("ssubscribe", -2, ssubscribe)
        .doc(Group::PubSub, "7.0.0", "Listens to shard channels.", "O(N) in the number of channels.")
        .flags(FLAGS)
        .channels(ChannelSpec::ALL)
        .keys(&[KeySpec::range(1, -1, 1, KeyFlags::NOT_KEY)])
        .args(&[Arg::string("shardchannel").multiple()])
        .while_subscribed(),
    Command::session("sunsubscribe", -1, sunsubscribe)
        .doc(
            Group::PubSub,
            "7.0.0",
            "Listens to shard channels no longer, to none at all without arguments.",
            "O(N) in the number of channels.",
        )
        .flags(FLAGS)
        .keys(&[KeySpec::range(1, -1, 1, KeyFlags::NOT_KEY)])
        .args(&[Arg::string("shardchannel").optional().multiple()])
        .while_subscribed(),
];

const FLAGS: CommandFlags = CommandFlags::LOADING
    .union(CommandFlags::NOSCRIPT)
    .union(CommandFlags::PUBSUB)
    .union(CommandFlags::STALE);

/// What scripts are told, which have nobody to hear messages, where DEBUG lets them run these at all.
fn refused(req: &Request<'_>) -> CmdError {
    let name = req.command.full_name.to_ascii_uppercase();
    CmdError::owned(format!("ERR {name} isn't allowed for a DENY BLOCKING client"))
}

fn subscribe(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    if cx.in_script {
        return Err(refused(req));
    }
    begin(cx, req, reply, Space::Channel, b"subscribe")
}

fn psubscribe(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    if cx.in_script {
        return Err(refused(req));
    }
    begin(cx, req, reply, Space::Pattern, b"psubscribe")
}

fn ssubscribe(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    // As in Redis the only one that is refused in a transaction.
    if cx.is_inside() {
        return Err(refused(req));
    }
    begin(cx, req, reply, Space::Shard, b"ssubscribe")
}

fn unsubscribe(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    end(cx, req, reply, Space::Channel, b"unsubscribe")
}

fn punsubscribe(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    end(cx, req, reply, Space::Pattern, b"punsubscribe")
}

fn sunsubscribe(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    end(cx, req, reply, Space::Shard, b"sunsubscribe")
}

fn begin(
    cx: &mut SessionCx<'_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    space: Space,
    kind: &[u8],
) -> Outcome {
    // Messages are encoded by others, for the protocol that they are told here.
    cx.session.publish();
    Ok(reply.write(|writer| {
        for name in req.args.iter().skip(1) {
            if cx.session.subscriptions_mut().add(space, name) {
                cx.engine.pubsub.subscribe(space, name, &cx.session.shared);
            }
            confirm(cx.session, writer, space, kind, Some(name));
        }
        cx.session.publish_subscriptions();
        leave_if_forbidden(cx, req, space);
    }))
}

/// Whoever changed the rules since this request was let through may have looked for listeners before this one was there.
fn leave_if_forbidden(cx: &mut SessionCx<'_>, req: &Request<'_>, space: Space) {
    cx.session.follow(&cx.engine.acl);
    let user = cx.session.user();
    if !user.is_unlimited
        && !req.args.iter().skip(1).all(|name| user.may_listen(name, space == Space::Pattern))
    {
        cx.session.close_after_reply = true;
    }
}

fn end(
    cx: &mut SessionCx<'_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    space: Space,
    kind: &[u8],
) -> Outcome {
    let names: Vec<Box<[u8]>> = match req.len() {
        1 => cx.session.subscriptions_mut().names(space).iter().cloned().collect(),
        _ => req.args.iter().skip(1).map(Box::from).collect(),
    };
    Ok(reply.write(|writer| {
        for name in &names {
            if cx.session.subscriptions_mut().remove(space, name) {
                cx.engine.pubsub.unsubscribe(space, name, cx.session.id());
            }
            // The messages that came before; not in between the replies of a transaction.
            if !cx.is_inside() {
                cx.session.shared.take_mail(writer.output());
            }
            confirm(cx.session, writer, space, kind, Some(name));
        }
        if names.is_empty() {
            confirm(cx.session, writer, space, kind, None);
        }
        cx.session.publish_subscriptions();
    }))
}

fn confirm(session: &mut Session, writer: &mut Writer<'_>, space: Space, kind: &[u8], name: Option<&[u8]>) {
    writer.push(3);
    writer.bulk(kind);
    writer.bulk_or_null(name);
    let count = session.subscriptions.as_deref().map_or(0, |all| match space {
        Space::Shard => all.shard_channels.len(),
        Space::Channel | Space::Pattern => all.channels.len() + all.patterns.len(),
    });
    writer.count(count);
}
