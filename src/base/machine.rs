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
