//! The longest step of growing from nothing, as the processor sees it.
//!
//! `cargo bench --bench growth` sets `KEYS` (default 10 million) new keys through decoder and executor, 16 requests at a time, and
//! then the same keys again. What is measured is the CPU time of the thread: not what other processes took of the wall's, but
//! page faults and whatever a virtual machine was kept waiting for. (`compare --only growth` has the wait of another client.)

#![allow(clippy::unwrap_used, clippy::expect_used)] // A measurement that fails has nothing else to do than to stop.

#[path = "inprocess/mod.rs"]
mod inprocess;

use inprocess::{InProcess, key, request};
use ochre::alloc::CountingJemalloc;
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: CountingJemalloc = CountingJemalloc;

/// Requests that are sent together.
const TOGETHER: u64 = 16;

fn cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn main() {
    let keys = std::env::var("KEYS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000_000_u64);
    let mut server = InProcess::new();
    for what in ["new keys", "the same again"] {
        let mut steps = Vec::with_capacity((keys / TOGETHER) as usize + 1);
        for begin in (0..keys).step_by(TOGETHER as usize) {
            let set = |number| request(&["SET", &key(number), "0123456789abcdef"]);
            let batch: Vec<u8> = (begin..begin + TOGETHER).flat_map(set).collect();
            let began = cpu_ns();
            server.run(&batch);
            steps.push(cpu_ns() - began);
        }
        steps.sort_unstable();
        let at = |share: f64| steps[((steps.len() - 1) as f64 * share) as usize] as f64 / 1e3;
        println!(
            "{keys} keys, {what}: {TOGETHER} requests take {:.0} µs at most, p99.99 {:.0} µs, p99 {:.1} µs, median {:.1} µs",
            at(1.0),
            at(0.9999),
            at(0.99),
            at(0.5),
        );
    }
}
