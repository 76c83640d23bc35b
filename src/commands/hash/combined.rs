//! Values and deadlines of fields in one step: HGETEX, HSETEX, HGETDEL.
//!
//! ```text
//! HGETEX  k [EX s|PX ms|EXAT t|PXAT t|PERSIST] FIELDS n field …
//! HSETEX  k [FNX|FXX] [EX s|PX ms|EXAT t|PXAT t|KEEPTTL] FIELDS n field value …
//! HGETDEL k FIELDS n field …
//! ```
//!
//! HSETEX sets all fields or none: FNX wants that none of them is there, FXX that all are. A deadline that has passed
//! deletes the fields at once.

use super::expire::{deadline, journal, journal_deadline, journal_deletion, persist_effect};
use super::fields::{self, NOT_POSITIVE};
use super::limits;
use crate::base::clock::UnixMs;
use crate::base::num::parse_i64;
use crate::dispatch::options::TimeUnit;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::ds::listpack::Element;
use crate::keyspace::{Effect, EventClass};
use crate::resp::Cursor;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::hash::{FieldTtl, Hash};
use std::borrow::Cow;

pub const COMMANDS: &[Command] = &[
    Command::write("hgetex", -5, hgetex)
        .doc(
            Group::Hash,
            "8.0.0",
            "Returns the values of fields and sets their deadlines or takes them away.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))
            .notes("RW and UPDATE because it changes the deadlines")])
        .args(&[
            Arg::key("key", 0),
            Arg::oneof(
                "expiration",
                &[
                    Arg::integer("seconds").with_token("EX"),
                    Arg::integer("milliseconds").with_token("PX"),
                    Arg::unix_time("unix-time-seconds").with_token("EXAT"),
                    Arg::unix_time("unix-time-milliseconds").with_token("PXAT"),
                    Arg::token("persist", "PERSIST"),
                ],
            )
            .optional(),
            Arg::block("fields", &[Arg::integer("numfields"), Arg::string("field").multiple()])
                .with_token("FIELDS"),
        ])
        .must_rewrite(),
    Command::write("hsetex", -6, hsetex)
        .doc(
            Group::Hash,
            "8.0.0",
            "Sets fields of a hash and their deadline.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[
            Arg::key("key", 0),
            Arg::oneof("condition", &[Arg::token("fnx", "FNX"), Arg::token("fxx", "FXX")]).optional(),
            Arg::oneof(
                "expiration",
                &[
                    Arg::integer("seconds").with_token("EX"),
                    Arg::integer("milliseconds").with_token("PX"),
                    Arg::unix_time("unix-time-seconds").with_token("EXAT"),
                    Arg::unix_time("unix-time-milliseconds").with_token("PXAT"),
                    Arg::token("keepttl", "KEEPTTL"),
                ],
            )
            .optional(),
            Arg::block(
                "fields",
                &[
                    Arg::integer("numfields"),
                    Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
                ],
            )
            .with_token("FIELDS"),
        ])
        .must_rewrite(),
    Command::write("hgetdel", -5, hgetdel)
        .doc(
            Group::Hash,
            "8.0.0",
            "Returns the values of fields and removes them.",
            "O(N) in the number of fields given.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))])
        .args(&[
            Arg::key("key", 0),
            Arg::block("fields", &[Arg::integer("numfields"), Arg::string("field").multiple()])
                .with_token("FIELDS"),
        ])
        .must_rewrite(),
];

/// What HGETEX does to the deadlines.
#[derive(Clone, Copy)]
enum Change {
    Nothing,
    Persist,
    At(UnixMs),
}

/// A value that outlives the change of its field.
type Kept = Option<Box<[u8]>>;

fn keep(value: Option<Element<'_>>) -> Kept {
    value.map(|value| value.to_vec().into_boxed_slice())
}

fn hgetex(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now = cx.now();
    let (values, first, change, changed) = cx.edit(req.key(0)?, |entry| {
        entry.value::<Hash>()?;
        let (change, options) = hgetex_change(req, now)?;
        let first = fields::parse(req, 2 + options, NOT_POSITIVE)?;
        let names = req.args.iter().skip(first);
        let Some(hash) = entry.value_mut::<Hash>()? else {
            return Ok(((vec![None; names.len()], first, change, 0), Effect::NONE));
        };
        if !matches!(change, Change::Nothing) {
            hash.allow_deadlines();
        }
        let (mut values, mut changed) = (Vec::with_capacity(names.len()), 0);
        for name in names {
            values.push(keep(hash.get(name, now)));
            changed += usize::from(apply(hash, name, change, now));
        }
        let effect = match change {
            _ if changed == 0 => Effect::NONE,
            Change::Nothing => Effect::NONE,
            Change::Persist => persist_effect(changed),
            Change::At(when) if when <= now => {
                Effect::event(EventClass::Hash, "hdel").changes(changed as u32)
            }
            Change::At(_) => Effect::event(EventClass::Hash, "hexpire").changes(changed as u32),
        };
        Ok(((values, first, change, changed), effect))
    })?;
    if changed > 0 {
        let names = req.args.iter().skip(first);
        match change {
            Change::Nothing => {}
            Change::Persist => journal(cx, &[b"HPERSIST", req.arg(1), b"FIELDS"], names, true),
            Change::At(when) if when <= now => journal_deletion(cx, req, names),
            Change::At(when) => journal_deadline(cx, req, when, names),
        }
    }
    Ok(reply.bulks_or_nulls(&values))
}

/// The option in front of FIELDS, and how many arguments it takes.
fn hgetex_change(req: &Request<'_>, now: UnixMs) -> Result<(Change, usize), CmdError> {
    let word = req.arg(2);
    if word.eq_ignore_ascii_case(b"PERSIST") {
        return Ok((Change::Persist, 1));
    }
    match TimeUnit::from_word(word) {
        Some(unit) => Ok((Change::At(deadline(req.arg(3), unit, now, "hgetex")?), 2)),
        None => Ok((Change::Nothing, 0)),
    }
}

/// Whether the field's deadline, or the field, is another one now.
fn apply(hash: &mut Hash, name: &[u8], change: Change, now: UnixMs) -> bool {
    let Some(old) = hash.deadline(name, now) else { return false };
    match change {
        Change::Nothing => false,
        Change::Persist if old.is_none() => false,
        Change::Persist => hash.set_deadline(name, None, now),
        Change::At(when) if when <= now => hash.remove(name, now),
        Change::At(when) => hash.set_deadline(name, Some(when), now),
    }
}

/// The options of HSETEX and where its pairs start.
struct SetOptions {
    /// FXX: all fields are there; FNX: none is.
    all_present: Option<bool>,
    ttl: FieldTtl,
    first: usize,
}

impl SetOptions {
    fn parse(req: &Request<'_>, now: UnixMs) -> Result<SetOptions, CmdError> {
        /// Redis reads this number into 32 bits.
        const MOST_FIELDS: i64 = i32::MAX as i64;
        const BAD_NUMBER: CmdError = CmdError::text("ERR invalid number of fields");
        const ARITY: CmdError = CmdError::Arity(Cow::Borrowed("hsetex"));
        let mut options = SetOptions { all_present: None, ttl: FieldTtl::Clear, first: 0 };
        let mut cursor = req.args.cursor(2);
        loop {
            if cursor.take_word("FIELDS") {
                // A number, a field and a value at least.
                if cursor.remaining() < 3 {
                    return Err(ARITY);
                }
                let number = cursor.next().ok_or(ARITY)?;
                let number = parse_i64(number)
                    .filter(|number| (1..=MOST_FIELDS).contains(number))
                    .ok_or(BAD_NUMBER)?;
                options.first = req.args.len() - cursor.remaining();
                let is_exact =
                    usize::try_from(number).ok().and_then(|n| n.checked_mul(2)) == Some(cursor.remaining());
                return if is_exact { Ok(options) } else { Err(ARITY) };
            }
            options.take(&mut cursor, now)?;
        }
    }

    /// Takes one option.
    fn take(&mut self, cursor: &mut Cursor<'_>, now: UnixMs) -> Result<(), CmdError> {
        const TWO_CONDITIONS: CmdError =
            CmdError::text("ERR Only one of FXX or FNX arguments can be specified");
        const TWO_DEADLINES: CmdError =
            CmdError::text("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
        let word = cursor.next().ok_or(CmdError::Arity(Cow::Borrowed("hsetex")))?;
        let is_fxx = word.eq_ignore_ascii_case(b"FXX");
        if is_fxx || word.eq_ignore_ascii_case(b"FNX") {
            if self.all_present.replace(is_fxx).is_some() {
                return Err(TWO_CONDITIONS);
            }
            return Ok(());
        }
        let unit = TimeUnit::from_word(word);
        if unit.is_none() && !word.eq_ignore_ascii_case(b"KEEPTTL") {
            return Err(CmdError::quoting("ERR unknown argument: ", word, ""));
        }
        if self.ttl != FieldTtl::Clear {
            return Err(TWO_DEADLINES);
        }
        self.ttl = match unit {
            None => FieldTtl::Keep,
            Some(unit) => {
                let amount = cursor.next().ok_or(CmdError::Arity(Cow::Borrowed("hsetex")))?;
                FieldTtl::At(deadline(amount, unit, now, "hsetex")?)
            }
        };
        Ok(())
    }
}

fn hsetex(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (now, limits) = (cx.now(), limits(cx.config));
    let options = SetOptions::parse(req, now)?;
    let is_past = matches!(options.ttl, FieldTtl::At(when) if when <= now);
    let names = || req.args.iter().skip(options.first).step_by(2);
    let is_set = cx.edit(req.key(0)?, |entry| {
        let hash = entry.value::<Hash>()?;
        let is_there = |name: &[u8]| hash.is_some_and(|hash| hash.contains(name, now));
        if options.all_present.is_some_and(|wanted| names().any(|name| is_there(name) != wanted)) {
            return Ok((false, Effect::NONE));
        }
        let hash: &mut Hash = entry.value_or_default()?;
        if is_past {
            hash.allow_deadlines();
        }
        let texts = || req.args.iter().skip(options.first);
        let longest = texts().map(<[u8]>::len).max().unwrap_or(0);
        hash.make_room(names().count(), longest, req.args.total_bytes(), limits);
        let mut cursor = req.args.cursor(options.first);
        while let (Some(name), Some(value)) = (cursor.next(), cursor.next()) {
            // With a deadline that has passed every field is set and deleted: both are told.
            let ttl = if is_past { FieldTtl::Clear } else { options.ttl };
            hash.set(name, value, ttl, now, limits);
            if is_past {
                hash.remove(name, now);
            }
        }
        let effect = Effect::event(EventClass::Hash, "hset").changes(names().count() as u32);
        Ok((
            true,
            match options.ttl {
                FieldTtl::At(_) if is_past => effect.and(EventClass::Hash, "hdel"),
                FieldTtl::At(_) => effect.and(EventClass::Hash, "hexpire"),
                FieldTtl::Keep | FieldTtl::Clear => effect,
            },
        ))
    })?;
    if is_set {
        journal_set(cx, req, &options, is_past);
    }
    Ok(reply.flag(is_set))
}

/// The journal's form: a deadline is absolute, and conditions are gone because they held. Without a deadline it is HSET, which older
/// servers know too.
fn journal_set(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, options: &SetOptions, is_past: bool) {
    if is_past {
        return journal_deletion(cx, req, req.args.iter().skip(options.first).step_by(2));
    }
    if options.ttl == FieldTtl::Clear {
        let mut command: Vec<&[u8]> = vec![b"HSET", req.arg(1)];
        command.extend(req.args.iter().skip(options.first));
        return cx.rewrite(&command);
    }
    let mut digits = itoa::Buffer::new();
    let ttl: &[&[u8]] = match options.ttl {
        FieldTtl::Clear => &[],
        FieldTtl::Keep => &[b"KEEPTTL"],
        FieldTtl::At(when) => &[b"PXAT", digits.format(when.0).as_bytes()],
    };
    let pairs = ((req.args.len() - options.first) / 2).to_string();
    let mut command: Vec<&[u8]> = vec![b"HSETEX", req.arg(1)];
    command.extend(ttl);
    command.extend([b"FIELDS", pairs.as_bytes()]);
    command.extend(req.args.iter().skip(options.first));
    cx.rewrite(&command);
}

fn hgetdel(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now = cx.now();
    let (values, first) = cx.edit(req.key(0)?, |entry| {
        entry.value::<Hash>()?;
        let first = fields::parse(req, 2, NOT_POSITIVE)?;
        let names = req.args.iter().skip(first);
        let Some(hash) = entry.value_mut::<Hash>()? else {
            return Ok(((vec![None; names.len()], first), Effect::NONE));
        };
        let mut values = Vec::with_capacity(names.len());
        for name in names {
            values.push(keep(hash.get(name, now)));
            hash.remove(name, now);
        }
        let effect = match values.iter().flatten().count() {
            0 => Effect::NONE,
            removed => Effect::event(EventClass::Hash, "hdel").changes(removed as u32),
        };
        Ok(((values, first), effect))
    })?;
    if values.iter().any(Option::is_some) {
        // Servers before 8.0 don't know HGETDEL.
        journal_deletion(cx, req, req.args.iter().skip(first));
    }
    Ok(reply.bulks_or_nulls(&values))
}
