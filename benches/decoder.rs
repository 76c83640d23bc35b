//! The decoder alone: pipelines, long values, many arguments, inline lines.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A measurement that fails has nothing else to do than to stop.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ochre::resp::{Decoded, Decoder, Limits};

#[path = "inprocess/mod.rs"]
mod inprocess;

use inprocess::request;

/// Decodes everything; returns the number of requests.
fn decode(decoder: &mut Decoder, bytes: &[u8]) -> usize {
    let limits = Limits::default();
    let (mut consumed, mut requests) = (0, 0);
    loop {
        let rest = &bytes[consumed..];
        let decoded = decoder.decode(rest, &limits, 16);
        let count = decoder.len();
        decoder.requests(rest).for_each(|args| _ = black_box(args));
        requests += count;
        consumed += decoder.consume(count);
        if decoded != Decoded::Full {
            return requests;
        }
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let long = "x".repeat(100_000);
    let mut mget = vec!["MGET".to_owned()];
    mget.extend((0..1_000).map(inprocess::key));
    let mget: Vec<&str> = mget.iter().map(String::as_str).collect();
    let cases = [
        ("64 GET", request(&["GET", "key:000000000001"]).repeat(64), 64),
        ("64 SET", request(&["SET", "key:000000000001", "value:0000000001"]).repeat(64), 64),
        ("64 inline GET", b"GET key:000000000001\r\n".repeat(64), 64),
        ("SET of 100 kB", request(&["SET", "key:000000000001", &long]), 1),
        ("MGET of 1000", request(&mget), 1),
    ];
    let mut group = criterion.benchmark_group("decode");
    for (name, bytes, requests) in cases {
        let mut decoder = Decoder::default();
        assert_eq!(decode(&mut decoder, &bytes), requests, "{name}");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| decode(&mut decoder, black_box(&bytes))));
    }
    group.finish();
    criterion.final_summary();
}
