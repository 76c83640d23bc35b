//! Whatever comes in, the server lives, serves others, and answers in step: each request that a plain reading of the stream
//! finds has one reply, and what is no request ends the connection with the error that says so.
//!
//! ```text
//! *1␍␊$4␍␊PING␍␊ *1␍␊$x␍␊…   ─▶   +PONG␍␊ -ERR Protocol error: invalid bulk length␍␊ and the end
//! ```
//!
//! Streams are made from seeds, so a failure repeats; `SOAK=1000` makes them a thousand times as many.
//! `tests/differential` sends such streams to a real server too, and compares the replies themselves.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use ochre::base::rng::Rng;
use ochre::base::words::split_args;
use rustix::net::RecvFlags;

use super::mutated;
use super::support::{connect, effort, server};
use super::wire::{Reply, Wire};

/// Streams for each kind of server.
const STREAMS: u64 = 400;
/// Longest line that is taken.
const LINE_MAX_BYTES: usize = 64 * 1024;

/// What a stream is answered with: how many replies, and the error that ends it, if one does.
#[derive(Debug, Default, PartialEq)]
struct Answered {
    replies: usize,
    error: Option<Vec<u8>>,
}

/// The plain reading: all of the stream is there, and looked at once from its beginning.
fn plain_reading(stream: &[u8]) -> Answered {
    let (mut rest, mut answered) = (stream, Answered::default());
    while !rest.is_empty() {
        match one(rest) {
            Ok(None) => break,
            Ok(Some((words, behind))) => {
                answered.replies += usize::from(words > 0);
                rest = behind;
            }
            Err(text) => {
                answered.error = Some([b"ERR Protocol error: ", &*text].concat());
                break;
            }
        }
    }
    answered
}

/// How many words the first request has, and what is behind it; nothing when it is not complete.
fn one(stream: &[u8]) -> Result<Option<(usize, &[u8])>, Vec<u8>> {
    if stream[0] != b'*' {
        let Some(end) = stream.iter().position(|&byte| byte == b'\n') else {
            return unfinished(stream, "too big inline request");
        };
        let line = stream[..end].strip_suffix(b"\r").unwrap_or(&stream[..end]);
        let words = split_args(line).map_err(|_| b"unbalanced quotes in request")?;
        return Ok(Some((words.len(), &stream[end + 1..])));
    }
    let Some((count, mut rest)) = line(stream) else {
        return unfinished(stream, "too big mbulk count string");
    };
    let count = number(&count[1..]).filter(|&count| count <= i64::from(i32::MAX));
    let count = count.ok_or(b"invalid multibulk length")?.max(0) as usize;
    for _ in 0..count {
        let Some((length, behind)) = line(rest) else { return unfinished(rest, "too big bulk count string") };
        if rest[0] != b'$' {
            // What breaks lines is not repeated in one.
            let got = if matches!(rest[0], b'\r' | b'\n' | 0) { b' ' } else { rest[0] };
            return Err([b"expected '$', got '".as_slice(), &[got], b"'"].concat());
        }
        let length = number(&length[1..]).filter(|length| (0..=512 << 20).contains(length));
        let length = length.ok_or(b"invalid bulk length")? as usize;
        // Whatever the two bytes behind it are.
        let Some(behind) = behind.get(length + 2..) else { return Ok(None) };
        rest = behind;
    }
    Ok(Some((count, rest)))
}

/// What is before the next CR, and what is behind the byte that follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\r')?;
    Some((&bytes[..end], bytes.get(end + 2..)?))
}

fn unfinished<'a>(bytes: &[u8], error: &str) -> Result<Option<(usize, &'a [u8])>, Vec<u8>> {
    if bytes.len() > LINE_MAX_BYTES { Err(error.into()) } else { Ok(None) }
}

/// A number as Redis takes it from a line: no sign but minus, no zeros in front.
fn number(digits: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(digits).ok()?;
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

/// Sends the stream in pieces, and takes what has come meanwhile. The replies, or nothing when the client left before the end.
fn play(stream: TcpStream, bytes: &[u8], rng: &mut Rng) -> Option<Vec<u8>> {
    let (mut stream, mut heard) = (stream, Vec::new());
    for piece in mutated::pieces(rng, bytes) {
        // The server may have closed already, behind what could not be understood.
        if stream.write_all(piece).is_err() {
            break;
        }
        let mut buffer = [0; 16 * 1024];
        if let Ok((read, _)) = rustix::net::recv(&stream, &mut buffer, RecvFlags::DONTWAIT) {
            heard.extend_from_slice(&buffer[..read]);
        }
    }
    if rng.below(4) == 0 {
        return None;
    }
    let _ = stream.shutdown(Shutdown::Write);
    stream.set_read_timeout(Some(super::support::PATIENCE)).expect("a socket option");
    match stream.read_to_end(&mut heard) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the server does not close"),
        _ => Some(heard),
    }
}

/// What the bytes say: whole replies, the last of them perhaps the error that ends a stream.
fn understood(heard: Vec<u8>) -> Answered {
    let mut wire = Wire::over(std::io::Cursor::new(heard));
    let mut answered = Answered::default();
    while !wire.is_at_end() {
        assert_eq!(answered.error, None, "more replies behind the error");
        match wire.read().expect("a whole reply") {
            Reply::Error(text) if text.starts_with(b"ERR Protocol error") => answered.error = Some(text),
            _ => answered.replies += 1,
        }
    }
    answered
}

#[test]
fn mutated_requests_and_noise_are_answered_in_step() {
    for workers in ["1", "3"] {
        let server = server(&["--io-threads", workers]);
        let mut replies = 0;
        for seed in 0..STREAMS * effort() as u64 {
            let mut rng = Rng::from_seed(seed);
            let bytes = mutated::stream(&mut rng);
            if let Some(heard) = play(TcpStream::connect(server.addr).unwrap(), &bytes, &mut rng) {
                let answered = plain_reading(&bytes);
                assert_eq!(understood(heard), answered, "seed {seed}");
                replies += answered.replies + usize::from(answered.error.is_some());
            }
            assert_eq!(connect(&server).ask("PING"), Reply::Status(b"PONG".to_vec()), "after seed {seed}");
        }
        println!("{workers} worker(s): {replies} replies");
        super::support::eventually("all clients are gone", || server.engine.clients.is_empty());
        assert_eq!(connect(&server).ask("SET k v"), Reply::ok());
    }
}

#[test]
fn strangers_streams_do_no_harm() {
    let server = server(&["--io-threads", "1", "--requirepass", "secret"]);
    for seed in 0..STREAMS * effort() as u64 {
        let mut rng = Rng::from_seed(seed ^ 0xdead);
        let bytes = mutated::stream(&mut rng);
        play(TcpStream::connect(server.addr).unwrap(), &bytes, &mut rng);
    }
    let mut wire = connect(&server);
    assert_eq!(wire.ask("AUTH secret"), Reply::ok());
    assert_eq!(wire.ask("DBSIZE"), Reply::Integer(0));
}
