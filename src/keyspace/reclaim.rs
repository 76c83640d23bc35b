//! Frees big values on a thread of its own, so that no client waits for it.
//!
//! A value is big when freeing it means more than about [`LARGE_EFFORT`] allocations. Whole tables (FLUSHALL) go
//! the same way. The thread starts with the first big value, so a small server never has it. Thread and
//! counters belong to the process, because a value that is freed belongs to no server any more. It takes breaks
//! ([`crate::ds::breaks`]), since it may have to share a CPU with a worker.

use crate::ds::breaks::take_breaks;
use parking_lot::Mutex;
use std::any::Any;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

/// Values that take more allocations than this to free are freed elsewhere.
pub const LARGE_EFFORT: usize = 64;

/// What is to be freed, how many values it counts as, and its bytes if somebody waits for them.
type Garbage = (Box<dyn Any + Send>, u64, usize);

static PENDING: AtomicU64 = AtomicU64::new(0);
static PENDING_BYTES: AtomicUsize = AtomicUsize::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);
/// Bytes that were freed and whose pages the allocator may still hold.
static UNRETURNED_BYTES: AtomicU64 = AtomicU64::new(0);
/// The thread is to give them back.
static IS_RETURNING: AtomicBool = AtomicBool::new(false);
/// Held by who gives back.
static PURGING: Mutex<()> = Mutex::new(());
static QUEUE: OnceLock<Option<Sender<Garbage>>> = OnceLock::new();

/// Values waiting to be freed: `lazyfree_pending_objects`.
pub fn pending() -> u64 {
    PENDING.load(Ordering::Relaxed)
}

/// Values freed off the workers since the start or the last reset: `lazyfreed_objects`.
pub fn freed() -> u64 {
    FREED.load(Ordering::Relaxed)
}

/// CONFIG RESETSTAT.
pub fn reset_freed() {
    FREED.store(0, Ordering::Relaxed);
}

/// Frees `garbage` on the reclaim thread.
pub(super) fn free_elsewhere<T: Send + 'static>(garbage: T) {
    free_many_elsewhere(garbage, 1);
}

/// Frees `garbage`, which counts as `objects` values, on the reclaim thread.
pub(super) fn free_many_elsewhere<T: Send + 'static>(garbage: T, objects: u64) {
    send(Box::new(garbage), objects, 0);
}

/// Frees `garbage` on the reclaim thread; until that is done its bytes are counted as [`pending_bytes`].
pub(super) fn free_weighed_elsewhere<T: Send + 'static>(garbage: T, bytes: usize) {
    send(Box::new(garbage), 1, bytes);
}

/// Notes that so many bytes were freed, and gives pages back to the system when that has become `much`: on the reclaim thread,
/// behind what waits to be freed. Where others keep that thread from its CPU it becomes twice as much, and then the caller does it
/// itself: on a machine that was busy with 15 other things, pages for 0.2 of `maxmemory` waited otherwise. Whoever does it looks
/// at what is left, with what `look` makes.
pub fn give_back_pages<L: FnOnce() + Send + 'static>(freed: u64, much: u64, look: impl FnOnce() -> L) {
    let unreturned = UNRETURNED_BYTES.fetch_add(freed, Ordering::Relaxed).saturating_add(freed);
    if unreturned >= much.saturating_mul(2) {
        purge(look());
    } else if unreturned >= much && !IS_RETURNING.swap(true, Ordering::Relaxed) {
        let look = look();
        when_freed(|| {
            IS_RETURNING.store(false, Ordering::Relaxed);
            purge(look);
        });
    }
}

fn purge(look: impl FnOnce()) {
    // While one thread gives back, the allocator lets others go on as if they had: they would add to what it has not come to yet,
    // without end if it is kept from its CPU. So they wait for it.
    let _alone = PURGING.lock();
    if UNRETURNED_BYTES.swap(0, Ordering::Relaxed) > 0 {
        // If it can't, they go in a second.
        _ = crate::alloc::purge();
        look();
    }
}

/// Calls `then` on the reclaim thread when all that waits now is freed. Must be quick.
pub fn when_freed(then: impl FnOnce() + Send + 'static) {
    struct Then<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for Then<F> {
        fn drop(&mut self) {
            if let Some(then) = self.0.take() {
                then();
            }
        }
    }
    free_many_elsewhere(Then(Some(then)), 0);
}

/// Whether what waits to be freed is so much beside all that is allocated that whoever has more should free it at once.
pub(super) fn is_behind() -> bool {
    const SHARE: usize = 32;
    pending_bytes() > crate::alloc::allocated_bytes() / SHARE
}

/// Bytes of evicted values that wait to be freed.
pub fn pending_bytes() -> usize {
    PENDING_BYTES.load(Ordering::Relaxed)
}

fn send(garbage: Box<dyn Any + Send>, objects: u64, bytes: usize) {
    PENDING.fetch_add(objects, Ordering::Relaxed);
    PENDING_BYTES.fetch_add(bytes, Ordering::Relaxed);
    let sent = match QUEUE.get_or_init(start) {
        Some(queue) => queue.send((garbage, objects, bytes)).is_ok(),
        // No thread could be started: the garbage has been dropped here, which is slow but right.
        None => false,
    };
    if !sent {
        PENDING.fetch_sub(objects, Ordering::Relaxed);
        PENDING_BYTES.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn start() -> Option<Sender<Garbage>> {
    let (queue, garbage) = channel::<Garbage>();
    let run = move || {
        take_breaks();
        for (value, objects, bytes) in garbage {
            drop(value);
            PENDING_BYTES.fetch_sub(bytes, Ordering::Relaxed);
            PENDING.fetch_sub(objects, Ordering::Relaxed);
            FREED.fetch_add(objects, Ordering::Relaxed);
        }
    };
    std::thread::Builder::new().name("ochre-reclaim".into()).spawn(run).ok().map(|_| queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts are those of the process.
    static ONE_TEST: Mutex<()> = Mutex::new(());

    #[test]
    fn who_frees_much_while_the_thread_is_kept_gives_back_pages_itself() {
        let _alone = ONE_TEST.lock();
        const MUCH: u64 = 1 << 40;
        struct Kept(std::sync::mpsc::Receiver<()>);
        impl Drop for Kept {
            fn drop(&mut self) {
                _ = self.0.recv();
            }
        }
        let (release, kept) = channel();
        free_elsewhere(Kept(kept));
        give_back_pages(MUCH, MUCH, || || ());
        give_back_pages(MUCH, MUCH, || || ());
        assert!(UNRETURNED_BYTES.load(Ordering::Relaxed) < MUCH);
        drop(release);
    }

    #[test]
    fn who_frees_much_while_another_gives_back_waits_for_it() {
        let _alone = ONE_TEST.lock();
        const MUCH: u64 = 1 << 40;
        let is_given_back = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let alone = PURGING.lock();
            let waiting = scope.spawn(|| {
                give_back_pages(2 * MUCH, MUCH, || || ());
                assert!(is_given_back.load(Ordering::Relaxed), "it did not wait");
            });
            while UNRETURNED_BYTES.load(Ordering::Relaxed) < 2 * MUCH && !waiting.is_finished() {
                std::thread::yield_now();
            }
            is_given_back.store(true, Ordering::Relaxed);
            drop(alone);
        });
        assert!(UNRETURNED_BYTES.load(Ordering::Relaxed) < MUCH);
    }
}
