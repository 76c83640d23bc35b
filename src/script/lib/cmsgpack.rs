//! `cmsgpack`: values as MessagePack, in the shortest form of each.
//!
//! Whole numbers are integers, others floats of 4 bytes where these suffice. A table whose keys are 1 to n is an array,
//! others are maps. Deeper than [`NESTING_MAX`] tables nothing is packed but nil. What has no form of its own is nil.

use mlua::{Lua, MultiValue, Table, Value};

use super::super::api::step;
use super::super::convert::truncated;
use super::{Arguments, DEPTH_MAX, Fault, Results, add, one};

/// Tables in tables that are packed.
const NESTING_MAX: usize = 16;
/// Arguments that fit twice on the stack of Lua.
const ARGUMENTS_MAX: usize = 3_990;

pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    add(lua, &table, "pack", pack)?;
    add(lua, &table, "unpack", |lua, args| unpack(lua, args, 0, 0))?;
    add(lua, &table, "unpack_one", |lua, args| unpack(lua, args, 1, args.whole_or(1, 0)?))?;
    add(lua, &table, "unpack_limit", |lua, args| {
        unpack(lua, args, truncated(args.number(1)?), args.whole_or(2, 0)?)
    })?;
    Ok(table)
}

fn pack(lua: &Lua, args: &Arguments<'_>) -> Results {
    let refuse = |why: &str| Err(Fault::from(format!("bad argument #0 to 'pack' ({why})")));
    match args.len() {
        0 => return refuse("MessagePack pack needs input."),
        len if len > ARGUMENTS_MAX => return refuse("Too many arguments for MessagePack pack."),
        _ => {}
    }
    let mut out = Vec::new();
    for value in args.values {
        push(&mut out, value, 0)?;
    }
    one(Value::String(lua.create_string(out)?))
}

fn push(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), Fault> {
    step()?;
    match value {
        Value::Boolean(flag) => out.push(if *flag { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => push_integer(out, *number),
        Value::Number(number) => push_number(out, *number),
        Value::String(text) => {
            let text = text.as_bytes();
            push_len(out, text.len(), (0xa0, 31), &[0xd9, 0xda, 0xdb]);
            out.extend_from_slice(&text);
        }
        Value::Table(_) if depth == NESTING_MAX => out.push(0xc0),
        Value::Table(table) => push_table(out, table, depth)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn push_number(out: &mut Vec<u8>, number: f64) {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if number.trunc() == number && (-LIMIT..LIMIT).contains(&number) {
        return push_integer(out, number as i64);
    }
    let short = number as f32;
    if f64::from(short) == number {
        out.push(0xca);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn push_integer(out: &mut Vec<u8>, number: i64) {
    let (marker, len) = match number {
        -32..=127 => return out.push(number as u8),
        128..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        0x1_0000_0000.. => (0xcf, 8),
        -0x80..=-33 => (0xd0, 1),
        -0x8000..=-0x81 => (0xd1, 2),
        -0x8000_0000..=-0x8001 => (0xd2, 4),
        ..=-0x8000_0001 => (0xd3, 8),
    };
    out.push(marker);
    out.extend_from_slice(number.to_be_bytes().get(8 - len..).unwrap_or_default());
}

/// A length: in the marker if it is at most `short.1`, else behind one of `long` in 1 (strings only), 2 or 4 bytes.
fn push_len(out: &mut Vec<u8>, len: usize, short: (u8, usize), long: &[u8]) {
    let widths: &[usize] = if long.len() == 3 { &[1, 2, 4] } else { &[2, 4] };
    if len <= short.1 {
        return out.push(short.0 | len as u8);
    }
    let fits = |width: usize| width == 4 || len < 1 << (8 * width);
    let Some((&marker, &width)) = long.iter().zip(widths).find(|(_, width)| fits(**width)) else { return };
    out.push(marker);
    out.extend_from_slice((len as u32).to_be_bytes().get(4 - width..).unwrap_or_default());
}

fn push_table(out: &mut Vec<u8>, table: &Table, depth: usize) -> Result<(), Fault> {
    let index = |key: &Value| match key {
        Value::Integer(index) => usize::try_from(*index).ok().filter(|index| *index > 0),
        _ => None,
    };
    // Pair by pair, twice: each takes a slot of the interpreter while it is held.
    let (mut len, mut highest) = (0, Some(0));
    for pair in table.pairs::<Value, Value>() {
        step()?;
        let (key, _) = pair?;
        len += 1;
        highest = highest.and_then(|most: usize| Some(most.max(index(&key)?)));
    }
    if highest == Some(len) {
        push_len(out, len, (0x90, 15), &[0xdc, 0xdd]);
        return (1..=len).try_for_each(|index| push(out, &table.raw_get(index)?, depth + 1));
    }
    push_len(out, len, (0x80, 15), &[0xde, 0xdf]);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        push(out, &key, depth + 1)?;
        push(out, &value, depth + 1)?;
    }
    Ok(())
}

/// Up to `limit` values from `offset` on, behind the offset of the next (-1 at the end); all values and nothing else when both
/// are 0.
fn unpack(lua: &Lua, args: &Arguments<'_>, limit: i64, offset: i64) -> Results {
    let text = args.text(lua, 0)?;
    let bytes = text.as_bytes();
    let len = bytes.len();
    // The original shows 32 bits of it.
    let shown = offset as i32;
    let (Ok(most), Ok(start)) = (usize::try_from(limit), usize::try_from(offset)) else {
        let text = format!("Invalid request to unpack with offset of {shown} and limit of {len}.");
        return Err(text.into());
    };
    let Some(rest) = bytes.get(start..) else {
        return Err(format!("Start offset {shown} greater than input length {len}.").into());
    };
    let is_all = most == 0 && start == 0;
    let mut reader = Reader { bytes: rest };
    let mut results = Vec::new();
    while !reader.bytes.is_empty() && (is_all || results.len() < most) {
        results.push(reader.value(lua, 0)?);
    }
    if !is_all {
        let next = len - reader.bytes.len();
        results.insert(0, Value::Number(if reader.bytes.is_empty() { -1.0 } else { next as f64 }));
    }
    Ok(MultiValue::from_vec(results))
}

struct Reader<'b> {
    bytes: &'b [u8],
}

impl<'b> Reader<'b> {
    fn take(&mut self, len: usize) -> Result<&'b [u8], Fault> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or("Missing bytes in input.")?;
        self.bytes = rest;
        Ok(taken)
    }

    /// A big-endian number of up to 8 bytes.
    fn bits(&mut self, len: usize) -> Result<u64, Fault> {
        Ok(self.take(len)?.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
    }

    fn len(&mut self, len: usize) -> Result<usize, Fault> {
        self.bits(len).map(|bits| bits as usize)
    }

    fn value(&mut self, lua: &Lua, depth: usize) -> Result<Value, Fault> {
        step()?;
        let marker = self.bits(1)? as u8;
        let number = |number: i64| Value::Number(number as f64);
        Ok(match marker {
            0..=0x7f => number(i64::from(marker)),
            0xe0.. => number(i64::from(marker.cast_signed())),
            0x80..=0x8f => self.map(lua, usize::from(marker & 15), depth)?,
            0x90..=0x9f => self.array(lua, usize::from(marker & 15), depth)?,
            0xa0..=0xbf => self.text(lua, usize::from(marker & 31))?,
            0xc0 => Value::Nil,
            0xc2 | 0xc3 => Value::Boolean(marker == 0xc3),
            0xca => Value::Number(f64::from(f32::from_bits(self.bits(4)? as u32))),
            0xcb => Value::Number(f64::from_bits(self.bits(8)?)),
            0xcc..=0xcf => number(self.bits(1 << (marker - 0xcc))?.cast_signed()),
            0xd0 => number(i64::from((self.bits(1)? as u8).cast_signed())),
            0xd1 => number(i64::from((self.bits(2)? as u16).cast_signed())),
            0xd2 => number(i64::from((self.bits(4)? as u32).cast_signed())),
            0xd3 => number(self.bits(8)?.cast_signed()),
            0xd9..=0xdb => {
                let len = self.len(1 << (marker - 0xd9))?;
                self.text(lua, len)?
            }
            0xdc | 0xdd => {
                let len = self.len(2 << (marker - 0xdc))?;
                self.array(lua, len, depth)?
            }
            0xde | 0xdf => {
                let len = self.len(2 << (marker - 0xde))?;
                self.map(lua, len, depth)?
            }
            _ => return Err("Bad data format in input.".into()),
        })
    }

    fn text(&mut self, lua: &Lua, len: usize) -> Result<Value, Fault> {
        Ok(Value::String(lua.create_string(self.take(len)?)?))
    }

    fn array(&mut self, lua: &Lua, len: usize, depth: usize) -> Result<Value, Fault> {
        let table = nested(lua, depth)?;
        for index in 1..=len {
            table.raw_set(index, self.value(lua, depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, lua: &Lua, len: usize, depth: usize) -> Result<Value, Fault> {
        let table = nested(lua, depth)?;
        for _ in 0..len {
            let key = self.value(lua, depth + 1)?;
            let value = self.value(lua, depth + 1)?;
            let wrong = match key {
                Value::Nil => Some("table index is nil"),
                Value::Number(number) if number.is_nan() => Some("table index is NaN"),
                _ => None,
            };
            if let Some(text) = wrong {
                return Err(Fault::Bare(text));
            }
            table.raw_set(key, value)?;
        }
        Ok(Value::Table(table))
    }
}

fn nested(lua: &Lua, depth: usize) -> Result<Table, Fault> {
    if depth >= DEPTH_MAX {
        return Err("Bad data format in input.".into());
    }
    Ok(lua.create_table()?)
}
