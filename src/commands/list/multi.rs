//! LMPOP: elements of the first list of several that is there.
//!
//! ```text
//! RPUSH b 1 2 3     LMPOP 2 a b RIGHT COUNT 2 → b, 3 2          journal: RPOP b 2
//! ```

use super::pop::{changes, pop_many, popped};
use super::{end_of, limits};
use crate::base::num::parse_i64;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx, options};
use crate::keyspace::{Effect, Key};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::list::{End, List};

pub const COMMANDS: &[Command] = &[Command::write("lmpop", -4, lmpop)
    .doc(
        Group::List,
        "7.0.0",
        "Takes elements from an end of the first list that is there, and tells its key.",
        "O(N+M) with N keys and M elements returned.",
    )
    .flags(CommandFlags::MOVABLE_KEYS)
    .keys(&[KeySpec::counted(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))])
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::oneof("where", &[Arg::token("left", "LEFT"), Arg::token("right", "RIGHT")]),
        Arg::integer("count").with_token("COUNT").optional(),
    ])];

fn lmpop(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (end, count) = parse(req, 1)?;
    for key in req.keys() {
        if cx.holds::<List>(*key)? {
            return pop_from(cx, *key, reply, end, count);
        }
    }
    Ok(reply.null_array())
}

/// The end and how many elements; the keys come between number of keys, which is at `count_at`, and end.
pub(super) fn parse(req: &Request<'_>, count_at: usize) -> Result<(End, usize), CmdError> {
    const NO_KEYS: CmdError = CmdError::text("ERR numkeys should be greater than 0");
    const NO_COUNT: CmdError = CmdError::text("ERR count should be greater than 0");
    let positive = |arg: &[u8]| parse_i64(arg).and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
    let keys = positive(req.arg(count_at)).ok_or(NO_KEYS)?;
    let end_at = keys.checked_add(count_at + 1).filter(|&at| at < req.len()).ok_or(CmdError::Syntax)?;
    let end = end_of(req.arg(end_at)).ok_or(CmdError::Syntax)?;
    let mut cursor = req.args.cursor(end_at + 1);
    let mut count = None;
    while let Some(word) = cursor.next() {
        if count.is_some() || !word.eq_ignore_ascii_case(b"COUNT") {
            return Err(CmdError::Syntax);
        }
        count = Some(positive(options::value(&mut cursor)?).ok_or(NO_COUNT)?);
    }
    Ok((end, count.unwrap_or(1)))
}

pub(super) fn pop_from(
    cx: &mut WriteCx<'_, '_>,
    key: Key<'_>,
    reply: ReplySlot<'_>,
    end: End,
    count: usize,
) -> Outcome {
    let limits = limits(cx.config);
    let mut taken = 0;
    let replied = reply.try_write(|w| {
        cx.edit(key, |entry| {
            let Some(list) = entry.value_mut::<List>()? else {
                w.null_array();
                return Ok(((), Effect::NONE));
            };
            w.array(2);
            w.bulk(key.bytes());
            taken = pop_many(list, limits, w, end, count);
            Ok(((), popped(end).changes(changes(taken))))
        })
    })?;
    let name: &[u8] = if end == End::Front { b"LPOP" } else { b"RPOP" };
    cx.rewrite(&[name, key.bytes(), itoa::Buffer::new().format(taken).as_bytes()]);
    Ok(replied)
}
