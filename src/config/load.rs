//! Reading a configuration: file, included files, standard input, arguments, in this order; the last word wins.
//!
//! Some directives add up instead: `save` points, classes of `client-output-buffer-limit`, `user`,
//! `rename-command` and `loadmodule` lines. An error names the file, the line and the option and hides secrets.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Place, Source};
use super::kind::Context;
use super::spec::{Flags, OptionSpec};
use super::special::{cut_at_blanks, relative_to};
use super::startup::{Startup, Stdin};
use super::table::{Config, Declarations, OPTIONS, RETIRED, UserLine, lookup};
use crate::base::glob::{self, Case};
use crate::base::words::{quote, split_args};

/// How deep files may include files.
const INCLUDE_DEPTH_MAX: usize = 16;
/// The most bytes that one file or standard input may hold.
const TEXT_MAX: u64 = 64 << 20;

/// What a configuration comes to.
pub(crate) struct Loaded {
    /// The canonical text of every option, in the order of the table.
    pub values: Vec<Vec<u8>>,
    /// Options that an included file has set: a rewrite must say them behind any `include`.
    pub set_by_include: Vec<bool>,
    /// Directives that are no options.
    pub declarations: Declarations,
    /// Options that some directive has set.
    pub given: Vec<bool>,
    /// Options that the server has set by itself, as its machine allows: a rewrite says nothing of them.
    pub derived: Vec<bool>,
    /// The main file, absolute.
    pub file: Option<PathBuf>,
}

/// The canonical text of every option without any configuration.
pub(crate) fn defaults() -> Vec<Vec<u8>> {
    let default = |spec: &OptionSpec| match spec.name {
        "dir" => current_directory(),
        _ => spec.default.as_bytes().to_vec(),
    };
    OPTIONS.iter().map(default).collect()
}

fn current_directory() -> Vec<u8> {
    let path = std::env::current_dir().ok().filter(|path| path.to_str().is_some());
    path.unwrap_or_else(|| PathBuf::from("/")).as_os_str().as_bytes().to_vec()
}

pub(crate) fn load(startup: Startup) -> Result<Loaded, ConfigError> {
    let mut loader = Loader {
        loaded: Loaded {
            values: defaults(),
            set_by_include: vec![false; OPTIONS.len()],
            declarations: Declarations::default(),
            given: vec![false; OPTIONS.len()],
            derived: vec![false; OPTIONS.len()],
            file: None,
        },
        files: Vec::new(),
    };
    if let Some(file) = startup.file {
        let path = std::path::absolute(&file).map_err(|error| ConfigError::Open { path: file, error })?;
        loader.loaded.file = Some(path.clone());
        loader.file(&path)?;
    }
    match startup.stdin {
        Stdin::Unused => {}
        Stdin::Unread => {
            let text = read_all(std::io::stdin().lock()).map_err(ConfigError::Stdin)?;
            loader.text(&text, Source::Stdin)?;
        }
        Stdin::Text(text) => loader.text(&text, Source::Stdin)?,
    }
    for words in &startup.arguments {
        loader.checked(words, || argument_line(words), || Source::Arguments)?;
    }
    let contradiction = contradiction(&loader.loaded);
    contradiction.map_or(Ok(loader.loaded), |text| Err(ConfigError::Contradiction(text.into())))
}

fn contradiction(loaded: &Loaded) -> Option<&'static str> {
    let value = |name: &[u8]| lookup(name).and_then(|(spec, _)| loaded.values.get(spec.index));
    let is_set = |name| value(name).is_some_and(|value| !value.is_empty());
    if value(b"cluster-enabled").is_some_and(|value| value == b"yes") && is_set(b"replicaof") {
        return Some("replicaof directive not allowed in cluster mode");
    }
    if is_set(b"aclfile") && !loaded.declarations.users.is_empty() {
        return Some("Users are defined both by user directives and in the aclfile: choose one of the two");
    }
    None
}

/// A directive of the command line as an error shows it.
fn argument_line(words: &[Vec<u8>]) -> String {
    let show = |(position, word): (usize, &Vec<u8>)| match position {
        0 => String::from_utf8_lossy(word).into_owned(),
        _ => quote(word),
    };
    words.iter().enumerate().map(show).collect::<Vec<_>>().join(" ")
}

fn read_all(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = source.take(TEXT_MAX + 1).read_to_end(&mut text)?;
    if read as u64 > TEXT_MAX {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

struct Loader {
    loaded: Loaded,
    /// The files being read, the main one first.
    files: Vec<PathBuf>,
}

impl Loader {
    fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let open = |error| ConfigError::Open { path: path.to_owned(), error };
        let text = std::fs::File::open(path).and_then(read_all).map_err(open)?;
        self.files.push(path.to_owned());
        self.text(&text, |line| Source::File(path.to_owned(), line))?;
        self.files.pop();
        Ok(())
    }

    fn text(&mut self, text: &[u8], source: impl Fn(usize) -> Source) -> Result<(), ConfigError> {
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let source = || source(index + 1);
            let shown = || String::from_utf8_lossy(line).into_owned();
            match split_args(line) {
                Ok(words) => self.checked(&words, shown, source)?,
                Err(_) => {
                    let name = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
                    let reason = "Unbalanced quotes in configuration line".to_owned();
                    let line = without_secrets(name, shown());
                    return Err(ConfigError::Directive { source_of: source(), line, reason });
                }
            }
        }
        Ok(())
    }

    /// Takes one directive; an error gets its place.
    fn checked(
        &mut self,
        words: &[Vec<u8>],
        line: impl Fn() -> String,
        source: impl Fn() -> Source,
    ) -> Result<(), ConfigError> {
        let Some((name, arguments)) = words.split_first() else { return Ok(()) };
        if name.eq_ignore_ascii_case(b"include")
            && let [pattern] = arguments
        {
            return self.include(pattern, &line, &source);
        }
        let place = || Place { source: source(), line: without_secrets(name, line()) };
        self.directive(name, arguments, place).map_err(|reason| place().error(reason))
    }

    fn directive(
        &mut self,
        name: &[u8],
        arguments: &[Vec<u8>],
        place: impl Fn() -> Place,
    ) -> Result<(), String> {
        const BAD: &str = "Bad directive or wrong number of arguments";
        if let Some((spec, _)) = lookup(name) {
            return self.option(spec, arguments);
        }
        let declarations = &mut self.loaded.declarations;
        match (name.to_ascii_lowercase().as_slice(), arguments) {
            (b"user", [user, ..]) => {
                if declarations.users.iter().any(|known| known.words.first() == Some(user)) {
                    let user = String::from_utf8_lossy(user);
                    return Err(format!(
                        "Error in user declaration '{user}': Duplicate user found. A user can only be defined \
                         once in config files"
                    ));
                }
                declarations.users.push(UserLine { words: arguments.to_vec(), place: place() });
            }
            (b"rename-command", [command, renamed]) => {
                declarations.renamed_commands.push((command.clone(), renamed.clone()));
            }
            (b"loadmodule", [_, ..]) => declarations.modules.push(arguments.to_vec()),
            (b"sentinel", _) => return Err("sentinel directive while not in sentinel mode".into()),
            (retired, [_]) if RETIRED.iter().any(|known| known.as_bytes() == retired) => {}
            _ => return Err(BAD.into()),
        }
        Ok(())
    }

    fn option(&mut self, spec: &OptionSpec, arguments: &[Vec<u8>]) -> Result<(), String> {
        let mut words: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        if let &[word] = words.as_slice()
            && spec.kind.takes_many()
            && !word.is_empty()
        {
            words = cut_at_blanks(word);
        }
        let in_included_file = self.files.len() > 1;
        let value = self.loaded.values.get_mut(spec.index);
        let (Some(value), Some(seen), Some(by_include)) =
            (value, self.loaded.given.get_mut(spec.index), self.loaded.set_by_include.get_mut(spec.index))
        else {
            return Ok(());
        };
        let context = Context { value, loading: true, first: !*seen };
        *value = spec.kind.canonical(&words, context)?;
        *seen = true;
        *by_include |= in_included_file;
        Ok(())
    }

    /// Reads the files of a pattern in the order of their names; a pattern without files is no error, a plain
    /// name is. Relative names start at `dir`.
    fn include(
        &mut self,
        name: &[u8],
        line: &impl Fn() -> String,
        source: &impl Fn() -> Source,
    ) -> Result<(), ConfigError> {
        let refuse = |reason: &str| {
            Err(ConfigError::Directive { source_of: source(), line: line(), reason: reason.to_owned() })
        };
        if self.files.len() >= INCLUDE_DEPTH_MAX {
            return refuse("Files include each other too deeply");
        }
        let directory = lookup(b"dir").and_then(|(spec, _)| self.loaded.values.get(spec.index));
        let directory = directory.map(Vec::as_slice).unwrap_or_default();
        let path = relative_to(directory, Path::new(std::ffi::OsStr::from_bytes(name)));
        if !glob::is_pattern(name) {
            return self.file(&path);
        }
        match files_of(&path) {
            Ok(paths) => paths.iter().try_for_each(|path| self.file(path)),
            Err(error) => Err(ConfigError::Open { path, error }),
        }
    }
}

/// The paths that a pattern stands for, sorted; each part of it may be a pattern.
fn files_of(pattern_path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    for part in pattern_path.components() {
        let name = part.as_os_str().as_bytes();
        if !glob::is_pattern(name) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let mut next = Vec::new();
        for folder in found.iter().filter(|folder| folder.is_dir()) {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?.file_name();
                let hidden = entry.as_bytes().starts_with(b".") && !name.starts_with(b".");
                if !hidden && glob::matches(name, entry.as_bytes(), Case::Sensitive) {
                    next.push(folder.join(entry));
                }
            }
        }
        next.sort();
        found = next;
    }
    found.retain(|path| path.exists());
    Ok(found)
}

/// The line of an error: only the name when the values are secret.
fn without_secrets(name: &[u8], line: String) -> String {
    let name = name.trim_ascii_start();
    let plain_name: Vec<u8> = name.iter().copied().filter(|byte| !b"\"'".contains(byte)).collect();
    let secret = lookup(&plain_name).is_some_and(|(spec, _)| spec.flags.has(Flags::SENSITIVE));
    if secret || plain_name.eq_ignore_ascii_case(b"user") {
        return format!("{} (redacted)", String::from_utf8_lossy(&plain_name));
    }
    line
}

/// The typed snapshot; its texts were checked, so a row that cannot be read is a fault of the table.
pub(crate) fn snapshot(loaded: &Loaded) -> Result<Config, ConfigError> {
    Config::from_values(&loaded.values, loaded.declarations.clone()).map_err(|spec| {
        ConfigError::Contradiction(format!("{}: the value does not fit the option", spec.name))
    })
}
