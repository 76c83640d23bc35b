//! The keyspace against a model: a sorted map with deadlines, and a clock that only the test moves.
//!
//! Whatever happens to keys, in whatever order, both must answer the same; what is behind its deadline is invisible
//! at once, and gone after the expiry task was there. A walk with the cursor returns everything that stayed,
//! however the table grows and shrinks meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::entry::{string_entry, string_of};
use super::*;
use crate::base::clock::UnixMs;
use crate::base::rng::Rng;
use crate::value::string::Encoding;

const DATABASES: u16 = 2;
const START: u64 = 1_000_000;

/// One step; keys and databases are numbers so that they meet often.
#[derive(Clone, Debug)]
enum Step {
    Read(u8),
    Set(u8, u16, Option<u16>),
    SetKeepingTtl(u8, u16),
    Append(u8, u8),
    SetDeadline(u8, Option<u16>),
    /// An edit that looks and leaves.
    Look(u8),
    RemoveInEdit(u8),
    Remove(u8),
    /// `take` and `put` under another name, as RENAME does.
    Move(u8, u8),
    Advance(u16),
    ExpireDue,
    Walk(u8),
    SelectOther,
    Flush,
    Swap,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..40u8;
    let ttl = || proptest::option::of(1..500u16);
    prop_oneof![
        4 => key().prop_map(Step::Read),
        8 => (key(), any::<u16>(), ttl()).prop_map(|(key, size, ttl)| Step::Set(key, size % 3000, ttl)),
        2 => (key(), any::<u16>()).prop_map(|(key, size)| Step::SetKeepingTtl(key, size % 3000)),
        2 => (key(), any::<u8>()).prop_map(|(key, size)| Step::Append(key, size)),
        3 => (key(), ttl()).prop_map(|(key, ttl)| Step::SetDeadline(key, ttl)),
        1 => key().prop_map(Step::Look),
        1 => key().prop_map(Step::RemoveInEdit),
        2 => key().prop_map(Step::Remove),
        2 => (key(), key()).prop_map(|(from, to)| Step::Move(from, to)),
        3 => (0..200u16).prop_map(Step::Advance),
        2 => Just(Step::ExpireDue),
        2 => (1..20u8).prop_map(Step::Walk),
        1 => Just(Step::SelectOther),
        1 => Just(Step::Flush),
        1 => Just(Step::Swap),
    ]
}

fn name(key: u8) -> Vec<u8> {
    // Of several lengths; the longest have a length of more than one byte.
    format!("key:{key}{}", "x".repeat(usize::from(key) * 8)).into_bytes()
}

type Content = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

/// What the keyspace should hold.
struct Model {
    databases: [Content; DATABASES as usize],
    now: u64,
}

impl Model {
    fn live(&self, db: DbIndex) -> BTreeMap<&[u8], (&[u8], Option<u64>)> {
        let content = &self.databases[db.as_usize()];
        let entries = content.iter().map(|(key, (value, when))| (key.as_slice(), (value.as_slice(), *when)));
        // A key lives through the millisecond of its deadline.
        entries.filter(|(_, (_, when))| when.is_none_or(|when| when >= self.now)).collect()
    }

    fn find(&mut self, db: DbIndex, key: &[u8]) -> Option<&mut (Vec<u8>, Option<u64>)> {
        let now = self.now;
        self.databases[db.as_usize()].get_mut(key).filter(|(_, when)| when.is_none_or(|when| when >= now))
    }

    fn take(&mut self, db: DbIndex, key: &[u8]) -> Option<(Vec<u8>, Option<u64>)> {
        self.find(db, key)?;
        self.databases[db.as_usize()].remove(key)
    }

    fn put(&mut self, db: DbIndex, key: &[u8], entry: (Vec<u8>, Option<u64>)) {
        self.databases[db.as_usize()].insert(key.to_vec(), entry);
    }

    fn next_deadline(&self) -> Option<u64> {
        self.databases
            .iter()
            .flat_map(BTreeMap::values)
            .filter_map(|(_, when)| *when)
            .filter(|&when| when >= self.now)
            .min()
    }
}

/// Nothing can go wrong with strings only.
type Never = std::convert::Infallible;

fn content(entry: &Entry) -> (Vec<u8>, Option<u64>) {
    (string_of(entry).expect("only strings here").bytes().to_vec(), entry.deadline())
}

struct Run<'k> {
    view: View<'k>,
    model: Model,
    db: DbIndex,
}

const CHANGE: Effect = Effect::event(EventClass::Generic, "test");

impl Run<'_> {
    fn step(&mut self, step: &Step) {
        let keyspace = self.view.keyspace();
        let db = self.db;
        match *step {
            Step::Read(key) => {
                let key = name(key);
                let seen = self.view.read(db, keyspace.key(&key)).map(content);
                assert_eq!(seen, self.model.find(db, &key).cloned());
            }
            Step::Set(key, size, ttl) => {
                let (key, value) = (name(key), vec![b'v'; usize::from(size)]);
                let when = ttl.map(|ttl| self.model.now + u64::from(ttl));
                let ttl = when.map_or(Ttl::Clear, |when| Ttl::At(UnixMs(when)));
                self.edit(&key, |entry| entry.set_string(&value, ttl));
                self.model.put(db, &key, (value, when));
            }
            Step::SetKeepingTtl(key, size) => {
                let (key, value) = (name(key), vec![b'w'; usize::from(size)]);
                self.edit(&key, |entry| entry.set_string(&value, Ttl::Keep));
                let when = self.model.find(db, &key).and_then(|(_, when)| *when);
                self.model.put(db, &key, (value, when));
            }
            Step::Append(key, size) => {
                let key = name(key);
                let tail = vec![b'a'; usize::from(size)];
                self.edit(&key, |entry| {
                    entry.modify_string(|bytes| bytes.extend_from_slice(&tail)).expect("only strings here");
                });
                let mut entry = self.model.take(db, &key).unwrap_or_default();
                entry.0.extend_from_slice(&tail);
                self.model.put(db, &key, entry);
            }
            Step::SetDeadline(key, ttl) => {
                let key = name(key);
                let when = ttl.map(|ttl| self.model.now + u64::from(ttl));
                self.edit(&key, |entry| entry.set_deadline(when.map(UnixMs)));
                if let Some(entry) = self.model.find(db, &key) {
                    entry.1 = when;
                }
            }
            Step::Look(key) => {
                let key = name(key);
                let mut seen = None;
                let looked = self.view.edit(db, keyspace.key(&key), |entry| {
                    seen = entry.entry().map(content);
                    Ok::<_, Never>(((), Effect::NONE))
                });
                let Ok(()) = looked;
                assert_eq!(seen, self.model.find(db, &key).cloned());
            }
            Step::RemoveInEdit(key) => {
                let key = name(key);
                self.edit(&key, |entry| entry.remove());
                self.model.databases[db.as_usize()].remove(&key);
            }
            Step::Remove(key) => {
                let key = name(key);
                let removed = self.view.remove(db, keyspace.key(&key), CHANGE);
                assert_eq!(removed, self.model.take(db, &key).is_some());
            }
            Step::Move(from, to) => {
                let (from, to) = (name(from), name(to));
                let entry = self.view.take(db, keyspace.key(&from), CHANGE);
                assert_eq!(entry.as_ref().map(content), self.model.find(db, &from).cloned());
                if let Some(entry) = entry {
                    self.view.put(db, keyspace.key(&to), entry, CHANGE);
                    let entry = self.model.take(db, &from).expect("both have it");
                    self.model.put(db, &to, entry);
                }
            }
            Step::Advance(ms) => {
                self.model.now += u64::from(ms);
                self.view.begin(UnixMs(self.model.now), false);
            }
            Step::ExpireDue => self.expire_due(),
            Step::Walk(count) => {
                let walked = self.walk(usize::from(count), |_| {});
                let live: BTreeSet<_> = self.model.live(db).into_keys().map(<[u8]>::to_vec).collect();
                assert_eq!(walked, live);
            }
            Step::SelectOther => self.db = DbIndex(1 - db.0),
            Step::Flush => {
                self.view.flush(db, false);
                self.model.databases[db.as_usize()].clear();
            }
            Step::Swap => {
                self.view.swap(DbIndex(0), DbIndex(1), CHANGE);
                self.model.databases.swap(0, 1);
            }
        }
    }

    fn edit(&mut self, key: &[u8], change: impl FnOnce(&mut EntryMut<'_, '_>)) {
        let key = self.view.keyspace().key(key);
        let Ok(()) = self.view.edit(self.db, key, |entry| {
            change(entry);
            Ok::<_, Never>(((), CHANGE))
        });
    }

    /// Does what the expiry task does, and checks what it would do next.
    fn expire_due(&mut self) {
        let now = UnixMs(self.model.now);
        let shards = self.view.keyspace().shard_count();
        let mut next = None;
        for shard in 0..shards {
            let due = loop {
                let due = self.view.expire_slice(ShardId(shard as u16));
                if due.is_none_or(|due| due > now) {
                    break due;
                }
            };
            next = next.into_iter().chain(due).min();
        }
        self.view.lock_blocking(&LockSet::All);
        // It may wake up too early, but never too late.
        if let Some(deadline) = self.model.next_deadline() {
            assert!(next.is_some_and(|next| next.0 <= deadline + 1), "{next:?} is behind {deadline}");
        }
        for db in (0..DATABASES).map(DbIndex) {
            let live = self.model.live(db);
            assert_eq!(self.view.len(db), live.len());
            let volatile = live.values().filter(|(_, when)| when.is_some()).count();
            assert_eq!(self.view.volatile(db).0, volatile);
        }
        let model = &mut self.model;
        model
            .databases
            .iter_mut()
            .for_each(|content| content.retain(|_, (_, when)| when.is_none_or(|w| w >= model.now)));
    }

    /// The live keys that a walk returns; `meanwhile` runs between its calls.
    fn walk(&mut self, count: usize, mut meanwhile: impl FnMut(&mut Run<'_>)) -> BTreeSet<Vec<u8>> {
        let mut found = BTreeSet::new();
        let mut cursor = 0;
        loop {
            cursor = self.view.scan(self.db, cursor, count, |entry, expired| {
                if !expired {
                    found.insert(crate::ds::table::Slot::key(entry).to_vec());
                }
            });
            if cursor == 0 {
                return found;
            }
            meanwhile(self);
        }
    }

    /// Everything is as the model says.
    fn check(&mut self) {
        for db in (0..DATABASES).map(DbIndex) {
            let mut seen = BTreeMap::new();
            self.view.for_each(db, |entry| {
                seen.insert(crate::ds::table::Slot::key(entry).to_vec(), content(entry));
            });
            let expected: BTreeMap<_, _> = self
                .model
                .live(db)
                .into_iter()
                .map(|(key, (value, when))| (key.to_vec(), (value.to_vec(), when)))
                .collect();
            assert_eq!(seen, expected);
            assert!(self.view.len(db) >= expected.len());
        }
    }
}

/// A run on an empty keyspace with all shards locked.
fn with_run<R>(workers: usize, run: impl FnOnce(&mut Run<'_>) -> R) -> R {
    let keyspace = Keyspace::new(workers, DATABASES, [1, 2, 3]);
    let mut view = View::new(&keyspace, 4);
    view.begin(UnixMs(START), false);
    view.lock_blocking(&LockSet::All);
    let model = Model { databases: Default::default(), now: START };
    run(&mut Run { view, model, db: DbIndex(0) })
}

proptest! {
    #[test]
    fn one_shard_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..200)) {
        with_run(1, |run| {
            steps.iter().for_each(|step| run.step(step));
            run.check();
            run.expire_due();
            run.check();
        });
    }

    #[test]
    fn many_shards_do_what_the_model_does(steps in proptest::collection::vec(step(), 1..200)) {
        with_run(2, |run| {
            steps.iter().for_each(|step| run.step(step));
            run.check();
            run.expire_due();
            run.check();
        });
    }
}

#[test]
fn a_walk_returns_what_stays_while_the_table_grows_and_shrinks() {
    const STAYING: u32 = 1_500;
    const CROWD: u32 = 30_000;
    for workers in [1, 2] {
        for seed in 0..4 {
            with_run(workers, |run| {
                let staying: BTreeSet<Vec<u8>> =
                    (0..STAYING).map(|key| format!("stays{key}").into_bytes()).collect();
                for key in &staying {
                    run.edit(key, |entry| entry.set_string(b"v", Ttl::Clear));
                }
                let mut rng = Rng::from_seed(seed);
                // Half of the walks begin small and see growth, the others begin big and see the table shrink.
                let grows = seed % 2 == 0;
                let crowd = |key: u32| format!("crowd{key}").into_bytes();
                if !grows {
                    for key in 0..CROWD {
                        run.edit(&crowd(key), |entry| entry.set_string(b"v", Ttl::Clear));
                    }
                }
                let mut next = 0;
                let found = run.walk(10, |run| {
                    for _ in 0..rng.below(if grows { 400 } else { 60 }) {
                        if next < CROWD && grows {
                            run.edit(&crowd(next), |entry| entry.set_string(b"v", Ttl::Clear));
                        } else if next < CROWD {
                            run.edit(&crowd(next), |entry| entry.remove());
                        }
                        next += 1;
                    }
                });
                assert!(next > CROWD / 10, "the table hardly changed");
                assert!(found.is_superset(&staying), "a key that stayed was not returned");
            });
        }
    }
}

#[test]
fn a_cursor_that_never_was_ours_ends_or_goes_on() {
    with_run(2, |run| {
        for key in 0..200u8 {
            run.step(&Step::Set(key, 1, None));
        }
        for cursor in [1, 7, 1 << 20, (1 << 52) - 1, 1 << 52, u64::MAX] {
            let next = run.view.scan(DbIndex(0), cursor, 10, |_, _| {});
            assert!(next == 0 || next > cursor || cursor == 0, "{cursor} → {next}");
        }
    });
}

#[test]
fn effects_tell_what_happened() {
    with_run(1, |run| {
        run.view.keyspace().observe(crate::keyspace::Observed::Everything);
        // Settings count from the next lock on, and from the next command.
        run.view.lock_blocking(&LockSet::All);
        run.view.begin(UnixMs(START), false);
        run.edit(b"k", |entry| entry.set_string(b"v", Ttl::At(UnixMs(START + 10))));
        let what =
            |effects: Effects| effects.records.into_iter().map(|record| record.what).collect::<Vec<_>>();
        assert_eq!(
            what(run.view.take_effects()),
            [What::Event(EventClass::New, "new"), What::Modified, What::Event(EventClass::Generic, "test"),]
        );
        run.view.begin(UnixMs(START + 11), false);
        assert!(run.view.read(DbIndex(0), run.view.keyspace().key(b"k")).is_none());
        let effects = run.view.take_effects();
        assert_eq!((effects.expired, effects.misses, effects.changes), (1, 1, 0));
        assert_eq!(
            what(effects),
            [
                What::Expired,
                What::Event(EventClass::Expired, "expired"),
                What::Event(EventClass::KeyMiss, "keymiss"),
            ]
        );
    });
}

#[test]
fn a_put_entry_gets_the_name_it_is_put_under() {
    with_run(1, |run| {
        let keyspace = run.view.keyspace();
        let entry = string_entry(b"other", b"v", Encoding::of(b"v"), Some(START + 5));
        run.view.put(DbIndex(1), keyspace.key(b"a longer name"), entry, CHANGE);
        let found = run.view.peek(DbIndex(1), keyspace.key(b"a longer name")).map(content);
        assert_eq!(found, Some((b"v".to_vec(), Some(START + 5))));
        assert!(run.view.peek(DbIndex(1), keyspace.key(b"other")).is_none());
        assert_eq!(run.view.volatile(DbIndex(1)).0, 1);
    });
}

#[test]
fn what_has_left_a_sorted_set_is_swept_and_told_to_nobody() {
    use crate::value::zset::{Limits, ZSet};
    with_run(1, |run| {
        run.view.keyspace().observe(crate::keyspace::Observed::Everything);
        run.view.lock_blocking(&LockSet::All);
        let limits = Limits { entries: 0, value: 0 };
        run.edit(b"z", |entry| {
            let zset = entry.value_or_default::<ZSet>().unwrap();
            for number in 0..1000_u32 {
                zset.set(&number.to_be_bytes(), f64::from(number), limits);
            }
        });
        run.edit(b"z", |entry| {
            let zset = entry.value_mut::<ZSet>().unwrap().unwrap();
            zset.remove_ranks(100..900);
        });
        run.view.take_effects();
        while run.view.expire_slice(ShardId(0)).is_some() {}
        assert!(run.view.take_effects().records.is_empty());
        let key = run.view.keyspace().key(b"z");
        let entry = run.view.peek(DbIndex(0), key).unwrap();
        let facts = super::entry::facts_of(entry).unwrap();
        assert_eq!((facts.len(), facts.free_effort(), facts.due()), (200, 200, None));
        assert_eq!(run.view.volatile(DbIndex(0)).0, 0);
    });
}

/// Hears of records and answers how many bytes they are so far.
#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<(DbIndex, String, u64)>>, std::sync::atomic::AtomicU64);

impl Log for Heard {
    fn append_records(&self, db: DbIndex, records: &[u8], commits: u64) -> JournalOffset {
        let mut heard = self.0.lock().expect("no test panicked");
        heard.push((db, String::from_utf8_lossy(records).into_owned(), commits));
        let len = records.len() as u64;
        JournalOffset(self.1.fetch_add(len, std::sync::atomic::Ordering::Relaxed) + len)
    }
}

#[test]
fn the_log_hears_of_changes_before_anybody_else() {
    let (keyspace, log) = (Keyspace::new(2, DATABASES, [1, 2, 3]), Heard::default());
    let heard = || std::mem::take(&mut *log.0.lock().expect("no test panicked"));
    let [zero, one] = [0, 1].map(DbIndex);
    let mut view = View::new(&keyspace, 1);
    view.lock_blocking(&LockSet::All);
    view.unlogged(&log, zero).extend_from_slice(b"a");
    view.unlogged(&log, zero).extend_from_slice(b"b");
    assert_eq!(heard(), []);
    // Of another database.
    view.unlogged(&log, one).extend_from_slice(b"c");
    assert_eq!(heard(), [(zero, "ab".into(), 2)]);
    view.release();
    assert_eq!(heard(), [(one, "c".into(), 1)]);
    assert_eq!(view.seen(), JournalOffset(3), "what the log answered");
    // Who asks how far it reaches.
    view.lock_blocking(&LockSet::All);
    view.unlogged(&log, one).extend_from_slice(b"de");
    assert_eq!(view.written(), JournalOffset(5));
    assert_eq!(heard().len(), 1);
    // Much.
    view.unlogged(&log, one).extend_from_slice(&[b'x'; 1 << 20]);
    view.unlogged(&log, one).extend_from_slice(b"f");
    assert_eq!(heard().len(), 1);
    drop(view);
    assert_eq!(heard(), [(one, "f".into(), 1)]);
}
