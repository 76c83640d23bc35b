//! The manifest: which files, in which order, are the append-only file.
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b      at most one: everything up to a moment
//! file appendonly.aof.1.incr.aof seq 1 type h      history: not needed any more, about to be removed
//! file appendonly.aof.2.incr.aof seq 2 type i      what came after, in order of their numbers
//! ```
//!
//! Redis's format and rules: words as in a configuration file, `#` comments, unknown words ignored, names without folders, numbers of
//! increments rising. It is replaced as a whole, so a crash finds the old or the new one.

use crate::base::words::split_args;

/// Longest manifest that is read: a thousand times what a server in trouble writes.
pub const MANIFEST_MAX_BYTES: u64 = 16 << 20;
/// Longest line, with its end.
const LINE_MAX_BYTES: usize = 1024;

/// What a file of the manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Base,
    History,
    Incremental,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub sequence: u64,
    pub role: Role,
    /// Redis 8 notes where in the replication stream an increment begins and ends; kept as read.
    pub offsets: [Option<i64>; 2],
}

/// See the module's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub base: Option<Part>,
    pub history: Vec<Part>,
    pub increments: Vec<Part>,
}

/// Why a manifest can't be used; the line is counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, line {line}{}", if text.is_empty() { String::new() } else { format!(": '{text}'") })]
pub struct ManifestError {
    pub problem: &'static str,
    pub line: usize,
    pub text: String,
}

impl Part {
    pub fn new(name: String, sequence: u64, role: Role) -> Part {
        Part { name, sequence, role, offsets: [None; 2] }
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When a line is not as described in the module's head.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        let fail = |problem, line, text: &[u8]| {
            Err(ManifestError { problem, line, text: text.escape_ascii().to_string() })
        };
        let mut manifest = Manifest::default();
        if bytes.is_empty() {
            return fail("Found an empty AOF manifest", 1, b"");
        }
        for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let number = index + 1;
            let Some(line) = line.strip_suffix(b"\n").filter(|line| line.len() < LINE_MAX_BYTES) else {
                return fail("The AOF manifest file contains too long line", number, b"");
            };
            if line.starts_with(b"#") {
                continue;
            }
            let shown = line.trim_ascii();
            let part = match parse_line(shown) {
                Ok(part) => part,
                Err(problem) => return fail(problem, number, shown),
            };
            match part.role {
                Role::Base if manifest.base.is_some() => {
                    return fail("Found duplicate base file information", number, shown);
                }
                Role::Base => manifest.base = Some(part),
                Role::History => manifest.history.push(part),
                Role::Incremental => {
                    if manifest.increments.last().is_some_and(|last| last.sequence >= part.sequence) {
                        return fail("Found a non-monotonic sequence number", number, shown);
                    }
                    manifest.increments.push(part);
                }
            }
        }
        Ok(manifest)
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in self.base.iter().chain(&self.history).chain(&self.increments) {
            let role = match part.role {
                Role::Base => 'b',
                Role::History => 'h',
                Role::Incremental => 'i',
            };
            let name = if part.name.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(&byte)) {
                part.name.clone()
            } else {
                format!("\"{}\"", part.name.escape_default())
            };
            text.push_str(&format!("file {name} seq {} type {role}", part.sequence));
            for (word, offset) in ["startoffset", "endoffset"].into_iter().zip(part.offsets) {
                if let Some(offset) = offset {
                    text.push_str(&format!(" {word} {offset}"));
                }
            }
            text.push('\n');
        }
        text
    }

    /// Base and increments, in the order in which they are loaded.
    pub fn files(&self) -> impl DoubleEndedIterator<Item = &Part> {
        self.base.iter().chain(&self.increments)
    }

    /// The number of the next base.
    pub fn next_base(&self) -> u64 {
        let history = self.history.iter().map(|part| part.sequence);
        self.base.iter().map(|part| part.sequence).chain(history).max().unwrap_or(0) + 1
    }

    /// The number of the next increment.
    pub fn next_increment(&self) -> u64 {
        let history = self.history.iter().map(|part| part.sequence);
        self.increments.iter().map(|part| part.sequence).chain(history).max().unwrap_or(0) + 1
    }

    /// Puts a base in the place of the present one and of all increments before number `first`.
    pub fn supersede(&mut self, base: Part, first: u64) {
        let (kept, old) = std::mem::take(&mut self.increments)
            .into_iter()
            .partition::<Vec<_>, _>(|part| part.sequence >= first);
        let old = self.base.take().into_iter().chain(old);
        self.history.extend(old.map(|part| Part { role: Role::History, ..part }));
        self.increments = kept;
        self.base = Some(base);
    }
}

const BAD_LINE: &str = "Invalid AOF manifest file format";

/// The words of a line, or what is wrong with them.
fn parse_line(line: &[u8]) -> Result<Part, &'static str> {
    let words = split_args(line).map_err(|_| BAD_LINE)?;
    // Three pairs at least.
    let (pairs, []) = words.as_chunks::<2>() else { return Err(BAD_LINE) };
    let (mut name, mut sequence, mut role, mut offsets) = (None, None, None, [None; 2]);
    for [key, value] in pairs {
        let value = std::str::from_utf8(value).map_err(|_| BAD_LINE)?;
        match key.to_ascii_lowercase().as_slice() {
            b"file" if !value.contains(['/', '\\']) && value != ".." && value != "." => {
                name = Some(value.to_owned());
            }
            b"file" => return Err(BAD_LINE),
            b"seq" => sequence = Some(value.parse().map_err(|_| BAD_LINE)?),
            b"type" => {
                role = Some(match value {
                    "b" => Role::Base,
                    "h" => Role::History,
                    "i" => Role::Incremental,
                    _ => return Err("Unknown AOF file type"),
                });
            }
            b"startoffset" => offsets[0] = value.parse().ok(),
            b"endoffset" => offsets[1] = value.parse().ok(),
            _ => {}
        }
    }
    let sequence = sequence.filter(|&sequence: &u64| sequence > 0).ok_or(BAD_LINE)?;
    Ok(Part { name: name.ok_or(BAD_LINE)?, sequence, role: role.ok_or(BAD_LINE)?, offsets })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type h\nfile a.2.incr.aof seq 2 type i \
                        startoffset 14\nfile \"a b.3.incr.aof\" seq 3 type i\n";

    #[test]
    fn what_is_written_is_read() {
        let manifest = Manifest::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(manifest.text(), TEXT);
        assert_eq!((manifest.next_base(), manifest.next_increment()), (2, 4));
        assert_eq!(manifest.files().map(|part| part.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn what_redis_takes_and_refuses() {
        let parse = |text: &str| Manifest::parse(text.as_bytes());
        assert!(parse("# comment\n  FILE x   type i seq 1 other y  \n").is_ok());
        for (text, problem, line) in [
            ("", "Found an empty AOF manifest", 1),
            ("file x seq 1 type b", "The AOF manifest file contains too long line", 1),
            ("file x seq 1 type b\n\n", "Invalid AOF manifest file format", 2),
            ("file x seq 1 type x\n", "Unknown AOF file type", 1),
            ("file ../x seq 1 type b\n", "Invalid AOF manifest file format", 1),
            ("file x seq 0 type b\n", "Invalid AOF manifest file format", 1),
            ("file x seq 1\n", "Invalid AOF manifest file format", 1),
            ("file x seq 1 type b\nfile y seq 2 type b\n", "Found duplicate base file information", 2),
            ("file x seq 2 type i\nfile y seq 2 type i\n", "Found a non-monotonic sequence number", 2),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.problem, error.line), (problem, line), "{text}");
        }
        assert!(parse(&format!("#{}\n", "x".repeat(2000))).is_err());
    }

    #[test]
    fn a_new_base_makes_history_of_what_it_replaces() {
        let mut manifest = Manifest::parse(TEXT.as_bytes()).unwrap();
        manifest.supersede(Part::new("a.2.base.aof".into(), 2, Role::Base), 3);
        assert_eq!(
            manifest.text(),
            "file a.2.base.aof seq 2 type b\nfile a.1.incr.aof seq 1 type h\nfile a.1.base.rdb seq 1 type h\n\
             file a.2.incr.aof seq 2 type h startoffset 14\nfile \"a b.3.incr.aof\" seq 3 type i\n"
        );
    }
}
