//! From a configuration to an engine: log, process limits, identity, seeds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{cgroup, descriptors, oom_score};
use crate::acl::Acl;
use crate::acl::file::unreadable;
use crate::base::clock::{Clock, Time};
use crate::base::machine;
use crate::base::rng::{Rng, os_seed};
use crate::commands;
use crate::config::{AclPubsubDefault, Config, LogFormat, LogLevel, Store, SyslogFacility};
use crate::dispatch::engine::{Gauges, Identity, Lifecycle};
use crate::dispatch::notify::Notifier;
use crate::dispatch::slices::LongScripts;
use crate::dispatch::stats::Stats;
use crate::dispatch::table::catalogue;
use crate::dispatch::{CommandTable, Engine};
use crate::journal::Journal;
use crate::keyspace::{AccessClock, Keyspace};
use crate::net::tls::Tls;
use crate::observe::log::{self, Format, Level, LogHandle, Syslog};
use crate::observe::{latency, slowlog};
use crate::persist::rdb::Saver;
use crate::persist::storage::Real;
use crate::pubsub::PubSub;
use crate::script::{Functions, Scripts};
use crate::session::Registry;
use crate::tracking::Tracking;

/// A server that is ready to listen.
pub struct Booted {
    pub engine: Arc<Engine>,
    pub log: LogHandle,
}

/// Prepares process and engine. The error is one line for the terminal.
pub fn boot(store: Store) -> Result<Booted, String> {
    let container = limit_to_container(&store)?;
    let config = store.snapshot();
    std::env::set_current_dir(&config.dir)
        .map_err(|error| format!("Can't chdir to '{}': {error}", config.dir.display()))?;
    let time = Time::system();
    let log = log::init(log::Settings {
        level: level(config.loglevel),
        format: format(config.log_format),
        file: config.logfile.clone(),
        syslog: config
            .syslog_enabled
            .then(|| Syslog::new(config.syslog_ident.clone(), facility(config.syslog_facility))),
        time: time.clone(),
    })
    .map_err(|error| error.to_string())?;
    let engine = engine(store, time)?;
    Saver::install(&engine, PathBuf::new(), Arc::new(Real));
    tracing::info!(
        "Ochre {} (Redis {} compatible) starting, PID: {}",
        env!("CARGO_PKG_VERSION"),
        crate::REDIS_VERSION,
        std::process::id()
    );
    log_panics();
    if let Some(bytes) = container {
        tracing::info!(
            "maxmemory is {bytes}, {}% of this container's limit (maxmemory 0 in the configuration turns that off)",
            cgroup::SHARE_PERCENT
        );
    }
    descriptors::fit_clients(&engine);
    // As in Redis a failure is in the log and no reason not to start.
    let _ = oom_score::apply(&config);
    write_pidfile(&config);
    tracing::info!(
        "Server initialized, {} worker{}",
        engine.workers,
        if engine.workers == 1 { "" } else { "s" }
    );
    Ok(Booted { engine, log })
}

/// Sets `maxmemory` by the container's limit, if the configuration says nothing about it; returns what was set.
fn limit_to_container(store: &Store) -> Result<Option<u64>, String> {
    if store.is_given("maxmemory") {
        return Ok(None);
    }
    let Some(bytes) = cgroup::default_maxmemory(Path::new("/"), machine::memory_bytes()) else {
        return Ok(None);
    };
    store.derive("maxmemory", &[bytes.to_string().as_bytes()]).map_err(|error| error.to_string())?;
    Ok(Some(bytes))
}

/// Builds an engine; also what tests start from, with their own clock.
pub fn engine(store: Store, time: Time) -> Result<Arc<Engine>, String> {
    let config = store.snapshot();
    let families = commands::FAMILIES;
    let table = CommandTable::new(families, &config.declarations.renamed_commands).map_err(|name| {
        format!("rename-command: no such command, or the new name is taken: '{}'", name.escape_ascii())
    })?;
    let workers = worker_count(&config);
    let [one, two, three, _] = os_seed();
    let databases = u16::try_from(config.databases).map_err(|_| "databases: at most 65535".to_owned())?;
    let keyspace = Keyspace::new(workers, databases, [one, two, three]);
    keyspace.set_access_clock(access_clock(&config));
    // The main thread counts too: refused connections, expired keys.
    let stats = Stats::new(workers + 1, table.id_count());
    let gauges = Gauges::default();
    gauges.last_save_seconds.store(time.now_ms().seconds(), Ordering::Relaxed);
    if let Err(error) = crate::alloc::configure(workers) {
        tracing::debug!("The allocator keeps its defaults: {error}");
    }
    let pubsub = Arc::new(PubSub::default());
    let acl = acl(&config)?;
    let engine = Engine {
        acl,
        keyspace,
        commands: table,
        clients: Registry::default(),
        stats,
        slowlog: slowlog::Slowlog::new(usize::try_from(config.slowlog_max_len).unwrap_or(usize::MAX)),
        latency: latency::Monitor::new(),
        pause: Default::default(),
        monitors: Default::default(),
        identity: identity(&time),
        time,
        lifecycle: Lifecycle::default(),
        long_scripts: LongScripts::default(),
        allows_all_in_scripts: AtomicBool::new(false),
        gauges,
        eviction: Default::default(),
        sinks: Default::default(),
        journal: Journal::new(),
        observation: Default::default(),
        notifier: Notifier::new(Arc::clone(&pubsub)),
        pubsub,
        tracking: Tracking::default(),
        apply_config: Default::default(),
        parts: Default::default(),
        workers,
        config: store,
    };
    engine.notify(config.notify_keyspace_events);
    engine.parts.put(Arc::new(Scripts::default()));
    engine.parts.put(Arc::new(Tls::new(engine.time.clone())));
    engine.parts.put(Arc::new(Functions::default()));
    Ok(Arc::new(engine))
}

/// The users of the configuration, or of the file that it names.
fn acl(config: &Config) -> Result<Acl, String> {
    let acl = Acl::new(catalogue(commands::FAMILIES));
    acl.set_pubsub_default(config.acl_pubsub_default == AclPubsubDefault::Allchannels);
    if let Some(password) = &config.requirepass {
        acl.set_default_password(Some(password.expose()));
    }
    for line in &config.declarations.users {
        acl.declare(&line.words).map_err(|reason| line.place.clone().error(reason).to_string())?;
    }
    if let Some(path) = &config.aclfile {
        let failed = |error: String| format!("Aborting startup because of ACL errors: {error}");
        let text = std::fs::read(path).map_err(|error| failed(unreadable(path, &error)))?;
        acl.load(path, &text).map_err(|error| failed(String::from_utf8_lossy(&error).into_owned()))?;
    }
    Ok(acl)
}

/// `io-threads`, or the CPUs that the process may use.
fn worker_count(config: &Config) -> usize {
    match config.io_threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        count => count as usize,
    }
}

/// How the configured policy keeps access times.
pub fn access_clock(config: &Config) -> AccessClock {
    AccessClock {
        lfu: config.maxmemory_policy.is_lfu(),
        log_factor: config.lfu_log_factor,
        decay_minutes: config.lfu_decay_time,
    }
}

pub(super) fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Debug => Level::Debug,
        LogLevel::Verbose => Level::Verbose,
        LogLevel::Notice => Level::Notice,
        LogLevel::Warning => Level::Warning,
        LogLevel::Nothing => Level::Nothing,
    }
}

/// The numbers of syslog(3).
fn facility(facility: SyslogFacility) -> u8 {
    match facility {
        SyslogFacility::User => 1,
        SyslogFacility::Local0 => 16,
        SyslogFacility::Local1 => 17,
        SyslogFacility::Local2 => 18,
        SyslogFacility::Local3 => 19,
        SyslogFacility::Local4 => 20,
        SyslogFacility::Local5 => 21,
        SyslogFacility::Local6 => 22,
        SyslogFacility::Local7 => 23,
    }
}

pub(super) fn format(format: LogFormat) -> Format {
    match format {
        LogFormat::Redis => Format::Legacy,
        LogFormat::Json => Format::Json,
        LogFormat::Logfmt => Format::Logfmt,
    }
}

fn identity(time: &Time) -> Identity {
    let mut rng = Rng::from_os();
    let mut hex = || {
        let mut bytes = [0; 20];
        rng.fill(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    Identity {
        run_id: hex(),
        replication_id: hex(),
        started: time.now_ms(),
        started_monotonic_us: time.monotonic_us(),
        executable: std::env::current_exe()
            .map_or_else(|_| "ochre".into(), |path| path.display().to_string()),
    }
}

/// Panics go to the log, where an operator looks.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::force_capture();
        tracing::error!("A command panicked, its connection ends: {panic}\n{backtrace}");
    }));
}

fn write_pidfile(config: &Config) {
    if let Some(path) = pidfile(config)
        && let Err(error) = std::fs::write(path, format!("{}\n", std::process::id()))
    {
        tracing::warn!("The pid file {} could not be written: {error}", path.display());
    }
}

/// The pid file goes with the process.
pub fn remove_pidfile(config: &Config) {
    if let Some(path) = pidfile(config) {
        let _ = std::fs::remove_file(path);
    }
}

/// Where the pid file is: a server in the background always has one.
fn pidfile(config: &Config) -> Option<&Path> {
    config.pidfile.as_deref().or(config.daemonize.then_some(Path::new("/var/run/redis.pid")))
}

/// Reads certificate and key for TLS, if it is on. The error is a line for the log.
pub fn begin_tls(engine: &Engine) -> Result<(), String> {
    let config = engine.config.snapshot();
    let Some(tls) = engine.parts.find::<Tls>() else { return Ok(()) };
    let draft = tls.draft(&config).map_err(|error| format!("Failed to configure TLS: {error}"))?;
    tls.adopt(&config, draft);
    Ok(())
}
