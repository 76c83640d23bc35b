//! Snapshots: what is saved is what there was at one moment, and comes back as it was.

use std::sync::atomic::{AtomicBool, Ordering};

use super::support::{connect, effort, eventually, server};
use super::wire::{Reply, Wire};
use ochre::server::embed::Server;

fn text(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(text) => String::from_utf8_lossy(text).into_owned(),
        other => panic!("{other:?}"),
    }
}

fn server_in(dir: &tempfile::TempDir, workers: &str) -> Server {
    let dir = dir.path().to_str().expect("a path of letters");
    server(&["--dir", dir, "--io-threads", workers, "--enable-debug-command", "yes"])
}

fn is_saving(wire: &mut Wire) -> bool {
    text(&wire.ask("INFO persistence")).contains("rdb_bgsave_in_progress:1")
}

/// Something of every kind, small and big, in several databases.
fn fill(wire: &mut Wire) {
    for (db, many) in [(0, 3), (7, 600)] {
        wire.ask(&format!("SELECT {db}"));
        wire.ask("SET text hello");
        wire.ask("SET number 12345 PX 100000000");
        wire.call(&["SET", "long", &"abc".repeat(2000)]);
        for index in 0..many {
            wire.ask(&format!("RPUSH list {index} word{index}"));
            wire.ask(&format!("SADD ints {index}"));
            wire.ask(&format!("SADD set member{index}"));
            wire.ask(&format!("ZADD zset {index}.5 member{index}"));
            wire.ask(&format!("HSET hash field{index} value{index}"));
            wire.ask(&format!("XADD stream {index}-1 field value{index}"));
            wire.ask(&format!("HSETEX expiring EX 100000 FIELDS 1 field{index} value{index}"));
        }
        wire.ask("XGROUP CREATE stream group 0");
        wire.ask("XREADGROUP GROUP group alice COUNT 2 STREAMS stream >");
        wire.ask("XDEL stream 1-1");
    }
}

#[test]
fn everything_comes_back_as_it_was() {
    for workers in ["1", "4"] {
        let dir = tempfile::tempdir().expect("a folder");
        let server = server_in(&dir, workers);
        let mut wire = connect(&server);
        fill(&mut wire);
        let before = (wire.ask("DEBUG DIGEST"), wire.ask("XINFO STREAM stream FULL"), wire.ask("DUMP hash"));
        assert_eq!(wire.ask("DEBUG RELOAD"), Reply::ok());
        let after = (wire.ask("DEBUG DIGEST"), wire.ask("XINFO STREAM stream FULL"), wire.ask("DUMP hash"));
        assert_eq!((&before.0, &before.1), (&after.0, &after.1));
        assert_eq!(wire.ask("SAVE"), Reply::ok());
        wire.ask("FLUSHALL");
        assert_eq!(wire.ask("DEBUG RELOAD NOSAVE"), Reply::ok());
        assert_eq!(wire.ask("DEBUG DIGEST"), before.0);
        assert!(text(&wire.ask("INFO persistence")).contains("rdb_last_bgsave_status:ok"));
    }
}

/// Money goes from account to account while snapshots are made; each of them has all of it.
#[test]
fn a_snapshot_is_of_one_moment() {
    const ACCOUNTS: usize = 300;
    let (dir, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (server, reader) = (server_in(&dir, "4"), server_in(&elsewhere, "1"));
    let mut wire = connect(&server);
    for account in 0..ACCOUNTS {
        wire.ask(&format!("SET account{account} 100"));
        wire.ask(&format!("SET filler{account} {account}"));
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for payer in 0..3 {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                let mut wire = connect(server);
                let mut round = payer * 31;
                while !stop.load(Ordering::Relaxed) {
                    round += 7;
                    let (from, to) = (round % ACCOUNTS, (round * 3 + 1) % ACCOUNTS);
                    wire.ask("MULTI");
                    wire.ask(&format!("DECRBY account{from} 5"));
                    wire.ask(&format!("INCRBY account{to} 5"));
                    wire.ask("EXEC");
                }
            });
        }
        let mut observer = connect(&reader);
        for _ in 0..5 {
            assert!(matches!(wire.ask("BGSAVE"), Reply::Status(_)));
            eventually("the save ends", || !is_saving(&mut wire));
            std::fs::copy(dir.path().join("dump.rdb"), elsewhere.path().join("dump.rdb")).expect("a file");
            assert_eq!(observer.ask("DEBUG RELOAD NOSAVE"), Reply::ok());
            let sum: i64 = (0..ACCOUNTS)
                .map(|account| text(&observer.ask(&format!("GET account{account}"))).parse::<i64>().unwrap())
                .sum();
            assert_eq!(sum, 100 * ACCOUNTS as i64);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// What no field with a deadline is in is for older readers too, whatever there was before.
#[test]
fn a_file_tells_the_version_that_it_needs() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = server_in(&dir, "2");
    let mut wire = connect(&server);
    let fields = (0..600).map(|index| format!(" f{index} v")).collect::<String>();
    wire.ask("HSET small f v g w h x");
    wire.ask(&format!("HSET big{fields}"));
    let told = |wire: &mut Wire| {
        assert_eq!(wire.ask("SAVE"), Reply::ok());
        assert!(matches!(wire.ask("DEBUG RELOAD NOSAVE"), Reply::Status(_)));
        let file = std::fs::read(dir.path().join("dump.rdb")).expect("a file");
        String::from_utf8_lossy(&file[..9]).into_owned()
    };
    let before = wire.ask("DEBUG DIGEST-VALUE small");
    assert_eq!(told(&mut wire), "REDIS0011");
    for (deadline, none) in [
        ("HPEXPIREAT small 4000000000000 FIELDS 2 f g", "HPERSIST small FIELDS 2 f g"),
        ("HPEXPIREAT big 4000000000000 FIELDS 3 f1 f2 f3", "HPERSIST big FIELDS 3 f2 f1 f3"),
        ("HPEXPIREAT big 4000000000000 FIELDS 2 f1 f2", "HDEL big f1 f2"),
        ("HPEXPIREAT big 4000000000000 FIELDS 2 f3 f4", "HSET big f3 v f4 v"),
        ("HPEXPIREAT big 4000000000000 FIELDS 1 f3", "DEL big"),
    ] {
        wire.ask(deadline);
        assert_eq!(told(&mut wire), "REDIS0012", "{deadline}");
        wire.ask(none);
        assert_eq!(told(&mut wire), "REDIS0011", "{none}");
        assert_eq!(wire.ask("DEBUG DIGEST-VALUE small"), before);
    }
    assert_eq!(wire.ask("HGET small g"), Reply::bulk("w"));
}

#[test]
fn writes_are_refused_after_a_failed_save_until_one_succeeds() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = server_in(&dir, "1");
    let mut wire = connect(&server);
    wire.ask("SET k v");
    assert_eq!(wire.call(&["CONFIG", "SET", "save", "3600 1000000"]), Reply::ok());
    // Where the file belongs there is a folder.
    std::fs::create_dir(dir.path().join("dump.rdb")).expect("it can be made");
    assert!(matches!(wire.ask("SAVE"), Reply::Error(_)));
    assert_eq!(wire.ask("SET k v"), Reply::ok(), "who asked for the save has heard of it");
    assert!(matches!(wire.ask("BGSAVE"), Reply::Status(_)));
    eventually("the save fails", || !is_saving(&mut wire));
    let refused = wire.ask("SET k w").error_text();
    assert!(refused.starts_with("MISCONF Redis is configured to save RDB snapshots"), "{refused}");
    assert!(refused.contains("dump.rdb") && refused.contains("uid") && refused.contains("free"), "{refused}");
    assert_eq!(wire.ask("GET k"), Reply::bulk("v"));
    assert!(text(&wire.ask("INFO persistence")).contains("rdb_last_bgsave_status:err"));
    let left: Vec<_> = std::fs::read_dir(dir.path()).expect("a folder").flatten().collect();
    assert_eq!(left.len(), 1, "no temporary file is left: {left:?}");
    std::fs::remove_dir(dir.path().join("dump.rdb")).expect("it is there");
    assert_eq!(wire.ask("SAVE"), Reply::ok());
    assert_eq!(wire.ask("SET k w"), Reply::ok());
}

#[test]
fn flushing_while_a_snapshot_is_made_takes_nothing_from_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = server_in(&dir, "2");
    let mut wire = connect(&server);
    wire.ask("DEBUG POPULATE 20000 key 100");
    let before = wire.ask("DEBUG DIGEST");
    // The save takes a while: the flush comes in between.
    wire.ask("CONFIG SET rdb-key-save-delay 20");
    assert!(matches!(wire.ask("BGSAVE"), Reply::Status(_)));
    assert!(wire.ask("BGSAVE").error_text().contains("already in progress"));
    wire.ask("SWAPDB 0 1");
    wire.ask("SELECT 1");
    // FLUSHALL would give up the save.
    wire.ask("FLUSHDB");
    wire.ask("SELECT 0");
    wire.ask("SET another key");
    wire.ask("CONFIG SET rdb-key-save-delay 0");
    eventually("the save ends", || !is_saving(&mut wire));
    assert_eq!(wire.ask("DEBUG RELOAD NOSAVE"), Reply::ok());
    assert_eq!(wire.ask("DEBUG DIGEST"), before);
}

/// The file is one of what there is now when the reply comes, as in Redis.
#[test]
fn flushing_all_replaces_the_file_before_its_reply() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = server_in(&dir, "1");
    let mut wire = connect(&server);
    let size = || std::fs::metadata(dir.path().join("dump.rdb")).map(|file| file.len());
    wire.ask("DEBUG POPULATE 1000 key 100");
    assert_eq!(wire.ask("SAVE"), Reply::ok());
    let full = size().expect("it was saved");
    assert_eq!(wire.ask("FLUSHALL"), Reply::ok());
    assert_eq!(size().expect("it is there"), full, "nothing asks for saves");
    wire.call(&["CONFIG", "SET", "save", "3600 1000000"]);
    wire.ask("SET k v");
    assert_eq!(wire.ask("FLUSHALL"), Reply::ok());
    assert!(size().expect("it is there") < 300);
    assert!(text(&wire.ask("INFO persistence")).contains("rdb_changes_since_last_save:0"));
    // One that is under way is given up, and what comes in its place waited for.
    wire.ask("DEBUG POPULATE 1000 key 100");
    assert_eq!(wire.ask("SAVE"), Reply::ok());
    wire.ask("CONFIG SET rdb-key-save-delay 1000");
    assert!(matches!(wire.ask("BGSAVE"), Reply::Status(_)));
    assert_eq!(wire.ask("FLUSHALL ASYNC"), Reply::ok());
    assert!(size().expect("it is there") < 300);
    // A transaction waits for nothing: its file comes soon.
    wire.ask("CONFIG SET rdb-key-save-delay 0");
    wire.ask("SET k v");
    assert_eq!(wire.ask("SAVE"), Reply::ok());
    wire.ask("MULTI");
    wire.ask("FLUSHALL");
    assert_eq!(wire.ask("EXEC"), Reply::Array(vec![Reply::ok()]));
    eventually("the file is replaced", || {
        text(&wire.ask("INFO persistence")).contains("rdb_changes_since_last_save:0")
    });
}

#[test]
fn loading_the_log_again_behind_a_rewrite_keeps_only_its_client_waiting() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().to_str().expect("a path of letters");
    let options =
        ["--dir", path, "--io-threads", "1", "--enable-debug-command", "yes", "--appendonly", "yes"];
    let server = server(&options);
    let (mut asker, mut other) = (connect(&server), connect(&server));
    asker.ask("DEBUG POPULATE 2000 key 10");
    let before = asker.ask("DEBUG DIGEST");
    // The rewrite takes some seconds.
    asker.ask("CONFIG SET rdb-key-save-delay 1000");
    assert!(matches!(asker.ask("BGREWRITEAOF"), Reply::Status(_)));
    eventually("the rewrite is under way", || {
        text(&other.ask("INFO persistence")).contains("aof_rewrite_in_progress:1")
    });
    asker.send(&["DEBUG", "LOADAOF"]).expect("it is sent");
    eventually("somebody else is served meanwhile", || {
        let told = text(&other.ask("INFO"));
        told.contains("blocked_clients:1") && told.contains("aof_rewrite_in_progress:1")
    });
    assert_eq!(asker.read().expect("a reply"), Reply::ok());
    assert_eq!(asker.ask("DEBUG DIGEST"), before);
}

/// Whoever holds shards may ask for a rewrite, or what has become of it, while one takes hold of all shards.
#[test]
fn rewrites_and_transactions_about_them_do_not_wait_for_each_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().to_str().expect("a path");
    let server = server(&["--dir", path, "--io-threads", "3", "--appendonly", "yes", "--save", ""]);
    std::thread::scope(|scope| {
        for client in 0..3 {
            let mut wire = connect(&server);
            scope.spawn(move || {
                for round in 0..60 * effort() {
                    wire.ask("MULTI");
                    wire.ask(&format!("SET key{client} {round}"));
                    wire.ask("BGREWRITEAOF");
                    wire.ask("INFO persistence");
                    wire.ask("CONFIG SET appendfsync always");
                    assert!(matches!(wire.ask("EXEC"), Reply::Array(replies) if replies.len() == 4));
                    assert!(matches!(wire.ask("INFO"), Reply::Bulk(_)));
                }
            });
        }
    });
}
