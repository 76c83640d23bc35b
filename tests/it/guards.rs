//! Who may do what without a password, seen from this machine and from another address.
//!
//! The machine's own address in its network is not loopback, so a connection to it is what one from elsewhere is. Without such an
//! address (no network at all) that half of a test is left out, with a message.

use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};

use super::process::{at, free_port, hold_starts, started};
use super::wire::{Reply, Wire};

/// This machine as others see it. Nothing is sent: connecting a datagram socket only asks the system for a route.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    let is_other = !address.is_loopback() && !address.is_unspecified();
    if !is_other {
        eprintln!("This machine has no address but loopback: left out");
    }
    Some(address).filter(|_| is_other)
}

fn from_elsewhere(port: u16) -> Option<Wire> {
    own_address().map(|address| Wire::connect(SocketAddr::new(address, port)))
}

#[test]
fn without_a_password_only_this_machine_is_served() {
    let (_process, port) = started(&["--bind", "0.0.0.0"]);
    let mut admin = Wire::connect(at(port));
    assert_eq!(admin.ask("PING"), Reply::Status(b"PONG".to_vec()));
    let Some(mut stranger) = from_elsewhere(port) else { return };
    assert!(stranger.read().unwrap().error_text().starts_with("DENIED"));
    assert!(stranger.is_closed());
    assert_eq!(admin.ask("CONFIG SET requirepass secret"), Reply::ok());
    let mut stranger = from_elsewhere(port).unwrap();
    assert!(stranger.ask("GET k").error_text().starts_with("NOAUTH"));
    assert_eq!(stranger.ask("AUTH secret"), Reply::ok());
}

#[test]
fn guards_open_for_nobody_for_this_machine_or_for_all() {
    for (rule, local, remote) in [("no", false, false), ("local", true, false), ("yes", true, true)] {
        let (_process, port) = started(&[
            "--bind",
            "0.0.0.0",
            "--protected-mode",
            "no",
            "--enable-debug-command",
            rule,
            "--enable-module-command",
            rule,
            "--enable-protected-configs",
            rule,
        ]);
        let clients = [(Some(Wire::connect(at(port))), local), (from_elsewhere(port), remote)];
        for (wire, is_open) in clients.into_iter().filter_map(|(wire, is_open)| Some((wire?, is_open))) {
            let mut wire = wire;
            let debug = wire.ask("DEBUG STRUCTSIZE").error_text();
            assert_eq!(debug.starts_with("ERR DEBUG command not allowed"), !is_open, "{rule}: {debug}");
            let module = wire.ask("MODULE LOAD /nowhere.so").error_text();
            assert_eq!(module.starts_with("ERR MODULE command not allowed"), !is_open, "{rule}: {module}");
            for line in
                ["CONFIG SET dbfilename other.rdb", "CONFIG SET dir .", "CONFIG SET logfile other.log"]
            {
                let refusal = wire.ask(line).error_text();
                assert_eq!(refusal.contains("can't set protected config"), !is_open, "{rule}: {refusal}");
            }
            for line in ["CONFIG SET aclfile x", "CONFIG SET unixsocket x"] {
                assert!(wire.ask(line).error_text().contains("immutable"), "{line}");
            }
        }
    }
}

#[test]
fn what_is_closed_is_closed_before_anything_else_is_asked() {
    let (_process, port) = started(&[]);
    let mut admin = Wire::connect(at(port));
    let is_refused =
        |wire: &mut Wire, line: &str| wire.ask(line).error_text().contains(" command not allowed");
    for line in ["DEBUG SLEEP 0", "MODULE UNLOAD x"] {
        assert_eq!(admin.ask("MULTI"), Reply::ok());
        assert!(is_refused(&mut admin, line), "{line}");
        assert!(admin.ask("EXEC").error_text().starts_with("EXECABORT"), "{line}");
    }
    let Reply::Bulk(stats) = admin.ask("INFO commandstats") else { panic!("no text") };
    let stats = String::from_utf8(stats).unwrap();
    for command in ["debug", "module|unload"] {
        let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:"))).unwrap();
        assert!(line.contains(":calls=0,") && line.contains("rejected_calls=1,failed_calls=0"), "{line}");
    }
    assert_eq!(admin.ask("ACL SETUSER u on nopass +ping"), Reply::ok());
    let mut user = Wire::connect(at(port));
    assert_eq!(user.ask("AUTH u x"), Reply::ok());
    assert!(is_refused(&mut user, "DEBUG SLEEP 0"));
    assert_eq!(admin.ask("CONFIG SET requirepass secret"), Reply::ok());
    let mut stranger = Wire::connect(at(port));
    assert!(is_refused(&mut stranger, "MODULE UNLOAD x"));
    assert!(stranger.ask("MODULE LIST").error_text().starts_with("NOAUTH"));
}

#[test]
fn the_log_goes_to_regular_files_only() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let pipe = pipe.to_str().unwrap();
    let starting = hold_starts();
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    drop(starting);
    let (_process, port) = started(&["--enable-protected-configs", "yes"]);
    let mut wire = Wire::connect(at(port));
    for path in [pipe, folder.path().to_str().unwrap()] {
        let refusal = wire.ask(&format!("CONFIG SET logfile {path}")).error_text();
        assert!(refusal.ends_with("this is not a regular file"), "{refusal}");
    }
    let file = folder.path().join("log");
    assert_eq!(wire.ask(&format!("CONFIG SET logfile {}", file.display())), Reply::ok());
    wire.ask("CONFIG RESETSTAT");
    assert!(file.is_file());
    let (status, errors) = super::process::ended(&["--logfile", pipe]);
    assert!(!status.success() && errors.contains("Can't open the log file"), "nobody reads it: {errors}");
    // As in containers.
    started(&["--logfile", "/dev/stdout"]);
}

#[test]
fn of_several_options_none_is_set_when_one_fails() {
    let [folder, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [folder_path, other_path] = [&folder, &other].map(|folder| folder.path().to_str().unwrap());
    let options = ["--enable-protected-configs", "yes", "--save", "", "--dir", folder_path];
    let (_process, port) = started(&options);
    let free = free_port();
    let mut wire = Wire::connect(at(port));
    // A log file that is a folder is refused when port and folder have been changed.
    let request = format!("CONFIG SET port {free} dir {other_path} logfile {folder_path}");
    let refusal = wire.ask(&request).error_text();
    assert!(refusal.contains("'logfile'") && refusal.ends_with("this is not a regular file"), "{refusal}");
    assert!(TcpStream::connect(at(free)).is_err(), "it listens on the new port");
    assert_eq!(Wire::connect(at(port)).ask("PING"), Reply::Status(b"PONG".to_vec()));
    assert_eq!(wire.ask("SAVE"), Reply::ok());
    assert!(folder.path().join("dump.rdb").is_file() && !other.path().join("dump.rdb").exists());
}

#[test]
fn no_value_adds_a_line_to_a_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (conf, users) = (folder.path().join("redis.conf"), folder.path().join("users.acl"));
    std::fs::write(&conf, "# mine\n").unwrap();
    std::fs::write(&users, "").unwrap();
    for path in [&conf, &users] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let (conf_text, users_text) = (conf.to_str().unwrap(), users.to_str().unwrap());
    let (_process, port) = super::process::started_with_file(conf_text, &["--aclfile", users_text]);
    let mut admin = Wire::connect(at(port));
    let evil = "x\nenable-debug-command yes\r\nsave 1 1";
    assert_eq!(admin.call(&["CONFIG", "SET", "requirepass", evil]), Reply::ok());
    for (option, value) in [("tls-cert-file", evil), ("proc-title-template", "{title}\nport 1")] {
        let _ = admin.call(&["CONFIG", "SET", option, value]);
    }
    assert_eq!(admin.ask("CONFIG REWRITE"), Reply::ok());
    let text = std::fs::read_to_string(&conf).unwrap();
    let is_ours = |line: &str| {
        line.starts_with("enable-debug-command") || line.starts_with("save 1 1") || line == "port 1"
    };
    assert!(!text.lines().any(is_ours), "{text}");
    assert_eq!(std::fs::metadata(&conf).unwrap().permissions().mode() & 0o777, 0o600);
    for words in
        [["ACL", "SETUSER", "u", "~a\nuser eve on nopass +@all"], ["ACL", "SETUSER", "u\nuser eve on", "on"]]
    {
        let _ = admin.call(&words);
    }
    assert_eq!(admin.ask("ACL SAVE"), Reply::ok());
    let text = std::fs::read_to_string(&users).unwrap();
    assert!(!text.lines().any(|line| line.starts_with("user eve")), "{text}");
    assert_eq!(std::fs::metadata(&users).unwrap().permissions().mode() & 0o777, 0o600);
    // Nothing half-written is left beside them.
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}
