//! Certificates and keys in PEM files.
//!
//! Private keys are PKCS#8, PKCS#1 or SEC1, or PKCS#8 behind a password (`ENCRYPTED PRIVATE KEY`). OpenSSL's older way
//! to encrypt a key (`Proc-Type: 4,ENCRYPTED`) is refused with the command that converts it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pkcs8::der::Document;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Longest file that is looked into, in bytes: a bundle of all public authorities has 250 KB.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// Which file was read: a name may be another file, or have other contents, the next time.
pub struct Stamp {
    path: PathBuf,
    seen: Option<Seen>,
}

type Seen = (u64, u64, u64, i64, i64);

impl Stamp {
    /// What stands there now.
    pub fn of(path: &Path) -> Stamp {
        Stamp { path: path.to_owned(), seen: seen(path) }
    }

    /// Whether it is still the same file, unchanged.
    pub fn is_current(&self) -> bool {
        seen(&self.path) == self.seen
    }

    /// Takes what stands there now for read.
    pub fn renew(&mut self) {
        self.seen = seen(&self.path);
    }
}

/// Links are followed: secrets in containers are replaced by moving a link.
fn seen(path: &Path) -> Option<Seen> {
    let of = |meta: Metadata| (meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
    std::fs::metadata(path).ok().map(of)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let meta = std::fs::metadata(path).map_err(failed)?;
    if meta.len() > FILE_MAX_BYTES {
        return Err(format!("{}: too big for certificates", path.display()));
    }
    std::fs::read(path).map_err(failed)
}

/// The certificates of a file, the server's own first.
pub fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| format!("{}: {error}", path.display()))?;
    if found.is_empty() {
        return Err(format!("{}: no certificate in PEM form", path.display()));
    }
    Ok(found)
}

/// The private key of a file; `password` opens it if it is encrypted.
pub fn key(path: &Path, password: Option<&[u8]>) -> Result<PrivateKeyDer<'static>, String> {
    let text = read(path)?;
    let failed = |what: &str| format!("{}: {what}", path.display());
    let holds = |needle: &[u8]| memchr::memmem::find(&text, needle).is_some();
    if holds(b"Proc-Type: 4,ENCRYPTED") {
        return Err(failed(
            "this form of an encrypted key is not supported; `openssl pkcs8 -topk8 -in KEY -out NEW` converts it",
        ));
    }
    if !holds(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        return PrivateKeyDer::from_pem_slice(&text)
            .map_err(|error| failed(&format!("no private key: {error}")));
    }
    let password = password.ok_or_else(|| failed("the key is encrypted and tls-key-file-pass is not set"))?;
    let opened =
        decrypt(&text, password).ok_or_else(|| failed("tls-key-file-pass does not open this key"))?;
    Ok(PrivatePkcs8KeyDer::from(opened.as_bytes().to_vec()).into())
}

fn decrypt(text: &[u8], password: &[u8]) -> Option<SecretDocument> {
    let (_, encrypted) = Document::from_pem(std::str::from_utf8(text).ok()?).ok()?;
    EncryptedPrivateKeyInfoRef::try_from(encrypted.as_bytes()).ok()?.decrypt(password).ok()
}

/// Adds the authorities of a file.
pub fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    for certificate in chain(path)? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// The files of a folder that may hold certificates, in the order of their names.
pub fn of_folder(path: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort_unstable();
    Ok(files)
}
