//! Two workers against one.
//!
//! Client and server together need more CPUs than a small machine has, so what is compared is not requests per second but
//! what they cost: capacity is workers divided by the CPU time of a request. Locks, shared cache lines and
//! cross-worker wake-ups all show in that.

use std::time::Duration;

use crate::Plan;
use crate::batch::{Batch, Kind};
use crate::client::{Load, fill};
use crate::machine;
use crate::report::Table;

const KEYS: u64 = 100_000;
const CONNECTIONS: usize = 50;

pub fn run(plan: &Plan) {
    let Some(ochre) = plan.peers.iter().find(|peer| peer.is_ochre()) else { return };
    if machine::cpu_count() < 2 {
        println!("(Two workers: not measured on one CPU.)\n");
        return;
    }
    machine::move_anywhere();
    let mut table =
        Table::new(["command", "pipeline", "1 worker CPU s/M", "2 workers CPU s/M", "capacity of 2 ÷ 1"]);
    let instances = ["1", "2"].map(|workers| ochre.start_here(&["--io-threads", workers]));
    instances.iter().for_each(|instance| fill(instance.addr, KEYS, 16, &[]));
    for kind in [Kind::Get, Kind::Set, Kind::Mget, Kind::Mset] {
        for pipeline in [1, 16, 64] {
            let mut batch = Batch::new(kind, pipeline, 16);
            let mut costs = [0.0; 2];
            let mut loads = [0, 1].map(|index| Load::on(instances[index].addr, CONNECTIONS));
            let mut requests = [0; 2];
            for index in [0, 1, 1, 0] {
                loads[index].run(&mut batch, KEYS, Duration::from_millis(50));
                let cpu = instances[index].cpu_seconds();
                requests[index] += loads[index].run(&mut batch, KEYS, plan.round);
                costs[index] += instances[index].cpu_seconds() - cpu;
            }
            let [one, two] = [0, 1].map(|index| costs[index] / requests[index] as f64 * 1e6);
            table.row([
                kind.name().to_owned(),
                pipeline.to_string(),
                format!("{one:.3}"),
                format!("{two:.3}"),
                format!("{:.2}", 2.0 * one / two),
            ]);
        }
    }
    table.print("Two workers against one, by CPU time");
}
