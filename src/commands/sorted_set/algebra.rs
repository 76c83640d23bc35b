//! Union, intersection and difference: ZUNION, ZINTER, ZDIFF, their STORE forms, and ZINTERCARD.
//!
//! ```text
//! ZUNION numkeys key … [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]
//! ```
//!
//! Inputs may be sets, whose members count with score 1. As in Redis, inputs are looked at before the options are
//! read, so a key of another type is found before a syntax error.

use super::{limits, write_items};
use crate::base::float::parse_f64;
use crate::base::num::parse_i64;
use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::keyspace::entry::collection_of;
use crate::keyspace::{Effect, EventClass, Key, Ttl};
use crate::resp::{Args, Cursor};
use crate::spec::keys::InvalidKeys;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::set::Set;
use crate::value::zset::{self, Aggregate, Input, Limits, Source, ZSet};

pub const COMMANDS: &[Command] = &[
Command::read("zunion", -3, zunion)
        .doc(Group::SortedSet, "6.2.0", "Returns the members of any of several sorted sets.", "O(N)+O(M*log(M)), N being the sum of all sizes and M the size of the result.")
        .flags(CommandFlags::MOVABLE_KEYS)
        .keys(&[KeySpec::counted(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            Arg::integer("weight").with_token("WEIGHTS").optional().multiple(),
            Arg::oneof("aggregate", &[
                Arg::token("sum", "SUM"),
                Arg::token("min", "MIN"),
                Arg::token("max", "MAX"),
            ]).with_token("AGGREGATE").optional(),
            Arg::token("withscores", "WITHSCORES").optional(),
        ])
        .key_walker(inputs_at_1),
    Command::write("zunionstore", -4, zunionstore)
        .doc(Group::SortedSet, "2.0.0", "Stores the members of any of several sorted sets.", "O(N)+O(M*log(M)), N being the sum of all sizes and M the size of the result.")
        .flags(CommandFlags::DENYOOM.union(CommandFlags::MOVABLE_KEYS))
        .keys(&[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)), KeySpec::counted(2, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("destination", 0),
            Arg::integer("numkeys"),
            Arg::key("key", 1).multiple(),
            Arg::integer("weight").with_token("WEIGHTS").optional().multiple(),
            Arg::oneof("aggregate", &[
                Arg::token("sum", "SUM"),
                Arg::token("min", "MIN"),
                Arg::token("max", "MAX"),
            ]).with_token("AGGREGATE").optional(),
        ])
        .key_walker(inputs_at_2),
    Command::read("zinter", -3, zinter)
        .doc(Group::SortedSet, "6.2.0", "Returns the members that several sorted sets have in common.", "O(N*K)+O(M*log(M)), N being the smallest size, K the number of inputs and M the size of the result.")
        .flags(CommandFlags::MOVABLE_KEYS)
        .keys(&[KeySpec::counted(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            Arg::integer("weight").with_token("WEIGHTS").optional().multiple(),
            Arg::oneof("aggregate", &[
                Arg::token("sum", "SUM"),
                Arg::token("min", "MIN"),
                Arg::token("max", "MAX"),
            ]).with_token("AGGREGATE").optional(),
            Arg::token("withscores", "WITHSCORES").optional(),
        ])
        .key_walker(inputs_at_1),
    Command::write("zinterstore", -4, zinterstore)
        .doc(Group::SortedSet, "2.0.0", "Stores the members that several sorted sets have in common.", "O(N*K)+O(M*log(M)), N being the smallest size, K the number of inputs and M the size of the result.")
        .flags(CommandFlags::DENYOOM.union(CommandFlags::MOVABLE_KEYS))
        .keys(&[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)), KeySpec::counted(2, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("destination", 0),
            Arg::integer("numkeys"),
            Arg::key("key", 1).multiple(),
            Arg::integer("weight").with_token("WEIGHTS").optional().multiple(),
            Arg::oneof("aggregate", &[
                Arg::token("sum", "SUM"),
                Arg::token("min", "MIN"),
                Arg::token("max", "MAX"),
            ]).with_token("AGGREGATE").optional(),
        ])
        .key_walker(inputs_at_2),
    Command::read("zintercard", -3, zintercard)
        .doc(Group::SortedSet, "7.0.0", "Counts the members that several sorted sets have in common.", "O(N*K), N being the smallest size and K the number of inputs.")
        .flags(CommandFlags::MOVABLE_KEYS)
        .keys(&[KeySpec::counted(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            Arg::integer("limit").with_token("LIMIT").optional(),
        ])
        .key_walker(inputs_at_1),
    Command::read("zdiff", -3, zdiff)
        .doc(Group::SortedSet, "6.2.0", "Returns the members of the first sorted set that no other one has.", "O(N*K)+O(M*log(M)), N being the size of the first, K the number of inputs and M the size of the result.")
        .flags(CommandFlags::MOVABLE_KEYS)
        .keys(&[KeySpec::counted(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            Arg::token("withscores", "WITHSCORES").optional(),
        ])
        .key_walker(inputs_at_1),
    Command::write("zdiffstore", -4, zdiffstore)
        .doc(Group::SortedSet, "6.2.0", "Stores the members of the first sorted set that no other one has.", "O(N*K)+O(M*log(M)), N being the size of the first, K the number of inputs and M the size of the result.")
        .flags(CommandFlags::DENYOOM.union(CommandFlags::MOVABLE_KEYS))
        .keys(&[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)), KeySpec::counted(2, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("destination", 0),
            Arg::integer("numkeys"),
            Arg::key("key", 1).multiple(),
        ])
        .key_walker(inputs_at_2),
];

/// The positions of keys behind their number; none if there are not so many.
pub(super) fn input_positions(args: &Args<'_>, count_at: usize) -> std::ops::Range<usize> {
    let first = count_at + 1;
    let count = parse_i64(args.at(count_at)).and_then(|count| usize::try_from(count).ok());
    let end = count.and_then(|count| first.checked_add(count)).filter(|&end| end <= args.len());
    first..end.unwrap_or(first)
}

/// The keys of ZUNION and the like. A wrong count announces none, so that the handler can say what is wrong with it.
fn inputs_at_1(args: &Args<'_>, visit: &mut dyn FnMut(usize, KeyFlags)) -> Result<(), InvalidKeys> {
    let flags = KeyFlags::RO.union(KeyFlags::ACCESS);
    input_positions(args, 1).for_each(|position| visit(position, flags));
    Ok(())
}

/// The same for the STORE forms, whose destination comes first.
fn inputs_at_2(args: &Args<'_>, visit: &mut dyn FnMut(usize, KeyFlags)) -> Result<(), InvalidKeys> {
    let inputs = input_positions(args, 2);
    if inputs.is_empty() {
        return Ok(());
    }
    visit(1, KeyFlags::OW.union(KeyFlags::UPDATE));
    let flags = KeyFlags::RO.union(KeyFlags::ACCESS);
    inputs.for_each(|position| visit(position, flags));
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

/// What is done with the result; it decides which options are allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Answer,
    Store,
    Count,
}

struct Options {
    /// One for each input.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    limit: usize,
}

/// Checks number and types of the inputs, counting the access; their keys.
fn inputs<'a>(
    cx: &mut ReadCx<'_, '_>,
    req: &Request<'a>,
    count_at: usize,
) -> Result<&'a [Key<'a>], CmdError> {
    let count = int(req.arg(count_at))?;
    if count < 1 {
        return Err(CmdError::owned(format!(
            "ERR at least 1 input key is needed for '{}' command",
            req.command.full_name
        )));
    }
    let keys = req.keys().get(count_at - 1..).unwrap_or_default();
    if keys.is_empty() {
        return Err(CmdError::Syntax);
    }
    for &key in keys {
        cx.read(key);
        source(cx, key)?;
    }
    Ok(keys)
}

/// What lies under a key, as an input.
fn source<'x>(cx: &'x ReadCx<'_, '_>, key: Key<'_>) -> Result<Source<'x>, CmdError> {
    let Some(entry) = cx.look(key) else { return Ok(Source::Missing) };
    let sorted = || collection_of::<ZSet>(entry).map(Source::SortedSet);
    let plain = || collection_of::<Set>(entry).map(Source::Set);
    sorted().or_else(plain).ok_or(CmdError::WrongType)
}

impl Options {
    fn parse(
        cursor: &mut Cursor<'_>,
        count: usize,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<Options, CmdError> {
        const WEIGHT: CmdError = CmdError::text("ERR weight value is not a float");
        const LIMIT: CmdError = CmdError::text("ERR LIMIT can't be negative");
        let mut options = Options {
            weights: vec![1.0; count],
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: usize::MAX,
        };
        let combines = operation != Operation::Diff && purpose != Purpose::Count;
        while cursor.remaining() > 0 {
            if combines && cursor.remaining() > count && cursor.take_word("WEIGHTS") {
                for weight in &mut options.weights {
                    *weight = parse_f64(cursor.next().unwrap_or_default()).ok_or(WEIGHT)?;
                }
            } else if combines && cursor.remaining() > 1 && cursor.take_word("AGGREGATE") {
                options.aggregate = aggregate(cursor)?;
            } else if purpose == Purpose::Answer && cursor.take_word("WITHSCORES") {
                options.with_scores = true;
            } else if purpose == Purpose::Count && cursor.remaining() > 1 && cursor.take_word("LIMIT") {
                let limit = parse_i64(cursor.next().unwrap_or_default());
                let limit = limit.and_then(|limit| usize::try_from(limit).ok()).ok_or(LIMIT)?;
                options.limit = if limit == 0 { usize::MAX } else { limit };
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }
}

fn aggregate(cursor: &mut Cursor<'_>) -> Result<Aggregate, CmdError> {
    for (word, aggregate) in [("SUM", Aggregate::Sum), ("MIN", Aggregate::Min), ("MAX", Aggregate::Max)] {
        if cursor.take_word(word) {
            return Ok(aggregate);
        }
    }
    Err(CmdError::Syntax)
}

/// The result of an operation, and the options.
fn compute(
    cx: &mut ReadCx<'_, '_>,
    req: &Request<'_>,
    operation: Operation,
    purpose: Purpose,
) -> Result<(ZSet, Options), CmdError> {
    let count_at = if purpose == Purpose::Store { 2 } else { 1 };
    let keys = inputs(cx, req, count_at)?;
    let mut cursor = req.args.cursor(count_at + 1 + keys.len());
    let options = Options::parse(&mut cursor, keys.len(), operation, purpose)?;
    // A result that is only shown is never packed, which keeps the sign of a zero.
    let limits = match purpose {
        Purpose::Store => limits(cx.config),
        Purpose::Answer | Purpose::Count => Limits { entries: 0, value: 0 },
    };
    let sources = keys.iter().map(|&key| source(cx, key)).collect::<Result<Vec<_>, _>>()?;
    let weighted = || -> Vec<Input<'_>> {
        let pairs = sources.iter().zip(&options.weights);
        pairs.map(|(&source, &weight)| Input { source, weight }).collect()
    };
    let result = match operation {
        Operation::Union => zset::union(&weighted(), options.aggregate, limits),
        Operation::Inter => zset::intersection(&weighted(), options.aggregate, limits),
        Operation::Diff => zset::difference(&sources, limits),
    };
    Ok((result, options))
}

fn answer(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, operation: Operation) -> Outcome {
    let (result, options) = compute(cx, req, operation, Purpose::Answer)?;
    Ok(reply.write(|writer| write_items(writer, result.iter(), options.with_scores)))
}

/// Stores a result under `key`, or removes the key if there is none; how many members it has.
pub(in crate::commands) fn store(
    cx: &mut WriteCx<'_, '_>,
    key: Key<'_>,
    result: Option<ZSet>,
    event: &'static str,
) -> Result<usize, CmdError> {
    match result.filter(|result| !result.is_empty()) {
        Some(result) => cx.edit(key, |entry| {
            result.prepare();
            let len = result.len();
            entry.set_value(result, Ttl::Clear);
            Ok((len, Effect::event(EventClass::SortedSet, event)))
        }),
        None => {
            cx.empty_destination(key);
            Ok(0)
        }
    }
}

fn store_result(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    operation: Operation,
    event: &'static str,
) -> Outcome {
    let (result, _) = compute(cx, req, operation, Purpose::Store)?;
    Ok(reply.count(store(cx, req.key(0)?, Some(result), event)?))
}

fn zunion(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, Operation::Union)
}

fn zinter(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, Operation::Inter)
}

fn zdiff(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, Operation::Diff)
}

fn zunionstore(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    store_result(cx, req, reply, Operation::Union, "zunionstore")
}

fn zinterstore(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    store_result(cx, req, reply, Operation::Inter, "zinterstore")
}

fn zdiffstore(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    store_result(cx, req, reply, Operation::Diff, "zdiffstore")
}

fn zintercard(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let keys = inputs(cx, req, 1)?;
    let mut cursor = req.args.cursor(2 + keys.len());
    let options = Options::parse(&mut cursor, keys.len(), Operation::Inter, Purpose::Count)?;
    let sources = keys.iter().map(|&key| source(cx, key)).collect::<Result<Vec<_>, _>>()?;
    Ok(reply.count(zset::intersection_count(&sources, options.limit)))
}
