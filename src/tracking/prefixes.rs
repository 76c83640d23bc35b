//! Who tracks which prefixes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::message::tell_keys;
use crate::session::{ClientId, Registry, Tracker};

/// Trackers by prefix.
#[derive(Default)]
pub(super) struct Prefixes(BTreeMap<Box<[u8]>, BTreeMap<ClientId, Arc<Tracker>>>);

impl Prefixes {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn add(&mut self, prefix: &[u8], tracker: &Arc<Tracker>) {
        self.0.entry(prefix.into()).or_default().insert(tracker.client.id, Arc::clone(tracker));
    }

    pub fn remove(&mut self, prefix: &[u8], client: ClientId) {
        if let Some(trackers) = self.0.get_mut(prefix) {
            trackers.remove(&client);
            if trackers.is_empty() {
                self.0.remove(prefix);
            }
        }
    }

    /// Tells every tracker what of `changed` begins with its prefix: one message for each prefix, keys in their order.
    pub fn tell<'k>(
        &self,
        changed: impl Iterator<Item = &'k [u8]>,
        origin: Option<ClientId>,
        clients: &Registry,
    ) {
        let mut changed: Vec<&[u8]> = changed.collect();
        changed.sort_unstable();
        changed.dedup();
        for (prefix, trackers) in &self.0 {
            let keys: Vec<&[u8]> = changed.iter().filter(|key| key.starts_with(prefix)).copied().collect();
            if keys.is_empty() {
                continue;
            }
            for (client, tracker) in trackers {
                if !(origin == Some(*client) && tracker.no_loop) {
                    tell_keys(tracker, &keys, clients);
                }
            }
        }
    }
}
