//! Logs that other servers wrote: what Redis of long ago put there still runs.

use std::sync::Arc;

use ochre::persist::storage::{Simulated, Storage};

use super::start;
use super::wire::{Reply, Wire};

fn log(commands: &[&[&str]]) -> Vec<u8> {
    commands.iter().flat_map(|words| super::wire::request(words)).collect()
}

#[test]
fn scripts_of_an_old_log_run_again() {
    let disk = Simulated::new();
    let script = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('INCR', 'undeclared')";
    let bytes = log(&[
        &["SELECT", "3"],
        &["EVAL", script, "1", "k", "v"],
        &["MULTI"],
        &["EVAL", script, "1", "other", "w"],
        &["EXEC"],
    ]);
    let root = tempfile::tempdir().unwrap();
    disk.create(&root.path().join("appendonly.aof")).unwrap().write_all(&bytes).unwrap();
    let server = start(Arc::new(disk), &["--dir", root.path().to_str().unwrap()]).unwrap();
    let mut wire = Wire::connect(server.addr);
    wire.ask("SELECT 3");
    let found = ["k", "other", "undeclared"].map(|key| wire.call(&["GET", key]));
    assert_eq!(found, [Reply::bulk("v"), Reply::bulk("w"), Reply::bulk("2")]);
}

/// Nobody is asked for rights while a log is loaded: it is what was done.
#[test]
fn users_do_not_count_for_what_is_in_a_log() {
    let disk = Simulated::new();
    let bytes = log(&[
        &["SET", "a", "1"],
        &["MULTI"],
        &["SET", "b", "2"],
        &["EXEC"],
        &["EVAL", "redis.call('SET', KEYS[1], '3')", "1", "c"],
    ]);
    let root = tempfile::tempdir().unwrap();
    disk.create(&root.path().join("appendonly.aof")).unwrap().write_all(&bytes).unwrap();
    let users = "--user default off resetkeys -@all --user reader on nopass ~* +mget".split(' ');
    let options: Vec<&str> = ["--dir", root.path().to_str().unwrap()].into_iter().chain(users).collect();
    let server = start(Arc::new(disk), &options).unwrap();
    let mut wire = Wire::connect(server.addr);
    assert!(matches!(wire.ask("MGET a b c"), Reply::Error(_)));
    assert_eq!(wire.ask("AUTH reader any"), Reply::ok());
    assert_eq!(wire.ask("MGET a b c"), Reply::Array(["1", "2", "3"].map(Reply::bulk).to_vec()));
}

#[test]
fn a_flush_of_nothing_is_in_the_log() {
    let disk = Simulated::new();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().to_str().unwrap();
    let server = start(Arc::new(disk.clone()), &["--dir", dir, "--aof-checksum", "no"]).unwrap();
    let mut wire = Wire::connect(server.addr);
    wire.ask("FLUSHALL");
    wire.ask("SELECT 1");
    wire.ask("FLUSHDB");
    drop(server);
    let folder = root.path().join("appendonlydir");
    let name = disk.list(&folder).unwrap().into_iter().find(|name| name.contains("incr")).unwrap();
    let written = disk.read(&folder.join(name), 1 << 20).unwrap();
    let expected = log(&[&["SELECT", "0"], &["FLUSHALL"], &["SELECT", "1"], &["FLUSHDB"]]);
    assert_eq!(written.escape_ascii().to_string(), expected.escape_ascii().to_string());
}
