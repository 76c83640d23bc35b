//! How often a cache has what it is asked for, beside caches that know the exact order of use.
//!
//! A client asks GET, and SET where there was nothing, for keys of a Zipf distribution; about a fifth of them fit. Once as fast as
//! one request after the other goes, so that all keys but the most wanted are replaced within seconds, and once at a pace. Each server
//! is compared with an exact cache of as many keys as it had on average while hits were counted, on the same trace.

use std::time::{Duration, Instant};

use crate::Plan;
use crate::cache::{Exact, Zipf};
use crate::client::{Chance, Connection, key, request, value};
use crate::guards::used;
use crate::report::Table;
use crate::server::Peer;

const KEYS: usize = 20_000;
const VALUE_BYTES: usize = 1_000;
/// Requests between two looks at the number of keys.
const LOOK: usize = 1_000;

/// A trace: how many requests, and how many a second at most.
#[derive(Clone, Copy)]
struct Pace {
    requests: usize,
    per_second: Option<u32>,
}

/// Hits, per cent.
struct Ratio {
    own: f64,
    exact: f64,
    /// Keys that there were, on average.
    keys: usize,
}

pub fn run(plan: &Plan) {
    let scale = if plan.quick { 4 } else { 1 };
    let paces = [
        Pace { requests: 400_000 / scale, per_second: None },
        Pace { requests: 120_000 / scale, per_second: Some(2_000) },
    ];
    let mut head = vec!["policy".to_owned(), "requests/s".into()];
    for peer in plan.peers.iter().filter(|peer| peer.can_start()) {
        let name = &peer.name;
        head.extend([format!("{name}, %"), "exact, %".into(), "points".into(), "keys".into()]);
    }
    head.push("bar".into());
    let mut table = Table::new(head);
    for policy in ["allkeys-lru", "allkeys-lfu"] {
        for pace in paces {
            let mut cells = vec![policy.to_owned()];
            cells.push(pace.per_second.map_or("as they go".to_owned(), |count| count.to_string()));
            for peer in plan.peers.iter().filter(|peer| peer.can_start()) {
                let Ratio { own, exact, keys } = measure(peer, policy, pace);
                cells.extend([own, exact, own - exact].map(|percent| format!("{percent:.2}")));
                cells.push(keys.to_string());
            }
            cells.push("≥ −2".into());
            table.row(cells);
        }
    }
    table.print(&format!("Hits of a cache: {KEYS} keys of a Zipf distribution, of which a fifth fits"));
}

fn measure(peer: &Peer, policy: &str, pace: Pace) -> Ratio {
    let instance = peer.start();
    let mut own = instance.connect();
    limit(&mut own, policy);
    let (zipf, mut chance) = (Zipf::new(KEYS), Chance::new(17));
    let trace: Vec<usize> = (0..pace.requests).map(|_| zipf.at(chance.unit())).collect();
    let began = Instant::now();
    // By then the cache is full, and what it knows of its keys has settled.
    let warm = pace.requests / 2;
    let (mut hits, mut looks) = (0, Vec::new());
    for (done, &number) in trace.iter().enumerate() {
        if let Some(per_second) = pace.per_second {
            let due = Duration::from_secs(1) / per_second * done as u32;
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
        let is_hit = ask(&mut own, number);
        if done >= warm {
            hits += usize::from(is_hit);
            if done % LOOK == 0 {
                looks.push(own.ask("DBSIZE").parse::<usize>().unwrap());
            }
        }
    }
    let keys = looks.iter().sum::<usize>() / looks.len();
    let mut exact = if policy.ends_with("lfu") { Exact::lfu(keys) } else { Exact::lru(keys) };
    let outcomes: Vec<bool> = trace.iter().map(|&number| exact.access(number)).collect();
    let exact_hits = outcomes[warm..].iter().filter(|is_hit| **is_hit).count();
    let percent = |hits: usize| 100.0 * hits as f64 / (pace.requests - warm) as f64;
    Ratio { own: percent(hits), exact: percent(exact_hits), keys }
}

/// Lets a server have as much as it takes with a fifth of the keys; then they go.
fn limit(own: &mut Connection, policy: &str) {
    own.ask(&format!("CONFIG SET maxmemory-policy {policy}"));
    (0..KEYS / 5).for_each(|number| put(own, number));
    let maxmemory = used(own);
    own.ask("FLUSHALL");
    own.ask(&format!("CONFIG SET maxmemory {maxmemory}"));
}

/// Asks for a key, and puts it in if it is not there; whether it was.
fn ask(own: &mut Connection, number: usize) -> bool {
    let is_hit = !own.call(&["GET", &key("key", number as u64)]).concat().starts_with('-');
    if !is_hit {
        put(own, number);
    }
    is_hit
}

fn put(own: &mut Connection, number: usize) {
    own.send(&request(&["SET", &key("key", number as u64), &value(number as u64, VALUE_BYTES)]));
    own.skip_lines(1);
}
