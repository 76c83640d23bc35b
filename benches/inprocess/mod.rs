//! The way of a request without sockets: decoder, executor and output as a connection uses them.

#![allow(dead_code)] // No benchmark needs all of it.

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

/// A client of an engine, and the worker that serves it.
pub struct InProcess {
    engine: Arc<Engine>,
    config: Arc<Config>,
    worker: usize,
    session: Session,
    decoder: Decoder,
    attempts: Attempts,
    output: Output,
    spare: Vec<u8>,
}

impl InProcess {
    /// An engine with one client.
    pub fn new() -> InProcess {
        InProcess::with_workers(1)
    }

    /// An engine for so many workers, with a client of the first one.
    pub fn with_workers(workers: usize) -> InProcess {
        let options = ["--port", "0", "--io-threads", &workers.to_string()].map(OsString::from);
        let store = Startup::from_args(options.into_iter()).and_then(Store::load).expect("plain options");
        let engine = ochre::server::boot::engine(store, Time::system()).expect("an engine");
        InProcess::of(engine, 0)
    }

    /// A client of another worker of the same engine.
    pub fn beside(&self, worker: usize) -> InProcess {
        InProcess::of(Arc::clone(&self.engine), worker)
    }

    fn of(engine: Arc<Engine>, worker: usize) -> InProcess {
        let names = ("127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned());
        let client = Client::new(engine.clients.next_id(), Transport::Tcp, names, -1, 0, 0);
        let session = Session::new(Arc::new(client), &engine.acl);
        InProcess {
            config: engine.config.snapshot(),
            engine,
            worker,
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
        let mut consumed = 0;
        while consumed < bytes.len() {
            consumed += self.run_batch(&bytes[consumed..], &limits);
        }
        let replied = self.output.len();
        self.output.advance(replied);
        self.spare = self.output.take_buffer();
        replied
    }

    /// Runs requests up to the first that finds a shard locked by another worker; returns their bytes.
    fn run_batch(&mut self, bytes: &[u8], limits: &Limits) -> usize {
        let stats = self.engine.stats.worker(self.worker);
        let mut executor = Executor::new(&self.engine, &self.config, stats, 1);
        let mut consumed = 0;
        loop {
            let rest = &bytes[consumed..];
            let decoded = self.decoder.decode(rest, limits, AHEAD);
            let count = self.decoder.len();
            let mut plan = Plan::default();
            executor.plan(self.decoder.requests(rest), &mut plan);
            executor.prefetch(self.session.db, &plan);
            let mut ran = 0;
            for planned in plan.iter() {
                match executor.run(&mut self.session, &planned, &mut self.attempts, &mut self.output) {
                    Step::Done => ran += 1,
                    Step::Parked(_) => break,
                    other => panic!("{other:?}"),
                }
            }
            drop(plan);
            consumed += self.decoder.consume(ran);
            if ran < count || decoded != Decoded::Full {
                return consumed;
            }
        }
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
