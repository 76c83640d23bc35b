//! Several clients at once: who waits, who is served by what and in which order, who hears what of whom.
//!
//! One step is one request of one client. Behind each step both servers come to rest, and every client must have heard
//! the same from both:
//!
//! ```text
//! @c0 BLPOP k1 k2 0      nobody hears anything: c0 waits
//! @c1 RPUSH k2 a         c1: 1    c0: k2, a
//! ```
//!
//! The real server runs a step first. It has one thread: when it answers a PING that was sent behind the step, the step has
//! run, and when it answers another one, everything that the step caused has been sent. Of ours as many frames are then awaited; one too many shows itself in a later step.

use std::net::SocketAddr;
use std::time::Duration;

use super::chance::Chance;
use super::limits;
use super::wire::{Reply, Wire};

/// Those that send requests, numbered from 0.
const SENDERS: usize = 4;
/// One more hears all events of keys. A subscription to them inside of a transaction is not tried: here it also hears what
/// the transaction did before it.
const CLIENTS: usize = SENDERS + 1;
const STEPS: u64 = 24;
/// How long ours may take to begin waiting, in looks.
const LOOKS_MAX: usize = 20_000;
/// How long a frame may take that the other server has sent.
const PATIENCE: Duration = Duration::from_secs(2);

/// A request, and who sends it.
#[derive(Clone, Debug)]
pub struct Step {
    client: usize,
    words: Vec<String>,
}

impl Step {
    /// Whether its client may hear nothing of it for now. FLUSHALL answers late too, but it does.
    fn may_wait(&self) -> bool {
        self.words[0].starts_with('B') || self.words.iter().any(|word| word == "BLOCK")
    }
}

/// What each client heard.
type Heard = Vec<Vec<Reply>>;

/// The first step after which the two servers differ.
pub struct Finding {
    index: usize,
    ours: Heard,
    theirs: Heard,
}

/// Steps that may meet each other: few keys, many ways to wait for them and to change them.
pub fn generate(chance: &mut Chance) -> Vec<Step> {
    let mut entry = 0;
    (0..STEPS).map(|_| step(chance, &mut entry)).collect()
}

fn step(chance: &mut Chance, entry: &mut u64) -> Step {
    let client = chance.below(SENDERS as u64) as usize;
    let lists = ["k1", "k2", "k3"];
    let (key, other) = (*chance.pick(&lists), *chance.pick(&lists));
    let (sorted, end) = (*chance.pick(&["z1", "z2"]), *chance.pick(&["LEFT", "RIGHT"]));
    let (number, peer) = (chance.below(9), chance.below(SENDERS as u64));
    *entry += 1;
    let line = match chance.below(52) {
        0 | 1 => format!("BLPOP {key} {other} k4 0"),
        2 => format!("BRPOP {key} 0"),
        3 | 4 => format!("BLMOVE {key} {other} {end} LEFT 0"),
        5 => format!("BRPOPLPUSH {key} {other} 0"),
        6 | 7 => format!("BLMPOP 0 2 {key} {other} {end} COUNT 2"),
        8 => format!("BZPOPMIN {sorted} z2 0"),
        9 => format!("BZMPOP 0 2 z1 {sorted} MAX COUNT 2"),
        10 | 11 => "XREAD BLOCK 0 STREAMS s $".into(),
        12 => "XREAD COUNT 1 BLOCK 0 STREAMS s s2 $ 0-0".into(),
        13 | 14 => format!("XREADGROUP GROUP g c{client} COUNT 1 BLOCK 0 STREAMS s >"),
        15 => "XGROUP CREATE s g $ MKSTREAM".into(),
        16 => "XGROUP DESTROY s g".into(),
        17 | 18 => format!("XADD s {entry}-1 f v{number}"),
        19 => format!("XADD s2 {entry}-1 f v{number}"),
        20..=22 => format!("RPUSH {key} e{number} e{entry}"),
        23 | 24 => format!("LPUSH {key} e{entry}"),
        25 => format!("LPUSHX {key} e{entry}"),
        26 | 27 => format!("ZADD {sorted} {number} m{entry} 5 m5"),
        28 => format!("LMOVE {key} {other} {end} RIGHT"),
        29 => format!("RENAME {key} {other}"),
        30 => format!("COPY {key} {other} REPLACE"),
        // Where it replaces a value of another type, Redis 8.0 forgets those who wait for a list. Here nothing else is put there.
        31 => format!("SORT {key} ALPHA STORE k4"),
        32 => format!("ZUNIONSTORE {sorted} 2 z1 z2"),
        33 => format!("SET {key} text"),
        34 | 35 => format!("DEL {key} s"),
        36 => "SWAPDB 0 1".into(),
        37 => format!("MOVE {key} 1"),
        38 => format!("SELECT {}", number % 2),
        39 | 40 => "MULTI".into(),
        41..=43 => "EXEC".into(),
        44 => format!("WATCH {key} {sorted}"),
        45 => "FLUSHALL".into(),
        46 => format!("CLIENT UNBLOCK @c{peer} {}", chance.pick(&["TIMEOUT", "ERROR"])),
        47 => format!("SUBSCRIBE ch{}", number % 2),
        48 => format!("PSUBSCRIBE {}", chance.pick(&["ch*", "c*1", "*0"])),
        49 => format!("PUBLISH ch{} hello{entry}", number % 2),
        50 => "RESET".into(),
        _ => {
            let script = "redis.call('RPUSH',KEYS[1],ARGV[1],ARGV[2]);redis.call('ZADD','z1',1,'m');return 1";
            return Step {
                client,
                words: ["EVAL", script, "1", key, "x", &format!("y{entry}")].map(String::from).to_vec(),
            };
        }
    };
    Step { client, words: line.split(' ').map(String::from).collect() }
}

/// One server, empty, with its clients.
struct Stage {
    control: Wire,
    clients: Vec<Wire>,
    ids: Vec<String>,
    /// Who has sent a request that was not answered yet.
    waits: [bool; CLIENTS],
}

impl Stage {
    fn new(addr: SocketAddr) -> Stage {
        let mut control = Wire::connect(addr);
        control.ask("FLUSHALL SYNC");
        for set in limits::defaults() {
            control.call(&set);
        }
        control.ask("CONFIG SET notify-keyspace-events KEA");
        let mut clients: Vec<Wire> = (0..CLIENTS).map(|_| Wire::connect(addr)).collect();
        for client in &clients {
            client.stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        }
        let ids = clients
            .iter_mut()
            .map(|client| match client.ask("CLIENT ID") {
                Reply::Integer(id) => id.to_string(),
                other => panic!("no id but {other:?}"),
            })
            .collect();
        clients[SENDERS].ask("PSUBSCRIBE __key*");
        Stage { control, clients, ids, waits: [false; CLIENTS] }
    }

    /// Sends the request unless its client waits; whether it did.
    fn send(&mut self, step: &Step) -> bool {
        if std::mem::replace(&mut self.waits[step.client], true) {
            return false;
        }
        let id_of = |name: &str| name.parse().ok().and_then(|index: usize| self.ids.get(index)).cloned();
        let word = |word: &String| word.strip_prefix("@c").and_then(id_of).unwrap_or_else(|| word.clone());
        let words: Vec<String> = step.words.iter().map(word).collect();
        self.clients[step.client].send(&words).expect("the server takes a request");
        true
    }

    /// The next frame that `client` hears, if it comes soon.
    fn hear(&mut self, client: usize) -> Option<Reply> {
        let frame = self.clients[client].read().ok()?;
        let is_message = matches!(&frame, Reply::Array(words) if is_message(words));
        self.waits[client] &= is_message;
        Some(frame)
    }

    /// Everything that is heard of a step, from a server with one thread.
    fn rest(&mut self, step: &Step) -> Heard {
        self.control.ask("PING");
        self.control.ask("PING");
        let everything = |client: usize| {
            let mut frames = Vec::new();
            let is_due = client == step.client && !step.may_wait();
            while is_due && self.waits[client] || self.clients[client].has_bytes() {
                frames.extend(self.hear(client));
            }
            frames
        };
        (0..CLIENTS).map(everything).collect()
    }

    /// As many frames as were heard elsewhere; then nobody else must have heard anything, and who waits there must wait.
    fn rest_as(&mut self, theirs: &Heard, waits: &[bool; CLIENTS]) -> Heard {
        let mut heard: Heard = Vec::new();
        for (client, frames) in theirs.iter().enumerate() {
            heard.push(frames.iter().map_while(|_| self.hear(client)).collect());
        }
        for client in 0..CLIENTS {
            if waits[client] {
                self.await_waiting(client);
            }
            while self.clients[client].has_bytes() {
                let frame = self.hear(client);
                heard[client].extend(frame);
            }
        }
        heard
    }

    /// Returns when `client` has heard something, or the server shows it as blocked.
    fn await_waiting(&mut self, client: usize) {
        for _ in 0..LOOKS_MAX {
            let list = self.control.call(&["CLIENT", "LIST", "ID", &self.ids[client]]);
            let Reply::Bulk(list) = list else { panic!("no list but {list:?}") };
            let list = String::from_utf8_lossy(&list).into_owned();
            let flags = list.split(' ').find_map(|field| field.strip_prefix("flags=")).unwrap_or_default();
            if self.clients[client].has_bytes() || flags.contains('b') && self.waits[client] {
                return;
            }
        }
    }
}

/// Whether it was sent to a subscriber without being asked for.
fn is_message(words: &[Reply]) -> bool {
    matches!(words.first(), Some(Reply::Bulk(kind)) if kind == b"message" || kind == b"pmessage")
}

/// Who has subscribed to several patterns hears of one message in the order of a hash table with a random seed there.
fn in_order_of_patterns(mut heard: Heard) -> Heard {
    fn pattern(frame: &Reply) -> Option<(&Reply, &[Reply])> {
        match frame {
            Reply::Array(words) if is_message(words) => {
                words.get(1).zip(words.get(2..).filter(|rest| rest.len() == 2))
            }
            _ => None,
        }
    }
    let of_one_message = |a: &Reply, b: &Reply| pattern(a).zip(pattern(b)).is_some_and(|(a, b)| a.1 == b.1);
    for frames in &mut heard {
        for frames in frames.chunk_by_mut(of_one_message) {
            frames.sort_by_key(|frame| pattern(frame).map(|(pattern, _)| format!("{pattern:?}")));
        }
    }
    heard
}

/// Runs the steps on both servers, up to one behind which what is heard depends on the real server's seed.
pub fn differs(ours: SocketAddr, theirs: SocketAddr, steps: &[Step]) -> Option<Finding> {
    let (mut ours, mut theirs) = (Stage::new(ours), Stage::new(theirs));
    for (index, step) in steps.iter().enumerate() {
        let waiting = theirs.waits;
        if !theirs.send(step) {
            continue;
        }
        let expected = in_order_of_patterns(theirs.rest(step));
        if may_swap(steps, index) && may_serve_in_any_order(&waiting, &theirs.waits) {
            return None;
        }
        ours.send(step);
        let heard = in_order_of_patterns(ours.rest_as(&expected, &theirs.waits));
        if heard != expected {
            return Some(Finding { index, ours: heard, theirs: expected });
        }
    }
    None
}

/// Whether a step swaps databases, or runs a transaction that may.
fn may_swap(steps: &[Step], index: usize) -> bool {
    let is_swap = |step: &&Step| step.words[0] == "SWAPDB";
    let (before, step) = (&steps[..index], &steps[index]);
    is_swap(&step)
        || step.words[0] == "EXEC" && before.iter().filter(is_swap).any(|swap| swap.client == step.client)
}

/// Keys that came with a database are served in the order of a hash table with a random seed there.
fn may_serve_in_any_order(before: &[bool; CLIENTS], behind: &[bool; CLIENTS]) -> bool {
    let count = |waits: &[bool; CLIENTS]| waits.iter().filter(|&&waits| waits).count();
    count(before) > 1 && count(behind) < count(before)
}

/// Fewer steps, as long as there is a difference.
pub fn shrunk(ours: SocketAddr, theirs: SocketAddr, mut steps: Vec<Step>) -> Vec<Step> {
    let mut at = 0;
    while at < steps.len() {
        let mut candidate = steps.clone();
        candidate.remove(at);
        if differs(ours, theirs, &candidate).is_some() { steps = candidate } else { at += 1 }
    }
    steps
}

/// The steps as lines of a golden script, and what was heard behind the last one.
pub fn report(steps: &[Step], finding: &Finding) -> String {
    let line = |step: &Step| format!("@c{} {}\n", step.client, step.words.join(" "));
    let mut text: String = steps.iter().take(finding.index + 1).map(line).collect();
    for (client, (ours, theirs)) in finding.ours.iter().zip(&finding.theirs).enumerate() {
        if ours != theirs {
            text += &format!("c{client} hears {theirs:?} there, {ours:?} here\n");
        }
    }
    text
}
