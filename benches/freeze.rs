//! Freezing big collections: what a snapshot's first moment, and the writes after it, cost.
//!
//! `cargo bench --bench freeze` builds a tree, a hash, a set, a sorted set and a list of `ITEMS` (default 10 million) elements
//! each, freezes it, and then writes to random places of the original while the frozen copy lives. It prints the time
//! of the freeze, of the first write (which copies a whole path) and of the next 10,000. `ONLY=hash` measures one of them.
//!
//! Hashes and sets are frozen as the tables that they are (`Table::freeze`), the others by `clone`. One write is an
//! insertion and a removal. Copies are counted at the end, so that none can have lost an element.

use ochre::alloc::CountingJemalloc;
use ochre::ds::blob::Blob;
use ochre::ds::table::{Entry, Frozen, HashSeed, Table};
use ochre::ds::tree::{Item, Tree};
use ochre::value::list::{self, End, List};
use ochre::value::zset::{self, ZSet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: CountingJemalloc = CountingJemalloc;

/// Further writes after a freeze.
const WRITES: usize = 10_000;

/// A collection that can be frozen.
trait Collection: Default {
    type Frozen;

    fn insert(&mut self, number: u64);

    /// One insertion and one removal at places that `number` chooses.
    fn write(&mut self, number: u64);

    fn freeze(&mut self) -> Self::Frozen;

    /// Elements of a frozen copy, counted one by one.
    fn count(frozen: &Self::Frozen) -> usize;
}

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

impl Collection for Tree<Counted> {
    type Frozen = Self;

    fn insert(&mut self, number: u64) {
        Tree::insert(self, |other: &u64| other.cmp(&number), Counted(Arc::new(number)));
    }

    fn write(&mut self, number: u64) {
        Collection::insert(self, number);
        black_box(self.remove(|other: &u64| other.cmp(&(number / 2))));
    }

    fn freeze(&mut self) -> Self {
        self.clone()
    }

    fn count(frozen: &Self) -> usize {
        frozen.iter().count()
    }
}

/// A table whose entries have a value of `BYTES`: a hash, or without any a set.
struct Entries<const BYTES: usize>(Table<Blob<u64>>);

impl<const BYTES: usize> Default for Entries<BYTES> {
    fn default() -> Self {
        Entries(Table::new(HashSeed::random_from([11, 22, 33]), 0))
    }
}

impl<const BYTES: usize> Collection for Entries<BYTES> {
    type Frozen = Frozen<Blob<u64>>;

    fn insert(&mut self, number: u64) {
        let name = name(number);
        if let Entry::Vacant(vacant) = self.0.entry(self.0.seed().hash(&name), &name) {
            vacant.insert(Blob::inline(&name, &[b'v'; BYTES], None, 0));
        }
    }

    fn write(&mut self, number: u64) {
        self.insert(number);
        let name = name(number / 2);
        black_box(self.0.remove(self.0.seed().hash(&name), &name));
    }

    fn freeze(&mut self) -> Self::Frozen {
        self.0.freeze()
    }

    fn count(frozen: &Self::Frozen) -> usize {
        frozen.iter().count()
    }
}

impl Collection for ZSet {
    type Frozen = Self;

    fn insert(&mut self, number: u64) {
        self.set(&name(number), number as f64, zset::Limits { entries: 128, value: 64 });
    }

    fn write(&mut self, number: u64) {
        Collection::insert(self, number);
        black_box(self.remove(&name(number / 2)));
    }

    fn freeze(&mut self) -> Self {
        self.clone()
    }

    fn count(frozen: &Self) -> usize {
        frozen.iter().count()
    }
}

impl Collection for List {
    type Frozen = Self;

    fn insert(&mut self, number: u64) {
        let name = name(number);
        self.grow(list::Limits { max_listpack_size: -2 }, || name.len(), 1);
        self.push(End::Back, &name);
    }

    /// Something in the middle is replaced, one end grows and the other one shrinks.
    fn write(&mut self, number: u64) {
        let len = ochre::value::Facts::len(self) as u64;
        self.set((number % len) as usize, &name(number));
        Collection::insert(self, number);
        self.take(End::Front, |_| ());
    }

    fn freeze(&mut self) -> Self {
        self.clone()
    }

    fn count(frozen: &Self) -> usize {
        frozen.iter_from(0).count()
    }
}

/// A name of 14 bytes.
fn name(number: u64) -> [u8; 14] {
    let mut name = *b"m:............";
    for (at, byte) in name[2..].iter_mut().enumerate() {
        *byte = b'a' + (number >> (4 * at) & 0xf) as u8;
    }
    name
}

/// Pseudo-random numbers.
fn numbers() -> impl FnMut() -> u64 {
    let mut state = 88_172_645_463_325_252_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 8
    }
}

fn micros(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}

/// Builds, freezes, writes.
fn measure<C: Collection>(title: &str, items: u64) -> C {
    let before = ochre::alloc::allocated_bytes();
    let start = Instant::now();
    let mut collection = C::default();
    let mut number = numbers();
    (0..items).for_each(|_| collection.insert(number()));
    let per_item = micros(start.elapsed()) * 1e3 / items as f64;
    let bytes = (ochre::alloc::allocated_bytes() - before) as f64 / items as f64;
    println!("{title}: {items} insertions, {per_item:.0} ns and {bytes:.1} bytes each");

    let start = Instant::now();
    let frozen = collection.freeze();
    println!("  freeze: {:.1} µs", micros(start.elapsed()));
    let mut times: Vec<Duration> = (0..=WRITES)
        .map(|_| {
            let number = number();
            let start = Instant::now();
            collection.write(number);
            start.elapsed()
        })
        .collect();
    println!("  first write after it: {:.1} µs", micros(times.remove(0)));
    times.sort_unstable();
    let at = |share: usize| micros(times[(WRITES - 1) * share / 1000]);
    let [median, p99, p999, longest] = [500, 990, 999, 1000].map(at);
    println!(
        "  next {WRITES}: median {median:.1}, p99 {p99:.1}, p99.9 {p999:.1}, longest {longest:.1} µs (bar: 100)"
    );
    assert_eq!(C::count(&frozen), items as usize);
    collection
}

/// What reading a big tree costs.
fn read(tree: &Tree<Counted>) {
    let len = tree.len() as u64;
    let mut number = numbers();
    let start = Instant::now();
    for _ in 0..1_000_000 {
        black_box(tree.at_rank(number() % len));
    }
    println!("  item at a random rank: {:.0} ns", micros(start.elapsed()) / 1e3);
    let start = Instant::now();
    let sum: u64 = tree.iter().map(|item| *item.0 & 1).sum();
    println!("  walk over all: {:.1} ns per item ({sum} odd)", micros(start.elapsed()) * 1e3 / len as f64);
}

fn main() {
    let items = std::env::var("ITEMS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000_000);
    let only = std::env::var("ONLY").ok();
    let does = |title: &str| only.as_deref().is_none_or(|only| only == title);
    if does("tree") {
        read(&measure("tree", items));
    }
    if does("hash") {
        measure::<Entries<16>>("hash", items);
    }
    if does("set") {
        measure::<Entries<0>>("set", items);
    }
    if does("zset") {
        measure::<ZSet>("zset", items);
    }
    if does("list") {
        measure::<List>("list", items);
    }
}
