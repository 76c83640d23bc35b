//! Passwords are kept and compared as their SHA-256, as Redis does: `#` and 64 hex digits in a rule.
//!
//! A comparison takes the same time wherever the first difference stands, and looks at every password a user has.

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// A password that can't be read back.
#[derive(Clone, Copy)]
pub struct Hash([u8; 32]);

impl Hash {
    pub fn of(password: &[u8]) -> Hash {
        Hash(Sha256::digest(password).into())
    }

    /// From exactly 64 lower-case hex digits.
    pub fn from_hex(hex: &[u8]) -> Option<Hash> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, []) = hex.as_chunks::<2>() else { return None };
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Hash(bytes))
    }

    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn is(&self, other: &Hash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Whether `hash` is one of `known`; takes the same time whichever it is.
pub fn is_among(hash: &Hash, known: &[Hash]) -> bool {
    known.iter().fold(Choice::from(0), |found, other| found | hash.0.ct_eq(&other.0)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_come_back_from_hex_and_only_from_that() {
        let hash = Hash::of(b"");
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hash.to_hex(), hex);
        assert!(Hash::from_hex(hex.as_bytes()).is_some_and(|back| back.is(&hash)));
        assert!(is_among(&hash, &[Hash::of(b"x"), hash]) && !is_among(&hash, &[Hash::of(b"x")]));
        let upper = hex.to_ascii_uppercase();
        for wrong in ["", "e3", &hex[1..], &format!("{hex}00"), &upper, &hex.replace('e', "g")] {
            assert!(Hash::from_hex(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
