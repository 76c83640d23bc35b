//! Every row against the facts of Redis 8.0.6: `tests/data/commands-redis-8.0.json` holds what a real server says
//! about each of its commands (arity, flags, categories, key specs, tips, arguments, versions; no prose). A family that
//! adds rows needs no test of its own.

use serde_json::{Map, Value, json};

use super::FAMILIES;
use super::server::command::info::legacy_range;
use crate::dispatch::Command;
use crate::spec::{Arg, BeginSearch, FindKeys, KeySpec};

fn facts() -> Vec<Value> {
    serde_json::from_str(include_str!("../../tests/data/commands-redis-8.0.json")).unwrap()
}

fn sorted<'a>(words: impl Iterator<Item = &'a str>) -> Value {
    let mut words: Vec<&str> = words.collect();
    words.sort_unstable();
    json!(words)
}

/// A row in the shape of the facts file, subcommands apart.
fn described(command: &Command, full_name: &str) -> Map<String, Value> {
    let spec = &command.spec;
    let range = legacy_range(spec.keys);
    let mut row = json!({
        "name": full_name,
        "arity": spec.arity,
        "flags": sorted(spec.flags.shown_words()),
        "acl": sorted(spec.acl_categories().words()),
        "range": [range.first, range.last, range.step],
        "tips": spec.tips,
        "group": spec.group.word(),
        "since": spec.since,
    });
    let row = row.as_object_mut().unwrap();
    if !spec.keys.is_empty() {
        row.insert("keys".into(), spec.keys.iter().map(key_spec).collect());
    }
    if !spec.args.is_empty() {
        let args: Vec<Arg> = spec.args.iter().filter(|arg| !is_ours(full_name, arg)).copied().collect();
        row.insert("args".into(), arguments(&args));
    }
    let flags = [(spec.deprecated.is_some(), "deprecated"), (spec.is_syscmd, "syscmd")];
    let flags: Vec<&str> = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word).collect();
    if !flags.is_empty() {
        row.insert("doc_flags".into(), json!(flags));
    }
    if let Some((since, replaced_by)) = spec.deprecated {
        row.insert("deprecated_since".into(), json!(since));
        if !replaced_by.is_empty() {
            row.insert("replaced_by".into(), json!(replaced_by));
        }
    }
    row.clone()
}

fn key_spec(spec: &KeySpec) -> Value {
    let begin = match spec.begin {
        BeginSearch::Index(index) => json!({"type": "index", "spec": {"index": index}}),
        BeginSearch::Keyword { word, start_from } => {
            json!({"type": "keyword", "spec": {"keyword": word, "startfrom": start_from}})
        }
        // The facts were read in RESP2, where an empty map is an empty array.
        BeginSearch::Unknown => json!({"type": "unknown", "spec": []}),
    };
    let find = match spec.find {
        FindKeys::Range { last, step, limit } => {
            json!({"type": "range", "spec": {"lastkey": last, "keystep": step, "limit": limit}})
        }
        FindKeys::Count { count, first, step } => {
            json!({"type": "keynum", "spec": {"keynumidx": count, "firstkey": first, "keystep": step}})
        }
        FindKeys::Unknown => json!({"type": "unknown", "spec": []}),
    };
    json!({"begin_search": begin, "find_keys": find, "flags": sorted(spec.flags.words())})
}

/// Options that no Redis has: command and token.
const OURS: [(&str, &str); 4] =
    [("expire", "GET"), ("pexpire", "GET"), ("expireat", "GET"), ("pexpireat", "GET")];

fn is_ours(full_name: &str, arg: &Arg) -> bool {
    OURS.iter().any(|(command, token)| *command == full_name && arg.token == Some(token))
}

/// Whether a version is later than the facts: such rows and arguments are our own additions or those of newer servers.
fn is_later(since: &str) -> bool {
    let numbers = |version: &str| version.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    numbers(since) > numbers(crate::REDIS_VERSION)
}

fn arguments(args: &[Arg]) -> Value {
    args.iter().filter(|arg| !arg.since.is_some_and(is_later)).map(argument).collect()
}

fn argument(arg: &Arg) -> Value {
    let mut row = Map::new();
    row.insert("name".into(), json!(arg.name));
    row.insert("type".into(), json!(arg.kind.word()));
    if arg.parts.is_empty() {
        let display = if arg.display.is_empty() { arg.name } else { arg.display };
        row.insert("display_text".into(), json!(display));
    } else {
        row.insert("arguments".into(), arguments(arg.parts));
    }
    let texts = [("token", arg.token), ("since", arg.since), ("deprecated_since", arg.deprecated_since)];
    for (name, text) in texts {
        text.map(|text| row.insert(name.into(), json!(text)));
    }
    arg.key_spec.map(|index| row.insert("key_spec_index".into(), json!(index)));
    let flags =
        [(arg.optional, "optional"), (arg.multiple, "multiple"), (arg.multiple_token, "multiple_token")];
    let flags = sorted(flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word));
    if flags != json!([]) {
        row.insert("flags".into(), flags);
    }
    Value::Object(row)
}

/// What Redis never had, and Valkey since a version that Redis had too.
const OF_VALKEY: &[&str] = &["script|show"];

/// Collects what differs between a row (and its subcommands) and the facts.
fn compare(command: &Command, full_name: &str, facts: &[Value], differences: &mut Vec<String>) {
    let Some(fact) = facts.iter().find(|fact| fact["name"] == full_name) else {
        if !is_later(command.spec.since) && !OF_VALKEY.contains(&full_name) {
            differences.push(format!("{full_name}: no such command"));
        }
        return;
    };
    let ours = described(command, full_name);
    let mut theirs = fact.as_object().unwrap().clone();
    let subcommands = theirs.remove("subcommands").unwrap_or(json!([]));
    let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in names.into_iter().filter(|name| ours.get(*name) != theirs.get(*name)) {
        let show = |row: &Map<String, Value>| row.get(name).map_or("nothing".to_owned(), Value::to_string);
        differences.push(format!("{full_name}: {name} is {}\n    should be {}", show(&ours), show(&theirs)));
    }
    for subcommand in command.subcommands {
        let name = format!("{full_name}|{}", subcommand.spec.name);
        compare(subcommand, &name, subcommands.as_array().unwrap(), differences);
    }
}

#[test]
fn rows_state_the_facts() {
    let facts = facts();
    let mut differences = Vec::new();
    for command in FAMILIES.iter().flat_map(|family| family.iter()) {
        compare(command, command.spec.name, &facts, &mut differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Rules of users are about one row, and requests run another, when two have the same name.
#[test]
fn no_two_rows_have_the_same_name() {
    let mut names = std::collections::BTreeSet::new();
    for command in FAMILIES.iter().flat_map(|family| family.iter()) {
        assert!(names.insert(command.spec.name.to_owned()), "{}", command.spec.name);
        for sub in command.subcommands {
            let name = format!("{}|{}", command.spec.name, sub.spec.name);
            assert!(names.insert(name.clone()), "{name}");
        }
    }
}

#[test]
fn rows_are_documented() {
    for command in FAMILIES.iter().flat_map(|family| family.iter()) {
        for row in std::iter::once(command).chain(command.subcommands) {
            let spec = &row.spec;
            assert!(spec.summary.ends_with('.'), "{} has no summary", spec.name);
        }
    }
}
