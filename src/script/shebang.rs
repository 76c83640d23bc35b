//! The first line of a script, where it begins with `#!`.
//!
//! ```text
//! #!lua flags=no-writes,allow-stale
//! ```
//!
//! A script without one may do everything; one with it says what it asks for.

use crate::base::words::split_args;
use crate::dispatch::CmdError;
use crate::spec::CommandFlags;

/// What a script says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// There is a first line.
    pub is_given: bool,
    pub no_writes: bool,
    pub allow_oom: bool,
    pub allow_stale: bool,
    pub no_cluster: bool,
    pub allow_cross_slot_keys: bool,
}

impl Flags {
    /// What a request that runs such a script does beside what its command does.
    pub fn of_request(self) -> CommandFlags {
        match self {
            Flags { no_writes: true, .. } => CommandFlags::READONLY,
            Flags { allow_oom: true, .. } => CommandFlags::WRITE,
            _ => CommandFlags::WRITE.union(CommandFlags::DENYOOM),
        }
    }

    /// Sets the flag of that name; whether there is one.
    pub fn set(&mut self, name: &[u8]) -> bool {
        match name {
            b"no-writes" => self.no_writes = true,
            b"allow-oom" => self.allow_oom = true,
            b"allow-stale" => self.allow_stale = true,
            b"no-cluster" => self.no_cluster = true,
            b"allow-cross-slot-keys" => self.allow_cross_slot_keys = true,
            _ => return false,
        }
        true
    }

    /// The names of the flags that are set.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        let all = [
            ("no-writes", self.no_writes),
            ("allow-oom", self.allow_oom),
            ("allow-stale", self.allow_stale),
            ("no-cluster", self.no_cluster),
            ("allow-cross-slot-keys", self.allow_cross_slot_keys),
        ];
        all.into_iter().filter_map(|(name, is_set)| is_set.then_some(name))
    }
}

/// Reads the first line; the rest of the script begins with its line feed, so that lines keep their numbers.
///
/// # Errors
/// Another engine than Lua, an unknown option or flag.
pub fn parse(text: &[u8]) -> Result<(Flags, &[u8]), CmdError> {
    const INVALID: CmdError = CmdError::text("ERR Invalid script shebang");
    if !text.starts_with(b"#!") {
        return Ok((Flags::default(), text));
    }
    let end = memchr::memchr(b'\n', text).ok_or(INVALID)?;
    let (line, rest) = text.split_at(end);
    let words = split_args(line).map_err(|_| CmdError::text("ERR Invalid engine in script shebang"))?;
    let (engine, options) = words.split_first().ok_or(INVALID)?;
    if engine != b"#!lua" {
        return Err(CmdError::quoting("ERR Unexpected engine in script shebang: ", engine, ""));
    }
    let mut flags = Flags { is_given: true, ..Flags::default() };
    for word in options {
        let Some(list) = word.strip_prefix(b"flags=") else {
            return Err(CmdError::quoting("ERR Unknown lua shebang option: ", word, ""));
        };
        for flag in list.split(|byte| *byte == b',').filter(|_| !list.is_empty()) {
            if !flags.set(flag) {
                return Err(CmdError::quoting("ERR Unexpected flag in script shebang: ", flag, ""));
            }
        }
    }
    Ok((flags, rest))
}

#[cfg(test)]
mod tests {
    use super::{Flags, parse};

    #[test]
    fn the_first_line_says_what_is_asked_for() {
        assert_eq!(parse(b"return 1").unwrap(), (Flags::default(), b"return 1".as_slice()));
        let (flags, rest) = parse(b"#!lua flags=no-writes,allow-oom\nreturn 1").unwrap();
        assert!(flags.is_given && flags.no_writes && flags.allow_oom && !flags.allow_stale);
        assert_eq!(rest, b"\nreturn 1");
        assert_eq!(parse(b"#!lua flags=\n").unwrap().0, Flags { is_given: true, ..Flags::default() });
        for bad in [&b"#!lua"[..], b"#!python\n", b"#!lua name=x\n", b"#!lua flags=x\n"] {
            assert!(parse(bad).is_err());
        }
    }
}
