//! Streams against a sorted map, the bytes of blocks against a real server's, and clones that never see a later change.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::log::Keep;
use super::*;

type Fields = Vec<Vec<u8>>;
type Model = BTreeMap<StreamId, Fields>;

fn append(log: &mut Log, id: StreamId, fields: &[Vec<u8>], limits: Limits) {
    let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    let bytes = fields.iter().map(|part| part.len()).sum();
    log.append(id, &fields, bytes, limits);
}

fn contents<'s>(entries: impl Iterator<Item = Entry<'s>>) -> Vec<(StreamId, Fields)> {
    let fields = |entry: &Entry<'_>| {
        entry.fields().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]).collect::<Fields>()
    };
    entries
        .map(|entry| {
            assert_eq!(fields(&entry).len(), 2 * entry.len());
            (entry.id, fields(&entry))
        })
        .collect()
}

fn id(number: u16) -> StreamId {
    StreamId::new(u64::from(number / 4), u64::from(number % 4))
}

#[derive(Clone, Debug)]
enum Step {
    Add(u16, Fields),
    Delete(u16),
    /// Every entry in a span: empties blocks.
    DeleteAll(u16, u16),
    Trim(Trim),
    Freeze,
}

fn step() -> impl Strategy<Value = Step> {
    let part = || {
        prop_oneof![
            Just(b"f".to_vec()),
            (-200i64..200).prop_map(|n| n.to_string().into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..40),
        ]
    };
    let fields = (proptest::collection::vec(part(), 2..7)).prop_map(|mut parts| {
        parts.truncate(parts.len() / 2 * 2);
        parts
    });
    let keep = prop_oneof![
        (0u64..60).prop_map(Keep::Len),
        any::<u16>().prop_map(|number| Keep::From(id(number % 300))),
    ];
    let trim = (keep, any::<bool>(), 0u64..20).prop_map(|(keep, is_approximate, limit)| Trim {
        keep,
        is_approximate,
        limit: if is_approximate { limit } else { 0 },
    });
    prop_oneof![
        12 => (1u16..6, fields).prop_map(|(ahead, fields)| Step::Add(ahead, fields)),
        3 => any::<u16>().prop_map(Step::Delete),
        1 => (any::<u16>(), 1u16..20).prop_map(|(at, count)| Step::DeleteAll(at, count)),
        1 => trim.prop_map(Step::Trim),
        1 => Just(Step::Freeze),
    ]
}

/// What a trim must leave: exactly so much, or at least that.
fn trimmed(model: &Model, trim: Trim) -> Model {
    let old = match trim.keep {
        Keep::Len(most) => model.len().saturating_sub(most as usize),
        Keep::From(first) => model.range(..first).count(),
    };
    model.iter().skip(old).map(|(&id, fields)| (id, fields.clone())).collect()
}

fn check(log: &Log, model: &Model) {
    let all: Vec<_> = model.iter().map(|(&id, fields)| (id, fields.clone())).collect();
    assert_eq!(contents(log.range(StreamId::MIN, StreamId::MAX)), all);
    let back: Vec<_> = all.iter().rev().cloned().collect();
    assert_eq!(contents(log.range_back(StreamId::MIN, StreamId::MAX)), back);
    assert_eq!(log.len(), all.len() as u64);
    let edge = |entry: Option<&(StreamId, Fields)>| entry.map_or(StreamId::MIN, |(id, _)| *id);
    assert_eq!((log.first_id(), log.top_id()), (edge(all.first()), edge(all.last())));
    assert!(log.blocks().all(|block| block.live() > 0 && block.first() <= block.last()));
    assert!(log.blocks().is_sorted_by_key(block::Block::first));
}

proptest! {
    #[test]
    fn behaves_like_a_sorted_map(
        steps in proptest::collection::vec(step(), 1..120),
        node_entries in 0usize..9,
        node_bytes in prop_oneof![Just(0usize), 10usize..200],
        (from, to) in (0u16..300, 0u16..300),
    ) {
        let limits = Limits { node_bytes, node_entries };
        let (mut log, mut model, mut last) = (Log::default(), Model::new(), 0);
        let mut frozen = Vec::new();
        for step in steps {
            match step {
                Step::Add(ahead, fields) => {
                    last += ahead;
                    append(&mut log, id(last), &fields, limits);
                    model.insert(id(last), fields);
                }
                Step::Delete(at) => {
                    let id = id(at % (last + 1));
                    assert_eq!(log.delete(id), model.remove(&id).is_some());
                }
                Step::DeleteAll(at, count) => {
                    let first = at % (last + 1);
                    for id in (first..first + count).map(id) {
                        assert_eq!(log.delete(id), model.remove(&id).is_some());
                    }
                }
                Step::Trim(trim) => {
                    let (removed, _) = log.trim(trim);
                    let exact = trimmed(&model, trim);
                    if trim.is_approximate {
                        assert!(log.len() >= exact.len() as u64 && (trim.limit == 0 || removed <= trim.limit));
                        model = model.into_iter().skip(removed as usize).collect();
                    } else {
                        model = exact;
                    }
                }
                Step::Freeze => frozen.push((log.clone(), model.clone())),
            }
            check(&log, &model);
        }
        let (start, end) = (id(from), id(to));
        let expected: Vec<_> = model.iter().filter(|(id, _)| (start..=end).contains(id)).map(|(&id, fields)| (id, fields.clone())).collect();
        assert_eq!(contents(log.range(start, end)), expected);
        assert_eq!(log.get(start).map(|entry| entry.id), model.contains_key(&start).then_some(start));
        for (log, model) in &frozen {
            check(log, model);
        }
    }

    #[test]
    fn a_groups_lists_agree(
        steps in proptest::collection::vec((0u8..5, 0u64..60, 0usize..3), 1..150),
    ) {
        let mut group = Group::default();
        let mut model: BTreeMap<StreamId, usize> = BTreeMap::new();
        let names = [b"a", b"b", b"c"];
        for (what, number, who) in steps {
            let id = StreamId::new(number, 0);
            match what {
                0..3 => {
                    let (consumer, _) = group.open_consumer(names[who], 1).unwrap();
                    group.set_pending(Pending { id, delivered_ms: 1, deliveries: 1, consumer });
                    model.insert(id, who);
                }
                3 => assert_eq!(group.remove_pending(id).is_some(), model.remove(&id).is_some()),
                _ if number < 4 => {
                    let had = model.values().filter(|&&owner| owner == who).count();
                    let forgotten = group.remove_consumer(names[who]);
                    assert_eq!(forgotten.map_or(0, |forgotten| forgotten.count()), had);
                    model.retain(|_, owner| *owner != who);
                }
                _ => {}
            }
            let all: Vec<StreamId> = group.pending().iter().map(|pending| pending.id).collect();
            assert!(all.iter().eq(model.keys()));
            for (index, name) in names.iter().enumerate() {
                let own = model.iter().filter(|(_, owner)| **owner == index).map(|(id, _)| *id);
                let consumer = group.consumer_named(*name);
                let listed: Vec<StreamId> = consumer.map_or_else(Vec::new, |consumer| {
                    group.pending_between(Some(consumer), StreamId::MIN, StreamId::MAX).map(|pending| pending.id).collect()
                });
                assert_eq!(listed, own.collect::<Vec<_>>());
            }
        }
    }
}

/// What DUMP of a Redis 8.0.6 holds after `XADD s 1-1 f v g 12`, `1-2 f w g 500`, `2-0 x y`, `3-7 f a g b`,
/// `XDEL s 1-2`.
#[test]
fn blocks_are_laid_out_as_in_redis() {
    let mut log = Log::default();
    let limits = Limits { node_bytes: 4096, node_entries: 100 };
    for (id, fields) in [
        (StreamId::new(1, 1), ["f", "v", "g", "12"].as_slice()),
        (StreamId::new(1, 2), &["f", "w", "g", "500"]),
        (StreamId::new(2, 0), &["x", "y"]),
        (StreamId::new(3, 7), &["f", "a", "g", "b"]),
    ] {
        let fields: Fields = fields.iter().map(|part| part.as_bytes().to_vec()).collect();
        append(&mut log, id, &fields, limits);
    }
    assert!(log.delete(StreamId::new(1, 2)));
    let block = log.blocks().next().unwrap();
    let hex: String = block.pack().as_slice().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "4f0000001f0003010101020181660281670200010201000100018176020c010501030100010101817702c1f402050100010101dfff02010181780281790206010201020106018161028162020501ff"
    );
}
