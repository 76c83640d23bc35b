//! `bit`: operations on 32 bits, with results as signed numbers.

use mlua::{Lua, Table, Value};

use super::{Arguments, Fault, Results, add, one};

pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    add(lua, &table, "tobit", |_, args| number(bits(args, 0)?))?;
    add(lua, &table, "bnot", |_, args| number(!bits(args, 0)?))?;
    add(lua, &table, "bswap", |_, args| number(bits(args, 0)?.swap_bytes()))?;
    add(lua, &table, "band", |_, args| fold(args, |one, other| one & other))?;
    add(lua, &table, "bor", |_, args| fold(args, |one, other| one | other))?;
    add(lua, &table, "bxor", |_, args| fold(args, |one, other| one ^ other))?;
    add(lua, &table, "lshift", |_, args| shift(args, |bits, by| bits.wrapping_shl(by)))?;
    add(lua, &table, "rshift", |_, args| shift(args, |bits, by| bits.wrapping_shr(by)))?;
    add(lua, &table, "arshift", |_, args| {
        shift(args, |bits, by| bits.cast_signed().wrapping_shr(by).cast_unsigned())
    })?;
    add(lua, &table, "rol", |_, args| shift(args, |bits, by| bits.rotate_left(by & 31)))?;
    add(lua, &table, "ror", |_, args| shift(args, |bits, by| bits.rotate_right(by & 31)))?;
    add(lua, &table, "tohex", tohex)?;
    Ok(table)
}

/// The low 32 bits of a number, rounded to the nearest whole one (the even one of two).
fn bits(args: &Arguments<'_>, index: usize) -> Result<u32, Fault> {
    // Added to a number of at most 51 bits it leaves the whole part in the low bits.
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    Ok((args.number(index)? + MAGIC).to_bits() as u32)
}

fn number(bits: u32) -> Results {
    one(Value::Number(f64::from(bits.cast_signed())))
}

fn fold(args: &Arguments<'_>, join: fn(u32, u32) -> u32) -> Results {
    let mut result = bits(args, 0)?;
    // The last one first: it is the one that is named if several are wrong.
    for index in (1..args.len()).rev() {
        result = join(result, bits(args, index)?);
    }
    number(result)
}

fn shift(args: &Arguments<'_>, shift: fn(u32, u32) -> u32) -> Results {
    let value = bits(args, 0)?;
    number(shift(value, bits(args, 1)?))
}

/// Hexadecimal digits, as many as asked for; in capitals for a negative number of them.
fn tohex(lua: &Lua, args: &Arguments<'_>) -> Results {
    let value = bits(args, 0)?;
    let width = if args.len() > 1 { bits(args, 1)?.cast_signed() } else { 8 };
    let count = width.unsigned_abs().min(8) as usize;
    let digits = if width < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    one(Value::String(lua.create_string(digits.get(8 - count..).unwrap_or_default())?))
}
