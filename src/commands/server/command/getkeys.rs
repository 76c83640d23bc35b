//! COMMAND GETKEYS and GETKEYSANDFLAGS: the key walker, run on a command that is not executed.

use crate::dispatch::{AdminCx, CmdError, Command, Outcome, Registered, ReplySlot, Request};
use crate::resp::OwnedArgs;
use crate::spec::{AclCategories, Arg, CommandFlags, Group, KeyFlags};

pub(super) const GETKEYS: Command = Command::admin("getkeys", -3, getkeys)
    .doc(
        Group::Server,
        "2.8.13",
        "Finds the keys in a full command.",
        "O(N) in the number of arguments of the command",
    )
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
    .acl(AclCategories::CONNECTION)
    .args(&[Arg::string("command"), Arg::string("arg").optional().multiple()]);

pub(super) const GETKEYSANDFLAGS: Command = Command::admin("getkeysandflags", -3, getkeysandflags)
    .doc(
        Group::Server,
        "7.0.0",
        "Finds the keys in a full command and what would happen to each.",
        "O(N) in the number of arguments of the command",
    )
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
    .acl(AclCategories::CONNECTION)
    .args(&[Arg::string("command"), Arg::string("arg").optional().multiple()]);

fn getkeys(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let keys = find(cx, req)?;
    Ok(reply.write(|w| {
        w.array(keys.len());
        keys.iter().for_each(|(key, _)| w.bulk(key));
    }))
}

fn getkeysandflags(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let keys = find(cx, req)?;
    Ok(reply.write(|w| {
        w.array(keys.len());
        for (key, flags) in keys {
            w.array(2);
            w.bulk(&key);
            super::write_words(w, flags.words().filter(|word| !is_about_spec(word)));
        }
    }))
}

/// Words that tell about the spec, not about what happens to the key.
fn is_about_spec(word: &str) -> bool {
    matches!(word, "incomplete" | "variable_flags")
}

type Found = Vec<(Vec<u8>, KeyFlags)>;

/// The keys of the command behind GETKEYS.
fn find(cx: &AdminCx<'_, '_>, req: &Request<'_>) -> Result<Found, CmdError> {
    let command = OwnedArgs::from_slices(req.args.iter().skip(2));
    let args = command.as_args();
    let registered = resolve(cx, &args).ok_or(CmdError::text("ERR Invalid command specified"))?;
    if !has_keys(registered) {
        return Err(CmdError::text("ERR The command has no key arguments"));
    }
    let spec = &registered.command.spec;
    if !spec.accepts(args.len()) {
        return Err(CmdError::text("ERR Invalid number of arguments specified for command"));
    }
    let mut found = Found::new();
    let walked = registered.command.walk_keys(&args, |at, flags| found.push((args.at(at).to_vec(), flags)));
    if spec.flags.contains(CommandFlags::NO_MANDATORY_KEYS) {
        return Ok(if walked.is_ok() { found } else { Found::new() });
    }
    walked?;
    if found.is_empty() { Err(CmdError::InvalidKeys) } else { Ok(found) }
}

/// The command or subcommand that the arguments call.
fn resolve<'e>(cx: &AdminCx<'e, '_>, args: &crate::resp::Args<'_>) -> Option<&'e Registered> {
    let registered = cx.engine.commands.find(args.at(0))?;
    if !registered.command.is_container() || args.len() < 2 {
        return Some(registered);
    }
    registered.subcommand(args.at(1))
}

fn has_keys(registered: &Registered) -> bool {
    let keys = registered.command.spec.keys;
    registered.command.key_walker.is_some() || keys.iter().any(|key| !key.flags.contains(KeyFlags::NOT_KEY))
}
