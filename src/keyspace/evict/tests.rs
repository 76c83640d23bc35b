//! How well victims are chosen: hit ratios on a Zipf trace beside those of the exact orders, and what each policy spares.

#[path = "../../../tests/cache/mod.rs"]
mod cache;

use cache::{Exact, Zipf};

use super::*;
use crate::keyspace::entry::string_entry;
use crate::keyspace::{Effect, EntryMut, Keyspace, LockSet, ShardId, Ttl, WrongType};
use crate::value::string::Encoding;

const DB: DbIndex = DbIndex(0);
const START_MS: u64 = 1_700_000_000_000;

fn put(view: &mut View<'_>, key: &[u8], deadline: Option<u64>) {
    let key = view.keyspace().key(key);
    view.put(DB, key, string_entry(key.bytes(), b"v", Encoding::Raw, deadline), Effect::NONE);
}

/// Hits of a trace, per cent: ours and the exact one's.
fn hit_ratios(order: Order, workers: usize, requests_per_ms: u64) -> (f64, f64) {
    const KEYS: usize = 20_000;
    const CAPACITY: usize = 2_000;
    const REQUESTS: u64 = 400_000;
    let keyspace = Keyspace::new(workers, 1, [1, 2, 3]);
    let lfu = order == Order::Lfu;
    keyspace.set_access_clock(AccessClock { lfu, log_factor: 10, decay_minutes: 1 });
    let mut view = View::new(&keyspace, 7);
    let mut exact = if lfu { Exact::lfu(CAPACITY) } else { Exact::lru(CAPACITY) };
    let (zipf, mut rng) = (Zipf::new(KEYS), Rng::from_seed(11));
    let policy = EvictionPolicy { order, is_volatile: false };
    let (mut hits, mut exact_hits, mut counted) = (0, 0, 0);
    let (mut len, mut turn) = (0, 0);
    for time in 0..REQUESTS {
        view.begin(UnixMs(START_MS + time / requests_per_ms), false);
        let number = zipf.at(rng.unit_f64());
        let name = number.to_string();
        let key = keyspace.key(name.as_bytes());
        view.lock_blocking(&LockSet::One(keyspace.shard_of(key.hash())));
        let is_hit = view.read(DB, key).is_some();
        if !is_hit {
            let set = |entry: &mut EntryMut<'_, '_>| {
                entry.set_string(b"v", Ttl::Clear);
                Ok::<_, WrongType>(((), Effect::NONE))
            };
            assert!(view.edit(DB, key, set).is_ok());
            len += 1;
        }
        while len > CAPACITY {
            // As the dispatcher does: from one shard after the other.
            turn = (turn + 1) % keyspace.shard_count();
            view.lock_blocking(&LockSet::One(ShardId(turn as u16)));
            len -= usize::from(view.evict_one(policy, 5).is_some());
        }
        view.forget_effects();
        let is_exact_hit = exact.access(number);
        if time > REQUESTS / 4 {
            counted += 1;
            hits += u64::from(is_hit);
            exact_hits += u64::from(is_exact_hit);
        }
    }
    let percent = |hits: u64| 100.0 * hits as f64 / f64::from(counted);
    (percent(hits), percent(exact_hits))
}

#[test]
fn hit_ratios_are_within_two_points_of_the_exact_orders() {
    // As many as would replace all keys in 8 seconds, and in a fifth of one.
    for (order, requests_per_ms) in [(Order::Lru, 1), (Order::Lru, 40), (Order::Lfu, 1), (Order::Lfu, 40)] {
        for workers in [1, 2] {
            let (ours, exact) = hit_ratios(order, workers, requests_per_ms);
            let case = format!("{order:?} with {workers} workers, {requests_per_ms} requests/ms");
            assert!(ours > exact - 2.0, "{case}: {ours} against {exact}");
        }
    }
}

#[test]
fn the_policies_take_what_they_should() {
    for workers in [1, 2] {
        let keyspace = Keyspace::new(workers, 1, [1, 2, 3]);
        let mut view = View::new(&keyspace, 5);
        view.lock_blocking(&LockSet::All);
        view.begin(UnixMs(START_MS), false);
        for number in 0..20_000u64 {
            // One in a thousand may go.
            let deadline = (number % 1000 == 7).then_some(START_MS + 1_000_000 - number);
            put(&mut view, number.to_string().as_bytes(), deadline);
        }
        for order in [Order::Lru, Order::Lfu, Order::Random, Order::Ttl] {
            for _ in 0..5 {
                assert!(
                    view.evict_one(EvictionPolicy { order, is_volatile: true }, 5).is_some(),
                    "{order:?}"
                );
            }
        }
        assert_eq!((view.len(DB), view.volatile(DB).0), (19_980, 0));
        for order in [Order::Lru, Order::Lfu, Order::Random, Order::Ttl] {
            assert!(view.evict_one(EvictionPolicy { order, is_volatile: true }, 5).is_none(), "{order:?}");
        }
        assert!(view.evict_one(EvictionPolicy { order: Order::Random, is_volatile: false }, 5).is_some());
        assert_eq!(view.len(DB), 19_979);
        view.forget_effects();
    }
}

#[test]
fn the_earliest_deadline_goes_first() {
    let keyspace = Keyspace::new(1, 2, [1, 2, 3]);
    let mut view = View::new(&keyspace, 5);
    view.lock_blocking(&LockSet::All);
    view.begin(UnixMs(START_MS), false);
    for number in 0..5_000u64 {
        put(&mut view, number.to_string().as_bytes(), Some(START_MS + 1 + number * 7919 % 5_000));
        put(&mut view, format!("kept {number}").as_bytes(), None);
    }
    // Bounds that are too low must not hide anybody.
    for number in (0..5_000u64).step_by(3) {
        put(&mut view, number.to_string().as_bytes(), Some(START_MS + 10_000 + number));
    }
    let policy = EvictionPolicy { order: Order::Ttl, is_volatile: true };
    let mut deadlines: Vec<u64> =
        view.shards().flat_map(|shard| shard.db(DB).iter()).filter_map(Entry::deadline).collect();
    deadlines.sort_unstable();
    for expected in deadlines {
        let earliest = |view: &View<'_>| {
            view.shards().flat_map(|shard| shard.db(DB).iter()).filter_map(Entry::deadline).min()
        };
        if expected % 50 == 0 {
            assert_eq!(earliest(&view), Some(expected));
        }
        assert!(view.evict_one(policy, 5).is_some());
    }
    assert_eq!((view.len(DB), view.volatile(DB).0), (5_000, 0));
    assert!(view.evict_one(policy, 5).is_none());
}
