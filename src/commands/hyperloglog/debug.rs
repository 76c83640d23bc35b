//! Looking inside: PFDEBUG and PFSELFTEST.
//!
//! ```text
//! PFADD k a     PFDEBUG DECODE k → "Z:8581 v:1,1 …"     PFDEBUG ENCODING k → sparse     PFDEBUG TODENSE k → 1
//! ```
//!
//! GETREG makes the key dense, as it does in Redis. SIMD is accepted for compatibility: here the compiler vectorises the
//! one and only implementation, so there is nothing to switch.

use super::{corrupted, inspect};
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx, WriteCx};
use crate::ds::hll::{self, Encoding, Registers};
use crate::keyspace::{Effect, Ttl};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::write("pfdebug", 3, pfdebug)
        .doc(Group::HyperLogLog, "2.8.9", "Shows how a HyperLogLog is stored.", "N/A")
        .flags(CommandFlags::ADMIN.union(CommandFlags::DENYOOM))
        .keys(&[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::ACCESS))])
        .args(&[Arg::string("subcommand"), Arg::key("key", 0)])
        .syscmd(),
    Command::session("pfselftest", 1, pfselftest)
        .doc(Group::HyperLogLog, "2.8.9", "Tests the HyperLogLogs of this server.", "N/A")
        .flags(CommandFlags::ADMIN)
        .syscmd(),
];

fn pfdebug(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let word = req.arg(1);
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if is("simd") {
        return simd(req.arg(2), reply);
    }
    let encoding = encoding(cx, req)?;
    match () {
        () if is("getreg") => getreg(cx, req, reply),
        () if is("decode") => decode(cx, req, reply, encoding),
        () if is("encoding") => Ok(reply.status(match encoding {
            Encoding::Dense => "dense",
            Encoding::Sparse => "sparse",
        })),
        () if is("todense") => Ok(reply.flag(make_dense(cx, req)?)),
        () => Err(CmdError::quoting("ERR Unknown PFDEBUG subcommand '", word, "'")),
    }
}

fn simd(word: &[u8], reply: ReplySlot<'_>) -> Outcome {
    match word {
        _ if word.eq_ignore_ascii_case(b"on") => Ok(reply.status("enabled")),
        _ if word.eq_ignore_ascii_case(b"off") => Ok(reply.status("disabled")),
        _ => Err(CmdError::text("ERR Argument must be ON or OFF")),
    }
}

fn encoding(cx: &mut WriteCx<'_, '_>, req: &Request<'_>) -> Result<Encoding, CmdError> {
    const MISSING: CmdError = CmdError::text("ERR The specified key does not exist");
    cx.edit(req.key(0)?, |entry| {
        let (_, encoding) = inspect(entry.string()?.ok_or(MISSING)?)?;
        // As in Redis the string is `raw` from then on, whatever was asked.
        entry.string_mut()?;
        Ok((encoding, Effect::NONE))
    })
}

/// Whether it was sparse before.
fn make_dense(cx: &mut WriteCx<'_, '_>, req: &Request<'_>) -> Result<bool, CmdError> {
    cx.edit(req.key(0)?, |entry| {
        let dense = match entry.string()?.map(inspect).transpose()? {
            Some((bytes, Encoding::Sparse)) => hll::to_dense(bytes).map_err(corrupted)?,
            _ => return Ok((false, Effect::NONE)),
        };
        entry.set_string_owned(dense, Ttl::Keep);
        Ok((true, Effect::NONE.changes(1)))
    })
}

fn getreg(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    make_dense(cx, req)?;
    cx.edit(req.key(0)?, |entry| {
        let mut registers = Registers::default();
        if let Some(string) = entry.string()? {
            registers.merge(string.bytes()).map_err(corrupted)?;
        }
        let replied = reply.write(|writer| {
            writer.array(hll::REGISTERS);
            registers.iter().for_each(|rank| writer.int(i64::from(rank)));
        });
        Ok((replied, Effect::NONE))
    })
}

fn decode(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>, encoding: Encoding) -> Outcome {
    const NOT_SPARSE: CmdError = CmdError::text("ERR HLL encoding is not sparse");
    if encoding == Encoding::Dense {
        return Err(NOT_SPARSE);
    }
    cx.edit(req.key(0)?, |entry| {
        let bytes = entry.string()?.map_or(&[][..], |string| string.bytes());
        let text = hll::describe_sparse(bytes);
        Ok((reply.bulk(text.as_bytes()), Effect::NONE))
    })
}

fn pfselftest(_: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    match hll::selftest::run() {
        Ok(()) => Ok(reply.ok()),
        Err(what) => Err(CmdError::owned(format!("TESTFAILED {what}"))),
    }
}
