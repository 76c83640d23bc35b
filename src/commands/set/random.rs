//! Members by chance: SPOP and SRANDMEMBER.
//!
//! ```text
//! SPOP s → "b"     SPOP s 2 → two more     SRANDMEMBER s 3 → up to three     SRANDMEMBER s -3 → three, repeated maybe
//! ```
//!
//! SPOP is journalled as the SREM of what it chose, or as DEL when nothing is left.

use super::{limits, write_member, write_members};
use crate::base::rng::Rng;
use crate::dispatch::options::{int, repetitions};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::set::{Garbage, Set};

pub const COMMANDS: &[Command] = &[
    Command::write("spop", -2, spop)
        .doc(
            Group::Set,
            "1.0.0",
            "Removes random members from a set and returns them.",
            "O(1), or O(N) in the number of members to remove.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))])
        .tips(&["nondeterministic_output"])
        .args(&[Arg::key("key", 0), Arg::integer("count").since("3.2.0").optional()])
        .must_rewrite(),
    Command::read("srandmember", -2, srandmember)
        .doc(
            Group::Set,
            "1.0.0",
            "Returns random members of a set.",
            "O(1), or O(N) in the number of members to return.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output"])
        .args(&[Arg::key("key", 0), Arg::integer("count").since("2.6.0").optional()]),
];

const POPPED: Effect = Effect::event(EventClass::Set, "spop").events_first();

/// SREM commands in the journal name at most so many members.
const JOURNAL_BATCH: usize = 1024;

fn spop(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const NOT_POSITIVE: CmdError = CmdError::text("ERR value is out of range, must be positive");
    match req.len() {
        2 => pop_one(cx, req, reply),
        3 => {
            let count = int(req.arg(2)).ok().and_then(|count| usize::try_from(count).ok());
            pop_many(cx, req, reply, count.ok_or(NOT_POSITIVE)?)
        }
        _ => Err(CmdError::Syntax),
    }
}

fn pop_one(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let mut rng = draw(cx);
    let popped = cx.edit(req.key(0)?, |entry| {
        let Some(set) = entry.value_mut::<Set>()? else { return Ok((None, Effect::NONE)) };
        Ok((set.pop(&mut rng), POPPED))
    })?;
    let Some(member) = popped else { return Ok(reply.null()) };
    cx.rewrite(&[b"SREM", req.arg(1), &member]);
    Ok(reply.bulk(&member))
}

fn pop_many(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, count: usize) -> Outcome {
    let limits = limits(cx.config);
    let mut rng = draw(cx);
    let is_observed = cx.is_observed();
    let mut journal = Journal { key: req.arg(1), members: Vec::new(), is_whole: false };
    let replied = cx.edit(req.key(0)?, |entry| {
        let len = entry.value::<Set>()?.map_or(0, Set::len);
        if len == 0 || count == 0 {
            return Ok((reply.write(|writer| writer.set(0)), Effect::NONE));
        }
        let effect = POPPED.changes(u32::try_from(count.min(len)).unwrap_or(u32::MAX));
        if count >= len {
            let replied = reply.write(|writer| {
                if let Ok(Some(set)) = entry.value::<Set>() {
                    write_members(writer, set);
                }
            });
            journal.is_whole = true;
            entry.remove();
            return Ok((replied, effect.and(EventClass::Generic, "del")));
        }
        let Some(set) = entry.value_mut::<Set>()? else { return Err(CmdError::WrongType) };
        let mut garbage = Garbage::default();
        let replied = reply.write(|writer| {
            writer.set(count);
            garbage = set.pop_many(count, &mut rng, &limits, |member| {
                writer.bulk(member);
                if is_observed {
                    journal.members.push(member.to_vec());
                }
            });
        });
        let effort = garbage.effort();
        entry.free(garbage, effort);
        Ok((replied, effect))
    })?;
    journal.write(cx);
    Ok(replied)
}

/// What SPOP with a count did, for the journal.
struct Journal<'a> {
    key: &'a [u8],
    members: Vec<Vec<u8>>,
    /// Nothing is left.
    is_whole: bool,
}

impl Journal<'_> {
    fn write(&self, cx: &mut WriteCx<'_, '_>) {
        if self.is_whole {
            cx.rewrite(&[b"DEL", self.key]);
        }
        for members in self.members.chunks(JOURNAL_BATCH) {
            let head: [&[u8]; 2] = [b"SREM", self.key];
            let command: Vec<&[u8]> = head.into_iter().chain(members.iter().map(Vec::as_slice)).collect();
            cx.rewrite(&command);
        }
    }
}

fn srandmember(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let mut rng = draw(cx);
    let count = match req.len() {
        2 => None,
        3 => Some(random_count(req.arg(2))?),
        _ => return Err(CmdError::Syntax),
    };
    let set = cx.value::<Set>(req.key(0)?)?;
    Ok(match (set, count) {
        (None, None) => reply.null(),
        (None, Some(_)) => reply.write(|writer| writer.array(0)),
        (Some(set), None) => reply.write(|writer| match set.random(&mut rng) {
            Some(member) => write_member(writer, member),
            None => writer.null(),
        }),
        (Some(set), Some(Count::Distinct(count))) => reply.write(|writer| {
            writer.array(count.min(set.len()));
            set.random_distinct(count, &mut rng, |member| write_member(writer, member));
        }),
        (Some(set), Some(Count::Repeated(count))) => {
            let count = repetitions(count)?;
            reply.write(|writer| {
                writer.array(count);
                set.random_repeated(count as u64, &mut rng, |member| write_member(writer, member));
            })
        }
    })
}

/// How many members SRANDMEMBER returns.
enum Count {
    Distinct(usize),
    /// A negative number.
    Repeated(i64),
}

fn random_count(arg: &[u8]) -> Result<Count, CmdError> {
    const TOO_SMALL: CmdError = CmdError::text(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    match int(arg)? {
        i64::MIN => Err(TOO_SMALL),
        count if count >= 0 => Ok(Count::Distinct(usize::try_from(count).unwrap_or(usize::MAX))),
        count => Ok(Count::Repeated(count)),
    }
}

/// A generator of its own, because the set is borrowed from where the other one is.
fn draw(cx: &mut ReadCx<'_, '_>) -> Rng {
    Rng::from_seed(cx.rng().next_u64())
}
