//! Sections replication and cluster, of a server that stands alone.

use super::facts::Facts;
use super::say;
use crate::observe::info::{Emitter, Field, Value};

/// Where there is no second history.
const NO_ID: &str = "0000000000000000000000000000000000000000";

pub(super) fn emit(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let zero = Value::Uint(0);
    say(
        out,
        &[
            (Field::info("role", "master or slave"), Value::Text("master")),
            (Field::gauge("connected_slaves", "Replicas"), zero),
            (Field::info("master_failover_state", "How far a failover is"), Value::Text("no-failover")),
            (
                Field::info("master_replid", "History of this data set"),
                Value::Text(&facts.engine.identity.replication_id),
            ),
            (Field::info("master_replid2", "History before the last failover"), Value::Text(NO_ID)),
            (Field::gauge("master_repl_offset", "Bytes of the replication stream"), zero),
            (Field::gauge("second_repl_offset", "Where the history before ended"), Value::Int(-1)),
            (Field::gauge("repl_backlog_active", "Whether there is a backlog"), zero),
            (
                Field::gauge("repl_backlog_size", "Size of the backlog in bytes"),
                Value::Uint(facts.config.repl_backlog_size),
            ),
            (Field::gauge("repl_backlog_first_byte_offset", "Where the backlog begins"), zero),
            (Field::gauge("repl_backlog_histlen", "Bytes in the backlog"), zero),
        ],
    );
}

pub(super) fn emit_cluster(_: &Facts<'_>, out: &mut dyn Emitter) {
    out.field(&Field::gauge("cluster_enabled", "Whether this is a cluster node"), Value::Uint(0));
}
