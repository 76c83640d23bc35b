//! The shared configuration of a running server: a typed snapshot for reading, texts for CONFIG.
//!
//! Readers take [`Store::snapshot`] (one atomic load) or keep one and watch [`Store::version`]. Writers pass one lock,
//! so that what `apply` does outside (listen on another port, resize the backlog) and what is stored agree.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::error::{ConfigError, RewriteError, SetError};
use super::kind::Context;
use super::load::{Loaded, load, snapshot};
use super::rewrite::{self, Which};
use super::spec::{Flags, OptionSpec};
use super::special::cut_at_blanks;
use super::startup::Startup;
use super::table::{Config, OPTIONS, lookup};
use super::types::EnableCommand;
use crate::base::glob::{self, Case};

/// Whether a client sits on this machine; guards may let only those in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A loopback address or a Unix socket.
    Local,
    /// Any other.
    Remote,
}

/// The configuration of a running server.
pub struct Store {
    snapshot: ArcSwap<Config>,
    version: AtomicU64,
    file: Option<PathBuf>,
    state: Mutex<Loaded>,
}

impl Store {
    /// Reads files, standard input and arguments.
    pub fn load(startup: Startup) -> Result<Store, ConfigError> {
        let loaded = load(startup)?;
        Ok(Store {
            snapshot: ArcSwap::from_pointee(snapshot(&loaded)?),
            version: AtomicU64::new(1),
            file: loaded.file.clone(),
            state: Mutex::new(loaded),
        })
    }

    /// Whether the file or the command line says something about an option.
    pub fn is_given(&self, name: &str) -> bool {
        let spec = lookup(name.as_bytes()).map(|(spec, _)| spec.index);
        spec.is_some_and(|index| self.state.lock().given.get(index).copied().unwrap_or(false))
    }

    /// All options at this moment.
    pub fn snapshot(&self) -> Arc<Config> {
        self.snapshot.load_full()
    }

    /// Grows with every change; a reader that keeps a snapshot takes a new one when it differs.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The file the server was started with, absolute.
    pub fn config_file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// CONFIG GET: the names and values that the patterns ask for, each name once.
    ///
    /// A name without `*?[` is answered in the spelling it was asked in; patterns see all names but hidden ones. The
    /// order is that of the patterns, then of the table (Redis promises none).
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
        let state = self.state.lock();
        let value = |spec: &OptionSpec| {
            state.values.get(spec.index).map(|value| spec.kind.shown(value)).unwrap_or_default()
        };
        let mut found: Vec<(String, Vec<u8>)> = Vec::new();
        let mut shown: Vec<&'static str> = Vec::new();
        for asked in patterns {
            if !glob::is_pattern(asked) {
                if let Some((spec, name)) = lookup(asked).filter(|(_, name)| !shown.contains(name)) {
                    shown.push(name);
                    found.push((String::from_utf8_lossy(asked).into_owned(), value(spec)));
                }
                continue;
            }
            for spec in OPTIONS.iter().filter(|spec| !spec.flags.has(Flags::HIDDEN)) {
                for name in spec.names().filter(|name| glob::matches(asked, name.as_bytes(), Case::Ignored)) {
                    if !shown.contains(&name) {
                        shown.push(name);
                        found.push((name.to_owned(), value(spec)));
                    }
                }
            }
        }
        found
    }

    /// CONFIG SET: all pairs or none.
    ///
    /// `apply` makes the change real before it is stored. It sees the old and the new snapshot and the options whose
    /// value changed, or whose file is to be read again; when it fails it must have undone what it did, and nothing is stored. It must not call `set`.
    pub fn set(
        &self,
        pairs: &[(&[u8], &[u8])],
        caller: Caller,
        apply: impl FnOnce(&Config, &Config, &[&'static OptionSpec]) -> Result<(), (&'static str, String)>,
    ) -> Result<(), SetError> {
        let mut state = self.state.lock();
        let old = self.snapshot.load_full();
        let options = settable(pairs, caller, &old)?;
        let mut values = state.values.clone();
        for ((spec, name), (_, word)) in options.iter().zip(pairs) {
            let words = if spec.kind.takes_many() { cut_at_blanks(word) } else { vec![*word] };
            let Some(value) = values.get_mut(spec.index) else { continue };
            let context = Context { value, loading: false, first: false };
            *value = spec.kind.canonical(&words, context).map_err(|reason| failed(name, reason))?;
        }
        let is_changed = |spec: &&'static OptionSpec| {
            spec.flags.has(Flags::NAMES_FILE) || values.get(spec.index) != state.values.get(spec.index)
        };
        let mut changed: Vec<&'static OptionSpec> =
            options.iter().map(|(spec, _)| *spec).filter(is_changed).collect();
        changed.dedup_by_key(|spec| spec.index);
        let new = Config::from_values(&values, state.declarations.clone())
            .map_err(|spec| failed(spec.name, "the value does not fit the option".into()))?;
        apply(&old, &new, &changed).map_err(|(name, reason)| failed(name, reason))?;
        state.values = values;
        for (spec, _) in &options {
            if let Some(derived) = state.derived.get_mut(spec.index) {
                *derived = false;
            }
        }
        self.publish(new);
        Ok(())
    }

    /// Whether one of the options must stay as it is while the data is loaded.
    pub fn is_fixed_while_loading(pairs: &[(&[u8], &[u8])]) -> bool {
        let is_fixed = |name| lookup(name).is_some_and(|(spec, _)| spec.flags.has(Flags::NOT_WHILE_LOADING));
        pairs.iter().any(|(name, _)| is_fixed(name))
    }

    /// Stores a value that depends on the machine. CONFIG GET shows it; CONFIG REWRITE leaves the file as it is, so that
    /// the next start looks at its machine anew.
    pub fn derive(&self, option: &'static str, words: &[&[u8]]) -> Result<(), SetError> {
        self.assign(option, words)?;
        let mut state = self.state.lock();
        let derived = lookup(option.as_bytes()).and_then(|(spec, _)| state.derived.get_mut(spec.index));
        if let Some(derived) = derived {
            *derived = true;
        }
        Ok(())
    }

    /// Stores a value that the server itself decided, whatever the option's flags: REPLICAOF at run time. CONFIG GET and
    /// CONFIG REWRITE see it.
    pub fn assign(&self, option: &'static str, words: &[&[u8]]) -> Result<(), SetError> {
        let (spec, name) = lookup(option.as_bytes()).ok_or_else(|| SetError::Unknown(option.to_owned()))?;
        let mut state = self.state.lock();
        let mut values = state.values.clone();
        if let Some(value) = values.get_mut(spec.index) {
            let context = Context { value, loading: true, first: true };
            *value = spec.kind.canonical(words, context).map_err(|reason| failed(name, reason))?;
        }
        let new = Config::from_values(&values, state.declarations.clone())
            .map_err(|spec| failed(spec.name, "the value does not fit the option".into()))?;
        state.values = values;
        self.publish(new);
        Ok(())
    }

    /// CONFIG REWRITE: makes the file say what is set now. `user` lines stay as they are.
    pub fn rewrite(&self) -> Result<(), RewriteError> {
        self.rewrite_with_users(None)
    }

    /// Like [`Store::rewrite`], with a line for every option, whether it differs from its default or not.
    pub fn rewrite_all(&self) -> Result<(), RewriteError> {
        self.rewrite_lines(Which::All, None)
    }

    /// CONFIG REWRITE that also replaces the `user` lines; each text is what stands behind `user`.
    pub fn rewrite_with_users(&self, users: Option<&[String]>) -> Result<(), RewriteError> {
        self.rewrite_lines(Which::Needed, users)
    }

    fn rewrite_lines(&self, which: Which, users: Option<&[String]>) -> Result<(), RewriteError> {
        let path = self.file.as_deref().ok_or(RewriteError::NoFile)?;
        let state = self.state.lock();
        rewrite::rewrite(path, &state, which, users)
    }

    fn publish(&self, config: Config) {
        self.snapshot.store(Arc::new(config));
        self.version.fetch_add(1, Ordering::Release);
    }
}

fn failed(argument: &'static str, reason: String) -> SetError {
    SetError::Failed { argument, reason }
}

/// The options of the pairs with the names that matched. The first pair that is unknown, guarded or doubled decides;
/// two names of one option are no double.
fn settable(
    pairs: &[(&[u8], &[u8])],
    caller: Caller,
    config: &Config,
) -> Result<Vec<(&'static OptionSpec, &'static str)>, SetError> {
    let guard_open = match config.enable_protected_configs {
        EnableCommand::Yes => true,
        EnableCommand::Local => caller == Caller::Local,
        EnableCommand::No => false,
    };
    let mut options: Vec<(&'static OptionSpec, &'static str)> = Vec::with_capacity(pairs.len());
    for (asked, _) in pairs {
        let (spec, name) =
            lookup(asked).ok_or_else(|| SetError::Unknown(String::from_utf8_lossy(asked).into_owned()))?;
        let refused = if spec.flags.has(Flags::IMMUTABLE) {
            Some("can't set immutable config")
        } else if spec.flags.has(Flags::PROTECTED) && !guard_open {
            Some("can't set protected config")
        } else if options.iter().any(|(_, known)| *known == name) {
            Some("duplicate parameter")
        } else {
            None
        };
        if let Some(reason) = refused {
            return Err(failed(name, reason.to_owned()));
        }
        options.push((spec, name));
    }
    Ok(options)
}
