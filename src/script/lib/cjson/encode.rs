//! Values to JSON.

use mlua::{Table, Value};

use super::super::super::api::step;
use super::super::Fault;
use super::{DEPTH_MAX, Invalid, Options};
use crate::base::float;

/// The text of a value.
pub(super) fn encode(value: &Value, options: &Options) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    push(&mut out, value, options, 0)?;
    Ok(out)
}

fn push(out: &mut Vec<u8>, value: &Value, options: &Options, depth: usize) -> Result<(), Fault> {
    step()?;
    match value {
        Value::Nil => out.extend_from_slice(b"null"),
        Value::Boolean(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Integer(number) => push_number(out, *number as f64, options)?,
        Value::Number(number) => push_number(out, *number, options)?,
        Value::String(text) => push_string(out, &text.as_bytes()),
        Value::Table(table) => push_table(out, table, options, depth + 1)?,
        null if *null == Value::NULL => out.extend_from_slice(b"null"),
        other => return Err(cannot(other, "type not supported")),
    }
    Ok(())
}

fn cannot(value: &Value, why: &str) -> Fault {
    let kind = match value {
        Value::Integer(_) => "number",
        Value::LightUserData(_) => "userdata",
        other => other.type_name(),
    };
    format!("Cannot serialise {kind}: {why}").into()
}

fn push_number(out: &mut Vec<u8>, number: f64, options: &Options) -> Result<(), Fault> {
    if !number.is_finite() {
        match options.encode_invalid {
            Invalid::Refused => return Err(cannot(&Value::Number(number), "must not be NaN or Inf")),
            Invalid::Null => {
                out.extend_from_slice(b"null");
                return Ok(());
            }
            Invalid::Printed if number.is_nan() => {
                // Without the sign that C would print.
                out.extend_from_slice(b"nan");
                return Ok(());
            }
            Invalid::Printed => {}
        }
    }
    float::push_g(out, number, options.precision);
    Ok(())
}

fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' | b'/' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..0x20 | 0x7f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

fn push_table(out: &mut Vec<u8>, table: &Table, options: &Options, depth: usize) -> Result<(), Fault> {
    if depth > options.encode_max_depth.min(DEPTH_MAX) {
        return Err(format!("Cannot serialise, excessive nesting ({depth})").into());
    }
    match array_len(table, options)? {
        Some(len) if len > 0 => push_array(out, table, len, options, depth),
        _ => push_object(out, table, options, depth),
    }
}

/// The length of a table that is an array: its keys are whole numbers from 1 on, without too many gaps.
fn array_len(table: &Table, options: &Options) -> Result<Option<i64>, Fault> {
    let (mut len, mut elements) = (0_i64, 0_i64);
    for pair in table.pairs::<Value, Value>() {
        step()?;
        let index = match pair?.0 {
            Value::Integer(index) if index > 0 => index,
            Value::Number(index) if index >= 1.0 && index.floor() == index => i64::MAX,
            _ => return Ok(None),
        };
        if index > len {
            // The original keeps it in 32 bits, and what does not fit there is the least number.
            len = i32::try_from(index).map_or(i64::from(i32::MIN), i64::from);
        }
        elements += 1;
    }
    let is_sparse = options.sparse_ratio > 0
        && len > elements.saturating_mul(options.sparse_ratio)
        && len > options.sparse_safe;
    if !is_sparse {
        return Ok(Some(len));
    }
    if options.sparse_convert {
        return Ok(None);
    }
    Err("Cannot serialise table: excessively sparse array".into())
}

fn push_array(
    out: &mut Vec<u8>,
    table: &Table,
    len: i64,
    options: &Options,
    depth: usize,
) -> Result<(), Fault> {
    out.push(b'[');
    for index in 1..=len {
        if index > 1 {
            out.push(b',');
        }
        push(out, &table.raw_get(index)?, options, depth)?;
    }
    out.push(b']');
    Ok(())
}

fn push_object(out: &mut Vec<u8>, table: &Table, options: &Options, depth: usize) -> Result<(), Fault> {
    out.push(b'{');
    let mut is_first = true;
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        match &key {
            Value::String(text) => push_string(out, &text.as_bytes()),
            Value::Integer(_) | Value::Number(_) => {
                out.push(b'"');
                push(out, &key, options, depth)?;
                out.push(b'"');
            }
            other => return Err(cannot(other, "table key must be a number or string")),
        }
        out.push(b':');
        push(out, &value, options, depth)?;
    }
    out.push(b'}');
    Ok(())
}
