//! Listening sockets: from `bind`, `port` and `unixsocket` to accepted newcomers.
//!
//! `bind` entries may be names or addresses; `*` and `::*` mean every address of a family; a leading `-` forgives an
//! address that this machine doesn't have. A Unix socket is bound under another name, gets its mode, and only
//! then its real name, so that nobody can connect before the mode is right.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::admission::admit;
use super::worker::{Crew, Newcomer};
use crate::config::Config;
use crate::dispatch::Engine;

/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A bound socket, not yet accepting.
pub enum Listening {
    Tcp(StdTcpListener),
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

/// Binds the TCP addresses.
pub fn bind_tcp(config: &Config) -> Result<Vec<Listening>, BindError> {
    let mut bound = Vec::new();
    if config.port == 0 {
        return Ok(bound);
    }
    for entry in &config.bind {
        let (optional, host) = match entry.strip_prefix('-') {
            Some(host) => (true, host),
            None => (false, entry.as_str()),
        };
        match bind_host(host, config.port, backlog(config)) {
            Ok(listener) => bound.push(Listening::Tcp(listener)),
            Err(error) if is_missing_family(&error) || optional && is_missing_address(&error) => {}
            Err(source) => {
                let address = if host == "::*" {
                    format!("[::]:{}", config.port)
                } else {
                    format!("{host}:{}", config.port)
                };
                return Err(BindError { address, source });
            }
        }
    }
    if bound.is_empty() && !config.bind.is_empty() {
        let source = io::Error::from(io::ErrorKind::AddrNotAvailable);
        return Err(BindError { address: format!("{}:{}", config.bind.join(" "), config.port), source });
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
            Listening::Unix(..) => "unix",
        }
    }

    /// Accepts for ever; ends by being dropped.
    pub async fn accept(self, engine: Arc<Engine>, crew: Arc<Crew>) {
        match self {
            Listening::Tcp(listener) => {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                loop {
                    let accepted = listener.accept().await.and_then(|(stream, _)| stream.into_std());
                    take(accepted.map(Newcomer::Tcp), &engine, &crew).await;
                }
            }
            Listening::Unix(listener, path) => {
                let Ok(listener) = UnixListener::from_std(listener) else { return };
                let _removed = RemoveOnDrop(path);
                loop {
                    let accepted = listener.accept().await.and_then(|(stream, _)| stream.into_std());
                    take(accepted.map(Newcomer::Unix), &engine, &crew).await;
                }
            }
        }
    }
}

async fn take(accepted: io::Result<Newcomer>, engine: &Engine, crew: &Crew) {
    match accepted {
        Ok(newcomer) => {
            if let Some(newcomer) = admit(engine, crew.connections(), newcomer) {
                crew.hand_over(engine.clients.next_id(), newcomer);
            }
        }
        // A client that was gone before we came to it is nobody's trouble.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
        Err(error) => {
            tracing::warn!("Accepting client connection: {error}");
            tokio::time::sleep(ACCEPT_RETRY).await;
        }
    }
}

/// The path of a Unix socket goes with the socket.
struct RemoveOnDrop(PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
