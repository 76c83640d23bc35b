//! Telling who started the server that it is ready: `supervised`.
//!
//! | supervisor | knows it by | how |
//! |---|---|---|
//! | systemd, `Type=notify` | `NOTIFY_SOCKET` | datagrams of lines such as `READY=1` (the manual page sd_notify(3)) |
//! | upstart, `expect stop` | `UPSTART_JOB` | the process stops itself, and is told to go on |
//!
//! Without the word systemd would take the start for failed when its time is over.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::process::{Signal, getpid, kill_process};

use crate::config::Supervised;

/// Who wants to hear of this process.
#[derive(Debug)]
pub enum Supervisor {
    Nobody,
    Systemd(SocketAddr),
    Upstart,
}

impl Supervisor {
    /// Finds the supervisor that the configuration asks for; one that is asked for and not there is a warning.
    pub fn find(asked: Supervised) -> Supervisor {
        let systemd = || env::var_os("NOTIFY_SOCKET").and_then(|name| address(&name).ok());
        let upstart = || env::var_os("UPSTART_JOB").map(|_| Supervisor::Upstart);
        let found = match asked {
            Supervised::No => return Supervisor::Nobody,
            Supervised::Auto => {
                return upstart().or(systemd().map(Supervisor::Systemd)).unwrap_or(Supervisor::Nobody);
            }
            Supervised::Systemd => systemd().map(Supervisor::Systemd),
            Supervised::Upstart => upstart(),
        };
        if found.is_none() {
            tracing::warn!(
                "supervised: {asked:?} did not start this process, or does not say where it listens"
            );
        }
        found.unwrap_or(Supervisor::Nobody)
    }

    /// Tells that data is being loaded.
    pub fn loading(&self) {
        self.send("STATUS=Ochre is loading...\n");
    }

    /// Tells that clients are served now.
    pub fn ready(&self) {
        self.send("STATUS=Ready to accept connections\nREADY=1\n");
        if let Supervisor::Upstart = self {
            // It returns when upstart has noticed.
            let _ = kill_process(getpid(), Signal::STOP);
        }
    }

    /// Tells that the server ends.
    pub fn stopping(&self) {
        self.send("STATUS=Saving and leaving\nSTOPPING=1\n");
    }

    fn send(&self, lines: &str) {
        let Supervisor::Systemd(socket) = self else { return };
        let sent = UnixDatagram::unbound().and_then(|own| own.send_to_addr(lines.as_bytes(), socket));
        if let Err(error) = sent {
            tracing::warn!("Can't tell systemd: {error}");
        }
    }
}

/// A path, or behind an `@` a name that is no file.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_hears_it_under_a_path_or_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("@ochre-test-{}", std::process::id());
        for place in [path.as_os_str(), OsStr::new(&name)] {
            let place = address(place).unwrap();
            let systemd = UnixDatagram::bind_addr(&place).unwrap();
            Supervisor::Systemd(place).ready();
            let mut lines = [0; 100];
            let len = systemd.recv(&mut lines).unwrap();
            assert!(lines[..len].ends_with(b"\nREADY=1\n"));
        }
    }
}
