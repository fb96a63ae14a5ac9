//! The Ed25519 key of a link server, and public keys as text.
//!
//! A public key is written as Bech32m (BIP 350) with the prefix `ck`: `ck1…`. Its checksum finds typing errors.

use std::fmt::{self, Display};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bech32::{Bech32m, Hrp};
use conns_transfer::record::HexBytes;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

/// The human-readable part of a public key as text.
const PREFIX: &str = "ck";
/// The bytes of a `SubjectPublicKeyInfo` of Ed25519 before the key (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// First line of a key file; the secret key follows in hexadecimal (PKCS #8, RFC 5958).
const FILE_HEADER: &str = "conns link key, keep secret";
/// Longest key file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 4096;

/// The public key of a link server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The key as `SubjectPublicKeyInfo` (RFC 7250 sends it instead of a certificate).
    #[must_use]
    pub fn spki(&self) -> SubjectPublicKeyInfoDer<'static> {
        SubjectPublicKeyInfoDer::from([&SPKI_PREFIX[..], &self.0].concat())
    }

    /// The key in a `SubjectPublicKeyInfo`; `None` if it is not one of Ed25519.
    #[must_use]
    pub fn from_spki(spki: &[u8]) -> Option<Self> {
        let key = spki.strip_prefix(&SPKI_PREFIX[..])?;
        Some(Self(key.try_into().ok()?))
    }
}

impl Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 32 bytes with this prefix are within the length of Bech32m, so the encoding does not fail.
        let prefix = Hrp::parse(PREFIX).map_err(|_| fmt::Error)?;
        let text = bech32::encode::<Bech32m>(prefix, &self.0).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// A text that is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// The text is not Bech32m, or its checksum is wrong.
    #[error("not a public key (ck1…): {0}")]
    Text(String),
    /// The text is Bech32m of something else.
    #[error("not a public key (ck1…): it is `{0}1…`, or does not have 32 bytes")]
    Other(String),
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(text)
            .map_err(|error| PublicKeyError::Text(error.to_string()))?;
        let prefix = checked.hrp().to_lowercase();
        let bytes: Vec<u8> = checked.byte_iter().collect();
        match <[u8; 32]>::try_from(bytes) {
            Ok(key) if prefix == PREFIX => Ok(Self(key)),
            _ => Err(PublicKeyError::Other(prefix)),
        }
    }
}

/// A key pair; the secret half is never printed.
pub struct Identity {
    pkcs8: Vec<u8>,
    public: PublicKey,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The system gave no random bytes.
    #[error("cannot generate a key: the system has no random bytes")]
    Random,
    /// The file exists already.
    #[error("{0} exists already; a key is never overwritten")]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("cannot write the key to {path}: {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read the key in {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The file is readable by others.
    #[error("the key in {0} is readable by other users; run chmod 600 {0}")]
    Exposed(PathBuf),
    /// The file has something else.
    #[error("{0} is not a key file of `conns link keygen`")]
    NotAKey(PathBuf),
}

impl Identity {
    /// A new key.
    ///
    /// # Errors
    /// [`IdentityError::Random`].
    pub fn generate() -> Result<Self, IdentityError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| IdentityError::Random)?;
        Self::from_pkcs8(document.as_ref().to_vec()).ok_or(IdentityError::Random)
    }

    fn from_pkcs8(pkcs8: Vec<u8>) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).ok()?;
        let public = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Self { pkcs8, public })
    }

    /// Writes the key to a new file with mode 0600.
    ///
    /// # Errors
    /// [`IdentityError::Exists`] and [`IdentityError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), IdentityError> {
        let mut text = format!("{FILE_HEADER}\n");
        for byte in &self.pkcs8 {
            text.push_str(&format!("{byte:02x}"));
        }
        text.push('\n');
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let written = opened.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        match written {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(IdentityError::Exists(path.to_owned()))
            }
            Err(error) => Err(IdentityError::Write { path: path.to_owned(), error }),
            Ok(()) => Ok(()),
        }
    }

    /// Reads a key file, which only its owner may read.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        let failed = |error| IdentityError::Read { path: path.to_owned(), error };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(IdentityError::Exposed(path.to_owned()));
        }
        let mut text = String::new();
        let read = file.take(MAX_FILE_BYTES).read_to_string(&mut text);
        match read {
            Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(failed(error)),
            _ => {}
        }
        let hexadecimal = text.strip_prefix(FILE_HEADER).map(str::trim);
        let pkcs8 = hexadecimal.and_then(HexBytes::parse);
        pkcs8
            .and_then(|bytes| Self::from_pkcs8(bytes.0))
            .ok_or_else(|| IdentityError::NotAKey(path.to_owned()))
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// A secret that only this key gives, and another one for each context (`blake3::derive_key`).
    pub(crate) fn derived_secret(&self, context: &str) -> [u8; 32] {
        blake3::derive_key(context, &self.pkcs8)
    }

    pub(crate) fn private(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pkcs8.clone()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_text_with_a_checksum() {
        let key = Identity::generate().unwrap().public();
        let text = key.to_string();
        assert!(text.starts_with("ck1"), "{text}");
        assert_eq!(text.parse(), Ok(key));
        let end = if text.ends_with('q') { "p" } else { "q" };
        let wrong = format!("{}{end}", &text[..text.len() - 1]);
        assert!(matches!(wrong.parse::<PublicKey>(), Err(PublicKeyError::Text(_))));
        assert!(matches!("".parse::<PublicKey>(), Err(PublicKeyError::Text(_))));
        let other = bech32::encode::<Bech32m>(Hrp::parse("bc").unwrap(), &key.0).unwrap();
        assert!(matches!(other.parse::<PublicKey>(), Err(PublicKeyError::Other(_))));
    }

    #[test]
    fn a_public_key_has_the_form_of_rfc_8410() {
        let identity = Identity::generate().unwrap();
        assert_eq!(PublicKey::from_spki(&identity.public().spki()), Some(identity.public()));
        assert_eq!(PublicKey::from_spki(&[0; 44]), None);
    }

    #[test]
    fn a_key_file_is_for_its_owner_only() {
        let folder = std::env::temp_dir().join(format!("conns-link-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("key");
        let identity = Identity::generate().unwrap();
        identity.write(&path).unwrap();
        assert!(matches!(identity.write(&path), Err(IdentityError::Exists(_))));
        assert_eq!(Identity::read(&path).unwrap().public(), identity.public());
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(Identity::read(&path), Err(IdentityError::Exposed(_))));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(&path, [0xff; 100]).unwrap();
        assert!(matches!(Identity::read(&path), Err(IdentityError::NotAKey(_))));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
