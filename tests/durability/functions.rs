//! Libraries of functions are data too: they survive restarts, rewrites and snapshots.

use std::sync::Arc;

use ochre::persist::storage::Simulated;
use ochre::server::embed::Server;

use super::start;
use super::wire::{Reply, Wire};

const COUNTING: &str = "#!lua name=counting\n\
    redis.register_function('add', function(keys, args) return redis.call('INCRBY', keys[1], args[1]) end)";
const READING: &str = "#!lua name=reading\n\
    redis.register_function{function_name='show', callback=function(keys) return redis.call('GET', keys[1]) end, flags={'no-writes'}}";

const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];

fn load(wire: &mut Wire) {
    assert_eq!(wire.call(&["FUNCTION", "LOAD", COUNTING]), Reply::bulk("counting"));
    assert_eq!(wire.call(&["FUNCTION", "LOAD", READING]), Reply::bulk("reading"));
    assert_eq!(wire.ask("FCALL add 1 sum 7"), Reply::Integer(7));
}

/// Both libraries are there and work, on what they had written before.
fn check(wire: &mut Wire, sum: i64, what: &str) {
    let Reply::Array(libraries) = wire.ask("FUNCTION LIST") else { panic!("{what}: no list") };
    assert_eq!(libraries.len(), 2, "{what}");
    assert_eq!(wire.ask("FCALL_RO show 1 sum"), Reply::bulk(&sum.to_string()), "{what}");
    assert_eq!(wire.ask("FCALL add 1 sum 1"), Reply::Integer(sum + 1), "{what}");
}

fn restart(server: Server, disk: &Simulated) -> Server {
    drop(server);
    disk.crash(5);
    start(Arc::new(disk.clone()), &DEBUG).unwrap()
}

#[test]
fn they_come_back_from_a_log_before_and_behind_a_rewrite() {
    for preamble in ["yes", "no"] {
        let disk = Simulated::new();
        let server =
            start(Arc::new(disk.clone()), &[&DEBUG[..], &["--aof-use-rdb-preamble", preamble]].concat())
                .unwrap();
        load(&mut Wire::connect(server.addr));
        let server = restart(server, &disk);
        let mut wire = Wire::connect(server.addr);
        check(&mut wire, 7, "from commands");
        assert_eq!(wire.ask("DEBUG LOADAOF"), Reply::ok());
        check(&mut wire, 8, "from commands, again");
        wire.ask(&format!("CONFIG SET aof-use-rdb-preamble {preamble}"));
        wire.ask("BGREWRITEAOF");
        super::eventually("the rewrite ends", || super::info(&mut wire, "aof_rewrites") == "1");
        assert_eq!(super::info(&mut wire, "aof_last_bgrewrite_status"), "ok");
        let server = restart(server, &disk);
        let mut wire = Wire::connect(server.addr);
        check(&mut wire, 9, &format!("from a base, preamble {preamble}"));
        assert_eq!(wire.ask("DEBUG LOADAOF"), Reply::ok());
        check(&mut wire, 10, "from a base, again");
        assert_eq!(wire.ask("FUNCTION DELETE reading"), Reply::ok());
        let server = restart(server, &disk);
        let Reply::Array(left) = Wire::connect(server.addr).ask("FUNCTION LIST") else { panic!() };
        assert_eq!(left.len(), 1);
        assert_eq!(Wire::connect(server.addr).ask("FUNCTION FLUSH"), Reply::ok());
        let server = restart(server, &disk);
        assert_eq!(Wire::connect(server.addr).ask("FUNCTION LIST"), Reply::Array(Vec::new()));
    }
}

#[test]
fn they_come_back_from_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let options = ["--dir", dir, "--appendonly", "no", "--enable-debug-command", "yes"];
    let server = Server::start(&options, ochre::base::clock::Time::system()).unwrap();
    let mut wire = Wire::connect(server.addr);
    load(&mut wire);
    assert_eq!(wire.ask("DEBUG RELOAD"), Reply::ok());
    check(&mut wire, 7, "from a snapshot");
    assert_eq!(wire.ask("SAVE"), Reply::ok());
    wire.ask("FLUSHALL");
    wire.ask("FUNCTION FLUSH");
    assert_eq!(wire.ask("DEBUG RELOAD NOSAVE NOFLUSH"), Reply::ok());
    check(&mut wire, 8, "from a file");
}
