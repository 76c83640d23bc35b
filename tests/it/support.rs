//! What the tests share: servers, and patience.

use std::time::{Duration, Instant};

use ochre::base::clock::Time;
use ochre::server::embed::Server;

use super::wire::Wire;

/// How long anything may take, on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How many times longer than usual the tests with random or concurrent clients go on: `SOAK`, 1 unless it is set.
pub fn effort() -> usize {
    std::env::var("SOAK").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1)
}

/// A server on the system's clock.
pub fn server(options: &[&str]) -> Server {
    Server::start(options, Time::system()).expect("the server starts")
}

pub fn connect(server: &Server) -> Wire {
    Wire::connect(server.addr)
}

/// Polls until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Bytes that the server has read from all its clients so far.
pub fn bytes_read(server: &Server) -> u64 {
    use std::sync::atomic::Ordering;
    let counters = |worker| &server.engine.stats.worker(worker).counters;
    (0..server.engine.workers).map(|worker| counters(worker).net_input_bytes.load(Ordering::Relaxed)).sum()
}
