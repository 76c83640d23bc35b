//! What fragmentation takes of `maxmemory`.
//!
//! Memory is counted as it is allocated, but the system counts pages. When what is written has other sizes than what went
//! before, pages of small allocations stay although little is left in them, and nobody can move what is left. Under
//! `allkeys-random`, which takes big hashes of small fields too, pages for 1.2 times `maxmemory` came together within a
//! minute, and when 200 such hashes that an LFU policy had spared went one after the other, for 1.26 times within 50 ms; a
//! container of 1.25 times was too small.
//!
//! So while the process takes noticeably more than `maxmemory`, a part of it is kept free, and keys go earlier: what is written then
//! finds room in the pages that are there, and pages of big values come free. Whoever evicts has the allocator give back unused
//! pages whenever much has been freed, and looks then ([`Reserve::grow`]): what is too much is added to the reserve, so in
//! effect keys go until pages fit. Who writes without evicting looks too, when what is used has grown by half of the room
//! that there was ([`Reserve::is_due`]); so the less room, the sooner comes the next look. Besides there is one ten times a
//! second. When pages take less again, the reserve goes slowly ([`Reserve::shrink`]).
//!
//! ```text
//! pages     1.02   1.09   1.08   1.075   1.07   1.06   1.06    × maxmemory, at one look after the other
//! reserve   0      1.7%   2.4%   2.6%    2.6%   2.35%  2.1%    of maxmemory
//! ```
//!
//! The pages are those that the process has, but for what it maps of files: what the kernel of a container counts.
//!
//! **Invariant:** the reserve is half of `maxmemory` at most, also right after `maxmemory` has become smaller, and there is none where
//! nothing may be evicted, or `maxmemory` is nothing beside the program: errors come exactly where Redis gives them. What has a budget of
//! its own ([`super::memory`]) is no reason for a reserve.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A smaller `maxmemory` has no reserve: the program and what has been used before take more pages than its keys.
pub const MAXMEMORY_MIN_BYTES: u64 = 16 << 20;
/// About so much the program takes besides, of files and of its own.
const PROGRAM_BYTES: u64 = 7 << 20;
/// An empty server has about twice as much of unused pages without being fragmented. So there is nearly always a reserve beside a
/// limit so small that the program takes all the slack.
const SLACK_MIN_BYTES: u64 = 512 << 10;
/// Giving back so much is nothing beside the writing of it.
const MUCH_MAX_BYTES: u64 = 16 << 20;
/// Less is not worth giving back.
const MUCH_MIN_BYTES: u64 = 512 << 10;

/// See the module's head.
#[derive(Default)]
pub struct Reserve {
    kept: AtomicU64,
    /// How much more pages might have taken at the last look.
    room: AtomicU64,
    /// What may be used before the next look.
    looked_ahead: AtomicU64,
}

impl Reserve {
    /// Bytes of `maxmemory` that are kept free.
    #[inline]
    pub fn bytes(&self, maxmemory: u64) -> u64 {
        let bound = if maxmemory < MAXMEMORY_MIN_BYTES { 0 } else { maxmemory / 2 };
        self.kept.load(Relaxed).min(bound)
    }

    /// Keeps nothing free, and need not be looked at.
    pub fn clear(&self) {
        self.kept.store(0, Relaxed);
        self.looked_ahead.store(u64::MAX, Relaxed);
    }

    /// What may be used before pages are to be looked at.
    #[inline]
    pub fn looked_ahead(&self) -> u64 {
        self.looked_ahead.load(Relaxed)
    }

    /// Whether so much is used now that pages are to be looked at.
    #[inline]
    pub fn is_due(&self, used: u64) -> bool {
        used > self.looked_ahead()
    }

    /// Notes what is used at a look.
    pub fn look_ahead(&self, maxmemory: u64, used: u64) {
        let step = (self.room.load(Relaxed) / 2).max(maxmemory / 128).max(MUCH_MIN_BYTES);
        self.looked_ahead.store(used.saturating_add(step), Relaxed);
    }

    /// After how many freed bytes unused pages are to be given back, and the rest looked at: the sooner, the less room there is.
    pub fn much(&self, maxmemory: u64) -> u64 {
        let bytes = (self.room.load(Relaxed) / 2).clamp(maxmemory / 128, maxmemory / 32);
        bytes.clamp(MUCH_MIN_BYTES, MUCH_MAX_BYTES)
    }

    /// Keeps more free if `pages`, bytes, are too many.
    pub fn grow(&self, maxmemory: u64, pages: u64) {
        let most = most(maxmemory);
        self.room.store(most.saturating_sub(pages), Relaxed);
        if pages > most {
            self.kept.store((self.bytes(maxmemory) + pages - most).min(maxmemory / 2), Relaxed);
        }
    }

    /// Keeps less free if `pages`, bytes, are few. To be called some ten times a second.
    pub fn shrink(&self, maxmemory: u64, pages: u64) {
        if pages < maxmemory + slack(maxmemory) / 8 * 7 {
            self.kept.store(self.bytes(maxmemory).saturating_sub(maxmemory / 400), Relaxed);
        }
    }
}

/// What pages may take.
pub fn most(maxmemory: u64) -> u64 {
    maxmemory.saturating_add(slack(maxmemory))
}

/// A tenth, the program included, as long as `maxmemory` is big beside it.
fn slack(maxmemory: u64) -> u64 {
    (maxmemory / 10).saturating_sub(PROGRAM_BYTES).max(SLACK_MIN_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 700 << 20;
    const PERCENT: u64 = LIMIT / 100;

    #[test]
    fn it_grows_while_pages_are_too_many_and_goes_slowly_when_they_are_few() {
        let reserve = Reserve::default();
        let at = |percent| {
            reserve.grow(LIMIT, percent * PERCENT);
            reserve.shrink(LIMIT, percent * PERCENT);
            reserve.bytes(LIMIT) * 4 / PERCENT
        };
        // 109 % are the most.
        assert_eq!([50, 100, 107, 109].map(at), [0, 0, 0, 0]);
        assert_eq!([112, 111, 110].map(at), [12, 20, 24]);
        assert_eq!([109, 108].map(at), [24, 24]);
        assert_eq!([107, 107, 100].map(at), [23, 22, 21]);
    }

    #[test]
    fn the_less_room_there_is_the_sooner_pages_are_looked_at() {
        let reserve = Reserve::default();
        let at = |percent| {
            reserve.grow(LIMIT, percent * PERCENT);
            reserve.much(LIMIT)
        };
        assert_eq!([50, 107, 120].map(at), [MUCH_MAX_BYTES, PERCENT, LIMIT / 128]);
        assert_eq!(reserve.much(1 << 20), MUCH_MIN_BYTES);
        assert_eq!(reserve.much(1 << 40), MUCH_MAX_BYTES);
    }

    #[test]
    fn who_fills_it_looks_after_half_of_the_room() {
        let reserve = Reserve::default();
        let looks = std::iter::successors(Some(PERCENT), |used| {
            reserve.grow(LIMIT, *used);
            reserve.look_ahead(LIMIT, *used);
            (reserve.kept.load(Relaxed) == 0).then(|| reserve.looked_ahead.load(Relaxed))
        });
        let percent: Vec<u64> = looks.take(5).map(|used| used / PERCENT).collect();
        assert_eq!(percent, [1, 55, 82, 95, 102]);
        assert!(!reserve.is_due(102 * PERCENT) && reserve.is_due(110 * PERCENT));
        reserve.clear();
        assert!(!reserve.is_due(u64::MAX));
    }

    #[test]
    fn it_has_a_bound() {
        let reserve = Reserve::default();
        (0..10).for_each(|_| reserve.grow(LIMIT, 10 * LIMIT));
        assert_eq!(reserve.bytes(LIMIT), LIMIT / 2);
        // At once when the limit is another.
        assert_eq!(reserve.bytes(LIMIT / 8), LIMIT / 16);
        reserve.clear();
        assert_eq!(reserve.bytes(LIMIT), 0);
    }

    #[test]
    fn a_small_limit_has_none_for_what_is_always_there() {
        let reserve = Reserve::default();
        for maxmemory in [800 << 10, 2 << 20, MAXMEMORY_MIN_BYTES - 1] {
            (0..10).for_each(|_| reserve.grow(maxmemory, 40 << 20));
            assert_eq!(reserve.bytes(maxmemory), 0);
        }
        reserve.grow(MAXMEMORY_MIN_BYTES, 40 << 20);
        assert_eq!(reserve.bytes(MAXMEMORY_MIN_BYTES), MAXMEMORY_MIN_BYTES / 2);
    }
}
