//! Listpacks from outside: RDB files, RESTORE payloads, replication.
//!
//! Every entry is looked at. What is damaged is refused; what is sound but not written the way we and Redis write it
//! (a number as text, a wide integer for a small number, a count that isn't told) is written anew, so that the
//! invariant of [`ListPack`] holds.

use super::codec::{Element, Encoded, TERMINATOR, decode_checked};
use super::{COUNT_UNKNOWN, EMPTY, HEADER_BYTES, ListPack, MAX_BYTES, told};
use crate::ds::shared_vec::SharedVec;

/// The bytes are no listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the bytes are not those of a listpack")
    }
}

impl std::error::Error for Corrupt {}

impl ListPack {
    /// A listpack of `bytes`, every one of which is checked.
    ///
    /// # Errors
    /// [`Corrupt`] when lengths, count, entries or terminator are not what they have to be, or beyond 1 GiB.
    pub fn validate(bytes: &[u8]) -> Result<ListPack, Corrupt> {
        let [t0, t1, t2, t3, c0, c1, .., TERMINATOR] = *bytes else { return Err(Corrupt) };
        let total = u32::from_le_bytes([t0, t1, t2, t3]) as usize;
        if total != bytes.len() || total > MAX_BYTES {
            return Err(Corrupt);
        }
        let entries = bytes.get(HEADER_BYTES..total - 1).ok_or(Corrupt)?;
        let (mut rest, mut count, mut is_canonical) = (entries, 0, true);
        while !rest.is_empty() {
            let (element, len) = decode_checked(rest).ok_or(Corrupt)?;
            let (entry, behind) = rest.split_at_checked(len).ok_or(Corrupt)?;
            is_canonical = is_canonical && is_written_as(element, entry);
            (rest, count) = (behind, count + 1);
        }
        match u16::from_le_bytes([c0, c1]) {
            COUNT_UNKNOWN => {}
            claimed if usize::from(claimed) == count => {}
            _ => return Err(Corrupt),
        }
        Ok(match is_canonical {
            true if total == EMPTY.len() => ListPack::new(),
            true if u16::from_le_bytes([c0, c1]) == told(count) => {
                ListPack { bytes: SharedVec::from_slice(bytes) }
            }
            true => ListPack::of_entries(entries, count),
            false => rewritten(entries),
        })
    }
}

/// Whether `entry` is how we would write `element`.
fn is_written_as(element: Element<'_>, entry: &[u8]) -> bool {
    let encoded = canonical(element);
    encoded.len() == entry.len() && encoded.starts(entry)
}

fn canonical(element: Element<'_>) -> Encoded<'_> {
    match element {
        Element::Int(number) => Encoded::from(number),
        // Bytes, not an element: a text may turn out to be a number.
        Element::Text(text) => Encoded::from(text),
    }
}

/// The same elements, each in its one form.
fn rewritten(mut entries: &[u8]) -> ListPack {
    let mut pack = ListPack::new();
    while let Some((element, len)) = decode_checked(entries) {
        pack.push_back(canonical(element));
        entries = entries.get(len..).unwrap_or_default();
    }
    pack
}
