//! `redis.conf.example`, made from the option table: every option with its default, what it means and what it does
//! here. A test keeps the committed file fresh; `UPDATE=1 cargo test example` rewrites it.

use super::kind::Kind;
use super::number::format_memory;
use super::spec::{Flags, OptionSpec, State};
use super::table::OPTIONS;
use crate::base::words::quote;

const HEAD: &str = "\
# Ochre configuration. Every line below is a comment that shows a default: take the # away to change one.
#
# Start with it:                      ochre /path/to/redis.conf
# Options can also be arguments:      ochre /path/to/redis.conf --port 7000 --save 60 1
# Sizes take units: 1k is 1000 bytes, 1kb 1024; so with m, mb, g, gb; any case.
# Another file, or many:              include /path/to/*.conf
# A user, one a line:                 user alice on >password ~cached:* +get
# A command under another name:       rename-command FLUSHALL \"\"
";

/// The text of the file.
pub fn example() -> String {
    let mut out = HEAD.to_owned();
    let mut topic = None;
    for spec in OPTIONS.iter().filter(|spec| !spec.flags.has(Flags::HIDDEN)) {
        if topic != Some(spec.topic) {
            topic = Some(spec.topic);
            out.push_str(&format!("\n{}\n# {}\n", "#".repeat(80), spec.topic.title()));
        }
        entry(spec, &mut out);
    }
    out
}

fn entry(spec: &OptionSpec, out: &mut String) {
    out.push('\n');
    for line in spec.doc.lines() {
        out.push_str(&format!("#{line}\n"));
    }
    if let Kind::Choice { names, .. } = spec.kind {
        out.push_str(&format!("# One of: {}.\n", names.join(", ")));
    }
    if !spec.aliases.is_empty() {
        out.push_str(&format!("# Also known as {}.\n", spec.aliases.join(", ")));
    }
    match spec.state {
        State::Acts => {}
        State::ActsWith(feature) => out.push_str(&format!("# Acts with {}.\n", feature.name())),
        State::Accepted(why) => out.push_str(&format!("# Accepted, without effect: {why}.\n")),
    }
    out.push_str(&format!("# {} {}\n", spec.name, shown_default(spec)));
}

fn shown_default(spec: &OptionSpec) -> String {
    match (spec.kind, spec.default.parse()) {
        (_, _) if spec.name == "replicaof" => "no one".into(),
        (Kind::Memory { .. }, Ok(bytes)) => format_memory(bytes),
        (_, _) if spec.default.is_empty() => "\"\"".into(),
        (Kind::Text(_), _) if spec.default.contains(['{', ' ']) => quote(spec.default.as_bytes()),
        _ => spec.default.to_owned(),
    }
}
