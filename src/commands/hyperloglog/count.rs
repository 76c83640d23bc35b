//! Adding, counting and merging: PFADD, PFCOUNT, PFMERGE.
//!
//! ```text
//! PFADD visits ann bob → 1     PFADD visits ann → 0     PFCOUNT visits → 2
//! ```
//!
//! PFCOUNT of one key keeps the count in the string, so it may change a key although it counts as a reading command.
//! PFCOUNT and PFMERGE of several keys work on one byte per register.

use std::borrow::Cow;

use super::{corrupted, inspect};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::ds::hll::{self, Encoding, Registers, Trace};
use crate::keyspace::entry::StringRef;
use crate::keyspace::{Effect, EntryMut, EventClass, Key, Ttl};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::write("pfadd", -2, pfadd)
        .doc(
            Group::HyperLogLog,
            "2.8.9",
            "Adds elements to a HyperLogLog, which is created if it is missing.",
            "O(1) for each element.",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::FAST))
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))])
        .args(&[Arg::key("key", 0), Arg::string("element").optional().multiple()]),
    Command::caching("pfcount", -2, pfcount)
        .doc(
            Group::HyperLogLog,
            "2.8.9",
            "Estimates how many different elements were added to HyperLogLogs.",
            "O(1) for one key, O(N) with a large constant for N keys.",
        )
        .keys(&[KeySpec::range(1, -1, 1, KeyFlags::RW.union(KeyFlags::ACCESS))
            .notes("RW because the count of a single key is kept in the value.")])
        .args(&[Arg::key("key", 0).multiple()]),
    Command::write("pfmerge", -2, pfmerge)
        .doc(
            Group::HyperLogLog,
            "2.8.9",
            "Merges HyperLogLogs into another one.",
            "O(N) in the number of keys, with a large constant.",
        )
        .flags(CommandFlags::DENYOOM)
        .keys(&[
            KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::INSERT)),
            KeySpec::range(2, -1, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
        ])
        .args(&[Arg::key("destkey", 0), Arg::key("sourcekey", 1).optional().multiple()]),
];

const ADDED: Effect = Effect::event(EventClass::String, "pfadd");

fn pfadd(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let key = req.key(0)?;
    let traces = || (2..req.len()).map(|index| Trace::of(req.arg(index)));
    // Most elements change nothing: nothing is opened, let alone copied, for them.
    if cx.string_suffices(key, |bytes| hll::has_dense(bytes, traces())) {
        return Ok(reply.flag(false));
    }
    let changes = add_elements(cx, key, traces())?;
    Ok(reply.flag(changes > 0))
}

/// Adds, whatever is there; how many registers rose, and one if there was nothing.
#[inline(never)] // What it needs room for is not made for those that change nothing.
fn add_elements(
    cx: &mut WriteCx<'_, '_>,
    key: Key<'_>,
    traces: impl Iterator<Item = Trace>,
) -> Result<u32, CmdError> {
    let max_bytes = sparse_max_bytes(cx);
    cx.edit(key, |entry| {
        let found = entry.string()?.map(inspect).transpose()?;
        let changes = match found {
            Some((_, Encoding::Dense)) => add_in_place(entry, traces)?,
            Some((bytes, Encoding::Sparse)) => {
                let mut bytes = Cow::Borrowed(bytes);
                let changes = add_all(&mut bytes, traces, max_bytes)?;
                match bytes {
                    Cow::Owned(bytes) => entry.set_string_owned(bytes, Ttl::Keep),
                    // As in Redis the string is `raw` from then on.
                    Cow::Borrowed(_) => {
                        entry.string_mut()?;
                    }
                }
                changes
            }
            None => {
                let mut bytes = Cow::Owned(hll::empty());
                let changes = add_all(&mut bytes, traces, max_bytes)?;
                let mut bytes = bytes.into_owned();
                hll::forget_count(&mut bytes);
                entry.set_string_owned(bytes, Ttl::Clear);
                changes + 1
            }
        };
        Ok((changes, if changes > 0 { ADDED.changes(changes) } else { Effect::NONE }))
    })
}

/// Adds to a dense one; how many registers rose.
fn add_in_place(entry: &mut EntryMut<'_, '_>, traces: impl Iterator<Item = Trace>) -> Result<u32, CmdError> {
    let Some(bytes) = entry.string_mut()? else { return Ok(0) };
    let changes = traces.map(|trace| u32::from(hll::add_dense(bytes, trace))).sum();
    if changes > 0 {
        hll::forget_count(bytes);
    }
    Ok(changes)
}

/// Adds to bytes that are no entry's yet; how many registers rose.
fn add_all(
    bytes: &mut Cow<'_, [u8]>,
    traces: impl Iterator<Item = Trace>,
    max_bytes: usize,
) -> Result<u32, CmdError> {
    let mut changes = 0;
    for trace in traces {
        changes += u32::from(hll::add(bytes, trace, max_bytes).map_err(corrupted)?);
    }
    if changes > 0 {
        hll::forget_count(bytes.to_mut());
    }
    Ok(changes)
}

fn sparse_max_bytes(cx: &ReadCx<'_, '_>) -> usize {
    usize::try_from(cx.config.hll_sparse_max_bytes).unwrap_or(usize::MAX)
}

fn pfcount(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    if let [key] = req.keys() {
        return Ok(reply.count(count_one(cx, *key)? as usize));
    }
    let merged = merge(cx, req.keys())?.registers;
    Ok(reply.count(merged.count() as usize))
}

fn count_one(cx: &mut WriteCx<'_, '_>, key: Key<'_>) -> Result<u64, CmdError> {
    cx.edit(key, |entry| {
        entry.count_access();
        let Some((bytes, _)) = entry.string()?.map(inspect).transpose()? else {
            return Ok((0, Effect::NONE));
        };
        if let Some(count) = hll::fresh_count(bytes) {
            // As in Redis the string is `raw` from then on.
            entry.string_mut()?;
            return Ok((count, Effect::NONE));
        }
        let count = hll::count(bytes).map_err(corrupted)?;
        if let Some(bytes) = entry.string_mut()? {
            hll::keep_count(bytes, count);
        }
        // A change without an event: copies of the data keep the count too.
        Ok((count, Effect::NONE.changes(1)))
    })
}

struct Merged {
    registers: Registers,
    any_dense: bool,
}

/// The highest ranks of all keys; missing ones have none.
fn merge(cx: &mut ReadCx<'_, '_>, keys: &[Key<'_>]) -> Result<Merged, CmdError> {
    let mut merged = Merged { registers: Registers::default(), any_dense: false };
    for key in keys {
        if let Some((bytes, encoding)) = cx.string(*key)?.map(inspect).transpose()? {
            merged.any_dense |= encoding == Encoding::Dense;
            merged.registers.merge(bytes).map_err(corrupted)?;
        }
    }
    Ok(merged)
}

fn pfmerge(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let max_bytes = sparse_max_bytes(cx);
    let Merged { registers, any_dense } = merge(cx, req.keys())?;
    cx.edit(req.key(0)?, |entry| {
        let old = entry.string()?.map(StringRef::bytes);
        // The keys were inspected a moment ago, under the same locks; the destination was one of them.
        let bytes = if any_dense { registers.to_dense() } else { raised(old, &registers, max_bytes)? };
        let bytes = with_stale_count(bytes, old);
        let ttl = if old.is_some() { Ttl::Keep } else { Ttl::Clear };
        entry.set_string_owned(bytes, ttl);
        Ok(((), ADDED))
    })?;
    Ok(reply.ok())
}

/// The destination with its registers raised one after the other, as the sparse form depends on the order.
fn raised(old: Option<&[u8]>, registers: &Registers, max_bytes: usize) -> Result<Vec<u8>, CmdError> {
    let mut bytes = Cow::Owned(old.map_or_else(hll::empty, <[u8]>::to_vec));
    for trace in registers.traces() {
        hll::add(&mut bytes, trace, max_bytes).map_err(corrupted)?;
    }
    Ok(bytes.into_owned())
}

/// The header keeps the count of before, marked as out of date.
fn with_stale_count(mut bytes: Vec<u8>, old: Option<&[u8]>) -> Vec<u8> {
    if let Some(old) = old {
        hll::copy_count(&mut bytes, old);
    }
    hll::forget_count(&mut bytes);
    bytes
}
