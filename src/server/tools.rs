//! The tools that are not the server: `ochre check-aof …` and `ochre check-rdb …`, also under the names that Redis and Valkey
//! give them. They end with status 0 when all is well, else with 1.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::base::clock::Time;
use crate::persist::aof::check::{Repair, check as check_log};
use crate::persist::rdb::check::check as check_snapshot;
use crate::persist::storage::Real;

/// A tool, with its arguments.
type Tool = fn(&[OsString]) -> ExitCode;

/// Each by its word, and by the ends of the names of programs that are it: `redis-check-aof`, `valkey-check-aof`.
const TOOLS: [(&str, Tool); 2] = [("check-aof", check_aof), ("check-rdb", check_rdb)];

/// Runs a tool if the arguments, program first, ask for one.
pub fn run(args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let args: Vec<OsString> = args.collect();
    let (program, rest) = args.split_first()?;
    let program = Path::new(program).file_name().unwrap_or_default();
    for (word, tool) in TOOLS {
        if is_named(program, word) {
            return Some(tool(rest));
        }
        if let Some((first, rest)) = rest.split_first()
            && first == word
        {
            return Some(tool(rest));
        }
    }
    None
}

fn is_named(program: &OsStr, word: &str) -> bool {
    ["redis-", "valkey-"]
        .iter()
        .any(|prefix| program.to_str().and_then(|name| name.strip_prefix(prefix)) == Some(word))
}

fn check_aof(args: &[OsString]) -> ExitCode {
    let (repair, path) = match args {
        [path] if path != "--fix" => (Repair::Nothing, path),
        [fix, path] if fix == "--fix" => (Repair::Fix, path),
        [truncate, seconds, path] if truncate == "--truncate-to-timestamp" => {
            let Some(seconds) = seconds.to_str().and_then(|digits| digits.parse().ok()) else {
                println!("Invalid timestamp, aborting...");
                return ExitCode::FAILURE;
            };
            (Repair::TruncateTo(seconds), path)
        }
        _ => {
            return usage(
                "check-aof [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof|directory>",
            );
        }
    };
    let (stdin, mut stdout) = (io::stdin(), io::stdout());
    let sound = check_log(&Real, Path::new(path), repair, &Time::system(), &mut stdin.lock(), &mut stdout);
    ended(path, sound)
}

fn check_rdb(args: &[OsString]) -> ExitCode {
    let [path] = args else { return usage("check-rdb <rdb-file-name>") };
    ended(path, check_snapshot(&Real, Path::new(path), &Time::system(), &mut io::stdout()))
}

fn usage(words: &str) -> ExitCode {
    println!("Usage: ochre {words}");
    ExitCode::FAILURE
}

fn ended(path: &OsStr, sound: io::Result<bool>) -> ExitCode {
    match sound {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("Cannot open file {}: {error}", Path::new(path).display());
            ExitCode::FAILURE
        }
    }
}
