//! A memory limit for one process, as a container has: a cgroup of version 2 or 1, where the machine lets us make one.
//!
//! A process must be in it before it is the server, which reads its limit when it starts; so a shell goes in and becomes the
//! server (`exec` keeps the process id).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The names of what a version tells.
struct Files {
    /// Where the hierarchy is mounted as a rule.
    mount: &'static str,
    limit: &'static str,
    peak: &'static str,
    events: &'static str,
}

const VERSIONS: [Files; 2] = [
    Files { mount: "/sys/fs/cgroup", limit: "memory.max", peak: "memory.peak", events: "memory.events" },
    Files {
        mount: "/sys/fs/cgroup/memory",
        limit: "memory.limit_in_bytes",
        peak: "memory.max_usage_in_bytes",
        events: "memory.oom_control",
    },
];

/// A cgroup of our own; goes when it is dropped, behind the processes in it.
pub struct Cgroup {
    folder: PathBuf,
    files: &'static Files,
}

impl Cgroup {
    /// A new one whose processes may have so many bytes together.
    ///
    /// # Errors
    /// Why there is none, for whoever has to do without.
    pub fn with_limit(bytes: u64) -> Result<Cgroup, String> {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("ochre-{}-{number}", std::process::id());
        let mut reasons = Vec::new();
        for files in &VERSIONS {
            let folder = Path::new(files.mount).join(&name);
            let made = fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()));
            let made = made.and_then(|()| {
                let cgroup = Cgroup { folder, files };
                // Dropped again where the controller is not for us.
                cgroup.write(files.limit, bytes).map(|()| cgroup)
            });
            match made {
                Ok(cgroup) => {
                    // What does not fit shall not go to a disk instead. Machines without swap have no such file.
                    let _ = cgroup.write("memory.swap.max", 0);
                    return Ok(cgroup);
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Err(format!("no cgroup with a memory limit can be made here ({})", reasons.join("; ")))
    }

    fn write(&self, file: &str, number: u64) -> Result<(), String> {
        let path = self.folder.join(file);
        // Not made anew: a plain folder would take any name.
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).open(&path);
        let written =
            file.and_then(|mut file| std::io::Write::write_all(&mut file, number.to_string().as_bytes()));
        written.map_err(|error| format!("{}: {error}", path.display()))
    }

    /// What to put in front of a command that is to run inside.
    pub fn launcher(&self) -> [String; 4] {
        let entrance = self.folder.join("cgroup.procs").display().to_string();
        ["sh", "-c", "echo $$ > \"$0\" && exec \"$@\"", &entrance].map(str::to_owned)
    }

    /// The most that its processes ever had, in bytes, with the files that the system keeps in memory for them.
    pub fn peak_bytes(&self) -> Option<u64> {
        fs::read_to_string(self.folder.join(self.files.peak)).ok()?.trim().parse().ok()
    }

    /// How many processes were killed because they wanted more; 0 where the system does not say.
    pub fn kills(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join(self.files.events)).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        count.unwrap_or(0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A process that has just ended may be in it for another moment.
        let gone = (0..1_000).any(|_| {
            std::thread::yield_now();
            fs::remove_dir(&self.folder).is_ok()
        });
        if !gone {
            eprintln!("{} is left behind", self.folder.display());
        }
    }
}
