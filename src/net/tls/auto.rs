//! `tls-auto`: a certificate of the server's own making, for development.
//!
//! It lies in `dir` as `tls-auto.crt` and `tls-auto.key` (mode 0600) and is used again by the next start, so that a client
//! that was given the first (`redis-cli --tls --cacert tls-auto.crt`) can go on trusting it. It names `localhost` and the
//! loopback addresses, and is good for ten years. Deleting the files makes a new pair.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use sha2::{Digest, Sha256};

use super::files;
use crate::base::clock::{Clock, Time};

const CERTIFICATE: &str = "tls-auto.crt";
const KEY: &str = "tls-auto.key";
const YEARS: i32 = 10;
const SECONDS_PER_YEAR: u64 = 31_556_952;

/// Files that were made for what may come to nothing; they go with this unless they are kept.
pub struct Made(Vec<PathBuf>);

impl Made {
    /// They are used now.
    pub fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A certificate and its key.
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The two, if they are new.
    pub made: Option<Made>,
}

/// The files of certificate and key, made if they are not there. The log tells the fingerprint.
pub fn pair(folder: &Path, time: &Time) -> Result<Pair, String> {
    let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
    let is_new = !(certificate.exists() && key.exists());
    let made = is_new.then(|| Made(vec![certificate.clone(), key.clone()]));
    if is_new {
        make(&certificate, &key, time)?;
    }
    let chain = files::chain(&certificate)?;
    if let Some(first) = chain.first() {
        tracing::info!(
            "{} self-signed certificate {} for development, SHA-256 fingerprint {}",
            if is_new { "Made the" } else { "Using the" },
            certificate.display(),
            fingerprint(first)
        );
    }
    Ok(Pair { certificate, key, made })
}

fn make(certificate: &Path, key: &Path, time: &Time) -> Result<(), String> {
    let failed = |error: rcgen::Error| format!("tls-auto: {error}");
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, "Ochre development");
    let year = 1970 + i32::try_from(time.now_ms().seconds() / SECONDS_PER_YEAR).unwrap_or(0);
    params.not_before = date_time_ymd(year - 1, 1, 1);
    params.not_after = date_time_ymd(year + YEARS, 1, 1);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let pair = KeyPair::generate().map_err(failed)?;
    let signed = params.self_signed(&pair).map_err(failed)?;
    write(key, 0o600, &pair.serialize_pem())?;
    write(certificate, 0o644, &signed.pem())
}

/// Beside its place first: nobody sees half a file.
fn write(path: &Path, mode: u32, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("tls-auto: {}: {error}", path.display());
    let fresh = path.with_extension(format!("{}.tmp", std::process::id()));
    let _ = std::fs::remove_file(&fresh);
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)
}

/// `AB:CD:…`, as `openssl x509 -fingerprint -sha256` prints it.
pub fn fingerprint(der: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(der) {
        let _ = write!(text, "{}{byte:02X}", if text.is_empty() { "" } else { ":" });
    }
    text
}
