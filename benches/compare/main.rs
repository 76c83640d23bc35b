//! Ochre beside the real servers of this machine: requests per second, CPU per request, memory, pauses.
//!
//! ```text
//! cargo bench --bench compare                         minutes; prints Markdown
//! cargo bench --bench compare -- --quick              100,000 keys, short values, short rounds
//!   --server NAME=COMMAND…                            another server, started as `COMMAND --bind … --port …`
//!   --running NAME=HOST:PORT:PID                      a server that runs already; FLUSHALL is sent to it
//!   --only WORD                                       throughput, memory, idle, growth, workers,
//!                                                     types, elements, algebra, scripts, stall,
//!                                                     durability, snapshots (its second half), waiting, tls,
//!                                                     guards, hits or soak
//!   --minutes N                                       length of the soak test
//!   --seconds N                                       length of a round
//! ```
//!
//! `redis-server` and `valkey-server` are taken from the PATH when they are there. Every server gets CPU 0 and
//! this client CPU 1. Rounds alternate forth and back (A B B A), so that what changes slowly on the
//! machine hits all alike. The CPU time of a server is `utime` + `stime` of its process: at pipeline 1 most
//! of it is the kernel's. After every round keys are read back and compared with what must be in them.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A measurement that fails has nothing else to do than to stop.

mod algebra;
mod batch;
#[path = "../../tests/cache/mod.rs"]
mod cache;
#[path = "../../tests/cgroup/mod.rs"]
mod cgroup;
mod client;
mod collection;
mod costs;
mod durability;
mod elements;
mod footprint;
mod growth;
mod guards;
mod hits;
mod machine;
mod report;
mod scripts;
mod server;
mod snapshots;
mod soak;
mod stall;
mod throughput;
mod tls;
mod types;
mod waiting;
mod workers;

use std::time::Duration;

use server::Peer;

/// What the command line says.
pub struct Plan {
    pub quick: bool,
    /// Length of one round.
    pub round: Duration,
    /// Length of the soak test, at least.
    pub soak: Duration,
    /// Ochre first.
    pub peers: Vec<Peer>,
    only: Option<String>,
}

impl Plan {
    fn read() -> Plan {
        let mut plan = Plan {
            quick: false,
            round: Duration::ZERO,
            soak: Duration::ZERO,
            peers: vec![Peer::ochre()],
            only: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo says so to every benchmark.
                "--bench" => {}
                "--quick" => plan.quick = true,
                "--server" => plan.peers.push(Peer::command(&value(&argument, arguments.next()))),
                "--running" => plan.peers.push(Peer::running(&value(&argument, arguments.next()))),
                "--only" => plan.only = Some(value(&argument, arguments.next())),
                "--seconds" => {
                    plan.round = Duration::from_secs_f64(value(&argument, arguments.next()).parse().unwrap())
                }
                "--minutes" => {
                    let minutes: f64 = value(&argument, arguments.next()).parse().unwrap();
                    plan.soak = Duration::from_secs_f64(minutes * 60.0);
                }
                other => {
                    eprintln!("unknown argument: {other} (see the head of benches/compare/main.rs)");
                    std::process::exit(2);
                }
            }
        }
        if plan.round.is_zero() {
            plan.round = Duration::from_millis(if plan.quick { 500 } else { 2_000 });
        }
        plan.peers.extend(Peer::on_path());
        plan
    }

    fn does(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }

    /// The server that ratios are to: the first real Redis, or the first other server.
    pub fn yardstick(&self) -> Option<usize> {
        let is_redis = |peer: &Peer| peer.name.starts_with("redis");
        self.peers.iter().position(is_redis).or((self.peers.len() > 1).then_some(1))
    }
}

fn value(option: &str, value: Option<String>) -> String {
    value.unwrap_or_else(|| {
        eprintln!("{option} needs a value");
        std::process::exit(2);
    })
}

fn main() {
    let plan = Plan::read();
    println!("# Ochre beside {} other server(s)\n", plan.peers.len() - 1);
    println!("{}\n", machine::description());
    for peer in &plan.peers {
        println!("- {}", peer.description());
    }
    println!();
    if plan.does("throughput") {
        throughput::run(&plan);
    }
    if plan.does("memory") {
        footprint::memory(&plan);
    }
    if plan.does("idle") {
        footprint::idle(&plan);
    }
    if plan.does("growth") {
        growth::run(&plan);
    }
    if plan.does("workers") {
        workers::run(&plan);
    }
    if plan.does("types") {
        types::run(&plan);
    }
    if plan.does("elements") {
        elements::run(&plan);
    }
    if plan.does("algebra") {
        algebra::run(&plan);
    }
    if plan.does("scripts") {
        scripts::run(&plan);
    }
    if plan.does("stall") {
        stall::run(&plan);
    }
    if plan.does("durability") {
        durability::run(&plan);
    }
    if plan.does("durability") || plan.does("snapshots") {
        snapshots::run(&plan);
    }
    if plan.does("waiting") {
        waiting::run(&plan);
    }
    if plan.does("tls") {
        tls::run(&plan);
    }
    if plan.does("guards") {
        guards::run(&plan);
    }
    if plan.does("hits") {
        hits::run(&plan);
    }
    if plan.does("soak") {
        soak::run(&plan);
    }
}
