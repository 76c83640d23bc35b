//! Power failures at every step of a rewrite and of switching the append-only file on.
//!
//! Everything acknowledged must be found by the next start, and the start must not be refused, whatever the disk
//! loses of what was not synced: data, sizes, names.

use std::sync::Arc;

use ochre::persist::storage::Simulated;

use super::wire::{Reply, Wire};
use super::{eventually, info, start};

/// Seeds tried at each step.
const SEEDS: u64 = 2;

/// Writes `from..to`, each into a key of its own; how many were acknowledged in a row.
fn write(wire: &mut Wire, from: u64, to: u64) -> u64 {
    for number in from..to {
        match wire.call_within(&["SET", &format!("k{number}"), &number.to_string()], 300) {
            Some(reply) if reply == Reply::ok() => {}
            _ => return number,
        }
    }
    to
}

fn check(disk: &Simulated, acknowledged: u64, what: &str) {
    let server = start(Arc::new(disk.clone()), &[]).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut wire = Wire::connect(server.addr);
    for number in 0..acknowledged {
        let found = wire.call(&["GET", &format!("k{number}")]);
        assert_eq!(found, Reply::bulk(&number.to_string()), "{what}: k{number} of {acknowledged}");
    }
}

/// Loses power `steps` operations into a rewrite; whether it was finished before.
fn crash_in_rewrite(preamble: &str, steps: u64, seed: u64) -> bool {
    let disk = Simulated::new();
    let server = start(Arc::new(disk.clone()), &["--aof-use-rdb-preamble", preamble]).unwrap();
    let mut wire = Wire::connect(server.addr);
    let acknowledged = write(&mut wire, 0, 5);
    assert_eq!(acknowledged, 5);
    disk.crash_after(steps);
    wire.ask("BGREWRITEAOF");
    let acknowledged = write(&mut wire, acknowledged, 8);
    let mut other = Wire::connect(server.addr);
    eventually("the rewrite ends", || info(&mut other, "aof_rewrite_in_progress") == "0");
    let is_done = info(&mut other, "aof_last_bgrewrite_status") == "ok" && acknowledged == 8;
    drop(server);
    disk.crash(seed);
    check(&disk, acknowledged, &format!("preamble {preamble}, step {steps}, seed {seed}"));
    is_done
}

#[test]
fn power_lost_at_every_step_of_a_rewrite() {
    for preamble in ["yes", "no"] {
        for seed in 0..SEEDS {
            let mut steps = 0;
            while !crash_in_rewrite(preamble, steps, seed * 1000 + steps) {
                steps += 1;
                assert!(steps < 200, "a rewrite has no so many steps");
            }
            assert!(steps > 15, "only {steps} steps were tried");
        }
    }
}

#[test]
fn power_lost_at_every_step_of_switching_on() {
    for seed in 0..SEEDS {
        for steps in 0..40 {
            let disk = Simulated::new();
            let server = start(Arc::new(disk.clone()), &["--appendonly", "no"]).unwrap();
            let mut wire = Wire::connect(server.addr);
            assert_eq!(write(&mut wire, 0, 5), 5);
            disk.crash_after(steps);
            wire.ask("CONFIG SET appendonly yes");
            let mut other = Wire::connect(server.addr);
            // It is tried again and again while the disk is gone; either it was complete before, or it never is.
            let is_on = |other: &mut Wire| info(other, "aof_rewrites") != "0";
            eventually("one try ends", || is_on(&mut other));
            let is_complete = info(&mut other, "aof_last_bgrewrite_status") == "ok";
            let acknowledged = if is_complete { write(&mut wire, 5, 8) } else { 0 };
            drop(server);
            disk.crash(seed * 1000 + steps);
            check(&disk, acknowledged, &format!("step {steps}, seed {seed}"));
        }
    }
}
