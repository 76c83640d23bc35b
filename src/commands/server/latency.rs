//! LATENCY: delays by kind of event, and how long commands take.
//!
//! LATEST, HISTORY, RESET, GRAPH and DOCTOR read the monitor ([`crate::observe::latency`]), which keeps events longer
//! than `latency-monitor-threshold`. HISTOGRAM reads the histograms of `latency-tracking`, summed over the workers.

use crate::base::clock::Clock;
use crate::dispatch::{AdminCx, CmdError, Command, Engine, Outcome, Registered, ReplySlot, Request};
use crate::observe::histogram::Merged;
use crate::resp::Writer;
use crate::spec::{Arg, CommandFlags, Group};

/// The row of LATENCY.
pub const COMMANDS: &[Command] = &[Command::container("latency", -2, SUBCOMMANDS).doc(
    Group::Server,
    "2.8.13",
    "Commands about delays.",
    "Depends on subcommand.",
)];

const SUBCOMMANDS: &[Command] = &[LATEST, HISTORY, RESET, GRAPH, DOCTOR, HISTOGRAM, HELP];

const LATEST: Command = Command::admin("latest", 2, latest)
    .doc(Group::Server, "2.8.13", "Shows the newest delay of every kind of event.", "O(1)")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]);

const HISTORY: Command = Command::admin("history", 3, history)
    .doc(Group::Server, "2.8.13", "Shows the delays of one kind of event.", "O(1)")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
    .args(&[Arg::string("event")]);

const RESET: Command = Command::admin("reset", -2, reset)
    .doc(Group::Server, "2.8.13", "Forgets the delays of some or all kinds of events.", "O(1)")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .tips(&["request_policy:all_nodes", "response_policy:agg_sum"])
    .args(&[Arg::string("event").optional().multiple()]);

const GRAPH: Command = Command::admin("graph", 3, graph)
    .doc(Group::Server, "2.8.13", "Draws the delays of one kind of event.", "O(1)")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
    .args(&[Arg::string("event")]);

const DOCTOR: Command = Command::admin("doctor", 2, doctor)
    .doc(Group::Server, "2.8.13", "Explains the delays on record.", "O(1)")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]);

const HISTOGRAM: Command = Command::admin("histogram", -2, histogram)
    .doc(Group::Server, "7.0.0", "Shows how long commands take.", "O(N) in the number of commands with times")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
    .args(&[Arg::string("command").optional().multiple()]);

const HELP: Command = Command::admin("help", 2, help)
    .doc(Group::Server, "2.8.13", "Lists the subcommands.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE));

const HELP_LINES: &[&str] = &[
    "DOCTOR",
    "    Explain the delays on record.",
    "GRAPH <event>",
    "    Draw the delays of one kind of event.",
    "HISTOGRAM [<command> ...]",
    "    Show how long these commands took, or all: the number of calls below powers of two of",
    "    microseconds.",
    "HISTORY <event>",
    "    Show time and length of the last delays of one kind of event.",
    "LATEST",
    "    Show the newest and the longest delay of every kind of event.",
    "RESET [<event> ...]",
    "    Forget the delays of these kinds of events, or of all.",
];

fn latest(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let latest = cx.engine.latency.latest();
    Ok(reply.write(|w| {
        w.array(latest.len());
        for row in &latest {
            w.array(4);
            w.bulk(row.event.as_bytes());
            w.uint(row.sample.unix_s);
            w.uint(row.sample.ms);
            w.uint(row.worst_ms);
        }
    }))
}

/// The name of an event; no event has one that is not UTF-8.
fn event(arg: &[u8]) -> &str {
    std::str::from_utf8(arg).unwrap_or_default()
}

fn history(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let samples = cx.engine.latency.history(event(req.arg(2)));
    Ok(reply.write(|w| {
        w.array(samples.len());
        for sample in &samples {
            w.array(2);
            w.uint(sample.unix_s);
            w.uint(sample.ms);
        }
    }))
}

fn reset(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let monitor = &cx.engine.latency;
    Ok(reply.count(match req.len() {
        2 => monitor.reset_all(),
        _ => req.args.iter().skip(2).filter(|name| monitor.reset(event(name))).count(),
    }))
}

fn graph(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    match cx.engine.latency.graph(event(req.arg(2)), cx.engine.time.now_ms().seconds()) {
        Some(graph) => Ok(reply.write(|w| w.verbatim(b"txt", graph.as_bytes()))),
        None => Err(CmdError::quoting("ERR No samples available for event '", req.arg(2), "'")),
    }
}

fn doctor(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let report = if cx.engine.config.snapshot().latency_monitor_threshold == 0 {
        "Nothing to report: the latency monitor is off. Turn it on with CONFIG SET latency-monitor-threshold \
         <milliseconds>: events that take at least as long are then recorded.\n"
            .to_owned()
    } else {
        cx.engine.latency.report(cx.engine.time.now_ms().seconds())
    };
    Ok(reply.write(|w| w.verbatim(b"txt", report.as_bytes())))
}

fn histogram(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let table = &cx.engine.commands;
    let asked: Vec<&Registered> = if req.len() == 2 {
        table.iter_all().collect()
    } else {
        req.args.iter().skip(2).filter_map(|name| table.find_full(name)).flat_map(with_subcommands).collect()
    };
    let found: Vec<_> = asked.into_iter().filter_map(|row| with_histogram(cx.engine, row)).collect();
    Ok(reply.write(|w| {
        w.map(found.len());
        for (name, times) in &found {
            w.bulk(name.as_bytes());
            write_histogram(w, times);
        }
    }))
}

fn with_subcommands(registered: &Registered) -> impl Iterator<Item = &Registered> {
    std::iter::once(registered).chain(&registered.subcommands)
}

fn with_histogram<'e>(engine: &Engine, registered: &'e Registered) -> Option<(&'e str, Merged)> {
    Some((registered.full_name.as_str(), engine.stats.histogram(registered.id)?))
}

fn write_histogram(w: &mut Writer<'_>, times: &Merged) {
    let pairs = times.cumulative_pow2_us();
    w.map(2);
    w.bulk(b"calls");
    w.uint(times.count());
    w.bulk(b"histogram_usec");
    w.map(pairs.len());
    for (upper_us, count) in pairs {
        w.uint(upper_us);
        w.uint(count);
    }
}

fn help(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help("latency", HELP_LINES))
}
