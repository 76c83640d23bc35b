//! The composition root: boots a server from its configuration, keeps it running, and ends it in order.
//!
//! ```text
//! configuration → log → limits → engine → sockets → workers → ready … signal or SHUTDOWN → stop accepting → workers end
//! ```
//!
//! The main thread holds listeners, signals and the [`cron`]; workers hold the connections. Nothing here is on the
//! way of a request.

pub mod apply;
pub mod boot;
pub mod cgroup;
pub mod cron;
pub mod daemon;
mod descriptors;
pub mod embed;
mod oom_score;
pub mod signals;
mod supervisor;
mod tools;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use signals::{Asked, Signals};
use supervisor::Supervisor;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};

use crate::base::clock::Clock;
use crate::config::{Store, cli};
use crate::dispatch::Engine;
use crate::net::{Crew, Listening, bind_all};
use crate::observe::log::LogHandle;
use crate::persist::aof::Aof;
use crate::persist::exit;
use crate::persist::rdb::Saver;
use crate::persist::storage::Real;

/// How long who connects waits in silence, as long as Redis needs for the first megabytes, before the server listens while
/// it loads: an empty server has nothing to tell of.
const UNNOTICED_LOADING: Duration = Duration::from_millis(100);

/// Runs `ochre` with the process's arguments.
pub fn main() -> ExitCode {
    if let Some(code) = tools::run(std::env::args_os()) {
        return code;
    }
    let store = match cli::parse(std::env::args_os().skip(1)) {
        Ok(cli::Cli::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(cli::Cli::Run(startup)) => Store::load(startup),
        Err(error) => Err(error),
    };
    let started = store.map_err(|error| error.to_string()).and_then(|store| {
        match daemon::daemonize(&store.snapshot()).map_err(|error| error.to_string())? {
            daemon::Role::Server => run(boot::boot(store)?).map_err(|error| error.to_string()),
            daemon::Role::Starter => Ok(()),
        }
    });
    match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(booted: boot::Booted) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(booted))
}

async fn serve(booted: boot::Booted) -> std::io::Result<()> {
    let boot::Booted { engine, log } = booted;
    // Before there is a socket: who can connect can also end this server in order.
    let mut signals = Signals::install()?;
    if let Err(error) = boot::begin_tls(&engine) {
        tracing::warn!("{error}");
        return Err(std::io::Error::other(error));
    }
    let bound = match bind_all(&engine.config.snapshot()) {
        Ok(bound) => bound,
        Err(error) => {
            tracing::warn!("{error}");
            tracing::warn!("Failed listening on port {} (tcp), aborting.", engine.config.snapshot().port);
            return Err(std::io::Error::other(error.to_string()));
        }
    };
    let kinds: Vec<&str> = bound.iter().map(Listening::kind).collect();
    let supervisor = Supervisor::find(engine.config.snapshot().supervised);
    supervisor.loading();
    let aof = Aof::install(&engine, std::env::current_dir()?, Arc::new(Real));
    engine.lifecycle.loading.store(true, Ordering::SeqCst);
    let starting = async {
        let mut loading = std::pin::pin!(load(&engine, &aof));
        let early = tokio::time::timeout(UNNOTICED_LOADING, &mut loading).await;
        // Who connects while more is loaded is told to wait.
        let running = Running::start(&engine, bound, Some(log))?;
        match early {
            Ok(loaded) => loaded?,
            Err(_) => loading.await?,
        }
        std::io::Result::Ok(running)
    };
    let mut running = tokio::select! {
        running = starting => running?,
        _ = signals.until_shutdown(&engine) => {
            // Nothing was changed yet, and what is being loaded lies on the disk.
            boot::remove_pidfile(&engine.config.snapshot());
            std::process::exit(0);
        }
    };
    running.tasks.push(tokio::spawn(cron::expire(Arc::clone(&engine))));
    announce(&kinds, &engine);
    supervisor.ready();
    crate::alloc::give_back_startup_code();
    let saves = until_ready_to_end(&engine, &mut signals).await;
    supervisor.stopping();
    signals.exit_on_next();
    running.stop().await;
    if let Some(saver) = engine.parts.find::<Saver>() {
        saver.finish_exit(&engine, saves);
    }
    close(&engine, &aof);
    boot::remove_pidfile(&engine.config.snapshot());
    tracing::info!("Ochre is now ready to exit, bye bye...");
    Ok(())
}

/// Returns when the server is to end and its data is saved, if it is to be; whether it is.
async fn until_ready_to_end(engine: &Arc<Engine>, signals: &mut Signals) -> bool {
    loop {
        let (request, signal) = match signals.until_shutdown(engine).await {
            // SHUTDOWN has saved already, and has told its client when that failed.
            Asked::Command(request) => {
                return request.save.unwrap_or_else(|| !engine.config.snapshot().save.is_empty());
            }
            Asked::Signal(name, request) => (request, name),
        };
        let shared = Arc::clone(engine);
        let ready = tokio::task::spawn_blocking(move || exit::prepare(&shared, request));
        tokio::select! {
            ready = ready => if let Ok(Ok(saves)) = ready {
                return saves;
            },
            () = signals.interrupted_again() => {
                if let Some(saver) = engine.parts.find::<Saver>() {
                    saver.remove_temporary();
                }
                tracing::warn!("You insist... exiting now.");
                std::process::exit(1);
            }
        }
        tracing::warn!(
            "{signal} received but errors trying to shut down the server, check the logs for more information"
        );
    }
}

/// Loads the data on a thread of its own.
async fn load(engine: &Arc<Engine>, aof: &Arc<Aof>) -> std::io::Result<()> {
    let (shared, aof) = (Arc::clone(engine), Arc::clone(aof));
    let began = engine.time.now_ms().seconds();
    engine.gauges.loading_began_seconds.store(began, Ordering::Relaxed);
    let loaded = tokio::task::spawn_blocking(move || load_data(&shared, &aof)).await;
    let loaded = loaded.map_err(std::io::Error::other)?;
    if let Err(error) = loaded {
        tracing::error!("{error}");
        return Err(std::io::Error::other(error));
    }
    engine.lifecycle.loading.store(false, Ordering::SeqCst);
    Ok(())
}

/// The append-only file if there is to be one, else the snapshot. The error is a line for the log.
fn load_data(engine: &Arc<Engine>, aof: &Arc<Aof>) -> Result<(), String> {
    if engine.config.snapshot().appendonly {
        return aof.begin(engine).map_err(|error| error.to_string());
    }
    let Some(saver) = engine.parts.find::<Saver>() else { return Ok(()) };
    saver.load(engine).map(drop).map_err(|error| format!("Fatal error loading the DB: {error}"))
}

/// Writes what is not written yet.
fn close(engine: &Engine, aof: &Aof) {
    if let Err(error) = aof.close(engine) {
        tracing::error!("The end of the append only file could not be written: {error}");
    }
    engine.parts.clear();
}

/// A server that accepts connections: its workers, and its tasks on the current runtime.
struct Running {
    engine: Arc<Engine>,
    crew: Arc<Crew>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    fn start(
        engine: &Arc<Engine>,
        bound: Vec<Listening>,
        log: Option<LogHandle>,
    ) -> std::io::Result<Running> {
        let crew = Arc::new(Crew::start(engine)?);
        let (changes, changed) = unbounded_channel();
        apply::install(engine, log, changes);
        let listeners = tokio::spawn(listen(bound, changed, Arc::clone(engine), Arc::clone(&crew)));
        let chores = tokio::spawn(cron::run(Arc::clone(engine)));
        let pauses = tokio::spawn(cron::pauses(Arc::clone(engine)));
        let eviction = tokio::spawn(cron::evict(Arc::clone(engine)));
        let tasks = vec![listeners, chores, pauses, eviction];
        Ok(Running { engine: Arc::clone(engine), crew, tasks })
    }

    /// Stops accepting, closes every connection, ends the workers.
    async fn stop(self) {
        for task in self.tasks {
            task.abort();
            // Aborted on purpose: an error here says just that.
            let _ = task.await;
        }
        self.engine.clients.iter().for_each(|client| client.kill());
        if let Ok(crew) = Arc::try_unwrap(self.crew) {
            crew.stop();
        }
    }
}

fn announce(kinds: &[&str], engine: &Engine) {
    engine.gauges.startup_memory_bytes.store(engine.used_memory() as u64, Ordering::Relaxed);
    for kind in ["unix", "tls", "tcp"] {
        if kinds.contains(&kind) {
            tracing::info!("Ready to accept connections {kind}");
        }
    }
}

/// A new set of TCP sockets; the old ones are closed first, then the change is answered.
pub struct Rebind {
    /// Called when the old sockets are closed; binds the new ones and tells the asker.
    pub bind: Box<dyn FnOnce() -> Vec<Listening> + Send>,
}

async fn listen(
    bound: Vec<Listening>,
    mut changes: UnboundedReceiver<Rebind>,
    engine: Arc<Engine>,
    crew: Arc<Crew>,
) {
    let (unix, tcp): (Vec<_>, Vec<_>) =
        bound.into_iter().partition(|listening| matches!(listening, Listening::Unix(..)));
    let mut keep = JoinSet::new();
    for listening in unix {
        keep.spawn(listening.accept(Arc::clone(&engine), Arc::clone(&crew)));
    }
    let mut next = tcp;
    loop {
        let mut accepting = JoinSet::new();
        for listening in next {
            accepting.spawn(listening.accept(Arc::clone(&engine), Arc::clone(&crew)));
        }
        let Some(change) = changes.recv().await else { return };
        accepting.shutdown().await;
        next = (change.bind)();
    }
}
