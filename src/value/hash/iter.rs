//! Iterates over the live fields of a hash, whatever its encoding.

use super::{Element, Field, is_live, value_of};
use crate::base::clock::UnixMs;
use crate::ds::listpack::ForwardIter;
use crate::ds::table;

/// Fields and values; fields behind their deadline are passed over.
pub struct Iter<'h> {
    source: Source<'h>,
    now: UnixMs,
}

enum Source<'h> {
    Pairs(ForwardIter<'h>),
    Triples(ForwardIter<'h>),
    Table(table::Iter<'h, Field>),
}

impl<'h> Iter<'h> {
    pub(super) fn packed(elements: ForwardIter<'h>, has_deadlines: bool, now: UnixMs) -> Self {
        let source = if has_deadlines { Source::Triples(elements) } else { Source::Pairs(elements) };
        Self { source, now }
    }

    pub(super) fn table(fields: table::Iter<'h, Field>, now: UnixMs) -> Self {
        Self { source: Source::Table(fields), now }
    }
}

impl<'h> Iterator for Iter<'h> {
    type Item = (Element<'h>, Element<'h>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            Source::Pairs(elements) => Some((elements.next()?, elements.next()?)),
            Source::Triples(elements) => loop {
                let (name, value, deadline) = (elements.next()?, elements.next()?, elements.next()?);
                let deadline = deadline.int().map(i64::unsigned_abs).filter(|&when| when != 0);
                if is_live(deadline, self.now) {
                    return Some((name, value));
                }
            },
            Source::Table(fields) => {
                let field = fields.find(|field| is_live(field.deadline(), self.now))?;
                Some((Element::Text(field.key()), value_of(field)))
            }
        }
    }
}
