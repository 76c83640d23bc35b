//! COPY and MOVE: keys to another name or another database.
//!
//! A copied collection shares nothing with its source that either can change; a long string is shared until then.

use super::databases::database;
use crate::dispatch::options::value;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::entry::duplicate;
use crate::keyspace::{DbIndex, Effect, EventClass};
use crate::resp::Cursor;
use crate::spec::{AclCategories, Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::write("copy", -3, copy)
        .doc(
            Group::Generic,
            "6.2.0",
            "Copies the value under a key to another key.",
            "O(1) for strings, O(N) in the elements of a collection.",
        )
        .flags(CommandFlags::DENYOOM)
        .acl(AclCategories::KEYSPACE)
        .keys(&[
            KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS)),
            KeySpec::one(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
        ])
        .args(&[
            Arg::key("source", 0),
            Arg::key("destination", 1),
            Arg::integer("destination-db").with_token("DB").optional(),
            Arg::token("replace", "REPLACE").optional(),
        ]),
    Command::write("move", 3, move_key)
        .doc(Group::Generic, "1.0.0", "Moves a key to another database.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::integer("db")]),
];

fn copy(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (from, to) = (req.key(0)?, req.key(1)?);
    let (db, replaces) = copy_options(&mut req.args.cursor(3), cx)?;
    if db == cx.db() && from.bytes() == to.bytes() {
        return Err(CmdError::SameObject);
    }
    if cx.read(from).is_none() {
        return Ok(reply.flag(false));
    }
    // Looked at in any case: what is behind its deadline expires before it is replaced.
    let is_taken = cx.keyspace().peek(db, to).is_some();
    if is_taken && !replaces {
        cx.note_use(db, to)?;
        return Ok(reply.flag(false));
    }
    let clock = cx.keyspace().new_clock();
    let Some(twin) = cx.peek(from).map(|entry| duplicate(entry, to.bytes(), clock)) else {
        return Ok(reply.flag(false));
    };
    cx.put(db, to, twin, Effect::event(EventClass::Generic, "copy_to"));
    Ok(reply.flag(true))
}

/// The target database and whether REPLACE was given.
fn copy_options(cursor: &mut Cursor<'_>, cx: &WriteCx<'_, '_>) -> Result<(DbIndex, bool), CmdError> {
    let (mut db, mut replaces) = (cx.db(), false);
    while cursor.remaining() > 0 {
        if cursor.take_word("REPLACE") {
            replaces = true;
        } else if cursor.take_word("DB") {
            db = database(value(cursor)?, cx.engine)?;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok((db, replaces))
}

fn move_key(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let key = req.key(0)?;
    let (from, to) = (cx.db(), database(req.arg(2), cx.engine)?);
    if from == to {
        return Err(CmdError::SameObject);
    }
    if cx.peek(key).is_none() {
        return Ok(reply.flag(false));
    }
    let may = cx.keyspace().peek(to, key).is_none();
    if !may {
        cx.note_use(from, key)?;
        cx.note_use(to, key)?;
    }
    Ok(reply.flag(may && cx.relocate((from, key), (to, key), ["move_from", "move_to"])))
}
