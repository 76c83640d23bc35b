//! Replies to Lua values, and Lua values to replies.
//!
//! | reply | Lua | reply |
//! |---|---|---|
//! | integer | number | integer, cut towards zero |
//! | bulk string | string | bulk string |
//! | null | false (RESP3: nil) | null |
//! | array | table, ended by its first nil | array |
//! | status, error | table with `ok`, `err` | status, error |
//! | RESP3 map, set, double, big number, verbatim string | table with a field of that name | the same, or what RESP2 has for it |
//! | RESP3 boolean | boolean | boolean (RESP2: 1, null) |

use mlua::{Lua, LuaString, Table, Value};

use super::api::step;
use crate::base::num::parse_i64;
use crate::resp::Writer;

/// Tables inside tables up to which a reply goes: where Redis finds that the stack of Lua is full.
const DEPTH_MAX: usize = 7995;
/// What a map or a set counts for: it takes our own stack, and slots of the interpreter for the place in it.
const PAIRS_DEPTH: usize = 8;

/// Reads replies that our own encoder has written.
pub struct ReplyReader<'b> {
    bytes: &'b [u8],
}

impl<'b> ReplyReader<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        ReplyReader { bytes }
    }

    /// The text of the reply if it is an error.
    pub fn error(&self) -> Option<&'b [u8]> {
        let line = self.bytes.strip_prefix(b"-")?;
        Some(line.strip_suffix(b"\r\n").unwrap_or(line))
    }

    fn line(&mut self) -> (u8, &'b [u8]) {
        let end = memchr::memchr(b'\r', self.bytes).unwrap_or(self.bytes.len());
        let (line, rest) = self.bytes.split_at(end);
        self.bytes = rest.get(2..).unwrap_or_default();
        line.split_first().map_or((b'_', &[][..]), |(marker, text)| (*marker, text))
    }

    fn take(&mut self, len: usize) -> &'b [u8] {
        let taken = self.bytes.get(..len).unwrap_or_default();
        self.bytes = self.bytes.get(len + 2..).unwrap_or_default();
        taken
    }

    /// The next value; `nil` stands for a null.
    pub fn value(&mut self, lua: &Lua, nil: &Value) -> mlua::Result<Value> {
        step()?;
        let (marker, text) = self.line();
        let len = || parse_i64(text).and_then(|len| usize::try_from(len).ok());
        Ok(match marker {
            b':' => Value::Number(number(text)),
            b'$' => match len() {
                Some(len) => Value::String(lua.create_string(self.take(len))?),
                None => nil.clone(),
            },
            b'*' | b'>' => match len() {
                Some(len) => Value::Table(self.array(lua, nil, len)?),
                None => nil.clone(),
            },
            b'+' => field(lua, "ok", lua.create_string(text)?)?,
            b'-' => field(lua, "err", lua.create_string(text)?)?,
            b'%' => {
                let map = lua.create_table()?;
                for _ in 0..len().unwrap_or(0) {
                    let key = self.value(lua, nil)?;
                    map.raw_set(key, self.value(lua, nil)?)?;
                }
                field(lua, "map", map)?
            }
            b'~' => {
                let set = lua.create_table()?;
                for _ in 0..len().unwrap_or(0) {
                    set.raw_set(self.value(lua, nil)?, true)?;
                }
                field(lua, "set", set)?
            }
            b'#' => Value::Boolean(text == b"t"),
            // What is said about a reply is passed over.
            b'|' => {
                for _ in 0..2 * len().unwrap_or(0) {
                    self.value(lua, nil)?;
                }
                self.value(lua, nil)?
            }
            b',' => field(lua, "double", number(text))?,
            b'(' => field(lua, "big_number", lua.create_string(text)?)?,
            b'=' => {
                let verbatim = self.take(len().unwrap_or(0));
                let table = lua.create_table()?;
                table.raw_set("format", lua.create_string(verbatim.get(..3).unwrap_or_default())?)?;
                table.raw_set("string", lua.create_string(verbatim.get(4..).unwrap_or_default())?)?;
                field(lua, "verbatim_string", table)?
            }
            _ => nil.clone(),
        })
    }

    fn array(&mut self, lua: &Lua, nil: &Value, len: usize) -> mlua::Result<Table> {
        // How long a table with nils in it is depends on what it had room for: as in Redis it grows by itself.
        let room = if nil.is_nil() { 0 } else { len };
        let table = lua.create_table_with_capacity(room, 0)?;
        for index in 1..=len {
            table.raw_set(index, self.value(lua, nil)?)?;
        }
        Ok(table)
    }
}

fn number(text: &[u8]) -> f64 {
    if let Some(number) = parse_i64(text) {
        return number as f64;
    }
    crate::base::float::parse_f64(text).unwrap_or(f64::NAN)
}

fn field(lua: &Lua, name: &str, value: impl mlua::IntoLua) -> mlua::Result<Value> {
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set(name, value)?;
    Ok(Value::Table(table))
}

/// Writes what a script returned. `is_resp3`: the script has asked for RESP3, so its booleans are booleans.
pub fn write(writer: &mut Writer<'_>, value: &Value, is_resp3: bool) {
    write_at(writer, value, is_resp3, 0);
}

/// Writes a value that stands `depth` tables deep.
fn write_at(writer: &mut Writer<'_>, value: &Value, is_resp3: bool, depth: usize) {
    if depth >= DEPTH_MAX {
        return writer.error(b"ERR reached lua stack limit");
    }
    // Arrays that are under way, with the index of their next element and their length.
    let mut open: Vec<(Table, usize, usize)> = Vec::new();
    if let Some(array) = write_one(writer, value, is_resp3, depth) {
        open.push(array);
    }
    while let Some((table, next, len)) = open.last_mut() {
        if *next > *len {
            open.pop();
            continue;
        }
        let element: Value = table.raw_get(*next).unwrap_or(Value::Nil);
        *next += 1;
        let depth = depth + open.len();
        if depth >= DEPTH_MAX {
            writer.error(b"ERR reached lua stack limit");
        } else if let Some(array) = write_one(writer, &element, is_resp3, depth) {
            open.push(array);
        }
    }
}

/// Writes a value, or the header of an array whose elements must follow.
fn write_one(
    writer: &mut Writer<'_>,
    value: &Value,
    is_resp3: bool,
    depth: usize,
) -> Option<(Table, usize, usize)> {
    match value {
        Value::String(text) => writer.bulk(&text.as_bytes()),
        Value::Integer(number) => writer.int(*number),
        Value::Number(number) => writer.int(truncated(*number)),
        Value::Boolean(flag) if is_resp3 => writer.boolean(*flag),
        Value::Boolean(true) => writer.int(1),
        Value::Table(table) => return write_table(writer, table, is_resp3, depth),
        _ => writer.null(),
    }
    None
}

/// A number as C converts it on the machines that Redis runs on: what is out of range is the least number.
pub(super) fn truncated(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}

/// A text as C sees it: it ends with a NUL.
pub(super) fn c_text(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The text of an error as it is sent, when nothing follows: without line ends behind it.
pub(super) fn error_line(text: &[u8]) -> &[u8] {
    let text = c_text(text);
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

fn text_of(table: &Table, name: &str) -> Option<LuaString> {
    match table.raw_get(name) {
        Ok(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn table_of(table: &Table, name: &str) -> Option<Table> {
    match table.raw_get(name) {
        Ok(Value::Table(inner)) => Some(inner),
        _ => None,
    }
}

/// Writes the elements of a map, or of a set, one by one: each takes a slot of the interpreter while it is held.
fn write_pairs(writer: &mut Writer<'_>, table: &Table, is_map: bool, is_resp3: bool, depth: usize) {
    let len = table.pairs::<Value, Value>().flatten().count();
    if is_map {
        writer.map(len);
    } else {
        writer.set(len);
    }
    for (key, value) in table.pairs::<Value, Value>().flatten() {
        write_at(writer, &key, is_resp3, depth + PAIRS_DEPTH);
        if is_map {
            write_at(writer, &value, is_resp3, depth + PAIRS_DEPTH);
        }
    }
}

fn write_table(
    writer: &mut Writer<'_>,
    table: &Table,
    is_resp3: bool,
    depth: usize,
) -> Option<(Table, usize, usize)> {
    if let Some(text) = text_of(table, "err") {
        writer.error(error_line(&text.as_bytes()));
    } else if let Some(text) = text_of(table, "ok") {
        writer.status_bytes(c_text(&text.as_bytes()));
    } else if let Ok(Value::Integer(_) | Value::Number(_)) = table.raw_get("double") {
        writer.double(table.raw_get("double").unwrap_or(f64::NAN));
    } else if let Some(map) = table_of(table, "map") {
        write_pairs(writer, &map, true, is_resp3, depth);
    } else if let Some(set) = table_of(table, "set") {
        write_pairs(writer, &set, false, is_resp3, depth);
    } else if let Some(text) = text_of(table, "big_number") {
        // Whatever is in it.
        let digits: Vec<u8> = text
            .as_bytes()
            .iter()
            .map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte })
            .collect();
        writer.big_number(&digits);
    } else if let Some(verbatim) = table_of(table, "verbatim_string")
        && let (Some(format), Some(text)) = (text_of(&verbatim, "format"), text_of(&verbatim, "string"))
    {
        let format = format.as_bytes();
        let format = c_text(&format);
        let format = [0, 1, 2].map(|index| format.get(index).copied().unwrap_or(b' '));
        writer.verbatim(&format, &text.as_bytes());
    } else {
        let len = (1_usize..).find(|index| matches!(table.raw_get(*index), Ok(Value::Nil) | Err(_)));
        let len = len.unwrap_or(1) - 1;
        writer.array(len);
        return Some((table.clone(), 1, len));
    }
    None
}
