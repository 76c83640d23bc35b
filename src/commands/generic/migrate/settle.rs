//! A migration from its thread's start to its client's reply.

use std::sync::Arc;

use super::ROUNDS_MAX;
use super::target::{Address, Failure, Form, Target};
use crate::base::clock::Clock;
use crate::dispatch::{Commit, Engine, Executor};
use crate::keyspace::entry::kind_of;
use crate::keyspace::waiters::{Ending, Served, Waiter};
use crate::keyspace::{DbIndex, Effect, Entry, EventClass, JournalOffset, LockSet, View, WatchFlag};
use crate::rdb::dump;
use crate::resp::{Output, OwnedArgs, Proto};
use crate::session::{ClientId, bump};
use crate::value::Kind;

/// A key on its way.
pub(super) struct Parcel {
    pub name: Box<[u8]>,
    /// As it was; `None` when it has gone since the other server got it.
    pub entry: Option<Entry>,
    /// Raised when it is changed.
    pub flag: Arc<WatchFlag>,
}

impl Parcel {
    pub fn new(name: &[u8], entry: Option<Entry>) -> Parcel {
        Parcel { name: name.into(), entry, flag: Arc::default() }
    }

    /// Whether `now` is what was sent. Who watches is not told what consumer groups do to a stream, so streams are
    /// compared.
    fn is_unchanged(&self, now: &Entry) -> bool {
        let Some(sent) = &self.entry else { return false };
        if self.flag.is_raised() {
            return false;
        }
        let payload = |entry: &Entry| {
            let mut bytes = Vec::new();
            dump::encode(&entry.payload(), false, &mut bytes);
            bytes
        };
        kind_of(now) != Kind::Stream || payload(now) == payload(sent)
    }
}

/// What is to be done.
pub(super) struct Job {
    pub client: ClientId,
    pub proto: Proto,
    pub from: DbIndex,
    pub address: Address,
    pub copies: bool,
    pub form: Form,
    pub parcels: Vec<Parcel>,
}

impl Job {
    /// Begins; `waiter` is told the end.
    pub fn start(mut self, engine: &Arc<Engine>, waiter: &Arc<Waiter>) {
        let (engine, waiter, proto) = (Arc::clone(engine), Arc::clone(waiter), self.proto);
        let other = Arc::clone(&waiter);
        let work = move || {
            let (result, depends) = self.run(&engine);
            other.end(Ending::Served(Served { reply: reply(proto, result), depends, ..Served::default() }));
        };
        if std::thread::Builder::new().name("ochre-migrate".into()).spawn(work).is_err() {
            let reply = reply(proto, Err(Failure::Connecting.line()));
            waiter.end(Ending::Served(Served { reply, ..Served::default() }));
        }
    }

    /// Sends until nothing has changed; the error line, and up to where the journal tells what was removed.
    fn run(&mut self, engine: &Arc<Engine>) -> (Result<(), Vec<u8>>, JournalOffset) {
        let mut written = JournalOffset(0);
        let mut target = match Target::connect(&self.address) {
            Ok(target) => target,
            Err(failure) => return (Err(failure.line()), written),
        };
        let (mut parcels, mut form) = (std::mem::take(&mut self.parcels), self.form);
        for _ in 0..ROUNDS_MAX {
            let mut taken = Vec::new();
            let now = || engine.time.now_ms();
            let sent = target.send(&parcels, form, &now, &mut |parcel| taken.push(parcel));
            let changed = if self.copies { Vec::new() } else { self.remove(engine, &taken, &mut written) };
            if let Err(failure) | Ok(Some(failure)) = sent {
                return (Err(failure.line()), written);
            }
            if changed.is_empty() {
                return (Ok(()), written);
            }
            // What lies there by now was put there by us.
            (parcels, form.replaces) = (changed, true);
        }
        let line = b"TRYAGAIN A key changed each time it was sent, it is on both servers".to_vec();
        (Err(line), written)
    }

    /// Removes the keys that are what the other server has; answers those that are not, as they are now.
    fn remove(&self, engine: &Arc<Engine>, taken: &[&Parcel], written: &mut JournalOffset) -> Vec<Parcel> {
        let keyspace = &engine.keyspace;
        let now = engine.time.now_ms();
        let mut view = View::new(keyspace, now.0);
        let hashed = taken.iter().map(|parcel| (*parcel, keyspace.key(&parcel.name)));
        let hashed: Vec<_> = hashed.collect();
        view.lock_blocking(&LockSet::of(hashed.iter().map(|(_, key)| keyspace.shard_of(key.hash()))));
        view.begin(now, true);
        let mut changed = Vec::new();
        let mut told = OwnedArgs::from_slices([b"DEL".as_slice()]);
        for (parcel, key) in hashed {
            match view.peek(self.from, key) {
                Some(entry) if parcel.is_unchanged(entry) => {
                    view.remove(self.from, key, Effect::event(EventClass::Generic, "del"));
                    told.push(&parcel.name);
                }
                // It has expired, and will there.
                None if !parcel.flag.is_raised() => {}
                None if parcel.entry.is_none() => {}
                other => {
                    let next = Parcel::new(&parcel.name, other.cloned());
                    view.watch(self.from, key, &next.flag);
                    changed.push(next);
                }
            }
        }
        let effects = view.take_effects();
        let stats = engine.stats.worker(engine.workers);
        bump(&stats.counters.changes, effects.changes);
        bump(&stats.counters.expired_keys, effects.expired);
        let commands = [(self.from, told.as_args())];
        let commands = if effects.changes > 0 { &commands[..] } else { &[] };
        engine.commit(&mut view, &Commit::new(commands, &effects, Some(self.client)));
        *written = view.written().max(*written);
        view.release();
        if view.has_ready() {
            let config = engine.config.snapshot();
            Executor::new(engine, &config, stats, now.0).serve_ready(view.take_ready());
        }
        changed
    }
}

fn reply(proto: Proto, result: Result<(), Vec<u8>>) -> Output {
    let mut out = Output::default();
    match result {
        Ok(()) => out.writer(proto).status("OK"),
        Err(line) => out.writer(proto).error(&line),
    }
    out
}
