//! Adding places: GEOADD, which is a ZADD whose scores are computed, and is journalled as one.

use smallvec::SmallVec;

use super::position;
use crate::base::num::push_i64;
use crate::commands::sorted_set::{effect, limits};
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::Effect;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::zset::ZSet;

pub const COMMANDS: &[Command] = &[Command::write("geoadd", -5, geoadd)
    .doc(
        Group::Geo,
        "3.2.0",
        "Adds places by longitude and latitude, or moves those that are there.",
        "O(log(N)) for each place, N being the number of places in the sorted set.",
    )
    .flags(CommandFlags::DENYOOM)
    .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
    .args(&[
        Arg::key("key", 0),
        Arg::oneof("condition", &[Arg::token("nx", "NX"), Arg::token("xx", "XX")]).since("6.2.0").optional(),
        Arg::token("change", "CH").since("6.2.0").optional(),
        Arg::block("data", &[Arg::double("longitude"), Arg::double("latitude"), Arg::string("member")])
            .multiple(),
    ])];

/// Arguments of one place.
const PLACE_WORDS: usize = 3;

#[derive(Clone, Copy, Default)]
struct Options {
    nx: bool,
    xx: bool,
    ch: bool,
}

impl Options {
    /// Reads the words; also where the first place stands.
    fn parse(req: &Request<'_>) -> Result<(Options, usize), CmdError> {
        let mut options = Options::default();
        let mut first = 2;
        while let Some(place) = req.args.get(first).and_then(|word| options.place(word)) {
            *place = true;
            first += 1;
        }
        let rest = req.len().saturating_sub(first);
        if rest == 0 || !rest.is_multiple_of(PLACE_WORDS) || options.nx && options.xx {
            return Err(CmdError::Syntax);
        }
        Ok((options, first))
    }

    fn place(&mut self, word: &[u8]) -> Option<&mut bool> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("nx") {
            Some(&mut self.nx)
        } else if is("xx") {
            Some(&mut self.xx)
        } else if is("ch") {
            Some(&mut self.ch)
        } else {
            None
        }
    }
}

fn geoadd(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (options, first) = Options::parse(req)?;
    let places = (first..req.len()).step_by(PLACE_WORDS);
    let scores: SmallVec<[f64; 8]> = places
        .map(|at| position(req.arg(at), req.arg(at + 1)).map(|position| position.score()))
        .collect::<Result<_, _>>()?;
    let limits = limits(cx.config);
    let member = |index: usize| req.arg(first + PLACE_WORDS * index + 2);
    let (added, changed) = cx.edit(req.key(0)?, |entry| {
        if options.xx && entry.value::<ZSet>()?.is_none() {
            return Ok(((0, 0), Effect::NONE));
        }
        let zset = entry.value_or_default::<ZSet>()?;
        zset.expect(scores.len(), limits);
        let (mut added, mut changed) = (0, 0);
        for (index, &score) in scores.iter().enumerate() {
            let is_refused = match zset.score(member(index)) {
                Some(_) => options.nx,
                None => options.xx,
            };
            if is_refused {
                continue;
            }
            match zset.set(member(index), score, limits) {
                None => added += 1,
                Some(old) => changed += usize::from(old != score),
            }
        }
        Ok(((added, changed), effect("zadd", added + changed)))
    })?;
    if added + changed > 0 && cx.is_observed() {
        rewrite(cx, req, first, &scores);
    }
    Ok(reply.count(if options.ch { added + changed } else { added }))
}

/// The journal gets ZADD with the same options and the scores.
fn rewrite(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, first: usize, scores: &[f64]) {
    let digits: Vec<Vec<u8>> = scores
        .iter()
        .map(|&score| {
            let mut digits = Vec::new();
            push_i64(&mut digits, score as i64);
            digits
        })
        .collect();
    let mut words: Vec<&[u8]> = vec![b"ZADD"];
    words.extend(req.args.iter().take(first).skip(1));
    for (index, digits) in digits.iter().enumerate() {
        words.extend([digits.as_slice(), req.arg(first + PLACE_WORDS * index + 2)]);
    }
    cx.rewrite(&words);
}
