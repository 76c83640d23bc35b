//! CLIENT LIST and CLIENT INFO: one line of fields for each connection.
//!
//! ```text
//! id=5 addr=127.0.0.1:46790 laddr=127.0.0.1:6379 fd=12 name= age=0 idle=0 flags=N db=0 … io-thread=0
//! ```
//!
//! Fields and their order are those of Redis 8.0. Those of a fixed reply buffer (`rbs`, `rbp`, `obl`) are 0: replies
//! here wait in one list, which `oll` and `omem` count.

use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;

use super::tracking;
use crate::base::num::parse_i64;
use crate::dispatch::{CmdError, Command, CommandTable, Engine, Outcome, ReplySlot, Request, SessionCx};
use crate::session::{Client, ClientId, ClientKind, Scope, Tracker, Transport};
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
    let lines = Lines::new(cx.engine);
    let mut text = Vec::with_capacity(clients.len() * 320);
    clients.iter().for_each(|client| lines.push(&mut text, client));
    Ok(reply.write(|w| w.verbatim(b"txt", &text)))
}

fn info(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    cx.session.publish();
    let mut text = Vec::new();
    Lines::new(cx.engine).push(&mut text, &cx.session.shared);
    Ok(reply.write(|w| w.verbatim(b"txt", &text)))
}

/// Writes lines; made once for all clients of a list.
struct Lines<'e> {
    engine: &'e Engine,
    now_us: u64,
    /// Full names of commands, by id.
    commands: Vec<&'e str>,
}

impl<'e> Lines<'e> {
    fn new(engine: &'e Engine) -> Lines<'e> {
        use crate::base::clock::Clock;
        Lines { engine, now_us: engine.time.monotonic_us(), commands: command_names(&engine.commands) }
    }

    fn push(&self, text: &mut Vec<u8>, client: &Client) {
        let names = client.names();
        let tracker = self.engine.tracking.tracker(client.id);
        let usage = &client.usage;
        let seconds_since = |then_us: u64| self.now_us.saturating_sub(then_us) / 1_000_000;
        let command = client.last_command().and_then(|id| self.commands.get(usize::from(id)));
        let (query, query_free) = (usage.query_bytes.load(Relaxed), usage.query_free_bytes.load(Relaxed));
        let argv = usage.argv_bytes.load(Relaxed);
        let output = usage.output_bytes.load(Relaxed) + client.mailbox_bytes();
        let (queued, queued_bytes) = (usage.queued.load(Relaxed), usage.queued_bytes.load(Relaxed));
        let total = size_of::<Client>() + query + query_free + argv + queued_bytes + output;
        // Writing to a vector cannot fail.
        let _ = write!(
            text,
            "id={} addr={} laddr={} fd={} name=",
            client.id.0, client.addr, client.laddr, client.fd
        );
        text.extend_from_slice(&names.name);
        let _ = write!(
            text,
            " age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} watch={} qbuf={query} qbuf-free={query_free} \
             argv-mem={argv} multi-mem={queued_bytes} rbs=0 rbp=0 obl=0 oll={} omem={output} tot-mem={total} events={} cmd={} user=",
            seconds_since(client.connected_us),
            seconds_since(usage.last_active_us.load(Relaxed)),
            flags(client, tracker.as_deref()),
            client.db().0,
            usage.channels.load(Relaxed),
            usage.patterns.load(Relaxed),
            usage.shard_channels.load(Relaxed),
            queued as i64 - 1,
            usage.watched.load(Relaxed),
            usage.output_chunks.load(Relaxed),
            if output > 0 { "rw" } else { "r" },
            command.unwrap_or(&"NULL"),
        );
        text.extend_from_slice(&names.user);
        let redirect = tracking::redirect_of(tracker.as_deref());
        let _ = write!(text, " redir={redirect} resp={} lib-name=", client.resp_version());
        text.extend_from_slice(&names.lib_name);
        text.extend_from_slice(b" lib-ver=");
        text.extend_from_slice(&names.lib_ver);
        let _ = writeln!(text, " io-thread={}", client.worker);
    }
}

fn command_names(table: &CommandTable) -> Vec<&str> {
    let mut names = vec!["NULL"; table.id_count()];
    for registered in table.iter_all() {
        if let Some(name) = names.get_mut(usize::from(registered.id)) {
            *name = registered.full_name.as_str();
        }
    }
    names
}

/// Letters for what is special about a client, `N` when nothing is.
fn flags(client: &Client, tracker: Option<&Tracker>) -> String {
    let letters = [
        (client.is_monitor(), 'O'),
        (client.kind() == ClientKind::Replica, 'S'),
        (client.kind() == ClientKind::Master, 'M'),
        (client.kind() == ClientKind::PubSub, 'P'),
        (client.usage.queued.load(Relaxed) > 0, 'x'),
        (client.is_blocked(), 'b'),
        (tracker.is_some(), 't'),
        (tracker.is_some_and(Tracker::is_broken), 'R'),
        (tracker.is_some_and(|tracker| tracker.scope == Scope::Broadcast), 'B'),
        (client.usage.is_watch_broken.load(Relaxed), 'd'),
        (client.is_killed(), 'A'),
        (client.transport == Transport::Unix, 'U'),
        (client.is_no_evict(), 'e'),
        (client.is_no_touch(), 'T'),
    ];
    let set: String = letters.iter().filter(|(is_set, _)| *is_set).map(|(_, letter)| *letter).collect();
    if set.is_empty() { "N".to_owned() } else { set }
}
