//! DEBUG: for testing servers and clients; closed unless `enable-debug-command` opens it.
//!
//! Subcommands that look into Redis's own structures or crash the process are, but for `PANIC`, not there and are refused as unknown.
//! Five are taken and do nothing, because what they switch cannot show here: `QUICKLIST-PACKED-THRESHOLD` (the node type
//! of lists), `REPLYBUFFER` and `CLIENT-ENFORCE-REPLY-LIST` (a fixed reply buffer), `DICT-RESIZING` (when a table grows) and
//! `SET-DISABLE-DENY-SCRIPTS` (there are no scripts).
//!
//! ```text
//! protocol   PROTOCOL: one reply of every type        keys   OBJECT POPULATE HTSTATS DIGEST …: what lies in the keyspace
//! ```

mod digest;
mod keys;
mod protocol;
mod reload;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::num::parse_i64;
use crate::config::parse_memory;
use crate::dispatch::options::int;
use crate::dispatch::wait::Awaited;
use crate::dispatch::{AdminCx, CmdError, Command, Engine, Outcome, ReplySlot, Request};
use crate::keyspace::ExpiryPolicy;
use crate::persist::aof::Aof;
use crate::spec::{CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[Command::admin("debug", -2, debug)
    .doc(Group::Server, "1.0.0", "Commands for testing servers and clients.", "Depends on subcommand.")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE)
            .union(CommandFlags::PROTECTED),
    )
    .syscmd()];

const HELP_LINES: &[&str] = &[
    "AOF-FLUSH-SLEEP <microseconds>",
    "    Wait before each write to the append only file, at most a second.",
    "CLIENT-EVICTION",
    "    Show the clients that would be closed for memory.",
    "CLIENT-ENFORCE-REPLY-LIST <0|1>",
    "    Taken without effect.",
    "CONFIG-REWRITE-FORCE-ALL",
    "    Rewrite the configuration file with every option, defaults too.",
    "DICT-RESIZING <0|1>",
    "    Taken without effect.",
    "DIGEST",
    "    Show a hash of all keys and values.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Show a hash of each of these values.",
    "ERROR <text>",
    "    Answer this text as an error.",
    "HTSTATS <db>",
    "    Show the size of a database's table.",
    "HTSTATS-KEY <key>",
    "    Show the size of the table inside a value.",
    "LOADAOF",
    "    Write what is left, forget everything and load the append only file.",
    "LOG <text>",
    "    Write this text to the log.",
    "OBJECT <key>",
    "    Show how a value is stored.",
    "PANIC [<key>]",
    "    Let this command panic, which ends its connection; with a key while it changes that, which ends the",
    "    process.",
    "PAUSE-CRON <0|1>",
    "    Stop or resume the removal of keys at their deadline.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create strings <prefix>:0, <prefix>:1 and so on.",
    "PROTOCOL <type>",
    "    Answer a value of this type: string, integer, double, bignum, null, array, set, map, attrib,",
    "    push, verbatim, true or false.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Taken without effect.",
    "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
    "    Save, forget everything, and load it again.",
    "REPLYBUFFER PEAK-RESET-TIME <never|reset|ms> | RESIZING <0|1>",
    "    Taken without effect.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Stop or resume the removal of keys at their deadline; access still removes them.",
    "SET-DISABLE-DENY-SCRIPTS <0|1>",
    "    Taken without effect.",
    "SLEEP <seconds>",
    "    Keep the whole keyspace locked for a while, at most an hour. Decimals allowed.",
    "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
    "    Take payloads of RESTORE whatever their checksum is.",
    "STRUCTSIZE",
    "    Show the sizes of the server's structures in bytes.",
];

fn debug(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    match (req.arg(1).to_ascii_lowercase().as_slice(), req.len()) {
        (b"help", 2) => Ok(reply.help("debug", HELP_LINES)),
        (b"loadaof", 2) => load_aof(cx, reply),
        (b"sleep", 3) => sleep(cx, req, reply),
        (b"set-active-expire" | b"pause-cron", 3) => set_expiry(cx, req, reply),
        (b"aof-flush-sleep", 3) => {
            if let Some(aof) = cx.engine.parts.find::<Aof>() {
                let pause_us = u64::try_from(int(req.arg(2))?).unwrap_or(0);
                aof.status.flush_sleep_us.store(pause_us.min(1_000_000), Ordering::Relaxed);
            }
            Ok(reply.ok())
        }
        (b"set-skip-checksum-validation", 3) => {
            cx.engine.lifecycle.skips_checksums.store(req.arg(2) == b"1", Ordering::Relaxed);
            Ok(reply.ok())
        }
        (b"error", 3) => Err(CmdError::Bytes(req.arg(2).to_vec())),
        (b"log", 3) => {
            tracing::warn!("DEBUG LOG: {}", req.arg(2).escape_ascii());
            Ok(reply.ok())
        }
        (b"panic", 2) => keys::panic(cx, None),
        (b"panic", 3) => keys::panic(cx, Some(req.arg(2))),
        (b"protocol", 3) => protocol::protocol(req.arg(2), reply),
        (b"reload", 2..) => reload::reload(cx, req, reply),
        (b"object", 3) => keys::object(cx, req, reply),
        (b"populate", 3..=5) => keys::populate(cx, req, reply),
        (b"htstats", 3..=4) => keys::table_stats(cx, req, reply),
        (b"htstats-key", 3..=4) => keys::value_stats(cx, req),
        (b"structsize", 2) => Ok(keys::structure_sizes(reply)),
        (b"digest", 2) => digest::digest(cx, reply),
        (b"digest-value", 2..) => digest::digest_values(cx, req, reply),
        (b"client-eviction", 2) => client_eviction(cx),
        (b"quicklist-packed-threshold", 3) => check_threshold(req.arg(2)).map(|()| reply.ok()),
        (b"config-rewrite-force-all", 2) => rewrite_all(cx, reply),
        (b"set-disable-deny-scripts", 3) => {
            let is_on = parse_i64(req.arg(2)).is_some_and(|number| number != 0);
            cx.engine.allows_all_in_scripts.store(is_on, Ordering::Relaxed);
            Ok(reply.ok())
        }
        (b"dict-resizing" | b"client-enforce-reply-list", 3) => Ok(reply.ok()),
        (b"replybuffer", 4) if is_buffer_setting(req) => Ok(reply.ok()),
        _ => Err(CmdError::subcommand_syntax("debug", req.arg(1))),
    }
}

/// Not on a worker: a rewrite that is under way is waited for.
fn load_aof(cx: &mut AdminCx<'_, '_>, reply: ReplySlot<'_>) -> Outcome {
    let failed = CmdError::text("ERR Error trying to load the AOF files, check server logs.");
    let Some(aof) = cx.engine.parts.find::<Aof>() else { return Err(failed) };
    let work = move |engine: &Arc<Engine>| {
        if let Err(error) = aof.reload(engine) {
            tracing::error!("{error}");
            // A part of the data is gone from memory: what is on the disk is the truth, and a restart finds it.
            std::process::exit(1);
        }
        tracing::info!("Append Only File loaded by DEBUG LOADAOF");
        Ok(())
    };
    let awaited = Awaited::reload("ochre-loadaof", reply.proto(), work);
    cx.wait(reply, awaited, failed)
}

/// Longest sleep: whoever wants the server to stand still for longer can stop the process.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

/// Holds every shard meanwhile, so that all clients wait, as for a server with one thread.
fn sleep(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    // C's strtod takes what it can read for a number, and nothing for 0.
    let seconds: f64 = std::str::from_utf8(req.arg(2)).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let seconds = if seconds.is_nan() { 0.0 } else { seconds.max(0.0) };
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= SLEEP_MAX);
    let time = time.ok_or(CmdError::OutOfRange)?;
    cx.with_all(|_| std::thread::sleep(time))?;
    Ok(reply.ok())
}

/// `0` and `1` mean opposite things for SET-ACTIVE-EXPIRE and PAUSE-CRON; anything else counts as 0, as in C's atoi.
fn set_expiry(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let is_one = req.arg(2) == b"1";
    let is_active = if req.arg(1).eq_ignore_ascii_case(b"pause-cron") { !is_one } else { is_one };
    let policy = if is_active { ExpiryPolicy::Active } else { ExpiryPolicy::Lazy };
    cx.engine.keyspace.set_expiry_policy(policy);
    Ok(reply.ok())
}

fn rewrite_all(cx: &AdminCx<'_, '_>, reply: ReplySlot<'_>) -> Outcome {
    let rewritten = cx.engine.config.rewrite_all();
    rewritten.map(|()| reply.ok()).map_err(|error| CmdError::owned(format!("ERR {error}")))
}

fn client_eviction(cx: &AdminCx<'_, '_>) -> Outcome {
    let limit = cx.engine.config.snapshot().maxmemory_clients;
    Err(if limit.bytes(u64::MAX) == 0 {
        CmdError::text("ERR maxmemory-clients is disabled.")
    } else {
        CmdError::text("ERR this server keeps no buckets of clients")
    })
}

fn check_threshold(arg: &[u8]) -> Result<(), CmdError> {
    const LIMIT_BYTES: u64 = 4 << 30;
    match parse_memory(arg) {
        Some(bytes) if bytes <= LIMIT_BYTES => Ok(()),
        _ => Err(CmdError::text("ERR argument must be a memory value bigger than 1 and smaller than 4gb")),
    }
}

fn is_buffer_setting(req: &Request<'_>) -> bool {
    [&b"peak-reset-time"[..], b"resizing"].iter().any(|word| req.arg(2).eq_ignore_ascii_case(word))
}
