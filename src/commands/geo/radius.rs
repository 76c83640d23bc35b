//! The older searches, with what GEOSEARCH is told by words in fixed places: GEORADIUS, GEORADIUSBYMEMBER, and the
//! forms of both that can't store.
//!
//! Where STORE and STOREDIST are both given, the last one counts; all their keys are announced.

use super::query::Form;
use super::{UNITS, results};
use crate::dispatch::{Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::resp::Args;
use crate::spec::keys::{BeginSearch, FindKeys, InvalidKeys};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};

const COMPLEXITY: &str = "O(N+log(M)), N being the number of places in the cells of the grid around the circle and M \
                          the number of places in the sorted set.";

const RADIUS: Arg = Arg::double("radius");
const UNIT: Arg = Arg::oneof("unit", UNITS);
const WITHCOORD: Arg = Arg::token("withcoord", "WITHCOORD").optional();
const WITHDIST: Arg = Arg::token("withdist", "WITHDIST").optional();
const WITHHASH: Arg = Arg::token("withhash", "WITHHASH").optional();
const ORDER: Arg = Arg::oneof("order", &[Arg::token("asc", "ASC"), Arg::token("desc", "DESC")]).optional();
const STORE: Arg = Arg::oneof(
    "store",
    &[
        Arg::key("storekey", 1).with_token("STORE").display("key"),
        Arg::key("storedistkey", 2).with_token("STOREDIST").display("key"),
    ],
)
.optional();

/// COUNT of GEORADIUS, which is older than its ANY.
const COUNT: Arg = Arg::block(
    "count-block",
    &[Arg::integer("count").with_token("COUNT"), Arg::token("any", "ANY").since("6.2.0").optional()],
)
.optional();
const COUNT_BY_MEMBER: Arg = Arg::block(
    "count-block",
    &[Arg::integer("count").with_token("COUNT"), Arg::token("any", "ANY").optional()],
)
.optional();

const SOURCE: KeySpec = KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS));
const DESTINATION_FLAGS: KeyFlags = KeyFlags::OW.union(KeyFlags::UPDATE);

/// A key behind a word.
const fn destination(word: &'static str, start_from: i32) -> KeySpec {
    KeySpec {
        begin: BeginSearch::Keyword { word, start_from },
        find: FindKeys::Range { last: 0, step: 1, limit: 0 },
        flags: DESTINATION_FLAGS,
        notes: "",
    }
}

pub const COMMANDS: &[Command] = &[
    Command::write("georadius", -6, georadius)
        .doc(Group::Geo, "3.2.0", "Returns or stores the places around a point.", COMPLEXITY)
        .flags(CommandFlags::DENYOOM.union(CommandFlags::MOVABLE_KEYS))
        .keys(&[SOURCE, destination("STORE", 6), destination("STOREDIST", 6)])
        .args(&[
            Arg::key("key", 0),
            Arg::double("longitude"),
            Arg::double("latitude"),
            RADIUS,
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT,
            ORDER,
            STORE,
        ])
        .key_walker(keys_of_georadius)
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"),
    Command::read("georadius_ro", -6, georadius_ro)
        .doc(Group::Geo, "3.2.10", "Returns the places around a point.", COMPLEXITY)
        .keys(&[SOURCE])
        .args(&[
            Arg::key("key", 0),
            Arg::double("longitude"),
            Arg::double("latitude"),
            RADIUS,
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT,
            ORDER,
        ])
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"),
    Command::write("georadiusbymember", -5, georadiusbymember)
        .doc(Group::Geo, "3.2.0", "Returns or stores the places around one of them.", COMPLEXITY)
        .flags(CommandFlags::DENYOOM.union(CommandFlags::MOVABLE_KEYS))
        .keys(&[SOURCE, destination("STORE", 5), destination("STOREDIST", 5)])
        .args(&[
            Arg::key("key", 0),
            Arg::string("member"),
            RADIUS,
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT_BY_MEMBER,
            ORDER,
            STORE,
        ])
        .key_walker(keys_of_georadiusbymember)
        .deprecated(
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        ),
    Command::read("georadiusbymember_ro", -5, georadiusbymember_ro)
        .doc(Group::Geo, "3.2.10", "Returns the places around one of them.", COMPLEXITY)
        .keys(&[SOURCE])
        .args(&[
            Arg::key("key", 0),
            Arg::string("member"),
            RADIUS,
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT_BY_MEMBER,
            ORDER,
        ])
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"),
];

fn keys_of_georadius(args: &Args<'_>, visit: &mut dyn FnMut(usize, KeyFlags)) -> Result<(), InvalidKeys> {
    keys(args, 6, visit)
}

fn keys_of_georadiusbymember(
    args: &Args<'_>,
    visit: &mut dyn FnMut(usize, KeyFlags),
) -> Result<(), InvalidKeys> {
    keys(args, 5, visit)
}

/// The source, and what stands behind each STORE, then behind each STOREDIST, among the options.
fn keys(args: &Args<'_>, first: usize, visit: &mut dyn FnMut(usize, KeyFlags)) -> Result<(), InvalidKeys> {
    visit(1, KeyFlags::RO.union(KeyFlags::ACCESS));
    for word in ["STORE", "STOREDIST"] {
        for at in first..args.len().saturating_sub(1) {
            if args.at(at).eq_ignore_ascii_case(word.as_bytes()) {
                visit(at + 1, DESTINATION_FLAGS);
            }
        }
    }
    Ok(())
}

fn georadius(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    results::answer_or_store(cx, req, reply, Form::Coordinates)
}

fn georadius_ro(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    results::answer(cx, req, reply, Form::Coordinates)
}

fn georadiusbymember(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    results::answer_or_store(cx, req, reply, Form::Member)
}

fn georadiusbymember_ro(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    results::answer(cx, req, reply, Form::Member)
}
