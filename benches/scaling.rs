//! What a second worker brings, with nobody between: no sockets, no kernel, no client that takes part of the CPUs.
//!
//! `cargo bench --bench scaling` lets one thread and then two run GET, SET, INCR and MGET, MSET of 10 keys (100,000 keys, values of
//! 16 bytes) through decoder and executor, in batches of 1, 16 and 64: on one engine for one worker, on one engine for two,
//! and on two engines for one each, which share nothing and so are what the machine allows. Rounds of the three take turns.
//! `SECONDS` (default 0.3) is the length of a round. (`compare --only workers` has the same through sockets, by CPU time.)

#![allow(clippy::unwrap_used, clippy::expect_used)] // A measurement that fails has nothing else to do than to stop.

#[path = "inprocess/mod.rs"]
mod inprocess;

use std::sync::Barrier;
use std::time::{Duration, Instant};

use inprocess::{InProcess, key, request};
use ochre::alloc::CountingJemalloc;
use rustix::thread::{CpuSet, sched_setaffinity};

#[global_allocator]
static ALLOCATOR: CountingJemalloc = CountingJemalloc;

const KEYS: u64 = 100_000;
const VALUE: &str = "0123456789abcdef";
/// Keys of an MGET or MSET.
const MANY: usize = 10;
/// Batches made before, for one thread.
const BATCHES: usize = 2_000;
const ROUNDS: usize = 8;
/// One worker, two workers of one engine, two engines.
const SETUPS: usize = 3;

/// A generator of numbers good enough to choose keys.
struct Random(u64);

impl Random {
    fn next_key(&mut self, prefix: &str) -> String {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        format!("{prefix}{}", &key(self.0 % KEYS)[prefix.len()..])
    }
}

fn words(kind: &str, random: &mut Random) -> Vec<String> {
    let mut words = vec![kind.to_owned()];
    match kind {
        "GET" => words.push(random.next_key("key")),
        "INCR" => words.push(random.next_key("cnt")),
        "SET" => words.extend([random.next_key("key"), VALUE.to_owned()]),
        "MGET" => words.extend((0..MANY).map(|_| random.next_key("key"))),
        _ => words.extend((0..MANY).flat_map(|_| [random.next_key("key"), VALUE.to_owned()])),
    }
    words
}

fn batches(kind: &str, length: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    let mut one = || request(&words(kind, &mut random).iter().map(String::as_str).collect::<Vec<_>>());
    (0..BATCHES).map(|_| (0..length).flat_map(|_| one()).collect()).collect()
}

/// Batches a second of each client on a CPU of its own.
fn rate(clients: &mut [InProcess], batches: &[Vec<Vec<u8>>], round: Duration) -> f64 {
    let start = Barrier::new(clients.len());
    let run = |cpu: usize, client: &mut InProcess, batches: &[Vec<u8>]| {
        let mut set = CpuSet::new();
        set.set(cpu);
        sched_setaffinity(None, &set).unwrap();
        start.wait();
        let began = Instant::now();
        let mut done = 0;
        while began.elapsed() < round {
            for batch in batches.iter().cycle().skip(done % BATCHES).take(64) {
                client.run(batch);
            }
            done += 64;
        }
        done as f64 / began.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = clients
            .iter_mut()
            .zip(batches)
            .enumerate()
            .map(|(cpu, (client, batches))| scope.spawn(move || run(cpu, client, batches)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn main() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return println!("Two workers: not measured on one CPU.");
    }
    let seconds = std::env::var("SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0.3);
    let two = InProcess::with_workers(2);
    let beside = two.beside(1);
    let mut setups: [Vec<InProcess>; SETUPS] =
        [vec![InProcess::new()], vec![two, beside], vec![InProcess::new(), InProcess::new()]];
    for client in setups.iter_mut().flatten() {
        for number in 0..KEYS {
            client.run(&request(&["SET", &key(number), VALUE]));
        }
    }
    println!("| command | batch | 1 worker, M/s | 2 workers | 2 engines | 2 workers ÷ 1 | 2 engines ÷ 1 |");
    println!("|---|---|---|---|---|---|---|");
    for kind in ["GET", "SET", "INCR", "MGET", "MSET"] {
        for length in [1, 16, 64] {
            let batches = [0x9e37_79b9, 0x7f4a_7c15].map(|seed| batches(kind, length, seed));
            let mut rates = [0.0; SETUPS];
            for round in 0..ROUNDS {
                for turn in 0..SETUPS {
                    let setup = if round % 2 == 0 { turn } else { SETUPS - 1 - turn };
                    let rate = rate(&mut setups[setup], &batches, Duration::from_secs_f64(seconds));
                    rates[setup] += rate * length as f64 / ROUNDS as f64 / 1e6;
                }
            }
            let [one, two, engines] = rates;
            let ratios = (two / one, engines / one);
            println!(
                "| {kind} | {length} | {one:.2} | {two:.2} | {engines:.2} | {:.2} | {:.2} |",
                ratios.0, ratios.1
            );
        }
    }
}
