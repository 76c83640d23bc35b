//! The language of rules: one word changes one thing of a user.
//!
//! ```text
//! on off nopass resetpass reset        >pw <pw #hash !hash        sanitize-payload skip-sanitize-payload
//! ~keys %R~keys %W~keys allkeys resetkeys        &channels allchannels resetchannels
//! +cmd -cmd +cmd|sub +cmd|first-argument +@category -@category allcommands nocommands
//! ( … ) clearselectors
//! ```
//!
//! Words are those of Redis 8.0, in any case. Two inputs that make Redis write a file it can't read back are refused: a first
//! argument with a blank in it, and a selector whose quotes are not closed.

use thiserror::Error;

use super::catalogue::Catalogue;
use super::has_blanks;
use super::password::{Hash, is_among};
use super::selector::{Permission, Selector};
use super::user::Rules;
use crate::base::words::split_args;
use crate::spec::AclCategories;

/// Why a rule was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RuleError {
    #[error("Unknown command or category name in ACL")]
    Unknown,
    #[error("Syntax error")]
    Syntax,
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. \
         Try 'resetkeys' to start with an empty list of patterns"
    )]
    AfterAllKeys,
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
         effect. Try 'resetchannels' to start with an empty list of channels"
    )]
    AfterAllChannels,
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    BadHash,
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgOfSubcommand,
}

/// What rules are read with.
#[derive(Clone, Copy)]
pub(super) struct Grammar<'g> {
    pub catalogue: &'g Catalogue,
    /// New users and selectors begin with all channels.
    pub all_channels: bool,
}

/// Puts the words of each selector, which a blank may have cut apart, together again. The error is the word with the
/// parenthesis that is never closed.
pub(super) fn join_selectors<'w>(words: &[&'w [u8]]) -> Result<Vec<Vec<u8>>, &'w [u8]> {
    let mut joined: Vec<Vec<u8>> = Vec::with_capacity(words.len());
    let mut open: Option<(&'w [u8], Vec<u8>)> = None;
    for word in words {
        let closes = word.ends_with(b")");
        open = match open {
            None if word.starts_with(b"(") && !closes => Some((*word, word.to_vec())),
            None => {
                joined.push(word.to_vec());
                None
            }
            Some((start, mut text)) => {
                text.push(b' ');
                text.extend_from_slice(word);
                if closes {
                    joined.push(text);
                    None
                } else {
                    Some((start, text))
                }
            }
        };
    }
    open.map_or(Ok(joined), |(start, _)| Err(start))
}

impl Grammar<'_> {
    /// The rules of a new user.
    pub fn new_rules(self) -> Rules {
        let mut rules = Rules::new(self.all_channels);
        rules.root.set_all_commands(self.catalogue, false);
        rules
    }

    /// Applies one rule. An error leaves `rules` as they were.
    pub fn apply(self, rules: &mut Rules, word: &[u8]) -> Result<(), RuleError> {
        match word.to_ascii_lowercase().as_slice() {
            b"" => return Ok(()),
            b"on" => rules.is_enabled = true,
            b"off" => rules.is_enabled = false,
            b"nopass" => rules.set_only_password(None),
            b"resetpass" => {
                rules.no_password = false;
                rules.passwords.clear();
            }
            b"sanitize-payload" => rules.sanitizes_payload = true,
            b"skip-sanitize-payload" => rules.sanitizes_payload = false,
            b"clearselectors" => rules.others.clear(),
            b"reset" => *rules = self.new_rules(),
            _ => return self.apply_word(rules, word),
        }
        Ok(())
    }

    fn apply_word(self, rules: &mut Rules, word: &[u8]) -> Result<(), RuleError> {
        let Some((first, rest)) = word.split_first() else { return Ok(()) };
        match first {
            b'>' => add_password(rules, Hash::of(rest)),
            b'#' => add_password(rules, Hash::from_hex(rest).ok_or(RuleError::BadHash)?),
            b'<' => remove_password(rules, &Hash::of(rest))?,
            b'!' => remove_password(rules, &Hash::from_hex(rest).ok_or(RuleError::BadHash)?)?,
            b'(' if word.len() > 1 && word.ends_with(b")") => rules.others.push(self.selector(rest)?),
            _ => self.apply_to_selector(&mut rules.root, word)?,
        }
        Ok(())
    }

    /// A selector from what stands behind its opening parenthesis.
    fn selector(self, behind: &[u8]) -> Result<Selector, RuleError> {
        let inside = behind.strip_suffix(b")").unwrap_or(behind);
        let mut selector = Selector::new(self.all_channels);
        selector.set_all_commands(self.catalogue, false);
        for word in split_args(inside).map_err(|_| RuleError::Syntax)? {
            self.apply_to_selector(&mut selector, &word)?;
            // In a file a parenthesis at the end of any word ends the selector, and nothing is quoted. Redis takes these words and
            // writes lines that say something else, or nothing that it could read.
            let is_written_whole =
                !word.ends_with(b")") && split_args(&word).is_ok_and(|words| words == [&*word]);
            if !is_written_whole && !word.is_empty() {
                return Err(RuleError::Syntax);
            }
        }
        Ok(selector)
    }

    fn apply_to_selector(self, selector: &mut Selector, word: &[u8]) -> Result<(), RuleError> {
        match word.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"allkeys" | b"~*" => {
                selector.all_keys = true;
                selector.keys.clear();
            }
            b"resetkeys" => {
                selector.all_keys = false;
                selector.keys.clear();
            }
            b"allchannels" | b"&*" => {
                selector.all_channels = true;
                selector.channels.clear();
            }
            b"resetchannels" => {
                selector.all_channels = false;
                selector.channels.clear();
            }
            b"allcommands" | b"+@all" => selector.set_all_commands(self.catalogue, true),
            b"nocommands" | b"-@all" => selector.set_all_commands(self.catalogue, false),
            _ => return self.apply_pattern_or_command(selector, word),
        }
        Ok(())
    }

    fn apply_pattern_or_command(self, selector: &mut Selector, word: &[u8]) -> Result<(), RuleError> {
        match word {
            [b'~' | b'%', ..] => {
                if selector.all_keys {
                    return Err(RuleError::AfterAllKeys);
                }
                let (permission, pattern) = key_pattern(word).ok_or(RuleError::Syntax)?;
                selector.add_key_pattern(pattern, permission);
            }
            [b'&', pattern @ ..] => {
                if selector.all_channels {
                    return Err(RuleError::AfterAllChannels);
                }
                if has_blanks(pattern) {
                    return Err(RuleError::Syntax);
                }
                selector.add_channel(pattern);
            }
            [sign @ (b'+' | b'-'), category @ ..] if category.starts_with(b"@") => {
                let allow = *sign == b'+';
                let found = AclCategories::from_word(category.get(1..).unwrap_or_default());
                selector.set_category(self.catalogue, found.ok_or(RuleError::Unknown)?, allow);
                selector.note_rule(category, allow);
            }
            [b'+', name @ ..] => self.allow(selector, name)?,
            [b'-', name @ ..] => {
                let facts = self.catalogue.find(name).ok_or(RuleError::Unknown)?;
                selector.set_command(self.catalogue, facts.id, false);
                selector.note_rule(name, false);
            }
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    /// `+name`, `+container|subcommand`, or `+name|first-argument` for a command without subcommands.
    fn allow(self, selector: &mut Selector, name: &[u8]) -> Result<(), RuleError> {
        let bar = memchr::memrchr(b'|', name);
        let Some((command, part)) = bar.and_then(|bar| name.get(..bar).zip(name.get(bar + 1..))) else {
            let facts = self.catalogue.find(name).ok_or(RuleError::Unknown)?;
            selector.set_command(self.catalogue, facts.id, true);
            selector.note_rule(name, true);
            return Ok(());
        };
        let facts = self.catalogue.find(command).ok_or(RuleError::Unknown)?;
        if facts.parent.is_some() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if part.is_empty() || has_blanks(part) {
            return Err(RuleError::Syntax);
        }
        if self.catalogue.children(facts.id).is_empty() {
            selector.allow_first_arg(facts.id, part);
        } else {
            let subcommand = self.catalogue.find(name).ok_or(RuleError::Unknown)?;
            selector.set_command(self.catalogue, subcommand.id, true);
        }
        selector.note_rule(name, true);
        Ok(())
    }
}

/// What `~pattern` and `%R~pattern` say; letters in any case and order, none twice. As in Redis the tilde may be
/// missing behind letters, with nothing behind them.
fn key_pattern(word: &[u8]) -> Option<(Permission, &[u8])> {
    let (permission, pattern) = match word {
        [b'~', pattern @ ..] => (Permission::ALL, pattern),
        [b'%', rest @ ..] => {
            let letters = memchr::memchr(b'~', rest).unwrap_or(rest.len());
            let mut permission = Permission::default();
            for letter in rest.get(..letters)? {
                let bit = match letter.to_ascii_uppercase() {
                    b'R' => &mut permission.read,
                    b'W' => &mut permission.write,
                    _ => return None,
                };
                if std::mem::replace(bit, true) {
                    return None;
                }
            }
            (permission, rest.get(letters + 1..).unwrap_or_default())
        }
        _ => return None,
    };
    (permission != Permission::default() && !has_blanks(pattern)).then_some((permission, pattern))
}

fn add_password(rules: &mut Rules, hash: Hash) {
    if !is_among(&hash, &rules.passwords) {
        rules.passwords.push(hash);
    }
    rules.no_password = false;
}

fn remove_password(rules: &mut Rules, hash: &Hash) -> Result<(), RuleError> {
    let before = rules.passwords.len();
    rules.passwords.retain(|known| !known.is(hash));
    if rules.passwords.len() == before { Err(RuleError::NoSuchPassword) } else { Ok(()) }
}
