//! Limits: strangers before their password, too many clients, buffers that grow too far, and HTTP.

use std::sync::atomic::Ordering;

use ochre::base::clock::{Time, UnixMs};
use ochre::server::embed::Server;

use super::support::{connect, eventually, server};
use super::wire::{Reply, Wire, request};

/// A counter of the only worker.
macro_rules! counter {
    ($server:expr, $name:ident) => {
        $server.engine.stats.worker(0).counters.$name.load(Ordering::Relaxed)
    };
}

#[test]
fn strangers_may_send_little() {
    let server = server(&["--io-threads", "1", "--requirepass", "secret"]);
    let long = "x".repeat(16_385);
    let cases: [(Vec<u8>, &str); 3] = [
        (request(&["PING"; 11]), "unauthenticated multibulk length"),
        (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n".to_vec(), "unauthenticated bulk length"),
        (request(&["AUTH", &long]), "unauthenticated bulk length"),
    ];
    for (bytes, text) in cases {
        let mut wire = connect(&server);
        assert_eq!(wire.ask("GET k").error_text(), "NOAUTH Authentication required.");
        wire.send_raw(&bytes).unwrap();
        assert_eq!(wire.read().unwrap().error_text(), format!("ERR Protocol error: {text}"));
        assert!(wire.is_closed());
    }
}

#[test]
fn the_limits_end_with_the_password_even_in_one_packet() {
    let server = server(&["--io-threads", "1", "--requirepass", "secret"]);
    let mut wire = connect(&server);
    let long = "x".repeat(100_000);
    wire.send_raw(&[request(&["AUTH", "secret"]), request(&["ECHO", &long])].concat()).unwrap();
    assert_eq!(wire.read().unwrap(), Reply::ok());
    assert_eq!(wire.read().unwrap(), Reply::bulk(&long));
}

#[test]
fn more_than_maxclients_are_refused() {
    let server = server(&["--io-threads", "2", "--maxclients", "10"]);
    // All at once: those who were accepted but are not yet with their worker count too.
    let mut wires: Vec<Wire> = (0..50).map(|_| connect(&server)).collect();
    let mut accepted = Vec::new();
    let mut refused = 0;
    for mut wire in wires.drain(..) {
        // A refused connection may be gone before the request is sent.
        let _ = wire.send(&["PING"]);
        match wire.read() {
            Ok(Reply::Status(_)) => accepted.push(wire),
            Ok(Reply::Error(text)) => {
                assert_eq!(text, b"ERR max number of clients reached");
                refused += 1;
            }
            Ok(other) => panic!("{other:?}"),
            // Its line was lost with the reset that our request caused.
            Err(_) => refused += 1,
        }
    }
    assert_eq!((accepted.len(), refused), (10, 40));
    drop(accepted.pop());
    eventually("a place is free", || {
        let mut wire = connect(&server);
        wire.send(&["PING"]).is_ok() && matches!(wire.read(), Ok(Reply::Status(_)))
    });
}

#[test]
fn a_client_that_never_reads_is_cut_off() {
    let server = server(&["--io-threads", "1", "--client-output-buffer-limit", "normal 1mb 0 0"]);
    for size in [1_000, 100_000] {
        let cut_before = counter!(server, output_limit_disconnections);
        let mut wire = connect(&server);
        wire.call(&["SET", "k", &"v".repeat(size)]);
        let flood = request(&["GET", "k"]).repeat(100);
        // It ends with an error when the server closes.
        while wire.send_raw(&flood).is_ok() {}
        eventually("it is counted", || counter!(server, output_limit_disconnections) == cut_before + 1);
        assert_eq!(connect(&server).ask("PING"), Reply::Status(b"PONG".to_vec()));
    }
}

#[test]
fn a_slow_reader_may_be_over_the_soft_limit_for_a_while() {
    let time = Time::manual(UnixMs(1_000_000));
    let options = ["--io-threads", "1", "--client-output-buffer-limit", "normal 0 1mb 10"];
    let server = Server::start(&options, time.clone()).unwrap();
    let mut wire = connect(&server);
    wire.call(&["SET", "k", &"v".repeat(10_000_000)]);
    wire.send_raw(&request(&["GET", "k"]).repeat(5)).unwrap();
    let client = || server.engine.clients.by_age().into_iter().next();
    let is_over =
        || client().is_some_and(|client| client.usage.over_soft_since_us.load(Ordering::Relaxed) > 0);
    eventually("it is over its soft limit", is_over);
    time.advance_ms(9_000);
    assert!(client().is_some());
    time.advance_ms(2_000);
    eventually("it is cut off", || server.engine.clients.is_empty());
}

#[test]
fn a_request_longer_than_the_query_buffer_limit_ends_the_connection() {
    let server = server(&["--io-threads", "1", "--client-query-buffer-limit", "1mb"]);
    let mut wire = connect(&server);
    let fits = "v".repeat(900_000);
    assert_eq!(wire.call(&["SET", "k", &fits]), Reply::ok());
    let _ = wire.send(&["SET", "k", &"v".repeat(1_500_000)]);
    assert!(wire.is_closed());
    eventually("it is counted", || counter!(server, query_limit_disconnections) == 1);
    assert_eq!(connect(&server).ask("GET k"), Reply::bulk(&fits));
}

#[test]
fn idle_clients_are_closed_after_the_timeout() {
    let time = Time::manual(UnixMs(1_000_000));
    let server = Server::start(&["--io-threads", "1", "--timeout", "100"], time.clone()).unwrap();
    let (mut idle, mut active) = (connect(&server), connect(&server));
    for wire in [&mut idle, &mut active] {
        assert_eq!(wire.ask("PING"), Reply::Status(b"PONG".to_vec()));
    }
    time.advance_ms(99_000);
    active.ask("PING");
    assert_eq!(server.engine.clients.len(), 2);
    time.advance_ms(2_000);
    assert!(idle.is_closed());
    assert_eq!(active.ask("PING"), Reply::Status(b"PONG".to_vec()));
}

#[test]
fn http_is_not_taken_for_commands() {
    let server = server(&["--io-threads", "1"]);
    let requests = [
        "POST / HTTP/1.1\r\nHost: localhost:6379\r\nContent-Length: 14\r\n\r\nSET k leaked\r\n",
        "GET / HTTP/1.1\r\nHost: localhost:6379\r\n\r\nSET k leaked\r\n",
        "post /\r\nSET k leaked\r\n",
        "hOsT: x\r\nSET k leaked\r\n",
    ];
    for text in requests {
        let mut wire = connect(&server);
        wire.send_raw(text.as_bytes()).unwrap();
        assert!(wire.is_closed(), "{text}");
    }
    assert_eq!(connect(&server).ask("EXISTS k"), Reply::Integer(0));
}

#[test]
fn a_paused_client_that_hangs_up_takes_its_requests_along() {
    let server = server(&["--io-threads", "2"]);
    let mut admin = connect(&server);
    assert_eq!(admin.ask("CLIENT PAUSE 1000000 WRITE"), Reply::ok());
    let mut gone: Vec<Wire> = (0..20).map(|_| connect(&server)).collect();
    for wire in &mut gone {
        wire.send(&["SET", "gone", "1"]).unwrap();
    }
    let mut patient = connect(&server);
    patient.send(&["SET", "patient", "1"]).unwrap();
    eventually("all wait", || server.engine.clients.blocked_count() == 21);
    // More input while it waits, in pieces.
    patient.send_raw(b"GET patient\r\nPI").unwrap();
    drop(gone);
    eventually("one waits", || server.engine.clients.blocked_count() == 1);
    assert_eq!(server.engine.clients.len(), 2);
    assert_eq!(admin.ask("CLIENT UNPAUSE"), Reply::ok());
    patient.send_raw(b"NG\r\n").unwrap();
    assert_eq!(patient.read().unwrap(), Reply::ok());
    assert_eq!(patient.read().unwrap(), Reply::bulk("1"));
    assert_eq!(patient.read().unwrap(), Reply::Status(b"PONG".to_vec()));
    assert_eq!(admin.ask("EXISTS gone"), Reply::Integer(0));
    assert_eq!(server.engine.clients.blocked_count(), 0);
}
