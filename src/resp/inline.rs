//! The inline form of a request, and the words of a configuration line.
//!
//! Words are separated by blanks. `"…"` takes `\n \r \t \b \a \xHH` and `\` before any other byte, `'…'` takes
//! only `\'`; a closing quote must be followed by a blank or the end. This is the quoting that
//! `redis-cli`, telnet users and redis.conf rely on.

/// A quote was not closed, or was closed in the middle of a word.
#[derive(Debug, PartialEq, Eq)]
pub struct InlineError;

/// Splits one line, without its line end, into words.
pub fn split_args(line: &[u8]) -> Result<Vec<Vec<u8>>, InlineError> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = skip_blanks(rest);
        // A NUL ends the line, as it ends a C string.
        if matches!(rest.first(), None | Some(0)) {
            return Ok(words);
        }
        let (word, behind) = read_word(rest)?;
        words.push(word);
        rest = behind;
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn skip_blanks(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|&&byte| is_blank(byte)).count();
    line.get(blanks..).unwrap_or_default()
}

fn read_word(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), InlineError> {
    let mut word = Vec::new();
    while let Some((&byte, behind)) = rest.split_first() {
        match byte {
            b'"' => return read_double_quoted(word, behind),
            b'\'' => return read_single_quoted(word, behind),
            0 => break,
            _ if is_blank(byte) => break,
            _ => word.push(byte),
        }
        rest = behind;
    }
    Ok((word, rest))
}

fn read_double_quoted(mut word: Vec<u8>, mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), InlineError> {
    loop {
        match rest {
            [b'\\', b'x', high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                rest = behind;
            }
            [b'\\', escaped, behind @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                rest = behind;
            }
            [b'"', behind @ ..] => return end_quoted(word, behind),
            [byte, behind @ ..] if *byte != 0 => {
                word.push(*byte);
                rest = behind;
            }
            _ => return Err(InlineError),
        }
    }
}

fn read_single_quoted(mut word: Vec<u8>, mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), InlineError> {
    loop {
        match rest {
            [b'\\', b'\'', behind @ ..] => {
                word.push(b'\'');
                rest = behind;
            }
            [b'\'', behind @ ..] => return end_quoted(word, behind),
            [byte, behind @ ..] if *byte != 0 => {
                word.push(*byte);
                rest = behind;
            }
            _ => return Err(InlineError),
        }
    }
}

fn end_quoted(word: Vec<u8>, behind: &[u8]) -> Result<(Vec<u8>, &[u8]), InlineError> {
    match behind.first() {
        Some(&byte) if !is_blank(byte) && byte != 0 => Err(InlineError),
        _ => Ok((word, behind)),
    }
}

fn hex(digit: u8) -> u8 {
    (digit as char).to_digit(16).unwrap_or(0) as u8
}
