//! Giving back the memory of code that only the start has run.
//!
//! The kernel maps code as it is run, sixteen pages around each fault, so reading a configuration and setting up the
//! rest leaves most of the program mapped that an idle server never runs again: about 4 MB. What is needed is
//! mapped again, from the page cache, in less than a microsecond a fault.

use std::fs;
use std::ops::Range;

/// Unmaps the code of the program and its libraries until it is run again. Does nothing where /proc can't be read.
pub fn give_back_startup_code() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for range in maps.lines().filter_map(code_range) {
        // SAFETY: the range is a private mapping of a file, executable and not writable, so its pages are those of the
        // file and dropping them changes no byte that anybody can read. Nothing unmaps the program or its libraries
        // between the reading of the list and here: no library is ever unloaded.
        unsafe {
            libc::madvise(
                std::ptr::with_exposed_provenance_mut(range.start),
                range.len(),
                libc::MADV_DONTNEED,
            )
        };
    }
}

/// The addresses of a line of /proc/self/maps that describes code from a file:
/// `55d0c0a00000-55d0c0b00000 r-xp 00021000 fe:00 2162910    /usr/bin/ochre`.
fn code_range(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let is_code = fields.next()? == "r-xp";
    let is_file = fields.nth(3).is_some_and(|path| path.starts_with('/'));
    let address = |text| usize::from_str_radix(text, 16).ok();
    (is_code && is_file).then_some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_given_back() {
        let range = |rest: &str| code_range(&format!("1000-3000 {rest}"));
        assert_eq!(
            range("r-xp 00021000 fe:00 2162910                    /usr/bin/ochre"),
            Some(0x1000..0x3000)
        );
        assert_eq!(range("rwxp 00021000 fe:00 2162910                    /usr/bin/ochre"), None);
        assert_eq!(range("r--p 00021000 fe:00 2162910                    /usr/bin/ochre"), None);
        assert_eq!(range("r-xp 00000000 00:00 0                          [vdso]"), None);
        assert_eq!(range("r-xp 00000000 00:00 0"), None);
        assert_eq!(code_range("nonsense"), None);
    }

    #[test]
    fn the_program_goes_on() {
        give_back_startup_code();
        assert_eq!("still here".to_owned().len(), 10);
    }
}
