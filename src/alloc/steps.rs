//! Freed pages go back to the system in steps, and between two of them whoever waits for the processor may have it.
//!
//! ```text
//! as jemalloc does it    merge · merge · … · madvise · madvise · …                       milliseconds, in one piece
//! here                   256 merges · yield · … · madvise ≤ 2 MB · yield · madvise · …   0.1 ms, and again 0.1 ms
//! ```
//!
//! jemalloc's background thread gives back what has not been used for a second: hundreds of megabytes when a big value is gone. First
//! it merges neighbours, which were left apart when they were freed; then it tells the system. A scheduler lets it have its share in one piece,
//! until the clock ticks, which is 4 ms; the worker that a client waits for gets its turn behind that. So the arenas get hooks of our
//! own for these two acts, and keep jemalloc's for all others.
//!
//! Pages are given back while no lock is held that an allocation takes: the extents wait in a list of their own. Merging holds that of
//! the arena's free extents, so a worker that needs a new slab just then waits for the rest of this run of neighbours, as it would
//! without the yield; all others get the processor.
//!
//! The hooks call nothing of jemalloc and neither allocate nor unwind: a thread that has only freed so far, as one does while it begins or
//! ends, comes here half set up and with a lock, and jemalloc's own `merge`, called as a hook, would set up the rest, for which it
//! allocates, and wait for that lock. Its `alloc` does the same, but only threads that allocate come there, and those are set up.

use std::cell::Cell;
use std::ffi::{CString, c_uint, c_void};
use std::io;
use std::ptr::null_mut;
use std::sync::OnceLock;
use tikv_jemalloc_ctl::raw;
use tikv_jemalloc_sys::{extent_hooks_t, mallctl};

use super::refused;

/// Pages of so many bytes go at once: about 0.1 ms. Steps end where huge pages do, so none has to be split.
const STEP_BYTES: usize = 2 << 20;

/// jemalloc's background thread offers the processor behind so many merges.
const MERGES: u32 = 256;

/// What the arenas use from [`install`] on.
static HOOKS: OnceLock<extent_hooks_t> = OnceLock::new();

/// Has all arenas give back pages in steps, unless the environment chose another way to get memory. Once is enough; more does no harm.
///
/// # Errors
/// What jemalloc says; none is expected.
pub(super) fn install(arenas: c_uint) -> io::Result<()> {
    if !is_all_mapped()? {
        return Ok(());
    }
    for arena in 0..arenas {
        let theirs = exchange_hooks(arena, null_mut())?;
        let ours = HOOKS.get_or_init(|| {
            // SAFETY: an arena's hooks are a table that lives and stays as it is while the arena does, which is for ever.
            let theirs = unsafe { *theirs };
            extent_hooks_t {
                dalloc: None,
                decommit: None,
                purge_forced: Some(give_back),
                merge: Some(merge),
                ..theirs
            }
        });
        let ours = std::ptr::from_ref(ours).cast_mut();
        if theirs != ours {
            exchange_hooks(arena, ours)?;
        }
    }
    Ok(())
}

/// Whether all memory comes from `mmap` and its addresses are kept, as this server's settings have it. Then jemalloc merges all neighbours
/// that it asks about, and `dalloc` and `decommit` do nothing.
fn is_all_mapped() -> io::Result<bool> {
    // SAFETY: the types of these settings are those in jemalloc's manual.
    let (dss, retain) = unsafe { (raw::read_str(b"opt.dss\0"), raw::read::<bool>(b"opt.retain\0")) };
    Ok(dss.map_err(refused)?.starts_with(b"disabled") && retain.map_err(refused)?)
}

/// The hooks of an arena, which get replaced by `new` unless that is null.
fn exchange_hooks(arena: c_uint, mut new: *mut extent_hooks_t) -> io::Result<*mut extent_hooks_t> {
    let name = CString::new(format!("arena.{arena}.extent_hooks"))?;
    let mut old: *mut extent_hooks_t = null_mut();
    let mut size = size_of_val(&old);
    let (new, new_size) = if new.is_null() { (null_mut(), 0) } else { ((&raw mut new).cast(), size) };
    // SAFETY: the control reads and writes one pointer, and both places hold one. jemalloc never
    // writes through the hooks' pointer, so a shared static may stand behind it, which lives for ever.
    let code = unsafe { mallctl(name.as_ptr(), (&raw mut old).cast(), &raw mut size, new, new_size) };
    if code == 0 { Ok(old) } else { Err(io::Error::from_raw_os_error(code)) }
}

/// jemalloc's `merge`: whether two neighbours may *not* become one extent. See [`is_all_mapped`].
unsafe extern "C" fn merge(
    _: *mut extent_hooks_t,
    _: *mut c_void,
    _: usize,
    _: *mut c_void,
    _: usize,
    _: bool,
    _: c_uint,
) -> bool {
    offer_behind_merges();
    false
}

/// On jemalloc's background thread, now and then.
fn offer_behind_merges() {
    thread_local! {
        /// Merges until the next offer; `None` on all other threads, and before the first merge on any.
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
        static IS_ASKED: Cell<bool> = const { Cell::new(false) };
    }
    if !IS_ASKED.replace(true) && is_background_thread() {
        LEFT.set(Some(MERGES));
    }
    match LEFT.get() {
        None => {}
        Some(0) => {
            LEFT.set(Some(MERGES));
            std::thread::yield_now();
        }
        Some(left) => LEFT.set(Some(left - 1)),
    }
}

/// Whether jemalloc started this thread: it gives it a name.
#[cfg(target_os = "linux")]
fn is_background_thread() -> bool {
    let mut name = [0_u8; 16];
    // SAFETY: the kernel writes at most 16 bytes. What would return a string allocates, which a hook must not.
    let code = unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    code == 0 && name.starts_with(b"jemalloc_bg_thd\0")
}

#[cfg(not(target_os = "linux"))]
fn is_background_thread() -> bool {
    false
}

/// jemalloc's `purge_forced`: the pages behind `start + offset`, `len` bytes of them, are read as zeros afterwards. `true` means that
/// this failed.
unsafe extern "C" fn give_back(
    _: *mut extent_hooks_t,
    start: *mut c_void,
    _: usize,
    offset: usize,
    len: usize,
    _: c_uint,
) -> bool {
    for (at, step) in steps(start.addr() + offset, len) {
        // SAFETY: jemalloc owns these pages, whole ones, mapped privately and without a file, and nobody uses them.
        let code = unsafe { libc::madvise(start.with_addr(at), step, libc::MADV_DONTNEED) };
        if code != 0 {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

/// Address and length of each step.
fn steps(start: usize, len: usize) -> impl Iterator<Item = (usize, usize)> {
    let end = start + len;
    std::iter::successors(Some(start), |at| Some(at - at % STEP_BYTES + STEP_BYTES))
        .take_while(move |&at| at < end)
        .map(move |at| (at, (at - at % STEP_BYTES + STEP_BYTES).min(end) - at))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Hook = unsafe extern "C" fn(*mut extent_hooks_t, *mut c_void, usize, usize, usize, c_uint) -> bool;

    #[test]
    fn steps_cover_all_and_end_where_huge_pages_do() {
        const MB: usize = 1 << 20;
        assert_eq!(steps(2 * MB, 0).count(), 0);
        assert_eq!(steps(2 * MB, 4096).collect::<Vec<_>>(), [(2 * MB, 4096)]);
        assert_eq!(steps(3 * MB, MB).collect::<Vec<_>>(), [(3 * MB, MB)]);
        assert_eq!(steps(3 * MB, 4 * MB).collect::<Vec<_>>(), [(3 * MB, MB), (4 * MB, 2 * MB), (6 * MB, MB)]);
    }

    #[test]
    fn pages_given_back_are_zeros_and_their_neighbours_as_before() {
        const PAGE: usize = 4096;
        const LEN: usize = 5 << 20;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the system's choice; nobody else knows it.
        let start = unsafe { libc::mmap(null_mut(), LEN, access, kind, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        // SAFETY: the mapping is that long and writable.
        unsafe { start.cast::<u8>().write_bytes(7, LEN) };
        // SAFETY: whole pages within the mapping, to which no reference exists.
        assert!(!unsafe { give_back(null_mut(), start, LEN, PAGE, LEN - 2 * PAGE, 0) });
        // SAFETY: the mapping is that long and readable, and nobody writes to it any more.
        let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), LEN) };
        let (before, rest) = bytes.split_at(PAGE);
        let (given_back, behind) = rest.split_at(LEN - 2 * PAGE);
        assert!(before.iter().chain(behind).all(|&byte| byte == 7));
        assert!(given_back.iter().all(|&byte| byte == 0));
        // SAFETY: the mapping made above; nothing refers to it any more.
        assert_eq!(unsafe { libc::munmap(start, LEN) }, 0);
    }

    #[test]
    fn all_arenas_use_the_hook_and_go_on() {
        let arenas = tikv_jemalloc_ctl::arenas::narenas::read().unwrap().min(4);
        for _ in 0..2 {
            install(arenas).unwrap();
        }
        for arena in 0..arenas {
            let hooks = exchange_hooks(arena, null_mut()).unwrap();
            // SAFETY: the table lives for ever.
            assert!(unsafe {
                (*hooks).purge_forced.is_some_and(|hook| std::ptr::fn_addr_eq(hook, give_back as Hook))
            });
        }
        let big = vec![1_u8; 32 << 20];
        drop(big);
        super::super::purge().unwrap();
        assert!(vec![0_u8; 32 << 20].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn threads_that_only_free_wait_for_nobody() {
        extern "C" fn free(big: *mut c_void) -> *mut c_void {
            // SAFETY: made below by `into_raw`, and given to this thread alone.
            drop(unsafe { Box::from_raw(big.cast::<Vec<Vec<u8>>>()) });
            null_mut()
        }
        install(tikv_jemalloc_ctl::arenas::narenas::read().unwrap().min(4)).unwrap();
        // Of several arenas, where neighbours can be merged.
        let allocate = || (0..32).map(|_| vec![0_u8; 400_000]).collect::<Vec<_>>();
        for _ in 0..16 {
            let given = std::thread::spawn(move || Box::into_raw(Box::new(allocate())).expose_provenance());
            let given: *mut c_void = std::ptr::with_exposed_provenance_mut(given.join().unwrap());
            // SAFETY: a thread without Rust's own preparations, which allocate; it takes over what it is given, and is waited for.
            unsafe {
                let mut thread = std::mem::zeroed();
                assert_eq!(libc::pthread_create(&raw mut thread, std::ptr::null(), free, given), 0);
                assert_eq!(libc::pthread_join(thread, null_mut()), 0);
            }
        }
    }
}
