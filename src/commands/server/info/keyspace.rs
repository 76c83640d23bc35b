//! Sections keyspace, a row for every database that has keys, and keysizes, how long their values are.

use super::facts::Facts;
use crate::keyspace::sizes::ROWS;
use crate::observe::info::{Emitter, Field, RowName, Value};

pub(super) fn emit(facts: &Facts<'_>, out: &mut dyn Emitter) {
    for (index, db) in facts.databases().iter().enumerate().filter(|(_, db)| db.keys > 0) {
        out.row(
            RowName { prefix: "db", label: "db", value: &index.to_string() },
            &[
                (Field::gauge("keys", "Keys of a database"), Value::Uint(db.keys)),
                (Field::gauge("expires", "Keys with a deadline"), Value::Uint(db.volatile)),
                (Field::gauge("avg_ttl", "Their mean time to live, ms"), Value::Uint(db.mean_ttl_ms)),
                (
                    Field::gauge("subexpiry", "Hashes whose fields have deadlines"),
                    Value::Uint(db.sizes.inner_deadlines() as u64),
                ),
            ],
        );
    }
}

/// A row for every database and type, with how many values there are of each class of length.
pub(super) fn emit_sizes(facts: &Facts<'_>, out: &mut dyn Emitter) {
    for (index, db) in facts.databases().iter().enumerate().filter(|(_, db)| db.keys > 0) {
        for (name, counts) in ROWS.iter().zip(db.sizes.rows()) {
            let labels: Vec<(String, u64)> = counts
                .iter()
                .enumerate()
                .filter(|(_, count)| **count > 0)
                .map(|(class, count)| (label(class), u64::from(*count)))
                .collect();
            let parts: Vec<(Field<'_>, Value<'_>)> = labels
                .iter()
                .map(|(label, count)| {
                    (Field::info(label, "Values that are at least so long"), Value::Uint(*count))
                })
                .collect();
            if !parts.is_empty() {
                let value = format!("{index}_distrib_{name}");
                out.row(RowName { prefix: "db", label: "db", value: &value }, &parts);
            }
        }
    }
}

/// The least length of a class: 0, 1, 2, 4 … 512, 1K … 512K, 1M …
fn label(class: usize) -> String {
    const UNITS: [&str; 5] = ["", "K", "M", "G", "T"];
    let Some(log) = class.checked_sub(1) else { return "0".into() };
    format!("{}{}", 1 << (log % 10), UNITS.get(log / 10).unwrap_or(&"P"))
}
