//! SSCAN: the members of a set in small steps.
//!
//! ```text
//! SSCAN s 0 COUNT 100 → [cursor, members]; with that cursor on, until it is 0 again
//! ```
//!
//! A small set comes as a whole, whatever the cursor. In a table the cursor is a position in hash space, which
//! survives growing and shrinking.

use crate::commands::scan::{Page, ScanOf, ScanOptions, cursor_of};
use crate::dispatch::{Command, Outcome, ReadCx, ReplySlot, Request};
use crate::ds::listpack::Digits;
use crate::spec::{Arg, Group, KeyFlags, KeySpec};
use crate::value::set::Set;

pub const COMMANDS: &[Command] = &[Command::read("sscan", -3, sscan)
    .doc(
        Group::Set,
        "2.8.0",
        "Walks over the members of a set in small steps.",
        "O(1) per call, O(N) for the whole walk.",
    )
    .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
    .tips(&["nondeterministic_output"])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("cursor"),
        Arg::pattern("pattern").with_token("MATCH").optional(),
        Arg::integer("count").with_token("COUNT").optional(),
    ])];

fn sscan(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let cursor = cursor_of(req.arg(2))?;
    let mut page = Page::default();
    let Some(set) = cx.value::<Set>(req.key(0)?)? else { return Ok(page.reply(reply)) };
    let options = ScanOptions::parse(&mut req.args.cursor(3), ScanOf::Members)?;
    let elements = &mut page.elements;
    let mut visit = |member: &[u8]| {
        if options.is_match(member) {
            elements.push(member);
        }
    };
    match set {
        Set::Table(table) => {
            page.next = table.scan_page(cursor, options.count, |member| visit(member.key()));
        }
        small => small.iter().for_each(|member| visit(member.bytes(&mut Digits::new()))),
    }
    Ok(page.reply(reply))
}
