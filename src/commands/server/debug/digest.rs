//! DEBUG DIGEST: one hash of all data, independent of the order of keys; and DIGEST-VALUE.
//!
//! Redis's construction, so that two servers can be compared: `add` xors the SHA-1 of some bytes into a digest (order
//! does not matter), `mix` adds and then hashes the digest itself (order matters).
//!
//! ```text
//! whole: for each database with keys: mix(index); for each key: add(digest of the key)
//! key:   mix(name), mix(type), mix(value), and add("!!expire!!") when it has a deadline
//! value: the same from the type on, starting from zero
//! ```

use super::keys::is_live;
use crate::base::clock::UnixMs;
use crate::base::float::push_f64_digits;
use crate::base::sha1::{Digest, hex, sha1};
use crate::dispatch::{AdminCx, Outcome, ReplySlot, Request};
use crate::ds::listpack::Digits;
use crate::keyspace::entry::{collection_of, kind_of, string_of};
use crate::keyspace::{DbIndex, Entry};
use crate::value::Kind;
use crate::value::hash::Hash;
use crate::value::list::List;
use crate::value::set::Set;
use crate::value::stream::{Stream, StreamId};
use crate::value::zset::ZSet;

const ZERO: Digest = [0; 20];

fn add(digest: &mut Digest, bytes: &[u8]) {
    for (byte, hashed) in digest.iter_mut().zip(sha1(bytes)) {
        *byte ^= hashed;
    }
}

fn mix(digest: &mut Digest, bytes: &[u8]) {
    add(digest, bytes);
    *digest = sha1(digest);
}

/// The number that Redis gives a type in memory.
fn type_number(kind: Kind) -> u32 {
    match kind {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::SortedSet => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
    }
}

fn mix_value(digest: &mut Digest, entry: &Entry) {
    mix(digest, &type_number(kind_of(entry)).to_be_bytes());
    if let Some(string) = string_of(entry) {
        mix(digest, string.bytes());
    } else if let Some(list) = collection_of::<List>(entry) {
        let mut digits = Digits::new();
        list.iter_from(0).for_each(|element| mix(digest, element.bytes(&mut digits)));
    } else if let Some(set) = collection_of::<Set>(entry) {
        let mut digits = Digits::new();
        set.iter().for_each(|member| add(digest, member.bytes(&mut digits)));
    } else if let Some(zset) = collection_of::<ZSet>(entry) {
        mix_members(digest, zset);
    } else if let Some(hash) = collection_of::<Hash>(entry) {
        mix_fields(digest, hash);
    } else if let Some(stream) = collection_of::<Stream>(entry) {
        mix_entries(digest, stream);
    }
    if entry.deadline().is_some() {
        add(digest, b"!!expire!!");
    }
}

/// Of each entry: its id, then names and values in order.
fn mix_entries(digest: &mut Digest, stream: &Stream) {
    let mut digits = Digits::new();
    for entry in stream.log().range(StreamId::MIN, StreamId::MAX) {
        mix(digest, format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
        for (name, value) in entry.fields() {
            mix(digest, name.bytes(&mut digits));
            mix(digest, value.bytes(&mut digits));
        }
    }
}
/// Of each member: its bytes and its score, as C prints it with 17 digits.
/// Of each member: its bytes and its score, in the fewest digits.
fn mix_members(digest: &mut Digest, zset: &ZSet) {
    let (mut digits, mut score_digits) = (Digits::new(), Vec::new());
    for (member, score) in zset.iter() {
        let mut one = ZERO;
        mix(&mut one, member.bytes(&mut digits));
        score_digits.clear();
        push_f64_digits(&mut score_digits, score);
        mix(&mut one, &score_digits);
        add(digest, &one);
    }
}

/// Of each field: name, value, and whether it has a deadline.
fn mix_fields(digest: &mut Digest, hash: &Hash) {
    // Fields behind their deadline count until they are removed: nothing is behind the beginning of time.
    let always = UnixMs(0);
    let (mut name_digits, mut value_digits) = (Digits::new(), Digits::new());
    for (name, value) in hash.iter(always) {
        let name = name.bytes(&mut name_digits);
        let mut one = ZERO;
        mix(&mut one, name);
        mix(&mut one, value.bytes(&mut value_digits));
        if hash.deadline(name, always).flatten().is_some() {
            add(&mut one, b"!!hexpire!!");
        }
        add(digest, &one);
    }
}

pub(super) fn digest(cx: &mut AdminCx<'_, '_>, reply: ReplySlot<'_>) -> Outcome {
    let now = cx.now();
    let whole = cx.with_all(|view| {
        let mut whole = ZERO;
        for index in 0..view.keyspace().databases() {
            let db = DbIndex(index);
            if view.len(db) == 0 {
                continue;
            }
            mix(&mut whole, &u32::from(index).to_be_bytes());
            for entry in
                view.shards().flat_map(|shard| shard.db(db).iter()).filter(|entry| is_live(entry, now))
            {
                let mut one = ZERO;
                mix(&mut one, entry.key());
                mix_value(&mut one, entry);
                add(&mut whole, &one);
            }
        }
        whole
    })?;
    Ok(reply.write(|w| w.status_bytes(hex(&whole).as_bytes())))
}

pub(super) fn digest_values(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let mut digests = Vec::with_capacity(req.len());
    for name in req.args.iter().skip(2) {
        digests.push(cx.with_key(name, |view, db, key| {
            let mut digest = ZERO;
            if let Some(entry) = view.peek(db, key) {
                mix_value(&mut digest, entry);
            }
            digest
        })?);
    }
    Ok(reply.write(|w| {
        w.array(digests.len());
        digests.iter().for_each(|digest| w.status_bytes(hex(digest).as_bytes()));
    }))
}
