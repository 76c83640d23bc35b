//! Every request has exactly one reply, whatever it asks: random requests from the command table, cut anywhere.
//!
//! ```text
//! GET k1 …   ZADD -3 limit …   …50 of them   ECHO marker-17  ─▶  51 replies, the last one of them the marker
//! ```
//!
//! `SOAK=1000` makes it 10 million requests.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use ochre::base::rng::Rng;
use ochre::commands::FAMILIES;
use ochre::dispatch::Command;
use ochre::server::embed::Server;
use ochre::spec::{Arg, CommandFlags};

use super::support::{connect, effort, server};
use super::wire::{Reply, Wire, request};

/// Batches, each on a connection that some have used before, and requests of a batch.
const BATCHES: usize = 200;
const REQUESTS: usize = 50;
/// Batches after which a client goes and another one comes.
const BATCHES_OF_A_CLIENT: usize = 20;

/// Commands that are not sent, and why.
const APART: &[(&str, &str)] = &[
    ("acl", "it may lock everybody out"),
    ("auth", "as ACL"),
    ("bgrewriteaof", "the disk"),
    ("bgsave", "the disk"),
    ("client", "REPLY and PAUSE silence, KILL ends, TRACKING sends more"),
    ("config", "it may lock everybody out"),
    ("debug", "it may end the server"),
    ("eval", "a random text is no script"),
    ("migrate", "another server"),
    ("monitor", "it answers on and on"),
    ("psubscribe", "a reply for each name"),
    ("psync", "it answers on and on"),
    ("punsubscribe", "a reply for each name"),
    ("quit", "the connection ends"),
    ("replicaof", "the server would change"),
    ("reset", "the protocol changes under the reader's eyes, which is fine, and MULTI ends"),
    ("save", "the disk"),
    ("shutdown", "the server ends"),
    ("slaveof", "the server would change"),
    ("ssubscribe", "a reply for each name"),
    ("subscribe", "a reply for each name"),
    ("sunsubscribe", "a reply for each name"),
    ("sync", "it answers on and on"),
    ("unsubscribe", "a reply for each name"),
    ("wait", "it waits"),
    ("waitaof", "it waits"),
];

static SENT: LazyLock<Vec<&'static Command>> = LazyLock::new(|| {
    let all = FAMILIES.iter().flat_map(|family| family.iter());
    let is_sent = |command: &&Command| {
        let waits = command.spec.flags.contains(CommandFlags::BLOCKING);
        !waits && !APART.iter().any(|(name, _)| *name == command.spec.name)
    };
    all.filter(is_sent).collect()
});

/// Words that stand somewhere in an argument tree, and names of subcommands.
static TOKENS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut found = HashSet::new();
    for command in SENT.iter() {
        collect(command.spec.args, &mut found);
        found.extend(command.subcommands.iter().map(|subcommand| subcommand.spec.name));
    }
    // XREAD waits.
    found.remove("BLOCK");
    found.into_iter().collect()
});

fn collect(args: &'static [Arg], found: &mut HashSet<&'static str>) {
    for arg in args {
        found.extend(arg.token);
        collect(arg.parts, found);
    }
}

fn pick<T: Copy>(rng: &mut Rng, list: &[T]) -> T {
    list[(rng.next_u64() % list.len() as u64) as usize]
}

fn word(rng: &mut Rng) -> Vec<u8> {
    const NUMBERS: [&str; 10] =
        ["0", "1", "-1", "7", "100", "1.5", "-inf", "nan", "9223372036854775807", "-9223372036854775808"];
    match rng.next_u64() % 10 {
        0..4 => format!("k{}", rng.next_u64() % 6).into(),
        4..7 => pick(rng, &NUMBERS).into(),
        7 => pick(rng, &TOKENS).into(),
        8 => (0..rng.next_u64() % 40).map(|_| rng.next_u64() as u8).collect(),
        _ => b"*\r\n$3\r\n".to_vec(),
    }
}

/// A request as many times as few have it right: most are refused, all are answered.
fn one(rng: &mut Rng) -> Vec<Vec<u8>> {
    let command = pick(rng, &SENT);
    let mut words = vec![command.spec.name.into()];
    if !command.subcommands.is_empty() {
        words.push(pick(rng, command.subcommands.iter().collect::<Vec<_>>().as_slice()).spec.name.into());
    }
    // As many as it wants at least, and then some.
    let least = (command.spec.arity.unsigned_abs() as usize).saturating_sub(words.len());
    let more = (rng.next_u64() % 4).saturating_sub(1) as usize;
    words.extend((0..least + more).map(|_| word(rng)));
    words
}

/// Sends it in pieces; the server must be able to take it all, so replies are small or read meanwhile.
fn send(wire: &mut Wire, bytes: &[u8], rng: &mut Rng) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(1 + (rng.next_u64() % 2_000) as usize));
        wire.send_raw(piece).expect("the server reads");
        rest = behind;
    }
}

fn client(server: &Server) -> Wire {
    let wire = connect(server);
    wire.stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket option");
    wire
}

#[test]
fn every_request_has_exactly_one_reply() {
    let server = server(&["--io-threads", "2", "--save", "", "--proto-max-bulk-len", "1mb"]);
    let (mut wire, mut answered) = (client(&server), 0);
    for batch in 0..BATCHES * effort() {
        if batch % BATCHES_OF_A_CLIENT == 0 {
            connect(&server).ask("FLUSHALL");
            wire = client(&server);
        }
        let mut rng = Rng::from_seed(batch as u64);
        let requests: Vec<_> = (0..REQUESTS).map(|_| one(&mut rng)).collect();
        let marker = format!("marker-{batch}");
        let mut bytes: Vec<u8> = requests.iter().flat_map(|words| request(words)).collect();
        // Out of a transaction, if one was begun.
        bytes.extend(request(&["DISCARD"]));
        bytes.extend(request(&["ECHO", &marker]));
        send(&mut wire, &bytes, &mut rng);
        for words in &requests {
            let reply = wire.read();
            let shown: String = words.iter().map(|word| format!("\"{}\" ", word.escape_ascii())).collect();
            assert!(reply.is_ok(), "batch {batch}: no reply to {shown}: {reply:?}");
            assert_ne!(
                reply.ok(),
                Some(Reply::bulk(&marker)),
                "batch {batch}: a reply is missing, at or before {shown}"
            );
            answered += 1;
        }
        wire.read().expect("the reply to DISCARD");
        assert_eq!(wire.read().ok(), Some(Reply::bulk(&marker)), "batch {batch}: a reply too many");
    }
    println!("{answered} requests, each with one reply");
    assert_eq!(connect(&server).ask("PING"), Reply::Status(b"PONG".to_vec()));
}
