//! A cut gives what there was at its moment, whatever happens meanwhile and whoever does it.

use super::{ClockKept, Cut};
use crate::base::clock::UnixMs;
use crate::keyspace::{DbIndex, Effect, EventClass, Keyspace, LockSet, Ttl, View, WrongType};
use crate::rdb::read::{Item, Loaded, Options, Reader};
use crate::rdb::write::{Bytes, Format, file};
use crate::value::Value;
use crate::value::hash::{FieldTtl, Hash};
use crate::value::list::{End, List};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Database and name → a number that stands for the value.
type Model = BTreeMap<(u16, String), u64>;

fn keyspace(workers: usize) -> Keyspace {
    Keyspace::new(workers, 4, [1, 2, 3])
}

fn view(keyspace: &Keyspace) -> View<'_> {
    let mut view = View::new(keyspace, 1);
    view.begin(UnixMs(1000), false);
    view
}

fn changed() -> Effect {
    Effect::event(EventClass::Generic, "changed")
}

/// A value that tells `number`: a string, a list or a big hash, by the number.
fn put(view: &mut View<'_>, db: u16, name: &str, number: u64) {
    let key = view.keyspace().key(name.as_bytes());
    view.lock_blocking(&LockSet::One(view.keyspace().shard_of(key.hash())));
    let text = number.to_string();
    let done: Result<(), WrongType> = view.edit(DbIndex(db), key, |entry| {
        match number % 16 {
            0 => {
                let mut list = List::default();
                let limits = crate::rdb::read::Limits::default().list;
                for _ in 0..300 {
                    list.grow(limits, || text.len(), 1);
                    list.push(End::Back, text.as_bytes());
                }
                entry.set_value(list, Ttl::Clear);
            }
            1 => {
                let mut hash = Hash::default();
                let limits = crate::rdb::read::Limits::default().hash;
                hash.make_room(1000, 0, 0, limits);
                for field in 0..40 {
                    let name = format!("{field}");
                    hash.set(name.as_bytes(), text.as_bytes(), FieldTtl::Keep, UnixMs(0), limits);
                }
                entry.set_value(hash, Ttl::Clear);
            }
            _ => entry.set_string(text.as_bytes(), Ttl::Clear),
        }
        Ok(((), changed()))
    });
    assert!(done.is_ok());
    view.release();
}

fn remove(view: &mut View<'_>, db: u16, name: &str) {
    let key = view.keyspace().key(name.as_bytes());
    view.lock_blocking(&LockSet::One(view.keyspace().shard_of(key.hash())));
    view.remove(DbIndex(db), key, changed());
    view.release();
}

/// Changes a value in place, if it can be.
fn touch_inside(view: &mut View<'_>, db: u16, name: &str) {
    let key = view.keyspace().key(name.as_bytes());
    view.lock_blocking(&LockSet::One(view.keyspace().shard_of(key.hash())));
    let done: Result<(), WrongType> = view.edit(DbIndex(db), key, |entry| {
        if let Ok(Some(list)) = entry.value_mut::<List>() {
            list.set(0, b"changed");
        }
        if let Ok(Some(hash)) = entry.value_mut::<Hash>() {
            let limits = crate::rdb::read::Limits::default().hash;
            hash.set(b"7", b"changed", FieldTtl::Keep, UnixMs(0), limits);
        }
        Ok(((), Effect::NONE))
    });
    assert!(done.is_ok());
    view.release();
}

fn cut(view: &mut View<'_>) -> Cut {
    view.lock_blocking(&LockSet::All);
    let cut = view.cut(Format::default(), ClockKept::Nothing).expect("no other cut is under way");
    view.release();
    cut
}

/// Adds what a draft holds.
fn take(model: &mut Model, db: DbIndex, bytes: &[u8]) {
    let mut whole = file::magic(11).to_vec();
    whole.extend_from_slice(bytes);
    file::push_end_mark(&mut whole);
    file::push_end(&mut whole, 0);
    let mut reader = Reader::open(whole.as_slice(), Options::default()).expect("it has a magic");
    loop {
        let Item::Key(key) = reader.next_item().expect("it is sound") else { return };
        let number = |text: &[u8]| String::from_utf8_lossy(text).parse().expect("it is a number");
        let told: Vec<u64> = match &key.value {
            Loaded::Text(text) => vec![number(text)],
            Loaded::Collection(Value::List(list)) => {
                list.iter_from(0).map(|element| number(&element.to_vec())).collect()
            }
            Loaded::Collection(Value::Hash(hash)) => {
                hash.iter(UnixMs(0)).map(|(_, value)| number(&value.to_vec())).collect()
            }
            Loaded::Collection(_) => panic!("no such value was put"),
        };
        assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "a value of two times: {told:?}");
        let name = String::from_utf8_lossy(key.name).into_owned();
        let first = model.insert((db.0, name), told[0]);
        assert!(first.is_none(), "a key twice");
    }
}

/// Takes up to `most` drafts; whether there are more.
fn take_some(cut: &mut Cut, keyspace: &Keyspace, model: &mut Model, most: usize) -> bool {
    for _ in 0..most {
        let Some((db, mut draft)) = cut.next_draft(keyspace) else { return false };
        let mut bytes = Vec::new();
        draft.finish(&mut Bytes { bytes: &mut bytes, compressor: None }).unwrap();
        cut.give_back(draft);
        take(model, db, &bytes);
    }
    true
}

#[derive(Clone, Debug)]
enum Step {
    Put(u16, u16, u64),
    PutMany(u16, u16, u16),
    Remove(u16, u16),
    RemoveMany(u16, u16, u16),
    Inside(u16, u16),
    Flush(u16),
    Swap(u16, u16),
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (db, key) = (|| 0..3u16, || 0..3000u16);
    prop_oneof![
        6 => (db(), key(), any::<u64>()).prop_map(|(db, key, number)| Step::Put(db, key, number)),
        2 => (db(), key(), 0..500u16).prop_map(|(db, key, count)| Step::PutMany(db, key, count)),
        4 => (db(), key()).prop_map(|(db, key)| Step::Remove(db, key)),
        2 => (db(), key(), 0..900u16).prop_map(|(db, key, count)| Step::RemoveMany(db, key, count)),
        4 => (db(), key()).prop_map(|(db, key)| Step::Inside(db, key)),
        1 => db().prop_map(Step::Flush),
        2 => (db(), db()).prop_map(|(one, other)| Step::Swap(one, other)),
        3 => (0..4usize).prop_map(Step::Take),
    ]
}

fn name(number: u16) -> String {
    format!("key:{number}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_cut_gives_what_there_was(
        workers in prop_oneof![Just(1usize), Just(2)],
        before in 0..2500u16,
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let keyspace = keyspace(workers);
        let mut view = view(&keyspace);
        let mut expected = Model::new();
        for number in 0..before {
            let value = u64::from(number) * 7;
            put(&mut view, number % 3, &name(number), value);
            expected.insert((number % 3, name(number)), value);
        }
        let mut cut = cut(&mut view);
        let mut found = Model::new();
        for step in steps {
            match step {
                Step::Put(db, key, number) => put(&mut view, db, &name(key), number),
                Step::PutMany(db, first, count) => {
                    (first..first + count).for_each(|key| put(&mut view, db, &name(key), 5));
                }
                Step::Remove(db, key) => remove(&mut view, db, &name(key)),
                Step::RemoveMany(db, first, count) => {
                    (first..first + count).for_each(|key| remove(&mut view, db, &name(key)));
                }
                Step::Inside(db, key) => touch_inside(&mut view, db, &name(key)),
                Step::Flush(db) => {
                    view.lock_blocking(&LockSet::All);
                    view.flush(DbIndex(db), false);
                    view.release();
                }
                Step::Swap(one, other) => {
                    view.lock_blocking(&LockSet::All);
                    view.swap(DbIndex(one), DbIndex(other), changed());
                    view.release();
                }
                Step::Take(most) => drop(take_some(&mut cut, &keyspace, &mut found, most)),
            }
        }
        while take_some(&mut cut, &keyspace, &mut found, 100) {}
        cut.end(&keyspace);
        prop_assert!(found == expected);
        prop_assert!(!keyspace.is_being_saved() && !keyspace.is_choked());
    }
}

/// Whoever moves between two accounts at once never shows in the middle: the sum of a cut is the sum.
#[test]
fn a_cut_across_shards_is_of_one_moment() {
    const ACCOUNTS: u64 = 2000;
    let keyspace = keyspace(4);
    let account = |number: u64| format!("account:{number}");
    {
        let mut view = view(&keyspace);
        (0..ACCOUNTS).for_each(|number| put(&mut view, 0, &account(number), 1002));
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let (keyspace, stop) = (&keyspace, &stop);
            scope.spawn(move || {
                let mut view = view(keyspace);
                let mut rng = crate::base::rng::Rng::from_seed(seed);
                while !stop.load(Ordering::Relaxed) {
                    let names = [account(rng.below(ACCOUNTS)), account(rng.below(ACCOUNTS))];
                    let [one, other] = names.each_ref().map(|name| keyspace.key(name.as_bytes()));
                    if names[0] == names[1] {
                        continue;
                    }
                    let shards = [one, other].map(|key| keyspace.shard_of(key.hash()));
                    view.lock_blocking(&LockSet::of(shards));
                    for (key, amount) in [(one, -16_i64), (other, 16)] {
                        let done: Result<(), WrongType> = view.edit(DbIndex(0), key, |entry| {
                            let text = entry.string()?.expect("accounts stay").bytes().to_vec();
                            let now: i64 = String::from_utf8_lossy(&text).parse().expect("a number");
                            // Strings stay strings: their numbers leave 2 and more modulo 16.
                            entry.set_string((now + amount).to_string().as_bytes(), Ttl::Clear);
                            Ok(((), changed()))
                        });
                        assert!(done.is_ok());
                    }
                    view.release();
                }
            });
        }
        let mut view = view(&keyspace);
        for _ in 0..10 {
            let mut cut = cut(&mut view);
            let (mut sum, mut count) = (0_i64, 0);
            while let Some((_, mut draft)) = cut.next_draft(&keyspace) {
                let mut bytes = file::magic(11).to_vec();
                draft.finish(&mut Bytes { bytes: &mut bytes, compressor: None }).unwrap();
                cut.give_back(draft);
                file::push_end_mark(&mut bytes);
                file::push_end(&mut bytes, 0);
                let mut reader = Reader::open(bytes.as_slice(), Options::default()).unwrap();
                while let Item::Key(key) = reader.next_item().unwrap() {
                    let Loaded::Text(text) = key.value else { panic!("accounts are strings") };
                    sum += String::from_utf8_lossy(text).parse::<i64>().unwrap();
                    count += 1;
                }
            }
            cut.end(&keyspace);
            assert_eq!((count, sum), (ACCOUNTS, 1002 * ACCOUNTS as i64));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn one_cut_at_a_time_and_an_abandoned_one_leaves_nothing_behind() {
    let keyspace = keyspace(2);
    let mut view = view(&keyspace);
    (0..5000).for_each(|number| put(&mut view, 0, &name(number), 6));
    let mut first = cut(&mut view);
    view.lock_blocking(&LockSet::All);
    assert!(view.cut(Format::default(), ClockKept::Nothing).is_none());
    view.release();
    assert!(first.next_draft(&keyspace).is_some());
    first.end(&keyspace);
    let mut second = cut(&mut view);
    let mut found = Model::new();
    while take_some(&mut second, &keyspace, &mut found, 100) {}
    second.end(&keyspace);
    assert_eq!(found.len(), 5000);
}
