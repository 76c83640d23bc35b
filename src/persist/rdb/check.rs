//! `ochre check-rdb FILE`: reads a snapshot as a start would, and says what is in it and what is wrong.
//!
//! ```text
//! [offset 0] Checking RDB file dump.rdb            [offset 494] a packed value is damaged at offset 494
//! [offset 27] AUX FIELD redis-ver = '8.0.6'        [additional info] Reading key 'key:91'
//! [offset 75] Selecting DB ID 0                    [additional info] Reading type 13 (hash-ziplist)
//! [offset 667] \o/ RDB looks OK! \o/               [info] 16 keys read
//! [info] 13 keys read
//! ```
//!
//! Lines are those of Redis's tool. Everything is decoded, not only skipped over, so a file that passes loads. Data of
//! modules is passed over and named: the file is whole, though this server starts with it only if it may leave that out.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::base::clock::{Clock, UnixMs};
use crate::persist::storage::Storage;
use crate::rdb::kind;
use crate::rdb::read::{Error, Item, Loaded, Options, Reader, What};

/// Progress of longer files is told, once for each tenth.
const PROGRESS_MIN_BYTES: u64 = 64 << 20;
/// Keys between two looks at the progress.
const PROGRESS_EVERY: u64 = 4096;

/// Runs the tool; `Ok(true)` if the file is sound.
///
/// # Errors
/// Those of opening the file, and of `out`.
pub fn check(storage: &dyn Storage, path: &Path, clock: &dyn Clock, out: &mut dyn Write) -> io::Result<bool> {
    let total = storage.len(path)?;
    let end = check_part(storage, path, clock, out)?;
    if let Some(end) = end
        && end < total
    {
        writeln!(out, "[info] {} bytes behind the end, which nobody reads", total - end)?;
    }
    Ok(end.is_some())
}

/// Checks the snapshot that a file begins with; answers where it ends if it is sound.
///
/// # Errors
/// As [`check`].
pub fn check_part(
    storage: &dyn Storage,
    path: &Path,
    clock: &dyn Clock,
    out: &mut dyn Write,
) -> io::Result<Option<u64>> {
    let (total, file) = (storage.len(path)?, storage.open(path)?);
    writeln!(out, "[offset 0] Checking RDB file {}", path.display())?;
    let began_us = clock.monotonic_us();
    let mut check = Check { out, now: clock.now_ms(), total, tenths: 0, counts: Counts::default() };
    let options = Options { skips_modules: true, total_bytes: Some(total), ..Options::default() };
    let end = match Reader::open(file, options) {
        Ok(mut reader) => match check.read(&mut reader)? {
            Ok(()) => Some(reader.offset()),
            Err(error) => {
                check.tell_error(&error, reader.at_hand())?;
                None
            }
        },
        Err(error) => {
            check.tell_error(&error, None)?;
            None
        }
    };
    check.counts.tell(check.out)?;
    if let Some(end) = end {
        let seconds = clock.monotonic_us().saturating_sub(began_us) as f64 / 1e6;
        let rate = end as f64 / 1e6 / seconds.max(1e-6);
        writeln!(out, "[info] {end} bytes in {seconds:.3} seconds, {rate:.0} MB/s")?;
    }
    Ok(end)
}

struct Check<'c> {
    out: &'c mut dyn Write,
    now: UnixMs,
    total: u64,
    /// Tenths of the file that were told.
    tenths: u64,
    counts: Counts,
}

impl Check<'_> {
    /// Reads to the end; the outer error is that of `out`.
    fn read<R: Read>(&mut self, reader: &mut Reader<R>) -> io::Result<Result<(), Error>> {
        loop {
            let item = match reader.next_item() {
                Ok(item) => item,
                Err(error) => return Ok(Err(error)),
            };
            let mut note = None;
            match item {
                Item::Key(key) => {
                    self.counts.key(key.deadline, self.now, kind_of(&key.value));
                    if !self.counts.keys.is_multiple_of(PROGRESS_EVERY) {
                        continue;
                    }
                }
                Item::Aux(name, text) => {
                    note = Some(format!("AUX FIELD {} = '{}'", name.escape_ascii(), text.escape_ascii()));
                }
                Item::SelectDb(db) => note = Some(format!("Selecting DB ID {db}")),
                Item::ResizeDb(..) | Item::SlotInfo { .. } => continue,
                Item::Function(_) => self.counts.functions += 1,
                Item::Module { name, .. } => *self.counts.modules.entry(name).or_default() += 1,
                Item::EmptyKey(name) => {
                    self.counts.empty += 1;
                    note = Some(format!("Key '{}' has no elements", name.escape_ascii()));
                }
                Item::End => {
                    writeln!(self.out, "[offset {}] \\o/ RDB looks OK! \\o/", reader.offset())?;
                    return Ok(Ok(()));
                }
            }
            let offset = reader.offset();
            match note {
                Some(note) => writeln!(self.out, "[offset {offset}] {note}")?,
                None => self.tell_progress(offset)?,
            }
        }
    }

    fn tell_progress(&mut self, offset: u64) -> io::Result<()> {
        let tenths = offset.saturating_mul(10) / self.total.max(1);
        if self.total >= PROGRESS_MIN_BYTES && tenths > self.tenths {
            self.tenths = tenths;
            writeln!(self.out, "[offset {offset}] {}0%, {} keys", tenths, self.counts.keys)?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn tell_error(&mut self, error: &Error, at_hand: Option<(&[u8], u8)>) -> io::Result<()> {
        writeln!(self.out, "--- RDB ERROR DETECTED ---")?;
        match &error.what {
            What::Truncated => {
                writeln!(self.out, "[offset {}] Unexpected EOF reading RDB file", error.offset)?
            }
            _ => writeln!(self.out, "[offset {}] {error}", error.offset)?,
        }
        if let Some((name, kind)) = at_hand {
            writeln!(self.out, "[additional info] Reading key '{}'", name.escape_ascii())?;
            writeln!(self.out, "[additional info] Reading type {kind} ({})", kind::name(kind))?;
        }
        Ok(())
    }
}

/// What was read.
#[derive(Default)]
struct Counts {
    keys: u64,
    volatile: u64,
    expired: u64,
    empty: u64,
    functions: u64,
    kinds: BTreeMap<&'static str, u64>,
    modules: BTreeMap<String, u64>,
}

impl Counts {
    fn key(&mut self, deadline: Option<u64>, now: UnixMs, kind: &'static str) {
        self.keys += 1;
        self.volatile += u64::from(deadline.is_some());
        self.expired += u64::from(deadline.is_some_and(|deadline| deadline < now.0));
        *self.kinds.entry(kind).or_default() += 1;
    }

    fn tell(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "[info] {} keys read", self.keys)?;
        writeln!(out, "[info] {} expires", self.volatile)?;
        writeln!(out, "[info] {} already expired", self.expired)?;
        if self.empty > 0 {
            writeln!(out, "[info] {} keys without elements, which a start passes over", self.empty)?;
        }
        if self.functions > 0 {
            writeln!(out, "[info] {} libraries of functions", self.functions)?;
        }
        for (kind, count) in &self.kinds {
            writeln!(out, "[info] {count} of type {kind}")?;
        }
        for (name, count) in &self.modules {
            writeln!(out, "[info] {count} times data of the module {name}, which this server does not know")?;
        }
        Ok(())
    }
}

fn kind_of(value: &Loaded<'_>) -> &'static str {
    match value {
        Loaded::Text(_) => "string",
        Loaded::Collection(value) => value.kind().word(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::persist::storage::Simulated;

    fn run(bytes: &[u8]) -> (bool, String) {
        let storage = Simulated::default();
        let path = Path::new("dump.rdb");
        storage.create(path).unwrap().write_all(bytes).unwrap();
        let mut out = Vec::new();
        let sound = check(&storage, path, &Time::manual(UnixMs(1_000_000)), &mut out).unwrap();
        (sound, String::from_utf8(out).unwrap())
    }

    /// Version 4, which has no checksum: two texts and the second one's deadline.
    const FILE: &[u8] = b"REDIS0004\xfe\x00\x00\x01a\x01x\xfd\x01\x00\x00\x00\x00\x01b\x01y\xff";

    #[test]
    fn a_sound_file_is_told_with_what_it_holds() {
        let (sound, out) = run(FILE);
        assert!(sound, "{out}");
        for line in [
            "[offset 11] Selecting DB ID 0",
            "[info] 2 keys read",
            "[info] 1 expires",
            "[info] 1 already expired",
            "[info] 2 of type string",
        ] {
            assert!(out.lines().any(|found| found == line), "{line} in {out}");
        }
        assert!(run(&[FILE, b"x"].concat()).1.contains("1 bytes behind the end"));
    }

    #[test]
    fn a_damaged_file_is_told_with_its_key() {
        let (sound, out) = run(&FILE[..FILE.len() - 2]);
        assert!(!sound);
        assert!(out.contains("Unexpected EOF reading RDB file"), "{out}");
        assert!(out.contains("Reading key 'b'\n[additional info] Reading type 0 (string)"), "{out}");
        let (sound, out) = run(b"REDIS0004\xfe\x00\x63\x01a\x01x\xff");
        assert!(!sound && out.contains("Reading type 99 (unknown)"), "{out}");
        assert!(!run(b"nothing of the kind").0);
    }
}
