//! XADD and XTRIM.
//!
//! An id that the server chose, and what an approximate trim left, depend on the clock and on the blocks here; the journal
//! gets the id itself and the number of entries that are left.

use smallvec::SmallVec;

use super::limits;
use super::trim::{NewId, Options};
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::stream::block::Block;
use crate::value::stream::log::Keep;
use crate::value::stream::{Log, Sequence, Stream, StreamId, Trim};

pub const COMMANDS: &[Command] = &[
    Command::write("xadd", -5, xadd)
        .doc(
            Group::Stream,
            "5.0.0",
            "Appends an entry to a stream, and may trim it.",
            "O(1) for the entry, O(N) in the number of entries that are trimmed.",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))
            .notes("UPDATE and not INSERT because of the trimming")])
        .tips(&["nondeterministic_output"])
        .args(&[
            Arg::key("key", 0),
            Arg::token("nomkstream", "NOMKSTREAM").since("6.2.0").optional(),
            Arg::block("trim", TRIM_ARGS).optional(),
            Arg::oneof("id-selector", &[Arg::token("auto-id", "*"), Arg::string("id")]),
            Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
        ]),
    Command::write("xtrim", -4, xtrim)
        .doc(
            Group::Stream,
            "5.0.0",
            "Removes the oldest entries of a stream.",
            "O(N) in the number of entries removed; whole blocks of them go at once.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))])
        .tips(&["nondeterministic_output"])
        .args(&[Arg::key("key", 0), Arg::block("trim", TRIM_ARGS)]),
];

const TRIM_ARGS: &[Arg] = &[
    Arg::oneof("strategy", &[Arg::token("maxlen", "MAXLEN"), Arg::token("minid", "MINID").since("6.2.0")]),
    Arg::oneof("operator", &[Arg::token("equal", "="), Arg::token("approximately", "~")]).optional(),
    Arg::string("threshold"),
    Arg::integer("count").with_token("LIMIT").since("6.2.0").optional(),
];

/// What XADD did.
struct Added {
    id: StreamId,
    /// Entries in the stream now.
    len: u64,
}

fn xadd(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const ZERO: CmdError = CmdError::text("ERR The ID specified in XADD must be greater than 0-0");
    let options = Options::parse(&req.args, true, cx.config)?;
    let (new_id, id_at) = options.id.ok_or_else(|| req.arity_error())?;
    let mut fields: SmallVec<[&[u8]; 16]> = SmallVec::new();
    for at in id_at + 1..req.len() {
        fields.push(req.arg(at));
    }
    if fields.is_empty() || fields.len() % 2 == 1 {
        return Err(req.arity_error());
    }
    if let NewId::At(0, Sequence::Given(0) | Sequence::Missing) = new_id {
        return Err(ZERO);
    }
    match append(cx, req, &options, new_id, &fields)? {
        None => Ok(reply.null()),
        Some(added) => {
            rewrite(cx, req, &options, (new_id, id_at), &added);
            Ok(reply.bulk(&added.id.text()))
        }
    }
}

fn append(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    options: &Options,
    new_id: NewId,
    fields: &[&[u8]],
) -> Result<Option<Added>, CmdError> {
    const TOO_LARGE: CmdError = CmdError::text("ERR Elements are too large to be stored");
    let (now_ms, limits) = (cx.wall_now().0, limits(cx.config));
    let bytes = fields.iter().map(|part| part.len()).sum();
    cx.edit(req.key(0)?, |entry| {
        let id = match entry.value::<Stream>()? {
            Some(stream) => choose_id(stream.log(), new_id, now_ms)?,
            None if options.no_mkstream => return Ok((None, Effect::NONE)),
            None => choose_id(&Log::default(), new_id, now_ms)?,
        };
        if !Block::fits(fields.len(), bytes) {
            return Err(TOO_LARGE);
        }
        let log = entry.value_or_default::<Stream>()?.log_mut();
        log.append(id, fields, bytes, limits);
        let mut effect = Effect::event(EventClass::Stream, "xadd").events_first();
        let mut garbage = None;
        if let Some(trim) = options.trim {
            let (removed, blocks) = log.trim(trim);
            garbage = blocks;
            if removed > 0 {
                effect = effect.and(EventClass::Stream, "xtrim");
            }
        }
        let added = Added { id, len: log.len() };
        if let Some(garbage) = garbage {
            let effort = garbage.effort;
            entry.free(garbage, effort);
        }
        Ok((Some(added), effect))
    })
}

fn choose_id(log: &Log, new_id: NewId, now_ms: u64) -> Result<StreamId, CmdError> {
    const EXHAUSTED: CmdError =
        CmdError::text("ERR The stream has exhausted the last possible ID, unable to add more items");
    const NOT_ABOVE: CmdError =
        CmdError::text("ERR The ID specified in XADD is equal or smaller than the target stream top item");
    if log.last_id() == StreamId::MAX {
        return Err(EXHAUSTED);
    }
    match new_id {
        NewId::Next => log.next_id(now_ms),
        NewId::At(ms, sequence) => log.resolve_id(ms, sequence),
    }
    .ok_or(NOT_ABOVE)
}

/// Journals the id and the trim as they came out, if they were not given so.
fn rewrite(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    options: &Options,
    (new_id, id_at): (NewId, usize),
    added: &Added,
) {
    let is_chosen = matches!(new_id, NewId::Next | NewId::At(_, Sequence::Next));
    let is_approximate = options.trim.is_some_and(|trim| trim.is_approximate);
    if !cx.is_observed() || !(is_chosen || is_approximate) {
        return;
    }
    let id = added.id.text();
    let threshold = options.trim.map(|trim| threshold(trim, added.len));
    let mut command: Vec<&[u8]> = vec![b"XADD", req.arg(1)];
    if let Some((strategy, threshold)) = &threshold {
        command.extend([strategy.as_bytes(), b"=", threshold]);
    }
    command.push(&id);
    command.extend(req.args.iter().skip(id_at + 1));
    cx.rewrite(&command);
}

/// The exact trim that leaves what this one left: `len` entries.
fn threshold(trim: Trim, len: u64) -> (&'static str, Vec<u8>) {
    match trim.keep {
        Keep::From(id) if !trim.is_approximate => ("MINID", id.text().to_vec()),
        Keep::Len(most) if !trim.is_approximate => ("MAXLEN", most.to_string().into_bytes()),
        _ => ("MAXLEN", len.to_string().into_bytes()),
    }
}

fn xtrim(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let options = Options::parse(&req.args, false, cx.config)?;
    let Some(trim) = options.trim else { return Err(CmdError::Syntax) };
    let (removed, len) = cx.edit(req.key(0)?, |entry| {
        let Some(stream) = entry.value_mut::<Stream>()? else { return Ok(((0, 0), Effect::NONE)) };
        let (removed, garbage) = stream.log_mut().trim(trim);
        let len = stream.log().len();
        if let Some(garbage) = garbage {
            let effort = garbage.effort;
            entry.free(garbage, effort);
        }
        let effect = match removed {
            0 => Effect::NONE,
            _ => Effect::event(EventClass::Stream, "xtrim")
                .changes(u32::try_from(removed).unwrap_or(u32::MAX))
                .events_first(),
        };
        Ok(((removed, len), effect))
    })?;
    if removed > 0 && trim.is_approximate {
        let (strategy, threshold) = threshold(trim, len);
        cx.rewrite(&[b"XTRIM", req.arg(1), strategy.as_bytes(), b"=", &threshold]);
    }
    Ok(reply.int(i64::try_from(removed).unwrap_or(i64::MAX)))
}
