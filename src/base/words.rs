//! Words of a line: how a configuration line and an inline command are cut, and the way back.
//!
//! ```text
//! save  900 1                      → [save] [900] [1]
//! masterauth "a b\x01"             → [masterauth] [a b^A]
//! logfile 'it\'s'                  → [logfile] [it's]
//! port "a"b                        → error: a closing quote must be followed by a blank or the end
//! ```
//!
//! [`split_args`] reads, [`quote`] writes: `split_args(quote(x)) == [x]` for every byte string, and a
//! quoted word has no line break in it, so no value can add a line to a file that is rewritten.

use thiserror::Error;

use super::text::push_escaped;

/// A quote that is never closed, or closed in the middle of a word.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("Unbalanced quotes")]
pub struct SplitError;

/// Cuts a line into words by the rules of redis.conf and of inline commands.
///
/// Double quotes know `\n \r \t \b \a`, `\xHH` and `\` before any other byte; single quotes know only
/// `\'`. A zero byte ends the line, as it does in the original's C strings.
pub fn split_args(line: &[u8]) -> Result<Vec<Vec<u8>>, SplitError> {
    let end = memchr::memchr(0, line).unwrap_or(line.len());
    let mut rest = line.get(..end).unwrap_or(line);
    let mut words = Vec::new();
    loop {
        while let Some((first, tail)) = rest.split_first().filter(|(first, _)| is_blank(**first)) {
            let _ = first;
            rest = tail;
        }
        if rest.is_empty() {
            return Ok(words);
        }
        let mut word = Vec::new();
        rest = read_word(rest, &mut word)?;
        words.push(word);
    }
}

/// Reads one word up to the blank behind it; quotes may open in the middle of a word.
fn read_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], SplitError> {
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => return Ok(tail),
            b'"' => return closed(read_double(tail, word)?),
            b'\'' => return closed(read_single(tail, word)?),
            _ => word.push(byte),
        }
        rest = tail;
    }
    Ok(rest)
}

fn closed(rest: &[u8]) -> Result<&[u8], SplitError> {
    match rest.first() {
        Some(&byte) if !is_blank(byte) => Err(SplitError),
        _ => Ok(rest),
    }
}

fn read_double<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], SplitError> {
    loop {
        rest = match rest {
            [] => return Err(SplitError),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex_digit(*high) << 4 | hex_digit(*low));
                tail
            }
            [b'\\', escaped, tail @ ..] => {
                word.push(unescape(*escaped));
                tail
            }
            [b'"', tail @ ..] => return Ok(tail),
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

fn read_single<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], SplitError> {
    loop {
        rest = match rest {
            [] => return Err(SplitError),
            [b'\\', b'\'', tail @ ..] => {
                word.push(b'\'');
                tail
            }
            [b'\'', tail @ ..] => return Ok(tail),
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => 0,
    }
}

/// Blank as C's `isspace` sees it.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// A word in double quotes, every byte that is not plain ASCII escaped: the form CONFIG REWRITE writes.
pub fn quote(word: &[u8]) -> String {
    let mut quoted = Vec::with_capacity(word.len() + 2);
    push_escaped(&mut quoted, word);
    // Escaped bytes are ASCII.
    quoted.into_iter().map(char::from).collect()
}

/// The word itself when it needs no quotes, else [`quote`].
pub fn quote_if_needed(word: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:*%/{}@+,=$".contains(byte);
    match std::str::from_utf8(word) {
        Ok(text) if !word.is_empty() && word.iter().all(plain) => text.to_owned(),
        _ => quote(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str) -> Result<Vec<String>, SplitError> {
        let text = |word: Vec<u8>| String::from_utf8_lossy(&word).into_owned();
        split_args(line.as_bytes()).map(|words| words.into_iter().map(text).collect())
    }

    #[test]
    fn quotes_and_escapes() {
        assert_eq!(split("  save\t900  1 \r\n").unwrap(), ["save", "900", "1"]);
        assert_eq!(split(r#"a "b c" 'd e' """#).unwrap(), ["a", "b c", "d e", ""]);
        assert_eq!(split(r#""\x41\n\q\"" '\'\n'"#).unwrap(), ["A\nq\"", "'\\n"]);
        assert_eq!(split("ab\"c d\"").unwrap(), ["abc d"]);
        assert_eq!(split("a\0b").unwrap(), ["a"]);
        for broken in ["port \"abc", "port \"a\"b", "port 'a", "'a'b", "\"a\\"] {
            assert_eq!(split(broken), Err(SplitError), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5)) {
            for form in [quote as fn(&[u8]) -> String, quote_if_needed] {
                let line = words.iter().map(|word| form(word)).collect::<Vec<_>>().join(" ");
                prop_assert!(!line.contains(['\n', '\r']));
                prop_assert_eq!(&split_args(line.as_bytes()).unwrap(), &words);
            }
        }

        #[test]
        fn any_line_is_cut_or_refused(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = split_args(&line);
        }
    }
}
