//! The way of a request without sockets: decoder, executor and output as a connection uses them.

use std::ffi::OsString;
use std::sync::Arc;

use ochre::base::clock::Time;
use ochre::config::{Config, Startup, Store};
use ochre::dispatch::exec::Attempts;
use ochre::dispatch::{Engine, Executor, Plan, Step};
use ochre::resp::{Decoded, Decoder, Limits, Output};
use ochre::session::{Client, Session, Transport};

/// Requests decoded before they run, as in `src/net/connection.rs`.
const AHEAD: usize = 16;

/// An engine with one client.
pub struct InProcess {
    engine: Arc<Engine>,
    config: Arc<Config>,
    session: Session,
    decoder: Decoder,
    attempts: Attempts,
    output: Output,
    spare: Vec<u8>,
}

impl InProcess {
    pub fn new() -> InProcess {
        let options = ["--port", "0", "--io-threads", "1"].map(OsString::from);
        let store = Startup::from_args(options.into_iter()).and_then(Store::load).expect("plain options");
        let engine = ochre::server::boot::engine(store, Time::system()).expect("an engine");
        let names = ("127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned());
        let client = Client::new(engine.clients.next_id(), Transport::Tcp, names, -1, 0, 0);
        let session = Session::new(Arc::new(client), &engine.acl);
        InProcess {
            config: engine.config.snapshot(),
            engine,
            session,
            decoder: Decoder::default(),
            attempts: Attempts::default(),
            output: Output::default(),
            spare: Vec::with_capacity(64 * 1024),
        }
    }

    /// Runs what one read brought; returns the number of reply bytes.
    pub fn run(&mut self, bytes: &[u8]) -> usize {
        self.output.write_into(std::mem::take(&mut self.spare));
        let limits = Limits { bulk_max_bytes: self.config.proto_max_bulk_len, unauthenticated: false };
        let mut executor = Executor::new(&self.engine, &self.config, self.engine.stats.worker(0), 1);
        let mut consumed = 0;
        loop {
            let rest = &bytes[consumed..];
            let decoded = self.decoder.decode(rest, &limits, AHEAD);
            let count = self.decoder.len();
            let mut plan = Plan::default();
            executor.plan(self.decoder.requests(rest), &mut plan);
            executor.prefetch(self.session.db, &plan);
            for planned in plan.iter() {
                let step = executor.run(&mut self.session, &planned, &mut self.attempts, &mut self.output);
                assert_eq!(step, Step::Done);
            }
            drop(plan);
            consumed += self.decoder.consume(count);
            if decoded != Decoded::Full {
                break;
            }
        }
        assert_eq!(consumed, bytes.len());
        let replied = self.output.len();
        self.output.advance(replied);
        self.spare = self.output.take_buffer();
        replied
    }
}

/// The n-th key, 16 bytes.
pub fn key(number: u64) -> String {
    format!("key:{number:012}")
}

/// A request on the wire.
pub fn request(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// Pipelines of `length` requests; `words` makes the words of one for a key. Keys of one pipeline are scattered
/// over the key space.
pub fn pipelines(keys: u64, length: u64, words: impl Fn(&str) -> Vec<String>) -> Vec<Vec<u8>> {
    // A step without a common divisor visits every key once.
    const STEP: u64 = 7_919;
    let one = |number: u64| {
        let words = words(&key(number * STEP % keys));
        request(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    (0..keys / length)
        .map(|pipeline| (0..length).flat_map(|at| one(pipeline * length + at)).collect())
        .collect()
}
