//! A user: whether it may log in, its passwords, its selectors.

use super::catalogue::Catalogue;
use super::password::{Hash, is_among};
use super::selector::Selector;

/// Number of a user; stays through changes of its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId(pub u64);

/// What rules make of a user.
#[derive(Clone)]
pub struct Rules {
    pub is_enabled: bool,
    /// Any password will do.
    pub no_password: bool,
    /// Payloads that it gives to RESTORE are checked deeply.
    pub sanitizes_payload: bool,
    pub(super) passwords: Vec<Hash>,
    /// The root.
    pub(super) root: Selector,
    /// Those in parentheses.
    pub(super) others: Vec<Selector>,
}

/// A user as it is at one moment.
pub struct User {
    pub id: UserId,
    pub name: Box<[u8]>,
    pub rules: Rules,
    /// One of the selectors allows everything: nothing needs to be checked.
    pub is_unlimited: bool,
}

impl Rules {
    /// A user that is off and may do nothing.
    pub(super) fn new(all_channels: bool) -> Rules {
        Rules {
            is_enabled: false,
            no_password: false,
            sanitizes_payload: true,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            others: Vec::new(),
        }
    }

    /// A user that needs no password and may do everything.
    pub(super) fn unlimited(catalogue: &Catalogue) -> Rules {
        let mut rules = Rules::new(true);
        (rules.is_enabled, rules.no_password) = (true, true);
        rules.root.set_all_commands(catalogue, true);
        rules.root.all_keys = true;
        rules
    }

    /// The root first, then those in parentheses.
    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.others)
    }

    pub fn root(&self) -> &Selector {
        &self.root
    }

    /// Selectors in parentheses.
    pub fn others(&self) -> &[Selector] {
        &self.others
    }

    pub fn passwords(&self) -> &[Hash] {
        &self.passwords
    }

    /// Whether a connection begins as this user without a word.
    pub fn is_open(&self) -> bool {
        self.is_enabled && self.no_password
    }

    pub(super) fn accepts(&self, hash: &Hash) -> bool {
        self.is_enabled && (self.no_password || is_among(hash, &self.passwords))
    }

    pub(super) fn set_only_password(&mut self, password: Option<&[u8]>) {
        self.passwords = password.map(Hash::of).into_iter().collect();
        self.no_password = password.is_none();
    }

    /// Words for what is on and off, in the order of ACL LIST.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let on = if self.is_enabled { "on" } else { "off" };
        let sanitize = if self.sanitizes_payload { "sanitize-payload" } else { "skip-sanitize-payload" };
        [Some(on), self.no_password.then_some("nopass"), Some(sanitize)].into_iter().flatten()
    }

    /// The rules that make this user from a new one, in the order of ACL LIST.
    pub(super) fn describe(&self, is_for_file: bool) -> Vec<u8> {
        let mut words: Vec<Vec<u8>> = self.flags().map(|flag| flag.as_bytes().to_vec()).collect();
        words.extend(self.passwords.iter().map(|hash| format!("#{}", hash.to_hex()).into_bytes()));
        words.push(self.root.describe(is_for_file));
        words.extend(
            self.others.iter().map(|selector| [b"(", &*selector.describe(is_for_file), b")"].concat()),
        );
        words.join(&b' ')
    }
}

impl User {
    pub fn new(id: UserId, name: Box<[u8]>, rules: Rules) -> User {
        let is_unlimited = rules.selectors().any(Selector::is_unlimited);
        User { id, name, rules, is_unlimited }
    }

    /// `user NAME RULES`: the line of ACL LIST.
    pub fn line(&self) -> Vec<u8> {
        [b"user ", &*self.name, b" ", &self.rules.describe(false)].concat()
    }

    /// The line of the file.
    pub fn file_line(&self) -> Vec<u8> {
        [b"user ", &*self.name, b" ", &self.rules.describe(true)].concat()
    }
}
