//! Kinds of values: how words from a file or from CONFIG SET become the one text that is stored.
//!
//! ```text
//! maxmemory 1gb      → "1073741824"        hz 9000        → "500" (clamped, as Redis does)
//! loglevel NOTICE    → "notice"            save 60 1 70 2 → "60 1 70 2"
//! ```
//!
//! Errors are the sentences that Redis answers; clients match on them.

use super::number::{parse_memory, parse_octal};
use super::special::Special;
use crate::base::num::parse_i64;

/// What values an option takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// A number between `min` and `max`; kept between `low` and `high`.
    Integer {
        /// The lowest number accepted.
        min: i64,
        /// The highest number accepted.
        max: i64,
        /// The lowest number kept.
        low: i64,
        /// The highest number kept.
        high: i64,
    },
    /// A size in bytes between `min` and `max`; at least `low` is kept.
    Memory {
        /// The lowest size accepted.
        min: u64,
        /// The highest size accepted.
        max: u64,
        /// The lowest size kept.
        low: u64,
    },
    /// A size or a share of `maxmemory`.
    MemoryOrPercent,
    /// A file mode in octal, up to 777.
    Octal,
    /// One of the names, any case; a name of `same` is stored as its partner.
    Choice {
        /// The names as an error lists them.
        names: &'static [&'static str],
        /// Names that mean another name.
        same: &'static [(&'static str, &'static str)],
    },
    /// UTF-8 text that passes the check.
    Text(fn(&str) -> Result<(), String>),
    /// Any bytes.
    Secret,
    /// Several words, lists, and values that refer to the outside.
    Special(&'static Special),
}

/// What parsing may look at besides the words.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The canonical text at this moment.
    pub value: &'a [u8],
    /// From a file or the command line, not from CONFIG SET.
    pub loading: bool,
    /// While loading: no line has set the option yet.
    pub first: bool,
}

/// A number within a range.
pub const fn int(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max, low: min, high: max }
}

/// A number within a range that is then moved into a narrower one.
pub const fn clamped(min: i64, max: i64, low: i64, high: i64) -> Kind {
    Kind::Integer { min, max, low, high }
}

/// A size from `min` to the biggest signed number.
pub const fn memory(min: u64) -> Kind {
    Kind::Memory { min, max: i64::MAX as u64, low: min }
}

/// A size without a bound.
pub const MEMORY_UNBOUNDED: Kind = Kind::Memory { min: 0, max: u64::MAX, low: 0 };

/// One of the names.
pub const fn choice(names: &'static [&'static str]) -> Kind {
    Kind::Choice { names, same: &[] }
}

/// A TCP port, 0 for none.
pub const PORT: Kind = int(0, 65535);
/// 0 up to the biggest 32-bit number.
pub const COUNT: Kind = int(0, i32::MAX as i64);
/// 0 up to the biggest 64-bit number.
pub const LONG: Kind = int(0, i64::MAX);
/// Any text.
pub const TEXT: Kind = Kind::Text(any);

fn any(_: &str) -> Result<(), String> {
    Ok(())
}

const WRONG_NUMBER: &str = "wrong number of arguments";

impl Kind {
    /// Whether a line may hold several words for it.
    pub fn takes_many(&self) -> bool {
        matches!(self, Kind::Special(special) if special.many)
    }

    /// What CONFIG GET answers for a canonical text.
    pub fn shown(&self, value: &[u8]) -> Vec<u8> {
        match self {
            Kind::Special(Special { shown: Some(shown), .. }) => {
                shown(std::str::from_utf8(value).unwrap_or_default()).into_bytes()
            }
            _ => value.to_vec(),
        }
    }

    /// The canonical text of the words, or the sentence that Redis answers.
    pub fn canonical(&self, words: &[&[u8]], context: Context<'_>) -> Result<Vec<u8>, String> {
        if let Kind::Special(special) = self {
            return (special.parse)(words, context).map(String::into_bytes);
        }
        let &[word] = words else { return Err(WRONG_NUMBER.into()) };
        match self {
            Kind::Secret => Ok(word.to_vec()),
            Kind::Text(check) => {
                let text = std::str::from_utf8(word).map_err(|_| "argument must be valid UTF-8")?;
                check(text).map(|()| word.to_vec())
            }
            _ => self.canonical_scalar(word).map(String::into_bytes),
        }
    }

    fn canonical_scalar(&self, word: &[u8]) -> Result<String, String> {
        match *self {
            Kind::Bool => choose(word, &["yes", "no"]).ok_or_else(|| "argument must be 'yes' or 'no'".into()),
            Kind::Integer { min, max, low, high } => {
                let number = parse_i64(word).ok_or("argument couldn't be parsed into an integer")?;
                in_range(number, min, max)?;
                Ok(number.clamp(low, high).to_string())
            }
            Kind::Memory { min, max, low } => {
                let bytes = parse_memory(word).ok_or("argument must be a memory value")?;
                in_range(bytes, min, max)?;
                Ok(bytes.max(low).to_string())
            }
            Kind::MemoryOrPercent => memory_or_percent(word),
            Kind::Octal => octal(word),
            Kind::Choice { names, same } => {
                let name = choose(word, names).ok_or_else(|| one_of(names))?;
                let partner = same.iter().find(|(other, _)| *other == name);
                Ok(partner.map_or(name, |(_, partner)| (*partner).to_owned()))
            }
            Kind::Text(_) | Kind::Secret | Kind::Special(_) => Err(WRONG_NUMBER.into()),
        }
    }
}

fn choose(word: &[u8], names: &[&str]) -> Option<String> {
    names.iter().find(|name| name.as_bytes().eq_ignore_ascii_case(word)).map(|name| (*name).to_owned())
}

/// The sentence for a word that is none of the names.
pub(crate) fn one_of(names: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", names.join(", "))
}

fn in_range<T: PartialOrd + std::fmt::Display>(number: T, min: T, max: T) -> Result<(), String> {
    if number < min || number > max {
        return Err(format!("argument must be between {min} and {max} inclusive"));
    }
    Ok(())
}

fn memory_or_percent(word: &[u8]) -> Result<String, String> {
    const WRONG: &str = "argument must be a memory or percent value";
    match word.strip_suffix(b"%") {
        None => Ok(parse_memory(word).ok_or(WRONG)?.to_string()),
        Some(digits) => match parse_i64(digits).ok_or(WRONG)? {
            0 => Ok("0".into()),
            percent @ 1..=100 => Ok(format!("{percent}%")),
            101.. => Err("percentage argument must be less or equal to 100".into()),
            _ => Err(WRONG.into()),
        },
    }
}

fn octal(word: &[u8]) -> Result<String, String> {
    let mode = parse_octal(word).ok_or("argument couldn't be parsed as an octal number")?;
    if !(0..=0o777).contains(&mode) {
        return Err("argument must be between 0 and 777 inclusive".into());
    }
    Ok(format!("{mode:o}"))
}
