//! Running a search, and its results as a reply or as a sorted set.

use std::cmp::Ordering;

use super::query::{Form, Options, Order, Query, StoredScore};
use super::{write_distance, write_position};
use crate::commands::sorted_set::{algebra, limits, write_member};
use crate::dispatch::{CmdError, Outcome, ReadCx, Replied, ReplySlot, Request, WriteCx};
use crate::ds::listpack::Digits;
use crate::keyspace::Key;
use crate::resp::Writer;
use crate::value::geo::search::{Found, Shape};
use crate::value::zset::{Limits, ZSet};

/// Answers a search in the first key.
pub fn answer(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, form: Form) -> Outcome {
    let zset = cx.value::<ZSet>(req.key(0)?)?;
    let query = Query::parse(req, form, false, zset)?;
    Ok(write(reply, zset, &query))
}

/// Answers GEORADIUS or GEORADIUSBYMEMBER, or stores what they find.
pub fn answer_or_store(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    form: Form,
) -> Outcome {
    let limits = limits(cx.config);
    let zset = cx.value::<ZSet>(req.key(0)?)?;
    let query = Query::parse(req, form, true, zset)?;
    let Some(name) = query.options.destination else {
        return Ok(write(reply, zset, &query));
    };
    let key = req.keys().iter().find(|key| key.bytes() == name).copied().ok_or(CmdError::InvalidKeys)?;
    let result = stored(zset, &query, limits);
    store(cx, reply, key, result, "georadiusstore")
}

/// Stores what GEOSEARCHSTORE finds under its first key.
pub fn search_and_store(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let limits = limits(cx.config);
    let zset = cx.value::<ZSet>(req.key(1)?)?;
    let query = Query::parse(req, Form::SearchStore, false, zset)?;
    let result = stored(zset, &query, limits);
    store(cx, reply, req.key(0)?, result, "geosearchstore")
}

fn store(
    cx: &mut WriteCx<'_, '_>,
    reply: ReplySlot<'_>,
    key: Key<'_>,
    result: Option<ZSet>,
    event: &'static str,
) -> Outcome {
    Ok(reply.count(algebra::store(cx, key, result, event)?))
}

/// The members found, in the order and number asked for.
fn found<'z>(zset: &'z ZSet, shape: &Shape, options: &Options<'_>) -> Vec<Found<'z>> {
    let count = options.count.unwrap_or(usize::MAX);
    let mut found = shape.members(zset, if options.any { count } else { usize::MAX });
    // The nearest are meant when only some are wanted, unless any will do.
    let nearest = (options.count.is_some() && !options.any).then_some(Order::Nearest);
    let by_distance = |one: &Found<'_>, other: &Found<'_>| {
        one.distance_m.partial_cmp(&other.distance_m).unwrap_or(Ordering::Equal)
    };
    match options.order.or(nearest) {
        Some(Order::Nearest) => found.sort_by(by_distance),
        Some(Order::Farthest) => found.sort_by(|one, other| by_distance(other, one)),
        None => {}
    }
    found.truncate(count);
    found
}

/// What a search finds, as a sorted set.
fn stored(zset: Option<&ZSet>, query: &Query<'_>, limits: Limits) -> Option<ZSet> {
    let (zset, shape) = zset.zip(query.shape)?;
    let mut digits = Digits::new();
    let members = found(zset, &shape, &query.options).into_iter().map(|found| {
        let score = match query.options.stored_score() {
            StoredScore::Place => found.score,
            StoredScore::Distance => found.distance_m / shape.unit_m,
        };
        (found.member.bytes(&mut digits).to_vec(), score)
    });
    Some(ZSet::from_scores(members, limits))
}

fn write(reply: ReplySlot<'_>, zset: Option<&ZSet>, query: &Query<'_>) -> Replied {
    let Some((zset, shape)) = zset.zip(query.shape) else {
        return reply.write(|writer| writer.array(0));
    };
    let found = found(zset, &shape, &query.options);
    reply.write(|writer| {
        writer.array(found.len());
        found.iter().for_each(|found| write_found(writer, found, &shape, &query.options));
    })
}

/// One member, in an array with what else was asked for.
fn write_found(writer: &mut Writer<'_>, found: &Found<'_>, shape: &Shape, options: &Options<'_>) {
    let extras = [options.with_distance, options.with_hash, options.with_position];
    let extras = extras.into_iter().filter(|&is_wanted| is_wanted).count();
    if extras > 0 {
        writer.array(1 + extras);
    }
    write_member(writer, found.member);
    if options.with_distance {
        write_distance(writer, found.distance_m / shape.unit_m);
    }
    if options.with_hash {
        writer.int(found.score as i64);
    }
    if options.with_position {
        write_position(writer, Some(found.position));
    }
}
