//! A few short elements that are to be appended, put together first.
//!
//! A listpack must know how many bytes are added before it makes room for them. Who adds several elements would prepare each,
//! add up what they take, and write them; a run is written at once and copied as a whole, which is less work.

use super::codec::SMALL_MAX;
use super::{Encoded, ListPack};

/// See the module's head.
pub struct Run {
    bytes: [u8; Run::ROOM_BYTES],
    len: usize,
    count: usize,
}

impl Default for Run {
    #[inline]
    fn default() -> Run {
        Run { bytes: [0; Run::ROOM_BYTES], len: 0, count: 0 }
    }
}

impl Run {
    /// So that a run takes 256 bytes, which are cleared without a call.
    const ROOM_BYTES: usize = 240;

    /// Whether there is room for so many numbers and texts, the latter of `bytes` in all.
    #[inline]
    pub fn has_room(numbers: usize, texts: usize, bytes: usize) -> bool {
        const NUMBER_MAX_BYTES: usize = 10;
        // Of a text that has room at all: its length before and behind it.
        const TEXT_MAX_EXTRA_BYTES: usize = 4;
        // The most that there is room for, so that nothing below can be too big.
        texts < Run::ROOM_BYTES
            && bytes < Run::ROOM_BYTES
            && numbers * NUMBER_MAX_BYTES + texts * TEXT_MAX_EXTRA_BYTES + bytes <= Run::ROOM_BYTES
    }

    /// Adds a number behind the others.
    ///
    /// # Panics
    /// When there is no room for it.
    #[inline(always)] // It is nearly nothing.
    pub fn push_number(&mut self, number: i64) {
        match u8::try_from(number) {
            Ok(small @ ..=SMALL_MAX) => {
                self.bytes[self.len..self.len + 2].copy_from_slice(&[small, 1]);
                self.len += 2;
                self.count += 1;
            }
            _ => self.push_any(&Encoded::from(number)),
        }
    }

    /// Adds a text, or the number whose text it is.
    ///
    /// # Panics
    /// As [`Run::push_number`].
    #[inline]
    pub fn push_text(&mut self, text: &[u8]) {
        self.push_any(&Encoded::from(text));
    }

    #[inline(never)] // So that small numbers stay short.
    fn push_any(&mut self, element: &Encoded<'_>) {
        let left = element.write(&mut self.bytes[self.len..]).len();
        self.len = Run::ROOM_BYTES - left;
        self.count += 1;
    }
}

impl ListPack {
    /// Appends the elements of a run.
    #[inline]
    pub fn append_run(&mut self, run: &Run) {
        if run.count > 0 {
            let end = self.end();
            self.open(end, 0, run.len, (0, run.count)).copy_from_slice(&run.bytes[..run.len]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Part {
        Number(i64),
        Text(Vec<u8>),
    }

    fn part() -> impl Strategy<Value = Part> {
        prop_oneof![
            prop_oneof![0..128_i64, -5000..5000_i64, any::<i64>()].prop_map(Part::Number),
            any::<i64>().prop_map(|number| Part::Text(number.to_string().into_bytes())),
            proptest::collection::vec(any::<u8>(), 0..70).prop_map(Part::Text),
            proptest::collection::vec(any::<u8>(), 0..Run::ROOM_BYTES).prop_map(Part::Text),
        ]
    }

    proptest! {
        /// What has room by the bound does fit, and ends up as if it had been appended one by one.
        #[test]
        fn a_run_is_its_elements_one_by_one(
            before in proptest::collection::vec(part(), 0..3),
            parts in proptest::collection::vec(part(), 0..12),
        ) {
            let (mut pack, mut expected) = (ListPack::new(), ListPack::new());
            let push = |pack: &mut ListPack, part: &Part| match part {
                Part::Number(number) => pack.push_back(*number),
                Part::Text(text) => pack.push_back(text.as_slice()),
            };
            for part in &before {
                push(&mut pack, part);
                push(&mut expected, part);
            }
            let mut run = Run::default();
            let (mut numbers, mut texts, mut bytes) = (0, 0, 0);
            for part in &parts {
                match part {
                    Part::Number(_) => numbers += 1,
                    Part::Text(text) => (texts, bytes) = (texts + 1, bytes + text.len()),
                }
                if !Run::has_room(numbers, texts, bytes) {
                    break;
                }
                match part {
                    Part::Number(number) => run.push_number(*number),
                    Part::Text(text) => run.push_text(text),
                }
                push(&mut expected, part);
            }
            pack.append_run(&run);
            prop_assert_eq!(pack.as_slice(), expected.as_slice());
        }
    }
}
