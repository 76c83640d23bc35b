//! Deadlines of fields: HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT, HPERSIST.
//!
//! ```text
//! HEXPIRE k 100 FIELDS 2 a b      → [1, 1]     journal: HPEXPIREAT k 1700000100000 FIELDS 2 a b
//! HEXPIRE k 100 GT FIELDS 2 a z   → [0, -2]    not later than what a has; no field z
//! HEXPIRE k 0 FIELDS 1 a          → [2]        in the past: deleted; journal: HDEL k a
//! ```

use super::fields::{self, NOT_POSITIVE};
use crate::base::clock::UnixMs;
use crate::dispatch::options::{TimeUnit, int};
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::hash::Hash;

pub const COMMANDS: &[Command] = &[
    Command::write("hexpire", -6, hexpire)
        .doc(
            Group::Hash,
            "7.4.0",
            "Sets the time to live of fields in seconds.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::integer("seconds"), CONDITION, FIELDS])
        .must_rewrite(),
    Command::write("hpexpire", -6, hpexpire)
        .doc(
            Group::Hash,
            "7.4.0",
            "Sets the time to live of fields in milliseconds.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::integer("milliseconds"), CONDITION, FIELDS])
        .must_rewrite(),
    Command::write("hexpireat", -6, hexpireat)
        .doc(
            Group::Hash,
            "7.4.0",
            "Sets when fields expire, as Unix time in seconds.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::unix_time("unix-time-seconds"), CONDITION, FIELDS])
        .must_rewrite(),
    Command::write("hpexpireat", -6, hpexpireat)
        .doc(
            Group::Hash,
            "7.4.0",
            "Sets when fields expire, as Unix time in milliseconds.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::unix_time("unix-time-milliseconds"), CONDITION, FIELDS])
        .must_rewrite(),
    Command::write("hpersist", -5, hpersist)
        .doc(
            Group::Hash,
            "7.4.0",
            "Takes the deadlines of fields away.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), FIELDS]),
];

const CONDITION: Arg = Arg::oneof(
    "condition",
    &[Arg::token("nx", "NX"), Arg::token("xx", "XX"), Arg::token("gt", "GT"), Arg::token("lt", "LT")],
)
.optional();
const FIELDS: Arg =
    Arg::block("fields", &[Arg::integer("numfields"), Arg::string("field").multiple()]).with_token("FIELDS");

/// The latest deadline of a field, Unix milliseconds: Redis keeps 46 bits of it.
const LATEST_MS: i64 = (1 << 46) - 1;

const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;
const NOT_MET: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

/// When a deadline is set.
#[derive(Clone, Copy)]
enum Condition {
    Always,
    /// NX: there is none yet.
    Absent,
    /// XX: there is one.
    Present,
    /// GT: it is later than the old one; none counts as infinitely late.
    Later,
    /// LT: it is earlier.
    Earlier,
}

impl Condition {
    fn from_word(word: &[u8]) -> Option<Condition> {
        let words = [
            ("NX", Condition::Absent),
            ("XX", Condition::Present),
            ("GT", Condition::Later),
            ("LT", Condition::Earlier),
        ];
        words.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(_, it)| it)
    }

    fn holds(self, old: Option<UnixMs>, new: UnixMs) -> bool {
        match self {
            Condition::Always => true,
            Condition::Absent => old.is_none(),
            Condition::Present => old.is_some(),
            Condition::Later => old.is_some_and(|old| new > old),
            Condition::Earlier => old.is_none_or(|old| new < old),
        }
    }
}

/// The deadline that a time argument means.
///
/// # Errors
/// No integer, negative, or too late for a field; `command` is named in the last error.
pub(super) fn deadline(
    arg: &[u8],
    unit: TimeUnit,
    now: UnixMs,
    command: &'static str,
) -> Result<UnixMs, CmdError> {
    const NEGATIVE: CmdError = CmdError::text("ERR invalid expire time, must be >= 0");
    let amount = int(arg)?;
    if amount < 0 {
        return Err(NEGATIVE);
    }
    let when = unit.deadline_ms(amount, now).filter(|&when| when <= LATEST_MS);
    when.map(UnixMs::from_i64).ok_or(CmdError::InvalidExpire(command))
}

fn hexpire(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    expire(cx, req, reply, TimeUnit::Seconds, "hexpire")
}

fn hpexpire(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    expire(cx, req, reply, TimeUnit::Milliseconds, "hpexpire")
}

fn hexpireat(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    expire(cx, req, reply, TimeUnit::UnixSeconds, "hexpireat")
}

fn hpexpireat(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    expire(cx, req, reply, TimeUnit::UnixMilliseconds, "hpexpireat")
}

fn expire(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    unit: TimeUnit,
    command: &'static str,
) -> Outcome {
    const BAD_NUMBER: CmdError = CmdError::text("ERR Parameter `numFields` should be greater than 0");
    let now = cx.now();
    let results = cx.edit(req.key(0)?, |entry| {
        entry.value::<Hash>()?;
        let when = deadline(req.arg(2), unit, now, command)?;
        let condition = req.args.get(3).and_then(Condition::from_word);
        let first = fields::parse(req, 3 + usize::from(condition.is_some()), BAD_NUMBER)?;
        let names = req.args.iter().skip(first);
        let Some(hash) = entry.value_mut::<Hash>()? else {
            return Ok(((vec![NO_FIELD; names.len()], first, when), Effect::NONE));
        };
        hash.allow_deadlines();
        let condition = condition.unwrap_or(Condition::Always);
        let results: Vec<i64> = names.map(|name| expire_field(hash, name, when, condition, now)).collect();
        let count = |wanted| results.iter().filter(|&&result| result == wanted).count() as u32;
        let effect = match (count(DONE), count(DELETED)) {
            (0, 0) => Effect::NONE,
            (0, deleted) => Effect::event(EventClass::Hash, "hdel").changes(deleted),
            (done, _) => Effect::event(EventClass::Hash, "hexpire").changes(done),
        };
        Ok(((results, first, when), effect))
    })?;
    let (results, first, when) = results;
    let fields_with = |wanted| {
        let names = req.args.iter().skip(first).zip(&results);
        names.filter(move |(_, result)| **result == wanted).map(|(name, _)| name)
    };
    journal_deletion(cx, req, fields_with(DELETED));
    journal_deadline(cx, req, when, fields_with(DONE));
    Ok(reply.write(|writer| {
        writer.array(results.len());
        results.iter().for_each(|&result| writer.int(result));
    }))
}

fn expire_field(hash: &mut Hash, name: &[u8], when: UnixMs, condition: Condition, now: UnixMs) -> i64 {
    let Some(old) = hash.deadline(name, now) else { return NO_FIELD };
    if !condition.holds(old, when) {
        return NOT_MET;
    }
    if when <= now {
        hash.remove(name, now);
        return DELETED;
    }
    hash.set_deadline(name, Some(when), now);
    DONE
}

/// The journal's form of deleted fields.
pub(super) fn journal_deletion<'a>(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'a>,
    names: impl Iterator<Item = &'a [u8]>,
) {
    journal(cx, &[b"HDEL", req.arg(1)], names, false);
}

/// The journal's form of fields that were given a deadline.
pub(super) fn journal_deadline<'a>(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'a>,
    when: UnixMs,
    names: impl Iterator<Item = &'a [u8]>,
) {
    let mut digits = itoa::Buffer::new();
    journal(cx, &[b"HPEXPIREAT", req.arg(1), digits.format(when.0).as_bytes(), b"FIELDS"], names, true);
}

/// Journals `head`, the number of names if it `is_counted`, and the names, if there are any.
pub(super) fn journal<'a>(
    cx: &mut WriteCx<'_, '_>,
    head: &[&[u8]],
    names: impl Iterator<Item = &'a [u8]>,
    is_counted: bool,
) {
    if !cx.is_observed() {
        return;
    }
    let names: Vec<&[u8]> = names.collect();
    if names.is_empty() {
        return;
    }
    let number = names.len().to_string();
    let mut command = head.to_vec();
    if is_counted {
        command.push(number.as_bytes());
    }
    command.extend(names);
    cx.rewrite(&command);
}

fn hpersist(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now = cx.now();
    let results = cx.edit(req.key(0)?, |entry| {
        entry.value::<Hash>()?;
        let first = fields::parse(req, 2, NOT_POSITIVE)?;
        let names = req.args.iter().skip(first);
        let Some(hash) = entry.value_mut::<Hash>()? else {
            return Ok((vec![NO_FIELD; names.len()], Effect::NONE));
        };
        let results: Vec<i64> = names.map(|name| persist_field(hash, name, now)).collect();
        let persisted = results.iter().filter(|&&result| result == DONE).count();
        Ok((results.clone(), persist_effect(persisted).events_first()))
    })?;
    Ok(reply.write(|writer| {
        writer.array(results.len());
        results.iter().for_each(|&result| writer.int(result));
    }))
}

fn persist_field(hash: &mut Hash, name: &[u8], now: UnixMs) -> i64 {
    match hash.deadline(name, now) {
        None => NO_FIELD,
        Some(None) => NO_DEADLINE,
        Some(Some(_)) => {
            hash.set_deadline(name, None, now);
            DONE
        }
    }
}

/// What taking the deadlines of so many fields away means.
pub(super) fn persist_effect(fields: usize) -> Effect {
    match fields {
        0 => Effect::NONE,
        _ => Effect::event(EventClass::Hash, "hpersist").changes(fields as u32),
    }
}
