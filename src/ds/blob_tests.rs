//! The blob against a plain struct, its sizes, and how often its value is dropped.

use super::*;
use proptest::prelude::*;
use std::rc::Rc;

/// A value whose drops the reference count shows.
type Counted = Rc<()>;

impl Due for Counted {}

#[test]
fn sizes_are_what_the_design_promises() {
    let (key, value) = ([b'k'; 16], [b'v'; 16]);
    assert_eq!(size_of::<Blob<Counted>>(), 8);
    assert_eq!(size_of::<Option<Blob<Counted>>>(), 8);
    assert_eq!(Blob::<Counted>::inline(&key, &value, None, 0).heap_bytes(), 40);
    assert_eq!(Blob::<Counted>::inline(&key, &value, Some(1), 0).heap_bytes(), 48);
    assert_eq!(Blob::<Counted>::inline(&[b'm'; 14], b"", None, 0).heap_bytes(), 24);
    assert_eq!(Blob::boxed(&key, Counted::default(), None, 0).heap_bytes(), 32);
    assert!(Blob::<Counted>::can_inline(16, INLINE_MAX) && !Blob::<Counted>::can_inline(16, INLINE_MAX + 1));
}

#[test]
fn a_deadline_that_fits_in_the_spare_bytes_does_not_move_the_blob() {
    // 6 + 60 + 1 = 67 bytes take 80; with a deadline 75.
    let mut blob = Blob::<Counted>::inline(&[b'k'; 60], b"v", None, 3);
    let start = blob.start;
    blob.set_deadline(Some(77));
    assert_eq!((blob.start, blob.deadline(), blob.meta()), (start, Some(77), 3));
    blob.set_inline(b"other");
    assert_eq!((blob.start, blob.payload()), (start, Payload::Inline(b"other")));
    assert_eq!(blob.key(), [b'k'; 60]);
}

#[test]
fn long_keys_and_values_are_kept() {
    for key_len in [0, 1, 255, 256, 70_000] {
        for value_len in [0, 255, 256, 1_024, 70_000] {
            let (key, value) = (vec![b'k'; key_len], vec![b'v'; value_len]);
            let blob = Blob::<Counted>::inline(&key, &value, Some(9), 0);
            assert_eq!(
                (blob.key(), blob.payload(), blob.deadline()),
                (&key[..], Payload::Inline(&value), Some(9))
            );
        }
    }
}

#[test]
fn a_value_is_dropped_exactly_once() {
    let value = Counted::default();
    let refs = || Rc::strong_count(&value) - 1;
    let mut blob = Blob::boxed(b"key", value.clone(), None, 0);
    assert_eq!(refs(), 1);
    blob.set_deadline(Some(1));
    blob.set_deadline(None);
    blob = blob.with_key(&[b'x'; 300]);
    assert_eq!(refs(), 1);
    blob.set_value(value.clone());
    assert_eq!(refs(), 1);
    blob.set_inline(b"bytes");
    assert_eq!(refs(), 0);
    blob.set_value(value.clone());
    assert_eq!(refs(), 1);
    let out = blob.into_value();
    assert!(out.is_some() && refs() == 1);
    drop(out);
    drop(Blob::boxed(b"key", value.clone(), None, 0));
    assert_eq!(refs(), 0);
    assert!(Blob::<Counted>::inline(b"key", b"", None, 0).into_value().is_none());
}

#[derive(Debug, Clone, PartialEq)]
struct Model {
    key: Vec<u8>,
    value: Result<Vec<u8>, u64>,
    deadline: Option<u64>,
    meta: u8,
    clock: u32,
}

#[derive(Debug, Clone)]
enum Step {
    Inline(Vec<u8>),
    Value(u64),
    Deadline(Option<u64>),
    Key(Vec<u8>),
    Meta(u8),
    Clock(u32),
    Touch,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..70),
        1 => proptest::collection::vec(any::<u8>(), 245..270),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => bytes().prop_map(Step::Inline),
        2 => any::<u64>().prop_map(Step::Value),
        3 => any::<Option<u64>>().prop_map(Step::Deadline),
        2 => bytes().prop_map(Step::Key),
        1 => (0..4_u8).prop_map(Step::Meta),
        1 => (0..1_u32 << 27).prop_map(Step::Clock),
        1 => Just(Step::Touch),
    ]
}

fn apply(blob: &mut Blob<Box<u64>>, model: &mut Model, step: Step) {
    match step {
        Step::Inline(value) => {
            blob.set_inline(&value);
            model.value = Ok(value);
        }
        Step::Value(value) => {
            blob.set_value(Box::new(value));
            model.value = Err(value);
        }
        Step::Deadline(deadline) => {
            blob.set_deadline(deadline);
            model.deadline = deadline;
        }
        Step::Key(key) => {
            let old = std::mem::replace(blob, Blob::inline(b"", b"", None, 0));
            *blob = old.with_key(&key);
            model.key = key;
        }
        Step::Meta(meta) => {
            blob.set_meta(meta);
            model.meta = meta;
        }
        Step::Clock(clock) => {
            blob.set_clock(clock);
            model.clock = clock;
        }
        Step::Touch => match &mut model.value {
            Ok(value) => {
                value.reverse();
                blob.inline_mut().unwrap().reverse();
                assert!(blob.value_mut().is_none());
            }
            Err(value) => {
                *value = value.wrapping_add(1);
                **blob.value_mut().unwrap() = *value;
                assert!(blob.inline_mut().is_none());
            }
        },
    }
}

proptest! {
    #[test]
    fn behaves_like_a_plain_struct(steps in proptest::collection::vec(step(), 1..40)) {
        let mut model = Model { key: b"k".to_vec(), value: Ok(vec![]), deadline: None, meta: 2, clock: 0 };
        let mut blob = Blob::<Box<u64>>::inline(b"k", b"", None, 2);
        for step in steps {
            apply(&mut blob, &mut model, step);
            let value = match blob.payload() {
                Payload::Inline(bytes) => Ok(bytes.to_vec()),
                Payload::Value(value) => Err(**value),
            };
            let seen = Model {
                key: blob.key().to_vec(),
                value,
                deadline: blob.deadline(),
                meta: blob.meta(),
                clock: blob.clock(),
            };
            prop_assert_eq!(&seen, &model);
        }
    }
}
