//! Commands about all keys of a database: KEYS, SCAN, RANDOMKEY, DBSIZE.
//!
//! ```text
//! SCAN 0 COUNT 100      → [cursor, keys]; with that cursor on, until it is 0 again
//! ```
//!
//! A cursor is a position in hash space (see [`crate::keyspace::scan`]); it holds no state in the server, and any
//! number is a valid one. KEYS and SCAN never show a key that is behind its deadline; DBSIZE counts it until it
//! is removed, as Redis does.

use crate::base::glob::Pattern;
use crate::base::num::parse_u64;
use crate::dispatch::options::{int_value, value};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request};
use crate::keyspace::Entry;
use crate::keyspace::entry::kind_of;
use crate::resp::Cursor;
use crate::spec::{AclCategories, Arg, CommandFlags, Group};
use crate::value::Kind;

pub const COMMANDS: &[Command] = &[
    Command::read("keys", 2, keys)
        .whole_keyspace()
        .doc(
            Group::Generic,
            "1.0.0",
            "Returns all keys that match a pattern.",
            "O(N) in the number of keys of the database.",
        )
        .acl(AclCategories::DANGEROUS.union(AclCategories::KEYSPACE))
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .args(&[Arg::pattern("pattern")]),
    Command::read("scan", -2, scan)
        .whole_keyspace()
        .doc(
            Group::Generic,
            "2.8.0",
            "Walks over the keys of the database in small steps.",
            "O(1) per call, O(N) for the whole walk.",
        )
        .acl(AclCategories::KEYSPACE)
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])
        .args(&[
            Arg::integer("cursor"),
            Arg::pattern("pattern").with_token("MATCH").optional(),
            Arg::integer("count").with_token("COUNT").optional(),
            Arg::string("type").with_token("TYPE").since("6.0.0").optional(),
        ]),
    Command::read("randomkey", 1, randomkey)
        .whole_keyspace()
        .doc(Group::Generic, "1.0.0", "Returns a random key of the database.", "O(1)")
        .acl(AclCategories::KEYSPACE)
        .tips(&["request_policy:all_shards", "response_policy:special", "nondeterministic_output"]),
    Command::read("dbsize", 1, dbsize)
        .whole_keyspace()
        .doc(Group::Server, "1.0.0", "Returns the number of keys in the database.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::KEYSPACE)
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"]),
];

fn keys(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let pattern = Pattern::new(req.arg(1));
    let db = cx.db();
    let view = cx.keyspace();
    if let Some(name) = pattern.literal() {
        // Only one key can match, and it is found without a walk.
        let key = view.keyspace().key(name);
        let found = view.peek(db, key).map(|_| name);
        return Ok(reply.bulks(found.as_slice()));
    }
    let is_match = |entry: &Entry| pattern.matches_everything() || pattern.matches(entry.key());
    Ok(reply.write(|writer| {
        writer.array_counted(|writer| {
            let mut count = 0;
            view.for_each(db, |entry| {
                if is_match(entry) {
                    count += 1;
                    writer.bulk(entry.key());
                }
            });
            count
        });
    }))
}

/// What SCAN looks for.
struct ScanOptions {
    pattern: Option<Pattern>,
    count: usize,
    kind: KindFilter,
}

enum KindFilter {
    Any,
    Only(Kind),
    /// A type that we don't know: no key has it.
    Unknown,
}

impl ScanOptions {
    fn parse(cursor: &mut Cursor<'_>) -> Result<ScanOptions, CmdError> {
        const COUNT_DEFAULT: usize = 10;
        const NO_VALUES: CmdError = CmdError::text("ERR NOVALUES option can only be used in HSCAN");
        let mut options = ScanOptions { pattern: None, count: COUNT_DEFAULT, kind: KindFilter::Any };
        while cursor.remaining() > 0 {
            if cursor.take_word("COUNT") {
                let count = int_value(cursor)?;
                options.count =
                    usize::try_from(count).ok().filter(|&count| count > 0).ok_or(CmdError::Syntax)?;
            } else if cursor.take_word("MATCH") {
                options.pattern =
                    Some(Pattern::new(value(cursor)?)).filter(|pattern| !pattern.matches_everything());
            } else if cursor.take_word("TYPE") {
                options.kind = Kind::from_word(value(cursor)?).map_or(KindFilter::Unknown, KindFilter::Only);
            } else if cursor.take_word("NOVALUES") {
                return Err(NO_VALUES);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }

    fn is_match(&self, entry: &Entry) -> bool {
        let is_kind = match self.kind {
            KindFilter::Any => true,
            KindFilter::Only(kind) => kind_of(entry) == kind,
            KindFilter::Unknown => false,
        };
        is_kind && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(entry.key()))
    }
}

fn scan(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let start = parse_u64(req.arg(1)).ok_or(CmdError::InvalidCursor)?;
    let options = ScanOptions::parse(&mut req.args.cursor(2))?;
    let db = cx.db();
    // The cursor stands before the keys, so they wait: names end to end, and where each one ends.
    let (mut names, mut ends) = (Vec::new(), Vec::new());
    let next = cx.keyspace().scan(db, start, options.count, |entry, is_expired| {
        if !is_expired && options.is_match(entry) {
            names.extend_from_slice(entry.key());
            ends.push(names.len());
        }
    });
    Ok(reply.write(|writer| {
        writer.array(2);
        writer.bulk(itoa::Buffer::new().format(next).as_bytes());
        writer.array(ends.len());
        let mut begin = 0;
        for end in ends {
            writer.bulk(names.get(begin..end).unwrap_or_default());
            begin = end;
        }
    }))
}

fn randomkey(cx: &mut ReadCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let db = cx.db();
    Ok(match cx.keyspace().random(db) {
        Some(entry) => reply.bulk(entry.key()),
        None => reply.null(),
    })
}

fn dbsize(cx: &mut ReadCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let db = cx.db();
    Ok(reply.count(cx.keyspace().len(db)))
}
