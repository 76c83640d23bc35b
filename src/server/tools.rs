//! The tools that are not the server: `ochre check-aof …`, also under the name that Redis gives it.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::persist::aof::check::check;
use crate::persist::storage::Real;

/// Runs a tool if the arguments, program first, ask for one.
pub fn run(args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let mut args: Vec<OsString> = args.collect();
    let program = args.first().map(|path| Path::new(path).file_name().unwrap_or_default().to_owned())?;
    let is_named = ["redis-check-aof", "valkey-check-aof"].iter().any(|name| program == *name);
    if !is_named && args.get(1).is_none_or(|word| word != "check-aof") {
        return None;
    }
    args.drain(..if is_named { 1 } else { 2 });
    Some(check_aof(&args))
}

fn check_aof(args: &[OsString]) -> ExitCode {
    let (fix, path) = match args {
        [path] if path != "--fix" => (false, path),
        [fix, path] if fix == "--fix" => (true, path),
        _ => {
            println!("Usage: ochre check-aof [--fix] <file.manifest|file.aof|directory>");
            return ExitCode::FAILURE;
        }
    };
    let (stdin, mut stdout) = (std::io::stdin(), std::io::stdout());
    match check(&Real, Path::new(path), fix, &mut stdin.lock(), &mut stdout) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("Cannot open file {}: {error}", Path::new(path).display());
            ExitCode::FAILURE
        }
    }
}
