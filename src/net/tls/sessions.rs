//! Sessions that clients may take up again, in memory: at most so many, each for so long.
//!
//! The cache goes with the terms that it belongs to: after certificates or authorities changed nobody resumes a session
//! that was agreed on under the old ones.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use parking_lot::Mutex;
use rustls::server::StoresServerSessions;

use crate::base::clock::{Clock, Time};

/// See the module's head.
pub struct Sessions {
    /// 0 is no bound, as in OpenSSL.
    max: usize,
    timeout_us: u64,
    time: Time,
    store: Mutex<Store>,
}

#[derive(Default)]
struct Store {
    /// Each with the time until which it can be taken up, monotonic µs.
    sessions: HashMap<Vec<u8>, (u64, Vec<u8>)>,
    /// Names in the order in which they came; some may be gone.
    order: VecDeque<Vec<u8>>,
}

impl Sessions {
    pub fn new(max: usize, timeout_seconds: u64, time: Time) -> Sessions {
        let timeout_us = timeout_seconds.saturating_mul(1_000_000);
        Sessions { max, timeout_us, time, store: Mutex::default() }
    }
}

impl Store {
    /// Forgets what is old or too much.
    fn shrink(&mut self, max: usize, now_us: u64) {
        while let Some(oldest) = self.order.front() {
            // Names of sessions that were taken up count too: they take memory until it is their turn.
            let is_over = max > 0 && self.order.len() > max;
            match self.sessions.get(oldest) {
                Some((until_us, _)) if *until_us > now_us && !is_over => break,
                _ => {
                    self.sessions.remove(oldest);
                    self.order.pop_front();
                }
            }
        }
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, name: Vec<u8>, session: Vec<u8>) -> bool {
        let now_us = self.time.monotonic_us();
        let mut store = self.store.lock();
        store.order.push_back(name.clone());
        store.sessions.insert(name, (now_us.saturating_add(self.timeout_us), session));
        store.shrink(self.max, now_us);
        true
    }

    fn get(&self, name: &[u8]) -> Option<Vec<u8>> {
        let now_us = self.time.monotonic_us();
        let store = self.store.lock();
        store
            .sessions
            .get(name)
            .filter(|(until_us, _)| *until_us > now_us)
            .map(|(_, session)| session.clone())
    }

    fn take(&self, name: &[u8]) -> Option<Vec<u8>> {
        let now_us = self.time.monotonic_us();
        let taken = self.store.lock().sessions.remove(name);
        taken.filter(|(until_us, _)| *until_us > now_us).map(|(_, session)| session)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl fmt::Debug for Sessions {
    /// Their number is all that is nobody's secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("count", &self.store.lock().sessions.len()).finish()
    }
}
