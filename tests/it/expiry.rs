//! Keys end at their deadline: to the millisecond for whoever asks, and unseen.

use ochre::base::clock::{Time, UnixMs};
use ochre::server::embed::Server;

use super::support::{connect, eventually, server};
use super::wire::{Reply, Wire, request};

const START: UnixMs = UnixMs(1_700_000_000_000);

fn dbsize(wire: &mut Wire) -> i64 {
    match wire.ask("DBSIZE") {
        Reply::Integer(size) => size,
        other => panic!("{other:?}"),
    }
}

/// Sends `count` requests in one go and takes their replies.
fn fill(wire: &mut Wire, count: usize, mut line: impl FnMut(usize) -> Vec<u8>) {
    for begin in (0..count).step_by(10_000) {
        let batch = begin..count.min(begin + 10_000);
        let bytes: Vec<u8> = batch.clone().flat_map(&mut line).collect();
        wire.send_raw(&bytes).unwrap();
        for _ in batch {
            assert_eq!(wire.read().unwrap(), Reply::ok());
        }
    }
}

#[test]
fn a_key_ends_at_its_deadline_to_the_millisecond() {
    for workers in ["1", "4"] {
        let time = Time::manual(START);
        let server = Server::start(&["--io-threads", workers], time.clone()).unwrap();
        let mut wire = connect(&server);
        for index in 0..20 {
            wire.call(&["SET", &format!("k{index}"), "v", "PX", "100"]);
        }
        time.advance_ms(99);
        assert_eq!(wire.ask("PTTL k0"), Reply::Integer(1));
        time.advance_ms(1);
        // As in Redis it lives through the millisecond of its deadline.
        assert_eq!(wire.ask("GET k0"), Reply::bulk("v"));
        time.advance_ms(1);
        assert_eq!(wire.ask("GET k0"), Reply::NilBulk);
        assert_eq!(wire.ask("EXISTS k1 k2 k3"), Reply::Integer(0));
        assert_eq!(wire.ask("TTL k4"), Reply::Integer(-2));
        assert_eq!(wire.ask("KEYS *"), Reply::Array(vec![]));
        // Those that nobody asked for are still there, until the expiry task comes.
        assert_eq!(dbsize(&mut wire), 15);
        server.expire_due();
        assert_eq!(dbsize(&mut wire), 0);
    }
}

#[test]
fn what_is_not_due_stays() {
    for workers in ["1", "4"] {
        let time = Time::manual(START);
        let server = Server::start(&["--io-threads", workers], time.clone()).unwrap();
        let mut wire = connect(&server);
        // A thousand deadlines, one a millisecond, in a mixed order.
        fill(&mut wire, 1_000, |index| {
            let ttl = (index * 7919) % 1000 + 1;
            request(&["SET", &format!("k{ttl}"), "v", "PX", &ttl.to_string()])
        });
        for passed in (100..=1_000).step_by(100) {
            time.advance_ms(100);
            server.expire_due();
            // That of the very millisecond is still there.
            assert_eq!(dbsize(&mut wire), 1_000 - passed + 1);
        }
        time.advance_ms(1);
        server.expire_due();
        assert_eq!(dbsize(&mut wire), 0);
    }
}

#[test]
fn a_deadline_that_moves_is_the_one_that_counts() {
    let time = Time::manual(START);
    let server = Server::start(&["--io-threads", "1"], time.clone()).unwrap();
    let mut wire = connect(&server);
    for (key, then) in
        [("later", "PEXPIRE later 5000"), ("sooner", "PEXPIRE sooner 50"), ("never", "PERSIST never")]
    {
        wire.call(&["SET", key, "v", "PX", "1000"]);
        assert_eq!(wire.ask(then), Reply::Integer(1));
    }
    wire.ask("SET overwritten v PX 1000");
    wire.ask("SET overwritten w");
    time.advance_ms(51);
    server.expire_due();
    assert_eq!(dbsize(&mut wire), 3);
    time.advance_ms(1_000);
    server.expire_due();
    assert_eq!(wire.ask("MGET later sooner never overwritten"), {
        Reply::Array(vec![Reply::bulk("v"), Reply::NilBulk, Reply::bulk("v"), Reply::bulk("w")])
    });
    assert_eq!(dbsize(&mut wire), 3);
    time.advance_ms(5_000);
    server.expire_due();
    assert_eq!(dbsize(&mut wire), 2);
}

#[test]
fn keys_go_unseen_among_many_that_stay() {
    const MANY: usize = 200_000;
    for workers in ["1", "4"] {
        let server = server(&["--io-threads", workers]);
        let mut wire = connect(&server);
        fill(&mut wire, MANY, |index| request(&["SET", &format!("stays{index}"), "v", "EX", "100000"]));
        fill(&mut wire, 100, |index| {
            request(&["SET", &format!("goes{index}"), "v", "PX", &(10 + index).to_string()])
        });
        // DBSIZE looks at no key, so it is the expiry task that removes them.
        eventually("exactly the due keys are removed", || {
            let size = dbsize(&mut wire);
            assert!(size >= MANY as i64, "a key that was not due is gone");
            size == MANY as i64
        });
    }
}

#[test]
fn a_mass_expiry_comes_to_its_end_while_others_are_served() {
    const MANY: usize = 200_000;
    for workers in ["1", "4"] {
        let server = server(&["--io-threads", workers]);
        let (mut wire, mut other) = (connect(&server), connect(&server));
        wire.ask("SET counter 0");
        fill(&mut wire, MANY, |index| request(&["SET", &format!("goes{index}"), "v", "PX", "1000"]));
        let mut count = 0;
        eventually("all are gone", || {
            count += 1;
            assert_eq!(other.ask("INCR counter"), Reply::Integer(count));
            dbsize(&mut wire) == 1
        });
    }
}

#[test]
fn an_earlier_deadline_wakes_the_sleeper() {
    let server = server(&["--io-threads", "1"]);
    let mut wire = connect(&server);
    wire.ask("SET late v EX 10000");
    eventually("the first is set", || dbsize(&mut wire) == 1);
    // By now the task sleeps until a distant alarm.
    for round in 0..20 {
        wire.call(&["SET", &format!("soon{round}"), "v", "PX", "5"]);
        eventually("it is removed", || dbsize(&mut wire) == 1);
    }
}
