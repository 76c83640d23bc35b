//! The client: connections that send batches and count the replies by their line ends, which no value contains.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::batch::Batch;

/// Digits of a key's number.
pub const DIGITS: usize = 12;

/// Keys are 16 bytes: `key:` or `cnt:` and the number.
pub fn key(prefix: &str, number: u64) -> String {
    format!("{prefix}:{number:0DIGITS$}")
}

/// The value that belongs to a key: its digits, filled up.
pub fn value(number: u64, bytes: usize) -> String {
    let mut value = format!("{number:0DIGITS$}");
    value.push_str(&"x".repeat(bytes - DIGITS));
    value
}

/// A request on the wire.
pub fn request(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// A connection for single questions.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub fn to(addr: SocketAddr) -> Connection {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Connection { stream, buffer: vec![0; 256 * 1024] }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads until that many line ends have come; nothing else may be under way.
    pub fn skip_lines(&mut self, mut lines: usize) {
        while lines > 0 {
            lines -= self.read_lines();
        }
    }

    /// As [`Connection::skip_lines`], where errors are answers too; how many came.
    pub fn skip_lines_and_errors(&mut self, mut lines: usize) -> usize {
        let (mut errors, mut is_at_start) = (0, true);
        while lines > 0 {
            let read = self.read();
            assert!(read > 0, "the server closed the connection");
            for &byte in &self.buffer[..read] {
                errors += usize::from(is_at_start && byte == b'-');
                is_at_start = byte == b'\n';
                lines -= usize::from(is_at_start);
            }
        }
        errors
    }

    /// Waits for something to read; how many line ends came.
    pub fn read_lines(&mut self) -> usize {
        let read = self.read();
        assert!(read > 0, "the server closed the connection");
        assert_ne!(self.buffer[0], b'-', "{}", String::from_utf8_lossy(&self.buffer[..read]));
        memchr::memchr_iter(b'\n', &self.buffer[..read]).count()
    }

    /// Whether the server answers PING, and not that it still loads.
    pub fn is_served(&mut self) -> bool {
        self.send(&request(&["PING"]));
        let read = self.read();
        let text = String::from_utf8_lossy(&self.buffer[..read]);
        assert!(text.starts_with("+PONG") || text.starts_with("-LOADING"), "the server answered {text}");
        text.starts_with('+')
    }

    /// Waits for something to read, also when somebody stops this process and lets it go on.
    fn read(&mut self) -> usize {
        loop {
            match self.stream.read(&mut self.buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read.unwrap(),
            }
        }
    }

    /// Whether something can be read.
    pub fn has_input(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let some = self.stream.peek(&mut [0]).is_ok();
        self.stream.set_nonblocking(false).unwrap();
        some
    }

    /// Asks in words and answers with the text of a simple reply or bulk.
    pub fn ask(&mut self, line: &str) -> String {
        self.call(&line.split_whitespace().collect::<Vec<_>>()).pop().unwrap_or_default()
    }

    /// The reply's texts: one, or those of an array of strings.
    pub fn call(&mut self, words: &[&str]) -> Vec<String> {
        self.send(&request(words));
        let mut input = Vec::new();
        loop {
            let read = self.read();
            assert!(read > 0, "the server closed the connection");
            input.extend_from_slice(&self.buffer[..read]);
            if let Some((texts, _)) = parse(&input) {
                return texts;
            }
        }
    }
}

/// Texts of the first reply and where it ends, once it is complete.
fn parse(input: &[u8]) -> Option<(Vec<String>, usize)> {
    let end = memchr::memchr(b'\n', input)? + 1;
    let line = std::str::from_utf8(&input[1..end - 2]).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match input[0] {
        b'$' if line != "-1" => {
            let len: usize = line.parse().unwrap();
            let bytes = input.get(end..end + len)?;
            (input.len() >= end + len + 2).then(|| (vec![text(bytes)], end + len + 2))
        }
        b'*' => {
            let mut texts = Vec::new();
            let mut at = end;
            for _ in 0..line.parse().unwrap_or(0) {
                let (mut some, len) = parse(input.get(at..)?)?;
                texts.append(&mut some);
                at += len;
            }
            Some((texts, at))
        }
        b'-' => panic!("the server answered {line}"),
        _ => Some((vec![line.to_owned()], end)),
    }
}

/// Chance, small and fast (xorshift64*).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        ((u128::from(bits) * u128::from(limit)) >> 64) as u64
    }

    /// A number between 0 and 1.
    pub fn unit(&mut self) -> f64 {
        const STEPS: u64 = 1 << 53;
        self.below(STEPS) as f64 / STEPS as f64
    }
}

/// Several connections, all of which always have a batch under way.
pub struct Load {
    connections: Vec<Busy>,
    chance: Chance,
    longest: Duration,
}

/// A connection and when its batch was sent.
struct Busy {
    connection: Connection,
    sent: Instant,
}

impl Busy {
    fn send(&mut self, batch: &Batch) {
        self.sent = Instant::now();
        self.connection.send(&batch.bytes);
    }

    /// Waits for the replies; how long they took.
    fn receive(&mut self, batch: &Batch) -> Duration {
        self.connection.skip_lines(batch.reply_lines);
        self.sent.elapsed()
    }
}

impl Load {
    pub fn on(addr: SocketAddr, connections: usize) -> Load {
        Load::spread(&[addr], connections)
    }

    /// Connections to several servers, in turn.
    pub fn spread(addrs: &[SocketAddr], connections: usize) -> Load {
        let addrs = addrs.iter().cycle().take(connections);
        let connections = addrs.map(|addr| Busy { connection: Connection::to(*addr), sent: Instant::now() });
        Load { connections: connections.collect(), chance: Chance::new(1), longest: Duration::ZERO }
    }

    /// The longest that a batch has taken since this was asked last. With every connection waiting for its turn that is more than
    /// a client alone would wait.
    pub fn take_longest(&mut self) -> Duration {
        std::mem::take(&mut self.longest)
    }

    /// Sends batches with random keys for that time; returns the number of requests answered.
    pub fn run(&mut self, batch: &mut Batch, keys: u64, time: Duration) -> u64 {
        self.run_at_most(batch, keys, time, u64::MAX)
    }

    /// The same, but no more than that many requests and those that are under way then.
    pub fn run_at_most(&mut self, batch: &mut Batch, keys: u64, time: Duration, most: u64) -> u64 {
        let began = Instant::now();
        let mut done = 0;
        self.send_all(batch, keys);
        while began.elapsed() < time && done < most {
            for busy in &mut self.connections {
                self.longest = self.longest.max(busy.receive(batch));
                done += batch.requests as u64;
                batch.patch(|| self.chance.below(keys));
                busy.send(batch);
            }
        }
        for busy in &mut self.connections {
            self.longest = self.longest.max(busy.receive(batch));
            done += batch.requests as u64;
        }
        done
    }

    fn send_all(&mut self, batch: &mut Batch, keys: u64) {
        for busy in &mut self.connections {
            batch.patch(|| self.chance.below(keys));
            busy.send(batch);
        }
    }
}

/// Fills a server with `keys` keys in order; `extra` are further words of each SET.
pub fn fill(addr: SocketAddr, keys: u64, value_bytes: usize, extra: &[&str]) {
    let (key, value) = (key("key", 0), value(0, value_bytes));
    let words: Vec<&str> = ["SET", &key, &value].into_iter().chain(extra.iter().copied()).collect();
    pour(&mut Connection::to(addr), &request(&words), 1, 0..keys, |number| number);
}

/// Sends a request, answered by `reply_lines` lines, until every number of a range stood in it; `name` gives what is
/// written for a number.
pub fn pour(
    connection: &mut Connection,
    one: &[u8],
    reply_lines: usize,
    numbers: Range<u64>,
    name: impl Fn(u64) -> u64,
) {
    const PIPELINE: u64 = 64;
    let in_one = Batch::repeat(one, 1, reply_lines).numbers() as u64;
    let mut next = numbers.start;
    while next < numbers.end {
        let count = PIPELINE.min((numbers.end - next) / in_one) as usize;
        assert!(count > 0, "{numbers:?} is not a multiple of {in_one}");
        let mut batch = Batch::repeat(one, count, reply_lines);
        batch.patch(|| {
            next += 1;
            name(next - 1)
        });
        connection.send(&batch.bytes);
        connection.skip_lines(batch.reply_lines);
    }
}
