//! The other server, as seen by MIGRATE: a connection with a time limit for every step.
//!
//! ```text
//! AUTH user password      only if there are credentials
//! SELECT db
//! RESTORE key ttl payload [REPLACE]      many at once, then as many answers
//! ```

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::settle::Parcel;
use crate::base::clock::UnixMs;
use crate::rdb::dump;
use crate::rdb::write::Format;
use crate::resp::push_record;

/// Keys that are sent before their answers are read.
const PIPELINE: usize = 256;
/// Bytes collected before they are sent.
const CHUNK_BYTES: usize = 256 << 10;
/// Longest answer that is taken.
const LINE_MAX_BYTES: u64 = 64 << 10;

/// Where keys go.
#[derive(Debug)]
pub(super) struct Address {
    pub host: String,
    pub port: u16,
    pub db: i64,
    pub credentials: Vec<Vec<u8>>,
    /// Of every step.
    pub timeout_ms: u64,
}

/// How keys are sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// What has such a key is replaced.
    pub replaces: bool,
    pub compresses: bool,
    /// What the other server must understand.
    pub format: Format,
}

/// What went wrong, in the words of the reply.
#[derive(Debug)]
pub(super) enum Failure {
    Connecting,
    Writing,
    Reading,
    /// The other server's error, without its mark.
    Told(Vec<u8>),
}

impl Failure {
    /// The line of the reply.
    pub fn line(&self) -> Vec<u8> {
        match self {
            Failure::Connecting => b"IOERR error or timeout connecting to the client".to_vec(),
            Failure::Writing => b"IOERR error or timeout writing to target instance".to_vec(),
            Failure::Reading => b"IOERR error or timeout reading to target instance".to_vec(),
            Failure::Told(error) => [b"ERR Target instance replied with error: ", error.as_slice()].concat(),
        }
    }
}

/// A connection to it.
pub(super) struct Target {
    stream: BufReader<TcpStream>,
    buffer: Vec<u8>,
}

impl Target {
    pub fn connect(address: &Address) -> Result<Target, Failure> {
        let timeout = Duration::from_millis(address.timeout_ms);
        let stream = open(address, timeout)?;
        let mut target = Target { stream: BufReader::new(stream), buffer: Vec::new() };
        if !address.credentials.is_empty() {
            let words = [b"AUTH".as_slice()].into_iter();
            let words: Vec<&[u8]> = words.chain(address.credentials.iter().map(Vec::as_slice)).collect();
            push_record(&mut target.buffer, words.into_iter());
            target.ask()?;
        }
        let db = address.db.to_string();
        push_record(&mut target.buffer, [b"SELECT".as_slice(), db.as_bytes()].into_iter());
        target.ask()?;
        Ok(target)
    }

    /// Sends keys; calls `accepted` with each that the other server has taken, until something can't be sent or read. Answers
    /// the first error that the other server told.
    pub fn send<'p>(
        &mut self,
        parcels: &'p [Parcel],
        form: Form,
        now: &dyn Fn() -> UnixMs,
        accepted: &mut dyn FnMut(&'p Parcel),
    ) -> Result<Option<Failure>, Failure> {
        let mut told = None;
        for some in parcels.chunks(PIPELINE) {
            for parcel in some {
                push_parcel(&mut self.buffer, parcel, form, now());
                if self.buffer.len() >= CHUNK_BYTES {
                    self.flush()?;
                }
            }
            self.flush()?;
            for parcel in some {
                match self.answer() {
                    Ok(()) => accepted(parcel),
                    Err(error @ Failure::Told(_)) => told = told.or(Some(error)),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(told)
    }

    fn ask(&mut self) -> Result<(), Failure> {
        self.flush()?;
        self.answer()
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let sent = self.stream.get_mut().write_all(&self.buffer);
        self.buffer.clear();
        sent.map_err(|_| Failure::Writing)
    }

    /// One line: an error, or anything else.
    fn answer(&mut self) -> Result<(), Failure> {
        let mut line = Vec::new();
        let mut stream = io::Read::take(&mut self.stream, LINE_MAX_BYTES);
        stream.read_until(b'\n', &mut line).map_err(|_| Failure::Reading)?;
        let line = line.strip_suffix(b"\r\n").ok_or(Failure::Reading)?;
        match line.strip_prefix(b"-") {
            Some(error) => Err(Failure::Told(error.to_vec())),
            None => Ok(()),
        }
    }
}

/// In Redis, which connects without waiting, a server that refuses is found out by writing to it.
fn open(address: &Address, timeout: Duration) -> Result<TcpStream, Failure> {
    let places = (address.host.as_str(), address.port).to_socket_addrs();
    let mut failure = Failure::Connecting;
    for place in places.map_err(|_| Failure::Connecting)? {
        match connect(&place, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => failure = Failure::Connecting,
            Err(_) => failure = Failure::Writing,
        }
    }
    Err(failure)
}

fn connect(place: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(place, timeout)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(stream)
}

/// The command that makes the other server have what is here.
fn push_parcel(out: &mut Vec<u8>, parcel: &Parcel, form: Form, now: UnixMs) {
    let Some(entry) = &parcel.entry else {
        return push_record(out, [b"DEL".as_slice(), &parcel.name].into_iter());
    };
    // One that expires meanwhile expires there.
    let ttl_ms = entry.deadline().map_or(0, |deadline| deadline.saturating_sub(now.0).max(1)).to_string();
    let mut payload = Vec::new();
    dump::encode_as(form.format, &entry.payload(), form.compresses, &mut payload);
    let words = [b"RESTORE".as_slice(), &parcel.name, ttl_ms.as_bytes(), &payload, b"REPLACE"];
    let count = if form.replaces { words.len() } else { words.len() - 1 };
    push_record(out, words.into_iter().take(count));
}
