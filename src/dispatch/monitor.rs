//! MONITOR: a line for every command, to the clients that asked.
//!
//! `1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`. Arguments that may hold secrets are never shown: commands
//! that Redis hides (administration) are hidden here, and secrets are redacted.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::command::Handler;
use super::engine::Engine;
use super::redact::shown;
use super::table::Registered;
use crate::base::clock::Clock;
use crate::base::text::push_escaped;
use crate::resp::Args;
use crate::session::Session;
use crate::spec::CommandFlags;

/// Number of monitoring clients; the check on the way of every command.
#[derive(Default)]
pub struct Monitors(AtomicUsize);

impl Monitors {
    pub fn joined(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn left(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    #[inline]
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// Sends the line about a command to every monitor.
pub fn feed(engine: &Engine, session: &Session, registered: &Registered, args: &Args<'_>, in_script: bool) {
    // Scripts skip the usual place only because their line comes before those of what they run.
    let is_script = matches!(registered.command.handler, Handler::Script(_));
    let skips = registered.command.spec.flags.intersects(CommandFlags::SKIP_MONITOR | CommandFlags::ADMIN);
    if skips && !is_script {
        return;
    }
    let now_us = engine.time.now_us();
    let mut line = format!(
        "+{}.{:06} [{} {}]",
        now_us / 1_000_000,
        now_us % 1_000_000,
        session.db.0,
        if in_script { "lua" } else { &session.shared.addr }
    )
    .into_bytes();
    for index in 0..args.len() {
        line.push(b' ');
        push_escaped(&mut line, shown(registered, args, index));
    }
    line.extend_from_slice(b"\r\n");
    let line = Bytes::from(line);
    for client in engine.clients.iter() {
        if client.is_monitor() {
            client.send(&line);
        }
    }
}
