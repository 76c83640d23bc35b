//! Elements by index or by value: LINDEX, LSET, LINSERT, LREM.
//!
//! ```text
//! RPUSH l a b a c     LINDEX l -1 → c     LSET l 1 x     LINSERT l AFTER x y     LREM l -1 a → 1: a x y c
//! ```

use super::{index_in, limits, write_element};
use crate::base::num::parse_i64;
use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::ds::listpack::Element;
use crate::keyspace::{Effect, EventClass};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::list::{End, List};

pub const COMMANDS: &[Command] = &[
    Command::read("lindex", 3, lindex)
        .doc(
            Group::List,
            "1.0.0",
            "Returns the element with an index; negative ones count from the back.",
            "O(log(N)) with N elements in the list; O(1) at the ends.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::integer("index")]),
    Command::write("lset", 4, lset)
        .doc(
            Group::List,
            "1.0.0",
            "Puts another element in the place of the one with an index.",
            "O(log(N)) with N elements in the list; O(1) at the ends.",
        )
        .flags(CommandFlags::DENYOOM)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .args(&[Arg::key("key", 0), Arg::integer("index"), Arg::string("element")]),
    Command::write("linsert", 5, linsert)
        .doc(
            Group::List,
            "2.2.0",
            "Inserts an element before or behind the first one that equals the pivot.",
            "O(N) in the number of elements before the pivot.",
        )
        .flags(CommandFlags::DENYOOM)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))])
        .args(&[
            Arg::key("key", 0),
            Arg::oneof("where", &[Arg::token("before", "BEFORE"), Arg::token("after", "AFTER")]),
            Arg::string("pivot"),
            Arg::string("element"),
        ]),
    Command::write("lrem", 4, lrem)
        .doc(
            Group::List,
            "1.0.0",
            "Removes elements that equal one: up to a number of them from the front, or from the back when it is \
             negative, or all when it is 0.",
            "O(N) in the length of the list.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))])
        .args(&[Arg::key("key", 0), Arg::integer("count"), Arg::string("element")]),
];

fn lindex(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let Some(list) = cx.value::<List>(req.key(0)?)? else { return Ok(reply.null()) };
    let index = index_in(int(req.arg(2))?, list.len());
    Ok(reply.write(|w| match index.and_then(|index| list.get(index)) {
        Some(element) => write_element(w, element),
        None => w.null(),
    }))
}

fn lset(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const OUT_OF_RANGE: CmdError = CmdError::text("ERR index out of range");
    let limits = limits(cx.config);
    let element = req.arg(3);
    let is_set = cx.edit(req.key(0)?, |entry| {
        if entry.value::<List>()?.is_none() {
            return Err(CmdError::NoSuchKey);
        }
        let index = int(req.arg(2))?;
        let Some(list) = entry.value_mut::<List>()? else { return Err(CmdError::NoSuchKey) };
        // As Redis: the form changes before the index is looked at.
        list.grow(limits, || element.len(), 1);
        let is_set = index_in(index, list.len()).is_some_and(|index| list.set(index, element));
        if !is_set {
            return Ok((false, Effect::NONE));
        }
        list.shrink(limits);
        Ok((true, Effect::event(EventClass::List, "lset")))
    })?;
    if is_set { Ok(reply.ok()) } else { Err(OUT_OF_RANGE) }
}

fn linsert(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let behind = match req.arg(2) {
        word if word.eq_ignore_ascii_case(b"AFTER") => true,
        word if word.eq_ignore_ascii_case(b"BEFORE") => false,
        _ => return Err(CmdError::Syntax),
    };
    let limits = limits(cx.config);
    let (pivot, element) = (req.arg(3), req.arg(4));
    let len = cx.edit(req.key(0)?, |entry| {
        let Some(list) = entry.value_mut::<List>()? else { return Ok((0, Effect::NONE)) };
        // As Redis: the form changes whether or not the pivot is found.
        list.grow(limits, || element.len(), 1);
        let Some(index) = position(list, pivot) else { return Ok((-1, Effect::NONE)) };
        list.insert(index, behind, element);
        Ok((list.len() as i64, Effect::event(EventClass::List, "linsert")))
    })?;
    Ok(reply.int(len))
}

/// Index of the first element that equals `bytes`.
fn position(list: &List, bytes: &[u8]) -> Option<usize> {
    let needle = Needle::new(bytes);
    list.iter_from(0).position(|element| needle.is(element))
}

/// Bytes to compare elements with, read as a number once.
pub(super) struct Needle<'a> {
    bytes: &'a [u8],
    int: Option<i64>,
}

impl<'a> Needle<'a> {
    pub fn new(bytes: &'a [u8]) -> Needle<'a> {
        Needle { bytes, int: parse_i64(bytes) }
    }

    #[inline]
    pub fn is(&self, element: Element<'_>) -> bool {
        match element {
            Element::Text(text) => self.int.is_none() && text == self.bytes,
            Element::Int(number) => self.int == Some(number),
        }
    }
}

fn lrem(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let count = bounded_int(req.arg(2))?;
    let (from, most) = match usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) {
        0 => (End::Front, usize::MAX),
        most => (if count < 0 { End::Back } else { End::Front }, most),
    };
    let limits = limits(cx.config);
    let removed = cx.edit(req.key(0)?, |entry| {
        let Some(list) = entry.value_mut::<List>()? else { return Ok((0, Effect::NONE)) };
        let removed = list.remove_equal(req.arg(3), most, from);
        if removed == 0 {
            return Ok((0, Effect::NONE));
        }
        list.shrink(limits);
        Ok((
            removed,
            Effect::event(EventClass::List, "lrem").changes(super::pop::changes(removed)).events_first(),
        ))
    })?;
    Ok(reply.count(removed))
}

/// A number whose opposite is one too.
pub(super) fn bounded_int(arg: &[u8]) -> Result<i64, CmdError> {
    const OUT_OF_RANGE: CmdError = CmdError::text(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    match int(arg)? {
        i64::MIN => Err(OUT_OF_RANGE),
        number => Ok(number),
    }
}
