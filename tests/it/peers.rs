//! MIGRATE between ours and real servers, both ways: each server that is on the PATH, and those that `MIGRATE_PEERS` names.
//!
//! ```text
//! PATH=/opt/redis8/bin:/opt/valkey9/bin:$PATH cargo test --test it peers        each of them, and what is installed besides
//! MIGRATE_PEERS="127.0.0.1:7000 127.0.0.1:7001" cargo test --test it peers      they are emptied
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use super::process::{at, free_port, hold_starts};
use super::support::{connect, eventually, server};
use super::wire::{Reply, Wire};

/// A real server, ended with the test if it was started by it.
pub(super) struct Peer {
    pub(super) addr: SocketAddr,
    child: Option<Child>,
    /// Where it keeps its files, if nobody else needs them.
    folder: Option<tempfile::TempDir>,
}

impl Peer {
    /// Waits for the end of one that was told to go.
    pub(super) fn end(mut self) {
        let child = self.child.as_mut().expect("it was started here");
        eventually("the real server ends", || child.try_wait().expect("it is our child").is_some());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The real servers on the PATH.
pub(super) fn programs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = Vec::new();
    for folder in std::env::split_paths(&path).filter_map(|folder| folder.canonicalize().ok()) {
        let here = ["redis-server", "valkey-server"].map(|name| folder.join(name));
        found.extend(here.into_iter().filter(|program| program.is_file()));
    }
    found.sort();
    found.dedup();
    found
}

fn peers() -> Vec<Peer> {
    let named = std::env::var("MIGRATE_PEERS").unwrap_or_default();
    let running = named.split_whitespace().map(|addr| Peer {
        addr: addr.parse().expect("MIGRATE_PEERS holds addresses"),
        child: None,
        folder: None,
    });
    let found = programs();
    let started = found.iter().map(|program| {
        let folder = tempfile::tempdir().unwrap();
        let mut peer = start(program, folder.path(), &[]);
        peer.folder = Some(folder);
        peer
    });
    running.chain(started).collect()
}

/// Starts a real server in that folder, whose files it loads.
pub(super) fn start(program: &Path, folder: &Path, options: &[&str]) -> Peer {
    let addr = at(free_port());
    let starting = hold_starts();
    let log = folder.join("log");
    let mut child = Command::new(program)
        .args(["--bind", "127.0.0.1", "--port", &addr.port().to_string(), "--save", ""])
        .args(["--enable-debug-command", "yes"])
        .args(options)
        .current_dir(folder)
        .stdout(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    drop(starting);
    eventually("the real server is ready", || {
        let log = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(child.try_wait().expect("it is our child").is_none(), "{}: {}", program.display(), log());
        let pong = Wire::try_connect(addr).ok().and_then(|mut wire| wire.try_call(&["PING"]));
        pong == Some(Reply::Status(b"PONG".to_vec()))
    });
    Peer { addr, child: Some(child), folder: None }
}

/// Keys of every kind and encoding.
const NAMES: [&str; 17] = [
    "text",
    "number",
    "long",
    "list",
    "biglist",
    "ints",
    "set",
    "bigset",
    "zset",
    "bigzset",
    "hash",
    "bighash",
    "stream",
    "hll",
    "lived",
    "bits",
    "empty-field",
];

fn fill(wire: &mut Wire) {
    wire.ask("FLUSHALL");
    for line in [
        "SET text hello",
        "SET number -12345678901",
        "RPUSH list a b 17",
        "SADD ints 1 2 70000",
        "SADD set a b 3",
        "ZADD zset 1.5 a -inf b 3 c",
        "HSET hash f v g 17",
        "XADD stream 1-1 f v",
        "XADD stream 1-2 f v g w",
        "XADD stream 5-0 other v",
        "XDEL stream 1-2",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group alice COUNT 1 STREAMS stream >",
        "PFADD hll a b c",
        "SET lived v PX 100000000",
        "SETBIT bits 70000 1",
    ] {
        assert_eq!(wire.ask(line).error_text(), "", "{line}");
    }
    wire.call(&["HSET", "empty-field", "", ""]);
    wire.call(&["SET", "long", &"abcdefgh".repeat(5000)]);
    for index in 0..700 {
        let word = format!("element-{index}-{}", "x".repeat(index % 90));
        wire.call(&["RPUSH", "biglist", &word]);
        wire.call(&["SADD", "bigset", &word]);
        wire.call(&["ZADD", "bigzset", &format!("{index}.25"), &word]);
        wire.call(&["HSET", "bighash", &word, &index.to_string()]);
    }
}

fn digests(wire: &mut Wire) -> Reply {
    wire.call(&[&["DEBUG", "DIGEST-VALUE"][..], &NAMES].concat())
}

/// Moves all keys, with what stands before KEYS; the reply.
fn migrate(from: &mut Wire, to: SocketAddr, options: &str) -> Reply {
    let port = to.port().to_string();
    let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "3", "10000"];
    words.extend(options.split_whitespace());
    words.push("KEYS");
    words.extend(NAMES);
    from.call(&words)
}

fn both_ways_move_everything(from: &mut Wire, from_at: SocketAddr, to: &mut Wire, to_at: SocketAddr) {
    fill(from);
    to.ask("FLUSHALL");
    let (before, all) = (digests(from), Reply::Integer(NAMES.len() as i64));
    assert_eq!(migrate(from, to_at, "COPY"), Reply::ok(), "{from_at} to {to_at}");
    assert_eq!(from.ask("DBSIZE"), all, "COPY leaves them");
    let busy = migrate(from, to_at, "").error_text();
    assert!(busy.starts_with("ERR Target instance replied with error: BUSYKEY"), "{busy}");
    assert_eq!(from.ask("DBSIZE"), all, "what was refused stays");
    assert_eq!(migrate(from, to_at, "REPLACE"), Reply::ok());
    assert_eq!(from.ask("DBSIZE"), Reply::Integer(0));
    to.ask("SELECT 3");
    assert_eq!(digests(to), before, "{from_at} to {to_at}");
    assert!(matches!(to.ask("PTTL lived"), Reply::Integer(90_000_000..=100_000_000)));
    assert_eq!(to.ask("PTTL text"), Reply::Integer(-1));
    let pending = to.ask("XPENDING stream group - + 10 alice");
    assert!(matches!(&pending, Reply::Array(one) if one.len() == 1), "{pending:?}");
    assert_eq!(migrate(from, to_at, ""), Reply::Status(b"NOKEY".to_vec()));
    passwords_are_told(from, to, to_at);
    to.ask("SELECT 0");
    to.ask("FLUSHALL");
}

fn passwords_are_told(from: &mut Wire, to: &mut Wire, to_at: SocketAddr) {
    assert_eq!(to.ask("CONFIG SET requirepass secret"), Reply::ok());
    from.ask("SET text hello");
    for (options, error) in [
        ("REPLACE", "ERR Target instance replied with error: NOAUTH"),
        ("REPLACE AUTH wrong", "ERR Target instance replied with error: WRONGPASS"),
        ("REPLACE AUTH2 nobody secret", "ERR Target instance replied with error: WRONGPASS"),
    ] {
        // Redis keeps connections, and what it has said on them.
        to.ask("CLIENT KILL TYPE normal SKIPME yes");
        let reply = migrate(from, to_at, options).error_text();
        assert!(reply.starts_with(error), "{options}: {reply}");
    }
    assert_eq!(migrate(from, to_at, "COPY REPLACE AUTH secret"), Reply::ok());
    assert_eq!(migrate(from, to_at, "REPLACE AUTH2 default secret"), Reply::ok());
    assert_eq!(from.ask("EXISTS text"), Reply::Integer(0));
    assert_eq!(to.call(&["CONFIG", "SET", "requirepass", ""]), Reply::ok());
}

/// The latest version of the format that a server takes, as it tells itself.
pub(super) fn rdb_version(wire: &mut Wire) -> u16 {
    wire.ask("SET text hello");
    let Reply::Bulk(payload) = wire.ask("DUMP text") else { panic!("no DUMP") };
    u16::from_le_bytes([payload[payload.len() - 10], payload[payload.len() - 9]])
}

#[test]
fn keys_move_to_real_servers_and_back() {
    for peer in peers() {
        // What it does not know is not written.
        let theirs = rdb_version(&mut Wire::connect(peer.addr)).min(12).to_string();
        let here =
            server(&["--io-threads", "2", "--enable-debug-command", "yes", "--rdb-save-version", &theirs]);
        let (mut ours, mut real) = (connect(&here), Wire::connect(peer.addr));
        both_ways_move_everything(&mut ours, here.addr, &mut real, peer.addr);
        both_ways_move_everything(&mut real, peer.addr, &mut ours, here.addr);
    }
}

/// Redis 8 takes them from us; Valkey has a form of its own, which we read, and does not take Redis's.
#[test]
fn fields_with_deadlines_move_where_they_are_known() {
    for peer in peers() {
        let here = server(&[]);
        let (mut ours, mut real) = (connect(&here), Wire::connect(peer.addr));
        real.ask("FLUSHALL");
        let (port, theirs) = (here.addr.port().to_string(), rdb_version(&mut real));
        if real.ask("HPEXPIRE none 1 FIELDS 1 f").error_text().contains("unknown command") {
            continue;
        }
        let set = ["HSET h f v g w", "HPEXPIREAT h 4000000000000 FIELDS 1 f"];
        set.iter().for_each(|line| drop(real.ask(line)));
        assert_eq!(real.call(&["MIGRATE", "127.0.0.1", &port, "h", "0", "10000"]), Reply::ok());
        assert_eq!(
            ours.ask("HPEXPIRETIME h FIELDS 2 f g"),
            Reply::Array(vec![Reply::Integer(4_000_000_000_000), Reply::Integer(-1)])
        );
        let port = peer.addr.port().to_string();
        let back = ours.call(&["MIGRATE", "127.0.0.1", &port, "h", "0", "10000"]);
        if theirs == 12 {
            assert_eq!(back, Reply::ok());
            assert_eq!(
                real.ask("HPEXPIRETIME h FIELDS 2 f g"),
                Reply::Array(vec![Reply::Integer(4_000_000_000_000), Reply::Integer(-1)])
            );
        } else {
            let error = back.error_text();
            assert!(error.starts_with("ERR Target instance replied with error:"), "{error}");
            assert_eq!(ours.ask("EXISTS h"), Reply::Integer(1), "what was refused stays");
        }
        real.ask("FLUSHALL");
    }
}
