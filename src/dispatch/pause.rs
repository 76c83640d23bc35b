//! CLIENT PAUSE: commands wait until a time, all of them or only those that write.
//!
//! The check on the way of every command is one relaxed load. Paused connections park their wakers here;
//! CLIENT UNPAUSE (of writes alone: when all commands wait, so does this one), or the server's task for it
//! when the time has come, wakes them.

use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::base::clock::UnixMs;
use crate::keyspace::waiters::ReadyKey;

/// Which commands wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseMode {
    /// Those that may write.
    Write,
    All,
}

#[derive(Default)]
struct State {
    pause: Option<(PauseMode, UnixMs)>,
    parked: Vec<Waker>,
    /// Keys that were made ready for who waits for them and is paused.
    put_off: Vec<ReadyKey>,
}

/// The pause of this server, if there is one.
#[derive(Default)]
pub struct Pause {
    /// 0 = none, 1 = writes, 2 = all.
    mode: AtomicU8,
    state: Mutex<State>,
    started: Notify,
}

impl Pause {
    /// Pauses until `until`. As in Redis a running pause is only made longer and stricter.
    pub fn start(&self, mode: PauseMode, until: UnixMs, now: UnixMs) {
        let mut state = self.state.lock();
        let (mode, until) = match state.pause.filter(|(_, end)| *end > now) {
            Some((PauseMode::All, end)) => (PauseMode::All, until.max(end)),
            Some((PauseMode::Write, end)) => (mode, until.max(end)),
            None => (mode, until),
        };
        state.pause = Some((mode, until));
        self.mode.store(if mode == PauseMode::All { 2 } else { 1 }, Ordering::SeqCst);
        self.started.notify_one();
    }

    /// Returns when a pause has been started, changed or ended.
    pub async fn started(&self) {
        self.started.notified().await;
    }

    /// Ends the pause and wakes everyone.
    pub fn end(&self) {
        let parked = {
            let mut state = self.state.lock();
            state.pause = None;
            self.mode.store(0, Ordering::SeqCst);
            std::mem::take(&mut state.parked)
        };
        parked.into_iter().for_each(Waker::wake);
        // For those who were put off.
        self.started.notify_one();
    }

    /// The mode now; the caller still asks [`Pause::mode_at`] before it parks.
    #[inline]
    pub fn is_paused(&self) -> bool {
        self.mode.load(Ordering::Relaxed) != 0
    }

    /// The mode at `now`.
    pub fn mode_at(&self, now: UnixMs) -> Option<PauseMode> {
        self.state.lock().pause.filter(|(_, until)| *until > now).map(|(mode, _)| mode)
    }

    /// When the pause ends.
    pub fn until(&self) -> Option<UnixMs> {
        self.state.lock().pause.map(|(_, until)| until)
    }

    /// Keeps a key until the pause ends, for who waits for it.
    ///
    /// # Errors
    /// The key, when the pause has ended already.
    pub fn put_off(&self, key: ReadyKey) -> Result<(), ReadyKey> {
        let mut state = self.state.lock();
        if state.pause.is_none() {
            return Err(key);
        }
        if !state.put_off.contains(&key) {
            state.put_off.push(key);
        }
        Ok(())
    }

    /// The keys that were kept, if the pause has ended.
    pub fn take_put_off(&self) -> Vec<ReadyKey> {
        let mut state = self.state.lock();
        if state.pause.is_some() { Vec::new() } else { std::mem::take(&mut state.put_off) }
    }

    /// Wakes `waker` when the pause ends; `false` when it has ended already.
    pub fn park(&self, waker: &Waker) -> bool {
        let mut state = self.state.lock();
        if state.pause.is_none() {
            return false;
        }
        if !state.parked.iter().any(|other| other.will_wake(waker)) {
            state.parked.push(waker.clone());
        }
        true
    }
}
