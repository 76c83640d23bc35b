//! A client of a few lines: requests as they are written, replies as they come.
//!
//! It shares nothing with the server's own encoder and decoder, so a mistake there can't hide itself here.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// After this long without a byte, nobody will answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A reply of either protocol version.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Status(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    /// `$-1`
    NilBulk,
    /// `*-1`
    NilArray,
    /// `_`
    Null,
    Bool(bool),
    /// The digits as they were sent.
    Double(String),
    BigNumber(String),
    BulkError(Vec<u8>),
    /// Three letters of format, and the text.
    Verbatim(String, Vec<u8>),
    Array(Vec<Reply>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    /// What stands in front of the reply that it describes.
    Attribute(Vec<(Reply, Reply)>),
}

#[allow(dead_code)] // Every test binary uses its own part.
impl Reply {
    pub fn ok() -> Reply {
        Reply::Status(b"OK".to_vec())
    }

    pub fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    /// The error's text, or the empty text if it is none.
    pub fn error_text(&self) -> String {
        match self {
            Reply::Error(text) | Reply::BulkError(text) => String::from_utf8_lossy(text).into_owned(),
            _ => String::new(),
        }
    }
}

/// A connection.
pub struct Wire<S = TcpStream> {
    pub stream: S,
    buffer: Vec<u8>,
    /// First byte of `buffer` that no reply has used.
    start: usize,
}

#[allow(dead_code)]
impl Wire {
    pub fn connect(addr: SocketAddr) -> Wire {
        let stream = TcpStream::connect(addr).expect("the server accepts");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket option");
        Wire::over(stream)
    }
}

// Not every test needs every one of these.
#[allow(dead_code)]
impl Wire {
    /// As [`Wire::connect`], where the server may be gone.
    pub fn try_connect(addr: SocketAddr) -> io::Result<Wire> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Wire::over(stream))
    }

    /// As [`Wire::call`]; `None` when no reply comes in so many milliseconds, or never will. It can be read later.
    pub fn call_within<W: AsRef<[u8]>>(&mut self, words: &[W], ms: u64) -> Option<Reply> {
        self.stream.set_read_timeout(Some(Duration::from_millis(ms))).ok()?;
        let reply = self.send(words).and_then(|()| self.read()).ok();
        self.stream.set_read_timeout(Some(PATIENCE)).ok()?;
        reply
    }

    /// Whether some bytes of a reply have come that were not read yet.
    pub fn has_bytes(&self) -> bool {
        if self.start < self.buffer.len() {
            return true;
        }
        self.stream.set_nonblocking(true).expect("a socket option");
        let has_come = self.stream.peek(&mut [0]).is_ok();
        self.stream.set_nonblocking(false).expect("a socket option");
        has_come
    }

    /// As [`Wire::call`]; `None` when the server is gone.
    pub fn try_call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Option<Reply> {
        self.send(words).and_then(|()| self.read()).ok()
    }
}

#[allow(dead_code)]
impl<S: Read + Write> Wire<S> {
    pub fn over(stream: S) -> Wire<S> {
        Wire { stream, buffer: Vec::new(), start: 0 }
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends one request.
    pub fn send<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<()> {
        self.stream.write_all(&request(words))
    }

    /// Sends one request and reads one reply.
    pub fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Reply {
        self.send(words).expect("the server takes a request");
        self.read().expect("the server answers")
    }

    /// As [`Wire::call`], with the words of a line.
    pub fn ask(&mut self, line: &str) -> Reply {
        self.call(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Reads one reply; an error of kind `UnexpectedEof` when the server has closed.
    pub fn read(&mut self) -> io::Result<Reply> {
        match self.line()? {
            (b'+', text) => Ok(Reply::Status(text)),
            (b'-', text) => Ok(Reply::Error(text)),
            (b':', text) => number(&text).map(Reply::Integer),
            (b'$', text) if text == b"-1" => Ok(Reply::NilBulk),
            (b'$', text) => self.bytes(number(&text)?).map(Reply::Bulk),
            (b'!', text) => self.bytes(number(&text)?).map(Reply::BulkError),
            (b'=', text) => self.bytes(number(&text)?).and_then(verbatim),
            (b'*', text) if text == b"-1" => Ok(Reply::NilArray),
            (b'*', text) => self.many(number(&text)?).map(Reply::Array),
            (b'~', text) => self.many(number(&text)?).map(Reply::Set),
            (b'>', text) => self.many(number(&text)?).map(Reply::Push),
            (b'%', text) => self.pairs(number(&text)?).map(Reply::Map),
            (b'|', text) => self.pairs(number(&text)?).map(Reply::Attribute),
            (b'_', text) if text.is_empty() => Ok(Reply::Null),
            (b'#', text) if text == b"t" || text == b"f" => Ok(Reply::Bool(text == b"t")),
            (b',', text) => Ok(Reply::Double(String::from_utf8_lossy(&text).into_owned())),
            (b'(', text) => Ok(Reply::BigNumber(String::from_utf8_lossy(&text).into_owned())),
            (marker, text) => Err(malformed(marker, &text)),
        }
    }

    /// Whether the server has closed the connection and sent nothing more.
    pub fn is_closed(&mut self) -> bool {
        match self.read() {
            Ok(_) => false,
            Err(error) => matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            ),
        }
    }

    /// Whether nothing is left to read, where there is an end.
    pub fn is_at_end(&mut self) -> bool {
        self.start == self.buffer.len() && self.fill().is_err()
    }

    fn many(&mut self, count: i64) -> io::Result<Vec<Reply>> {
        (0..count).map(|_| self.read()).collect()
    }

    fn pairs(&mut self, count: i64) -> io::Result<Vec<(Reply, Reply)>> {
        (0..count).map(|_| Ok((self.read()?, self.read()?))).collect()
    }

    /// Marker and text of the next line.
    fn line(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut from = self.start;
        loop {
            if let Some(found) = self.buffer[from..].windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer[self.start..from + found].to_vec();
                self.start = from + found + 2;
                let (marker, text) = line.split_first().ok_or_else(|| malformed(b'?', b"an empty line"))?;
                return Ok((*marker, text.to_vec()));
            }
            let searched = self.buffer.len().saturating_sub(1).max(self.start) - self.start;
            self.fill()?;
            from = self.start + searched;
        }
    }

    fn bytes(&mut self, len: i64) -> io::Result<Vec<u8>> {
        let len = usize::try_from(len).map_err(|_| malformed(b'$', b"a negative length"))?;
        while self.buffer.len() - self.start < len + 2 {
            self.fill()?;
        }
        let (bytes, end) = self.buffer[self.start..self.start + len + 2].split_at(len);
        if end != b"\r\n" {
            return Err(malformed(b'$', b"no line end behind the bytes"));
        }
        let bytes = bytes.to_vec();
        self.start += len + 2;
        Ok(bytes)
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let used = self.buffer.len();
        self.buffer.resize(used + 64 * 1024, 0);
        let read = loop {
            match self.stream.read(&mut self.buffer[used..]) {
                // Who was stopped and goes on is told so where there is a time limit.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(used + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A request on the wire.
pub fn request<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn number(text: &[u8]) -> io::Result<i64> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| malformed(b':', text))
}

fn verbatim(bytes: Vec<u8>) -> io::Result<Reply> {
    match bytes.split_at_checked(4) {
        Some((format, text)) if format[3] == b':' => {
            Ok(Reply::Verbatim(String::from_utf8_lossy(&format[..3]).into_owned(), text.to_vec()))
        }
        _ => Err(malformed(b'=', &bytes)),
    }
}

fn malformed(marker: u8, text: &[u8]) -> io::Error {
    let text = format!("malformed reply: {}{}", marker.escape_ascii(), text.escape_ascii());
    io::Error::new(io::ErrorKind::InvalidData, text)
}
