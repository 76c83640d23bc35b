//! Many fields of a hash at once: HGETALL, HKEYS, HVALS, HSCAN, HRANDFIELD.

use super::write_element;
use crate::base::clock::UnixMs;
use crate::base::rng::Rng;
use crate::commands::scan::{Page, ScanOf, ScanOptions, cursor_of};
use crate::dispatch::options::{int, repetitions};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request};
use crate::ds::listpack::{Digits, Element};
use crate::resp::{Proto, Writer};
use crate::spec::{Arg, Group, KeyFlags, KeySpec};
use crate::value::hash::Hash;
use std::collections::HashSet;

pub const COMMANDS: &[Command] = &[
    Command::read("hgetall", 2, hgetall)
        .doc(Group::Hash, "2.0.0", "Returns all fields and values.", "O(N) in the size of the hash.")
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output_order"])
        .args(&[Arg::key("key", 0)]),
    Command::read("hkeys", 2, hkeys)
        .doc(Group::Hash, "2.0.0", "Returns the names of all fields.", "O(N) in the size of the hash.")
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output_order"])
        .args(&[Arg::key("key", 0)]),
    Command::read("hvals", 2, hvals)
        .doc(Group::Hash, "2.0.0", "Returns the values of all fields.", "O(N) in the size of the hash.")
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output_order"])
        .args(&[Arg::key("key", 0)]),
    Command::read("hscan", -3, hscan)
        .doc(
            Group::Hash,
            "2.8.0",
            "Walks over the fields of a hash in small steps.",
            "O(1) per call, O(N) for the whole walk.",
        )
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output"])
        .args(&[
            Arg::key("key", 0),
            Arg::integer("cursor"),
            Arg::pattern("pattern").with_token("MATCH").optional(),
            Arg::integer("count").with_token("COUNT").optional(),
            Arg::token("novalues", "NOVALUES").optional(),
        ]),
    Command::read("hrandfield", -2, hrandfield)
        .doc(Group::Hash, "6.2.0", "Returns random fields.", "O(N) in the number of fields returned.")
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
        .tips(&["nondeterministic_output"])
        .args(&[
            Arg::key("key", 0),
            Arg::block(
                "options",
                &[Arg::integer("count"), Arg::token("withvalues", "WITHVALUES").optional()],
            )
            .optional(),
        ]),
];

fn hgetall(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now = cx.now();
    let hash = cx.value::<Hash>(req.key(0)?)?;
    Ok(reply.write(|writer| {
        writer.map(hash.map_or(0, |hash| hash.live_len(now)));
        for (name, value) in hash.into_iter().flat_map(|hash| hash.iter(now)) {
            write_element(writer, name);
            write_element(writer, value);
        }
    }))
}

fn hkeys(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    one_side(cx, req, reply, |(name, _)| name)
}

fn hvals(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    one_side(cx, req, reply, |(_, value)| value)
}

fn one_side(
    cx: &mut ReadCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    side: for<'e> fn((Element<'e>, Element<'e>)) -> Element<'e>,
) -> Outcome {
    let now = cx.now();
    let hash = cx.value::<Hash>(req.key(0)?)?;
    Ok(reply.write(|writer| {
        writer.array(hash.map_or(0, |hash| hash.live_len(now)));
        hash.into_iter().flat_map(|hash| hash.iter(now)).for_each(|pair| write_element(writer, side(pair)));
    }))
}

fn hscan(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let start = cursor_of(req.arg(2))?;
    let now = cx.now();
    let mut page = Page::default();
    // As in Redis, the options of a scan over nothing are not looked at.
    if let Some(hash) = cx.value::<Hash>(req.key(0)?)? {
        let options = ScanOptions::parse(&mut req.args.cursor(3), ScanOf::Hash)?;
        let (mut name_digits, mut value_digits) = (Digits::new(), Digits::new());
        page.next = hash.scan(start, options.count, now, |name, value| {
            let name = name.bytes(&mut name_digits);
            if options.is_match(name) {
                page.elements.push(name);
                if !options.no_values {
                    page.elements.push(value.bytes(&mut value_digits));
                }
            }
        });
    }
    Ok(page.reply(reply))
}

fn hrandfield(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let now = cx.now();
    let mut rng = Rng::from_seed(cx.rng().next_u64());
    if req.args.len() == 2 {
        let hash = cx.value::<Hash>(req.key(0)?)?;
        return Ok(match hash.and_then(|hash| hash.random(&mut rng, now)) {
            Some((name, _)) => reply.write(|writer| write_element(writer, name)),
            None => reply.null(),
        });
    }
    let (count, with_values) = random_options(req)?;
    let hash = cx.value::<Hash>(req.key(0)?)?;
    if hash.is_some() && count < 0 {
        repetitions(count)?;
    }
    Ok(reply.write(|writer| {
        let mut out = Pairs { writer, with_values };
        match hash.map(|hash| (hash, hash.live_len(now))) {
            Some((hash, len)) if len > 0 && count < 0 => {
                out.start(count.unsigned_abs() as usize);
                for _ in 0..count.unsigned_abs() {
                    // A field that is live now stays so while the command runs.
                    hash.random(&mut rng, now).into_iter().for_each(|pair| out.push(pair));
                }
            }
            Some((hash, len)) if len > 0 => out.distinct(hash, len, count as usize, &mut rng, now),
            _ => out.start(0),
        }
    }))
}

/// The count and whether WITHVALUES was given.
fn random_options(req: &Request<'_>) -> Result<(i64, bool), CmdError> {
    const RANGE: CmdError = CmdError::text(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    let count = int(req.arg(2))?;
    if count == i64::MIN {
        return Err(RANGE);
    }
    let with_values = match req.args.len() {
        3 => false,
        4 if req.arg(3).eq_ignore_ascii_case(b"WITHVALUES") => true,
        _ => return Err(CmdError::Syntax),
    };
    // The number of elements in the reply must fit in an i64, with room to double it.
    if with_values && count.unsigned_abs() > (i64::MAX / 2).unsigned_abs() {
        return Err(CmdError::OutOfRange);
    }
    Ok((count, with_values))
}

/// Writes random fields, with or without their values.
struct Pairs<'w, 'o> {
    writer: &'w mut Writer<'o>,
    with_values: bool,
}

impl Pairs<'_, '_> {
    fn start(&mut self, fields: usize) {
        let is_flat = self.with_values && self.writer.proto() == Proto::Resp2;
        self.writer.array(if is_flat { fields * 2 } else { fields });
    }

    fn push(&mut self, (name, value): (Element<'_>, Element<'_>)) {
        if self.with_values && self.writer.proto() == Proto::Resp3 {
            self.writer.array(2);
        }
        write_element(self.writer, name);
        if self.with_values {
            write_element(self.writer, value);
        }
    }

    /// `count` different fields out of the `len` live ones of `hash`.
    fn distinct(&mut self, hash: &Hash, len: usize, count: usize, rng: &mut Rng, now: UnixMs) {
        /// Drawing until all are different pays while fewer than one in so many are wanted.
        const SPARSE: usize = 3;
        let wanted = count.min(len);
        self.start(wanted);
        if !hash.is_table() || wanted > len / SPARSE {
            // One walk; each field is taken with the chance that leaves exactly `wanted` (Knuth's algorithm S).
            let mut missing = wanted as u64;
            for (seen, pair) in hash.iter(now).enumerate() {
                if rng.below((len - seen) as u64) < missing {
                    missing -= 1;
                    self.push(pair);
                }
            }
            return;
        }
        let mut taken = HashSet::with_capacity(wanted);
        while taken.len() < wanted {
            let Some((name, value)) = hash.random(rng, now) else { return };
            if taken.insert(name.to_vec()) {
                self.push((name, value));
            }
        }
    }
}
