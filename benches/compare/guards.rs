//! What hostile clients cost, how close memory stays to `maxmemory`, and many connections at once.
//!
//! A thousand strangers, of four kinds in equal parts, stay for a while and come back when they are thrown out; beside them a
//! client that knows the password asks GET after GET. The memory is the process's, at its most.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Plan;
use crate::client::{Chance, Connection, request};
use crate::machine;
use crate::report::Table;
use crate::server::{Instance, Peer};
use crate::tls::{self, Pki};

const STRANGERS: usize = 1_000;
/// Between two bytes of those who dribble.
const BEAT: Duration = Duration::from_secs(1);
pub const POLICIES: [&str; 7] = [
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

pub fn run(plan: &Plan) {
    strangers(plan);
    limits(plan);
    storm(plan);
    tls::many(plan);
}

#[derive(Clone, Copy)]
enum Kind {
    /// Announces much and sends little.
    GiantHeader,
    /// Asks again and again, and never reads the refusals.
    Deaf,
    /// A byte at a time.
    Dribbling,
    /// The first half of a TLS handshake.
    HalfHandshake,
}

struct Stranger {
    kind: Kind,
    addr: SocketAddr,
    stream: Option<TcpStream>,
}

impl Stranger {
    /// Comes, or comes back, and does what it does once more.
    fn act(&mut self) {
        /// The head of a record that holds a ClientHello of 512 bytes.
        const HALF_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        let is_new = self.stream.is_none();
        if is_new {
            let Ok(stream) = TcpStream::connect(self.addr) else { return };
            stream.set_nonblocking(true).unwrap();
            self.stream = Some(stream);
        }
        let Some(stream) = &mut self.stream else { return };
        let piece: &[u8] = match self.kind {
            Kind::GiantHeader if is_new => b"*9\r\n$500000000\r\nxxxxxxxxxxxxxxxx",
            Kind::GiantHeader => b"xxxxxxxxxxxxxxxx",
            Kind::Deaf => &b"GET key\r\n".repeat(64),
            Kind::Dribbling => b"G",
            Kind::HalfHandshake if is_new => HALF_HELLO,
            Kind::HalfHandshake => b"\0",
        };
        let is_over = |error: std::io::Error| error.kind() != ErrorKind::WouldBlock;
        let is_closed = !matches!(self.kind, Kind::Deaf) && matches!(stream.read(&mut [0; 256]), Ok(0));
        if is_closed || stream.write(piece).is_err_and(is_over) {
            self.stream = None;
        }
    }
}

fn strangers(plan: &Plan) {
    let pki = Pki::new();
    let mut table = Table::new([
        "server",
        "RSS/stranger, bytes",
        "RSS of all, MB",
        "p99 alone, µs",
        "p99 beside them, µs",
        "ratio",
        "bars",
    ]);
    for peer in plan.peers.iter().filter(|peer| peer.can_start()) {
        let Some(server) = pki.start(peer) else { continue };
        let (instance, tls) = (&server.instance, server.addr);
        let mut own = instance.connect();
        own.ask("CONFIG SET requirepass secret");
        own.ask("AUTH secret");
        own.ask("SET key value");
        let time = plan.round * 5;
        let mut idle = || ();
        let alone = p99(&mut own, time, &mut idle);
        let before = instance.resident_bytes();
        let mut most = before;
        let is_over = AtomicBool::new(false);
        let beside = std::thread::scope(|scope| {
            scope.spawn(|| besiege(instance.addr, tls, &is_over));
            let mut watch = || most = most.max(instance.resident_bytes());
            // All of them have come by then.
            p99(&mut own, 2 * BEAT, &mut watch);
            let beside = p99(&mut own, time.max(5 * BEAT), &mut watch);
            is_over.store(true, Ordering::Relaxed);
            beside
        });
        let grown = most - before;
        table.row([
            peer.name.clone(),
            (grown / STRANGERS as u64).to_string(),
            format!("{:.1}", grown as f64 / 1e6),
            format!("{:.0}", alone.as_secs_f64() * 1e6),
            format!("{:.0}", beside.as_secs_f64() * 1e6),
            format!("{:.2}", beside.as_secs_f64() / alone.as_secs_f64()),
            "≤ 16,384 each, ≤ 64 MB, ≤ 1.2".into(),
        ]);
    }
    table.print("1,000 hostile strangers, and a client that knows the password");
}

/// Strangers, until it is over.
fn besiege(plain: SocketAddr, tls: SocketAddr, is_over: &AtomicBool) {
    let kinds = [Kind::GiantHeader, Kind::Deaf, Kind::Dribbling, Kind::HalfHandshake];
    let mut all: Vec<Stranger> = (0..STRANGERS)
        .map(|index| kinds[index % kinds.len()])
        .map(|kind| {
            let addr = if matches!(kind, Kind::HalfHandshake) { tls } else { plain };
            Stranger { kind, addr, stream: None }
        })
        .collect();
    while !is_over.load(Ordering::Relaxed) {
        for stranger in &mut all {
            stranger.act();
            // Spread over the beat, so that this client's own CPU is free for the one who asks.
            std::thread::sleep(BEAT / STRANGERS as u32);
        }
    }
}

/// The 99th percentile of the time that a GET takes; looks at something now and then.
fn p99(own: &mut Connection, time: Duration, watch: &mut dyn FnMut()) -> Duration {
    const LOOK: usize = 1_000;
    let (began, get) = (Instant::now(), request(&["GET", "key"]));
    let mut times = Vec::new();
    while began.elapsed() < time {
        let asked = Instant::now();
        own.send(&get);
        own.skip_lines(2);
        times.push(asked.elapsed());
        if times.len() % LOOK == 0 {
            watch();
        }
    }
    watch();
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Twice as much is written as fits. Pages of files, the program's text above all, belong to RSS, but the system takes them back when
/// it needs them; beside a small limit they are much.
fn limits(plan: &Plan) {
    let limits: &[u64] = if plan.quick { &[64 << 20] } else { &[64 << 20, 256 << 20] };
    for &limit in limits {
        let mut head = vec!["policy".to_owned()];
        for peer in plan.peers.iter().filter(|peer| peer.can_start()) {
            let name = &peer.name;
            head.extend([format!("{name} used"), format!("{name} RSS"), format!("{name} RSS but files")]);
        }
        head.push("bars of used, RSS".into());
        let (mut table, mut refusals) = (Table::new(head), Vec::new());
        for policy in POLICIES {
            let mut cells = vec![policy.to_owned()];
            for peer in plan.peers.iter().filter(|peer| peer.can_start()) {
                let (most, refused) = flood(peer, policy, limit);
                if refused > 0 {
                    refusals.push(format!("{} refused {refused} writes under {policy}", peer.name));
                }
                cells.extend(most.map(|bytes| format!("{:.3}", bytes as f64 / limit as f64)));
            }
            cells.push("≤ 1.02, ≤ 1.15".into());
            table.row(cells);
        }
        table.print(&format!("Most memory / maxmemory ({} MB), values of 10 B to 1 MB", limit >> 20));
        if !refusals.is_empty() {
            println!("{}.\n", refusals.join("; "));
        }
    }
}

/// The most that the server counts, that it has, and that is no file's; and how many writes it refused.
fn flood(peer: &Peer, policy: &str, limit: u64) -> ([u64; 3], usize) {
    const PIPELINE: u64 = 16;
    let instance = peer.start();
    let mut own = instance.connect();
    own.ask(&format!("CONFIG SET maxmemory {limit} maxmemory-policy {policy}"));
    let (mut chance, text) = (Chance::new(3), "x".repeat(1 << 20));
    let (mut written, mut count, mut most, mut refused) = (0, 0_u64, [0; 3], 0);
    while written < 2 * limit {
        let mut batch = Vec::new();
        for _ in 0..PIPELINE {
            // Every size class as often as any other by bytes, but for the smallest.
            let len = (10 << chance.below(17)).min(text.len() as u64) - chance.below(8);
            let (key, seconds) = (format!("key:{count}"), (1_000 + count % 1_000).to_string());
            let words = ["SET", &key, &text[..len as usize], "EX", &seconds];
            batch.extend(request(&words));
            written += len;
            count += 1;
        }
        own.send(&batch);
        refused += own.skip_lines_and_errors(PIPELINE as usize);
        if count.is_multiple_of(16 * PIPELINE) {
            let now = [used(&mut own), instance.resident_bytes(), machine::anonymous_bytes(instance.pid)];
            most = std::array::from_fn(|index| now[index].max(most[index]));
        }
    }
    (most, refused)
}

pub fn used(own: &mut Connection) -> u64 {
    let info = own.ask("INFO memory");
    let found = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    found.and_then(|digits| digits.trim().parse().ok()).unwrap_or(0)
}

/// Connections that come, ask once and go, all at once and again and again.
fn storm(plan: &Plan) {
    const AT_ONCE: usize = 1_000;
    let rounds = if plan.quick { 5 } else { 50 };
    let mut table = Table::new(["server", "connections/s", "CPU µs/connection", "RSS grown, MB"]);
    for peer in plan.peers.iter().filter(|peer| peer.can_start()) {
        let instance: Instance = peer.start();
        let (began, cpu, before) = (Instant::now(), instance.cpu_seconds(), instance.resident_bytes());
        for _ in 0..rounds {
            let mut open: Vec<Connection> = (0..AT_ONCE).map(|_| instance.connect()).collect();
            open.iter_mut().for_each(|connection| connection.send(b"PING\r\n"));
            open.iter_mut().for_each(|connection| connection.skip_lines(1));
        }
        let count = (rounds * AT_ONCE) as f64;
        table.row([
            peer.name.clone(),
            format!("{:.0}", count / began.elapsed().as_secs_f64()),
            format!("{:.1}", (instance.cpu_seconds() - cpu) / count * 1e6),
            format!("{:.1}", instance.resident_bytes().saturating_sub(before) as f64 / 1e6),
        ]);
    }
    table.print("Reconnect storm: 1,000 at once");
}
