//! CPU time of a script: of one that reads a key, at several pipelines, and of one that does a thousand increments. And how long
//! clients of other shards wait while a long one runs.
//!
//! What the scripts did is counted afterwards.

use std::time::{Duration, Instant};

use crate::Plan;
use crate::batch::Batch;
use crate::client::{Connection, Load, fill, request};
use crate::costs::Costs;
use crate::report::Table;
use crate::server::Instance;

const CONNECTIONS: usize = 50;
const CONNECTIONS_PIPELINED: usize = 8;
const INCREMENTS: u64 = 1_000;

struct Row {
    name: &'static str,
    script: &'static str,
    /// What follows the script's name.
    rest: &'static [&'static str],
    reply_lines: usize,
    pipeline: usize,
    /// How much better than Redis it has to be.
    bar: f64,
}

const READ: &str = "return redis.call('GET', KEYS[1])";
const KEY: &[&str] = &["1", "key:000000000000"];
/// Writes, and is busy for some seconds.
const LONG: &str =
    "redis.call('INCR', KEYS[1]) local ends = os.clock() + ARGV[1] while os.clock() < ends do end";
const COUNT: &str = "for i = 1, 1000 do redis.call('INCR', KEYS[1]) end";

const ROWS: [Row; 4] = [
    Row { name: "GET of a key", script: READ, rest: KEY, reply_lines: 2, pipeline: 1, bar: 1.1 },
    Row { name: "GET of a key", script: READ, rest: KEY, reply_lines: 2, pipeline: 16, bar: 1.25 },
    Row { name: "GET of a key", script: READ, rest: KEY, reply_lines: 2, pipeline: 64, bar: 1.25 },
    Row { name: "1,000 INCR", script: COUNT, rest: &["1", "count"], reply_lines: 1, pipeline: 1, bar: 1.25 },
];

pub fn run(plan: &Plan) {
    let keys = 100_000;
    let instances: Vec<Instance> = plan.peers.iter().map(|peer| peer.start()).collect();
    instances.iter().for_each(|instance| fill(instance.addr, keys, 16, &[]));
    let mut costs = Costs::new(plan, &["script", "pipeline"], "CPU µs");
    for row in &ROWS {
        let mut sums = vec![(0.0, 0); instances.len()];
        let forth = 0..instances.len();
        for index in forth.clone().chain(forth.rev()) {
            let (cpu_seconds, requests) = round(plan, &instances[index], row, keys);
            sums[index].0 += cpu_seconds;
            sums[index].1 += requests;
        }
        let micros: Vec<Option<f64>> = sums
            .into_iter()
            .map(|(cpu_seconds, requests)| Some(cpu_seconds / requests as f64 * 1e6))
            .collect();
        costs.row(&[row.name, &row.pipeline.to_string()], &micros, row.bar);
    }
    costs.print("CPU time of a script by EVALSHA");
    drop(instances);
    beside_a_long_one(plan);
}

/// Waits for GET by clients of both workers while a script holds a shard of another key. Where there is one shard, as in Redis,
/// they would wait for its end.
fn beside_a_long_one(plan: &Plan) {
    let Some(peer) = plan.peers.iter().find(|peer| peer.is_ochre() && peer.can_start()) else { return };
    let instance = peer.start_here(&["--io-threads", "2"]);
    let seconds = if plan.quick { "2" } else { "10" };
    let (mut writer, mut askers) = (instance.connect(), [(); 8].map(|()| instance.connect()));
    askers[0].ask("SET other x");
    let calm = waits(&mut askers, {
        let began = Instant::now();
        move || began.elapsed() >= plan.round
    });
    writer.send(&request(&["EVAL", LONG, "1", "count", seconds]));
    let beside = waits(&mut askers, || writer.has_input());
    writer.skip_lines(1);
    assert_eq!(writer.ask("GET count"), "1", "the script was not run");
    let mut table = Table::new(["GET of another shard", "p50 ms", "p99 ms", "longest ms", "bar"]);
    for (name, waits, bar) in [("no script", calm, "–"), ("a script of some seconds", beside, "p99 < 5")] {
        let at = |share: f64| {
            let wait = waits[((waits.len() - 1) as f64 * share) as usize];
            format!("{:.2}", wait.as_secs_f64() * 1e3)
        };
        table.row([name.to_owned(), at(0.5), at(0.99), at(1.0), bar.to_owned()]);
    }
    table.print("Beside a long script, two workers");
}

/// What each GET took, one after the other on each connection in turn, shortest first.
fn waits(askers: &mut [Connection], is_over: impl Fn() -> bool) -> Vec<Duration> {
    let get = request(&["GET", "other"]);
    let mut waits = Vec::new();
    while waits.is_empty() || !is_over() {
        for asker in &mut *askers {
            let began = Instant::now();
            asker.send(&get);
            asker.skip_lines(2);
            waits.push(began.elapsed());
        }
    }
    waits.sort();
    waits
}

/// CPU seconds, and the requests that they were spent on.
fn round(plan: &Plan, instance: &Instance, row: &Row, keys: u64) -> (f64, u64) {
    let mut own = instance.connect();
    own.ask("DEL count");
    let sha = own.call(&["SCRIPT", "LOAD", row.script]).pop().unwrap();
    let words: Vec<&str> = ["EVALSHA", &sha].into_iter().chain(row.rest.iter().copied()).collect();
    let connections = if row.pipeline == 1 { CONNECTIONS } else { CONNECTIONS_PIPELINED };
    let mut load = Load::on(instance.addr, connections);
    let mut batch = Batch::repeat(&request(&words), row.pipeline, row.reply_lines);
    let warm_up = load.run(&mut batch, keys, plan.round / 10);
    let before = instance.cpu_seconds();
    let requests = load.run(&mut batch, keys, plan.round);
    let cpu_seconds = instance.cpu_seconds() - before;
    if row.script == COUNT {
        let counted: u64 = own.ask("GET count").parse().unwrap();
        assert_eq!(counted, (warm_up + requests) * INCREMENTS, "increments got lost");
    }
    (cpu_seconds, requests)
}
