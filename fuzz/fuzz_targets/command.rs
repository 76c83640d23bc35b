//! Requests of random words, run by the executor: nothing panics, and every request has exactly one complete reply.
//!
//! The words are names, tokens and keys of the command table most of the time, so that the requests get past the
//! parsers; what the session remembers (database, protocol) stays from one request to the next.
#![no_main]

use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ochre::commands::FAMILIES;
use ochre::dispatch::exec::Step;
use ochre::dispatch::sink::{Commit, Sink};
use ochre::resp::OwnedArgs;
use ochre::spec::Arg;

#[path = "../common/served.rs"]
mod served;

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
    let engine = served::engine(CONFIG);
    engine.observe(Arc::new(Listener));
    let mut session = served::session(&engine);
    engine.clients.insert(Arc::clone(&session.shared));
    for line in &lines {
        engine.time.advance_ms(u64::from(line.wait_ms));
        let request = request(line);
        if is_apart(&request) {
            continue;
        }
        let (step, bytes) = served::run(&engine, &mut session, &request);
        if step == Step::CrossProtocol {
            return;
        }
        assert_eq!(step, Step::Done, "{}", shown(&request));
        assert_eq!(
            served::reply_end(&bytes, 0),
            Some(bytes.len()),
            "{}: {}",
            shown(&request),
            bytes.escape_ascii()
        );
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
        || args.at(0).to_ascii_lowercase().ends_with(b"subscribe")
}

fn shown(request: &OwnedArgs) -> String {
    request.as_args().iter().map(|word| format!("\"{}\" ", word.escape_ascii())).collect()
}

/// Hears of every change, so that the effects are collected too.
struct Listener;

impl Sink for Listener {
    fn commit(&self, commit: &Commit<'_>) {
        assert!(commit.effects.changes == 0 || !commit.commands.is_empty());
    }
}
