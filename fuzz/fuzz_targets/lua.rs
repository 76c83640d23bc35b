//! Bytes from outside for the libraries of scripts: nothing panics, memory stays bounded, and what is decoded is encoded and decoded
//! again to the same.
#![no_main]

use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ochre::base::clock::{Time, UnixMs};
use ochre::config::{Startup, Stdin, Store};
use ochre::dispatch::{Engine, Plan};
use ochre::dispatch::exec::{Attempts, Executor, Step};
use ochre::resp::{Output, OwnedArgs};
use ochre::session::{Client, Session, Transport};

#[derive(Arbitrary, Debug)]
struct Call {
    script: u8,
    one: Vec<u8>,
    other: Vec<u8>,
    number: i64,
}

/// An error of the script means that something was not as it was before. What cjson reads may be infinite, which it does not write. What cmsgpack has packed once has no table that is too deep, and
/// what it has packed twice no nil that stands for one.
const SCRIPTS: [&str; 8] = [
    "local ok, value = pcall(cjson.decode, ARGV[1]) \
     local is_text, text = pcall(cjson.encode, value) \
     if ok and is_text then assert(cjson.encode(cjson.decode(text)) == text, 'cjson') end",
    "local ok, value = pcall(cmsgpack.unpack, ARGV[1]) \
     if ok then local bytes = cmsgpack.pack(cmsgpack.unpack(cmsgpack.pack(value))) \
     assert(#cmsgpack.pack(cmsgpack.unpack(bytes)) == #bytes, 'cmsgpack') end",
    "local ok, text = pcall(struct.pack, ARGV[1], ARGV[2], ARGV[3], ARGV[2]) \
     if ok then assert(pcall(struct.unpack, ARGV[1], text) ~= nil, 'struct') end",
    "pcall(struct.unpack, ARGV[1], ARGV[2], tonumber(ARGV[3])) pcall(struct.size, ARGV[1])",
    "pcall(cmsgpack.unpack_one, ARGV[1], tonumber(ARGV[3])) pcall(cmsgpack.unpack_limit, ARGV[1], tonumber(ARGV[3]), 1)",
    "pcall(bit.tohex, ARGV[3], ARGV[2]) pcall(bit.lshift, ARGV[3], ARGV[1]) pcall(bit.bxor, ARGV[1], ARGV[3])",
    "pcall(string.format, ARGV[1], ARGV[2], ARGV[3]) pcall(string.find, ARGV[1], ARGV[2]) \
     pcall(string.gsub, ARGV[1], ARGV[2], ARGV[2])",
    "pcall(loadstring, ARGV[1])",
];

static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| {
    const CONFIG: &[u8] = b"io-threads 1\nlua-memory-limit 64mb\n";
    let startup = Startup { stdin: Stdin::Text(CONFIG.to_vec()), ..Startup::default() };
    let store = Store::load(startup).expect("the configuration is good");
    ochre::server::boot::engine(store, Time::manual(UnixMs(1_700_000_000_000))).expect("it boots")
});

fuzz_target!(|call: Call| {
    let engine = &*ENGINE;
    let names = ("127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned());
    let client = Arc::new(Client::new(engine.clients.next_id(), Transport::Tcp, names, 9, 0, 0));
    let mut session = Session::new(client, &engine.acl);
    let script = SCRIPTS[usize::from(call.script) % SCRIPTS.len()];
    let number = call.number.to_string();
    let words: [&[u8]; 6] = [b"EVAL", script.as_bytes(), b"0", &call.one, &call.other, number.as_bytes()];
    let request = OwnedArgs::from_slices(words);
    let config = engine.config.snapshot();
    let mut out = Output::default();
    let mut executor = Executor::new(engine, &config, engine.stats.worker(0), 7);
    let mut plan = Plan::default();
    executor.plan([request.as_args()].into_iter(), &mut plan);
    let planned = plan.iter().next().expect("one request was planned");
    let step = executor.run(&mut session, &planned, &mut Attempts::default(), &mut out);
    assert_eq!(step, Step::Done);
    let reply = out.take_bytes();
    let is_about_limits = reply.windows(6).any(|part| part == b"memory");
    assert!(reply == b"$-1\r\n" || is_about_limits, "{}: {}", script, reply.escape_ascii());
});
