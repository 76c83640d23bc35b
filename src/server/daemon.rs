//! `daemonize yes`: the server goes on in the background, and the command returns.
//!
//! A process with threads can't safely fork itself, so the program is started a second time with the same
//! arguments, in a session of its own and without a terminal; an environment variable tells it that it is the one to stay.
//! The configuration has been read by then, so mistakes in it still show on the terminal; later ones are in the log.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, Stdio};

use crate::config::Config;

/// Set in the process that stays.
const STAYS: &str = "OCHRE_DAEMON";

/// Which of the two processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It serves.
    Server,
    /// It has started the server and ends.
    Starter,
}

/// Goes to the background if the configuration says so.
///
/// # Errors
/// When the second process can't be started, or when it could not read the configuration again because it came on
/// standard input.
pub fn daemonize(config: &Config) -> io::Result<Role> {
    if !config.daemonize {
        return Ok(Role::Server);
    }
    if std::env::var_os(STAYS).is_some() {
        // Fails only for the leader of a process group, which this process is not.
        let _ = rustix::process::setsid();
        return Ok(Role::Server);
    }
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if arguments.iter().any(|argument| argument == OsStr::new("-")) {
        return Err(io::Error::other("daemonize yes can't be used with a configuration on standard input"));
    }
    Command::new(std::env::current_exe()?)
        .args(arguments)
        .env(STAYS, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Role::Starter)
}
