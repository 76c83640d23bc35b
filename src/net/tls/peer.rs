//! The user that a client's certificate names.
//!
//! The whole common name is the user's name, compared byte by byte. What could be read in two ways names nobody: a NUL in
//! the name (which C programs take for its end), several common names, or text that is not one byte per character.

use x509_cert::Certificate;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::spki::ObjectIdentifier;

/// `commonName`.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The common name of the subject of a certificate in DER; the error says why it is not used.
pub fn common_name(der: &[u8]) -> Result<Vec<u8>, &'static str> {
    let certificate = Certificate::from_der(der).map_err(|_| "the certificate could not be read")?;
    let subject = certificate.tbs_certificate().subject();
    let mut names = subject.iter().filter(|attribute| attribute.oid == COMMON_NAME);
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err("the certificate does not have exactly one common name");
    };
    if !matches!(
        name.value.tag(),
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::TeletexString
    ) {
        return Err("the common name is in an encoding that is not supported");
    }
    match name.value.value() {
        [] => Err("the common name is empty"),
        text if text.contains(&0) => Err("the common name has a NUL in it"),
        text => Ok(text.to_vec()),
    }
}
