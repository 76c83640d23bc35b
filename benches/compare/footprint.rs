//! Memory per key and per connection, and what a server costs that does nothing.

use std::time::{Duration, Instant};

use crate::Plan;
use crate::client::{Connection, fill};
use crate::report::Table;
use crate::server::{Instance, Peer};

const IDLE_CONNECTIONS: u64 = 1_000;
const STARTS: usize = 9;

/// Bytes per key of 16 bytes with a value of 16, without and with an expiry.
pub fn memory(plan: &Plan) {
    let keys = if plan.quick { 200_000 } else { 5_000_000 };
    let mut table =
        Table::new(["server", "used_memory/key", "RSS/key", "with TTL: used_memory/key", "RSS/key"]);
    for peer in &plan.peers {
        let mut cells = vec![peer.name.clone()];
        for extra in [&[][..], &["EX", "100000"]] {
            let instance = peer.start();
            let before = (instance.used_bytes(), instance.resident_bytes());
            fill(instance.addr, keys, 16, extra);
            let grown =
                |after: u64, before: u64| format!("{:.1}", after.saturating_sub(before) as f64 / keys as f64);
            cells.push(grown(instance.used_bytes(), before.0));
            cells.push(if peer.can_start() {
                grown(instance.resident_bytes(), before.1)
            } else {
                "-".into()
            });
        }
        table.row(cells);
    }
    table.print(&format!("Bytes per key: 16 B key, 16 B value, {keys} keys"));
}

/// Idle CPU, resident memory, start, idle connections.
pub fn idle(plan: &Plan) {
    let watch = Duration::from_secs(if plan.quick { 2 } else { 10 });
    let mut table = Table::new([
        "server",
        "CPU %",
        "RSS MB",
        "exec to ready ms (median)",
        "RSS/connection",
        "used_memory/connection",
    ]);
    for peer in plan.peers.iter().filter(|peer| peer.can_start()) {
        let instance = peer.start();
        let (began, cpu) = (Instant::now(), instance.cpu_seconds());
        std::thread::sleep(watch);
        let busy = (instance.cpu_seconds() - cpu) / began.elapsed().as_secs_f64() * 100.0;
        let resident = instance.resident_bytes();
        let (per_resident, per_used) = connections(&instance);
        table.row([
            peer.name.clone(),
            format!("{busy:.2}"),
            format!("{:.1}", resident as f64 / 1e6),
            format!("{:.1}", start_ms(peer)),
            per_resident.to_string(),
            per_used.to_string(),
        ]);
    }
    table.print("Doing nothing");
}

/// Bytes that an idle connection costs: resident, and as the server counts.
fn connections(instance: &Instance) -> (u64, u64) {
    let before = (instance.resident_bytes(), instance.used_bytes());
    let mut open: Vec<Connection> = (0..IDLE_CONNECTIONS).map(|_| instance.connect()).collect();
    for connection in &mut open {
        assert_eq!(connection.ask("PING"), "PONG");
    }
    let after = (instance.resident_bytes(), instance.used_bytes());
    let each = |after: u64, before: u64| after.saturating_sub(before) / IDLE_CONNECTIONS;
    (each(after.0, before.0), each(after.1, before.1))
}

/// Median time from start to first answer.
fn start_ms(peer: &Peer) -> f64 {
    let mut times: Vec<Duration> = (0..STARTS).filter_map(|_| peer.start().ready).collect();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}
