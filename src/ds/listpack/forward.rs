//! A pack that is only walked forward: a listpack without what walking back and standing alone need.
//!
//! ```text
//! number of elements u16 (65535: walk and count), head and body of each                    see `codec`
//!
//! ["a", "5"]  =  02 00  81 61  05             as a listpack: 0c 00 00 00  02 00  81 61 02  05 01  ff
//! ```
//!
//! Ten short fields of a hash take 25 bytes less than in a listpack, one cache line in four. Files and payloads hold listpacks,
//! so a pack becomes one on its way out ([`ForwardPack::to_listpack`]).
//!
//! **Invariant:** every element is written in its one form, the array ends behind the last, and the number is told
//! whenever it is below 65535. A pack without elements owns no memory.

use super::codec::{Element, Encoded, body_end, decode};
use super::{COUNT_UNKNOWN, HEADER_BYTES, ListPack, MAX_BYTES, Position, told};
use crate::ds::shared_vec::SharedVec;

/// Bytes before the first element.
const COUNT_BYTES: usize = 2;

/// See the module.
#[derive(Clone, Default)]
pub struct ForwardPack {
    bytes: SharedVec<u8>,
}

impl ForwardPack {
    pub fn new() -> ForwardPack {
        ForwardPack { bytes: SharedVec::new() }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.heap_bytes()
    }

    /// Number of elements. From 65535 on they are counted by walking.
    #[inline]
    pub fn len(&self) -> usize {
        match *self.bytes.as_slice() {
            [low, high, ..] => match u16::from_le_bytes([low, high]) {
                COUNT_UNKNOWN => self.iter().count(),
                count => usize::from(count),
            },
            _ => 0,
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether elements of `extra` bytes in all may be added, so that a listpack can hold them too.
    #[inline]
    pub fn fits(&self, extra: usize) -> bool {
        // No element needs more than its own bytes again for a back length.
        extra <= MAX_BYTES && 2 * self.bytes.len() + extra <= MAX_BYTES
    }

    // Finding

    #[inline]
    pub fn first(&self) -> Option<Position> {
        self.unless_end(COUNT_BYTES)
    }

    /// The element behind the one at `position`.
    #[inline]
    pub fn next(&self, position: Position) -> Option<Position> {
        self.unless_end(self.behind(position.offset()))
    }

    /// The element at `position`.
    #[inline]
    pub fn at(&self, position: Position) -> Element<'_> {
        decode(&self.bytes[position.offset()..]).0
    }

    /// The first of the elements equal to `needle`, looking at the first and then at every element that has `skip` others
    /// between itself and the one before.
    #[inline]
    pub fn find(&self, needle: &Encoded<'_>, skip: usize) -> Option<Position> {
        let bytes = self.bytes.as_slice();
        let mut offset = COUNT_BYTES;
        while offset < bytes.len() {
            if needle.starts(&bytes[offset..]) {
                return Some(Position::at(offset));
            }
            for _ in 0..=skip {
                if offset >= bytes.len() {
                    return None;
                }
                offset += body_end(&bytes[offset..]);
            }
        }
        None
    }

    #[inline]
    pub fn iter(&self) -> ForwardIter<'_> {
        ForwardIter { rest: self.bytes.get(COUNT_BYTES..).unwrap_or_default() }
    }

    // Changing. Whoever adds asks `fits` before.

    /// Puts another element in the place of the one at `position`. Bytes move only when the lengths differ.
    #[inline]
    pub fn replace(&mut self, position: Position, element: &Encoded<'_>) {
        let offset = position.offset();
        let (old, new) = (self.behind(offset) - offset, element.body_end());
        let place = if old == new {
            &mut self.bytes.make_mut()[offset..offset + new]
        } else {
            self.bytes.splice(offset, old, new)
        };
        element.write_body(place);
    }

    /// Removes up to `count` elements from `position` on.
    pub fn remove_run(&mut self, position: Position, count: usize) {
        let (start, mut stop, mut removed) = (position.offset(), position.offset(), 0);
        while removed < count && stop < self.bytes.len() {
            stop = self.behind(stop);
            removed += 1;
        }
        let left = self.len() - removed;
        if left == 0 {
            self.bytes = SharedVec::new();
            return;
        }
        self.bytes.splice(start, stop - start, 0);
        self.tell(left);
    }

    /// Inserts elements before the one at `position` (`None`: at the end).
    #[inline]
    pub fn insert(&mut self, position: Option<Position>, added: &[Encoded<'_>]) {
        let count = self.len() + added.len();
        let bytes: usize = added.iter().map(Encoded::body_end).sum();
        if self.bytes.is_empty() {
            let place = self.bytes.splice(0, 0, COUNT_BYTES + bytes);
            write_bodies(added, &mut place[COUNT_BYTES..]);
        } else {
            let offset = position.map_or(self.bytes.len(), Position::offset);
            write_bodies(added, self.bytes.splice(offset, 0, bytes));
        }
        self.tell(count);
    }

    // As a listpack

    /// The same elements as a listpack.
    pub fn to_listpack(&self) -> ListPack {
        let mut pack = ListPack::new();
        if self.is_empty() {
            return pack;
        }
        let encoded = || self.iter().map(Encoded::from);
        let bytes = encoded().map(|element| element.len()).sum();
        let place = pack.open(HEADER_BYTES, 0, bytes, (0, self.len()));
        encoded().fold(place, |place, element| element.write(place));
        pack
    }

    #[inline]
    fn behind(&self, offset: usize) -> usize {
        offset + body_end(&self.bytes[offset..])
    }

    #[inline]
    fn unless_end(&self, offset: usize) -> Option<Position> {
        (offset < self.bytes.len()).then(|| Position::at(offset))
    }

    /// Writes the number of elements, when there are some.
    #[inline]
    fn tell(&mut self, count: usize) {
        if let Some(place) = self.bytes.make_mut().get_mut(..COUNT_BYTES) {
            place.copy_from_slice(&told(count).to_le_bytes());
        }
    }
}

#[inline]
fn write_bodies(elements: &[Encoded<'_>], place: &mut [u8]) {
    elements.iter().fold(place, |place, element| element.write_body(place));
}

impl From<&ListPack> for ForwardPack {
    fn from(pack: &ListPack) -> ForwardPack {
        let mut forward = ForwardPack::new();
        let count = pack.len();
        if count == 0 {
            return forward;
        }
        let encoded = || pack.iter().map(Encoded::from);
        let bytes: usize = encoded().map(|element| element.body_end()).sum();
        let place = forward.bytes.splice(0, 0, COUNT_BYTES + bytes);
        encoded().fold(&mut place[COUNT_BYTES..], |place, element| element.write_body(place));
        forward.tell(count);
        forward
    }
}

/// The elements of a pack.
#[derive(Clone)]
pub struct ForwardIter<'p> {
    rest: &'p [u8],
}

impl<'p> Iterator for ForwardIter<'p> {
    type Item = Element<'p>;

    #[inline]
    fn next(&mut self) -> Option<Element<'p>> {
        if self.rest.is_empty() {
            return None;
        }
        let (element, _) = decode(self.rest);
        self.rest = self.rest.get(body_end(self.rest)..).unwrap_or_default();
        Some(element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn element() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|number| number.to_string().into_bytes()),
            (-200..200i64).prop_map(|number| number.to_string().into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..80),
            (60..70usize, 4_090..4_100usize, any::<bool>()).prop_map(|(short, long, is_long)| vec![
                b'x';
                if is_long {
                    long
                } else {
                    short
                }
            ]),
        ]
    }

    fn contents(pack: &ForwardPack) -> Vec<Vec<u8>> {
        pack.iter().map(Element::to_vec).collect()
    }

    fn position(pack: &ForwardPack, index: usize) -> Option<Position> {
        (0..index).fold(pack.first(), |position, _| pack.next(position?))
    }

    proptest! {
        #[test]
        fn it_behaves_like_a_vector(steps in proptest::collection::vec((0..4u8, any::<usize>(), element(), element()), 1..60)) {
            let (mut pack, mut model) = (ForwardPack::new(), Vec::<Vec<u8>>::new());
            for (what, at, one, other) in steps {
                let before = (pack.clone(), model.clone());
                let index = at % (model.len() + 1);
                let place = position(&pack, index);
                prop_assert_eq!(place.is_some(), index < model.len());
                match (what, place) {
                    (0, Some(place)) => {
                        let count = at % 3;
                        pack.remove_run(place, count);
                        model.drain(index..(index + count).min(model.len()));
                    }
                    (1, Some(place)) => {
                        pack.replace(place, &Encoded::from(&one[..]));
                        model[index] = one.clone();
                        prop_assert_eq!(pack.at(place).to_vec(), one.clone());
                    }
                    _ => {
                        pack.insert(place, &[Encoded::from(&one[..]), Encoded::from(&other[..])]);
                        model.splice(index..index, [one.clone(), other.clone()]);
                    }
                }
                prop_assert_eq!((contents(&pack), pack.len()), (model.clone(), model.len()));
                prop_assert_eq!(pack.is_empty(), model.is_empty());
                prop_assert_eq!(contents(&before.0), before.1);
                for skip in 0..2 {
                    let found = pack.find(&Encoded::from(&one[..]), skip);
                    let expected = (0..model.len()).step_by(skip + 1).find(|&index| model[index] == one);
                    prop_assert_eq!(found, expected.and_then(|index| position(&pack, index)));
                }
            }
            let (listpack, expected): (_, ListPack) =
                (pack.to_listpack(), model.iter().map(|text| &text[..]).collect());
            prop_assert_eq!(listpack.as_slice(), expected.as_slice());
            let back = ForwardPack::from(&listpack);
            prop_assert_eq!(back.bytes.as_slice(), pack.bytes.as_slice());
        }
    }

    #[test]
    fn many_elements_are_counted() {
        let mut pack = ForwardPack::new();
        let names: Vec<String> = (0..65_600).map(|number| format!("n{number}")).collect();
        for name in &names {
            pack.insert(None, &[Encoded::from(name.as_bytes())]);
        }
        assert_eq!(pack.len(), names.len());
        assert_eq!(ForwardPack::from(&pack.to_listpack()).len(), names.len());
        pack.remove_run(position(&pack, 10).expect("there"), 600);
        assert_eq!((pack.len(), pack.bytes[..2].to_vec()), (65_000, 65_000_u16.to_le_bytes().to_vec()));
    }

    #[test]
    fn ten_short_fields_take_little() {
        let mut pack = ForwardPack::new();
        for number in 0..10 {
            let name = format!("f{number}");
            pack.insert(None, &[Encoded::from(name.as_bytes()), Encoded::from(b"twelve bytes")]);
        }
        assert_eq!((pack.bytes.len(), pack.to_listpack().byte_len()), (162, 187));
    }
}
