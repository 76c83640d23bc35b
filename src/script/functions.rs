//! The libraries of functions that a server has.
//!
//! ```text
//! #!lua name=shop                                     names the library
//! redis.register_function('sell', function(keys, args) … end)
//!
//! FCALL sell 1 stock ─▶ Functions (which library has `sell`) ─▶ library (of the worker: run once) ─▶ redis.call
//! ```
//!
//! A library is a text. Running it registers its functions; every worker does that for itself when one of them is first called
//! there ([`super::library`]). What the server keeps is the text, and what running it registered.
//!
//! **Invariant:** no two libraries have a function of the same name, in whatever case.
//! **Invariant:** all changes happen under the locks of all shards, so a snapshot sees the libraries of its moment.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::shebang::Flags;
use super::states::States;
use crate::base::words::split_args;
use crate::dispatch::CmdError;

/// What a function says of itself.
#[derive(Clone, Debug)]
pub struct Registered {
    pub name: Box<[u8]>,
    pub description: Option<Box<[u8]>>,
    pub flags: Flags,
}

/// One library.
#[derive(Debug)]
pub struct Library {
    /// Another one for every library of the process.
    pub id: u64,
    pub name: Box<[u8]>,
    pub code: Box<[u8]>,
    /// By name.
    pub functions: Vec<Registered>,
}

impl Library {
    /// A library of that text, which registers these functions.
    pub fn new(name: &[u8], code: &[u8], mut functions: Vec<Registered>) -> Library {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        functions.sort_by(|one, other| one.name.cmp(&other.name));
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Library { id, name: name.into(), code: code.into(), functions }
    }
}

/// What becomes of libraries that are there when others are restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// They go.
    Flush,
    /// They stay; one of the same name is an error.
    Append,
    /// Those of the same name go.
    Replace,
}

#[derive(Clone, Default)]
struct Held {
    libraries: BTreeMap<Box<[u8]>, Arc<Library>>,
    /// By the function's name in lower case; the library, and the function's place there.
    by_function: HashMap<Vec<u8>, (Arc<Library>, usize)>,
}

/// The libraries of a server.
#[derive(Default)]
pub struct Functions {
    held: RwLock<Held>,
    /// Counts changes: workers look for libraries that are gone.
    version: AtomicU64,
    /// The states of the workers, which begin anew after FUNCTION FLUSH.
    pub states: States,
}

impl Held {
    fn remove(&mut self, name: &[u8]) -> Option<Arc<Library>> {
        let library = self.libraries.remove(name)?;
        for function in &library.functions {
            let name = function.name.to_ascii_lowercase();
            if self.by_function.get(&name).is_some_and(|(of, _)| Arc::ptr_eq(of, &library)) {
                self.by_function.remove(&name);
            }
        }
        Some(library)
    }

    /// Whether another library than that of its name has a function of a library.
    ///
    /// # Errors
    /// One has.
    fn check(&self, library: &Library) -> Result<(), CmdError> {
        for function in &library.functions {
            let holder = self.by_function.get(&function.name.to_ascii_lowercase());
            if holder.is_some_and(|(other, _)| other.name != library.name) {
                return Err(CmdError::quoting("ERR Function ", &function.name, " already exists"));
            }
        }
        Ok(())
    }

    /// Puts a library in the place of the one of its name.
    ///
    /// # Errors
    /// As for [`Held::check`]; nothing has changed then.
    fn put(&mut self, library: Library) -> Result<(), CmdError> {
        self.check(&library)?;
        self.remove(&library.name);
        let library = Arc::new(library);
        for (index, function) in library.functions.iter().enumerate() {
            // Two names in one library that differ in their case only: the first is the one that is called.
            let place = self.by_function.entry(function.name.to_ascii_lowercase());
            place.or_insert_with(|| (Arc::clone(&library), index));
        }
        self.libraries.insert(library.name.clone(), library);
        Ok(())
    }
}

impl Functions {
    /// Counts changes.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The library that has a function, and the function's place in it. Case does not matter.
    pub fn find(&self, function: &[u8]) -> Option<(Arc<Library>, usize)> {
        self.held.read().by_function.get(&function.to_ascii_lowercase()).cloned()
    }

    /// All libraries, by name.
    pub fn libraries(&self) -> Vec<Arc<Library>> {
        self.held.read().libraries.values().cloned().collect()
    }

    /// The texts of all libraries: what a file holds of them.
    pub fn codes(&self) -> Vec<Vec<u8>> {
        self.held.read().libraries.values().map(|library| library.code.to_vec()).collect()
    }

    /// How many libraries and functions there are, and the bytes of their texts.
    pub fn count(&self) -> (usize, usize, usize) {
        let held = self.held.read();
        let functions = held.libraries.values().map(|library| library.functions.len()).sum();
        let bytes = held.libraries.values().map(|library| library.code.len()).sum();
        (held.libraries.len(), functions, bytes)
    }

    pub fn has(&self, library: &[u8]) -> bool {
        self.held.read().libraries.contains_key(library)
    }

    /// Adds a library; one of its name goes.
    ///
    /// # Errors
    /// Another library has a function of the same name. Nothing has changed then.
    pub fn put(&self, library: Library) -> Result<(), CmdError> {
        self.held.write().put(library)?;
        self.version.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Adds libraries.
    ///
    /// # Errors
    /// A name is there already. Nothing has changed then.
    pub fn restore(&self, libraries: Vec<Library>, policy: Policy) -> Result<(), CmdError> {
        let mut held = self.held.write();
        // What is changed is a copy, which takes the place of what there was if that works.
        let mut changed = if policy == Policy::Flush { Held::default() } else { held.clone() };
        for library in libraries {
            if policy != Policy::Replace && changed.libraries.contains_key(&library.name) {
                return Err(CmdError::quoting("ERR Library ", &library.name, " already exists"));
            }
            changed.put(library)?;
        }
        *held = changed;
        self.version.fetch_add(1, Ordering::AcqRel);
        if policy == Policy::Flush {
            self.states.begin_anew();
        }
        Ok(())
    }

    /// Whether there was such a library; it goes.
    pub fn delete(&self, name: &[u8]) -> bool {
        let is_gone = self.held.write().remove(name).is_some();
        self.version.fetch_add(u64::from(is_gone), Ordering::AcqRel);
        is_gone
    }

    /// All go.
    pub fn flush(&self) {
        *self.held.write() = Held::default();
        self.version.fetch_add(1, Ordering::AcqRel);
        self.states.begin_anew();
    }
}

/// Names of libraries and functions.
pub const INVALID_NAME: &str = "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least \
                                one character long";

/// Whether a library or a function can have that name.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// The name of a library by the first line of its text, and the rest, which begins with that line's end.
///
/// # Errors
/// The line is not there or wrong.
pub fn parse(code: &[u8]) -> Result<(Vec<u8>, &[u8]), CmdError> {
    const INVALID: CmdError = CmdError::text("ERR Invalid library metadata");
    if !code.starts_with(b"#!") {
        return Err(CmdError::text("ERR Missing library metadata"));
    }
    let end = memchr::memchr(b'\n', code).ok_or(INVALID)?;
    let (line, rest) = code.split_at(end);
    let words = split_args(line).map_err(|_| INVALID)?;
    let (engine, options) = words.split_first().ok_or(INVALID)?;
    let mut name = None;
    for option in options {
        let Some((_, value)) =
            option.split_at_checked(5).filter(|(word, _)| word.eq_ignore_ascii_case(b"name="))
        else {
            return Err(CmdError::quoting("ERR Invalid metadata value given: ", option, ""));
        };
        if name.replace(value.to_vec()).is_some() {
            return Err(CmdError::text("ERR Invalid metadata value, name argument was given multiple times"));
        }
    }
    let name = name.ok_or(CmdError::text("ERR Library name was not given"))?;
    if !is_name(&name) {
        return Err(CmdError::text(INVALID_NAME));
    }
    let engine = engine.get(2..).unwrap_or_default();
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(CmdError::quoting("ERR Engine '", engine, "' not found"));
    }
    Ok((name, rest))
}

#[cfg(test)]
mod tests {
    use super::{Flags, Functions, Library, Policy, Registered, parse};

    fn library(name: &str, functions: &[&str]) -> Library {
        let functions = functions
            .iter()
            .map(|name| Registered {
                name: name.as_bytes().into(),
                description: None,
                flags: Flags::default(),
            })
            .collect();
        Library::new(name.as_bytes(), b"#!lua", functions)
    }

    #[test]
    fn the_first_line_names_the_library() {
        assert_eq!(parse(b"#!lua name=x\nreturn").unwrap(), (b"x".to_vec(), b"\nreturn".as_slice()));
        for bad in [&b"return"[..], b"#!lua name=x", b"#!lua\n", b"#!lua name=x y=z\n", b"#!python name=x\n"]
        {
            assert!(parse(bad).is_err());
        }
    }

    #[test]
    fn a_function_belongs_to_one_library() {
        let functions = Functions::default();
        functions.put(library("one", &["f", "g"])).unwrap();
        assert!(functions.put(library("other", &["x", "G"])).is_err());
        assert!(functions.find(b"x").is_none());
        functions.put(library("one", &["f"])).unwrap();
        functions.put(library("other", &["G"])).unwrap();
        assert_eq!(functions.find(b"g").unwrap().0.name.as_ref(), b"other");
        assert!(
            functions.restore(vec![library("third", &["z"]), library("one", &[])], Policy::Append).is_err()
        );
        assert_eq!(functions.count().0, 2);
        functions.restore(vec![library("one", &["y"])], Policy::Replace).unwrap();
        assert!(functions.find(b"f").is_none() && functions.find(b"y").is_some());
        assert!(functions.delete(b"one") && !functions.delete(b"one"));
        functions.flush();
        assert_eq!(functions.count(), (0, 0, 0));
    }
}
