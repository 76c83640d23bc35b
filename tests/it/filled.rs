//! Keys of every kind and encoding, and how to tell that another server has the same.

use std::collections::BTreeSet;

use super::wire::{Reply, Wire};

/// What every server since Redis 7.0 knows, some of it in transactions and scripts, and much of it not repeatable as it stands:
/// by chance, by time, by what was there. Lines with another number in front are for that database.
const LINES: [&str; 113] = [
    "SET text hello",
    "SET number -12345678901",
    "SET small 7",
    "APPEND text {1}",
    "SETRANGE padded 3 x",
    "SETBIT bits 70000 1",
    "BITFIELD field SET u8 0 255 INCRBY i16 #3 100",
    "BITOP NOT turned bits",
    "INCRBYFLOAT float 3.0e3",
    "INCRBYFLOAT float 0.1",
    "SET lived v PX 100000000",
    "SET kept v EX 100000",
    "SET kept w KEEPTTL",
    "GETEX kept EXAT 4000000000",
    "SET persisted v EX 100000",
    "PERSIST persisted",
    "SET gone v PX 1",
    "SET late v PXAT 4000000000123",
    "PSETEX soon 100000000 v",
    "SET taken v",
    "GETDEL taken",
    "MSET many1 a many2 b many3 c",
    "RENAME many3 renamed",
    "COPY many2 copied",
    "COPY many2 copied DB 9",
    "MOVE many2 9",
    "PFADD hll a b c",
    "PFADD hll2 c d e",
    "PFMERGE merged hll hll2",
    "RPUSH list a b 17 -1 32768 -9223372036854775808 {20}",
    "LPUSH list z",
    "LINSERT list BEFORE b between",
    "LSET list 0 y",
    "LREM list 1 17",
    "LTRIM list 0 8",
    "LMOVE list moved LEFT RIGHT",
    "LMPOP 2 none list RIGHT COUNT 1",
    "BLPOP none list 1",
    "RPUSH nodes {20000} a {20000} b",
    "SADD ints 1 2 700",
    "SADD ints32 1 70000",
    "SADD ints64 1 5000000000 -5000000000",
    "SADD set a b 3 {90}",
    "SADD mixed a 1",
    "SREM mixed 1",
    "SADD popped 1 2 3 4 5 6 7 8 9 10",
    "SPOP popped 4",
    "SPOP popped",
    "SMOVE set mixed b",
    "SUNIONSTORE union set ints",
    "ZADD zset 1.5 a -inf b 3 c +inf d 0.1 e 1e300 f -0 g 5000000000 h",
    "ZINCRBY zset 0.2 e",
    "ZADD zpopped 1 a 2 b 3 c",
    "ZPOPMIN zpopped",
    "BZPOPMAX zpopped 1",
    "ZUNIONSTORE zunion 2 zset ints WEIGHTS 1 2",
    "ZRANGESTORE zstored zset 0 2",
    "GEOADD geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
    "GEOSEARCHSTORE near geo FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST",
    "HSET hash f v g 17 h {90}",
    "HINCRBY hash g 5",
    "HINCRBYFLOAT hash float 1.1",
    "HDEL hash h",
    "HSET short f v g -1",
    "SORT list ALPHA STORE sorted",
    "XADD stream 1-1 f v",
    "XADD stream 1-2 f v g {300}",
    "XADD stream 5-0 other v",
    "XADD stream 5-1 other w",
    "XADD stream 6-0 f v",
    "XDEL stream 1-2",
    "XGROUP CREATE stream group 0",
    "XGROUP CREATE stream other $ ENTRIESREAD 3",
    "XREADGROUP GROUP group alice COUNT 3 STREAMS stream >",
    "XREADGROUP GROUP group bob COUNT 1 NOACK STREAMS stream >",
    "XGROUP CREATECONSUMER stream group carol",
    "XACK stream group 5-0",
    "XCLAIM stream group carol 0 5-1 RETRYCOUNT 7",
    "XAUTOCLAIM stream group dave 0 0 COUNT 1",
    "XGROUP SETID stream other 5-0",
    "XADD trimmed MAXLEN 2 1-1 f v",
    "XADD trimmed * f w",
    "XADD trimmed MAXLEN = 2 * f x",
    "XADD hollow 7-7 f v",
    "XDEL hollow 7-7",
    "XGROUP CREATE made group $ MKSTREAM",
    "XSETID made 9-9 ENTRIESADDED 4 MAXDELETEDID 8-8",
    "MULTI",
    "SET transaction 1",
    "INCR transaction",
    "SELECT 9",
    "SET transaction elsewhere",
    "EXPIRE transaction 100000",
    "SELECT 0",
    "EXEC",
    "EVAL redis.call('SET',KEYS[1],'v','EX',9999);redis.call('SADD',KEYS[2],1,2);redis.call('SPOP',KEYS[2]) 2 script by",
    "EXPIRE list 100000",
    "EXPIREAT set 4000000000",
    "PEXPIREAT zset 4000000000001",
    "PEXPIRE hash 100000000 NX",
    "EXPIRE short -1",
    "HSET short f w",
    "SELECT 9",
    "SET text elsewhere",
    "SADD ints 5",
    "SELECT 3",
    "SET flushed v",
    "FLUSHDB",
    "SET swapped v",
    "SWAPDB 3 5",
    "SELECT 0",
    "SET last v",
    "UNLINK renamed",
];

const LIBRARIES: [&str; 2] = [
    "#!lua name=one
redis.register_function{function_name='reader', callback=function() return 'read' end, flags={'no-writes'}}",
    "#!lua name=two
redis.register_function('writer', function(keys) return redis.call('INCRBY', keys[1], 5) end)",
];

/// Those are for servers whose hashes' fields expire.
const FIELDS: [&[&str]; 2] = [
    &[
        "HSET fields f v g w h x",
        "HPEXPIREAT fields 4000000000123 FIELDS 1 f",
        "HEXPIRE fields 100000 FIELDS 1 g",
        "HSETEX extended EX 100000 FIELDS 3 f v g w number 1",
    ],
    &[
        "HSET persistent f v g w",
        "HEXPIRE persistent 100000 FIELDS 2 f g",
        "HPERSIST persistent FIELDS 1 f",
        "HGETEX extended PERSIST FIELDS 1 g",
        "HINCRBYFLOAT extended number 0.5",
        "HSETEX extended KEEPTTL FIELDS 1 f w",
    ],
];

/// What only the newest servers know, or we alone: a log tells of it in words that older ones know too.
const NEWER: [&str; 11] = [
    "MSETEX 2 later1 a later2 {40} EX 100000",
    "MSETEX 2 later2 b later3 c KEEPTTL",
    "MSETEX 2 later4 b later5 c",
    "SET later4 d IFEQ b",
    "SET later5 d IFNE b PX 100000000",
    "SET later6 v",
    "DELIFEQ later6 v",
    "HSETEX laterhash FIELDS 3 f v g w h x",
    "HSETEX laterhash FNX FIELDS 1 i x",
    "HGETDEL laterhash FIELDS 2 f none",
    "HINCRBYFLOAT laterhash float 0.5",
];

/// Only for ours.
pub(super) fn fill_newer(wire: &mut Wire) {
    NEWER.iter().for_each(|line| ask(wire, line));
}

/// A word of the lines above: `{20}` is a long one.
fn word(text: &str) -> String {
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).and_then(|text| text.parse().ok()) {
        Some(len) => "lorem ipsum ".chars().cycle().take(len).collect(),
        None => text.to_owned(),
    }
}

fn ask(wire: &mut Wire, line: &str) {
    let words: Vec<String> = line.split_whitespace().map(word).collect();
    let error = wire.call(&words).error_text();
    assert_eq!(error, "", "{line}");
}

/// The first half of the keys, or the second: big values begin in the one and go on in the other.
pub(super) fn fill(wire: &mut Wire, half: usize, has_fields: bool) {
    let lines = if half == 0 { &LINES[..60] } else { &LINES[60..] };
    lines.iter().for_each(|line| ask(wire, line));
    for index in half * 400..(half + 1) * 400 {
        let member = format!("element-{index}-{}", "x".repeat(index % 90));
        wire.call(&["RPUSH", "biglist", &member]);
        wire.call(&["SADD", "bigset", &member]);
        wire.call(&["SADD", "bigints", &index.to_string()]);
        wire.call(&["ZADD", "bigzset", &format!("{index}.25"), &member]);
        wire.call(&["HSET", "bighash", &member, &index.to_string()]);
        wire.call(&["XADD", "bigstream", &format!("{}-{index}", index / 7 + 1), "field", &member]);
        wire.call(&["PFADD", "bighll", &member]);
    }
    wire.call(&["SET", &format!("compressed{half}"), &"abcdefgh".repeat(5000)]);
    wire.call(&["HSET", "", "", ""]);
    wire.call::<&[u8]>(&[b"SET", b"\x00\xff\r\n", b"\xff\x00\r\n#"]);
    assert_eq!(wire.call(&["FUNCTION", "LOAD", LIBRARIES[half]]).error_text(), "");
    if half == 1 {
        ask(wire, "FCALL writer 1 called");
    }
    if has_fields {
        FIELDS[half].iter().for_each(|line| ask(wire, line));
        for index in half * 400..(half + 1) * 400 {
            wire.call(&["HSET", "bigfields", &format!("field{index}"), "v"]);
            let deadline = (4_000_000_000_000 + index * 1000).to_string();
            wire.call(&["HPEXPIREAT", "bigfields", &deadline, "FIELDS", "1", &format!("field{index}")]);
        }
    }
}

fn list(reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Array(items) => items,
        other => panic!("{other:?}"),
    }
}

/// Databases and keys, and what can be said of each; functions besides.
pub(super) type Picture = BTreeSet<(String, Vec<String>)>;

pub(super) fn picture(wire: &mut Wire, has_fields: bool) -> Picture {
    let libraries = list(wire.ask("FUNCTION LIST WITHCODE"));
    let mut picture: Picture =
        libraries.iter().map(|library| ("library".to_owned(), vec![shown(library)])).collect();
    for db in 0..16 {
        wire.ask(&format!("SELECT {db}"));
        let keys = list(wire.ask("KEYS *")).into_iter();
        let keys = keys.map(|key| if let Reply::Bulk(key) = key { key } else { panic!("{key:?}") });
        for key in keys {
            let mut said = Vec::new();
            for words in [&["TYPE"][..], &["PEXPIRETIME"], &["DEBUG", "DIGEST-VALUE"]] {
                let words = words.iter().map(|word| word.as_bytes()).chain([&key[..]]);
                said.push(wire.call(&words.collect::<Vec<_>>()));
            }
            match &said[0] {
                Reply::Status(kind) if kind == b"stream" => said.extend(stream(wire, &key)),
                // Redis 7.0 writes numbers differently, and its digest is of what it writes.
                Reply::Status(kind) if kind == b"zset" => {
                    said.truncate(2);
                    said.extend(scores(wire, &key));
                }
                // Valkey's digest of deadlines is its own.
                Reply::Status(kind) if kind == b"hash" && has_fields => {
                    said.truncate(2);
                    said.extend(fields(wire, &key));
                }
                _ => {}
            }
            picture.insert((format!("{db} {}", key.escape_ascii()), said.iter().map(shown).collect()));
        }
    }
    wire.ask("SELECT 0");
    picture
}

fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(text) | Reply::Status(text) => text.escape_ascii().to_string(),
        Reply::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        other => format!("{other:?}"),
    }
}

/// Members in their order, and the bits of their scores.
fn scores(wire: &mut Wire, key: &[u8]) -> Vec<Reply> {
    let mut items = list(wire.call(&[&b"ZRANGE"[..], key, b"0", b"-1", b"WITHSCORES"]));
    for score in items.iter_mut().skip(1).step_by(2) {
        let number: f64 = shown(score).parse().expect("a number");
        *score = Reply::bulk(&format!("{:x}", number.to_bits()));
    }
    items
}

/// Fields, their values and deadlines.
fn fields(wire: &mut Wire, key: &[u8]) -> [Reply; 3] {
    let mut fields = list(wire.call(&[&b"HKEYS"[..], key]));
    fields.sort_by_key(shown);
    let count = fields.len().to_string();
    let bytes =
        |field: &Reply| if let Reply::Bulk(field) = field { field.clone() } else { panic!("{field:?}") };
    let names: Vec<Vec<u8>> = fields.iter().map(bytes).collect();
    let words = |head: &[&[u8]]| [head.iter().map(|word| word.to_vec()).collect(), names.clone()].concat();
    let values = wire.call(&words(&[b"HMGET", key]));
    let deadlines = wire.call(&words(&[b"HPEXPIRETIME", key, b"FIELDS", count.as_bytes()]));
    [Reply::Array(fields), values, deadlines]
}

/// Entries, what was ever added, groups, their consumers, and what these have not acknowledged, without what time changes.
fn stream(wire: &mut Wire, key: &[u8]) -> Vec<Reply> {
    let facts = list(wire.call(&[&b"XINFO"[..], b"STREAM", key]));
    let told =
        ["length", "last-generated-id", "max-deleted-entry-id", "entries-added", "first-entry", "last-entry"];
    let pairs = facts.chunks(2).filter(|pair| told.iter().any(|name| pair[0] == Reply::bulk(name)));
    let mut said: Vec<Reply> = pairs.map(|pair| pair[1].clone()).collect();
    for group in list(wire.call(&[&b"XINFO"[..], b"GROUPS", key])) {
        let group_facts = list(group.clone());
        said.push(group);
        let Reply::Bulk(name) = &group_facts[1] else { panic!("{group_facts:?}") };
        for consumer in list(wire.call(&[&b"XINFO"[..], b"CONSUMERS", key, name])) {
            said.extend(list(consumer).into_iter().take(4));
        }
        for pending in list(wire.call(&[&b"XPENDING"[..], key, name, b"-", b"+", b"1000"])) {
            let mut pending = list(pending);
            pending.remove(2);
            said.extend(pending);
        }
    }
    said
}
