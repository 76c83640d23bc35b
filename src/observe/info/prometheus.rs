//! The Prometheus back end: the text exposition format, version 0.0.4.
//!
//! All samples of one metric have to stand together below its `# HELP` and `# TYPE`, while rows arrive
//! one thing at a time; so samples are kept by metric until the end. Metrics come out in the order
//! in which they were first seen.

use std::io::Write;

use super::{Emitter, Field, Kind, RowName, Value, push_value};

/// Collects metrics.
#[derive(Debug, Default)]
pub struct Prometheus {
    families: Vec<Family>,
}

#[derive(Debug)]
struct Family {
    metric: String,
    kind: Kind,
    help: &'static str,
    samples: Vec<u8>,
}

impl Prometheus {
    /// No metrics yet.
    pub fn new() -> Prometheus {
        Prometheus::default()
    }

    /// The whole page.
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::new();
        for Family { metric, kind, help, samples } in self.families {
            let kind = if kind == Kind::Counter { "counter" } else { "gauge" };
            // Writing to a vector cannot fail.
            let _ = write!(out, "# HELP {metric} {help}\n# TYPE {metric} {kind}\n");
            out.extend_from_slice(&samples);
        }
        out
    }

    fn sample(&mut self, field: &Field, label: Option<(&str, &str)>, value: Value<'_>) {
        if field.kind == Kind::Info || matches!(value, Value::Text(_) | Value::Bytes(_)) {
            return;
        }
        let family = self.family(field);
        family.samples.extend_from_slice(family.metric.as_bytes());
        if let Some((name, value)) = label {
            push_label(&mut family.samples, name, value);
        }
        family.samples.push(b' ');
        push_number(&mut family.samples, value, field.scale);
        family.samples.push(b'\n');
    }

    /// The samples of a field's metric so far.
    fn family(&mut self, field: &Field) -> &mut Family {
        let metric = metric_name(field);
        let position = self.families.iter().position(|family| family.metric == metric);
        let position = position.unwrap_or_else(|| {
            self.families.push(Family { metric, kind: field.kind, help: field.help, samples: Vec::new() });
            self.families.len() - 1
        });
        &mut self.families[position]
    }
}

fn metric_name(field: &Field<'_>) -> String {
    match field.metric {
        Some(metric) => metric.to_owned(),
        None => {
            let suffix = if field.kind == Kind::Counter { "_total" } else { "" };
            format!("ochre_{}{suffix}", field.name.replace(['.', '-'], "_"))
        }
    }
}

fn push_label(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b'{');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    for &byte in value.as_bytes() {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => out.push(byte),
        }
    }
    out.extend_from_slice(b"\"}");
}

fn push_number(out: &mut Vec<u8>, value: Value<'_>, scale: f64) {
    if scale == 1.0 {
        return push_value(out, value);
    }
    let number = match value {
        Value::Int(number) => number as f64,
        Value::Uint(number) => number as f64,
        Value::Float { value, .. } => value,
        Value::Text(_) | Value::Bytes(_) => return,
    };
    let _ = write!(out, "{}", number * scale);
}

impl Emitter for Prometheus {
    fn section(&mut self, _name: &'static str) {}

    fn field(&mut self, field: &Field<'_>, value: Value<'_>) {
        self.sample(field, None, value);
    }

    fn row(&mut self, name: RowName<'_>, parts: &[(Field<'_>, Value<'_>)]) {
        for (field, value) in parts {
            self.sample(field, Some((name.label, name.value)), *value);
        }
    }
}
