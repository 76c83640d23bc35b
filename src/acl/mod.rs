//! Users: who they are, what they may do, and the log of what was refused.
//!
//! ```text
//! rules "on >pw ~app:* +@read" ─▶ [`rule`] ─▶ User { passwords, selectors } ─▶ [`check`]: may this request run?
//!                                                    │
//!                           "on … ~app:* resetchannels -@all +@read" ◀─ description: ACL LIST, the files
//! ```
//!
//! * A [`User`] is a value that never changes: ACL SETUSER makes a new one and puts it in the place of the old. Sessions
//!   hold the one they saw last and look again when [`Acl::version`] has moved.
//! * A user has one or more [`Selector`]s: commands, keys and channels that go together. A request may run if *one* of
//!   them allows all of it.
//! * Commands are known from a [`Catalogue`] that whoever owns the command table hands in; keys and channels of a request from
//!   a [`check::Touches`], so they are those that the command itself will use.
//!
//! **Invariant:** there always is a user `default`. **Invariant:** an id stays with a user through every change of its rules
//! and is never given to another, so a session whose user was deleted does not become somebody who got the same name later.
//! **Invariant:** no name, password or pattern holds a blank, so no rule can add a word or a line to a file.

pub mod catalogue;
pub mod check;
pub mod file;
pub mod log;
pub mod password;
mod rule;
pub mod selector;
mod user;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

pub use catalogue::{Catalogue, CommandFacts};
pub use check::{Denied, Touches};
pub use log::{Context, Log, Reason};
pub use rule::RuleError;
pub use selector::Selector;
pub use user::{Rules, User, UserId};

/// The name of the user that connections begin as.
pub const DEFAULT: &[u8] = b"default";

type Users = BTreeMap<Box<[u8]>, Arc<User>>;

/// All users of a server.
pub struct Acl {
    pub catalogue: Catalogue,
    pub log: Log,
    users: Mutex<Users>,
    /// Moves with every change; starts at 1, so that 0 is older than everything.
    version: AtomicU64,
    last_id: AtomicU64,
    /// Whether new users and selectors begin with all channels (`acl-pubsub-default`).
    all_channels: std::sync::atomic::AtomicBool,
}

/// What a change took from users who may be connected.
#[derive(Default)]
pub struct Consequences {
    /// Names of users that are gone.
    pub gone: Vec<Box<[u8]>>,
    /// Users who may listen to less than before, as they are now.
    pub restricted: Vec<Arc<User>>,
}

impl Acl {
    /// A server with one user, `default`, who may do everything without a password.
    pub fn new(catalogue: Catalogue) -> Acl {
        let rules = Rules::unlimited(&catalogue);
        let default = Arc::new(User::new(UserId(0), DEFAULT.into(), rules));
        Acl {
            catalogue,
            log: Log::default(),
            users: Mutex::new(Users::from([(DEFAULT.into(), default)])),
            version: AtomicU64::new(1),
            last_id: AtomicU64::new(0),
            all_channels: Default::default(),
        }
    }

    /// Moves with every change of any user.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn changed(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Sets `acl-pubsub-default`: whether new users may use all channels.
    pub fn set_pubsub_default(&self, all_channels: bool) {
        self.all_channels.store(all_channels, Ordering::Relaxed);
    }

    fn grammar(&self) -> rule::Grammar<'_> {
        rule::Grammar { catalogue: &self.catalogue, all_channels: self.all_channels.load(Ordering::Relaxed) }
    }

    /// The user that connections begin as.
    pub fn default_user(&self) -> Arc<User> {
        let found = self.users.lock().get(DEFAULT).map(Arc::clone);
        // It is never removed; this is what it would be if it were: nobody.
        found.unwrap_or_else(|| Arc::new(User::new(UserId(0), DEFAULT.into(), self.grammar().new_rules())))
    }

    pub fn find(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.lock().get(name).map(Arc::clone)
    }

    /// All users, in the order of their names.
    pub fn users(&self) -> Vec<Arc<User>> {
        self.users.lock().values().map(Arc::clone).collect()
    }

    fn next_id(&self) -> UserId {
        UserId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// ACL SETUSER: all rules or none. A name that nobody has makes a new user.
    ///
    /// # Errors
    /// One line that says which rule is wrong and why, without secrets.
    pub fn set_user(&self, name: &[u8], rules: &[&[u8]]) -> Result<Consequences, Vec<u8>> {
        let grammar = self.grammar();
        let words = rule::join_selectors(rules).map_err(|start| {
            [b"Unmatched parenthesis in acl selector starting at '", &shown(start)[..], b"'."].concat()
        })?;
        let mut users = self.users.lock();
        let old = users.get(name).map(Arc::clone);
        let mut new = old.as_deref().map_or_else(|| grammar.new_rules(), |user| user.rules.clone());
        for word in &words {
            grammar.apply(&mut new, word).map_err(|error| {
                let reason = error.to_string();
                [b"Error in ACL SETUSER modifier '", &shown(word)[..], b"': ", reason.as_bytes()].concat()
            })?;
        }
        let id = old.as_deref().map_or_else(|| self.next_id(), |user| user.id);
        let user = Arc::new(User::new(id, name.into(), new));
        let mut consequences = Consequences::default();
        if old.is_some_and(|old| check::loses_channels(&old, &user)) {
            consequences.restricted.push(Arc::clone(&user));
        }
        users.insert(name.into(), user);
        self.changed();
        Ok(consequences)
    }

    /// `requirepass`: the one password of the default user; `None` lets it in without.
    pub fn set_default_password(&self, password: Option<&[u8]>) {
        let mut users = self.users.lock();
        let Some(old) = users.get(DEFAULT) else { return };
        let mut rules = old.rules.clone();
        rules.set_only_password(password);
        let user = Arc::new(User::new(old.id, DEFAULT.into(), rules));
        users.insert(DEFAULT.into(), user);
        self.changed();
    }

    /// Removes users and tells which of the names there were. `default` stays.
    pub fn delete(&self, names: &[&[u8]]) -> Vec<Box<[u8]>> {
        let mut users = self.users.lock();
        let names = names.iter().filter(|name| **name != DEFAULT);
        let gone: Vec<Box<[u8]>> =
            names.filter_map(|name| users.remove(*name)).map(|user| user.name.clone()).collect();
        if !gone.is_empty() {
            self.changed();
        }
        gone
    }

    /// Puts a user in the place of the one of that name, or beside the others.
    pub(crate) fn replace(&self, name: &[u8], rules: Rules) {
        let mut users = self.users.lock();
        let id = users.get(name).map_or_else(|| self.next_id(), |old| old.id);
        users.insert(name.into(), Arc::new(User::new(id, name.into(), rules)));
        self.changed();
    }

    /// Puts the users of a file in the place of all there are. Users whose name stays keep their
    /// connections. A `default` that is not among them may do everything.
    pub(crate) fn replace_all(&self, wanted: Vec<(Box<[u8]>, Rules)>) -> Consequences {
        let mut users = self.users.lock();
        let mut consequences = Consequences::default();
        let mut new = Users::new();
        for (name, rules) in wanted {
            let id = users.get(&name).map_or_else(|| self.next_id(), |old| old.id);
            new.insert(name.clone(), Arc::new(User::new(id, name, rules)));
        }
        let unlimited = || Arc::new(User::new(UserId(0), DEFAULT.into(), Rules::unlimited(&self.catalogue)));
        new.entry(DEFAULT.into()).or_insert_with(unlimited);
        for (name, old) in users.iter() {
            match new.get(name) {
                None => consequences.gone.push(name.clone()),
                Some(user) if check::loses_channels(old, user) => {
                    consequences.restricted.push(Arc::clone(user));
                }
                Some(_) => {}
            }
        }
        *users = new;
        self.changed();
        consequences
    }

    /// Whether the name and the password belong together and the user may log in.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        // Hashed for unknown users too, so that the time does not tell who exists.
        let hash = password::Hash::of(password);
        let user = self.find(name)?;
        user.rules.accepts(&hash).then_some(user)
    }
}

/// A word as errors quote it: up to a NUL as in Redis, and unlike there without passwords and their hashes, which clients put
/// into logs with the error.
fn shown(word: &[u8]) -> Vec<u8> {
    let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
    let follows = |at: usize| at.checked_sub(1).and_then(|before| word.get(before));
    let is_secret = |&at: &usize| {
        matches!(word.get(at), Some(b'>' | b'<' | b'#' | b'!'))
            && matches!(follows(at), None | Some(b'(' | b' '))
    };
    match (0..word.len()).find(is_secret) {
        Some(at) => [word.split_at(at + 1).0, b"(redacted)"].concat(),
        None => word.to_vec(),
    }
}

/// Whether a name or pattern has what would cut it in two in a file: blanks and NUL.
pub fn has_blanks(word: &[u8]) -> bool {
    word.iter().any(|byte| matches!(byte, 0 | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c))
}
