//! The program as a process: what it logs, how it ends, and what it refuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tempfile::TempDir;

use super::support::eventually;
use super::wire::{Reply, Wire};

/// A line comes within this time, or never.
const PATIENCE: Duration = Duration::from_secs(30);

/// Held while a port is looked for and while a process starts: between fork and exec a child has every socket of this
/// process, which keeps ports occupied that were given back.
static STARTING: Mutex<()> = Mutex::new(());

pub(super) fn hold_starts() -> MutexGuard<'static, ()> {
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running `ochre`; killed when the test is done with it.
pub(super) struct Process {
    child: Child,
    lines: Receiver<String>,
    /// What it has logged so far.
    log: Vec<String>,
    /// Where it runs: what it leaves behind goes with it.
    _home: TempDir,
}

impl Process {
    fn spawn(options: &[&str]) -> Process {
        Process::spawn_with(options, Stdio::null())
    }

    fn spawn_with(options: &[&str], input: Stdio) -> Process {
        Process::spawn_in(&[], options, input)
    }

    /// `launcher` is a command that becomes the one behind it.
    fn spawn_by(launcher: &[String], options: &[&str]) -> Process {
        let (first, rest) = launcher.split_first().expect("a command");
        let mut command = Command::new(first);
        command.args(rest).arg(env!("CARGO_BIN_EXE_ochre"));
        Process::spawn_command(command, options, Stdio::null())
    }

    /// `variables` are those of the environment.
    fn spawn_in(variables: &[(&str, &Path)], options: &[&str], input: Stdio) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ochre"));
        command.envs(variables.iter().copied());
        Process::spawn_command(command, options, input)
    }

    fn spawn_command(mut command: Command, options: &[&str], input: Stdio) -> Process {
        let starting = hold_starts();
        let home = TempDir::new().expect("a directory");
        let mut child = command
            .args(options)
            .args(["--save", ""])
            .current_dir(&home)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(starting);
        let output = child.stdout.take().expect("it is piped");
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Process { child, lines, log: Vec::new(), _home: home }
    }

    fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("it is piped")
    }

    /// Reads the log up to a line with that text.
    fn wait_for(&mut self, text: &str) {
        while !self.log.last().is_some_and(|line| line.contains(text)) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.log.push(line),
                Err(_) => panic!("no line with {text:?} in {:#?}", self.log),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the process is there");
    }

    /// Waits for the end; also returns what went to the standard error.
    pub(super) fn end(&mut self) -> (ExitStatus, String) {
        let mut status = None;
        eventually("the process ends", || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        self.log.extend(self.lines.iter());
        let mut errors = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut errors).expect("text");
        }
        (status.expect("it ended"), errors)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> u16 {
    let _no_start = hold_starts();
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port()
}

pub(super) fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Starts on a free port, and waits until it is ready.
pub(super) fn started(options: &[&str]) -> (Process, u16) {
    let port = free_port();
    let mut process =
        Process::spawn(&[&["--port", &port.to_string(), "--bind", "127.0.0.1"], options].concat());
    process.wait_for("Ready to accept connections tcp");
    (process, port)
}

/// As [`started`], by a command that becomes the server.
pub(super) fn started_by(launcher: &[String], options: &[&str]) -> (Process, u16) {
    let port = free_port();
    let own = ["--port", &port.to_string(), "--bind", "127.0.0.1"].map(str::to_owned);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let mut process = Process::spawn_by(launcher, &[&own[..], options].concat());
    process.wait_for("Ready to accept connections tcp");
    (process, port)
}

/// As [`started`], with a configuration file in front of the options.
/// How it ends that can't start.
pub(super) fn ended(options: &[&str]) -> (ExitStatus, String) {
    Process::spawn(options).end()
}

pub(super) fn started_with_file(file: &str, options: &[&str]) -> (Process, u16) {
    let port = free_port();
    let own = [file, "--port", &port.to_string(), "--bind", "127.0.0.1"].map(str::to_owned);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let mut process = Process::spawn(&[&own[..], options].concat());
    process.wait_for("Ready to accept connections tcp");
    (process, port)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn no_secret_is_logged() {
    let (mut process, port) = started(&["--loglevel", "debug", "--enable-debug-command", "yes"]);
    let mut wire = Wire::connect(at(port));
    for line in super::users::WITH_SECRETS {
        wire.ask(line);
    }
    // A transaction that panics, with a secret among its requests.
    for line in ["MULTI", "CONFIG SET masterauth hunter2", "DEBUG PANIC"] {
        wire.ask(line);
    }
    wire.send(&["EXEC"]).unwrap();
    process.wait_for("panicked");
    process.signal(Signal::TERM);
    let (_, errors) = process.end();
    let log = process.log.join("\n");
    assert!(!log.contains("hunter2") && !errors.contains("hunter2"), "{log}\n{errors}");
}

#[test]
fn the_log_of_a_start_is_short_and_what_supervisors_wait_for() {
    let (mut process, port) = started(&[]);
    let pid = format!(" PID: {}", process.child.id());
    assert!(process.log.len() <= 5, "{:#?}", process.log);
    let position = |text: &str| process.log.iter().position(|line| line.contains(text));
    let (pid_at, initialized_at) = (position(&pid), position("Server initialized"));
    assert!(pid_at.is_some() && pid_at < initialized_at, "{:#?}", process.log);
    assert!(process.log.last().is_some_and(|line| line.ends_with("* Ready to accept connections tcp")));
    assert_eq!(Wire::connect(at(port)).ask("PING"), Reply::Status(b"PONG".to_vec()));
    process.signal(Signal::TERM);
    let (status, errors) = process.end();
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
    assert!(process.log.last().is_some_and(|line| line.ends_with("bye bye...")), "{:#?}", process.log);
}

#[test]
fn who_connects_before_it_is_ready_is_served_and_not_told_of_loading() {
    // Whoever is first, the client or the end of the loading: often enough it is the client.
    for _ in 0..50 {
        let port = free_port();
        let _process = Process::spawn(&["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        let (began, mut early) = (Instant::now(), None);
        while early.is_none() {
            assert!(began.elapsed() < PATIENCE, "nobody listens");
            early = Wire::try_connect(at(port)).ok();
        }
        let answer = early.map(|mut early| early.ask("GET key"));
        assert_eq!(answer, Some(Reply::NilBulk));
    }
}

#[test]
fn a_supervisor_is_told_what_it_does() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
    let socket = folder.path().join("socket");
    let options = ["--port", "0", "--unixsocket", text(&socket), "--supervised", "systemd"];
    let mut process = Process::spawn_in(&[("NOTIFY_SOCKET", &path)], &options, Stdio::null());
    let hear = || {
        let mut lines = [0; 200];
        let len = supervisor.recv(&mut lines).unwrap();
        String::from_utf8_lossy(&lines[..len]).into_owned()
    };
    assert!(!hear().contains("READY"));
    assert!(hear().contains("READY=1\n"));
    process.signal(Signal::TERM);
    assert!(hear().contains("STOPPING=1\n"));
    assert_eq!(process.end().0.code(), Some(0));
}

#[test]
fn the_kernel_is_told_whom_to_end_first() {
    let (process, port) = started(&["--oom-score-adj", "relative", "--oom-score-adj-values", "20", "0", "0"]);
    let score = |pid: u32| -> i32 {
        let text = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
        text.trim().parse().unwrap()
    };
    let (own, child) = (score(std::process::id()), process.child.id());
    assert_eq!(score(child), (own + 20).min(1000));
    let mut wire = Wire::connect(at(port));
    assert_eq!(wire.ask("CONFIG SET oom-score-adj no"), Reply::ok());
    assert_eq!(score(child), own);
}

#[test]
fn sigint_ends_it_in_order_and_open_connections_are_closed() {
    let (mut process, port) = started(&[]);
    let mut wire = Wire::connect(at(port));
    wire.ask("PING");
    process.signal(Signal::INT);
    assert!(wire.is_closed());
    assert_eq!(process.end().0.code(), Some(0));
}

#[test]
fn a_second_signal_does_not_get_lost_in_the_first() {
    let (mut process, _) = started(&[]);
    // Both wait until it goes on.
    process.signal(Signal::STOP);
    process.signal(Signal::TERM);
    process.signal(Signal::INT);
    process.signal(Signal::CONT);
    let (status, _) = process.end();
    // In order when it is done before it looks at the second one, at once otherwise; never by the signal itself.
    assert!(matches!(status.code(), Some(0 | 1)), "{status:?}");
}

#[test]
fn shutdown_ends_it() {
    let (mut process, port) = started(&[]);
    let mut wire = Wire::connect(at(port));
    wire.send(&["SHUTDOWN", "NOSAVE"]).unwrap();
    assert!(wire.is_closed());
    assert_eq!(process.end().0.code(), Some(0));
}

#[test]
fn http_is_reported_as_an_attack_once() {
    let (mut process, port) = started(&[]);
    for _ in 0..3 {
        let mut wire = Wire::connect(at(port));
        wire.send_raw(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert!(wire.is_closed());
    }
    process.signal(Signal::TERM);
    process.end();
    let reports = process.log.iter().filter(|line| line.contains("Possible SECURITY ATTACK detected"));
    // One a worker a minute.
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    assert!((1..=workers).contains(&reports.count()), "{:#?}", process.log);
}

#[test]
fn what_is_wrong_with_the_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.conf");
    std::fs::write(&file, "port 0\nsave \"\"\nno-such-option yes\n").unwrap();
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--no-such-option", "1"], &["no-such-option"]),
        (&["--port", "six"], &["port"]),
        (&["--maxmemory-policy", "sometimes"], &["maxmemory-policy"]),
        (&[text(&file)], &["no-such-option", "3"]),
        (&["/no/such/file.conf"], &["/no/such/file.conf"]),
        (&["--dir", "/no/such/folder", "--port", "0"], &["/no/such/folder"]),
    ];
    for (options, names) in cases {
        let (status, errors) = Process::spawn(options).end();
        assert_eq!(status.code(), Some(1), "{options:?}: {errors}");
        for name in names {
            assert!(errors.contains(name), "{options:?}: {errors}");
        }
    }
}

#[test]
fn a_limit_below_what_is_used_is_a_warning() {
    let (mut process, port) = started(&[]);
    assert_eq!(Wire::connect(at(port)).ask("CONFIG SET maxmemory 1000"), Reply::ok());
    process.wait_for("maxmemory is now 1000, but");
}

#[test]
fn a_port_in_use_is_an_error() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let mut process = Process::spawn(&["--port", &port, "--bind", "127.0.0.1"]);
    let (status, errors) = process.end();
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains(&port), "{errors}");
    let expected = format!("Failed listening on port {port}");
    assert!(process.log.iter().any(|line| line.contains(&expected)), "{:#?}", process.log);
}

#[test]
fn it_can_listen_on_a_unix_socket_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ochre.sock");
    let mut process =
        Process::spawn(&["--port", "0", "--unixsocket", text(&path), "--unixsocketperm", "700"]);
    process.wait_for("Ready to accept connections unix");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let mut wire = Wire::over(UnixStream::connect(&path).unwrap());
    assert_eq!(wire.ask("PING"), Reply::Status(b"PONG".to_vec()));
    assert!(matches!(wire.ask("CLIENT INFO"), Reply::Bulk(line)
        if String::from_utf8_lossy(&line).contains(&format!("addr={}:0", text(&path)))));
    process.signal(Signal::TERM);
    assert_eq!(process.end().0.code(), Some(0));
    assert!(!path.exists(), "the socket goes with the server");
    assert!(!process.log.iter().any(|line| line.contains("tcp")), "{:#?}", process.log);
}

#[test]
fn a_socket_left_behind_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ochre.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut process = Process::spawn(&["--port", "0", "--unixsocket", text(&path)]);
    process.wait_for("Ready to accept connections unix");
    assert_eq!(Wire::over(UnixStream::connect(&path).unwrap()).ask("PING"), Reply::Status(b"PONG".to_vec()));
}

#[test]
fn the_configuration_can_come_on_standard_input() {
    let port = free_port();
    let mut process = Process::spawn_with(&["-"], Stdio::piped());
    let config = format!("port {port}\nbind 127.0.0.1\nrequirepass \"a b\"\n");
    process.stdin().write_all(config.as_bytes()).unwrap();
    process.wait_for("Ready to accept connections tcp");
    let mut wire = Wire::connect(at(port));
    assert_eq!(wire.ask("GET k").error_text(), "NOAUTH Authentication required.");
    assert_eq!(wire.call(&["AUTH", "a b"]), Reply::ok());
}

#[test]
fn files_of_the_configuration_are_written_where_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (pidfile, logfile) = (folder.path().join("pid"), folder.path().join("log"));
    let port = free_port();
    let options = [
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--pidfile",
        text(&pidfile),
        "--logfile",
        text(&logfile),
    ];
    let mut process = Process::spawn(&options);
    let log = || std::fs::read_to_string(&logfile).unwrap_or_default();
    eventually("it is ready", || log().contains("Ready to accept connections tcp"));
    assert_eq!(std::fs::read_to_string(&pidfile).unwrap().trim(), process.child.id().to_string());
    process.signal(Signal::TERM);
    assert_eq!(process.end().0.code(), Some(0));
    assert!(!pidfile.exists());
    assert!(log().trim_end().ends_with("bye bye..."));
    assert!(process.log.is_empty(), "{:#?}", process.log);
}

#[test]
fn versions_and_help_are_printed() {
    for flag in ["-v", "--version", "-h", "--help"] {
        let mut process = Process::spawn(&[flag]);
        let (status, errors) = process.end();
        assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
        assert!(process.log.join("\n").to_lowercase().contains("ochre"), "{:#?}", process.log);
    }
}

#[test]
fn the_port_and_the_addresses_can_change() {
    let (_process, old_port) = started(&["--io-threads", "2"]);
    let mut wire = Wire::connect(at(old_port));
    let port = free_port();
    assert_eq!(wire.call(&["CONFIG", "SET", "port", &port.to_string()]), Reply::ok());
    assert_eq!(Wire::connect(at(port)).ask("PING"), Reply::Status(b"PONG".to_vec()));
    assert!(std::net::TcpStream::connect(at(old_port)).is_err(), "the old port is closed");
    // Connections stay, and so does the port when the new one is taken.
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = holder.local_addr().unwrap().port().to_string();
    assert!(wire.call(&["CONFIG", "SET", "port", &taken]).error_text().contains("port"));
    assert_eq!(wire.call(&["CONFIG", "GET", "port"]), {
        Reply::Array(vec![Reply::bulk("port"), Reply::bulk(&port.to_string())])
    });
    assert_eq!(Wire::connect(at(port)).ask("PING"), Reply::Status(b"PONG".to_vec()));
    assert_eq!(wire.call(&["CONFIG", "SET", "bind", "127.0.0.1 -::1"]), Reply::ok());
    assert_eq!(Wire::connect(at(port)).ask("PING"), Reply::Status(b"PONG".to_vec()));
    assert!(wire.call(&["CONFIG", "SET", "bind", "192.0.2.1"]).error_text().contains("bind"));
    assert_eq!(Wire::connect(at(port)).ask("PING"), Reply::Status(b"PONG".to_vec()));
}

#[test]
fn daemonize_returns_and_the_server_stays() {
    let folder = tempfile::tempdir().unwrap();
    let pidfile = folder.path().join("ochre.pid");
    let port = free_port();
    let starting = hold_starts();
    let status = Command::new(env!("CARGO_BIN_EXE_ochre"))
        .args(["--daemonize", "yes", "--bind", "127.0.0.1", "--pidfile", text(&pidfile)])
        .args(["--port", &port.to_string(), "--dir", text(folder.path())])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    drop(starting);
    assert!(status.success());
    eventually("the server answers", || std::net::TcpStream::connect(at(port)).is_ok());
    let pid: i32 = std::fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    eventually("its pid file is gone", || !pidfile.exists());
}

#[test]
fn users_stand_in_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("redis.conf");
    let port = free_port();
    let head = format!("port {port}\nbind 127.0.0.1\n");
    std::fs::write(&file, format!("{head}user alice on >hunter2 +@all ~x\nuser bob off\n")).unwrap();
    let start = || {
        let mut process = Process::spawn(&[text(&file)]);
        process.wait_for("Ready to accept connections tcp");
        (process, Wire::connect(at(port)))
    };
    let (mut process, mut admin) = start();
    admin.ask("ACL DELUSER bob");
    admin.ask("ACL SETUSER carl on nopass %R~a'b");
    assert_eq!(admin.ask("CONFIG REWRITE"), Reply::ok());
    let rewritten = std::fs::read_to_string(&file).unwrap();
    let begin = format!("{head}user alice on sanitize-payload #");
    assert!(rewritten.starts_with(&begin), "{rewritten}");
    let carl = "\nuser carl on nopass sanitize-payload \"%R~a'b\" resetchannels -@all\n";
    let default = "\nuser default on nopass sanitize-payload ~* &* +@all\n";
    assert!(rewritten.contains(carl) && rewritten.contains(default), "{rewritten}");
    assert!(!rewritten.contains("bob") && !rewritten.contains("hunter2"), "{rewritten}");
    let before = admin.ask("ACL LIST");
    process.signal(Signal::TERM);
    let (status, errors) = process.end();
    assert!(status.success(), "{errors}");
    assert!(!process.log.iter().any(|line| line.contains("hunter2")));
    assert_eq!(start().1.ask("ACL LIST"), before);
}

#[test]
fn a_panic_while_keys_change_ends_the_process_and_the_log_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        ["--enable-debug-command", "yes", "--appendonly", "yes", "--appendfsync", "always", "--dir"];
    let options = [&options[..], &[text(folder.path())]].concat();
    // In the middle of a command, and between two of a transaction.
    for requests in [&["DEBUG PANIC k"][..], &["MULTI", "SET k half", "DEBUG PANIC", "SET l half", "EXEC"]] {
        let (mut process, port) = started(&options);
        let mut wire = Wire::connect(at(port));
        assert_eq!(wire.ask("SET k whole"), Reply::ok());
        for request in requests {
            wire.send(&request.split(' ').collect::<Vec<_>>()).unwrap();
        }
        while !wire.is_closed() {}
        let (status, _) = process.end();
        assert!(!status.success(), "{requests:?}");
        let log = process.log.join("\n");
        assert!(
            log.contains("asked for by DEBUG PANIC") && log.contains("nothing half-changed is served"),
            "{log}"
        );
        let (_process, port) = started(&options);
        assert_eq!(
            Wire::connect(at(port)).ask("MGET k l"),
            Reply::Array(vec![Reply::bulk("whole"), Reply::NilBulk])
        );
    }
}

#[test]
fn without_descriptors_new_clients_wait_and_the_log_says_so_once() {
    let starting = hold_starts();
    let home = TempDir::new().unwrap();
    drop(starting);
    let port = free_port();
    let starting = hold_starts();
    let mut child = Command::new("sh")
        .args([
            "-c",
            // Room for 1,000 at first: what others of the system leave is what runs out.
            "ulimit -n 1100; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_ochre"),
            "--save",
            "",
            "--bind",
            "127.0.0.1",
        ])
        .args(["--io-threads", "1", "--logfile", "log", "--port", &port.to_string()])
        .current_dir(&home)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    drop(starting);
    let log = || std::fs::read_to_string(home.path().join("log")).unwrap_or_default();
    eventually("it is ready", || log().contains("Ready to accept"));
    let mut first = Wire::connect(at(port));
    assert_eq!(first.ask("CONFIG SET maxclients 1000"), Reply::ok());
    let few = Rlimit { current: Some(64), maximum: Some(64) };
    prlimit(Some(Pid::from_child(&child)), Resource::Nofile, few).unwrap();
    let refusal = first.ask("CONFIG SET maxclients 1001").error_text();
    let expected = "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to \
                    handle the specified number of clients, try with 32";
    assert_eq!(refusal, expected);
    let kept = Reply::Array(vec![Reply::bulk("maxclients"), Reply::bulk("1000")]);
    assert_eq!(first.ask("CONFIG GET maxclients"), kept);
    let mut crowd: Vec<Wire> = (0..100).map(|_| Wire::connect(at(port))).collect();
    eventually("the log tells of it", || log().contains("new clients wait"));
    assert_eq!(first.ask("PING"), Reply::Status(b"PONG".to_vec()));
    // Those in front make room for those behind.
    crowd.drain(..60).for_each(drop);
    for wire in &mut crowd {
        assert_eq!(wire.ask("PING"), Reply::Status(b"PONG".to_vec()));
    }
    assert_eq!(log().matches("new clients wait").count(), 1, "{}", log());
    let _ = child.kill();
    let _ = child.wait();
}
