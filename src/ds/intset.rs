//! Intset: a sorted set of integers in one run of bytes, in the format of Redis.
//!
//! ```text
//! width u32 (2, 4 or 8), number of members u32, members ascending           all little-endian
//!
//! {1, 2, 300}  =  02 00 00 00  03 00 00 00  01 00  02 00  2c 01
//! ```
//!
//! Every member takes `width` bytes, as many as the widest that was ever inserted needed: a set grows wider but never
//! narrower again. Members are found by binary search; inserting and removing moves what is behind.
//!
//! A clone costs nothing and shares the bytes until one of the two is changed. A set that never had a member owns no
//! memory.
//!
//! **Invariant:** the bytes are such a set, strictly ascending. Bytes from outside get in through
//! [`IntSet::validate`] only.

use super::shared_vec::SharedVec;

/// Bytes before the first member.
const HEADER_BYTES: usize = 8;
const EMPTY: [u8; HEADER_BYTES] = [2, 0, 0, 0, 0, 0, 0, 0];

/// A set of integers; see the module.
#[derive(Clone, Default)]
pub struct IntSet {
    /// Empty as long as there never was a member.
    bytes: SharedVec<u8>,
}

/// The bytes are no intset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the bytes are not those of an intset")
    }
}

impl std::error::Error for Corrupt {}

/// Bytes that a member takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Width {
    #[inline]
    fn of(number: i64) -> Width {
        match number {
            -0x8000..=0x7FFF => Width::Two,
            -0x8000_0000..=0x7FFF_FFFF => Width::Four,
            _ => Width::Eight,
        }
    }

    fn from_bytes(bytes: usize) -> Option<Width> {
        [Width::Two, Width::Four, Width::Eight].into_iter().find(|width| *width as usize == bytes)
    }

    /// The number with that index among `members`.
    #[inline]
    fn read(self, members: &[u8], index: usize) -> i64 {
        let at = index * self as usize;
        let mut number = [0; 8];
        match self {
            Width::Two => return i64::from(i16::from_le_bytes([members[at], members[at + 1]])),
            Width::Four => {
                let mut number = [0; 4];
                number.copy_from_slice(&members[at..at + 4]);
                return i64::from(i32::from_le_bytes(number));
            }
            Width::Eight => number.copy_from_slice(&members[at..at + 8]),
        }
        i64::from_le_bytes(number)
    }

    #[inline]
    fn write(self, number: i64, place: &mut [u8]) {
        place.copy_from_slice(&number.to_le_bytes()[..self as usize]);
    }
}

impl IntSet {
    pub fn new() -> IntSet {
        IntSet { bytes: SharedVec::new() }
    }

    /// A set of `bytes`, every one of which is checked.
    ///
    /// # Errors
    /// [`Corrupt`] when width, number of members or their order are not what they have to be.
    pub fn validate(bytes: &[u8]) -> Result<IntSet, Corrupt> {
        let (header, members) = bytes.split_at_checked(HEADER_BYTES).ok_or(Corrupt)?;
        let field = |at: usize| {
            header
                .get(at..at + 4)?
                .iter()
                .rev()
                .try_fold(0usize, |sum, &byte| Some(sum << 8 | usize::from(byte)))
        };
        let width = field(0).and_then(Width::from_bytes).ok_or(Corrupt)?;
        let len = field(4).ok_or(Corrupt)?;
        if len.checked_mul(width as usize) != Some(members.len()) {
            return Err(Corrupt);
        }
        let is_ascending = (1..len).all(|index| width.read(members, index - 1) < width.read(members, index));
        if !is_ascending {
            return Err(Corrupt);
        }
        let mut set = IntSet::new();
        if len > 0 {
            set.bytes.extend_from_slice(bytes);
        }
        Ok(set)
    }

    /// The whole set, header included.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        if self.bytes.is_empty() { &EMPTY } else { self.bytes.as_slice() }
    }

    /// Bytes of the whole set.
    pub fn byte_len(&self) -> usize {
        self.as_slice().len()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.heap_bytes()
    }

    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        (self.as_slice().len() - HEADER_BYTES) / self.width() as usize
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.as_slice().len() == HEADER_BYTES
    }

    /// The member with that index, in ascending order.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.width().read(self.members(), index))
    }

    pub fn first(&self) -> Option<i64> {
        self.get(0)
    }

    pub fn last(&self) -> Option<i64> {
        self.get(self.len().checked_sub(1)?)
    }

    #[inline]
    pub fn contains(&self, number: i64) -> bool {
        self.search(number).is_ok()
    }

    /// Index of a member, or the index that it would get.
    pub fn search(&self, number: i64) -> Result<usize, usize> {
        let (width, members) = (self.width(), self.members());
        if Width::of(number) > width {
            return Err(if number < 0 { 0 } else { self.len() });
        }
        let (mut low, mut high) = (0, self.len());
        // Ascending ids are what is inserted most.
        if high > 0 && number > width.read(members, high - 1) {
            return Err(high);
        }
        while low < high {
            let middle = (low + high) / 2;
            match width.read(members, middle).cmp(&number) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Whether it was not a member yet.
    pub fn insert(&mut self, number: i64) -> bool {
        if Width::of(number) > self.width() {
            self.widen(Width::of(number));
        }
        let Err(index) = self.search(number) else { return false };
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(&EMPTY);
        }
        let (width, len) = (self.width(), self.len());
        let place = self.bytes.splice(HEADER_BYTES + index * width as usize, 0, width as usize);
        width.write(number, place);
        self.write_len(len + 1);
        true
    }

    /// Whether it was a member.
    pub fn remove(&mut self, number: i64) -> bool {
        let found = self.search(number);
        if let Ok(index) = found {
            self.remove_at(index);
        }
        found.is_ok()
    }

    /// Removes the member with that index, if there is one, and returns it.
    pub fn remove_at(&mut self, index: usize) -> Option<i64> {
        let number = self.get(index)?;
        let (width, len) = (self.width() as usize, self.len());
        self.bytes.splice(HEADER_BYTES + index * width, width, 0);
        self.write_len(len - 1);
        Some(number)
    }

    /// The members, ascending.
    pub fn iter(&self) -> Iter<'_> {
        Iter { members: self.members(), width: self.width(), indices: 0..self.len() }
    }

    #[inline]
    fn members(&self) -> &[u8] {
        &self.as_slice()[HEADER_BYTES..]
    }

    #[inline]
    fn width(&self) -> Width {
        match self.as_slice()[0] {
            2 => Width::Two,
            4 => Width::Four,
            _ => Width::Eight,
        }
    }

    fn write_len(&mut self, len: usize) {
        self.bytes.make_mut()[4..HEADER_BYTES].copy_from_slice(&(len as u32).to_le_bytes());
    }

    /// Writes every member wider.
    #[cold]
    fn widen(&mut self, width: Width) {
        let mut wide = IntSet::new();
        let place = wide.bytes.splice(0, 0, HEADER_BYTES + self.len() * width as usize);
        place[0] = width as u8;
        let members = place[HEADER_BYTES..].chunks_exact_mut(width as usize);
        members.zip(self.iter()).for_each(|(place, number)| width.write(number, place));
        wide.write_len(self.len());
        *self = wide;
    }
}

/// The members of a set, ascending.
#[derive(Clone)]
pub struct Iter<'s> {
    members: &'s [u8],
    width: Width,
    indices: std::ops::Range<usize>,
}

impl Iterator for Iter<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        self.indices.next().map(|index| self.width.read(self.members, index))
    }

    fn nth(&mut self, skipped: usize) -> Option<i64> {
        self.indices.nth(skipped).map(|index| self.width.read(self.members, index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.indices.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<i64> {
        self.indices.next_back().map(|index| self.width.read(self.members, index))
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl std::iter::FusedIterator for Iter<'_> {}

impl<'s> IntoIterator for &'s IntSet {
    type Item = i64;
    type IntoIter = Iter<'s>;

    fn into_iter(self) -> Iter<'s> {
        self.iter()
    }
}

impl Extend<i64> for IntSet {
    fn extend<I: IntoIterator<Item = i64>>(&mut self, numbers: I) {
        numbers.into_iter().for_each(|number| {
            self.insert(number);
        });
    }
}

impl FromIterator<i64> for IntSet {
    fn from_iter<I: IntoIterator<Item = i64>>(numbers: I) -> IntSet {
        let mut set = IntSet::new();
        set.extend(numbers);
        set
    }
}

impl std::fmt::Debug for IntSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Corrupt, IntSet};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn unhex(text: &str) -> Vec<u8> {
        let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
        text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    /// DUMP of sets on a Redis 8.0 server.
    #[test]
    fn bytes_are_those_of_redis() {
        for (members, bytes) in [
            (&[1, 2, 300][..], "0200000003000000010002002c01"),
            (&[-1], "0200000001000000ffff"),
            (&[32767, -32768], "02000000020000000080ff7f"),
            (&[5, 32768], "04000000020000000500000000800000"),
            (&[5, -2147483649], "0800000002000000ffffff7fffffffff0500000000000000"),
        ] {
            let set: IntSet = members.iter().copied().collect();
            assert_eq!(set.as_slice(), unhex(bytes), "{members:?}");
            assert_eq!(IntSet::validate(set.as_slice()).unwrap().as_slice(), set.as_slice());
        }
    }

    #[test]
    fn width_stays() {
        let mut set: IntSet = [1, 100_000].into_iter().collect();
        assert!(set.remove(100_000));
        assert_eq!(set.as_slice(), unhex("040000000100000001000000"));
        assert!(!set.contains(1 << 40));
        assert_eq!(set.search(i64::MIN), Err(0));
    }

    #[test]
    fn damage_is_refused() {
        for bytes in [
            "",
            "02000000",
            "0300000000000000",
            "020000000100000001",
            "02000000010000000100ff",
            "02000000020000000200 0100",
            "02000000020000000100", /* one too few */
            "020000000200000001000100",
            "08000000ffffffff",
        ] {
            assert_eq!(IntSet::validate(&unhex(&bytes.replace(' ', ""))).err(), Some(Corrupt), "{bytes}");
        }
        assert_eq!(IntSet::validate(&unhex("0800000000000000")).unwrap().heap_bytes(), 0);
    }

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![-8i64..8, -40_000i64..40_000, -3_000_000_000i64..3_000_000_000, any::<i64>()]
    }

    proptest! {
        #[test]
        fn behaves_like_a_btree_set(steps in proptest::collection::vec((number(), 0u8..8), 0..100)) {
            let (mut set, mut model) = (IntSet::new(), BTreeSet::new());
            let mut frozen = Vec::new();
            for (number, kind) in steps {
                match kind {
                    0 => prop_assert_eq!(set.remove(number), model.remove(&number)),
                    1 => {
                        let victim = model.iter().next().copied();
                        prop_assert_eq!(set.remove_at(0), victim);
                        victim.map(|victim| model.remove(&victim));
                    }
                    2 => frozen.push((set.clone(), model.clone())),
                    _ => prop_assert_eq!(set.insert(number), model.insert(number)),
                }
                prop_assert_eq!(set.contains(number), model.contains(&number));
            }
            frozen.push((set, model));
            for (set, model) in frozen {
                prop_assert_eq!(set.len(), model.len());
                prop_assert!(set.iter().eq(model.iter().copied()));
                prop_assert!(set.iter().rev().eq(model.iter().rev().copied()));
                prop_assert_eq!((set.first(), set.last()), (model.first().copied(), model.last().copied()));
                for (index, number) in model.iter().enumerate() {
                    prop_assert_eq!(set.search(*number), Ok(index));
                    prop_assert_eq!(set.get(index), Some(*number));
                }
                prop_assert_eq!(set.get(model.len()), None);
                let validated = IntSet::validate(set.as_slice()).unwrap();
                prop_assert!(validated.iter().eq(model.iter().copied()));
            }
        }

        #[test]
        fn any_bytes_may_be_validated(bytes in proptest::collection::vec(any::<u8>(), 0..40), width in 0usize..4) {
            let mut bytes = [vec![1 << width, 0, 0, 0, (bytes.len() >> width) as u8, 0, 0, 0], bytes].concat();
            bytes.truncate(8 + (((bytes.len() - 8) >> width) << width));
            if let Ok(set) = IntSet::validate(&bytes) {
                prop_assert_eq!(set.iter().count(), set.len());
            }
        }
    }
}
