//! COMMAND DOCS: what a command is for and how it is written, as a map with a tree of arguments.

use super::write_words;
use crate::dispatch::{AdminCx, Command, Outcome, Registered, ReplySlot, Request};
use crate::resp::Writer;
use crate::spec::{AclCategories, Arg, ArgKind, CommandFlags, CommandSpec, Group};

pub(super) const DOCS: Command = Command::admin("docs", -2, docs)
    .doc(
        Group::Server,
        "7.0.0",
        "Documents commands: summary, history, arguments.",
        "O(N) in the number of commands asked for",
    )
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
    .acl(AclCategories::CONNECTION)
    .tips(&["nondeterministic_output_order"])
    .args(&[Arg::string("command-name").optional().multiple()]);

fn docs(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let table = &cx.engine.commands;
    let found: Vec<&Registered> = if req.len() == 2 {
        table.iter().collect()
    } else {
        req.args.iter().skip(2).filter_map(|name| table.find_full(name)).collect()
    };
    Ok(reply.write(|w| write_all(w, &found)))
}

fn write_all(w: &mut Writer<'_>, commands: &[&Registered]) {
    w.map(commands.len());
    for registered in commands {
        w.bulk(registered.full_name.as_bytes());
        write(w, registered);
    }
}

fn write(w: &mut Writer<'_>, registered: &Registered) {
    let spec = &registered.command.spec;
    let texts = texts(spec);
    let flags = [(spec.deprecated.is_some(), "deprecated"), (spec.is_syscmd, "syscmd")];
    let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word);
    let has_flags = flags.clone().next().is_some();
    let deprecated =
        spec.deprecated.map(|(since, replaced)| [("deprecated_since", since), ("replaced_by", replaced)]);
    let deprecated: Vec<_> = deprecated.into_iter().flatten().filter(|(_, text)| !text.is_empty()).collect();
    let has = [has_flags, !spec.args.is_empty(), !registered.subcommands.is_empty()];
    w.map(texts.len() + deprecated.len() + has.iter().filter(|has| **has).count());
    write_texts(w, &texts);
    if has_flags {
        w.bulk(b"doc_flags");
        write_words(w, flags);
    }
    write_texts(w, &deprecated);
    if !spec.args.is_empty() {
        w.bulk(b"arguments");
        write_arguments(w, spec.args);
    }
    if !registered.subcommands.is_empty() {
        w.bulk(b"subcommands");
        write_all(w, &registered.subcommands.iter().collect::<Vec<_>>());
    }
}

/// The fields that are there unless they are empty.
fn texts(spec: &CommandSpec) -> Vec<(&'static str, &'static str)> {
    let texts = [
        ("summary", spec.summary),
        ("since", spec.since),
        ("group", spec.group.word()),
        ("complexity", spec.complexity),
    ];
    texts.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

fn write_texts(w: &mut Writer<'_>, texts: &[(&str, &str)]) {
    for (name, text) in texts {
        w.bulk(name.as_bytes());
        w.bulk(text.as_bytes());
    }
}

fn write_arguments(w: &mut Writer<'_>, args: &[Arg]) {
    w.array(args.len());
    args.iter().for_each(|arg| write_argument(w, arg));
}

fn write_argument(w: &mut Writer<'_>, arg: &Arg) {
    let is_group = matches!(arg.kind, ArgKind::OneOf | ArgKind::Block);
    let display = if arg.display.is_empty() { arg.name } else { arg.display };
    let head = [
        ("name", Some(arg.name)),
        ("type", Some(arg.kind.word())),
        ("display_text", (!is_group).then_some(display)),
    ];
    let tail = [("token", arg.token), ("since", arg.since), ("deprecated_since", arg.deprecated_since)];
    let present = |fields: &[(&'static str, Option<&'static str>)]| -> Vec<(&str, &str)> {
        fields.iter().filter_map(|(name, text)| text.map(|text| (*name, text))).collect()
    };
    let (head, tail) = (present(&head), present(&tail));
    let flags =
        [(arg.optional, "optional"), (arg.multiple, "multiple"), (arg.multiple_token, "multiple_token")];
    let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word);
    let has_flags = flags.clone().next().is_some();
    let has = [arg.key_spec.is_some(), has_flags, is_group];
    w.map(head.len() + tail.len() + has.iter().filter(|has| **has).count());
    write_texts(w, &head);
    if let Some(key_spec) = arg.key_spec {
        w.bulk(b"key_spec_index");
        w.int(i64::from(key_spec));
    }
    write_texts(w, &tail);
    if has_flags {
        w.bulk(b"flags");
        write_words(w, flags);
    }
    if is_group {
        w.bulk(b"arguments");
        write_arguments(w, arg.parts);
    }
}
