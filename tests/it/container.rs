//! A server in a container with a memory limit: what it makes of the limit, and that it stays within.

use super::cgroup::Cgroup;
use super::memory::number;
use super::process::{at, started_by};
use super::wire::{Reply, Wire};

const LIMIT: u64 = 160 << 20;

#[test]
fn a_container_limits_what_is_kept_and_the_server_survives_twice_as_much() {
    let cgroup = match Cgroup::with_limit(LIMIT) {
        Ok(cgroup) => cgroup,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let (process, port) = started_by(&cgroup.launcher(), &[]);
    let mut wire = Wire::connect(at(port));
    assert_eq!(number(&mut wire, "maxmemory"), LIMIT / 100 * 75 + LIMIT % 100 * 75 / 100);
    let value = vec![b'x'; 64 << 10];
    let write =
        |wire: &mut Wire, number: u64| wire.call(&[b"SET", format!("key:{number}").as_bytes(), &value]);
    // The policy is noeviction still: what is there stays, and more is refused.
    let count = 2 * LIMIT / (64 << 10);
    let refused = (0..count).find(|&number| write(&mut wire, number) != Reply::ok());
    assert_eq!(wire.ask("DBSIZE"), Reply::Integer(refused.expect("it is full some time") as i64));
    assert_eq!(wire.ask("CONFIG SET maxmemory-policy allkeys-lru"), Reply::ok());
    for number in 0..count {
        assert_eq!(write(&mut wire, number), Reply::ok());
    }
    assert!(number(&mut wire, "evicted_keys") > 0);
    assert_eq!(cgroup.kills(), 0);
    assert!(cgroup.peak_bytes().is_none_or(|peak| peak <= LIMIT));
    // It goes before its cgroup.
    drop(process);
}
