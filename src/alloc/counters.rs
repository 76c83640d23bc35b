//! How many bytes are allocated, counted without making threads share a cache line.
//!
//! Each thread takes a slot of its own the first time it allocates and is then the only writer of that slot, so
//! counting is a plain load and store. Memory is often freed by another thread than the one that
//! allocated it: a slot may be negative, only the sum means something. Threads beyond the number of slots
//! share slot 0 and pay for an atomic addition. Slots of ended threads keep their share of the sum and are not
//! handed out again: giving them back would need a destructor, and an allocator must work while
//! thread-locals are being destroyed.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};

/// Slots with one writer each, plus the shared one.
const SLOTS: usize = 64;
/// Slot 0 is the shared one.
const SHARED: usize = 0;
const UNASSIGNED: usize = usize::MAX;

/// Two cache lines, because the prefetcher of x86 fetches lines in pairs.
#[repr(align(128))]
struct Slot(AtomicI64);

static COUNTERS: [Slot; SLOTS] = [const { Slot(AtomicI64::new(0)) }; SLOTS];
static NEXT: AtomicUsize = AtomicUsize::new(SHARED + 1);

thread_local! {
    // Const-initialised and without a destructor: reading it never allocates and works until the thread is gone.
    static SLOT: Cell<usize> = const { Cell::new(UNASSIGNED) };
}

/// Adds to the calling thread's count.
#[inline]
pub(super) fn add(bytes: i64) {
    // `try_with` can't fail for such a thread-local; should it ever, the shared slot is right.
    let index = SLOT.try_with(Cell::get).unwrap_or(SHARED);
    match COUNTERS.get(index) {
        Some(Slot(counter)) if index != SHARED => {
            counter.store(counter.load(Relaxed).wrapping_add(bytes), Relaxed)
        }
        Some(Slot(shared)) => drop(shared.fetch_add(bytes, Relaxed)),
        None => assign_and_add(bytes),
    }
}

#[cold]
fn assign_and_add(bytes: i64) {
    let next = NEXT.fetch_add(1, Relaxed);
    if next >= SLOTS {
        // Keeps the number of threads from ever wrapping around to a used slot.
        NEXT.store(SLOTS, Relaxed);
    }
    let index = if next < SLOTS { next } else { SHARED };
    let _ = SLOT.try_with(|slot| slot.set(index));
    add_to(index, bytes);
}

fn add_to(index: usize, bytes: i64) {
    if let Some(Slot(counter)) = COUNTERS.get(index) {
        counter.fetch_add(bytes, Relaxed);
    }
}

/// What the calling thread has counted.
#[inline]
pub(super) fn own() -> i64 {
    let index = SLOT.try_with(Cell::get).unwrap_or(SHARED);
    COUNTERS.get(index).map_or(0, |Slot(counter)| counter.load(Relaxed))
}

/// The sum of all threads. Threads go on meanwhile, so it is exact only when nobody allocates.
pub(super) fn sum() -> usize {
    // Slots that nobody has taken yet are 0; a line of memory for each would be read in vain.
    let taken = NEXT.load(Relaxed).min(SLOTS);
    let total =
        COUNTERS.iter().take(taken).fold(0_i64, |sum, Slot(counter)| sum.wrapping_add(counter.load(Relaxed)));
    usize::try_from(total).unwrap_or(0)
}
