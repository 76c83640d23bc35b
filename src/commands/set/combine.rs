//! Several sets: SINTER, SUNION, SDIFF, their STORE forms, and SINTERCARD.
//!
//! ```text
//! SADD a 1 2 3     SADD b 2 3 4     SINTER a b → 2 3     SDIFF a b → 1     SUNIONSTORE c a b → 4
//! ```
//!
//! Missing keys are empty sets. Every key is looked at before anything is answered, so a wrong type anywhere is an
//! error. What is stored gets the form that its members ask for; an empty result deletes the destination.

use super::{limits, write_member};
use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::ds::intset::IntSet;
use crate::ds::listpack::{Digits, ListPack};
use crate::keyspace::entry::collection_of;
use crate::keyspace::{Effect, EventClass, Key, Ttl};
use crate::resp::Writer;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::set::combine::{Flow, difference, intersection, union};
use crate::value::set::{Limits, Member, Set, stored};

const SOURCE: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const STORE_KEYS: &[KeySpec] =
    &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)), KeySpec::range(2, -1, 1, SOURCE)];
const STORE_ARGS: &[Arg] = &[Arg::key("destination", 0), Arg::key("key", 1).multiple()];
const INTERSECTION_COST: &str = "O(N*M) for M sets, N being the number of members of the smallest.";
const SUM_COST: &str = "O(N) in the number of members of all sets together.";

pub const COMMANDS: &[Command] = &[
    Command::read("sinter", -2, sinter)
        .doc(Group::Set, "1.0.0", "Returns the members that several sets have in common.", INTERSECTION_COST)
        .keys(&[KeySpec::range(1, -1, 1, SOURCE)])
        .tips(&["nondeterministic_output_order"])
        .args(&[Arg::key("key", 0).multiple()]),
    Command::write("sinterstore", -3, sinterstore)
        .doc(Group::Set, "1.0.0", "Stores the members that several sets have in common.", INTERSECTION_COST)
        .flags(CommandFlags::DENYOOM)
        .keys(STORE_KEYS)
        .args(STORE_ARGS),
    Command::read("sintercard", -3, sintercard)
        .doc(Group::Set, "7.0.0", "Counts the members that several sets have in common.", INTERSECTION_COST)
        .flags(CommandFlags::MOVABLE_KEYS)
        .keys(&[KeySpec::counted(1, SOURCE)])
        .args(&[
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            Arg::integer("limit").with_token("LIMIT").optional(),
        ]),
    Command::read("sunion", -2, sunion)
        .doc(Group::Set, "1.0.0", "Returns the members that any of several sets has.", SUM_COST)
        .keys(&[KeySpec::range(1, -1, 1, SOURCE)])
        .tips(&["nondeterministic_output_order"])
        .args(&[Arg::key("key", 0).multiple()]),
    Command::write("sunionstore", -3, sunionstore)
        .doc(Group::Set, "1.0.0", "Stores the members that any of several sets has.", SUM_COST)
        .flags(CommandFlags::DENYOOM)
        .keys(STORE_KEYS)
        .args(STORE_ARGS),
    Command::read("sdiff", -2, sdiff)
        .doc(Group::Set, "1.0.0", "Returns the members of the first set that no other set has.", SUM_COST)
        .keys(&[KeySpec::range(1, -1, 1, SOURCE)])
        .tips(&["nondeterministic_output_order"])
        .args(&[Arg::key("key", 0).multiple()]),
    Command::write("sdiffstore", -3, sdiffstore)
        .doc(Group::Set, "1.0.0", "Stores the members of the first set that no other set has.", SUM_COST)
        .flags(CommandFlags::DENYOOM)
        .keys(STORE_KEYS)
        .args(STORE_ARGS),
];

/// The sets under `keys`, `None` for missing ones.
fn sets<'c>(cx: &'c mut ReadCx<'_, '_>, keys: &[Key<'_>]) -> Result<Vec<Option<&'c Set>>, CmdError> {
    for key in keys {
        cx.value::<Set>(*key)?;
    }
    let cx = &*cx;
    Ok(keys.iter().map(|key| cx.look(*key).and_then(collection_of)).collect())
}

/// What is looked for.
#[derive(Clone, Copy)]
enum Operation {
    Intersection,
    Union,
    Difference,
}

impl Operation {
    fn visit(self, sets: &[Option<&Set>], mut visit: impl FnMut(Member<'_>)) {
        let present: Vec<&Set> = sets.iter().copied().flatten().collect();
        match self {
            Operation::Intersection if present.len() < sets.len() => {}
            Operation::Intersection => intersection(&present, |member| {
                visit(member);
                Flow::Continue(())
            }),
            Operation::Union => union(&present, visit),
            Operation::Difference => {
                if let (Some(Some(first)), Some((_, others))) = (sets.first(), present.split_first()) {
                    difference(first, others, visit);
                }
            }
        }
    }

    fn event(self) -> &'static str {
        match self {
            Operation::Intersection => "sinterstore",
            Operation::Union => "sunionstore",
            Operation::Difference => "sdiffstore",
        }
    }

    /// The form that Redis begins with.
    fn first_form(self, sets: &[Option<&Set>]) -> Set {
        let smallest = sets.iter().copied().flatten().min_by_key(|set| set.len());
        match (self, smallest) {
            (Operation::Intersection, Some(Set::Packed(_) | Set::Table(_))) => Set::Packed(ListPack::new()),
            _ => Set::Ints(IntSet::new()),
        }
    }

    /// The result, as the value that is stored.
    fn collect(self, sets: &[Option<&Set>], limits: &Limits) -> Set {
        // The members are made as a table holds them: most results that take time are big.
        let (mut members, mut digits) = (Vec::new(), Digits::new());
        self.visit(sets, |member| members.push(stored(member.bytes(&mut digits))));
        if Set::is_big(members.len(), limits) {
            return Set::of_stored(members);
        }
        let mut result = self.first_form(sets);
        for member in &members {
            result.insert(member.key(), limits);
        }
        match self {
            Operation::Intersection => result.into_intset_if_possible(limits),
            Operation::Union | Operation::Difference => result,
        }
    }
}

fn sinter(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, Operation::Intersection)
}

fn sunion(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, Operation::Union)
}

fn sdiff(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, Operation::Difference)
}

fn answer(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, operation: Operation) -> Outcome {
    let sets = sets(cx, req.keys())?;
    Ok(reply.write(|writer: &mut Writer<'_>| {
        writer.set_counted(|writer| {
            let mut count = 0;
            operation.visit(&sets, |member| {
                count += 1;
                write_member(writer, member);
            });
            count
        });
    }))
}

fn sinterstore(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    store(cx, req, reply, Operation::Intersection)
}

fn sunionstore(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    store(cx, req, reply, Operation::Union)
}

fn sdiffstore(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    store(cx, req, reply, Operation::Difference)
}

fn store(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, operation: Operation) -> Outcome {
    let limits = limits(cx.config);
    let sources = req.keys().get(1..).unwrap_or_default();
    let result = operation.collect(&sets(cx, sources)?, &limits);
    let len = result.len();
    if result.is_empty() {
        cx.empty_destination(req.key(0)?);
    } else {
        cx.edit(req.key(0)?, |entry| {
            entry.set_value(result, Ttl::Clear);
            Ok(((), Effect::event(EventClass::Set, operation.event())))
        })?;
    }
    Ok(reply.count(len))
}

fn sintercard(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let limit = intercard_limit(req)?;
    let sets = sets(cx, req.keys())?;
    let present: Vec<&Set> = sets.iter().copied().flatten().collect();
    let mut count = 0;
    if present.len() == sets.len() {
        intersection(&present, |_| {
            count += 1;
            if count == limit { Flow::Break(()) } else { Flow::Continue(()) }
        });
    }
    Ok(reply.count(count))
}

/// Where counting ends; 0 for never.
fn intercard_limit(req: &Request<'_>) -> Result<usize, CmdError> {
    const NO_KEYS: CmdError = CmdError::text("ERR numkeys should be greater than 0");
    const TOO_MANY_KEYS: CmdError = CmdError::text("ERR Number of keys can't be greater than number of args");
    const NEGATIVE_LIMIT: CmdError = CmdError::text("ERR LIMIT can't be negative");
    let keys = int(req.arg(1)).ok().and_then(|keys| usize::try_from(keys).ok()).filter(|&keys| keys > 0);
    let keys = keys.ok_or(NO_KEYS)?;
    if keys > req.len() - 2 {
        return Err(TOO_MANY_KEYS);
    }
    let mut cursor = req.args.cursor(2 + keys);
    let mut limit = 0;
    while cursor.remaining() > 0 {
        if cursor.remaining() < 2 || !cursor.take_word("LIMIT") {
            return Err(CmdError::Syntax);
        }
        let number = int(cursor.next().unwrap_or_default()).ok();
        limit = number.and_then(|limit| usize::try_from(limit).ok()).ok_or(NEGATIVE_LIMIT)?;
    }
    Ok(limit)
}
