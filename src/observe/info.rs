//! One way to say what the server knows about itself, and two ways to write it down.
//!
//! Whoever has something to report calls an [`Emitter`] with typed values and a [`Field`], which
//! carries the meaning: the name in `INFO`, the kind, a line of help, the name for Prometheus. Back
//! ends decide on the form. So a number shows up in both places or in none, and always with the same value.
//!
//! * [`InfoText`] writes `INFO`: `# Section`, then `name:value` lines, a blank line between sections;
//!   a row becomes `db0:keys=1,expires=0`.
//! * [`Prometheus`] writes the text exposition format: only numeric fields that are a counter or a
//!   gauge, grouped by metric as the format demands; a row becomes samples with a label.
//!
//! Metrics are called `ochre_<name>` (counters with `_total`) unless the field names the one that
//! `redis_exporter` uses, so that existing dashboards go on working.
//!
//! ```
//! use ochre::observe::info::{Emitter, Field, InfoText, Value};
//! const CLIENTS: Field = Field::gauge("connected_clients", "Open client connections");
//! let mut info = InfoText::new();
//! info.section("Clients");
//! info.field(&CLIENTS, Value::Uint(3));
//! assert_eq!(info.finish(), b"# Clients\r\nconnected_clients:3\r\n");
//! ```

mod prometheus;
mod text;

pub use prometheus::Prometheus;
pub use text::InfoText;

use std::io::Write;

use crate::base::num;

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// A number with a fixed count of decimals.
    Float {
        /// The number itself.
        value: f64,
        /// Digits after the point.
        decimals: usize,
    },
    /// Text of our own making.
    Text(&'a str),
    /// Bytes of any origin.
    Bytes(&'a [u8]),
}

/// What a field means over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until a restart or reset.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Describes rather than measures; not for Prometheus.
    Info,
}

/// The meaning of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'n> {
    name: &'n str,
    kind: Kind,
    help: &'static str,
    metric: Option<&'static str>,
    scale: f64,
}

impl<'n> Field<'n> {
    const fn new(name: &'n str, kind: Kind, help: &'static str) -> Field<'n> {
        Field { name, kind, help, metric: None, scale: 1.0 }
    }

    /// A number that only grows.
    pub const fn counter(name: &'n str, help: &'static str) -> Field<'n> {
        Field::new(name, Kind::Counter, help)
    }

    /// A number that goes up and down.
    pub const fn gauge(name: &'n str, help: &'static str) -> Field<'n> {
        Field::new(name, Kind::Gauge, help)
    }

    /// A description.
    pub const fn info(name: &'n str, help: &'static str) -> Field<'n> {
        Field::new(name, Kind::Info, help)
    }

    /// The same field under another metric's full name.
    pub const fn metric(self, metric: &'static str) -> Field<'n> {
        Field { metric: Some(metric), ..self }
    }

    /// The same field, its metric in other units: `INFO` in microseconds and a metric in seconds take 1e-6.
    pub const fn scaled(self, scale: f64) -> Field<'n> {
        Field { scale, ..self }
    }

    /// The name in `INFO`.
    pub const fn name(&self) -> &'n str {
        self.name
    }
}

/// The name of a row of values: `db0` with label `db`, or `cmdstat_get` with label `cmd` and `get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowName<'a> {
    /// What stands before the label's value in `INFO`, for example `cmdstat_`.
    pub prefix: &'a str,
    /// The label's name for Prometheus.
    pub label: &'static str,
    /// The label's value.
    pub value: &'a str,
}

/// Something that takes down sections of fields.
pub trait Emitter {
    /// Starts a section.
    fn section(&mut self, name: &'static str);
    /// Takes down one value.
    fn field(&mut self, field: &Field<'_>, value: Value<'_>);
    /// Takes down several values that belong to one thing out of many.
    fn row(&mut self, name: RowName<'_>, parts: &[(Field<'_>, Value<'_>)]);
}

/// Appends a value as text. Bytes that could end a line become `?`, so that no value forges a field.
fn push_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Int(number) => num::push_i64(out, number),
        Value::Uint(number) => num::push_u64(out, number),
        Value::Float { value, decimals } => {
            // Writing to a vector cannot fail.
            let _ = write!(out, "{value:.decimals$}");
        }
        Value::Text(text) => push_one_line(out, text.as_bytes()),
        Value::Bytes(bytes) => push_one_line(out, bytes),
    }
}

fn push_one_line(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes.iter().map(|&byte| if byte.is_ascii_control() { b'?' } else { byte }));
}

#[cfg(test)]
mod tests;
