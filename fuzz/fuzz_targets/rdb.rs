//! Bytes from outside as a value and as a file, with the right checksum behind them: refused, or taken and then written and
//! read again; and never at the price of much more memory than they take themselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre::base::crc::crc64;
use ochre::ds::blob::Payload;
use ochre::rdb::dump;
use ochre::rdb::read::{Item, Limits, Options, Owned, Reader};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What may be allocated beyond ten times the input.
const FREE_BYTES: usize = 64 * 1024;
/// How many bytes a byte of a compressed text may stand for.
const UNPACKED_RATIO: usize = ochre::rdb::lzf::RATIO_MAX;

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

/// Runs `read` on `len` bytes that hold a compressed text, or none.
fn bounded<R>(bytes: &[u8], read: impl FnOnce() -> R) -> R {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = read();
    let used = PEAK.load(Relaxed).saturating_sub(before);
    let ratio = if bytes.contains(&0xc3) { 10 * UNPACKED_RATIO } else { 10 };
    assert!(used <= ratio * bytes.len() + FREE_BYTES, "{used} bytes for {}", bytes.len());
    result
}

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let mut payload = bytes.to_vec();
    payload.extend_from_slice(&12_u16.to_le_bytes());
    payload.extend_from_slice(&crc64(0, &payload).to_le_bytes());
    if let Ok(Owned::Collection(value)) = bounded(bytes, || dump::decode(&payload, limits)) {
        let mut again = Vec::new();
        dump::encode(&Payload::Value(&value), true, &mut again);
        assert!(dump::decode(&again, limits).is_ok());
    }

    let mut file = b"REDIS0012".to_vec();
    file.extend_from_slice(bytes);
    file.push(0xff);
    file.extend_from_slice(&crc64(0, &file).to_le_bytes());
    let options = Options { total_bytes: Some(file.len() as u64), ..Options::default() };
    bounded(&file, || {
        let Ok(mut reader) = Reader::open(file.as_slice(), options) else { return };
        while let Ok(item) = reader.next_item() {
            if matches!(item, Item::End) {
                return;
            }
        }
    });
});
