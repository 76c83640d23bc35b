//! What SCAN, SSCAN, HSCAN and ZSCAN share: cursor, options, and the shape of a page.
//!
//! ```text
//! SCAN cursor [MATCH pattern] [COUNT n] [TYPE type]     HSCAN key cursor [MATCH pattern] [COUNT n] [NOVALUES]
//! ```
//!
//! COUNT is how much work one call does: elements looked at, whether they match or not. Words may be repeated, the
//! last one counts.

use crate::base::glob::Pattern;
use crate::base::num::parse_u64;
use crate::dispatch::options::{int_value, value};
use crate::dispatch::{CmdError, Replied, ReplySlot};
use crate::resp::{Cursor, OwnedArgs};
use crate::value::Kind;

/// What is scanned: it decides which words are allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ScanOf {
    Keys,
    Hash,
    /// A set or a sorted set.
    Members,
}

/// What the call looks for.
pub struct ScanOptions {
    pattern: Option<Pattern>,
    /// Elements to look at, about; 1 at least.
    pub count: usize,
    pub kind: KindFilter,
    /// NOVALUES: the fields of a hash alone.
    pub no_values: bool,
}

/// TYPE.
pub enum KindFilter {
    Any,
    Only(Kind),
    /// A type that we don't know: no key has it.
    Unknown,
}

impl KindFilter {
    pub fn includes(&self, kind: Kind) -> bool {
        match self {
            KindFilter::Any => true,
            KindFilter::Only(wanted) => *wanted == kind,
            KindFilter::Unknown => false,
        }
    }
}

/// The cursor argument.
pub fn cursor_of(arg: &[u8]) -> Result<u64, CmdError> {
    parse_u64(arg).ok_or(CmdError::InvalidCursor)
}

impl ScanOptions {
    pub fn parse(cursor: &mut Cursor<'_>, of: ScanOf) -> Result<ScanOptions, CmdError> {
        const COUNT_DEFAULT: usize = 10;
        const NO_VALUES: CmdError = CmdError::text("ERR NOVALUES option can only be used in HSCAN");
        let mut options =
            ScanOptions { pattern: None, count: COUNT_DEFAULT, kind: KindFilter::Any, no_values: false };
        while cursor.remaining() > 0 {
            if cursor.take_word("COUNT") {
                let count = int_value(cursor)?;
                options.count =
                    usize::try_from(count).ok().filter(|&count| count > 0).ok_or(CmdError::Syntax)?;
            } else if cursor.take_word("MATCH") {
                options.pattern =
                    Some(Pattern::new(value(cursor)?)).filter(|pattern| !pattern.matches_everything());
            } else if of == ScanOf::Keys && cursor.take_word("TYPE") {
                options.kind = Kind::from_word(value(cursor)?).map_or(KindFilter::Unknown, KindFilter::Only);
            } else if cursor.take_word("NOVALUES") {
                if of != ScanOf::Hash {
                    return Err(NO_VALUES);
                }
                options.no_values = true;
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }

    pub fn is_match(&self, name: &[u8]) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
    }
}

/// What a call found. The cursor stands before the elements in the reply, so they are collected first.
#[derive(Default)]
pub struct Page {
    /// The cursor of the next call, 0 at the end.
    pub next: u64,
    pub elements: OwnedArgs,
}

impl Page {
    pub fn reply(&self, reply: ReplySlot<'_>) -> Replied {
        reply.write(|writer| {
            writer.array(2);
            writer.bulk(itoa::Buffer::new().format(self.next).as_bytes());
            let elements = self.elements.as_args();
            writer.array(elements.len());
            elements.iter().for_each(|element| writer.bulk(element));
        })
    }
}
