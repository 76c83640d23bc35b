//! `ochre check-aof [--fix] FILE|DIR`: says whether an append-only file is whole, and cuts the end off if told to.
//!
//! ```text
//! FILE   one file of commands, or a manifest          DIR   a folder with a manifest
//! ```
//!
//! Only the last file may be cut, and nothing is cut without a yes: what is cut may be data. The output is
//! that of Redis's tool, with the reason where there is one.

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

/// Runs the tool; `Ok(true)` if all is well now.
///
/// # Errors
/// Those of the disk, and of `out`.
pub fn check(
    storage: &dyn Storage,
    path: &Path,
    fix: bool,
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
    let mut check = Check { storage, fix, clock, answers, out };
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
    fix: bool,
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
            writeln!(self.out, "Start to check BASE AOF.")?;
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
        let mut magic = Vec::new();
        self.storage.open(path)?.take(MAGIC_BYTES).read_to_end(&mut magic)?;
        let mut preamble_bytes = 0;
        if [b"REDIS".as_slice(), b"VALKE"].contains(&&magic[..]) {
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
        let log = LogReader::new(&mut *reader, preamble_bytes);
        let verdict = log.read::<io::Error>(&mut |_: Args<'_>, _: u64| Ok(()))?;
        let Verdict { file_bytes, valid_bytes, stopped_at, commands, is_covered, .. } = verdict;
        match verdict.stop {
            Stop::End => {}
            Stop::CutOff => {
                writeln!(self.out, "0x{stopped_at:16x}: The file ends in the middle of something")?
            }
            Stop::Broken(what) => writeln!(self.out, "0x{stopped_at:16x}: AOF {name} format error: {what}")?,
        }
        let diff = file_bytes - valid_bytes;
        let covered = if is_covered { "yes" } else { "no" };
        writeln!(
            self.out,
            "AOF analyzed: filename={name}, size={file_bytes}, ok_up_to={valid_bytes}, diff={diff}, commands={commands}, \
             checksums={covered}"
        )?;
        if diff == 0 {
            writeln!(self.out, "{kind} {name} is valid")?;
            return Ok(true);
        }
        if !self.fix {
            writeln!(self.out, "{kind} {name} is not valid. Use the --fix option to try fixing it.")?;
            return Ok(false);
        }
        if !may_be_torn {
            writeln!(self.out, "Failed to truncate AOF {name} because it is not the last file")?;
            return Ok(false);
        }
        self.cut(path, &name, &verdict)
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
