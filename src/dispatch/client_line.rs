//! The line of fields that describes a connection: CLIENT LIST and INFO, ACL LOG.
//!
//! ```text
//! id=5 addr=127.0.0.1:46790 laddr=127.0.0.1:6379 fd=12 name= age=0 idle=0 flags=N db=0 … io-thread=0
//! ```
//!
//! Fields and their order are those of Redis 8.0. Those of a fixed reply buffer (`rbs`, `rbp`, `obl`) are 0: replies
//! here wait in one list, which `oll` and `omem` count.

use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;

use super::engine::Engine;
use super::table::CommandTable;
use crate::base::clock::Clock;
use crate::session::{Client, ClientKind, Scope, Tracker, Transport};

/// Writes lines; made once for all clients of a list.
pub struct ClientLines<'e> {
    engine: &'e Engine,
    now_us: u64,
    /// Full names of commands, by id.
    commands: Vec<&'e str>,
}

impl<'e> ClientLines<'e> {
    pub fn new(engine: &'e Engine) -> ClientLines<'e> {
        ClientLines { engine, now_us: engine.time.monotonic_us(), commands: command_names(&engine.commands) }
    }

    /// Adds the line of a client, with its line feed.
    pub fn push(&self, text: &mut Vec<u8>, client: &Client) {
        let names = client.names();
        let tracker = self.engine.tracking.tracker(client.id);
        let usage = &client.usage;
        let seconds_since = |then_us: u64| self.now_us.saturating_sub(then_us) / 1_000_000;
        let command = client.last_command().and_then(|id| self.commands.get(usize::from(id)));
        let (query, query_free) = (usage.query_bytes.load(Relaxed), usage.query_free_bytes.load(Relaxed));
        let argv = usage.argv_bytes.load(Relaxed);
        let output = usage.output_bytes.load(Relaxed) + client.mailbox_bytes();
        let (queued, queued_bytes) = (usage.queued.load(Relaxed), usage.queued_bytes.load(Relaxed));
        let total = size_of::<Client>() + query + query_free + argv + usage.remembered_bytes() + output;
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
            client.watched(),
            usage.output_chunks.load(Relaxed),
            if output > 0 { "rw" } else { "r" },
            command.unwrap_or(&"NULL"),
        );
        text.extend_from_slice(&names.user);
        let redirect = Tracker::redirect_of(tracker.as_deref());
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
        (client.is_watch_broken(), 'd'),
        (client.is_killed(), 'A'),
        (client.transport == Transport::Unix, 'U'),
        (client.is_no_evict(), 'e'),
        (client.is_no_touch(), 'T'),
    ];
    let set: String = letters.iter().filter(|(is_set, _)| *is_set).map(|(_, letter)| *letter).collect();
    if set.is_empty() { "N".to_owned() } else { set }
}
