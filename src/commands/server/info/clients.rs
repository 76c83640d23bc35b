//! Section clients.

use std::sync::atomic::Ordering::Relaxed;

use super::facts::Facts;
use super::say;
use crate::observe::info::{Emitter, Field, Value};
use crate::session::{Client, ClientKind};

pub(super) fn emit(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let (engine, gauges) = (facts.engine, &facts.engine.gauges);
    let zero = Value::Uint(0);
    let clients: Vec<_> = engine.clients.iter().collect();
    let count =
        |is: fn(&Client) -> bool| Value::Uint(clients.iter().filter(|client| is(client)).count() as u64);
    let subscribers = count(|client| client.kind() == ClientKind::PubSub);
    let watchers = count(|client| client.watched() > 0);
    let waits = facts.waits();
    let watched = Value::Uint(waits.watched);
    let [timed, waited, waited_or_none] =
        [waits.with_timeout, waits.keys, waits.keys_or_none].map(Value::Uint);
    let tracking = Value::Uint(engine.tracking.clients() as u64);
    say(
        out,
        &[
            (Field::gauge("connected_clients", "Open connections"), Value::Uint(engine.clients.len() as u64)),
            (Field::gauge("cluster_connections", "Connections of the cluster bus"), zero),
            (
                Field::gauge("maxclients", "Most connections at once"),
                Value::Uint(u64::from(facts.config.maxclients)),
            ),
            (
                Field::gauge("client_recent_max_input_buffer", "Largest input buffer of late, bytes"),
                Value::Uint(gauges.max_input_bytes.load(Relaxed)),
            ),
            (
                Field::gauge("client_recent_max_output_buffer", "Largest output buffer of late, bytes"),
                Value::Uint(gauges.max_output_bytes.load(Relaxed)),
            ),
            (
                Field::gauge("blocked_clients", "Connections whose command waits"),
                Value::Uint(engine.clients.blocked_count() as u64),
            ),
            (Field::gauge("tracking_clients", "Connections with client-side caching"), tracking),
            (Field::gauge("pubsub_clients", "Connections with subscriptions"), subscribers),
            (Field::gauge("watching_clients", "Connections that watch keys"), watchers),
            (Field::gauge("clients_in_timeout_table", "Blocked connections with a timeout"), timed),
            (Field::gauge("total_watched_keys", "Keys that are watched"), watched),
            (Field::gauge("total_blocking_keys", "Keys that somebody waits for"), waited),
            (
                Field::gauge("total_blocking_keys_on_nokey", "Keys whose removal somebody waits for"),
                waited_or_none,
            ),
        ],
    );
}
