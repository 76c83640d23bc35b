//! The compiled scripts of one interpreter.
//!
//! They lie in a table of Lua, by number: the host can hold a few thousand handles at most, and there may be many more scripts.
//! The one that ran last is at hand.

use std::collections::HashMap;

use mlua::{Function, Lua, Table, Value};

use super::cache::{ByDigits, Scripts, Sha};

/// Compiled scripts up to which none goes.
const SWEEP_MIN: usize = 1024;

/// See the module's head.
pub(super) struct Compiled {
    functions: Table,
    numbers: HashMap<Sha, i64, ByDigits>,
    next: i64,
    last: Option<(Sha, Function)>,
    /// Compiled scripts at which those go that the server has no more.
    sweep_at: usize,
}

impl Compiled {
    pub fn new(lua: &Lua) -> mlua::Result<Compiled> {
        Ok(Compiled {
            functions: lua.create_table()?,
            numbers: HashMap::default(),
            next: 1,
            last: None,
            sweep_at: SWEEP_MIN,
        })
    }

    /// The script of that name, which is to be put back with [`Compiled::used`].
    pub fn take(&mut self, sha: &Sha) -> Option<Function> {
        if let Some((last, function)) = self.last.take()
            && last == *sha
        {
            return Some(function);
        }
        self.functions.raw_get(*self.numbers.get(sha)?).ok()
    }

    /// The script has run.
    pub fn used(&mut self, sha: Sha, function: Function) {
        self.last = Some((sha, function));
    }

    /// Adds a script; those go that the server has no more, now and then.
    pub fn add(&mut self, scripts: &Scripts, sha: Sha, function: &Function) -> mlua::Result<()> {
        if self.numbers.len() >= self.sweep_at {
            let functions = &self.functions;
            self.numbers.retain(|sha, number| {
                let stays = scripts.find(sha).is_some();
                stays || functions.raw_set(*number, Value::Nil).is_err()
            });
            self.sweep_at = (self.numbers.len() * 2).max(SWEEP_MIN);
        }
        self.functions.raw_set(self.next, function)?;
        self.numbers.insert(sha, self.next);
        self.next += 1;
        Ok(())
    }
}
