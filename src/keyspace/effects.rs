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

/// The most events that one edit of one key means.
const EVENTS_MAX: usize = 3;

/// What one edit of one key means to others.
#[must_use = "an edit tells what it did, or that it did nothing"]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Changes for `save` points and `rdb_changes_since_last_save`; 0 = nothing happened.
    pub(super) changes: u32,
    pub(super) events: [Option<(EventClass, &'static str)>; EVENTS_MAX],
}

impl Effect {
    /// The entry is as it was.
    pub const NONE: Effect = Effect { changes: 0, events: [None; EVENTS_MAX] };

    /// One change and one event.
    pub const fn event(class: EventClass, name: &'static str) -> Effect {
        let mut effect = Effect::NONE;
        effect.changes = 1;
        effect.events[0] = Some((class, name));
        effect
    }

    /// A further event of the same edit.
    pub fn and(mut self, class: EventClass, name: &'static str) -> Effect {
        if let Some(free) = self.events.iter_mut().find(|event| event.is_none()) {
            *free = Some((class, name));
        }
        self
    }

    /// Counts for more or fewer than one change.
    pub const fn changes(mut self, changes: u32) -> Effect {
        self.changes = changes;
        self
    }

    pub fn is_none(&self) -> bool {
        *self == Effect::NONE
    }
}

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
    /// The key was removed at its deadline: replicas and the append-only file get a DEL.
    Expired,
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
    /// In order; only while the keyspace is observed.
    pub records: Vec<EffectRecord>,
}

impl Effects {
    pub(super) fn record(&mut self, db: DbIndex, key: &[u8], what: What) {
        self.records.push(EffectRecord { db, key: key.into(), what });
    }
}
