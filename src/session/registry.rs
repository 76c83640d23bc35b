//! All clients, by id.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;

use super::client::{Client, ClientId};

/// The clients that are connected now.
#[derive(Default)]
pub struct Registry {
    clients: DashMap<ClientId, Arc<Client>>,
    last_id: AtomicU64,
    blocked: AtomicUsize,
    /// Bytes of all clients' buffers.
    buffers: AtomicI64,
}

impl Registry {
    /// A number no client had before.
    pub fn next_id(&self) -> ClientId {
        ClientId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub fn insert(&self, client: Arc<Client>) {
        self.clients.insert(client.id, client);
    }

    pub fn remove(&self, id: ClientId) {
        if let Some((_, client)) = self.clients.remove(&id) {
            self.count_buffers(&client, 0);
        }
    }

    pub fn find(&self, id: ClientId) -> Option<Arc<Client>> {
        self.clients.get(&id).map(|client| Arc::clone(&client))
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

    /// Tells how many bytes a client's buffers have now; called by the client's worker only. Whether these are more than
    /// before.
    #[inline]
    pub fn count_buffers(&self, client: &Client, bytes: usize) -> bool {
        let before = client.counted_bytes.load(Ordering::Relaxed);
        if before == bytes {
            return false;
        }
        client.counted_bytes.store(bytes, Ordering::Relaxed);
        self.buffers.fetch_add(bytes as i64 - before as i64, Ordering::Relaxed);
        bytes > before
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

    /// Every client, oldest first: the order of CLIENT LIST.
    pub fn by_age(&self) -> Vec<Arc<Client>> {
        let mut clients: Vec<_> = self.iter().collect();
        clients.sort_unstable_by_key(|client| client.id);
        clients
    }
}
