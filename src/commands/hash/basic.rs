//! Single fields: HSET, HMSET, HSETNX, HGET, HMGET, HDEL, HEXISTS, HLEN, HSTRLEN.
//!
//! Setting a field takes its deadline away, as SET does with a key's.

use super::{limits, write_element};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::hash::{FieldTtl, Hash};

pub const COMMANDS: &[Command] = &[
    Command::write("hset", -4, hset)
        .element(2)
        .doc(Group::Hash, "2.0.0", "Sets fields of a hash.", "O(N) in the number of fields given.")
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[
            Arg::key("key", 0),
            Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
        ]),
    Command::write("hmset", -4, hmset)
        .doc(Group::Hash, "2.0.0", "Sets fields of a hash.", "O(N) in the number of fields given.")
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[
            Arg::key("key", 0),
            Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
        ])
        .deprecated("4.0.0", "`HSET` with multiple field-value pairs"),
    Command::write("hsetnx", 4, hsetnx)
        .doc(Group::Hash, "2.0.0", "Sets a field of a hash that does not have it.", "O(1)")
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))])
        .args(&[Arg::key("key", 0), Arg::string("field"), Arg::string("value")]),
    Command::read("hget", 3, hget)
        .element(2)
        .doc(Group::Hash, "2.0.0", "Returns the value of a field.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::string("field")]),
    Command::read("hmget", -3, hmget)
        .element(2)
        .doc(Group::Hash, "2.0.0", "Returns the values of fields.", "O(N) in the number of fields given.")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::string("field").multiple()]),
    Command::write("hdel", -3, hdel)
        .element(2)
        .doc(
            Group::Hash,
            "2.0.0",
            "Removes fields; the hash goes with its last one.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))])
        .args(&[Arg::key("key", 0), Arg::string("field").multiple()]),
    Command::read("hexists", 3, hexists)
        .element(2)
        .doc(Group::Hash, "2.0.0", "Tells whether a hash has a field.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO)])
        .args(&[Arg::key("key", 0), Arg::string("field")]),
    Command::read("hlen", 2, hlen)
        .doc(Group::Hash, "2.0.0", "Returns the number of fields.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO)])
        .args(&[Arg::key("key", 0)]),
    Command::read("hstrlen", 3, hstrlen)
        .doc(Group::Hash, "3.2.0", "Returns the length of the value of a field.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO)])
        .args(&[Arg::key("key", 0), Arg::string("field")]),
];

fn hset(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let created = set_all(cx, req, "hset")?;
    Ok(reply.count(created))
}

fn hmset(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    set_all(cx, req, "hmset")?;
    Ok(reply.ok())
}

/// Sets the pairs behind the key; how many fields are new.
fn set_all(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, command: &'static str) -> Result<usize, CmdError> {
    if !req.args.len().is_multiple_of(2) {
        return Err(CmdError::Arity(command.into()));
    }
    let (now, limits) = (cx.now(), limits(cx.config));
    cx.edit(req.key(0)?, |entry| {
        let hash: &mut Hash = entry.value_or_default()?;
        let fields = req.args.len() / 2 - 1;
        if fields > 1 {
            let longest = req.args.iter().skip(2).map(<[u8]>::len).max().unwrap_or(0);
            hash.make_room(fields, longest, req.args.total_bytes(), limits);
        }
        let (mut created, mut cursor) = (0, req.args.cursor(2));
        while let (Some(name), Some(value)) = (cursor.next(), cursor.next()) {
            created += usize::from(hash.set(name, value, FieldTtl::Clear, now, limits));
        }
        Ok((created, Effect::event(EventClass::Hash, "hset").changes(fields as u32)))
    })
}

fn hsetnx(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (now, limits) = (cx.now(), limits(cx.config));
    let is_new = cx.edit(req.key(0)?, |entry| {
        if entry.value::<Hash>()?.is_some_and(|hash| hash.contains(req.arg(2), now)) {
            return Ok((false, Effect::NONE));
        }
        let hash: &mut Hash = entry.value_or_default()?;
        hash.set(req.arg(2), req.arg(3), FieldTtl::Clear, now, limits);
        Ok((true, Effect::event(EventClass::Hash, "hset")))
    })?;
    Ok(reply.flag(is_new))
}

fn hget(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now = cx.now();
    let value = cx.value::<Hash>(req.key(0)?)?.and_then(|hash| hash.get(req.arg(2), now));
    Ok(match value {
        Some(value) => reply.write(|writer| write_element(writer, value)),
        None => reply.null(),
    })
}

fn hmget(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now = cx.now();
    let hash = cx.value::<Hash>(req.key(0)?)?;
    Ok(reply.write(|writer| {
        writer.array(req.args.len() - 2);
        for name in req.args.iter().skip(2) {
            match hash.and_then(|hash| hash.get(name, now)) {
                Some(value) => write_element(writer, value),
                None => writer.null(),
            }
        }
    }))
}

fn hdel(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now = cx.now();
    let removed = cx.edit(req.key(0)?, |entry| {
        let Some(hash) = entry.value_mut::<Hash>()? else { return Ok((0, Effect::NONE)) };
        let removed = req.args.iter().skip(2).filter(|name| hash.remove(name, now)).count();
        let effect = match removed {
            0 => Effect::NONE,
            _ => Effect::event(EventClass::Hash, "hdel").changes(removed as u32),
        };
        Ok((removed, effect))
    })?;
    Ok(reply.count(removed))
}

fn hexists(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now = cx.now();
    let hash = cx.value::<Hash>(req.key(0)?)?;
    Ok(reply.flag(hash.is_some_and(|hash| hash.contains(req.arg(2), now))))
}

fn hlen(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.count(cx.value::<Hash>(req.key(0)?)?.map_or(0, Facts::len)))
}

fn hstrlen(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now = cx.now();
    let value = cx.value::<Hash>(req.key(0)?)?.and_then(|hash| hash.get(req.arg(2), now));
    Ok(reply.count(value.map_or(0, |value| value.text_len())))
}
