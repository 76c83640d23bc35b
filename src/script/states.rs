//! The Lua states of a server, one per worker of each kind: how many bytes they hold, and when they are to begin anew.
//!
//! A state says how big it is when a script ends; what a script that runs has allocated since then is not counted yet. INFO reads
//! all together.
//!
//! SCRIPT FLUSH and FUNCTION FLUSH begin another generation. A state belongs to its thread and can only be dropped there, so every
//! worker waits for that ([`States::called`]): what the texts took is free also where no further script comes. In the same way what
//! one script has left behind is freed, because that takes long where it is much: behind its reply, when its locks are gone.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// All states of a kind; those that are gone drop out.
#[derive(Default)]
pub struct States {
    gauges: Mutex<Vec<Weak<AtomicUsize>>>,
    generation: AtomicU64,
    called: Notify,
}

impl States {
    /// One more state.
    pub fn join(&self) -> Gauge {
        let gauge = Arc::default();
        let mut all = self.gauges.lock();
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&gauge));
        Gauge(gauge)
    }

    /// Bytes of all states.
    pub fn bytes(&self) -> usize {
        let all = self.gauges.lock();
        all.iter().filter_map(Weak::upgrade).map(|gauge| gauge.load(Ordering::Relaxed)).sum()
    }

    /// Counts how often they have begun anew.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// All that there are now are old.
    pub fn begin_anew(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.call();
    }

    /// Has every worker look after its state.
    pub fn call(&self) {
        self.called.notify_waiters();
    }

    /// Comes back with the first call after now, whether it is waited for by then or not.
    pub fn called(&self) -> Notified<'_> {
        self.called.notified()
    }
}

/// That of one state, for as long as the state lives.
pub struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    pub fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::States;

    #[test]
    fn states_that_are_gone_hold_nothing() {
        let states = States::default();
        let (one, other) = (states.join(), states.join());
        one.set(7);
        other.set(5);
        assert_eq!(states.bytes(), 12);
        drop(one);
        assert_eq!(states.bytes(), 5);
    }

    #[test]
    fn who_waits_hears_of_every_new_generation() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let states = States::default();
        let called = states.called();
        states.begin_anew();
        runtime.block_on(called);
        runtime.block_on(async { tokio::join!(states.called(), async { states.begin_anew() }) });
    }
}
