//! Users beyond single requests: files, other people's connections, pipelines, what is kept secret.

use std::os::unix::fs::PermissionsExt;

use super::support::{connect, eventually, server};
use super::wire::{Reply, request};

/// All texts in a reply.
fn texts(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(bytes) | Reply::Status(bytes) | Reply::Error(bytes) | Reply::Verbatim(_, bytes) => {
            format!("{} ", String::from_utf8_lossy(bytes))
        }
        Reply::Array(items) => items.iter().map(texts).collect(),
        Reply::Map(pairs) => pairs.iter().map(|(key, value)| texts(key) + &texts(value)).collect(),
        other => format!("{other:?} "),
    }
}

#[test]
fn users_come_from_a_file_and_go_back_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.acl");
    std::fs::write(&path, "user alice on >pw ~a* +@read\n").unwrap();
    let server = server(&["--aclfile", path.to_str().unwrap()]);
    let (mut admin, mut alice, mut bob) = (connect(&server), connect(&server), connect(&server));
    assert_eq!(alice.ask("AUTH alice pw"), Reply::ok());
    assert_eq!(alice.ask("GET b").error_text(), "NOPERM No permissions to access a key");
    assert_eq!(admin.ask("ACL SETUSER bob on nopass ~* &* +@all"), Reply::ok());
    assert_eq!(bob.ask("AUTH bob x"), Reply::ok());
    assert_eq!(admin.ask("ACL SAVE"), Reply::ok());
    let saved = std::fs::read_to_string(&path).unwrap();
    assert_eq!(saved.lines().count(), 3, "{saved}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // Nothing changes for those who stay; who is gone is disconnected.
    std::fs::write(&path, "user alice on >other ~b* +@read\n").unwrap();
    assert_eq!(admin.ask("ACL LOAD"), Reply::ok());
    assert_eq!(alice.ask("GET b"), Reply::NilBulk);
    assert!(bob.is_closed());
    std::fs::write(&path, "user alice on\nnonsense\n").unwrap();
    assert!(admin.ask("ACL LOAD").error_text().contains(":2 should start with user keyword"));
    assert_eq!(alice.ask("GET b"), Reply::NilBulk);
    std::fs::remove_file(&path).unwrap();
    let error = admin.ask("ACL LOAD").error_text();
    assert!(error.ends_with("No such file or directory"), "{error}");
}

#[test]
fn a_bad_user_stops_the_start() {
    use ochre::base::clock::Time;
    use ochre::server::embed::Server;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.conf");
    std::fs::write(&path, "\nuser alice on >pw +nope\n").unwrap();
    let error = Server::start(&["--include", path.to_str().unwrap()], Time::system()).err().unwrap();
    let place =
        format!("Reading the configuration file {}, at line 2\n>>> 'user (redacted)'\n", path.display());
    let reason = "Error in user declaration 'alice': Unknown command or category name in ACL\n";
    assert!(error.contains("FATAL CONFIG FILE ERROR") && error.ends_with(&(place + reason)), "{error}");
    let error = Server::start(&["--aclfile", "/nowhere/users.acl"], Time::system()).err().unwrap();
    assert!(error.ends_with("opening file '/nowhere/users.acl': No such file or directory"), "{error}");
}

#[test]
fn rules_count_from_the_next_request_of_the_pipeline_and_for_everybody() {
    let server = server(&["--io-threads", "2"]);
    let mut admin = connect(&server);
    admin.ask("ACL SETUSER u on nopass ~* &* +@all");
    let mut other = connect(&server);
    other.ask("AUTH u x");
    other.ask("SUBSCRIBE c");
    let mut user = connect(&server);
    let pipeline = [
        &["AUTH", "u", "x"][..],
        &["SET", "k", "v"],
        &["ACL", "SETUSER", "u", "-set", "resetchannels"],
        &["SET", "k", "w"],
        &["GET", "k"],
        &["AUTH", "default", "x"],
        &["SET", "k", "x"],
    ];
    user.send_raw(&pipeline.map(request).concat()).unwrap();
    let mut replies = Vec::new();
    for _ in pipeline {
        replies.push(user.read().unwrap());
    }
    assert_eq!(replies[3].error_text(), "NOPERM User u has no permissions to run the 'set' command");
    assert_eq!((&replies[4], &replies[6]), (&Reply::bulk("v"), &Reply::ok()));
    assert!(other.is_closed());
}

#[test]
fn whose_user_is_deleted_is_disconnected_and_nobody_by_that_name() {
    let server = server(&["--io-threads", "1", "--requirepass", "secret"]);
    let (mut admin, mut user) = (connect(&server), connect(&server));
    admin.ask("AUTH secret");
    admin.ask("ACL SETUSER u on nopass ~* +@all");
    user.ask("AUTH u x");
    let pipeline = [
        &["MULTI"][..],
        &["ACL", "DELUSER", "u"],
        &["ACL", "SETUSER", "u", "on", "nopass", "~*", "+@all"],
        &["SET", "k", "v"],
        &["EXEC"],
        &["SET", "k", "v"],
    ];
    user.send_raw(&pipeline.map(request).concat()).unwrap();
    eventually("the connection ends", || {
        while user.read().is_ok() {}
        true
    });
    assert_eq!(admin.ask("GET k"), Reply::NilBulk);
}

/// Requests that hold a secret, right and wrong ones, between two without.
pub(super) const WITH_SECRETS: [&str; 30] = [
    "ACL SETUSER u on >hunter2 ~* +@all",
    "AUTH u hunter2",
    "AUTH hunter2",
    "AUTH hunter2 hunter2 hunter2",
    "HELLO 3 AUTH u hunter2",
    "HELLO 3 SETNAME me AUTH u hunter2 nonsense",
    "HELLO 3 AUTH hunter2",
    "HELLO 9 AUTH u hunter2",
    "CONFIG SET requirepass hunter2",
    "CONFIG SET masterauth hunter2",
    "CONFIG SET tls-key-file-pass hunter2",
    "CONFIG SET tls-client-key-file-pass hunter2",
    "CONFIG SET maxmemory 0 masterauth hunter2 port nonsense",
    "CONFIG SET masterauth hunter2 masterauth hunter2",
    "CONFIG SET masterauth hunter2 tls-key-file-pass",
    "ACL SETUSER u <hunter2 (>hunter2)",
    "ACL SETUSER u (>hunter2",
    "ACL SETUSER u <hunter2 <hunter2",
    "ACL SETUSER u #hunter2",
    "ACL SETUSER u !hunter2",
    "SET k v",
    "MIGRATE 127.0.0.1 1 k 0 100 AUTH hunter2",
    "MIGRATE 127.0.0.1 1 k 0 100 COPY AUTH2 u hunter2",
    "MIGRATE 127.0.0.1 1 k 0 100 AUTH2 hunter2",
    "MIGRATE 127.0.0.1 1 k 0 nonsense AUTH2 u hunter2",
    "ACL SETUSER",
    "RESET",
    "AUTH default hunter2",
    "CONFIG SET masteruser hunter2",
    "PING",
];

#[test]
fn secrets_are_shown_to_nobody() {
    let server =
        server(&["--io-threads", "1", "--slowlog-log-slower-than", "0", "--latency-monitor-threshold", "1"]);
    let (mut admin, mut monitor, mut other) = (connect(&server), connect(&server), connect(&server));
    monitor.ask("MONITOR");
    for line in WITH_SECRETS {
        let reply = texts(&admin.ask(line));
        assert!(!reply.contains("hunter2"), "{line}: {reply}");
        let clients = texts(&other.ask("CLIENT LIST"));
        assert!(!clients.contains("hunter2"), "{line}: {clients}");
    }
    // The same within a transaction, where it may stand.
    for line in ["MULTI", "CONFIG SET masterauth hunter2", "ACL SETUSER u >hunter2", "EXEC"] {
        admin.ask(line);
    }
    let log = texts(&admin.ask("SLOWLOG GET -1"));
    assert!(log.contains("redacted") && log.contains("MIGRATE") && !log.contains("hunter2"), "{log}");
    for line in
        ["ACL LOG 100", "INFO everything", "LATENCY LATEST", "LATENCY DOCTOR", "CLIENT LIST", "ACL LIST"]
    {
        let told = texts(&admin.ask(line));
        assert!(!told.contains("hunter2"), "{line}: {told}");
    }
    admin.ask("ECHO over");
    let mut told = String::new();
    while !told.contains("ECHO") {
        told.push_str(&texts(&monitor.read().unwrap()));
    }
    assert!(told.contains("MIGRATE") && !told.contains("hunter2"), "{told}");
}

#[test]
fn what_exec_may_not_run_is_told_as_exec() {
    let server = server(&[]);
    let (mut admin, mut user) = (connect(&server), connect(&server));
    admin.ask("ACL SETUSER u on nopass ~* +@all");
    for line in ["AUTH u x", "MULTI", "INCR k"] {
        user.ask(line);
    }
    admin.ask("ACL SETUSER u -incr");
    assert!(texts(&user.ask("EXEC")).contains("NOPERM"));
    let log = texts(&admin.ask("ACL LOG"));
    assert!(log.contains("context multi object incr") && log.contains(" cmd=exec "), "{log}");
}
