//! What the append-only file costs: throughput and the longest waits under `everysec` against none, in rounds that alternate; and
//! under `always` how many writes share a sync (only Ochre tells) and how many there are in a second.

use std::time::Instant;

use crate::Plan;
use crate::batch::{Batch, Kind};
use crate::client::Load;
use crate::machine;
use crate::report::{Table, median};
use crate::server::{Instance, Peer};

const KEYS: u64 = 100_000;
const VALUE_BYTES: usize = 16;
const PIPELINES: [usize; 3] = [1, 16, 64];
const CONNECTIONS: usize = 8;
/// Rounds of each setting.
const ROUNDS: usize = 6;
const CLIENTS: [usize; 3] = [1, 50, 200];

pub fn run(plan: &Plan) {
    everysec(plan);
    always(plan);
}

/// Where a server may run.
#[derive(Clone, Copy)]
enum Place {
    /// On one CPU, which commands and the thread that writes the file share.
    One,
    /// On all: that thread runs where there is room. Commands have one thread here too.
    Anywhere,
}

fn start(peer: &Peer, place: Place, options: &[&str]) -> Instance {
    let one_worker = if peer.is_ochre() { &["--io-threads", "1"][..] } else { &[] };
    match place {
        Place::One => machine::move_to(machine::SERVER_CPU),
        Place::Anywhere => machine::move_anywhere(),
    }
    let instance = peer.start_here(&[one_worker, options].concat());
    machine::move_to(machine::CLIENT_CPU);
    instance
}

/// What a round says.
struct Figures {
    /// Requests per second.
    rate: f64,
    /// CPU µs per request.
    cpu_us: f64,
    /// The longest that a batch took, in ms.
    longest_ms: f64,
}

fn round(instance: &Instance, load: &mut Load, batch: &mut Batch, plan: &Plan) -> Figures {
    load.run(batch, KEYS, plan.round / 10);
    load.take_longest();
    let (began, cpu) = (Instant::now(), instance.cpu_seconds());
    let requests = load.run(batch, KEYS, plan.round) as f64;
    Figures {
        rate: requests / began.elapsed().as_secs_f64(),
        cpu_us: (instance.cpu_seconds() - cpu) / requests * 1e6,
        longest_ms: load.take_longest().as_secs_f64() * 1e3,
    }
}

fn median_of(rounds: &[Figures]) -> Figures {
    let middle = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure));
    Figures {
        rate: middle(|round| round.rate),
        cpu_us: middle(|round| round.cpu_us),
        longest_ms: middle(|round| round.longest_ms),
    }
}

fn everysec(plan: &Plan) {
    let columns = [
        "server",
        "CPUs",
        "pipeline",
        "ops/s without",
        "ops/s everysec",
        "ratio",
        "CPU µs without",
        "CPU µs everysec",
        "longest ms without",
        "longest ms everysec",
    ];
    let mut table = Table::new(columns);
    let peers = plan.peers.iter().filter(|peer| peer.can_start());
    for (peer, (place, cpus)) in
        peers.flat_map(|peer| [(Place::Anywhere, "all"), (Place::One, "one")].map(|place| (peer, place)))
    {
        let settings: [&[&str]; 2] = [&[], &["--appendonly", "yes", "--appendfsync", "everysec"]];
        let instances = settings.map(|options| start(peer, place, options));
        let mut loads = [0, 1].map(|index: usize| Load::on(instances[index].addr, CONNECTIONS));
        for pipeline in PIPELINES {
            let mut batch = Batch::new(Kind::Set, pipeline, VALUE_BYTES);
            let mut rounds = [Vec::new(), Vec::new()];
            for count in 0..ROUNDS {
                for turn in 0..2 {
                    let index = if count % 2 == 0 { turn } else { 1 - turn };
                    rounds[index].push(round(&instances[index], &mut loads[index], &mut batch, plan));
                }
            }
            let [without, with] = rounds.map(|rounds| median_of(&rounds));
            table.row([
                peer.name.clone(),
                cpus.to_owned(),
                pipeline.to_string(),
                format!("{:.0}", without.rate),
                format!("{:.0}", with.rate),
                format!("{:.3}", with.rate / without.rate),
                format!("{:.3}", without.cpu_us),
                format!("{:.3}", with.cpu_us),
                format!("{:.2}", without.longest_ms),
                format!("{:.2}", with.longest_ms),
            ]);
        }
    }
    table.print(
        "SET with an append-only file synced every second (bars: 0.95; no wait of 2 ms that there is not without; the longest \
         of a round, in the median). On one CPU the kernel's part, copying and sending to the disk the 55 bytes of each \
         request, counts too: about 13 ns, which in pipelines of 64 is 4 % of a request",
    );
}

/// A number of INFO persistence, 0 if the server doesn't say.
fn number(instance: &Instance, field: &str) -> f64 {
    let info = instance.connect().ask("INFO persistence");
    let found = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    found.and_then(|digits| digits.trim().parse().ok()).unwrap_or(0.0)
}

fn always(plan: &Plan) {
    let mut table =
        Table::new(["server", "clients", "writes/s", "writes per sync", "of the clients"].map(str::to_owned));
    for peer in plan.peers.iter().filter(|peer| peer.can_start()) {
        let instance = start(peer, Place::One, &["--appendonly", "yes", "--appendfsync", "always"]);
        for clients in CLIENTS {
            let mut load = Load::on(instance.addr, clients);
            let mut batch = Batch::new(Kind::Set, 1, VALUE_BYTES);
            load.run(&mut batch, KEYS, plan.round / 4);
            let counts = || ["aof_fsyncs", "aof_fsynced_commits"].map(|field| number(&instance, field));
            let (before, began) = (counts(), Instant::now());
            let written = load.run(&mut batch, KEYS, plan.round) as f64;
            let rate = written / began.elapsed().as_secs_f64();
            let after = counts();
            let shared = (after[1] - before[1]) / (after[0] - before[0]).max(1.0);
            let told = peer.is_ochre();
            table.row([
                peer.name.clone(),
                clients.to_string(),
                format!("{rate:.0}"),
                if told { format!("{shared:.1}") } else { "–".into() },
                if told { format!("{:.0} %", shared * 100.0 / clients as f64) } else { "–".into() },
            ]);
        }
    }
    table.print("SET under appendfsync always (bar: 80 % of the clients share a sync)");
}
