//! `cjson`: values as JSON, with the options and messages of Lua CJSON 2.1.
//!
//! A table whose keys are whole numbers from 1 on is an array, with `null` in its gaps unless there are too many; an
//! empty one is an object. Strings are bytes. The options are kept with the interpreter, as in Redis.

mod decode;
mod encode;

use std::cell::RefCell;
use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};

use super::super::convert::c_text;
use super::{Arguments, DEPTH_MAX, Fault, Results, add, one};

/// The options of one instance.
#[derive(Clone)]
struct Options {
    /// Arrays with gaps become objects instead of failing.
    sparse_convert: bool,
    /// How many times as long as its elements an array may be; 0: as long as it likes.
    sparse_ratio: i64,
    /// Arrays up to that length may always have gaps.
    sparse_safe: i64,
    encode_max_depth: usize,
    decode_max_depth: usize,
    encode_invalid: Invalid,
    decode_invalid: bool,
    /// Significant digits.
    precision: usize,
    keep_buffer: bool,
}

/// What becomes of NaN and infinity.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Invalid {
    Refused,
    Printed,
    Null,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            encode_invalid: Invalid::Refused,
            decode_invalid: true,
            precision: 14,
            keep_buffer: true,
        }
    }
}

type Shared = Rc<RefCell<Options>>;

pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let options: Shared = Rc::default();
    let table = lua.create_table()?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    table.raw_set("null", Value::NULL)?;
    add(lua, &table, "new", |lua, _| one(Value::Table(self::table(lua)?)))?;
    let shared = Rc::clone(&options);
    add(lua, &table, "encode", move |lua, args| {
        let (1, Some(value)) = (args.len(), args.get(0)) else {
            return Err(args.bad(0, "expected 1 argument"));
        };
        one(Value::String(lua.create_string(encode::encode(value, &shared.borrow())?)?))
    })?;
    let shared = Rc::clone(&options);
    add(lua, &table, "decode", move |lua, args| {
        if args.len() != 1 {
            return Err(args.bad(0, "expected 1 argument"));
        }
        let text = args.text(lua, 0)?;
        one(decode::decode(lua, &text.as_bytes(), &shared.borrow())?)
    })?;
    add_options(lua, &table, &options)?;
    Ok(table)
}

fn add_options(lua: &Lua, table: &Table, options: &Shared) -> mlua::Result<()> {
    let with = |set: fn(&mut Options, &Arguments<'_>) -> Results| {
        let options = Rc::clone(options);
        move |_: &Lua, args: &Arguments<'_>| set(&mut options.borrow_mut(), args)
    };
    add(lua, table, "encode_sparse_array", with(sparse_array))?;
    add(lua, table, "encode_max_depth", with(|options, args| depth(&mut options.encode_max_depth, args)))?;
    add(lua, table, "decode_max_depth", with(|options, args| depth(&mut options.decode_max_depth, args)))?;
    add(
        lua,
        table,
        "encode_number_precision",
        with(|options, args| {
            few_arguments(args, 1)?;
            if let Some(precision) = whole(args, 0, 1, 14)? {
                options.precision = precision as usize;
            }
            one(Value::Number(options.precision as f64))
        }),
    )?;
    add(
        lua,
        table,
        "encode_keep_buffer",
        with(|options, args| {
            few_arguments(args, 1)?;
            if let Some(flag) = flag(args)? {
                options.keep_buffer = flag;
            }
            one(Value::Boolean(options.keep_buffer))
        }),
    )?;
    add(
        lua,
        table,
        "decode_invalid_numbers",
        with(|options, args| {
            few_arguments(args, 1)?;
            if let Some(flag) = flag(args)? {
                options.decode_invalid = flag;
            }
            one(Value::Boolean(options.decode_invalid))
        }),
    )?;
    let shared = Rc::clone(options);
    add(lua, table, "encode_invalid_numbers", move |lua, args| {
        few_arguments(args, 1)?;
        let mut options = shared.borrow_mut();
        const FORMS: [Invalid; 3] = [Invalid::Refused, Invalid::Printed, Invalid::Null];
        let form = choice(args, &["off", "on", "null"])?;
        if let Some(form) = form.and_then(|index| FORMS.get(index)) {
            options.encode_invalid = *form;
        }
        one(match options.encode_invalid {
            Invalid::Null => Value::String(lua.create_string("null")?),
            other => Value::Boolean(other == Invalid::Printed),
        })
    })
}

fn sparse_array(options: &mut Options, args: &Arguments<'_>) -> Results {
    few_arguments(args, 3)?;
    if let Some(convert) = flag(args)? {
        options.sparse_convert = convert;
    }
    if let Some(ratio) = whole(args, 1, 0, i64::from(i32::MAX))? {
        options.sparse_ratio = ratio;
    }
    if let Some(safe) = whole(args, 2, 0, i64::from(i32::MAX))? {
        options.sparse_safe = safe;
    }
    let number = |number: i64| Value::Number(number as f64);
    Ok(MultiValue::from_iter([
        Value::Boolean(options.sparse_convert),
        number(options.sparse_ratio),
        number(options.sparse_safe),
    ]))
}

fn depth(depth: &mut usize, args: &Arguments<'_>) -> Results {
    few_arguments(args, 1)?;
    if let Some(new) = whole(args, 0, 1, i64::from(i32::MAX))? {
        *depth = new as usize;
    }
    one(Value::Number(*depth as f64))
}

fn few_arguments(args: &Arguments<'_>, most: usize) -> Result<(), Fault> {
    if args.len() > most { Err(args.bad(most, "found too many arguments")) } else { Ok(()) }
}

/// A whole number in a range, if one is given.
fn whole(args: &Arguments<'_>, index: usize, min: i64, max: i64) -> Result<Option<i64>, Fault> {
    if args.get(index).is_none_or(Value::is_nil) {
        return Ok(None);
    }
    let number = i64::from(args.int(index)?);
    if (min..=max).contains(&number) {
        Ok(Some(number))
    } else {
        // The original names the first one, whichever it is.
        Err(args.bad(0, format!("expected integer between {min} and {max}")))
    }
}

/// Which of the words is given, if any; a boolean is the first or the second of them.
fn choice(args: &Arguments<'_>, words: &[&str]) -> Result<Option<usize>, Fault> {
    match args.get(0) {
        None | Some(Value::Nil) => Ok(None),
        Some(Value::Boolean(flag)) => Ok(Some(usize::from(*flag))),
        Some(_) => {
            let text = args.text(args.lua, 0)?;
            let text = c_text(&text.as_bytes()).to_vec();
            let found = words.iter().position(|word| word.as_bytes() == text);
            found.map(Some).ok_or_else(|| args.bad(0, [b"invalid option '", &*text, b"'"].concat()))
        }
    }
}

/// A boolean, if one is given.
fn flag(args: &Arguments<'_>) -> Result<Option<bool>, Fault> {
    Ok(choice(args, &["off", "on"])?.map(|index| index == 1))
}
