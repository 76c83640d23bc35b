//! Handshakes, on threads of their own.
//!
//! Agreeing on keys takes a signature, some 0.1 ms (ECDSA) to 1 ms (RSA) of computing per newcomer. On a worker a storm of
//! reconnecting clients would make everybody else wait for them, so newcomers come to a worker when their handshake is
//! over. Whoever does not finish in time is closed, and no more than [`HANDSHAKES_MAX`] of them are there at once: the
//! oldest makes room for the newest, so that nobody can lock others out by beginning and never ending.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::TcpStream as StdTcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::server::UnbufferedServerConnection;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::records::Records;
use super::{Terms, peer};
use crate::net::worker::{Desks, Newcomer};
use crate::session::ClientId;

/// Handshakes that may go on at once, in the whole server.
pub const HANDSHAKES_MAX: usize = 2048;
/// What a peer may send before its handshake is over, in bytes: a chain of client certificates fits.
const HANDSHAKE_INPUT_MAX_BYTES: usize = 16 << 10;
/// Read at once.
const READ_BYTES: usize = 4 << 10;

/// A socket whose peer is about to begin.
pub struct Arrival {
    pub id: ClientId,
    pub socket: StdTcpStream,
    pub terms: Arc<Terms>,
    /// `None` waits for ever.
    pub deadline: Option<Duration>,
}

/// A socket whose handshake is over.
pub struct Secured {
    pub(super) socket: StdTcpStream,
    pub(super) records: Records,
    pub(super) early: Vec<u8>,
    /// The user that its certificate names.
    user: Option<Vec<u8>>,
}

impl Secured {
    pub fn socket(&self) -> &StdTcpStream {
        &self.socket
    }

    /// The user that its certificate names.
    pub fn user(&self) -> Option<&[u8]> {
        self.user.as_deref()
    }
}

/// The threads where handshakes happen.
pub struct Porch {
    queues: Vec<UnboundedSender<Arrival>>,
    threads: Vec<JoinHandle<()>>,
    going: Arc<AtomicUsize>,
}

impl Porch {
    /// Starts so many threads, which hand over to `desks`.
    pub fn start(count: usize, desks: &Desks) -> io::Result<Porch> {
        let mut porch = Porch { queues: Vec::new(), threads: Vec::new(), going: Arc::default() };
        for index in 0..count.max(1) {
            let (queue, arrivals) = unbounded_channel();
            let (desks, going) = (desks.clone(), Arc::clone(&porch.going));
            let places = HANDSHAKES_MAX / count.max(1);
            let thread = std::thread::Builder::new()
                .name(format!("ochre-tls-{index}"))
                .spawn(move || run(arrivals, desks, going, places))?;
            porch.queues.push(queue);
            porch.threads.push(thread);
        }
        Ok(porch)
    }

    /// Begins a handshake.
    pub fn greet(&self, arrival: Arrival) {
        let index = arrival.id.0 as usize % self.queues.len().max(1);
        if let Some(queue) = self.queues.get(index) {
            self.going.fetch_add(1, Ordering::Relaxed);
            // A thread only stops when the server does; the socket is closed by being dropped.
            let _ = queue.send(arrival);
        }
    }

    /// Connections whose handshake goes on.
    pub fn going(&self) -> usize {
        self.going.load(Ordering::Relaxed)
    }

    /// Ends the threads, and what goes on there.
    pub fn stop(self) {
        drop(self.queues);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// Those whose handshake goes on in one thread, oldest first.
type Going = Rc<RefCell<BTreeMap<ClientId, AbortHandle>>>;

fn run(mut arrivals: UnboundedReceiver<Arrival>, desks: Desks, count: Arc<AtomicUsize>, places: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build_local(Default::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("TLS handshakes can't happen: {error}");
            return;
        }
    };
    let going = Going::default();
    runtime.block_on(async move {
        while let Some(arrival) = arrivals.recv().await {
            let id = arrival.id;
            // Leaves the list and the count however the task ends.
            let place = Place { id, going: Rc::clone(&going), count: Arc::clone(&count) };
            let desks = desks.clone();
            let task = tokio::task::spawn_local(async move {
                let ended = handshake(arrival).await;
                drop(place);
                match ended {
                    Ok(secured) => desks.hand_over(id, Newcomer::Tls(Box::new(secured))),
                    Err(error) => tracing::debug!("Error accepting a client connection: {error}"),
                }
            });
            let oldest = {
                let mut going = going.borrow_mut();
                going.insert(id, task.abort_handle());
                if going.len() > places { going.pop_first() } else { None }
            };
            if let Some((_, oldest)) = oldest {
                oldest.abort();
            }
        }
    });
}

/// A place among those whose handshake goes on.
struct Place {
    id: ClientId,
    going: Going,
    count: Arc<AtomicUsize>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.going.borrow_mut().remove(&self.id);
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn handshake(arrival: Arrival) -> io::Result<Secured> {
    let Arrival { socket, terms, deadline, .. } = arrival;
    let names_user = terms.names_user;
    let addr = socket.peer_addr()?;
    let shaken = shake(TcpStream::from_std(socket)?, &terms);
    let shaken = match deadline {
        Some(deadline) => tokio::time::timeout(deadline, shaken).await.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake was not finished in time"))
        }),
        None => shaken.await,
    };
    let (socket, records, early) =
        shaken.map_err(|error| io::Error::new(error.kind(), format!("{error} (addr={addr})")))?;
    let user = records.peer_certificate().filter(|_| names_user).and_then(|certificate| {
        peer::common_name(certificate)
            .inspect_err(|why| {
                tracing::warn!("The client at {addr} is not logged in by its certificate: {why}")
            })
            .ok()
    });
    Ok(Secured { socket: socket.into_std()?, records, early, user })
}

/// Talks until the keys are agreed on. Also returns plaintext that came right behind.
async fn shake(mut socket: TcpStream, terms: &Terms) -> io::Result<(TcpStream, Records, Vec<u8>)> {
    let tls = UnbufferedServerConnection::new(Arc::clone(&terms.config)).map_err(io::Error::other)?;
    let mut records = Records::new(tls);
    let mut early = Vec::new();
    loop {
        socket.readable().await?;
        let mut cipher = std::mem::take(&mut records.tail);
        let kept = cipher.len();
        cipher.resize((kept + READ_BYTES).min(HANDSHAKE_INPUT_MAX_BYTES), 0);
        let len = match socket.try_read(cipher.get_mut(kept..).unwrap_or_default()) {
            Ok(0) if kept == cipher.len() => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the TLS handshake is too long"));
            }
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        cipher.truncate(kept + len);
        let opened = match len {
            0 => Ok(Default::default()),
            _ => records.open(&mut cipher, |plain| early.extend_from_slice(plain)),
        };
        let unsent = std::mem::take(&mut records.unsent);
        socket.write_all(&unsent).await?;
        let opened = opened?;
        cipher.drain(..opened.consumed);
        cipher.shrink_to_fit();
        records.tail = cipher;
        if opened.is_ready {
            return Ok((socket, records, early));
        }
    }
}
