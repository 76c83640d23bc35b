//! Giving keys other names: RENAME and RENAMENX.
//!
//! The entry moves as it is: value, encoding and deadline stay, and nothing of a big value is copied.

use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::spec::{AclCategories, Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::write("rename", 3, rename)
        .doc(Group::Generic, "1.0.0", "Gives a key another name, replacing what has that name.", "O(1)")
        .acl(AclCategories::KEYSPACE)
        .keys(&[
            KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
            KeySpec::one(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
        ])
        .args(&[Arg::key("key", 0), Arg::key("newkey", 1)]),
    Command::write("renamenx", 3, renamenx)
        .doc(Group::Generic, "1.0.0", "Gives a key another name unless that name is taken.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[
            KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
            KeySpec::one(2, KeyFlags::OW.union(KeyFlags::INSERT)),
        ])
        .args(&[Arg::key("key", 0), Arg::key("newkey", 1)]),
];

fn rename(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    rename_key(cx, req, |_| true)?;
    Ok(reply.ok())
}

fn renamenx(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let is_renamed = rename_key(cx, req, |name_exists| !name_exists)?;
    Ok(reply.flag(is_renamed))
}

/// Renames the key if `may`, which hears whether the new name exists. A key keeps its own name without a change.
fn rename_key(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, may: fn(bool) -> bool) -> Result<bool, CmdError> {
    let (from, to) = (req.key(0)?, req.key(1)?);
    if cx.peek(from).is_none() {
        return Err(CmdError::NoSuchKey);
    }
    let db = cx.db();
    if from.bytes() == to.bytes() || !may(cx.peek(to).is_some()) {
        cx.note_use(db, from)?;
        if from.bytes() != to.bytes() {
            cx.note_use(db, to)?;
        }
        return Ok(false);
    }
    Ok(cx.relocate((db, from), (db, to), ["rename_from", "rename_to"]))
}
