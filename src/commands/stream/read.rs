//! XREAD, and what it shares with XREADGROUP: the options, and where the keys stand.
//!
//! ```text
//! XREAD      [COUNT n] [BLOCK ms]                                STREAMS key … id …
//! XREADGROUP [COUNT n] [BLOCK ms] GROUP group consumer [NOACK]   STREAMS key … id …
//! ```
//!
//! The keys are found by walking the options as the handler does, not by looking for the word STREAMS, which may also
//! be the name of a consumer: so the keys that are locked and checked are those that are read.
//!
//! With BLOCK a request that finds nothing waits (see [`crate::dispatch::wait`]). What `$` meant when it began counts then,
//! so the request that waits has the id in its place.

use std::time::Duration;

use smallvec::SmallVec;

use super::{stream_id, write_entries};
use crate::base::clock::UnixMs;
use crate::dispatch::options::int;
use crate::dispatch::wait::{Awaited, timeout_millis};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request};
use crate::keyspace::Key;
use crate::keyspace::entry::collection_of;
use crate::resp::{Args, OwnedArgs, Proto, Writer};
use crate::spec::keys::{BeginSearch, FindKeys, InvalidKeys};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::Kind;
use crate::value::stream::{IdText, Log, Stream, StreamId};

pub const COMMANDS: &[Command] = &[Command::read("xread", -4, xread)
    .doc(Group::Stream, "5.0.0", "Returns entries of streams behind the ids given.", "")
    .flags(CommandFlags::BLOCKING.union(CommandFlags::MOVABLE_KEYS))
    .keys(&[streams_spec(1)])
    .key_walker(walk_streams)
    .args(&[
        Arg::integer("count").with_token("COUNT").optional(),
        Arg::integer("milliseconds").with_token("BLOCK").optional(),
        STREAMS_ARG,
    ])];

pub(super) const STREAMS_ARG: Arg =
    Arg::block("streams", &[Arg::key("key", 0).multiple(), Arg::string("id").multiple()])
        .with_token("STREAMS");

/// The first half of what stands behind STREAMS.
pub(super) const fn streams_spec(start_from: i32) -> KeySpec {
    KeySpec {
        begin: BeginSearch::Keyword { word: "STREAMS", start_from },
        find: FindKeys::Range { last: -1, step: 1, limit: 2 },
        flags: KeyFlags::RO.union(KeyFlags::ACCESS),
        notes: "",
    }
}

/// Visits the keys of both commands.
pub(super) fn walk_streams(
    args: &Args<'_>,
    visit: &mut dyn FnMut(usize, KeyFlags),
) -> Result<(), InvalidKeys> {
    // What is malformed has no keys; the handler will say what is wrong.
    let mut at = 1;
    while let Some(word) = args.get(at) {
        let rest = args.len() - at - 1;
        match OptionWord::of(word) {
            Some(OptionWord::Block | OptionWord::Count) if rest >= 1 => at += 2,
            Some(OptionWord::Group) if rest >= 2 => at += 3,
            Some(OptionWord::NoAck) => at += 1,
            Some(OptionWord::Streams) => {
                let flags = KeyFlags::RO.union(KeyFlags::ACCESS);
                (at + 1..=at + rest / 2).for_each(|position| visit(position, flags));
                return Ok(());
            }
            _ => return Ok(()),
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OptionWord {
    Block,
    Count,
    Streams,
    Group,
    NoAck,
}

impl OptionWord {
    fn of(word: &[u8]) -> Option<OptionWord> {
        const WORDS: [(&str, OptionWord); 5] = [
            ("BLOCK", OptionWord::Block),
            ("COUNT", OptionWord::Count),
            ("STREAMS", OptionWord::Streams),
            ("GROUP", OptionWord::Group),
            ("NOACK", OptionWord::NoAck),
        ];
        let found = WORDS.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(found.1)
    }
}

/// What a request to read says.
pub(super) struct ReadOptions<'a> {
    /// The most entries of each stream.
    pub most: usize,
    /// Group and consumer.
    pub group: Option<(&'a [u8], &'a [u8])>,
    pub no_ack: bool,
    /// Whether to wait, and how long at most.
    pub block: Option<Option<Duration>>,
    /// One for each key.
    pub ids: SmallVec<[&'a [u8]; 4]>,
}

impl<'a> ReadOptions<'a> {
    pub fn parse(args: &Args<'a>, is_group: bool, now: UnixMs) -> Result<ReadOptions<'a>, CmdError> {
        const GROUP: CmdError =
            CmdError::text("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
        const NO_ACK: CmdError =
            CmdError::text("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
        const MISSING: CmdError = CmdError::text("ERR Missing GROUP option for XREADGROUP");
        let mut options =
            ReadOptions { most: usize::MAX, group: None, no_ack: false, block: None, ids: SmallVec::new() };
        let mut cursor = args.cursor(1);
        while let Some(word) = cursor.next() {
            let rest = cursor.remaining();
            match OptionWord::of(word) {
                Some(OptionWord::Block) if rest >= 1 => {
                    options.block = Some(timeout_millis(cursor.next().unwrap_or_default(), now)?);
                }
                Some(OptionWord::Count) if rest >= 1 => {
                    let count = int(cursor.next().unwrap_or_default())?;
                    options.most = usize::try_from(count).ok().filter(|&most| most > 0).unwrap_or(usize::MAX);
                }
                Some(OptionWord::Streams) if rest >= 1 => {
                    if rest % 2 == 1 {
                        return Err(unbalanced(is_group));
                    }
                    options.ids = args.iter().skip(args.len() - rest / 2).collect();
                    break;
                }
                Some(OptionWord::Group) if rest >= 2 => {
                    if !is_group {
                        return Err(GROUP);
                    }
                    options.group =
                        Some((cursor.next().unwrap_or_default(), cursor.next().unwrap_or_default()));
                }
                Some(OptionWord::NoAck) if is_group => options.no_ack = true,
                Some(OptionWord::NoAck) => return Err(NO_ACK),
                _ => return Err(CmdError::Syntax),
            }
        }
        if options.ids.is_empty() {
            return Err(CmdError::Syntax);
        }
        if is_group && options.group.is_none() {
            return Err(MISSING);
        }
        Ok(options)
    }
}

fn unbalanced(is_group: bool) -> CmdError {
    CmdError::text(match is_group {
        true => {
            "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."
        }
        false => {
            "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified."
        }
    })
}

fn xread(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let options = ReadOptions::parse(&req.args, false, cx.now())?;
    let mut wanted: SmallVec<[(Key<'_>, StreamId); 4]> = SmallVec::new();
    for (index, id) in options.ids.iter().enumerate() {
        let key = req.key(index)?;
        let log = cx.value::<Stream>(key)?.map(Stream::log);
        wanted.push((key, behind(id, log)?));
    }
    let resolved = wanted.clone();
    for (index, &(key, id)) in resolved.iter().enumerate().rev() {
        let log = cx.value::<Stream>(key)?.map(Stream::log);
        if !log.is_some_and(|log| !log.is_empty() && log.top_id() > id) {
            wanted.remove(index);
        }
    }
    if wanted.is_empty() {
        let Some(timeout) = options.block else { return Ok(reply.null_array()) };
        let awaited =
            Awaited { again: Some(with_ids(req, &resolved)), ..Awaited::value(Kind::Stream, timeout) };
        return Ok(cx.wait(reply, awaited, ReplySlot::null_array));
    }
    Ok(reply.write(|writer| {
        match writer.proto() {
            Proto::Resp2 => writer.array(wanted.len()),
            Proto::Resp3 => writer.map(wanted.len()),
        }
        for (key, id) in wanted {
            write_stream_name(writer, key);
            let stream = cx.look(key).and_then(collection_of::<Stream>);
            let (log, start) = (stream.map(Stream::log), id.next().unwrap_or(StreamId::MAX));
            let entries = log.into_iter().flat_map(|log| log.range(start, StreamId::MAX));
            write_entries(writer, entries, options.most);
        }
    }))
}

/// The request with an id in place of every `$`.
fn with_ids(req: &Request<'_>, resolved: &[(Key<'_>, StreamId)]) -> OwnedArgs {
    let first = req.len() - resolved.len();
    let ids: SmallVec<[IdText; 4]> = resolved.iter().map(|(_, id)| id.text()).collect();
    let args = req.args.iter().enumerate().map(|(index, arg)| {
        match index.checked_sub(first).and_then(|index| ids.get(index)) {
            Some(id) if arg == b"$" => &**id,
            _ => arg,
        }
    });
    OwnedArgs::from_slices(args)
}

/// The id behind which XREAD reads.
fn behind(arg: &[u8], log: Option<&Log>) -> Result<StreamId, CmdError> {
    const NEW: CmdError = CmdError::text(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
    );
    match arg {
        b"$" => Ok(log.map_or(StreamId::MIN, Log::last_id)),
        // Before the last entry there is.
        b"+" => Ok(log.and_then(|log| log.top_id().prev()).unwrap_or(StreamId::MIN)),
        b">" => Err(NEW),
        id => stream_id(id),
    }
}

/// Begins what is told of one stream: the entries must follow.
pub(super) fn write_stream_name(writer: &mut Writer<'_>, key: Key<'_>) {
    if writer.proto() == Proto::Resp2 {
        writer.array(2);
    }
    writer.bulk(key.bytes());
}
