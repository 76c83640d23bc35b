//! The options that XADD and XTRIM share: what to cut off, and where XADD's id stands.
//!
//! ```text
//! XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value …
//! XTRIM key              MAXLEN|MINID [=|~] threshold [LIMIT count]
//! ```
//!
//! `~` cuts whole blocks only, and at most LIMIT entries: by default as many as a hundred full blocks hold.

use super::{INVALID_ID, stream_id};
use crate::config::Config;
use crate::dispatch::CmdError;
use crate::dispatch::options::int;
use crate::resp::Args;
use crate::value::stream::log::Keep;
use crate::value::stream::{Sequence, StreamId, Trim};

/// Which id an entry is to get.
#[derive(Clone, Copy)]
pub(super) enum NewId {
    /// `*`.
    Next,
    /// As given, or the next one of that millisecond.
    At(u64, Sequence),
}

pub(super) struct Options {
    pub trim: Option<Trim>,
    pub no_mkstream: bool,
    /// XADD's id and the position of its argument; `None` when there is no such argument, and for XTRIM.
    pub id: Option<(NewId, usize)>,
}

#[derive(Default)]
struct Parsed {
    keep: Option<Keep>,
    is_approximate: bool,
    limit: Option<u64>,
    no_mkstream: bool,
}

impl Options {
    pub fn parse(args: &Args<'_>, is_add: bool, config: &Config) -> Result<Options, CmdError> {
        if is_add && args.get(2) == Some(b"*") {
            // As nearly all are.
            return Ok(Options { trim: None, no_mkstream: false, id: Some((NewId::Next, 2)) });
        }
        let mut parsed = Parsed::default();
        let (mut at, mut id) = (2, None);
        while let Some(word) = args.get(at) {
            let has_more = at + 1 < args.len();
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is_add && word == b"*" {
                id = Some((NewId::Next, at));
                break;
            } else if (is("maxlen") || is("minid")) && has_more {
                at = parsed.strategy(args, at, is("maxlen"))?;
            } else if is("limit") && has_more {
                at += 1;
                parsed.limit(args.at(at))?;
            } else if is_add && is("nomkstream") {
                parsed.no_mkstream = true;
            } else if is_add {
                let (ms, sequence) = StreamId::parse_parts(word).ok_or(INVALID_ID)?;
                id = Some((NewId::At(ms, sequence), at));
                break;
            } else {
                return Err(CmdError::Syntax);
            }
            at += 1;
        }
        Ok(Options { trim: parsed.trim(is_add, config)?, no_mkstream: parsed.no_mkstream, id })
    }
}

impl Parsed {
    /// Reads what follows MAXLEN or MINID at `at`; the position of its last word.
    fn strategy(&mut self, args: &Args<'_>, at: usize, is_len: bool) -> Result<usize, CmdError> {
        const BOTH: CmdError =
            CmdError::text("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
        const NEGATIVE: CmdError = CmdError::text("ERR The MAXLEN argument must be >= 0.");
        if self.keep.is_some() {
            return Err(BOTH);
        }
        let has_operator = at + 2 < args.len() && matches!(args.at(at + 1), b"~" | b"=");
        self.is_approximate = has_operator && args.at(at + 1) == b"~";
        let at = at + 1 + usize::from(has_operator);
        self.keep = Some(match is_len {
            true => Keep::Len(u64::try_from(int(args.at(at))?).map_err(|_| NEGATIVE)?),
            false => Keep::From(stream_id(args.at(at))?),
        });
        Ok(at)
    }

    fn limit(&mut self, arg: &[u8]) -> Result<(), CmdError> {
        const NEGATIVE: CmdError = CmdError::text("ERR The LIMIT argument must be >= 0.");
        self.limit = Some(u64::try_from(int(arg)?).map_err(|_| NEGATIVE)?);
        Ok(())
    }

    fn trim(&self, is_add: bool, config: &Config) -> Result<Option<Trim>, CmdError> {
        const NO_STRATEGY: CmdError =
            CmdError::text("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
        const NOTHING: CmdError =
            CmdError::text("ERR syntax error, XTRIM must be called with a trimming strategy");
        const EXACT: CmdError =
            CmdError::text("ERR syntax error, LIMIT cannot be used without the special ~ option");
        let is_limited = self.limit.is_some_and(|limit| limit > 0);
        let Some(keep) = self.keep else {
            return match (is_limited, is_add) {
                (true, _) => Err(NO_STRATEGY),
                (false, false) => Err(NOTHING),
                (false, true) if self.limit.is_some() => Err(EXACT),
                (false, true) => Ok(None),
            };
        };
        if self.limit.is_some() && !self.is_approximate {
            return Err(EXACT);
        }
        let limit = match self.limit {
            Some(limit) => limit,
            None if self.is_approximate => default_limit(config),
            None => 0,
        };
        Ok(Some(Trim { keep, is_approximate: self.is_approximate, limit }))
    }
}

/// Entries that an approximate trim removes at most.
fn default_limit(config: &Config) -> u64 {
    const WITHOUT_BLOCK_SIZE: u64 = 10_000;
    const MAX: u64 = 1_000_000;
    match config.stream_node_max_entries.saturating_mul(100) {
        0 => WITHOUT_BLOCK_SIZE,
        entries => entries.min(MAX),
    }
}
