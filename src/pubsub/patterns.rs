//! Patterns and who listens to them.
//!
//! Every match of a pattern begins with the pattern's literal prefix (`news.*` → `news.`). Patterns are kept by that prefix,
//! and a channel is looked up under each of its own prefixes that has a length some pattern uses: usually a handful of
//! lookups, however many patterns there are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Message, Subscribers};
use crate::base::glob::Pattern;
use crate::session::{Client, ClientId};

struct Listened {
    pattern: Pattern,
    subscribers: Subscribers,
}

/// See the module's head.
#[derive(Default)]
pub(super) struct Patterns {
    by_prefix: HashMap<Box<[u8]>, Vec<Listened>>,
    /// How many patterns have a prefix of that length.
    lengths: BTreeMap<usize, usize>,
}

impl Patterns {
    /// Whether nobody listened to the pattern before.
    pub(super) fn add(&mut self, pattern: &[u8], client: &Arc<Client>) -> bool {
        let compiled = Pattern::new(pattern);
        let same_prefix = self.by_prefix.entry(compiled.literal_prefix().into()).or_default();
        if let Some(known) = same_prefix.iter_mut().find(|known| known.pattern.as_bytes() == pattern) {
            known.subscribers.insert(client.id, Arc::clone(client));
            return false;
        }
        *self.lengths.entry(compiled.literal_prefix().len()).or_default() += 1;
        let subscribers = Subscribers::from([(client.id, Arc::clone(client))]);
        same_prefix.push(Listened { pattern: compiled, subscribers });
        true
    }

    /// Whether nobody listens to the pattern any more.
    pub(super) fn remove(&mut self, pattern: &[u8], client: ClientId) -> bool {
        let compiled = Pattern::new(pattern);
        let prefix = compiled.literal_prefix();
        let Some(same_prefix) = self.by_prefix.get_mut(prefix) else { return false };
        let Some(at) = same_prefix.iter().position(|known| known.pattern.as_bytes() == pattern) else {
            return false;
        };
        let Some(known) = same_prefix.get_mut(at) else { return false };
        known.subscribers.remove(&client);
        if !known.subscribers.is_empty() {
            return false;
        }
        same_prefix.swap_remove(at);
        if same_prefix.is_empty() {
            self.by_prefix.remove(prefix);
        }
        if let Some(count) = self.lengths.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
        true
    }

    pub(super) fn len(&self) -> usize {
        self.lengths.values().sum()
    }

    /// Calls `visit` with every pattern and everybody who listens to it.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&[u8], &Client)) {
        for listened in self.by_prefix.values().flatten() {
            listened.subscribers.values().for_each(|client| visit(listened.pattern.as_bytes(), client));
        }
    }

    /// Sends a message to all whose pattern matches its channel; how many times it was sent.
    pub(super) fn publish(&self, channel: &[u8], payload: &[u8]) -> usize {
        let prefixes = self.lengths.keys().filter_map(|&length| channel.get(..length));
        let candidates = prefixes.filter_map(|prefix| self.by_prefix.get(prefix)).flatten();
        let mut heard = 0;
        for listened in candidates.filter(|listened| listened.pattern.matches(channel)) {
            let parts: [&[u8]; 4] = [b"pmessage", listened.pattern.as_bytes(), channel, payload];
            let mut message = Message::new(&parts);
            listened.subscribers.values().for_each(|client| message.send_to(client));
            heard += listened.subscribers.len();
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Output;
    use crate::session::Transport;

    fn client(id: u64) -> Arc<Client> {
        let addrs = ("127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned());
        Arc::new(Client::new(ClientId(id), Transport::Tcp, addrs, 0, 0, 0))
    }

    /// How many messages wait.
    fn messages(client: &Client) -> usize {
        let mut output = Output::default();
        client.take_mail(&mut output);
        output.take_bytes().windows(10).filter(|text| text == b"\r\npmessage").count()
    }

    #[test]
    fn every_matching_pattern_hears_a_message_once() {
        let mut patterns = Patterns::default();
        let (one, other) = (client(1), client(2));
        for pattern in ["news.*", "news.sport", "n*", "*", "[n]ews*", "other*", "news.?"] {
            assert!(patterns.add(pattern.as_bytes(), &one));
        }
        assert!(!patterns.add(b"*", &other));
        assert_eq!(patterns.publish(b"news.sport", b"x"), 6);
        // As in Redis a star does not match the empty text.
        assert_eq!(patterns.publish(b"", b"x"), 0);
        assert_eq!((messages(&one), messages(&other)), (5, 1));
        assert_eq!(patterns.len(), 7);
        assert!(!patterns.remove(b"*", ClientId(1)) && patterns.remove(b"*", ClientId(2)));
        assert!(!patterns.remove(b"*", ClientId(2)) && !patterns.remove(b"none", ClientId(1)));
        for pattern in ["news.*", "news.sport", "n*", "[n]ews*", "other*", "news.?"] {
            assert!(patterns.remove(pattern.as_bytes(), ClientId(1)));
        }
        assert_eq!((patterns.len(), patterns.by_prefix.len(), patterns.lengths.len()), (0, 0, 0));
    }
}
