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
use crate::commands::scan::{Page, ScanOf, ScanOptions, cursor_of};
use crate::dispatch::{Command, Outcome, ReadCx, ReplySlot, Request};
use crate::keyspace::Entry;
use crate::keyspace::entry::kind_of;
use crate::spec::{AclCategories, Arg, CommandFlags, Group};

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

fn scan(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let start = cursor_of(req.arg(1))?;
    let options = ScanOptions::parse(&mut req.args.cursor(2), ScanOf::Keys)?;
    let db = cx.db();
    let mut page = Page::default();
    let mut expired: Vec<Box<[u8]>> = Vec::new();
    let view = cx.keyspace();
    page.next = view.scan(db, start, options.count, |entry, is_expired| {
        if !options.is_match(entry.key()) {
            return;
        }
        if is_expired {
            expired.push(entry.key().into());
        } else if options.kind.includes(kind_of(entry)) {
            page.elements.push(entry.key());
        }
    });
    // Keys that match and have expired are removed, as by any other look at them.
    for name in &expired {
        let key = view.keyspace().key(name);
        view.peek(db, key);
    }
    Ok(page.reply(reply))
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
