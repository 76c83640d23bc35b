//! Transactions of concurrent clients on several workers.

use std::sync::atomic::{AtomicBool, Ordering};

use super::support::{connect, effort, server};
use super::wire::{Reply, Wire};

/// Transactions of each client.
const ROUNDS: usize = 2_000;
/// Of each client.
const INCREMENTS: usize = 300;

fn number(reply: &Reply) -> i64 {
    match reply {
        Reply::Bulk(text) => std::str::from_utf8(text).unwrap().parse().unwrap(),
        Reply::NilBulk => 0,
        other => panic!("{other:?}"),
    }
}

/// One payment, which both accounts see at once.
type Pay = fn(&mut Wire, &str, &str);

fn by_multi(wire: &mut Wire, from: &str, to: &str) {
    assert_eq!(wire.ask("MULTI"), Reply::ok());
    wire.call(&["DECRBY", from, "5"]);
    wire.call(&["INCRBY", to, "5"]);
    assert!(matches!(wire.ask("EXEC"), Reply::Array(replies) if replies.len() == 2));
}

/// Reads both, and writes both back if nobody came in between, until that was so.
fn by_watch(wire: &mut Wire, from: &str, to: &str) {
    loop {
        assert_eq!(wire.call(&["WATCH", from, to]), Reply::ok());
        let Reply::Array(balances) = wire.call(&["MGET", from, to]) else { panic!("no balances") };
        let paid = if from == to { 0 } else { 5 };
        wire.ask("MULTI");
        wire.call(&["SET", from, &(number(&balances[0]) - paid).to_string()]);
        wire.call(&["SET", to, &(number(&balances[1]) + paid).to_string()]);
        if let Reply::Array(_) = wire.ask("EXEC") {
            return;
        }
    }
}

#[test]
fn nobody_sees_half_a_transaction() {
    pay_and_look(by_multi);
}

#[test]
fn nobody_sees_half_an_optimistic_transaction() {
    pay_and_look(by_watch);
}

/// Money goes from account to account; readers of all accounts always see the same sum.
fn pay_and_look(pay: Pay) {
    let server = server(&["--io-threads", "4"]);
    let accounts: Vec<String> = (0..8).map(|index| format!("account{index}")).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let payers: Vec<_> = (0..3)
            .map(|payer| {
                let (server, accounts) = (&server, &accounts);
                scope.spawn(move || {
                    let mut wire = connect(server);
                    for round in 0..ROUNDS * effort() {
                        let (from, to) = ((round + payer) % 8, (round * 3 + payer + 1) % 8);
                        pay(&mut wire, &accounts[from], &accounts[to]);
                    }
                })
            })
            .collect();
        for reader in 0..3 {
            let (server, accounts, stop) = (&server, &accounts, &stop);
            scope.spawn(move || {
                let mut wire = connect(server);
                let mget: Vec<&str> =
                    ["MGET"].into_iter().chain(accounts.iter().map(String::as_str)).collect();
                while !stop.load(Ordering::Relaxed) {
                    let Reply::Array(balances) = balances_of(&mut wire, &mget, reader % 2 == 0) else {
                        panic!("no balances")
                    };
                    assert_eq!(balances.iter().map(number).sum::<i64>(), 0, "{balances:?}");
                }
            });
        }
        payers.into_iter().for_each(|payer| payer.join().unwrap());
        stop.store(true, Ordering::Relaxed);
    });
}

/// All balances, by one command or by a transaction with one.
fn balances_of(wire: &mut Wire, mget: &[&str], in_transaction: bool) -> Reply {
    if !in_transaction {
        return wire.call(mget);
    }
    wire.ask("MULTI");
    wire.call(mget);
    match wire.ask("EXEC") {
        Reply::Array(mut replies) => replies.remove(0),
        other => other,
    }
}

/// Read, add one, write back if nobody came in between: no increment may be lost.
#[test]
fn optimistic_increments_add_up() {
    let server = server(&["--io-threads", "4"]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let server = &server;
            scope.spawn(move || {
                let mut wire = connect(server);
                let mut done = 0;
                while done < INCREMENTS * effort() {
                    assert_eq!(wire.ask("WATCH counter"), Reply::ok());
                    let next = number(&wire.ask("GET counter")) + 1;
                    wire.ask("MULTI");
                    wire.ask(&format!("SET counter {next}"));
                    done += usize::from(matches!(wire.ask("EXEC"), Reply::Array(_)));
                }
            });
        }
    });
    let sum = (4 * INCREMENTS * effort()).to_string();
    assert_eq!(connect(&server).ask("GET counter"), Reply::bulk(&sum));
}

/// A transaction with commands that want every shard, among others that hold some.
#[test]
fn transactions_about_everything_come_to_their_end() {
    let server = server(&["--io-threads", "4"]);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let server = &server;
            scope.spawn(move || {
                let mut wire = connect(server);
                for round in 0..300 {
                    wire.ask("MULTI");
                    wire.ask(&format!("SET {client}:{round} x"));
                    wire.ask(if round % 2 == 0 { "DBSIZE" } else { "CONFIG GET port" });
                    wire.ask(&format!("DEL {client}:{round}"));
                    assert!(matches!(wire.ask("EXEC"), Reply::Array(replies) if replies.len() == 3));
                    wire.ask(&format!("MSET a{client} 1 b{client} 2 c{round} 3"));
                }
            });
        }
    });
}

/// CLIENT LIST names what a client has sent, not what that ran.
#[test]
fn the_last_command_is_the_one_that_was_sent() {
    let server = server(&[]);
    let (mut runner, mut asker) = (connect(&server), connect(&server));
    runner.ask("CLIENT SETNAME runner");
    let mut last_command = || {
        let Reply::Bulk(lines) = asker.ask("CLIENT LIST") else { panic!("no list") };
        let lines = String::from_utf8(lines).unwrap();
        let line = lines.lines().find(|line| line.contains(" name=runner ")).unwrap();
        line.split(' ').find_map(|field| field.strip_prefix("cmd=")).unwrap().to_owned()
    };
    for request in ["MULTI", "SET k v", "EXEC"] {
        runner.ask(request);
    }
    assert_eq!(last_command(), "exec");
    runner.call(&["EVAL", "return redis.call('GET', KEYS[1])", "1", "k"]);
    assert_eq!(last_command(), "eval");
}
