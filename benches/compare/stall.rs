//! The longest wait of another client while a big value is built, trimmed, deleted, expired or renamed over.
//!
//! One connection does that; another sends PING after PING. Building is a stream of small batches, each of which a PING
//! runs behind, as in `growth`. The rest is one request: PINGs are sent from before it is answered until a while after,
//! since a server may go on freeing memory.
//!
//! The client sits on the server's CPU ([`machine::on_server_cpu`]): threads of the server itself are in its way all the more.

use std::time::{Duration, Instant};

use crate::Plan;
use crate::batch::Batch;
use crate::client::{Connection, request};
use crate::collection::Collection;
use crate::machine;
use crate::report::Table;
use crate::server::Instance;

/// Additions in front of every PING while a value is built.
const AHEAD: u64 = 16;
/// How long PINGs go on behind an answer.
const AFTER: Duration = Duration::from_millis(300);
/// A value whose time has come must be gone after that.
const EXPIRED_WITHIN: Duration = Duration::from_secs(30);

/// What happens to a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Built,
    Deleted,
    Trimmed,
    Expired,
    RenamedOver,
}

impl Act {
    /// The first builds the value that the second takes away.
    const ALL: [Act; 5] = [Act::Built, Act::Deleted, Act::Trimmed, Act::Expired, Act::RenamedOver];

    fn name(self) -> &'static str {
        match self {
            Act::Built => "built",
            Act::Deleted => "deleted",
            Act::Trimmed => "trimmed to one",
            Act::Expired => "expired",
            Act::RenamedOver => "renamed over",
        }
    }

    /// The request, where there is one.
    fn words(self, collection: Collection) -> Option<&'static [&'static str]> {
        match (self, collection) {
            (Act::Built, _) => None,
            (Act::Deleted, _) => Some(&["DEL", "big"]),
            (Act::Trimmed, Collection::List) => Some(&["LTRIM", "big", "0", "0"]),
            (Act::Trimmed, Collection::Zset) => Some(&["ZREMRANGEBYRANK", "big", "1", "-1"]),
            (Act::Trimmed, Collection::Stream) => Some(&["XTRIM", "big", "MAXLEN", "1"]),
            (Act::Trimmed, Collection::Set | Collection::Hash) => None,
            (Act::Expired, _) => Some(&["PEXPIRE", "big", "20"]),
            (Act::RenamedOver, _) => Some(&["RENAME", "small", "big"]),
        }
    }
}

pub fn run(plan: &Plan) {
    machine::on_server_cpu(|| compare(plan));
}

fn compare(plan: &Plan) {
    let elements = if plan.quick { 500_000 } else { 5_000_000 };
    let columns: Vec<Vec<Option<Duration>>> =
        plan.peers.iter().map(|peer| column(&peer.start_here(&[]), elements)).collect();
    let mut head = vec!["value".to_owned(), "is".to_owned()];
    head.extend(plan.peers.iter().map(|peer| format!("{} ms", peer.name)));
    head.push("bar".into());
    let mut table = Table::new(head);
    // What the machine itself makes a client wait.
    let nothing = plan.peers.iter().map(|peer| {
        let instance = peer.start_here(&[]);
        let (began, mut asker) = (Instant::now(), instance.connect());
        milliseconds(while_busy(&mut asker, || began.elapsed() >= 4 * AFTER))
    });
    table.row(["–".to_owned(), "left alone".to_owned()].into_iter().chain(nothing).chain(["–".to_owned()]));
    let rows = Collection::ALL.into_iter().flat_map(|collection| Act::ALL.map(|act| (collection, act)));
    for (row, (collection, act)) in rows.enumerate() {
        if columns.iter().all(|column| column[row].is_none()) {
            continue;
        }
        let mut cells = vec![collection.name().to_owned(), act.name().to_owned()];
        cells.extend(columns.iter().map(|column| column[row].map_or("–".into(), milliseconds)));
        cells.push("≤ 2".into());
        table.row(cells);
    }
    table.print(&format!("Longest wait for a PING, a value of {elements} elements"));
}

fn milliseconds(wait: Duration) -> String {
    format!("{:.2}", wait.as_secs_f64() * 1e3)
}

/// The longest waits on one server: every act on every type.
fn column(instance: &Instance, elements: u64) -> Vec<Option<Duration>> {
    let mut waits = Vec::new();
    for collection in Collection::ALL {
        let is_known = instance.knows(collection.adding());
        waits.extend(
            Act::ALL.map(|act| is_known.then(|| wait(instance, collection, act, elements)).flatten()),
        );
    }
    waits
}

fn wait(instance: &Instance, collection: Collection, act: Act, elements: u64) -> Option<Duration> {
    let (mut writer, mut asker) = (instance.connect(), instance.connect());
    if act == Act::Built {
        return Some(while_built(&mut writer, &mut asker, collection, elements));
    }
    let words = act.words(collection)?;
    if act != Act::Deleted {
        collection.build(&mut writer, "big", elements);
    }
    writer.ask("SET small x");
    let before = keys(&mut asker);
    writer.send(&request(words));
    let mut longest = while_busy(&mut asker, || writer.has_input());
    writer.skip_lines(1);
    let began = Instant::now();
    while act == Act::Expired && keys(&mut asker) == before {
        assert!(began.elapsed() < EXPIRED_WITHIN, "the value does not expire");
        longest = longest.max(ping(&mut asker));
    }
    let began = Instant::now();
    longest = longest.max(while_busy(&mut asker, || began.elapsed() >= AFTER));
    writer.ask("DEL big small");
    Some(longest)
}

/// Adds elements to nothing, a few at a time.
fn while_built(
    writer: &mut Connection,
    asker: &mut Connection,
    collection: Collection,
    elements: u64,
) -> Duration {
    let one = collection.add("big", 1);
    let mut batch = Batch::repeat(&one, AHEAD as usize, collection.reply_lines());
    let mut longest = Duration::ZERO;
    let mut number = 0;
    while number < elements {
        batch.patch(|| {
            number += 1;
            number
        });
        writer.send(&batch.bytes);
        longest = longest.max(ping(asker));
        writer.skip_lines(batch.reply_lines);
    }
    longest
}

/// The longest PING until it is over.
fn while_busy(asker: &mut Connection, mut is_over: impl FnMut() -> bool) -> Duration {
    let mut longest = Duration::ZERO;
    loop {
        longest = longest.max(ping(asker));
        if is_over() {
            return longest;
        }
    }
}

fn ping(asker: &mut Connection) -> Duration {
    let asked = Instant::now();
    asker.send(b"*1\r\n$4\r\nPING\r\n");
    asker.skip_lines(1);
    asked.elapsed()
}

fn keys(asker: &mut Connection) -> String {
    asker.ask("DBSIZE")
}
