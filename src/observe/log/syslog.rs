//! The log's second way out: datagrams to the machine's syslog, in the form that syslog(3) sends (RFC 3164 without time and
//! host, which the daemon adds).
//!
//! ```text
//! <133>redis[12345]: Ready to accept connections tcp        133 = local0 (16) × 8 + notice (5)
//! ```

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::Level;

/// Where every Unix has it.
const SOCKET: &str = "/dev/log";

/// A way to the daemon.
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    ident: String,
    facility: u8,
    /// Connected when something is to be said, and again after the daemon was started anew.
    socket: Mutex<Option<UnixDatagram>>,
}

impl Syslog {
    /// `facility`: 1 is user, 16 to 23 are local0 to local7.
    pub fn new(ident: String, facility: u8) -> Syslog {
        Syslog { path: SOCKET.into(), ident, facility, socket: Mutex::new(None) }
    }

    /// Sends a message. What can't be sent is lost: it stands in the log proper.
    pub(super) fn write(&self, level: Level, pid: u32, message: &str) {
        let severity = match level {
            Level::Debug => 7,
            Level::Verbose => 6,
            Level::Notice => 5,
            Level::Warning | Level::Nothing => 4,
        };
        let line = format!("<{}>{}[{pid}]: {message}", u32::from(self.facility) * 8 + severity, self.ident);
        let mut socket = self.socket.lock();
        let sent = socket.as_ref().is_some_and(|open| open.send(line.as_bytes()).is_ok());
        if !sent {
            *socket = connect(&self.path).and_then(|open| open.send(line.as_bytes()).map(|_| open)).ok();
        }
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A daemon that hangs must not hang the server.
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_also_at_a_daemon_that_was_started_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let syslog = Syslog { path: path.clone(), ..Syslog::new("redis".into(), 16) };
        syslog.write(Level::Notice, 7, "nobody is there");
        for _ in 0..2 {
            let daemon = UnixDatagram::bind(&path).unwrap();
            syslog.write(Level::Notice, 7, "hello");
            let mut line = [0; 100];
            let len = daemon.recv(&mut line).unwrap();
            assert_eq!(&line[..len], b"<133>redis[7]: hello");
            std::fs::remove_file(&path).unwrap();
        }
    }
}
