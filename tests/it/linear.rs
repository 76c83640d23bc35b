//! Concurrent clients on a handful of keys see one order of events.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ochre::base::rng::Rng;

use super::checker::{Event, Model, is_linearizable};
use super::support::{connect, effort, server};
use super::wire::{Reply, Wire};

const REGISTERS: usize = 4;
const CLIENTS: u64 = 6;
/// Short histories find as much as long ones, and are checked in no time.
const ROUNDS: u64 = 150;
const OPERATIONS: usize = 40;

/// Registers are numbered; all begin empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Registers(Vec<Option<i64>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    Set(Vec<(usize, i64)>),
    Get(Vec<usize>),
    Incr(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Done,
    Values(Vec<Option<i64>>),
    Value(i64),
}

impl Model for Registers {
    type Call = Call;
    type Answer = Answer;

    fn apply(&mut self, call: &Call) -> Answer {
        let Registers(values) = self;
        match call {
            Call::Set(pairs) => {
                pairs.iter().for_each(|&(register, value)| values[register] = Some(value));
                Answer::Done
            }
            Call::Get(registers) => {
                Answer::Values(registers.iter().map(|&register| values[register]).collect())
            }
            Call::Incr(register) => {
                let value = values[*register].unwrap_or(0) + 1;
                values[*register] = Some(value);
                Answer::Value(value)
            }
        }
    }
}

fn name(round: u64, register: usize) -> String {
    format!("{round}:{register}")
}

fn number(reply: &Reply) -> Option<i64> {
    match reply {
        Reply::Bulk(digits) => Some(std::str::from_utf8(digits).expect("digits").parse().expect("a number")),
        Reply::NilBulk => None,
        other => panic!("{other:?}"),
    }
}

/// Does what `call` says, by one request.
fn perform(wire: &mut Wire, round: u64, call: &Call) -> Answer {
    match call {
        Call::Set(pairs) => {
            let command = if pairs.len() == 1 { "SET" } else { "MSET" };
            let words =
                pairs.iter().flat_map(|(register, value)| [name(round, *register), value.to_string()]);
            assert_eq!(
                wire.call(&[command.to_owned()].into_iter().chain(words).collect::<Vec<_>>()),
                Reply::ok()
            );
            Answer::Done
        }
        Call::Get(registers) if registers.len() == 1 => {
            let reply = wire.call(&["GET".to_owned(), name(round, registers[0])]);
            Answer::Values(vec![number(&reply)])
        }
        Call::Get(registers) => {
            let names = registers.iter().map(|register| name(round, *register));
            match wire.call(&["MGET".to_owned()].into_iter().chain(names).collect::<Vec<_>>()) {
                Reply::Array(values) => Answer::Values(values.iter().map(number).collect()),
                other => panic!("{other:?}"),
            }
        }
        Call::Incr(register) => match wire.call(&["INCR".to_owned(), name(round, *register)]) {
            Reply::Integer(value) => Answer::Value(value),
            other => panic!("{other:?}"),
        },
    }
}

fn some_call(rng: &mut Rng, fresh: i64) -> Call {
    let mut below = |limit: usize| (rng.next_u64() % limit as u64) as usize;
    let register = below(REGISTERS);
    match below(6) {
        0 => Call::Set(vec![(register, fresh)]),
        1 => Call::Set((0..REGISTERS).map(|register| (register, fresh)).collect()),
        2 => Call::Incr(register),
        3 => Call::Get((0..REGISTERS).collect()),
        _ => Call::Get(vec![register]),
    }
}

fn client(addr: SocketAddr, ticks: &AtomicU64, round: u64, client: u64) -> Vec<Event<Registers>> {
    let mut rng = Rng::from_seed(round * CLIENTS + client);
    let mut wire = Wire::connect(addr);
    (0..OPERATIONS)
        .map(|step| {
            // Far apart, so that increments don't make two writes look alike.
            let call = some_call(&mut rng, ((client as i64 + 1) * 1_000 + step as i64) * 1_000);
            let began = ticks.fetch_add(1, Ordering::SeqCst);
            let answer = perform(&mut wire, round, &call);
            let ended = ticks.fetch_add(1, Ordering::SeqCst);
            Event { call, answer, began, ended }
        })
        .collect()
}

#[test]
fn histories_of_concurrent_clients_are_linearizable() {
    for workers in ["1", "4"] {
        let server = server(&["--io-threads", workers]);
        for round in 0..ROUNDS * effort() as u64 {
            let ticks = AtomicU64::new(0);
            let history: Vec<Event<Registers>> = std::thread::scope(|scope| {
                let clients: Vec<_> = (0..CLIENTS)
                    .map(|number| {
                        scope.spawn({
                            let (ticks, addr) = (&ticks, server.addr);
                            move || client(addr, ticks, round, number)
                        })
                    })
                    .collect();
                clients.into_iter().flat_map(|client| client.join().expect("no client panicked")).collect()
            });
            assert!(explains(REGISTERS, &history), "round {round}, {workers} workers: {history:#?}");
        }
    }
}

/// Operations of the test below, at least.
const TORN_OPERATIONS: u64 = 120_000;

#[test]
fn nobody_sees_half_an_mset() {
    let server = server(&["--io-threads", "4"]);
    // Enough keys to lie in many shards.
    let keys: Vec<String> = (0..12).map(|index| format!("key{index}")).collect();
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let write = |wire: &mut Wire, value: &str| {
        let words: Vec<&str> =
            ["MSET"].into_iter().chain(keys.iter().flat_map(|key| [key.as_str(), value])).collect();
        assert_eq!(wire.call(&words), Reply::ok());
    };
    write(&mut connect(&server), "0");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (write, done, stop, server) = (&write, &done, &stop, &server);
            scope.spawn(move || {
                let mut wire = connect(server);
                for step in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    write(&mut wire, &format!("{writer}:{step}"));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for reader in 0..4 {
            let (keys, done, stop, server) = (&keys, &done, &stop, &server);
            scope.spawn(move || {
                let mut wire = connect(server);
                let mut words = vec!["MGET"];
                words.extend(keys.iter().map(String::as_str));
                // Half of the readers ask in the other order.
                if reader % 2 == 1 {
                    words[1..].reverse();
                }
                while done.fetch_add(1, Ordering::Relaxed) < TORN_OPERATIONS {
                    match wire.call(&words) {
                        Reply::Array(values) if values.windows(2).all(|pair| pair[0] == pair[1]) => {}
                        torn => {
                            stop.store(true, Ordering::Relaxed);
                            panic!("{torn:?}");
                        }
                    }
                }
                stop.store(true, Ordering::Relaxed);
            });
        }
    });
}

#[test]
fn increments_of_many_clients_add_up() {
    let server = server(&["--io-threads", "4"]);
    std::thread::scope(|scope| {
        for client in 0..8 {
            let server = &server;
            scope.spawn(move || {
                let mut wire = connect(server);
                let own = format!("own{client}");
                let bytes: Vec<u8> = (0..5_000)
                    .flat_map(|_| {
                        [super::wire::request(&["INCR", "shared"]), super::wire::request(&["INCR", &own])]
                            .concat()
                    })
                    .collect();
                let mut sender = wire.stream.try_clone().unwrap();
                let sending = std::thread::spawn(move || std::io::Write::write_all(&mut sender, &bytes));
                let mut last = 0;
                for expected in 1..=5_000 {
                    match wire.read().unwrap() {
                        Reply::Integer(value) if value > last => last = value,
                        other => panic!("{other:?} after {last}"),
                    }
                    assert_eq!(wire.read().unwrap(), Reply::Integer(expected));
                }
                sending.join().unwrap().unwrap();
            });
        }
    });
    assert_eq!(connect(&server).ask("GET shared"), Reply::bulk("40000"));
}

fn event(call: Call, answer: Answer, began: u64, ended: u64) -> Event<Registers> {
    Event { call, answer, began, ended }
}

fn set(value: i64, began: u64, ended: u64) -> Event<Registers> {
    event(Call::Set(vec![(0, value)]), Answer::Done, began, ended)
}

fn get(value: Option<i64>, began: u64, ended: u64) -> Event<Registers> {
    event(Call::Get(vec![0]), Answer::Values(vec![value]), began, ended)
}

fn explains(registers: usize, history: &[Event<Registers>]) -> bool {
    is_linearizable(&Registers(vec![None; registers]), history)
}

#[test]
fn overlapping_operations_may_go_either_way() {
    assert!(explains(1, &[set(1, 0, 10), get(None, 1, 2), get(Some(1), 3, 4)]));
    assert!(explains(1, &[set(1, 0, 10), set(2, 1, 9), get(Some(1), 11, 12)]));
    assert!(explains(1, &[set(1, 0, 10), set(2, 1, 9), get(Some(2), 11, 12)]));
}

#[test]
fn a_stale_value_is_found() {
    assert!(!explains(1, &[set(1, 0, 1), set(2, 2, 3), get(Some(1), 4, 5)]));
    assert!(!explains(1, &[set(1, 0, 10), get(Some(1), 1, 2), get(None, 3, 4)]));
    assert!(!explains(1, &[set(1, 0, 1), get(None, 2, 3)]));
}

#[test]
fn a_lost_increment_is_found() {
    let incr = |value, began, ended| event(Call::Incr(0), Answer::Value(value), began, ended);
    assert!(explains(1, &[incr(2, 0, 5), incr(1, 1, 6), get(Some(2), 7, 8)]));
    assert!(!explains(1, &[incr(1, 0, 5), incr(1, 1, 6)]));
}

#[test]
fn half_a_change_of_two_registers_is_found() {
    let both = event(Call::Set(vec![(0, 1), (1, 1)]), Answer::Done, 0, 10);
    let seen = |values: [Option<i64>; 2]| event(Call::Get(vec![0, 1]), Answer::Values(values.to_vec()), 1, 2);
    assert!(explains(2, &[both.clone(), seen([Some(1), Some(1)])]));
    assert!(explains(2, &[both.clone(), seen([None, None])]));
    assert!(!explains(2, &[both, seen([Some(1), None])]));
}
