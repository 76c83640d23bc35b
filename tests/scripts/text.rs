//! Replies as the lines of a golden script, and words as they are quoted there.
//!
//! ```text
//! +OK    -ERR no    :1    "bulk \r\n \x00"    (nil)    (nil array)    #t    ,1.5    (123    =txt:"text"
//! [        array, elements one per line        {         map, key and value on lines of their own
//!   "a"                                          "key"
//! ]                                              :1
//! []       an empty one                        }         also: ~[ set, >[ push, |{ attribute
//! ```
//!
//! A blank at the end of a status or an error is written `\x20`.

use super::wire::Reply;

/// The lines of a reply. `resp3` decides which of the two nulls is written `(nil)`.
pub fn lines(reply: &Reply, resp3: bool) -> Vec<String> {
    let mut out = Vec::new();
    write(reply, resp3, 0, &mut out);
    out
}

fn write(reply: &Reply, resp3: bool, depth: usize, out: &mut Vec<String>) {
    let text = match reply {
        Reply::Status(text) => format!("+{}", escaped(text, false)),
        Reply::Error(text) => format!("-{}", escaped(text, false)),
        Reply::Integer(number) => format!(":{number}"),
        Reply::Bulk(bytes) => quoted(bytes),
        Reply::NilBulk => if resp3 { "(nil bulk)" } else { "(nil)" }.into(),
        Reply::Null => if resp3 { "(nil)" } else { "(null)" }.into(),
        Reply::NilArray => "(nil array)".into(),
        Reply::Bool(value) => if *value { "#t" } else { "#f" }.into(),
        Reply::Double(digits) => format!(",{digits}"),
        Reply::BigNumber(digits) => format!("({digits}"),
        Reply::BulkError(text) => format!("!{}", quoted(text)),
        Reply::Verbatim(format, text) => format!("={format}:{}", quoted(text)),
        Reply::Array(items) => return list("[", items.iter(), resp3, depth, out),
        Reply::Set(items) => return list("~[", items.iter(), resp3, depth, out),
        Reply::Push(items) => return list(">[", items.iter(), resp3, depth, out),
        Reply::Map(pairs) => return list("{", pairs.iter().flat_map(|(k, v)| [k, v]), resp3, depth, out),
        Reply::Attribute(pairs) => {
            return list("|{", pairs.iter().flat_map(|(k, v)| [k, v]), resp3, depth, out);
        }
    };
    out.push(format!("{:depth$}{text}", ""));
}

fn list<'r>(
    open: &str,
    items: impl Iterator<Item = &'r Reply>,
    resp3: bool,
    depth: usize,
    out: &mut Vec<String>,
) {
    let close = if open.ends_with('{') { "}" } else { "]" };
    let first = out.len();
    out.push(format!("{:depth$}{open}", ""));
    items.for_each(|item| write(item, resp3, depth + 2, out));
    if out.len() == first + 1 {
        out[first].push_str(close);
    } else {
        out.push(format!("{:depth$}{close}", ""));
    }
}

/// The reply with every list of plain elements, and every map, in the order of its text: for replies whose order
/// nobody promises.
pub fn sorted(reply: Reply) -> Reply {
    let key = |reply: &Reply| lines(reply, true);
    let list = |items: Vec<Reply>| {
        let nests = |item: &Reply| matches!(item, Reply::Array(_) | Reply::Set(_) | Reply::Map(_));
        let mut items: Vec<Reply> = items.into_iter().map(sorted).collect();
        if !items.iter().any(nests) {
            items.sort_by_cached_key(key);
        }
        items
    };
    match reply {
        Reply::Array(items) => Reply::Array(list(items)),
        Reply::Set(items) => Reply::Set(list(items)),
        Reply::Map(mut pairs) => {
            pairs.sort_by_cached_key(|(name, _)| key(name));
            Reply::Map(pairs)
        }
        other => other,
    }
}

/// Bytes in double quotes.
pub fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", escaped(bytes, true))
}

/// Bytes as a word of a line: bare when that is clear.
pub fn word(bytes: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\#@!".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_plain) {
        String::from_utf8_lossy(bytes).into_owned()
    } else {
        quoted(bytes)
    }
}

fn escaped(bytes: &[u8], in_quotes: bool) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'"' | b'\\' if in_quotes => text.extend(['\\', char::from(byte)]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    if !in_quotes && text.ends_with(' ') {
        // Editors remove a blank at the end of a line.
        text.pop();
        text.push_str("\\x20");
    }
    text
}

/// The words of a line, by the quoting rules of redis-cli.
pub fn words(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut rest = line.bytes().peekable();
    loop {
        while rest.next_if(u8::is_ascii_whitespace).is_some() {}
        match rest.peek() {
            None => return Ok(words),
            Some(b'"') => words.push(double_quoted(&mut rest)?),
            Some(b'\'') => words.push(single_quoted(&mut rest)?),
            Some(_) => {
                let mut word = Vec::new();
                while let Some(byte) = rest.next_if(|byte| !byte.is_ascii_whitespace()) {
                    word.push(byte);
                }
                words.push(word);
            }
        }
    }
}

type Bytes<'a> = std::iter::Peekable<std::str::Bytes<'a>>;

fn single_quoted(rest: &mut Bytes<'_>) -> Result<Vec<u8>, String> {
    rest.next();
    let mut word = Vec::new();
    while let Some(byte) = rest.next() {
        match byte {
            b'\'' => return Ok(word),
            b'\\' if rest.next_if_eq(&b'\'').is_some() => word.push(b'\''),
            _ => word.push(byte),
        }
    }
    Err("a single quote is not closed".into())
}

fn double_quoted(rest: &mut Bytes<'_>) -> Result<Vec<u8>, String> {
    rest.next();
    let mut word = Vec::new();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => return Ok(word),
            b'\\' => word.push(match rest.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'a') => 7,
                Some(b'b') => 8,
                Some(b'x') => {
                    let digits: String = rest.by_ref().take(2).map(char::from).collect();
                    u8::from_str_radix(&digits, 16).map_err(|_| format!("not a byte: \\x{digits}"))?
                }
                Some(other) => other,
                None => break,
            }),
            _ => word.push(byte),
        }
    }
    Err("a double quote is not closed".into())
}
