//! All clients, by id.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;

use super::client::{Client, ClientId};

/// Buffers of one client that are nothing unusual, in bytes.
pub const SMALL_BUFFERS_BYTES: usize = 64 << 10;

/// The clients that are connected now.
#[derive(Default)]
pub struct Registry {
    clients: DashMap<ClientId, Arc<Client>>,
    last_id: AtomicU64,
    blocked: AtomicUsize,
    /// Bytes of all clients' buffers.
    buffers: AtomicI64,
    /// The same of strangers alone, with what a connection takes itself.
    strangers: AtomicI64,
    /// What of these goes beyond [`SMALL_BUFFERS_BYTES`] of each client, without mail.
    large: AtomicI64,
    /// Bytes of messages that wait in mailboxes, or were taken out and not sent yet.
    mail: Arc<AtomicI64>,
}

impl Registry {
    /// A number no client had before.
    pub fn next_id(&self) -> ClientId {
        ClientId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub fn insert(&self, client: Arc<Client>) {
        // Fails only for one that is known already, and then nothing changes.
        let _ = client.mail_bytes.set(Arc::clone(&self.mail));
        self.clients.insert(client.id, client);
    }

    pub fn remove(&self, id: ClientId) {
        if let Some((_, client)) = self.clients.remove(&id) {
            self.count_buffers(&client, 0, 0);
            self.count_stranger(&client, 0);
        }
    }

    /// The client with this number, unless it is closed as soon as its worker gets to it: nobody is to reckon with it any more.
    pub fn find(&self, id: ClientId) -> Option<Arc<Client>> {
        let found = self.clients.get(&id).map(|client| Arc::clone(&client));
        found.filter(|client| !client.is_killed())
    }

    /// Marks whether a command of `client` waits for something; called by the client's worker only.
    #[inline]
    pub fn set_blocked(&self, client: &Client, on: bool) {
        match (client.set_blocked(on), on) {
            (false, _) => {}
            (true, true) => _ = self.blocked.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = self.blocked.fetch_sub(1, Ordering::Relaxed),
        }
    }

    /// How many clients wait.
    pub fn blocked_count(&self) -> usize {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Tells how many bytes a client's buffers have now, and how many of these are unsent; called by the client's worker only.
    /// Whether the former are more than before.
    #[inline]
    pub fn count_buffers(&self, client: &Client, bytes: usize, unsent: usize) -> bool {
        let mail = client.settle_mail(unsent);
        let before = client.counted_bytes.load(Ordering::Relaxed);
        if before == bytes {
            return false;
        }
        client.counted_bytes.store(bytes, Ordering::Relaxed);
        self.buffers.fetch_add(bytes as i64 - before as i64, Ordering::Relaxed);
        let large = bytes.saturating_sub(mail + SMALL_BUFFERS_BYTES);
        let was_large = client.large_bytes.load(Ordering::Relaxed);
        if large != was_large {
            client.large_bytes.store(large, Ordering::Relaxed);
            self.large.fetch_add(large as i64 - was_large as i64, Ordering::Relaxed);
        }
        bytes > before
    }

    /// Tells how many bytes a client takes as a stranger, 0 when it is none; called by the client's worker only.
    #[inline]
    pub fn count_stranger(&self, client: &Client, bytes: usize) {
        let before = client.stranger_bytes.load(Ordering::Relaxed);
        if before != bytes {
            client.stranger_bytes.store(bytes, Ordering::Relaxed);
            self.strangers.fetch_add(bytes as i64 - before as i64, Ordering::Relaxed);
        }
    }

    /// Bytes that all strangers take together.
    pub fn stranger_bytes(&self) -> u64 {
        u64::try_from(self.strangers.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Bytes of messages that are on their way to clients.
    pub fn mail_bytes(&self) -> u64 {
        u64::try_from(self.mail.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// What else of clients' buffers goes beyond [`SMALL_BUFFERS_BYTES`] of each: what slow clients make grow.
    pub fn large_buffer_bytes(&self) -> u64 {
        u64::try_from(self.large.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Bytes of all clients' buffers.
    pub fn buffer_bytes(&self) -> u64 {
        u64::try_from(self.buffers.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub fn len(&self) -> usize {
        self.clients.len()
    }

    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Every client, in no order. The references are taken first, so that callers may send, kill or remove.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Client>> {
        let clients: Vec<_> = self.clients.iter().map(|client| Arc::clone(&client)).collect();
        clients.into_iter()
    }

    /// Every client, oldest first, as CLIENT LIST shows them: without those who are closed as soon as their worker gets to it.
    pub fn by_age(&self) -> Vec<Arc<Client>> {
        let mut clients: Vec<_> = self.iter().filter(|client| !client.is_killed()).collect();
        clients.sort_unstable_by_key(|client| client.id);
        clients
    }
}
