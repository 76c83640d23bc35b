//! From options to what rustls serves with: everything read and checked before anything is used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, Error, InconsistentKeys, RootCertStore, ServerConfig};

use super::auto::Pair;
use super::files::{self, Stamp};
use super::sessions::Sessions;
use super::{Terms, auto, ciphers};
use crate::base::clock::Time;
use crate::config::{Config, Secret, TlsAuthClients};

/// Terms that can be used, and the files that they come from.
pub struct Draft {
    pub(super) terms: Terms,
    pub(super) stamps: Vec<Stamp>,
    /// The files that were made for it.
    pub(super) made: Option<auto::Made>,
}

impl Draft {
    /// Reads what the options name. With `tls-auto` and no certificate, makes one first.
    pub fn of(config: &Config, time: &Time) -> Result<Draft, String> {
        let is_auto = config.tls_auto && config.tls_cert_file.is_none() && config.tls_key_file.is_none();
        let Pair { certificate, key, made } = if is_auto {
            auto::pair(&config.dir, time)?
        } else {
            let named = |file: &Option<PathBuf>, option: &str| {
                file.as_ref()
                    .map(|path| config.dir.join(path))
                    .ok_or_else(|| format!("No {option} configured!"))
            };
            let certificate = named(&config.tls_cert_file, "tls-cert-file")?;
            Pair { certificate, key: named(&config.tls_key_file, "tls-key-file")?, made: None }
        };
        // Before they are read, so that a change in between is noticed.
        let mut stamps = vec![Stamp::of(&certificate), Stamp::of(&key)];
        let authorities = authorities(config, &mut stamps)?;
        let rule = match (config.tls_auth_clients, &authorities) {
            // Who wants a certificate made does not have clients with certificates yet.
            (_, None) if is_auto => TlsAuthClients::No,
            (rule, _) => rule,
        };
        let suites = ciphers::suites(&config.tls_ciphersuites, &config.tls_ciphers)?;
        let provider =
            Arc::new(CryptoProvider { cipher_suites: suites, ..rustls::crypto::ring::default_provider() });
        let versions = ciphers::versions(&config.tls_protocols)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(|error| error.to_string())?;
        let builder = match verifier(rule, authorities, &provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let password = config.tls_key_file_pass.as_ref().map(Secret::expose);
        let pair = pair(files::chain(&certificate)?, files::key(&key, password)?, &provider)
            .map_err(|error| unusable(&certificate, &error))?;
        let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        server.ignore_client_order = config.tls_prefer_server_ciphers;
        remember_sessions(&mut server, config, time);
        Ok(Draft { terms: Terms::new(Arc::new(server), config.tls_auth_clients_user), stamps, made })
    }
}

/// A certificate with its key.
///
/// What `openssl x509 -req` signs without extensions is of version 1, which rustls does not look into, though it can be shown
/// to clients like any other: the key is then looked for among its bytes, where it stands in the same form.
pub(super) fn pair(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Error> {
    let pair = CertifiedKey::new(chain, provider.key_provider.load_private_key(key)?);
    match pair.keys_match() {
        Err(Error::InvalidCertificate(CertificateError::Other(_))) => {
            let key = pair.key.public_key().ok_or(InconsistentKeys::Unknown)?;
            let is_there = memchr::memmem::find(pair.end_entity_cert()?, key.as_ref()).is_some();
            if is_there { Ok(pair) } else { Err(InconsistentKeys::KeyMismatch.into()) }
        }
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(error) => Err(error),
    }
}

fn unusable(certificate: &Path, error: &Error) -> String {
    match error {
        Error::InconsistentKeys(_) => {
            format!("{}: the certificate does not belong to the key of tls-key-file", certificate.display())
        }
        other => format!("{}: {other}", certificate.display()),
    }
}

/// Who may sign clients' certificates; `None` when no option names anybody.
fn authorities(config: &Config, stamps: &mut Vec<Stamp>) -> Result<Option<RootCertStore>, String> {
    if config.tls_ca_cert_file.is_none() && config.tls_ca_cert_dir.is_none() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    if let Some(path) = &config.tls_ca_cert_file {
        let path = config.dir.join(path);
        stamps.push(Stamp::of(&path));
        files::add_authorities(&mut roots, &path)?;
    }
    if let Some(folder) = &config.tls_ca_cert_dir {
        let folder = config.dir.join(folder);
        stamps.push(Stamp::of(&folder));
        for path in files::of_folder(&folder)? {
            stamps.push(Stamp::of(&path));
            // There may be other things in the folder, as OpenSSL allows.
            if let Err(error) = files::add_authorities(&mut roots, &path) {
                tracing::debug!("Not taken from tls-ca-cert-dir: {error}");
            }
        }
    }
    if roots.is_empty() { Err("No certificate in tls-ca-cert-dir".into()) } else { Ok(Some(roots)) }
}

fn verifier(
    rule: TlsAuthClients,
    authorities: Option<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let roots = match (rule, authorities) {
        (TlsAuthClients::No, _) => return Ok(None),
        (_, Some(roots)) => Arc::new(roots),
        (_, None) => {
            return Err("Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, \
                        tls-replication or tls-auth-clients are enabled!"
                .into());
        }
    };
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let builder = if rule == TlsAuthClients::Optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map(Some).map_err(|error| error.to_string())
}

fn remember_sessions(server: &mut ServerConfig, config: &Config, time: &Time) {
    if config.tls_session_caching {
        server.session_storage = Arc::new(Sessions::new(
            config.tls_session_cache_size as usize,
            u64::from(config.tls_session_cache_timeout),
            time.clone(),
        ));
    } else {
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
    }
}
