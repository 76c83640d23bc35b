//! GET and SET through decoder, executor and output, 64 to a pipeline, without sockets.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A measurement that fails has nothing else to do than to stop.

use std::hint::black_box;

use criterion::{Criterion, Throughput};

#[path = "inprocess/mod.rs"]
mod inprocess;

use inprocess::{InProcess, pipelines};

#[global_allocator]
static ALLOCATOR: ochre::alloc::CountingJemalloc = ochre::alloc::CountingJemalloc;

const PIPELINE: u64 = 64;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for keys in [6_400, 1_280_000] {
        let mut server = InProcess::new();
        let set = |key: &str| vec!["SET".to_owned(), key.to_owned(), format!("value:{}", &key[6..])];
        let get = |key: &str| vec!["GET".to_owned(), key.to_owned()];
        let mut group = criterion.benchmark_group(format!("{keys} keys"));
        group.throughput(Throughput::Elements(PIPELINE));
        for (name, batches) in
            [("set", pipelines(keys, PIPELINE, set)), ("get", pipelines(keys, PIPELINE, get))]
        {
            for batch in &batches {
                server.run(batch);
            }
            let mut batches = batches.iter().cycle();
            group.bench_function(name, |bencher| {
                bencher.iter(|| black_box(server.run(batches.next().unwrap_or(&Vec::new()))));
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
