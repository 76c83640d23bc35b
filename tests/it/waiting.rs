//! Requests that wait, on several workers: nothing is lost, nothing is served twice, order is kept.

use std::net::Shutdown;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::support::{connect, effort, eventually, server};
use super::wire::{Reply, Wire};

/// Elements that go through the queues of one test.
const ELEMENTS: usize = 6_000;

fn text(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other:?}"),
    }
}

/// Producers push numbers in all ways that there are; consumers wait for them on several keys, and some hang up while they
/// wait. In the end every number was taken once.
#[test]
fn every_element_is_taken_once() {
    const QUEUES: [&str; 4] = ["q0", "q1", "q2", "q3"];
    let server = server(&["--io-threads", "4"]);
    let elements = ELEMENTS * effort();
    let taken = Mutex::new(vec![0_u8; elements]);
    let left = AtomicUsize::new(elements);
    let note = |element: &Reply| {
        taken.lock().unwrap()[text(element).parse::<usize>().unwrap()] += 1;
        left.fetch_sub(1, Ordering::SeqCst);
    };
    std::thread::scope(|scope| {
        for producer in 0..3 {
            let server = &server;
            scope.spawn(move || {
                let mut wire = connect(server);
                for number in (producer..elements).step_by(3) {
                    let (queue, value) = (QUEUES[number / 3 % 4], number.to_string());
                    match number % 4 {
                        0 => _ = wire.call(&["LPUSH", queue, &value]),
                        1 => {
                            wire.ask("MULTI");
                            wire.call(&["RPUSH", queue, &value]);
                            wire.ask("EXEC");
                        }
                        2 => {
                            // Not by RENAME, which would replace what is there.
                            let own = format!("own{producer}");
                            wire.call(&["RPUSH", &own, &value]);
                            wire.call(&["LMOVE", &own, queue, "LEFT", "RIGHT"]);
                        }
                        _ => _ = wire.call(&["LPUSH", "relay", &value]),
                    }
                }
            });
        }
        for consumer in 0..6 {
            let (server, left, note) = (&server, &left, &note);
            scope.spawn(move || {
                let mut wire = connect(server);
                for round in 0_usize.. {
                    if left.load(Ordering::SeqCst) == 0 {
                        break;
                    }
                    let hangs_up = (round + consumer).is_multiple_of(7);
                    let order = round % 4;
                    let keys: Vec<&str> = (0..4).map(|index| QUEUES[(index + order) % 4]).collect();
                    wire.send(&["BLPOP", keys[0], keys[1], keys[2], keys[3], "0.05"]).unwrap();
                    if hangs_up {
                        // It sends no more, but still reads what was given to it.
                        let _ = wire.stream.shutdown(Shutdown::Write);
                    }
                    match wire.read() {
                        Ok(Reply::Array(pair)) => note(&pair[1]),
                        Ok(Reply::NilArray) => {}
                        Ok(other) => panic!("{other:?}"),
                        Err(_) => assert!(hangs_up),
                    }
                    if hangs_up {
                        wire = connect(server);
                    }
                }
            });
        }
        // A chain: what comes to the relay goes on to a queue.
        for _ in 0..2 {
            let (server, left) = (&server, &left);
            scope.spawn(move || {
                let mut wire = connect(server);
                while left.load(Ordering::SeqCst) > 0 {
                    wire.call(&["BLMOVE", "relay", "q2", "RIGHT", "LEFT", "0.02"]);
                }
            });
        }
    });
    assert!(taken.into_inner().unwrap().iter().all(|times| *times == 1));
    assert_eq!(connect(&server).ask("DBSIZE"), Reply::Integer(0));
}

/// With one producer, elements come out in the order in which they were pushed, to however many consumers.
#[test]
fn queues_keep_their_order() {
    let server = server(&["--io-threads", "4"]);
    std::thread::scope(|scope| {
        let consumers: Vec<_> = (0..4)
            .map(|_| {
                let server = &server;
                scope.spawn(move || {
                    let mut wire = connect(server);
                    let mut last = -1_i64;
                    loop {
                        let Reply::Array(pair) = wire.ask("BLPOP queue 0") else { panic!("no element") };
                        let element: i64 = text(&pair[1]).parse().unwrap();
                        if element as usize >= ELEMENTS {
                            return;
                        }
                        assert!(element > last, "{element} after {last}");
                        last = element;
                    }
                })
            })
            .collect();
        let mut wire = connect(&server);
        // A stop sign for each consumer ends it.
        (0..ELEMENTS + consumers.len()).for_each(|number| _ = wire.ask(&format!("RPUSH queue {number}")));
    });
}

/// Whoever pushes to somebody who waits finds the element gone when its reply has come: also for requests that need the
/// locks of several shards.
#[test]
fn the_waiting_are_served_before_the_reply() {
    let server = server(&["--io-threads", "4"]);
    let mut pusher = connect(&server);
    for round in 0..200 {
        let (source, destination, other) = (format!("s{round}"), format!("d{round}"), format!("o{round}"));
        let mut mover = connect(&server);
        mover.send(&["BLMOVE", &source, &destination, "LEFT", "LEFT", "0"]).unwrap();
        await_blocked(&mut pusher, 1);
        let mut popper = connect(&server);
        popper.send(&["BLPOP", &other, &destination, "0"]).unwrap();
        await_blocked(&mut pusher, 2);
        assert_eq!(pusher.call(&["RPUSH", &source, "x"]), Reply::Integer(1));
        assert_eq!(pusher.call(&["EXISTS", &source, &destination]), Reply::Integer(0));
        assert_eq!(mover.read().unwrap(), Reply::bulk("x"));
        assert_eq!(popper.read().unwrap(), Reply::Array(vec![Reply::bulk(&destination), Reply::bulk("x")]));
    }
}

/// A group's entries go to one consumer each.
#[test]
fn entries_of_a_group_go_to_one_consumer_each() {
    const ENTRIES: usize = 2_000;
    let server = server(&["--io-threads", "4"]);
    let mut wire = connect(&server);
    assert_eq!(wire.ask("XGROUP CREATE stream group $ MKSTREAM"), Reply::ok());
    let seen = Mutex::new(vec![0_u8; ENTRIES]);
    let left = AtomicUsize::new(ENTRIES);
    std::thread::scope(|scope| {
        for consumer in 0..4 {
            let (server, seen, left) = (&server, &seen, &left);
            scope.spawn(move || {
                let mut wire = connect(server);
                let request = format!("XREADGROUP GROUP group c{consumer} COUNT 3 BLOCK 50 STREAMS stream >");
                while left.load(Ordering::SeqCst) > 0 {
                    let Reply::Array(streams) = wire.ask(&request) else { continue };
                    let Reply::Array(stream) = &streams[0] else { panic!("{streams:?}") };
                    let Reply::Array(entries) = &stream[1] else { panic!("{stream:?}") };
                    for entry in entries {
                        let Reply::Array(entry) = entry else { panic!("{entry:?}") };
                        let Reply::Array(fields) = &entry[1] else { panic!("{entry:?}") };
                        seen.lock().unwrap()[text(&fields[1]).parse::<usize>().unwrap()] += 1;
                        left.fetch_sub(1, Ordering::SeqCst);
                    }
                }
            });
        }
        (0..ENTRIES).for_each(|number| _ = wire.ask(&format!("XADD stream * n {number}")));
    });
    assert!(seen.into_inner().unwrap().iter().all(|times| *times == 1));
}

/// Clients that hang up while they wait leave nothing behind.
#[test]
fn who_hangs_up_is_forgotten() {
    let server = server(&["--io-threads", "2"]);
    let mut wire = connect(&server);
    let waiting: Vec<Wire> = (0..50)
        .map(|index| {
            let mut wire = connect(&server);
            wire.send(&["BLPOP", &format!("k{}", index % 5), "0"]).unwrap();
            wire
        })
        .collect();
    await_blocked(&mut wire, 50);
    assert!(clients(&mut wire).contains("total_blocking_keys:5\r\n"));
    drop(waiting);
    await_blocked(&mut wire, 0);
    assert!(clients(&mut wire).contains("total_blocking_keys:0\r\n"));
    assert_eq!(wire.ask("RPUSH k0 1"), Reply::Integer(1));
    assert_eq!(wire.ask("LLEN k0"), Reply::Integer(1));
}

/// A request that was never served was called nevertheless.
#[test]
fn who_was_not_served_is_counted() {
    let server = server(&[]);
    let (mut control, mut waiting) = (connect(&server), connect(&server));
    assert_eq!(waiting.ask("BLPOP q 0.001"), Reply::NilArray);
    let Reply::Integer(id) = waiting.ask("CLIENT ID") else { panic!("no id") };
    waiting.send(&["BLPOP", "q", "0"]).unwrap();
    await_blocked(&mut control, 1);
    assert_eq!(control.call(&["CLIENT", "UNBLOCK", &id.to_string(), "ERROR"]), Reply::Integer(1));
    assert!(waiting.read().unwrap().error_text().starts_with("UNBLOCKED"));
    let stats = text(&control.ask("INFO commandstats"));
    let row = stats.lines().find(|line| line.starts_with("cmdstat_blpop:")).unwrap_or_default();
    assert!(row.contains("calls=2,") && row.ends_with("rejected_calls=0,failed_calls=1"), "{row}");
}

fn clients(wire: &mut Wire) -> String {
    text(&wire.ask("INFO clients"))
}

fn await_blocked(wire: &mut Wire, count: usize) {
    let line = format!("blocked_clients:{count}\r\n");
    eventually("clients wait", || clients(wire).contains(&line));
}

#[test]
fn monitors_see_a_request_that_waited_once() {
    let server = server(&[]);
    let (mut monitor, mut waiting, mut pushing) = (connect(&server), connect(&server), connect(&server));
    assert_eq!(monitor.ask("MONITOR"), Reply::ok());
    waiting.send(&["BLPOP", "queue", "0"]).unwrap();
    let mut shown = |word: &str| {
        let Ok(Reply::Status(line)) = monitor.read() else { panic!("no line") };
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(line.contains(word), "{word}: {line}");
    };
    // It is shown when it begins to wait.
    shown("\"BLPOP\" \"queue\" \"0\"");
    assert_eq!(pushing.ask("RPUSH queue element"), Reply::Integer(1));
    assert!(matches!(waiting.read(), Ok(Reply::Array(_))));
    pushing.ask("PING");
    shown("\"RPUSH\"");
    shown("\"PING\"");
}

/// Who waits in the first of two databases that are swapped is served before who waits in the second, on whatever shards.
#[test]
fn a_swap_serves_one_database_after_the_other() {
    const KEYS: usize = 8;
    let server = server(&["--io-threads", "4", "--notify-keyspace-events", "El"]);
    let mut control = connect(&server);
    let mut waiting = Vec::new();
    for database in ["1", "0"] {
        control.call(&["SELECT", database]);
        for key in 0..KEYS {
            control.call(&["RPUSH", &format!("in{database}:{key}"), "x"]);
            let mut wire = connect(&server);
            wire.ask(if database == "1" { "SELECT 0" } else { "SELECT 1" });
            wire.send(&["BLPOP", &format!("in{database}:{key}"), "0"]).unwrap();
            waiting.push(wire);
        }
    }
    eventually("all wait", || server.engine.clients.blocked_count() == 2 * KEYS);
    let mut listener = connect(&server);
    listener.ask("PSUBSCRIBE *:lpop");
    control.ask("SWAPDB 0 1");
    let heard: Vec<Reply> = (0..2 * KEYS).map(|_| listener.read().unwrap()).collect();
    let is_of_first = |message: &Reply| matches!(message, Reply::Array(words) if words[2] == Reply::bulk("__keyevent@0__:lpop"));
    assert!(heard[..KEYS].iter().all(is_of_first), "{heard:?}");
    assert!(!heard[KEYS..].iter().any(is_of_first), "{heard:?}");
}
