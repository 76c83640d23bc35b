//! Counts what is allocated: bytes from outside must not cost much more memory than they take themselves.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many times the input may be allocated, beside [`FREE_BYTES`].
pub const RATIO: usize = 10;
/// What may be allocated beside that.
const FREE_BYTES: usize = 64 * 1024;
/// How many bytes a byte of a compressed text may stand for.
const UNPACKED_RATIO: usize = ochre::rdb::lzf::RATIO_MAX;
/// What a compressed text begins with.
const COMPRESSED: u8 = 0xc3;

/// Counts what is allocated, and how much that ever was.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many times the bytes a file or a payload of them may be allocated: they may hold a compressed text.
#[allow(dead_code)] // Not all targets read such.
pub fn ratio_of_dump(bytes: &[u8]) -> usize {
    if bytes.contains(&COMPRESSED) { RATIO * UNPACKED_RATIO } else { RATIO }
}

/// Runs `read` on bytes that it may allocate `ratio` times.
pub fn bounded<R>(bytes: &[u8], ratio: usize, read: impl FnOnce() -> R) -> R {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = read();
    let used = PEAK.load(Relaxed).saturating_sub(before);
    assert!(used <= ratio * bytes.len() + FREE_BYTES, "{used} bytes for {}", bytes.len());
    result
}
