//! A server of ours and the real one, and a sequence of requests run on both.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;

use ochre::base::clock::Time;
use ochre::server::embed::Server;

use super::wire::{Reply, Wire, request};
use super::words::KEYS;
use super::{exceptions, limits, text};

/// The words of one request.
pub type Request = Vec<Vec<u8>>;
/// Major and minor.
pub type Version = (u32, u32);

/// Requests that are under way at once; few enough to fit the buffers of a socket.
const PIPELINE: usize = 8;
/// A difference counts if it shows itself this often in a row: a deadline that passed between two servers doesn't.
const CONFIRMATIONS: usize = 5;
/// Databases whose final state is compared.
const DATABASES: [&str; 3] = ["0", "1", "2"];

/// A request that was answered differently.
pub struct Difference {
    /// Its position in the sequence with the state's questions.
    pub index: usize,
    pub ours: Reply,
    pub theirs: Reply,
}

pub struct Pair {
    server: Server,
    oracle: SocketAddr,
    /// Replies of the real server so far, and how many of them were errors: random requests that are all refused
    /// compare nothing.
    pub answered: Cell<usize>,
    pub refused: Cell<usize>,
    /// The real server's.
    pub version: Version,
}

impl Pair {
    pub fn new(oracle: SocketAddr) -> Pair {
        let options = ["--io-threads", "3", "--enable-debug-command", "yes", "--save", ""];
        let server = Server::start(&options, Time::system()).expect("it starts");
        let Reply::Bulk(info) = Wire::connect(oracle).ask("INFO server") else { panic!("no INFO") };
        let info = String::from_utf8_lossy(&info).into_owned();
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).expect("a version");
        Pair {
            server,
            oracle,
            answered: Cell::new(0),
            refused: Cell::new(0),
            version: parse_version(version),
        }
    }

    /// Where ours listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// Whether the real server has the command or subcommand, called `get` or `config|get`.
    pub fn oracle_knows(&self, name: &str) -> bool {
        let reply = Wire::connect(self.oracle).call(&["COMMAND", "INFO", name]);
        matches!(reply, Reply::Array(rows) if matches!(rows.first(), Some(Reply::Array(_))))
    }

    /// The first request that the two servers, both empty, answer differently: one of the sequence or of
    /// [`state_questions`] behind it.
    pub fn differs(&self, sequence: &[Request], resp3: bool) -> Option<Difference> {
        let mut requests = sequence.to_vec();
        requests.extend(state_questions());
        let ours = answers(self.server.addr, &requests, resp3);
        let theirs = answers(self.oracle, &requests, resp3);
        self.expect_alive(&requests, &theirs);
        let has_sorted = exceptions::has_sorted(sequence);
        let is_error = |reply: &&Reply| matches!(reply, Reply::Error(_));
        self.answered.update(|count| count + sequence.len());
        self.refused.update(|count| count + theirs.iter().take(sequence.len()).filter(is_error).count());
        requests.iter().zip(ours.into_iter().zip(theirs)).enumerate().find_map(
            |(index, (request, (ours, theirs)))| {
                let agrees = exceptions::agree(request, &ours, &theirs, self.version)
                    || has_sorted && exceptions::is_unpacked(request, &ours, &theirs);
                (!agrees).then_some(Difference { index, ours, theirs })
            },
        )
    }

    /// A real server that has ended answers everything differently, and the next test not at all: what ended it is worth more
    /// than that.
    fn expect_alive(&self, requests: &[Request], theirs: &[Reply]) {
        let Some(unanswered) = theirs.iter().position(|reply| *reply == closed()) else { return };
        if let Err(error) = Wire::try_connect(self.oracle) {
            let words: Vec<String> = requests[unanswered].iter().map(|word| text::word(word)).collect();
            panic!("the REAL server is gone ({error}). It did not answer:\n{}", words.join(" "));
        }
    }

    /// Empties both servers and sets what sequences have set to what it was.
    pub fn reset(&self) {
        answers(self.server.addr, &[], false);
        answers(self.oracle, &[], false);
    }

    /// Whether it happens again and again.
    pub fn differs_always(&self, sequence: &[Request], resp3: bool) -> bool {
        (0..CONFIRMATIONS).all(|_| self.differs(sequence, resp3).is_some())
    }
}

/// `8.0.6` as major and minor.
pub fn parse_version(text: &str) -> Version {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// What is asked of both servers when the sequence is over.
pub fn state_questions() -> Vec<Request> {
    let words = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect();
    let mut questions = Vec::new();
    for db in DATABASES {
        questions.push(words(&[b"SELECT", db.as_bytes()]));
        questions.push(words(&[b"KEYS", b"*"]));
        for (key, _) in KEYS {
            questions.push(words(&[b"GET", key]));
            questions.push(words(&[b"PTTL", key]));
            questions.push(words(&[b"OBJECT", b"ENCODING", key]));
            questions.push(words(&[b"DEBUG", b"DIGEST-VALUE", key]));
        }
    }
    questions
}

/// What stands for the replies of a connection that has ended.
fn closed() -> Reply {
    Reply::Error(b"(closed)".to_vec())
}

/// The replies of an emptied server on a fresh connection. A connection that ends early answers the rest with an error.
fn answers(addr: SocketAddr, requests: &[Request], resp3: bool) -> Vec<Reply> {
    let mut wire = Wire::connect(addr);
    wire.ask("FLUSHALL SYNC");
    for set in limits::defaults() {
        wire.call(&set);
    }
    if resp3 {
        wire.ask("HELLO 3");
    }
    let mut replies = Vec::new();
    for pipeline in requests.chunks(PIPELINE) {
        let bytes: Vec<u8> = pipeline.iter().flat_map(|words| request(words)).collect();
        let sent = wire.send_raw(&bytes);
        let mut read =
            || sent.as_ref().map_err(|error| io::Error::from(error.kind())).and_then(|()| wire.read());
        replies.extend(pipeline.iter().map(|_| read().unwrap_or_else(|_| closed())));
    }
    replies
}
