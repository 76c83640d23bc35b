//! The options that SET, GETEX and MSETEX share: when to expire, and on what condition to store.
//!
//! Every command takes a subset, and refuses the rest as a syntax error. Repeating a word is allowed, contradicting
//! it is not: `EX 1 EX 2` is the second, `EX 1 PX 2` and `NX XX` are errors. The amount behind EX is only looked at
//! when all words are known to be right, as Redis does; so errors come in the same order.

use crate::base::clock::UnixMs;
use crate::dispatch::CmdError;
use crate::dispatch::options::{TimeUnit, deadline, value};
use crate::keyspace::{EntryMut, Ttl, WrongType};
use crate::resp::Cursor;

/// What happens to the deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Expiry<'a> {
    /// Nothing was said.
    #[default]
    Default,
    /// EX, PX, EXAT, PXAT: unit and amount.
    At(TimeUnit, &'a [u8]),
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Persist,
}

/// When SET stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Condition<'a> {
    #[default]
    Always,
    /// NX.
    Absent,
    /// XX.
    Present,
    /// IFEQ: there is a string, and it is this one.
    Equal(&'a [u8]),
    /// IFNE: there is no string, or another one.
    Different(&'a [u8]),
}

/// What stands behind the value of SET.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SetOptions<'a> {
    pub condition: Condition<'a>,
    pub expiry: Expiry<'a>,
    /// GET.
    pub answers_old: bool,
}

impl<'a> Expiry<'a> {
    /// Takes the next word if it is one of EX, PX, EXAT, PXAT, with its amount. `Ok(false)`: it is not.
    pub fn take_time(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, CmdError> {
        let Some(unit) = cursor.peek().and_then(TimeUnit::from_word) else { return Ok(false) };
        cursor.next();
        let amount = value(cursor)?;
        match *self {
            Expiry::Default => {}
            Expiry::At(earlier, _) if earlier == unit => {}
            _ => return Err(CmdError::Syntax),
        }
        *self = Expiry::At(unit, amount);
        Ok(true)
    }

    /// Takes the next word if it is `word`, which means `this`.
    pub fn take_word(
        &mut self,
        cursor: &mut Cursor<'a>,
        word: &str,
        this: Expiry<'a>,
    ) -> Result<bool, CmdError> {
        if !cursor.take_word(word) {
            return Ok(false);
        }
        if *self != Expiry::Default && *self != this {
            return Err(CmdError::Syntax);
        }
        *self = this;
        Ok(true)
    }

    pub fn unit(&self) -> Option<TimeUnit> {
        match *self {
            Expiry::At(unit, _) => Some(unit),
            _ => None,
        }
    }

    /// What a command that stores does to the deadline.
    ///
    /// # Errors
    /// An amount that is no integer, not positive, or too far away; `command` is named in the error.
    pub fn ttl(&self, now: UnixMs, command: &'static str) -> Result<Ttl, CmdError> {
        match *self {
            Expiry::At(unit, amount) => deadline(amount, unit, now, command).map(Ttl::At),
            Expiry::Keep => Ok(Ttl::Keep),
            Expiry::Default | Expiry::Persist => Ok(Ttl::Clear),
        }
    }
}

impl<'a> Condition<'a> {
    /// Takes NX or XX. `Ok(false)`: the next word is neither.
    pub fn take_existence(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, CmdError> {
        let this = if cursor.take_word("NX") {
            Condition::Absent
        } else if cursor.take_word("XX") {
            Condition::Present
        } else {
            return Ok(false);
        };
        if *self != Condition::Always && *self != this {
            return Err(CmdError::Syntax);
        }
        *self = this;
        Ok(true)
    }

    /// Takes IFEQ or IFNE, which stand alone.
    fn take_comparison(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, CmdError> {
        let this: fn(&'a [u8]) -> Condition<'a> = if cursor.take_word("IFEQ") {
            Condition::Equal
        } else if cursor.take_word("IFNE") {
            Condition::Different
        } else {
            return Ok(false);
        };
        if *self != Condition::Always {
            return Err(CmdError::Syntax);
        }
        *self = this(value(cursor)?);
        Ok(true)
    }

    /// Whether it holds for what is stored now. A comparison wants a string.
    pub fn holds(&self, entry: &EntryMut<'_, '_>) -> Result<bool, WrongType> {
        Ok(match *self {
            Condition::Always => true,
            Condition::Absent => !entry.exists(),
            Condition::Present => entry.exists(),
            Condition::Equal(wanted) => entry.string()?.is_some_and(|string| string.bytes() == wanted),
            Condition::Different(unwanted) => entry.string()?.is_none_or(|string| string.bytes() != unwanted),
        })
    }
}

impl<'a> SetOptions<'a> {
    pub fn parse(cursor: &mut Cursor<'a>) -> Result<SetOptions<'a>, CmdError> {
        let mut options = SetOptions::default();
        while cursor.remaining() > 0 {
            let is_known = options.expiry.take_time(cursor)?
                || options.expiry.take_word(cursor, "KEEPTTL", Expiry::Keep)?
                || options.condition.take_existence(cursor)?
                || options.condition.take_comparison(cursor)?;
            if is_known {
                continue;
            }
            if !cursor.take_word("GET") {
                return Err(CmdError::Syntax);
            }
            options.answers_old = true;
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::OwnedArgs;

    fn parse(words: &str, check: impl FnOnce(Result<SetOptions<'_>, CmdError>)) {
        let args = OwnedArgs::from_slices(words.split_whitespace().map(str::as_bytes));
        check(SetOptions::parse(&mut args.as_args().cursor(0)));
    }

    #[test]
    fn words_in_any_order_and_case() {
        parse("get nx Ex 10", |options| {
            let options = options.unwrap();
            assert_eq!(options.condition, Condition::Absent);
            assert_eq!(options.expiry, Expiry::At(TimeUnit::Seconds, b"10"));
            assert!(options.answers_old);
        });
        parse("ex 1 ex 2 xx xx", |options| {
            assert_eq!(options.unwrap().expiry, Expiry::At(TimeUnit::Seconds, b"2"));
        });
        parse("get get ifeq get", |options| {
            let options = options.unwrap();
            assert_eq!((options.condition, options.answers_old), (Condition::Equal(b"get"), true));
        });
    }

    #[test]
    fn contradictions_are_syntax_errors() {
        for words in [
            "nx xx",
            "ex 1 px 1",
            "ex",
            "keepttl ex 1",
            "persist",
            "ifeq a ifeq a",
            "nx ifne a",
            "ifne",
            "foo",
        ] {
            parse(words, |options| assert_eq!(options, Err(CmdError::Syntax), "{words}"));
        }
    }
}
