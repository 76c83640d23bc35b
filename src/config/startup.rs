//! The command line: `[FILE] [-] [--name value…]…`, by the rules of redis-server.
//!
//! ```text
//! /etc/redis.conf --port 7000 --save 60 1 --save 300 10      file, then three directives
//! - --appendonly yes                                         standard input, then one directive
//! --save --port 7000                                         save "" and port 7000
//! "--port 7000" --requirepass --secret                       a directive in one argument; a value with dashes
//! ```
//!
//! An argument that starts with `--` begins a directive, unless the directive before it still waits for its first
//! value. `-` reads standard input when it is the first or the last argument.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::error::ConfigError;
use crate::base::words::split_args;

/// Everything that says how the server starts.
#[derive(Clone, Debug, Default)]
pub struct Startup {
    /// The configuration file, as given.
    pub file: Option<PathBuf>,
    /// Whether standard input holds more.
    pub stdin: Stdin,
    /// Directives of the command line, word by word, in order; they come last and win.
    pub arguments: Vec<Vec<Vec<u8>>>,
}

/// Configuration on standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stdin {
    /// There is none.
    #[default]
    Unused,
    /// To be read when the configuration is loaded.
    Unread,
    /// What it held.
    Text(Vec<u8>),
}

impl Startup {
    /// Reads the arguments behind the program's name.
    pub fn from_args(args: impl Iterator<Item = OsString>) -> Result<Startup, ConfigError> {
        let args: Vec<Vec<u8>> = args.map(OsString::into_vec).collect();
        if args.iter().any(|arg| arg == b"--sentinel") {
            return Err(ConfigError::Sentinel);
        }
        let mut startup = Startup::default();
        let mut rest = args.as_slice();
        if let Some((first, behind)) = args.split_first().filter(|(first, _)| !first.starts_with(b"-")) {
            startup.file = (!first.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(first)));
            rest = behind;
        }
        let has_file = rest.len() < args.len();
        let mut waits_for_value = false;
        for (position, arg) in rest.iter().enumerate() {
            let next = rest.get(position + 1);
            let outermost = (position == 0 && !has_file) || next.is_none();
            if arg == b"-" && outermost {
                startup.stdin = Stdin::Unread;
            } else if let Some(name) = arg.strip_prefix(b"--").filter(|_| !waits_for_value) {
                let mut words = split_args(name)
                    .map_err(|_| ConfigError::Arguments(format!("{:?}: Unbalanced quotes", lossy(arg))))?;
                waits_for_value = words.len() < 2;
                let next_is_option = next.is_none_or(|next| next.starts_with(b"--"));
                if waits_for_value && next_is_option && name.eq_ignore_ascii_case(b"save") {
                    words.push(Vec::new());
                    waits_for_value = false;
                }
                startup.arguments.push(words);
            } else {
                match startup.arguments.last_mut() {
                    Some(words) => words.push(arg.clone()),
                    None => startup.arguments.push(vec![arg.clone()]),
                }
                waits_for_value = false;
            }
        }
        Ok(startup)
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
