//! MIGRATE between two servers of ours: what moves, what stays, what others see and what is told to whom.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use super::support::{connect, eventually, server};
use super::wire::{Reply, Wire};

fn status(text: &str) -> Reply {
    Reply::Status(text.as_bytes().to_vec())
}

fn migrate(wire: &mut Wire, to: SocketAddr, rest: &str) -> Reply {
    let port = to.port().to_string();
    let mut words = vec!["MIGRATE", "127.0.0.1", &port];
    words.extend(rest.split(' ').map(|word| if word == "''" { "" } else { word }));
    wire.call(&words)
}

#[test]
fn keys_of_every_kind_move_with_their_times() {
    let (here, there) = (server(&["--io-threads", "4"]), server(&["--io-threads", "1"]));
    let (mut from, mut to) = (connect(&here), connect(&there));
    for line in [
        "SET text hello PX 100000000",
        "RPUSH list a b c",
        "SADD set a b c",
        "ZADD zset 1 a 2 b",
        "HSET hash f v",
        "XADD stream 1-1 f v",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group alice COUNT 1 STREAMS stream >",
    ] {
        from.ask(line);
    }
    let before = from.ask("DEBUG DIGEST-VALUE text list set zset hash stream");
    assert_eq!(
        migrate(&mut from, there.addr, "'' 3 5000 COPY KEYS text list set zset hash stream"),
        Reply::ok()
    );
    assert_eq!(from.ask("DBSIZE"), Reply::Integer(6), "COPY leaves them");
    let busy = migrate(&mut from, there.addr, "'' 3 5000 KEYS text list").error_text();
    assert_eq!(busy, "ERR Target instance replied with error: BUSYKEY Target key name already exists.");
    assert_eq!(from.ask("DBSIZE"), Reply::Integer(6), "what was refused stays");
    assert_eq!(
        migrate(&mut from, there.addr, "'' 3 5000 REPLACE KEYS text missing list set zset hash stream"),
        Reply::ok()
    );
    assert_eq!(from.ask("DBSIZE"), Reply::Integer(0));
    to.ask("SELECT 3");
    assert_eq!(to.ask("DEBUG DIGEST-VALUE text list set zset hash stream"), before);
    assert!(matches!(to.ask("PTTL text"), Reply::Integer(90_000_000..=100_000_000)));
    assert_eq!(to.ask("PTTL list"), Reply::Integer(-1));
    assert_eq!(migrate(&mut from, there.addr, "text 3 5000"), status("NOKEY"));
}

#[test]
fn options_and_numbers_are_checked_first() {
    let (here, there) = (server(&[]), server(&["--requirepass", "secret"]));
    let mut from = connect(&here);
    from.ask("SET k v");
    let mut error = |rest: &str| migrate(&mut from, there.addr, rest).error_text();
    for (rest, expected) in [
        ("k 0 1000 NONSENSE", "ERR syntax error"),
        ("k 0 1000 AUTH", "ERR syntax error"),
        ("k 0 1000 AUTH2 user", "ERR syntax error"),
        ("k x 1000", "ERR value is not an integer or out of range"),
        ("k 0 x", "ERR value is not an integer or out of range"),
        (
            "k 0 1000 KEYS k",
            "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
        ),
        (
            "k 0 1000 AUTH wrong",
            "ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled.",
        ),
        ("k 0 1000", "ERR Target instance replied with error: NOAUTH Authentication required."),
    ] {
        assert_eq!(error(rest), expected, "{rest}");
    }
    assert_eq!(migrate(&mut from, there.addr, "k 0 1000 AUTH2 default secret"), Reply::ok());
    from.ask("SET k v");
    assert_eq!(migrate(&mut from, there.addr, "k 1 1000 AUTH secret"), Reply::ok());
    from.ask("SET k v");
    from.ask("MULTI");
    migrate(&mut from, there.addr, "k 0 1000");
    let Reply::Array(replies) = from.ask("EXEC") else { panic!("no EXEC") };
    assert_eq!(replies[0].error_text(), "ERR MIGRATE can't be a part of a transaction or a script");
}

/// A server that reads and never answers, and one that is not there.
#[test]
fn a_dead_network_keeps_nobody_waiting_but_its_client() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_at = silent.local_addr().unwrap();
    let here = server(&["--io-threads", "1"]);
    let (mut from, mut other) = (connect(&here), connect(&here));
    from.ask("SET k v");
    from.send(&["MIGRATE", "127.0.0.1", &silent_at.port().to_string(), "k", "0", "2000"]).unwrap();
    eventually("it waits", || {
        let Reply::Bulk(info) = other.ask("INFO clients") else { panic!() };
        String::from_utf8_lossy(&info).contains("blocked_clients:1")
    });
    // The same worker, the same key.
    assert_eq!(other.ask("APPEND k w"), Reply::Integer(2));
    assert_eq!(from.read().unwrap().error_text(), "IOERR error or timeout reading to target instance");
    assert_eq!(other.ask("GET k"), Reply::bulk("vw"));
    // A port that was closed can still be open in a child that another test is about to start: one where nobody ever listened.
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let gone = migrate(&mut from, nobody, "k 0 1000").error_text();
    assert_eq!(gone, "IOERR error or timeout writing to target instance");
    assert_eq!(from.ask("EXISTS k"), Reply::Integer(1));
}

/// Reads `count` commands' worth of lines and answers each of them.
fn answer(stream: &mut std::net::TcpStream, commands: usize) -> Vec<u8> {
    let (mut got, mut buffer) = (Vec::new(), [0; 4096]);
    while got.iter().filter(|&&byte| byte == b'*').count() < commands {
        let len = stream.read(&mut buffer).unwrap();
        assert!(len > 0, "the connection was closed");
        got.extend_from_slice(&buffer[..len]);
    }
    stream.write_all(&b"+OK\r\n".repeat(commands)).unwrap();
    got
}

#[test]
fn what_changes_on_the_way_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = server(&["--io-threads", "1"]);
    let (mut from, mut other) = (connect(&here), connect(&here));
    from.ask("MSET one 1 two 2 three 3");
    let port = listener.local_addr().unwrap().port().to_string();
    from.send(&["MIGRATE", "127.0.0.1", &port, "", "0", "60000", "KEYS", "one", "two", "three"]).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    answer(&mut stream, 1);
    // It has taken its copies: it is waiting for our answer to three RESTOREs by now or soon.
    other.ask("SET one changed");
    other.ask("DEL two");
    let first = String::from_utf8_lossy(&answer(&mut stream, 3)).into_owned();
    assert!(first.contains("RESTORE") && !first.contains("REPLACE"), "{first}");
    let second = String::from_utf8_lossy(&answer(&mut stream, 2)).into_owned();
    assert!(second.contains("changed") && second.contains("REPLACE"), "{second}");
    assert!(second.contains("$3\r\nDEL\r\n$3\r\ntwo"), "{second}");
    assert_eq!(from.read().unwrap(), Reply::ok());
    assert_eq!(other.ask("DBSIZE"), Reply::Integer(0));
}

#[test]
fn a_move_is_journalled_as_a_deletion() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let options =
        ["--dir", dir, "--appendonly", "yes", "--appendfsync", "always", "--enable-debug-command", "yes"];
    let (here, there) = (server(&options), server(&[]));
    let mut from = connect(&here);
    from.ask("MSET stays 1 goes 2");
    assert_eq!(migrate(&mut from, there.addr, "goes 0 5000"), Reply::ok());
    assert_eq!(from.ask("DEBUG LOADAOF"), Reply::ok());
    assert_eq!(from.ask("KEYS *"), Reply::Array(vec![Reply::bulk("stays")]));
}
