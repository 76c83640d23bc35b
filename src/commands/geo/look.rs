//! Looking at places by name: GEOPOS, GEODIST, GEOHASH.

use super::{unit_m, write_distance, write_position};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request};
use crate::spec::{Arg, Group, KeyFlags, KeySpec};
use crate::value::geo::Position;
use crate::value::zset::ZSet;

pub const COMMANDS: &[Command] = &[
    Command::read("geopos", -2, geopos)
        .doc(
            Group::Geo,
            "3.2.0",
            "Returns longitude and latitude of places.",
            "O(1) for each place asked for.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::string("member").optional().multiple()]),
    Command::read("geodist", -4, geodist)
        .doc(Group::Geo, "3.2.0", "Returns the distance between two places.", "O(1)")
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[
            Arg::key("key", 0),
            Arg::string("member1"),
            Arg::string("member2"),
            Arg::oneof("unit", super::UNITS).optional(),
        ]),
    Command::read("geohash", -2, geohash)
        .doc(Group::Geo, "3.2.0", "Returns the geohashes of places.", "O(1) for each place asked for.")
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .args(&[Arg::key("key", 0), Arg::string("member").optional().multiple()]),
];

/// Where a member is.
pub(super) fn find(zset: Option<&ZSet>, member: &[u8]) -> Option<Position> {
    zset?.score(member).map(Position::from_score)
}

fn geopos(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let zset = cx.value::<ZSet>(req.key(0)?)?;
    Ok(reply.write(|writer| {
        writer.array(req.len() - 2);
        req.args.iter().skip(2).for_each(|member| write_position(writer, find(zset, member)));
    }))
}

fn geohash(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let zset = cx.value::<ZSet>(req.key(0)?)?;
    Ok(reply.write(|writer| {
        writer.array(req.len() - 2);
        for member in req.args.iter().skip(2) {
            match find(zset, member) {
                Some(position) => writer.bulk(&position.geohash()),
                None => writer.null(),
            }
        }
    }))
}

fn geodist(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let unit_m = match req.len() {
        0..=4 => 1.0,
        5 => unit_m(req.arg(4))?,
        _ => return Err(CmdError::Syntax),
    };
    let zset = cx.value::<ZSet>(req.key(0)?)?;
    Ok(match (find(zset, req.arg(2)), find(zset, req.arg(3))) {
        (Some(one), Some(other)) => {
            reply.write(|writer| write_distance(writer, one.distance_m(other) / unit_m))
        }
        _ => reply.null(),
    })
}
