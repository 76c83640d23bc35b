//! LPOS: where elements stand that equal one.
//!
//! ```text
//! RPUSH l a b c a b     LPOS l b → 1     LPOS l b RANK -1 → 4     LPOS l a COUNT 0 → 0 3     LPOS l b MAXLEN 1 → nil
//! ```

use super::index::{Needle, bounded_int};
use crate::base::num::parse_i64;
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, options};
use crate::resp::Cursor;
use crate::spec::{Arg, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::list::List;

pub const COMMANDS: &[Command] = &[Command::read("lpos", -3, lpos)
    .doc(
        Group::List,
        "6.0.6",
        "Tells the index of elements that equal one.",
        "O(N) in the number of elements looked at: those up to the last match, at most MAXLEN.",
    )
    .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))])
    .args(&[
        Arg::key("key", 0),
        Arg::string("element"),
        Arg::integer("rank").with_token("RANK").optional(),
        Arg::integer("num-matches").with_token("COUNT").optional(),
        Arg::integer("len").with_token("MAXLEN").optional(),
    ])];

/// The options of LPOS.
struct Search {
    /// Which match is the first to be told; negative: from the back.
    rank: i64,
    /// How many; 0: all. `None` tells one, without an array.
    count: Option<usize>,
    /// How many elements to look at.
    max_len: usize,
}

impl Search {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Search, CmdError> {
        const RANK_ZERO: CmdError = CmdError::text(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
             start from the end of the list",
        );
        let mut search = Search { rank: 1, count: None, max_len: usize::MAX };
        while let Some(word) = cursor.next() {
            let value = options::value(cursor)?;
            if word.eq_ignore_ascii_case(b"RANK") {
                search.rank = bounded_int(value)?;
                if search.rank == 0 {
                    return Err(RANK_ZERO);
                }
            } else if word.eq_ignore_ascii_case(b"COUNT") {
                search.count = Some(not_negative(value, "ERR COUNT can't be negative")?);
            } else if word.eq_ignore_ascii_case(b"MAXLEN") {
                search.max_len = match not_negative(value, "ERR MAXLEN can't be negative")? {
                    0 => usize::MAX,
                    max_len => max_len,
                };
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(search)
    }

    /// The indices of the matches, in the order in which they are told.
    fn matches<'l>(&self, list: &'l List, element: &'l [u8]) -> impl Iterator<Item = usize> + 'l {
        let needle = Needle::new(element);
        let (last, backward) = (list.len().saturating_sub(1), self.rank < 0);
        let elements = if backward { list.iter_back_from(last) } else { list.iter_from(0) };
        let skipped = usize::try_from(self.rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
        let most = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        let found = elements.take(self.max_len).enumerate().filter(move |(_, element)| needle.is(*element));
        found.map(move |(step, _)| if backward { last - step } else { step }).skip(skipped).take(most)
    }
}

fn not_negative(value: &[u8], error: &'static str) -> Result<usize, CmdError> {
    parse_i64(value).and_then(|number| usize::try_from(number).ok()).ok_or(CmdError::text(error))
}

fn lpos(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let search = Search::parse(&mut req.args.cursor(3))?;
    let list = cx.value::<List>(req.key(0)?)?;
    let mut matches = list.map(|list| search.matches(list, req.arg(2))).into_iter().flatten();
    Ok(match search.count {
        None => match matches.next() {
            Some(index) => reply.count(index),
            None => reply.null(),
        },
        Some(_) => reply.write(|w| w.array_counted(|w| matches.map(|index| w.count(index)).count())),
    })
}
