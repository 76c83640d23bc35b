//! The libraries that Redis gives to scripts: bit, cjson, cmsgpack, struct.

use mlua::{Lua, Table};

/// A table of each library, by its name.
pub fn tables(lua: &Lua) -> mlua::Result<Table> {
    lua.create_table()
}
