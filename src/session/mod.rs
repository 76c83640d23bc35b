//! What the server knows of a client, without its socket.
//!
//! ```text
//! Session  – owned by the connection, plain fields, no locks: database, protocol, modes
//! Client   – the shared face of it: what CLIENT LIST shows, and a mailbox for other clients' words to it
//! Registry – all clients by id
//! ```
//!
//! **Invariant:** nobody keeps a reference to a session. Other connections hold a [`ClientId`], which is never
//! reused, or an `Arc<Client>`, whose mailbox simply stays unread when the client is gone.

mod client;
mod registry;
mod subscriptions;
mod transaction;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub use client::{Client, ClientId, ClientKind, Names, Transport, bump};
pub use registry::Registry;
pub use subscriptions::{Space, Subscriptions};
pub use transaction::{Transaction, Watch};

use crate::keyspace::DbIndex;
use crate::keyspace::waiters::{Pending, Waiter};
use crate::resp::Proto;

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// The next command's reply is dropped.
    SkipNext,
    /// This command's reply is dropped.
    Skip,
}

/// One connection's state.
pub struct Session {
    pub shared: Arc<Client>,
    pub db: DbIndex,
    pub proto: Proto,
    /// Has given the password, or none is needed.
    pub authenticated: bool,
    pub reply_mode: ReplyMode,
    /// CLIENT NO-TOUCH: reads don't count as uses.
    pub no_touch: bool,
    /// Sees every command (MONITOR).
    pub monitor: bool,
    /// The connection ends when its replies are sent.
    pub close_after_reply: bool,
    /// Between MULTI and EXEC.
    pub transaction: Option<Box<Transaction>>,
    pub watch: Watch,
    /// What its last request waits for, and how long at most.
    pub waiting: Option<(Arc<Waiter>, Option<Duration>)>,
    /// What it listens to; mostly nothing.
    pub subscriptions: Option<Box<Subscriptions>>,
}

impl Session {
    pub fn new(shared: Arc<Client>, authenticated: bool) -> Session {
        Session {
            shared,
            db: DbIndex(0),
            proto: Proto::Resp2,
            authenticated,
            reply_mode: ReplyMode::On,
            no_touch: false,
            monitor: false,
            close_after_reply: false,
            transaction: None,
            watch: Watch::default(),
            waiting: None,
            subscriptions: None,
        }
    }

    /// What runs a request that waits on behalf of its client, whose own session is its connection's.
    pub fn stand_in(client: Arc<Client>, pending: &Pending) -> Session {
        let mut session = Session::new(client, true);
        session.db = pending.db;
        session.proto = pending.proto;
        session.no_touch = pending.no_touch;
        session
    }

    /// Its request waits from now on.
    pub fn begin_wait(&mut self, waiter: Arc<Waiter>, timeout: Option<Duration>) {
        self.shared.set_waiter(Some(Arc::clone(&waiter)));
        self.waiting = Some((waiter, timeout));
    }

    /// Its request waits no more.
    pub fn end_wait(&mut self) {
        self.shared.set_waiter(None);
        self.waiting = None;
    }

    pub fn id(&self) -> ClientId {
        self.shared.id
    }

    /// RESET: back to how a new connection begins, `authenticated` as a new one would be.
    pub fn reset(&mut self, authenticated: bool) {
        *self = Session::new(Arc::clone(&self.shared), authenticated);
        self.shared.reset();
    }

    /// Whether it listens to anything.
    #[inline]
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions.is_some()
    }

    /// What it listens to in a space; [`Session::publish_subscriptions`] is to follow a change.
    pub fn names_of(&mut self, space: Space) -> &mut BTreeSet<Box<[u8]>> {
        self.subscriptions.get_or_insert_default().names_mut(space)
    }

    /// Tells what CLIENT LIST shows of the subscriptions, and forgets where there are none.
    pub fn publish_subscriptions(&mut self) {
        self.subscriptions = self.subscriptions.take().filter(|all| !all.is_empty());
        self.shared.publish_subscriptions(self.subscriptions.as_deref());
    }

    /// Copies what CLIENT LIST shows to the shared face.
    pub fn publish(&self) {
        self.shared.publish(self.db, self.proto);
        self.shared.publish_transaction(self.transaction.as_deref(), &self.watch);
    }
}
