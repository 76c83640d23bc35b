//! Concurrent clients of a few lists, some of whom wait for elements, see one order of events.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use ochre::base::rng::Rng;

use super::checker::{Event, Model, is_linearizable};
use super::support::{effort, server};
use super::wire::{Reply, Wire};

const QUEUES: usize = 3;
const CLIENTS: u64 = 5;
const ROUNDS: usize = 60;
const OPERATIONS: usize = 24;
/// Seconds that a client waits for an element.
const TIMEOUT: &str = "0.01";

/// Lists are numbered; all begin empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Queues([VecDeque<i64>; QUEUES]);

#[derive(Clone, Debug)]
enum Call {
    /// LPUSH and RPUSH.
    Push { queue: usize, front: bool, values: Vec<i64> },
    /// BLPOP and BRPOP, from the first of some lists.
    Pop { queues: Vec<usize>, front: bool },
    /// BLMOVE from the front of one to the end of another.
    Move { from: usize, to: usize },
    /// LLEN.
    Len(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Len(i64),
    Popped(usize, i64),
    Moved(i64),
    Nothing,
}

impl Model for Queues {
    type Call = Call;
    type Answer = Answer;

    fn apply(&mut self, call: &Call) -> Answer {
        let Queues(queues) = self;
        match call {
            Call::Push { queue, front, values } => {
                let queue = &mut queues[*queue];
                for value in values {
                    if *front { queue.push_front(*value) } else { queue.push_back(*value) }
                }
                Answer::Len(queue.len() as i64)
            }
            Call::Pop { queues: names, front } => {
                let Some(name) = names.iter().find(|name| !queues[**name].is_empty()) else {
                    return Answer::Nothing;
                };
                let queue = &mut queues[*name];
                let value = if *front { queue.pop_front() } else { queue.pop_back() };
                value.map_or(Answer::Nothing, |value| Answer::Popped(*name, value))
            }
            Call::Move { from, to } => {
                let Some(value) = queues[*from].pop_front() else { return Answer::Nothing };
                queues[*to].push_back(value);
                Answer::Moved(value)
            }
            Call::Len(queue) => Answer::Len(queues[*queue].len() as i64),
        }
    }
}

/// The names of the lists of one round.
struct Names([String; QUEUES]);

impl Names {
    fn of_round(round: usize) -> Names {
        Names(std::array::from_fn(|queue| format!("{round}:{queue}")))
    }

    /// Does what `call` says, by one request.
    fn perform(&self, wire: &mut Wire, call: &Call) -> Answer {
        let Names(names) = self;
        let reply = match call {
            Call::Push { queue, front, values } => {
                let command = if *front { "LPUSH" } else { "RPUSH" };
                let values = values.iter().map(i64::to_string);
                wire.call(
                    &[command.to_owned(), names[*queue].clone()]
                        .into_iter()
                        .chain(values)
                        .collect::<Vec<_>>(),
                )
            }
            Call::Pop { queues, front } => {
                let command = if *front { "BLPOP" } else { "BRPOP" };
                let queues = queues.iter().map(|queue| names[*queue].as_str());
                wire.call(&[command].into_iter().chain(queues).chain([TIMEOUT]).collect::<Vec<_>>())
            }
            Call::Move { from, to } => {
                wire.call(&["BLMOVE", &names[*from], &names[*to], "LEFT", "RIGHT", TIMEOUT])
            }
            Call::Len(queue) => wire.call(&["LLEN", &names[*queue]]),
        };
        match &reply {
            Reply::Integer(len) => Answer::Len(*len),
            Reply::NilArray | Reply::NilBulk => Answer::Nothing,
            Reply::Bulk(value) => Answer::Moved(number(value)),
            Reply::Array(pair) => match pair.as_slice() {
                [Reply::Bulk(name), Reply::Bulk(value)] => {
                    let queue = names.iter().position(|own| own.as_bytes() == &**name);
                    Answer::Popped(queue.expect("a list of this round"), number(value))
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

fn number(digits: &[u8]) -> i64 {
    std::str::from_utf8(digits).expect("digits").parse().expect("a number")
}

fn some_call(rng: &mut Rng, fresh: i64) -> Call {
    let mut below = |limit: usize| (rng.next_u64() % limit as u64) as usize;
    let (queue, front) = (below(QUEUES), below(2) == 0);
    match below(8) {
        0 | 1 => Call::Push { queue, front, values: vec![fresh] },
        2 => Call::Push { queue, front, values: vec![fresh, fresh + 1, fresh + 2] },
        3 => Call::Len(queue),
        4 => Call::Move { from: queue, to: below(QUEUES) },
        5 => Call::Pop { queues: vec![queue, (queue + 1) % QUEUES], front },
        _ => Call::Pop { queues: vec![queue], front },
    }
}

fn client(addr: SocketAddr, ticks: &AtomicU64, round: usize, client: u64) -> Vec<Event<Queues>> {
    let mut rng = Rng::from_seed(round as u64 * CLIENTS + client);
    let (mut wire, names) = (Wire::connect(addr), Names::of_round(round));
    (0..OPERATIONS)
        .map(|step| {
            let call = some_call(&mut rng, (client as i64 + 1) * 10_000 + step as i64 * 10);
            let began = ticks.fetch_add(1, Ordering::SeqCst);
            let answer = names.perform(&mut wire, &call);
            let ended = ticks.fetch_add(1, Ordering::SeqCst);
            Event { call, answer, began, ended }
        })
        .collect()
}

#[test]
fn histories_of_who_waits_are_linearizable() {
    for workers in ["1", "4"] {
        let server = server(&["--io-threads", workers]);
        for round in 0..ROUNDS * effort() {
            let ticks = AtomicU64::new(0);
            let history: Vec<Event<Queues>> = std::thread::scope(|scope| {
                let (ticks, addr) = (&ticks, server.addr);
                let clients: Vec<_> = (0..CLIENTS)
                    .map(|number| scope.spawn(move || client(addr, ticks, round, number)))
                    .collect();
                clients.into_iter().flat_map(|client| client.join().expect("no client panicked")).collect()
            });
            assert!(
                is_linearizable(&Queues::default(), &history),
                "round {round}, {workers} workers: {history:#?}"
            );
        }
    }
}

#[test]
fn an_element_that_is_taken_twice_is_found() {
    let event = |call, answer, began, ended| Event::<Queues> { call, answer, began, ended };
    let push = event(Call::Push { queue: 0, front: true, values: vec![7] }, Answer::Len(1), 0, 5);
    let pop = |answer, began, ended| event(Call::Pop { queues: vec![0], front: true }, answer, began, ended);
    let explains = |history: &[Event<Queues>]| is_linearizable(&Queues::default(), history);
    assert!(explains(&[push.clone(), pop(Answer::Popped(0, 7), 1, 2), pop(Answer::Nothing, 3, 4)]));
    assert!(!explains(&[push.clone(), pop(Answer::Popped(0, 7), 1, 2), pop(Answer::Popped(0, 7), 3, 4)]));
    assert!(!explains(&[push, pop(Answer::Nothing, 6, 7)]));
}
