//! The README's table of commands, made from the command table: what runs, beside all that Redis 8.0 has.
//!
//! A command counts once, a container with its subcommands too; the subcommands that run stand behind its name in
//! brackets. `UPDATE=1 cargo test --lib readme` rewrites the table, and the test fails while it is stale.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::FAMILIES;
use crate::dispatch::Command;
use crate::spec::Group;

const BEGIN: &str = "<!-- commands: generated";
const END: &str = "<!-- end of commands -->";

/// The families as chapters of a table, what is used most first.
const CHAPTERS: [(Group, &str); 16] = [
    (Group::String, "strings"),
    (Group::Generic, "keys"),
    (Group::List, "lists"),
    (Group::Hash, "hashes"),
    (Group::Set, "sets"),
    (Group::SortedSet, "sorted sets"),
    (Group::Stream, "streams"),
    (Group::Bitmap, "bitmaps"),
    (Group::HyperLogLog, "HyperLogLog"),
    (Group::Geo, "geo"),
    (Group::PubSub, "pub/sub"),
    (Group::Transactions, "transactions"),
    (Group::Scripting, "scripts and functions"),
    (Group::Connection, "connection"),
    (Group::Server, "server"),
    (Group::Cluster, "cluster"),
];

/// Names of all commands of Redis 8.0 with the word of their group; the modules that it can load are no part of it.
fn redis_commands() -> BTreeMap<String, String> {
    let rows: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/data/commands-redis-8.0.json")).unwrap();
    let is_module = |row: &Value| row["flags"].as_array().unwrap().iter().any(|flag| flag == "module");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.iter().filter(|row| !is_module(row)).map(|row| (text(&row["name"]), text(&row["group"]))).collect()
}

/// `GET`, or `OBJECT (ENCODING, FREQ)`.
fn shown(command: &Command) -> String {
    let mut text = command.spec.name.to_ascii_uppercase();
    let mut subcommands: Vec<String> =
        command.subcommands.iter().map(|sub| sub.spec.name.to_ascii_uppercase()).collect();
    if !subcommands.is_empty() {
        subcommands.sort();
        write!(text, " ({})", subcommands.join(", ")).unwrap();
    }
    text
}

fn list<'c>(commands: impl Iterator<Item = &'c Command>) -> String {
    let mut names: Vec<String> = commands.map(shown).collect();
    names.sort();
    if names.is_empty() { "–".into() } else { names.join(", ") }
}

fn table() -> String {
    let redis = redis_commands();
    let ours = || FAMILIES.iter().flat_map(|family| family.iter());
    let mut out = "| family | works | commands |\n|---|---|---|\n".to_owned();
    for (group, title) in CHAPTERS {
        let all = redis.values().filter(|word| *word == group.word()).count();
        let here = |command: &&Command| redis.get(command.spec.name).is_some_and(|word| word == group.word());
        let works = ours().filter(here).count();
        writeln!(out, "| {title} | {works} of {all} | {} |", list(ours().filter(here))).unwrap();
    }
    let beyond = |command: &&Command| !redis.contains_key(command.spec.name);
    let count = ours().filter(beyond).count();
    writeln!(out, "| beyond Redis 8.0 | {count} | {} |", list(ours().filter(beyond))).unwrap();
    out
}

/// The text with what stands between the markers replaced.
fn with_table(readme: &str, table: &str) -> Option<String> {
    let (head, rest) = readme.split_once(BEGIN)?;
    let (marker, rest) = rest.split_once('\n')?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}{marker}\n{table}{END}{tail}"))
}

#[test]
fn every_command_has_a_chapter() {
    let strays: Vec<String> = redis_commands()
        .into_iter()
        .filter(|(_, word)| !CHAPTERS.iter().any(|(group, _)| group.word() == word))
        .map(|(name, word)| format!("{name} ({word})"))
        .collect();
    assert!(strays.is_empty(), "no chapter for {strays:?}");
}

#[test]
fn the_table_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let fresh = with_table(&readme, &table()).expect("the README has the two markers");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, fresh).unwrap();
    } else {
        assert!(readme == fresh, "the README's table is stale; UPDATE=1 cargo test --lib readme rewrites it");
    }
}
