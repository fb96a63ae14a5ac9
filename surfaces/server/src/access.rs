//! Who may come in, and within which limits; replaced as a whole when the configuration is read anew.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::limits::Limits;
use crate::token::TokenHash;

/// Who may come in, and within which limits.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// If there are any, whoever comes over TCP to a guarded listener needs one.
    pub tokens: Vec<TokenHash>,
    /// Names and addresses clients may call this agent by, besides those of loopback and the address
    /// they reached it at; without a port.
    pub hosts: Vec<Box<str>>,
    /// For the listeners that speak TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// The bounds.
    pub limits: Limits,
}

/// The access that holds now. Clients that are connected keep the limits they came in with.
#[derive(Debug, Default)]
pub struct Gate(RwLock<Arc<Access>>);

impl Gate {
    /// A gate where this access holds.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self(RwLock::new(Arc::new(access)))
    }

    /// From now on this one holds: tokens and hosts from the next request, TLS and limits from the
    /// next client.
    pub fn replace(&self, access: Access) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
    }

    /// The one that holds.
    #[must_use]
    pub fn access(&self) -> Arc<Access> {
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
    /// Not PEM, or without what it should hold.
    #[error("no {what} found in {place}: {error}; expected PEM (-----BEGIN ...-----)")]
    NoPem {
        /// Certificate or private key.
        what: &'static str,
        /// Where it was looked for.
        place: String,
        /// Why.
        error: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not fit, or are of a kind rustls does not take.
    #[error("the certificate and its private key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// TLS with the certificates (PEM, the server's own first) and the private key of these files.
///
/// # Errors
/// If a file cannot be read or the two cannot be used together.
pub fn tls_from_files(certificates: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let read = |path: &Path| {
        let unreadable = |error| TlsError::Unreadable { file: path.display().to_string(), error };
        std::fs::read(path).map_err(unreadable)
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
