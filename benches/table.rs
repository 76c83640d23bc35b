//! The table beside `hashbrown` (std's `HashMap`), with blobs of 16 + 16 bytes under the server's allocator.
//!
//! `cargo bench --bench table` prints, before criterion's timings, what a timing can't show: bytes per entry while the table
//! grows to `ENTRIES` (default 10 million), and the longest single insertion of that growth.
//!
//! hashbrown stores the same blobs and the same hashes; it gets its pointers in slots of 8 bytes too.

use criterion::{BatchSize, Criterion};
use ochre::alloc::CountingJemalloc;
use ochre::ds::blob::Blob;
use ochre::ds::table::{HashSeed, Table};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::hint::black_box;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: CountingJemalloc = CountingJemalloc;

type Entry = Blob<u64>;

/// The n-th key, 16 bytes without regularity the hash could profit from.
fn key(number: u64) -> [u8; 16] {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut key = *b"key:............";
    for (at, byte) in key[4..].iter_mut().enumerate() {
        *byte = b'a' + (mixed >> (5 * at) & 0xf) as u8;
    }
    key[..4].copy_from_slice(&(number as u32).to_le_bytes());
    key
}

fn entry(number: u64) -> Entry {
    Blob::inline(&key(number), &[b'v'; 16], None, 0)
}

fn seed() -> HashSeed {
    HashSeed::random_from([11, 22, 33])
}

/// A blob as key of a `HashMap`.
struct Keyed(Entry);

impl Hash for Keyed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0.key());
    }
}

impl PartialEq for Keyed {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for Keyed {}

impl std::borrow::Borrow<[u8]> for Keyed {
    fn borrow(&self) -> &[u8] {
        self.0.key()
    }
}

/// The table's hash for `HashMap`. Borrowed slices hash their length too, which is left out.
#[derive(Clone)]
struct Seeded(HashSeed);

struct OneWrite(HashSeed, u64);

impl BuildHasher for Seeded {
    type Hasher = OneWrite;

    fn build_hasher(&self) -> OneWrite {
        OneWrite(self.0, 0)
    }
}

impl Hasher for OneWrite {
    fn finish(&self) -> u64 {
        self.1
    }

    fn write(&mut self, bytes: &[u8]) {
        self.1 = self.0.hash(bytes);
    }

    fn write_usize(&mut self, _length: usize) {}
}

/// Limits above which insertions are counted, in microseconds.
const SLOW_US: [u64; 4] = [20, 50, 100, 200];

/// Grows a table and reports bytes per entry and the longest insertion.
fn grow(entries: u64) -> Table<Entry> {
    let seed = seed();
    let mut table = Table::new(seed, 0);
    let (mut longest, mut slow) = (Duration::ZERO, [0_u32; 4]);
    let (mut sum, mut worst, mut points) = (0.0, 0.0_f64, 0.0);
    let mut next_point = 100_000.0;
    let mut inserting = Duration::ZERO;
    for number in 0..entries {
        let hash = seed.hash(&key(number));
        let start = Instant::now();
        table.insert(hash, entry(number));
        let took = start.elapsed();
        inserting += took;
        if took > longest {
            longest = took;
            eprintln!("  insertion {number} took {:.1} µs", took.as_secs_f64() * 1e6);
        }
        for (count, limit_us) in slow.iter_mut().zip(SLOW_US) {
            *count += u32::from(took > Duration::from_micros(limit_us));
        }
        if table.len() as f64 >= next_point {
            next_point *= 1.01;
            let per_entry = table.heap_bytes() as f64 / table.len() as f64;
            (sum, worst, points) = (sum + per_entry, worst.max(per_entry), points + 1.0);
        }
    }
    println!(
        "{entries} insertions: {:.0} ns each with the clock",
        inserting.as_secs_f64() * 1e9 / entries as f64
    );
    println!(
        "longest insertion {:.1} µs; more than {SLOW_US:?} µs took {slow:?}",
        longest.as_secs_f64() * 1e6
    );
    println!("table bytes per entry from 100,000 on: average {:.2}, most {worst:.2}", sum / points);
    println!(
        "allocated per entry with the 40-byte blob: {:.1}",
        ochre::alloc::allocated_bytes() as f64 / entries as f64
    );
    table
}

/// Pseudo-random key numbers.
fn numbers(count: u64) -> impl FnMut() -> u64 {
    let mut state = 88_172_645_463_325_252_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % count
    }
}

fn main() {
    let entries = std::env::var("ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000_000);
    let seed = seed();
    let mut criterion =
        Criterion::default().configure_from_args().sample_size(20).measurement_time(Duration::from_secs(3));

    let mut table = grow(entries);
    let mut number = numbers(entries);
    criterion.bench_function("table/find", |b| {
        b.iter(|| {
            let key = key(number());
            black_box(table.find(seed.hash(&key), &key).is_some())
        })
    });
    criterion.bench_function("table/find/missing", |b| {
        b.iter(|| {
            let key = key(number() + entries);
            black_box(table.find(seed.hash(&key), &key).is_some())
        })
    });
    criterion.bench_function("table/find/16 prefetched", |b| {
        b.iter_batched(
            || std::array::from_fn::<_, 16, _>(|_| key(number())),
            |keys| {
                let hashes = keys.map(|key| seed.hash(&key));
                table.prefetch(hashes.into_iter());
                keys.iter().zip(hashes).filter(|(key, hash)| table.find(*hash, &key[..]).is_some()).count()
            },
            BatchSize::SmallInput,
        )
    });
    criterion.bench_function("table/remove and insert", |b| {
        b.iter(|| {
            let number = number();
            let hash = seed.hash(&key(number));
            let gone = table.remove(hash, &key(number));
            table.insert(hash, entry(number));
            black_box(gone)
        })
    });
    drop(table);

    let before = ochre::alloc::allocated_bytes();
    let mut map: HashMap<Keyed, (), Seeded> = HashMap::with_hasher(Seeded(seed));
    let mut longest = Duration::ZERO;
    for number in 0..entries {
        let start = Instant::now();
        map.insert(Keyed(entry(number)), ());
        longest = longest.max(start.elapsed());
    }
    println!("hashbrown: longest insertion {:.1} µs", longest.as_secs_f64() * 1e6);
    let per_entry = (ochre::alloc::allocated_bytes() - before) as f64 / entries as f64;
    println!("hashbrown: allocated per entry with the blob {per_entry:.1}");
    criterion.bench_function("hashbrown/find", |b| {
        b.iter(|| {
            let key = key(number());
            black_box(map.contains_key(&key[..]))
        })
    });
    criterion.final_summary();
}
