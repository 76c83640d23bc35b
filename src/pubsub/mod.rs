//! Channels and who listens to them.
//!
//! ```text
//! PUBLISH news hi ─▶ channels["news"] ─┬─▶ mailbox of each subscriber ─▶ its worker writes it to its socket
//!                 ─▶ patterns "n*"    ─┘
//! ```
//!
//! A message is encoded once per protocol version and shared by all who get it. A publisher puts it into one mailbox after
//! the other before it goes on, so two messages of one publisher reach a subscriber in their order, whatever workers
//! they are on. Messages wait in mailboxes as whole frames: they never mix with a reply.
//!
//! Three spaces of names: channels, patterns, and shard channels, which are channels of their own.

mod patterns;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use dashmap::DashMap;
use parking_lot::RwLock;

use crate::resp::{Output, Proto};
use crate::session::{Client, ClientId, Space};
use patterns::Patterns;

/// Those who get what is said under one name.
type Subscribers = HashMap<ClientId, Arc<Client>>;
type Channels = DashMap<Box<[u8]>, Subscribers>;

/// All subscriptions.
#[derive(Default)]
pub struct PubSub {
    channels: Channels,
    shard_channels: Channels,
    patterns: RwLock<Patterns>,
    /// Names of all three spaces with subscribers: with none there is nothing to do for a message.
    names: AtomicUsize,
}

/// One message, encoded for each protocol version when somebody first wants it.
struct Message<'m> {
    parts: &'m [&'m [u8]],
    resp2: Option<Bytes>,
    resp3: Option<Bytes>,
}

impl<'m> Message<'m> {
    fn new(parts: &'m [&'m [u8]]) -> Message<'m> {
        Message { parts, resp2: None, resp3: None }
    }

    fn send_to(&mut self, client: &Client) {
        let (proto, encoded) = match client.resp_version() {
            3 => (Proto::Resp3, &mut self.resp3),
            _ => (Proto::Resp2, &mut self.resp2),
        };
        let parts = self.parts;
        client.send(encoded.get_or_insert_with(|| encode(parts, proto)));
    }
}

fn encode(parts: &[&[u8]], proto: Proto) -> Bytes {
    let mut out = Output::default();
    let mut writer = out.writer(proto);
    writer.push(parts.len());
    parts.iter().for_each(|part| writer.bulk(part));
    Bytes::from(out.take_bytes())
}

impl PubSub {
    /// Lets `client` hear what is said under `name`; it must not hear it already.
    pub fn subscribe(&self, space: Space, name: &[u8], client: &Arc<Client>) {
        let is_new = match self.channels_of(space) {
            Some(channels) => {
                let mut subscribers = channels.entry(name.into()).or_default();
                subscribers.insert(client.id, Arc::clone(client));
                subscribers.len() == 1
            }
            None => self.patterns.write().add(name, client),
        };
        self.names.fetch_add(usize::from(is_new), Ordering::SeqCst);
    }

    /// Ends what [`PubSub::subscribe`] began.
    pub fn unsubscribe(&self, space: Space, name: &[u8], client: ClientId) {
        let is_last = match self.channels_of(space) {
            Some(channels) => {
                if let Some(mut subscribers) = channels.get_mut(name) {
                    subscribers.remove(&client);
                }
                channels.remove_if(name, |_, subscribers| subscribers.is_empty()).is_some()
            }
            None => self.patterns.write().remove(name, client),
        };
        self.names.fetch_sub(usize::from(is_last), Ordering::SeqCst);
    }

    /// Ends all subscriptions of a client that is about to be closed. Walks over all names: what each client listens to is known
    /// to its own connection only.
    pub fn unsubscribe_from_all(&self, client: ClientId) {
        let mut names = Vec::new();
        self.for_each_subscription(|space, name, who| {
            if who.id == client {
                names.push((space, Box::<[u8]>::from(name)));
            }
        });
        names.iter().for_each(|(space, name)| self.unsubscribe(*space, name, client));
    }

    /// Sends a message to all who listen to a channel, or to a pattern that matches it; how many got it.
    pub fn publish(&self, channel: &[u8], payload: &[u8]) -> usize {
        if self.names.load(Ordering::SeqCst) == 0 {
            return 0;
        }
        let heard = send(&self.channels, &[b"message", channel, payload], channel);
        heard + self.patterns.read().publish(channel, payload)
    }

    /// Sends a message to all who listen to a shard channel; how many got it.
    pub fn publish_to_shard(&self, channel: &[u8], payload: &[u8]) -> usize {
        send(&self.shard_channels, &[b"smessage", channel, payload], channel)
    }

    /// Calls `visit` with every channel of a space that somebody listens to. Not for patterns.
    pub fn for_each_channel(&self, space: Space, mut visit: impl FnMut(&[u8])) {
        if let Some(channels) = self.channels_of(space) {
            channels.iter().for_each(|channel| visit(channel.key()));
        }
    }

    /// Calls `visit` with every subscription there is.
    pub fn for_each_subscription(&self, mut visit: impl FnMut(Space, &[u8], &Client)) {
        for (space, channels) in [(Space::Channel, &self.channels), (Space::Shard, &self.shard_channels)] {
            for entry in channels {
                entry.value().values().for_each(|client| visit(space, entry.key(), client));
            }
        }
        self.patterns.read().for_each(|pattern, client| visit(Space::Pattern, pattern, client));
    }

    /// How many listen to a name. Not for patterns.
    pub fn subscribers(&self, space: Space, name: &[u8]) -> usize {
        let channels = self.channels_of(space);
        channels.and_then(|channels| channels.get(name).map(|subscribers| subscribers.len())).unwrap_or(0)
    }

    /// How many names of a space somebody listens to.
    pub fn len(&self, space: Space) -> usize {
        self.channels_of(space).map_or_else(|| self.patterns.read().len(), DashMap::len)
    }

    fn channels_of(&self, space: Space) -> Option<&Channels> {
        match space {
            Space::Channel => Some(&self.channels),
            Space::Shard => Some(&self.shard_channels),
            Space::Pattern => None,
        }
    }
}

fn send(channels: &Channels, parts: &[&[u8]], channel: &[u8]) -> usize {
    let Some(subscribers) = channels.get(channel) else { return 0 };
    let mut message = Message::new(parts);
    subscribers.values().for_each(|client| message.send_to(client));
    subscribers.len()
}
