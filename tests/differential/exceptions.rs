//! What is not compared, and why. Nothing else in this test knows a command by name.

use std::ops::Range;

use ochre::base::num::parse_i64;

use super::pair::{Request, Version};
use super::text;
use super::wire::Reply;

/// Commands, or containers with all their subcommands, that are not sent.
pub const NOT_SENT: &[(&str, &str)] = &[
    ("acl", "users and what they were refused are each server's own; compared by golden scripts"),
    ("auth", "the connection would change"),
    ("bgrewriteaof", "what is on the disk is each server's own"),
    ("bgsave", "what is on the disk is each server's own"),
    ("client", "ids, addresses and ages are each server's own; REPLY and PAUSE silence the connection"),
    ("command", "the real server has more commands; the table is compared with its facts elsewhere"),
    ("config", "the server would change under the sequences that follow"),
    ("debug", "part of it ends or stops the server"),
    ("dump", "bytes of each version's own"),
    ("eval", "a random text is no script; compared by golden scripts"),
    ("eval_ro", "as EVAL"),
    ("evalsha", "as EVAL"),
    ("evalsha_ro", "as EVAL"),
    ("fcall", "as EVAL"),
    ("fcall_ro", "as EVAL"),
    ("function", "as EVAL"),
    ("hello", "the reply names the server; the connection would change"),
    ("info", "numbers of each server's own"),
    ("lastsave", "a time of each server's own"),
    ("latency", "what was slow is each server's own"),
    ("lolwut", "art is each server's own"),
    ("memory", "sizes are each server's own"),
    ("migrate", "it wants a third server; compared by golden scripts"),
    ("module", "modules are each server's own"),
    ("monitor", "more than one reply"),
    ("multi", "the replies of EXEC come together, out of reach of the exceptions below"),
    ("object|freq", "depends on the eviction policy and on chance"),
    ("object|idletime", "a time of each server's own"),
    ("pfselftest", "it takes a second, and has a golden script"),
    ("psubscribe", "more than one reply"),
    ("psync", "more than one reply"),
    ("punsubscribe", "more than one reply"),
    ("quit", "the connection ends"),
    ("randomkey", "chance"),
    ("replicaof", "the server would change"),
    ("reset", "the connection would change"),
    ("restore", "a random text is no payload; compared by golden scripts"),
    ("restore-asking", "as RESTORE"),
    ("role", "its offset tells what the real server did before this test"),
    ("save", "what is on the disk is each server's own"),
    ("script", "as EVAL"),
    ("shutdown", "the server would end"),
    ("slaveof", "the server would change"),
    ("slowlog", "what was slow is each server's own"),
    ("ssubscribe", "more than one reply"),
    ("subscribe", "more than one reply"),
    ("sunsubscribe", "more than one reply"),
    ("spop", "chance decides what stays"),
    ("sync", "more than one reply"),
    ("time", "it goes on"),
    ("unsubscribe", "more than one reply"),
    ("wait", "without replicas it waits as long as it is told, forever for 0"),
    ("waitaof", "as WAIT"),
];

/// Commands that are sent ten times more rarely than others.
pub const SENT_RARELY: &[(&str, &str)] =
    &[("cluster", "all of it is refused on a server without cluster mode")];

/// Commands whose result, while the option is set, has the encoding that the order of a hash table leads to.
pub const NOT_SENT_WITH: &[(&str, &str)] = &[
    ("set-max-intset-entries", "sunionstore"),
    ("set-max-intset-entries", "sdiffstore"),
    ("set-max-intset-entries", "sinterstore"),
];

/// Options that no Redis has, by command and token.
pub const OPTIONS_NOT_SENT: &[(&str, &str)] =
    &[("expire", "GET"), ("pexpire", "GET"), ("expireat", "GET"), ("pexpireat", "GET")];

/// Longest time between the two servers' runs of one request, in ms.
const SLACK_MS: i64 = 3_000;

/// Reference count of objects that are shared.
const SHARED_COUNT: i64 = i32::MAX as i64;

/// What an older server answers otherwise.
struct Older {
    /// It holds for servers before this version.
    before: Version,
    command: &'static str,
    /// Beginning of our reply's line, and of theirs.
    replies: (&'static str, &'static str),
    /// Why it is right for us to differ.
    #[allow(dead_code)] // For who reads the list.
    reason: &'static str,
}

const OLDER: &[Older] = &[
    Older {
        before: (8, 0),
        command: "object",
        replies: ("[", "["),
        reason: "only HELP answers an array, and its words are those of its version",
    },
    Older {
        before: (8, 0),
        command: "scan",
        replies: ("-ERR invalid cursor", ""),
        reason: "8.0 reads cursors strictly: no sign, no empty text",
    },
    Older {
        before: (8, 0),
        command: "scan",
        replies: ("", "-ERR invalid cursor"),
        reason: "8.0 lets a blank stand before a cursor",
    },
];

/// Whether the two replies to a request mean the same.
pub fn agree(request: &Request, ours: &Reply, theirs: &Reply, version: Version) -> bool {
    if ours == theirs {
        return true;
    }
    let name = request.first().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
    let name = String::from_utf8_lossy(&name);
    match (&*name, ours, theirs) {
        // Nobody promises an order.
        ("keys", Reply::Array(_), Reply::Array(_)) => {
            text::sorted(ours.clone()) == text::sorted(theirs.clone())
        }
        (_, ours, theirs) if UNORDERED.contains(&&*name) => {
            text::sorted(listed(ours.clone())) == text::sorted(listed(theirs.clone()))
        }
        // Chance chooses; how many and of which shape must agree.
        ("srandmember" | "hrandfield" | "zrandmember", ours, theirs) => shape(ours) == shape(theirs),
        // A pattern without `*` sorts nothing: a set comes in the order of its table.
        ("sort" | "sort_ro", Reply::Array(_), Reply::Array(_)) if has_word(request, "by") => {
            shape(ours) == shape(theirs)
        }
        // Cursors and order are each server's own; that it finds every key is tested with it alone.
        ("scan", Reply::Array(_), Reply::Array(_)) => true,
        ("sscan" | "hscan" | "zscan", Reply::Array(ours), Reply::Array(theirs)) => {
            !begins_a_scan(request) || is_same_page(ours, theirs)
        }
        // A key behind its deadline counts until somebody meets it; KEYS shows at the end which there are.
        ("dbsize", Reply::Integer(_), Reply::Integer(_)) => true,
        // REFCOUNT of a small integer: a copy of a shared one is not shared in Redis, until it is set anew.
        ("object", Reply::Integer(SHARED_COUNT), Reply::Integer(1)) => true,
        ("httl" | "hpttl" | "hexpiretime" | "hpexpiretime", Reply::Array(ours), Reply::Array(theirs)) => {
            let slack = if name.starts_with("hp") { SLACK_MS } else { SLACK_MS / 1000 };
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|pair| is_near(pair, slack))
        }
        // The clock goes on between the two.
        ("pttl" | "pexpiretime", Reply::Integer(one), Reply::Integer(other)) => {
            *one >= 0 && *other >= 0 && one.abs_diff(*other) <= SLACK_MS as u64
        }
        ("ttl" | "expiretime", Reply::Integer(one), Reply::Integer(other)) => {
            *one >= 0 && *other >= 0 && one.abs_diff(*other) <= SLACK_MS as u64 / 1000
        }
        ("xinfo", ours, theirs) => is_same_info(ours, theirs),
        _ => is_excused(&name, ours, theirs, version),
    }
}

/// Whether two replies of XINFO differ only in times, which go on between the two, and in how many nodes a radix tree has,
/// where we have none.
fn is_same_info(ours: &Reply, theirs: &Reply) -> bool {
    /// Numbers that are times of day, in ms: of the years 2004 to 2109.
    const TIMES: Range<i64> = 1 << 40..1 << 42;
    let (ours, theirs) = (text::lines(ours, false), text::lines(theirs, false));
    let number = |line: &String| line.trim_start().strip_prefix(':')?.parse::<i64>().ok();
    let agree = |at: usize| {
        let (Some(one), Some(other)) = (number(&ours[at]), number(&theirs[at])) else { return false };
        let name = at.checked_sub(1).map_or("", |before| ours[before].trim());
        match name {
            "\"radix-tree-nodes\"" => true,
            "\"idle\"" | "\"inactive\"" => one.abs_diff(other) <= SLACK_MS as u64,
            _ => TIMES.contains(&one) && one.abs_diff(other) <= SLACK_MS as u64,
        }
    };
    ours.len() == theirs.len() && (0..ours.len()).all(|at| ours[at] == theirs[at] || agree(at))
}

/// Whether sorted sets may have been sorted.
pub fn has_sorted(sequence: &[Request]) -> bool {
    let is_sort = |word: &Vec<u8>| word.to_ascii_lowercase().starts_with(b"sort");
    sequence.iter().any(|request| request.first().is_some_and(is_sort))
}

/// SORT leaves a small sorted set unpacked in Redis; here it only reads.
pub fn is_unpacked(request: &Request, ours: &Reply, theirs: &Reply) -> bool {
    request.first().is_some_and(|word| word.eq_ignore_ascii_case(b"object"))
        && *ours == Reply::bulk("listpack")
        && *theirs == Reply::bulk("skiplist")
}

fn has_word(request: &Request, word: &str) -> bool {
    request.iter().any(|one| one.eq_ignore_ascii_case(word.as_bytes()))
}

/// Commands whose replies have the order of a hash table.
const UNORDERED: [&str; 7] = ["smembers", "sunion", "sinter", "sdiff", "hgetall", "hkeys", "hvals"];

/// A set as an array; an array of fields and values as one of pairs would be sorted all the same, since each value is
/// compared beside its field in the digest of the final state.
fn listed(reply: Reply) -> Reply {
    match reply {
        Reply::Set(items) => Reply::Array(items),
        other => other,
    }
}

/// A reply without its texts.
fn shape(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(_) => "text".into(),
        Reply::Double(_) => "double".into(),
        Reply::Array(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(" ")),
        other => format!("{other:?}"),
    }
}

/// Whether two pages of a scan agree: everything at once must be the same, parts may differ.
fn is_same_page(ours: &[Reply], theirs: &[Reply]) -> bool {
    let is_last = |page: &[Reply]| page.first() == Some(&Reply::bulk("0"));
    let sorted = |page: &[Reply]| page.get(1).cloned().map(text::sorted);
    !is_last(ours) || !is_last(theirs) || sorted(ours) == sorted(theirs)
}

/// Whether it is a scan with the cursor 0: another one shows what is left of a table, and each server has its own.
fn begins_a_scan(request: &Request) -> bool {
    request.get(2).is_some_and(|cursor| cursor.as_slice() == b"0")
}

/// Whether the index in it has more than 32 bits.
fn has_wide_index(request: &Request) -> bool {
    let index = request.get(2).and_then(|index| parse_i64(index));
    index.is_some_and(|index| i32::try_from(index).is_err())
}

/// Whether a request is sent at all.
pub fn is_sent(request: &Request) -> bool {
    const MOST: i64 = -10_000;
    let is_one_of = |names: &[&str]| {
        request
            .first()
            .is_some_and(|word| names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes())))
    };
    if is_one_of(&["xadd"]) {
        // The id is the time, and each server has its own moment.
        return !request.iter().any(|word| word == b"*");
    }
    if is_one_of(&["lset"]) {
        // Redis cuts the index to 32 bits, and so changes an element that was not meant.
        return !has_wide_index(request);
    }
    if is_one_of(&["setbit", "bitfield", "setrange", "append", "bitop"])
        && request.iter().any(|word| word.starts_with(b"p"))
    {
        // A HyperLogLog that others have written into: nobody says what becomes of a damaged one.
        return false;
    }
    if is_one_of(&["setbit", "bitfield", "setrange"]) {
        // Hundreds of megabytes on both sides.
        let is_large = |number: i64| (10_000_000..1 << 32).contains(&number);
        return !request.iter().any(|word| parse_i64(word).is_some_and(is_large));
    }
    if is_one_of(&["sort"]) && has_word(request, "by") && has_word(request, "store") {
        // What is stored may have the order of a table.
        return false;
    }
    // The real server would write this many elements, and run out of memory.
    !is_one_of(&["srandmember", "hrandfield", "zrandmember"])
        || request.get(2).and_then(|count| parse_i64(count)).is_none_or(|count| count >= MOST)
}

/// Whether a request asks for a range of members by their bytes. Where scores differ it finds what the levels of a skip
/// list lead to, so it is sent where all scores are equal, and then [`MAKES_SCORES`] is not.
pub fn is_lexical(request: &Request) -> bool {
    let has = |word: &[u8], text: &[u8]| word.to_ascii_lowercase().ends_with(text);
    request.first().is_some_and(|name| has(name, b"bylex") || has(name, b"zlexcount"))
        || request.iter().any(|word| has(word, b"bylex"))
}

/// Commands that make scores of their own.
pub const MAKES_SCORES: &[&str] =
    &["zunionstore", "zinterstore", "geoadd", "geosearchstore", "georadius", "georadiusbymember"];

/// Whether two times left, or times, are the same but for the clock.
fn is_near((ours, theirs): (&Reply, &Reply), slack: i64) -> bool {
    match (ours, theirs) {
        (Reply::Integer(one), Reply::Integer(other)) if *one >= 0 && *other >= 0 => {
            one.abs_diff(*other) <= slack as u64
        }
        (ours, theirs) => ours == theirs,
    }
}

fn is_excused(name: &str, ours: &Reply, theirs: &Reply, version: Version) -> bool {
    let begins = |reply: &Reply, text: &str| {
        text::lines(reply, false).first().is_some_and(|line| line.starts_with(text))
    };
    OLDER.iter().any(|older| {
        version < older.before
            && older.command == name
            && begins(ours, older.replies.0)
            && begins(theirs, older.replies.1)
    })
}
