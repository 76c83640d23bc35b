//! The global allocator: jemalloc, counted.
//!
//! A memory limit must be compared with what is allocated at every write, so that number must cost nothing:
//! every allocation adds its size class to a counter of its thread (`counters`), and reading it adds these up.
//! The size class is computed (`size_class`), not asked for.
//!
//! Why not `tikv-jemallocator`: it takes for granted that every allocation is 16-byte aligned, which is wrong
//! with the 8-byte classes this server is built with. Here an alignment of 16, which all that Lua allocates has, is got
//! by asking for a multiple of 16 bytes, and a greater one is passed. What passes no flags takes jemalloc's short
//! way, which is a third of the long one. Frees pass the size (`sdallocx`), which saves jemalloc a look-up.
//!
//! Settings are compiled in ([`MALLOC_CONF`]), because jemalloc reads them before `main`:
//! - `dirty_decay_ms:1000,muzzy_decay_ms:0`: freed pages go back to the system after about a second;
//! - `background_thread:true`: also when nobody allocates (the thread sleeps when there is nothing to do), and in steps (`steps`);
//! - `narenas:4`: the default of four per CPU wastes memory in a container; threads of one arena seldom
//!   meet, because each has a cache of its own;
//! - `dss:disabled`: memory comes from `mmap` alone.
//!
//! `MALLOC_CONF`-style overrides still work: jemalloc reads `_RJEM_MALLOC_CONF` from the environment last.

#![allow(unsafe_code)] // `GlobalAlloc` is unsafe to implement, and jemalloc is C.

mod code;
mod counters;
mod size_class;
mod steps;

pub use code::give_back_startup_code;
pub use size_class::size_class;

use size_class::aligned_class;
use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{c_char, c_int};
use std::io;
use tikv_jemalloc_ctl as ctl;
use tikv_jemalloc_sys as jemalloc;

/// jemalloc behind byte counters. Use it as `#[global_allocator]`.
pub struct CountingJemalloc;

/// jemalloc's compiled-in settings; it finds them by the symbol's name.
#[used]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: Option<&'static c_char> = Some(first_char(CONF));

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
const CONF: &[u8] = b"dirty_decay_ms:1000,muzzy_decay_ms:0,background_thread:true,narenas:4,dss:disabled\0";
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
const CONF: &[u8] = b"dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:4,dss:disabled\0";

const fn first_char(text: &'static [u8]) -> &'static c_char {
    // SAFETY: the text is not empty, lives for ever, and `c_char` is one byte like `u8`.
    unsafe { &*text.as_ptr().cast::<c_char>() }
}

/// The bytes to ask for, and the flag for an alignment that does not come by itself: classes that are multiples of 16 lie
/// at multiples of 16, and all at multiples of 8.
#[inline]
fn request(size: usize, align: usize) -> (usize, c_int) {
    match align {
        ..=8 => (size, 0),
        // A layout can be rounded up to its alignment.
        16 => ((size + 15) & !15, 0),
        _ => (size, jemalloc::MALLOCX_ALIGN(align)),
    }
}

/// Size classes are far below `i64::MAX` for anything that was really allocated.
#[inline]
fn charge(layout: Layout) -> i64 {
    aligned_class(layout.size(), layout.align()) as i64
}

// SAFETY: jemalloc meets the contract of an allocator; each function passes it the layout's size and
// alignment as they are, the same at allocation and at free. Sizes are not zero (contract of `GlobalAlloc`).
// Counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingJemalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = match request(layout.size(), layout.align()) {
            // SAFETY: any size may be asked for.
            (size, 0) => unsafe { jemalloc::malloc(size) },
            // SAFETY: the size is not zero.
            (size, flags) => unsafe { jemalloc::mallocx(size, flags) },
        };
        if !start.is_null() {
            counters::add(charge(layout));
        }
        start.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, flags) = request(layout.size(), layout.align());
        // SAFETY: the size is not zero.
        let start = unsafe { jemalloc::mallocx(size, flags | jemalloc::MALLOCX_ZERO) };
        if !start.is_null() {
            counters::add(charge(layout));
        }
        start.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        counters::add(-charge(layout));
        let (size, flags) = request(layout.size(), layout.align());
        // SAFETY: allocated here with the same size and alignment.
        unsafe { jemalloc::sdallocx(start.cast(), size, flags) };
    }

    #[inline]
    unsafe fn realloc(&self, start: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let align = layout.align();
        let (size, flags) = request(new_size, align);
        // SAFETY: allocated here with the same alignment; the new size is not zero.
        let moved = unsafe { jemalloc::rallocx(start.cast(), size, flags) };
        if !moved.is_null() {
            counters::add((aligned_class(new_size, align) as i64).wrapping_sub(charge(layout)));
        }
        moved.cast()
    }
}

/// Bytes allocated through [`CountingJemalloc`] by all threads, size classes rounded up. A few dozen loads:
/// cheap enough to ask per batch of commands.
pub fn allocated_bytes() -> usize {
    counters::sum()
}

/// Bytes that the calling thread has allocated more than it has freed; negative where it frees what others allocated. By how
/// much it grows, [`allocated_bytes`] grows.
#[inline]
pub fn thread_bytes() -> i64 {
    counters::own()
}

/// jemalloc's own account, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Allocated by the program.
    pub allocated: usize,
    /// In pages that hold allocations.
    pub active: usize,
    /// In physical memory.
    pub resident: usize,
    /// Address space kept without memory behind it.
    pub retained: usize,
}

/// Reads jemalloc's account. Takes about 0.2 ms: for a cron job, not for a command.
///
/// # Errors
/// What jemalloc says when it was built without statistics.
pub fn stats() -> io::Result<Stats> {
    ctl::epoch::advance().map_err(refused)?;
    Ok(Stats {
        allocated: ctl::stats::allocated::read().map_err(refused)?,
        active: ctl::stats::active::read().map_err(refused)?,
        resident: ctl::stats::resident::read().map_err(refused)?,
        retained: ctl::stats::retained::read().map_err(refused)?,
    })
}

/// Gives all unused pages back to the system now. May take milliseconds.
///
/// # Errors
/// What jemalloc says; none is expected.
pub fn purge() -> io::Result<()> {
    // `arena.4096.purge` means all arenas (MALLCTL_ARENAS_ALL).
    call(c"arena.4096.purge")
}

/// Adapts jemalloc to the number of worker threads: one background thread for up to four workers, and so on. From then on pages go back
/// to the system in steps that workers hardly notice. The number of arenas can't be changed at run time.
///
/// # Errors
/// What jemalloc says; on systems without background threads, that it knows no such setting.
pub fn configure(workers: usize) -> io::Result<()> {
    let threads = workers.div_ceil(4).max(1);
    // SAFETY: the setting is a `size_t`, which `usize` is.
    unsafe { ctl::raw::write(b"max_background_threads\0", threads) }.map_err(refused)?;
    steps::install(ctl::arenas::narenas::read().map_err(refused)?)
}

/// The crate's error has no `Error` impl without its `use_std` feature.
fn refused(error: ctl::Error) -> io::Error {
    io::Error::other(error.to_string())
}

/// Runs a control without arguments.
fn call(name: &std::ffi::CStr) -> io::Result<()> {
    use std::ptr::null_mut;
    // SAFETY: the name ends with a zero byte, and null pointers mean "no old and no new value".
    let code = unsafe { jemalloc::mallctl(name.as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

#[cfg(test)]
mod tests;
