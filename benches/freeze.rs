//! Freezing big collections: what a snapshot's first moment, and the writes after it, cost.
//!
//! `cargo bench --bench freeze` builds a tree of `ITEMS` (default 10 million) reference-counted items, clones it, and
//! then writes to random places of the original while the clone lives. It prints the time of the clone, of the
//! first write (which copies a whole path) and of the slowest of the next 10,000.

use ochre::alloc::CountingJemalloc;
use ochre::ds::tree::{Item, Tree};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: CountingJemalloc = CountingJemalloc;

/// An item with a reference count of its own, as members of sorted sets and nodes of lists have.
#[derive(Clone)]
struct Counted(Arc<u64>);

impl Item for Counted {
    type Key = u64;

    fn key(&self) -> u64 {
        *self.0
    }

    fn weight(&self) -> u64 {
        1
    }
}

/// Pseudo-random numbers below `count`.
fn numbers(count: u64) -> impl FnMut() -> u64 {
    let mut state = 88_172_645_463_325_252_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % count
    }
}

fn micros(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}

/// One insertion and one removal at random places.
fn write(tree: &mut Tree<Counted>, key: u64) {
    tree.insert(|other: &u64| other.cmp(&key), Counted(Arc::new(key)));
    black_box(tree.remove(|other: &u64| other.cmp(&(key / 2))));
}

fn main() {
    const WRITES: usize = 10_000;
    let items = std::env::var("ITEMS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000_000);
    let before = ochre::alloc::allocated_bytes();
    let start = Instant::now();
    let mut tree: Tree<Counted> = Tree::new();
    let mut number = numbers(u64::MAX);
    for _ in 0..items {
        let key = number();
        tree.insert(|other: &u64| other.cmp(&key), Counted(Arc::new(key)));
    }
    println!("{items} random insertions: {:.0} ns each", micros(start.elapsed()) * 1e3 / items as f64);
    let per_item = (ochre::alloc::allocated_bytes() - before) as f64 / items as f64;
    println!("bytes per item: {:.1} beside the item's own 24", per_item - 24.0);

    let start = Instant::now();
    let frozen = tree.clone();
    println!("freeze: {:.1} µs", micros(start.elapsed()));
    let mut times: Vec<Duration> = (0..WRITES)
        .map(|_| {
            let key = number();
            let start = Instant::now();
            write(&mut tree, key);
            start.elapsed()
        })
        .collect();
    println!("first insertion and removal after it: {:.1} µs", micros(times[0]));
    times.sort_unstable();
    let at = |share: usize| micros(times[(WRITES - 1) * share / 1000]);
    println!(
        "{WRITES} of them: median {:.1}, p99 {:.1}, p99.9 {:.1}, longest {:.1} µs",
        at(500),
        at(990),
        at(999),
        at(1000)
    );
    assert_eq!(frozen.len(), items as usize);
    drop(frozen);

    let len = tree.len() as u64;
    let mut number = numbers(len);
    let start = Instant::now();
    for _ in 0..1_000_000 {
        black_box(tree.at_rank(number()));
    }
    println!("item at a random rank: {:.0} ns", micros(start.elapsed()) / 1e3);
    let start = Instant::now();
    let sum: u64 = tree.iter().map(|item| *item.0 & 1).sum();
    println!("walk over all: {:.1} ns per item ({sum} odd)", micros(start.elapsed()) * 1e3 / len as f64);
}
