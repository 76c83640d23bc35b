//! RESTORE of bytes from outside, with the right checksum behind them: refused, or a value of which everything may be asked and with which
//! everything may be done; copies and payloads of it are the same.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use ochre::base::crc::crc64;
use ochre::dispatch::Engine;
use ochre::dispatch::exec::Step;
use ochre::resp::OwnedArgs;
use ochre::session::Session;

#[path = "../common/memory.rs"]
mod memory;
#[path = "../common/served.rs"]
mod served;

/// What is asked of a value `k` of any type, and done to it at last.
const ALL: &str = "OBJECT ENCODING k,MEMORY USAGE k SAMPLES 0,DEBUG DIGEST-VALUE k,OBJECT FREQ k,SORT k ALPHA,EXPIRE k 100,PERSIST k";
/// What is asked of a value `k` and done to it, by what TYPE says.
const OF_TYPE: &[(&str, &str)] = &[
    (
        "string",
        "GET k,STRLEN k,GETRANGE k 0 10,BITCOUNT k,PFCOUNT k,PFADD k a b c,PFMERGE d k,PFMERGE k d,BITOP NOT d k,INCR k,APPEND k x,\
         SETRANGE k 3 zz,SETBIT k 77 1,BITFIELD k GET u8 3 INCRBY i5 2 9,GETDEL k",
    ),
    (
        "list",
        "LRANGE k 0 -1,LLEN k,LINDEX k -1,LPOS k a RANK -1,LINSERT k BEFORE a b,LSET k 0 z,LSET k -1 z,LREM k 0 z,LPUSH k x,\
         RPUSH k 12345,LPOP k,RPOP k,LMOVE k k LEFT RIGHT,RPOPLPUSH k d,LTRIM k 1 -2,LMPOP 1 k LEFT COUNT 3",
    ),
    (
        "set",
        "SMEMBERS k,SCARD k,SISMEMBER k 1,SMISMEMBER k 1 a,SRANDMEMBER k 5,SRANDMEMBER k -5,SSCAN k 0,SUNIONSTORE d k k,\
         SINTERSTORE e k d,SDIFF k e,SADD k 1 a -9223372036854775808,SREM k 1 2 a,SPOP k 2,SMOVE k d 3",
    ),
    (
        "zset",
        "ZRANGE k 0 -1 WITHSCORES,ZRANGE k -inf +inf BYSCORE REV,ZCARD k,ZCOUNT k -inf (3,ZLEXCOUNT k - +,ZRANGEBYLEX k - +,ZRANK k a,\
         ZRANDMEMBER k 3 WITHSCORES,ZSCAN k 0,GEOPOS k a,ZUNIONSTORE d 2 k k,ZINTERSTORE e 2 k d,ZDIFF 2 k e,ZADD k 1.5 a nan b,\
         ZADD k 1.5 a -3 b,ZINCRBY k 2 a,ZREM k a,ZREMRANGEBYRANK k 0 0,ZREMRANGEBYSCORE k 5 6,ZPOPMIN k,ZPOPMAX k",
    ),
    (
        "hash",
        "HGETALL k,HLEN k,HKEYS k,HGET k a,HSTRLEN k a,HRANDFIELD k -5 WITHVALUES,HSCAN k 0,HPTTL k FIELDS 2 a 1,\
         HEXPIRETIME k FIELDS 1 a,HSET k a 1 b 2,HINCRBY k a 3,HINCRBYFLOAT k b 0.5,HEXPIRE k 100 FIELDS 2 a b,HPERSIST k FIELDS 1 a,\
         HGETEX k EX 5 FIELDS 1 b,HDEL k a,HGETDEL k FIELDS 1 b",
    ),
    (
        "stream",
        "XRANGE k - +,XREVRANGE k + - COUNT 2,XLEN k,XINFO STREAM k FULL COUNT 0,XINFO GROUPS k,XINFO CONSUMERS k g,XPENDING k g,\
         XPENDING k g - + 10,XREADGROUP GROUP g c COUNT 2 STREAMS k >,XREADGROUP GROUP g c STREAMS k 0,XAUTOCLAIM k g d 0 0,\
         XCLAIM k g e 0 1-1 0-1 FORCE,XACK k g 1-1 0-1,XADD k * f v,XADD k 18446744073709551615-1 f v,XDEL k 1-1,XTRIM k MAXLEN 2,\
         XGROUP CREATE k h 0 MKSTREAM,XREAD STREAMS k 0,XGROUP DELCONSUMER k g c,XGROUP SETID k g 0,XGROUP DESTROY k g,XTRIM k MINID 5-5",
    ),
];

static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| {
    let engine = served::engine(b"io-threads 1\nenable-debug-command yes\n");
    // Some memory is taken once.
    let body = b"\x00\x01a";
    restore(&engine, &mut served::session(&engine), b"warm", body);
    engine
});

fn run(session: &mut Session, words: &[&[u8]]) -> Vec<u8> {
    let (step, reply) = served::run(&ENGINE, session, &OwnedArgs::from_slices(words.iter().copied()));
    let shown = || words.iter().map(|word| format!("\"{}\" ", word.escape_ascii())).collect::<String>();
    assert_eq!(step, Step::Done, "{}", shown());
    assert_eq!(served::reply_end(&reply, 0), Some(reply.len()), "{}: {}", shown(), reply.escape_ascii());
    reply
}

fn run_line(session: &mut Session, line: &str) -> Vec<u8> {
    run(session, &line.split_whitespace().map(str::as_bytes).collect::<Vec<_>>())
}

fn restore(engine: &Arc<Engine>, session: &mut Session, key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut payload = body.to_vec();
    payload.extend_from_slice(&12_u16.to_le_bytes());
    payload.extend_from_slice(&crc64(0, &payload).to_le_bytes());
    let request = OwnedArgs::from_slices([b"RESTORE", key, b"0", &payload, b"REPLACE"]);
    served::run(engine, session, &request).1
}

fuzz_target!(|body: &[u8]| {
    let session = &mut served::session(&ENGINE);
    let ratio = memory::ratio_of_dump(body);
    if memory::bounded(body, ratio, || restore(&ENGINE, session, b"k", body)) != b"+OK\r\n" {
        return;
    }
    let digest = run_line(session, "DEBUG DIGEST-VALUE k");
    comes_back(session, &digest);
    run_line(session, "COPY k c");
    assert_eq!(run_line(session, "DEBUG DIGEST-VALUE c"), digest);

    let kind = run_line(session, "TYPE k");
    for (name, commands) in OF_TYPE {
        if kind.get(1..).is_some_and(|kind| kind.starts_with(name.as_bytes())) {
            for line in [ALL, commands].iter().flat_map(|lines| lines.split(',')) {
                run_line(session, line);
            }
        }
    }
    // What was done to it has not changed its copy.
    assert_eq!(run_line(session, "DEBUG DIGEST-VALUE c"), digest);
    let digest = run_line(session, "DEBUG DIGEST-VALUE k");
    comes_back(session, &digest);
    run_line(session, "FLUSHALL ASYNC");
});

/// DUMP of `k` makes the same value again. A sorted set that is packed on the way loses the sign of a score of zero, as in Redis,
/// so there what came back once comes back the same.
fn comes_back(session: &mut Session, digest: &[u8]) {
    if run_line(session, "EXISTS k") == b":0\r\n" {
        return;
    }
    let once = dumped_and_restored(session, "k", "r");
    if run_line(session, "TYPE k") != b"+zset\r\n" {
        assert_eq!(once, digest);
    }
    assert_eq!(dumped_and_restored(session, "r", "s"), once);
}

/// The digest of what the payload of `from` makes as `to`.
fn dumped_and_restored(session: &mut Session, from: &str, to: &str) -> Vec<u8> {
    let dumped = run_line(session, &format!("DUMP {from}"));
    let start = dumped.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let payload = &dumped[start..dumped.len() - 2];
    let request: [&[u8]; 5] = [b"RESTORE", to.as_bytes(), b"0", payload, b"REPLACE"];
    assert_eq!(run(session, &request), b"+OK\r\n");
    run_line(session, &format!("DEBUG DIGEST-VALUE {to}"))
}
