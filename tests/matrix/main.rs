//! Every command with keys, with every type of value under each key, and with every edge of numbers in each of its
//! numeric arguments: a real server's replies are on record, and ours must be the same.
//!
//! ```text
//! UPDATE=1 REDIS_ORACLE=127.0.0.1:7000 cargo test --test matrix     records them anew in tests/data
//! ```
//!
//! Requests are made from the command table's argument trees ([`template`]), so a new command only has to be recorded;
//! until then the test fails. Every value has one element, so that nothing is left to chance.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may panic.

mod template;
#[path = "../scripts/text.rs"]
#[allow(dead_code)] // Its other half reads scripts.
mod text;
#[path = "../wire/mod.rs"]
#[allow(dead_code)] // Every test binary uses its own part.
mod wire;

use std::fmt::Write as _;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ochre::base::clock::Time;
use ochre::server::embed::Server;
use template::{Template, templates};
use wire::{Reply, Wire, request};

#[global_allocator]
static ALLOCATOR: ochre::alloc::CountingJemalloc = ochre::alloc::CountingJemalloc;

/// How to make a value of each type, under a key that is put behind the command's name.
const TYPES: [(&str, &[&str]); 6] = [
    ("none", &["DEL"]),
    ("string", &["SET", "10"]),
    ("list", &["RPUSH", "a"]),
    ("hash", &["HSET", "a", "1"]),
    ("set", &["SADD", "a"]),
    ("zset", &["ZADD", "1", "a"]),
];

/// What numbers are tried with.
const EDGES: [&str; 23] = [
    "0",
    "1",
    "-1",
    "2",
    "+1",
    "01",
    "-0",
    " 1",
    "1 ",
    "1e3",
    "1.0",
    "1.5",
    "0x10",
    "",
    "x",
    "nan",
    "inf",
    "-inf",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1e400",
];

/// Commands whose reply to an edge is right to be another one.
const EDGES_NOT_COMPARED: &[(&str, &str)] =
    &[("lset", "Redis cuts the index to 32 bits, and so changes an element that was not meant")];

/// A server to ask: emptied, given values, and asked one request at a time.
struct Target {
    wire: Wire,
}

impl Target {
    fn connect(addr: SocketAddr) -> Target {
        Target { wire: Wire::connect(addr) }
    }

    /// The reply to `words` of a server that has nothing but these values, each a key and the name of a type.
    fn ask(&mut self, values: &[(&[u8], &str)], words: &[Vec<u8>]) -> Reply {
        let mut bytes = request(&["FLUSHALL", "SYNC"]);
        for (key, name) in values {
            let (_, making) = TYPES.iter().find(|(type_name, _)| type_name == name).expect("a type");
            let mut words = vec![making[0].as_bytes(), key];
            words.extend(making[1..].iter().map(|word| word.as_bytes()));
            bytes.extend(request(&words));
        }
        bytes.extend(request(words));
        self.wire.send_raw(&bytes).expect("the server takes requests");
        let mut reply = self.wire.read().expect("the server answers");
        for _ in 0..=values.len() {
            reply = self.wire.read().expect("the server answers");
        }
        reply
    }
}

/// One line for each key of each request: what each type under it leads to.
fn types_matrix(target: &mut Target) -> String {
    let mut lines =
        String::from("# W: WRONGTYPE, E: another error, and . any other reply, for a key that holds\n#");
    TYPES.iter().for_each(|(name, _)| write!(lines, " {name}").unwrap());
    lines.push('\n');
    for template in templates() {
        for (number, key) in template.keys().iter().enumerate() {
            let answers: String = TYPES
                .iter()
                .map(|(name, _)| match target.ask(&[(key, name)], &template.words) {
                    Reply::Error(text) if text.starts_with(b"WRONGTYPE") => 'W',
                    Reply::Error(_) => 'E',
                    _ => '.',
                })
                .collect();
            writeln!(lines, "{answers} {} # key {}", template.shown(), number + 1).unwrap();
        }
    }
    lines
}

/// For each numeric argument of each request the replies, and the edges that lead to each.
fn edges_matrix(target: &mut Target) -> String {
    let mut lines = String::new();
    for template in templates() {
        if EDGES_NOT_COMPARED.iter().any(|(name, _)| *name == template.command.spec.name) {
            continue;
        }
        let keys = template.keys();
        let values: Vec<(&[u8], &str)> =
            keys.iter().map(|key| (key.as_slice(), template.type_name())).collect();
        for &number in &template.numbers {
            let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
            for edge in EDGES {
                let mut words = template.words.clone();
                words[number] = edge.as_bytes().to_vec();
                let reply = text::lines(&target.ask(&values, &words), false).join(" ");
                match groups.iter_mut().find(|(known, _)| *known == reply) {
                    Some((_, edges)) => edges.push(edge),
                    None => groups.push((reply, vec![edge])),
                }
            }
            writeln!(lines, "{} # argument {number}", template.shown()).unwrap();
            for (reply, edges) in groups {
                let edges: Vec<String> = edges.iter().map(|edge| text::word(edge.as_bytes())).collect();
                writeln!(lines, "  {}  =>  {reply}", edges.join(" ")).unwrap();
            }
        }
    }
    lines
}

/// Compares with what is on record, or records.
fn check(file: &str, matrix: impl Fn(&mut Target) -> String) {
    /// The real server is there for one test at a time.
    static ORACLE: Mutex<()> = Mutex::new(());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    if std::env::var_os("UPDATE").is_some()
        && let Ok(oracle) = std::env::var("REDIS_ORACLE")
    {
        let _alone = ORACLE.lock().unwrap_or_else(PoisonError::into_inner);
        let oracle = oracle.to_socket_addrs().expect("host:port").next().expect("an address");
        std::fs::write(&path, matrix(&mut Target::connect(oracle))).expect("the file can be written");
    }
    let server = Server::start(&["--io-threads", "1"], Time::system()).expect("it starts");
    let ours = matrix(&mut Target::connect(server.addr));
    let recorded = std::fs::read_to_string(&path).expect("it was recorded");
    let differences = differences(&recorded, &ours);
    assert!(
        differences.is_empty(),
        "{file} (- on record, + ours; see the head of this test):\n{}",
        differences.join("\n")
    );
}

/// Blocks of lines, each led by a line that is not indented, that are in one text only.
fn differences(recorded: &str, ours: &str) -> Vec<String> {
    let blocks = |text: &str| {
        let mut blocks: Vec<String> = Vec::new();
        for line in text.lines() {
            match blocks.last_mut() {
                Some(block) if line.starts_with(' ') => *block += &format!("\n{line}"),
                _ => blocks.push(line.to_owned()),
            }
        }
        blocks
    };
    let (recorded, ours) = (blocks(recorded), blocks(ours));
    let missing = recorded.iter().filter(|block| !ours.contains(block)).map(|block| format!("- {block}"));
    let added = ours.iter().filter(|block| !recorded.contains(block)).map(|block| format!("+ {block}"));
    missing.chain(added).collect()
}

#[test]
fn wrong_types_are_refused_where_redis_refuses_them() {
    check("wrongtype.txt", types_matrix);
}

#[test]
fn numbers_at_the_edges_are_answered_as_by_redis() {
    check("edges.txt", edges_matrix);
}

#[test]
fn every_command_with_keys_has_a_template() {
    let names: Vec<&str> = templates().iter().map(|template: &Template| template.command.spec.name).collect();
    for name in ["get", "lpush", "hset", "sadd", "zadd", "setbit", "pfadd", "geoadd", "sort", "object"] {
        let is_there = |command: &&str| *command == name;
        let parent = templates().iter().any(|template| template.shown().to_lowercase().starts_with(name));
        assert!(names.iter().any(is_there) || parent, "{name}");
    }
}
