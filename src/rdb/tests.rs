//! The codec as a whole: what is written is read again, and what is damaged is refused.

use super::lzf::Compressor;
use super::read::{Error, Item, Limits, Loaded, Options, Reader, What};
use super::write::file::{self, Access, Head};
use super::write::{Bytes, Draft, Format, Output};
use super::{VERSION_COMMON, dump, read};
use crate::base::clock::UnixMs;
use crate::base::crc::crc64;
use crate::base::rng::Rng;
use crate::ds::blob::{Blob, Payload};
use crate::value::hash::{FieldTtl, Hash};
use crate::value::list::{End, List};
use crate::value::set::Set;
use crate::value::stream::{Group, Limits as BlockLimits, Pending, Stream, StreamId};
use crate::value::zset::ZSet;
use crate::value::{Collection, LongString, Value};

type Entry = Blob<Value>;

fn entry(name: &str, value: impl Collection) -> Entry {
    Entry::boxed(name.as_bytes(), value.into_value(), None, 0)
}

fn list(elements: impl Iterator<Item = String>) -> List {
    let limits = Limits::default().list;
    let mut list = List::default();
    for element in elements {
        list.grow(limits, || element.len(), 1);
        list.push(End::Back, element.as_bytes());
    }
    list
}

fn set(members: impl Iterator<Item = String>) -> Set {
    let mut set = Set::default();
    members.for_each(|member| assert!(set.insert(member.as_bytes(), &Limits::default().set)));
    set
}

fn zset(members: impl Iterator<Item = (String, f64)>) -> ZSet {
    let mut zset = ZSet::default();
    for (member, score) in members {
        zset.set(member.as_bytes(), score, Limits::default().zset);
    }
    zset
}

fn hash(fields: impl Iterator<Item = (String, FieldTtl)>) -> Hash {
    let mut hash = Hash::default();
    for (name, ttl) in fields {
        hash.set(name.as_bytes(), b"value", ttl, UnixMs(0), Limits::default().hash);
    }
    hash
}

fn stream(entries: u64) -> Stream {
    let mut stream = Stream::default();
    let limits = BlockLimits { node_bytes: 4096, node_entries: 100 };
    for ms in 1..=entries {
        stream.log_mut().append(StreamId::new(ms, 7), &[b"name", ms.to_string().as_bytes()], 10, limits);
    }
    stream.log_mut().delete(StreamId::new(2, 7));
    let mut group = Group::new(StreamId::new(3, 7), None);
    let alice = group.create_consumer(b"alice", 5).unwrap();
    let bob = group.create_consumer(b"bob", 6).unwrap();
    group.note_active(alice, 9);
    for (ms, consumer) in [(1, alice), (3, bob)] {
        let id = StreamId::new(ms, 7);
        group.set_pending(Pending { id, delivered_ms: 11, deliveries: 2, consumer });
    }
    stream.create_group(b"group", group);
    stream.create_group(b"other", Group::new(StreamId::MIN, Some(4)));
    stream
}

fn at(ms: usize) -> FieldTtl {
    FieldTtl::At(UnixMs(4_000_000_000_000 + ms as u64))
}

/// One of every form.
fn entries() -> Vec<Entry> {
    let numbers = |count: i32| (0..count).map(|number| number.to_string());
    let words = |count: i32| (0..count).map(|number| format!("word{number}"));
    let long = || "x".repeat(3000);
    let strings = ["", "12", "text", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"];
    let mut entries: Vec<Entry> =
        strings.iter().map(|text| Entry::inline(text.as_bytes(), text.as_bytes(), Some(77), 0)).collect();
    entries.push(Entry::boxed(b"long", Value::String(LongString::new(long().into())), None, 0));
    entries.extend([
        entry("list", list(words(3))),
        entry("long list", list(words(5000))),
        entry("list of long", list([long(), "x".repeat(20_000), "y".into()].into_iter())),
        entry("ints", set(numbers(100))),
        entry("words", set(words(100))),
        entry("set", set(words(1000))),
        entry("zset", zset(words(5).map(|word| (word.clone(), word.len() as f64 / 3.0)))),
        entry("big zset", zset(words(500).enumerate().map(|(n, word)| (word, n as f64 - 0.5)))),
        entry("hash", hash(words(5).map(|word| (word, FieldTtl::Keep)))),
        entry("big hash", hash(words(2000).map(|word| (word, FieldTtl::Keep)))),
        entry("hash ex", hash(words(5).enumerate().map(|(n, word)| (word, at(10 - n))))),
        entry(
            "big hash ex",
            hash(
                words(2000)
                    .enumerate()
                    .map(|(n, word)| (word, if n % 3 == 0 { at(n) } else { FieldTtl::Keep })),
            ),
        ),
        entry("stream", stream(5)),
        entry("long stream", stream(500)),
    ]);
    entries
}

fn encoded(entry: &Entry, format: Format) -> Vec<u8> {
    let (mut bytes, mut compressor) = (Vec::new(), Compressor::default());
    let out = &mut Bytes { bytes: &mut bytes, compressor: Some(&mut compressor) };
    let head = Head { deadline: entry.deadline(), access: Some(Access::Idle(5)) };
    file::write_key(entry.key(), head, &entry.payload(), format, out).unwrap();
    bytes
}

/// What a value consists of, in an order of its own.
fn contents(payload: &Payload<'_, Value>) -> Vec<Vec<u8>> {
    let pair = |one: &[u8], other: &[u8]| [one, b"=", other].concat();
    let mut parts = match payload {
        Payload::Inline(text) => vec![text.to_vec()],
        Payload::Value(Value::String(text)) => vec![text.to_vec()],
        Payload::Value(Value::List(list)) => {
            return list.iter_from(0).map(|element| element.to_vec()).collect();
        }
        Payload::Value(Value::Set(set)) => {
            set.iter().map(|member| member.bytes(&mut Default::default()).to_vec()).collect()
        }
        Payload::Value(Value::SortedSet(zset)) => {
            zset.iter().map(|(member, score)| pair(&member.to_vec(), &score.to_le_bytes())).collect()
        }
        Payload::Value(Value::Hash(hash)) => {
            let one = |name: Vec<u8>, value: Vec<u8>| {
                let deadline = hash.deadline(&name, UnixMs(0));
                pair(&pair(&name, &value), format!("{deadline:?}").as_bytes())
            };
            hash.iter(UnixMs(0)).map(|(name, value)| one(name.to_vec(), value.to_vec())).collect()
        }
        // Its bytes say everything.
        Payload::Value(Value::Stream(_)) => {
            let mut bytes = Vec::new();
            dump::encode(payload, false, &mut bytes);
            vec![bytes]
        }
    };
    parts.sort();
    parts
}

fn same(entry: &Entry, value: &Loaded<'_>) {
    let loaded = match value {
        Loaded::Text(text) => contents(&Payload::Inline(text)),
        Loaded::Collection(value) => {
            let Payload::Value(own) = entry.payload() else { panic!("a string became a collection") };
            if let (Some(own), Some(other)) = (own.facts(), value.facts()) {
                assert_eq!(own.encoding(), other.encoding(), "{:?}", entry.key().escape_ascii().to_string());
            }
            contents(&Payload::Value(value))
        }
    };
    assert!(contents(&entry.payload()) == loaded, "{:?}", entry.key().escape_ascii().to_string());
}

/// A file of one key of each form.
fn file_of(entries: &[Entry]) -> Vec<u8> {
    let format = Format::default();
    let mut bytes = file::magic(12).to_vec();
    {
        let out = &mut Bytes { bytes: &mut bytes, compressor: None };
        file::push_aux(out, "redis-ver", b"8.0.6");
        file::push_function(out, b"#!lua name=l\n");
        file::push_select(out.bytes(), 3);
        file::push_resize(out.bytes(), entries.len(), 4);
    }
    entries.iter().for_each(|entry| bytes.extend_from_slice(&encoded(entry, format)));
    file::push_end_mark(&mut bytes);
    let checksum = crc64(0, &bytes);
    file::push_end(&mut bytes, checksum);
    bytes
}

/// Reads to the end; the number of keys.
fn read_all(bytes: &[u8], options: Options) -> Result<usize, Error> {
    let mut reader = Reader::open(bytes, options)?;
    let mut keys = 0;
    loop {
        match reader.next_item()? {
            Item::End => return Ok(keys),
            Item::Key(_) => keys += 1,
            _ => {}
        }
    }
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let entries = entries();
    let bytes = file_of(&entries);
    let mut reader = Reader::open(bytes.as_slice(), Options::default()).unwrap();
    assert!(matches!(reader.next_item(), Ok(Item::Aux(b"redis-ver", b"8.0.6"))));
    assert!(matches!(reader.next_item(), Ok(Item::Function(b"#!lua name=l\n"))));
    assert!(matches!(reader.next_item(), Ok(Item::SelectDb(3))));
    assert!(matches!(reader.next_item(), Ok(Item::ResizeDb(_, 4))));
    for entry in &entries {
        let Ok(Item::Key(key)) = reader.next_item() else { panic!("a key is missing") };
        assert_eq!((key.name, key.deadline), (entry.key(), entry.deadline()));
        assert_eq!(key.access, Some(Access::Idle(5)));
        same(entry, &key.value);
    }
    assert!(matches!(reader.next_item(), Ok(Item::End)));
    assert_eq!(reader.offset(), bytes.len() as u64);
}

#[test]
fn every_version_that_is_written_is_read_as_the_same() {
    for version in 9..=12 {
        for entry in &entries() {
            let mut bytes = file::magic(version).to_vec();
            bytes.extend_from_slice(&encoded(entry, Format { version }));
            let options = Options { verifies_checksum: false, ..Options::default() };
            let mut reader = Reader::open(bytes.as_slice(), options).unwrap();
            let Ok(Item::Key(key)) = reader.next_item() else { panic!("version {version}") };
            if version >= 11 || !entry.key().ends_with(b"stream") {
                same(entry, &key.value);
            }
        }
    }
}

#[test]
fn a_draft_becomes_the_same_bytes() {
    for version in [9, VERSION_COMMON] {
        let format = Format { version };
        let mut draft = Draft::new(format);
        let mut expected = Vec::new();
        for mut entry in entries() {
            expected.extend_from_slice(&encoded(&entry, format));
            let head = Head { deadline: entry.deadline(), access: Some(Access::Idle(5)) };
            draft.push(&mut entry, head);
            // What happens to the value afterwards is nothing to the draft.
            entry.set_inline(b"another");
        }
        assert_eq!((draft.keys(), draft.version()), (entries().len(), 12));
        let (mut bytes, mut compressor) = (Vec::new(), Compressor::default());
        let out = &mut Bytes { bytes: &mut bytes, compressor: Some(&mut compressor) };
        draft.finish(out).unwrap();
        assert!(bytes == expected);
        assert!(draft.is_empty());
    }
}

#[test]
fn a_huge_value_gets_a_draft_of_its_own() {
    let mut draft = Draft::new(Format::default());
    let mut expected = Vec::new();
    let mut small = entry("small", set(["a".to_owned()].into_iter()));
    let mut huge = entry("huge", set((0..100_000).map(|number| format!("member {number}"))));
    for entry in [&mut small, &mut huge] {
        expected.extend_from_slice(&encoded(entry, Format::default()));
        draft.push(entry, Head { deadline: None, access: Some(Access::Idle(5)) });
    }
    let mut late = draft.take_huge();
    assert_eq!((draft.keys(), late.len(), late[0].keys()), (1, 1, 1));
    let (mut bytes, mut compressor) = (Vec::new(), Compressor::default());
    let out = &mut Bytes { bytes: &mut bytes, compressor: Some(&mut compressor) };
    draft.finish(out).unwrap();
    late[0].finish(out).unwrap();
    assert!(bytes == expected);
}

#[test]
fn whoever_takes_bytes_away_decides_how_many_there_are() {
    struct Bounded {
        bytes: Vec<u8>,
        all: Vec<u8>,
        most: usize,
    }
    impl Output for Bounded {
        type Error = std::convert::Infallible;
        fn bytes(&mut self) -> &mut Vec<u8> {
            &mut self.bytes
        }
        fn text(&mut self, text: &[u8]) {
            super::write::push_text(&mut self.bytes, text, None);
        }
        fn pause(&mut self) -> Result<(), Self::Error> {
            self.most = self.most.max(self.bytes.len());
            self.all.append(&mut self.bytes);
            Ok(())
        }
    }
    let mut members = set((0..50_000).map(|number| format!("member {number}"))).into_value();
    let handle = super::write::Handle::of(&mut members);
    let mut out = Bounded { bytes: Vec::new(), all: Vec::new(), most: 0 };
    handle.write(Format::default(), &mut out).unwrap();
    assert!(out.all.len() > 500_000 && out.most < 100, "{}", out.most);
}

#[test]
fn every_changed_byte_and_every_cut_is_noticed() {
    let few: Vec<Entry> =
        entries().into_iter().filter(|entry| encoded(entry, Format::default()).len() < 300).collect();
    assert!(few.len() > 9);
    let bytes = file_of(&few);
    assert_eq!(read_all(&bytes, Options::default()).unwrap(), few.len());
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(read_all(&damaged, Options::default()).is_err(), "byte {at} of {}", bytes.len());
        assert!(read_all(&bytes[..at], Options::default()).is_err(), "cut at {at}");
    }
}

#[test]
fn a_wrong_checksum_is_an_error_unless_nobody_asks() {
    let mut bytes = file_of(&entries()[..1]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert!(matches!(read_all(&bytes, Options::default()), Err(Error { what: What::Checksum { .. }, .. })));
    let trusting = Options { verifies_checksum: false, ..Options::default() };
    assert_eq!(read_all(&bytes, trusting).unwrap(), 1);
    bytes[last - 7..].fill(0);
    assert_eq!(read_all(&bytes, Options::default()).unwrap(), 1, "no checksum at all");
}

#[test]
fn other_files_and_versions_are_refused() {
    for (magic, is_magic) in [
        (&b"REDIS0000"[..], true),
        (b"REDIS0014", true),
        (b"REDIS0080", true),
        (b"VALKEY079", true),
        (b"VALKEY080", true),
        (b"REDIS00x1", false),
        (b"MEMCACHED", false),
    ] {
        let result = read_all(magic, Options::default());
        let Err(error) = result else { panic!("{magic:?}") };
        match error.what {
            What::Version(_) => assert!(is_magic && magic != b"VALKEY080"),
            What::Magic => assert!(!is_magic),
            What::Truncated => assert_eq!(magic, b"VALKEY080"),
            _ => panic!("{error}"),
        }
    }
}

#[test]
fn modules_are_named_and_refused_or_passed_over() {
    // A key of `ReJSON-RL`, version 3: a text, an integer, a double.
    let mut bytes = file::magic(11).to_vec();
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = |letter: &u8| letters.iter().position(|other| other == letter).unwrap() as u64;
    let id = b"ReJSON-RL".iter().fold(0, |id, letter| id << 6 | place(letter)) << 10 | 3;
    bytes.extend_from_slice(b"\x07\x03key\x81");
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(b"\x05\x02{}\x02\x05\x0412345678\x00");
    bytes.extend_from_slice(b"\x00\x01a\x01b\xff\0\0\0\0\0\0\0\0");
    let error = read_all(&bytes, Options::default()).unwrap_err();
    assert!(matches!(&error.what, What::Module { name, version: 3 } if name == "ReJSON-RL"), "{error}");
    let skipping = Options { skips_modules: true, ..Options::default() };
    assert_eq!(read_all(&bytes, skipping).unwrap(), 1);
    let mut reader = Reader::open(bytes.as_slice(), skipping).unwrap();
    assert!(matches!(reader.next_item(), Ok(Item::Module { key: Some(b"key"), .. })));
}

#[test]
fn keys_without_elements_are_passed_over() {
    let bytes = b"REDIS0004\x01\x04none\x00\x00\x01a\x01b\xff";
    let mut reader = Reader::open(&bytes[..], Options::default()).unwrap();
    assert!(matches!(reader.next_item(), Ok(Item::EmptyKey(b"none"))));
    assert!(matches!(reader.next_item(), Ok(Item::Key(_))));
    assert!(matches!(reader.next_item(), Ok(Item::End)));
}

#[test]
fn streams_that_contradict_themselves_are_refused() {
    let mut value = Vec::new();
    dump::encode(&entry("s", stream(5)).payload(), false, &mut value);
    value.truncate(value.len() - 10);
    let check = |bytes: &[u8]| read::value(bytes, 11, Limits::default());
    assert!(check(&value).is_ok());
    let find = |needle: &[u8]| value.windows(needle.len()).rposition(|window| window == needle).unwrap();
    // An entry in the hands of both consumers: bob gets alice's.
    let bobs = find(&StreamId::new(3, 7).ms.to_be_bytes());
    let mut twice = value.clone();
    twice[bobs + 7] = 1;
    assert!(check(&twice).is_err());
    // One that is pending with nobody.
    let mut nobody = value.clone();
    nobody[bobs - 1] = 0;
    nobody.drain(bobs..bobs + 16);
    assert!(check(&nobody).is_err());
    // A block whose counts are wrong.
    let mut counts = value.clone();
    let master = counts.windows(4).position(|window| window == [4, 1, 1, 1]).unwrap();
    counts[master] = 5;
    assert!(check(&counts).is_err());
}

#[test]
fn mutations_of_sound_payloads_do_no_harm() {
    let mut rng = Rng::from_seed(7);
    let payloads: Vec<Vec<u8>> = entries()
        .iter()
        .map(|entry| {
            let mut payload = Vec::new();
            dump::encode(&entry.payload(), rng.below(2) == 0, &mut payload);
            payload
        })
        .filter(|payload| payload.len() < 2000)
        .collect();
    let (mut taken, mut refused) = (0, 0);
    for round in 0..20_000_u64 {
        let payload = &payloads[round as usize % payloads.len()];
        let mut body = payload[..payload.len() - 10].to_vec();
        for _ in 0..=rng.below(3) {
            let at = rng.below(body.len() as u64) as usize;
            match rng.below(4) {
                0 => body[at] ^= 1 << rng.below(8),
                1 => body[at] = rng.next_u64() as u8,
                2 => drop(body.drain(at..(at + 1 + rng.below(4) as usize).min(body.len()))),
                _ => body.insert(at, rng.next_u64() as u8),
            }
            if body.is_empty() {
                body.push(0);
            }
        }
        match read::value(&body, 12, Limits::default()) {
            Err(_) => refused += 1,
            Ok(read::Owned::Text(_)) => taken += 1,
            Ok(read::Owned::Collection(value)) => {
                taken += 1;
                // Whatever was taken is whole: it is written, and read again.
                let mut again = Vec::new();
                dump::encode(&Payload::Value(&value), false, &mut again);
                let back = dump::decode(&again, Limits::default());
                assert!(back.is_ok(), "{:?}", body.escape_ascii().to_string());
                assert!(value.facts().is_some_and(|facts| !facts.is_empty()));
            }
        }
    }
    assert!(taken > 1000 && refused > 1000, "{taken} taken, {refused} refused");
}
