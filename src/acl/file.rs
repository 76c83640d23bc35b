//! Users as text: the ACL file, and the `user` lines of a configuration.
//!
//! ```text
//! user alice on sanitize-payload #2d71… ~app:* resetchannels -@all +@read
//! ```
//!
//! One user a line, words parted by single blanks, nothing quoted: names and patterns have no blanks. Either every line is
//! good or nothing is taken from the file; the error then names each bad line, with the words of Redis.

use std::path::Path;

use super::user::Rules;
use super::{Acl, Consequences, User, has_blanks, rule};
use crate::base::words::quote;

/// What is said about a file that can't be read.
pub fn unreadable(path: &Path, error: &std::io::Error) -> String {
    let reason = match error.raw_os_error() {
        // The system's words alone, as everybody else prints them.
        Some(code) => {
            let text = error.to_string();
            text.trim_end_matches(&format!(" (os error {code})")).to_owned()
        }
        None => error.to_string(),
    };
    format!("Error loading ACLs, opening file '{}': {reason}", path.display())
}

/// The users of a text, in its order.
type Wanted = Vec<(Box<[u8]>, Rules)>;

impl Acl {
    /// ACL LOAD: the users of the text of a file in the place of all there are. `path` is only quoted.
    ///
    /// # Errors
    /// One line about everything that is wrong; then nothing has changed.
    pub fn load(&self, path: &Path, text: &[u8]) -> Result<Consequences, Vec<u8>> {
        Ok(self.replace_all(self.parse(path, text)?))
    }

    fn parse(&self, path: &Path, text: &[u8]) -> Result<Wanted, Vec<u8>> {
        let mut wanted = Wanted::new();
        let mut errors = Vec::new();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if !line.is_empty() {
                let place = format!("{}:{}", path.display(), index + 1);
                self.parse_line(line, &place, index + 1, &mut wanted, &mut errors);
            }
        }
        if errors.is_empty() {
            return Ok(wanted);
        }
        errors.extend_from_slice(
            b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
        );
        Err(errors)
    }

    fn parse_line(&self, line: &[u8], place: &str, number: usize, wanted: &mut Wanted, errors: &mut Vec<u8>) {
        let mut complain = |parts: &[&[u8]]| parts.iter().for_each(|part| errors.extend_from_slice(part));
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let [b"user", name, words @ ..] = words.as_slice() else {
            let text = b" should start with user keyword followed by the username. ";
            return complain(&[place.as_bytes(), text]);
        };
        if has_blanks(name) {
            let text = b"' contains invalid characters. ";
            return complain(&[b"'", place.as_bytes(), b": username '", name, text]);
        }
        if wanted.iter().any(|(known, _)| **known == **name) {
            let line = format!("' found on line {number}. ");
            return complain(&[b"WARNING: Duplicate user '", name, line.as_bytes()]);
        }
        let Ok(words) = rule::join_selectors(words) else {
            return complain(&[place.as_bytes(), b": Unmatched parenthesis in selector definition."]);
        };
        let (mut rules, mut has_failed) = (self.grammar().new_rules(), false);
        for word in words {
            let word = word.trim_ascii();
            let Err(error) = self.grammar().apply(&mut rules, word) else { continue };
            let reason = error.to_string();
            if error == rule::RuleError::Unknown {
                // Names of commands are no secrets.
                let text = b": Error in applying operation '";
                complain(&[place.as_bytes(), text, word, b"': ", reason.as_bytes(), b". "]);
            } else if !std::mem::replace(&mut has_failed, true) {
                // What follows may only be wrong because of this.
                complain(&[place.as_bytes(), b": ", reason.as_bytes(), b". "]);
            }
        }
        wanted.push(((*name).into(), rules));
    }

    /// The text that [`Acl::load`] makes the present users of.
    pub fn to_text(&self) -> Vec<u8> {
        self.users().iter().flat_map(|user| [user.file_line(), b"\n".to_vec()].concat()).collect()
    }

    /// A `user` line of a configuration; the words behind `user`. One about `default` replaces the one there is.
    ///
    /// # Errors
    /// One line for the terminal.
    pub fn declare(&self, line: &[Vec<u8>]) -> Result<(), String> {
        let Some((name, words)) = line.split_first() else { return Ok(()) };
        // In one word with its rules it would have the password with it.
        let shown = name.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let failed = |reason: &str| format!("Error in user declaration '{}': {reason}", shown.escape_ascii());
        if has_blanks(name) {
            return Err(failed("Spaces not allowed in ACL usernames"));
        }
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let words = rule::join_selectors(&words).map_err(|_| failed("Wrong format"))?;
        let mut rules = self.grammar().new_rules();
        for word in words {
            self.grammar().apply(&mut rules, &word).map_err(|error| failed(&error.to_string()))?;
        }
        if !rules.is_enabled {
            tracing::info!(
                "The user '{}' is disabled (there is no 'on' modifier in the user description). Make sure this is not a \
                 configuration error.",
                name.escape_ascii()
            );
        }
        self.replace(name, rules);
        Ok(())
    }

    /// What stands behind `user` in the lines that CONFIG REWRITE writes.
    pub fn declarations(&self) -> Vec<String> {
        self.users().iter().map(|user| declaration(user)).collect()
    }
}

/// A configuration line knows quotes, so words that hold some are quoted.
fn declaration(user: &User) -> String {
    let description = user.rules.describe(true);
    let words = std::iter::once(&*user.name).chain(description.split(|byte| *byte == b' '));
    let quoted = words.map(|word| {
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'".contains(byte);
        match std::str::from_utf8(word) {
            Ok(text) if !word.is_empty() && word.iter().all(is_plain) => text.to_owned(),
            _ => quote(word),
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
