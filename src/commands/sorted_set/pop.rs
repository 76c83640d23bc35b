//! Taking members from either end: ZPOPMIN, ZPOPMAX, ZMPOP.
//!
//! ZMPOP takes from the first key that has a sorted set, and is journalled as the ZPOPMIN or ZPOPMAX that it was.

use super::{effect, write_items, write_pairs};
use crate::base::num::parse_i64;
use crate::dispatch::{CmdError, Command, Outcome, Replied, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, Key};
use crate::resp::{Args, Writer};
use crate::spec::keys::InvalidKeys;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::zset::{Items, ZSet};

pub const COMMANDS: &[Command] = &[
Command::write("zpopmin", -2, zpopmin)
        .doc(Group::SortedSet, "5.0.0", "Removes the members with the lowest scores and returns them.", "O(log(N)+M), M being the number of members removed.")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))])
        .args(&[
            Arg::key("key", 0),
            Arg::integer("count").optional(),
        ]),
    Command::write("zpopmax", -2, zpopmax)
        .doc(Group::SortedSet, "5.0.0", "Removes the members with the highest scores and returns them.", "O(log(N)+M), M being the number of members removed.")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))])
        .args(&[
            Arg::key("key", 0),
            Arg::integer("count").optional(),
        ]),
    Command::write("zmpop", -4, zmpop)
        .doc(Group::SortedSet, "7.0.0", "Removes the members with the lowest or highest scores from the first sorted set that has any, and returns them.", "O(K)+O(log(N)+M) with K keys, M being the number of members removed.")
        .flags(CommandFlags::MOVABLE_KEYS)
        .keys(&[KeySpec::counted(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))])
        .args(&[
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            Arg::oneof("where", &[
                Arg::token("min", "MIN"),
                Arg::token("max", "MAX"),
            ]),
            Arg::integer("count").with_token("COUNT").optional(),
        ])
        .key_walker(popped_keys),
];

pub(super) const POPPED: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);

/// Which end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Min,
    Max,
}

impl End {
    /// What takes members from that end.
    pub fn command(self) -> &'static [u8] {
        match self {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        }
    }

    fn event(self) -> &'static str {
        match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        }
    }
}

/// Takes up to `count` members from one end of the set under `key`, after showing them to `show`; how many. `None` if there
/// is no such key.
pub(super) fn pop<R>(
    cx: &mut WriteCx<'_, '_>,
    key: Key<'_>,
    end: End,
    count: usize,
    show: impl FnOnce(Items<'_>) -> R,
) -> Result<Option<(R, usize)>, CmdError> {
    cx.edit(key, |entry| {
        let Some(zset) = entry.value_mut::<ZSet>()? else { return Ok((None, Effect::NONE)) };
        let (len, count) = (zset.len(), count.min(zset.len()));
        let range = if end == End::Min { 0..count } else { len - count..len };
        let shown = show(zset.items(range.clone(), end == End::Max));
        if count > 0 {
            zset.remove_ranks(range);
        }
        Ok((Some((shown, count)), effect(end.event(), count).events_first()))
    })
}

fn zpopmin(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    pop_one(cx, req, reply, End::Min)
}

fn zpopmax(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    pop_one(cx, req, reply, End::Max)
}

fn pop_one(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, end: End) -> Outcome {
    const NEGATIVE: CmdError = CmdError::text("ERR value is out of range, must be positive");
    let count = match req.len() {
        0..=2 => None,
        3 => Some(parse_i64(req.arg(2)).and_then(|count| usize::try_from(count).ok()).ok_or(NEGATIVE)?),
        _ => return Err(CmdError::Syntax),
    };
    // Without a count the pair of RESP3 is not nested.
    let write = |writer: &mut Writer<'_>, items: Items<'_>| match count {
        Some(_) => write_items(writer, items, true),
        None => write_flat(writer, items),
    };
    let mut slot = Some(reply);
    let popped = pop(cx, req.key(0)?, end, count.unwrap_or(1), |items| {
        slot.take().map(|reply| reply.write(|writer| write(writer, items)))
    })?;
    match (popped, slot) {
        (Some((Some(replied), _)), _) => Ok(replied),
        (_, Some(reply)) => Ok(empty(reply)),
        // The slot is gone only if something was popped.
        (_, None) => Err(CmdError::InvalidKeys),
    }
}

fn empty(reply: ReplySlot<'_>) -> Replied {
    reply.write(|writer| writer.array(0))
}

fn write_flat(writer: &mut Writer<'_>, items: Items<'_>) {
    writer.array(items.len() * 2);
    for (member, score) in items {
        super::write_member(writer, member);
        writer.double(score);
    }
}

fn zmpop(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (end, count) = zmpop_options(&req.args, 1)?;
    pop_first(cx, req, reply, end, count).map(|popped| popped.unwrap_or_else(ReplySlot::null_array))
}

/// Answers with members of the first sorted set that is there; gives the place for the reply back if there is none.
pub(super) fn pop_first<'o>(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'o>,
    end: End,
    count: usize,
) -> Result<Result<Replied, ReplySlot<'o>>, CmdError> {
    for &key in req.keys() {
        if !cx.holds::<ZSet>(key)? {
            continue;
        }
        let mut slot = Some(reply);
        let popped = pop(cx, key, end, count, |items| {
            slot.take().map(|reply| {
                reply.write(|writer| {
                    writer.array(2);
                    writer.bulk(key.bytes());
                    write_pairs(writer, items);
                })
            })
        })?;
        let Some((Some(replied), taken)) = popped else { return Err(CmdError::InvalidKeys) };
        cx.rewrite(&[end.command(), key.bytes(), itoa::Buffer::new().format(taken).as_bytes()]);
        return Ok(Ok(replied));
    }
    Ok(Err(reply))
}

/// The end and how many members; the keys come between number of keys, which is at `count_at`, and end.
pub(super) fn zmpop_options(args: &Args<'_>, count_at: usize) -> Result<(End, usize), CmdError> {
    const KEYS: CmdError = CmdError::text("ERR numkeys should be greater than 0");
    const COUNT: CmdError = CmdError::text("ERR count should be greater than 0");
    let positive = |arg: &[u8]| {
        parse_i64(arg).and_then(|number| usize::try_from(number).ok()).filter(|&number| number > 0)
    };
    let keys = positive(args.at(count_at)).ok_or(KEYS)?;
    let mut cursor = args.cursor(keys.saturating_add(count_at + 1).min(args.len()));
    let end = if cursor.take_word("MIN") {
        End::Min
    } else if cursor.take_word("MAX") {
        End::Max
    } else {
        return Err(CmdError::Syntax);
    };
    let mut count = None;
    while cursor.remaining() > 0 {
        if count.is_some() || cursor.remaining() < 2 || !cursor.take_word("COUNT") {
            return Err(CmdError::Syntax);
        }
        count = Some(positive(cursor.next().unwrap_or_default()).ok_or(COUNT)?);
    }
    Ok((end, count.unwrap_or(1)))
}

/// The keys of ZMPOP. A wrong count announces none, so that the handler can say what is wrong with it.
fn popped_keys(args: &Args<'_>, visit: &mut dyn FnMut(usize, KeyFlags)) -> Result<(), InvalidKeys> {
    let flags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);
    super::algebra::input_positions(args, 1).for_each(|position| visit(position, flags));
    Ok(())
}
