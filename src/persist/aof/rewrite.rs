//! A value as the commands that make it: the form of a base file without RDB preamble.
//!
//! ```text
//! list     RPUSH k e1 … e64, RPUSH k e65 …        hash    HSET k f v …, HPEXPIREAT k t FIELDS 1 f
//! set      SADD k m …                             zset    ZADD k s m …
//! stream   XADD k id f v …, XSETID k last ENTRIESADDED n MAXDELETEDID id, XGROUP CREATE …, XCLAIM …
//! any      PEXPIREAT k t
//! ```
//!
//! Elements come in commands of [`ELEMENTS_MAX`], as Redis writes them.

use crate::base::clock::UnixMs;
use crate::base::float::push_f64_digits;
use crate::ds::listpack::Digits;
use crate::keyspace::Entry;
use crate::keyspace::entry::{collection_of, string_of};
use crate::resp::push_record;
use crate::value::hash::Hash;
use crate::value::list::List;
use crate::value::set::Set;
use crate::value::stream::{Group, Stream, StreamId, loggable};
use crate::value::zset::ZSet;

/// Elements in one command.
const ELEMENTS_MAX: usize = 64;

/// Nothing is behind its deadline at the beginning of time.
const ALWAYS: UnixMs = UnixMs(0);

/// Appends the commands that make `entry` from nothing.
pub fn push_entry(out: &mut Vec<u8>, entry: &Entry) {
    let key = entry.key();
    if let Some(string) = string_of(entry) {
        push(out, &[b"SET", key, string.bytes()]);
    } else if let Some(list) = collection_of::<List>(entry) {
        let mut digits = Digits::new();
        let mut batch = Batch::new(b"RPUSH", key);
        list.iter_from(0).for_each(|element| batch.add(out, &[element.bytes(&mut digits)]));
        batch.end(out);
    } else if let Some(set) = collection_of::<Set>(entry) {
        let mut digits = Digits::new();
        let mut batch = Batch::new(b"SADD", key);
        set.iter().for_each(|member| batch.add(out, &[member.bytes(&mut digits)]));
        batch.end(out);
    } else if let Some(zset) = collection_of::<ZSet>(entry) {
        let (mut digits, mut score_digits) = (Digits::new(), Vec::new());
        let mut batch = Batch::new(b"ZADD", key);
        for (member, score) in zset.iter() {
            score_digits.clear();
            push_f64_digits(&mut score_digits, score);
            batch.add(out, &[&score_digits, member.bytes(&mut digits)]);
        }
        batch.end(out);
    } else if let Some(hash) = collection_of::<Hash>(entry) {
        push_hash(out, key, hash);
    } else if let Some(stream) = collection_of::<Stream>(entry) {
        push_stream(out, key, stream);
    }
    if let Some(deadline) = entry.deadline() {
        push(out, &[b"PEXPIREAT", key, itoa::Buffer::new().format(deadline).as_bytes()]);
    }
}

fn push(out: &mut Vec<u8>, words: &[&[u8]]) {
    push_record(out, words.iter().copied());
}

/// Collects elements until they are enough for a command.
struct Batch<'k> {
    command: &'static [u8],
    key: &'k [u8],
    words: Vec<Vec<u8>>,
    elements: usize,
}

impl<'k> Batch<'k> {
    fn new(command: &'static [u8], key: &'k [u8]) -> Batch<'k> {
        Batch { command, key, words: Vec::new(), elements: 0 }
    }

    fn add(&mut self, out: &mut Vec<u8>, words: &[&[u8]]) {
        self.words.extend(words.iter().map(|word| word.to_vec()));
        self.elements += 1;
        if self.elements == ELEMENTS_MAX {
            self.end(out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.words.is_empty() {
            return;
        }
        let words: Vec<&[u8]> =
            [self.command, self.key].into_iter().chain(self.words.iter().map(Vec::as_slice)).collect();
        push_record(out, words.into_iter());
        self.words.clear();
        self.elements = 0;
    }
}

fn push_hash(out: &mut Vec<u8>, key: &[u8], hash: &Hash) {
    let (mut name_digits, mut value_digits) = (Digits::new(), Digits::new());
    let mut deadlines = Vec::new();
    let mut batch = Batch::new(b"HSET", key);
    for (name, value) in hash.iter(ALWAYS) {
        let name = name.bytes(&mut name_digits);
        if let Some(deadline) = hash.deadline(name, ALWAYS).flatten() {
            deadlines.push((name.to_vec(), deadline));
        }
        batch.add(out, &[name, value.bytes(&mut value_digits)]);
    }
    batch.end(out);
    for (name, deadline) in deadlines {
        let when = deadline.0.to_string();
        push(out, &[b"HPEXPIREAT", key, when.as_bytes(), b"FIELDS", b"1", &name]);
    }
}

fn push_stream(out: &mut Vec<u8>, key: &[u8], stream: &Stream) {
    let log = stream.log();
    let mut name_digits = Digits::new();
    for entry in log.range(StreamId::MIN, StreamId::MAX) {
        let id = entry.id.text();
        let mut words: Vec<Vec<u8>> = vec![b"XADD".to_vec(), key.to_vec(), id.to_vec()];
        for (name, value) in entry.fields() {
            words.push(name.bytes(&mut name_digits).to_vec());
            words.push(value.bytes(&mut name_digits).to_vec());
        }
        push_record(out, words.iter().map(Vec::as_slice));
    }
    if log.is_empty() {
        // An entry comes and goes, so that there is an empty stream.
        let id = if log.last_id().is_zero() { StreamId { ms: 0, seq: 1 } } else { log.last_id() };
        push(out, &[b"XADD", key, b"MAXLEN", b"0", &id.text(), b"x", b"y"]);
    }
    let added = loggable(log.entries_added()).to_string();
    let (last, deleted) = (log.last_id().text(), log.max_deleted_id().text());
    push(out, &[b"XSETID", key, &last, b"ENTRIESADDED", added.as_bytes(), b"MAXDELETEDID", &deleted]);
    for (name, group) in stream.groups() {
        push_group(out, key, name, group);
    }
}

fn push_group(out: &mut Vec<u8>, key: &[u8], name: &[u8], group: &Group) {
    let read = group.entries_read.map_or(-1, loggable).to_string();
    let last = group.last_id.text();
    push(out, &[b"XGROUP", b"CREATE", key, name, &last, b"ENTRIESREAD", read.as_bytes()]);
    for consumer in group.consumers() {
        push(out, &[b"XGROUP", b"CREATECONSUMER", key, name, consumer.name()]);
    }
    for pending in group.pending().iter() {
        let Some(consumer) = group.consumer(pending.consumer) else { continue };
        push(
            out,
            &[
                b"XCLAIM",
                key,
                name,
                consumer.name(),
                b"0",
                &pending.id.text(),
                b"TIME",
                pending.delivered_ms.to_string().as_bytes(),
                b"RETRYCOUNT",
                loggable(pending.deliveries).to_string().as_bytes(),
                b"JUSTID",
                b"FORCE",
            ],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::stream::Pending;

    #[test]
    fn counters_beyond_what_commands_take_are_written_as_the_highest_they_take() {
        let (mut stream, mut group) = (Stream::default(), Group::new(StreamId::MIN, Some(1 << 63)));
        stream.log_mut().set_id(StreamId::new(1, 1), Some(u64::MAX), None);
        let consumer = group.create_consumer(b"c", 0).unwrap();
        group.set_pending(Pending {
            id: StreamId::new(1, 1),
            delivered_ms: 0,
            deliveries: 1 << 63,
            consumer,
        });
        stream.create_group(b"g", group);
        let mut out = Vec::new();
        push_stream(&mut out, b"s", &stream);
        let text = String::from_utf8(out).unwrap();
        for word in ["ENTRIESADDED", "ENTRIESREAD", "RETRYCOUNT"] {
            let number = text.split(word).nth(1).and_then(|rest| rest.lines().nth(2));
            assert_eq!(number, Some("9223372036854775807"), "{word}");
        }
    }
}
