//! The `ochre` binary: everything lives in the library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: ochre::alloc::CountingJemalloc = ochre::alloc::CountingJemalloc;

fn main() -> ExitCode {
    ochre::server::main()
}
