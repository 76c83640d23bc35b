//! A server inside a process that is not the server's own: what the tests and benchmarks start.
//!
//! It listens on a loopback port that the system chooses, touches neither the log nor the working directory nor
//! the signals of the process, and ends when it is dropped. There can be many at once.
//!
//! ```
//! use ochre::base::clock::{Time, UnixMs};
//! let server = ochre::server::embed::Server::start(&["--io-threads", "1"], Time::manual(UnixMs(1_000))).unwrap();
//! assert!(std::net::TcpStream::connect(server.addr).is_ok());
//! ```
//!
//! With a clock that is moved by hand nothing expires actively by itself: who moves the clock calls
//! [`Server::expire_due`] when that is wanted. So what happens is a function of what the test does.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use super::{Running, boot, cron};
use crate::base::clock::{Clock, Time};
use crate::config::{Startup, Store};
use crate::ds::breaks::Pace;

use crate::dispatch::Engine;
use crate::dispatch::engine::ShutdownRequest;
use crate::net::{Listening, bind_all};
use crate::persist::aof::Aof;
use crate::persist::rdb::Saver;
use crate::persist::storage::{Real, Storage};

/// Options that come before those of the caller.
const DEFAULTS: [&str; 6] = ["--bind", "127.0.0.1", "--port", "0", "--save", ""];

/// A running server.
pub struct Server {
    /// Where it listens.
    pub addr: SocketAddr,
    pub engine: Arc<Engine>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server with the options of a command line. The error is one line for a person.
    pub fn start(arguments: &[&str], time: Time) -> Result<Server, String> {
        Server::start_on(arguments, time, Arc::new(Real))
    }

    /// As [`Server::start`], with the append-only file on a disk of the caller's.
    pub fn start_on(arguments: &[&str], time: Time, storage: Arc<dyn Storage>) -> Result<Server, String> {
        let arguments = DEFAULTS.iter().chain(arguments).map(OsString::from);
        let store = Startup::from_args(arguments).and_then(Store::load).map_err(|error| error.to_string())?;
        let engine = boot::engine(store, time)?;
        let root = engine.config.snapshot().dir.clone();
        Saver::install(&engine, root.clone(), Arc::new(Real));
        let aof = Aof::install(&engine, root, storage);
        aof.begin(&engine).map_err(|error| error.to_string())?;
        boot::begin_tls(&engine)?;
        let mut bound = bind_all(&engine.config.snapshot()).map_err(|error| error.to_string())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
        listener.set_nonblocking(true).map_err(|error| error.to_string())?;
        let addr = listener.local_addr().map_err(|error| error.to_string())?;
        bound.push(Listening::Tcp(listener));
        let port = addr.port().to_string();
        engine.config.assign("port", &[port.as_bytes()]).map_err(|error| error.to_string())?;
        let (started, outcome) = channel();
        let shared = Arc::clone(&engine);
        let thread = std::thread::Builder::new()
            .name("ochre-main".into())
            .spawn(move || main_thread(&shared, bound, &started))
            .map_err(|error| error.to_string())?;
        outcome.recv().unwrap_or_else(|_| Err("the main thread ended".into()))?;
        Ok(Server { addr, engine, thread: Some(thread) })
    }

    /// Removes every key that is behind its deadline, as the expiry task would.
    pub fn expire_due(&self) {
        let now = self.engine.time.now_ms();
        while cron::sweep(&self.engine, now, &mut Pace::begin()).is_some_and(|next| next <= now) {}
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.engine.lifecycle.shut_down(ShutdownRequest::default());
        if let Some(thread) = self.thread.take() {
            // It panicked if this fails; its message is on the standard error.
            let _ = thread.join();
        }
        if let Some(aof) = self.engine.parts.find::<Aof>() {
            super::close(&self.engine, &aof);
        }
    }
}

fn main_thread(engine: &Arc<Engine>, bound: Vec<Listening>, started: &Sender<Result<(), String>>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(error.to_string()));
            return;
        }
    };
    runtime.block_on(async {
        let mut running = match Running::start(engine, bound, None) {
            Ok(running) => running,
            Err(error) => {
                let _ = started.send(Err(error.to_string()));
                return;
            }
        };
        if matches!(engine.time, Time::System(_)) {
            running.tasks.push(tokio::spawn(cron::expire(Arc::clone(engine))));
        }
        let _ = started.send(Ok(()));
        engine.lifecycle.requested().await;
        running.stop().await;
    });
}
