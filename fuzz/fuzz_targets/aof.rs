//! Bytes from outside as a file of commands, bare and under block checksums that are right: read without harm, and what the
//! verdict calls whole is whole when it is read again; and never at the price of much more memory than they take themselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre::persist::aof::checksum;
use ochre::persist::aof::load::cut;
use ochre::persist::aof::read::{LogReader, Stop, Verdict};
use ochre::persist::storage::{Simulated, Storage};
use ochre::resp::Args;
use std::path::Path;

#[path = "../common/memory.rs"]
mod memory;

/// Reads and forgets.
fn look(bytes: &[u8]) -> Verdict {
    let mut source = bytes;
    let reader = LogReader::new(&mut source, 0);
    reader.read::<std::io::Error>(&mut |_: Args<'_>, _: u64| Ok(())).expect("memory does not fail")
}

/// Commands and the verdict.
fn read(bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, Verdict) {
    let mut commands = Vec::new();
    let mut source = bytes;
    let verdict = LogReader::new(&mut source, 0)
        .read::<std::io::Error>(&mut |args: Args<'_>, _: u64| {
            commands.push(args.iter().map(<[u8]>::to_vec).collect());
            Ok(())
        })
        .expect("memory does not fail");
    (commands, verdict)
}

/// What is whole stays whole without the rest, as recovery cuts it off.
fn check(bytes: &[u8]) {
    let looked = memory::bounded(bytes, memory::RATIO, || look(bytes));
    let (commands, verdict) = read(bytes);
    assert_eq!(verdict, looked);
    assert_eq!(verdict.file_bytes, bytes.len() as u64);
    assert!(verdict.valid_bytes <= verdict.file_bytes);
    let disk = Simulated::new();
    let path = Path::new("log");
    disk.create(path).and_then(|mut file| file.write_all(bytes)).expect("memory does not fail");
    cut(&disk, path, &verdict).expect("memory does not fail");
    let (again, shorter) = read(&disk.read(path, 1 << 20).expect("memory does not fail"));
    assert_eq!(shorter.stop, Stop::End);
    assert_eq!(again, commands);
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Two blocks, cut where the first byte says.
    let Some((&at, bytes)) = bytes.split_first() else { return };
    let at = usize::from(at).min(bytes.len());
    let mut file = checksum::start_line(0);
    for block in [&bytes[..at], &bytes[at..]] {
        let line = checksum::block_line(file.len() as u64, 0, block);
        file.extend_from_slice(&line);
        file.extend_from_slice(block);
    }
    check(&file);
});
