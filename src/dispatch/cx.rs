//! Capability contexts: what a handler can reach, by the kind it declared.
//!
//! ```text
//! ReadCx    keys that the walker announced, to look at
//! WriteCx   the same, and `edit`
//! SessionCx its own connection, and the server
//! AdminCx   the server; all databases on request
//! ```

use std::sync::Arc;

use super::command::Outcome;
use super::engine::Engine;
use super::error::CmdError;
use super::reply::ReplySlot;
use super::wait::Awaited;
use crate::base::clock::{Clock, UnixMs};
use crate::base::rng::Rng;
use crate::config::Config;
use crate::keyspace::entry::{StringRef, collection_of, string_of};
use crate::keyspace::{DbIndex, Effect, Entry, EntryMut, EventClass, Key, LockSet, View};
use crate::resp::OwnedArgs;
use crate::session::Session;
use crate::value::Collection;

/// For commands that look at keys.
pub struct ReadCx<'c, 'k> {
    pub(super) view: &'c mut View<'k>,
    pub session: &'c Session,
    pub engine: &'k Engine,
    pub config: &'c Config,
    /// Whether the request may wait; see [`ReadCx::wait`].
    pub(super) may_wait: bool,
    pub(super) awaited: &'c mut Option<Awaited>,
    /// A script asks, so what has no order of its own is given in one.
    pub(crate) in_script: bool,
}

impl<'k> ReadCx<'_, 'k> {
    /// Whether the request may wait: it is not a part of a transaction or a script.
    pub fn may_wait(&self) -> bool {
        self.may_wait
    }

    pub fn db(&self) -> DbIndex {
        self.session.db
    }

    pub fn now(&self) -> UnixMs {
        self.view.now()
    }

    /// The time on the wall, for what is not about deadlines: the same, except while a log is replayed, when
    /// [`ReadCx::now`] is the beginning of time.
    pub fn wall_now(&self) -> UnixMs {
        self.view.wall_now()
    }

    /// The value's entry, as a use of it.
    #[inline(never)] // Long; who is called most has it inlined.
    pub fn read(&mut self, key: Key<'_>) -> Option<&Entry> {
        self.view.read(self.session.db, key)
    }

    /// The value's entry, counted as a hit or miss but not as a use.
    pub fn inspect(&mut self, key: Key<'_>) -> Option<&Entry> {
        self.view.inspect(self.session.db, key)
    }

    /// The value's entry, counted, but a miss is not told to anybody.
    pub fn examine(&mut self, key: Key<'_>) -> Option<&Entry> {
        self.view.examine(self.session.db, key)
    }

    /// Notes a use of the key; whether it is there.
    pub fn touch(&mut self, key: Key<'_>) -> bool {
        self.view.touch(self.session.db, key)
    }

    /// The value's entry, without a trace.
    pub fn peek(&mut self, key: Key<'_>) -> Option<&Entry> {
        self.view.peek(self.session.db, key)
    }

    /// The string under the key, as a use of it.
    #[inline(always)] // GET is little else.
    pub fn string(&mut self, key: Key<'_>) -> Result<Option<StringRef<'_>>, CmdError> {
        match self.view.read(self.session.db, key) {
            None => Ok(None),
            Some(entry) => string_of(entry).map(Some).ok_or(CmdError::WrongType),
        }
    }

    /// The collection under the key, as a use of it.
    #[inline]
    pub fn value<T: Collection>(&mut self, key: Key<'_>) -> Result<Option<&T>, CmdError> {
        match self.read(key) {
            None => Ok(None),
            Some(entry) => collection_of(entry).map(Some).ok_or(CmdError::WrongType),
        }
    }

    /// The entry by a shared borrow, so that several can be looked at at once; leaves no trace. Count the access with
    /// [`ReadCx::read`] before.
    pub fn look(&self, key: Key<'_>) -> Option<&Entry> {
        self.view.look(self.session.db, key)
    }

    /// Random numbers.
    pub fn rng(&mut self) -> &mut Rng {
        self.view.rng()
    }

    /// Whole databases, for commands with that scope; see [`crate::keyspace::scan`].
    pub fn keyspace(&mut self) -> &mut View<'k> {
        self.view
    }
}

/// For commands that change keys.
pub struct WriteCx<'c, 'k> {
    pub(super) read: ReadCx<'c, 'k>,
    pub(super) rewrites: &'c mut Vec<OwnedArgs>,
}

impl<'c, 'k> std::ops::Deref for WriteCx<'c, 'k> {
    type Target = ReadCx<'c, 'k>;

    fn deref(&self) -> &Self::Target {
        &self.read
    }
}

impl std::ops::DerefMut for WriteCx<'_, '_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.read
    }
}

impl WriteCx<'_, '_> {
    /// Opens the key for change; see [`crate::keyspace::edit`].
    #[inline(always)] // As there.
    pub fn edit<R>(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(&mut EntryMut<'_, '_>) -> Result<(R, Effect), CmdError>,
    ) -> Result<R, CmdError> {
        self.read.view.edit(self.read.session.db, key, change)
    }

    /// Whether the string under the key already is what the command would make it; see [`View::suffices`].
    #[inline(always)] // As there.
    pub fn string_suffices(&mut self, key: Key<'_>, suffices: impl FnOnce(&[u8]) -> bool) -> bool {
        let suffices = |entry: &Entry| string_of(entry).is_some_and(|string| suffices(string.bytes()));
        self.read.view.suffices(self.read.session.db, key, suffices)
    }

    /// As [`WriteCx::string_suffices`], of a collection.
    #[inline(always)] // As there.
    pub fn value_suffices<T: Collection>(&mut self, key: Key<'_>, suffices: impl FnOnce(&T) -> bool) -> bool {
        let suffices = |entry: &Entry| collection_of(entry).is_some_and(suffices);
        self.read.view.suffices(self.read.session.db, key, suffices)
    }

    /// As [`WriteCx::edit`], in another database.
    pub fn edit_in<R>(
        &mut self,
        db: DbIndex,
        key: Key<'_>,
        change: impl FnOnce(&mut EntryMut<'_, '_>) -> Result<(R, Effect), CmdError>,
    ) -> Result<R, CmdError> {
        self.read.view.edit(db, key, change)
    }

    /// Notes that the key is used by a command that changes nothing after all.
    pub fn note_use(&mut self, db: DbIndex, key: Key<'_>) -> Result<(), CmdError> {
        self.edit_in(db, key, |_| Ok(((), Effect::NONE)))
    }

    /// Whether the key holds such a collection, to be changed by an edit that follows. One of another kind is an error, and used.
    ///
    /// # Errors
    /// WRONGTYPE.
    pub fn holds<T: Collection>(&mut self, key: Key<'_>) -> Result<bool, CmdError> {
        match self.peek(key).map(|entry| collection_of::<T>(entry).is_some()) {
            None => Ok(false),
            Some(true) => Ok(true),
            Some(false) => {
                self.note_use(self.read.session.db, key)?;
                Err(CmdError::WrongType)
            }
        }
    }

    /// Frees what was cut off a value; see [`EntryMut::free`].
    pub fn free<T: Send + 'static>(&self, garbage: T, effort: usize) {
        crate::keyspace::edit::free(garbage, effort);
    }

    /// Removes the key; whether it was there.
    pub fn remove(&mut self, key: Key<'_>, effect: Effect) -> bool {
        self.read.view.remove(self.read.session.db, key, effect)
    }

    /// Removes what is under the destination of a command that comes to nothing.
    pub fn empty_destination(&mut self, key: Key<'_>) -> bool {
        self.read.view.empty_destination(self.read.session.db, key)
    }

    /// Takes the entry out, to be put somewhere else.
    pub fn take(&mut self, db: DbIndex, key: Key<'_>, effect: Effect) -> Option<Entry> {
        self.read.view.take(db, key, effect)
    }

    /// Puts an entry under `key`, replacing what was there.
    pub fn put(&mut self, db: DbIndex, key: Key<'_>, entry: Entry, effect: Effect) {
        self.read.view.put(db, key, entry, effect);
    }

    /// Moves the entry of `from` to `to`; see [`View::relocate`].
    pub fn relocate(
        &mut self,
        from: (DbIndex, Key<'_>),
        to: (DbIndex, Key<'_>),
        events: [&'static str; 2],
    ) -> bool {
        self.read.view.relocate(from, to, EventClass::Generic, events)
    }

    /// The journal gets this command instead of the one that was sent: for commands that would do something else
    /// when repeated. Costs nothing while nobody reads the journal.
    pub fn rewrite(&mut self, command: &[&[u8]]) {
        if self.is_observed() {
            self.rewrites.push(OwnedArgs::from_slices(command.iter().copied()));
        }
    }

    /// Whether somebody reads the journal, so that a rewrite is worth preparing.
    pub fn is_observed(&self) -> bool {
        self.read.view.is_observed()
    }
}

/// For commands about their own connection.
pub struct SessionCx<'c> {
    pub session: &'c mut Session,
    pub engine: &'c Arc<Engine>,
    pub config: &'c Config,
    pub now: UnixMs,
    /// A script asks for it.
    pub in_script: bool,
    /// In a transaction or a script: when one of its requests first asked for the time.
    pub(super) stopped_us: Option<&'c mut Option<u64>>,
}

impl SessionCx<'_> {
    /// Whether it is a part of a transaction or a script, where nothing may wait.
    pub fn is_inside(&self) -> bool {
        self.stopped_us.is_some()
    }

    /// The time on the wall in µs. It stands still in a transaction and in a script.
    pub fn wall_us(&mut self) -> u64 {
        let now_us = || self.engine.time.now_us();
        match &mut self.stopped_us {
            Some(stopped) => *stopped.get_or_insert_with(now_us),
            None => now_us(),
        }
    }
}

/// For commands about the server.
pub struct AdminCx<'c, 'k> {
    pub(super) view: &'c mut View<'k>,
    pub session: &'c Session,
    pub engine: &'c Arc<Engine>,
    pub config: &'c Config,
    /// It is a part of a transaction, and may not wait; see [`AdminCx::wait`].
    pub in_transaction: bool,
    pub(super) awaited: &'c mut Option<Awaited>,
}

impl<'k> AdminCx<'_, 'k> {
    /// Makes the request wait for what happens outside, while its worker serves others.
    ///
    /// # Errors
    /// `refusal` in a transaction, where nothing may wait.
    pub fn wait(&mut self, reply: ReplySlot<'_>, awaited: Awaited, refusal: CmdError) -> Outcome {
        if self.in_transaction {
            return Err(refusal);
        }
        *self.awaited = Some(awaited);
        Ok(reply.nothing())
    }

    pub fn db(&self) -> DbIndex {
        self.session.db
    }

    pub fn now(&self) -> UnixMs {
        self.view.now()
    }

    /// What it holds: to look at, and to lock with, which holds nothing afterwards that it did not hold before.
    pub fn view_mut(&mut self) -> &mut View<'k> {
        self.view
    }

    /// Whether everything is locked already: inside a transaction, where nobody may wait for what needs a lock.
    pub fn holds_all(&self) -> bool {
        self.view.holds_all()
    }

    /// All databases, locked. Waits for other workers' commands, microseconds as a rule.
    ///
    /// # Errors
    /// [`CmdError::HeldLong`]
    pub fn with_all<R>(&mut self, run: impl FnOnce(&mut View<'k>) -> R) -> Result<R, CmdError> {
        // Inside a transaction they are held already, and must not be let go.
        if !self.view.holds_all() {
            self.view.lock_patiently(&LockSet::All).map_err(CmdError::HeldLong)?;
        }
        Ok(run(self.view))
    }

    /// The entry of any key by name: for DEBUG, which announces no keys.
    ///
    /// # Errors
    /// [`CmdError::HeldLong`]
    pub fn with_key<R>(
        &mut self,
        name: &[u8],
        run: impl FnOnce(&mut View<'k>, DbIndex, Key<'_>) -> R,
    ) -> Result<R, CmdError> {
        let keyspace = self.view.keyspace();
        let key = keyspace.key(name);
        let db = self.session.db;
        if !self.view.is_held(key) {
            let shard = LockSet::One(keyspace.shard_of(key.hash()));
            self.view.lock_patiently(&shard).map_err(CmdError::HeldLong)?;
        }
        Ok(run(self.view, db, key))
    }
}
