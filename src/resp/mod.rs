//! RESP, the Redis serialization protocol, without sockets.
//!
//! ```text
//! bytes ──decode──▶ Args (borrowed spans)          Output ◀──encode── replies
//! ```
//!
//! * [`decode`] turns received bytes into requests, resumable at every byte, under [`Limits`];
//! * the inline form (`SET k "a b"\r\n`) is for humans; its words are [`crate::base::words`];
//! * [`Args`] and [`Cursor`] are how commands read a request;
//! * [`RecordParser`] and [`push_record`] are the same framing as a log holds it, strict to the byte;
//! * [`Output`] is the only producer of reply bytes: nobody else writes RESP by hand, so lengths always
//!   match and CR or LF from outside can't forge a line.
//!
//! **Invariant:** nothing here allocates by a length that a peer announced; buffers grow with the bytes
//! that really arrived.

mod args;
mod decode;
mod encode;
mod record;

pub use args::{Args, Cursor, OwnedArgs, OwnedRequests};
pub use decode::{Decoded, Decoder, Limits, ProtocolError};
pub use encode::{Output, Proto, SHARED_MIN_BYTES, Writer};
pub use record::{Record, RecordParser, push_record};

#[cfg(test)]
mod tests;
