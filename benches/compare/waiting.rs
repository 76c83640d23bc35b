//! One client noticing another: deliveries of messages, hand-off to who waits, transactions, optimistic updates, and what
//! a subscription costs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::Plan;
use crate::batch::Batch;
use crate::client::{Connection, Load, request};
use crate::machine;
use crate::report::{Table, median};
use crate::server::{Instance, Peer};

/// Lines of a message to a subscriber: `*3`, and three strings of two lines each.
const MESSAGE_LINES: usize = 7;

/// Turns of each server: forth and back, so that what changes slowly on the machine hits all alike. The median counts.
const TURNS: usize = 4;

pub fn run(plan: &Plan) {
    let names = plan.peers.iter().map(|peer| peer.name.clone());
    let head = ["what", "unit"].map(str::to_owned).into_iter().chain(names).chain(["bar".to_owned()]);
    let mut table = Table::new(head);
    let instances: Vec<Instance> = plan.peers.iter().map(|peer| peer.start()).collect();
    let round = plan.round / 2;
    let mut row = |what: &str, unit: &str, bar: &str, figures: Vec<f64>| {
        let digits = if unit.starts_with("CPU") { 3 } else { 0 };
        let figures = figures.into_iter().map(|figure| format!("{figure:.digits$}"));
        let cells = [what.to_owned(), unit.to_owned()].into_iter().chain(figures);
        table.row(cells.chain([bar.to_owned()]));
    };
    let per_cpu = "deliveries/s of CPU";
    for (what, load) in [
        ("PUBLISH to 100 subscribers by one publisher, 16 under way", (1, 16)),
        ("PUBLISH to 100 subscribers by 16 publishers", (16, 1)),
    ] {
        row(what, per_cpu, "≥ 2×", medians(&instances, |instance| fan_out(instance, round, load)));
    }
    for (what, subscribers, burst) in [
        ("the same in step: a burst of 16 to 1 subscriber", 1, 16),
        ("a burst of 16 to 100 subscribers", 100, 16),
        ("a burst of 128 to 100 subscribers", 100, 128),
    ] {
        let figures = medians(&instances, |instance| in_step(instance, round, subscribers, burst));
        row(what, per_cpu, "", figures);
    }
    let hand_offs = if plan.quick { 500 } else { 5_000 };
    let mut times = in_turns(&instances, |instance| hand_off(instance, hand_offs));
    let mut hand_off_at = |percent: usize| {
        let of_each = times.iter_mut().map(|turns| {
            let mut all = turns.concat();
            all.sort_unstable();
            all[all.len() * percent / 100].as_secs_f64() * 1e6
        });
        of_each.collect()
    };
    row("BLPOP hand-off, 1,000 wait, p50", "µs", "≤", hand_off_at(50));
    row("BLPOP hand-off, 1,000 wait, p99", "µs", "≤", hand_off_at(99));
    let costs = medians(&instances, |instance| transactions(instance, round));
    row("MULTI/EXEC of 10, pipeline 16", "CPU µs per command", "≥ 1.5× better", costs);
    drop(instances);
    // Two workers want two CPUs, so here servers and clients share all that there are.
    machine::move_anywhere();
    let workers = |peer: &Peer| if peer.is_ochre() { &["--io-threads", "2"][..] } else { &[] };
    let unpinned: Vec<Instance> = plan.peers.iter().map(|peer| peer.start_here(workers(peer))).collect();
    let turns = in_turns(&unpinned, |instance| contend(instance, round));
    drop(unpinned);
    machine::move_to(machine::CLIENT_CPU);
    let of_each =
        |rate: fn(&Contest) -> f64| turns.iter().map(|turns| median(turns.iter().map(rate))).collect();
    let what = "WATCH, GET, MULTI, SET, EXEC by 32 clients, two workers";
    row(what, "increments/s", "≥", of_each(|contest| contest.increments));
    row(
        "the same, those that came too late counted too",
        "attempts/s",
        "",
        of_each(|contest| contest.attempts),
    );
    let crowd = if plan.quick { 1_000 } else { 10_000 };
    // Fresh ones: memory that others have freed would hide what is taken.
    let bytes = plan.peers.iter().map(|peer| subscriber_bytes(&peer.start(), crowd)).collect();
    row("a subscriber, beyond its connection", "bytes", "≤ 1,024", bytes);
    table.print("Waiting and watching");
}

/// What each server's turns gave.
fn in_turns<T>(instances: &[Instance], measure: impl Fn(&Instance) -> T) -> Vec<Vec<T>> {
    let mut turns: Vec<Vec<T>> = instances.iter().map(|_| Vec::new()).collect();
    for turn in 0..TURNS {
        for position in 0..instances.len() {
            let index = if turn % 2 == 0 { position } else { instances.len() - 1 - position };
            turns[index].push(measure(&instances[index]));
        }
    }
    turns
}

fn medians(instances: &[Instance], measure: impl Fn(&Instance) -> f64) -> Vec<f64> {
    in_turns(instances, measure).into_iter().map(median).collect()
}

fn listen(instance: &Instance, subscribers: usize) -> Vec<Connection> {
    let subscribe = |_| {
        let mut connection = instance.connect();
        connection.send(&request(&["SUBSCRIBE", "channel"]));
        connection.skip_lines(6);
        connection
    };
    (0..subscribers).map(subscribe).collect()
}

fn messages(burst: usize) -> Batch {
    Batch::repeat(&request(&["PUBLISH", "channel", &"x".repeat(64)]), burst, 1)
}

/// Messages that reach a subscriber, per second of the server's CPU, while publishers with so many requests under way each only
/// wait for their own replies.
fn fan_out(instance: &Instance, round: Duration, (publishers, burst): (usize, usize)) -> f64 {
    const SUBSCRIBERS: usize = 100;
    let mut listening = listen(instance, SUBSCRIBERS);
    let expected = AtomicUsize::new(usize::MAX);
    let before = instance.cpu_seconds();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut lines = 0;
            while lines < expected.load(Ordering::Relaxed) {
                for connection in listening.iter_mut().filter(|connection| connection.has_input()) {
                    lines += connection.read_lines();
                }
                // Who reads without a pause takes the CPU from the publishers.
                std::thread::sleep(Duration::from_millis(1));
            }
            lines / MESSAGE_LINES
        });
        let published = Load::on(instance.addr, publishers).run(&mut messages(burst), 1, round) as usize;
        expected.store(published * SUBSCRIBERS * MESSAGE_LINES, Ordering::Relaxed);
        reader.join().unwrap() as f64 / (instance.cpu_seconds() - before)
    })
}

/// The same when all have a burst before the next is published: then every burst is a write to each, whatever the server does.
fn in_step(instance: &Instance, round: Duration, subscribers: usize, burst: usize) -> f64 {
    let mut listening = listen(instance, subscribers);
    let mut publisher = instance.connect();
    let batch = messages(burst);
    let (began, before) = (Instant::now(), instance.cpu_seconds());
    let mut delivered = 0;
    while began.elapsed() < round {
        publisher.send(&batch.bytes);
        publisher.skip_lines(batch.reply_lines);
        listening.iter_mut().for_each(|connection| connection.skip_lines(burst * MESSAGE_LINES));
        delivered += burst * subscribers;
    }
    delivered as f64 / (instance.cpu_seconds() - before)
}

/// Times from a push to when the first of a thousand who wait has it.
fn hand_off(instance: &Instance, rounds: usize) -> Vec<Duration> {
    const WAITING: usize = 1_000;
    let mut waiting: Vec<Connection> = (0..WAITING).map(|_| instance.connect()).collect();
    let wait = request(&["BLPOP", "queue", "0"]);
    // One after the other, so that it is known who is the first.
    let enter = |connection: &mut Connection, asker: &mut Connection| {
        connection.send(&wait);
        asker.ask("PING");
    };
    let (mut pusher, mut asker) = (instance.connect(), instance.connect());
    waiting.iter_mut().for_each(|connection| enter(connection, &mut asker));
    while !asker.ask("INFO clients").contains(&format!("blocked_clients:{WAITING}\r")) {}
    let push = request(&["RPUSH", "queue", "x"]);
    (0..rounds)
        .map(|round| {
            let first = &mut waiting[round % WAITING];
            let began = Instant::now();
            pusher.send(&push);
            first.skip_lines(5);
            let time = began.elapsed();
            pusher.skip_lines(1);
            first.send(&wait);
            // It must stand behind the others before the next push.
            while !asker.ask("INFO clients").contains(&format!("blocked_clients:{WAITING}\r")) {}
            time
        })
        .collect()
}

/// CPU of a command in transactions of ten, µs.
fn transactions(instance: &Instance, round: Duration) -> f64 {
    const COMMANDS: usize = 10;
    const PIPELINE: usize = 16;
    let one: Vec<u8> = [
        request(&["MULTI"]),
        request(&["INCR", "counter:000000000000"]).repeat(COMMANDS),
        request(&["EXEC"]),
    ]
    .concat();
    // OK, ten times QUEUED, and an array of ten numbers.
    let mut batch = Batch::repeat(&one, PIPELINE, 2 + 2 * COMMANDS);
    let mut load = Load::on(instance.addr, 4);
    load.run(&mut batch, 1_000, round / 4);
    let before = instance.cpu_seconds();
    let done = load.run(&mut batch, 1_000, round);
    (instance.cpu_seconds() - before) * 1e6 / (done as f64 * COMMANDS as f64)
}

/// What clients that increment one counter optimistically get done in a second.
struct Contest {
    increments: f64,
    /// With those that somebody else's write made fail.
    attempts: f64,
}

/// Optimistic increments of one counter; asserts that none is lost.
fn contend(instance: &Instance, round: Duration) -> Contest {
    const CLIENTS: usize = 32;
    instance.connect().ask("SET optimistic 0");
    let began = Instant::now();
    let (attempts, successes) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = instance.connect();
                    let (mut attempts, mut successes) = (0_u64, 0_u64);
                    while began.elapsed() < round {
                        connection.ask("WATCH optimistic");
                        let value: u64 = connection.ask("GET optimistic").parse().unwrap();
                        connection.ask("MULTI");
                        connection.ask(&format!("SET optimistic {}", value + 1));
                        attempts += 1;
                        successes += u64::from(connection.ask("EXEC") == "OK");
                    }
                    (attempts, successes)
                })
            })
            .collect();
        let all = clients.into_iter().map(|client| client.join().unwrap());
        all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    });
    let seconds = began.elapsed().as_secs_f64();
    let counted: u64 = instance.connect().ask("GET optimistic").parse().unwrap();
    assert_eq!(counted, successes, "an update was lost");
    Contest { increments: successes as f64 / seconds, attempts: attempts as f64 / seconds }
}

/// Physical memory of a subscription, by many to one channel.
fn subscriber_bytes(instance: &Instance, subscribers: usize) -> f64 {
    // More than `maxclients` allows as it comes.
    instance.connect().ask(&format!("CONFIG SET maxclients {}", subscribers + 100));
    let mut connections: Vec<Connection> = (0..subscribers).map(|_| instance.connect()).collect();
    connections.iter_mut().for_each(|connection| _ = connection.ask("PING"));
    let before = instance.used_bytes();
    for connection in &mut connections {
        connection.send(&request(&["SUBSCRIBE", "crowd"]));
        connection.skip_lines(6);
    }
    let after = instance.used_bytes();
    after.saturating_sub(before) as f64 / subscribers as f64
}
