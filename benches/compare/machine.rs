//! CPUs and processes, from `/proc`.

use std::fs::read_to_string;
use std::sync::OnceLock;

use rustix::process::{Pid, Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where servers run, and where this client runs.
pub const SERVER_CPU: usize = 0;
pub const CLIENT_CPU: usize = 1;

/// One line about what is measured on.
pub fn description() -> String {
    let cpus = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown CPU");
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{}, {} CPUs, Linux {}", model.trim_start_matches([' ', '\t', ':']), cpu_count(), kernel.trim())
}

/// The CPUs that this process was given, as they were when it was first asked.
fn given() -> &'static CpuSet {
    static GIVEN: OnceLock<CpuSet> = OnceLock::new();
    GIVEN.get_or_init(|| sched_getaffinity(None).unwrap_or_else(|_| only(SERVER_CPU)))
}

pub fn cpu_count() -> usize {
    given().count() as usize
}

/// Moves this thread, and what it starts, to one CPU; nothing when there is no such CPU.
pub fn move_to(cpu: usize) {
    let _ = sched_setaffinity(None, &only(cpu));
}

/// Runs `work` on the servers' CPU, and what it starts as well. So the client is in nobody's way who runs on the others: on a machine
/// of which all CPUs are busy, a program that does nothing but look at the clock may see it stand still for 8 ms. What is in the way
/// of a server here is the server's own.
pub fn on_server_cpu<T>(work: impl FnOnce() -> T) -> T {
    move_to(SERVER_CPU);
    let result = work();
    move_to(CLIENT_CPU);
    result
}

/// Moves a process that runs already.
pub fn move_process(pid: u32, cpu: usize) {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return };
    for thread in threads.flatten() {
        let id = thread.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        let _ = sched_setaffinity(id, &only(cpu));
    }
}

/// Lets this thread, and what it starts, run on all CPUs again.
pub fn move_anywhere() {
    let _ = sched_setaffinity(None, given());
}

/// Lets this process, and what it starts, have as many descriptors as it may.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

fn only(cpu: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(cpu);
    set
}

/// CPU time of a process, seconds.
#[derive(Clone, Copy, Default)]
pub struct CpuTime {
    pub user: f64,
    /// In calls of the kernel.
    pub kernel: f64,
}

impl CpuTime {
    pub fn total(self) -> f64 {
        self.user + self.kernel
    }

    pub fn since(self, before: CpuTime) -> CpuTime {
        CpuTime { user: self.user - before.user, kernel: self.kernel - before.kernel }
    }
}

impl std::ops::AddAssign for CpuTime {
    fn add_assign(&mut self, more: CpuTime) {
        self.user += more.user;
        self.kernel += more.kernel;
    }
}

pub fn cpu_time(pid: u32) -> CpuTime {
    let stat = read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name, in parentheses, may hold anything; behind it come state and numbers.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let seconds =
        |field: &str| field.parse::<u64>().unwrap() as f64 / rustix::param::clock_ticks_per_second() as f64;
    let ticks = CpuTime { user: seconds(fields[11]), kernel: seconds(fields[12]) };
    // Ticks are as long as a tenth of a short round. Threads that have ended count in them alone.
    let exact = exact_cpu_seconds(pid).filter(|exact| (exact - ticks.total()).abs() < 0.05);
    let scale = exact.filter(|_| ticks.total() > 0.0).map_or(1.0, |exact| exact / ticks.total());
    CpuTime { user: ticks.user * scale, kernel: ticks.kernel * scale }
}

/// CPU time of the threads of a process, to the nanosecond, where the kernel tells it.
fn exact_cpu_seconds(pid: u32) -> Option<f64> {
    let mut seconds = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let text = read_to_string(thread.path().join("sched")).ok()?;
        let line = text.lines().find(|line| line.starts_with("se.sum_exec_runtime"))?;
        seconds += line.rsplit(' ').next()?.parse::<f64>().ok()? / 1000.0;
    }
    Some(seconds)
}

/// Bytes of a process and its children, where each page that several of them share counts once.
pub fn proportional_bytes(pid: u32) -> u64 {
    let own = read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok());
    own.unwrap_or(0) * 1024 + children(pid).into_iter().map(proportional_bytes).sum::<u64>()
}

fn children(pid: u32) -> Vec<u32> {
    let parent = |child: u32| {
        let stat = read_to_string(format!("/proc/{child}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    all.filter(|&other| parent(other) == Some(pid)).collect()
}

/// Resident bytes of a process that are not those of files.
pub fn anonymous_bytes(pid: u32) -> u64 {
    let status = read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.split_whitespace().next());
    kilobytes.and_then(|digits| digits.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Resident bytes of a process.
pub fn resident_bytes(pid: u32) -> u64 {
    let statm = read_to_string(format!("/proc/{pid}/statm")).unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * rustix::param::page_size() as u64
}
