//! Workers: threads that own connections.
//!
//! Each has a single-threaded runtime and takes newcomers from its own queue; nothing is stolen between workers and
//! nobody spins. What connections of one worker share without locks hangs on [`Worker`]: the read buffer, a few
//! reply buffers, the cached configuration.

use std::cell::{Cell, RefCell};
use std::net::TcpStream as StdTcpStream;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use corosensei::stack::DefaultStack;
use parking_lot::Mutex;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::buffers::{BUFFER_BYTES, Buffers};
use super::connection::Connection;
use super::courtesy::Courtesy;
use super::limits;
use super::postman;
use super::round::{self, Round};
use super::stream::Stream;
use super::task::Task;
use super::tls::handshake::{Arrival, Porch, Secured};
use super::tls::stream::Scratch;
use super::tls::{Terms, TlsStream};
use crate::acl::User;
use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::config::Config;
use crate::dispatch::Engine;
use crate::dispatch::stats::WorkerStats;
use crate::script::{Functions, Scripts, interpreter, library};
use crate::session::{Client, ClientId, Post, Session, Transport};

/// Stacks of rounds, in which scripts run: room for the deepest nesting that Lua allows, 200 calls from C with buffers of 8 KB
/// each. What is not touched takes no memory.
const STACK_BYTES: usize = 8 << 20;
/// Stacks kept for the next rounds: one runs at a time, and a script in the middle has another.
const SPARE_STACKS: usize = 1;

/// Between two log lines about attacks, in µs.
const ATTACK_LOG_PAUSE_US: u64 = 60_000_000;

/// An accepted socket on its way to a worker.
pub enum Newcomer {
    Tcp(StdTcpStream),
    Unix(StdUnixStream),
    /// The handshake is over.
    Tls(Box<Secured>),
}

/// What the connections of one worker share.
pub struct Worker {
    pub engine: Arc<Engine>,
    /// Where its clients are called.
    pub(super) post: Arc<Post>,
    index: usize,
    pub(super) round: Round,
    stacks: RefCell<Vec<DefaultStack>>,
    buffers: Buffers,
    /// What encrypted connections read into and write from, once there is one.
    scratch: RefCell<Option<Rc<RefCell<Scratch>>>>,
    config: RefCell<Rc<KnownConfig>>,
    rng: RefCell<Rng>,
    load: Arc<AtomicUsize>,
    /// When the log last told of an attack, monotonic µs.
    attack_logged_us: Cell<Option<u64>>,
}

/// The configuration that a worker has seen last, counted by this thread alone: it is asked for with every batch.
pub struct KnownConfig {
    version: u64,
    config: Arc<Config>,
    /// [`limits::usual_production_max`]
    production_max: usize,
}

impl KnownConfig {
    fn of(engine: &Engine) -> Rc<KnownConfig> {
        // In this order: a change in between is found out the next time.
        let version = engine.config.version();
        let config = engine.config.snapshot();
        let production_max = limits::usual_production_max(&config);
        Rc::new(KnownConfig { version, config, production_max })
    }

    /// What may be produced for a client before any of it is sent, in bytes.
    #[inline]
    pub(super) fn production_max(&self, session: &Session) -> usize {
        if session.is_subscriber() || session.shared.is_no_evict() {
            return limits::production_max(&self.config, &session.shared);
        }
        self.production_max
    }
}

impl Deref for KnownConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

impl Worker {
    fn new(engine: Arc<Engine>, index: usize, load: Arc<AtomicUsize>) -> Worker {
        let config = RefCell::new(KnownConfig::of(&engine));
        Worker {
            engine,
            post: Arc::default(),
            index,
            round: Round::default(),
            stacks: RefCell::default(),
            buffers: Buffers::default(),
            scratch: RefCell::default(),
            config,
            rng: RefCell::new(Rng::from_os()),
            load,
            attack_logged_us: Cell::new(None),
        }
    }

    /// Whether the log has not told of an attack for a while; from now on it has.
    pub fn may_warn_of_attack(&self) -> bool {
        let now_us = self.engine.time.monotonic_us();
        let last = self.attack_logged_us.get();
        let may = last.is_none_or(|last| now_us.saturating_sub(last) >= ATTACK_LOG_PAUSE_US);
        if may {
            self.attack_logged_us.set(Some(now_us));
        }
        may
    }

    /// The statistics that only this worker writes.
    #[inline]
    pub fn stats(&self) -> &WorkerStats {
        self.engine.stats.worker(self.index)
    }

    /// A stack for requests.
    ///
    /// # Errors
    /// There is no memory for one.
    pub fn take_stack(&self) -> std::io::Result<DefaultStack> {
        let spare = self.stacks.borrow_mut().pop();
        spare.map_or_else(|| DefaultStack::new(STACK_BYTES), Ok)
    }

    pub fn give_stack(&self, stack: DefaultStack) {
        let mut spare = self.stacks.borrow_mut();
        if spare.len() < SPARE_STACKS {
            spare.push(stack);
        }
    }

    /// The configuration as of now.
    #[inline]
    pub fn config(&self) -> Rc<KnownConfig> {
        let mut known = self.config.borrow_mut();
        if known.version != self.engine.config.version() {
            *known = KnownConfig::of(&self.engine);
        }
        Rc::clone(&known)
    }

    /// Fresh random bits.
    pub fn seed(&self) -> u64 {
        self.rng.borrow_mut().next_u64()
    }

    /// Lends a buffer for replies; it is to be given back, or parted with.
    pub fn take_buffer(&self) -> Vec<u8> {
        let buffer = self.buffers.take();
        self.tell_buffers();
        buffer
    }

    pub fn give_buffer(&self, buffer: Vec<u8>) {
        self.buffers.give(buffer);
        self.tell_buffers();
    }

    pub fn part_with_buffer(&self) {
        self.buffers.part_with();
        self.tell_buffers();
    }

    fn tell_buffers(&self) {
        if let Some(bytes) = self.buffers.news() {
            // One is always there: it is a part of the server.
            let bytes = bytes.saturating_sub(BUFFER_BYTES);
            self.stats().buffer_bytes.store(bytes, Ordering::Relaxed);
        }
    }

    /// A connection ended.
    pub fn left(&self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }

    /// Makes a connection of a newcomer; it just goes away when its socket fails already.
    fn welcome(self: &Rc<Self>, id: ClientId, newcomer: Newcomer) -> Option<Connection> {
        let user = match &newcomer {
            Newcomer::Tls(secured) => secured.user().and_then(|name| self.user_of_certificate(name)),
            _ => None,
        };
        let (stream, client) = match self.introduce(id, newcomer) {
            Ok(introduced) => introduced,
            Err(error) => {
                tracing::debug!("A new connection failed before it began: {error}");
                self.left();
                return None;
            }
        };
        let mut session = Session::new(Arc::new(client), &self.engine.acl);
        if let Some(user) = user {
            session.log_in(user);
        }
        Some(Connection::new(Rc::clone(self), stream, session))
    }

    /// Whom a certificate logs in; without such a user that is on, its bearer is as unknown as anybody.
    fn user_of_certificate(&self, name: &[u8]) -> Option<Arc<User>> {
        let user = self.engine.acl.find(name).filter(|user| user.rules.is_enabled);
        if user.is_none() {
            tracing::debug!("No user that is on has the name of a certificate: '{}'", name.escape_ascii());
        }
        user
    }

    fn scratch(&self) -> Rc<RefCell<Scratch>> {
        Rc::clone(self.scratch.borrow_mut().get_or_insert_with(Scratch::shared))
    }

    fn introduce(&self, id: ClientId, newcomer: Newcomer) -> std::io::Result<(Stream, Client)> {
        let engine = &self.engine;
        let now_us = engine.time.monotonic_us();
        Ok(match newcomer {
            Newcomer::Tcp(stream) => {
                let fd = stream.as_fd().as_raw_fd();
                let names = (stream.peer_addr()?.to_string(), stream.local_addr()?.to_string());
                let stream = Stream::Tcp(TcpStream::from_std(stream)?);
                (stream, Client::new(id, Transport::Tcp, names, fd, self.index, now_us))
            }
            Newcomer::Tls(secured) => {
                let socket = secured.socket();
                let fd = socket.as_fd().as_raw_fd();
                let names = (socket.peer_addr()?.to_string(), socket.local_addr()?.to_string());
                let stream = Stream::Tls(Box::new(TlsStream::new(*secured, self.scratch())?));
                (stream, Client::new(id, Transport::Tcp, names, fd, self.index, now_us))
            }
            Newcomer::Unix(stream) => {
                let fd = stream.as_fd().as_raw_fd();
                let path = self.config().unixsocket.clone().unwrap_or_default();
                let name = format!("{}:0", path.display());
                let stream = Stream::Unix(UnixStream::from_std(stream)?);
                (stream, Client::new(id, Transport::Unix, (name.clone(), name), fd, self.index, now_us))
            }
        })
    }
}

/// Where newcomers are brought to: all workers' queues.
#[derive(Clone, Default)]
pub struct Desks(Vec<Desk>);

#[derive(Clone)]
struct Desk {
    queue: UnboundedSender<(ClientId, Newcomer)>,
    load: Arc<AtomicUsize>,
}

impl Desks {
    /// Gives a newcomer to the worker with the fewest connections. Numbers are given where connections are accepted, so that
    /// they tell the order in which clients came.
    pub fn hand_over(&self, id: ClientId, newcomer: Newcomer) {
        let Some(desk) = self.0.iter().min_by_key(|desk| desk.load.load(Ordering::Relaxed)) else {
            return;
        };
        desk.load.fetch_add(1, Ordering::Relaxed);
        // A worker only stops when the server does; the socket is closed by being dropped.
        let _ = desk.queue.send((id, newcomer));
    }
}

/// All workers, from outside.
pub struct Crew {
    desks: Desks,
    threads: Vec<JoinHandle<()>>,
    /// Started by the first client that speaks TLS.
    porch: Mutex<Option<Porch>>,
}

impl Crew {
    /// Starts the engine's workers.
    pub fn start(engine: &Arc<Engine>) -> std::io::Result<Crew> {
        let mut crew = Crew { desks: Desks::default(), threads: Vec::new(), porch: Mutex::default() };
        for index in 0..engine.workers {
            let (queue, newcomers) = unbounded_channel();
            let load = Arc::new(AtomicUsize::new(0));
            let (engine, worker_load) = (Arc::clone(engine), Arc::clone(&load));
            let thread = std::thread::Builder::new()
                .name(format!("ochre-{index}"))
                .spawn(move || run(engine, index, worker_load, newcomers))?;
            crew.desks.0.push(Desk { queue, load });
            crew.threads.push(thread);
        }
        Ok(crew)
    }

    /// As [`Desks::hand_over`].
    pub fn hand_over(&self, id: ClientId, newcomer: Newcomer) {
        self.desks.hand_over(id, newcomer);
    }

    /// Brings a newcomer to a worker when its handshake is over, if that is before `deadline`.
    pub fn greet(&self, id: ClientId, socket: StdTcpStream, terms: Arc<Terms>, deadline: Option<Duration>) {
        let mut porch = self.porch.lock();
        if porch.is_none() {
            // As many as half of the workers keep busy with new connections, at least one.
            match Porch::start(self.threads.len().div_ceil(2), &self.desks) {
                Ok(started) => *porch = Some(started),
                Err(error) => return tracing::warn!("A TLS client could not be greeted: {error}"),
            }
        }
        if let Some(porch) = &*porch {
            porch.greet(Arrival { id, socket, terms, deadline });
        }
    }

    /// Connections that the workers have or are about to get.
    pub fn connections(&self) -> usize {
        let served: usize = self.desks.0.iter().map(|desk| desk.load.load(Ordering::Relaxed)).sum();
        served + self.porch.lock().as_ref().map_or(0, Porch::going)
    }

    /// Ends all workers after they have closed their connections.
    pub fn stop(self) {
        // First, because it hands over to the workers.
        if let Some(porch) = self.porch.into_inner() {
            porch.stop();
        }
        drop(self.desks);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

fn run(
    engine: Arc<Engine>,
    index: usize,
    load: Arc<AtomicUsize>,
    mut newcomers: UnboundedReceiver<(ClientId, Newcomer)>,
) {
    let courtesy = Courtesy::new(engine.time.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .on_thread_park(move || courtesy.before_sleep())
        .build_local(Default::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("Worker {index} could not start: {error}");
            std::process::exit(1);
        }
    };
    let worker = Rc::new(Worker::new(engine, index, load));
    runtime.block_on(async move {
        tokio::task::spawn_local(round::serve(Rc::clone(&worker)));
        tokio::task::spawn_local(postman::deliver(Arc::clone(&worker.post), worker.engine.time.clone()));
        if let Some(scripts) = worker.engine.parts.find::<Scripts>() {
            tokio::task::spawn_local(interpreter::tidy(scripts));
        }
        if let Some(functions) = worker.engine.parts.find::<Functions>() {
            tokio::task::spawn_local(library::tidy(functions));
        }
        while let Some((id, newcomer)) = newcomers.recv().await {
            if let Some(connection) = worker.welcome(id, newcomer) {
                tokio::task::spawn_local(Task::new(connection));
            }
        }
    });
}
