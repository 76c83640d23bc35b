//! A server in a container that is hardly bigger than what it may keep, under every policy, for as long as one likes.
//!
//! ```text
//! cargo bench --bench compare -- --only soak                   twice the limit is written under each policy
//! cargo bench --bench compare -- --only soak --minutes 60      an hour
//! ```
//!
//! The container, a cgroup, holds 1.25 × `maxmemory`; the system kills what wants more. One server goes through all policies, twice,
//! so memory that falls to pieces under one policy is still so under the next. Clients write, read and delete strings of 10 B
//! to 1 MB, hashes and lists. Where no cgroup can be made, the server runs without, and that is said.

use std::time::{Duration, Instant};

use crate::Plan;
use crate::cgroup::Cgroup;
use crate::client::{Chance, Connection, request};
use crate::guards::{POLICIES, used};
use crate::machine;
use crate::report::Table;
use crate::server::Instance;

/// Requests that are sent together.
const PIPELINE: u64 = 32;
const ROUNDS: usize = 2;
const KEYS: u64 = 400_000;
/// Hashes and lists.
const COLLECTIONS: u64 = 200;

pub fn run(plan: &Plan) {
    let limit: u64 = if plan.quick { 64 << 20 } else { 256 << 20 };
    let container = limit + limit / 4;
    let cgroup = Cgroup::with_limit(container).inspect_err(|reason| println!("skipped: {reason}\n")).ok();
    let launcher = cgroup.as_ref().map(|cgroup| cgroup.launcher().to_vec()).unwrap_or_default();
    machine::move_to(machine::SERVER_CPU);
    let instance = plan.peers[0].start_by(&launcher, &["--maxmemory", &limit.to_string()]);
    machine::move_to(machine::CLIENT_CPU);
    let mut load = Load {
        own: instance.connect(),
        instance: &instance,
        limit,
        chance: Chance::new(9),
        text: "x".repeat(1 << 20),
    };
    let mut table =
        Table::new(["policy", "written / maxmemory", "used", "RSS", "RSS but files", "bars of used, RSS"]);
    for policy in [POLICIES; ROUNDS].concat() {
        load.own.ask(&format!("CONFIG SET maxmemory-policy {policy}"));
        let most = load.flood(plan.soak / (ROUNDS * POLICIES.len()) as u32);
        let ratio = |bytes: u64| format!("{:.3}", bytes as f64 / limit as f64);
        let bars = "≤ 1.02, ≤ 1.15".to_owned();
        let most = [most.written, most.used, most.resident, most.anonymous].map(ratio);
        table.row([policy.to_owned()].into_iter().chain(most).chain([bars]));
    }
    assert_eq!(load.own.ask("PING"), "PONG");
    table.print(&format!("Soak: most memory / maxmemory ({} MB), values of 10 B to 1 MB", limit >> 20));
    if let Some(cgroup) = &cgroup {
        let peak = cgroup.peak_bytes().map_or("?".to_owned(), |bytes| (bytes >> 20).to_string());
        println!("Container of {} MB: {peak} MB at most, {} killed\n", container >> 20, cgroup.kills());
    }
    drop(load);
    // The process goes before its cgroup.
    drop(instance);
}

/// What there was at most.
#[derive(Default)]
struct Most {
    written: u64,
    used: u64,
    resident: u64,
    /// Without pages of files.
    anonymous: u64,
}

struct Load<'i> {
    own: Connection,
    instance: &'i Instance,
    limit: u64,
    chance: Chance,
    text: String,
}

impl Load<'_> {
    /// Until the time is over and twice as much is written as fits.
    fn flood(&mut self, time: Duration) -> Most {
        let (began, mut most, mut batches) = (Instant::now(), Most::default(), 0_u64);
        while most.written < 2 * self.limit || began.elapsed() < time {
            let mut batch = Vec::new();
            let mut requests = 0;
            while requests < PIPELINE {
                requests += self.push(&mut batch, &mut most.written);
            }
            self.own.send(&batch);
            self.own.skip_lines(requests as usize);
            batches += 1;
            if batches.is_multiple_of(8) {
                most.used = most.used.max(used(&mut self.own));
                most.resident = most.resident.max(self.instance.resident_bytes());
                most.anonymous = most.anonymous.max(machine::anonymous_bytes(self.instance.pid));
            }
        }
        most
    }

    /// Adds requests with one line of reply each; how many. Every key has a deadline, so that every policy may take it.
    fn push(&mut self, batch: &mut Vec<u8>, written: &mut u64) -> u64 {
        // Every size class as often as any other by bytes, but for the smallest.
        let len = (10 << self.chance.below(17)).min(self.text.len() as u64) - self.chance.below(8);
        let short = len.min(2_000);
        let key = format!("key:{}", self.chance.below(KEYS));
        let collection = self.chance.below(COLLECTIONS);
        let seconds = (1_000 + self.chance.below(5_000)).to_string();
        let text = |len: u64| &self.text[..len as usize];
        let mut add = |words: &[&str]| batch.extend(request(words));
        match self.chance.below(20) {
            0..12 => {
                *written += len;
                add(&["SET", &key, text(len), "EX", &seconds]);
                1
            }
            12..16 => {
                add(&["STRLEN", &key]);
                1
            }
            16 => {
                add(&["DEL", &key]);
                1
            }
            17..19 => {
                let hash = format!("hash:{collection}");
                *written += short;
                add(&["HSET", &hash, &key, text(short)]);
                add(&["EXPIRE", &hash, &seconds, "NX"]);
                2
            }
            _ => {
                let list = format!("list:{collection}");
                *written += short;
                add(&["RPUSH", &list, text(short)]);
                add(&["EXPIRE", &list, &seconds, "NX"]);
                2
            }
        }
    }
}
