//! What a command can reach besides keys: one server's shared parts.
//!
//! Servers share no state but the reclaim thread: a process can hold several engines (tests do), and everything that must be
//! injectable (time, chance, configuration) is in here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

pub use super::gauges::Gauges;
use super::memory::Eviction;
use super::monitor::Monitors;
use super::notify::Notifier;
use super::parts::Parts;
use super::pause::{Pause, PauseMode};
use super::sink::{Commit, Sink, Sinks};
use super::slices::LongScripts;
use super::stats::Stats;
use super::table::CommandTable;
use crate::acl::Acl;
use crate::base::clock::{Clock, Time, UnixMs};
use crate::config::{self, NotifyFlags};
use crate::journal::Journal;
use crate::keyspace::{Effects, JournalOffset, Keyspace, LockSet, Observed, View, What};
use crate::observe::latency;
use crate::observe::slowlog::Slowlog;
use crate::pubsub::PubSub;
use crate::session::{ClientId, Registry, Session, Space, Tracker};
use crate::tracking::{ChangedKeys, OwnChanges, Tracking};

/// Applies changed options to what lives above the dispatcher (listeners, log, …). An error names the option
/// and undoes the whole CONFIG SET.
pub type ApplyConfig = Box<
    dyn Fn(
            &config::Config,
            &config::Config,
            &[&'static config::OptionSpec],
        ) -> Result<(), (&'static str, String)>
        + Send
        + Sync,
>;

/// One server.
pub struct Engine {
    pub keyspace: Keyspace,
    pub config: config::Store,
    pub commands: CommandTable,
    /// Who may do what.
    pub acl: Acl,
    pub clients: Registry,
    pub stats: Stats,
    pub slowlog: Slowlog,
    pub latency: latency::Monitor,
    pub pause: Pause,
    pub monitors: Monitors,
    pub time: Time,
    pub lifecycle: Lifecycle,
    pub long_scripts: LongScripts,
    /// Scripts may run what they otherwise may not (DEBUG SET-DISABLE-DENY-SCRIPTS).
    pub allows_all_in_scripts: AtomicBool,
    pub identity: Identity,
    pub gauges: Gauges,
    /// `maxmemory` at work.
    pub eviction: Eviction,
    pub sinks: Sinks,
    pub journal: Journal,
    /// Held by who changes whether effects are recorded.
    pub observation: Mutex<()>,
    pub pubsub: Arc<PubSub>,
    pub tracking: Tracking,
    /// `notify-keyspace-events`.
    pub notifier: Notifier,
    pub apply_config: Mutex<Option<ApplyConfig>>,
    pub parts: Parts,
    /// Number of workers, which is also the index of the statistics that belong to the main thread.
    pub workers: usize,
}

/// Who this server is.
pub struct Identity {
    /// 40 hex digits, new at every start.
    pub run_id: String,
    pub replication_id: String,
    pub started: UnixMs,
    pub started_monotonic_us: u64,
    pub executable: String,
}

/// How the server is asked to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownRequest {
    pub save: Option<bool>,
    pub now: bool,
    pub force: bool,
}

/// Start, shutdown, and what a shutdown waits for.
#[derive(Default)]
pub struct Lifecycle {
    request: Mutex<Option<ShutdownRequest>>,
    requested: Notify,
    /// Loading a data set: most commands answer LOADING.
    pub loading: AtomicBool,
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION: payloads are decoded whatever their checksum is.
    pub skips_checksums: AtomicBool,
    /// The last save failed.
    unsaved: AtomicBool,
    unsaved_reason: Mutex<Option<String>>,
}

impl Lifecycle {
    /// Asks the server to end.
    pub fn shut_down(&self, request: ShutdownRequest) {
        *self.request.lock() = Some(request);
        self.requested.notify_one();
    }

    /// SHUTDOWN ABORT; whether there was something to abort.
    pub fn abort(&self) -> bool {
        self.request.lock().take().is_some()
    }

    /// Notes why the last save failed, `None` when it didn't.
    pub fn set_unsaved(&self, reason: Option<String>) {
        self.unsaved.store(reason.is_some(), Ordering::Relaxed);
        *self.unsaved_reason.lock() = reason;
    }

    /// Why the last save failed, if it did.
    pub fn unsaved_reason(&self) -> Option<String> {
        self.unsaved_reason.lock().clone()
    }

    /// Whether some requests are refused because of the state of the data.
    #[inline]
    pub fn is_obstructed(&self) -> bool {
        self.loading.load(Ordering::Relaxed) | self.unsaved.load(Ordering::Relaxed)
    }

    /// Waits until somebody asks for the end.
    pub async fn requested(&self) -> ShutdownRequest {
        loop {
            if let Some(request) = *self.request.lock() {
                return request;
            }
            self.requested.notified().await;
        }
    }
}

impl Engine {
    /// Adds a listener to effects; from now on they are recorded. Waits for the locks of all shards.
    pub fn observe(&self, sink: Arc<dyn Sink>) {
        let mut view = View::new(&self.keyspace, 0);
        view.lock_blocking(&LockSet::All);
        self.sinks.add(sink);
        self.update_observation();
    }

    /// Publishes keyspace events of these classes from now on.
    pub fn notify(&self, flags: NotifyFlags) {
        self.notifier.set_flags(flags);
        self.update_observation();
    }

    /// Turns the recording of effects on or off, by who wants them. A journal or a listener that begins or ends does so under
    /// the locks of all shards: a view that holds one does not look again.
    pub fn update_observation(&self) {
        let _one_at_a_time = self.observation.lock();
        let listens = self.notifier.is_active() || self.sinks.any() || self.tracking.is_active();
        let observed = match () {
            () if listens => Observed::Everything,
            () if self.journal.is_on() => Observed::Commands,
            () => Observed::Nothing,
        };
        self.keyspace.observe(observed);
    }

    /// Tells a client of changes from now on.
    pub fn track(&self, session: &mut Session, tracker: Tracker) {
        let tracker = Arc::new(tracker);
        // Others have to know in which protocol it is told.
        session.publish();
        self.tracking.start(&tracker);
        self.update_observation();
        session.shared.usage.prefix_bytes.store(tracker.heap_bytes(), Ordering::Relaxed);
        session.tracking = Some(tracker);
    }

    /// Ends what [`Engine::track`] began.
    pub fn stop_tracking(&self, session: &mut Session) {
        session.caching = false;
        if session.tracking.take().is_some() {
            self.tracking.stop(session.id());
            session.shared.usage.prefix_bytes.store(0, Ordering::Relaxed);
            self.update_observation();
        }
    }

    /// Ends all subscriptions of a connection.
    pub fn leave_channels(&self, session: &mut Session) {
        let Some(all) = session.subscriptions.take() else { return };
        let spaces = [
            (Space::Channel, &all.channels),
            (Space::Pattern, &all.patterns),
            (Space::Shard, &all.shard_channels),
        ];
        for (space, names) in spaces {
            names.iter().for_each(|name| self.pubsub.unsubscribe(space, name, session.id()));
        }
        session.publish_subscriptions();
    }

    /// Makes commands wait until then; nothing expires meanwhile, for that would be a change as well.
    pub fn pause(&self, mode: PauseMode, until: UnixMs, now: UnixMs) {
        self.pause.start(mode, until, now);
        self.keyspace.freeze_expiry(self.pause.is_paused());
    }

    /// Ends a pause.
    pub fn go_on(&self) {
        self.pause.end();
        // Somebody else may have begun another.
        self.keyspace.freeze_expiry(self.pause.is_paused());
        // What `maxmemory` was too small for meanwhile.
        self.eviction.wake();
    }

    /// Hands effects to every listener; `view` holds the locks that protect what they are about. Where there is a journal,
    /// answers how far it reaches now.
    pub fn commit(&self, view: &mut View<'_>, commit: &Commit<'_>) -> Option<JournalOffset> {
        let (mut own, mut changed) = (OwnChanges::new(), ChangedKeys::new());
        self.tell(commit.effects, commit.client, &mut own);
        let offset = self.record(view, commit, own, &mut changed);
        self.tracking.broadcast(&changed, &self.clients);
        offset
    }

    /// Tells clients what `client` has done, in the order in which it happened: readers of its keys that these have changed, and
    /// listeners of its events. A part of a transaction or a script is told when it is done, so that a message that follows it
    /// comes behind: who looks into its cache because of the message must not find what was there before. `client` itself hears
    /// of what is added to `own` when all is done.
    #[inline]
    pub(super) fn tell(&self, effects: &Effects, client: Option<ClientId>, own: &mut OwnChanges) {
        if !effects.records.is_empty() {
            self.tell_each(effects, client, own);
        }
    }

    #[cold]
    fn tell_each(&self, effects: &Effects, client: Option<ClientId>, own: &mut OwnChanges) {
        let (is_tracked, events) = (self.tracking.is_active(), self.notifier.flags());
        let mut is_flushed = false;
        for record in &effects.records {
            // Of each database; that everything has changed is told once.
            let is_more = record.what == What::Flushed && std::mem::replace(&mut is_flushed, true);
            if is_tracked && !is_more {
                self.tracking.tell(record, client, own, &self.clients);
            }
            if !events.is_empty() {
                self.notifier.tell(record, events);
            }
        }
    }

    /// As [`Engine::commit`], of what clients were told while it happened. What is to be broadcast is added to `changed`.
    pub(super) fn record(
        &self,
        view: &mut View<'_>,
        commit: &Commit<'_>,
        own: OwnChanges,
        changed: &mut ChangedKeys,
    ) -> Option<JournalOffset> {
        if self.tracking.is_active() {
            self.tracking.tell_own(commit.client, own, &self.clients);
            self.tracking.gather(commit.effects, commit.client, commit.of_scripts, changed);
        }
        if commit.effects.records.is_empty() && commit.commands.is_empty() {
            return None;
        }
        self.sinks.commit(commit);
        view.log_all();
        let offset = self.journal.append(commit.commands, &commit.effects.records, commit.marks)?;
        view.note_write(offset);
        Some(offset)
    }

    /// Seconds since the start.
    pub fn uptime_seconds(&self) -> u64 {
        self.time.monotonic_us().saturating_sub(self.identity.started_monotonic_us) / 1_000_000
    }

    /// Notes a memory peak and returns the bytes in use.
    pub fn used_memory(&self) -> usize {
        let used = crate::alloc::allocated_bytes();
        self.gauges.peak_memory_bytes.fetch_max(used as u64, Ordering::Relaxed);
        used
    }
}

/// What a batch has changed that clients who track prefixes are to hear of: in one go when it is over, however it ends.
pub(super) struct Changed<'k> {
    engine: &'k Engine,
    pub keys: ChangedKeys,
}

impl<'k> Changed<'k> {
    pub fn new(engine: &'k Engine) -> Changed<'k> {
        Changed { engine, keys: ChangedKeys::new() }
    }
}

impl Drop for Changed<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.keys.is_empty() {
            self.engine.tracking.broadcast(&self.keys, &self.engine.clients);
        }
    }
}
