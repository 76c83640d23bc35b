//! What the server knows of a client, without its socket.
//!
//! ```text
//! Session  – owned by the connection, plain fields, no locks: database, protocol, modes
//! Client   – the shared face of it: what CLIENT LIST shows, and a mailbox for other clients' words to it
//! Registry – all clients by id
//! Post     – how clients of a worker learn that they have mail
//! ```
//!
//! **Invariant:** nobody keeps a reference to a session. Other connections hold a [`ClientId`], which is never
//! reused, or an `Arc<Client>`, whose mailbox simply stays unread when the client is gone.

mod client;
mod post;
mod registry;
mod subscriptions;
mod tracker;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

pub use client::{Client, ClientId, ClientKind, Names, Transport, bump};
pub use post::Post;
pub use registry::{Registry, SMALL_BUFFERS_BYTES};
pub use subscriptions::{Space, Subscriptions};
pub use tracker::{Scope, Tracker};
pub use transaction::{Outline, Queued, Transaction, Watch};

use crate::acl::{Acl, User};
use crate::keyspace::DbIndex;
use crate::keyspace::waiters::{Pending, Waiter};
use crate::resp::Proto;

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// This command's reply is dropped.
    Skip,
}

/// One connection's state.
pub struct Session {
    pub shared: Arc<Client>,
    pub db: DbIndex,
    pub proto: Proto,
    /// Has said who it is, or did not have to when it came.
    pub authenticated: bool,
    user: Arc<User>,
    /// The version of the users that `user` was taken from.
    seen: u64,
    /// The version of the users at which it is known that nothing needs to be checked; 0 while something must be.
    pass: u64,
    /// It is the server itself, which may do everything.
    is_internal: bool,
    pub reply_mode: ReplyMode,
    /// CLIENT REPLY SKIP: the reply of the next command is dropped, whatever is said of replies until then.
    pub skips_next: bool,
    /// CLIENT NO-TOUCH: reads don't count as uses.
    pub no_touch: bool,
    /// Sees every command (MONITOR).
    pub monitor: bool,
    /// The connection ends when its replies are sent.
    pub close_after_reply: bool,
    /// Between MULTI and EXEC.
    pub transaction: Option<Box<Transaction>>,
    /// While EXEC runs one: it is no longer above then.
    pub executing: Option<Outline>,
    pub watch: Watch,
    /// CLIENT TRACKING.
    pub tracking: Option<Arc<Tracker>>,
    /// CLIENT CACHING was just said.
    pub caching: bool,
    /// What its last request waits for, and how long at most.
    pub waiting: Option<(Arc<Waiter>, Option<Duration>)>,
    /// What it listens to; mostly nothing.
    pub subscriptions: Option<Box<Subscriptions>>,
}

impl Session {
    /// A connection that begins, as the default user.
    pub fn new(shared: Arc<Client>, acl: &Acl) -> Session {
        let seen = acl.version();
        let user = acl.default_user();
        let authenticated = user.rules.is_open();
        let mut session = Session::of_user(shared, user, authenticated);
        (session.seen, session.pass) = (seen, session.pass_at(seen));
        session
    }

    /// A session of the server itself, which no rules are applied to: for loading files.
    pub fn internal(shared: Arc<Client>, acl: &Acl) -> Session {
        let mut session = Session::new(shared, acl);
        session.is_internal = true;
        session.authenticated = true;
        session.pass = session.seen;
        session
    }

    fn of_user(shared: Arc<Client>, user: Arc<User>, authenticated: bool) -> Session {
        Session {
            shared,
            db: DbIndex(0),
            proto: Proto::Resp2,
            authenticated,
            user,
            seen: 0,
            pass: 0,
            is_internal: false,
            reply_mode: ReplyMode::On,
            skips_next: false,
            no_touch: false,
            monitor: false,
            close_after_reply: false,
            transaction: None,
            executing: None,
            watch: Watch::default(),
            tracking: None,
            caching: false,
            waiting: None,
            subscriptions: None,
        }
    }

    /// What runs a request that waits on behalf of its client, whose own session is its connection's.
    pub fn stand_in(client: Arc<Client>, pending: &Pending, acl: &Acl) -> Session {
        let user = acl.find(&client.names().user).unwrap_or_else(|| acl.default_user());
        let mut session = Session::of_user(client, user, true);
        session.db = pending.db;
        session.proto = pending.proto;
        (session.no_touch, session.caching) = (pending.no_touch, pending.caching);
        session
    }

    /// As which the commands of its script run.
    pub fn for_script(&self) -> Session {
        let mut session =
            Session::of_user(Arc::clone(&self.shared), Arc::clone(&self.user), self.authenticated);
        (session.seen, session.pass, session.is_internal) = (self.seen, self.pass, self.is_internal);
        session.db = self.db;
        session.no_touch = self.no_touch;
        session.tracking = self.tracking.clone();
        session.caching = self.caching;
        session.executing = self.executing;
        session
    }

    /// A command has ended, or was refused. What CLIENT CACHING said is for the next one or the next transaction, and for
    /// CLIENT commands before it.
    pub fn end_caching(&mut self, full_name: Option<&str>) {
        let is_client = full_name.is_some_and(|name| name.starts_with("client|"));
        self.caching &= is_client || self.transaction.is_some();
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

    /// RESET: back to how a new connection begins.
    pub fn reset(&mut self, acl: &Acl) {
        *self = Session::new(Arc::clone(&self.shared), acl);
        self.shared.reset();
    }

    /// This command is the one that CLIENT REPLY SKIP meant.
    #[cold]
    pub fn skip_reply(&mut self) {
        self.skips_next = false;
        if self.reply_mode == ReplyMode::On {
            self.reply_mode = ReplyMode::Skip;
        }
    }

    /// Who it is, as of the last [`Session::follow`].
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// It is somebody else from now on.
    pub fn log_in(&mut self, user: Arc<User>) {
        self.shared.set_names(|names| names.user = user.name.to_vec());
        self.user = user;
        self.authenticated = true;
        // Looked up again by the next request, when the rules may have changed already.
        (self.seen, self.pass) = (0, 0);
    }

    /// Whether nothing needs to be checked while the users are at `version`: it is known and may do everything.
    #[inline]
    pub fn may_do_everything(&self, version: u64) -> bool {
        self.pass == version
    }

    /// Whether it has said who it is, or need not.
    pub fn is_known(&self) -> bool {
        // Who has not said anything is the default user.
        self.authenticated || self.user.rules.is_open()
    }

    /// Takes notice of what happened to the users. One whose user is gone is a stranger again.
    pub fn follow(&mut self, acl: &Acl) {
        let version = acl.version();
        if self.seen == version {
            return;
        }
        match acl.find(&self.user.name).filter(|user| user.id == self.user.id) {
            Some(user) => self.user = user,
            None => {
                self.user = acl.default_user();
                self.authenticated = self.is_internal;
            }
        }
        self.seen = version;
        self.pass = self.pass_at(version);
    }

    fn pass_at(&self, version: u64) -> u64 {
        if self.is_internal || self.is_known() && self.user.is_unlimited { version } else { 0 }
    }

    /// Whether it listens to anything.
    #[inline]
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions.is_some()
    }

    /// What it listens to, to be changed; [`Session::publish_subscriptions`] is to follow.
    pub fn subscriptions_mut(&mut self) -> &mut Subscriptions {
        self.subscriptions.get_or_insert_default()
    }

    /// Tells what CLIENT LIST shows of the subscriptions, and forgets where there are none.
    pub fn publish_subscriptions(&mut self) {
        self.subscriptions = self.subscriptions.take().filter(|all| !all.is_empty());
        self.shared.publish_subscriptions(self.subscriptions.as_deref());
    }

    /// Copies what CLIENT LIST shows to the shared face.
    pub fn publish(&self) {
        self.shared.publish(self.db, self.proto);
        let transaction = self.transaction.as_deref().map(Transaction::outline).or(self.executing);
        self.shared.publish_transaction(transaction, &self.watch);
    }
}
