//! The hash against a map, in all three encodings, with fields that expire.

use super::*;
use crate::base::rng::Rng;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LIMITS: Limits = Limits { entries: 8, value_bytes: 16 };
const NO_LIMITS: Limits = Limits { entries: usize::MAX, value_bytes: usize::MAX };

#[derive(Debug, Clone)]
enum Step {
    Set(u8, Vec<u8>, u8),
    Remove(u8),
    Deadline(u8, Option<u64>),
    AllowDeadlines,
    Advance(u64),
    Expire(usize),
    Random(u64),
    Clone,
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..24),
        Just(vec![b'x'; 3_000]),
    ];
    prop_oneof![
        6 => (0..14u8, value, 0..3u8).prop_map(|(name, value, ttl)| Step::Set(name, value, ttl)),
        3 => (0..14u8).prop_map(Step::Remove),
        3 => (0..14u8, proptest::option::of(1..60u64)).prop_map(|(name, ttl)| Step::Deadline(name, ttl)),
        1 => Just(Step::AllowDeadlines),
        2 => (0..20u64).prop_map(Step::Advance),
        1 => (4..12usize).prop_map(Step::Expire),
        1 => any::<u64>().prop_map(Step::Random),
        1 => Just(Step::Clone),
    ]
}

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

fn live(model: &Model, now: UnixMs) -> Vec<(Vec<u8>, Vec<u8>)> {
    let live = model.iter().filter(|(_, (_, deadline))| is_live(*deadline, now));
    live.map(|(name, (value, _))| (name.clone(), value.clone())).collect()
}

fn contents(hash: &Hash, now: UnixMs) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut contents: Vec<_> = hash.iter(now).map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    contents.sort();
    contents
}

fn name_of(number: u8) -> Vec<u8> {
    // Some names are integers, which a listpack stores as such.
    if number.is_multiple_of(2) { number.to_string().into_bytes() } else { vec![b'f', number] }
}

fn apply(hash: &mut Hash, model: &mut Model, step: &Step, now: &mut UnixMs, limits: Limits) {
    match step {
        Step::Set(name, value, ttl) => {
            let name = name_of(*name);
            let old = model.get(&name).filter(|(_, deadline)| is_live(*deadline, *now)).cloned();
            let (ttl, deadline) = match ttl {
                0 => (FieldTtl::Clear, None),
                1 => (FieldTtl::Keep, old.as_ref().and_then(|(_, deadline)| *deadline)),
                _ => (FieldTtl::At(UnixMs(now.0 + 20)), Some(now.0 + 20)),
            };
            assert_eq!(hash.set(&name, value, ttl, *now, limits), old.is_none());
            model.insert(name, (value.clone(), deadline));
        }
        Step::Remove(name) => {
            let name = name_of(*name);
            let was_there = model.remove(&name).is_some_and(|(_, deadline)| is_live(deadline, *now));
            assert_eq!(hash.remove(&name, *now), was_there);
        }
        Step::Deadline(name, ttl) => {
            let name = name_of(*name);
            let deadline = ttl.map(|ttl| now.0 + ttl);
            let found = model.get_mut(&name).filter(|(_, deadline)| is_live(*deadline, *now));
            assert_eq!(hash.set_deadline(&name, deadline.map(UnixMs), *now), found.is_some());
            found.into_iter().for_each(|entry| entry.1 = deadline);
            let told = hash.deadline(&name, *now).map(|deadline| deadline.map(|when| when.0));
            assert_eq!(told, model.get(&name).filter(|(_, d)| is_live(*d, *now)).map(|(_, d)| *d));
        }
        Step::AllowDeadlines => hash.allow_deadlines(),
        Step::Advance(ms) => now.0 += ms,
        Step::Expire(most) => {
            let mut gone = Vec::new();
            hash.expire(now.0, *most, &mut |name| gone.push(name.to_vec()));
            for name in gone {
                let (_, deadline) = model.remove(&name).expect("what expires was there");
                assert!(!is_live(deadline, *now));
            }
        }
        Step::Random(seed) => {
            let found = hash.random(&mut Rng::from_seed(*seed), *now);
            let found = found.map(|(name, value)| (name.to_vec(), value.to_vec()));
            assert_eq!(found.is_none(), live(model, *now).is_empty());
            assert!(found.is_none_or(|pair| live(model, *now).contains(&pair)));
        }
        Step::Clone => {
            let twin = hash.clone();
            *hash = twin;
        }
    }
    assert_eq!(hash.len(), model.len());
    let due = model.values().filter_map(|(_, deadline)| *deadline).min();
    assert!(hash.due().unwrap_or(u64::MAX) <= due.unwrap_or(u64::MAX));
    for (name, (value, deadline)) in &*model {
        let expected = is_live(*deadline, *now).then(|| value.clone());
        assert_eq!(hash.get(name, *now).map(|value| value.to_vec()), expected);
    }
}

proptest! {
    #[test]
    fn a_hash_behaves_like_a_map_of_fields_that_expire(
        steps in proptest::collection::vec(step(), 1..120),
        is_limited in any::<bool>(),
    ) {
        let (mut hash, mut model, mut now) = (Hash::default(), Model::new(), UnixMs(1_000));
        let limits = if is_limited { LIMITS } else { NO_LIMITS };
        for step in &steps {
            apply(&mut hash, &mut model, step, &mut now, limits);
        }
        prop_assert_eq!(contents(&hash, now), live(&model, now));
        prop_assert_eq!(hash.live_len(now), live(&model, now).len());
        let (mut seen, mut cursor) = (Vec::new(), 0);
        loop {
            cursor = hash.scan(cursor, 3, now, |name, value| seen.push((name.to_vec(), value.to_vec())));
            if cursor == 0 {
                break;
            }
        }
        seen.sort();
        prop_assert_eq!(seen, live(&model, now));
    }
}

#[test]
fn encodings_follow_the_limits_and_never_go_back() {
    let now = UnixMs(1_000);
    let mut hash = Hash::default();
    for number in 0..8 {
        assert!(hash.set(&[number], b"v", FieldTtl::Clear, now, LIMITS));
    }
    assert_eq!(hash.encoding(), "listpack");
    hash.allow_deadlines();
    assert_eq!((hash.encoding(), hash.len()), ("listpackex", 8));
    hash.set(&[9], b"v", FieldTtl::Clear, now, LIMITS);
    assert_eq!((hash.encoding(), hash.len()), ("hashtable", 9));
    for number in 0..8 {
        assert!(hash.remove(&[number], now));
    }
    assert_eq!(hash.encoding(), "hashtable");
    let mut hash = Hash::default();
    hash.set(b"f", &[b'v'; 17], FieldTtl::Clear, now, LIMITS);
    assert_eq!(hash.encoding(), "hashtable");
}

#[test]
fn a_field_costs_little() {
    let (now, count) = (UnixMs(0), 200_000);
    let mut hash = Hash::default();
    for number in 0..count {
        let name = format!("field:{number:08}");
        hash.set(name.as_bytes(), b"0123456789abcdef", FieldTtl::Clear, now, LIMITS);
    }
    let per_field = hash.heap_bytes(0) as f64 / f64::from(count);
    assert!(per_field <= 56.0, "{per_field} bytes");
}
