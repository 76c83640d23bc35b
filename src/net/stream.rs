//! A client's byte stream: TCP, TLS or Unix, one interface.
//!
//! One of them is known at compile time wherever bytes move: a `match`, no pointer to functions.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::tls::TlsStream;
use crate::resp::Output;

/// Slices offered to one vectored write.
const SLICES: usize = 16;
/// What a socket nearly always takes whole: then nobody is to be woken for the rest, and no preparations for that are made.
const SHORT_BYTES: usize = 16 << 10;

/// A connected stream on its worker's runtime.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Boxed, so that plain connections don't carry its size.
    Tls(Box<TlsStream>),
}

impl Stream {
    /// One read of what is there.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(bytes);
        let read = match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Stream::Tls(stream) => return stream.poll_read(cx, bytes),
        };
        read.map_ok(|()| buffer.filled().len())
    }

    /// One read of what is there into the room that `bytes` has behind its end, `most` bytes at most; `None` from a stream that
    /// has no way past [`Stream::poll_read`].
    pub fn poll_read_onto(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut Vec<u8>,
        most: usize,
    ) -> Option<Poll<io::Result<usize>>> {
        let mut room = bytes.limit(most);
        // Both futures are done after one read, and lose nothing when they are dropped before.
        match self {
            Stream::Tcp(stream) => Some(pin!(stream.read_buf(&mut room)).poll(cx)),
            Stream::Unix(stream) => Some(pin!(stream.read_buf(&mut room)).poll(cx)),
            Stream::Tls(_) => None,
        }
    }

    /// Bytes that left the output and are not sent yet: sealed ones of TLS.
    #[inline]
    pub fn unsent(&self) -> usize {
        if let Stream::Tls(stream) = self { stream.unsent() } else { 0 }
    }

    /// Whether a read may find something. Otherwise who asks is woken when it may.
    #[inline]
    pub fn is_readable(&self, cx: &mut Context<'_>) -> bool {
        match self {
            Stream::Tcp(stream) => stream.poll_read_ready(cx).is_ready(),
            Stream::Unix(stream) => stream.poll_read_ready(cx).is_ready(),
            // What was read last may hold more than one record.
            Stream::Tls(_) => true,
        }
    }

    /// Heap bytes that it keeps between two polls.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        if let Stream::Tls(stream) = self { stream.heap_bytes() } else { 0 }
    }

    /// Writes until the output is empty or the socket is full; returns the number of writes that moved bytes,
    /// and the bytes.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>, output: &mut Output) -> io::Result<(u64, usize)> {
        if let Stream::Tls(stream) = self {
            return stream.poll_flush(cx, output);
        }
        let (mut writes, mut bytes) = (0, 0);
        while !output.is_empty() {
            match self.poll_write(cx, output) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(sent)) => {
                    output.advance(sent);
                    writes += 1;
                    bytes += sent;
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        Ok((writes, bytes))
    }

    /// One write of a plain stream.
    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, output: &Output) -> Poll<io::Result<usize>> {
        if let Some(one) = output.as_slice() {
            if one.len() <= SHORT_BYTES {
                let tried = match self {
                    Stream::Tcp(stream) => stream.try_write(one),
                    Stream::Unix(stream) => stream.try_write(one),
                    Stream::Tls(_) => Ok(0),
                };
                if !matches!(&tried, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                    return Poll::Ready(tried);
                }
            }
            return match self {
                Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, one),
                Stream::Unix(stream) => Pin::new(stream).poll_write(cx, one),
                Stream::Tls(_) => Poll::Pending,
            };
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = output.slices(&mut slices);
        let many = slices.get(..count).unwrap_or_default();
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, many),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, many),
            Stream::Tls(_) => Poll::Pending,
        }
    }
}
