//! CPU time of one command on each type.
//!
//! Every command works on one value: an empty one that grows, or one of many elements. Numbers of elements are random.
//! After a round the value must have as many elements as the replies say.

use crate::Plan;
use crate::batch::Batch;
use crate::client::{Load, request};
use crate::collection::Collection;
use crate::costs::Costs;
use crate::server::Instance;

/// How much better than Redis each pipeline has to be.
const PIPELINES: [(usize, f64); 3] = [(1, 1.1), (16, 1.5), (64, 2.0)];
/// How often each is measured: the machine is faster now and slower then, by more than some bars are above 1.
const PASSES: usize = 3;
const CONNECTIONS: usize = 50;
const CONNECTIONS_PIPELINED: usize = 8;

/// What the value is before a round, and how many elements one request adds to it.
enum Start {
    /// Nothing, and each request adds an element for certain.
    Growing,
    /// Nothing, and elements may come again.
    Empty,
    /// Full, and requests only read.
    Filled,
    /// Full, and each request takes one away.
    Shrinking,
}

struct Row {
    name: &'static str,
    on: Option<Collection>,
    start: Start,
    words: &'static [&'static str],
    reply_lines: usize,
}

const ROWS: [Row; 10] = [
    Row {
        name: "LPUSH",
        on: Some(Collection::List),
        start: Start::Growing,
        words: &["LPUSH", "big", "elm:000000000000"],
        reply_lines: 1,
    },
    Row {
        name: "RPOP",
        on: Some(Collection::List),
        start: Start::Shrinking,
        words: &["RPOP", "big"],
        reply_lines: 2,
    },
    Row {
        name: "SADD",
        on: Some(Collection::Set),
        start: Start::Empty,
        words: &["SADD", "big", "m:000000000000"],
        reply_lines: 1,
    },
    Row {
        name: "HSET",
        on: Some(Collection::Hash),
        start: Start::Empty,
        words: &["HSET", "big", "f:000000000000", "000000000000xxxx"],
        reply_lines: 1,
    },
    Row {
        name: "HGET",
        on: Some(Collection::Hash),
        start: Start::Filled,
        words: &["HGET", "big", "f:000000000000"],
        reply_lines: 2,
    },
    Row {
        name: "ZADD",
        on: Some(Collection::Zset),
        start: Start::Empty,
        words: &["ZADD", "big", "000000000000", "m:000000000000"],
        reply_lines: 1,
    },
    Row {
        name: "ZRANGE 100",
        on: Some(Collection::Zset),
        start: Start::Filled,
        words: &["ZRANGE", "big", "0", "99"],
        reply_lines: 201,
    },
    Row {
        name: "LRANGE 100",
        on: Some(Collection::List),
        start: Start::Filled,
        words: &["LRANGE", "big", "0", "99"],
        reply_lines: 201,
    },
    Row {
        name: "XADD",
        on: Some(Collection::Stream),
        start: Start::Growing,
        words: &["XADD", "big", "*", "f:000000000000", "000000000000xxxx"],
        reply_lines: 2,
    },
    Row {
        name: "PFADD",
        on: None,
        start: Start::Empty,
        words: &["PFADD", "big", "m:000000000000"],
        reply_lines: 1,
    },
];

pub fn run(plan: &Plan) {
    let elements = if plan.quick { 100_000 } else { 1_000_000 };
    let instances: Vec<Instance> = plan.peers.iter().map(|peer| peer.start()).collect();
    let mut costs = Costs::new(plan, &["command", "pipeline"], "CPU µs");
    for row in &ROWS {
        for (pipeline, bar) in PIPELINES {
            let micros = rounds(plan, &instances, row, pipeline, elements);
            costs.row(&[row.name, &pipeline.to_string()], &micros, bar);
        }
    }
    costs.print(&format!("CPU time of a command, {elements} elements"));
}

/// Forth and back over all servers, again and again: microseconds of CPU per request.
fn rounds(
    plan: &Plan,
    instances: &[Instance],
    row: &Row,
    pipeline: usize,
    elements: u64,
) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0); instances.len()];
    let forth = 0..instances.len();
    let order = forth.clone().chain(forth.rev());
    for index in std::iter::repeat_n(order, PASSES).flatten() {
        if instances[index].knows(row.words[0]) {
            let (cpu_seconds, requests) = round(plan, &instances[index], row, pipeline, elements);
            sums[index].0 += cpu_seconds;
            sums[index].1 += requests;
        }
    }
    let micros = |(cpu_seconds, requests): (f64, u64)| cpu_seconds / requests as f64 * 1e6;
    sums.into_iter().map(|sum| (sum.1 > 0).then(|| micros(sum))).collect()
}

/// CPU seconds, and the requests that they were spent on.
fn round(plan: &Plan, instance: &Instance, row: &Row, pipeline: usize, elements: u64) -> (f64, u64) {
    let mut own = instance.connect();
    own.ask("DEL big");
    let full = match row.start {
        Start::Growing | Start::Empty => 0,
        Start::Filled => elements,
        // So many that a round at a long pipeline lasts long enough for the clock of the CPU time.
        Start::Shrinking => elements.max(500_000),
    };
    if let (Some(collection), 1..) = (row.on, full) {
        collection.build(&mut own, "big", full);
    }
    let connections = if pipeline == 1 { CONNECTIONS } else { CONNECTIONS_PIPELINED };
    let mut load = Load::on(instance.addr, connections);
    let mut batch = Batch::repeat(&request(row.words), pipeline, row.reply_lines);
    // Requests under way when a round ends, which come on top.
    let over = (2 * connections * pipeline) as u64;
    let most = |share: u64| match row.start {
        Start::Shrinking => share - over,
        _ => u64::MAX,
    };
    let warm_up = load.run_at_most(&mut batch, elements, plan.round / 10, most(full / 10));
    let before = instance.cpu_seconds();
    let requests = load.run_at_most(&mut batch, elements, plan.round, most(full / 10 * 9));
    let cpu_seconds = instance.cpu_seconds() - before;
    if let Some(collection) = row.on {
        let len = collection.len(&mut own, "big");
        match row.start {
            Start::Growing => assert_eq!(len, warm_up + requests, "elements got lost"),
            Start::Shrinking => assert_eq!(len, full - warm_up - requests, "elements were popped twice"),
            Start::Filled => assert_eq!(len, elements),
            Start::Empty => assert!((1..=elements).contains(&len)),
        }
    }
    own.ask("DEL big");
    (cpu_seconds, requests)
}
