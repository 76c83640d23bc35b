//! Requests per second, and the server's CPU time for a million of them.
//!
//! What Ochre does not save is above all the kernel's part, which every server pays that is asked through sockets: where a ratio is
//! below its bar, what both pay for it is printed, and the ratio of the rest.

use std::time::Instant;

use crate::Plan;
use crate::batch::{Batch, Kind};
use crate::client::{Chance, Connection, Load, fill, key, value};
use crate::machine::CpuTime;
use crate::report::{Shortfalls, Table};
use crate::server::Instance;

/// Pipelines, and how many times the CPU time of Redis's requests is to be that of ours.
const PIPELINES: [(usize, f64); 3] = [(1, 1.15), (16, 1.7), (64, 2.2)];
/// Requests under way at pipeline 1; longer pipelines need fewer connections to keep a server busy.
const CONNECTIONS: usize = 50;
const CONNECTIONS_PIPELINED: usize = 8;
/// Bigger data sets are left out.
const DATA_MAX_BYTES: u64 = 1 << 30;
/// Keys that are read back after a round.
const READ_BACK: u64 = 1_000;

/// Requests, and what they took.
#[derive(Clone, Copy, Default)]
struct Sum {
    requests: u64,
    seconds: f64,
    cpu: CpuTime,
}

impl Sum {
    fn per_second(self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// CPU seconds for a million requests.
    fn cpu(self) -> f64 {
        self.cpu.total() / self.requests as f64 * 1e6
    }

    /// Those of them that the kernel takes.
    fn kernel(self) -> f64 {
        self.cpu.kernel / self.requests as f64 * 1e6
    }
}

pub fn run(plan: &Plan) {
    let sizes: &[usize] = if plan.quick { &[16] } else { &[16, 512, 4096] };
    let keyspaces: &[u64] = if plan.quick { &[100_000] } else { &[100_000, 5_000_000] };
    for &keys in keyspaces {
        for &size in sizes.iter().filter(|&&size| keys * size as u64 <= DATA_MAX_BYTES) {
            data_set(plan, keys, size);
        }
    }
}

/// All workloads on one data set.
fn data_set(plan: &Plan, keys: u64, size: usize) {
    let instances: Vec<Instance> = plan.peers.iter().map(|peer| peer.start()).collect();
    instances.iter().for_each(|instance| fill(instance.addr, keys, size, &[]));
    let names: Vec<&str> = plan.peers.iter().map(|peer| peer.name.as_str()).collect();
    let mut head: Vec<String> = vec!["command".into(), "pipeline".into()];
    head.extend(names.iter().map(|name| format!("{name} ops/s")));
    head.extend(names.iter().map(|name| format!("{name} CPU s/M")));
    if let Some(yardstick) = plan.yardstick() {
        head.push(format!("ops/s ÷ {}", names[yardstick]));
        head.push(format!("CPU of {} ÷ ochre", names[yardstick]));
        head.push("bar".into());
    }
    let (mut table, mut shortfalls) = (Table::new(head), Shortfalls::default());
    for kind in [Kind::Get, Kind::Set, Kind::Incr, Kind::Mget, Kind::Mset] {
        for (pipeline, bar) in PIPELINES {
            let sums = rounds(plan, &instances, kind, pipeline, keys, size);
            let mut cells = vec![kind.name().to_owned(), pipeline.to_string()];
            cells.extend(sums.iter().map(|sum| format!("{:.0}", sum.per_second())));
            cells.extend(sums.iter().map(|sum| format!("{:.3}", sum.cpu())));
            if let Some(yardstick) = plan.yardstick() {
                cells.push(format!("{:.2}", sums[0].per_second() / sums[yardstick].per_second()));
                let (ochre, other) = (sums[0], sums[yardstick]);
                let ratio = other.cpu() / ochre.cpu();
                cells.extend([format!("{ratio:.2}"), format!("≥ {bar}")]);
                shortfalls.compare(&format!("{} at {pipeline}", kind.name()), ratio, bar, || {
                    what_the_kernel_takes(ochre, other, names[yardstick])
                });
            }
            table.row(cells);
        }
    }
    table.print(&format!("{keys} keys, values of {size} bytes"));
    shortfalls.print();
}

/// Why a ratio is no better: how much of the time is not the servers' own.
fn what_the_kernel_takes(ochre: Sum, other: Sum, name: &str) -> String {
    let own = |sum: Sum| sum.cpu() - sum.kernel();
    format!(
        "of ochre's {:.3} s the kernel takes {:.3}, of {name}'s {:.3} s {:.3}; the rest is {:.2} times better",
        ochre.cpu(),
        ochre.kernel(),
        other.cpu(),
        other.kernel(),
        own(other) / own(ochre)
    )
}

/// Forth and back over all servers.
fn rounds(
    plan: &Plan,
    instances: &[Instance],
    kind: Kind,
    pipeline: usize,
    keys: u64,
    size: usize,
) -> Vec<Sum> {
    let mut sums = vec![Sum::default(); instances.len()];
    let connections = if pipeline == 1 { CONNECTIONS } else { CONNECTIONS_PIPELINED };
    let mut loads: Vec<Load> =
        instances.iter().map(|instance| Load::on(instance.addr, connections)).collect();
    let forth = 0..instances.len();
    let back = forth.clone().rev();
    let mut batch = Batch::new(kind, pipeline, size);
    for index in forth.chain(back) {
        let instance = &instances[index];
        let counted_before = if kind == Kind::Incr { count_all(instance, keys) } else { 0 };
        // Caches and branch predictors are warm before the clock runs.
        let warm_up = loads[index].run(&mut batch, keys, plan.round / 10);
        let (began, before) = (Instant::now(), instance.cpu_time());
        let requests = loads[index].run(&mut batch, keys, plan.round);
        let sum = &mut sums[index];
        sum.seconds += began.elapsed().as_secs_f64();
        sum.cpu += instance.cpu_time().since(before);
        sum.requests += requests;
        if kind == Kind::Incr {
            let counted = count_all(instance, keys) - counted_before;
            assert_eq!(counted, warm_up + requests, "increments got lost");
        } else {
            read_back(&mut instance.connect(), keys, size);
        }
    }
    sums
}

/// Compares random keys with the values that belong to them.
fn read_back(connection: &mut Connection, keys: u64, size: usize) {
    let mut chance = Chance::new(7);
    for _ in 0..READ_BACK {
        let number = chance.below(keys);
        assert_eq!(connection.call(&["GET", &key("key", number)]), [value(number, size)]);
    }
}

/// The sum of all counters.
fn count_all(instance: &Instance, keys: u64) -> u64 {
    const AT_ONCE: u64 = 1_000;
    let mut connection = instance.connect();
    let mut sum = 0;
    for begin in (0..keys).step_by(AT_ONCE as usize) {
        let names: Vec<String> =
            (begin..keys.min(begin + AT_ONCE)).map(|number| key("cnt", number)).collect();
        let words: Vec<&str> = ["MGET"].into_iter().chain(names.iter().map(String::as_str)).collect();
        // A counter that is missing answers -1, which is not its value.
        sum += connection.call(&words).iter().filter_map(|digits| digits.parse::<u64>().ok()).sum::<u64>();
    }
    sum
}
