//! CLIENT KILL: closes the connections that all filters fit.
//!
//! The old form names one address, spares nobody and answers OK; the new one takes pairs, spares the caller unless told
//! otherwise and answers how many it closed. Whoever closes itself still gets the answer.

use std::sync::Arc;

use super::list::parse_kind;
use crate::base::clock::Clock;
use crate::base::num::parse_i64;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx};
use crate::session::{Client, ClientKind};
use crate::spec::{Arg, CommandFlags, Group};

pub(super) const KILL: Command = Command::session("kill", -3, kill)
    .doc(Group::Connection, "2.4.0", "Closes connections.", "O(N) in the number of connections")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .args(&[Arg::oneof(
        "filter",
        &[
            Arg::string("old-format").display("ip:port").deprecated_since("2.8.12"),
            Arg::oneof(
                "new-format",
                &[
                    Arg::integer("client-id").with_token("ID").since("2.8.12").optional(),
                    Arg::oneof(
                        "client-type",
                        &[
                            Arg::token("normal", "NORMAL"),
                            Arg::token("master", "MASTER").since("3.2.0"),
                            Arg::token("slave", "SLAVE"),
                            Arg::token("replica", "REPLICA").since("5.0.0"),
                            Arg::token("pubsub", "PUBSUB"),
                        ],
                    )
                    .with_token("TYPE")
                    .since("2.8.12")
                    .optional(),
                    Arg::string("username").with_token("USER").optional(),
                    Arg::string("addr").with_token("ADDR").display("ip:port").optional(),
                    Arg::string("laddr").with_token("LADDR").display("ip:port").since("6.2.0").optional(),
                    Arg::oneof("skipme", &[Arg::token("yes", "YES"), Arg::token("no", "NO")])
                        .with_token("SKIPME")
                        .optional(),
                    Arg::integer("maxage").with_token("MAXAGE").since("7.4.0").optional(),
                ],
            )
            .multiple(),
        ],
    )]);

/// What a client must be to be closed; `None` is anything.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    kind: Option<ClientKind>,
    user: Option<&'a [u8]>,
    /// Connected for at least this many seconds.
    age_min_s: Option<u64>,
    /// The caller is closed as well.
    includes_caller: bool,
}

fn kill(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    if req.len() == 3 {
        let filter = Filter { addr: Some(req.arg(2)), includes_caller: true, ..Filter::default() };
        return match close_all(cx, &filter) {
            0 => Err(CmdError::text("ERR No such client")),
            _ => Ok(reply.ok()),
        };
    }
    let filter = parse(cx, req)?;
    Ok(reply.count(close_all(cx, &filter)))
}

fn parse<'a>(cx: &SessionCx<'_>, req: &Request<'a>) -> Result<Filter<'a>, CmdError> {
    let mut filter = Filter::default();
    let mut cursor = req.args.cursor(2);
    while let Some(word) = cursor.next() {
        let value = cursor.next().ok_or(CmdError::Syntax)?;
        match word.to_ascii_lowercase().as_slice() {
            b"id" => filter.id = Some(parse_id(value)?),
            b"maxage" => filter.age_min_s = Some(parse_age(value)?),
            b"type" => filter.kind = Some(parse_kind(value)?),
            b"addr" => filter.addr = Some(value),
            b"laddr" => filter.laddr = Some(value),
            b"user" if cx.engine.acl.find(value).is_some() => filter.user = Some(value),
            b"user" => return Err(CmdError::quoting("ERR No such user '", value, "'")),
            b"skipme" if value.eq_ignore_ascii_case(b"yes") => filter.includes_caller = false,
            b"skipme" if value.eq_ignore_ascii_case(b"no") => filter.includes_caller = true,
            _ => return Err(CmdError::Syntax),
        }
    }
    Ok(filter)
}

fn parse_id(value: &[u8]) -> Result<u64, CmdError> {
    let id = parse_i64(value).and_then(|id| u64::try_from(id).ok()).filter(|&id| id > 0);
    id.ok_or(CmdError::text("ERR client-id should be greater than 0"))
}

fn parse_age(value: &[u8]) -> Result<u64, CmdError> {
    let age = parse_i64(value).ok_or(CmdError::text("ERR maxage is not an integer or out of range"))?;
    let age = u64::try_from(age).ok().filter(|&age| age > 0);
    age.ok_or(CmdError::text("ERR maxage should be greater than 0"))
}

/// Closes what the filter fits and returns how many that were.
fn close_all(cx: &mut SessionCx<'_>, filter: &Filter<'_>) -> usize {
    let now_us = cx.engine.time.monotonic_us();
    let mut closed = 0;
    let clients =
        cx.engine.clients.iter().filter(|client| !client.is_killed() && filter.fits(client, now_us));
    for client in clients {
        if !Arc::ptr_eq(&client, &cx.session.shared) {
            client.kill();
            if client.kind() == ClientKind::PubSub {
                cx.engine.pubsub.unsubscribe_from_all(client.id);
            }
        } else if filter.includes_caller {
            cx.session.close_after_reply = true;
        } else {
            continue;
        }
        closed += 1;
    }
    closed
}

impl Filter<'_> {
    fn fits(&self, client: &Client, now_us: u64) -> bool {
        let age_s = now_us.saturating_sub(client.connected_us) / 1_000_000;
        self.id.is_none_or(|id| client.id.0 == id)
            && self.addr.is_none_or(|addr| client.addr.as_bytes() == addr)
            && self.laddr.is_none_or(|laddr| client.laddr.as_bytes() == laddr)
            && self.kind.is_none_or(|kind| client.kind() == kind)
            && self.user.is_none_or(|user| client.names().user == user)
            && self.age_min_s.is_none_or(|min| age_s >= min)
    }
}
