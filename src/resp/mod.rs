//! RESP, the Redis serialization protocol, without sockets.
//!
//! ```text
//! bytes ──decode──▶ Args (borrowed spans)          Output ◀──encode── replies
//! ```
//!
//! * [`decode`] turns received bytes into requests, resumable at every byte, under [`Limits`];
//! * [`inline`] is the human form (`SET k "a b"\r\n`);
//! * [`Args`] and [`Cursor`] are how commands read a request;
//! * [`Output`] is the only producer of reply bytes: nobody else writes RESP by hand, so lengths always
//!   match and CR or LF from outside can't forge a line.
//!
//! **Invariant:** nothing here allocates by a length that a peer announced; buffers grow with the bytes
//! that really arrived.

mod args;
mod decode;
mod encode;
mod inline;

pub use args::{Args, Cursor, OwnedArgs};
pub use decode::{Decoded, Decoder, Limits, ProtocolError};
pub use encode::{Output, Proto, Writer};
pub use inline::{InlineError, split_args};

#[cfg(test)]
mod tests;
