//! Limits: strangers before their password, too many clients, buffers that grow too far, slow clients, panics, and HTTP.

use std::sync::atomic::Ordering;

use ochre::base::clock::{Time, UnixMs};
use ochre::server::embed::Server;

use super::support::{bytes_read, connect, eventually, server};
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
    assert_eq!(server.engine.stats.totals().output_limit_disconnections, 1);
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
fn who_has_waited_long_is_not_idle_when_it_is_served() {
    let time = Time::manual(UnixMs(1_000_000));
    let server = Server::start(&["--io-threads", "1", "--timeout", "100"], time.clone()).unwrap();
    let mut waiting = connect(&server);
    waiting.send(&["BLPOP", "q", "0"]).unwrap();
    eventually("it waits", || server.engine.clients.blocked_count() == 1);
    time.advance_ms(1_000_000);
    connect(&server).ask("RPUSH q 1");
    assert_eq!(waiting.read().unwrap(), Reply::Array(vec![Reply::bulk("q"), Reply::bulk("1")]));
    assert_eq!(server.engine.clients.blocked_count(), 0);
    let oldest = server.engine.clients.by_age().into_iter().next().unwrap();
    assert_eq!(oldest.usage.last_active_us.load(Ordering::Relaxed), 1_000_000_000);
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

#[test]
fn strangers_have_their_time() {
    let time = Time::manual(UnixMs(1_000_000));
    let server = Server::start(&["--io-threads", "2", "--requirepass", "secret"], time.clone()).unwrap();
    let (mut known, mut mute, mut wrong) = (connect(&server), connect(&server), connect(&server));
    assert_eq!(known.ask("AUTH secret"), Reply::ok());
    eventually("all are there", || server.engine.clients.len() == 3);
    time.advance_ms(9_000);
    assert!(wrong.ask("AUTH guess").error_text().starts_with("WRONGPASS"));
    assert_eq!(server.engine.clients.len(), 3);
    time.advance_ms(2_000);
    assert!(mute.is_closed() && wrong.is_closed());
    assert_eq!(known.ask("PING"), Reply::Status(b"PONG".to_vec()));
    // Whoever becomes a stranger again has the same time again.
    time.advance_ms(100_000);
    assert_eq!(known.ask("RESET"), Reply::Status(b"RESET".to_vec()));
    time.advance_ms(9_000);
    assert_eq!(known.ask("AUTH secret"), Reply::ok());
    time.advance_ms(100_000);
    assert_eq!(known.ask("PING"), Reply::Status(b"PONG".to_vec()));
}

#[test]
fn strangers_share_a_bounded_memory() {
    let options = ["--io-threads", "1", "--requirepass", "secret", "--unauthenticated-memory-limit", "1mb"];
    let server = server(&options);
    let half = [&b"*2\r\n$4\r\nAUTH\r\n$16384\r\n"[..], &[b'x'; 16_000]].concat();
    let mut hostile: Vec<Wire> = (0..300).map(|_| connect(&server)).collect();
    for wire in &mut hostile {
        let _ = wire.send_raw(&half);
    }
    eventually("all have been looked at", || server.engine.clients.len() < 70);
    let held = server.engine.clients.stranger_bytes();
    // Beyond the limit are only those who have sent nothing yet.
    assert!((500_000..1_300_000).contains(&held), "{held}");
    // Meanwhile the password opens, and what strangers took is given back.
    let mut known = connect(&server);
    assert_eq!(known.ask("AUTH secret"), Reply::ok());
    drop(hostile);
    eventually("they are gone", || server.engine.clients.stranger_bytes() == 0);
    assert_eq!(known.ask("PING"), Reply::Status(b"PONG".to_vec()));
}

#[test]
fn a_stranger_keeps_no_more_than_a_password() {
    let server = server(&["--io-threads", "1", "--requirepass", "secret"]);
    let mut wire = connect(&server);
    let argument = [&b"$16384\r\n"[..], &[b'x'; 16_384], b"\r\n"].concat();
    let _ = wire.send_raw(&[&b"*9\r\n"[..], &argument.repeat(3)].concat());
    assert!(wire.is_closed());
    eventually("it is counted", || counter!(server, query_limit_disconnections) == 1);
}

#[test]
fn who_dribbles_is_closed_and_who_is_slow_is_not() {
    let time = Time::manual(UnixMs(1_000_000));
    let server = Server::start(&["--io-threads", "1"], time.clone()).unwrap();
    let (mut idle, mut dribbler, mut slow) = (connect(&server), connect(&server), connect(&server));
    assert_eq!(idle.ask("PING"), Reply::Status(b"PONG".to_vec()));
    let mut sent = bytes_read(&server);
    let mut send = |wire: &mut Wire, bytes: &[u8]| {
        wire.send_raw(bytes).unwrap();
        sent += bytes.len() as u64;
        eventually("it is read", || bytes_read(&server) == sent);
    };
    send(&mut dribbler, b"*2\r\n$3\r\nGET\r\n$9\r\n");
    let big = [b'x'; 20_000];
    send(&mut slow, b"*2\r\n$4\r\nECHO\r\n$20000\r\n");
    for part in big.chunks(2_000) {
        send(&mut dribbler, b"k");
        send(&mut slow, part);
        time.advance_ms(5_900);
    }
    assert_eq!(server.engine.clients.len(), 3);
    time.advance_ms(5_000);
    assert!(dribbler.is_closed());
    slow.send_raw(b"\r\n").unwrap();
    assert_eq!(slow.read().unwrap(), Reply::Bulk(big.to_vec()));
    time.advance_ms(1_000_000);
    assert_eq!(idle.ask("PING"), Reply::Status(b"PONG".to_vec()));
}

#[test]
fn the_timeout_is_not_for_those_who_wait() {
    let time = Time::manual(UnixMs(1_000_000));
    let server = Server::start(&["--io-threads", "1", "--timeout", "100"], time.clone()).unwrap();
    let (mut idle, mut listener, mut waiter, mut monitor) =
        (connect(&server), connect(&server), connect(&server), connect(&server));
    listener.ask("SUBSCRIBE news");
    assert_eq!(monitor.ask("MONITOR"), Reply::ok());
    waiter.send(&["BLPOP", "queue", "0"]).unwrap();
    idle.ask("PING");
    eventually("one waits", || server.engine.clients.blocked_count() == 1);
    time.advance_ms(200_000);
    assert!(idle.is_closed());
    let mut admin = connect(&server);
    assert_eq!(admin.ask("PUBLISH news hello"), Reply::Integer(1));
    assert_eq!(admin.ask("RPUSH queue x"), Reply::Integer(1));
    assert_eq!(waiter.read().unwrap(), Reply::Array(["queue", "x"].map(Reply::bulk).to_vec()));
    assert_eq!(server.engine.clients.len(), 4);
}

#[test]
fn big_replies_stop_at_the_output_limit() {
    let server = server(&["--io-threads", "1", "--client-output-buffer-limit", "normal 1mb 0 0"]);
    let mut admin = connect(&server);
    let value = "v".repeat(1_000);
    for number in 0..5_000 {
        let member = format!("{number}{value}");
        let line = |words: &[&str]| request(words);
        let number = number.to_string();
        let pipeline = [
            line(&["RPUSH", "list", &value]),
            line(&["HSET", "hash", &number, &value]),
            line(&["SADD", "set", &member]),
            line(&["ZADD", "zset", &number, &member]),
            line(&["XADD", "stream", "*", "f", &value]),
            line(&["SET", &member, ""]),
        ];
        admin.send_raw(&pipeline.concat()).unwrap();
        (0..pipeline.len()).for_each(|_| drop(admin.read().unwrap()));
    }
    let lines = [
        "KEYS *",
        "LRANGE list 0 -1",
        "HGETALL hash",
        "HVALS hash",
        "SMEMBERS set",
        "ZRANGE zset 0 -1",
        "XRANGE stream - +",
        "SORT list ALPHA",
        "EVAL return\u{a0}redis.call('lrange','list',0,-1) 0",
    ];
    for (count, line) in lines.iter().enumerate() {
        let words: Vec<String> = line.split(' ').map(|word| word.replace('\u{a0}', " ")).collect();
        let mut wire = connect(&server);
        wire.send(&words).unwrap();
        assert!(wire.is_closed(), "{line}");
        eventually("it is counted", || counter!(server, output_limit_disconnections) == count as u64 + 1);
    }
    let mut wire = connect(&server);
    wire.ask("MULTI");
    wire.ask("SET before 1");
    (0..3).for_each(|_| drop(wire.ask("LRANGE list 0 499")));
    wire.ask("SET behind 1");
    wire.send(&["EXEC"]).unwrap();
    assert!(wire.is_closed());
    // The transaction ran as a whole, whatever became of its reply.
    assert_eq!(admin.ask("EXISTS before behind"), Reply::Integer(2));
    assert_eq!(admin.ask("LRANGE list 0 99"), Reply::Array(vec![Reply::bulk(&value); 100]));
}

#[test]
fn a_reply_bigger_than_all_clients_may_have_stops_while_it_is_produced() {
    let server = server(&["--io-threads", "1", "--maxmemory-clients", "1mb"]);
    let mut admin = connect(&server);
    assert_eq!(admin.ask("CLIENT NO-EVICT ON"), Reply::ok());
    let value = "v".repeat(1_000);
    let push: Vec<&str> = ["RPUSH", "list"].into_iter().chain([&value[..]; 100]).collect();
    for _ in 0..50 {
        admin.send(&push).unwrap();
        assert!(matches!(admin.read().unwrap(), Reply::Integer(_)));
    }
    let mut wire = connect(&server);
    wire.send(&["LRANGE", "list", "0", "-1"]).unwrap();
    assert!(wire.is_closed());
    eventually("it is counted", || counter!(server, output_limit_disconnections) == 1);
    // Whom nobody may evict gets it whole, and others what is small.
    let Reply::Array(all) = admin.ask("LRANGE list 0 -1") else { panic!("no array") };
    assert_eq!(all.len(), 5_000);
    assert_eq!(connect(&server).ask("LRANGE list 0 99"), Reply::Array(vec![Reply::bulk(&value); 100]));
}

#[test]
fn a_panic_ends_its_connection_and_nothing_else() {
    let server = server(&["--io-threads", "2", "--enable-debug-command", "yes"]);
    let mut others: Vec<Wire> = (0..4).map(|_| connect(&server)).collect();
    others[0].ask("SET k v");
    for count in 1..=3 {
        let mut wire = connect(&server);
        wire.send(&["DEBUG", "PANIC"]).unwrap();
        assert!(wire.is_closed());
        let panics = || {
            let counters = |worker| &server.engine.stats.worker(worker).counters;
            (0..2).map(|worker| counters(worker).panics.load(Ordering::Relaxed)).sum::<u64>()
        };
        eventually("it is counted", || panics() == count);
    }
    for wire in &mut others {
        assert_eq!(wire.ask("GET k"), Reply::bulk("v"));
        assert_eq!(wire.ask("SET k v"), Reply::ok());
    }
    eventually("the connections are gone", || server.engine.clients.len() == 4);
}

#[test]
fn who_is_closed_is_listed_no_more() {
    let server = server(&["--io-threads", "4"]);
    let mut own = connect(&server);
    for _ in 0..100 {
        let mut other = connect(&server);
        let Reply::Integer(id) = other.ask("CLIENT ID") else { panic!("no id") };
        assert_eq!(own.ask(&format!("CLIENT KILL ID {id}")), Reply::Integer(1));
        let Reply::Bulk(list) = own.ask("CLIENT LIST") else { panic!("no list") };
        let list = String::from_utf8_lossy(&list).into_owned();
        assert!(!list.lines().any(|line| line.starts_with(&format!("id={id} "))), "{list}");
    }
}
