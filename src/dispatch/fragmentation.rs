//! What fragmentation takes of `maxmemory`.
//!
//! Memory is counted as it is allocated, but the system counts pages. When what is written has other sizes than what went
//! before, pages of small allocations stay although little is left in them, and nobody can move what is left. Under
//! `allkeys-random`, which takes big hashes of small fields too, pages for 1.2 times `maxmemory` came together within a
//! minute, and a container of 1.25 times was too small.
//!
//! So while pages take noticeably more than `maxmemory`, a part of it is kept free, and keys go earlier: what is written then
//! finds room in the pages that are there, and pages of big values come free. When one big hash of many goes, pages for a tenth
//! of `maxmemory` are left half empty within a second, so every look adds half of what is too much. When pages take less
//! again, the reserve goes slowly.
//!
//! ```text
//! pages     1.02   1.10   1.07   1.05   1.04   1.035  1.02    × maxmemory, at one look after the other
//! reserve   0      3%     4.5%   5%     5%     5%     4.75%   of maxmemory
//! ```
//!
//! **Invariant:** the reserve is a quarter of `maxmemory` at most, and there is none where nothing may be evicted: errors come
//! exactly where Redis gives them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A limit of a few megabytes has about so much of unused pages beside it without being fragmented.
const SLACK_MIN_BYTES: u64 = 4 << 20;

/// See the module's head.
#[derive(Default)]
pub struct Reserve(AtomicU64);

impl Reserve {
    /// Bytes of `maxmemory` that are kept free.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Keeps nothing free.
    pub fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    /// Looks at what pages take, `active` bytes. To be called some ten times a second.
    pub fn adjust(&self, maxmemory: u64, active: u64) {
        let slack = (maxmemory / 25).max(SLACK_MIN_BYTES);
        let reserve = match active.saturating_sub(maxmemory) {
            excess if excess > slack => (self.bytes() + (excess - slack) / 2).min(maxmemory / 4),
            excess if excess < slack / 4 * 3 => self.bytes().saturating_sub(maxmemory / 400),
            _ => self.bytes(),
        };
        self.0.store(reserve, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 400 << 20;
    const PERCENT: u64 = LIMIT / 100;

    #[test]
    fn it_grows_while_pages_take_too_much_and_goes_slowly_when_they_do_not() {
        let reserve = Reserve::default();
        let at = |percent| {
            reserve.adjust(LIMIT, percent * PERCENT);
            reserve.bytes() * 4 / PERCENT
        };
        assert_eq!([50, 100, 102, 104].map(at), [0, 0, 0, 0]);
        assert_eq!([110, 106, 105].map(at), [12, 16, 18]);
        assert_eq!([104, 104].map(at), [18, 18]);
        assert_eq!([102, 102, 102].map(at), [17, 16, 15]);
    }

    #[test]
    fn it_has_a_bound() {
        let reserve = Reserve::default();
        (0..10).for_each(|_| reserve.adjust(LIMIT, 10 * LIMIT));
        assert_eq!(reserve.bytes(), LIMIT / 4);
        reserve.clear();
        assert_eq!(reserve.bytes(), 0);
    }

    #[test]
    fn a_small_limit_has_none_for_what_is_always_there() {
        let reserve = Reserve::default();
        reserve.adjust(1 << 20, 4 << 20);
        assert_eq!(reserve.bytes(), 0);
    }
}
