//! Runs GETs or SETs without sockets, for a profiler that counts instructions:
//!
//! ```text
//! cargo build --profile bench --example drive
//! valgrind --tool=callgrind target/release/examples/drive get 1000000
//! ```
//!
//! What a run of 0 costs (filling) is to be subtracted. The number of keys, 100,000, can be given as third
//! argument.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A measurement that fails has nothing else to do than to stop.

use std::process::ExitCode;

#[path = "../benches/inprocess/mod.rs"]
mod inprocess;

use inprocess::{InProcess, pipelines};

#[global_allocator]
static ALLOCATOR: ochre::alloc::CountingJemalloc = ochre::alloc::CountingJemalloc;

const PIPELINE: u64 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, usual: u64| match arguments.get(index) {
        Some(digits) => digits.parse().ok(),
        None => Some(usual),
    };
    let command = arguments.first().map_or("get", String::as_str).to_ascii_uppercase();
    let (Some(count), Some(keys)) = (number(1, 1_000_000), number(2, 100_000)) else {
        eprintln!("usage: drive [get|set] [REQUESTS] [KEYS]");
        return ExitCode::FAILURE;
    };
    let value = |key: &str| format!("value:{}", &key[6..]);
    let set = |key: &str| vec!["SET".to_owned(), key.to_owned(), value(key)];
    let mut server = InProcess::new();
    for batch in pipelines(keys, PIPELINE, set) {
        server.run(&batch);
    }
    let batches = match command.as_str() {
        "GET" => pipelines(keys, PIPELINE, |key| vec!["GET".to_owned(), key.to_owned()]),
        "SET" => pipelines(keys, PIPELINE, set),
        other => {
            eprintln!("drive knows get and set, not {other}");
            return ExitCode::FAILURE;
        }
    };
    let bytes: usize =
        (0..count / PIPELINE).zip(batches.iter().cycle()).map(|(_, batch)| server.run(batch)).sum();
    println!("{} {command}, {bytes} bytes of replies", count / PIPELINE * PIPELINE);
    ExitCode::SUCCESS
}
