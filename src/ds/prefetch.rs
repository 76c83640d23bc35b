//! Asking the processor for a cache line before it is needed.
//!
//! A lookup in a table bigger than the cache waits twice for memory (bucket, entry), about 80 ns each.
//! Whoever knows the next keys early enough asks for all bucket lines, then for all entry lines, and
//! only then runs the lookups: the waits overlap. A prefetch is a hint. It never faults, whatever the
//! address, which is why [`read`] and [`write`] are safe functions.

#![allow(unsafe_code)] // The instructions below; a hint has no effect on memory.

/// Hints that the cache line at `address` will be read soon. Any address is allowed.
#[inline(always)]
pub fn read<T>(address: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: PREFETCHT0 doesn't access memory architecturally and never faults; SSE is part of x86_64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    {
        // SAFETY: PRFM is a hint that never faults and changes neither registers nor memory.
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{a}]", a = in(reg) address, options(nostack, preserves_flags, readonly));
        }
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = address;
}

/// Hints that the cache line at `address` will be written soon, so that it comes from the cache of whoever wrote it last and
/// need not be asked for again then. Any address is allowed.
#[inline(always)]
pub fn write<T>(address: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        // SAFETY: PREFETCHW is a hint that never faults and changes neither registers nor memory; processors without it take it for a
        // NOP. (The intrinsic becomes a prefetch for reading where the compiler is not told that the processor has it.)
        unsafe {
            std::arch::asm!("prefetchw [{a}]", a = in(reg) address, options(nostack, preserves_flags, readonly));
        }
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    {
        // SAFETY: as in `read`.
        unsafe {
            std::arch::asm!("prfm pstl1keep, [{a}]", a = in(reg) address, options(nostack, preserves_flags, readonly));
        }
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = address;
}
