//! Our files in real servers, and theirs in ours: each server on the PATH ([`super::peers`] says how to have several there) loads
//! our snapshots and our append-only files, and has the same keys; then the other way.
//!
//! | from here | how |
//! |---|---|
//! | a snapshot of a version that the server takes | under policies without clocks, with those of LRU, with those of LFU |
//! | a log: base and increment | with checksums and time lines and without; the base a snapshot, or commands |
//!
//! Fields of hashes with deadlines go to those that know them: in snapshots to Redis alone, since Valkey has a form of its own for
//! them, which we only read; in logs of commands to Valkey too.

use std::path::Path;

use tempfile::TempDir;

use super::filled::{Picture, fill, fill_newer, picture};
use super::peers::{Peer, programs, rdb_version, start};
use super::process::{Process, at, started};
use super::support::eventually;
use super::wire::{Reply, Wire};

/// What a real server is.
struct Kind {
    /// The latest version of snapshots that it takes from us.
    version: String,
    /// Fields of hashes can expire.
    knows_fields: bool,
    /// It reads them from our snapshots.
    reads_fields: bool,
}

fn kind(program: &Path) -> Kind {
    let folder = TempDir::new().unwrap();
    let peer = start(program, folder.path(), &[]);
    let mut wire = Wire::connect(peer.addr);
    let version = rdb_version(&mut wire);
    let knows_fields = wire.ask("HPERSIST none FIELDS 1 f").error_text().is_empty();
    // Valkey counts its own versions from 80, and reads up to 11 of Redis's.
    let latest = if version >= 80 { 11 } else { version.min(12) };
    Kind { version: latest.to_string(), knows_fields, reads_fields: latest >= 12 }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// As a process: what its values ever were tells in the version of its files.
fn ours(folder: &Path, options: &[&str]) -> (Process, Wire) {
    let (process, port) =
        started(&[&["--dir", text(folder), "--enable-debug-command", "yes"], options].concat());
    (process, Wire::connect(at(port)))
}

fn is_rewriting(wire: &mut Wire) -> bool {
    let info = wire.ask("INFO persistence");
    let Reply::Bulk(info) = info else { panic!("{info:?}") };
    let info = String::from_utf8_lossy(&info).into_owned();
    info.contains("aof_rewrite_in_progress:1") || info.contains("aof_rewrite_scheduled:1")
}

/// Fills a server that has a log: one half goes into the base, the other behind it.
fn fill_log(wire: &mut Wire, has_fields: bool) {
    fill(wire, 0, has_fields);
    let reply = wire.ask("BGREWRITEAOF");
    assert_eq!(reply.error_text(), "");
    eventually("the rewrite is done", || !is_rewriting(wire));
    fill(wire, 1, has_fields);
}

/// Two keys whose clocks say something, under a policy that looks at them.
fn add_clocks(wire: &mut Wire, clock: &str) {
    let Reply::Bulk(payload) = wire.ask("DUMP text") else { panic!("no DUMP") };
    let (option, value): (&[u8], &[u8]) =
        if clock == "FREQ" { (b"FREQ", b"200") } else { (b"IDLETIME", b"70000") };
    for key in [&b"clock1"[..], b"clock2"] {
        assert_eq!(wire.call(&[b"RESTORE", key, b"0", &payload, option, value]), Reply::ok());
    }
}

fn assert_clocks(wire: &mut Wire, clock: &str) {
    let expected = if clock == "FREQ" { 200..=200 } else { 70_000..=71_000 };
    for key in ["clock1", "clock2"] {
        let said = wire.call(&["OBJECT", clock, key]);
        assert!(matches!(said, Reply::Integer(said) if expected.contains(&said)), "{clock}: {said:?}");
    }
}

/// Policies and the clock that each writes.
const POLICIES: [(&str, &str); 3] =
    [("noeviction", "IDLETIME"), ("allkeys-lru", "IDLETIME"), ("volatile-lfu", "FREQ")];

fn policy(name: &str) -> [&str; 4] {
    // A clock that does not run down meanwhile.
    ["--maxmemory-policy", name, "--lfu-decay-time", "0"]
}

/// Tells what is different, and no more.
fn assert_same(found: &Picture, expected: &Picture, program: &Path) {
    let missing = |one: &Picture, other: &Picture| -> Vec<String> {
        one.difference(other).map(|(key, said)| format!("{key}: {said:?}")).collect()
    };
    let (expected, found) = (missing(expected, found), missing(found, expected));
    assert!(expected.is_empty() && found.is_empty(), "{}: {expected:#?}, not {found:#?}", program.display());
}

fn end(mut wire: Wire, peer: Peer) {
    wire.send(&["SHUTDOWN", "NOSAVE"]).unwrap();
    peer.end();
}

#[test]
fn snapshots_of_ours_are_loaded_by_real_servers() {
    for program in programs() {
        let kind = kind(&program);
        for ((name, clock), compression) in POLICIES.into_iter().zip(["yes", "no", "yes"]) {
            let folder = TempDir::new().unwrap();
            let own = ["--rdb-save-version", &kind.version, "--rdbcompression", compression];
            let (_here, mut wire) = ours(folder.path(), &[&policy(name)[..], &own].concat());
            (0..2).for_each(|half| fill(&mut wire, half, kind.reads_fields));
            add_clocks(&mut wire, clock);
            assert_eq!(wire.ask("SAVE"), Reply::ok());
            let peer = start(&program, folder.path(), &policy(name));
            let mut real = Wire::connect(peer.addr);
            if name != "noeviction" {
                assert_clocks(&mut real, clock);
            }
            let expected = picture(&mut wire, kind.reads_fields);
            assert_same(&picture(&mut real, kind.reads_fields), &expected, &program);
        }
    }
}

#[test]
fn snapshots_of_real_servers_are_loaded_by_ours() {
    for program in programs() {
        let kind = kind(&program);
        for (name, clock) in POLICIES {
            let folder = TempDir::new().unwrap();
            let peer = start(&program, folder.path(), &policy(name));
            let mut real = Wire::connect(peer.addr);
            (0..2).for_each(|half| fill(&mut real, half, kind.knows_fields));
            add_clocks(&mut real, clock);
            assert_eq!(real.ask("SAVE"), Reply::ok());
            let (_here, mut wire) = ours(folder.path(), &policy(name));
            if name != "noeviction" {
                assert_clocks(&mut wire, clock);
            }
            let expected = picture(&mut real, kind.knows_fields);
            assert_same(&picture(&mut wire, kind.knows_fields), &expected, &program);
        }
    }
}

/// Options of logs: checksums, time lines, a base that is a snapshot.
const LOGS: [[&str; 3]; 4] =
    [["yes", "yes", "yes"], ["yes", "no", "yes"], ["no", "yes", "no"], ["yes", "yes", "no"]];

#[test]
fn logs_of_ours_are_loaded_by_real_servers() {
    for program in programs() {
        let kind = kind(&program);
        for [checksum, timestamps, preamble] in LOGS {
            let has_fields = if preamble == "yes" { kind.reads_fields } else { kind.knows_fields };
            let folder = TempDir::new().unwrap();
            let own =
                ["--appendonly", "yes", "--rdb-save-version", &kind.version, "--aof-checksum", checksum];
            let more = ["--aof-timestamp-enabled", timestamps, "--aof-use-rdb-preamble", preamble];
            let (mut here, mut wire) = ours(folder.path(), &[&own[..], &more].concat());
            fill_log(&mut wire, has_fields);
            fill_newer(&mut wire);
            let expected = picture(&mut wire, has_fields);
            wire.send(&["SHUTDOWN"]).unwrap();
            assert!(here.end().0.success());
            let peer = start(&program, folder.path(), &["--appendonly", "yes"]);
            let mut real = Wire::connect(peer.addr);
            assert_same(&picture(&mut real, has_fields), &expected, &program);
        }
    }
}

#[test]
fn logs_of_real_servers_are_loaded_by_ours() {
    for program in programs() {
        let has_fields = kind(&program).knows_fields;
        for [_, timestamps, preamble] in &LOGS[1..] {
            let folder = TempDir::new().unwrap();
            let options = ["--aof-timestamp-enabled", timestamps, "--aof-use-rdb-preamble", preamble];
            let peer = start(&program, folder.path(), &[&["--appendonly", "yes"], &options[..]].concat());
            let mut real = Wire::connect(peer.addr);
            fill_log(&mut real, has_fields);
            let expected = picture(&mut real, has_fields);
            end(real, peer);
            let (_here, mut wire) = ours(folder.path(), &["--appendonly", "yes"]);
            assert_same(&picture(&mut wire, has_fields), &expected, &program);
        }
    }
}
