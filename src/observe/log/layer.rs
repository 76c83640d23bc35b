//! The `tracing` layer: takes events, filters by level, hands one line to the output.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::format::Record;
use super::{Level, LogHandle};
use crate::base::clock::Clock;

/// Events of this crate only; others log for their own authors.
const TARGET: &str = env!("CARGO_PKG_NAME");

pub(super) struct Lines {
    log: LogHandle,
    pid: u32,
}

impl Lines {
    pub(super) fn new(log: LogHandle) -> Lines {
        Lines { log, pid: std::process::id() }
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata
            .target()
            .strip_prefix(TARGET)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        ours && metadata.is_event()
            && Level::of(*metadata.level()) >= self.log.level()
            && self.log.level() != Level::Nothing
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // The level can change, which makes everybody register again.
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.log.level() {
            Level::Debug => LevelFilter::TRACE,
            Level::Verbose => LevelFilter::DEBUG,
            Level::Notice => LevelFilter::INFO,
            Level::Warning => LevelFilter::WARN,
            Level::Nothing => LevelFilter::OFF,
        })
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut parts = Parts::default();
        event.record(&mut parts);
        let shared = &self.log.shared;
        let record = Record {
            now: shared.time.now_ms(),
            level: Level::of(*event.metadata().level()),
            pid: self.pid,
            role: char::from(shared.role.load(std::sync::atomic::Ordering::Relaxed)),
            message: &parts.message,
            fields: &parts.fields,
        };
        if let Some(syslog) = &shared.syslog {
            let mut text = String::new();
            record.push_text(&mut text);
            syslog.write(record.level, record.pid, &text);
        }
        let line = record.line(self.log.format());
        shared.output.lock().write(line.as_bytes());
    }
}

/// The message and the other fields of an event.
#[derive(Default)]
struct Parts {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Parts {
    fn take(&mut self, field: &Field, text: String) {
        if field.name() == "message" {
            self.message = text;
        } else {
            self.fields.push((field.name(), text));
        }
    }
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }
}
