//! CPU time of what goes over a million elements, and of finding a rank among them.
//!
//! A member's rank is found in two steps: the member in an index, and the way to it from the root of the tree, on which
//! members are compared. The bar of 5 is about that. Of who is no member the index says so at once, so that row is about a
//! lookup and the way there and back, which has the bar of other lookups at this pipeline.

use std::time::Instant;

use crate::Plan;
use crate::batch::Batch;
use crate::client::{Chance, Connection, Load, request};
use crate::collection::Collection;
use crate::costs::Costs;
use crate::server::Instance;

const RANKS_PIPELINE: usize = 64;
const RANKS_CONNECTIONS: usize = 8;
const BAR_RANK: f64 = 5.0;
const BAR_LOOKUP: f64 = 2.0;
const BAR_WALK: f64 = 1.5;

pub fn run(plan: &Plan) {
    let elements: u64 = if plan.quick { 100_000 } else { 1_000_000 };
    let instances: Vec<Instance> = plan.peers.iter().map(|peer| peer.start()).collect();
    instances.iter().for_each(|instance| prepare(&mut instance.connect(), elements));
    let mut costs = Costs::new(plan, &["command"], "CPU ms");
    let mut row = |name: &str, bar: f64, cost: &dyn Fn(&Instance) -> f64| {
        costs.row(&[name], &forth_and_back(&instances, cost), bar);
    };
    row("ZRANK, 1000 members", BAR_RANK, &|instance| rank(plan, instance, "m:000000000000", elements));
    row("ZRANK, 1000 that are none", BAR_LOOKUP, &|instance| {
        rank(plan, instance, "n:000000000000", elements)
    });
    // Half of the members of one set are in the other too, so there are two lines for each of those, and the head.
    let both = 1 + 2 * elements as usize / 2;
    row("SINTER", BAR_WALK, &|instance| walk(plan, instance, &["SINTER", "set1", "set2"], both));
    let union = ["ZUNIONSTORE", "union", "2", "zset1", "zset2"];
    row("ZUNIONSTORE", BAR_WALK, &|instance| walk(plan, instance, &union, 1));
    let all = 1 + 2 * elements as usize;
    row("SORT", BAR_WALK, &|instance| walk(plan, instance, &["SORT", "numbers"], all));
    costs.print(&format!("CPU time on values of {elements} elements"));
}

/// Two sets and two sorted sets, half of each in the other, a sorted set of all numbers, and a list of numbers.
fn prepare(connection: &mut Connection, elements: u64) {
    Collection::Zset.build(connection, "ranked", elements);
    for collection in [Collection::Set, Collection::Zset] {
        for (number, begin) in [(1, 0), (2, elements / 2)] {
            // They are told apart among more than there are, so that neither set is one stretch of numbers.
            let key = format!("{}{number}", collection.name());
            collection.extend(connection, &key, begin, begin + elements, 2 * elements);
        }
    }
    const AT_ONCE: u64 = 100;
    let mut chance = Chance::new(3);
    for _ in 0..elements / AT_ONCE {
        let numbers: Vec<String> = (0..AT_ONCE).map(|_| chance.below(1 << 40).to_string()).collect();
        let words: Vec<&str> =
            ["RPUSH", "numbers"].into_iter().chain(numbers.iter().map(String::as_str)).collect();
        connection.call(&words);
    }
}

/// The mean of two rounds on each server.
fn forth_and_back(instances: &[Instance], cost: &dyn Fn(&Instance) -> f64) -> Vec<Option<f64>> {
    let mut sums = vec![0.0; instances.len()];
    let forth = 0..instances.len();
    for index in forth.clone().chain(forth.rev()) {
        sums[index] += cost(&instances[index]);
    }
    sums.into_iter().map(|sum| Some(sum / 2.0)).collect()
}

/// Milliseconds of CPU for a thousand ZRANKs, with random numbers in the word that is asked for. Who is no member has no rank:
/// `$-1`, in one line as well.
fn rank(plan: &Plan, instance: &Instance, asked: &str, elements: u64) -> f64 {
    let mut load = Load::on(instance.addr, RANKS_CONNECTIONS);
    let mut batch = Batch::repeat(&request(&["ZRANK", "ranked", asked]), RANKS_PIPELINE, 1);
    load.run(&mut batch, elements, plan.round / 10);
    let before = instance.cpu_seconds();
    let requests = load.run(&mut batch, elements, plan.round);
    (instance.cpu_seconds() - before) / requests as f64 * 1e6
}

/// Milliseconds of CPU for one request, sent again and again for the length of a round.
fn walk(plan: &Plan, instance: &Instance, words: &[&str], reply_lines: usize) -> f64 {
    let mut connection = instance.connect();
    let one = request(words);
    let (began, before) = (Instant::now(), instance.cpu_seconds());
    let mut times = 0;
    while times < 2 || began.elapsed() < plan.round {
        connection.send(&one);
        connection.skip_lines(reply_lines);
        times += 1;
    }
    (instance.cpu_seconds() - before) / f64::from(times) * 1e3
}
