//! The same random requests to a server of ours and to a real one: every reply and the final state must agree.
//!
//! [`schedules`] does so with several clients that wait for each other, [`lua`] with scripts from a grammar of their own, and
//! [`rights`] asks what users may run. Streams of requests that are almost right ([`mutated`]) are compared byte by byte.
//!
//! Requests are made from the command table's own argument trees ([`generate`]); what can't agree, and why, is one
//! explicit list ([`exceptions`]). A difference is tried again, shrunk to the fewest commands and arguments, and
//! reported as a golden script with the seed that found it.
//!
//! ```text
//! REDIS_ORACLE=127.0.0.1:7000 cargo test --test differential
//! REDIS_ORACLE=… DIFFERENTIAL_SECONDS=600 DIFFERENTIAL_GROUPS=hash,list SEED=7 cargo test --test differential -- --nocapture
//! ```
//!
//! A schedule that differed is run again, on servers with other random seeds, by `SEED=… DIFFERENTIAL_FIRST=<its number>`.
//!
//! The real server is emptied again and again, and needs `--enable-debug-command yes`. Without `REDIS_ORACLE` nothing
//! is compared.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may panic.

mod chance;
mod exceptions;
mod generate;
mod limits;
mod lua;
mod lua_rules;
#[path = "../wire/mutated.rs"]
mod mutated;
mod pair;
mod report;
mod rights;
mod schedules;
mod streams;
#[path = "../scripts/text.rs"]
#[allow(dead_code)] // Its other half reads scripts.
mod text;
#[path = "../wire/mod.rs"]
mod wire;
mod words;

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use chance::Chance;
use generate::Generator;
use pair::Pair;

// The server's memory statistics come from its allocator.
#[global_allocator]
static ALLOCATOR: ochre::alloc::CountingJemalloc = ochre::alloc::CountingJemalloc;

/// How long it goes on unless `DIFFERENTIAL_SECONDS` says so.
const SECONDS: u64 = 20;
/// Differences after which it stops unless `DIFFERENTIAL_FINDINGS` says so.
const FINDINGS_MAX: u64 = 5;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The real server has one keyspace.
static ALONE: parking_lot::Mutex<()> = parking_lot::Mutex::new(());

fn oracle() -> Option<SocketAddr> {
    let Ok(oracle) = std::env::var("REDIS_ORACLE") else {
        println!("skipped: REDIS_ORACLE=host:port names no real server");
        return None;
    };
    let mut addresses = oracle.to_socket_addrs().expect("REDIS_ORACLE is host:port");
    Some(addresses.next().expect("it has an address"))
}

fn duration() -> Duration {
    Duration::from_secs(number("DIFFERENTIAL_SECONDS").unwrap_or(SECONDS))
}

fn seed() -> u64 {
    number("SEED").unwrap_or_else(|| u64::from(std::process::id()))
}

#[test]
fn clients_that_wait_for_each_other_hear_what_they_would_of_the_real_server() {
    let Some(oracle) = oracle() else { return };
    let _alone = ALONE.lock();
    let pair = Pair::new(oracle);
    if pair.version.0 < 8 {
        println!("skipped: who waits hears other things of Redis {}.{}", pair.version.0, pair.version.1);
        return;
    }
    let (clock, seed, ours) = (duration(), seed(), pair.addr());
    let (began, mut count) = (Instant::now(), number("DIFFERENTIAL_FIRST").unwrap_or(0));
    while began.elapsed() < clock {
        let mut chance = Chance::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(count));
        let steps = schedules::generate(&mut chance);
        if schedules::differs(ours, oracle, &steps).is_some() {
            let steps = schedules::shrunk(ours, oracle, steps);
            if let Some(finding) = schedules::differs(ours, oracle, &steps) {
                panic!("seed {seed}, schedule {count}:\n{}", schedules::report(&steps, &finding));
            }
        }
        count += 1;
    }
    println!("seed {seed}: {count} schedules");
}

#[test]
fn random_scripts_are_answered_as_by_the_real_server() {
    let Some(oracle) = oracle() else { return };
    let _alone = ALONE.lock();
    let pair = Pair::new(oracle);
    if pair.version < lua::SINCE {
        println!("skipped: scripts are compared with Redis {:?} and later", lua::SINCE);
        return;
    }
    let (clock, seed) = (duration(), seed());
    let findings_max = number("DIFFERENTIAL_FINDINGS").unwrap_or(FINDINGS_MAX) as usize;
    let began = Instant::now();
    let (mut sequences, mut findings) = (0_u64, Vec::<String>::new());
    while began.elapsed() < clock && findings.len() < findings_max {
        let mut chance = Chance::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(sequences));
        let steps = lua::sequence(&mut chance);
        let resp3 = sequences % 2 == 1;
        sequences += 1;
        let requests = lua::requests(&steps);
        if pair.differs(&requests, resp3).is_none() || !pair.differs_always(&requests, resp3) {
            continue;
        }
        let shrunk = lua::requests(&lua::shrunk(&pair, steps, resp3));
        match report::script(&pair, shrunk, resp3) {
            Some(script) if !findings.contains(&script) => {
                println!("seed {seed}, sequence {}:\n{script}", sequences - 1);
                findings.push(script);
            }
            Some(_) => {}
            None => println!("seed {seed}, sequence {}, not reproduced", sequences - 1),
        }
    }
    pair.reset();
    let scripts = sequences * lua::SCRIPTS as u64;
    println!("seed {seed}: {scripts} scripts, {} differences", findings.len());
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn random_users_may_run_what_they_may_on_the_real_server() {
    let Some(oracle) = oracle() else { return };
    let _alone = ALONE.lock();
    let pair = Pair::new(oracle);
    if pair.version.0 < 8 {
        println!("skipped: Redis {}.{} has other categories", pair.version.0, pair.version.1);
        return;
    }
    let rights = rights::Rights::new(&pair);
    let (clock, seed) = (duration(), seed());
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < clock {
        let mut chance = Chance::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(count));
        let sequence = rights.sequence(&mut chance);
        if pair.differs(&sequence, false).is_some() && pair.differs_always(&sequence, false) {
            let script = report::script(&pair, report::shrunk(&pair, sequence, false), false);
            panic!("seed {seed}, user {count}:\n{}", script.unwrap_or_default());
        }
        count += 1;
    }
    println!("seed {seed}: {count} users, {} decisions", count * rights::DECISIONS as u64);
}

#[test]
fn mutated_streams_are_answered_as_by_the_real_server() {
    let Some(oracle) = oracle() else { return };
    let _alone = ALONE.lock();
    let pair = Pair::new(oracle);
    if pair.version.0 < 8 {
        println!("skipped: Redis {}.{} words some errors in another way", pair.version.0, pair.version.1);
        return;
    }
    let (clock, seed, began) = (duration(), seed(), Instant::now());
    let (mut count, mut commands) = (0, 0);
    while began.elapsed() < clock {
        if count % streams::TOGETHER == 0 {
            pair.reset();
        }
        match streams::compare(pair.addr(), oracle, seed.wrapping_mul(0x9e37_79b9).wrapping_add(count)) {
            Ok(answered) => commands += answered,
            Err(report) => panic!("seed {seed}, stream {count}:\n{report}"),
        }
        count += 1;
    }
    println!("seed {seed}: {count} streams, {commands} replies");
}

#[test]
fn random_requests_are_answered_as_by_the_real_server() {
    let Some(oracle) = oracle() else { return };
    let _alone = ALONE.lock();
    let (clock, seed) = (duration(), seed());
    let about = std::env::var("DIFFERENTIAL_GROUPS").unwrap_or_default();
    let pair = Pair::new(oracle);
    let generator = Generator::new(|name| pair.oracle_knows(name), pair.version, &about);
    println!("seed {seed}, Redis {}.{}, {} commands", pair.version.0, pair.version.1, generator.len());
    let findings_max = number("DIFFERENTIAL_FINDINGS").unwrap_or(FINDINGS_MAX) as usize;
    let began = Instant::now();
    let (mut sequences, mut requests, mut findings) = (0_u64, 0, Vec::<String>::new());
    while began.elapsed() < clock && findings.len() < findings_max {
        let mut chance = Chance::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(sequences));
        let sequence = generator.sequence(&mut chance);
        let resp3 = sequences % 2 == 1;
        sequences += 1;
        requests += sequence.len();
        if pair.differs(&sequence, resp3).is_some() && pair.differs_always(&sequence, resp3) {
            let whole = report::script(&pair, sequence.clone(), resp3);
            let Some(script) = report::script(&pair, report::shrunk(&pair, sequence, resp3), resp3) else {
                // A race with the clock: worth a look, but no verdict.
                println!(
                    "seed {seed}, sequence {}, not reproduced:\n{}",
                    sequences - 1,
                    whole.unwrap_or_default()
                );
                continue;
            };
            if !findings.contains(&script) {
                println!("seed {seed}, sequence {}:\n{script}", sequences - 1);
                findings.push(script);
            }
        }
    }
    pair.reset();
    let refused = 100 * pair.refused.get() / pair.answered.get().max(1);
    println!(
        "seed {seed}: {sequences} sequences, {requests} requests, {refused} % refused, {} differences",
        findings.len()
    );
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
