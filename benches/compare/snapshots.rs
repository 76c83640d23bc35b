//! What snapshots cost: how long the data set is frozen, how fast it is saved and loaded, what others wait meanwhile, and how much
//! memory it takes.
//!
//! *Waits.* Requests go out at their time, 20,000 in a second, whatever the server does; what one waits is counted from the time
//! at which it should have been sent, so a stall is felt by all that fall into it. Whether a snapshot is still being
//! written is asked on a second connection by the same thread, also while none is. It sleeps in between, on the server's CPU
//! ([`machine::on_server_cpu`]), where whatever writes the snapshot is in the way of both.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Plan;
use crate::batch::{Batch, Kind};
use crate::client::{Chance, Load, fill, key, request, value};
use crate::collection::Collection;
use crate::machine;
use crate::report::Table;
use crate::server::{Instance, Peer};

const VALUE_BYTES: usize = 16;
/// Between two requests.
const GAP: Duration = Duration::from_micros(50);
/// Between two looks whether a snapshot is over.
const LOOK: Duration = Duration::from_millis(20);
/// Commands in the log that is loaded, and how many keys they are about.
const LOGGED: (u64, u64) = (2_000_000, 100_000);

const OPTIONS: [&str; 2] = ["--enable-debug-command", "yes"];

pub fn run(plan: &Plan) {
    let keys = if plan.quick { 500_000 } else { 5_000_000 };
    let peers: Vec<&Peer> = plan.peers.iter().filter(|peer| peer.can_start()).collect();
    speed(&peers, keys, if plan.quick { LOGGED.0 / 4 } else { LOGGED.0 });
    machine::on_server_cpu(|| waits(&peers, keys, plan.round));
}

fn start(peer: &Peer, options: &[&str]) -> Instance {
    machine::on_server_cpu(|| peer.start_here(&[&OPTIONS[..], options].concat()))
}

/// Seconds that a command takes.
fn seconds(instance: &Instance, line: &str) -> f64 {
    let began = Instant::now();
    instance.connect().ask(line);
    began.elapsed().as_secs_f64()
}

fn is_saving(text: &str) -> bool {
    let running = ["rdb_bgsave_in_progress:1", "aof_rewrite_in_progress:1", "aof_rewrite_scheduled:1"];
    running.iter().any(|field| text.contains(field))
}

/// Waits until nothing is being written any more, neither by the server nor, of what it has written before, by the system.
fn settle(instance: &Instance) {
    while is_saving(&instance.connect().ask("INFO persistence")) {
        std::thread::sleep(LOOK);
    }
    rustix::fs::sync();
}

fn speed(peers: &[&Peer], keys: u64, logged: u64) {
    let head = [
        "server".to_owned(),
        "frozen µs".into(),
        "SAVE s".into(),
        "load s".into(),
        format!("{logged} commands of a log, s"),
        "memory in BGSAVE".into(),
    ];
    let mut table = Table::new(head);
    for peer in peers {
        let instance = start(peer, &[]);
        fill(instance.addr, keys, VALUE_BYTES, &[]);
        let save = seconds(&instance, "SAVE");
        let memory = memory_while_saving(&instance, keys);
        let stats = instance.connect().ask("INFO stats");
        let frozen = stats.lines().find_map(|line| line.strip_prefix("latest_fork_usec:"));
        let frozen = frozen.unwrap_or("–").trim().to_owned();
        instance.connect().ask("SAVE");
        instance.connect().ask("FLUSHALL");
        let load = seconds(&instance, "DEBUG RELOAD NOSAVE");
        assert_eq!(instance.connect().ask("DBSIZE"), keys.to_string());
        drop(instance);
        let numbers = [save, load, log_load(peer, logged)].map(|seconds| format!("{seconds:.2}"));
        let cells = [peer.name.clone(), frozen].into_iter().chain(numbers);
        table.row(cells.chain([format!("{memory:.2}")]));
    }
    table.print(&format!(
        "{keys} small keys (bars: 100 µs, 1.5 and 2 times as fast as Redis, 1.5 times, 1.1)"
    ));
}

/// Most memory while a snapshot is written under a load of which every second request writes, by what there was before.
fn memory_while_saving(instance: &Instance, keys: u64) -> f64 {
    let (one, number) = (value(0, VALUE_BYTES), key("key", 0));
    let pair = [request(&["GET", &number]), request(&["SET", &number, &one])].concat();
    let mut batch = Batch::repeat(&pair, 16, 3);
    let mut load = Load::on(instance.addr, 4);
    load.run(&mut batch, keys, Duration::from_millis(500));
    let before = machine::proportional_bytes(instance.pid);
    instance.connect().ask("BGSAVE");
    let mut most = before;
    while is_saving(&instance.connect().ask("INFO persistence")) {
        load.run(&mut batch, keys, 2 * LOOK);
        most = most.max(machine::proportional_bytes(instance.pid));
    }
    most as f64 / before as f64
}

/// Seconds to load a log of so many SETs.
fn log_load(peer: &Peer, commands: u64) -> f64 {
    let instance = start(peer, &["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"]);
    let mut batch = Batch::new(Kind::Set, 64, VALUE_BYTES);
    Load::on(instance.addr, 4).run_at_most(&mut batch, LOGGED.1, Duration::MAX, commands);
    seconds(&instance, "DEBUG LOADAOF")
}

fn waits(peers: &[&Peer], keys: u64, time: Duration) {
    let mut table = Table::new(["server", "meanwhile", "p50 µs", "p99.9 µs", "longest ms", "for s"]);
    for peer in peers {
        let options = ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--appendfsync", "no"];
        let instance = peer.start_here(&[&OPTIONS[..], &options].concat());
        fill(instance.addr, keys, VALUE_BYTES, &[]);
        settle(&instance);
        let mut row = |what: &str, began: Option<&str>| {
            if let Some(command) = began {
                instance.connect().ask(command);
            }
            let from = Instant::now();
            let mut waits = beat(&instance, keys, began.is_none().then_some(2 * time));
            let took = from.elapsed().as_secs_f64();
            waits.sort_unstable();
            let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64();
            let cells = [format!("{:.0}", at(0.5) * 1e6), format!("{:.0}", at(0.999) * 1e6)];
            let cells = [peer.name.clone(), what.to_owned()].into_iter().chain(cells);
            table.row(cells.chain([format!("{:.2}", at(1.0) * 1e3), format!("{took:.1}")]));
        };
        row("nothing", None);
        row("BGSAVE", Some("BGSAVE"));
        row("rewrite", Some("BGREWRITEAOF"));
        let mut builder = instance.connect();
        Collection::Hash.build(&mut builder, "bighash", keys);
        Collection::Zset.build(&mut builder, "bigzset", keys);
        settle(&instance);
        row("nothing, big values", None);
        row("BGSAVE of big values", Some("BGSAVE"));
        row("rewrite of big values", Some("BGREWRITEAOF"));
    }
    table.print(&format!(
        "20,000 requests a second, half of them SET, beside a snapshot of {keys} keys; then also a hash and a zset of so \
         many elements (bars: p99.9 0.3 ms over nothing, longest 5 ms)"
    ));
}

/// A connection that is never waited for.
struct Line {
    stream: TcpStream,
    unsent: Vec<u8>,
}

impl Line {
    fn to(instance: &Instance) -> Line {
        let stream = TcpStream::connect(instance.addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        Line { stream, unsent: Vec::new() }
    }

    fn send(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        match self.stream.write(&self.unsent) {
            Ok(sent) => drop(self.unsent.drain(..sent)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
    }

    /// What it is to be polled for.
    fn wanted(&self) -> PollFlags {
        if self.unsent.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }

    fn read<'b>(&mut self, buffer: &'b mut [u8]) -> &'b [u8] {
        match self.stream.read(buffer) {
            Ok(len) => {
                assert!(len > 0, "the server closed the connection");
                &buffer[..len]
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                &[]
            }
        }
    }
}

/// Sleeps until something has come, until there is room for what is unsent, or until then.
fn rest(lines: &[&Line], until: Instant) {
    let time = until.saturating_duration_since(Instant::now());
    let mut sockets: Vec<PollFd<'_>> =
        lines.iter().map(|line| PollFd::new(&line.stream, line.wanted())).collect();
    // One that a signal ends is a short one.
    let _ = poll(&mut sockets, Some(&Timespec::try_from(time).unwrap()));
}

/// What each request waited: for that time, or until no snapshot is being written.
fn beat(instance: &Instance, keys: u64, time: Option<Duration>) -> Vec<Duration> {
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).unwrap();
    let (mut requests, mut asker) = (Line::to(instance), Line::to(instance));
    let number = key("key", 0);
    // A GET is answered by two lines, a SET by one.
    let mut kinds = [
        (Batch::repeat(&request(&["GET", &number]), 1, 2), 2),
        (Batch::repeat(&request(&["SET", &number, &value(0, VALUE_BYTES)]), 1, 1), 1),
    ];
    let (mut chance, mut buffer) = (Chance::new(7), vec![0; 64 << 10]);
    let (mut waits, mut under_way, mut lines) = (Vec::new(), VecDeque::new(), 0);
    let (mut told, mut next_look, mut is_over) = (Vec::new(), Instant::now(), false);
    let (began, mut due, mut turn) = (Instant::now(), Instant::now(), 0);
    while !is_over || !under_way.is_empty() {
        let now = Instant::now();
        while !is_over && due <= now {
            let (batch, lines) = &mut kinds[turn % 2];
            batch.patch(|| chance.below(keys));
            requests.unsent.extend_from_slice(&batch.bytes);
            under_way.push_back((due, *lines));
            (due, turn) = (due + GAP, turn + 1);
        }
        requests.send();
        lines += memchr::memchr_iter(b'\n', requests.read(&mut buffer)).count();
        while let Some(&(sent, needed)) = under_way.front().filter(|(_, needed)| *needed <= lines) {
            lines -= needed;
            waits.push(sent.elapsed());
            under_way.pop_front();
        }
        if now >= next_look && asker.unsent.is_empty() {
            asker.unsent = request(&["INFO", "persistence"]);
            next_look = now + Duration::from_secs(3600);
        }
        asker.send();
        told.extend_from_slice(asker.read(&mut buffer));
        // The last line of the reply is an empty one.
        if told.ends_with(b"\r\n\r\n") {
            let is_done = time
                .map_or_else(|| !is_saving(&String::from_utf8_lossy(&told)), |time| began.elapsed() >= time);
            is_over |= is_done;
            told.clear();
            next_look = Instant::now() + LOOK;
        }
        let next = if is_over { next_look } else { due.min(next_look) };
        rest(&[&requests, &asker], next);
    }
    waits
}
