//! Single members: SADD, SREM, SMOVE, SISMEMBER, SMISMEMBER, SCARD, SMEMBERS.
//!
//! ```text
//! SADD s a b a → 2     SISMEMBER s a → 1     SMOVE s t a → 1     SREM s a b → 1, and s is gone
//! ```

use super::{limits, write_members};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::keyspace::entry::collection_of;
use crate::keyspace::{Effect, Entry, EventClass};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::set::Set;

pub const COMMANDS: &[Command] = &[
    Command::write("sadd", -3, sadd)
        .element(2)
        .doc(
            Group::Set,
            "1.0.0",
            "Adds members to a set, which is created if it is missing.",
            "O(1) for each member.",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))])
        .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
    Command::write("srem", -3, srem)
        .element(2)
        .doc(Group::Set, "1.0.0", "Removes members from a set.", "O(1) for each member.")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))])
        .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
    Command::read("smembers", 2, smembers)
        .doc(Group::Set, "1.0.0", "Returns all members of a set.", "O(N) in the number of members.")
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output_order"])
        .args(&[Arg::key("key", 0)]),
    Command::read("sismember", 3, sismember)
        .element(2)
        .doc(Group::Set, "1.0.0", "Tells whether a set has a member.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO)])
        .args(&[Arg::key("key", 0), Arg::string("member")]),
    Command::read("smismember", -3, smismember)
        .doc(Group::Set, "6.2.0", "Tells which of several members a set has.", "O(1) for each member.")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
    Command::read("scard", 2, scard)
        .doc(Group::Set, "1.0.0", "Returns the number of members of a set.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO)])
        .args(&[Arg::key("key", 0)]),
    Command::write("smove", 4, smove)
        .doc(Group::Set, "1.0.0", "Moves a member from one set to another.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[
            KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
            KeySpec::one(2, KeyFlags::RW.union(KeyFlags::INSERT)),
        ])
        .args(&[Arg::key("source", 0), Arg::key("destination", 1), Arg::string("member")]),
];

const ADDED: Effect = Effect::event(EventClass::Set, "sadd");
const REMOVED: Effect = Effect::event(EventClass::Set, "srem");

/// The effect for so many changes.
fn counted(effect: Effect, changes: usize) -> Effect {
    match u32::try_from(changes) {
        Ok(0) => Effect::NONE,
        Ok(changes) => effect.changes(changes),
        Err(_) => effect.changes(u32::MAX),
    }
}

fn sadd(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (key, count) = (req.key(0)?, req.len() - 2);
    // A member that comes again changes nothing: nothing is opened, let alone copied, for it.
    if count == 1 && cx.value_suffices::<Set>(key, |set| set.has_in_table(req.arg(2))) {
        return Ok(reply.count(0));
    }
    let limits = limits(cx.config);
    let added = cx.edit(key, |entry| {
        let set = entry.value_or_default::<Set>()?;
        if set.is_empty() {
            *set = Set::for_members(req.arg(2), count, &limits);
        } else {
            set.prepare(count, &limits);
        }
        let added = (2..req.len()).filter(|&index| set.insert(req.arg(index), &limits)).count();
        Ok((added, counted(ADDED, added)))
    })?;
    Ok(reply.count(added))
}

fn srem(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let removed = cx.edit(req.key(0)?, |entry| {
        let Some(set) = entry.value_mut::<Set>()? else { return Ok((0, Effect::NONE)) };
        let removed = (2..req.len()).filter(|&index| set.remove(req.arg(index))).count();
        Ok((removed, counted(REMOVED, removed)))
    })?;
    Ok(reply.count(removed))
}

fn smembers(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let set = cx.value::<Set>(req.key(0)?)?;
    Ok(reply.write(|writer| match set {
        Some(set) => write_members(writer, set),
        None => writer.set(0),
    }))
}

fn sismember(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let set = cx.value::<Set>(req.key(0)?)?;
    Ok(reply.flag(set.is_some_and(|set| set.contains(req.arg(2)))))
}

fn smismember(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let set = cx.value::<Set>(req.key(0)?)?;
    Ok(reply.write(|writer| {
        writer.array(req.len() - 2);
        for member in req.args.iter().skip(2) {
            writer.int(i64::from(set.is_some_and(|set| set.contains(member))));
        }
    }))
}

fn scard(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let set = cx.value::<Set>(req.key(0)?)?;
    Ok(reply.count(set.map_or(0, Set::len)))
}

fn smove(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let limits = limits(cx.config);
    let (source, destination, member) = (req.key(0)?, req.key(1)?, req.arg(3));
    if cx.peek(source).is_none() {
        return Ok(reply.int(0));
    }
    // Both types are checked before anything is moved.
    let is_set = |entry: &Entry| collection_of::<Set>(entry).is_some();
    let fits = [source, destination].iter().all(|key| cx.peek(*key).is_none_or(is_set));
    if !fits || source.bytes() == destination.bytes() {
        let db = cx.db();
        cx.note_use(db, source)?;
        cx.note_use(db, destination)?;
        let set = cx.peek(source).and_then(collection_of::<Set>).filter(|_| fits);
        return match set.map(|set| set.contains(member)) {
            Some(has) => Ok(reply.flag(has)),
            None => Err(CmdError::WrongType),
        };
    }
    let is_moved = cx.edit(source, |entry| {
        let is_moved = entry.value_mut::<Set>()?.is_some_and(|set| set.remove(member));
        Ok((is_moved, counted(REMOVED, usize::from(is_moved)).events_first()))
    })?;
    if is_moved {
        cx.edit(destination, |entry| {
            let set = entry.value_or_default::<Set>()?;
            if set.is_empty() {
                *set = Set::for_members(member, 1, &limits);
            }
            let is_new = set.insert(member, &limits);
            Ok(((), counted(ADDED, usize::from(is_new))))
        })?;
    } else {
        cx.note_use(cx.db(), destination)?;
    }
    Ok(reply.flag(is_moved))
}
