//! The memory limit of the container that the server runs in: cgroups of version 2 and 1.
//!
//! ```text
//! /proc/self/cgroup   0::/system.slice/x        → /sys/fs/cgroup/system.slice/x/memory.max, and of every folder above
//!                     7:memory:/docker/abc      → /sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes, and above
//! ```
//!
//! Inside a container the path often names folders that only the host sees; the root of the hierarchy is the container's
//! own then, and the walk upwards ends there.

use std::path::Path;

/// The share of a container's memory that data may take unless `maxmemory` says otherwise, in per cent.
pub const SHARE_PERCENT: u64 = 75;

/// The least limit on the way up, in bytes. `root` is `/` but in tests.
pub fn memory_limit(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounts = root.join("sys/fs/cgroup");
    let mut least: Option<u64> = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (mount, file) = match controllers {
            "" => (mounts.clone(), "memory.max"),
            list if list.split(',').any(|name| name == "memory") => {
                (mounts.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let below = Path::new(path.trim_start_matches('/'));
        for folder in below.ancestors() {
            let limit = std::fs::read_to_string(mount.join(folder).join(file)).ok();
            // `max` is no number.
            let limit = limit.and_then(|text| text.trim().parse::<u64>().ok());
            least = limit.into_iter().chain(least).min();
        }
    }
    least
}

/// What `maxmemory` is without a word about it: a share of the container's limit, if that is less than what the machine
/// has.
pub fn default_maxmemory(root: &Path, machine_bytes: u64) -> Option<u64> {
    let limit = memory_limit(root).filter(|&limit| limit > 0 && limit < machine_bytes)?;
    Some(limit / 100 * SHARE_PERCENT + limit % 100 * SHARE_PERCENT / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let root = files(&[
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/memory.max", "1000000\n"),
        ]);
        assert_eq!(memory_limit(root.path()), Some(1_000_000));
        assert_eq!(default_maxmemory(root.path(), 1 << 40), Some(750_000));
        assert_eq!(default_maxmemory(root.path(), 1_000_000), None);
    }

    #[test]
    fn version_one_and_a_container_that_does_not_see_its_path() {
        let root = files(&[
            ("proc/self/cgroup", "3:cpu,cpuacct:/x\n7:memory:/docker/abc\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"),
        ]);
        assert_eq!(memory_limit(root.path()), Some(536_870_912));
        let none = files(&[("proc/self/cgroup", "0::/\n")]);
        assert_eq!(memory_limit(none.path()), None);
        assert_eq!(memory_limit(&none.path().join("nowhere")), None);
    }
}
