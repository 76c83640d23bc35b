//! The command line as clap sees it: a version, a help page, and everything else left to [`Startup`].
//!
//! Only a first argument can be a flag of the program; behind it all arguments are directives, so
//! `--requirepass --help` is a password.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{ArgAction, Parser};

use super::error::ConfigError;
use super::startup::Startup;

/// What to do.
#[derive(Debug)]
pub enum Cli {
    /// Start the server.
    Run(Startup),
    /// Print the text and leave with exit code 0.
    Print(String),
}

/// A Redis-compatible in-memory server.
#[derive(Parser)]
#[command(
    name = "ochre",
    disable_version_flag = true,
    override_usage = "ochre [FILE] [-] [--NAME VALUE...]...",
    after_help = "Examples:\n  \
        ochre                                  run with defaults\n  \
        ochre /etc/redis.conf                  read a file\n  \
        ochre /etc/redis.conf --port 7000      a file, then options, which win\n  \
        ochre --save 60 1 --save \"\"            options take what a line of the file takes\n  \
        echo 'maxmemory 1gb' | ochre -         read standard input"
)]
struct Arguments {
    /// Print the version
    #[arg(short = 'v', long = "version", action = ArgAction::SetTrue)]
    version: bool,
    /// A configuration file, `-` for standard input, and options with their values
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// The line that `--version` prints.
pub fn version() -> String {
    format!("Ochre server v={} redis=8.0.6 bits={}", env!("CARGO_PKG_VERSION"), usize::BITS)
}

/// Reads the arguments behind the program's name.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Cli, ConfigError> {
    let args: Vec<OsString> = args.collect();
    let program = OsString::from("ochre");
    match Arguments::try_parse_from(std::iter::once(program).chain(args)) {
        Ok(arguments) if arguments.version => Ok(Cli::Print(format!("{}\n", version()))),
        Ok(arguments) => Startup::from_args(arguments.arguments.into_iter()).map(Cli::Run),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(Cli::Print(error.to_string())),
        Err(error) => Err(ConfigError::Arguments(error.to_string())),
    }
}
