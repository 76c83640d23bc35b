//! Commands as a log holds them: `*<n>\r\n` and `n` times `$<len>\r\n<bytes>\r\n`, written and read strictly.
//!
//! A client's stream is read leniently ([`super::decode`]); a log that was written by a server has no excuse, and a reader
//! that is lenient would load a damaged file. So every byte counts here: the line ends, the digits, their form.
//!
//! ```text
//! *2\r\n$3\r\nDEL\r\n$1\r\nk\r\n    complete, 20 bytes
//! *2\r\n$3\r\nDEL\r\n$1             cut off: more bytes could make it whole
//! *2\r\n$3\r\nDELx                  broken at byte 11: no bytes can
//! ```

use super::args::{Args, Span};

/// Appends a command.
pub fn push_record<'a>(out: &mut Vec<u8>, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    push_line(out, b'*', args.len());
    for arg in args {
        push_line(out, b'$', arg.len());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

fn push_line(out: &mut Vec<u8>, marker: u8, number: usize) {
    out.push(marker);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// What lies at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A command of so many bytes; its arguments are in the parser.
    Complete(usize),
    CutOff,
    /// No command can begin like this; the offset of the byte that says so.
    Broken(usize),
}

/// Reads commands; keeps its buffer from one to the next.
#[derive(Default)]
pub struct RecordParser {
    spans: Vec<Span>,
}

enum Number {
    Is { value: usize, end: usize },
    CutOff,
    Broken(usize),
}

impl RecordParser {
    /// Reads the command at the start of `bytes`.
    pub fn parse(&mut self, bytes: &[u8]) -> Record {
        self.spans.clear();
        let (count, mut at) = match line(bytes, 0, b'*') {
            Number::Is { value: 0, .. } => return Record::Broken(1),
            Number::Is { value, end } => (value, end),
            Number::CutOff => return Record::CutOff,
            Number::Broken(at) => return Record::Broken(at),
        };
        for _ in 0..count {
            let (len, start) = match line(bytes, at, b'$') {
                Number::Is { value, end } => (value, end),
                Number::CutOff => return Record::CutOff,
                Number::Broken(at) => return Record::Broken(at),
            };
            let Some(end) = start.checked_add(len) else { return Record::Broken(at) };
            match bytes.get(end..) {
                Some([b'\r', b'\n', ..]) => {}
                None | Some([] | [b'\r']) => return Record::CutOff,
                Some([b'\r', _, ..]) => return Record::Broken(end + 1),
                Some(_) => return Record::Broken(end),
            }
            let (Ok(from), Ok(len)) = (u32::try_from(start), u32::try_from(len)) else {
                return Record::Broken(at);
            };
            self.spans.push(Span { start: from, len });
            at = end + 2;
        }
        Record::Complete(at)
    }

    /// The arguments of the command that was just read from `bytes`.
    pub fn args<'a>(&'a self, bytes: &'a [u8]) -> Args<'a> {
        let end = self.spans.last().map_or(0, Span::end);
        Args::new(bytes.get(..end).unwrap_or_default(), &self.spans)
    }
}

/// Reads `<marker><digits>\r\n` at `at`.
fn line(bytes: &[u8], at: usize, marker: u8) -> Number {
    const DIGITS_MAX: usize = 10;
    match bytes.get(at) {
        None => return Number::CutOff,
        Some(&byte) if byte == marker => {}
        Some(_) => return Number::Broken(at),
    }
    let mut value: usize = 0;
    for (digits, &byte) in bytes.get(at + 1..).unwrap_or_default().iter().enumerate() {
        let index = at + 1 + digits;
        match byte {
            // No sign, no blanks, no needless zeros: nobody writes them.
            b'0'..=b'9' if digits < DIGITS_MAX && (digits == 0 || value > 0) => {
                value = value * 10 + usize::from(byte - b'0');
            }
            b'\r' if digits > 0 => {
                return match bytes.get(index + 1) {
                    None => Number::CutOff,
                    Some(b'\n') => Number::Is { value, end: index + 2 },
                    Some(_) => Number::Broken(index + 1),
                };
            }
            _ => return Number::Broken(index),
        }
    }
    Number::CutOff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::{Decoder, Limits, OwnedRequests};

    fn encode(args: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        push_record(&mut out, args.iter().copied());
        out
    }

    #[test]
    fn what_is_written_is_read() {
        let mut parser = RecordParser::default();
        for args in [&[b"PING".as_slice()][..], &[b"SET", b"", b"\r\n$3\r\n"], &[&[b'x'; 2000], b"k"]] {
            let mut bytes = encode(args);
            let len = bytes.len();
            bytes.extend_from_slice(b"*1\r\n");
            assert_eq!(parser.parse(&bytes), Record::Complete(len));
            assert!(parser.args(&bytes).iter().eq(args.iter().copied()));
        }
    }

    #[test]
    fn what_came_as_it_is_written_is_known() {
        let limits = Limits { bulk_max_bytes: 1 << 20, unauthenticated: false };
        let long = [b'x'; 999];
        let cases: [&[&[u8]]; 10] = [
            &[b"PING"],
            &[b"SET", b"", b"\r\n$3\r\n"],
            &[b"SET", b"k", &long],
            &[b"ZREMRANGEBYRANK", b"k", b"0", &long[..100], &long[..99]],
            &[&long[..100]],
            &[b"x".as_slice(); 9],
            &[b"x".as_slice(); 10],
            &[b"INCRBYFLOAT".as_slice(); 99],
            &[b"x".as_slice(); 100],
            &[b"INCRBYFLOAT".as_slice(); 999],
        ];
        for args in cases {
            let record = encode(args);
            let bytes = [b"PING\r\n", record.as_slice(), b"*1\r\n"].concat();
            let mut decoder = Decoder::default();
            decoder.decode(&bytes, &limits, 4);
            let mut queued = OwnedRequests::default();
            decoder.requests(&bytes).for_each(|args| queued.push(&args));
            for read in [decoder.requests(&bytes).nth(1), queued.iter().nth(1)].into_iter().flatten() {
                assert!(read.iter().eq(args.iter().copied()));
                assert_eq!(read.as_record(), Some(record.as_slice()));
            }
            assert_eq!(queued.len(), 2);
        }
        // Nobody says so of what is longer or came in pieces.
        for args in [&[b"x".as_slice(); 1000][..], &[b"SET", b"k", &[b'x'; 1000]], &[&[b'x'; 12345], b""]] {
            let bytes = encode(args);
            for cut in [0, 1, bytes.len() - 1] {
                let mut decoder = Decoder::default();
                decoder.decode(&bytes[..cut], &limits, 1);
                decoder.decode(&bytes, &limits, 1);
                let read = decoder.requests(&bytes).next().unwrap();
                assert_eq!(read.as_record(), None);
            }
        }
    }

    #[test]
    fn what_came_in_another_form_is_written_anew() {
        let limits = Limits { bulk_max_bytes: 1 << 20, unauthenticated: false };
        for text in [
            "SET      k      v\r\n",
            "*2\r\n$03\r\nGET\r\n$1\r\nk\r\n",
            "*2\r\n$3\r\nGET\r\n$01\r\nk\r\n",
            "*1\r\nxxPING\r\n",
        ] {
            let mut decoder = Decoder::default();
            decoder.decode(text.as_bytes(), &limits, 4);
            for args in decoder.requests(text.as_bytes()) {
                assert_eq!(args.as_record(), None, "{text}");
            }
        }
    }

    #[test]
    fn whatever_a_lenient_reader_takes_is_no_record_unless_it_is_one() {
        let limits = Limits { bulk_max_bytes: 1 << 20, unauthenticated: false };
        let long = [b'v'; 120];
        let longer = [b'v'; 1200];
        for args in [
            &[b"SET".as_slice(), b"k", b"0123456789abcdef"][..],
            &[b"SET", &long, b"", b"PX", b"1"],
            &[b"SET", &longer, b"", b"PX", b"1"],
        ] {
            let whole = encode(args);
            for (at, byte) in (0..whole.len()).flat_map(|at| b"\r\n$*019x ".map(|byte| (at, byte))) {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                bytes.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
                let (mut decoder, mut parser) = (Decoder::default(), RecordParser::default());
                decoder.decode(&bytes, &limits, 1);
                for args in decoder.requests(&bytes) {
                    if let Some(record) = args.as_record() {
                        let shown = bytes.escape_ascii();
                        assert_eq!(parser.parse(record), Record::Complete(record.len()), "{shown}");
                        assert!(parser.args(record).iter().eq(args.iter()), "{shown}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_prefix_is_cut_off() {
        let mut parser = RecordParser::default();
        let bytes = encode(&[b"SET", b"key", &[b'v'; 120]]);
        for len in 0..bytes.len() {
            assert_eq!(parser.parse(&bytes[..len]), Record::CutOff, "{len}");
        }
    }

    #[test]
    fn every_damaged_byte_of_the_frame_is_seen() {
        let mut parser = RecordParser::default();
        let whole = encode(&[b"SET", b"k"]);
        assert_eq!(whole, b"*2\r\n$3\r\nSET\r\n$1\r\nk\r\n");
        for at in [0, 2, 3, 4, 6, 7, 11, 12, 13, 15, 16, 18, 19] {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x20;
            assert_eq!(parser.parse(&bytes), Record::Broken(at), "{}", bytes.escape_ascii());
        }
        for (text, at) in [
            ("*0\r\n", 1),
            ("*-1\r\n", 1),
            ("*01\r\n", 2),
            ("*\r\n", 1),
            ("*12345678901\r\n", 11),
            ("*1\r\n$5000000000\r\n", 0),
        ] {
            let expected = if at == 0 { Record::CutOff } else { Record::Broken(at) };
            assert_eq!(parser.parse(text.as_bytes()), expected, "{text}");
        }
    }
}
