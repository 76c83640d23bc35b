//! Sorted sets of both forms against a plain list of pairs.

use super::*;
use crate::ds::listpack::Element;
use proptest::prelude::*;

const TINY: Limits = Limits { entries: 0, value: 64 };
const SOME: Limits = Limits { entries: 12, value: 64 };
const ALL: Limits = Limits { entries: usize::MAX, value: 64 };

/// Members in order, by score and then by bytes.
type Model = Vec<(f64, Vec<u8>)>;

/// Integers, texts, texts that look like integers; and some that are the same for several numbers.
fn name(number: u8) -> Vec<u8> {
    match number % 4 {
        0 => number.to_string().into_bytes(),
        1 => format!("m{number}").into_bytes(),
        2 => format!("0{number}").into_bytes(),
        _ => vec![b'x'; usize::from(number) / 8],
    }
}

fn different(number: u8) -> Vec<u8> {
    if number.is_multiple_of(2) { number.to_string().into_bytes() } else { vec![b'x'; number.into()] }
}

const SCORES: [f64; 10] =
    [0.0, 1.0, -1.0, 0.1, 1e300, f64::INFINITY, f64::NEG_INFINITY, 1e-7, 4_611_686_018_427_387_904.0, 2.0];

#[derive(Clone, Debug)]
enum Step {
    Set(u8, usize),
    Remove(u8),
    RemoveRanks(usize, usize),
    Copy,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<u8>(), 0..SCORES.len()).prop_map(|(member, score)| Step::Set(member, score)),
        3 => any::<u8>().prop_map(Step::Remove),
        1 => (any::<usize>(), 0..6_usize).prop_map(|(start, count)| Step::RemoveRanks(start, count)),
        1 => Just(Step::Copy),
    ]
}

fn score_in(model: &Model, member: &[u8]) -> Option<f64> {
    model.iter().find(|(_, other)| other == member).map(|(score, _)| *score)
}

fn take(model: &mut Model, member: &[u8]) -> Option<f64> {
    let at = model.iter().position(|(_, other)| other == member)?;
    Some(model.remove(at).0)
}

fn put(model: &mut Model, member: &[u8], score: f64) -> Option<f64> {
    let old = take(model, member);
    let at = model.partition_point(|(s, m)| (*s, &m[..]) < (score, member));
    model.insert(at, (score, member.to_vec()));
    old
}

fn pairs(items: Items<'_>) -> Model {
    items.map(|(member, score): (Element<'_>, f64)| (score, member.to_vec())).collect()
}

/// As [`pairs`], all at once.
fn visited(items: Items<'_>) -> Model {
    let mut model = Model::new();
    items.for_each(|(member, score)| model.push((score, member.to_vec())));
    model
}

fn check(zset: &ZSet, model: &Model) {
    assert_eq!(zset.len(), model.len());
    assert_eq!(&pairs(zset.iter()), model);
    let len = model.len();
    for (from, to) in [(0, len), (len / 3, len), (0, len / 2), (len / 3, len / 2), (len, len)] {
        let part = || model[from..to].iter().cloned();
        assert_eq!(pairs(zset.items(from..to, false)), part().collect::<Model>());
        assert_eq!(pairs(zset.items(from..to, true)), part().rev().collect::<Model>());
        assert_eq!(visited(zset.items(from..to, false)), part().collect::<Model>());
        assert_eq!(visited(zset.items(from..to, true)), part().rev().collect::<Model>());
    }
    for (rank, (score, member)) in model.iter().enumerate() {
        assert_eq!(zset.rank(member), Some((rank, *score)));
        assert_eq!(zset.score(member), Some(*score));
    }
    let mut seen = Model::new();
    let mut cursor = 0;
    loop {
        cursor = zset.scan(cursor, 3, &mut |member, score| {
            put(&mut seen, member, score);
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(&seen, model);
}

fn check_ranges(zset: &ZSet, model: &Model) {
    for min in SCORES {
        for max in SCORES {
            for (excludes_min, excludes_max) in [(false, false), (true, false), (false, true), (true, true)] {
                let range = ScoreRange { min, max, excludes_min, excludes_max };
                let is_in = |score: f64| {
                    (score > min || score == min && !excludes_min)
                        && (score < max || score == max && !excludes_max)
                };
                let expected: Model = model.iter().filter(|(score, _)| is_in(*score)).cloned().collect();
                assert_eq!(pairs(zset.items(zset.ranks_by_score(&range), false)), expected, "{range:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn it_behaves_like_a_sorted_list(steps in proptest::collection::vec(step(), 1..80)) {
        for limits in [TINY, SOME, ALL] {
            let (mut zset, mut model) = (ZSet::default(), Model::new());
            let mut copies = Vec::new();
            for step in &steps {
                match *step {
                    Step::Set(member, score) => {
                        let (member, score) = (name(member), SCORES[score]);
                        prop_assert_eq!(zset.set(&member, score, limits), put(&mut model, &member, score));
                    }
                    Step::Remove(member) => {
                        prop_assert_eq!(zset.score(&name(member)), score_in(&model, &name(member)));
                        prop_assert_eq!(zset.remove(&name(member)), take(&mut model, &name(member)));
                    }
                    Step::RemoveRanks(start, count) => {
                        let start = start % (model.len() + 1);
                        let end = (start + count).min(model.len());
                        zset.remove_ranks(start..end);
                        model.drain(start..end);
                    }
                    Step::Copy => {
                        copies.push((zset.clone(), model.clone()));
                        zset = zset.clone();
                    }
                }
            }
            check(&zset, &model);
            check_ranges(&zset, &model);
            copies.iter().for_each(|(zset, model)| check(zset, model));
        }
    }

    #[test]
    fn ranges_by_bytes_are_those_of_a_sorted_list(
        members in proptest::collection::btree_set(proptest::collection::vec(97..100_u8, 0..4), 0..40),
        min in proptest::collection::vec(97..100_u8, 0..4),
        max in proptest::collection::vec(97..100_u8, 0..4),
    ) {
        for limits in [TINY, ALL] {
            let mut zset = ZSet::default();
            for member in &members {
                zset.set(member, 7.0, limits);
            }
            for low in [LexBound::Lowest, LexBound::Including(&min), LexBound::Excluding(&min)] {
                for high in [LexBound::Highest, LexBound::Including(&max), LexBound::Excluding(&max)] {
                    let range = LexRange { min: low, max: high };
                    let expected: Vec<_> =
                        members.iter().filter(|m| !range.is_below(m) && !range.is_above(m)).collect();
                    let found = pairs(zset.items(zset.ranks_by_lex(&range), false));
                    prop_assert!(found.iter().map(|(_, member)| member).eq(expected.iter().copied()));
                    prop_assert!(!range.is_empty() || found.is_empty());
                }
            }
        }
    }

    #[test]
    fn algebra_is_that_of_lists(
        one in proptest::collection::btree_map(0..40_u8, -5..5_i32, 0..40),
        other in proptest::collection::btree_map(0..40_u8, -5..5_i32, 0..40),
        weights in (-2..3_i32, -2..3_i32),
    ) {
        for limits in [TINY, SOME, ALL] {
            let make = |from: &std::collections::BTreeMap<u8, i32>| {
                let mut zset = ZSet::default();
                from.iter().for_each(|(member, score)| {
                    zset.set(&different(*member), f64::from(*score), limits);
                });
                zset
            };
            let (a, b) = (make(&one), make(&other));
            let sources = [Source::SortedSet(&a), Source::SortedSet(&b), Source::Missing];
            let inputs = [(sources[0], weights.0), (sources[1], weights.1)];
            let inputs = inputs.map(|(source, weight)| Input { source, weight: f64::from(weight) });
            let (mut all, mut both, mut only) = (Model::new(), Model::new(), Model::new());
            for member in (0..40).filter(|m| one.contains_key(m) || other.contains_key(m)) {
                let scores = (one.get(&member), other.get(&member));
                let first = scores.0.map_or(0, |score| score * weights.0);
                let second = scores.1.map_or(0, |score| score * weights.1);
                let sum = f64::from(first + second);
                put(&mut all, &different(member), sum);
                match scores {
                    (Some(_), Some(_)) => _ = put(&mut both, &different(member), sum),
                    (Some(score), None) => _ = put(&mut only, &different(member), f64::from(*score)),
                    _ => {}
                }
            }
            let count = both.len();
            check(&union(&inputs, Aggregate::Sum, limits), &all);
            check(&intersection(&inputs, Aggregate::Sum, limits), &both);
            check(&difference(&sources, limits), &only);
            prop_assert_eq!(intersection_count(&sources[..2], usize::MAX), count);
            prop_assert_eq!(intersection_count(&sources[..2], 1), count.min(1));
            prop_assert_eq!(intersection_count(&sources, usize::MAX), 0);
        }
    }
}

#[test]
fn a_small_set_becomes_big_beyond_its_limits_and_stays_so() {
    let mut zset = ZSet::default();
    for member in 0..12_u8 {
        zset.set(&[member], 1.0, SOME);
    }
    assert_eq!(zset.encoding(), "listpack");
    let longest = vec![0; 65];
    let mut long = zset.clone();
    long.set(&longest, 1.0, SOME);
    zset.set(b"13", 1.0, SOME);
    assert_eq!((long.encoding(), zset.encoding()), ("skiplist", "skiplist"));
    zset.remove_ranks(1..13);
    assert_eq!((zset.encoding(), zset.len()), ("skiplist", 1));
    zset.expect(12, SOME);
    assert_eq!(zset.part(0..1, SOME).encoding(), "listpack");
    let mut many = ZSet::default();
    many.expect(13, SOME);
    assert_eq!(many.encoding(), "skiplist");
}

#[test]
fn what_is_no_number_becomes_zero_in_results() {
    let set = |score: f64| {
        let mut zset = ZSet::default();
        zset.set(b"m", score, SOME);
        zset
    };
    let (high, low) = (set(f64::INFINITY), set(f64::NEG_INFINITY));
    let input = |zset, weight| Input { source: Source::SortedSet(zset), weight };
    let score = |zset: ZSet| zset.score(b"m");
    let both = [input(&high, 1.0), input(&low, 1.0)];
    assert_eq!(score(union(&both, Aggregate::Sum, SOME)), Some(0.0));
    assert_eq!(score(intersection(&both, Aggregate::Sum, SOME)), Some(0.0));
    assert_eq!(score(union(&both, Aggregate::Min, SOME)), Some(f64::NEG_INFINITY));
    assert_eq!(score(union(&[input(&high, 0.0)], Aggregate::Sum, SOME)), Some(0.0));
}

#[derive(Clone, Debug)]
enum Cut {
    Ranks(usize, usize),
    Set(u16, usize),
    Remove(u16),
    Sweep(usize),
    Copy,
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![
        3 => (any::<usize>(), 0..300_usize).prop_map(|(start, count)| Cut::Ranks(start, count)),
        6 => (0..600_u16, 0..SCORES.len()).prop_map(|(member, score)| Cut::Set(member, score)),
        2 => (0..600_u16).prop_map(Cut::Remove),
        3 => (0..200_usize).prop_map(Cut::Sweep),
        1 => Just(Cut::Copy),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn those_who_left_are_seen_by_nobody(cuts in proptest::collection::vec(cut(), 1..60)) {
        let name = |number: u16| format!("m{number}").into_bytes();
        let (mut zset, mut model) = (ZSet::default(), Model::new());
        for number in 0..600 {
            zset.set(&name(number), SCORES[usize::from(number) % 3], TINY);
            put(&mut model, &name(number), SCORES[usize::from(number) % 3]);
        }
        for cut in cuts {
            match cut {
                Cut::Ranks(start, count) => {
                    let start = start % (model.len() + 1);
                    let end = (start + count).min(model.len());
                    zset.remove_ranks(start..end);
                    model.drain(start..end);
                }
                Cut::Set(member, score) => {
                    let (member, score) = (name(member), SCORES[score]);
                    prop_assert_eq!(zset.set(&member, score, TINY), put(&mut model, &member, score));
                }
                Cut::Remove(member) => {
                    prop_assert_eq!(zset.remove(&name(member)), take(&mut model, &name(member)));
                }
                Cut::Sweep(times) => (0..times).for_each(|_| sweep(&mut zset)),
                Cut::Copy => zset = zset.clone(),
            }
            for number in 0..600 {
                prop_assert_eq!(zset.score(&name(number)), score_in(&model, &name(number)));
            }
        }
        check(&zset, &model);
        while zset.due().is_some() {
            sweep(&mut zset);
        }
        check(&zset, &model);
        let ZSet::Big(big) = &zset else { panic!("it is big") };
        prop_assert_eq!(big.index().len(), model.len());
    }
}

fn sweep(zset: &mut ZSet) {
    zset.expire(0, 7, &mut |_| panic!("nothing expires"));
    drop(zset.take_garbage());
}
