//! What an allocation really costs: jemalloc's size classes as arithmetic.
//!
//! Built with a quantum of 8 bytes (`.cargo/config.toml`), jemalloc has classes every 8 bytes up to 64, and
//! four per power of two from there: 80, 96, 112, 128, 160, 192, … Above 32 KiB a class is a multiple of the page
//! (jemalloc 5.3.1; taken as 4 KiB here). A request gets the next class. Knowing that without asking the allocator lets `ds::blob` use the spare bytes, and lets the accounting stay off the hot
//! path. A test compares this with the allocator's own answer.

/// Classes are multiples of 8 up to here.
const LINEAR_LIMIT: usize = 64;
/// Classes are multiples of the page above this.
const PAGED_ABOVE: usize = 8 * PAGE;
const PAGE: usize = 4096;

/// The bytes that an allocation of `bytes` occupies, for alignments up to 8. Sizes near `usize::MAX`, which no
/// allocator can serve, saturate.
#[inline]
pub const fn size_class(bytes: usize) -> usize {
    if bytes <= LINEAR_LIMIT {
        return if bytes == 0 { 8 } else { (bytes + 7) & !7 };
    }
    let spacing = if bytes > PAGED_ABOVE { PAGE } else { 1 << ((bytes - 1).ilog2() - 2) };
    match bytes.checked_add(spacing - 1) {
        Some(sum) => sum & !(spacing - 1),
        None => usize::MAX,
    }
}

/// As [`size_class`], for any alignment (a power of two).
#[inline]
pub(super) const fn aligned_class(bytes: usize, align: usize) -> usize {
    if align <= 8 {
        return size_class(bytes);
    }
    match bytes.checked_add(align - 1) {
        Some(sum) => size_class(sum & !(align - 1)),
        None => usize::MAX,
    }
}
