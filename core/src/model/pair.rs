//! What both ends of one TCP connection have in common, wherever addresses are translated in between: the initial
//! sequence numbers of both (RFC 9293 section 3.4.1), as a keyed hash.
//!
//! The numbers themselves would let any host inject segments, so they are hashed where they are read and kept nowhere.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

/// The fingerprint of a connection: equal at both of its ends under the same [`PairKey`]. Shown as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pair(pub u64);

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The key of the hash, 128 bits. Two machines have the same fingerprints if they have the same key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PairKey([u8; 16]);

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key of fingerprints is 32 hexadecimal digits, as `openssl rand -hex 16` prints them")]
pub struct NotAPairKey;

impl PairKey {
    /// A key of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The fingerprint of the connection with these initial sequence numbers, in either order: one end has sent what
    /// the other one has received.
    #[must_use]
    pub fn pair(&self, one: u32, other: u32) -> Pair {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&one.min(other).to_le_bytes());
        hasher.write(&one.max(other).to_le_bytes());
        Pair(hasher.finish())
    }
}

impl FromStr for PairKey {
    type Err = NotAPairKey;

    fn from_str(text: &str) -> Result<Self, NotAPairKey> {
        let is_key = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_key.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(|number| Self(number.to_be_bytes())).ok_or(NotAPairKey)
    }
}

/// Without the key: it is a secret.
impl fmt::Debug for PairKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_have_the_same_fingerprint_under_the_same_key_only() {
        let key = |text: &str| text.parse::<PairKey>().unwrap();
        let one = key("000102030405060708090a0b0c0d0e0f");
        assert_eq!(one.pair(7, u32::MAX), one.pair(u32::MAX, 7));
        assert_ne!(one.pair(7, 8), one.pair(7, 9));
        assert_ne!(one.pair(7, 8), key("000102030405060708090a0b0c0d0e10").pair(7, 8));
        // The test vector of SipHash-2-4 for the input 00 01 .. 07.
        assert_eq!(one.pair(0x0302_0100, 0x0706_0504), Pair(0x93f5_f579_9a93_2462));
        assert_eq!(Pair(0xab).to_string(), "00000000000000ab");
        assert!(!format!("{one:?}").contains("01"));
    }

    #[test]
    fn a_key_is_32_hexadecimal_digits() {
        for text in
            ["", "00", "0x0102030405060708090a0b0c0d0e0f", "+00102030405060708090a0b0c0d0e0f"]
        {
            assert_eq!(text.parse::<PairKey>(), Err(NotAPairKey), "{text}");
        }
    }
}
