//! The shared face of a client: what others may see of it and say to it.
//!
//! Counters are written by the connection's own worker alone (a relaxed load and store, no locked
//! instruction) and read by CLIENT LIST on any worker.

use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::keyspace::waiters::Waiter;
use crate::keyspace::{DbIndex, WatchFlag};
use crate::resp::{Output, Proto};
use crate::session::{Outline, Post, SMALL_BUFFERS_BYTES, Subscriptions, Watch};

/// Number of a client; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// How a client came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Unix,
}

/// The class that output limits and CLIENT KILL TYPE know a client by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    Normal,
    Replica,
    PubSub,
    Master,
}

/// What CLIENT SETNAME and SETINFO set, and who the client is.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub name: Vec<u8>,
    pub lib_name: Vec<u8>,
    pub lib_ver: Vec<u8>,
    /// The ACL user.
    pub user: Vec<u8>,
}

/// Words from others that wait to be sent to a client.
#[derive(Default)]
struct Mailbox {
    /// Whole messages, as they will be sent.
    words: Output,
    /// How many bytes of them the registry knows of.
    counted: usize,
    owner: Option<Owner>,
}

/// The connection that reads a mailbox.
struct Owner {
    waker: Waker,
    /// Where it is called.
    post: Arc<Post>,
}

/// See the module's head.
pub struct Client {
    pub id: ClientId,
    pub transport: Transport,
    /// The peer's address, `127.0.0.1:5000` or `/path:0`.
    pub addr: String,
    /// The server's side of the connection.
    pub laddr: String,
    pub fd: i32,
    /// Number of the worker that owns the connection.
    pub worker: usize,
    /// When it connected, monotonic µs.
    pub connected_us: u64,
    names: Mutex<Names>,
    mailbox: Mutex<Mailbox>,
    /// Raised when a key that it watches is changed.
    watch_flag: Mutex<Weak<WatchFlag>>,
    /// Its request that waits for a key.
    waiter: Mutex<Option<Arc<Waiter>>>,
    /// Something is in the mailbox, or the client is to be closed.
    called: AtomicBool,
    killed: AtomicBool,
    monitor: AtomicBool,
    blocked: AtomicBool,
    no_evict: AtomicBool,
    no_touch: AtomicBool,
    db: AtomicU16,
    resp: AtomicU8,
    /// Id of the last command + 1; 0 = none yet.
    last_command: AtomicU32,
    /// Counters, see [`Usage`].
    pub usage: Usage,
    /// Since when it has not said who it is, monotonic µs; 0 = it has, or need not.
    stranger_since_us: AtomicU64,
    /// What the registry counts of it among strangers, in bytes.
    pub(super) stranger_bytes: AtomicUsize,
    /// Bytes of its buffers that the registry counts, and what of them it counts as large.
    pub(super) counted_bytes: AtomicUsize,
    pub(super) large_bytes: AtomicUsize,
    /// Mail that its connection has taken and not sent yet, in bytes.
    taken_mail_bytes: AtomicUsize,
    /// Where the registry counts what waits in all mailboxes, once it knows the client.
    pub(super) mail_bytes: OnceLock<Arc<AtomicI64>>,
}

/// Numbers of CLIENT LIST, written by the owning worker only.
#[derive(Default)]
pub struct Usage {
    /// Last time something was read, monotonic µs.
    pub last_active_us: AtomicU64,
    /// Unparsed input, and free room behind it, in bytes.
    pub query_bytes: AtomicUsize,
    pub query_free_bytes: AtomicUsize,
    /// Heap bytes of an unfinished request's arguments.
    pub argv_bytes: AtomicUsize,
    /// Unsent chunks and bytes.
    pub output_chunks: AtomicUsize,
    pub output_bytes: AtomicUsize,
    /// Since when the output is over its soft limit, monotonic µs; 0 = it is not.
    pub over_soft_since_us: AtomicU64,
    pub net_input_bytes: AtomicU64,
    /// Since when a request is there in part, monotonic µs; 0 = none is. And `net_input_bytes` at that time.
    pub request_began_us: AtomicU64,
    pub request_began_at: AtomicU64,
    pub net_output_bytes: AtomicU64,
    pub commands: AtomicU64,
    /// Requests queued by MULTI + 1 (0 = no transaction), and their heap bytes.
    pub queued: AtomicUsize,
    pub queued_bytes: AtomicUsize,
    pub watched: AtomicUsize,
    /// What these take.
    pub watch_bytes: AtomicUsize,
    /// Channels, patterns and shard channels that it listens to.
    pub channels: AtomicUsize,
    pub patterns: AtomicUsize,
    pub shard_channels: AtomicUsize,
    /// What these take.
    pub subscription_bytes: AtomicUsize,
    /// What the prefixes take that it tracks.
    pub prefix_bytes: AtomicUsize,
}

impl Usage {
    /// What a client has the server remember: queued requests, watched keys, names it listens to, prefixes it tracks.
    #[inline]
    pub fn remembered_bytes(&self) -> usize {
        let parts = [&self.queued_bytes, &self.watch_bytes, &self.subscription_bytes, &self.prefix_bytes];
        parts.map(|bytes| bytes.load(Ordering::Relaxed)).iter().sum()
    }
}

/// Adds to a counter that only this thread writes.
#[inline]
pub fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

impl Drop for Client {
    fn drop(&mut self) {
        // What nobody reads any more is no longer counted.
        self.take_mail(&mut Output::default());
        self.settle_mail(0);
    }
}

impl Client {
    pub fn new(
        id: ClientId,
        transport: Transport,
        (addr, laddr): (String, String),
        fd: i32,
        worker: usize,
        now_us: u64,
    ) -> Client {
        let usage = Usage::default();
        usage.last_active_us.store(now_us, Ordering::Relaxed);
        Client {
            id,
            transport,
            addr,
            laddr,
            fd,
            worker,
            connected_us: now_us,
            names: Mutex::new(Names { user: b"default".to_vec(), ..Names::default() }),
            mailbox: Mutex::new(Mailbox::default()),
            watch_flag: Mutex::default(),
            waiter: Mutex::default(),
            called: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            monitor: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            db: AtomicU16::new(0),
            resp: AtomicU8::new(2),
            last_command: AtomicU32::new(0),
            usage,
            stranger_since_us: AtomicU64::new(0),
            stranger_bytes: AtomicUsize::new(0),
            counted_bytes: AtomicUsize::new(0),
            large_bytes: AtomicUsize::new(0),
            taken_mail_bytes: AtomicUsize::new(0),
            mail_bytes: OnceLock::new(),
        }
    }

    pub fn names(&self) -> Names {
        self.names.lock().clone()
    }

    pub fn set_names(&self, change: impl FnOnce(&mut Names)) {
        change(&mut self.names.lock());
    }

    /// Whether the peer is this machine: what `local` in guarding options means.
    pub fn is_local(&self) -> bool {
        let is_loopback = |addr: std::net::SocketAddr| addr.ip().to_canonical().is_loopback();
        self.transport == Transport::Unix || self.addr.parse().is_ok_and(is_loopback)
    }

    pub fn kind(&self) -> ClientKind {
        let usage = &self.usage;
        let names = [&usage.channels, &usage.patterns, &usage.shard_channels];
        let is_subscriber = names.iter().any(|count| count.load(Ordering::Relaxed) > 0);
        if is_subscriber { ClientKind::PubSub } else { ClientKind::Normal }
    }

    /// Registers whom to wake, and through which post for mail; once per connection.
    pub fn set_owner(&self, waker: Waker, post: Arc<Post>) {
        self.mailbox.lock().owner = Some(Owner { waker, post });
    }

    /// Whom to wake; `None` when there is no connection.
    pub fn waker(&self) -> Option<Waker> {
        self.mailbox.lock().owner.as_ref().map(|owner| owner.waker.clone())
    }

    /// The request of this client that waits for a key.
    pub fn waiter(&self) -> Option<Arc<Waiter>> {
        self.waiter.lock().clone()
    }

    pub(super) fn set_waiter(&self, waiter: Option<Arc<Waiter>>) {
        *self.waiter.lock() = waiter;
    }

    /// Queues an encoded message and calls the connection.
    pub fn send(&self, message: &Bytes) {
        let mut mailbox = self.mailbox.lock();
        mailbox.words.push_encoded(message);
        // What is allocated grows in leaps, so that many senders seldom meet at the registry's counter.
        let held = mailbox.words.heap_bytes();
        if held > mailbox.counted {
            self.count_mail((held - mailbox.counted) as i64);
            mailbox.counted = held;
        }
        // The owner takes the call back before it locks the mailbox: who finds it standing is read by the same look.
        if !self.called.load(Ordering::Relaxed) {
            self.called.store(true, Ordering::SeqCst);
            if let Some(owner) = &mailbox.owner {
                owner.post.call(&owner.waker);
            }
        }
    }

    fn count_mail(&self, bytes: i64) {
        if let Some(counter) = self.mail_bytes.get() {
            counter.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Closes the connection as soon as its worker gets to it.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        let mailbox = self.mailbox.lock();
        self.called.store(true, Ordering::SeqCst);
        if let Some(owner) = &mailbox.owner {
            owner.waker.wake_by_ref();
        }
    }

    /// What [`Client::take_call`] will say.
    #[inline]
    pub fn is_called(&self) -> bool {
        self.called.load(Ordering::Relaxed)
    }

    /// Whether there is mail or an order to close; the owner then asks the two calls below.
    #[inline]
    pub fn take_call(&self) -> bool {
        self.called.load(Ordering::Relaxed) && self.called.swap(false, Ordering::SeqCst)
    }

    /// Moves what was said to this client into its output. It counts as mail until it is sent, or known to
    /// be what the client does not read.
    pub fn take_mail(&self, output: &mut Output) {
        let mut mailbox = self.mailbox.lock();
        let words = std::mem::take(&mut mailbox.words);
        let counted = std::mem::take(&mut mailbox.counted);
        drop(mailbox);
        if counted > 0 {
            let taken = self.taken_mail_bytes.load(Ordering::Relaxed);
            self.taken_mail_bytes.store(taken + counted, Ordering::Relaxed);
        }
        output.append(words);
    }

    /// Puts mail back that was taken for nothing, before what has come since.
    pub fn return_mail(&self, mail: Output) {
        if mail.is_empty() {
            return;
        }
        let mut mailbox = self.mailbox.lock();
        let later = std::mem::replace(&mut mailbox.words, mail);
        mailbox.words.append(later);
    }

    /// Only so many bytes are unsent: what of the mail was taken and is not among them has gone. Answers what has not and still
    /// counts as mail: of a client that does not read no more than is nothing unusual. Called by the owning worker only.
    #[inline]
    pub(super) fn settle_mail(&self, unsent: usize) -> usize {
        let taken = self.taken_mail_bytes.load(Ordering::Relaxed);
        let left = taken.min(unsent).min(SMALL_BUFFERS_BYTES);
        if left < taken {
            self.taken_mail_bytes.store(left, Ordering::Relaxed);
            self.count_mail(left as i64 - taken as i64);
        }
        left
    }

    /// What of so many bytes of output the registry does not count as large buffers or mail yet; asked by the owning worker only.
    pub fn untold_bytes(&self, output: usize) -> usize {
        let known = self.large_bytes.load(Ordering::Relaxed) + self.taken_mail_bytes.load(Ordering::Relaxed);
        output.saturating_sub(known + SMALL_BUFFERS_BYTES)
    }

    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    /// Bytes of its buffers: input, queued requests, replies, and messages that wait.
    pub fn buffer_bytes(&self) -> u64 {
        (self.counted_bytes.load(Ordering::Relaxed) + self.mailbox_bytes()) as u64
    }

    /// Bytes waiting in the mailbox.
    pub fn mailbox_bytes(&self) -> usize {
        self.mailbox.lock().words.len()
    }

    pub fn is_monitor(&self) -> bool {
        self.monitor.load(Ordering::Relaxed)
    }

    pub fn set_monitor(&self, on: bool) {
        self.monitor.store(on, Ordering::Relaxed);
    }

    /// Whether a command of this client waits for an event that others bring about.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Called by the owning worker only. Answers whether this was a change.
    #[inline]
    pub fn set_blocked(&self, on: bool) -> bool {
        let is_change = self.blocked.load(Ordering::Relaxed) != on;
        if is_change {
            self.blocked.store(on, Ordering::Relaxed);
        }
        is_change
    }

    /// Since when it has not said who it is, monotonic µs.
    #[inline]
    pub fn stranger_since_us(&self) -> Option<u64> {
        Some(self.stranger_since_us.load(Ordering::Relaxed)).filter(|&since_us| since_us > 0)
    }

    /// Tells whether it is a stranger as of `now_us`; called by the owning worker only.
    #[inline]
    pub fn set_stranger(&self, on: bool, now_us: impl FnOnce() -> u64) {
        if on != self.stranger_since_us().is_some() {
            self.stranger_since_us.store(if on { now_us().max(1) } else { 0 }, Ordering::Relaxed);
        }
    }

    pub fn is_no_evict(&self) -> bool {
        self.no_evict.load(Ordering::Relaxed)
    }

    pub fn set_no_evict(&self, on: bool) {
        self.no_evict.store(on, Ordering::Relaxed);
    }

    pub fn is_no_touch(&self) -> bool {
        self.no_touch.load(Ordering::Relaxed)
    }

    pub fn set_no_touch(&self, on: bool) {
        self.no_touch.store(on, Ordering::Relaxed);
    }

    pub(super) fn publish(&self, db: DbIndex, proto: Proto) {
        self.db.store(db.0, Ordering::Relaxed);
        self.resp.store(if proto == Proto::Resp3 { 3 } else { 2 }, Ordering::Relaxed);
    }

    pub(super) fn publish_subscriptions(&self, subscriptions: Option<&Subscriptions>) {
        let count = |of: fn(&Subscriptions) -> usize| subscriptions.map_or(0, of);
        self.usage.channels.store(count(|all| all.channels.len()), Ordering::Relaxed);
        self.usage.patterns.store(count(|all| all.patterns.len()), Ordering::Relaxed);
        self.usage.shard_channels.store(count(|all| all.shard_channels.len()), Ordering::Relaxed);
        self.usage.subscription_bytes.store(count(Subscriptions::heap_bytes), Ordering::Relaxed);
    }

    /// Most clients have neither transaction nor watched keys: then nothing is written.
    #[inline]
    pub(super) fn publish_transaction(&self, transaction: Option<Outline>, watch: &Watch) {
        let usage = &self.usage;
        let (queued, watched) = (transaction.map_or(0, |it| it.requests + 1), watch.keys().len());
        if usage.queued.load(Ordering::Relaxed) != queued {
            usage.queued.store(queued, Ordering::Relaxed);
            usage.queued_bytes.store(transaction.map_or(0, |it| it.heap_bytes), Ordering::Relaxed);
        }
        if watched + usage.watched.load(Ordering::Relaxed) > 0 {
            usage.watched.store(watched, Ordering::Relaxed);
            usage.watch_bytes.store(watch.heap_bytes(), Ordering::Relaxed);
            *self.watch_flag.lock() = watch.flag();
        }
    }

    /// Whether a key that it watches was changed.
    pub fn is_watch_broken(&self) -> bool {
        self.watch_flag.lock().upgrade().is_some_and(|flag| flag.is_raised())
    }

    /// How many keys it watches; none any more once one was changed.
    pub fn watched(&self) -> usize {
        match self.usage.watched.load(Ordering::Relaxed) {
            0 => 0,
            _ if self.is_watch_broken() => 0,
            count => count,
        }
    }

    pub fn db(&self) -> DbIndex {
        DbIndex(self.db.load(Ordering::Relaxed))
    }

    /// 2 or 3.
    pub fn resp_version(&self) -> u8 {
        self.resp.load(Ordering::Relaxed)
    }

    /// Its last request was for no command that there is.
    pub fn forget_last_command(&self) {
        self.last_command.store(0, Ordering::Relaxed);
    }

    #[inline]
    pub fn set_last_command(&self, id: u16) {
        self.last_command.store(u32::from(id) + 1, Ordering::Relaxed);
    }

    /// Id of the last command.
    pub fn last_command(&self) -> Option<u16> {
        self.last_command.load(Ordering::Relaxed).checked_sub(1).map(|id| id as u16)
    }

    pub(super) fn reset(&self) {
        self.set_monitor(false);
        self.set_no_evict(false);
        self.set_no_touch(false);
        self.set_names(|names| {
            names.name.clear();
            names.user = b"default".to_vec();
        });
    }
}
