//! A client's byte stream: TCP or Unix, one interface.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::resp::Output;

/// Slices offered to one vectored write.
const SLICES: usize = 16;

/// A connected stream on its worker's runtime.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// One read of what is there.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let read = match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
        };
        read.map_ok(|()| buffer.filled().len())
    }

    /// Writes until the output is empty or the socket is full; returns the number of writes that moved bytes,
    /// and the bytes.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>, output: &mut Output) -> io::Result<(u64, usize)> {
        let (mut writes, mut bytes) = (0, 0);
        while !output.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = output.slices(&mut slices);
            let offered = slices.get(..count).unwrap_or_default();
            let written = match (&mut *self, offered) {
                (Stream::Tcp(stream), [one]) => Pin::new(stream).poll_write(cx, one),
                (Stream::Unix(stream), [one]) => Pin::new(stream).poll_write(cx, one),
                (Stream::Tcp(stream), many) => Pin::new(stream).poll_write_vectored(cx, many),
                (Stream::Unix(stream), many) => Pin::new(stream).poll_write_vectored(cx, many),
            };
            match written {
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
}
