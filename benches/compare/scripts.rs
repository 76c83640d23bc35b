//! CPU time of a script: of one that reads a key, at several pipelines, and of one that does a thousand increments.
//!
//! What the scripts did is counted afterwards.

use crate::Plan;
use crate::batch::Batch;
use crate::client::{Load, fill, request};
use crate::costs::Costs;
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
