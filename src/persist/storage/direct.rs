//! A file of the system, that long writes go to past the page cache where they are to be synced soon.
//!
//! ```text
//!         4096·n           4096·m
//! ── head ──┼── whole blocks ──┼── tail ──
//!    cached        direct         cached        short writes: cached
//! ```
//!
//! Each page in the cache is memory that the system has to find, which in a virtual machine may have to be fetched from outside,
//! and that a sync has to find again: 25 ns for the log's 55 bytes of a SET, and 100 where memory has to be fetched; past the
//! cache 13, and syncs are shorter. The system wants such writes to begin and end at blocks, in the file and in memory, so they
//! are copied first. The cache never has a block that is written directly, and nothing is written twice. A file system that
//! knows no direct writes says so at the first, and gets none any more.
//!
//! Snapshots stay in the cache: they are often read soon, by a server that starts again, which took half as long again without.

use std::fs::File;
use std::io::{self, IoSlice, Seek, Write};

use rustix::fs::{OFlags, fcntl_setfl};
use smallvec::SmallVec;

/// What all file systems are content with.
const BLOCK: usize = 4096;
/// Shorter writes are cached: a direct one costs some 60 µs, whatever its length.
const LONG_BYTES: usize = 128 << 10;
/// Written directly at once.
const ROOM_BYTES: usize = 1 << 20;

/// See the module's head.
pub(super) struct Direct {
    pub(super) file: File,
    /// As far as is known.
    is_possible: bool,
    room: Room,
}

/// Memory for blocks; none before it is needed.
#[derive(Default)]
struct Room {
    bytes: Vec<u8>,
    /// Where the first block begins.
    begin: usize,
}

impl Room {
    /// Copies whole blocks from the beginning of `parts`, as many as there is room for.
    fn fill(&mut self, parts: &[IoSlice<'_>]) -> &[u8] {
        if self.bytes.is_empty() {
            self.bytes = vec![0; ROOM_BYTES + BLOCK];
            self.begin = self.bytes.as_ptr().align_offset(BLOCK).min(BLOCK);
        }
        let room = self.bytes.get_mut(self.begin..self.begin + ROOM_BYTES).unwrap_or_default();
        let mut len = 0;
        for part in parts {
            let free = room.get_mut(len..).unwrap_or_default();
            let most = free.len().min(part.len());
            if let (Some(free), Some(some)) = (free.get_mut(..most), part.get(..most)) {
                free.copy_from_slice(some);
            }
            len += most;
        }
        room.get(..len / BLOCK * BLOCK).unwrap_or_default()
    }
}

impl Direct {
    pub(super) fn new(file: File) -> Direct {
        Direct { file, is_possible: true, room: Room::default() }
    }

    /// Writes all of `parts`, directly if they are long.
    pub(super) fn write_through(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let mut parts: SmallVec<[IoSlice<'_>; 4]> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut parts = parts.as_mut_slice();
        // Without empty ones at the beginning.
        IoSlice::advance_slices(&mut parts, 0);
        if self.is_possible && left(parts) >= LONG_BYTES {
            let behind = self.file.stream_position()? % BLOCK as u64;
            self.write_cached(&mut parts, (BLOCK - behind as usize) % BLOCK)?;
            while left(parts) >= BLOCK {
                let written = self.write_blocks(parts)?;
                IoSlice::advance_slices(&mut parts, written);
                if written == 0 || !written.is_multiple_of(BLOCK) {
                    // What is missing goes the other way, which also finds out why.
                    break;
                }
            }
        }
        let rest = left(parts);
        self.write_cached(&mut parts, rest)
    }

    /// Writes blocks from the beginning of `parts`; returns how many bytes, none where this is not possible.
    fn write_blocks(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let blocks = self.room.fill(parts);
        let written = fcntl_setfl(&self.file, OFlags::DIRECT).map_err(io::Error::from).and_then(|()| {
            let written = (&self.file).write(blocks);
            fcntl_setfl(&self.file, OFlags::empty())?;
            written
        });
        match written {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => {
                self.is_possible = false;
                self.room = Room::default();
                Ok(0)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            written => written,
        }
    }

    /// Writes the first `len` bytes of `parts`, and takes them away.
    fn write_cached(&mut self, parts: &mut &mut [IoSlice<'_>], mut len: usize) -> io::Result<()> {
        while len > 0 {
            let written = if len == left(parts) {
                self.file.write_vectored(parts)
            } else {
                let first = parts.first().map(|part| &**part).unwrap_or_default();
                self.file.write(first.get(..len).unwrap_or(first))
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    IoSlice::advance_slices(parts, written);
                    len -= written;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn left(parts: &[IoSlice<'_>]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::path::Path;

    use super::super::{Real, Storage};
    use super::*;
    use crate::base::rng::Rng;

    /// Lengths around everything that a decision depends on.
    const LENGTHS: [usize; 12] = [
        0,
        1,
        BLOCK - 1,
        BLOCK,
        BLOCK + 1,
        LONG_BYTES - 1,
        LONG_BYTES,
        LONG_BYTES + BLOCK - 1,
        ROOM_BYTES - 1,
        ROOM_BYTES,
        ROOM_BYTES + BLOCK + 1,
        2 * ROOM_BYTES + LONG_BYTES + 7,
    ];

    fn some(len: usize, rng: &mut Rng) -> Vec<u8> {
        let first = rng.next_u64();
        (0..len as u64)
            .map(|at| (first.wrapping_add(at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
            .collect()
    }

    /// Writes, cuts and opens again; the file must have what was written.
    fn exercise(path: &Path, seed: u64) {
        let mut rng = Rng::from_seed(seed);
        let mut draw = |most: usize| rng.below(most as u64) as usize;
        let mut expected = Vec::new();
        let mut file = Real.create(path).unwrap();
        let mut random = Rng::from_seed(seed + 1);
        for _ in 0..24 {
            let lens = [(); 3]
                .map(|()| if draw(2) == 0 { LENGTHS[draw(LENGTHS.len())] } else { draw(2 * LONG_BYTES) });
            let parts = lens.map(|len| some(len, &mut random));
            match draw(8) {
                0 => {
                    let len = draw(expected.len() + 1);
                    expected.truncate(len);
                    file.truncate(len as u64).unwrap();
                }
                1 => file = Real.append(path).unwrap(),
                2 => file.sync().unwrap(),
                _ => {}
            }
            if draw(2) == 0 {
                file.write_through(&parts.each_ref().map(Vec::as_slice)).unwrap();
                expected.extend(parts.concat());
            } else {
                file.write_all(&parts[0]).unwrap();
                expected.extend(&parts[0]);
            }
        }
        drop(file);
        assert!(std::fs::read(path).unwrap() == expected, "{} with seed {seed}", path.display());
    }

    #[test]
    fn what_is_written_is_there_in_order() {
        let folders = [tempfile::tempdir(), tempfile::tempdir_in("/dev/shm")];
        for folder in folders.into_iter().flatten() {
            (0..8).for_each(|seed| exercise(&folder.path().join("file"), seed));
        }
    }

    #[test]
    fn where_direct_writes_are_not_possible_there_are_none() {
        let mut file = Direct::new(OpenOptions::new().write(true).open("/dev/null").unwrap());
        assert!(file.is_possible);
        file.write_through(&[&[b'x'; LONG_BYTES + 1]]).unwrap();
        assert!(!file.is_possible && file.room.bytes.is_empty());
        file.write_through(&[&[b'x'; LONG_BYTES + 1]]).unwrap();
    }

    #[test]
    fn a_full_disk_says_so() {
        let mut file = Direct::new(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let error = file.write_through(&[&[b'x'; LONG_BYTES]]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    }
}
