//! BITOP: strings combined bit by bit into a new one.
//!
//! ```text
//! SET a "\x0f"     SET b "\xf3\x01"     BITOP AND c a b → 2, and c is "\x03\x00"     BITOP NOT c a → 1
//! ```
//!
//! The result is as long as the longest source; missing keys are empty. An empty result deletes the destination.

use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::ds::bits::{self, Operation};
use crate::keyspace::entry::StringRef;
use crate::keyspace::{Effect, EventClass, Ttl};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use crate::value::LongString;

pub const COMMANDS: &[Command] = &[Command::write("bitop", -4, bitop)
    .doc(
        Group::Bitmap,
        "2.6.0",
        "Combines strings bit by bit and stores the result.",
        "O(N) in the length of the longest string, times the number of strings.",
    )
    .flags(CommandFlags::DENYOOM)
    .keys(&[
        KeySpec::one(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::range(3, -1, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
    ])
    .args(&[
        Arg::oneof(
            "operation",
            &[
                Arg::token("and", "AND"),
                Arg::token("or", "OR"),
                Arg::token("xor", "XOR"),
                Arg::token("not", "NOT"),
            ],
        ),
        Arg::key("destkey", 0),
        Arg::key("key", 1).multiple(),
    ])];

fn bitop(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const ONE_SOURCE: CmdError = CmdError::text("ERR BITOP NOT must be called with a single source key.");
    let operation = operation(req.arg(1))?;
    let (destination, sources) = (req.key(0)?, req.keys().get(1..).unwrap_or_default());
    if operation == Operation::Not && sources.len() != 1 {
        return Err(ONE_SOURCE);
    }
    let sources: Vec<Source> = sources
        .iter()
        .map(|key| Ok(cx.string(*key)?.map_or(Source::Short(Vec::new()), Source::of)))
        .collect::<Result<_, CmdError>>()?;
    let slices: Vec<&[u8]> = sources.iter().map(Source::bytes).collect();
    let result = bits::combine(operation, &slices);
    let len = result.len();
    if result.is_empty() {
        cx.empty_destination(destination);
    } else {
        cx.edit(destination, |entry| {
            entry.set_string_owned(result, Ttl::Clear);
            Ok(((), Effect::event(EventClass::String, "set")))
        })?;
    }
    Ok(reply.count(len))
}

fn operation(word: &[u8]) -> Result<Operation, CmdError> {
    let words =
        [("and", Operation::And), ("or", Operation::Or), ("xor", Operation::Xor), ("not", Operation::Not)];
    let found = words.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, operation)| operation).ok_or(CmdError::Syntax)
}

/// A source, held while others are looked up: long ones by reference.
enum Source {
    Short(Vec<u8>),
    Long(LongString),
}

impl Source {
    fn of(string: StringRef<'_>) -> Source {
        match string {
            StringRef::Inline(bytes) => Source::Short(bytes.to_vec()),
            StringRef::Long(long) => Source::Long(LongString::clone(long)),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Source::Short(bytes) => bytes,
            Source::Long(long) => long,
        }
    }
}
