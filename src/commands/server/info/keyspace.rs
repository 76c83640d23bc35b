//! Section keyspace: a row for every database that has keys.

use super::facts::Facts;
use crate::observe::info::{Emitter, Field, RowName, Value};

pub(super) fn emit(facts: &Facts<'_>, out: &mut dyn Emitter) {
    for (index, db) in facts.databases().iter().enumerate().filter(|(_, db)| db.keys > 0) {
        out.row(
            RowName { prefix: "db", label: "db", value: &index.to_string() },
            &[
                (Field::gauge("keys", "Keys of a database"), Value::Uint(db.keys)),
                (Field::gauge("expires", "Keys with a deadline"), Value::Uint(db.volatile)),
                (Field::gauge("avg_ttl", "Their mean time to live, ms"), Value::Uint(db.mean_ttl_ms)),
                (Field::gauge("subexpiry", "Hashes whose fields have deadlines"), Value::Uint(0)),
            ],
        );
    }
}
