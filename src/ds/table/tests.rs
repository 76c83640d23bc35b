//! Model tests of the table against `BTreeMap`, and of what it promises about scans, floods and deadlines.
//!
//! Entries are blobs with an inline value, so the tests cover moving and freeing real allocations too; run
//! them under AddressSanitizer to see use after free.

use super::segment::{Nearness, SMALL, Shape};
use super::*;
use crate::ds::blob::{Blob, Payload};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};

type Entries = Table<Blob<u64>>;

fn seed() -> HashSeed {
    HashSeed::random_from([1, 2, 3])
}

fn key(number: u64) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

fn blob(number: u64, value: u64, deadline: Option<u64>) -> Blob<u64> {
    Blob::inline(&key(number), &value.to_le_bytes(), deadline, 0)
}

fn value(blob: &Blob<u64>) -> u64 {
    match blob.payload() {
        Payload::Inline(bytes) => u64::from_le_bytes(bytes.try_into().unwrap()),
        Payload::Value(value) => *value,
    }
}

/// A table of the numbers `0..count`.
fn filled(seed: HashSeed, skip: u32, count: u64) -> Entries {
    let mut table = Table::new(seed, skip);
    for number in 0..count {
        put(&mut table, number, None);
    }
    table
}

fn put(table: &mut Entries, number: u64, deadline: Option<u64>) -> Option<Blob<u64>> {
    let hash = table.seed().hash(&key(number));
    table.insert(hash, blob(number, number, deadline))
}

fn take_out(table: &mut Entries, number: u64) -> Option<Blob<u64>> {
    let hash = table.seed().hash(&key(number));
    table.remove(hash, &key(number))
}

/// Checks everything that must hold between calls.
fn check(table: &Entries) {
    assert_eq!(table.iter().count(), table.len());
    let (mut len, mut bytes, mut depths) = (0, 0, [0; 25]);
    for (id, segment) in table.segments.iter().enumerate() {
        assert_eq!(segment.route.id.index(), id);
        let shape = segment.route.shape;
        depths[shape.depth() as usize] += 1;
        bytes += shape.buckets() * 64 + segment.minima.as_ref().map_or(0, |m| m.len() * 8);
        let mut in_segment = 0;
        for (at, bucket) in segment.route.all_buckets().enumerate() {
            table.for_each_in_bucket(bucket, |entry| {
                in_segment += 1;
                let hash = table.seed.hash(entry.key());
                assert_eq!(shape.locate(&table.seed, table.relative(hash), entry.key()).0, at);
                assert_eq!(table.route(hash).unwrap().id.index(), id);
                if let Some(deadline) = entry.deadline() {
                    let minima = segment.minima.as_ref().expect("a volatile entry is noted");
                    assert!(minima[if minima.len() == 1 { 0 } else { at }] <= deadline);
                    assert!(segment.due <= deadline);
                }
            });
        }
        assert_eq!(segment.len, in_segment);
        len += in_segment;
        let due = segment.minima.as_ref().and_then(|m| m.iter().min()).copied().unwrap_or(u64::MAX);
        assert_eq!(segment.due, due);
        assert_eq!(table.by_deadline.contains(&(due, segment.route.id)), due != u64::MAX);
    }
    assert_eq!(len as usize, table.len());
    assert!(table.bytes >= bytes);
    let deepest = depths.iter().rposition(|count| *count > 0).map_or(0, |deepest| deepest + 1);
    assert_eq!(table.by_depth, depths[..deepest]);
}

/// All positions and entries of a whole scan.
fn scan(table: &Entries, start: u64, mut between: impl FnMut(u64)) -> Vec<u64> {
    let mut seen = Vec::new();
    let mut position = Some(start);
    while let Some(at) = position {
        position = table.scan_bucket(at, |entry| seen.push(value(entry)));
        if let Some(next) = position {
            assert!(next > at && next & 0xfff == 0, "{next:x} follows {at:x}");
            between(next);
        }
    }
    seen
}

#[test]
fn bucket_and_tag_tell_the_bucket_in_another_size() {
    let mut state = 1;
    for (from, to) in [(32, 40), (40, 48), (48, 56), (56, 64), (64, 56), (40, 32), (32, 16), (33, 61)] {
        for depth in [0, 1, 24] {
            let (from, to) = (Shape::new(from, depth, false), Shape::new(to, depth, false));
            let nearness = Nearness::new(from, to).unwrap();
            // Anywhere, and at the edges of buckets.
            let edges = [from, to].into_iter().flat_map(|shape| {
                (0..shape.buckets()).flat_map(move |bucket| {
                    let edge = shape.boundary(0, bucket) as u64;
                    [edge, edge.wrapping_sub(1) & u64::MAX >> depth]
                })
            });
            let anywhere = std::iter::repeat_with(|| walk::mix(&mut state)).take(20_000);
            let mut unknown = 0;
            for position in edges.chain(anywhere) {
                let (bucket, tag) = from.place_at(position);
                match nearness.bucket(bucket, tag) {
                    Some(bucket) => assert_eq!((bucket, tag), to.place_at(position)),
                    None => unknown += 1,
                }
            }
            assert!(unknown < 400, "{unknown}: {from:?} to {to:?}");
        }
    }
    let (small, large) = (Shape::new(SMALL / 2, 0, false), Shape::new(SMALL, 0, false));
    assert!(Nearness::new(small, large).is_none());
    assert!(Nearness::new(Shape::new(SMALL, 0, true), large).is_none());
}

#[test]
fn an_empty_table_costs_nothing_and_a_tiny_one_little() {
    let mut table = Entries::new(seed(), 5);
    assert_eq!(table.heap_bytes(), 0);
    assert!(table.find(1, b"x").is_none() && table.sample(1).is_none() && table.iter().next().is_none());
    assert_eq!(table.scan_bucket(0, |_| ()), None);
    assert_eq!(table.next_deadline(), None);
    put(&mut table, 1, None);
    assert!(table.heap_bytes() < 200, "{}", table.heap_bytes());
    table.clear();
    assert_eq!((table.len(), table.heap_bytes()), (0, 0));
}

#[test]
fn growth_and_shrinking_keep_every_entry_and_give_memory_back() {
    for skip in [0, 4] {
        let mut table = Entries::new(seed(), skip);
        for number in 0..30_000 {
            assert!(put(&mut table, number, None).is_none());
            if number % 5_000 == 0 {
                check(&table);
            }
        }
        assert_eq!(table.len(), 30_000);
        for number in 0..30_000 {
            let hash = table.seed().hash(&key(number));
            assert_eq!(table.find(hash, &key(number)).map(value), Some(number));
        }
        let full = table.heap_bytes();
        for number in 0..30_000 {
            assert_eq!(take_out(&mut table, number).map(|b| value(&b)), Some(number));
            if number % 5_000 == 0 {
                check(&table);
            }
            if number == 27_000 {
                assert!(table.heap_bytes() < full / 4, "{} of {full}", table.heap_bytes());
            }
        }
        check(&table);
        assert!(table.is_empty() && table.heap_bytes() < 500, "{}", table.heap_bytes());
    }
}

#[test]
fn memory_per_entry_stays_below_the_bar() {
    let mut table = Entries::new(seed(), 0);
    let (mut sum, mut points) = (0.0, 0.0);
    for number in 0..120_000_u64 {
        put(&mut table, number, None);
        if number >= 30_000 && number % 500 == 0 {
            sum += table.heap_bytes() as f64 / table.len() as f64;
            points += 1.0;
        }
    }
    assert!(sum / points <= 12.0, "{:.2} bytes per entry on average", sum / points);
}

#[test]
fn a_scan_visits_each_entry_once_in_every_shard() {
    for skip in [0, 1, 5, 10] {
        let mut tables: HashMap<u64, Entries> = HashMap::new();
        for number in 0..20_000 {
            let hash = seed().hash(&key(number));
            let shard = if skip == 0 { 0 } else { hash >> (64 - skip) };
            put(tables.entry(shard).or_insert_with(|| Table::new(seed(), skip)), number, None);
        }
        let mut seen = Vec::new();
        for (shard, table) in &tables {
            let start = if skip == 0 { 0 } else { shard << (64 - skip) };
            seen.extend(scan(table, start, |next| assert!(skip == 0 || next >> (64 - skip) == *shard)));
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..20_000).collect::<Vec<_>>());
    }
}

/// Scans while the table changes size: what stays is seen exactly once.
fn scan_while(first: u64, change: impl Fn(&mut Entries, u64)) {
    let mut table = filled(seed(), 0, first);
    let mut seen = HashMap::new();
    let (mut position, mut step) = (Some(0), 0);
    while let Some(at) = position {
        position = table.scan_bucket(at, |entry| *seen.entry(value(entry)).or_insert(0) += 1);
        change(&mut table, step);
        step += 1;
    }
    check(&table);
    for number in (0..first).step_by(10) {
        assert_eq!(seen.get(&number), Some(&1), "{number}");
    }
}

#[test]
fn a_scan_is_complete_and_exact_while_the_table_grows() {
    scan_while(500, |table, step| {
        for number in 0..40 {
            if table.len() < 60_000 {
                put(table, 1_000 + step * 40 + number, None);
            }
        }
    });
}

#[test]
fn a_scan_is_complete_and_exact_while_the_table_shrinks() {
    scan_while(20_000, |table, step| {
        for number in step * 40..(step + 1) * 40 {
            if number % 10 != 0 {
                take_out(table, number);
            }
        }
    });
}

#[test]
fn sampling_is_close_to_uniform() {
    // 300 survivors of 3,000: many empty buckets.
    let mut table = filled(seed(), 3, 3_000);
    (0..3_000).filter(|n| n % 10 != 0).for_each(|n| drop(take_out(&mut table, n)));
    let mut hits = BTreeMap::new();
    let mut random = 7;
    for _ in 0..300 * 200 {
        random = u64::wrapping_mul(random, 6_364_136_223_846_793_005).wrapping_add(1);
        *hits.entry(value(table.sample(random).unwrap())).or_insert(0_u32) += 1;
    }
    assert_eq!(hits.len(), 300);
    let chi_squared: f64 = hits.values().map(|n| (f64::from(*n) - 200.0).powi(2) / 200.0).sum();
    // 299 degrees of freedom: mean 299, deviation 24.5; a tilt of a few per cent between buckets adds a little.
    assert!(chi_squared < 450.0, "{chi_squared}");
}

#[test]
fn draining_removes_what_it_is_told() {
    let mut table = filled(seed(), 2, 9_000);
    let mut gone = Vec::new();
    let mut shards = HashSet::new();
    for shard in 0..4_u64 {
        let mut position = Some(shard << 62);
        while let Some(at) = position {
            shards.insert(at >> 62);
            position = table.drain_bucket_where(at, |e| value(e).is_multiple_of(3), |e| gone.push(value(&e)));
        }
        // One table here holds the keys of all shards: each round sees the same entries.
        check(&table);
    }
    assert_eq!(shards.len(), 4);
    assert_eq!((gone.len(), table.len()), (3_000, 6_000));
    assert!(table.iter().all(|e| !value(e).is_multiple_of(3)));
}

thread_local! {
    static KEY_READS: Cell<u64> = const { Cell::new(0) };
}

/// A slot that counts how often its key is looked at.
#[derive(Clone)]
#[repr(transparent)]
struct Watched(Box<[u8; 8]>);

// SAFETY: transparent over a box, which is a non-null pointer.
unsafe impl Slot for Watched {
    fn key(&self) -> &[u8] {
        KEY_READS.with(|reads| reads.set(reads.get() + 1));
        &self.0[..]
    }

    fn deadline(&self) -> Option<u64> {
        None
    }
}

/// Key reads of `count` insertions and `count` finds, per operation.
fn reads_per_operation(seed: HashSeed, count: u64) -> u64 {
    let mut table = Table::new(seed, 0);
    KEY_READS.with(|reads| reads.set(0));
    for number in 0..count {
        let key = number.to_le_bytes();
        assert!(table.insert(seed.hash(&key), Watched(Box::new(key))).is_none());
    }
    for number in 0..count {
        let key = number.to_le_bytes();
        assert!(table.find(seed.hash(&key), &key).is_some());
    }
    KEY_READS.with(Cell::get) / count
}

#[test]
fn a_flood_of_collisions_stays_cheap() {
    let normal = reads_per_operation(seed(), 50_000);
    assert!(normal < 12, "{normal}");
    for mask in [0, 0xff, 0xffff_ffff, u64::MAX << 61] {
        let reads = reads_per_operation(HashSeed::masked(mask), 50_000);
        assert!(reads < 25, "{reads} key reads an operation with mask {mask:x}");
    }
}

#[test]
fn a_flooded_table_keeps_its_promises_and_recovers() {
    let seed = HashSeed::masked(0);
    let mut table = filled(seed, 0, 5_000);
    check(&table);
    assert!(table.segments.iter().any(|s| s.route.shape.is_reseeded()));
    let mut seen = scan(&table, 0, |_| ());
    seen.sort_unstable();
    assert_eq!(seen, (0..5_000).collect::<Vec<_>>());
    for number in 0..5_000 {
        put(&mut table, number, (number % 2 == 0).then_some(number + 1));
    }
    check(&table);
    let mut due = Vec::new();
    while table.take_due(5_000, 10, |entry| due.push(value(&entry))) > 0 {}
    due.sort_unstable();
    assert_eq!(due, (0..5_000).step_by(2).collect::<Vec<_>>());
    for number in (1..4_990).step_by(2) {
        assert!(take_out(&mut table, number).is_some());
    }
    check(&table);
    assert!(table.segments.iter().all(|s| !s.route.shape.is_reseeded()));
    assert_eq!(table.len(), 5);
}

#[test]
fn where_no_deadline_is_left_no_bound_is() {
    for numbers in [1_u64, 10, 5_000] {
        let mut table = Entries::new(seed(), 0);
        for number in 0..5_000 {
            put(&mut table, number, (number < numbers).then_some(1_000 + number));
        }
        for number in 0..numbers {
            assert_eq!(table.next_deadline().is_some(), number < numbers);
            let (hash, key) = (table.seed().hash(&key(number)), key(number));
            if number % 2 == 0 {
                table.find_mut(hash, &key).expect("it is there").set_deadline(None);
            } else {
                assert!(table.remove(hash, &key).is_some());
            }
            table.forget_deadline(hash);
            if number % 1_000 == 0 {
                check(&table);
            }
        }
        check(&table);
        assert_eq!(table.next_deadline(), None);
        assert!(table.segments.iter().all(|s| s.minima.is_none()), "nothing is left of the deadlines");
    }
}

#[test]
fn taking_due_entries_in_small_steps_is_exact() {
    let mut table = Entries::new(seed(), 0);
    for number in 0..10_000 {
        put(&mut table, number, (number % 3 != 0).then_some(1_000 + number));
    }
    let mut gone = Vec::new();
    for now_ms in (0..12_000).step_by(100) {
        loop {
            assert!(table.next_deadline().is_none_or(|due| due >= 1_000));
            let before = gone.len();
            table.take_due(now_ms, 7, |entry| {
                assert!(entry.deadline().unwrap() <= now_ms);
                gone.push(value(&entry));
            });
            if gone.len() == before && table.next_deadline().is_none_or(|due| due > now_ms) {
                break;
            }
        }
        let expected = (0..10_000_u64).filter(|n| n % 3 != 0 && 1_000 + n <= now_ms).count();
        assert_eq!(gone.len(), expected);
    }
    check(&table);
    assert_eq!((table.len(), table.next_deadline()), (3_334, None));
    assert!(table.segments.iter().all(|s| s.minima.is_none()), "nothing is left of the deadlines");
}

#[test]
fn deadlines_cost_little() {
    let mut plain = filled(seed(), 0, 20_000).heap_bytes();
    let mut table = Entries::new(seed(), 0);
    (0..20_000).for_each(|number| drop(put(&mut table, number, Some(5_000 + number))));
    plain = table.heap_bytes() - plain;
    assert!(plain <= 3 * 20_000, "{} bytes for 20,000 deadlines", plain);
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u64, Option<u64>),
    Remove(u64),
    Entry(u64),
    Deadline(u64, Option<u64>),
    TakeDue(u64, usize),
    Scan,
    Sample(u64),
    /// Inserts, or removes, a run of keys: makes the table change its size.
    Many(u64, bool),
    Take,
    Freeze,
    /// Drops the oldest frozen copy.
    Thaw,
}

fn step() -> impl Strategy<Value = Step> {
    let number = || 0..600_u64;
    let deadline = || proptest::option::of(1..1_000_u64);
    prop_oneof![
        8 => (number(), deadline()).prop_map(|(n, d)| Step::Insert(n, d)),
        8 => number().prop_map(Step::Remove),
        6 => number().prop_map(Step::Entry),
        4 => (number(), deadline()).prop_map(|(n, d)| Step::Deadline(n, d)),
        2 => (0..1_000_u64, 1..40_usize).prop_map(|(n, b)| Step::TakeDue(n, b)),
        1 => Just(Step::Scan),
        2 => any::<u64>().prop_map(Step::Sample),
        2 => (0..20_u64, any::<bool>()).prop_map(|(n, i)| Step::Many(n, i)),
        1 => Just(Step::Take),
        1 => Just(Step::Freeze),
        1 => Just(Step::Thaw),
    ]
}

/// The model: number → (value, deadline).
type Model = BTreeMap<u64, (u64, Option<u64>)>;

fn apply(table: &mut Entries, model: &mut Model, step: &Step, now: u64) {
    let seed = table.seed();
    match *step {
        Step::Insert(n, deadline) => {
            let old = table.insert(seed.hash(&key(n)), blob(n, now, deadline));
            assert_eq!(old.map(|b| value(&b)), model.insert(n, (now, deadline)).map(|old| old.0));
        }
        Step::Remove(n) => {
            assert_eq!(take_out(table, n).map(|b| value(&b)), model.remove(&n).map(|old| old.0));
        }
        Step::Entry(n) => match table.entry(seed.hash(&key(n)), &key(n)) {
            Entry::Occupied(mut entry) => {
                assert_eq!(value(entry.get()), model[&n].0);
                match now % 4 {
                    0 => drop(entry.replace(blob(n, now, Some(now + 1)))),
                    1 => drop(entry.remove()),
                    2 => assert_eq!(value(entry.vacate().1.insert(blob(n, now, None))), now),
                    _ => entry.get_mut().set_inline(&now.to_le_bytes()),
                }
                match now % 4 {
                    0 => drop(model.insert(n, (now, Some(now + 1)))),
                    1 => drop(model.remove(&n)),
                    2 => drop(model.insert(n, (now, None))),
                    _ => model.entry(n).and_modify(|e| e.0 = now).or_default().0 = now,
                }
            }
            Entry::Vacant(entry) => {
                assert_eq!(value(entry.insert(blob(n, now, None))), now);
                assert!(model.insert(n, (now, None)).is_none());
            }
        },
        Step::Deadline(n, deadline) => {
            let hash = seed.hash(&key(n));
            assert_eq!(table.find(hash, &key(n)).is_some(), model.contains_key(&n));
            if let Some(entry) = table.find_mut(hash, &key(n)) {
                entry.set_deadline(deadline);
                deadline.into_iter().for_each(|when_ms| table.note_deadline(hash, when_ms));
                model.entry(n).and_modify(|e| e.1 = deadline);
            }
        }
        Step::TakeDue(now_ms, buckets) => {
            let mut gone = Vec::new();
            let count = table.take_due(now_ms, buckets, |entry| gone.push((value(&entry), entry)));
            assert_eq!(count, gone.len());
            for (number, entry) in gone {
                let found = model.iter().find(|(n, _)| key(**n) == entry.key()).map(|(n, e)| (*n, *e));
                let (n, (stored, deadline)) = found.expect("what is due was there");
                assert!(stored == number && deadline.unwrap() <= now_ms);
                model.remove(&n);
            }
            if table.next_deadline().is_none_or(|due| due > now_ms) {
                assert!(model.values().all(|(_, deadline)| deadline.is_none_or(|d| d > now_ms)));
            }
        }
        Step::Scan => {
            let mut seen = scan(table, 0, |_| ());
            let mut values: Vec<u64> = model.values().map(|(value, _)| *value).collect();
            seen.sort_unstable();
            values.sort_unstable();
            assert_eq!(seen, values);
        }
        Step::Sample(random) => {
            let sampled = table.sample(random).map(|entry| entry.key().to_vec());
            assert_eq!(sampled.is_none(), model.is_empty());
            assert!(sampled.is_none_or(|k| model.keys().any(|n| key(*n) == k)));
        }
        Step::Many(start, is_insert) => {
            for n in start * 30..start * 30 + 400 {
                let step =
                    if is_insert { Step::Insert(n, (n % 7 == 0).then_some(n)) } else { Step::Remove(n) };
                apply(table, model, &step, now);
            }
        }
        Step::Take => {
            let whole = table.take();
            assert!(table.is_empty());
            *table = whole;
        }
        Step::Freeze | Step::Thaw => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn behaves_like_an_ordered_map(
        steps in proptest::collection::vec(step(), 1..150),
        mask in prop_oneof![3 => Just(u64::MAX), 1 => Just(0), 1 => Just(0x0fff_ffff_ffff_ff00)],
        skip in 0..3_u32,
    ) {
        let seed = HashSeed::masked(mask);
        let mut table = Entries::new(seed, skip);
        let mut model = Model::new();
        let mut frozen = Vec::new();
        for (now, step) in steps.iter().enumerate() {
            match step {
                Step::Freeze => frozen.push((table.freeze(), model.clone())),
                Step::Thaw if !frozen.is_empty() => drop(frozen.remove(0)),
                _ => {}
            }
            apply(&mut table, &mut model, step, now as u64);
            let due = model.values().filter_map(|(_, deadline)| *deadline).min();
            prop_assert!(table.next_deadline().unwrap_or(u64::MAX) <= due.unwrap_or(u64::MAX));
        }
        check(&table);
        prop_assert_eq!(table.len(), model.len());
        let copy = table.clone();
        check(&copy);
        let mut built = Table::expecting(table.seed(), skip, table.len());
        table.iter().for_each(|entry| built.insert_unique(seed.hash(entry.key()), entry.clone()));
        check(&built);
        prop_assert_eq!((copy.len(), built.len()), (table.len(), table.len()));
        frozen.push((table.freeze(), model));
        drop(table);
        for (frozen, then) in &frozen {
            let mut values: Vec<u64> = frozen.iter().map(value).collect();
            let mut expected: Vec<u64> = then.values().map(|(value, _)| *value).collect();
            values.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(values, expected);
            prop_assert_eq!(frozen.len(), then.len());
        }
    }
}

#[test]
fn entries_with_deadlines_are_found_among_many_without() {
    let mut table = filled(seed(), 0, 20_000);
    assert!(table.sample_due(7, |_| true).is_none());
    for number in 0..20 {
        put(&mut table, number * 1000, Some(1_000 + number));
    }
    let mut found = HashSet::new();
    for random in 0..2_000u64 {
        let draw = random.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        found.extend(table.sample_due(draw, |entry| entry.deadline().is_some()).map(value));
    }
    assert!(found.len() > 10 && found.iter().all(|number| number % 1000 == 0), "{found:?}");
    assert!(table.sample_due(7, |_| false).is_none());
}

#[test]
fn keys_are_the_same_when_all_their_bytes_are() {
    for len in 0..40 {
        let key: Vec<u8> = (0..len).collect();
        assert!(is_same(&key, &key.clone()), "{len}");
        assert!(!is_same(&key, &[&key[..], b"x"].concat()), "{len}");
        for index in 0..key.len() {
            let mut other = key.clone();
            other[index] ^= 0x80;
            assert!(!is_same(&key, &other), "{len}, {index}");
        }
    }
}
