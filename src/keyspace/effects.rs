//! What a command did: the effects that everybody else hears about.
//!
//! An edit returns one [`Effect`]: how many changes count for `save`, and which keyspace events it means. The
//! guard adds what it knows itself (which key, whether it expired) and [`Effects`] collects them for the
//! command. After the command, still under the locks, the dispatcher hands them to the journal, WATCH, tracking,
//! notifications and statistics. While nobody listens only the counters are kept.

use crate::keyspace::DbIndex;

/// Class of a keyspace event: one letter of `notify-keyspace-events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventClass {
    Generic,
    String,
    List,
    Set,
    Hash,
    SortedSet,
    Stream,
    Expired,
    Evicted,
    KeyMiss,
    New,
}

impl EventClass {
    pub const fn letter(self) -> char {
        match self {
            EventClass::Generic => 'g',
            EventClass::String => '$',
            EventClass::List => 'l',
            EventClass::Set => 's',
            EventClass::Hash => 'h',
            EventClass::SortedSet => 'z',
            EventClass::Stream => 't',
            EventClass::Expired => 'x',
            EventClass::Evicted => 'e',
            EventClass::KeyMiss => 'm',
            EventClass::New => 'n',
        }
    }
}

/// Who besides copies of the data hears of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Who watches the key, caches it or waits for it.
    All,
    /// The same, but who caches it behind the events.
    AllLast,
    /// Who waits for the key.
    WhoWaits,
    Nobody,
}

/// What one edit of one key means to others: up to two events, because every edit returns it by value.
#[must_use = "an edit tells what it did, or that it did nothing"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Changes for `save` points and `rdb_changes_since_last_save`; 0 = nothing happened.
    pub(super) changes: u32,
    pub(super) told: Told,
    /// The command is to be repeated although nothing counts as changed.
    pub(super) is_forced: bool,
    /// Class and name lie apart so that no padding lies between them.
    classes: [Option<EventClass>; 2],
    names: [&'static str; 2],
}

impl Effect {
    /// The entry is as it was.
    pub const NONE: Effect =
        Effect { changes: 0, told: Told::All, is_forced: false, classes: [None; 2], names: [""; 2] };

    /// What Redis takes for no change although the entry is another one: only copies of the data hear of it.
    pub const UNTOLD: Effect = Effect { told: Told::Nobody, is_forced: true, ..Effect::NONE };

    /// One change and one event.
    pub const fn event(class: EventClass, name: &'static str) -> Effect {
        Effect { changes: 1, classes: [Some(class), None], names: [name, ""], ..Effect::NONE }
    }

    /// The second event of the same edit; there is room for no third.
    pub const fn and(mut self, class: EventClass, name: &'static str) -> Effect {
        debug_assert!(self.classes[0].is_some() && self.classes[1].is_none());
        self.classes[1] = Some(class);
        self.names[1] = name;
        self
    }

    /// Counts for more or fewer than one change.
    pub const fn changes(mut self, changes: u32) -> Effect {
        self.changes = changes;
        self
    }

    /// The change is no modification to who watches the key, caches it or waits for it: what consumer groups do to a stream.
    pub const fn unwatched(mut self) -> Effect {
        self.told = Told::Nobody;
        self
    }

    /// Who caches the key hears of the change behind its events instead of before them: as in Redis, of what is popped.
    pub const fn events_first(mut self) -> Effect {
        self.told = Told::AllLast;
        self
    }

    /// The change is news only to who waits for the key.
    pub const fn only_waking(mut self) -> Effect {
        self.told = Told::WhoWaits;
        self
    }

    /// The events, in order.
    pub(super) fn events(&self) -> impl Iterator<Item = (EventClass, &'static str)> {
        self.classes.into_iter().zip(self.names).filter_map(|(class, name)| Some((class?, name)))
    }

    #[inline]
    pub fn is_none(&self) -> bool {
        self.changes == 0 && self.classes[0].is_none() && !self.is_forced
    }
}

// It travels through every write.
const _: () = assert!(size_of::<Effect>() <= 40);

/// One thing that happened to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectRecord {
    pub db: DbIndex,
    pub key: Box<[u8]>,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The key was changed, created or removed (WATCH, tracking).
    Modified,
    Event(EventClass, &'static str),
    /// The key was removed by the server itself, at its deadline or for want of memory: replicas and the append-only file get a DEL.
    Expired,
    /// Elements of a collection expired: replicas and the append-only file get an HDEL of them.
    ElementsExpired(Vec<Box<[u8]>>),
    /// A database was emptied.
    Flushed,
}

/// Collects the effects of one command.
#[derive(Debug, Default)]
pub struct Effects {
    /// Changes, for `save` points.
    pub changes: u64,
    pub hits: u64,
    pub misses: u64,
    /// Keys removed at their deadline.
    pub expired: u64,
    /// Elements of collections removed at their deadline.
    pub expired_elements: u64,
    /// The command is journalled even if nothing changed: as in Redis, FLUSHALL of what is empty.
    pub is_forced: bool,
    /// In order; only while the keyspace is observed.
    pub records: Vec<EffectRecord>,
}

impl Effects {
    /// Whether the command is to be repeated by whoever replays it.
    #[inline]
    pub fn is_repeated(&self) -> bool {
        self.changes > 0 || self.is_forced
    }

    /// Whether nothing happened beside lookups.
    #[inline]
    pub fn is_empty(&self) -> bool {
        (self.changes | self.expired | self.expired_elements) == 0
            && !self.is_forced
            && self.records.is_empty()
    }

    pub(super) fn record(&mut self, db: DbIndex, key: &[u8], what: What) {
        self.records.push(EffectRecord { db, key: key.into(), what });
    }
}
