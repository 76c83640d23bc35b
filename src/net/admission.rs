//! Who may come in: `maxclients` and protected mode, before a worker hears of a connection.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use crate::dispatch::Engine;
use crate::session::bump;

const FULL: &[u8] = b"-ERR max number of clients reached\r\n";
const PROTECTED: &[u8] =
    b"-DENIED This server is in protected mode: no password is set, so it talks to clients on \
its own machine only. To connect from elsewhere, set a password (requirepass in the configuration file, or \
CONFIG SET requirepass from the server's machine), or, where only trusted hosts can reach this port, turn \
protected mode off (protected-mode no in the file, --protected-mode no on the command line, or \
CONFIG SET protected-mode no from the server's machine).\r\n";

/// A connection that nobody has spoken on yet.
pub enum Accepted {
    Tcp(TcpStream),
    /// It is to speak TLS.
    Tls(TcpStream),
    Unix(UnixStream),
}

/// Sets the socket up, or refuses it with one line.
///
/// `connections` are those that the workers have or are about to get: the registry of clients would be late.
pub fn admit(engine: &Engine, connections: usize, newcomer: Accepted) -> Option<Accepted> {
    let config = engine.config.snapshot();
    let refusal = if connections >= config.maxclients as usize {
        Some(FULL)
    } else if config.protected_mode && !is_local(&newcomer) && engine.acl.default_user().rules.no_password {
        Some(PROTECTED)
    } else {
        None
    };
    if let Some(line) = refusal {
        bump(&engine.stats.worker(engine.workers).counters.rejected_connections, 1);
        refuse(newcomer, line);
        return None;
    }
    if let Accepted::Tcp(stream) | Accepted::Tls(stream) = &newcomer {
        let socket = socket2::SockRef::from(stream);
        // Replies are small and whole; waiting for more would only delay them.
        let _ = socket.set_tcp_nodelay(true);
        if config.tcp_keepalive > 0 {
            let idle = std::time::Duration::from_secs(u64::from(config.tcp_keepalive));
            let probe = (idle / 3).max(std::time::Duration::from_secs(1));
            let keepalive = socket2::TcpKeepalive::new().with_time(idle).with_interval(probe).with_retries(3);
            let _ = socket.set_tcp_keepalive(&keepalive);
        }
    }
    Some(newcomer)
}

fn is_local(newcomer: &Accepted) -> bool {
    match newcomer {
        Accepted::Unix(_) => true,
        Accepted::Tcp(stream) | Accepted::Tls(stream) => {
            stream.peer_addr().is_ok_and(|addr| addr.ip().to_canonical().is_loopback())
        }
    }
}

/// The line goes out if the socket takes it at once; nobody waits for a stranger. In TLS it would be noise.
fn refuse(newcomer: Accepted, line: &[u8]) {
    let _ = match newcomer {
        Accepted::Tcp(mut stream) => stream.write(line),
        Accepted::Unix(mut stream) => stream.write(line),
        Accepted::Tls(_) => Ok(0),
    };
}
