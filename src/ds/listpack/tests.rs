//! Fixed bytes taken from a Redis 8.0 server (DUMP of small hashes), a model, and bytes that are no listpacks.

use super::{Corrupt, Element, Encoded, ListPack, Position};
use proptest::prelude::*;

fn pack(elements: &[&[u8]]) -> ListPack {
    elements.iter().copied().collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn contents(pack: &ListPack) -> Vec<Vec<u8>> {
    pack.iter().map(Element::to_vec).collect()
}

#[test]
fn bytes_are_those_of_redis() {
    for (value, bytes) in [
        ("0", "0c00000002008166020001ff"),
        ("127", "0c00000002008166027f01ff"),
        ("128", "0d0000000200816602c08002ff"),
        ("-1", "0d0000000200816602dfff02ff"),
        ("4095", "0d0000000200816602cfff02ff"),
        ("-4096", "0d0000000200816602d00002ff"),
        ("4096", "0e0000000200816602f1001003ff"),
        ("-4097", "0e0000000200816602f1ffef03ff"),
        ("32767", "0e0000000200816602f1ff7f03ff"),
        ("-32768", "0e0000000200816602f1008003ff"),
        ("32768", "0f0000000200816602f200800004ff"),
        ("8388607", "0f0000000200816602f2ffff7f04ff"),
        ("-8388608", "0f0000000200816602f200008004ff"),
        ("8388608", "100000000200816602f30000800005ff"),
        ("2147483647", "100000000200816602f3ffffff7f05ff"),
        ("2147483648", "140000000200816602f4000000800000000009ff"),
        ("-2147483649", "140000000200816602f4ffffff7fffffffff09ff"),
        ("9223372036854775807", "140000000200816602f4ffffffffffffff7f09ff"),
        ("-9223372036854775808", "140000000200816602f4000000000000008009ff"),
        ("9223372036854775808", "1f0000000200816602933932323333373230333638353437373538303814ff"),
        ("01", "0e000000020081660282303103ff"),
        ("-0", "0e0000000200816602822d3003ff"),
        ("+1", "0e0000000200816602822b3103ff"),
        ("", "0c00000002008166028001ff"),
        ("a", "0d0000000200816602816102ff"),
        ("-", "0d0000000200816602812d02ff"),
    ] {
        let bytes = unhex(bytes);
        let pack = pack(&[b"f", value.as_bytes()]);
        assert_eq!(pack.as_slice(), bytes, "{value}");
        assert_eq!(contents(&pack), [b"f".to_vec(), value.as_bytes().to_vec()]);
        let read = ListPack::validate(&bytes).unwrap();
        assert_eq!(read.as_slice(), bytes);
    }
}

#[test]
fn long_texts_are_those_of_redis() {
    for (len, head, tail) in [
        (63, "bf", "40"),
        (64, "e040", "42"),
        (125, "e07d", "7f"),
        (126, "e07e", "0180"),
        (4095, "efff", "2081"),
        (4096, "f000100000", "2085"),
        (16_376, "f0f83f0000", "7ffd"),
        (16_377, "f0f93f0000", "7ffe"),
        (16_378, "f0fa3f0000", "00ffff"),
        (16_379, "f0fb3f0000", "018080"),
        (2_097_145, "f0f9ff1f00", "7ffffe"),
        (2_097_146, "f0faff1f00", "00ffffff"),
        (2_097_147, "f0fbff1f00", "01808080"),
    ] {
        let text = vec![b'x'; len];
        let pack = pack(&[&text]);
        let entry = [unhex(head), text.clone(), unhex(tail)].concat();
        assert_eq!(pack.as_slice()[6..pack.byte_len() - 1], entry[..], "{len}");
        assert_eq!(Encoded::from(&text[..]).len(), entry.len());
        assert_eq!(pack.iter().next_back(), Some(Element::Text(&text)));
        assert_eq!(contents(&ListPack::validate(pack.as_slice()).unwrap()), [text]);
    }
}

#[test]
fn empty_owns_nothing() {
    let pack = ListPack::new();
    assert_eq!((pack.as_slice(), pack.heap_bytes()), (&[7, 0, 0, 0, 0, 0, 0xFF][..], 0));
    assert_eq!((pack.len(), pack.first(), pack.last(), pack.seek(0)), (0, None, None, None));
    assert_eq!(pack.find(b"x", pack.first(), 0), None);
}

#[test]
fn many_elements_are_counted() {
    let mut pack = ListPack::new();
    for number in 0..70_000 {
        pack.push_back(number);
    }
    assert_eq!((pack.len(), pack.as_slice()[4..6].to_vec()), (70_000, vec![0xFF, 0xFF]));
    assert_eq!(pack.get(69_999), Some(Element::Int(69_999)));
    pack.remove_range(10, 69_000);
    assert_eq!((pack.len(), pack.as_slice()[4..6].to_vec()), (1000, vec![0xE8, 0x03]));
    assert_eq!(pack.get(10), Some(Element::Int(69_010)));
}

#[test]
fn fields_are_found_and_not_values() {
    let pack = pack(&[b"a", b"b", b"b", b"12", b"12", b"a"]);
    let found = |needle: &[u8]| {
        pack.find(needle, pack.first(), 1).map(|at| pack.iter_from(at).nth(1).unwrap().to_vec())
    };
    assert_eq!(found(b"a"), Some(b"b".to_vec()));
    assert_eq!(found(b"b"), Some(b"12".to_vec()));
    assert_eq!(found(b"12"), Some(b"a".to_vec()));
    assert_eq!(found(b"012"), None);
}

#[test]
fn several_are_sought_in_one_walk() {
    let pack = pack(&[b"a", b"b", b"c", b"d"]);
    let mut found = Vec::new();
    pack.seek_each([1, 1, 3, 9], |index, at| found.push((index, pack.at(at).to_vec())));
    assert_eq!(found, [(1, b"b".to_vec()), (1, b"b".to_vec()), (3, b"d".to_vec())]);
}

#[test]
fn other_forms_are_written_anew() {
    // "5" as text, 5 as 16 bits, -1 as 64 bits, and a count that isn't told.
    let bytes = unhex("18000000ffff8135 02f1050003f4ffffffffffffffff09ff".replace(' ', "").as_str());
    let read = ListPack::validate(&bytes).unwrap();
    assert_eq!(read.as_slice(), pack(&[b"5", b"5", b"-1"]).as_slice());
    let untold = unhex("0a000000ffff816102ff");
    assert_eq!(ListPack::validate(&untold).unwrap().as_slice(), pack(&[b"a"]).as_slice());
}

#[test]
fn damage_is_refused() {
    for bytes in [
        "",
        "ff",
        "060000000000",
        "0700000000",
        "08000000000000ff",          // total too large
        "0700000001 00ff",           // count too large
        "07000000000000",            // no terminator
        "0a0000000100816103ff",      // wrong back length
        "0a0000000100826102ff",      // text beyond the end
        "0a0000000200816102ff",      // count too large
        "0b000000010081610280ff",    // garbage behind
        "0900000001 00f501ff",       // no such kind
        "0900000001 00ff01ff",       // terminator within
        "0900000001 00e0 ff ff",     // head cut off
        "0b00000001 00f0ffff ff ff", // head cut off
        "0800000001 0005ff",         // no back length
    ] {
        assert_eq!(ListPack::validate(&unhex(&bytes.replace(' ', ""))).err(), Some(Corrupt), "{bytes}");
    }
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        (-5000i64..5000).prop_map(|n| n.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..80),
        "[0-9-]{0,4}".prop_map(String::into_bytes),
        (0usize..5000).prop_map(|len| vec![b'y'; len]),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    InsertBefore(usize, Vec<u8>),
    InsertAfter(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    PopFront,
    PopBack,
    Remove(usize),
    RemoveRange(usize, usize),
    Splice(usize, usize, Vec<Vec<u8>>),
    Append(Vec<Vec<u8>>),
    Prepend(Vec<Vec<u8>>),
    SplitOff(usize, bool),
    Freeze,
}

fn step() -> impl Strategy<Value = Step> {
    let many = || proptest::collection::vec(element(), 0..4);
    prop_oneof![
        4 => element().prop_map(Step::PushBack),
        2 => element().prop_map(Step::PushFront),
        1 => (any::<usize>(), element()).prop_map(|(at, element)| Step::InsertBefore(at, element)),
        1 => (any::<usize>(), element()).prop_map(|(at, element)| Step::InsertAfter(at, element)),
        1 => (any::<usize>(), element()).prop_map(|(at, element)| Step::Replace(at, element)),
        1 => Just(Step::PopFront),
        1 => Just(Step::PopBack),
        1 => any::<usize>().prop_map(Step::Remove),
        1 => (any::<usize>(), 0usize..4).prop_map(|(at, count)| Step::RemoveRange(at, count)),
        1 => (any::<usize>(), 0usize..4, many()).prop_map(|(at, count, added)| Step::Splice(at, count, added)),
        1 => many().prop_map(Step::Append),
        1 => many().prop_map(Step::Prepend),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(at, keep)| Step::SplitOff(at, keep)),
        1 => Just(Step::Freeze),
    ]
}

fn apply(pack: &mut ListPack, model: &mut Vec<Vec<u8>>, step: Step) {
    let len = model.len();
    let inside = |at: usize| (len > 0).then(|| at % len.max(1));
    let place = |pack: &ListPack, at: usize| pack.seek(at).unwrap();
    match step {
        Step::PushBack(element) => {
            pack.push_back(&element[..]);
            model.push(element);
        }
        Step::PushFront(element) => {
            pack.push_front(&element[..]);
            model.insert(0, element);
        }
        Step::InsertBefore(at, element) => {
            if let Some(at) = inside(at) {
                pack.insert_before(place(pack, at), &element[..]);
                model.insert(at, element);
            }
        }
        Step::InsertAfter(at, element) => {
            if let Some(at) = inside(at) {
                let new = pack.insert_after(place(pack, at), &element[..]);
                assert!(pack.at(new) == element[..]);
                model.insert(at + 1, element);
            }
        }
        Step::Replace(at, element) => {
            if let Some(at) = inside(at) {
                pack.replace(place(pack, at), &element[..]);
                model[at] = element;
            }
        }
        Step::PopFront => {
            pack.take_front(|_| ());
            model.drain(..len.min(1));
        }
        Step::PopBack => {
            pack.take_back(|_| ());
            model.pop();
        }
        Step::Remove(at) => {
            if let Some(at) = inside(at) {
                let next = pack.remove(place(pack, at));
                model.remove(at);
                assert_eq!(next.map(|next| pack.at(next).to_vec()).as_ref(), model.get(at));
            }
        }
        Step::RemoveRange(at, count) => {
            if let Some(at) = inside(at) {
                pack.remove_range(at, count);
                model.drain(at..len.min(at + count));
            }
        }
        Step::Splice(at, count, added) => {
            let at = at % (len + 1);
            let encoded: Vec<_> = added.iter().map(|element| Encoded::from(&element[..])).collect();
            pack.splice(pack.seek(at), count, &encoded);
            model.splice(at..len.min(at + count), added);
        }
        Step::Append(added) => {
            pack.append(&added.iter().map(Vec::as_slice).collect());
            model.extend(added);
        }
        Step::Prepend(added) => {
            pack.prepend(&added.iter().map(Vec::as_slice).collect());
            model.splice(0..0, added);
        }
        Step::SplitOff(at, keep) => {
            let at = at % (len + 1);
            let (tail, tail_model) = (pack.split_off(at), model.split_off(at));
            assert_eq!(contents(&tail), tail_model);
            if !keep {
                (*pack, *model) = (tail, tail_model);
            }
        }
        Step::Freeze => {}
    }
}

/// Everything that can be asked, compared with the model.
fn check(pack: &ListPack, model: &[Vec<u8>]) {
    assert_eq!((pack.len(), pack.is_empty()), (model.len(), model.is_empty()));
    assert_eq!(contents(pack), model);
    let backward: Vec<_> = pack.iter().rev().map(Element::to_vec).collect();
    assert!(backward.iter().eq(model.iter().rev()));
    let rebuilt: ListPack = model.iter().map(Vec::as_slice).collect();
    if !model.is_empty() {
        assert_eq!(pack.as_slice(), rebuilt.as_slice());
    }
    assert_eq!(ListPack::validate(pack.as_slice()).unwrap().as_slice(), rebuilt.as_slice());
    let mut steps: Vec<Position> = std::iter::successors(pack.first(), |&at| pack.next(at)).collect();
    assert_eq!(steps.len(), model.len());
    let mut back: Vec<Position> = std::iter::successors(pack.last(), |&at| pack.prev(at)).collect();
    back.reverse();
    assert_eq!(steps, back);
    for (index, at) in steps.drain(..).enumerate() {
        assert_eq!(pack.seek(index), Some(at));
        assert!(pack.at(at) == model[index][..]);
        assert_eq!(pack.at(at).text_len(), model[index].len());
        let first = model.iter().position(|element| *element == model[index]);
        assert_eq!(pack.find(&model[index][..], pack.first(), 0), first.and_then(|first| pack.seek(first)));
        assert!(pack.is_at(at, &Encoded::from(&model[index][..])));
    }
    assert_eq!(pack.seek(model.len()), None);
}

proptest! {
    #[test]
    fn behaves_like_a_vec(steps in proptest::collection::vec(step(), 0..40)) {
        let (mut pack, mut model) = (ListPack::new(), Vec::new());
        let mut frozen = Vec::new();
        for step in steps {
            if matches!(step, Step::Freeze) {
                frozen.push((pack.clone(), model.clone()));
            }
            apply(&mut pack, &mut model, step);
        }
        check(&pack, &model);
        for (pack, model) in frozen {
            check(&pack, &model);
        }
    }

    #[test]
    fn any_bytes_may_be_validated(mut bytes in proptest::collection::vec(any::<u8>(), 0..60), sound: bool) {
        if sound && bytes.len() >= 7 {
            let len = bytes.len() as u32;
            bytes[..4].copy_from_slice(&len.to_le_bytes());
            bytes[4..6].copy_from_slice(&[0xFF, 0xFF]);
            bytes[len as usize - 1] = 0xFF;
        }
        if let Ok(pack) = ListPack::validate(&bytes) {
            check(&pack, &contents(&pack));
        }
    }

    #[test]
    fn flipped_bytes_are_refused_or_harmless(
        elements in proptest::collection::vec(element(), 1..8),
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..3),
    ) {
        let pack: ListPack = elements.iter().map(Vec::as_slice).collect();
        let mut bytes = pack.as_slice().to_vec();
        for (at, with) in flips {
            let at = at % bytes.len();
            bytes[at] ^= with;
        }
        if let Ok(pack) = ListPack::validate(&bytes) {
            check(&pack, &contents(&pack));
        }
    }
}
