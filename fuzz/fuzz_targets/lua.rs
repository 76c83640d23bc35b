//! Bytes from outside for the libraries of scripts: nothing panics, memory stays bounded, and what is decoded is encoded and decoded
//! again to the same.
#![no_main]

use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ochre::dispatch::Engine;
use ochre::dispatch::exec::Step;
use ochre::resp::OwnedArgs;

#[path = "../common/served.rs"]
mod served;

#[derive(Arbitrary, Debug)]
struct Call {
    script: u8,
    one: Vec<u8>,
    other: Vec<u8>,
    number: i64,
}

/// An error of the script means that something was not as it was before. What cjson reads may be infinite, which it does not write.
/// cmsgpack packs a table that is too deep as nil, which can't be read again where it is a key; what could be read has no table
/// that is too deep, and what is packed of that no nil that stands for one.
const SCRIPTS: [&str; 8] = [
    "local ok, value = pcall(cjson.decode, ARGV[1]) \
     local is_text, text = pcall(cjson.encode, value) \
     if ok and is_text then assert(cjson.encode(cjson.decode(text)) == text, 'cjson') end",
    "local ok, value = pcall(cmsgpack.unpack, ARGV[1]) \
     if ok then ok, value = pcall(cmsgpack.unpack, cmsgpack.pack(value)) end \
     if ok then local bytes = cmsgpack.pack(value) \
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

static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| served::engine(b"io-threads 1\nlua-memory-limit 64mb\n"));

fuzz_target!(|call: Call| {
    let script = SCRIPTS[usize::from(call.script) % SCRIPTS.len()];
    let number = call.number.to_string();
    let words: [&[u8]; 6] = [b"EVAL", script.as_bytes(), b"0", &call.one, &call.other, number.as_bytes()];
    let mut session = served::session(&ENGINE);
    let (step, reply) = served::run(&ENGINE, &mut session, &OwnedArgs::from_slices(words));
    assert_eq!(step, Step::Done);
    let is_about_limits = reply.windows(6).any(|part| part == b"memory");
    assert!(reply == b"$-1\r\n" || is_about_limits, "{}: {}", script, reply.escape_ascii());
});
