//! XLEN, XRANGE and XREVRANGE.

use super::{interval_end, interval_start, write_entries};
use crate::dispatch::options::int_value;
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request};
use crate::resp::Args;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::stream::Stream;

pub const COMMANDS: &[Command] = &[
    Command::read("xlen", 2, xlen)
        .doc(Group::Stream, "5.0.0", "Returns the number of entries of a stream.", "O(1)")
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RO)])
        .args(&[Arg::key("key", 0)]),
    Command::read("xrange", -4, xrange)
        .doc(
            Group::Stream,
            "5.0.0",
            "Returns the entries with ids in a range.",
            "O(log(N)+M), M being the number of entries returned.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::string("start"),
            Arg::string("end"),
            Arg::integer("count").with_token("COUNT").optional(),
        ]),
    Command::read("xrevrange", -4, xrevrange)
        .doc(
            Group::Stream,
            "5.0.0",
            "Returns the entries with ids in a range, newest first.",
            "O(log(N)+M), M being the number of entries returned.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::string("end"),
            Arg::string("start"),
            Arg::integer("count").with_token("COUNT").optional(),
        ]),
];

fn xlen(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let len = cx.value::<Stream>(req.key(0)?)?.map_or(0, |stream| stream.log().len());
    Ok(reply.write(|writer| writer.uint(len)))
}

fn xrange(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    range(cx, req, reply, false)
}

fn xrevrange(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    range(cx, req, reply, true)
}

fn range(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, is_reversed: bool) -> Outcome {
    let (first, second) = (req.arg(2), req.arg(3));
    let (start, end) = if is_reversed { (second, first) } else { (first, second) };
    let (start, end) = (interval_start(start)?, interval_end(end)?);
    let count = count(&req.args, 4)?;
    let Some(stream) = cx.value::<Stream>(req.key(0)?)? else {
        return Ok(reply.write(|writer| writer.array(0)));
    };
    if count == Some(0) {
        return Ok(reply.null_array());
    }
    let (log, most) = (stream.log(), count.unwrap_or(usize::MAX));
    Ok(reply.write(|writer| match is_reversed {
        false => write_entries(writer, log.range(start, end), most),
        true => write_entries(writer, log.range_back(start, end), most),
    }))
}

/// COUNT among the arguments from `index` on; a negative one is 0.
fn count(args: &Args<'_>, index: usize) -> Result<Option<usize>, CmdError> {
    let (mut cursor, mut count) = (args.cursor(index), None);
    while cursor.peek().is_some() {
        if !cursor.take_word("count") {
            return Err(CmdError::Syntax);
        }
        count = Some(usize::try_from(int_value(&mut cursor)?).unwrap_or(0));
    }
    Ok(count)
}
