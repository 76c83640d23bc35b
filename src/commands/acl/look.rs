//! What may be done, might be done and was refused: CAT, DRYRUN, LOG.

use super::{ADMIN, OPEN};
use crate::acl::log::Entry;
use crate::base::clock::Clock;
use crate::dispatch::access::{Asked, denial};
use crate::dispatch::options::int;
use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReplySlot, Request};
use crate::resp::{OwnedArgs, Writer};
use crate::spec::{AclCategories, Arg, Group};

pub(super) const CAT: Command = Command::admin("cat", -2, cat)
    .doc(
        Group::Server,
        "6.0.0",
        "Lists the categories of commands, or the commands of one.",
        "O(N) in the commands",
    )
    .flags(OPEN)
    .args(&[Arg::string("category").optional()]);

pub(super) const DRYRUN: Command = Command::admin("dryrun", -4, dryrun)
    .doc(Group::Server, "7.0.0", "Tells whether a user may run a command, without running it.", "O(1)")
    .flags(ADMIN)
    .args(&[Arg::string("username"), Arg::string("command"), Arg::string("arg").optional().multiple()]);

pub(super) const LOG: Command = Command::admin("log", -2, log)
    .doc(
        Group::Server,
        "6.0.0",
        "Shows what was refused to users of late.",
        "O(N) in the number of entries shown",
    )
    .flags(ADMIN)
    .args(&[Arg::oneof("operation", &[Arg::integer("count"), Arg::token("reset", "RESET")]).optional()]);

/// Entries of the log that are shown when no number is given.
const ENTRIES_SHOWN: i64 = 10;

fn cat(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    match req.len() {
        2 => {
            let words: Vec<&str> = AclCategories::ALL.iter().map(|(_, word)| *word).collect();
            Ok(reply.bulks(&words))
        }
        3 => {
            let category = AclCategories::from_word(req.arg(2))
                .ok_or_else(|| CmdError::quoting("ERR Unknown category '", req.arg(2), "'"))?;
            let commands = cx.engine.acl.catalogue.of_category(category);
            let names: Vec<&str> = commands.map(|facts| facts.full_name.as_str()).collect();
            Ok(reply.bulks(&names))
        }
        _ => Err(CmdError::subcommand_syntax("acl", req.arg(1))),
    }
}

fn dryrun(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let user = cx.engine.acl.find(req.arg(2));
    let user = user.ok_or_else(|| CmdError::quoting("ERR User '", req.arg(2), "' not found"))?;
    let unknown = || CmdError::quoting("ERR Command '", req.arg(3), "' not found");
    let owned = OwnedArgs::from_slices(req.args.iter().skip(3));
    let args = owned.as_args();
    let found = cx.engine.commands.find(args.at(0)).ok_or_else(unknown)?;
    let command = match args.get(1) {
        Some(word) if !found.subcommands.is_empty() => found.subcommand(word).ok_or_else(unknown)?,
        _ => found,
    };
    if !command.command.spec.accepts(args.len()) {
        return Err(CmdError::Arity(command.full_name.clone().into()));
    }
    let asked = Asked { command, args };
    match user.check(&asked) {
        Ok(()) => Ok(reply.ok()),
        Err(denied) => Ok(reply.bulk(&denial(&user, &asked, denied, true))),
    }
}

fn log(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let count = match req.len() {
        2 => ENTRIES_SHOWN,
        3 if req.arg(2).eq_ignore_ascii_case(b"reset") => {
            cx.engine.acl.log.clear();
            return Ok(reply.ok());
        }
        3 => int(req.arg(2))?,
        _ => return Err(CmdError::subcommand_syntax("acl", req.arg(1))),
    };
    let entries = cx.engine.acl.log.newest(usize::try_from(count).unwrap_or(0));
    let now_ms = cx.engine.time.now_ms().0;
    Ok(reply.write(|w| {
        w.array(entries.len());
        entries.iter().for_each(|entry| write_entry(w, entry, now_ms));
    }))
}

fn write_entry(w: &mut Writer<'_>, entry: &Entry, now_ms: u64) {
    w.map(10);
    w.bulk(b"count");
    w.uint(entry.count);
    let texts: [(&[u8], &[u8]); 4] = [
        (b"reason", entry.reason.word().as_bytes()),
        (b"context", entry.context.word().as_bytes()),
        (b"object", &entry.object),
        (b"username", &entry.username),
    ];
    for (name, text) in texts {
        w.bulk(name);
        w.bulk(text);
    }
    w.bulk(b"age-seconds");
    w.double(now_ms.saturating_sub(entry.updated_ms) as f64 / 1000.0);
    w.bulk(b"client-info");
    w.bulk(&entry.client);
    let numbers: [(&[u8], u64); 3] = [
        (b"entry-id", entry.id),
        (b"timestamp-created", entry.created_ms),
        (b"timestamp-last-updated", entry.updated_ms),
    ];
    for (name, number) in numbers {
        w.bulk(name);
        w.uint(number);
    }
}
