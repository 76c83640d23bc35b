//! Which versions and cipher suites a server speaks, in the notation of OpenSSL that configurations use.
//!
//! rustls has TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only: six suites of TLS 1.2 and three of
//! 1.3. A list selects among them; a name that is none of them is refused, because leaving it out silently would serve
//! with something else than was asked for. Excluding what is not there anyway (`!aNULL:!MD5`) is fine.
//!
//! ```text
//! DEFAULT:!AES128                  every suite without AES of 128 bits
//! ECDHE-RSA-AES256-GCM-SHA384      that one
//! ECDHE+CHACHA20:@STRENGTH         what has both properties
//! ```

use rustls::crypto::ring::cipher_suite as ring;
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

/// A suite of TLS 1.2: its name, its properties, itself.
type Suite = (&'static str, &'static [&'static str], SupportedCipherSuite);

/// Suites of TLS 1.2, the preferred first.
const TLS12_SUITES: [Suite; 6] = [
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        &["ECDSA", "AES", "AES256", "AESGCM", "SHA384"],
        ring::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        &["RSA", "AES", "AES256", "AESGCM", "SHA384"],
        ring::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        &["ECDSA", "CHACHA20", "SHA256"],
        ring::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        &["RSA", "CHACHA20", "SHA256"],
        ring::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        &["ECDSA", "AES", "AES128", "AESGCM", "SHA256"],
        ring::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        &["RSA", "AES", "AES128", "AESGCM", "SHA256"],
        ring::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
];

/// Suites of TLS 1.3, the preferred first.
const TLS13_SUITES: [(&str, SupportedCipherSuite); 3] = [
    ("TLS_AES_256_GCM_SHA384", ring::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", ring::TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS_AES_128_GCM_SHA256", ring::TLS13_AES_128_GCM_SHA256),
];

/// Properties that every suite of TLS 1.2 here has.
const COMMON: [&str; 9] =
    ["ALL", "DEFAULT", "COMPLEMENTOFDEFAULT", "HIGH", "ECDHE", "EECDH", "KECDHE", "KEECDH", "TLSV1.2"];

/// `tls-protocols`: versions, separated by blanks; empty for both.
pub fn versions(text: &str) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let mut found = Vec::new();
    for word in text.split_ascii_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => found.push(&TLS12),
            "tlsv1.3" => found.push(&TLS13),
            "tlsv1" | "tlsv1.1" => {
                return Err(format!(
                    "tls-protocols: {word} is obsolete and not supported; there are TLSv1.2 and TLSv1.3"
                ));
            }
            _ => {
                return Err(format!(
                    "Invalid tls-protocols specified: {word}. Use a combination of TLSv1.2 and TLSv1.3."
                ));
            }
        }
    }
    Ok(if found.is_empty() { vec![&TLS13, &TLS12] } else { found })
}

/// The suites that `tls-ciphersuites` (TLS 1.3) and `tls-ciphers` (TLS 1.2) select, in that order.
pub fn suites(ciphersuites: &str, ciphers: &str) -> Result<Vec<SupportedCipherSuite>, String> {
    let mut selected = tls13(ciphersuites)?;
    selected.extend(tls12(ciphers)?);
    Ok(selected)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([':', ',', ' ']).filter(|word| !word.is_empty())
}

fn tls13(text: &str) -> Result<Vec<SupportedCipherSuite>, String> {
    let known = |word: &str| {
        let found = TLS13_SUITES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        found.map(|(_, suite)| *suite).ok_or_else(|| {
            let all: Vec<&str> = TLS13_SUITES.iter().map(|(name, _)| *name).collect();
            format!("tls-ciphersuites: {word} is not supported; there are {}", all.join(", "))
        })
    };
    let selected: Vec<_> = words(text).map(known).collect::<Result<_, _>>()?;
    Ok(if selected.is_empty() { TLS13_SUITES.iter().map(|(_, suite)| *suite).collect() } else { selected })
}

fn tls12(text: &str) -> Result<Vec<SupportedCipherSuite>, String> {
    let mut selected: Vec<&Suite> = Vec::new();
    let mut banned: Vec<&Suite> = Vec::new();
    let mut is_empty = true;
    for word in words(text) {
        is_empty = false;
        match word.as_bytes().first() {
            // Order and security level: the order is that of strength already, and nothing weak is there.
            Some(b'@') => {}
            Some(b'!') => banned.extend(matching(word.get(1..).unwrap_or_default())),
            Some(b'-') => {
                let gone: Vec<_> = matching(word.get(1..).unwrap_or_default()).collect();
                selected.retain(|suite| !gone.iter().any(|gone| gone.0 == suite.0));
            }
            // To the end of the order: the order is the server's own.
            Some(b'+') => {}
            _ => {
                let before = selected.len();
                selected.extend(matching(word));
                if selected.len() == before && matching(word).next().is_none() {
                    let all: Vec<&str> = TLS12_SUITES.iter().map(|suite| suite.0).collect();
                    return Err(format!(
                        "tls-ciphers: {word} is not supported; there are {}",
                        all.join(", ")
                    ));
                }
            }
        }
    }
    if is_empty {
        selected.extend(&TLS12_SUITES);
    }
    let chosen = |suite: &&Suite| {
        let among = |list: &[&Suite]| list.iter().any(|other| other.0 == suite.0);
        among(&selected) && !among(&banned)
    };
    let chosen: Vec<_> = TLS12_SUITES.iter().filter(chosen).map(|suite| suite.2).collect();
    if chosen.is_empty() { Err("tls-ciphers: nothing is left of the list".into()) } else { Ok(chosen) }
}

/// The suites with that name, or with all properties of `ONE+OTHER`.
fn matching(word: &str) -> impl Iterator<Item = &'static Suite> {
    let has = |suite: &Suite, property: &str| {
        let property = property.to_ascii_uppercase();
        let plain =
            property.strip_prefix('A').filter(|rest| ["RSA", "ECDSA"].contains(rest)).unwrap_or(&property);
        COMMON.contains(&plain) || suite.1.contains(&plain)
    };
    TLS12_SUITES.iter().filter(move |suite| {
        suite.0.eq_ignore_ascii_case(word) || word.split('+').all(|property| has(suite, property))
    })
}
