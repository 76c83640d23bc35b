//! Whole databases: FLUSHDB, FLUSHALL, SWAPDB, and how a database is named.
//!
//! Emptying takes the tables out, which is a matter of microseconds; they are freed in the background. Without ASYNC (or
//! `lazyfree-lazy-user-flush`, which makes it the default) the answer comes when that is done, so that the memory is free when the
//! client hears of it. Nobody else waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::dispatch::options::int32;
use crate::dispatch::wait::Awaited;
use crate::dispatch::{CmdError, Command, Engine, Outcome, Replied, ReplySlot, Request, WriteCx};
use crate::keyspace::waiters::{Ending, Served};
use crate::keyspace::{DbIndex, Effect, reclaim};
use crate::persist::rdb::Saver;
use crate::spec::{AclCategories, Arg, CommandFlags, Group};

pub const COMMANDS: &[Command] = &[
    Command::write("flushdb", -1, flushdb)
        .whole_keyspace()
        .doc(
            Group::Server,
            "1.0.0",
            "Removes all keys from the database.",
            "O(N) in the number of keys; done in the background with ASYNC.",
        )
        .acl(AclCategories::DANGEROUS.union(AclCategories::KEYSPACE))
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .args(&[Arg::oneof(
            "flush-type",
            &[Arg::token("async", "ASYNC").since("4.0.0"), Arg::token("sync", "SYNC").since("6.2.0")],
        )
        .optional()]),
    Command::write("flushall", -1, flushall)
        .whole_keyspace()
        .doc(
            Group::Server,
            "1.0.0",
            "Removes all keys from all databases.",
            "O(N) in the number of keys; done in the background with ASYNC.",
        )
        .acl(AclCategories::DANGEROUS.union(AclCategories::KEYSPACE))
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .args(&[Arg::oneof(
            "flush-type",
            &[Arg::token("async", "ASYNC").since("4.0.0"), Arg::token("sync", "SYNC").since("6.2.0")],
        )
        .optional()]),
    Command::write("swapdb", 3, swapdb)
        .whole_keyspace()
        .doc(Group::Server, "4.0.0", "Exchanges two databases.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::DANGEROUS.union(AclCategories::KEYSPACE))
        .args(&[Arg::integer("index1"), Arg::integer("index2")]),
];

/// The database with the number `arg`.
///
/// # Errors
/// No integer of 32 bits, or no such database.
pub(super) fn database(arg: &[u8], engine: &Engine) -> Result<DbIndex, CmdError> {
    index_of(int32(arg)?, engine)
}

fn index_of(number: i32, engine: &Engine) -> Result<DbIndex, CmdError> {
    let index = u16::try_from(number).ok().filter(|&index| index < engine.keyspace.databases());
    index.map(DbIndex).ok_or(CmdError::DbIndexOutOfRange)
}

fn flushdb(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let is_lazy = is_lazy(cx, req)?;
    let db = cx.db();
    cx.keyspace().flush(db, is_lazy);
    Ok(emptied(cx, is_lazy, reply))
}

fn flushall(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let is_lazy = is_lazy(cx, req)?;
    for index in 0..cx.engine.keyspace.databases() {
        cx.keyspace().flush(DbIndex(index), is_lazy);
    }
    match cx.engine.parts.find::<Saver>().filter(|_| !is_loading(cx)) {
        Some(saver) => Ok(forget_saved(cx, &saver, is_lazy, reply)),
        None => Ok(emptied(cx, is_lazy, reply)),
    }
}

fn is_loading(cx: &WriteCx<'_, '_>) -> bool {
    cx.engine.lifecycle.loading.load(Ordering::Relaxed)
}

/// Answers: at once, or when what was taken out is free.
fn emptied<'o>(cx: &mut WriteCx<'_, '_>, is_lazy: bool, reply: ReplySlot<'o>) -> Replied {
    if is_lazy || is_loading(cx) {
        return reply.ok();
    }
    let proto = reply.proto();
    let awaited = Awaited::elsewhere(move |_, waiter| {
        let waiter = Arc::clone(waiter);
        reclaim::when_freed(move || {
            let mut served = Served::default();
            served.reply.writer(proto).status("OK");
            waiter.end(Ending::Served(served));
        });
    });
    cx.wait(reply, awaited, ReplySlot::ok)
}

/// What is being saved is given up. Where save points ask for saves, the old file must not bring back what was thrown away: the
/// reply comes when there is a new one, except within a transaction or a script, behind which it is written.
fn forget_saved<'o>(
    cx: &mut WriteCx<'_, '_>,
    saver: &Arc<Saver>,
    is_lazy: bool,
    reply: ReplySlot<'o>,
) -> Replied {
    saver.give_up();
    if cx.config.save.is_empty() {
        return emptied(cx, is_lazy, reply);
    }
    let again = Arc::clone(saver);
    let work = move |engine: &Arc<Engine>| {
        again.start_over(engine);
        Ok(())
    };
    let awaited = Awaited::work("ochre-save", reply.proto(), work);
    cx.wait(reply, awaited, |reply| {
        saver.schedule();
        reply.ok()
    })
}

/// Whether to free in the background: the one word that a flush takes, or the configuration.
fn is_lazy(cx: &WriteCx<'_, '_>, req: &Request<'_>) -> Result<bool, CmdError> {
    let mut words = req.args.cursor(1);
    let is_lazy = if words.take_word("ASYNC") {
        true
    } else if words.take_word("SYNC") {
        false
    } else {
        cx.config.lazyfree_lazy_user_flush
    };
    if words.remaining() > 0 { Err(CmdError::Syntax) } else { Ok(is_lazy) }
}

fn swapdb(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let one = int32(req.arg(1)).map_err(|_| CmdError::text("ERR invalid first DB index"))?;
    let other = int32(req.arg(2)).map_err(|_| CmdError::text("ERR invalid second DB index"))?;
    let (one, other) = (index_of(one, cx.engine)?, index_of(other, cx.engine)?);
    // One change, as in Redis, even when a database is exchanged with itself.
    cx.keyspace().swap(one, other, Effect::NONE.changes(1));
    Ok(reply.ok())
}
