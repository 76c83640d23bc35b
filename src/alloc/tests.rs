//! The allocator called directly; the test binary itself runs on the system's.

use super::*;

#[test]
fn size_classes_are_those_of_jemalloc() {
    for bytes in (1..5_000).chain((5_000..200_000).step_by(97)) {
        // SAFETY: the size is not zero.
        assert_eq!(size_class(bytes), unsafe { jemalloc::nallocx(bytes, 0) }, "{bytes}");
        for align in [16, 64, 128, 4096] {
            // SAFETY: the size is not zero.
            let real = unsafe { jemalloc::nallocx(bytes, jemalloc::MALLOCX_ALIGN(align)) };
            // Above 14 KB jemalloc may choose a larger class for large alignments.
            if bytes <= 14 * 1024 || align < 4096 {
                assert_eq!(aligned_class(bytes, align), real, "{bytes} aligned to {align}");
            }
        }
    }
    assert_eq!(size_class(0), 8);
    assert_eq!(size_class(usize::MAX), usize::MAX);
}

/// Exercises one layout and returns the count after each step.
fn life_of(size: usize, align: usize) {
    let layout = Layout::from_size_align(size, align).unwrap();
    // SAFETY: sizes are not zero; each block is used inside its size and freed with its layout.
    unsafe {
        let start = CountingJemalloc.alloc_zeroed(layout);
        assert!(start.addr().is_multiple_of(align));
        assert!(std::slice::from_raw_parts(start, size).iter().all(|byte| *byte == 0));
        start.write_bytes(7, size);
        let grown = CountingJemalloc.realloc(start, layout, size * 3);
        assert!(grown.addr().is_multiple_of(align));
        assert!(std::slice::from_raw_parts(grown, size).iter().all(|byte| *byte == 7));
        CountingJemalloc.dealloc(grown, Layout::from_size_align(size * 3, align).unwrap());
    }
}

#[test]
fn allocations_are_aligned_and_counted() {
    // Other tests use the system's allocator, but this one's threads share the counters: one test only.
    let before = allocated_bytes();
    for align in [1, 8, 16, 32, 64, 4096] {
        for size in [1, 24, 40, 100, 2560, 40_000] {
            life_of(size, align);
        }
    }
    assert_eq!(allocated_bytes(), before);
    // Alignments that come by themselves: several of each size, so that not all are the first of their page.
    for (size, align) in (1..3_000).flat_map(|size| [(size, 8), (size, 16)]) {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: the size is not zero.
        let blocks = [(); 5].map(|()| unsafe { CountingJemalloc.alloc(layout) });
        assert!(blocks.iter().all(|block| block.addr().is_multiple_of(align)), "{size} aligned to {align}");
        // SAFETY: allocated above with this layout, freed once.
        blocks.iter().for_each(|block| unsafe { CountingJemalloc.dealloc(*block, layout) });
    }
    assert_eq!(allocated_bytes(), before);

    let layout = Layout::from_size_align(38, 8).unwrap();
    // SAFETY: the size is not zero.
    let start = unsafe { CountingJemalloc.alloc(layout) };
    assert_eq!(allocated_bytes(), before + 40);
    let address = start.expose_provenance();
    // More threads than there are slots; one of them frees what this one allocated.
    for number in 0..100 {
        let work = move || {
            life_of(64, 8);
            if number == 50 {
                // SAFETY: allocated above with this layout, freed once.
                unsafe { CountingJemalloc.dealloc(std::ptr::with_exposed_provenance_mut(address), layout) };
            }
        };
        std::thread::spawn(work).join().unwrap();
    }
    assert_eq!(allocated_bytes(), before);
}

#[test]
fn the_compiled_in_settings_are_in_force() {
    // SAFETY: the types of these settings are those in jemalloc's manual.
    unsafe {
        assert_eq!(ctl::raw::read::<isize>(b"opt.dirty_decay_ms\0").unwrap(), 1_000);
        assert_eq!(ctl::raw::read::<isize>(b"opt.muzzy_decay_ms\0").unwrap(), 0);
        assert_eq!(ctl::raw::read::<u32>(b"opt.narenas\0").unwrap(), 4);
    }
    assert!(MALLOC_CONF.is_some());
    purge().unwrap();
    let stats = stats().unwrap();
    assert!(stats.active >= stats.allocated && stats.resident > 0);
}
