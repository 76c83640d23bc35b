//! Bytes from outside as a file of commands, bare and under block checksums that are right: read without harm, and what the
//! verdict calls whole is whole when it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre::persist::aof::checksum;
use ochre::persist::aof::read::{LogReader, Stop, Verdict};
use ochre::resp::Args;

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

/// What is whole stays whole without the rest.
fn check(bytes: &[u8]) {
    let (commands, verdict) = read(bytes);
    assert_eq!(verdict.file_bytes, bytes.len() as u64);
    assert!(verdict.valid_bytes <= verdict.file_bytes);
    if verdict.unfinished.is_none() {
        let (again, shorter) = read(&bytes[..verdict.valid_bytes as usize]);
        assert_eq!(shorter.stop, Stop::End);
        assert_eq!(again, commands);
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Two blocks, cut where the first byte says.
    let at = bytes.first().map_or(0, |&first| usize::from(first).min(bytes.len()));
    let mut file = checksum::start_line(0);
    for block in [&bytes[..at], &bytes[at..]] {
        let line = checksum::block_line(file.len() as u64, 0, block);
        file.extend_from_slice(&line);
        file.extend_from_slice(block);
    }
    check(&file);
});
