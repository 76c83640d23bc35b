//! Whether a command reaches only the keys that it has announced.
//!
//! Locks, rights and cluster routes go by the keys that the key walker finds in a request ([`crate::spec::keys`]). A handler that
//! reached another key would read or change what the client has no right to. So in builds with debug assertions, which all
//! tests are, the executor leaves with the view what a request has announced, and every access is compared with it:
//!
//! ```text
//! audit(GETSET k v: k, may change) ─▶ read(k) ✓   edit(k) ✓   edit(x) ✗ panic: "getset touches x, which it has not announced"
//! ```
//!
//! A key that was announced for reading alone must not change either. Other builds pay nothing: an [`Audit`] is empty there.

use std::collections::BTreeMap;

use super::View;

/// The keys of a request, and which of them it may change.
pub struct Announced {
    /// As in COMMAND INFO: `get`, `xinfo|stream`.
    pub command: String,
    pub keys: BTreeMap<Box<[u8]>, Access>,
}

/// What a request says it does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Read,
    Change,
}

/// What is announced by the request that runs, if anybody wants to know.
#[derive(Default)]
pub struct Audit {
    #[cfg(debug_assertions)]
    announced: Option<Announced>,
}

impl Audit {
    fn of(announce: impl FnOnce() -> Option<Announced>) -> Audit {
        #[cfg(debug_assertions)]
        return Audit { announced: announce() };
        #[cfg(not(debug_assertions))]
        {
            let _ = announce;
            Audit {}
        }
    }

    /// A key is reached.
    ///
    /// # Panics
    /// In builds with debug assertions: it was not announced, or not for this.
    #[inline]
    pub(super) fn check(&self, key: &[u8], access: Access) {
        #[cfg(debug_assertions)]
        if let Some(announced) = &self.announced {
            announced.check(key, access);
        }
        #[cfg(not(debug_assertions))]
        let _ = (key, access);
    }

    /// Any key may be reached.
    ///
    /// # Panics
    /// In builds with debug assertions: the request is about certain keys.
    #[inline]
    pub(super) fn check_all(&self) {
        #[cfg(debug_assertions)]
        if let Some(announced) = &self.announced {
            panic!("{} touches the whole keyspace, but announces its keys", announced.command);
        }
    }
}

#[cfg(debug_assertions)]
impl Announced {
    fn check(&self, key: &[u8], access: Access) {
        let (command, name) = (&self.command, key.escape_ascii());
        let Some(&announced) = self.keys.get(key) else {
            panic!("{command} touches the key {name}, which it has not announced");
        };
        assert!(access <= announced, "{command} changes the key {name}, which it has announced to read");
    }
}

impl View<'_> {
    /// The request that begins touches what `announce` says, or anything if that is `None`. Returns what was announced by the
    /// one that it is a part of, for [`View::end_audit`].
    #[inline]
    pub fn audit(&mut self, announce: impl FnOnce() -> Option<Announced>) -> Audit {
        std::mem::replace(&mut self.cx.audit, Audit::of(announce))
    }

    /// The request has ended, and the one that it was a part of goes on.
    #[inline]
    pub fn end_audit(&mut self, outer: Audit) {
        self.cx.audit = outer;
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;
    use crate::keyspace::{DbIndex, Effect, Keyspace, LockSet};

    /// Runs `touch` as a request that announces `mine` to change and `other` to read.
    fn run(touch: impl FnOnce(&mut View<'_>, &Keyspace)) {
        let keyspace = Keyspace::new(1, 2, [1, 2, 3]);
        let mut view = View::new(&keyspace, 1);
        view.lock_blocking(&LockSet::All);
        let keys = [(b"mine"[..].into(), Access::Change), (b"other"[..].into(), Access::Read)].into();
        let outer = view.audit(|| Some(Announced { command: "test".into(), keys }));
        touch(&mut view, &keyspace);
        view.end_audit(outer);
        view.peek(DbIndex(0), keyspace.key(b"foreign"));
    }

    #[test]
    fn announced_keys_are_free() {
        run(|view, keyspace| {
            view.read(DbIndex(0), keyspace.key(b"mine"));
            view.look(DbIndex(1), keyspace.key(b"other"));
            view.remove(DbIndex(0), keyspace.key(b"mine"), Effect::NONE);
        });
    }

    #[test]
    #[should_panic(expected = "test touches the key foreign")]
    fn others_are_not() {
        run(|view, keyspace| {
            view.look(DbIndex(0), keyspace.key(b"foreign"));
        });
    }

    #[test]
    #[should_panic(expected = "test changes the key other")]
    fn what_is_read_does_not_change() {
        run(|view, keyspace| {
            let _ = view.edit(DbIndex(0), keyspace.key(b"other"), |entry| {
                entry.set_string(b"v", crate::keyspace::Ttl::Clear);
                Ok::<_, ()>(((), Effect::NONE))
            });
        });
    }

    #[test]
    #[should_panic(expected = "test touches the whole keyspace")]
    fn nor_is_everything() {
        run(|view, _| {
            view.random(DbIndex(0));
        });
    }
}
