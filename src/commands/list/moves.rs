//! LMOVE and RPOPLPUSH: an element from an end of one list to an end of another, or of the same.
//!
//! ```text
//! RPUSH a 1 2 3     LMOVE a b LEFT RIGHT → 1: a has 2 3, b has 1     RPOPLPUSH a a → 3: a has 3 2
//! ```

use smallvec::SmallVec;

use super::pop::{popped, popped_event};
use super::push::pushed;
use super::{end_of, limits};
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::ds::listpack::{Digits, Element};
use crate::keyspace::entry::collection_of;
use crate::keyspace::{EventClass, Key};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::list::{End, Limits, List};

pub(super) const MOVED_KEYS: &[KeySpec] = &[
    KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
    KeySpec::one(2, KeyFlags::RW.union(KeyFlags::INSERT)),
];

pub const COMMANDS: &[Command] = &[
    Command::write("lmove", 5, lmove)
        .doc(
            Group::List,
            "6.2.0",
            "Takes the element at an end of a list and puts it to an end of a list; returns it.",
            "O(1)",
        )
        .flags(CommandFlags::DENYOOM)
        .keys(MOVED_KEYS)
        .args(&[
            Arg::key("source", 0),
            Arg::key("destination", 1),
            Arg::oneof("wherefrom", &[Arg::token("left", "LEFT"), Arg::token("right", "RIGHT")]),
            Arg::oneof("whereto", &[Arg::token("left", "LEFT"), Arg::token("right", "RIGHT")]),
        ]),
    Command::write("rpoplpush", 3, rpoplpush)
        .doc(
            Group::List,
            "1.2.0",
            "Takes the last element of a list and puts it in front of a list; returns it.",
            "O(1)",
        )
        .flags(CommandFlags::DENYOOM)
        .keys(MOVED_KEYS)
        .args(&[Arg::key("source", 0), Arg::key("destination", 1)])
        .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"),
];

fn lmove(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    match (end_of(req.arg(3)), end_of(req.arg(4))) {
        (Some(from), Some(to)) => answer(cx, req, reply, (from, to)),
        _ => Err(CmdError::Syntax),
    }
}

fn rpoplpush(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    answer(cx, req, reply, (End::Back, End::Front))
}

fn answer(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, ends: (End, End)) -> Outcome {
    Ok(match move_element(cx, req, ends)? {
        Some(element) => reply.bulk(&element),
        None => reply.null(),
    })
}

/// Moves an element from an end of the first key's list to an end of the second key's; what it was.
pub(super) fn move_element(
    cx: &mut WriteCx<'_, '_>,
    req: &Request<'_>,
    (from, to): (End, End),
) -> Result<Option<SmallVec<[u8; 64]>>, CmdError> {
    let limits = limits(cx.config);
    let (source, destination) = (req.key(0)?, req.key(1)?);
    let Some(element) = end_element(cx, source, from)? else { return Ok(None) };
    if source.bytes() == destination.bytes() {
        rotate(cx, source, &element, limits, from, to)?;
        return Ok(Some(element.bytes));
    }
    cx.edit(destination, |entry| {
        let list = entry.value_or_default::<List>()?;
        list.grow(limits, || element.grows_by(), 1);
        list.push(to, &element.bytes);
        // Both halves together are one change.
        Ok(((), pushed(to).changes(0)))
    })?;
    cx.edit(source, |entry| {
        if let Some(list) = entry.value_mut::<List>()? {
            list.take(from, |_| ());
            list.shrink(limits);
        }
        Ok(((), popped(from)))
    })?;
    Ok(Some(element.bytes))
}

/// An element on its way.
struct Moved {
    bytes: SmallVec<[u8; 64]>,
    is_int: bool,
}

impl Moved {
    /// What it counts for when the destination gets ready: Redis holds a number as such, without a text to count.
    fn grows_by(&self) -> usize {
        if self.is_int { 0 } else { self.bytes.len() }
    }
}

/// A copy of the element at an end of the list under `key`.
fn end_element(cx: &mut WriteCx<'_, '_>, key: Key<'_>, end: End) -> Result<Option<Moved>, CmdError> {
    if !cx.holds::<List>(key)? {
        return Ok(None);
    }
    let list = cx.peek(key).and_then(collection_of::<List>);
    Ok(list.and_then(|list| list.end(end)).map(|element| Moved {
        is_int: matches!(element, Element::Int(_)),
        bytes: SmallVec::from_slice(element.bytes(&mut Digits::new())),
    }))
}

/// Source and destination are the same list.
fn rotate(
    cx: &mut WriteCx<'_, '_>,
    key: Key<'_>,
    element: &Moved,
    limits: Limits,
    from: End,
    to: End,
) -> Result<(), CmdError> {
    cx.edit(key, |entry| {
        if let Some(list) = entry.value_mut::<List>()? {
            list.take(from, |_| ());
            list.grow(limits, || element.grows_by(), 1);
            list.push(to, &element.bytes);
            list.shrink(limits);
        }
        Ok(((), pushed(to).and(EventClass::List, popped_event(from))))
    })
}
