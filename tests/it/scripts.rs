//! Scripts on several workers.

use super::support::{connect, eventually, server};
use super::wire::Reply;

/// A script without end is ended by SCRIPT KILL, even if it catches errors, and its worker goes on as before.
#[test]
fn a_script_without_end_can_be_killed() {
    let server = server(&["--io-threads", "4"]);
    let mut looping = connect(&server);
    looping.send(&["EVAL", "while true do pcall(function() while true do end end) end", "0"]).unwrap();
    // One of the connections is on another worker; those on the same one are answered when it is over.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut wire = connect(&server);
                eventually("the script runs no more", || {
                    let answer = wire.ask("SCRIPT KILL");
                    answer == Reply::ok() || answer.error_text().starts_with("NOTBUSY")
                });
            });
        }
        eventually("somebody kills it", || connect_and_kill(&server));
    });
    assert!(looping.read().unwrap().error_text().contains("Script killed by user"));
    for number in 1..=3 {
        assert_eq!(
            looping.call(&["EVAL", "return redis.call('INCR', KEYS[1])", "1", "n"]),
            Reply::Integer(number)
        );
    }
}

fn connect_and_kill(server: &ochre::server::embed::Server) -> bool {
    let answer = connect(server).ask("SCRIPT KILL");
    answer == Reply::ok() || answer.error_text().starts_with("NOTBUSY")
}

/// Keys that a script has not declared, on any shard: nobody sees half of what it does.
#[test]
fn undeclared_keys_are_changed_at_once() {
    const ROUNDS: usize = 300;
    let server = server(&["--io-threads", "4"]);
    let pay = "local from, to = 'account' .. ARGV[1], 'account' .. ARGV[2] \
               redis.call('DECRBY', from, 5) redis.call('INCRBY', to, 5)";
    std::thread::scope(|scope| {
        for payer in 0..3_usize {
            let server = &server;
            scope.spawn(move || {
                let mut wire = connect(server);
                for round in 0..ROUNDS {
                    let (from, to) = ((round + payer) % 8, (round * 3 + payer + 1) % 8);
                    let reply = wire.call(&["EVAL", pay, "0", &from.to_string(), &to.to_string()]);
                    assert_eq!(reply, Reply::NilBulk);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                let mut wire = connect(&server);
                for _ in 0..ROUNDS {
                    let names: Vec<String> = (0..8).map(|index| format!("account{index}")).collect();
                    let request: Vec<&str> =
                        ["MGET"].into_iter().chain(names.iter().map(String::as_str)).collect();
                    let Reply::Array(balances) = wire.call(&request) else { panic!("no balances") };
                    let sum: i64 = balances
                        .iter()
                        .map(|balance| match balance {
                            Reply::Bulk(digits) => std::str::from_utf8(digits).unwrap().parse().unwrap(),
                            _ => 0,
                        })
                        .sum();
                    assert_eq!(sum, 0, "{balances:?}");
                }
            });
        }
    });
}
