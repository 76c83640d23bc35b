//! Who tracks which prefixes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ChangedKeys;
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

    /// Tells every tracker what of `changed` begins with its prefix: one message for each prefix, keys in their order. Each key
    /// comes with whose change it was; the last one counts.
    pub fn tell(&self, changed: &ChangedKeys, clients: &Registry) {
        let changed: BTreeMap<&[u8], Option<ClientId>> =
            changed.iter().map(|(key, origin)| (&**key, *origin)).collect();
        for (prefix, trackers) in &self.0 {
            let with_prefix: Vec<_> = changed.iter().filter(|(key, _)| key.starts_with(prefix)).collect();
            for (client, tracker) in trackers {
                let is_told = |origin: &Option<ClientId>| *origin != Some(*client) || !tracker.no_loop;
                let told = with_prefix.iter().filter(|(_, origin)| is_told(origin));
                let keys: Vec<&[u8]> = told.map(|(key, _)| **key).collect();
                if !keys.is_empty() {
                    tell_keys(tracker, &keys, clients);
                }
            }
        }
    }
}
