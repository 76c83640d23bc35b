//! The `ochre` binary: everything lives in the library.

#[global_allocator]
static ALLOCATOR: ochre::alloc::CountingJemalloc = ochre::alloc::CountingJemalloc;

fn main() {}
