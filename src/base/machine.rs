//! What the server runs on.

use std::sync::OnceLock;

/// Physical memory of the machine, in bytes. It is asked once.
pub fn memory_bytes() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let info = rustix::system::sysinfo();
        (info.totalram as u64).saturating_mul(u64::from(info.mem_unit))
    })
}

/// Physical memory of this process, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    pub all: u64,
    /// Without the pages of files, as the program's code is: what would have to be swapped out.
    pub anonymous: u64,
}

/// What this process takes of the machine now; `None` where the system does not tell. Takes microseconds.
pub fn resident() -> Option<Resident> {
    parse_statm(&std::fs::read_to_string("/proc/self/statm").ok()?, rustix::param::page_size() as u64)
}

/// `size resident shared text lib data dirty`, in pages.
fn parse_statm(text: &str, page_bytes: u64) -> Option<Resident> {
    let mut pages = text.split_ascii_whitespace().skip(1).map(|field| field.parse::<u64>().ok());
    let (all, shared) = (pages.next()??, pages.next()??);
    Some(Resident { all: all * page_bytes, anonymous: all.saturating_sub(shared) * page_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_files_are_told_apart() {
        let found = parse_statm("30000 2500 1700 1200 0 9000 0\n", 4096);
        assert_eq!(found, Some(Resident { all: 2500 * 4096, anonymous: 800 * 4096 }));
        assert_eq!(parse_statm("30000 2500", 4096), None);
        assert_eq!(parse_statm("a b c", 4096), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_takes_some() {
        let found = resident().unwrap();
        assert!(0 < found.anonymous && found.anonymous <= found.all);
    }
}
