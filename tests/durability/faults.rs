//! Disks that fail while the machine goes on: nothing acknowledged is lost, writes are refused, reads go on, and all is well
//! again when the disk is.

use std::sync::Arc;

use ochre::persist::storage::{Failing, Fault, Operation, Simulated};

use super::wire::{Reply, Wire};
use super::{eventually, info, start};

struct Stage {
    disk: Simulated,
    faults: Failing,
    server: ochre::server::embed::Server,
}

impl Stage {
    fn new(options: &[&str]) -> Stage {
        let disk = Simulated::new();
        let faults = Failing::new(Arc::new(disk.clone()));
        let server = start(Arc::new(faults.clone()), options).unwrap();
        let stage = Stage { disk, faults, server };
        assert_eq!(stage.connect().call(&["SET", "before", "1"]), Reply::ok());
        stage
    }

    fn connect(&self) -> Wire {
        Wire::connect(self.server.addr)
    }

    fn is_refused(&self) -> bool {
        self.connect().call(&["PING"]).error_text().starts_with("MISCONF Errors writing to the AOF file: ")
    }

    /// The power fails now; what a start finds.
    fn after_crash(self, key: &str) -> Reply {
        drop(self.server);
        self.disk.crash(7);
        let server = start(Arc::new(self.disk.clone()), &[]).unwrap();
        Wire::connect(server.addr).call(&["GET", key])
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let stage = Stage::new(&[]);
    stage.faults.fail(Fault::at(Operation::Write, "incr").with(libc::ENOSPC));
    let mut writer = stage.connect();
    // Its reply is held: it is neither done nor refused.
    assert!(writer.call_within(&["SET", "held", "1"], 50).is_none());
    eventually("writes are refused", || stage.is_refused());
    assert!(stage.connect().call(&["SET", "x", "1"]).error_text().starts_with("MISCONF"));
    let mut transaction = stage.connect();
    assert_eq!(transaction.ask("MULTI"), Reply::ok());
    assert!(transaction.ask("SET x 1").error_text().starts_with("MISCONF"));
    assert!(transaction.ask("EXEC").error_text().starts_with("EXECABORT"));
    assert_eq!(info(&mut stage.connect(), "aof_last_write_status"), "err");
    stage.faults.heal();
    assert_eq!(writer.read().unwrap(), Reply::ok(), "the held reply leaves when it is durable");
    eventually("writes are taken again", || !stage.is_refused());
    assert_eq!(info(&mut stage.connect(), "aof_last_write_status"), "ok");
    assert_eq!(stage.after_crash("held"), Reply::bulk("1"));
}

#[test]
fn a_failed_sync_needs_a_new_file() {
    for policy in ["always", "everysec"] {
        let stage = Stage::new(&["--appendfsync", policy]);
        stage.faults.fail(Fault::at(Operation::Sync, "1.incr").times(1));
        let mut writer = stage.connect();
        if policy == "always" {
            // Held until a new base, which holds it too, is complete.
            assert_eq!(writer.call(&["SET", "held", "1"]), Reply::ok());
        } else {
            eventually("the sync fails", || {
                let _ = stage.connect().call(&["SET", "held", "1"]);
                info(&mut stage.connect(), "aof_rewrites") != "0"
            });
        }
        eventually("writes are taken again", || !stage.is_refused());
        eventually("there is a new file", || info(&mut stage.connect(), "aof_rewrites") != "0");
        assert_eq!(stage.connect().call(&["SET", "after", "2"]), Reply::ok());
        assert_eq!(
            stage.connect().ask("WAITAOF 1 0 0"),
            Reply::Array(vec![Reply::Integer(1), Reply::Integer(0)])
        );
        assert_eq!(stage.after_crash("after"), Reply::bulk("2"));
    }
}

#[test]
fn a_rewrite_that_fails_leaves_the_old_files_in_force() {
    for operation in [Operation::Create, Operation::Write, Operation::Sync, Operation::Rename] {
        let stage = Stage::new(&[]);
        stage.faults.fail(Fault::at(operation, "temp").with(libc::EROFS));
        stage.faults.fail(Fault::at(operation, "base").with(libc::EROFS));
        stage.connect().ask("BGREWRITEAOF");
        let mut wire = stage.connect();
        eventually("the rewrite fails", || info(&mut wire, "aof_last_bgrewrite_status") == "err");
        assert_eq!(wire.call(&["SET", "after", "2"]), Reply::ok());
        assert_eq!(stage.after_crash("after"), Reply::bulk("2"), "{operation:?}");
    }
}
