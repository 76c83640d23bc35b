//! The tree against a `Vec`, its invariants after every step, and clones that must never see a later change.

use super::node::Node;
use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq)]
struct Thing {
    key: u32,
    weight: u64,
}

impl Item for Thing {
    type Key = u32;

    fn key(&self) -> u32 {
        self.key
    }

    fn weight(&self) -> u64 {
        self.weight
    }
}

fn thing(key: u32) -> Thing {
    Thing { key, weight: 1 + u64::from(key % 3) }
}

fn by(key: u32) -> impl FnMut(&u32) -> Ordering {
    move |other| other.cmp(&key)
}

/// Height, items and weight of a node, after checking everything below it.
fn check_node(node: &Node<Thing>, is_root: bool) -> (usize, usize, u64) {
    assert!(is_root || node.len() > 0, "an empty node");
    assert!(node.len() <= NODE_MAX, "{} parts", node.len());
    match node {
        Node::Leaf(items) => (0, items.len(), items.iter().map(Thing::weight).sum()),
        Node::Inner(branches) => {
            assert!(!is_root || branches.len() > 1, "a root with one child");
            let mut height = None;
            let (mut items, mut weight) = (0, 0);
            for branch in branches.iter() {
                let (h, i, w) = check_node(&branch.node, false);
                assert_eq!(*height.get_or_insert(h), h, "leaves of different depth");
                assert_eq!((Some(branch.key), branch.weight), (branch.node.first_key(), w));
                (items, weight) = (items + i, weight + w);
            }
            (height.unwrap() + 1, items, weight)
        }
    }
}

fn check(tree: &Tree<Thing>, model: &[Thing]) {
    let (height, items, weight) = check_node(&tree.root, true);
    assert_eq!((height, items, weight), (tree.height(), tree.len(), tree.weight()));
    assert!(tree.iter().eq(model), "other items than the model's");
    assert_eq!(tree.weight(), model.iter().map(|t| t.weight).sum::<u64>());
    assert_eq!((tree.first(), tree.last()), (model.first(), model.last()));
}

fn fill(tree: &Tree<Thing>) -> f64 {
    fn leaves(node: &Node<Thing>) -> usize {
        match node {
            Node::Leaf(_) => 1,
            Node::Inner(branches) => branches.iter().map(|branch| leaves(&branch.node)).sum(),
        }
    }
    tree.len() as f64 / (leaves(&tree.root) * NODE_MAX) as f64
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u32),
    Many(u32, u32),
    Remove(u32),
    RemoveAt(usize),
    Front(u32),
    Back(u32),
    Queue(u32, usize),
    PopFront,
    PopBack,
    Modify(usize, u64),
    ModifyEnds(u64, u64),
    Range(usize, usize),
    Keep(usize, usize),
    Rebuild,
    Freeze,
    Thaw,
}

fn step() -> impl Strategy<Value = Step> {
    let at = any::<usize>;
    prop_oneof![
        8 => (0..2000u32).prop_map(Step::Insert),
        6 => (0..2000u32, 0..600u32).prop_map(|(from, count)| Step::Many(from, count)),
        4 => (0..2000u32).prop_map(Step::Remove),
        2 => at().prop_map(Step::RemoveAt),
        1 => (0..2000u32).prop_map(Step::Front),
        1 => (0..2000u32).prop_map(Step::Back),
        1 => (0..2000u32, 0..500usize).prop_map(|(key, count)| Step::Queue(key, count)),
        1 => Just(Step::PopFront),
        1 => Just(Step::PopBack),
        2 => (at(), 1..9u64).prop_map(|(at, weight)| Step::Modify(at, weight)),
        1 => (1..9u64, 1..9u64).prop_map(|(first, last)| Step::ModifyEnds(first, last)),
        4 => (at(), 0..400usize).prop_map(|(at, count)| Step::Range(at, count)),
        1 => (at(), 0..3usize).prop_map(|(at, count)| Step::Keep(at, count)),
        1 => Just(Step::Rebuild),
        2 => Just(Step::Freeze),
        1 => Just(Step::Thaw),
    ]
}

/// Steps that keep the order by key; those at the ends take keys that fit there.
fn apply(tree: &mut Tree<Thing>, model: &mut Vec<Thing>, step: &Step) {
    let len = model.len();
    match *step {
        Step::Insert(key) => {
            tree.insert(by(key), thing(key));
            model.insert(model.partition_point(|t| t.key <= key), thing(key));
        }
        Step::Many(from, count) => {
            (0..count).for_each(|n| apply(tree, model, &Step::Insert(from + n * 7 % 64)));
        }
        Step::Remove(key) => {
            let at = model.iter().position(|t| t.key == key);
            assert_eq!(tree.find(by(key)).is_some(), at.is_some());
            assert_eq!(tree.remove(by(key)), at.map(|at| model.remove(at)));
        }
        Step::RemoveAt(at) if len > 0 => {
            let rank = model[..at % len].iter().map(|t| t.weight).sum();
            let (cursor, offset) = tree.seek(rank).unwrap();
            assert_eq!((offset, tree.rank(&cursor)), (0, rank));
            assert_eq!(tree.remove_at(&cursor), model.remove(at % len));
        }
        Step::Front(key) => {
            let key = model.first().map_or(key, |t| t.key.min(key));
            tree.push_front(thing(key));
            model.insert(0, thing(key));
        }
        Step::Back(key) => {
            let key = model.last().map_or(key, |t| t.key.max(key));
            tree.push_back(thing(key));
            model.push(thing(key));
        }
        Step::Queue(key, count) => {
            for _ in 0..count {
                apply(tree, model, &Step::Back(key));
                assert_eq!(tree.pop_front(), Some(model.remove(0)));
            }
        }
        Step::PopFront => assert_eq!(tree.pop_front(), (len > 0).then(|| model.remove(0))),
        Step::PopBack => assert_eq!(tree.pop_back(), model.pop()),
        Step::Modify(at, weight) if len > 0 => {
            let at = at % len;
            let cursor = tree.seek(model[..at].iter().map(|t| t.weight).sum()).unwrap().0;
            let old = tree.modify_at(&cursor, |t| std::mem::replace(&mut t.weight, weight));
            assert_eq!(old, std::mem::replace(&mut model[at].weight, weight));
        }
        Step::ModifyEnds(first, last) => {
            let old = tree.modify_first(|t| std::mem::replace(&mut t.weight, first));
            assert_eq!(old, model.first_mut().map(|t| std::mem::replace(&mut t.weight, first)));
            let old = tree.modify_last(|t| std::mem::replace(&mut t.weight, last));
            assert_eq!(old, model.last_mut().map(|t| std::mem::replace(&mut t.weight, last)));
        }
        Step::Range(at, count) => {
            let from = at % (len + 1);
            let to = (from + count).min(len);
            let rank = |at: usize| model[..at].iter().map(|t| t.weight).sum::<u64>();
            let (start, end) = (rank(from), rank(to));
            assert_eq!(tree.remove_range(start, end - start), to - from);
            model.drain(from..to);
        }
        Step::Keep(at, count) => {
            let from = at % (len + 1);
            let to = (from + count).min(len);
            let rank = |at: usize| model[..at].iter().map(|t| t.weight).sum::<u64>();
            let (start, end) = (rank(from), rank(to));
            tree.remove_range(end, u64::MAX);
            tree.remove_range(0, start);
            model.truncate(to);
            model.drain(..from);
        }
        Step::Rebuild => *tree = model.iter().cloned().collect(),
        Step::RemoveAt(_) | Step::Modify(..) | Step::Freeze | Step::Thaw => {}
    }
}

/// Every way to read, at one place.
fn look(tree: &Tree<Thing>, model: &[Thing], key: u32, at: usize) {
    let (lower, upper) = (model.partition_point(|t| t.key < key), model.partition_point(|t| t.key <= key));
    let rank = |at: usize| model[..at].iter().map(|t| t.weight).sum::<u64>();
    let (from, to) = (tree.lower_bound(by(key)), tree.upper_bound(by(key)));
    assert_eq!((tree.rank(&from), tree.rank(&to)), (rank(lower), rank(upper)));
    assert_eq!((tree.get(&from), tree.get(&to)), (model.get(lower), model.get(upper)));
    assert!(tree.range(&from, &to).eq(&model[lower..upper]));
    assert!(tree.range(&Cursor::FRONT, &to).rev().eq(model[..upper].iter().rev()));
    assert!(tree.range(&to, &Cursor::FRONT).next().is_none());
    let floor = tree.floor(by(key)).map(|cursor| tree.get(&cursor));
    assert_eq!(floor, upper.checked_sub(1).map(|at| model.get(at)));
    let next = tree.next(&from).map(|cursor| tree.get(&cursor));
    assert_eq!(next, (lower < model.len()).then(|| model.get(lower + 1)));
    // From both sides, until they meet.
    let from = at % (model.len() + 1);
    let (mut iter, mut rest) = (tree.iter_from_rank(rank(from)), &model[from..]);
    for turn in 0.. {
        let (item, expected) = match rest {
            [first, tail @ ..] if turn % 3 == 0 => (iter.next(), Some((first, tail))),
            [head @ .., last] => (iter.next_back(), Some((last, head))),
            [] => (iter.next(), None),
        };
        assert_eq!(item, expected.map(|(item, _)| item));
        match expected {
            Some((_, left)) => rest = left,
            None => break,
        }
    }
    if let Some(item) = model.get(from) {
        assert_eq!(tree.at_rank(rank(from) + item.weight - 1), Some((item, item.weight - 1)));
    }
    assert_eq!(tree.at_rank(rank(model.len())), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]
    #[test]
    fn it_behaves_like_a_vector_whose_clones_are_copies(
        steps in proptest::collection::vec(step(), 1..60),
        key in 0..2000u32,
        at in any::<usize>(),
    ) {
        let (mut tree, mut model) = (Tree::new(), Vec::new());
        let mut frozen = Vec::new();
        for step in &steps {
            match step {
                Step::Freeze => frozen.push((tree.clone(), model.clone())),
                Step::Thaw => drop(frozen.pop()),
                step => apply(&mut tree, &mut model, step),
            }
            check(&tree, &model);
            look(&tree, &model, key, at);
        }
        for (tree, model) in &frozen {
            check(tree, model);
        }
    }
}

/// Numbers below `count` in an order without regularity.
fn shuffled(count: u32) -> impl Iterator<Item = u32> {
    let mut state = 88_172_645_463_325_252_u64;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32
    })
}

#[test]
fn nodes_are_well_filled() {
    let mut random = Tree::new();
    shuffled(100_000).for_each(|key| random.insert(by(key), thing(key)));
    let (mut ascending, mut descending) = (Tree::new(), Tree::new());
    for key in 0..100_000 {
        ascending.insert(by(key), thing(key));
        descending.push_front(thing(100_000 - key));
    }
    assert!(fill(&random) > 0.8, "{}", fill(&random));
    assert!(fill(&ascending) > 0.99 && fill(&descending) > 0.99);
    assert!(fill(&(0..100_000).map(thing).collect()) > 0.99);
    // The sampled figure of a big tree against the exact one.
    let exact = random.root.heap_bytes() as f64;
    assert!((random.heap_bytes() as f64 / exact - 1.0).abs() < 0.05, "{exact}");
}

#[test]
fn removal_leaves_no_sparse_nodes() {
    let mut tree: Tree<Thing> = (0..50_000).map(thing).collect();
    for key in (0..50_000).filter(|key| key % 10 != 0) {
        assert!(tree.remove(by(key)).is_some());
    }
    assert_eq!(tree.len(), 5_000);
    assert!(fill(&tree) > 0.33, "{}", fill(&tree));
    while tree.len() > 1 {
        tree.remove_range(0, 2);
        tree.pop_back();
    }
    check_node(&tree.root, true);
}
