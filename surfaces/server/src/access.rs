//! The access configuration: tokens, hosts, TLS and limits; replaced as a whole on reload.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::limits::Limits;
use crate::token::TokenHash;

/// Tokens, hosts, TLS and limits.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// If there are any, requests over TCP to a guarded listener need one.
    pub tokens: Vec<TokenHash>,
    /// Accepted names and addresses in `Host`, without a port, besides those of loopback and the local
    /// address of the connection.
    pub hosts: Vec<Box<str>>,
    /// For listeners with TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// Limits on clients.
    pub limits: Limits,
}

/// The current [`Access`]. Connected clients keep the limits they connected with, except
/// `limits.streams`.
#[derive(Debug, Default)]
pub struct AccessConfig(RwLock<Arc<Access>>);

impl AccessConfig {
    /// Starts with this access.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self(RwLock::new(Arc::new(access)))
    }

    /// Replaces it: tokens, hosts and the limit on streams apply from the next request, TLS and the
    /// other limits from the next client.
    pub fn replace(&self, access: Access) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
    }

    /// The current access.
    #[must_use]
    pub fn current(&self) -> Arc<Access> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {file}: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// Not PEM, or without the expected item.
    #[error("no {what} found in {place}: {error}; expected PEM (-----BEGIN ...-----)")]
    NoPem {
        /// Certificate or private key.
        what: &'static str,
        /// Where it was expected.
        place: String,
        /// Why.
        error: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not fit, or are of a kind rustls does not take.
    #[error("the certificate and its private key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// TLS with the certificates (PEM, the server's own first) and the private key of these files, which
/// `read` reads.
///
/// # Errors
/// If a file cannot be read or the two cannot be used together.
pub fn tls_from_files(
    certificates: &Path,
    key: &Path,
    read: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let read = |path: &Path| {
        let unreadable = |error| TlsError::Unreadable { file: path.display().to_string(), error };
        read(path).map_err(unreadable)
    };
    from_pem(
        (&read(certificates)?, &certificates.display().to_string()),
        (&read(key)?, &key.display().to_string()),
    )
}

/// TLS with these certificates (PEM, the server's own first) and this private key (PEM).
///
/// # Errors
/// If they are not PEM or cannot be used together.
pub fn tls_from_pem(certificates: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    from_pem((certificates, "the certificates"), (key, "the key"))
}

fn from_pem(
    (certificates, certificates_place): (&[u8], &str),
    (key, key_place): (&[u8], &str),
) -> Result<Arc<ServerConfig>, TlsError> {
    let no = |what, place: &str, error| TlsError::NoPem { what, place: place.to_owned(), error };
    let chain = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| no("certificate", certificates_place, error))?;
    if chain.is_empty() {
        let error = rustls::pki_types::pem::Error::NoItemsFound;
        return Err(no("certificate", certificates_place, error));
    }
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|error| no("private key", key_place, error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
