//! A selector: commands, key patterns and channel patterns that go together.
//!
//! Which commands are allowed is a bit set, made by rules in their order (`+@read -get`). The rules are kept as text
//! too, because a bit set can't say how it came about: a description repeats them behind `+@all` or `-@all`, each at the
//! place where it was said last.

use std::collections::BTreeMap;

use super::catalogue::Catalogue;
use crate::base::glob::Pattern;
use crate::spec::AclCategories;

/// What may be done with keys that match a pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permission {
    pub read: bool,
    pub write: bool,
}

impl Permission {
    pub const ALL: Permission = Permission { read: true, write: true };

    /// Whether this is enough where `needed` is needed.
    #[inline]
    pub fn covers(self, needed: Permission) -> bool {
        (self.read || !needed.read) && (self.write || !needed.write)
    }
}

/// A pattern of keys.
#[derive(Clone, Debug)]
pub struct KeyPattern {
    pub pattern: Pattern,
    pub permission: Permission,
}

/// See the module's head.
#[derive(Clone, Default)]
pub struct Selector {
    /// A bit for every command, by its number.
    commands: Vec<u64>,
    /// No command was taken away since all were allowed.
    pub(super) all_commands: bool,
    /// The rules began with all commands rather than with none.
    begins_with_all: bool,
    /// Words that a command, which is not allowed otherwise, may have as its first argument.
    first_args: BTreeMap<u16, Vec<Box<[u8]>>>,
    /// Rules about commands in lower case, `+get`, `-@write`.
    rules: Vec<Vec<u8>>,
    pub(super) all_keys: bool,
    pub(super) keys: Vec<KeyPattern>,
    pub(super) all_channels: bool,
    pub(super) channels: Vec<Pattern>,
}

impl Selector {
    /// Nothing is allowed, but perhaps all channels.
    pub(super) fn new(all_channels: bool) -> Selector {
        Selector { all_channels, ..Selector::default() }
    }

    /// Whether everything is allowed.
    pub fn is_unlimited(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    pub(super) fn set_all_commands(&mut self, catalogue: &Catalogue, allow: bool) {
        let word = if allow { u64::MAX } else { 0 };
        self.commands = vec![word; catalogue.id_end().div_ceil(64)];
        self.all_commands = allow;
        self.begins_with_all = allow;
        self.first_args.clear();
        self.rules.clear();
    }

    /// A command and its subcommands.
    pub(super) fn set_command(&mut self, catalogue: &Catalogue, id: u16, allow: bool) {
        self.set_bit(id, allow);
        self.first_args.remove(&id);
        catalogue.children(id).iter().for_each(|&child| self.set_bit(child, allow));
    }

    pub(super) fn set_category(&mut self, catalogue: &Catalogue, category: AclCategories, allow: bool) {
        catalogue.of_category(category).for_each(|facts| self.set_command(catalogue, facts.id, allow));
    }

    pub(super) fn allow_first_arg(&mut self, id: u16, word: &[u8]) {
        let words = self.first_args.entry(id).or_default();
        if !words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            words.push(word.into());
        }
    }

    fn set_bit(&mut self, id: u16, allow: bool) {
        let (word, bit) = (usize::from(id) / 64, 1u64 << (id % 64));
        if self.commands.len() <= word {
            self.commands.resize(word + 1, 0);
        }
        if let Some(word) = self.commands.get_mut(word) {
            *word = if allow { *word | bit } else { *word & !bit };
        }
        self.all_commands &= allow;
    }

    /// Whether a command may run, whatever it touches.
    pub(super) fn allows_command(&self, id: u16, is_subcommand: bool, args: &crate::resp::Args<'_>) -> bool {
        if self.all_commands {
            return true;
        }
        let word = self.commands.get(usize::from(id) / 64).copied().unwrap_or(0);
        if word & (1 << (id % 64)) != 0 {
            return true;
        }
        let Some(words) = self.first_args.get(&id) else { return false };
        let first = args.get(if is_subcommand { 2 } else { 1 });
        first.is_some_and(|first| words.iter().any(|word| word.eq_ignore_ascii_case(first)))
    }

    /// Notes the rule `+name` or `-name` in the place of older ones about the same or about its subcommands.
    pub(super) fn note_rule(&mut self, name: &[u8], allow: bool) {
        let name = name.to_ascii_lowercase();
        let is_about_part =
            |rule: &[u8]| rule.strip_prefix(&*name).is_some_and(|rest| rest.starts_with(b"|"));
        self.rules.retain(|rule| {
            let about = rule.get(1..).unwrap_or_default();
            about != name && !is_about_part(about)
        });
        self.rules.push([if allow { &b"+"[..] } else { b"-" }, &name].concat());
    }

    pub(super) fn add_key_pattern(&mut self, pattern: &[u8], permission: Permission) {
        match self.keys.iter_mut().find(|known| known.pattern.as_bytes() == pattern) {
            Some(known) => {
                known.permission.read |= permission.read;
                known.permission.write |= permission.write;
            }
            None => self.keys.push(KeyPattern { pattern: Pattern::new(pattern), permission }),
        }
    }

    pub(super) fn add_channel(&mut self, pattern: &[u8]) {
        if !self.channels.iter().any(|known| known.as_bytes() == pattern) {
            self.channels.push(Pattern::new(pattern));
        }
    }

    /// `-@all +get`: what ACL GETUSER calls commands.
    pub fn describe_commands(&self) -> Vec<u8> {
        let mut text = if self.begins_with_all { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for rule in &self.rules {
            text.push(b' ');
            text.extend_from_slice(rule);
        }
        text
    }

    /// `~a* %R~b*`: what ACL GETUSER calls keys.
    pub fn describe_keys(&self) -> Vec<u8> {
        self.print_keys(b"~*")
    }

    /// `full_star` is how the pattern `%RW~*` is written. Redis writes `~*`; read again that is the rule for all keys, which drops
    /// the patterns before it, bears none behind it, and covers the empty key, which no pattern `*` matches.
    fn print_keys(&self, full_star: &[u8]) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let word = |key: &KeyPattern| match (key.permission.read, key.permission.write) {
            (true, true) if key.pattern.as_bytes() == b"*" => full_star.to_vec(),
            (true, false) => [b"%R~", key.pattern.as_bytes()].concat(),
            (false, true) => [b"%W~", key.pattern.as_bytes()].concat(),
            _ => [b"~", key.pattern.as_bytes()].concat(),
        };
        self.keys.iter().map(word).collect::<Vec<_>>().join(&b' ')
    }

    /// `&a* &b*`: what ACL GETUSER calls channels.
    pub fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let words: Vec<Vec<u8>> =
            self.channels.iter().map(|channel| [b"&", channel.as_bytes()].concat()).collect();
        words.join(&b' ')
    }

    /// The rules that make this selector from an empty one, in the order of ACL LIST.
    pub(super) fn describe(&self, is_for_file: bool) -> Vec<u8> {
        let mut words = vec![self.print_keys(if is_for_file { b"%RW~*" } else { b"~*" })];
        if !self.all_channels {
            words.push(b"resetchannels".to_vec());
        }
        words.push(self.describe_channels());
        words.push(self.describe_commands());
        words.retain(|word| !word.is_empty());
        words.join(&b' ')
    }
}
