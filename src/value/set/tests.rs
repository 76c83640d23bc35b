//! Sets against `BTreeSet`, whatever their form.

use super::*;
use crate::base::rng::Rng;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn limits(ints: u64, entries: u64, value: u64) -> Limits {
    Limits { max_intset_entries: ints, max_listpack_entries: entries, max_listpack_value: value }
}

fn of(members: &[&str], limits: &Limits) -> Set {
    let first = members.first().map_or(&b""[..], |first| first.as_bytes());
    let mut set = Set::for_members(first, members.len(), limits);
    for member in members {
        set.insert(member.as_bytes(), limits);
    }
    set
}

fn sorted(set: &Set) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = set.iter().map(|member| member.bytes(&mut Digits::new()).to_vec()).collect();
    all.sort();
    all
}

/// What a Redis 8.0 server says under these limits.
#[test]
fn forms_are_those_of_redis() {
    let limits = limits(3, 5, 4);
    for (members, encoding) in [
        (&["1", "2", "3"][..], "intset"),
        (&["1", "2", "3", "4"], "listpack"),
        (&["1", "2", "3", "4", "5", "6"], "hashtable"),
        (&["1", "2", "a"], "listpack"),
        (&["a", "b", "c", "d", "e"], "listpack"),
        (&["a", "b", "c", "d", "e", "e"], "hashtable"),
        (&["1", "1", "1", "1"], "listpack"),
        (&["a", "bbbbb"], "hashtable"),
        (&["12345", "a"], "hashtable"),
        (&["1", "-1234", "a"], "hashtable"),
        (&["1", "-123", "a"], "listpack"),
    ] {
        assert_eq!(of(members, &limits).encoding(), encoding, "{members:?}");
    }
}

#[test]
fn a_copy_is_a_set_of_its_own() {
    let limits = limits(0, 0, 0);
    let mut set = of(&["a", "b"], &limits);
    let copy = set.clone();
    assert!(set.insert(b"c", &limits) && set.remove(b"a") && !set.insert(b"c", &limits));
    assert_eq!(
        (sorted(&copy), sorted(&set)),
        (sorted(&of(&["a", "b"], &limits)), sorted(&of(&["b", "c"], &limits)))
    );
}

#[test]
fn chance_reaches_every_member() {
    for limits in [limits(512, 128, 64), limits(0, 128, 64), limits(0, 0, 0)] {
        let names: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let set = of(&names, &limits);
        let mut rng = Rng::from_seed(4);
        let mut seen = BTreeSet::new();
        set.random_repeated(2000, &mut rng, |member| {
            seen.insert(member.int());
        });
        assert_eq!(seen.len(), 40);
        for count in [0, 1, 10, 30, 40, 50] {
            let mut seen = BTreeSet::new();
            let mut visits = 0;
            set.random_distinct(count, &mut rng, |member| {
                visits += 1;
                seen.insert(member.int());
            });
            assert_eq!((seen.len(), visits), (count.min(40), count.min(40)));
        }
    }
}

#[test]
fn a_table_with_little_left_is_small_again() {
    let limits = limits(512, 128, 64);
    let names: Vec<String> = (0..200).map(|number| format!("m{number}")).collect();
    let mut set = of(&names.iter().map(String::as_str).collect::<Vec<_>>(), &limits);
    let mut rng = Rng::from_seed(5);
    let mut popped = BTreeSet::new();
    for (count, encoding) in [(100, "hashtable"), (90, "listpack")] {
        set.pop_many(count, &mut rng, &limits, |member| {
            popped.insert(member.to_vec());
        });
        assert_eq!(set.encoding(), encoding);
    }
    assert_eq!((set.len(), popped.len()), (10, 190));
    assert!(set.iter().all(|member| !popped.contains(member.bytes(&mut Digits::new()))));
}

/// Few are drawn, many are chosen in a walk while segments shrink and merge, nearly all leave a new set behind.
#[test]
fn any_share_of_a_table_can_be_popped() {
    let limits = limits(0, 0, 64);
    let mut rng = Rng::from_seed(7);
    let (mut set, mut rest) = (Set::default(), BTreeSet::new());
    for number in 0..20_000 {
        let name = format!("m{number}").into_bytes();
        set.insert(&name, &limits);
        rest.insert(name);
    }
    for count in [1, 100, 400, 5_000, 9_000, 3_000, 2_400, 98] {
        let mut visits = 0;
        set.pop_many(count, &mut rng, &limits, |member| {
            visits += 1;
            assert!(rest.remove(member), "popped twice");
        });
        assert_eq!((visits, set.len()), (count, rest.len()));
        assert!(set.iter().all(|member| rest.contains(member.bytes(&mut Digits::new()))));
    }
    assert_eq!(rest.len(), 1);
}

fn member() -> impl Strategy<Value = String> {
    prop_oneof![(-20i64..60).prop_map(|number| number.to_string()), "[a-e]{1,2}", Just("x".repeat(30))]
}

proptest! {
    #[test]
    fn behaves_like_a_btree_set(
        steps in prop::collection::vec((member(), 0u8..4), 0..150),
        ints in 0u64..20, entries in 0u64..20, value in prop::sample::select(vec![1u64, 64]),
    ) {
        let limits = limits(ints, entries, value);
        let (mut set, mut model) = (Set::default(), BTreeSet::new());
        for (member, kind) in steps {
            let name = member.as_bytes();
            match kind {
                0 => prop_assert_eq!(set.remove(name), model.remove(name)),
                _ => prop_assert_eq!(set.insert(name, &limits), model.insert(name.to_vec())),
            }
            prop_assert_eq!(set.contains(name), model.contains(name));
            prop_assert_eq!(set.len(), model.len());
        }
        prop_assert_eq!(sorted(&set), model.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn combinations_are_those_of_sets(
        sets in prop::collection::vec((prop::collection::vec(member(), 0..40), 0u64..3), 1..7),
    ) {
        let made: Vec<Set> = sets.iter().map(|(members, form)| {
            let limits = [limits(512, 128, 64), limits(0, 128, 64), limits(0, 0, 0)][*form as usize];
            of(&members.iter().map(String::as_str).collect::<Vec<_>>(), &limits)
        }).collect();
        let models: Vec<BTreeSet<Vec<u8>>> =
            sets.iter().map(|(members, _)| members.iter().map(|m| m.as_bytes().to_vec()).collect()).collect();
        let refs: Vec<&Set> = made.iter().collect();
        let in_all = |member: &Vec<u8>| models.iter().all(|model| model.contains(member));
        let in_others = |member: &Vec<u8>| models[1..].iter().any(|model| model.contains(member));
        let own = |member: Member<'_>| member.bytes(&mut Digits::new()).to_vec();

        let mut found = Vec::new();
        combine::intersection(&refs, |member| { found.push(own(member)); combine::Flow::Continue(()) });
        found.sort();
        prop_assert_eq!(found, models[0].iter().filter(|m| in_all(m)).cloned().collect::<Vec<_>>());

        let mut found = Vec::new();
        combine::difference(refs[0], &refs[1..], |member| found.push(own(member)));
        found.sort();
        prop_assert_eq!(found, models[0].iter().filter(|m| !in_others(m)).cloned().collect::<Vec<_>>());

        let mut found = Vec::new();
        combine::union(&refs, |member| found.push(own(member)));
        found.sort();
        prop_assert_eq!(found, models.concat_union());
    }
}

trait ConcatUnion {
    fn concat_union(&self) -> Vec<Vec<u8>>;
}

impl ConcatUnion for Vec<BTreeSet<Vec<u8>>> {
    fn concat_union(&self) -> Vec<Vec<u8>> {
        self.iter().flatten().cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }
}
