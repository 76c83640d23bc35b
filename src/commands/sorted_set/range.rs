//! Ranges: ZRANGE, which can do everything; its older forms, each of which can do one thing; ZRANGESTORE.
//!
//! ```text
//! ZRANGE key start stop                        positions, from the end if negative
//! ZRANGE key (1 +inf BYSCORE LIMIT 0 10        scores; `(` leaves the bound itself out
//! ZRANGE key [c (a BYLEX REV                   members of equal score; REV turns order and bounds around
//! ```
//!
//! Each kind of range becomes a range of ranks, LIMIT cuts a piece out of it, and only that piece is read.

use std::ops::Range;

use super::{lex_range, limits, rank_range, score_range, write_items};
use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::resp::Args;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::zset::{LexRange, ScoreRange, ZSet};

pub const COMMANDS: &[Command] = &[
    Command::read("zrange", -4, zrange)
        .doc(
            Group::SortedSet,
            "1.2.0",
            "Returns the members in a range of positions, scores or members.",
            "O(log(N)+M), M being the number of members returned.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::string("start"),
            Arg::string("stop"),
            Arg::oneof("sortby", &[Arg::token("byscore", "BYSCORE"), Arg::token("bylex", "BYLEX")])
                .since("6.2.0")
                .optional(),
            Arg::token("rev", "REV").since("6.2.0").optional(),
            Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                .with_token("LIMIT")
                .since("6.2.0")
                .optional(),
            Arg::token("withscores", "WITHSCORES").optional(),
        ]),
    Command::read("zrevrange", -4, zrevrange)
        .doc(
            Group::SortedSet,
            "1.2.0",
            "Returns the members in a range of positions, highest first.",
            "O(log(N)+M), M being the number of members returned.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::integer("start"),
            Arg::integer("stop"),
            Arg::token("withscores", "WITHSCORES").optional(),
        ])
        .deprecated("6.2.0", "`ZRANGE` with the `REV` argument"),
    Command::read("zrangebyscore", -4, zrangebyscore)
        .doc(
            Group::SortedSet,
            "1.0.5",
            "Returns the members with scores in a range, lowest first.",
            "O(log(N)+M), M being the number of members returned.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::double("min"),
            Arg::double("max"),
            Arg::token("withscores", "WITHSCORES").since("2.0.0").optional(),
            Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                .with_token("LIMIT")
                .optional(),
        ])
        .deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument"),
    Command::read("zrevrangebyscore", -4, zrevrangebyscore)
        .doc(
            Group::SortedSet,
            "2.2.0",
            "Returns the members with scores in a range, highest first.",
            "O(log(N)+M), M being the number of members returned.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::double("max"),
            Arg::double("min"),
            Arg::token("withscores", "WITHSCORES").optional(),
            Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                .with_token("LIMIT")
                .optional(),
        ])
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"),
    Command::read("zrangebylex", -4, zrangebylex)
        .doc(
            Group::SortedSet,
            "2.8.9",
            "Returns the members in a range of members, in order.",
            "O(log(N)+M), M being the number of members returned.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::string("min"),
            Arg::string("max"),
            Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                .with_token("LIMIT")
                .optional(),
        ])
        .deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument"),
    Command::read("zrevrangebylex", -4, zrevrangebylex)
        .doc(
            Group::SortedSet,
            "2.8.9",
            "Returns the members in a range of members, in reverse order.",
            "O(log(N)+M), M being the number of members returned.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::string("max"),
            Arg::string("min"),
            Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                .with_token("LIMIT")
                .optional(),
        ])
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"),
    Command::write("zrangestore", -5, zrangestore)
        .doc(
            Group::SortedSet,
            "6.2.0",
            "Stores the members in a range of positions, scores or members under another key.",
            "O(log(N)+M), M being the number of members stored.",
        )
        .flags(CommandFlags::DENYOOM)
        .keys(&[
            KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
            KeySpec::one(2, KeyFlags::RO.union(KeyFlags::ACCESS)),
        ])
        .args(&[
            Arg::key("dst", 0),
            Arg::key("src", 1),
            Arg::string("min"),
            Arg::string("max"),
            Arg::oneof("sortby", &[Arg::token("byscore", "BYSCORE"), Arg::token("bylex", "BYLEX")])
                .optional(),
            Arg::token("rev", "REV").optional(),
            Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                .with_token("LIMIT")
                .optional(),
        ]),
];

/// What the bounds are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What a command's name decides.
#[derive(Clone, Copy)]
struct Form {
    /// `None`: a word decides.
    by: Option<By>,
    is_reversed: Option<bool>,
    is_store: bool,
    /// Where the bounds stand.
    bounds: usize,
}

impl Form {
    const fn of(by: Option<By>, is_reversed: Option<bool>) -> Form {
        Form { by, is_reversed, is_store: false, bounds: 2 }
    }
}

/// What is asked for.
struct Query<'a> {
    bounds: Bounds<'a>,
    is_reversed: bool,
    /// How many are passed over, and how many are wanted; negative for all.
    offset: i64,
    count: i64,
    with_scores: bool,
}

enum Bounds<'a> {
    Rank(i64, i64),
    Score(ScoreRange),
    Lex(LexRange<'a>),
}

impl<'a> Query<'a> {
    fn parse(args: &Args<'a>, form: Form) -> Result<Query<'a>, CmdError> {
        const LIMIT: CmdError = CmdError::text(
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        );
        const SCORES: CmdError =
            CmdError::text("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        let (mut by, mut is_reversed) = (form.by, form.is_reversed);
        let (mut offset, mut count, mut with_scores) = (0, -1, false);
        let mut cursor = args.cursor(form.bounds + 2);
        while cursor.remaining() > 0 {
            if !form.is_store && cursor.take_word("WITHSCORES") {
                with_scores = true;
            } else if cursor.remaining() > 2 && cursor.take_word("LIMIT") {
                offset = int(cursor.next().unwrap_or_default())?;
                count = int(cursor.next().unwrap_or_default())?;
            } else if is_reversed.is_none() && cursor.take_word("REV") {
                is_reversed = Some(true);
            } else if by.is_none() && cursor.take_word("BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && cursor.take_word("BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        let (by, is_reversed) = (by.unwrap_or(By::Rank), is_reversed.unwrap_or(false));
        if count != -1 && by == By::Rank {
            return Err(LIMIT);
        }
        if with_scores && by == By::Lex {
            return Err(SCORES);
        }
        let (first, second) = (args.at(form.bounds), args.at(form.bounds + 1));
        let (min, max) = if is_reversed { (second, first) } else { (first, second) };
        let bounds = match by {
            By::Rank => Bounds::Rank(int(first)?, int(second)?),
            By::Score => Bounds::Score(score_range(min, max)?),
            By::Lex => Bounds::Lex(lex_range(min, max)?),
        };
        Ok(Query { bounds, is_reversed, offset, count, with_scores })
    }

    /// The ranks asked for, in ascending order whatever the direction.
    fn ranks(&self, zset: &ZSet) -> Range<usize> {
        let ranks = match &self.bounds {
            Bounds::Rank(start, stop) => {
                let range = rank_range(*start, *stop, zset.len());
                let turned = zset.len() - range.end..zset.len() - range.start;
                return if self.is_reversed { turned } else { range };
            }
            Bounds::Score(range) if range.is_empty() => 0..0,
            Bounds::Score(range) => zset.ranks_by_score(range),
            Bounds::Lex(range) if range.is_empty() => 0..0,
            Bounds::Lex(range) => zset.ranks_by_lex(range),
        };
        let len = ranks.len();
        let skipped = match usize::try_from(self.offset) {
            Ok(offset) => offset.min(len),
            // As in Redis 8: a negative offset counts from the end of the range in a big set, which finds its way by
            // ranks, and passes over everything in a small one.
            Err(_) if matches!(zset, ZSet::Big(_)) => {
                let from_end = usize::try_from(self.offset.unsigned_abs()).unwrap_or(usize::MAX);
                len.checked_sub(from_end).unwrap_or(len)
            }
            Err(_) => len,
        };
        let wanted = usize::try_from(self.count).unwrap_or(usize::MAX).min(len - skipped);
        if self.is_reversed {
            let end = ranks.end - skipped;
            end - wanted..end
        } else {
            let start = ranks.start + skipped;
            start..start + wanted
        }
    }
}

fn zrange(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, Form::of(None, None))
}

fn zrevrange(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, Form::of(Some(By::Rank), Some(true)))
}

fn zrangebyscore(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, Form::of(Some(By::Score), Some(false)))
}

fn zrevrangebyscore(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, Form::of(Some(By::Score), Some(true)))
}

fn zrangebylex(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, Form::of(Some(By::Lex), Some(false)))
}

fn zrevrangebylex(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, Form::of(Some(By::Lex), Some(true)))
}

fn answer(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, form: Form) -> Outcome {
    let query = Query::parse(&req.args, form)?;
    let zset = cx.value::<ZSet>(req.key(0)?)?;
    Ok(reply.write(|writer| match zset {
        Some(zset) => {
            let items = zset.items(query.ranks(zset), query.is_reversed);
            write_items(writer, items, query.with_scores);
        }
        None => writer.array(0),
    }))
}

fn zrangestore(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let form = Form { by: None, is_reversed: None, is_store: true, bounds: 3 };
    let query = Query::parse(&req.args, form)?;
    let limits = limits(cx.config);
    let stored = cx.value::<ZSet>(req.key(1)?)?.map(|zset| zset.part(query.ranks(zset), limits));
    let count = super::algebra::store(cx, req.key(0)?, stored, "zrangestore")?;
    Ok(reply.count(count))
}
