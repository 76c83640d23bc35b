//! Listening sockets: from `bind`, `port`, `tls-port` and `unixsocket` to accepted newcomers.
//!
//! `bind` entries may be names or addresses; `*` and `::*` mean every address of a family; a leading `-` forgives an
//! address that this machine doesn't have. A Unix socket is bound under another name, gets its mode, and only
//! then its real name, so that nobody can connect before the mode is right.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, TcpStream as StdTcpStream, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::admission::{Accepted, admit};
use super::tls::Tls;
use super::worker::{Crew, Newcomer};
use crate::base::clock::Clock;
use crate::config::Config;
use crate::dispatch::Engine;

/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Between two log lines about that, in µs.
const WARNING_PAUSE_US: u64 = 60_000_000;

/// A bound socket, not yet accepting.
pub enum Listening {
    Tcp(StdTcpListener),
    Tls(StdTcpListener),
    Unix(StdUnixListener, PathBuf),
}

/// An address that could not be bound.
#[derive(Debug)]
pub struct BindError {
    pub address: String,
    pub source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Could not create server TCP listening socket {}: bind: {}", self.address, self.source)
    }
}

/// Binds everything that the configuration asks for. `port 0` means no TCP.
pub fn bind_all(config: &Config) -> Result<Vec<Listening>, BindError> {
    let mut bound = bind_tcp(config)?;
    if let Some(path) = &config.unixsocket {
        let failed = |source| BindError { address: path.display().to_string(), source };
        let listener = bind_unix(path, config.unixsocketperm.0, backlog(config)).map_err(failed)?;
        bound.push(Listening::Unix(listener, path.clone()));
    }
    Ok(bound)
}

/// Binds the TCP addresses, for clients that speak TLS and for those that don't.
pub fn bind_tcp(config: &Config) -> Result<Vec<Listening>, BindError> {
    let mut bound = bind_port(config, config.port, Listening::Tcp)?;
    bound.extend(bind_port(config, config.tls_port, Listening::Tls)?);
    Ok(bound)
}

fn bind_port(
    config: &Config,
    port: u16,
    listening: fn(StdTcpListener) -> Listening,
) -> Result<Vec<Listening>, BindError> {
    let mut bound = Vec::new();
    if port == 0 {
        return Ok(bound);
    }
    for entry in &config.bind {
        let (optional, host) = match entry.strip_prefix('-') {
            Some(host) => (true, host),
            None => (false, entry.as_str()),
        };
        match bind_host(host, port, backlog(config)) {
            Ok(listener) => bound.push(listening(listener)),
            Err(error) if is_missing_family(&error) || optional && is_missing_address(&error) => {}
            Err(source) => {
                let address = if host == "::*" { format!("[::]:{port}") } else { format!("{host}:{port}") };
                return Err(BindError { address, source });
            }
        }
    }
    if bound.is_empty() && !config.bind.is_empty() {
        let source = io::Error::from(io::ErrorKind::AddrNotAvailable);
        return Err(BindError { address: format!("{}:{port}", config.bind.join(" ")), source });
    }
    Ok(bound)
}

fn backlog(config: &Config) -> i32 {
    i32::try_from(config.tcp_backlog).unwrap_or(i32::MAX)
}

/// Families that the machine was built or configured without are not an error, as in Redis.
fn is_missing_family(error: &io::Error) -> bool {
    [libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT, libc::ENOPROTOOPT, libc::ESOCKTNOSUPPORT, libc::EPFNOSUPPORT]
        .iter()
        .any(|&code| error.raw_os_error() == Some(code))
}

fn is_missing_address(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EADDRNOTAVAIL) || error.raw_os_error().is_none()
}

fn bind_host(host: &str, port: u16, backlog: i32) -> io::Result<StdTcpListener> {
    let addresses: Vec<SocketAddr> = match host {
        "*" => vec![([0, 0, 0, 0], port).into()],
        "::*" => vec![([0u16; 8], port).into()],
        _ => (host, port).to_socket_addrs()?.collect(),
    };
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match bind_address(address, backlog) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_address(address: SocketAddr, backlog: i32) -> io::Result<StdTcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn bind_unix(path: &Path, mode: u32, backlog: i32) -> io::Result<StdUnixListener> {
    // A socket left behind by a server that was killed is in the way; anything else is not ours to remove.
    if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let mut hidden = path.as_os_str().to_owned();
    hidden.push(format!(".{}", std::process::id()));
    let hidden = PathBuf::from(hidden);
    let _ = std::fs::remove_file(&hidden);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(&hidden)?)?;
    let permitted = match mode {
        0 => Ok(()),
        mode => std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(mode)),
    };
    let named = permitted.and_then(|()| socket.listen(backlog)).and_then(|()| std::fs::rename(&hidden, path));
    if let Err(error) = named {
        let _ = std::fs::remove_file(&hidden);
        return Err(error);
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

impl Listening {
    /// What the log calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Listening::Tcp(_) => "tcp",
            Listening::Tls(_) => "tls",
            Listening::Unix(..) => "unix",
        }
    }

    /// Accepts for ever; ends by being dropped.
    pub async fn accept(self, engine: Arc<Engine>, crew: Arc<Crew>) {
        let mut door = Door { engine, crew, warned_us: None };
        match self {
            Listening::Tcp(listener) => door.accept_tcp(listener, Accepted::Tcp).await,
            Listening::Tls(listener) => door.accept_tcp(listener, Accepted::Tls).await,
            Listening::Unix(listener, path) => {
                let Ok(listener) = UnixListener::from_std(listener) else { return };
                let _removed = RemoveOnDrop(path);
                loop {
                    let accepted = listener.accept().await.and_then(|(stream, _)| stream.into_std());
                    door.take(accepted.map(Accepted::Unix)).await;
                }
            }
        }
    }
}

/// Where accepted connections come in.
struct Door {
    engine: Arc<Engine>,
    crew: Arc<Crew>,
    /// When the log last told that nobody can be accepted, monotonic µs.
    warned_us: Option<u64>,
}

impl Door {
    async fn accept_tcp(&mut self, listener: StdTcpListener, accepted: fn(StdTcpStream) -> Accepted) {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        loop {
            let stream = listener.accept().await.and_then(|(stream, _)| stream.into_std());
            self.take(stream.map(accepted)).await;
        }
    }

    async fn take(&mut self, accepted: io::Result<Accepted>) {
        let error = match accepted {
            Ok(newcomer) => return self.admit(newcomer),
            Err(error) => error,
        };
        // A client that was gone before we came to it is nobody's trouble.
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) {
            return;
        }
        // Places come and go one by one meanwhile, so this happens again and again.
        let now_us = self.engine.time.monotonic_us();
        if self.warned_us.is_none_or(|warned_us| now_us.saturating_sub(warned_us) >= WARNING_PAUSE_US) {
            self.warned_us = Some(now_us);
            tracing::warn!("Accepting client connection: {error}; new clients wait until that has passed");
        }
        tokio::time::sleep(ACCEPT_RETRY).await;
    }

    fn admit(&self, newcomer: Accepted) {
        let Some(newcomer) = admit(&self.engine, self.crew.connections(), newcomer) else { return };
        let id = self.engine.clients.next_id();
        let newcomer = match newcomer {
            Accepted::Tcp(stream) => Newcomer::Tcp(stream),
            Accepted::Unix(stream) => Newcomer::Unix(stream),
            Accepted::Tls(stream) => {
                // Without terms TLS was turned off while it knocked.
                if let Some(terms) = self.engine.parts.find::<Tls>().and_then(|tls| tls.terms()) {
                    let seconds = u64::from(self.engine.config.snapshot().authentication_timeout);
                    let deadline = (seconds > 0).then(|| Duration::from_secs(seconds));
                    self.crew.greet(id, stream, terms, deadline);
                }
                return;
            }
        };
        self.crew.hand_over(id, newcomer);
    }
}

/// The path of a Unix socket goes with the socket.
struct RemoveOnDrop(PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
