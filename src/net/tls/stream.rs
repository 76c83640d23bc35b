//! An encrypted stream of a worker: the handshake is over, bytes are opened and sealed on the way.
//!
//! All streams of a worker share two buffers for ciphertext ([`Scratch`]). What stays with a stream between two polls is the
//! beginning of a record that has not arrived whole, and sealed bytes that the socket did not take.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::handshake::Secured;
use super::records::{RECORD_MAX_BYTES, RECORD_OVERHEAD_BYTES, Records};
use crate::resp::Output;

/// Ciphertext read at once. Not more than the reader of the plaintext has room for.
const READ_BYTES: usize = 64 << 10;
/// Plaintext sealed at once.
const SEAL_BYTES: usize = 4 * RECORD_MAX_BYTES;
/// Slices of an output that are looked at, at once.
const SLICES: usize = 8;

/// Buffers that the streams of one worker share; free whenever a stream is polled.
pub struct Scratch {
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Scratch {
    pub fn shared() -> Rc<RefCell<Scratch>> {
        // A slice more than needed per seal: every slice ends a record early.
        let outgoing = SEAL_BYTES + (SLICES + SEAL_BYTES / RECORD_MAX_BYTES) * RECORD_OVERHEAD_BYTES;
        Rc::new(RefCell::new(Scratch { incoming: vec![0; READ_BYTES], outgoing: vec![0; outgoing] }))
    }
}

/// See the module's head.
pub struct TlsStream {
    socket: TcpStream,
    records: Records,
    /// Plaintext that came together with the end of the handshake.
    early: Vec<u8>,
    scratch: Rc<RefCell<Scratch>>,
}

impl TlsStream {
    /// Goes on with a connection whose handshake is over, on this thread's runtime.
    pub(in crate::net) fn new(secured: Secured, scratch: Rc<RefCell<Scratch>>) -> io::Result<TlsStream> {
        let Secured { socket, records, early, .. } = secured;
        Ok(TlsStream { socket: TcpStream::from_std(socket)?, records, early, scratch })
    }

    /// One read of what is there, opened; 0 bytes when the peer has closed. `buffer` has room for
    /// a whole record.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            let (now, later) = early.split_at(early.len().min(buffer.len()));
            buffer.get_mut(..now.len()).unwrap_or_default().copy_from_slice(now);
            self.early = later.to_vec();
            return Poll::Ready(Ok(now.len()));
        }
        loop {
            if self.records.is_finished {
                return Poll::Ready(Ok(0));
            }
            let len = match self.receive(cx, buffer) {
                Poll::Ready(received) => received?,
                Poll::Pending => return Poll::Pending,
            };
            // A part of a record, or words of the protocol: the socket may have more.
            if len > 0 {
                return Poll::Ready(Ok(len));
            }
        }
    }

    fn receive(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let scratch = Rc::clone(&self.scratch);
        let mut scratch = scratch.borrow_mut();
        let Scratch { incoming, .. } = &mut *scratch;
        let len = incoming.len().min(buffer.len());
        let incoming = incoming.get_mut(..len).unwrap_or_default();
        let tail_len = self.records.tail.len();
        // A record that does not fit is longer than any may be.
        let Some((head, room)) = incoming.split_at_mut_checked(tail_len).filter(|(_, room)| !room.is_empty())
        else {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        };
        let mut room = ReadBuf::new(room);
        match Pin::new(&mut self.socket).poll_read(cx, &mut room) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
        let received = room.filled().len();
        if received == 0 {
            self.records.is_finished = true;
            return Poll::Ready(Ok(0));
        }
        head.copy_from_slice(&self.records.tail);
        let cipher = incoming.get_mut(..tail_len + received).unwrap_or_default();
        let mut filled = 0;
        let opened = self.records.open(cipher, |plain| {
            // Plaintext is shorter than its ciphertext, which is not longer than the buffer.
            if let Some(room) = buffer.get_mut(filled..filled + plain.len()) {
                room.copy_from_slice(plain);
                filled += plain.len();
            }
        });
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let _ = self.poll_send_unsent(cx);
                return Poll::Ready(Err(error));
            }
        };
        self.records.tail = cipher.get(opened.consumed..).unwrap_or_default().to_vec();
        if !self.records.unsent.is_empty() {
            let _ = self.poll_send_unsent(cx)?;
        }
        Poll::Ready(Ok(filled))
    }

    /// As [`super::super::stream::Stream::poll_flush`]; counts plaintext. Sealed bytes that the socket does not take are kept, so the
    /// output can be empty before all is sent: see [`TlsStream::unsent`].
    pub fn poll_flush(&mut self, cx: &mut Context<'_>, output: &mut Output) -> io::Result<(u64, usize)> {
        let (mut writes, mut bytes) = (0, 0);
        loop {
            if !self.poll_send_unsent(cx)? || output.is_empty() {
                return Ok((writes, bytes));
            }
            let scratch = Rc::clone(&self.scratch);
            let mut scratch = scratch.borrow_mut();
            let (taken, sealed) = self.seal(output, &mut scratch.outgoing)?;
            output.advance(taken);
            bytes += taken;
            // Words of the protocol that sealing brought up are already sealed: they go first.
            if !self.records.unsent.is_empty() {
                self.records.unsent.extend_from_slice(scratch.outgoing.get(..sealed).unwrap_or_default());
                continue;
            }
            let cipher = scratch.outgoing.get(..sealed).unwrap_or_default();
            let sent = match Pin::new(&mut self.socket).poll_write(cx, cipher) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(sent)) => sent,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => 0,
            };
            writes += u64::from(sent > 0);
            self.records.unsent.extend_from_slice(cipher.get(sent..).unwrap_or_default());
        }
    }

    /// Seals the beginning of an output; returns how much of it, and the length of the ciphertext.
    fn seal(&mut self, output: &Output, cipher: &mut [u8]) -> io::Result<(usize, usize)> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = output.slices(&mut slices);
        let (mut taken, mut sealed) = (0, 0);
        for slice in slices.get(..count).unwrap_or_default() {
            let now = slice.get(..slice.len().min(SEAL_BYTES - taken)).unwrap_or_default();
            if now.is_empty() {
                break;
            }
            sealed += self.records.seal(now, cipher.get_mut(sealed..).unwrap_or_default())?;
            taken += now.len();
        }
        Ok((taken, sealed))
    }

    /// Sends what is sealed already; whether all of it is gone.
    fn poll_send_unsent(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let unsent = &mut self.records.unsent;
        let mut from = 0;
        let mut result = Ok(true);
        while from < unsent.len() {
            match Pin::new(&mut self.socket).poll_write(cx, unsent.get(from..).unwrap_or_default()) {
                Poll::Ready(Ok(0)) => result = Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(sent)) => {
                    from += sent;
                    continue;
                }
                Poll::Ready(Err(error)) => result = Err(error),
                Poll::Pending => result = Ok(false),
            }
            break;
        }
        if from == unsent.len() {
            *unsent = Vec::new();
        } else {
            unsent.drain(..from);
        }
        result
    }

    /// Sealed bytes that the socket has not taken yet.
    pub fn unsent(&self) -> usize {
        self.records.unsent.len()
    }

    /// Heap bytes of what is kept between two polls.
    pub fn heap_bytes(&self) -> usize {
        size_of::<TlsStream>() + self.records.heap_bytes() + self.early.capacity()
    }
}

impl Drop for TlsStream {
    /// Tells the peer that nothing was cut off, if the socket takes the word at once.
    fn drop(&mut self) {
        if self.records.unsent.is_empty() {
            self.records.say_goodbye();
            let _ = self.socket.try_write(&self.records.unsent);
        }
    }
}
