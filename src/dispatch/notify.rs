//! Keyspace events: `notify-keyspace-events` as messages on channels.
//!
//! ```text
//! SET k v in database 0, flags KE$  ─▶  __keyspace@0__:k ← set      __keyevent@0__:set ← k
//! ```
//!
//! Events are told when the command that caused them has run ([`Engine::tell`]), in a transaction or a script too, although all it
//! does is committed as one: so in the order in which things happened, messages published in between included, and for keys that
//! expire at the moment when they do.
//!
//! [`Engine::tell`]: super::engine::Engine

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::NotifyFlags;
use crate::keyspace::{DbIndex, EffectRecord, EventClass, What};
use crate::pubsub::PubSub;

/// Publishes events of the classes that are asked for.
pub struct Notifier {
    pubsub: Arc<PubSub>,
    flags: ArcSwap<NotifyFlags>,
}

impl Notifier {
    pub fn new(pubsub: Arc<PubSub>) -> Notifier {
        Notifier { pubsub, flags: ArcSwap::default() }
    }

    pub fn set_flags(&self, flags: NotifyFlags) {
        self.flags.store(Arc::new(flags));
    }

    /// Whether any event would be published.
    pub fn is_active(&self) -> bool {
        !self.flags().is_empty()
    }

    /// The classes that are asked for.
    pub(super) fn flags(&self) -> NotifyFlags {
        **self.flags.load()
    }

    /// Publishes an effect, if it is an event of one of these classes.
    pub(super) fn tell(&self, record: &EffectRecord, flags: NotifyFlags) {
        if let What::Event(class, name) = record.what
            && flags.contains(flag_of(class))
        {
            self.publish(flags, record.db, &record.key, name);
        }
    }

    fn publish(&self, flags: NotifyFlags, db: DbIndex, key: &[u8], event: &str) {
        if flags.contains(NotifyFlags::KEYSPACE) {
            let mut channel = format!("__keyspace@{}__:", db.0).into_bytes();
            channel.extend_from_slice(key);
            self.pubsub.publish(&channel, event.as_bytes());
        }
        if flags.contains(NotifyFlags::KEYEVENT) {
            self.pubsub.publish(format!("__keyevent@{}__:{event}", db.0).as_bytes(), key);
        }
    }
}

fn flag_of(class: EventClass) -> NotifyFlags {
    match class {
        EventClass::Generic => NotifyFlags::GENERIC,
        EventClass::String => NotifyFlags::STRING,
        EventClass::List => NotifyFlags::LIST,
        EventClass::Set => NotifyFlags::SET,
        EventClass::Hash => NotifyFlags::HASH,
        EventClass::SortedSet => NotifyFlags::ZSET,
        EventClass::Stream => NotifyFlags::STREAM,
        EventClass::Expired => NotifyFlags::EXPIRED,
        EventClass::Evicted => NotifyFlags::EVICTED,
        EventClass::KeyMiss => NotifyFlags::KEY_MISS,
        EventClass::New => NotifyFlags::NEW,
    }
}
