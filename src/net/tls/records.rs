//! TLS without a socket: bytes that came are opened, bytes that are to go are sealed.
//!
//! ```text
//! ciphertext ─ open ─▶ plaintext, and what the protocol itself has to say (unsent)
//! plaintext  ─ seal ─▶ ciphertext
//! ```
//!
//! **Invariant:** `tail` is the unconsumed end of what was opened last, and begins with the first byte of a message; whoever
//! calls [`Records::open`] puts it in front of what came.

use std::io;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus};

/// Bytes by which a record is longer than its plaintext, at most.
pub(super) const RECORD_OVERHEAD_BYTES: usize = 64;
/// Plaintext of one record, at most.
pub(super) const RECORD_MAX_BYTES: usize = 16 << 10;

/// One side of an encrypted connection.
pub(super) struct Records {
    tls: UnbufferedServerConnection,
    /// Ciphertext that is not a whole message yet.
    pub tail: Vec<u8>,
    /// What the protocol itself wants to send: answers of the handshake, tickets, alerts.
    pub unsent: Vec<u8>,
    /// The peer has said that it sends no more.
    pub is_finished: bool,
}

/// What one call of [`Records::open`] did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opened {
    /// Ciphertext used; the rest is to be kept as `tail`.
    pub consumed: usize,
    /// The handshake is over.
    pub is_ready: bool,
}

impl Records {
    pub fn new(tls: UnbufferedServerConnection) -> Records {
        Records { tls, tail: Vec::new(), unsent: Vec::new(), is_finished: false }
    }

    /// The certificate that the peer has shown, in DER.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.tls.peer_certificates().and_then(|chain| chain.first()).map(AsRef::as_ref)
    }

    /// Heap bytes of the buffers.
    pub fn heap_bytes(&self) -> usize {
        self.tail.capacity() + self.unsent.capacity()
    }

    /// Opens all that is whole in `cipher` and appends it to `plain`. After an error `unsent` has the alert that tells the
    /// peer why.
    pub fn open(&mut self, cipher: &mut [u8], mut plain: impl FnMut(&[u8])) -> io::Result<Opened> {
        let mut opened = Opened::default();
        loop {
            let rest = cipher.get_mut(opened.consumed..).unwrap_or_default();
            let UnbufferedStatus { mut discard, state } = self.tls.process_tls_records(rest);
            let mut is_done = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        plain(record.payload);
                        discard += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.unsent)?,
                // It is on its way: whoever called sends `unsent`.
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => self.is_finished = true,
                Ok(ConnectionState::WriteTraffic(_)) => (opened.is_ready, is_done) = (true, true),
                Ok(ConnectionState::Closed) => (self.is_finished, is_done) = (true, true),
                Ok(_) => is_done = true,
                Err(error) => {
                    self.encode_alert();
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
            opened.consumed += discard;
            if is_done {
                return Ok(opened);
            }
        }
    }

    fn encode_alert(&mut self) {
        while let UnbufferedStatus { state: Ok(ConnectionState::EncodeTlsData(data)), .. } =
            self.tls.process_tls_records(&mut [])
        {
            if encode(data, &mut self.unsent).is_err() {
                return;
            }
        }
    }

    /// Seals `plain` into the front of `cipher`; returns the length. `cipher` needs room for every record's overhead.
    pub fn seal(&mut self, plain: &[u8], cipher: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.process_tls_records(&mut self.tail).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    return traffic.encrypt(plain, cipher).map_err(|error| match error {
                        EncryptError::EncryptExhausted => io::ErrorKind::ConnectionAborted.into(),
                        EncryptError::InsufficientSize(_) => io::ErrorKind::WriteZero.into(),
                    });
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.unsent)?,
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => self.is_finished = true,
                Ok(_) => return Err(io::ErrorKind::NotConnected.into()),
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
    }

    /// Appends the word that nothing more will come to `unsent`, if the connection is far enough for that.
    pub fn say_goodbye(&mut self) {
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = self.tls.process_tls_records(&mut []).state {
            let mut word = [0; RECORD_OVERHEAD_BYTES];
            if let Ok(len) = traffic.queue_close_notify(&mut word) {
                self.unsent.extend_from_slice(word.get(..len).unwrap_or_default());
            }
        }
    }
}

fn encode<D>(mut data: EncodeTlsData<'_, D>, into: &mut Vec<u8>) -> io::Result<()> {
    let from = into.len();
    loop {
        match data.encode(into.get_mut(from..).unwrap_or_default()) {
            Ok(len) => {
                into.truncate(from + len);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(needed)) => into.resize(from + needed.required_size, 0),
            Err(EncodeError::AlreadyEncoded) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
