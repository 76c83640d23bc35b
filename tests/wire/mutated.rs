//! Streams of requests that are almost right, made from a seed: valid ones with bytes, lengths and line ends changed, and noise.
//!
//! Their replies do not depend on time or chance, and each request has one. All replies of a stream fit the buffers of a socket: who
//! closes while there is input that nobody has read, as servers do behind an error, has the kernel drop what did not fit. No line is
//! longer than what is taken at any cut.

use ochre::base::rng::Rng;

use super::wire::request;

/// Most requests of a stream.
const REQUESTS_MAX: u64 = 20;
/// Longest argument. Two of them without a line end between are still a line that is taken.
const LONG_MAX: u64 = 30_000;
/// Longest piece in which a stream is sent.
const PIECE_MAX: u64 = 4_000;

/// A stream.
pub fn stream(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = if rng.below(10) == 0 { noise(rng) } else { requests(rng) };
    for _ in 0..rng.below(6) {
        mutate(rng, &mut bytes);
    }
    bytes
}

/// The stream in pieces of any length.
pub fn pieces<'a>(rng: &mut Rng, stream: &'a [u8]) -> Vec<&'a [u8]> {
    let (mut rest, mut pieces) = (stream, Vec::new());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(1 + rng.below(PIECE_MAX) as usize));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

fn noise(rng: &mut Rng) -> Vec<u8> {
    (0..rng.below(5_000)).map(|_| rng.next_u64() as u8).collect()
}

/// Well-formed requests to begin with; none becomes one that ends, pauses or silences anything, or says much, when some of its bytes
/// change.
fn requests(rng: &mut Rng) -> Vec<u8> {
    let long = "x".repeat(rng.below(LONG_MAX) as usize);
    let short = &long[..long.len() / 32];
    let requests: [&[&str]; 14] = [
        &["SET", "k", "v"],
        &["SET", "k", "v", "XX", "GET"],
        &["GET", "k"],
        &["MSET", "a", "1", "b", "2", "c", "3"],
        &["MGET", "a", "b", "c"],
        &["INCR", "n"],
        &["SET", "long", &long],
        &["EXISTS", "k", "a"],
        &["GETRANGE", "k", "0", "-1"],
        &["ECHO", short],
        &["OBJECT", "ENCODING", "n"],
        &["CLIENT", "SETNAME", "me"],
        &["LPUSH", "l", "a", "b"],
        &["LLEN", "l"],
    ];
    let mut bytes = Vec::new();
    for _ in 0..rng.below(REQUESTS_MAX + 1) {
        let words = requests[rng.below(requests.len() as u64) as usize];
        if rng.below(8) == 0 {
            bytes.extend_from_slice(format!("{}\r\n", words.join(" ")).as_bytes());
        } else {
            bytes.extend(request(words));
        }
    }
    bytes
}

/// Removes, inserts, replaces or repeats some bytes, or puts in something that means something.
fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    const TOKENS: [&[u8]; 12] = [
        b"\r\n",
        b"\r",
        b"*",
        b"*0\r\n",
        b"*1\r\n",
        b"$-1\r\n",
        b"*100000\r\n",
        b"$4294967295\r\n",
        b"\0",
        b"\"",
        b"*-9\r\n$",
        b"*1\r\n$4\r\nPING\r\n",
    ];
    let at = rng.below(bytes.len() as u64 + 1) as usize;
    let end = bytes.len().min(at + rng.below(10) as usize);
    match rng.below(6) {
        0 => drop(bytes.drain(at..end)),
        1 => bytes.insert(at, rng.next_u64() as u8),
        2 => bytes[at..end].iter_mut().for_each(|byte| *byte = rng.next_u64() as u8),
        3 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        4 => bytes[at..].iter_mut().find(|byte| byte.is_ascii_digit()).map_or((), |digit| {
            // A length that is not right.
            *digit = b'0' + rng.below(10) as u8;
        }),
        _ => {
            let token = TOKENS[rng.below(TOKENS.len() as u64) as usize];
            bytes.splice(at..at, token.iter().copied());
        }
    }
}
