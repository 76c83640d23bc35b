//! A model, the invariants of nodes, node boundaries as a Redis 8.0 server drew them, and frozen copies.

use super::{End, Node, NodeLimit, QuickList};
use crate::ds::listpack::Element;
use proptest::prelude::*;

fn contents(list: &QuickList) -> Vec<Vec<u8>> {
    list.iter_from(0).map(Element::to_vec).collect()
}

/// Elements of each node, 0 for a plain one.
fn shape(list: &QuickList) -> Vec<usize> {
    list.settled().nodes().map(|node| if node.is_plain() { 0 } else { node.count() }).collect()
}

fn list_of(limit: i32, elements: impl IntoIterator<Item = usize>) -> QuickList {
    let mut list = QuickList::new(NodeLimit::of(limit));
    for len in elements {
        list.push(End::Back, &vec![b'x'; len]);
    }
    list
}

#[test]
fn limits_are_those_of_the_option() {
    for (size, limit) in [
        (-1, NodeLimit::Bytes(4096)),
        (-2, NodeLimit::Bytes(8192)),
        (-5, NodeLimit::Bytes(65536)),
        (i32::MIN, NodeLimit::Bytes(65536)),
        (0, NodeLimit::Count(1)),
        (7, NodeLimit::Count(7)),
        (i32::MAX, NodeLimit::Count(32767)),
    ] {
        assert_eq!(NodeLimit::of(size), limit);
    }
}

#[test]
fn nodes_end_where_those_of_redis_do() {
    assert_eq!(shape(&list_of(-2, [16; 1000])), [454, 454, 92]);
    assert_eq!(shape(&list_of(-2, [1, 8192, 1])), [1, 1, 1]);
    assert_eq!(shape(&list_of(-2, [1, 8193, 1])), [1, 0, 1]);
    assert_eq!(shape(&list_of(3, [1, 8192, 1, 1])), [1, 1, 2]);
    assert_eq!(shape(&list_of(3, [1, 8193, 1, 1])), [1, 0, 2]);
    assert_eq!(shape(&list_of(3, [5, 5, 5, 5, 5])), [3, 2]);
}

#[test]
fn a_full_node_splits_and_what_fits_is_joined() {
    let mut list = list_of(4, [1; 12]);
    list.insert(5, false, b"new");
    assert_eq!((shape(&list), list.len()), (vec![4, 2, 3, 4], 13));
    // At the edge of a full node the new element goes next door, or gets a node of its own.
    list.insert(3, true, b"edge");
    assert_eq!(shape(&list), [4, 3, 3, 4]);
    list.insert(13, true, b"last");
    assert_eq!(shape(&list), [4, 3, 3, 4, 1]);
}

#[test]
fn a_large_element_stands_alone() {
    let large = vec![b'y'; 9000];
    let mut list = list_of(-2, [1; 5]);
    list.insert(2, true, &large);
    assert_eq!(shape(&list), [3, 0, 2]);
    list.set(0, &large);
    assert_eq!(shape(&list), [0, 2, 0, 2]);
    list.set(2, &large);
    assert_eq!(shape(&list), [0, 1, 0, 0, 2]);
    list.set(2, b"small");
    assert_eq!(shape(&list), [0, 1, 1, 0, 2]);
    assert_eq!(list.remove_equal(&large, 9, End::Front), 2);
    assert_eq!(shape(&list), [1, 1, 2]);
    list.insert(1, true, &large);
    assert_eq!(shape(&list), [1, 1, 0, 2]);
    list.set(2, b"next door");
    assert_eq!(shape(&list), [1, 1, 3]);
}

#[test]
fn an_index_is_found_and_a_range_removed_in_a_long_list() {
    let mut list = QuickList::new(NodeLimit::of(10));
    for number in 0..100_000 {
        list.push(End::Back, number.to_string().as_bytes());
    }
    let frozen = list.clone();
    assert_eq!(list.get(77_777), Some(Element::Int(77_777)));
    assert_eq!(list.iter_back_from(50_000).nth(40_000), Some(Element::Int(10_000)));
    list.remove_range(5, 99_990);
    assert_eq!((list.len(), list.node_count()), (10, 2));
    assert_eq!((frozen.len(), frozen.get(99_999)), (100_000, Some(Element::Int(99_999))));
}

/// Shapes that a Redis 8.0 server gave: nodes of so many elements, and LSET of a long element at an index.
#[test]
fn a_long_element_in_a_place_joins_its_neighbours() {
    let long = vec![b'y'; 9000];
    for (before, index, after) in [
        (&[1, 1, 4, 1, 1][..], 3, &[1, 2, 0, 3, 1][..]),
        (&[1, 1, 4, 1, 1], 2, &[1, 1, 0, 3, 1, 1]),
        (&[1, 1, 4, 1, 1], 5, &[1, 4, 0, 2]),
        (&[2, 2, 3, 2, 2], 5, &[2, 3, 0, 3, 2]),
        (&[4, 1, 3, 1, 4], 6, &[4, 2, 0, 2, 4]),
        (&[1, 1, 2, 1, 1, 1], 3, &[1, 2, 0, 2, 1]),
    ] {
        let mut list = QuickList::new(NodeLimit::of(4));
        for count in before {
            list.push_node(Node::packed((0..*count).collect()));
        }
        assert!(list.set(index, &long));
        assert_eq!(shape(&list), after, "{before:?}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(bool, Vec<u8>),
    /// Many short ones.
    PushMany(bool, usize),
    Pop(bool),
    Insert(usize, bool, Vec<u8>),
    Set(usize, Vec<u8>),
    RemoveRange(usize, usize),
    RemoveEqual(Vec<u8>, usize, bool),
    Freeze,
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[ab]{1,2}".prop_map(String::into_bytes),
        4 => (0i64..300).prop_map(|n| n.to_string().into_bytes()),
        2 => (0usize..1500).prop_map(|len| vec![b'm'; len]),
        1 => (4000usize..4200).prop_map(|len| vec![b'l'; len]),
        1 => (8100usize..8300).prop_map(|len| vec![b'h'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<bool>(), element()).prop_map(|(front, bytes)| Step::Push(front, bytes)),
        1 => (any::<bool>(), 0usize..400).prop_map(|(front, count)| Step::PushMany(front, count)),
        4 => any::<bool>().prop_map(Step::Pop),
        4 => (any::<usize>(), any::<bool>(), element()).prop_map(|(at, behind, bytes)| Step::Insert(at, behind, bytes)),
        2 => (any::<usize>(), element()).prop_map(|(at, bytes)| Step::Set(at, bytes)),
        1 => (any::<usize>(), 0usize..6).prop_map(|(at, count)| Step::RemoveRange(at, count)),
        1 => (element(), 0usize..4, any::<bool>()).prop_map(|(bytes, most, back)| Step::RemoveEqual(bytes, most, back)),
        1 => Just(Step::Freeze),
    ]
}

fn end(front: bool) -> End {
    if front { End::Front } else { End::Back }
}

fn apply(list: &mut QuickList, model: &mut Vec<Vec<u8>>, step: Step) {
    let len = model.len();
    let inside = |at: usize| at.checked_rem(len);
    match step {
        Step::Push(front, bytes) => {
            list.push(end(front), &bytes);
            model.insert(if front { 0 } else { len }, bytes);
        }
        Step::PushMany(front, count) => {
            for number in 0..count {
                apply(list, model, Step::Push(front, format!("m:{number}").into_bytes()));
            }
        }
        Step::Pop(front) => {
            list.take(end(front), |_| ());
            if len > 0 {
                model.remove(if front { 0 } else { len - 1 });
            }
        }
        Step::Insert(at, behind, bytes) => {
            if let Some(at) = inside(at) {
                list.insert(at, behind, &bytes);
                model.insert(at + usize::from(behind), bytes);
            }
        }
        Step::Set(at, bytes) => {
            if let Some(at) = inside(at) {
                assert!(list.set(at, &bytes));
                model[at] = bytes;
            }
        }
        Step::RemoveRange(at, count) => {
            if let Some(at) = inside(at) {
                list.remove_range(at, count);
                model.drain(at..len.min(at + count));
            }
        }
        Step::RemoveEqual(bytes, most, back) => {
            let mut hits: Vec<usize> = (0..len).filter(|&at| model[at] == bytes).collect();
            if back {
                hits.reverse();
            }
            hits.truncate(most);
            hits.sort_unstable();
            assert_eq!(list.remove_equal(&bytes, most, end(!back)), hits.len());
            hits.iter().rev().for_each(|&at| drop(model.remove(at)));
        }
        Step::Freeze => {}
    }
}

fn check(list: &QuickList, model: &[Vec<u8>]) {
    assert_eq!(list.len(), model.len());
    assert_eq!(contents(list), model);
    let settled = list.settled();
    assert_eq!(contents(&settled), model);
    assert_eq!(settled.nodes().map(Node::count).sum::<usize>(), model.len());
    assert_eq!(settled.nodes().count(), list.node_count());
    for node in settled.nodes() {
        assert!(node.count() > 0);
        if let Node::Packed { count, pack } = node {
            assert_eq!(*count as usize, pack.len());
        }
    }
    assert_eq!(list.end(End::Front).map(Element::to_vec).as_ref(), model.first());
    assert_eq!(list.end(End::Back).map(Element::to_vec).as_ref(), model.last());
    for at in (0..=model.len()).step_by(1 + model.len() / 7) {
        assert_eq!(list.get(at).map(Element::to_vec).as_ref(), model.get(at));
        assert!(list.iter_from(at).map(Element::to_vec).eq(model.iter().skip(at).cloned()));
        let back = model.iter().take(at + 1).rev().filter(|_| at < model.len()).cloned();
        assert!(list.iter_back_from(at).map(Element::to_vec).eq(back.clone()));
        let (mut visited, most) = (Vec::new(), model.len() / 2);
        list.iter_from(at).visit(most, |element| visited.push(element.to_vec()));
        list.iter_back_from(at).visit(most, |element| visited.push(element.to_vec()));
        assert!(visited.into_iter().eq(model.iter().skip(at).take(most).cloned().chain(back.take(most))));
    }
}

proptest! {
    #[test]
    fn behaves_like_a_vec(
        limit in prop_oneof![Just(1), Just(4), Just(-1), Just(-2)],
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let (mut list, mut model) = (QuickList::new(NodeLimit::of(limit)), Vec::new());
        let mut frozen = Vec::new();
        for step in steps {
            if matches!(step, Step::Freeze) {
                frozen.push((list.clone(), model.clone()));
            }
            apply(&mut list, &mut model, step);
        }
        frozen.push((list, model));
        for (list, model) in frozen {
            check(&list, &model);
        }
    }
}
