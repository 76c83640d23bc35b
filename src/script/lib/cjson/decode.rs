//! JSON to values.
//!
//! More than JSON is taken, as by the original: numbers are what `strtod` reads (also `0x1F`, `nan` and `inf` unless that is
//! switched off), and strings may hold any byte but NUL, where a text ends.

use mlua::{Lua, Value};

use super::super::super::api::step;
use super::super::super::convert::c_text;
use super::super::Fault;
use super::{DEPTH_MAX, Options};
use crate::base::float;

/// The value of a text.
pub(super) fn decode(lua: &Lua, text: &[u8], options: &Options) -> Result<Value, Fault> {
    if let [first, second, ..] = text
        && (*first == 0 || *second == 0)
    {
        return Err("JSON parser does not support UTF-16 or UTF-32".into());
    }
    let mut reader = Reader { text: c_text(text), at: 0, options, lua };
    let token = reader.next()?;
    let value = reader.value(token, 0)?;
    match reader.next()? {
        Token { kind: Kind::End, .. } => Ok(value),
        other => Err(expected("the end", &other)),
    }
}

#[derive(Clone, PartialEq)]
enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Colon,
    Comma,
    End,
    Null,
    Boolean(bool),
    Number(f64),
    Text(Vec<u8>),
    Error(&'static str),
}

struct Token {
    kind: Kind,
    /// Where it begins, from 0.
    at: usize,
}

fn expected(what: &str, found: &Token) -> Fault {
    let name = match found.kind {
        Kind::ObjectBegin => "T_OBJ_BEGIN",
        Kind::ObjectEnd => "T_OBJ_END",
        Kind::ArrayBegin => "T_ARR_BEGIN",
        Kind::ArrayEnd => "T_ARR_END",
        Kind::Colon => "T_COLON",
        Kind::Comma => "T_COMMA",
        Kind::End => "T_END",
        Kind::Null => "T_NULL",
        Kind::Boolean(_) => "T_BOOLEAN",
        Kind::Number(_) => "T_NUMBER",
        Kind::Text(_) => "T_STRING",
        Kind::Error(error) => error,
    };
    format!("Expected {what} but found {name} at character {}", found.at + 1).into()
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    options: &'t Options,
    lua: &'t Lua,
}

impl Reader<'_> {
    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Result<Token, Fault> {
        while self.rest().first().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        let at = self.at;
        let Some(&byte) = self.rest().first() else { return Ok(Token { kind: Kind::End, at }) };
        let single = match byte {
            b'{' => Some(Kind::ObjectBegin),
            b'}' => Some(Kind::ObjectEnd),
            b'[' => Some(Kind::ArrayBegin),
            b']' => Some(Kind::ArrayEnd),
            b':' => Some(Kind::Colon),
            b',' => Some(Kind::Comma),
            _ => None,
        };
        if let Some(kind) = single {
            self.at += 1;
            return Ok(Token { kind, at });
        }
        for (word, kind) in
            [(&b"true"[..], Kind::Boolean(true)), (b"false", Kind::Boolean(false)), (b"null", Kind::Null)]
        {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(Token { kind, at });
            }
        }
        Ok(match byte {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' if !self.options.decode_invalid && self.is_invalid_number() => {
                Token { kind: Kind::Error("invalid number"), at }
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ if self.options.decode_invalid && self.is_invalid_number() => self.number(),
            _ => Token { kind: Kind::Error("invalid token"), at },
        })
    }

    /// Whether what stands here is a number to `strtod`, but not to JSON.
    fn is_invalid_number(&self) -> bool {
        let rest = self.rest();
        if rest.starts_with(b"+") {
            return true;
        }
        let rest = rest.strip_prefix(b"-").unwrap_or(rest);
        match rest {
            [b'0', b'x' | b'X' | b'0'..=b'9', ..] => true,
            [b'0'..=b'9', ..] => false,
            _ => {
                let begins = |word: &[u8]| rest.get(..3).is_some_and(|head| head.eq_ignore_ascii_case(word));
                begins(b"inf") || begins(b"nan")
            }
        }
    }

    fn number(&mut self) -> Token {
        let at = self.at;
        let len = float_len(self.rest());
        let text = self.rest().get(..len).unwrap_or_default();
        let text = text.strip_prefix(b"+").unwrap_or(text);
        // The parser of commands takes no number that is too big.
        let overflown = || std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        match float::parse_f64(text).or_else(overflown) {
            Some(number) => {
                self.at += len;
                Token { kind: Kind::Number(number), at }
            }
            None if is_nan(text) => {
                let sign = if text.starts_with(b"-") { -1.0 } else { 1.0 };
                self.at += len;
                Token { kind: Kind::Number(f64::NAN.copysign(sign)), at }
            }
            None => Token { kind: Kind::Error("invalid number"), at },
        }
    }

    fn string(&mut self) -> Token {
        let begin = self.at;
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let rest = self.rest();
            let plain = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
            out.extend_from_slice(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.rest() {
                [b'"', ..] => {
                    self.at += 1;
                    return Token { kind: Kind::Text(out), at: begin };
                }
                [b'\\', b'u', ..] => match self.unicode() {
                    Some((character, len)) => {
                        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                        self.at += len;
                    }
                    None => return Token { kind: Kind::Error("invalid unicode escape code"), at: self.at },
                },
                [b'\\', escaped, ..] => {
                    out.push(match escaped {
                        b'"' | b'\\' | b'/' => *escaped,
                        b'b' => 0x08,
                        b'f' => 0x0c,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        _ => return Token { kind: Kind::Error("invalid escape code"), at: self.at },
                    });
                    self.at += 2;
                }
                [b'\\'] => return Token { kind: Kind::Error("invalid escape code"), at: self.at },
                _ => return Token { kind: Kind::Error("unexpected end of string"), at: self.at },
            }
        }
    }

    /// The character of an escape, or of two that are one, and how many bytes they are.
    fn unicode(&self) -> Option<(char, usize)> {
        let unit = |at: usize| {
            let digits = self.rest().get(at..at + 6)?.strip_prefix(b"\\u")?;
            // `from_str_radix` would take a sign.
            let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
            u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let first = unit(0)?;
        if !(0xd800..0xe000).contains(&first) {
            return Some((char::from_u32(first)?, 6));
        }
        let second = unit(6).filter(|second| (0xdc00..0xe000).contains(second) && first < 0xdc00)?;
        Some((char::from_u32(0x1_0000 + ((first & 0x3ff) << 10) + (second & 0x3ff))?, 12))
    }

    fn value(&mut self, token: Token, depth: usize) -> Result<Value, Fault> {
        step()?;
        Ok(match token.kind {
            Kind::Text(text) => Value::String(self.lua.create_string(text)?),
            Kind::Number(number) => Value::Number(number),
            Kind::Boolean(flag) => Value::Boolean(flag),
            Kind::Null => Value::NULL,
            Kind::ObjectBegin => self.object(depth + 1)?,
            Kind::ArrayBegin => self.array(depth + 1)?,
            _ => return Err(expected("value", &token)),
        })
    }

    fn descend(&self, depth: usize) -> Result<(), Fault> {
        if depth > self.options.decode_max_depth.min(DEPTH_MAX) {
            let at = self.at;
            return Err(format!("Found too many nested data structures ({depth}) at character {at}").into());
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<Value, Fault> {
        self.descend(depth)?;
        let table = self.lua.create_table()?;
        let mut token = self.next()?;
        if token.kind == Kind::ArrayEnd {
            return Ok(Value::Table(table));
        }
        for index in 1_usize.. {
            table.raw_set(index, self.value(token, depth)?)?;
            token = self.next()?;
            match token.kind {
                Kind::ArrayEnd => break,
                Kind::Comma => token = self.next()?,
                _ => return Err(expected("comma or array end", &token)),
            }
        }
        Ok(Value::Table(table))
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        self.descend(depth)?;
        let table = self.lua.create_table()?;
        let mut token = self.next()?;
        if token.kind == Kind::ObjectEnd {
            return Ok(Value::Table(table));
        }
        loop {
            let Kind::Text(key) = token.kind else { return Err(expected("object key string", &token)) };
            let colon = self.next()?;
            if colon.kind != Kind::Colon {
                return Err(expected("colon", &colon));
            }
            let first = self.next()?;
            let value = self.value(first, depth)?;
            table.raw_set(self.lua.create_string(key)?, value)?;
            token = self.next()?;
            match token.kind {
                Kind::ObjectEnd => return Ok(Value::Table(table)),
                Kind::Comma => token = self.next()?,
                _ => return Err(expected("comma or object end", &token)),
            }
        }
    }
}

/// How many bytes `strtod` would read.
fn float_len(text: &[u8]) -> usize {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let rest = text.get(sign..).unwrap_or_default();
    let begins = |word: &[u8]| rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    if begins(b"infinity") {
        return sign + 8;
    }
    if begins(b"inf") {
        return sign + 3;
    }
    if begins(b"nan") {
        return sign + 3 + nan_note_len(rest.get(3..).unwrap_or_default());
    }
    let digits = rest.get(2..).unwrap_or_default();
    let is_hex = begins(b"0x")
        && digits.strip_prefix(b".").unwrap_or(digits).first().is_some_and(u8::is_ascii_hexdigit);
    let (digit, exponent): (fn(&u8) -> bool, u8) =
        if is_hex { (u8::is_ascii_hexdigit, b'p') } else { (u8::is_ascii_digit, b'e') };
    let mut at = if is_hex { 2 } else { 0 };
    let digits_at =
        |at: usize| rest.get(at..).unwrap_or_default().iter().take_while(|byte| digit(byte)).count();
    at += digits_at(at);
    if rest.get(at) == Some(&b'.') {
        at += 1 + digits_at(at + 1);
    }
    if rest.get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(&exponent)) {
        let signed = usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        let power = rest.get(at + 1 + signed..).unwrap_or_default();
        let len = power.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len > 0 {
            at += 1 + signed + len;
        }
    }
    sign + at
}

fn is_nan(text: &[u8]) -> bool {
    let word = text.strip_prefix(b"-").unwrap_or(text);
    word.get(..3).is_some_and(|head| head.eq_ignore_ascii_case(b"nan"))
}

/// Letters in parentheses may follow `nan`; what C keeps of them is left out.
fn nan_note_len(rest: &[u8]) -> usize {
    let Some(note) = rest.strip_prefix(b"(") else { return 0 };
    let len = note.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if note.get(len) == Some(&b')') { len + 2 } else { 0 }
}
