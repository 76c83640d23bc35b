//! Batches of requests whose numbers are patched in place.
//!
//! A batch is built once; for every sending only the 12 digits of its keys, and of values and scores that repeat a
//! key's digits, are written anew. So the client costs little and the key is random each time.

use crate::client::{DIGITS, key, request, value};

/// A batch of requests with places for numbers.
pub struct Batch {
    pub bytes: Vec<u8>,
    places: Vec<Place>,
    /// The number written last: whatever stands behind a key belongs to it.
    last: u64,
    /// Line ends in the replies to the batch.
    pub reply_lines: usize,
    pub requests: usize,
}

/// A run of digits to be written anew.
struct Place {
    at: usize,
    /// Takes the next number, as `key:000000000000` does; else it repeats the one before.
    is_new: bool,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Get,
    Set,
    Incr,
    Mget,
    Mset,
}

/// Keys of an MGET or MSET.
pub const MANY: usize = 10;

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Get => "GET",
            Kind::Set => "SET",
            Kind::Incr => "INCR",
            Kind::Mget => "MGET10",
            Kind::Mset => "MSET10",
        }
    }

    pub fn prefix(self) -> &'static str {
        if self == Kind::Incr { "cnt" } else { "key" }
    }
}

impl Batch {
    /// `requests` requests of a kind with values of that size.
    pub fn new(kind: Kind, requests: usize, value_bytes: usize) -> Batch {
        let (key, value) = (key(kind.prefix(), 0), value(0, value_bytes));
        let (mut words, reply_lines): (Vec<&str>, usize) = match kind {
            Kind::Get => (vec!["GET", &key], 2),
            Kind::Set => (vec!["SET", &key, &value], 1),
            Kind::Incr => (vec!["INCR", &key], 1),
            Kind::Mget => (vec!["MGET"], 1 + 2 * MANY),
            Kind::Mset => (vec!["MSET"], 1),
        };
        for _ in 0..MANY {
            match kind {
                Kind::Mget => words.push(&key),
                Kind::Mset => words.extend([key.as_str(), value.as_str()]),
                _ => {}
            }
        }
        Batch::repeat(&request(&words), requests, reply_lines)
    }

    /// Repeats a request in which runs of `DIGITS` zeros are places: of a new number behind a colon, else of the
    /// number before once more.
    pub fn repeat(request: &[u8], requests: usize, reply_lines: usize) -> Batch {
        let bytes = request.repeat(requests);
        let places = memchr::memmem::find_iter(&bytes, &[b'0'; DIGITS])
            .map(|at| Place { at, is_new: bytes[at - 1] == b':' })
            .collect();
        Batch { bytes, places, last: 0, reply_lines: reply_lines * requests, requests }
    }

    /// New numbers that a patch asks for.
    pub fn numbers(&self) -> usize {
        self.places.iter().filter(|place| place.is_new).count()
    }

    /// Writes other numbers into the batch.
    pub fn patch(&mut self, mut number: impl FnMut() -> u64) {
        for place in &self.places {
            if place.is_new {
                self.last = number();
            }
            self.bytes[place.at..place.at + DIGITS].copy_from_slice(&digits(self.last));
        }
    }
}

fn digits(mut number: u64) -> [u8; DIGITS] {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits
}
