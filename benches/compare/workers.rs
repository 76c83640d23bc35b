//! Two workers against one.
//!
//! Client and server together need more CPUs than a small machine has, so what is compared is not requests per second but
//! what they cost: capacity is workers divided by the CPU time of a request. Locks, shared cache lines and
//! cross-worker wake-ups all show in that. So does what three busy threads do to each other's caches on two CPUs; to tell the
//! one from the other, two servers of one worker, which share nothing, are measured under the same load. What they miss of
//! the bar is the machine's and the client's.

use std::net::SocketAddr;
use std::time::Duration;

use crate::Plan;
use crate::batch::{Batch, Kind};
use crate::client::{Load, fill};
use crate::machine;
use crate::report::{Shortfalls, Table};

const KEYS: u64 = 100_000;
const CONNECTIONS: usize = 50;
/// How many times the capacity of one worker two are to have.
const BAR: f64 = 1.9;

pub fn run(plan: &Plan) {
    let Some(ochre) = plan.peers.iter().find(|peer| peer.is_ochre()) else { return };
    if machine::cpu_count() < 2 {
        println!("(Two workers: not measured on one CPU.)\n");
        return;
    }
    machine::move_anywhere();
    let mut table = Table::new([
        "command",
        "pipeline",
        "1 worker CPU s/M",
        "2 workers CPU s/M",
        "2 servers CPU s/M",
        "capacity of 2 workers ÷ 1",
        "of 2 servers ÷ 1",
        "bar",
    ]);
    let mut shortfalls = Shortfalls::default();
    let instances = ["1", "2", "1", "1"].map(|workers| ochre.start_here(&["--io-threads", workers]));
    instances.iter().for_each(|instance| fill(instance.addr, KEYS, 16, &[]));
    // One worker, two workers, two servers.
    let sets = [&instances[..1], &instances[1..2], &instances[2..]];
    for kind in [Kind::Get, Kind::Set, Kind::Mget, Kind::Mset] {
        for pipeline in [1, 16, 64] {
            let mut batch = Batch::new(kind, pipeline, 16);
            let mut costs = [0.0; 3];
            let mut loads = sets.map(|set| {
                let addrs: Vec<SocketAddr> = set.iter().map(|instance| instance.addr).collect();
                Load::spread(&addrs, CONNECTIONS)
            });
            let mut requests = [0; 3];
            for index in [0, 1, 2, 2, 1, 0] {
                let cpu_seconds = || sets[index].iter().map(|instance| instance.cpu_seconds()).sum::<f64>();
                loads[index].run(&mut batch, KEYS, Duration::from_millis(50));
                let cpu = cpu_seconds();
                requests[index] += loads[index].run(&mut batch, KEYS, plan.round);
                costs[index] += cpu_seconds() - cpu;
            }
            let [one, two, servers] = [0, 1, 2].map(|index| costs[index] / requests[index] as f64 * 1e6);
            let (shared, apart) = (2.0 * one / two, 2.0 * one / servers);
            table.row([
                kind.name().to_owned(),
                pipeline.to_string(),
                format!("{one:.3}"),
                format!("{two:.3}"),
                format!("{servers:.3}"),
                format!("{shared:.2}"),
                format!("{apart:.2}"),
                format!("≥ {BAR}"),
            ]);
            shortfalls.compare(&format!("{} at {pipeline}", kind.name()), shared, BAR, || {
                let share = 100.0 * shared / apart;
                format!("two servers that share nothing have {apart:.2} here, of which that is {share:.0} %")
            });
        }
    }
    table.print("Two workers against one, by CPU time");
    shortfalls.print();
}
