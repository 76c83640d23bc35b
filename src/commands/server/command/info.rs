//! COMMAND INFO: ten values for each command.
//!
//! ```text
//! name, arity, {flags}, first key, last key, step, {@categories}, {tips}, {key specs}, [subcommands]
//! ```
//!
//! The three numbers are the old way to say where the keys are, from before key specs; they are computed from the
//! specs ([`legacy_range`]) and are 0 where no single range can say it.

use super::write_words;
use crate::dispatch::{AdminCx, Command, CommandTable, Outcome, Registered, ReplySlot, Request};
use crate::resp::Writer;
use crate::spec::{AclCategories, Arg, BeginSearch, CommandFlags, FindKeys, Group, KeySpec};

pub(super) const INFO: Command = Command::admin("info", -2, info)
    .doc(
        Group::Server,
        "2.8.13",
        "Describes commands: arity, flags, keys, categories.",
        "O(N) in the number of commands asked for",
    )
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
    .acl(AclCategories::CONNECTION)
    .tips(&["nondeterministic_output_order"])
    .args(&[Arg::string("command-name").optional().multiple()]);

fn info(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let table = &cx.engine.commands;
    if req.len() == 2 {
        return Ok(reply.write(|w| write_all(w, table)));
    }
    Ok(reply.write(|w| {
        w.array(req.len() - 2);
        for name in req.args.iter().skip(2) {
            match table.find_full(name) {
                Some(registered) => write(w, registered),
                None => w.null(),
            }
        }
    }))
}

/// All commands.
pub(super) fn write_all(w: &mut Writer<'_>, table: &CommandTable) {
    w.array(table.len());
    table.iter().for_each(|registered| write(w, registered));
}

fn write(w: &mut Writer<'_>, registered: &Registered) {
    let spec = &registered.command.spec;
    let range = legacy_range(spec.keys);
    w.array(10);
    w.bulk(registered.full_name.as_bytes());
    w.int(i64::from(spec.arity));
    write_words(w, spec.flags.shown_words());
    w.int(range.first);
    w.int(range.last);
    w.int(range.step);
    let categories = spec.acl_categories().words();
    w.set(categories.clone().count());
    categories.for_each(|word| w.status_bytes(format!("@{word}").as_bytes()));
    w.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| w.bulk(tip.as_bytes()));
    w.set(spec.keys.len());
    spec.keys.iter().for_each(|key| write_key_spec(w, key));
    // Redis's own shape: no subcommands are an empty set, some are an array.
    match registered.subcommands.len() {
        0 => w.set(0),
        len => w.array(len),
    }
    registered.subcommands.iter().for_each(|subcommand| write(w, subcommand));
}

fn write_key_spec(w: &mut Writer<'_>, spec: &KeySpec) {
    w.map(3 + usize::from(!spec.notes.is_empty()));
    if !spec.notes.is_empty() {
        w.bulk(b"notes");
        w.bulk(spec.notes.as_bytes());
    }
    w.bulk(b"flags");
    write_words(w, spec.flags.words());
    w.bulk(b"begin_search");
    write_begin(w, spec.begin);
    w.bulk(b"find_keys");
    write_find(w, spec.find);
}

/// `{type, spec: {…}}` with the header of the inner map.
fn write_typed(w: &mut Writer<'_>, kind: &str, fields: &[(&str, i64)]) {
    w.map(2);
    w.bulk(b"type");
    w.bulk(kind.as_bytes());
    w.bulk(b"spec");
    w.map(fields.len());
    for (name, value) in fields {
        w.bulk(name.as_bytes());
        w.int(*value);
    }
}

fn write_begin(w: &mut Writer<'_>, begin: BeginSearch) {
    match begin {
        BeginSearch::Index(index) => write_typed(w, "index", &[("index", index as i64)]),
        BeginSearch::Unknown => write_typed(w, "unknown", &[]),
        BeginSearch::Keyword { word, start_from } => {
            w.map(2);
            w.bulk(b"type");
            w.bulk(b"keyword");
            w.bulk(b"spec");
            w.map(2);
            w.bulk(b"keyword");
            w.bulk(word.as_bytes());
            w.bulk(b"startfrom");
            w.int(i64::from(start_from));
        }
    }
}

fn write_find(w: &mut Writer<'_>, find: FindKeys) {
    match find {
        FindKeys::Range { last, step, limit } => write_typed(
            w,
            "range",
            &[("lastkey", i64::from(last)), ("keystep", step as i64), ("limit", limit as i64)],
        ),
        FindKeys::Count { count, first, step } => write_typed(
            w,
            "keynum",
            &[("keynumidx", count as i64), ("firstkey", first as i64), ("keystep", step as i64)],
        ),
        FindKeys::Unknown => write_typed(w, "unknown", &[]),
    }
}

/// First key, last key (negative: from the end) and step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegacyRange {
    pub first: i64,
    pub last: i64,
    pub step: i64,
}

/// One range that covers the specs with fixed positions, as far as there is one.
///
/// Specs that follow each other without a gap and step by one are joined; the first one that can't be joined ends it.
pub fn legacy_range(keys: &[KeySpec]) -> LegacyRange {
    let mut range = LegacyRange::default();
    for spec in keys {
        let (BeginSearch::Index(first), FindKeys::Range { last, step, .. }) = (spec.begin, spec.find) else {
            continue;
        };
        let (first, step) = (first as i64, step as i64);
        let last = if last >= 0 { first + i64::from(last) } else { i64::from(last) };
        if range.step == 0 {
            range = LegacyRange { first, last, step };
        } else if range.step == 1 && step == 1 && range.last == first - 1 {
            range.last = last;
        } else {
            break;
        }
    }
    range
}
