//! Runs a script against a server, ours or a real one.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ochre::base::clock::{Time, UnixMs};
use ochre::server::embed::Server;

use super::record::Recorder;
use super::script::{Act, Block, Conditions, Script, Step, parse_version};
use super::text;
use super::wire::{Reply, Wire};

/// Where the clock of our own server stands at the start of a script: 14 November 2023.
const START: UnixMs = UnixMs(1_700_000_000_000);

/// What a block gave.
pub struct Outcome {
    pub replies: Vec<String>,
    /// `None` against a real server.
    pub effects: Option<Vec<String>>,
}

/// The server under test.
pub enum Target {
    Ochre { server: Box<Server>, recorder: std::sync::Arc<Recorder>, _folder: Option<tempfile::TempDir> },
    Oracle { addr: SocketAddr, version: (u32, u32) },
}

impl Target {
    /// A fresh server of ours.
    pub fn ochre(workers: usize) -> Result<Target, String> {
        let workers = workers.to_string();
        let options = ["--io-threads", &workers, "--enable-debug-command", "yes", "--save", ""];
        let server = Box::new(Server::start(&options, Time::manual(START))?);
        let recorder = Recorder::attach(&server.engine);
        Ok(Target::Ochre { server, recorder, _folder: None })
    }

    /// A fresh server of ours that writes an append-only file.
    pub fn with_log() -> Result<Target, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let dir = folder.path().to_str().ok_or("the temporary folder has no name")?;
        let mut options =
            vec!["--io-threads", "1", "--enable-debug-command", "yes", "--save", "", "--dir", dir];
        options.extend(["--appendonly", "yes", "--appendfsync", "no", "--aof-use-rdb-preamble", "no"]);
        let server = Box::new(Server::start(&options, Time::manual(START))?);
        let recorder = Recorder::attach(&server.engine);
        Ok(Target::Ochre { server, recorder, _folder: Some(folder) })
    }

    /// The hash of all data, now and after everything was forgotten and loaded again by `reload`, from the log or a snapshot.
    pub fn digests_around_reload(&self, reload: &str) -> (String, String) {
        let mut wire = Wire::connect(self.addr());
        let before = format!("{:?}", wire.ask("DEBUG DIGEST"));
        assert_eq!(format!("{:?}", wire.ask(reload)), format!("{:?}", Reply::Status(b"OK".to_vec())));
        (before, format!("{:?}", wire.ask("DEBUG DIGEST")))
    }

    /// The real server at that address.
    pub fn oracle(addr: SocketAddr) -> Result<Target, String> {
        let Reply::Bulk(info) = Wire::connect(addr).ask("INFO server") else {
            return Err(format!("{addr} answers no INFO"));
        };
        let info = String::from_utf8_lossy(&info).into_owned();
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        Ok(Target::Oracle { addr, version: parse_version(version.unwrap_or_default())? })
    }

    fn addr(&self) -> SocketAddr {
        match self {
            Target::Ochre { server, .. } => server.addr,
            Target::Oracle { addr, .. } => *addr,
        }
    }

    /// Whether something with such conditions runs here.
    pub fn takes(&self, conditions: Conditions) -> bool {
        match self {
            Target::Ochre { .. } => true,
            Target::Oracle { version, .. } => {
                !conditions.ochre_only && conditions.since.is_none_or(|since| since <= *version)
            }
        }
    }
}

/// Runs every block that the target takes, and gives `visit` its number and outcome.
pub fn run(script: &Script, target: &Target, mut visit: impl FnMut(usize, Outcome)) {
    let mut run = Run { target, control: Wire::connect(target.addr()), configs: Vec::new() };
    run.clean();
    let mut connections = Connections { addr: target.addr(), resp3: false, open: HashMap::new() };
    for (index, block) in script.blocks.iter().enumerate() {
        if block.steps.is_empty() || !target.takes(block.conditions) {
            continue;
        }
        let outcome = if block.resp3 {
            run.block(block, &mut Connections { addr: target.addr(), resp3: true, open: HashMap::new() })
        } else {
            run.block(block, &mut connections)
        };
        visit(index, outcome);
    }
    run.restore();
    run.count();
}

struct Run<'t> {
    target: &'t Target,
    /// A connection of the runner's own.
    control: Wire,
    /// Options that were set, with what they were before.
    configs: Vec<(String, Vec<u8>)>,
}

impl Run<'_> {
    fn clean(&mut self) {
        if let Target::Oracle { .. } = self.target {
            for line in ["FLUSHALL", "CONFIG RESETSTAT", "SLOWLOG RESET", "LATENCY RESET"] {
                self.control.ask(line);
            }
        }
    }

    fn restore(&mut self) {
        for (name, value) in std::mem::take(&mut self.configs).into_iter().rev() {
            self.control.call(&[b"CONFIG", b"SET".as_slice(), name.as_bytes(), &value]);
        }
    }

    /// Has the server count its keys, which builds with debug assertions compare with those that came and went.
    fn count(&mut self) {
        if let Target::Ochre { .. } = self.target {
            let reply = self.control.ask("INFO keyspace");
            assert!(matches!(reply, Reply::Bulk(_)), "the server lost count of its keys: {reply:?}");
        }
    }

    fn block(&mut self, block: &Block, connections: &mut Connections) -> Outcome {
        if let Target::Ochre { recorder, .. } = self.target {
            recorder.take();
        }
        let mut replies = Vec::new();
        for step in &block.steps {
            self.step(step, connections, &mut replies);
        }
        let effects = match self.target {
            Target::Ochre { recorder, .. } => Some(recorder.take()),
            Target::Oracle { .. } => None,
        };
        Outcome { replies, effects }
    }

    fn step(&mut self, step: &Step, connections: &mut Connections, out: &mut Vec<String>) {
        let name = &step.connection;
        match &step.act {
            Act::Call { words, sorted } => {
                let replies = reply_count(words);
                connections.exchange(name, &super::wire::request(words), replies, *sorted, out);
            }
            Act::Send(words) => {
                // The next read tells when the server is gone.
                let _ = connections.get(name).send(words);
            }
            Act::Raw(bytes) => connections.exchange(name, bytes, Replies::One, false, out),
            Act::Read { sorted } => connections.exchange(name, b"", Replies::Messages(1), *sorted, out),
            Act::Close => {
                connections.open.remove(name);
            }
            Act::Advance(ms) => match self.target {
                Target::Ochre { server, .. } => {
                    server.engine.time.advance_ms(*ms);
                }
                Target::Oracle { .. } => std::thread::sleep(Duration::from_millis(*ms + 1)),
            },
            Act::Expire => {
                if let Target::Ochre { server, .. } = self.target {
                    server.expire_due();
                }
            }
            Act::Blocked(count) => self.await_blocked(*count, out),
            Act::Config { name, value } => self.configure(name, value, out),
        }
    }

    /// Asks until that many clients are blocked.
    fn await_blocked(&mut self, count: u64, out: &mut Vec<String>) {
        const TRIES: usize = 5000;
        let wanted = format!("blocked_clients:{count}\r\n");
        for _ in 0..TRIES {
            if let Reply::Bulk(info) = self.control.ask("INFO clients")
                && String::from_utf8_lossy(&info).contains(&wanted)
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        out.push(format!("! blocked: there are never {count}"));
    }

    fn configure(&mut self, name: &str, value: &[u8], out: &mut Vec<String>) {
        if let Reply::Array(pair) = self.control.call(&["CONFIG", "GET", name])
            && let [Reply::Bulk(name), Reply::Bulk(value)] = &pair[..]
        {
            self.configs.push((String::from_utf8_lossy(name).into_owned(), value.clone()));
        }
        let reply = self.control.call(&[b"CONFIG", b"SET".as_slice(), name.as_bytes(), value]);
        if reply != Reply::ok() {
            out.push(format!("! config {name}: {}", reply.error_text()));
        }
    }
}

/// What a request is answered with.
#[derive(Clone, Copy)]
enum Replies {
    /// One reply; messages in front of it are shown too.
    One,
    /// That many replies or messages.
    Messages(usize),
}

fn reply_count(words: &[Vec<u8>]) -> Replies {
    let name = words.first().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    let name = name.as_slice();
    if matches!(
        name,
        b"subscribe" | b"psubscribe" | b"ssubscribe" | b"unsubscribe" | b"punsubscribe" | b"sunsubscribe"
    ) {
        Replies::Messages(words.len().saturating_sub(1).max(1))
    } else {
        Replies::One
    }
}

/// The connections of a block or script, by name.
struct Connections {
    addr: SocketAddr,
    resp3: bool,
    open: HashMap<String, Wire>,
}

impl Connections {
    fn get(&mut self, name: &str) -> &mut Wire {
        let (addr, resp3) = (self.addr, self.resp3);
        self.open.entry(name.to_owned()).or_insert_with(|| {
            let mut wire = Wire::connect(addr);
            if resp3 {
                wire.ask("HELLO 3");
            }
            wire
        })
    }

    fn exchange(&mut self, name: &str, bytes: &[u8], replies: Replies, sorted: bool, out: &mut Vec<String>) {
        let resp3 = self.resp3;
        let wire = self.get(name);
        let sent = wire.send_raw(bytes);
        let mut read = || {
            let reply = wire.read().map(|reply| if sorted { text::sorted(reply) } else { reply });
            match &reply {
                Ok(reply) => out.extend(text::lines(reply, resp3)),
                Err(error) => out.push(failure(error)),
            }
            matches!(reply, Ok(Reply::Push(_) | Reply::Attribute(_)))
        };
        match (sent, replies) {
            (_, Replies::One) => while read() {},
            (_, Replies::Messages(count)) => (0..count).for_each(|_| {
                read();
            }),
        }
    }
}

fn failure(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "(closed)".into()
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "(no reply)".into(),
        _ => format!("({error})"),
    }
}
