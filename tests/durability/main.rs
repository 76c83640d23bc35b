//! Whole servers and their data: on a simulated disk that loses power at every step, on a failing one, and killed for real.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails.

#[path = "../wire/mod.rs"]
mod wire;

mod faults;
mod foreign;
mod functions;
mod kill;
mod power;

use std::sync::Arc;

use ochre::base::clock::Time;
use ochre::persist::storage::Storage;
use ochre::server::embed::Server;
use wire::{Reply, Wire};

// The server's memory statistics come from its allocator.
#[global_allocator]
static ALLOCATOR: ochre::alloc::CountingJemalloc = ochre::alloc::CountingJemalloc;

const ALWAYS: [&str; 8] =
    ["--appendonly", "yes", "--appendfsync", "always", "--io-threads", "2", "--save", ""];

/// A server whose files are on `storage`; an error is why it does not start.
fn start(storage: Arc<dyn Storage>, options: &[&str]) -> Result<Server, String> {
    let options: Vec<&str> = ALWAYS.iter().chain(options).copied().collect();
    Server::start_on(&options, Time::system(), storage)
}

/// Waits until `condition` holds.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !condition() {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "waited in vain: {what}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// One number of INFO persistence.
fn info(wire: &mut Wire, field: &str) -> String {
    let Reply::Bulk(text) = wire.ask("INFO persistence") else { panic!("no INFO") };
    let text = String::from_utf8(text.to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{field} is not in {text}")).to_owned()
}
