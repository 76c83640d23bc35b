//! The only road to a mutable entry.
//!
//! ```text
//! view.edit(db, key, |entry| {
//!     entry.set_string(b"v", Ttl::Clear);
//!     Ok((reply, Effect::event(EventClass::String, "set")))
//! })
//! ```
//!
//! On the way in an expired entry is removed, with all that follows from it. On the way out the guard does what
//! must never be forgotten: it keeps the count of volatile keys and the deadline index, counts changes, and
//! records events, creation and modification for whoever listens. A handler that returns an error must not
//! have changed anything; debug builds check that.

use super::audit::Access;
use super::effects::{Effect, EventClass, Told, What};
use super::entry::{Entry, StringRef, collection_of, is_expired, kind_of, string_entry, string_of};
use super::reclaim::LARGE_EFFORT;
use super::sizes::{Place, Sizes};
use super::view::Circumstances;
use super::{Db, DbIndex, Key, View};
use crate::base::clock::UnixMs;
use crate::ds::blob::{Due, Payload};
use crate::ds::table;
use crate::value::string::Encoding;
use crate::value::{Collection, Kind, LongString, Value};

/// The key holds another type than the command wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// What a write does to the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    Keep,
    Clear,
    At(UnixMs),
}

enum Slot<'t> {
    Vacant(table::Vacant<'t, Entry>),
    There(&'t mut Entry),
    /// To be removed on the way out; and while one state turns into another.
    Gone,
}

/// One key, open for change.
pub struct EntryMut<'t, 'c> {
    db: DbIndex,
    key: Key<'t>,
    slot: Slot<'t>,
    cx: &'c mut Circumstances,
    had_deadline: bool,
    /// Where the entry was counted, if there was one.
    place: Option<Place>,
    /// An entry behind its deadline was removed on the way in.
    expired: bool,
    /// A deadline was set or brought forward: the index must hear of it.
    new_deadline: Option<u64>,
    /// Its use has been noted.
    used: bool,
    changed: bool,
}

impl<'k> View<'k> {
    /// Opens `key` for change; see the module's head.
    #[inline(always)] // Every closure is a type of its own, so each copy has one caller.
    pub fn edit<R, E>(
        &mut self,
        db: DbIndex,
        key: Key<'_>,
        change: impl FnOnce(&mut EntryMut<'_, '_>) -> Result<(R, Effect), E>,
    ) -> Result<R, E> {
        let keyspace = self.keyspace();
        let (shard, cx) = self.split(key);
        let db_index = db;
        let (db, audience) = shard.parts_mut(db_index);
        cx.editing = true;
        let mut entry = EntryMut::open(db, db_index, key, cx);
        let result = change(&mut entry);
        let closed = entry.close();
        if closed.is_gone
            && let Some(gone) = db.table.remove(key.hash(), key.bytes())
        {
            discard(gone);
        }
        if closed.has_deadline != closed.had_deadline {
            db.volatile = db.volatile + usize::from(closed.has_deadline) - usize::from(closed.had_deadline);
        }
        db.sizes.shift(closed.places.0, closed.places.1);
        if let Some(when) = closed.new_deadline {
            db.table.note_deadline(key.hash(), when);
            keyspace.announce_deadline(when);
        }
        cx.editing = false;
        if closed.changed || matches!(&result, Ok((_, effect)) if !effect.is_none()) {
            cx.audit.check(key.bytes(), Access::Change);
        }
        match &result {
            _ if closed.expired => audience.touch(db_index, key.bytes(), &mut cx.ready),
            Ok((_, effect)) if effect.is_none() => {}
            Ok((_, effect)) => match effect.told {
                Told::All | Told::AllLast => audience.touch(db_index, key.bytes(), &mut cx.ready),
                Told::WhoWaits => audience.stir(db_index, key.bytes(), &mut cx.ready),
                Told::Nobody => {}
            },
            Err(_) => {}
        }
        // The effect is read where it lies: copying it right after it was written would wait for the writes.
        match &result {
            Ok((_, effect)) => {
                // What is created and emptied by the same edit is told as both, if it is told at all.
                let emptied = closed.emptied && !effect.is_none();
                let (before, after) = closed.places;
                let fate = Fate { created: before.is_none() && (after.is_some() || emptied), emptied };
                cx.apply(db_index, key.bytes(), effect, fate);
            }
            Err(_) => {
                debug_assert!(!closed.changed, "an edit that failed must not have changed the entry");
            }
        }
        result.map(|(value, _)| value)
    }

    /// Removes `key` as a command does; whether it was there.
    pub fn remove(&mut self, db: DbIndex, key: Key<'_>, effect: Effect) -> bool {
        self.take(db, key, effect).map(discard).is_some()
    }

    /// Removes what is under the destination of a command that comes to nothing. As in Redis that is a change by the command
    /// even if the entry was behind its deadline. Whether there was one.
    pub fn empty_destination(&mut self, db: DbIndex, key: Key<'_>) -> bool {
        let (shard, cx) = self.split(key);
        let Some(entry) = shard.db_mut(db).remove(key) else { return false };
        cx.audit.check(key.bytes(), Access::Change);
        shard.audience.touch(db, key.bytes(), &mut cx.ready);
        cx.apply(db, key.bytes(), &Effect::event(EventClass::Generic, "del"), Fate::default());
        discard(entry);
        true
    }

    /// Takes the entry out, to be put somewhere else or dropped.
    pub fn take(&mut self, db: DbIndex, key: Key<'_>, effect: Effect) -> Option<Entry> {
        let (shard, cx) = self.split(key);
        let is_gone = |entry: &Entry| is_expired(entry, cx.now);
        if !cx.expiry.removes_on_access()
            && shard.db(db).table.find(key.hash(), key.bytes()).is_some_and(is_gone)
        {
            return None;
        }
        let entry = shard.db_mut(db).remove(key)?;
        cx.audit.check(key.bytes(), Access::Change);
        shard.audience.touch(db, key.bytes(), &mut cx.ready);
        if is_expired(&entry, cx.now) {
            cx.expired(db, key.bytes());
            discard(entry);
            return None;
        }
        cx.apply(db, key.bytes(), &effect, Fate::default());
        Some(entry)
    }

    /// Puts an entry of whatever key under `key`, replacing what was there.
    pub fn put(&mut self, db: DbIndex, key: Key<'_>, entry: Entry, effect: Effect) {
        self.place(db, key, entry);
        // What is replaced is deleted first, so the key is new in any case.
        self.cx.apply(db, key.bytes(), &effect, Fate { created: true, emptied: false });
    }

    /// Moves the entry of `from` to `to`, replacing what was there; whether there was one. `events` are told of
    /// `from` and of `to`; together they are one change.
    pub fn relocate(
        &mut self,
        from: (DbIndex, Key<'_>),
        to: (DbIndex, Key<'_>),
        class: EventClass,
        events: [&'static str; 2],
    ) -> bool {
        let Some(mut entry) = self.take(from.0, from.1, Effect::NONE) else { return false };
        // As in Redis it begins anew under its new name.
        entry.set_clock(self.cx.new_clock());
        self.place(to.0, to.1, entry);
        // Redis tells of the new key first, then who caches either, then of both halves of the move.
        if self.cx.tells {
            self.cx.effects.record(to.0, to.1.bytes(), What::Event(EventClass::New, "new"));
            self.cx.effects.record(from.0, from.1.bytes(), What::Modified);
            self.cx.effects.record(to.0, to.1.bytes(), What::Modified);
        }
        let [leaving, arriving] = events.map(|name| Effect::event(class, name).unwatched());
        self.cx.apply(from.0, from.1.bytes(), &leaving, Fate::default());
        self.cx.apply(to.0, to.1.bytes(), &arriving.changes(0), Fate::default());
        true
    }

    /// Puts an entry under `key` and frees what was there, without telling anybody.
    fn place(&mut self, db: DbIndex, key: Key<'_>, entry: Entry) {
        let keyspace = self.keyspace();
        let entry = entry.with_key(key.bytes());
        let deadline = entry.deadline();
        let (shard, cx) = self.split(key);
        let (db_index, (db, audience)) = (db, shard.parts_mut(db));
        cx.audit.check(key.bytes(), Access::Change);
        audience.touch(db_index, key.bytes(), &mut cx.ready);
        if let Some(replaced) = db.remove(key) {
            discard(replaced);
        }
        db.insert(key.hash(), entry);
        if let Some(when) = deadline {
            keyspace.announce_deadline(when);
        }
    }
}

/// What became of the key beside its change.
#[derive(Clone, Copy, Default)]
struct Fate {
    created: bool,
    emptied: bool,
}

impl Circumstances {
    /// Does on the way out of an edit what everybody must hear of.
    #[inline]
    fn apply(&mut self, db: DbIndex, key: &[u8], effect: &Effect, fate: Fate) {
        self.effects.changes += u64::from(effect.changes);
        self.effects.is_forced |= effect.is_forced;
        if self.tells && !effect.is_none() {
            self.apply_observed(db, key, effect, fate);
        }
    }

    #[cold]
    fn apply_observed(&mut self, db: DbIndex, key: &[u8], effect: &Effect, fate: Fate) {
        let mut tell = |what| self.effects.record(db, key, what);
        if fate.created {
            tell(What::Event(EventClass::New, "new"));
        }
        if effect.told == Told::All {
            tell(What::Modified);
        }
        for (class, name) in effect.events() {
            tell(What::Event(class, name));
        }
        if fate.emptied {
            tell(What::Event(EventClass::Generic, "del"));
        }
        if effect.told == Told::AllLast {
            tell(What::Modified);
        }
    }
}

struct Closed {
    expired: bool,
    /// Its last element went.
    emptied: bool,
    /// The entry must be removed, for that or because it was asked for.
    is_gone: bool,
    had_deadline: bool,
    /// Where it was counted, and where it is to be, if it was and is there.
    places: (Option<Place>, Option<Place>),
    has_deadline: bool,
    new_deadline: Option<u64>,
    changed: bool,
}

impl<'t, 'c> EntryMut<'t, 'c> {
    #[inline(always)] // What it builds is used up at once where it is inlined.
    fn open(db: &'t mut Db, db_index: DbIndex, key: Key<'t>, cx: &'c mut Circumstances) -> Self {
        let mut expired = false;
        let slot = match db.table.entry(key.hash(), key.bytes()) {
            table::Entry::Occupied(occupied) if is_expired(occupied.get(), cx.now) => {
                expired = true;
                db.volatile -= 1;
                Slot::Vacant(expire(occupied, &mut db.sizes, db_index, cx))
            }
            table::Entry::Occupied(occupied) => Slot::There(occupied.into_mut()),
            table::Entry::Vacant(vacant) => Slot::Vacant(vacant),
        };
        let found = slot.entry();
        EntryMut {
            db: db_index,
            key,
            had_deadline: found.is_some_and(|entry| entry.deadline().is_some()),
            place: found.map(Place::of),
            expired,
            slot,
            cx,
            new_deadline: None,
            used: false,
            changed: false,
        }
    }

    #[inline(always)] // As above.
    fn close(mut self) -> Closed {
        if !self.changed {
            // Who came to change it has used it, even if the value was not fit or already so.
            self.touch();
            return Closed {
                places: (self.place, self.place),
                has_deadline: self.had_deadline,
                had_deadline: self.had_deadline,
                new_deadline: None,
                expired: self.expired,
                emptied: false,
                is_gone: false,
                changed: false,
            };
        }
        let place = self.slot.entry().map(Place::of);
        let emptied = place.is_some_and(Place::has_no_elements);
        let left = self.slot.entry().filter(|_| !emptied);
        // That of its own, or of the first element to expire.
        let inner = left.and_then(|entry| match entry.payload() {
            Payload::Value(value) => value.due(),
            Payload::Inline(_) => None,
        });
        let new_deadline = match (self.new_deadline.filter(|_| left.is_some()), inner) {
            (Some(own), Some(inner)) => Some(own.min(inner)),
            (own, inner) => own.or(inner),
        };
        Closed {
            places: (self.place, place.filter(|_| !emptied)),
            has_deadline: left.is_some_and(|entry| entry.deadline().is_some()),
            had_deadline: self.had_deadline,
            new_deadline,
            expired: self.expired,
            emptied,
            is_gone: emptied || matches!(self.slot, Slot::Gone),
            changed: true,
        }
    }

    /// The entry, if the key exists.
    #[inline]
    pub fn entry(&self) -> Option<&Entry> {
        self.slot.entry()
    }

    pub fn exists(&self) -> bool {
        self.entry().is_some()
    }

    /// Counts a hit or a miss, as a command that also reads does, and notes the use.
    #[inline]
    pub fn count_access(&mut self) {
        match self.exists() {
            true => {
                self.cx.effects.hits += 1;
                self.touch();
            }
            false => self.cx.miss(self.db, self.key),
        }
    }

    /// Notes that the value is used, once.
    #[inline]
    pub fn touch(&mut self) {
        if self.cx.no_touch || self.used {
            return;
        }
        let cx = &mut *self.cx;
        if let Some(entry) = self.slot.entry_mut() {
            self.used = true;
            cx.touch(entry);
        }
    }

    pub fn now(&self) -> UnixMs {
        self.cx.now
    }

    /// Frees what was cut off a value: off the workers if that is much work (see [`Facts::free_effort`]).
    ///
    /// [`Facts::free_effort`]: crate::value::Facts::free_effort
    pub fn free<T: Send + 'static>(&self, garbage: T, effort: usize) {
        free(garbage, effort);
    }

    pub fn kind(&self) -> Option<Kind> {
        self.entry().map(kind_of)
    }

    /// The string under the key, `None` when the key is missing.
    #[inline]
    pub fn string(&self) -> Result<Option<StringRef<'_>>, WrongType> {
        match self.entry() {
            None => Ok(None),
            Some(entry) => string_of(entry).map(Some).ok_or(WrongType),
        }
    }

    pub fn deadline(&self) -> Option<UnixMs> {
        self.entry().and_then(Entry::deadline).map(UnixMs)
    }

    /// The collection under the key, `None` when the key is missing.
    #[inline]
    pub fn value<T: Collection>(&self) -> Result<Option<&T>, WrongType> {
        match self.entry() {
            None => Ok(None),
            Some(entry) => collection_of(entry).map(Some).ok_or(WrongType),
        }
    }

    /// The collection under the key, for change; `None` when the key is missing.
    #[inline]
    pub fn value_mut<T: Collection>(&mut self) -> Result<Option<&mut T>, WrongType> {
        self.touch();
        let Some(entry) = self.slot.entry_mut() else { return Ok(None) };
        let value = entry.value_mut().and_then(T::of_mut).ok_or(WrongType)?;
        self.changed = true;
        Ok(Some(value))
    }

    /// The collection under the key, for change; a missing key becomes an empty one, and is forgotten again if nothing
    /// is put in.
    #[inline(always)] // Most of it falls away where the edit is inlined.
    pub fn value_or_default<T: Collection>(&mut self) -> Result<&mut T, WrongType> {
        if self.exists() {
            self.touch();
        } else {
            self.insert_value(T::default().into_value());
        }
        let value = self.slot.entry_mut().and_then(Entry::value_mut).and_then(T::of_mut);
        self.changed |= value.is_some();
        value.ok_or(WrongType)
    }

    #[cold]
    fn insert_value(&mut self, value: Value) {
        let mut new = Entry::boxed(self.key.bytes(), value, None, 0);
        new.set_clock(self.cx.new_clock());
        self.insert(new);
    }

    /// Makes the key hold `value`, whatever it was.
    pub fn set_value<T: Collection>(&mut self, value: T, ttl: Ttl) {
        self.changed = true;
        let deadline = self.resolve(ttl);
        self.put(Entry::boxed(self.key.bytes(), value.into_value(), deadline, 0));
        self.note(deadline);
    }

    /// Makes the key a string with the encoding that SET would choose, whatever it was.
    #[inline]
    pub fn set_string(&mut self, value: &[u8], ttl: Ttl) {
        self.set_string_encoded(value, Encoding::of(value), ttl);
    }

    /// Makes the key a string.
    pub fn set_string_encoded(&mut self, value: &[u8], encoding: Encoding, ttl: Ttl) {
        self.changed = true;
        let deadline = self.resolve(ttl);
        let key = self.key.bytes();
        match self.slot.entry_mut() {
            Some(entry) if !entry.is_boxed() && Entry::can_inline(key.len(), value.len()) => {
                entry.set_inline(value);
                if deadline.is_some() || entry.deadline().is_some() {
                    entry.set_deadline(deadline);
                }
                entry.set_meta(encoding as u8);
                self.cx.touch(entry);
            }
            _ => self.put(string_entry(key, value, encoding, deadline)),
        }
        self.note(deadline);
    }

    /// Changes the bytes of the string in place; a missing key is an empty string. The string is `raw` from
    /// then on.
    pub fn modify_string(&mut self, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), WrongType> {
        self.string()?;
        self.changed = true;
        if self.slot.entry().is_some_and(Entry::is_boxed) {
            self.touch();
        }
        if let Some(entry) = self.slot.entry_mut()
            && let Some(Value::String(long)) = entry.value_mut()
        {
            change(LongString::make_mut(long));
            entry.set_meta(Encoding::Raw as u8);
            return Ok(());
        }
        let mut bytes = self.string()?.map(|string| string.bytes().to_vec()).unwrap_or_default();
        change(&mut bytes);
        self.set_string_owned(bytes, Ttl::Keep);
        Ok(())
    }

    /// The bytes of the string, to be overwritten where they lie; the string is `raw` from then on. `None` when the
    /// key is missing.
    pub fn string_mut(&mut self) -> Result<Option<&mut [u8]>, WrongType> {
        if self.string()?.is_none() {
            return Ok(None);
        }
        self.changed = true;
        self.touch();
        let Some(entry) = self.slot.entry_mut() else { return Ok(None) };
        entry.set_meta(Encoding::Raw as u8);
        if !entry.is_boxed() {
            return Ok(entry.inline_mut());
        }
        Ok(match entry.value_mut() {
            Some(Value::String(long)) => Some(LongString::make_mut(long).as_mut_slice()),
            _ => None,
        })
    }

    /// Makes the key a `raw` string of these very bytes, which are not copied when they are many.
    pub fn set_string_owned(&mut self, bytes: Vec<u8>, ttl: Ttl) {
        if Entry::can_inline(self.key.bytes().len(), bytes.len()) {
            return self.set_string_encoded(&bytes, Encoding::Raw, ttl);
        }
        self.changed = true;
        let deadline = self.resolve(ttl);
        let value = Value::String(LongString::new(bytes));
        self.put(Entry::boxed(self.key.bytes(), value, deadline, Encoding::Raw as u8));
        self.note(deadline);
    }

    /// Gives an existing key a deadline, or takes it away.
    pub fn set_deadline(&mut self, deadline: Option<UnixMs>) {
        let deadline = deadline.map(|when| when.0);
        self.touch();
        if let Some(entry) = self.slot.entry_mut() {
            self.changed = true;
            entry.set_deadline(deadline);
            self.note(deadline);
        }
    }

    /// Removes the key.
    pub fn remove(&mut self) {
        if self.exists() {
            self.changed = true;
            self.slot = Slot::Gone;
        }
    }

    /// Puts an entry in the place of what is there, whose use that is, or where nothing is.
    fn put(&mut self, mut new: Entry) {
        match self.slot.entry_mut() {
            Some(entry) => {
                new.set_clock(self.cx.used_clock(entry.clock()));
                discard(std::mem::replace(entry, new));
            }
            None => {
                new.set_clock(self.cx.new_clock());
                self.insert(new);
            }
        }
    }

    fn insert(&mut self, entry: Entry) {
        match std::mem::replace(&mut self.slot, Slot::Gone) {
            Slot::Vacant(vacant) => self.slot = Slot::There(vacant.insert(entry)),
            other => self.slot = other,
        }
    }

    fn resolve(&self, ttl: Ttl) -> Option<u64> {
        match ttl {
            Ttl::Keep => self.entry().and_then(Entry::deadline),
            Ttl::Clear => None,
            Ttl::At(when) => Some(when.0),
        }
    }

    fn note(&mut self, deadline: Option<u64>) {
        self.new_deadline = deadline;
    }
}

impl Slot<'_> {
    #[inline]
    fn entry(&self) -> Option<&Entry> {
        match self {
            Slot::There(entry) => Some(entry),
            Slot::Vacant(_) | Slot::Gone => None,
        }
    }

    #[inline]
    fn entry_mut(&mut self) -> Option<&mut Entry> {
        match self {
            Slot::There(entry) => Some(entry),
            Slot::Vacant(_) | Slot::Gone => None,
        }
    }
}

/// Removes an entry behind its deadline.
#[cold]
fn expire<'t>(
    occupied: table::Occupied<'t, Entry>,
    sizes: &mut Sizes,
    db: DbIndex,
    cx: &mut Circumstances,
) -> table::Vacant<'t, Entry> {
    let (gone, vacant) = occupied.vacate();
    sizes.leave(Place::of(&gone));
    cx.expired(db, gone.key());
    discard(gone);
    vacant
}

/// Frees what was cut off a value: off the workers if that is much work.
pub fn free<T: Send + 'static>(garbage: T, effort: usize) {
    if effort > LARGE_EFFORT {
        super::reclaim::free_elsewhere(garbage);
    }
}

/// Frees an entry: a big value off the workers, anything else here.
#[inline]
pub(super) fn discard(entry: Entry) {
    if is_large(&entry) {
        super::reclaim::free_elsewhere(entry);
    }
}

/// Whether freeing the entry takes so long that it is done elsewhere.
pub(super) fn is_large(entry: &Entry) -> bool {
    matches!(entry.payload(), Payload::Value(value) if value.free_effort() > LARGE_EFFORT)
}
