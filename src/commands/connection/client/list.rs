//! CLIENT LIST and CLIENT INFO: one line of fields for each connection, see [`crate::dispatch::client_line`].

use crate::base::num::parse_i64;
use crate::dispatch::client_line::ClientLines;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx};
use crate::session::{ClientId, ClientKind};
use crate::spec::{Arg, CommandFlags, Group};

pub(super) const LIST: Command = Command::session("list", -2, list)
    .doc(
        Group::Connection,
        "2.4.0",
        "Describes the connections to the server.",
        "O(N) in the number of connections",
    )
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .tips(&["nondeterministic_output"])
    .args(&[
        Arg::oneof(
            "client-type",
            &[
                Arg::token("normal", "NORMAL"),
                Arg::token("master", "MASTER"),
                Arg::token("replica", "REPLICA"),
                Arg::token("pubsub", "PUBSUB"),
            ],
        )
        .with_token("TYPE")
        .since("5.0.0")
        .optional(),
        Arg::integer("client-id").with_token("ID").since("6.2.0").optional().multiple(),
    ]);

pub(super) const INFO: Command = Command::session("info", 2, info)
    .doc(Group::Connection, "6.2.0", "Describes this connection.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::NOSCRIPT).union(CommandFlags::STALE))
    .tips(&["nondeterministic_output"]);

/// The class that a word of CLIENT LIST TYPE and KILL TYPE names.
pub(super) fn parse_kind(word: &[u8]) -> Result<ClientKind, CmdError> {
    match word.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(ClientKind::Normal),
        b"slave" | b"replica" => Ok(ClientKind::Replica),
        b"pubsub" => Ok(ClientKind::PubSub),
        b"master" => Ok(ClientKind::Master),
        _ => Err(CmdError::quoting("ERR Unknown client type '", word, "'")),
    }
}

fn list(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    cx.session.publish();
    let is = |word: &str| req.arg(2).eq_ignore_ascii_case(word.as_bytes());
    let clients = match req.len() {
        2 => cx.engine.clients.by_age(),
        4 if is("TYPE") => {
            let kind = parse_kind(req.arg(3))?;
            let mut clients = cx.engine.clients.by_age();
            clients.retain(|client| client.kind() == kind);
            clients
        }
        4.. if is("ID") => {
            let mut clients = Vec::new();
            for word in req.args.iter().skip(3) {
                let id = parse_i64(word).ok_or(CmdError::text("ERR Invalid client ID"))?;
                clients.extend(u64::try_from(id).ok().and_then(|id| cx.engine.clients.find(ClientId(id))));
            }
            clients
        }
        _ => return Err(CmdError::Syntax),
    };
    // Who was told to go is gone for everybody else, even if its worker has not got to it yet.
    let clients: Vec<_> = clients.into_iter().filter(|client| !client.is_killed()).collect();
    let lines = ClientLines::new(cx.engine);
    let mut text = Vec::with_capacity(clients.len() * 320);
    clients.iter().for_each(|client| lines.push(&mut text, client));
    Ok(reply.write(|w| w.verbatim(b"txt", &text)))
}

fn info(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    cx.session.publish();
    let mut text = Vec::new();
    ClientLines::new(cx.engine).push(&mut text, &cx.session.shared);
    Ok(reply.write(|w| w.verbatim(b"txt", &text)))
}
