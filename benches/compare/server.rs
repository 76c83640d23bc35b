//! Servers to compare: how they are started, asked and ended.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::Connection;
use crate::machine::{self, CpuTime};

/// A kind of server.
pub struct Peer {
    pub name: String,
    origin: Origin,
}

enum Origin {
    Command(Vec<String>),
    Running { addr: SocketAddr, pid: u32 },
}

impl Peer {
    pub fn ochre() -> Peer {
        Peer { name: "ochre".into(), origin: Origin::Command(vec![env!("CARGO_BIN_EXE_ochre").into()]) }
    }

    /// `NAME=COMMAND…`
    pub fn command(text: &str) -> Peer {
        let (name, command) = text.split_once('=').expect("--server NAME=COMMAND");
        let command = command.split_whitespace().map(str::to_owned).collect();
        Peer { name: name.into(), origin: Origin::Command(command) }
    }

    /// `NAME=HOST:PORT:PID`
    pub fn running(text: &str) -> Peer {
        let parts = text.split_once('=').and_then(|(name, rest)| Some((name, rest.rsplit_once(':')?)));
        let (name, (addr, pid)) = parts.expect("--running NAME=HOST:PORT:PID");
        let addr = addr.to_socket_addrs().expect("an address").next().expect("an address");
        Peer { name: name.into(), origin: Origin::Running { addr, pid: pid.parse().expect("a process id") } }
    }

    /// The real servers that are installed.
    pub fn on_path() -> Vec<Peer> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_there = |name: &&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
        let found = ["redis-server", "valkey-server"].into_iter().filter(is_there);
        found.map(|name| Peer { name: name.into(), origin: Origin::Command(vec![name.into()]) }).collect()
    }

    /// The folder that is `/` to the server: `chroot FOLDER COMMAND…` gives it another.
    pub fn root(&self) -> &Path {
        match &self.origin {
            Origin::Command(command) if command.len() > 2 && command[0] == "chroot" => Path::new(&command[1]),
            _ => Path::new("/"),
        }
    }

    pub fn is_ochre(&self) -> bool {
        self.name == "ochre"
    }

    /// Whether it can be started anew for a measurement.
    pub fn can_start(&self) -> bool {
        matches!(self.origin, Origin::Command(_))
    }

    pub fn description(&self) -> String {
        let version = match &self.origin {
            Origin::Running { addr, pid } => format!("runs at {addr} as process {pid}"),
            Origin::Command(command) => {
                let output = Command::new(&command[0]).args(&command[1..]).arg("--version").output();
                output
                    .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
                    .unwrap_or_default()
            }
        };
        format!("{}: {version}", self.name)
    }

    /// An empty server on the servers' CPU.
    pub fn start(&self) -> Instance {
        machine::on_server_cpu(|| self.start_here(&[]))
    }

    /// An empty server on the CPUs of this thread.
    pub fn start_here(&self, options: &[&str]) -> Instance {
        self.start_by(&[], options)
    }

    /// As [`Peer::start_here`], by a command that becomes the server; none by itself.
    pub fn start_by(&self, launcher: &[String], options: &[&str]) -> Instance {
        let command = match &self.origin {
            Origin::Running { addr, pid } => {
                machine::move_process(*pid, machine::SERVER_CPU);
                let instance = Instance { addr: *addr, pid: *pid, child: None, ready: None, _folder: None };
                instance.connect().ask("FLUSHALL");
                return instance;
            }
            Origin::Command(command) => [launcher, command].concat(),
        };
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let began = Instant::now();
        let child = Command::new(&command[0])
            .args(&command[1..])
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .args(options)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let pid = child.id();
        let mut instance = Instance { addr, pid, child: Some(child), ready: None, _folder: Some(folder) };
        while TcpStream::connect(addr).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "{} does not start", self.name);
            assert!(instance.child.as_mut().unwrap().try_wait().unwrap().is_none(), "{} ended", self.name);
            std::thread::sleep(Duration::from_micros(100));
        }
        while !instance.connect().is_served() {
            std::thread::sleep(Duration::from_millis(1));
        }
        instance.ready = Some(began.elapsed());
        instance
    }
}

/// A running server; ends when dropped, if it was started here.
pub struct Instance {
    pub addr: SocketAddr,
    pub pid: u32,
    child: Option<Child>,
    /// From its start to its first answer.
    pub ready: Option<Duration>,
    _folder: Option<TempDir>,
}

impl Instance {
    pub fn connect(&self) -> Connection {
        Connection::to(self.addr)
    }

    /// Whether the server has a command.
    pub fn knows(&self, command: &str) -> bool {
        // A null, of either kind, stands for a command that isn't there.
        self.connect().call(&["COMMAND", "INFO", command]).iter().any(|text| text != "-1")
    }

    pub fn cpu_seconds(&self) -> f64 {
        self.cpu_time().total()
    }

    pub fn cpu_time(&self) -> CpuTime {
        machine::cpu_time(self.pid)
    }

    pub fn resident_bytes(&self) -> u64 {
        machine::resident_bytes(self.pid)
    }

    /// `used_memory` as the server counts it, 0 if it doesn't say.
    pub fn used_bytes(&self) -> u64 {
        let info = self.connect().ask("INFO memory");
        let found = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        found.and_then(|digits| digits.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
