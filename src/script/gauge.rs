//! How many bytes the Lua states of a server hold: one gauge per worker's state, read together by INFO.
//!
//! A state says how big it is when a script ends; what a script that runs has allocated since then is not counted yet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// The gauges of all states of a kind; those of states that are gone drop out.
#[derive(Default)]
pub struct Gauges(Mutex<Vec<Weak<AtomicUsize>>>);

impl Gauges {
    /// One more state.
    pub fn join(&self) -> Gauge {
        let gauge = Arc::default();
        let mut all = self.0.lock();
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&gauge));
        Gauge(gauge)
    }

    /// Bytes of all states.
    pub fn bytes(&self) -> usize {
        let all = self.0.lock();
        all.iter().filter_map(Weak::upgrade).map(|gauge| gauge.load(Ordering::Relaxed)).sum()
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
    use super::Gauges;

    #[test]
    fn states_that_are_gone_hold_nothing() {
        let gauges = Gauges::default();
        let (one, other) = (gauges.join(), gauges.join());
        one.set(7);
        other.set(5);
        assert_eq!(gauges.bytes(), 12);
        drop(one);
        assert_eq!(gauges.bytes(), 5);
    }
}
