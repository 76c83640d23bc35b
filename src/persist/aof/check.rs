//! `ochre check-aof [--fix | --truncate-to-timestamp SECONDS] FILE|DIR`: says whether an append-only file is whole, and cuts its end
//! off if told to: what is not whole, or what was written later.
//!
//! ```text
//! FILE   one file of commands, or a manifest          DIR   a folder with a manifest
//! ```
//!
//! Only the last file may be cut, and nothing is mended without a yes: what is cut may be data. Who names a time has said what is to
//! go; that needs a log with `aof-timestamp-enabled`. The output is that of Redis's tool, with the reason where there is one.

use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

use super::load::may_be_torn;
use super::manifest::{MANIFEST_MAX_BYTES, Manifest};
use super::read::{LogReader, Stop, Verdict};
use crate::base::clock::Clock;
use crate::persist::rdb::check::check_part;
use crate::persist::storage::{Storage, folder_of};
use crate::resp::Args;

/// Files whose beginning is looked at to tell what they are.
const MAGIC_BYTES: u64 = 5;

/// What is to be done besides looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    Nothing,
    /// Cut off what is not whole, if a person says yes.
    Fix,
    /// Cut off what was written after that time, Unix seconds.
    TruncateTo(i64),
}

/// Runs the tool; `Ok(true)` if all is well now.
///
/// # Errors
/// Those of the disk, and of `out`.
pub fn check(
    storage: &dyn Storage,
    path: &Path,
    repair: Repair,
    clock: &dyn Clock,
    answers: &mut dyn BufRead,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let path = match storage.list(path) {
        Ok(names) => match names.iter().find(|name| name.ends_with(".manifest") && !name.starts_with("temp"))
        {
            Some(name) => path.join(name),
            None => {
                writeln!(out, "There is no manifest in {}", path.display())?;
                return Ok(false);
            }
        },
        Err(_) => path.to_owned(),
    };
    let mut check = Check { storage, repair, clock, answers, out };
    if is_manifest(storage, &path)? { check.manifest(&path) } else { check.old_style(&path) }
}

/// A manifest begins with one of its words.
fn is_manifest(storage: &dyn Storage, path: &Path) -> io::Result<bool> {
    let mut head = [0; MAGIC_BYTES as usize];
    let len = storage.open(path)?.read(&mut head)?;
    let head = head.get(..len).unwrap_or_default();
    Ok(path.extension().is_some_and(|extension| extension == "manifest") || head == b"file ")
}

struct Check<'c> {
    storage: &'c dyn Storage,
    repair: Repair,
    clock: &'c dyn Clock,
    answers: &'c mut dyn BufRead,
    out: &'c mut dyn Write,
}

impl Check<'_> {
    fn old_style(&mut self, path: &Path) -> io::Result<bool> {
        writeln!(self.out, "Start checking Old-Style AOF")?;
        self.file(path, "AOF", true)
    }

    fn manifest(&mut self, path: &Path) -> io::Result<bool> {
        writeln!(self.out, "Start checking Multi Part AOF")?;
        let manifest = match Manifest::parse(&self.storage.read(path, MANIFEST_MAX_BYTES)?) {
            Ok(manifest) => manifest,
            Err(error) => {
                writeln!(self.out, "{error}")?;
                return Ok(false);
            }
        };
        let folder = folder_of(path);
        let place = |name: &str| -> PathBuf { folder.join(name) };
        // A file that is missing is told where its turn is.
        let may_be_torn = may_be_torn(self.storage, &manifest, place).unwrap_or_default();
        let mut may_be_torn = may_be_torn.into_iter().chain(std::iter::repeat(false));
        if let Some(base) = &manifest.base {
            let form = if self.has_preamble(&place(&base.name)) { "RDB" } else { "RESP" };
            writeln!(self.out, "Start to check BASE AOF ({form} format).")?;
            if !self.file(&place(&base.name), "BASE AOF", may_be_torn.next() == Some(true))? {
                return Ok(false);
            }
        }
        if !manifest.increments.is_empty() {
            writeln!(self.out, "Start to check INCR files.")?;
        }
        for part in &manifest.increments {
            if !self.file(&place(&part.name), "INCR AOF", may_be_torn.next() == Some(true))? {
                return Ok(false);
            }
        }
        writeln!(self.out, "All AOF files and manifest are valid")?;
        Ok(true)
    }

    fn file(&mut self, path: &Path, kind: &str, may_be_torn: bool) -> io::Result<bool> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut reader = match self.storage.open(path) {
            Ok(reader) => reader,
            Err(error) => {
                writeln!(self.out, "Cannot open file {name}: {error}")?;
                return Ok(false);
            }
        };
        if self.storage.len(path)? == 0 {
            writeln!(self.out, "{kind} {name} is empty")?;
            return Ok(true);
        }
        let mut preamble_bytes = 0;
        if self.has_preamble(path) {
            writeln!(
                self.out,
                "The AOF appears to start with an RDB preamble.\nChecking the RDB preamble to start:"
            )?;
            let Some(end) = check_part(self.storage, path, self.clock, self.out)? else {
                writeln!(self.out, "RDB preamble of AOF file is not sane, aborting.")?;
                return Ok(false);
            };
            writeln!(self.out, "RDB preamble is OK, proceeding with AOF tail...")?;
            preamble_bytes = end;
        }
        io::copy(&mut (&mut reader).take(preamble_bytes), &mut io::sink())?;
        let until = if let Repair::TruncateTo(seconds) = self.repair { Some(seconds) } else { None };
        let log = LogReader::new(&mut *reader, preamble_bytes).until(until);
        let verdict = log.read::<io::Error>(&mut |_: Args<'_>, _: u64| Ok(()))?;
        let Verdict { file_bytes, valid_bytes, stopped_at, commands, line, is_covered, .. } = verdict;
        match verdict.stop {
            Stop::Later => return self.truncate(path, &name, &verdict, may_be_torn),
            Stop::End => {
                if let Some(seconds) = until {
                    writeln!(self.out, "Truncate nothing in AOF {name} to timestamp {seconds}")?;
                    writeln!(self.out, "{kind} {name} is valid")?;
                    return Ok(true);
                }
            }
            Stop::CutOff => {
                writeln!(self.out, "0x{stopped_at:16x}: The file ends in the middle of something")?
            }
            Stop::Broken(what) => writeln!(self.out, "0x{stopped_at:16x}: AOF {name} format error: {what}")?,
        }
        let diff = file_bytes - valid_bytes;
        let covered = if is_covered { "yes" } else { "no" };
        writeln!(
            self.out,
            "AOF analyzed: filename={name}, size={file_bytes}, ok_up_to={valid_bytes}, ok_up_to_line={line}, diff={diff}, \
             commands={commands}, checksums={covered}"
        )?;
        if diff == 0 {
            writeln!(self.out, "{kind} {name} is valid")?;
            return Ok(true);
        }
        if self.repair != Repair::Fix {
            writeln!(self.out, "{kind} {name} is not valid. Use the --fix option to try fixing it.")?;
            return Ok(false);
        }
        if !may_be_torn {
            writeln!(self.out, "Failed to truncate AOF {name} because it is not the last file")?;
            return Ok(false);
        }
        self.cut(path, &name, &verdict)
    }

    /// Whether a file begins with a snapshot.
    fn has_preamble(&self, path: &Path) -> bool {
        let mut magic = Vec::new();
        let read = self.storage.open(path).map(|file| file.take(MAGIC_BYTES).read_to_end(&mut magic));
        read.is_ok() && [b"REDIS".as_slice(), b"VALKE"].contains(&&magic[..])
    }

    /// Cuts off what was written later than was asked for.
    fn truncate(&mut self, path: &Path, name: &str, verdict: &Verdict, is_last: bool) -> io::Result<bool> {
        let Repair::TruncateTo(seconds) = self.repair else { return Ok(false) };
        let offset = verdict.valid_bytes;
        if verdict.commands == 0 && !self.has_preamble(path) {
            writeln!(self.out, "AOF {name} has nothing before timestamp {seconds}, aborting...")?;
            return Ok(false);
        }
        if !is_last {
            writeln!(
                self.out,
                "Failed to truncate AOF {} to timestamp {seconds} to offset {offset} because it is not the last file.\n\
                 The files behind it, and what the manifest says of them, would have to go first.",
                path.display()
            )?;
            return Ok(false);
        }
        super::load::cut(self.storage, path, verdict)?;
        writeln!(self.out, "Successfully truncated AOF {name} to timestamp {seconds}")?;
        Ok(true)
    }

    fn cut(&mut self, path: &Path, name: &str, verdict: &Verdict) -> io::Result<bool> {
        let Verdict { file_bytes, valid_bytes, .. } = *verdict;
        let diff = file_bytes - valid_bytes;
        writeln!(
            self.out,
            "This will shrink the AOF {name} from {file_bytes} bytes, with {diff} bytes, to {valid_bytes} bytes"
        )?;
        write!(self.out, "Continue? [y/N]: ")?;
        self.out.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if !answer.trim_start().to_ascii_lowercase().starts_with('y') {
            writeln!(self.out, "Aborting...")?;
            return Ok(false);
        }
        super::load::cut(self.storage, path, verdict)?;
        writeln!(self.out, "Successfully truncated AOF {name}")?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Time, UnixMs};
    use crate::persist::aof::checksum;
    use crate::persist::storage::Simulated;

    fn command(words: &str) -> Vec<u8> {
        let words: Vec<&str> = words.split(' ').collect();
        let args = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
        (format!("*{}\r\n", words.len()) + &args.collect::<String>()).into_bytes()
    }

    fn time(seconds: u64) -> Vec<u8> {
        format!("#TS:{seconds}\r\n").into_bytes()
    }

    /// Three commands of one second each, from 100 on; with checksums, the first two in one block.
    fn log(is_covered: bool) -> Vec<u8> {
        let parts = [100, 101, 102].map(|at| [time(at), command(&format!("SET key{at} value"))].concat());
        if !is_covered {
            return parts.concat();
        }
        let mut bytes = checksum::start_line(0);
        for block in [parts[..2].concat(), parts[2].clone()] {
            bytes.extend(checksum::block_line(bytes.len() as u64, 0, &[&block]));
            bytes.extend(block);
        }
        bytes
    }

    /// Runs the tool on `path` of a disk.
    fn run(disk: &Simulated, path: &str, repair: Repair, answer: &str) -> (bool, String) {
        let mut out = Vec::new();
        let clock = Time::manual(UnixMs(1_000_000));
        let sound = check(disk, Path::new(path), repair, &clock, &mut answer.as_bytes(), &mut out).unwrap();
        (sound, String::from_utf8(out).unwrap())
    }

    /// A disk with one file, and what the tool says of it.
    fn alone(bytes: &[u8], repair: Repair) -> (Simulated, bool, String) {
        let disk = Simulated::new();
        disk.put(Path::new("one.aof"), bytes);
        let (sound, out) = run(&disk, "one.aof", repair, "y\n");
        (disk, sound, out)
    }

    /// A folder with a base and an increment.
    fn folder(base: &[u8], increment: &[u8]) -> Simulated {
        let disk = Simulated::new();
        disk.put(Path::new("d/a.1.base.aof"), base);
        disk.put(Path::new("d/a.1.incr.aof"), increment);
        let lines = "file a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\n";
        disk.put(Path::new("d/a.manifest"), lines.as_bytes());
        disk
    }

    #[test]
    fn sound_files_are_told_as_redis_does() {
        let (_, sound, out) = alone(&log(false), Repair::Nothing);
        let size = log(false).len();
        let analyzed = format!(
            "AOF analyzed: filename=one.aof, size={size}, ok_up_to={size}, ok_up_to_line=22, diff=0, "
        );
        assert!(sound && out.contains(&analyzed) && out.ends_with("AOF one.aof is valid\n"), "{out}");
        let (_, sound, out) = alone(b"", Repair::Nothing);
        assert_eq!((sound, out.as_str()), (true, "Start checking Old-Style AOF\nAOF one.aof is empty\n"));
        let (sound, out) = run(&folder(&command("SET a b"), &log(true)), "d", Repair::Nothing, "");
        assert!(sound && out.contains("Start to check BASE AOF (RESP format).\n"), "{out}");
        assert!(
            out.ends_with("INCR AOF a.1.incr.aof is valid\nAll AOF files and manifest are valid\n"),
            "{out}"
        );
    }

    #[test]
    fn a_bad_end_is_told_and_cut_only_after_a_yes() {
        for (end, line) in [("!!!", 8), ("*3\r\n$3\r\nSET\r\n$3\r\nfo", 12)] {
            let whole = command("SET foo hello");
            let bytes = [&whole, end.as_bytes()].concat();
            let (_, sound, out) = alone(&bytes, Repair::Nothing);
            assert!(!sound && out.contains(&format!("ok_up_to=33, ok_up_to_line={line}, ")), "{out}");
            assert!(
                out.ends_with("AOF one.aof is not valid. Use the --fix option to try fixing it.\n"),
                "{out}"
            );
            let (disk, sound, out) = alone(&bytes, Repair::Fix);
            assert!(sound && out.ends_with("Continue? [y/N]: Successfully truncated AOF one.aof\n"), "{out}");
            assert_eq!(disk.bytes(Path::new("one.aof")), Some(whole));
            disk.put(Path::new("one.aof"), &bytes);
            assert!(!run(&disk, "one.aof", Repair::Fix, "\n").0);
            assert_eq!(disk.bytes(Path::new("one.aof")), Some(bytes));
        }
    }

    #[test]
    fn what_was_written_later_is_cut_off() {
        for is_covered in [false, true] {
            for (seconds, left) in [(101, 2), (100, 1)] {
                let (disk, sound, out) = alone(&log(is_covered), Repair::TruncateTo(seconds));
                let said = format!("Successfully truncated AOF one.aof to timestamp {seconds}\n");
                assert!(sound && out.ends_with(&said), "{out}");
                // What is left is whole, also of a block.
                let (sound, out) = run(&disk, "one.aof", Repair::Nothing, "");
                assert!(sound && out.contains(&format!("commands={left}, ")), "{out}");
            }
            let (disk, sound, out) = alone(&log(is_covered), Repair::TruncateTo(102));
            let said = "Truncate nothing in AOF one.aof to timestamp 102\nAOF one.aof is valid\n";
            assert!(sound && out.ends_with(said), "{out}");
            assert_eq!(disk.bytes(Path::new("one.aof")), Some(log(is_covered)));
            let (disk, sound, out) = alone(&log(is_covered), Repair::TruncateTo(99));
            assert!(
                !sound && out.ends_with("one.aof has nothing before timestamp 99, aborting...\n"),
                "{out}"
            );
            assert_eq!(disk.bytes(Path::new("one.aof")), Some(log(is_covered)));
        }
    }

    #[test]
    fn a_transaction_goes_as_a_whole() {
        let transaction = [command("MULTI"), command("SET a b"), time(200), command("EXEC")].concat();
        let (disk, sound, _) = alone(&[log(false), transaction].concat(), Repair::TruncateTo(150));
        assert!(sound);
        assert_eq!(disk.bytes(Path::new("one.aof")), Some(log(false)));
    }

    #[test]
    fn only_the_last_file_is_cut_at_a_time() {
        let disk = folder(&command("SET a b"), &log(true));
        let (sound, out) = run(&disk, "d/a.manifest", Repair::TruncateTo(100), "");
        assert!(sound && out.contains("Truncate nothing in AOF a.1.base.aof to timestamp 100\n"), "{out}");
        assert!(out.contains("Successfully truncated AOF a.1.incr.aof to timestamp 100\n"), "{out}");
        let disk = folder(&log(false), &command("SET a b"));
        let (sound, out) = run(&disk, "d/a.manifest", Repair::TruncateTo(100), "");
        let said = "Failed to truncate AOF d/a.1.base.aof to timestamp 100 to offset ";
        assert!(!sound && out.contains(said) && out.contains(" because it is not the last file.\n"), "{out}");
    }
}
