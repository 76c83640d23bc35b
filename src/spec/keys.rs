//! Where the keys of a request stand, and the one walker that finds them.
//!
//! A [`KeySpec`] has two halves: where to begin, and how to go on from there.
//!
//! ```text
//! GET  k                       begin at 1, range last=0 step=1            → [1]
//! MSET k v k v                 begin at 1, range last=-1 step=2           → [1, 3]
//! ZUNION 2 a b WEIGHTS 1 2     begin at 1, count at +0, keys from +1      → [2, 3]
//! XREAD STREAMS a b 0 0        begin behind STREAMS, first half of rest   → [a, b]
//! ```
//!
//! Locks, ACL checks, cluster routes, COMMAND GETKEYS and handlers all use [`walk`], so they can't
//! disagree.

use super::flags::bit_set;
use crate::base::num::parse_i64;
use crate::resp::Args;

bit_set! {
    /// What a command does with a key, in the words of COMMAND INFO.
    KeyFlags(u16) {
        RO = 0 => "RO",
        RW = 1 => "RW",
        OW = 2 => "OW",
        RM = 3 => "RM",
        /// Returns or otherwise uses the value.
        ACCESS = 4 => "access",
        UPDATE = 5 => "update",
        INSERT = 6 => "insert",
        DELETE = 7 => "delete",
        NOT_KEY = 8 => "not_key",
        /// The spec may miss keys; the command has its own walker.
        INCOMPLETE = 9 => "incomplete",
        /// The flags depend on the options given.
        VARIABLE = 10 => "variable_flags",
    }
}

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginSearch {
    Index(usize),
    /// Behind this word, looked for from `start_from` on (backwards from the end when negative).
    Keyword {
        word: &'static str,
        start_from: i32,
    },
    Unknown,
}

/// How the keys follow from where the search began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindKeys {
    /// Every `step`-th argument up to `last`: relative to the beginning, or from the end when negative
    /// (-1 is the last argument). `limit` n > 1 with `last` -1 takes only 1/n of the rest.
    Range {
        last: i32,
        step: usize,
        limit: usize,
    },
    /// The argument at `count` (relative) tells how many keys there are, the first stands at `first`.
    Count {
        count: usize,
        first: usize,
        step: usize,
    },
    Unknown,
}

/// One rule for finding keys.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    pub begin: BeginSearch,
    pub find: FindKeys,
    pub flags: KeyFlags,
    pub notes: &'static str,
}

impl KeySpec {
    /// One key at `index`.
    pub const fn one(index: usize, flags: KeyFlags) -> Self {
        Self::range(index, 0, 1, flags)
    }

    /// Keys from `index` to `last` (as in [`FindKeys::Range`]), every `step`-th argument.
    pub const fn range(index: usize, last: i32, step: usize, flags: KeyFlags) -> Self {
        KeySpec {
            begin: BeginSearch::Index(index),
            find: FindKeys::Range { last, step, limit: 0 },
            flags,
            notes: "",
        }
    }

    /// A count at `index`, followed by that many keys.
    pub const fn counted(index: usize, flags: KeyFlags) -> Self {
        KeySpec {
            begin: BeginSearch::Index(index),
            find: FindKeys::Count { count: 0, first: 1, step: 1 },
            flags,
            notes: "",
        }
    }

    pub const fn notes(mut self, notes: &'static str) -> Self {
        self.notes = notes;
        self
    }
}

/// The request announces keys that it does not have.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidKeys;

/// Calls `visit` with the position of every key of the request, spec after spec.
///
/// A request whose options are malformed may end early without an error: the handler will refuse it.
pub fn walk(
    specs: &[KeySpec],
    args: &Args<'_>,
    mut visit: impl FnMut(usize, KeyFlags),
) -> Result<(), InvalidKeys> {
    for spec in specs {
        if spec.flags.contains(KeyFlags::NOT_KEY) {
            continue;
        }
        let Some(begin) = begin_of(spec.begin, args) else { continue };
        walk_from(spec.find, begin, args, |position| visit(position, spec.flags))?;
    }
    Ok(())
}

fn begin_of(begin: BeginSearch, args: &Args<'_>) -> Option<usize> {
    match begin {
        BeginSearch::Index(index) => Some(index),
        BeginSearch::Unknown => None,
        BeginSearch::Keyword { word, start_from } => {
            let is_word = |&index: &usize| args.at(index).eq_ignore_ascii_case(word.as_bytes());
            // The word must have something behind it, as Redis wants it.
            let end = args.len().saturating_sub(1);
            let found = if start_from >= 0 {
                (start_from as usize..end).find(is_word)
            } else {
                let last = args.len().checked_sub(start_from.unsigned_abs() as usize)?;
                (1..=last).rev().find(is_word)
            };
            found.map(|index| index + 1)
        }
    }
}

fn walk_from(
    find: FindKeys,
    begin: usize,
    args: &Args<'_>,
    mut visit: impl FnMut(usize),
) -> Result<(), InvalidKeys> {
    let (first, last, step) = match find {
        FindKeys::Unknown => return Ok(()),
        FindKeys::Range { last, step, limit } => {
            let last = match usize::try_from(last) {
                Ok(offset) => begin + offset,
                Err(_) if limit > 1 => {
                    // XREAD: the first 1/limit of what is left are keys.
                    let rest = args.len().saturating_sub(begin);
                    (begin + rest / limit).checked_sub(1).ok_or(InvalidKeys)?
                }
                Err(_) => args.len().checked_sub(last.unsigned_abs() as usize).ok_or(InvalidKeys)?,
            };
            (begin, last, step)
        }
        FindKeys::Count { count, first, step } => {
            let announced = args.get(begin + count).and_then(parse_i64).ok_or(InvalidKeys)?;
            let announced = usize::try_from(announced).map_err(|_| InvalidKeys)?;
            if announced == 0 {
                return Ok(());
            }
            let first = begin + first;
            let span = (announced - 1).checked_mul(step).ok_or(InvalidKeys)?;
            (first, first.checked_add(span).ok_or(InvalidKeys)?, step)
        }
    };
    if last >= args.len() {
        return Err(InvalidKeys);
    }
    let mut position = first;
    while position <= last {
        visit(position);
        position += step.max(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::OwnedArgs;

    fn positions(spec: KeySpec, line: &str) -> Result<Vec<usize>, InvalidKeys> {
        let owned = OwnedArgs::from_slices(line.split(' ').map(str::as_bytes));
        let mut found = Vec::new();
        walk(&[spec], &owned.as_args(), |position, _| found.push(position))?;
        Ok(found)
    }

    #[test]
    fn every_form_of_spec() {
        let ro = KeyFlags::RO;
        assert_eq!(positions(KeySpec::one(1, ro), "get k"), Ok(vec![1]));
        assert_eq!(positions(KeySpec::range(1, -1, 2, ro), "mset a 1 b 2"), Ok(vec![1, 3]));
        assert_eq!(positions(KeySpec::range(1, 1, 1, ro), "rename a b"), Ok(vec![1, 2]));
        assert_eq!(positions(KeySpec::counted(1, ro), "zunion 2 a b weights 1 2"), Ok(vec![2, 3]));
        assert_eq!(positions(KeySpec::counted(1, ro), "zunion 3 a b"), Err(InvalidKeys));
        assert_eq!(positions(KeySpec::counted(1, ro), "zunion x a b"), Err(InvalidKeys));
        assert_eq!(positions(KeySpec::counted(1, ro), "zunion 9223372036854775807 a"), Err(InvalidKeys));
        let streams = KeySpec {
            begin: BeginSearch::Keyword { word: "STREAMS", start_from: 1 },
            find: FindKeys::Range { last: -1, step: 1, limit: 2 },
            flags: ro,
            notes: "",
        };
        assert_eq!(positions(streams, "xread count 2 streams a b 0 0"), Ok(vec![4, 5]));
    }
}
