//! Whatever comes in, the server lives and serves others. Streams are made from seeds, so a failure repeats; `SOAK=1000`
//! makes them a thousand times as many.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use ochre::base::rng::Rng;
use rustix::net::RecvFlags;

use super::support::{connect, effort, server};
use super::wire::{Reply, request};

/// Streams for each kind of server.
const STREAMS: u64 = 400;

/// Well-formed requests to begin with; none that ends or pauses the server when it is mutated.
fn template(rng: &mut Rng) -> Vec<u8> {
    let long = "x".repeat((rng.next_u64() % 70_000) as usize);
    let requests: [&[&str]; 14] = [
        &["SET", "k", "v"],
        &["SET", "k", "v", "PX", "10", "GET"],
        &["GET", "k"],
        &["MSET", "a", "1", "b", "2", "c", "3"],
        &["MGET", "a", "b", "c"],
        &["INCR", "n"],
        &["APPEND", "k", &long],
        &["SETRANGE", "k", "1000", "z"],
        &["GETRANGE", "k", "0", "-1"],
        &["ECHO", &long],
        &["HELLO", "3"],
        &["CLIENT", "SETNAME", "me"],
        &["SCAN", "0", "MATCH", "*", "COUNT", "100"],
        &["COMMAND", "GETKEYS", "MSET", "a", "b"],
    ];
    let mut bytes = Vec::new();
    for _ in 0..rng.next_u64() % 20 {
        let words = requests[(rng.next_u64() % requests.len() as u64) as usize];
        if rng.next_u64().is_multiple_of(8) {
            bytes.extend_from_slice(format!("{}\r\n", words.join(" ")).as_bytes());
        } else {
            bytes.extend(request(words));
        }
    }
    bytes
}

/// Replaces, removes, repeats or inserts some bytes.
fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.next_u64() % 6 {
        let at = (rng.next_u64() % (bytes.len() as u64 + 1)) as usize;
        let end = bytes.len().min(at + (rng.next_u64() % 10) as usize);
        match rng.next_u64() % 5 {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.insert(at, rng.next_u64() as u8),
            2 => bytes[at..end].iter_mut().for_each(|byte| *byte = rng.next_u64() as u8),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => {
                let tokens: [&[u8]; 8] = [
                    b"\r\n",
                    b"*",
                    b"$-1\r\n",
                    b"*100000\r\n",
                    b"$4294967295\r\n",
                    b"\0",
                    b"\"",
                    b"*-9\r\n$",
                ];
                let token = tokens[(rng.next_u64() % tokens.len() as u64) as usize];
                bytes.splice(at..at, token.iter().copied());
            }
        }
    }
}

/// Sends the stream in pieces, reads what it likes, and leaves in one way or another.
fn play(stream: TcpStream, bytes: &[u8], rng: &mut Rng) {
    let mut stream = stream;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(1 + (rng.next_u64() % 4_000) as usize));
        if stream.write_all(piece).is_err() {
            return;
        }
        rest = behind;
        if rng.next_u64().is_multiple_of(4) {
            // What is there, if anything.
            let _ = rustix::net::recv(&stream, &mut [0; 4096], RecvFlags::DONTWAIT);
        }
    }
    if rng.next_u64().is_multiple_of(2) {
        let _ = stream.shutdown(Shutdown::Write);
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket option");
        // The server has seen the end, so it closes.
        let mut sink = [0; 65536];
        while stream.read(&mut sink).is_ok_and(|read| read > 0) {}
    }
}

#[test]
fn mutated_requests_and_noise_do_no_harm() {
    for workers in ["1", "3"] {
        let server = server(&["--io-threads", workers]);
        for seed in 0..STREAMS * effort() as u64 {
            let mut rng = Rng::from_seed(seed);
            let mut bytes = if seed % 10 == 0 {
                (0..rng.next_u64() % 5_000).map(|_| rng.next_u64() as u8).collect()
            } else {
                template(&mut rng)
            };
            mutate(&mut rng, &mut bytes);
            play(TcpStream::connect(server.addr).unwrap(), &bytes, &mut rng);
            assert_eq!(connect(&server).ask("PING"), Reply::Status(b"PONG".to_vec()), "after seed {seed}");
        }
        super::support::eventually("all clients are gone", || server.engine.clients.is_empty());
        assert_eq!(connect(&server).ask("SET k v"), Reply::ok());
    }
}

#[test]
fn strangers_streams_do_no_harm() {
    let server = server(&["--io-threads", "1", "--requirepass", "secret"]);
    for seed in 0..STREAMS * effort() as u64 {
        let mut rng = Rng::from_seed(seed ^ 0xdead);
        let mut bytes = template(&mut rng);
        mutate(&mut rng, &mut bytes);
        play(TcpStream::connect(server.addr).unwrap(), &bytes, &mut rng);
    }
    let mut wire = connect(&server);
    assert_eq!(wire.ask("AUTH secret"), Reply::ok());
    assert_eq!(wire.ask("DBSIZE"), Reply::Integer(0));
}
