//! Golden scripts: what every command answers and does, as text beside its code.
//!
//! Each `src/commands/**/scripts/*.txt` (see [`script`] for the format) runs against servers of ours with one worker
//! and with four, with a clock that only the script moves.
//!
//! ```text
//! cargo test --test scripts [part of a name]
//! UPDATE=1 cargo test --test scripts …                     writes what was answered into the files
//! REDIS_ORACLE=127.0.0.1:7000 cargo test --test scripts …  the replies of a real server; also with UPDATE=1
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails.

mod record;
mod run;
mod script;
mod text;
#[path = "../wire/mod.rs"]
mod wire;

use std::net::ToSocketAddrs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use run::{Outcome, Target};
use script::Script;

// The server's memory statistics come from its allocator.
#[global_allocator]
static ALLOCATOR: ochre::alloc::CountingJemalloc = ochre::alloc::CountingJemalloc;

/// The runs that look at data only: what the append-only file says happened, or a snapshot, must come to the same.
const RELOADED: &str = "from its log";
const RESTORED: &str = "from a snapshot";
/// Scripts whose data their log can't bring back, and why.
const NOT_RELOADED: [(&str, &str); 4] = [
    ("server/debug", "DEBUG POPULATE is not logged"),
    ("hyperloglog/pfadd", "the form depends on an option that the script changes"),
    ("hyperloglog/pfmerge", "the form depends on an option that the script changes"),
    (
        "sorted_set/zunion",
        "whether a score keeps its negative zero depends on an option that the script changes",
    ),
];
/// Scripts whose data a snapshot does not bring back, and why.
const NOT_RESTORED: [(&str, &str); 3] = [
    ("generic/randomkey", "keys that have expired and were not removed are left out"),
    ("transaction/swapdb_watch", "keys that have expired and were not removed are left out"),
    (
        "sorted_set/zunion",
        "whether a score keeps its negative zero depends on an option that the script changes",
    ),
];
/// Blocks between two reloads.
const RELOAD_EVERY: usize = 8;

/// Workers of the servers that every script runs against.
const WORKERS: [usize; 2] = [1, 4];

fn main() -> ExitCode {
    let arguments = Arguments::read();
    let update = std::env::var_os("UPDATE").is_some();
    let oracle = std::env::var("REDIS_ORACLE").ok();
    let scripts = find(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands"));
    let (mut passed, mut skipped, mut failures) = (0, 0, Vec::new());
    for path in scripts {
        for variant in variants(oracle.as_deref(), update) {
            let name = format!("{} ({variant})", name_of(&path));
            let exempt: &[(&str, &str)] = match variant.as_str() {
                RELOADED => &NOT_RELOADED,
                RESTORED => &NOT_RESTORED,
                _ => &[],
            };
            if exempt.iter().any(|(script, _)| name.starts_with(script)) || !arguments.select(&name) {
                continue;
            }
            if arguments.list {
                println!("{name}: test");
                continue;
            }
            match run_caught(&path, &variant, update) {
                Ok(true) => passed += 1,
                Ok(false) => {
                    skipped += 1;
                    println!("test {name} ... ignored");
                    continue;
                }
                Err(report) => {
                    println!("test {name} ... FAILED");
                    failures.push(format!("---- {name} ----\n{report}"));
                    continue;
                }
            }
            println!("test {name} ... ok");
        }
    }
    if arguments.list {
        return ExitCode::SUCCESS;
    }
    failures.iter().for_each(|failure| println!("\n{failure}"));
    let verdict = if failures.is_empty() { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {} failed; {skipped} ignored\n", failures.len());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

/// What `cargo test` passes on: parts of names, and a few flags of the standard harness.
struct Arguments {
    parts: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
}

impl Arguments {
    fn read() -> Arguments {
        let mut read = Arguments { parts: Vec::new(), skip: Vec::new(), exact: false, list: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => read.list = true,
                "--exact" => read.exact = true,
                "--skip" => read.skip.extend(arguments.next()),
                "--test-threads" | "--format" | "--color" | "-Z" => drop(arguments.next()),
                flag if flag.starts_with('-') => {}
                part => read.parts.push(part.to_owned()),
            }
        }
        read
    }

    fn select(&self, name: &str) -> bool {
        let matches = |part: &String| if self.exact { name == part } else { name.contains(part.as_str()) };
        (self.parts.is_empty() || self.parts.iter().any(matches)) && !self.skip.iter().any(matches)
    }
}

/// What a script runs against, as a word.
fn variants(oracle: Option<&str>, update: bool) -> Vec<String> {
    match oracle {
        Some(addr) => vec![addr.to_owned()],
        // Written once, by the simplest server; the next run checks the other.
        None if update => vec![worker_word(WORKERS[0])],
        None => WORKERS.into_iter().map(worker_word).chain([RELOADED, RESTORED].map(str::to_owned)).collect(),
    }
}

fn worker_word(workers: usize) -> String {
    format!("{workers} worker{}", if workers == 1 { "" } else { "s" })
}

fn target(variant: &str) -> Result<Target, String> {
    if variant == RELOADED || variant == RESTORED {
        return Target::with_log();
    }
    match variant.split_once(" worker") {
        Some((workers, _)) => Target::ochre(workers.parse().unwrap_or(1)),
        None => {
            let mut addrs = variant.to_socket_addrs().map_err(|error| format!("{variant}: {error}"))?;
            Target::oracle(addrs.next().ok_or("REDIS_ORACLE has no address")?)
        }
    }
}

fn run_caught(path: &Path, variant: &str, update: bool) -> Result<bool, String> {
    catch_unwind(AssertUnwindSafe(|| run_script(path, variant, update))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("panic").to_owned())
    })
}

/// Whether it ran; an error is a report for a person.
fn run_script(path: &Path, variant: &str, update: bool) -> Result<bool, String> {
    let mut script = Script::load(path).map_err(|error| format!("{}:{error}", shown(path)))?;
    let target = target(variant)?;
    if !target.takes(script.conditions) {
        return Ok(false);
    }
    if variant == RELOADED {
        return check_reloads(&script, &target, "DEBUG LOADAOF").map(|()| true);
    }
    if variant == RESTORED {
        return check_reloads(&script, &target, "DEBUG RELOAD").map(|()| true);
    }
    let mut outcomes = Vec::new();
    run::run(&script, &target, |index, outcome| outcomes.push((index, outcome)));
    drop(target);
    if update {
        let before = script.text();
        for (index, outcome) in outcomes {
            let block = &mut script.blocks[index];
            block.replies = Some(keep_wildcards(block.replies.as_deref(), outcome.replies));
            if let (Some(expected), Some(effects)) = (&mut block.effects, outcome.effects) {
                *expected = keep_wildcards(Some(expected), effects);
            }
        }
        if script.text() != before {
            std::fs::write(&script.path, script.text()).map_err(|error| error.to_string())?;
        }
        return Ok(true);
    }
    let mut report = String::new();
    for (index, outcome) in &outcomes {
        compare(&script, *index, outcome, &mut report);
    }
    if report.is_empty() { Ok(true) } else { Err(report) }
}

/// Runs a script, and loads its log or a snapshot now and then.
fn check_reloads(script: &Script, target: &Target, reload: &str) -> Result<(), String> {
    let (mut blocks, mut report) = (0, String::new());
    let mut check = |index: usize| {
        let (before, after) = target.digests_around_reload(reload);
        if before != after {
            let place = format!("{}:{}", shown(&script.path), script.blocks[index].line);
            report.push_str(&format!("{place}: the data differ after {reload}, here or somewhat earlier\n"));
        }
    };
    run::run(script, target, |index, _| {
        blocks += 1;
        if blocks % RELOAD_EVERY == 0 {
            check(index);
        }
    });
    check(script.blocks.len().saturating_sub(1));
    if report.is_empty() { Ok(()) } else { Err(report) }
}

fn compare(script: &Script, index: usize, outcome: &Outcome, report: &mut String) {
    let block = &script.blocks[index];
    let place = format!("{}:{}", shown(&script.path), block.line);
    let Some(replies) = &block.replies else {
        report.push_str(&format!("{place}: no replies are written down; UPDATE=1 writes them\n"));
        return;
    };
    let mut differ = |what: &str, expected: &[String], got: &[String]| {
        if !agree(expected, got) {
            report.push_str(&format!("{place}: {what}\n"));
            block.head.iter().for_each(|line| report.push_str(&format!("    {line}\n")));
            report.push_str(&diff(expected, got));
        }
    };
    differ("replies differ (- expected, + answered)", replies, &outcome.replies);
    if let (Some(expected), Some(effects)) = (&block.effects, &outcome.effects) {
        differ("effects differ (- expected, + happened)", expected, effects);
    }
}

fn is_wildcard(line: &str) -> bool {
    let line = line.trim();
    line == "*" || line.starts_with("* ")
}

fn agree(expected: &[String], got: &[String]) -> bool {
    expected.len() == got.len()
        && expected.iter().zip(got).all(|(line, got)| line == got || is_wildcard(line))
}

/// Lines that differ, with their neighbours.
fn diff(expected: &[String], got: &[String]) -> String {
    let same = |(line, got): (&String, &String)| line == got || is_wildcard(line);
    let head = expected.iter().zip(got).take_while(|&pair| same(pair)).count();
    let (left, right) = (&expected[head..], &got[head..]);
    let tail = left.iter().rev().zip(right.iter().rev()).take_while(|&pair| same(pair)).count();
    let mut text = String::new();
    let mut put = |mark: &str, lines: &[String]| {
        lines.iter().for_each(|line| text.push_str(&format!("  {mark} {line}\n")));
    };
    put(" ", &expected[head.saturating_sub(3)..head]);
    put("-", &left[..left.len() - tail]);
    put("+", &right[..right.len() - tail]);
    put(" ", &left[left.len() - tail..][..tail.min(3)]);
    text
}

/// New lines, but where a wildcard stood it stays.
fn keep_wildcards(old: Option<&[String]>, mut new: Vec<String>) -> Vec<String> {
    let old = old.unwrap_or_default();
    if old.len() == new.len() {
        for (old, new) in old.iter().zip(&mut new).filter(|(old, _)| is_wildcard(old)) {
            new.clone_from(old);
        }
    }
    new
}

/// Every script, in order.
fn find(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "txt")
                && path.parent().is_some_and(|parent| parent.ends_with("scripts"))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// `string/set` for `src/commands/string/scripts/set.txt`.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let family = path.parent().and_then(Path::parent).and_then(Path::file_name).unwrap_or_default();
    format!("{}/{stem}", family.to_string_lossy())
}

/// The path as an editor finds it from the repository's root.
fn shown(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path).display().to_string()
}
