//! INFO: what the server knows about itself, in sections.
//!
//! Every section is a function that says its fields to an [`Emitter`]; [`emit`] runs those that were asked for, with
//! any back end. Fields of Redis that describe parts this server does not have (yet) are there with the value that
//! is true of it, mostly 0, because dashboards and clients look for them; fields of C internals with no meaning
//! here are left out.
//!
//! ```text
//! server clients memory persistence threads stats replication cpu modules errorstats cluster keyspace keysizes
//!                                              … and on request: commandstats latencystats
//! ```

mod aof;
mod clients;
mod commands;
pub mod facts;
mod keyspace;
mod memory;
mod persistence;
mod replication;
mod server;
mod stats;

use self::facts::Facts;
use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReplySlot, Request};
use crate::observe::info::{Emitter, Field, InfoText, Value};
use crate::spec::{AclCategories, Arg, CommandFlags, Group};

/// The row of INFO.
pub const COMMANDS: &[Command] = &[Command::admin("info", -1, info)
    .doc(Group::Server, "1.0.0", "Describes the server in numbers.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
    .acl(AclCategories::DANGEROUS)
    .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
    .args(&[Arg::string("section").optional().multiple()])];

/// One section.
struct Section {
    name: &'static str,
    /// What stands behind `#`.
    title: &'static str,
    /// Shown when nothing is asked for.
    is_default: bool,
    emit: fn(&Facts<'_>, &mut dyn Emitter),
}

const fn section(
    name: &'static str,
    title: &'static str,
    is_default: bool,
    emit: fn(&Facts<'_>, &mut dyn Emitter),
) -> Section {
    Section { name, title, is_default, emit }
}

/// In the order in which they are shown.
const SECTIONS: &[Section] = &[
    section("server", "Server", true, server::emit),
    section("clients", "Clients", true, clients::emit),
    section("memory", "Memory", true, memory::emit),
    section("persistence", "Persistence", true, persistence::emit),
    section("threads", "Threads", true, stats::emit_threads),
    section("stats", "Stats", true, stats::emit),
    section("replication", "Replication", true, replication::emit),
    section("cpu", "CPU", true, server::emit_cpu),
    section("modules", "Modules", true, |_, _| {}),
    section("commandstats", "Commandstats", false, commands::emit_calls),
    section("errorstats", "Errorstats", true, commands::emit_errors),
    section("latencystats", "Latencystats", false, commands::emit_latencies),
    section("cluster", "Cluster", true, replication::emit_cluster),
    section("keyspace", "Keyspace", true, keyspace::emit),
    section("keysizes", "Keysizes", true, keyspace::emit_sizes),
];

/// Says the sections that `asked` names (none: the default ones; `all`, `everything` and `default` are groups) to
/// `out`, each once. Names that are no section are ignored.
///
/// # Errors
/// What is said is not true: see [`Facts::check`].
pub fn emit(cx: &mut AdminCx<'_, '_>, asked: &[&[u8]], out: &mut dyn Emitter) -> Result<(), CmdError> {
    let facts = Facts::new(cx);
    for section in SECTIONS.iter().filter(|section| section.is_wanted(asked)) {
        out.section(section.title);
        (section.emit)(&facts, out);
    }
    facts.check()
}

impl Section {
    fn is_wanted(&self, asked: &[&[u8]]) -> bool {
        let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let names_it = |word: &&[u8]| {
            is(word, self.name)
                || is(word, "all")
                || is(word, "everything")
                || self.is_default && is(word, "default")
        };
        if asked.is_empty() { self.is_default } else { asked.iter().any(names_it) }
    }
}

fn info(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let asked: Vec<&[u8]> = req.args.iter().skip(1).collect();
    let mut text = InfoText::new();
    emit(cx, &asked, &mut text)?;
    Ok(reply.write(|w| w.verbatim(b"txt", &text.finish())))
}

/// Fields with their values, in order.
fn say(out: &mut dyn Emitter, fields: &[(Field<'_>, Value<'_>)]) {
    fields.iter().for_each(|(field, value)| out.field(field, *value));
}

/// A number with two decimals.
fn decimals2(value: f64) -> Value<'static> {
    Value::Float { value, decimals: 2 }
}

#[cfg(test)]
mod tests {
    use super::SECTIONS;

    fn wanted(asked: &[&[u8]]) -> Vec<&'static str> {
        SECTIONS.iter().filter(|section| section.is_wanted(asked)).map(|section| section.name).collect()
    }

    #[test]
    fn sections_by_name_and_by_group() {
        assert_eq!(wanted(&[b"Keyspace", b"SERVER", b"nosuch", b"server"]), ["server", "keyspace"]);
        assert!(wanted(&[b"nosuch"]).is_empty());
        assert_eq!(wanted(&[]), wanted(&[b"default"]));
        assert!(!wanted(&[]).contains(&"commandstats"));
        assert_eq!(wanted(&[b"default", b"latencystats"]).len(), wanted(&[]).len() + 1);
        for all in [&b"all"[..], b"everything"] {
            assert_eq!(wanted(&[all]).len(), SECTIONS.len());
        }
    }
}
