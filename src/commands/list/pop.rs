//! LPOP and RPOP: an element, or up to a number of them.
//!
//! ```text
//! RPUSH l a b c     LPOP l → a     RPOP l 5 → c b     LPOP l → nil     LPOP l 5 → nil array
//! ```

use super::{limits, write_element};
use crate::base::num::parse_i64;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass};
use crate::resp::Writer;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::list::{End, Limits, List};

const KEY: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))];

pub const COMMANDS: &[Command] = &[
    Command::write("lpop", -2, lpop)
        .doc(
            Group::List,
            "1.0.0",
            "Takes the first element of a list, or several from the first on.",
            "O(N) in the number of elements returned.",
        )
        .flags(CommandFlags::FAST)
        .keys(KEY)
        .args(&[Arg::key("key", 0), Arg::integer("count").since("6.2.0").optional()]),
    Command::write("rpop", -2, rpop)
        .doc(
            Group::List,
            "1.0.0",
            "Takes the last element of a list, or several from the last on.",
            "O(N) in the number of elements returned.",
        )
        .flags(CommandFlags::FAST)
        .keys(KEY)
        .args(&[Arg::key("key", 0), Arg::integer("count").since("6.2.0").optional()]),
];

fn lpop(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    pop(cx, req, reply, End::Front)
}

fn rpop(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    pop(cx, req, reply, End::Back)
}

fn pop(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, end: End) -> Outcome {
    let count = match req.len() {
        2 => None,
        3 => Some(positive(req.arg(2))?),
        _ => return Err(req.arity_error()),
    };
    let limits = limits(cx.config);
    let key = req.key(0)?;
    reply.try_write(|w| {
        cx.edit(key, |entry| {
            let Some(list) = entry.value_mut::<List>()? else {
                if count.is_some() {
                    w.null_array()
                } else {
                    w.null()
                }
                return Ok(((), Effect::NONE));
            };
            let Some(count) = count else {
                list.take(end, |element| write_element(w, element));
                list.shrink(limits);
                return Ok(((), popped(end)));
            };
            let taken = pop_many(list, limits, w, end, count);
            Ok(((), if taken == 0 { Effect::NONE } else { popped(end).changes(changes(taken)) }))
        })
    })
}

/// A count; negative ones and what is no number get the same answer.
fn positive(arg: &[u8]) -> Result<usize, CmdError> {
    const OUT_OF_RANGE: CmdError = CmdError::text("ERR value is out of range, must be positive");
    parse_i64(arg).and_then(|count| usize::try_from(count).ok()).ok_or(OUT_OF_RANGE)
}

/// Moves up to `count` elements from that end on into the reply, an array; how many.
pub(super) fn pop_many(list: &mut List, limits: Limits, w: &mut Writer<'_>, end: End, count: usize) -> usize {
    let len = list.len();
    let taken = count.min(len);
    w.array(taken);
    let (elements, start) = match end {
        End::Front => (list.iter_from(0), 0),
        End::Back => (list.iter_back_from(len.saturating_sub(1)), len - taken),
    };
    elements.visit(taken, |element| write_element(w, element));
    list.remove_range(start, taken);
    list.shrink(limits);
    taken
}

pub(super) fn changes(elements: usize) -> u32 {
    u32::try_from(elements).unwrap_or(u32::MAX)
}

/// The event of a pop at that end.
pub(super) fn popped(end: End) -> Effect {
    Effect::event(EventClass::List, popped_event(end)).events_first()
}

pub(super) fn popped_event(end: End) -> &'static str {
    if end == End::Front { "lpop" } else { "rpop" }
}
