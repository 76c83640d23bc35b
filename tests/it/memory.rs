//! Memory limits of a whole process: what is allocated belongs to the process, so each test has one of its own.

use super::process::{Process, at, started};
use super::wire::{Reply, Wire, request};

/// A number of INFO.
pub(super) fn number(wire: &mut Wire, name: &str) -> u64 {
    let Reply::Bulk(text) = wire.ask("INFO all") else { panic!("no INFO") };
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

fn limited(policy: &str, bytes: u64) -> (Process, Wire, u64) {
    let (process, port) = started(&["--save", "", "--maxmemory-policy", policy]);
    let mut wire = Wire::connect(at(port));
    let limit = number(&mut wire, "used_memory") + bytes;
    assert_eq!(wire.ask(&format!("CONFIG SET maxmemory {limit}")), Reply::ok());
    (process, wire, limit)
}

fn port(wire: &mut Wire) -> u16 {
    let Reply::Array(pair) = wire.ask("CONFIG GET port") else { panic!("no port") };
    let Some(Reply::Bulk(port)) = pair.get(1) else { panic!("{pair:?}") };
    String::from_utf8_lossy(port).parse().expect("a number")
}

fn oom() -> Reply {
    Reply::Error(b"OOM command not allowed when used memory > 'maxmemory'.".to_vec())
}

/// 10 B to 256 KB, mostly small.
fn value(number: u64) -> Vec<u8> {
    let draw = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let size = 10_u64 << (draw % 16).min(draw / 16 % 16);
    vec![b'x'; size as usize]
}

#[test]
fn memory_stays_within_the_limit_under_every_policy() {
    const BYTES: u64 = 16 << 20;
    let policies = [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ];
    for policy in policies {
        let (_process, mut wire, limit) = limited(policy, BYTES);
        let (mut written, mut worst, mut count) = (0, 0, 0_u64);
        while written < 2 * BYTES {
            for _ in 0..100 {
                count += 1;
                let (key, value) = (format!("key:{count}"), value(count));
                written += value.len() as u64;
                let seconds = (1000 + count % 1000).to_string();
                let reply = wire.call(&[b"SETEX", key.as_bytes(), seconds.as_bytes(), &value]);
                assert_eq!(reply, Reply::ok(), "{policy}");
            }
            worst = worst.max(number(&mut wire, "used_memory"));
        }
        let ratio = worst as f64 / limit as f64;
        eprintln!("{policy}: used at most {ratio:.4} of maxmemory");
        assert!(ratio <= 1.02, "{policy}: {worst} of {limit}");
        assert!(number(&mut wire, "evicted_keys") > 0);
    }
}

/// A limit hardly above an empty server: the buffer that a worker always has is a part of it.
#[test]
fn a_small_limit_is_kept_to_the_page() {
    let (_process, port) =
        started(&["--save", "", "--io-threads", "1", "--maxmemory-policy", "allkeys-random"]);
    let mut wire = Wire::connect(at(port));
    let limit = number(&mut wire, "used_memory") + 100 * 1024;
    assert_eq!(wire.ask(&format!("CONFIG SET maxmemory {limit}")), Reply::ok());
    for count in 0..6_000 {
        assert_eq!(wire.ask(&format!("SET key:{count} x")), Reply::ok());
    }
    let used = number(&mut wire, "used_memory");
    assert!(used < limit + 4096, "{used} of {limit}");
    assert!(number(&mut wire, "evicted_keys") > 0);
}

#[test]
fn without_a_policy_writes_are_refused_and_nothing_goes() {
    let (_process, mut wire, limit) = limited("noeviction", 4 << 20);
    let value = vec![b'x'; 64 << 10];
    let refused = (0..1000).find(|count| {
        let reply = wire.call(&[b"SET", format!("key:{count}").as_bytes(), &value]);
        reply != Reply::ok()
    });
    let count = refused.expect("it is full some time");
    assert!(number(&mut wire, "used_memory") < limit + (80 << 10));
    assert_eq!(wire.ask("DBSIZE"), Reply::Integer(count));
    // What the refused request took is free again, so something small may still fit.
    let small = (0..1_000).find(|_| wire.call(&[b"RPUSH", b"list".as_slice(), &value[..1_000]]) == oom());
    assert!(small.is_some());
    wire.ask("DEL key:0 key:1");
    assert_eq!(wire.ask("SET key:0 small"), Reply::ok());
    assert_eq!(number(&mut wire, "evicted_keys"), 0);
}

#[test]
fn clients_that_do_not_read_push_out_each_other_and_no_data() {
    let (_process, mut wire, _) = limited("allkeys-lru", 16 << 20);
    wire.ask("CONFIG SET maxmemory-clients 4mb");
    let value = vec![b'x'; 900];
    for count in 0..2000 {
        wire.call(&[b"SET", format!("key:{count}").as_bytes(), &value]);
    }
    let keys: Vec<String> = (0..2000).map(|count| format!("key:{count}")).collect();
    let mget: Vec<&str> = std::iter::once("MGET").chain(keys.iter().map(String::as_str)).collect();
    let port = port(&mut wire);
    let mut deaf: Vec<Wire> = (0..20).map(|_| Wire::connect(at(port))).collect();
    for client in &mut deaf {
        for _ in 0..8 {
            // Who is closed already can't send.
            let _ = client.send_raw(&request(&mget));
        }
    }
    super::support::eventually("clients are closed", || number(&mut wire, "evicted_clients") > 0);
    assert_eq!(number(&mut wire, "evicted_keys"), 0);
    assert_eq!(wire.ask("DBSIZE"), Reply::Integer(2000));
    assert_eq!(wire.ask("PING"), Reply::Status(b"PONG".to_vec()));
}

#[test]
fn what_clients_have_the_server_remember_counts_as_theirs() {
    let (_process, port) = started(&["--save", "", "--maxmemory-clients", "200000"]);
    for (command, name) in [("WATCH", ""), ("SUBSCRIBE", ""), ("PSUBSCRIBE", ""), ("WATCH", "long")] {
        let name = name.repeat(10_000);
        let mut wire = Wire::connect(at(port));
        let most = if name.is_empty() { 3_000 } else { 10 };
        let is_closed = (0..most).any(|number| {
            let asked = wire.send_raw(&request(&[command, &format!("{name}{number}")]));
            asked.is_err() || wire.read().is_err()
        });
        assert!(is_closed, "{command}");
    }
    let mut wire = Wire::connect(at(port));
    let tracks = |number| request(&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", &format!("{number:012}")]);
    let is_closed = (0..3_000).any(|number| wire.send_raw(&tracks(number)).is_err() || wire.read().is_err());
    assert!(is_closed, "prefixes");
    assert_eq!(number(&mut Wire::connect(at(port)), "evicted_clients"), 5);
}

#[test]
fn what_clients_have_the_server_remember_is_shown_as_theirs() {
    let (_process, port) = started(&["--save", ""]);
    let (mut wire, mut other) = (Wire::connect(at(port)), Wire::connect(at(port)));
    let before = number(&mut wire, "mem_clients_normal");
    assert_eq!(other.ask("MULTI"), Reply::ok());
    assert_eq!(other.call(&["SET", "k", &"v".repeat(300_000)]), Reply::Status(b"QUEUED".to_vec()));
    super::support::eventually("the transaction counts", || {
        number(&mut wire, "mem_clients_normal") > before + 300_000
    });
}

#[test]
fn telling_of_what_went_is_no_reason_for_more_to_go() {
    const KEYS: u64 = 300;
    let (_process, mut wire, _) = limited("allkeys-lru", 64 << 20);
    wire.ask("CONFIG SET maxmemory-eviction-tenacity 100");
    let port = port(&mut wire);
    let mut trackers: Vec<Wire> = (0..10).map(|_| Wire::connect(at(port))).collect();
    for tracker in &mut trackers {
        tracker.ask("HELLO 3");
        assert_eq!(tracker.ask("CLIENT TRACKING ON"), Reply::ok());
    }
    let name = "x".repeat(1_000);
    for number in 0..KEYS {
        let key = format!("{number}{name}");
        wire.call(&["SET", &key, "x"]);
        trackers.iter_mut().for_each(|tracker| drop(tracker.call(&["GET", &key])));
    }
    // Some 40 keys have to go, and ten clients hear of each.
    let limit = number(&mut wire, "used_memory") - number(&mut wire, "mem_not_counted_for_evict") - 40_000;
    assert_eq!(wire.ask(&format!("CONFIG SET maxmemory {limit}")), Reply::ok());
    for _ in 0..20 {
        wire.ask("SET one value");
    }
    let evicted = number(&mut wire, "evicted_keys");
    assert!((10..=60).contains(&evicted), "{evicted}");
    let Reply::Integer(left) = wire.ask("DBSIZE") else { panic!("no DBSIZE") };
    assert!(left >= 200, "{left}");
    for tracker in &mut trackers {
        assert!(tracker.read().is_ok_and(|message| matches!(message, Reply::Push(_))));
    }
}

#[test]
fn a_long_argument_takes_little_more_than_its_bytes() {
    const BYTES: u64 = 1_200_000;
    let (_process, mut wire, _) = limited("noeviction", 64 << 20);
    let mut slow = Wire::connect(at(port(&mut wire)));
    slow.ask("CLIENT SETNAME slow");
    slow.send_raw(format!("*2\r\n${BYTES}\r\n").as_bytes()).unwrap();
    slow.send_raw(&vec![b'x'; BYTES as usize]).unwrap();
    let mut field = |name: &str| -> u64 {
        let Reply::Bulk(list) = wire.ask("CLIENT LIST") else { panic!("no list") };
        let list = String::from_utf8_lossy(&list).into_owned();
        let line = list.lines().find(|line| line.contains("name=slow")).expect("it is connected");
        let value = line.split(' ').find_map(|field| field.strip_prefix(name));
        value.and_then(|digits| digits.parse().ok()).expect("a number")
    };
    super::support::eventually("all has come", || field("qbuf=") >= BYTES);
    assert!(field("tot-mem=") < BYTES + (64 << 10));
}

/// The most memory that a process ever had, in bytes.
#[cfg(target_os = "linux")]
fn most_memory(wire: &mut Wire) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", number(wire, "process_id"))).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes << 10
}

#[cfg(target_os = "linux")]
#[test]
fn a_long_transaction_of_a_log_takes_little_more_than_its_bytes() {
    let [empty, full] = [0, 600_000].map(|commands| {
        let dir = tempfile::tempdir().unwrap();
        let log =
            [b"*1\r\n$5\r\nMULTI\r\n".to_vec(), b"*2\r\n$3\r\nDEL\r\n$0\r\n\r\n".repeat(commands)].concat();
        std::fs::write(dir.path().join("appendonly.aof"), [&log[..], b"*1\r\n$4\r\nEXEC\r\n"].concat())
            .unwrap();
        let options = ["--io-threads", "1", "--appendonly", "yes", "--dir", dir.path().to_str().unwrap()];
        let (_process, port) = started(&options);
        (most_memory(&mut Wire::connect(at(port))), log.len() as u64)
    });
    let taken = full.0.saturating_sub(empty.0);
    assert!(taken <= 6 * full.1, "{taken} bytes for {}", full.1);
}
