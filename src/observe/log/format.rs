//! The three forms of a log line.

use std::fmt::Write;

use super::Level;
use crate::base::clock::UnixMs;

/// The form of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As Redis writes them.
    #[default]
    Legacy,
    /// `key=value` pairs.
    Logfmt,
    /// One JSON object per line.
    Json,
}

impl Format {
    /// All forms.
    pub const ALL: [Format; 3] = [Format::Legacy, Format::Logfmt, Format::Json];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Format::Legacy => "legacy",
            Format::Logfmt => "logfmt",
            Format::Json => "json",
        }
    }

    /// The form of a name in the configuration, in any case.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }
}

/// All that goes into one line.
pub(super) struct Record<'a> {
    pub(super) now: UnixMs,
    pub(super) level: Level,
    pub(super) pid: u32,
    pub(super) role: char,
    pub(super) message: &'a str,
    pub(super) fields: &'a [(&'static str, String)],
}

// Writing to a string cannot fail, so the results of `write!` below are dropped.
impl Record<'_> {
    /// The line in the given form, its end included.
    pub(super) fn line(&self, format: Format) -> String {
        let mut line = String::with_capacity(64 + self.message.len());
        match format {
            Format::Legacy => self.push_legacy(&mut line),
            Format::Logfmt => self.push_logfmt(&mut line),
            Format::Json => self.push_json(&mut line),
        }
        line.push('\n');
        line
    }

    fn push_legacy(&self, line: &mut String) {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let Civil { year, month, day, hour, minute, second, ms } = Civil::of(self.now);
        let month = MONTHS.get(month as usize - 1).unwrap_or(&"");
        let mark = match self.level {
            Level::Debug => '.',
            Level::Verbose => '-',
            Level::Notice => '*',
            Level::Warning | Level::Nothing => '#',
        };
        let _ = write!(line, "{}:{} ", self.pid, self.role);
        let _ = write!(line, "{day:02} {month} {year} {hour:02}:{minute:02}:{second:02}.{ms:03} {mark} ");
        self.push_text(line);
    }

    /// Message and fields, without time and origin.
    pub(super) fn push_text(&self, line: &mut String) {
        push_visible(line, self.message);
        for (name, value) in self.fields {
            let _ = write!(line, " {name}=");
            push_visible(line, value);
        }
    }

    fn push_logfmt(&self, line: &mut String) {
        let time = Civil::of(self.now).rfc3339();
        let _ =
            write!(line, "time={time} level={} pid={} role={} msg=", self.level.name(), self.pid, self.role);
        push_quoted(line, self.message);
        for (name, value) in self.fields {
            let _ = write!(line, " {name}=");
            let plain = !value.is_empty()
                && value.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\'));
            if plain { line.push_str(value) } else { push_quoted(line, value) }
        }
    }

    fn push_json(&self, line: &mut String) {
        let time = Civil::of(self.now).rfc3339();
        let _ = write!(
            line,
            r#"{{"time":"{time}","level":"{}","pid":{},"role":"{}""#,
            self.level.name(),
            self.pid,
            self.role
        );
        line.push_str(",\"message\":");
        push_json_string(line, self.message);
        for (name, value) in self.fields {
            line.push(',');
            push_json_string(line, name);
            line.push(':');
            push_json_string(line, value);
        }
        line.push('}');
    }
}

/// Appends text with its control characters escaped.
fn push_visible(line: &mut String, text: &str) {
    for c in text.chars() {
        if is_unsafe(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
}

/// Control characters, and the two that some viewers take for the end of a line.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn push_quoted(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            c if is_unsafe(c) => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line.push('"');
}

fn push_json_string(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            c if is_unsafe(c) => {
                let _ = write!(line, "\\u{:04x}", u32::from(c));
            }
            c => line.push(c),
        }
    }
    line.push('"');
}

/// A moment on the calendar, in UTC.
#[derive(Debug, PartialEq, Eq)]
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    ms: u64,
}

impl Civil {
    /// Days become a date by counting from March in eras of 400 years (Hinnant, "chrono-compatible
    /// low-level date algorithms"), so that the leap day comes last.
    fn of(now: UnixMs) -> Civil {
        let ms = now.0 % 1000;
        let (days, seconds) = (now.0 / 86_400_000, now.0 / 1000 % 86_400);
        let from_march = days + 719_468;
        let (era, day_of_era) = (from_march / 146_097, from_march % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        Civil { year, month, day, hour: seconds / 3600, minute: seconds / 60 % 60, second: seconds % 60, ms }
    }

    fn rfc3339(&self) -> String {
        let Civil { year, month, day, hour, minute, second, ms } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates() {
        let facts = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_000, "2024-02-29T23:59:59.000Z"),
            (1_795_254_101_123, "2026-11-21T09:41:41.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ];
        for (ms, text) in facts {
            assert_eq!(Civil::of(UnixMs(ms)).rfc3339(), text);
        }
    }

    fn record<'a>(message: &'a str, fields: &'a [(&'static str, String)]) -> Record<'a> {
        Record {
            now: UnixMs(1_795_254_101_123),
            level: Level::Notice,
            pid: 12345,
            role: 'M',
            message,
            fields,
        }
    }

    #[test]
    fn the_three_forms() {
        let fields = [("client", "1.2.3.4:5".to_owned()), ("name", "a \"b\"\u{1b}\n".to_owned())];
        let record = record("Hello\r\nworld", &fields);
        assert_eq!(
            record.line(Format::Legacy),
            "12345:M 21 Nov 2026 09:41:41.123 * Hello\\r\\nworld client=1.2.3.4:5 name=a \"b\"\\u{1b}\\n\n"
        );
        assert_eq!(
            record.line(Format::Logfmt),
            "time=2026-11-21T09:41:41.123Z level=notice pid=12345 role=M msg=\"Hello\\r\\nworld\" \
             client=1.2.3.4:5 name=\"a \\\"b\\\"\\u{1b}\\n\"\n"
        );
        let json: serde_json::Value = serde_json::from_str(&record.line(Format::Json)).unwrap();
        assert_eq!(json["message"], "Hello\r\nworld");
        assert_eq!(
            (&json["level"], &json["pid"], &json["role"]),
            (&"notice".into(), &12345.into(), &"M".into())
        );
        assert_eq!(json["name"], "a \"b\"\u{1b}\n");
    }

    proptest! {
        #[test]
        fn one_event_is_one_line(message: String, value: String) {
            let fields = [("key", value.clone())];
            for format in Format::ALL {
                let line = record(&message, &fields).line(format);
                prop_assert_eq!(line.lines().count(), 1);
                prop_assert!(!line.trim_end_matches('\n').chars().any(char::is_control));
            }
            let json: serde_json::Value = serde_json::from_str(&record(&message, &fields).line(Format::Json)).unwrap();
            prop_assert_eq!(json["message"].as_str(), Some(message.as_str()));
            prop_assert_eq!(json["key"].as_str(), Some(value.as_str()));
        }
    }
}
