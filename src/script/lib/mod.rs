//! The libraries that Redis gives to scripts: bit, cjson, cmsgpack, struct.
//!
//! They are written anew, after what the real ones answer. Each function gets all arguments and answers its results, or a
//! [`Fault`]: a message that names the line of the script, as `luaL_error` would.
//!
//! Values are gone through in steps (`step` of [`super::api`]): however many there are, others get their turn and a script can be killed.
//!
//! **Invariant:** no depth that a script chooses is a depth of our own stack beyond [`DEPTH_MAX`].

mod bit;
mod cjson;
mod cmsgpack;
mod structs;

use mlua::{Function, Lua, LuaString, MultiValue, Table, Value};

use super::convert::{c_text, truncated};

/// Levels of tables in tables that a library follows.
const DEPTH_MAX: usize = 1500;

/// Where the registry of Lua holds the function that makes functions raise (`__raising` of `build/main.rs`).
pub const RAISING: &str = "raising";

/// Why a function failed.
pub(super) enum Fault {
    /// The message without its place.
    Text(Vec<u8>),
    /// The message, which comes from Lua itself and has no place.
    Bare(&'static str),
    Lua(mlua::Error),
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Fault {
        Fault::Lua(error)
    }
}

impl From<String> for Fault {
    fn from(text: String) -> Fault {
        Fault::Text(text.into_bytes())
    }
}

impl From<&str> for Fault {
    fn from(text: &str) -> Fault {
        Fault::Text(text.as_bytes().to_vec())
    }
}

pub(super) type Results = Result<MultiValue, Fault>;

/// A table of each library, by its name.
pub fn tables(lua: &Lua) -> mlua::Result<Table> {
    let libraries = lua.create_table()?;
    libraries.raw_set("bit", bit::table(lua)?)?;
    libraries.raw_set("cjson", cjson::table(lua)?)?;
    libraries.raw_set("cmsgpack", cmsgpack::table(lua)?)?;
    libraries.raw_set("struct", structs::table(lua)?)?;
    Ok(libraries)
}

/// Puts a function into a library.
pub(super) fn add(
    lua: &Lua,
    library: &Table,
    name: &'static str,
    function: impl Fn(&Lua, &Arguments<'_>) -> Results + 'static,
) -> mlua::Result<()> {
    let answer = lua.create_function(move |lua, values: MultiValue| {
        match function(lua, &Arguments { lua, values: &values }) {
            Ok(mut results) => {
                results.push_front(Value::Boolean(false));
                Ok(results)
            }
            Err(Fault::Text(text)) => {
                let text = lua.create_string([place(lua).as_bytes(), &text].concat())?;
                Ok(MultiValue::from_iter([Value::Boolean(true), Value::String(text)]))
            }
            Err(Fault::Bare(text)) => {
                Ok(MultiValue::from_iter([Value::Boolean(true), Value::String(lua.create_string(text)?)]))
            }
            Err(Fault::Lua(error)) => Err(error),
        }
    })?;
    let raising: Function = lua.named_registry_value(RAISING)?;
    library.raw_set(name, raising.call::<Function>(answer)?)
}

/// `user_script:1: `, the line from which the library was called.
fn place(lua: &Lua) -> String {
    // Below the function itself and the one that raises for it.
    let found =
        lua.inspect_stack(2, |frame| Some((frame.source().short_src?.into_owned(), frame.current_line()?)));
    found.flatten().map(|(source, line)| format!("{source}:{line}: ")).unwrap_or_default()
}

/// The arguments of a call.
pub(super) struct Arguments<'a> {
    lua: &'a Lua,
    values: &'a MultiValue,
}

impl Arguments<'_> {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The argument at `index`, from 0.
    fn get(&self, index: usize) -> Option<&Value> {
        self.values.get(index)
    }

    /// `bad argument #1 to 'f' (why)`, with the name by which the script has called.
    pub(super) fn bad(&self, index: usize, why: impl AsRef<[u8]>) -> Fault {
        let called = self.lua.inspect_stack(1, |frame| frame.names().name.map(|name| name.into_owned()));
        let called = called.flatten().unwrap_or_else(|| "?".to_owned());
        let before = format!("bad argument #{} to '{called}' (", index + 1);
        Fault::Text([before.as_bytes(), c_text(why.as_ref()), b")"].concat())
    }

    fn expected(&self, index: usize, what: &str) -> Fault {
        let got = self.get(index).map_or("no value", Value::type_name);
        let got = match self.get(index) {
            Some(Value::Integer(_)) => "number",
            Some(Value::LightUserData(_)) => "userdata",
            _ => got,
        };
        self.bad(index, format!("{what} expected, got {got}"))
    }

    /// A number, or a string that is one.
    pub(super) fn number(&self, index: usize) -> Result<f64, Fault> {
        let number = match self.get(index) {
            Some(Value::Integer(number)) => Some(*number as f64),
            Some(Value::Number(number)) => Some(*number),
            Some(text @ Value::String(_)) => self.lua.coerce_number(text.clone())?,
            _ => None,
        };
        number.ok_or_else(|| self.expected(index, "number"))
    }

    /// A number as C makes an `int` of it: first one of 64 bits, then the low 32 of these.
    pub(super) fn int(&self, index: usize) -> Result<i32, Fault> {
        Ok(truncated(self.number(index)?) as i32)
    }

    /// A whole number of 64 bits as C makes one; `otherwise` where there is none.
    pub(super) fn whole_or(&self, index: usize, otherwise: i64) -> Result<i64, Fault> {
        match self.get(index) {
            None | Some(Value::Nil) => Ok(otherwise),
            Some(_) => Ok(truncated(self.number(index)?)),
        }
    }

    /// A string, or a number as its text.
    fn text(&self, lua: &Lua, index: usize) -> Result<LuaString, Fault> {
        match self.get(index) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(number @ (Value::Integer(_) | Value::Number(_))) => {
                Ok(lua.coerce_string(number.clone())?.ok_or_else(|| self.expected(index, "string"))?)
            }
            _ => Err(self.expected(index, "string")),
        }
    }
}

pub(super) fn one(value: Value) -> Results {
    Ok(MultiValue::from_iter([value]))
}
