//! TLS: which certificate, whom to trust, and the encrypted streams.
//!
//! ```text
//! CONFIG SET, files that changed ─▶ Draft ─▶ Tls (one pointer that is swapped) ─▶ every new connection
//!
//! acceptor ─▶ handshake threads (deadline, bounded number) ─▶ worker: TlsStream, as any other stream
//! ```
//!
//! rustls works on bytes and not on sockets here: a worker reads ciphertext into a buffer that all its connections share,
//! and opens it into the ordinary read buffer. So an idle encrypted connection holds its keys and no buffer, and no
//! worker ever computes a signature: the expensive part of a connection happens on threads of its own ([`handshake`]).
//!
//! **Invariant:** what cannot be used changes nothing. A [`Draft`] is complete (files read, key and certificate belong
//! together) before anything sees it; connections that exist keep what they began with.

pub mod auto;
pub mod ciphers;
pub mod draft;
pub mod files;
pub mod handshake;
pub mod peer;
mod records;
mod sessions;
pub mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use rustls::ServerConfig;

use auto::Made;
pub use draft::Draft;
use files::Stamp;
pub use stream::TlsStream;

use crate::base::clock::Time;
use crate::config::{Config, TlsAuthClientsUser};

/// What a connection that begins now is served with.
pub struct Terms {
    pub config: Arc<ServerConfig>,
    /// The certificate's common name is a user.
    pub names_user: bool,
}

/// The TLS side of a server. One per engine, whether it listens for TLS or not.
pub struct Tls {
    time: Time,
    terms: ArcSwapOption<Terms>,
    /// The files behind `terms`, or behind the last attempt that failed.
    watched: Mutex<Vec<Stamp>>,
}

impl Tls {
    pub fn new(time: Time) -> Tls {
        Tls { time, terms: ArcSwapOption::empty(), watched: Mutex::default() }
    }

    /// Reads everything that the configuration names, without using it yet; `None` when TLS is off. The error is a line
    /// for a person, without secrets.
    pub fn draft(&self, config: &Config) -> Result<Option<Draft>, String> {
        if config.tls_port == 0 { Ok(None) } else { Draft::of(config, &self.time).map(Some) }
    }

    /// Serves new connections with that from now on; with `None` nobody is.
    pub fn adopt(&self, config: &Config, draft: Option<Draft>) {
        let (terms, stamps) = match draft {
            Some(draft) => {
                draft.made.into_iter().for_each(Made::keep);
                (Some(Arc::new(draft.terms)), draft.stamps)
            }
            None => (None, Vec::new()),
        };
        debug_assert_eq!(terms.is_some(), config.tls_port != 0);
        *self.watched.lock() = stamps;
        self.terms.store(terms);
    }

    /// What a connection that begins now is served with; `None` when TLS is off.
    pub fn terms(&self) -> Option<Arc<Terms>> {
        self.terms.load_full()
    }

    /// Takes up files that were replaced since they were read. Files that can't be used are told of once, and the old
    /// ones stay in use until they change again. Whether new ones were taken up.
    pub fn follow_files(&self, config: &Config) -> Result<bool, String> {
        let mut watched = self.watched.lock();
        if config.tls_port == 0 || watched.iter().all(Stamp::is_current) {
            return Ok(false);
        }
        // Taken before the files are read: what changes meanwhile is seen by the next round.
        watched.iter_mut().for_each(Stamp::renew);
        let draft = Draft::of(config, &self.time)?;
        draft.made.into_iter().for_each(Made::keep);
        *watched = draft.stamps;
        self.terms.store(Some(Arc::new(draft.terms)));
        Ok(true)
    }
}

impl Terms {
    fn new(config: Arc<ServerConfig>, rule: TlsAuthClientsUser) -> Terms {
        Terms { config, names_user: rule == TlsAuthClientsUser::CommonName }
    }
}
