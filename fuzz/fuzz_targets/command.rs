//! Requests of random words, run by the executor: nothing panics, and every request has exactly one complete reply.
//!
//! The words are names, tokens and keys of the command table most of the time, so that the requests get past the
//! parsers; what the session remembers (database, protocol) stays from one request to the next.
#![no_main]

use std::io::IoSlice;
use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ochre::base::clock::{Time, UnixMs};
use ochre::commands::FAMILIES;
use ochre::config::{Startup, Stdin, Store};
use ochre::dispatch::exec::{Attempts, Executor, Step};
use ochre::dispatch::Plan;
use ochre::dispatch::sink::{Commit, Sink};
use ochre::resp::{Output, OwnedArgs};
use ochre::session::{Client, Session, Transport};
use ochre::spec::Arg;

#[derive(Arbitrary, Debug)]
enum Word {
    Command(u16),
    Token(u16),
    Key(u8),
    Small(i8),
    Number(i64),
    Double(f64),
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
struct Line {
    command: u16,
    words: Vec<Word>,
    /// Time that passes before it, in ms.
    wait_ms: u8,
}

/// Words of every argument tree, and names of subcommands.
static TOKENS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut found = Vec::new();
    for command in FAMILIES.iter().flat_map(|family| family.iter()) {
        collect(command.spec.args, &mut found);
        for subcommand in command.subcommands {
            found.push(subcommand.spec.name);
            collect(subcommand.spec.args, &mut found);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
});

fn collect(args: &'static [Arg], found: &mut Vec<&'static str>) {
    for arg in args {
        found.extend(arg.token);
        collect(arg.parts, found);
    }
}

static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    FAMILIES.iter().flat_map(|family| family.iter()).map(|command| command.spec.name).collect()
});

/// Small limits, so that no request is allowed to be slow.
const CONFIG: &[u8] = b"io-threads 2\nproto-max-bulk-len 1mb\nenable-debug-command yes\n";

fuzz_target!(|lines: Vec<Line>| {
    let startup = Startup { stdin: Stdin::Text(CONFIG.to_vec()), ..Startup::default() };
    let store = Store::load(startup).expect("the configuration is good");
    let engine =
        ochre::server::boot::engine(store, Time::manual(UnixMs(1_700_000_000_000))).expect("it boots");
    engine.observe(Arc::new(Listener));
    let names = ("127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned());
    let client = Arc::new(Client::new(engine.clients.next_id(), Transport::Tcp, names, 9, 0, 0));
    engine.clients.insert(Arc::clone(&client));
    let mut session = Session::new(client, &engine.acl);
    for line in &lines {
        engine.time.advance_ms(u64::from(line.wait_ms));
        let request = request(line);
        if is_apart(&request) {
            continue;
        }
        let config = engine.config.snapshot();
        let mut executor = Executor::new(&engine, &config, engine.stats.worker(0), 7);
        let mut out = Output::default();
        let mut plan = Plan::default();
        executor.plan([request.as_args()].into_iter(), &mut plan);
        let planned = plan.iter().next().expect("one request was planned");
        let step = executor.run(&mut session, &planned, &mut Attempts::default(), &mut out);
        drop(executor);
        if step == Step::CrossProtocol {
            return;
        }
        assert_eq!(step, Step::Done, "{}", shown(&request));
        let bytes = sent(&mut out);
        assert_eq!(reply_end(&bytes, 0), Some(bytes.len()), "{}: {}", shown(&request), bytes.escape_ascii());
        if session.close_after_reply {
            return;
        }
    }
});

fn request(line: &Line) -> OwnedArgs {
    let name = NAMES[usize::from(line.command) % NAMES.len()];
    let mut request = OwnedArgs::from_slices([name.as_bytes()]);
    for word in &line.words {
        let word: Vec<u8> = match word {
            Word::Command(index) => NAMES[usize::from(*index) % NAMES.len()].into(),
            Word::Token(index) => TOKENS[usize::from(*index) % TOKENS.len()].into(),
            Word::Key(index) => format!("k{}", index % 4).into(),
            Word::Small(number) => number.to_string().into(),
            Word::Number(number) => number.to_string().into(),
            Word::Double(number) => number.to_string().into(),
            Word::Bytes(bytes) => bytes.clone(),
        };
        request.push(&word);
    }
    request
}

/// Requests that answer otherwise by design, stop the world, or end the process on purpose.
fn is_apart(request: &OwnedArgs) -> bool {
    let args = request.as_args();
    let is = |index: usize, word: &str| args.at(index).eq_ignore_ascii_case(word.as_bytes());
    is(0, "monitor")
        || is(0, "shutdown")
        || is(0, "debug") && !is(1, "object") && !is(1, "digest") && !is(1, "protocol")
        || is(0, "client") && (is(1, "reply") || is(1, "pause"))
}

fn shown(request: &OwnedArgs) -> String {
    request.as_args().iter().map(|word| format!("\"{}\" ", word.escape_ascii())).collect()
}

/// Takes all bytes of the output.
fn sent(out: &mut Output) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !out.is_empty() {
        let mut slices = [IoSlice::new(b""); 1];
        assert_eq!(out.slices(&mut slices), 1);
        bytes.extend_from_slice(&slices[0]);
        let len = slices[0].len();
        out.advance(len);
    }
    bytes
}

/// Hears of every change, so that the effects are collected too.
struct Listener;

impl Sink for Listener {
    fn commit(&self, commit: &Commit<'_>) {
        assert!(commit.effects.changes == 0 || !commit.commands.is_empty());
    }
}

/// Where the reply that begins at `at` ends.
fn reply_end(bytes: &[u8], at: usize) -> Option<usize> {
    let line_end = at + bytes.get(at..)?.windows(2).position(|pair| pair == b"\r\n")?;
    let text = std::str::from_utf8(bytes.get(at + 1..line_end)?).ok();
    let next = line_end + 2;
    let many = |count: i64| (0..count.max(0)).try_fold(next, |at, _| reply_end(bytes, at));
    let count = || text?.parse::<i64>().ok();
    match bytes.get(at)? {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => Some(next),
        b'$' | b'=' | b'!' => match count()? {
            -1 => Some(next),
            len => {
                let end = next + usize::try_from(len).ok()?;
                (bytes.get(end..end + 2)? == b"\r\n").then_some(end + 2)
            }
        },
        b'*' | b'~' => many(count()?),
        b'%' => many(count()? * 2),
        _ => None,
    }
}
