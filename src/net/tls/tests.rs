//! Lists of ciphers, encrypted keys, and names in certificates.

use rcgen::{CertificateParams, DnType, KeyPair};

use super::{auto, ciphers, draft, files, peer};
use crate::base::clock::{Time, UnixMs};

fn selected(ciphers: &str) -> Vec<String> {
    let suites = ciphers::suites("", ciphers).unwrap();
    suites.iter().skip(3).map(|suite| format!("{:?}", suite.suite())).collect()
}

#[test]
fn lists_of_ciphers_select() {
    assert_eq!(selected("").len(), 6);
    for all in ["DEFAULT", "HIGH:!aNULL:!MD5", "ALL:!LOW:!EXP:@STRENGTH", "ECDHE", "DEFAULT:!MEDIUM"] {
        assert_eq!(selected(all).len(), 6, "{all}");
    }
    assert_eq!(selected("ECDHE-RSA-AES128-GCM-SHA256"), ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
    assert_eq!(selected("ECDHE+AESGCM:!AES128").len(), 2);
    assert_eq!(selected("aECDSA+CHACHA20"), ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"]);
    assert_eq!(selected("ALL:-RSA").len(), 3);
}

#[test]
fn what_is_not_there_is_refused() {
    for bad in ["AES128-SHA", "ECDHE-RSA-AES128-SHA", "DEFAULT:DHE-RSA-AES256-GCM-SHA384", "ALL:!ALL", "x"] {
        assert!(ciphers::suites("", bad).is_err(), "{bad}");
    }
    assert!(ciphers::suites("TLS_AES_128_CCM_SHA256", "").is_err());
    for bad in ["TLSv1", "TLSv1.1 TLSv1.2", "SSLv3", "1.3"] {
        assert!(ciphers::versions(bad).is_err(), "{bad}");
    }
    assert_eq!(ciphers::versions("").unwrap().len(), 2);
    assert_eq!(ciphers::versions("TLSv1.2").unwrap().len(), 1);
}

/// A key made for this test, and the same behind the password `secret` (PBES2, AES-256), by `openssl pkcs8 -topk8`.
const PLAIN: &str = "MC4CAQAwBQYDK2VwBCIEIG3Wt/fIHUEiR/JOEmKG+qksLr6/B+7GFaxe/2pwuq6M";
const ENCRYPTED: &str = "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiOBuEHECK5TwICCAAw\n\
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEEpCYSYTctUIveiO68HTILwEQOPz\n\
n1TJaqOuM5psGNZ8TQTOom37r0h0RGeRnwy+LZ19FMPwCA0xygzATmKJb8lOeeY5\n\
ug88YcpSWGhun2lLhTU=";

#[test]
fn an_encrypted_key_needs_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let in_pem =
        |label: &str, text: &str| format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
    std::fs::write(&path, in_pem("PRIVATE KEY", PLAIN)).unwrap();
    let plain = files::key(&path, None).unwrap();
    std::fs::write(&path, in_pem("ENCRYPTED PRIVATE KEY", ENCRYPTED)).unwrap();
    assert_eq!(files::key(&path, Some(b"secret")).unwrap().secret_der(), plain.secret_der());
    assert!(files::key(&path, Some(b"wrong")).unwrap_err().contains("does not open"));
    assert!(files::key(&path, None).unwrap_err().contains("tls-key-file-pass"));
    std::fs::write(&path, "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n").unwrap();
    assert!(files::key(&path, Some(b"secret")).unwrap_err().contains("openssl pkcs8"));
}

/// A key made for this test and its certificate of version 1, by `openssl x509 -req -signkey`.
const KEY_OF_VERSION_1: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAa8Fe3Oleg9kqWN/\n\
buDxURSAnfKctsuk3qeDtVGBc0ShRANCAAQUwmdu/oj9NFjY2QYiKvuiYnuoFBDT\n\
9fd5uy0l5CJpYtL1TklyTu1EufGf+fcnDlSmwtkQ6zhP3LWjCTwgcuyA";
const OF_VERSION_1: &str = "MIIBJDCBywIUQAglhxCNhzTELhNM8ZJreLmMRRgwCgYIKoZIzj0EAwIwFDESMBAG\n\
A1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjAyMjQ1M1oYDzIxMjYxMDI5MDIyNDUz\n\
WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n\
AAQUwmdu/oj9NFjY2QYiKvuiYnuoFBDT9fd5uy0l5CJpYtL1TklyTu1EufGf+fcn\n\
DlSmwtkQ6zhP3LWjCTwgcuyAMAoGCCqGSM49BAMCA0gAMEUCICG3zh+HJiExiQON\n\
8xQjVt+RdvdgGzo+UokaFngzK9RgAiEAgCkDyQ8RIu0MM/hBeMRLkBdfYIIZ/BGD\n\
/Po4fmkJfec=";

#[test]
fn certificates_of_version_1_are_served_with_their_own_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = |label: &str, text: &str| {
        let path = folder.path().join(label);
        std::fs::write(&path, format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")).unwrap();
        path
    };
    let provider = rustls::crypto::ring::default_provider();
    let pair = |key: &str| {
        let chain = files::chain(&file("CERTIFICATE", OF_VERSION_1)).unwrap();
        draft::pair(chain, files::key(&file("PRIVATE KEY", key), None).unwrap(), &provider)
    };
    assert!(pair(KEY_OF_VERSION_1).is_ok());
    assert!(matches!(pair(PLAIN), Err(rustls::Error::InconsistentKeys(_))));
}

#[test]
fn names_are_whole_or_nobody() {
    let named = |names: &[&str]| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in names {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        peer::common_name(certificate.der())
    };
    assert_eq!(named(&["alice"]).unwrap(), b"alice");
    assert_eq!(named(&["J\u{fc}rgen"]).unwrap(), "J\u{fc}rgen".as_bytes());
    assert!(named(&["alice\0.evil"]).is_err());
    assert!(named(&["\0"]).is_err());
    assert!(named(&[""]).is_err());
    assert!(named(&[]).is_err());
    assert!(peer::common_name(b"no certificate").is_err());
}

#[test]
fn a_made_certificate_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let time = Time::manual(UnixMs(1_700_000_000_000));
    // Only once somebody says so: what is not used leaves nothing.
    drop(auto::pair(folder.path(), &time).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let auto::Pair { certificate, key, made } = auto::pair(folder.path(), &time).unwrap();
    made.unwrap().keep();
    let made = std::fs::read(&certificate).unwrap();
    auto::pair(folder.path(), &time).unwrap();
    assert_eq!(std::fs::read(&certificate).unwrap(), made);
    assert_eq!(files::chain(&certificate).unwrap().len(), 1);
    assert!(files::key(&key, None).is_ok());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    assert_eq!(auto::fingerprint(b"abc").get(..8), Some("BA:78:16"));
}
