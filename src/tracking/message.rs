//! What a client that tracks is told.
//!
//! ```text
//! RESP3                             >2 invalidate [k …]          null instead of the keys: everything
//! another client, in RESP2, that listens to __redis__:invalidate
//!                                   *3 message __redis__:invalidate [k …]
//! ```
//!
//! In RESP2 there is no way to tell a client that does not listen: it is told nothing.

use std::sync::Arc;

use bytes::Bytes;

use crate::resp::{Output, Proto, Writer};
use crate::session::{Client, ClientKind, Registry, Tracker};

const CHANNEL: &[u8] = b"__redis__:invalidate";

/// Some keys have changed.
pub(super) fn tell_keys(tracker: &Tracker, keys: &[&[u8]], clients: &Registry) {
    tell(tracker, clients, |writer| {
        writer.array(keys.len());
        keys.iter().for_each(|key| writer.bulk(key));
    });
}

/// Everything has changed.
pub(super) fn tell_all(tracker: &Tracker, clients: &Registry) {
    tell(tracker, clients, |writer| writer.null());
}

fn tell(tracker: &Tracker, clients: &Registry, keys: impl FnOnce(&mut Writer<'_>)) {
    let target: Arc<Client> = match tracker.redirect {
        None => Arc::clone(&tracker.client),
        Some(id) => match clients.find(id) {
            Some(client) => client,
            None => return tell_broken(tracker, id.0),
        },
    };
    match (target.resp_version(), tracker.redirect) {
        (3, _) => send(&target, Proto::Resp3, |writer| {
            writer.push(2);
            writer.bulk(b"invalidate");
            keys(writer);
        }),
        (_, Some(_)) if target.kind() == ClientKind::PubSub => send(&target, Proto::Resp2, |writer| {
            writer.push(3);
            writer.bulk(b"message");
            writer.bulk(CHANNEL);
            keys(writer);
        }),
        _ => {}
    }
}

/// Who was to hear it has gone.
fn tell_broken(tracker: &Tracker, redirect: u64) {
    tracker.set_broken(true);
    if tracker.client.resp_version() == 3 {
        send(&tracker.client, Proto::Resp3, |writer| {
            writer.push(2);
            writer.bulk(b"tracking-redir-broken");
            writer.uint(redirect);
        });
    }
}

fn send(client: &Client, proto: Proto, write: impl FnOnce(&mut Writer<'_>)) {
    let mut out = Output::default();
    write(&mut out.writer(proto));
    client.send(&Bytes::from(out.take_buffer()));
}
