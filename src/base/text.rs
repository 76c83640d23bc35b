//! Text for people: quoted byte strings and human-readable sizes.
//!
//! The quoted form shows any bytes on one line of ASCII, as `MONITOR`, `DEBUG` replies and the
//! configuration file do: `"` and `\` get a backslash, the usual control characters their letter
//! (`\n \r \t \a \b`), every other byte outside the printable range becomes `\xHH`.

use std::io::Write;

/// Appends `bytes` in quotes, on one line of printable ASCII.
///
/// ```
/// let mut out = Vec::new();
/// ochre::base::text::push_escaped(&mut out, b"a\n\xff\"");
/// assert_eq!(out, br#""a\n\xff\"""#);
/// ```
pub fn push_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    push_escaped_bare(out, bytes);
    out.push(b'"');
}

/// Like [`push_escaped`], without the quotes around it.
pub fn push_escaped_bare(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(&[
                b'\\',
                b'x',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]),
        }
    }
}

/// Appends a size as the `_human` fields of `INFO` show it: `512B`, `1.00K`, `2.40M`, up to `P`.
/// From 2^60 bytes on it is plain bytes again, as in Redis.
pub fn push_human_bytes(out: &mut Vec<u8>, bytes: u64) {
    let unit = match bytes {
        0..0x400 => None,
        0x400..0x10_0000 => Some((10, 'K')),
        0x10_0000..0x4000_0000 => Some((20, 'M')),
        0x4000_0000..0x100_0000_0000 => Some((30, 'G')),
        0x100_0000_0000..0x4_0000_0000_0000 => Some((40, 'T')),
        0x4_0000_0000_0000..0x1000_0000_0000_0000 => Some((50, 'P')),
        _ => None,
    };
    // Writing to a vector cannot fail.
    let _ = match unit {
        None => write!(out, "{bytes}B"),
        Some((bits, letter)) => write!(out, "{:.2}{letter}", bytes as f64 / (1u64 << bits) as f64),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quoting_as_monitor_does_it() {
        let mut out = Vec::new();
        push_escaped(&mut out, b"\x00\x01\n\r\t\x07\x08\"\\ ~\x7f\x80\xff\x1b\x0b\x0c'");
        assert_eq!(out, br#""\x00\x01\n\r\t\a\b\"\\ ~\x7f\x80\xff\x1b\x0b\x0c'""#);
        out.clear();
        push_escaped(&mut out, b"");
        assert_eq!(out, b"\"\"");
    }

    #[test]
    fn human_sizes_as_info_shows_them() {
        let facts: [(u64, &str); 13] = [
            (0, "0B"),
            (1, "1B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1_047_527, "1022.98K"),
            (1_048_575, "1024.00K"),
            (1_048_576, "1.00M"),
            (2_512_222, "2.40M"),
            (1 << 30, "1.00G"),
            (1 << 40, "1.00T"),
            (1 << 50, "1.00P"),
            (1 << 60, "1152921504606846976B"),
            (u64::MAX, "18446744073709551615B"),
        ];
        for (bytes, text) in facts {
            let mut out = Vec::new();
            push_human_bytes(&mut out, bytes);
            assert_eq!(String::from_utf8_lossy(&out), text, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn quoted_text_is_one_printable_line(bytes: Vec<u8>) {
            let mut out = Vec::new();
            push_escaped(&mut out, &bytes);
            prop_assert!(out.iter().all(|byte| (b' '..=b'~').contains(byte)));
        }
    }
}
