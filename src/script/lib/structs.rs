//! `struct`: numbers and strings as bytes in a chosen layout.
//!
//! ```text
//! > < !n   byte order, alignment      b B h H l L T  i[n] I[n]   integers      f d   floats      x   a zero
//! s        text and a zero            c[n]           n bytes; c0: as many as the number before says, or all
//! ```

use mlua::{Lua, MultiValue, Table, Value};

use super::super::convert::truncated;
use super::{Arguments, Fault, Results, add, one};

/// Most bytes of an integer.
const INTEGER_MAX_BYTES: usize = 32;
/// What `!` alone means.
const ALIGN_MAX: usize = 8;
/// Values that fit on the stack of Lua.
const RESULTS_MAX: usize = 7900;

pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    add(lua, &table, "pack", pack)?;
    add(lua, &table, "unpack", unpack)?;
    add(lua, &table, "size", size)?;
    Ok(table)
}

/// Reads a format.
struct Format<'f> {
    text: &'f [u8],
    at: usize,
    is_big: bool,
    align: usize,
    /// Letters that mean nothing are passed over.
    is_lenient: bool,
}

/// One option and its size.
#[derive(Clone, Copy)]
struct Item {
    option: u8,
    size: usize,
}

impl<'f> Format<'f> {
    fn new(text: &'f [u8]) -> Format<'f> {
        Format { text, at: 0, is_big: false, align: 1, is_lenient: false }
    }

    fn number(&mut self, otherwise: usize) -> Result<usize, Fault> {
        let mut number: Option<usize> = None;
        while let Some(digit) = self.text.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            let next = number.unwrap_or(0) * 10 + usize::from(digit - b'0');
            if next > i32::MAX as usize {
                return Err("integral size overflow".into());
            }
            number = Some(next);
            self.at += 1;
        }
        Ok(number.unwrap_or(otherwise))
    }

    /// The next item that stands for bytes. `check` has a say before each letter that stands for none.
    fn next(
        &mut self,
        args: &Arguments<'_>,
        check: impl Fn() -> Result<(), Fault>,
    ) -> Result<Option<Item>, Fault> {
        while let Some(&option) = self.text.get(self.at) {
            self.at += 1;
            if !is_item(option) {
                check()?;
            }
            let size = match option {
                b'b' | b'B' | b'x' => 1,
                b'h' | b'H' => 2,
                b'f' => 4,
                b'l' | b'L' | b'T' | b'd' => 8,
                b'i' | b'I' => self.integer_size()?,
                b'c' => self.number(1)?,
                b's' => 0,
                b' ' => continue,
                b'>' | b'<' => {
                    self.is_big = option == b'>';
                    continue;
                }
                b'!' => {
                    let align = self.number(ALIGN_MAX)?;
                    if !align.is_power_of_two() {
                        return Err(format!("alignment {align} is not a power of 2").into());
                    }
                    self.align = align;
                    continue;
                }
                other if self.is_lenient && other.is_ascii_alphanumeric() => continue,
                other => {
                    return Err(args.bad(0, format!("invalid format option '{}'", other as char)));
                }
            };
            return Ok(Some(Item { option, size }));
        }
        Ok(None)
    }

    fn integer_size(&mut self) -> Result<usize, Fault> {
        let size = self.number(4)?;
        if size > INTEGER_MAX_BYTES {
            let limit = INTEGER_MAX_BYTES;
            return Err(format!("integral size {size} is larger than limit of {limit}").into());
        }
        Ok(size)
    }

    /// Bytes between `position` and where the item may begin.
    fn padding(&self, position: usize, item: Item) -> usize {
        let align = item.size.min(self.align);
        if align == 0 || item.option == b'c' {
            return 0;
        }
        // A size that is no power of two is treated as the original does it.
        align.wrapping_sub(position & (align - 1)) & (align - 1)
    }
}

fn is_item(option: u8) -> bool {
    is_integer(option) || matches!(option, b'x' | b'f' | b'd' | b'c' | b's')
}

fn is_integer(option: u8) -> bool {
    matches!(option, b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I')
}

fn pack(lua: &Lua, args: &Arguments<'_>) -> Results {
    let text = args.text(lua, 0)?;
    let text = text.as_bytes();
    let mut format = Format::new(&text);
    let mut out: Vec<u8> = Vec::new();
    let mut index = 1;
    while let Some(item) = format.next(args, || Ok(()))? {
        out.resize(out.len() + format.padding(out.len(), item), 0);
        match item.option {
            b'x' => out.push(0),
            b'f' => {
                let bytes = (number(args, index)? as f32).to_le_bytes();
                push(&mut out, bytes, format.is_big);
            }
            b'd' => push(&mut out, number(args, index)?.to_le_bytes(), format.is_big),
            b's' | b'c' => push_text(lua, args, index, item, &mut out)?,
            _ => push_integer(&mut out, number(args, index)?, item.size, format.is_big),
        }
        index += usize::from(item.option != b'x');
    }
    one(Value::String(lua.create_string(out)?))
}

/// A number; behind the last argument there is a nil, as in the original.
fn number(args: &Arguments<'_>, index: usize) -> Result<f64, Fault> {
    if index == args.len() {
        return Err(args.bad(index, "number expected, got nil"));
    }
    args.number(index)
}

fn push<const N: usize>(out: &mut Vec<u8>, mut bytes: [u8; N], is_big: bool) {
    if is_big {
        bytes.reverse();
    }
    out.extend_from_slice(&bytes);
}

/// A number as C makes one without a sign of it, on machines that know signed ones only: the upper half of the range apart.
fn unsigned(number: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    match number >= HALF {
        true => truncated(number - HALF).cast_unsigned() ^ (1 << 63),
        false => truncated(number).cast_unsigned(),
    }
}

fn push_integer(out: &mut Vec<u8>, number: f64, size: usize, is_big: bool) {
    let bits = unsigned(number);
    let start = out.len();
    out.extend((0..size).map(|byte| bits.checked_shr(8 * byte as u32).unwrap_or(0) as u8));
    if is_big && let Some(written) = out.get_mut(start..) {
        written.reverse();
    }
}

fn push_text(
    lua: &Lua,
    args: &Arguments<'_>,
    index: usize,
    item: Item,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    if index == args.len() {
        return Err(args.bad(index, "string expected, got nil"));
    }
    let text = args.text(lua, index)?;
    let text = text.as_bytes();
    let size = if item.size == 0 { text.len() } else { item.size };
    // The original counts the argument before it checks it.
    out.extend_from_slice(text.get(..size).ok_or_else(|| args.bad(index + 1, "string too short"))?);
    if item.option == b's' {
        out.push(0);
    }
    Ok(())
}

fn unpack(lua: &Lua, args: &Arguments<'_>) -> Results {
    let (text, data) = (args.text(lua, 0)?, args.text(lua, 1)?);
    let (text, data) = (text.as_bytes(), data.as_bytes());
    let too_short = || args.bad(1, "data string too short");
    // One below zero is far behind the end.
    let first = args.whole_or(2, 1)?.cast_unsigned() as usize;
    let Some(mut position) = first.checked_sub(1) else {
        return Err(args.bad(2, "offset must be 1 or greater"));
    };
    let mut format = Format::new(&text);
    let mut results: Vec<Value> = Vec::new();
    while let Some(item) =
        format.next(args, || if position > data.len() { Err(too_short()) } else { Ok(()) })?
    {
        position = position.saturating_add(format.padding(position, item));
        let take = |size: usize| {
            let end = position.checked_add(size).filter(|end| *end <= data.len())?;
            data.get(position..end)
        };
        let mut bytes = take(item.size).ok_or_else(too_short)?;
        if results.len() >= RESULTS_MAX {
            return Err("stack overflow (too many results)".into());
        }
        match item.option {
            b'x' => {}
            b's' => {
                let rest = data.get(position..).unwrap_or_default();
                let len = memchr::memchr(0, rest).ok_or("unfinished string in data")?;
                bytes = rest.get(..=len).unwrap_or_default();
                results.push(Value::String(lua.create_string(rest.get(..len).unwrap_or_default())?));
            }
            b'c' => {
                if item.size == 0 {
                    // A text that says a number will do.
                    let last = results.pop().unwrap_or_default();
                    let Some(size) = lua.coerce_number(last)? else {
                        return Err("format 'c0' needs a previous size".into());
                    };
                    bytes = take(unsigned(size) as usize).ok_or_else(too_short)?;
                }
                results.push(Value::String(lua.create_string(bytes)?));
            }
            b'f' => {
                let number = f32::from_bits(integer(bytes, format.is_big, false) as i64 as u32);
                results.push(Value::Number(f64::from(number)));
            }
            b'd' => {
                let mut raw: [u8; 8] = bytes.try_into().unwrap_or_default();
                if format.is_big {
                    raw.reverse();
                }
                results.push(Value::Number(f64::from_le_bytes(raw)));
            }
            option => {
                let is_signed = option.is_ascii_lowercase();
                debug_assert!(is_integer(option));
                results.push(Value::Number(integer(bytes, format.is_big, is_signed)));
            }
        }
        position += bytes.len();
    }
    results.push(Value::Number(position.wrapping_add(1).cast_signed() as f64));
    Ok(MultiValue::from_vec(results))
}

/// The number in some bytes; of more than eight the low ones count.
fn integer(bytes: &[u8], is_big: bool, is_signed: bool) -> f64 {
    let join = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
    let bits = if is_big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) };
    if !is_signed || bytes.is_empty() {
        return bits as f64;
    }
    // From the sign on all bits are set; where that is beyond the number the machine counts places modulo 64.
    let above = u64::MAX.wrapping_shl(8 * bytes.len() as u32 - 1);
    let extended = if bits & above != 0 { bits | above } else { bits };
    extended.cast_signed() as f64
}

fn size(lua: &Lua, args: &Arguments<'_>) -> Results {
    let text = args.text(lua, 0)?;
    let text = text.as_bytes();
    let mut format = Format { is_lenient: true, ..Format::new(&text) };
    let mut total: usize = 0;
    while let Some(item) = format.next(args, || Ok(()))? {
        total += format.padding(total, item);
        match (item.option, item.size) {
            (b's', _) => return Err(args.bad(0, "option 's' has no fixed size")),
            (b'c', 0) => return Err(args.bad(0, "option 'c0' has no fixed size")),
            (_, size) => total = total.saturating_add(size),
        }
    }
    one(Value::Number(total as f64))
}
