//! The longest pause while a server grows from nothing.
//!
//! One connection sends a few SETs and does not wait; another then sends PING and does. So a PING never waits for
//! more than those few, and for whatever the server does beside. The same is done again with keys that are
//! there already: what is longest then is the machine's own. The client sits on the server's CPU ([`machine::on_server_cpu`]).

use std::time::{Duration, Instant};

use crate::Plan;
use crate::client::{key, request, value};
use crate::machine;
use crate::report::Table;
use crate::server::Instance;

/// SETs in front of every PING.
const AHEAD: u64 = 16;

pub fn run(plan: &Plan) {
    machine::on_server_cpu(|| compare(plan));
}

fn compare(plan: &Plan) {
    let keys = if plan.quick { 1_000_000 } else { 10_000_000 };
    let mut table =
        Table::new(["server", "growing: max µs", "p99.99", "p99", "overwriting: max µs", "p99.99", "p99"]);
    for peer in &plan.peers {
        let instance = peer.start_here(&[]);
        let mut cells = vec![peer.name.clone()];
        for _ in ["growing", "overwriting"] {
            let mut waits = waits(&instance, keys);
            waits.sort_unstable();
            let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
            cells.extend([1.0, 0.9999, 0.99].map(|share| format!("{:.0}", at(share))));
        }
        table.row(cells);
    }
    table.print(&format!("Longest wait for a PING while {keys} keys are written"));
}

/// How long each PING took.
fn waits(instance: &Instance, keys: u64) -> Vec<Duration> {
    let (mut writer, mut asker) = (instance.connect(), instance.connect());
    let ping = request(&["PING"]);
    let mut waits = Vec::with_capacity((keys / AHEAD) as usize);
    let mut batch = Vec::new();
    for begin in (0..keys).step_by(AHEAD as usize) {
        batch.clear();
        for number in begin..begin + AHEAD {
            batch.extend(request(&["SET", &key("key", number), &value(number, 16)]));
        }
        writer.send(&batch);
        let asked = Instant::now();
        asker.send(&ping);
        asker.skip_lines(1);
        waits.push(asked.elapsed());
        writer.skip_lines(AHEAD as usize);
    }
    waits
}
