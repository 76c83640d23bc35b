//! Storing several strings at once: MSET, MSETNX, and MSETEX (Redis 8.4).
//!
//! ```text
//! MSETEX 2 a 1 b 2 NX EX 100     the count says where the options begin
//! ```
//!
//! All keys are locked when the handler runs, so nobody sees half of it.

use super::set::effect_of;
use super::set_options::{Condition, Expiry};
use crate::base::num::parse_i64;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::Ttl;
use crate::resp::{Args, Cursor};
use crate::spec::keys::InvalidKeys;
use crate::spec::{Arg, BeginSearch, CommandFlags, FindKeys, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::write("mset", -3, mset)
        .doc(Group::String, "1.0.1", "Stores several strings at once.", "O(N) in the number of keys.")
        .flags(CommandFlags::DENYOOM)
        .keys(&[KeySpec::range(1, -1, 2, KeyFlags::OW.union(KeyFlags::UPDATE))])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .args(&[Arg::block("data", &[Arg::key("key", 0), Arg::string("value")]).multiple()]),
    Command::write("msetnx", -3, msetnx)
        .doc(
            Group::String,
            "1.0.1",
            "Stores several strings at once, unless one of the keys exists.",
            "O(N) in the number of keys.",
        )
        .flags(CommandFlags::DENYOOM)
        .keys(&[KeySpec::range(1, -1, 2, KeyFlags::OW.union(KeyFlags::INSERT))])
        .args(&[Arg::block("data", &[Arg::key("key", 0), Arg::string("value")]).multiple()]),
    Command::write("msetex", -4, msetex)
        .doc(
            Group::String,
            "8.4.0",
            "Stores several strings at once, with one time to live for all.",
            "O(N) in the number of keys.",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::MOVABLE_KEYS))
        .keys(&[KeySpec {
            begin: BeginSearch::Index(1),
            find: FindKeys::Count { count: 0, first: 1, step: 2 },
            flags: KeyFlags::OW.union(KeyFlags::UPDATE),
            notes: "",
        }])
        .key_walker(msetex_keys)
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .args(&[
            Arg::integer("numkeys"),
            Arg::block("data", &[Arg::key("key", 0), Arg::string("value")]).multiple(),
            Arg::oneof("condition", &[Arg::token("nx", "NX"), Arg::token("xx", "XX")]).optional(),
            Arg::oneof(
                "expiration",
                &[
                    Arg::integer("seconds").with_token("EX"),
                    Arg::integer("milliseconds").with_token("PX"),
                    Arg::unix_time("unix-time-seconds").with_token("EXAT"),
                    Arg::unix_time("unix-time-milliseconds").with_token("PXAT"),
                    Arg::token("keepttl", "KEEPTTL"),
                ],
            )
            .optional(),
        ]),
];

fn mset(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    check_pairs(req)?;
    store(cx, req, 1, Ttl::Clear)?;
    Ok(reply.ok())
}

fn msetnx(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    check_pairs(req)?;
    let is_free = Condition::Absent.holds_for_all(cx, req);
    if is_free {
        store(cx, req, 1, Ttl::Clear)?;
    } else if let Some(taken) = req.keys().iter().find(|key| cx.peek(**key).is_some()) {
        cx.note_use(cx.db(), *taken)?;
    }
    Ok(reply.flag(is_free))
}

/// Keys and values must come in pairs.
fn check_pairs(req: &Request<'_>) -> Result<(), CmdError> {
    if req.len().is_multiple_of(2) { Err(req.arity_error()) } else { Ok(()) }
}

/// Stores a string under every key; the first key stands at `first`.
fn store(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, first: usize, ttl: Ttl) -> Result<(), CmdError> {
    let effect = effect_of(ttl);
    for (index, key) in req.keys().iter().enumerate() {
        cx.edit(*key, |entry| {
            entry.set_string(req.arg(first + 2 * index + 1), ttl);
            Ok(((), effect))
        })?;
    }
    Ok(())
}

impl Condition<'_> {
    /// Whether NX or XX holds for every key of the request.
    fn holds_for_all(&self, cx: &mut WriteCx<'_, '_>, req: &Request<'_>) -> bool {
        match self {
            Condition::Absent => !req.keys().iter().any(|key| cx.peek(*key).is_some()),
            Condition::Present => req.keys().iter().all(|key| cx.peek(*key).is_some()),
            _ => true,
        }
    }
}

const INVALID_COUNT: CmdError = CmdError::text("ERR invalid numkeys value or out of range");

fn msetex(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let count = pair_count(&req.args).ok_or(INVALID_COUNT)?;
    let options_at = 2 + 2 * count;
    if options_at > req.len() {
        return Err(CmdError::Syntax);
    }
    let (condition, expiry) = msetex_options(&mut req.args.cursor(options_at))?;
    let ttl = expiry.ttl(cx.wall_now(), "msetex")?;
    if !condition.holds_for_all(cx, req) {
        return Ok(reply.flag(false));
    }
    store(cx, req, 2, ttl)?;
    journal_msetex(cx, req, options_at, ttl);
    Ok(reply.flag(true))
}

/// The journal's form: Redis 8.0 does not know MSETEX.
fn journal_msetex(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, end: usize, ttl: Ttl) {
    if !cx.is_observed() {
        return;
    }
    let mut digits = itoa::Buffer::new();
    let option: &[&[u8]] = match ttl {
        Ttl::Clear => {
            let pairs = req.args.iter().take(end).skip(2);
            return cx.rewrite(&std::iter::once(&b"MSET"[..]).chain(pairs).collect::<Vec<_>>());
        }
        Ttl::Keep => &[b"KEEPTTL"],
        Ttl::At(when) => &[b"PXAT", digits.format(when.0).as_bytes()],
    };
    for at in (2..end).step_by(2) {
        cx.rewrite(&[&[b"SET", req.arg(at), req.arg(at + 1)], option].concat());
    }
}

/// The number of pairs, as far as it is in range; there may be fewer arguments.
fn pair_count(args: &Args<'_>) -> Option<usize> {
    let count = parse_i64(args.at(1)).and_then(|count| i32::try_from(count).ok())?;
    usize::try_from(count).ok().filter(|&count| count > 0)
}

fn msetex_options<'a>(cursor: &mut Cursor<'a>) -> Result<(Condition<'a>, Expiry<'a>), CmdError> {
    let (mut condition, mut expiry) = (Condition::Always, Expiry::Default);
    while cursor.remaining() > 0 {
        let is_known = expiry.take_time(cursor)?
            || expiry.take_word(cursor, "KEEPTTL", Expiry::Keep)?
            || condition.take_existence(cursor)?;
        if !is_known {
            return Err(CmdError::Syntax);
        }
    }
    Ok((condition, expiry))
}

/// The keys of MSETEX. A wrong count announces none, so that the handler can say what is wrong with it.
fn msetex_keys(args: &Args<'_>, visit: &mut dyn FnMut(usize, KeyFlags)) -> Result<(), InvalidKeys> {
    let count = pair_count(args).filter(|count| 2 + 2 * count <= args.len()).unwrap_or(0);
    (0..count).for_each(|index| visit(2 + 2 * index, KeyFlags::OW.union(KeyFlags::UPDATE)));
    Ok(())
}
