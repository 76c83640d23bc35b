//! Searching: GEOSEARCH, GEOSEARCHSTORE.

use super::query::Form;
use super::{UNITS, results};
use crate::dispatch::{Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};

const COMPLEXITY: &str = "O(N+log(M)), N being the number of places in the cells of the grid around the shape and M \
                          the number of places in the sorted set.";

const FROM: Arg = Arg::oneof(
    "from",
    &[
        Arg::string("member").with_token("FROMMEMBER"),
        Arg::block("fromlonlat", &[Arg::double("longitude"), Arg::double("latitude")])
            .with_token("FROMLONLAT"),
    ],
);
const BY: Arg = Arg::oneof(
    "by",
    &[
        Arg::block("circle", &[Arg::double("radius").with_token("BYRADIUS"), Arg::oneof("unit", UNITS)]),
        Arg::block(
            "box",
            &[Arg::double("width").with_token("BYBOX"), Arg::double("height"), Arg::oneof("unit", UNITS)],
        ),
    ],
);
const ORDER: Arg = Arg::oneof("order", &[Arg::token("asc", "ASC"), Arg::token("desc", "DESC")]).optional();
const COUNT: Arg = Arg::block(
    "count-block",
    &[Arg::integer("count").with_token("COUNT"), Arg::token("any", "ANY").optional()],
)
.optional();

pub const COMMANDS: &[Command] = &[
    Command::read("geosearch", -7, geosearch)
        .doc(Group::Geo, "6.2.0", "Returns the places within a circle or a rectangle.", COMPLEXITY)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            FROM,
            BY,
            ORDER,
            COUNT,
            Arg::token("withcoord", "WITHCOORD").optional(),
            Arg::token("withdist", "WITHDIST").optional(),
            Arg::token("withhash", "WITHHASH").optional(),
        ]),
    Command::write("geosearchstore", -8, geosearchstore)
        .doc(Group::Geo, "6.2.0", "Stores the places within a circle or a rectangle.", COMPLEXITY)
        .flags(CommandFlags::DENYOOM)
        .keys(&[
            KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
            KeySpec::one(2, KeyFlags::RO.union(KeyFlags::ACCESS)),
        ])
        .args(&[
            Arg::key("destination", 0),
            Arg::key("source", 1),
            FROM,
            BY,
            ORDER,
            COUNT,
            Arg::token("storedist", "STOREDIST").optional(),
        ]),
];

fn geosearch(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    results::answer(cx, req, reply, Form::Search)
}

fn geosearchstore(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    results::search_and_store(cx, req, reply)
}
