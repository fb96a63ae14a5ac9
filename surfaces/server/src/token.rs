//! Bearer tokens (RFC 6750): generated, stored as a hash, compared in constant time.
//!
//! A token is 256 random bits, so one SHA-256 suffices: the configuration reveals no token, and the
//! time of a comparison reveals nothing.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Prefix of a token, for scanners of leaked secrets.
const TOKEN_PREFIX: &str = "conns_";
/// Random bytes in a token: as many as the hash has.
const TOKEN_RANDOM: usize = 32;
/// Prefix of a stored hash.
const HASH_PREFIX: &str = "sha256:";

/// Why a token or its hash is not available.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// The kernel gave no random bytes.
    #[error("cannot make a token: the system gave no random bytes ({0})")]
    NoRandom(getrandom::Error),
    /// Not a hash as `conns token` prints it.
    #[error(
        "{0:?} is not the hash of a token: expected sha256: and 64 hexadecimal digits, as `conns token` prints it"
    )]
    NotAHash(String),
}

/// The SHA-256 of a token; written as `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of this token.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Whether `token` is one of those hashed in `all`. Takes the same time whichever it is, and
    /// whether it is one.
    #[must_use]
    pub fn any_matches(all: &[Self], token: &[u8]) -> bool {
        let given = Self::of(token);
        let found = all.iter().fold(Choice::from(0), |found, kept| found | kept.0.ct_eq(&given.0));
        found.into()
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HASH_PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for TokenHash {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let refused = || TokenError::NotAHash(text.to_owned());
        let digits = text.trim().strip_prefix(HASH_PREFIX).ok_or_else(refused)?.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return Err(refused());
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let text = std::str::from_utf8(pair).map_err(|_| refused())?;
            // from_str_radix would take a sign.
            if !pair.iter().all(u8::is_ascii_hexdigit) {
                return Err(refused());
            }
            *byte = u8::from_str_radix(text, 16).map_err(|_| refused())?;
        }
        Ok(Self(hash))
    }
}

/// A new token, to be given to a client, and its hash, to be kept in the configuration.
///
/// # Errors
/// If the kernel gives no random bytes.
pub fn new_token() -> Result<(String, TokenHash), TokenError> {
    let mut random = [0; TOKEN_RANDOM];
    getrandom::fill(&mut random).map_err(TokenError::NoRandom)?;
    let token = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let hash = TokenHash::of(token.as_bytes());
    Ok((token, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_matches_its_own_hash_and_no_other() {
        let (token, hash) = new_token().unwrap();
        let (other, other_hash) = new_token().unwrap();
        assert_ne!(token, other);
        assert_eq!(token.len(), TOKEN_PREFIX.len() + 43);
        let kept: TokenHash = hash.to_string().parse().unwrap();
        assert_eq!(kept, hash);
        // At any position.
        assert!(TokenHash::any_matches(&[kept, other_hash], token.as_bytes()));
        assert!(TokenHash::any_matches(&[other_hash, kept], token.as_bytes()));
        assert!(!TokenHash::any_matches(&[other_hash], token.as_bytes()));
        assert!(!TokenHash::any_matches(&[], token.as_bytes()));
        // The hash itself is no token.
        assert!(!TokenHash::any_matches(&[hash], hash.to_string().as_bytes()));
    }

    #[test]
    fn the_hash_is_plain_sha256() {
        // FIPS 180-2, appendix B.1.
        let known = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenHash::of(b"abc").to_string(), known);
    }

    #[test]
    fn malformed_hashes_are_refused() {
        for text in ["", "sha256:", "sha256:00", "md5:00", &"0".repeat(64)] {
            assert!(text.parse::<TokenHash>().is_err(), "{text}");
        }
        let signed = format!("sha256:{}", "+1".repeat(32));
        assert!(signed.parse::<TokenHash>().is_err());
    }
}
