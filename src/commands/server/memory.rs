//! MEMORY: what a key takes, where memory goes, and what the allocator says.

use crate::alloc;
use crate::commands::server::info::facts::{Facts, Memory, difference, ratio};
use crate::dispatch::options::int;
use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReadCx, ReplySlot, Request};
use crate::keyspace::entry::heap_bytes;
use crate::resp::Writer;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};

/// The row of MEMORY.
pub const COMMANDS: &[Command] = &[Command::container("memory", -2, SUBCOMMANDS).doc(
    Group::Server,
    "4.0.0",
    "Commands about memory.",
    "Depends on subcommand.",
)];

const SUBCOMMANDS: &[Command] = &[USAGE, STATS, DOCTOR, PURGE, MALLOC_STATS, HELP];

const USAGE: Command = Command::read("usage", -3, usage)
    .doc(
        Group::Server,
        "4.0.0",
        "Estimates the memory that a key takes.",
        "O(N) where N is the number of samples.",
    )
    .keys(&[KeySpec::one(2, KeyFlags::RO)])
    .args(&[Arg::key("key", 0), Arg::integer("count").with_token("SAMPLES").optional()]);

const STATS: Command = Command::admin("stats", 2, stats)
    .doc(Group::Server, "4.0.0", "Shows where memory goes.", "O(1)")
    .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]);

const DOCTOR: Command = Command::admin("doctor", 2, doctor)
    .doc(Group::Server, "4.0.0", "Explains what is wrong with memory.", "O(1)")
    .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]);

const PURGE: Command = Command::admin("purge", 2, purge)
    .doc(
        Group::Server,
        "4.0.0",
        "Gives free memory back to the system.",
        "Depends on how much memory is held",
    )
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]);

const MALLOC_STATS: Command = Command::admin("malloc-stats", 2, malloc_stats)
    .doc(
        Group::Server,
        "4.0.0",
        "Shows the statistics of the allocator.",
        "Depends on how much memory is held",
    )
    .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]);

const HELP: Command = Command::admin("help", 2, help)
    .doc(Group::Server, "4.0.0", "Lists the subcommands.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE));

const HELP_LINES: &[&str] = &[
    "DOCTOR",
    "    Explain what is wrong with memory.",
    "MALLOC-STATS",
    "    Show the allocator's account.",
    "PURGE",
    "    Give free pages back to the system now.",
    "STATS",
    "    Show where memory goes.",
    "USAGE <key> [SAMPLES <count>]",
    "    Estimate the bytes that a key and its value take. SAMPLES bounds how many elements of a big",
    "    value are looked at, 0 for all.",
];

/// Elements of a collection that MEMORY USAGE weighs, unless told.
const DEFAULT_SAMPLES: usize = 5;

/// Share of the table in one entry: its slot, at the usual load.
const SLOT_BYTES: usize = 10;

fn usage(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let mut cursor = req.args.cursor(3);
    let mut samples = DEFAULT_SAMPLES;
    while let Some(word) = cursor.next() {
        let given = cursor.next().filter(|_| word.eq_ignore_ascii_case(b"SAMPLES"));
        samples = usize::try_from(int(given.ok_or(CmdError::Syntax)?)?).map_err(|_| CmdError::Syntax)?;
    }
    Ok(match cx.inspect(req.key(0)?) {
        Some(entry) => reply.count(heap_bytes(entry, samples) + SLOT_BYTES),
        None => reply.null(),
    })
}

/// One number of MEMORY STATS.
enum Amount {
    Bytes(u64),
    Signed(i64),
    Ratio(f64),
}

fn stats(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let facts = Facts::new(cx);
    let memory = facts.memory();
    let databases: Vec<_> = facts.databases().iter().enumerate().filter(|(_, db)| db.keys > 0).collect();
    facts.check()?;
    let (head, tail) = (stats_head(&memory), stats_tail(&memory));
    Ok(reply.write(|w| {
        w.map(head.len() + databases.len() + tail.len());
        write_amounts(w, &head);
        for (index, db) in databases {
            w.bulk(format!("db.{index}").as_bytes());
            w.map(2);
            write_amounts(
                w,
                &[
                    ("overhead.hashtable.main", Amount::Bytes(db.table_bytes)),
                    ("overhead.hashtable.expires", Amount::Bytes(0)),
                ],
            );
        }
        write_amounts(w, &tail);
    }))
}

fn stats_head(memory: &Memory) -> Vec<(&'static str, Amount)> {
    use Amount::Bytes;
    vec![
        ("peak.allocated", Bytes(memory.peak)),
        ("total.allocated", Bytes(memory.used)),
        ("startup.allocated", Bytes(memory.startup)),
        ("replication.backlog", Bytes(0)),
        ("replica.fullsync.buffer", Bytes(0)),
        ("clients.slaves", Bytes(0)),
        ("clients.normal", Bytes(memory.clients)),
        ("cluster.links", Bytes(0)),
        ("aof.buffer", Bytes(0)),
        ("lua.caches", Bytes(0)),
        ("functions.caches", Bytes(0)),
        ("script.VMs", Bytes(0)),
    ]
}

fn stats_tail(memory: &Memory) -> Vec<(&'static str, Amount)> {
    use Amount::{Bytes, Ratio, Signed};
    let grown = memory.used.saturating_sub(memory.startup);
    vec![
        ("overhead.db.hashtable.lut", Bytes(memory.tables)),
        ("overhead.db.hashtable.rehashing", Bytes(0)),
        ("overhead.total", Bytes(memory.overhead())),
        ("db.dict.rehashing.count", Bytes(0)),
        ("keys.count", Bytes(memory.keys)),
        ("keys.bytes-per-key", Bytes(grown.checked_div(memory.keys).unwrap_or(0))),
        ("dataset.bytes", Bytes(memory.dataset())),
        ("dataset.percentage", Ratio(memory.dataset_percent())),
        ("peak.percentage", Ratio(memory.peak_percent())),
        ("allocator.allocated", Bytes(memory.allocator_allocated)),
        ("allocator.active", Bytes(memory.allocator_active)),
        ("allocator.resident", Bytes(memory.allocator_resident)),
        ("allocator.muzzy", Bytes(0)),
        ("allocator-fragmentation.ratio", Ratio(ratio(memory.allocator_active, memory.allocator_allocated))),
        (
            "allocator-fragmentation.bytes",
            Signed(difference(memory.allocator_active, memory.allocator_allocated)),
        ),
        ("allocator-rss.ratio", Ratio(ratio(memory.allocator_resident, memory.allocator_active))),
        ("allocator-rss.bytes", Signed(difference(memory.allocator_resident, memory.allocator_active))),
        ("rss-overhead.ratio", Ratio(ratio(memory.resident, memory.allocator_resident))),
        ("rss-overhead.bytes", Signed(difference(memory.resident, memory.allocator_resident))),
        ("fragmentation", Ratio(ratio(memory.resident, memory.used))),
        ("fragmentation.bytes", Signed(difference(memory.resident, memory.used))),
    ]
}

fn write_amounts(w: &mut Writer<'_>, amounts: &[(&str, Amount)]) {
    for (name, amount) in amounts {
        w.bulk(name.as_bytes());
        match amount {
            Amount::Bytes(bytes) => w.uint(*bytes),
            Amount::Signed(bytes) => w.int(*bytes),
            Amount::Ratio(ratio) => w.double(*ratio),
        }
    }
}

/// Below this nothing can be said: what the process itself takes outweighs the data.
const DIAGNOSIS_MIN_BYTES: u64 = 5 * 1024 * 1024;

fn doctor(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let facts = Facts::new(cx);
    let memory = facts.memory();
    facts.check()?;
    let text = diagnosis(&memory);
    Ok(reply.write(|w| w.verbatim(b"txt", text.as_bytes())))
}

fn diagnosis(memory: &Memory) -> String {
    if memory.used < DIAGNOSIS_MIN_BYTES {
        return "Too little memory is in use to say anything about it.\n".to_owned();
    }
    let findings = [
        (
            memory.peak as f64 / memory.used as f64 > 1.5,
            "Peak: once more than one and a half times as much was in use as now. What was freed since may still be \
             in physical memory; MEMORY PURGE gives it back.",
        ),
        (
            ratio(memory.allocator_active, memory.allocator_allocated) > 1.4,
            "Fragmentation: pages in use hold more than 40% of free room. It fills up again as keys are written.",
        ),
        (
            ratio(memory.resident, memory.allocator_resident) > 1.4,
            "Process: physical memory is far above what the allocator holds; the rest is the program, its threads \
             and its sockets.",
        ),
        (
            memory.clients > memory.used / 4,
            "Clients: buffers of connections take more than a quarter of the memory. CLIENT LIST shows them \
             (qbuf, omem).",
        ),
    ];
    let found: Vec<&str> = findings.iter().filter(|(is_found, _)| *is_found).map(|(_, text)| *text).collect();
    if found.is_empty() {
        return "Nothing is wrong with memory.\n".to_owned();
    }
    found.iter().map(|text| format!("* {text}\n")).collect()
}

fn purge(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    alloc::purge().map_err(|error| {
        tracing::warn!("MEMORY PURGE failed: {error}");
        CmdError::text("ERR Error purging dirty pages")
    })?;
    Ok(reply.ok())
}

fn malloc_stats(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let stats = alloc::stats().map_err(|_| CmdError::text("ERR The allocator keeps no statistics"))?;
    let lines = [
        ("counted by the server", alloc::allocated_bytes()),
        ("allocated", stats.allocated),
        ("active", stats.active),
        ("resident", stats.resident),
        ("retained", stats.retained),
    ];
    let text: String = lines.iter().map(|(name, bytes)| format!("{name}: {bytes} bytes\n")).collect();
    Ok(reply.write(|w| w.verbatim(b"txt", format!("jemalloc\n{text}").as_bytes())))
}

fn help(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help("memory", HELP_LINES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_sees_what_is_there() {
        let healthy = Memory { used: 10 << 20, peak: 11 << 20, ..Memory::default() };
        assert_eq!(diagnosis(&healthy), "Nothing is wrong with memory.\n");
        assert!(diagnosis(&Memory { peak: 20 << 20, ..healthy }).starts_with("* Peak"));
        assert!(diagnosis(&Memory { clients: 5 << 20, ..healthy }).starts_with("* Clients"));
        assert!(diagnosis(&Memory { used: 1, ..healthy }).starts_with("Too little"));
    }
}
