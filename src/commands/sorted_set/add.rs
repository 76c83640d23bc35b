//! Adding members and changing scores: ZADD, ZINCRBY.
//!
//! ```text
//! ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member …]
//! ```
//!
//! NX adds only, XX changes only; GT and LT change a score only upwards or downwards, but still add. CH counts changed
//! members beside added ones. INCR makes it ZINCRBY with conditions: the reply is the new score, or nothing if a
//! condition did not hold.

use smallvec::SmallVec;

use super::{effect, limits};
use crate::base::float::parse_f64;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EntryMut};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::zset::{Limits, ZSet};

pub const COMMANDS: &[Command] = &[
    Command::write("zadd", -4, zadd)
        .element(3)
        .doc(
            Group::SortedSet,
            "1.2.0",
            "Adds members with their scores, or changes the scores of members that are there.",
            "O(log(N)) for each member, N being the size of the sorted set.",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[
            Arg::key("key", 0),
            Arg::oneof("condition", &[Arg::token("nx", "NX"), Arg::token("xx", "XX")])
                .since("3.0.2")
                .optional(),
            Arg::oneof("comparison", &[Arg::token("gt", "GT"), Arg::token("lt", "LT")])
                .since("6.2.0")
                .optional(),
            Arg::token("change", "CH").since("3.0.2").optional(),
            Arg::token("increment", "INCR").since("3.0.2").optional(),
            Arg::block("data", &[Arg::double("score"), Arg::string("member")]).multiple(),
        ]),
    Command::write("zincrby", 4, zincrby)
        .element(3)
        .doc(
            Group::SortedSet,
            "1.2.0",
            "Adds to the score of a member; a missing one counts as 0.",
            "O(log(N)), N being the size of the sorted set.",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::integer("increment"), Arg::string("member")]),
];

const NOT_A_NUMBER: CmdError = CmdError::text("ERR resulting score is not a number (NaN)");

/// The words before the first score.
#[derive(Clone, Copy, Default)]
struct Options {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
    ch: bool,
    incr: bool,
}

impl Options {
    /// Reads the words; also where the first score stands.
    fn parse(req: &Request<'_>) -> Result<(Options, usize), CmdError> {
        const EXISTENCE: CmdError =
            CmdError::text("ERR XX and NX options at the same time are not compatible");
        const COMPARISON: CmdError =
            CmdError::text("ERR GT, LT, and/or NX options at the same time are not compatible");
        const ONE_PAIR: CmdError = CmdError::text("ERR INCR option supports a single increment-element pair");
        let mut options = Options::default();
        let mut first = 2;
        while options.take(req.arg(first)) {
            first += 1;
        }
        let rest = req.len().saturating_sub(first);
        if rest == 0 || !rest.is_multiple_of(2) {
            return Err(CmdError::Syntax);
        }
        if options.nx && options.xx {
            return Err(EXISTENCE);
        }
        if [options.gt, options.lt, options.nx].into_iter().filter(|&is_set| is_set).count() > 1 {
            return Err(COMPARISON);
        }
        if options.incr && rest > 2 {
            return Err(ONE_PAIR);
        }
        Ok((options, first))
    }

    /// Whether `word` is an option, which is then set.
    #[inline]
    fn take(&mut self, word: &[u8]) -> bool {
        // Scores are longer or don't begin with a letter, as a rule.
        if !(2..=4).contains(&word.len()) {
            return false;
        }
        let place = match word.to_ascii_lowercase().as_slice() {
            b"nx" => &mut self.nx,
            b"xx" => &mut self.xx,
            b"gt" => &mut self.gt,
            b"lt" => &mut self.lt,
            b"ch" => &mut self.ch,
            b"incr" => &mut self.incr,
            _ => return false,
        };
        *place = true;
        true
    }

    /// Whether every member gets its score.
    fn is_plain(&self) -> bool {
        !(self.nx || self.xx || self.gt || self.lt)
    }

    /// Whether a member with the score `old` may get the score `new`.
    fn allow(&self, old: Option<f64>, new: f64) -> bool {
        match old {
            None => !self.xx,
            Some(old) => !(self.nx || self.lt && new >= old || self.gt && new <= old),
        }
    }
}

fn zadd(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (options, first) = Options::parse(req)?;
    if options.incr {
        return increment(cx, req, reply, options, first);
    }
    let scores = (first..req.len()).step_by(2).map(|at| parse_f64(req.arg(at)));
    let scores: SmallVec<[f64; 8]> = scores.collect::<Option<_>>().ok_or(CmdError::NotAFloat)?;
    let limits = limits(cx.config);
    let (added, changed) = cx.edit(req.key(0)?, |entry| {
        if options.xx && entry.value::<ZSet>()?.is_none() {
            return Ok(((0, 0), Effect::NONE));
        }
        let zset = entry.value_or_default::<ZSet>()?;
        zset.expect(scores.len(), limits);
        let (mut added, mut changed) = (0, 0);
        for (index, &score) in scores.iter().enumerate() {
            let member = req.arg(first + 2 * index + 1);
            if !options.is_plain() && !options.allow(zset.score(member), score) {
                continue;
            }
            match zset.set(member, score, limits) {
                None => added += 1,
                Some(old) => changed += usize::from(old != score),
            }
        }
        Ok(((added, changed), effect("zadd", added + changed)))
    })?;
    Ok(reply.count(if options.ch { added + changed } else { added }))
}

fn zincrby(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    increment(cx, req, reply, Options::default(), 2)
}

fn increment(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    options: Options,
    first: usize,
) -> Outcome {
    let by = parse_f64(req.arg(first)).ok_or(CmdError::NotAFloat)?;
    let limits = limits(cx.config);
    let score =
        cx.edit(req.key(0)?, |entry| increment_entry(entry, options, req.arg(first + 1), by, limits))?;
    Ok(match score {
        Some(score) => reply.write(|writer| writer.double(score)),
        None => reply.null(),
    })
}

/// The new score, unless a condition does not hold.
fn increment_entry(
    entry: &mut EntryMut<'_, '_>,
    options: Options,
    member: &[u8],
    by: f64,
    limits: Limits,
) -> Result<(Option<f64>, Effect), CmdError> {
    let old = entry.value::<ZSet>()?.and_then(|zset| zset.score(member));
    if old.is_some() && options.nx {
        return Ok((None, Effect::NONE));
    }
    let score = old.map_or(by, |old| old + by);
    if score.is_nan() {
        return Err(NOT_A_NUMBER);
    }
    if !options.allow(old, score) {
        return Ok((None, Effect::NONE));
    }
    if old == Some(score) {
        return Ok((Some(score), Effect::NONE));
    }
    let zset = entry.value_or_default::<ZSet>()?;
    zset.expect(1, limits);
    zset.set(member, score, limits);
    debug_assert!(!zset.is_empty());
    Ok((Some(score), effect("zincr", 1)))
}
