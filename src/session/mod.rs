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
mod transaction;

use std::sync::Arc;

pub use client::{Client, ClientId, ClientKind, Names, Transport, bump};
pub use registry::Registry;
pub use transaction::{Transaction, Watch};

use crate::keyspace::DbIndex;
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
        }
    }

    pub fn id(&self) -> ClientId {
        self.shared.id
    }

    /// RESET: back to how a new connection begins, `authenticated` as a new one would be.
    pub fn reset(&mut self, authenticated: bool) {
        *self = Session::new(Arc::clone(&self.shared), authenticated);
        self.shared.reset();
    }

    /// Copies what CLIENT LIST shows to the shared face.
    pub fn publish(&self) {
        self.shared.publish(self.db, self.proto);
        self.shared.publish_transaction(self.transaction.as_deref(), &self.watch);
    }
}
