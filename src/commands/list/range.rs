//! LLEN, LRANGE and LTRIM.
//!
//! ```text
//! RPUSH l a b c d     LRANGE l 1 -2 → b c     LTRIM l -2 -1     LRANGE l 0 -1 → c d
//! ```

use super::{limits, range_in, write_element};
use crate::dispatch::options::int;
use crate::dispatch::{Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::list::List;

pub const COMMANDS: &[Command] = &[
    Command::read("llen", 2, llen)
        .doc(Group::List, "1.0.0", "Tells how many elements a list has; 0 for a missing one.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO)])
        .args(&[Arg::key("key", 0)]),
    Command::read("lrange", 4, lrange)
        .doc(
            Group::List,
            "1.0.0",
            "Returns a part of a list, first and last index included; negative ones count from the back.",
            "O(log(N)+M) with N elements in the list and M in the part.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::integer("start"), Arg::integer("stop")]),
    Command::write("ltrim", 4, ltrim)
        .doc(
            Group::List,
            "1.0.0",
            "Keeps only a part of a list; the list is gone when that part is empty.",
            "O(N) in the number of elements removed.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))])
        .args(&[Arg::key("key", 0), Arg::integer("start"), Arg::integer("stop")]),
];

fn llen(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let len = cx.value::<List>(req.key(0)?)?.map_or(0, Facts::len);
    Ok(reply.count(len))
}

fn lrange(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (start, stop) = (int(req.arg(2))?, int(req.arg(3))?);
    let list = cx.value::<List>(req.key(0)?)?;
    Ok(reply.write(|w| {
        let Some(list) = list else { return w.array(0) };
        let (start, count) = range_in(start, stop, list.len());
        w.array(count);
        if count > 0 {
            list.iter_from(start).visit(count, |element| write_element(w, element));
        }
    }))
}

fn ltrim(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (start, stop) = (int(req.arg(2))?, int(req.arg(3))?);
    let limits = limits(cx.config);
    cx.edit(req.key(0)?, |entry| {
        let Some(list) = entry.value_mut::<List>()? else { return Ok(((), Effect::NONE)) };
        let len = list.len();
        let (start, count) = range_in(start, stop, len);
        let garbage = (list.cut(start + count, len - start - count), list.cut(0, start));
        list.shrink(limits);
        for (garbage, effort) in [garbage.0, garbage.1].into_iter().flatten() {
            entry.free(garbage, effort);
        }
        let removed = super::pop::changes(len - count);
        // Told even when nothing was cut off.
        Ok(((), Effect::event(EventClass::List, "ltrim").changes(removed).events_first()))
    })?;
    Ok(reply.ok())
}
