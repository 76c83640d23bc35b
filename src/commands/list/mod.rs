//! Lists: pushing and popping at the ends, elements by index, by value, and moves between lists.
//!
//! What a list is and when it changes its form is told in [`crate::value::list`]; the commands here read arguments,
//! keep Redis's order of checks, and call [`List::grow`](crate::value::list::List::grow) before and
//! [`shrink`](crate::value::list::List::shrink) after.

pub mod blocking;
pub mod index;
pub mod moves;
pub mod multi;
pub mod pop;
pub mod pos;
pub mod push;
pub mod range;

use crate::config::Config;
use crate::ds::listpack::Element;
use crate::resp::Writer;
use crate::value::list::{End, Limits};

/// The thresholds of lists as they are configured.
#[inline]
pub(super) fn limits(config: &Config) -> Limits {
    Limits { max_listpack_size: config.list_max_listpack_size }
}

/// An index that may count from the back; `None` when it lies outside.
fn index_in(index: i64, len: usize) -> Option<usize> {
    let from_front = if index < 0 { index.checked_add(len as i64)? } else { index };
    usize::try_from(from_front).ok().filter(|&index| index < len)
}

/// Start and length of the part from `start` to `stop`, both included, that may count from the back.
fn range_in(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let from_front = |index: i64| if index < 0 { index.saturating_add(len).max(0) } else { index };
    // A stop before the first element is not the first.
    if stop < -len {
        return (0, 0);
    }
    let (start, stop) = (from_front(start), from_front(stop).min(len - 1));
    if start > stop { (0, 0) } else { (start as usize, (stop - start + 1) as usize) }
}

/// LEFT or RIGHT.
fn end_of(word: &[u8]) -> Option<End> {
    match word {
        _ if word.eq_ignore_ascii_case(b"LEFT") => Some(End::Front),
        _ if word.eq_ignore_ascii_case(b"RIGHT") => Some(End::Back),
        _ => None,
    }
}

#[inline]
fn write_element(w: &mut Writer<'_>, element: Element<'_>) {
    match element {
        Element::Text(text) => w.bulk(text),
        Element::Int(number) => w.bulk_int(number),
    }
}

#[cfg(test)]
mod tests {
    use super::{index_in, range_in};

    #[test]
    fn indices_count_from_both_ends() {
        for (index, found) in
            [(0, Some(0)), (4, Some(4)), (5, None), (-1, Some(4)), (-5, Some(0)), (-6, None)]
        {
            assert_eq!(index_in(index, 5), found, "{index}");
        }
        assert_eq!((index_in(i64::MIN, 5), index_in(i64::MAX, 5)), (None, None));
    }

    #[test]
    fn ranges_are_cut_to_the_list() {
        for (start, stop, range) in [
            (0, -1, (0, 5)),
            (1, 3, (1, 3)),
            (-2, -1, (3, 2)),
            (-9, 0, (0, 1)),
            (-9, -6, (0, 0)),
            (-9, -5, (0, 1)),
            (5, 9, (0, 0)),
            (3, 1, (0, 0)),
            (2, 99, (2, 3)),
            (i64::MIN, i64::MAX, (0, 5)),
        ] {
            assert_eq!(range_in(start, stop, 5), range, "{start} {stop}");
        }
    }
}
