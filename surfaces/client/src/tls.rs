//! Trusted certificates, and the errors of agents that are not trusted.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::error::RemoteError;

/// TLS that trusts the certificates in the file `ca`, or else those the system trusts.
pub(crate) fn config(agent: &str, ca: Option<&Path>) -> Result<Arc<ClientConfig>, RemoteError> {
    let roots = match ca {
        Some(path) => from_file(path)?,
        None => of_system(agent)?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(agent, &error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn from_file(path: &Path) -> Result<RootCertStore, RemoteError> {
    let unusable = |reason: String| RemoteError::Certificates { path: path.to_owned(), reason };
    let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("there is none in it".to_owned()));
    }
    Ok(roots)
}

fn of_system(agent: &str) -> Result<RootCertStore, RemoteError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = match found.errors.first() {
            Some(error) => format!("this system's trusted certificates cannot be read: {error}"),
            None => "this system trusts no certificates".to_owned(),
        };
        return Err(RemoteError::Tls {
            agent: agent.to_owned(),
            reason,
            remedy: "Install ca-certificates, or name the agent's with --agent-ca FILE",
        });
    }
    Ok(roots)
}

/// What a failed handshake means.
pub(crate) fn handshake_failed(agent: &str, error: io::Error) -> RemoteError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(error) => refused(agent, error),
        None => RemoteError::Tls {
            agent: agent.to_owned(),
            reason: error.to_string(),
            remedy: "Does it speak TLS? If not, use http://",
        },
    }
}

/// Causes that rustls has no name for.
fn other_cause(error: &CertificateError) -> Option<(&'static str, &'static str)> {
    let CertificateError::Other(cause) = error else { return None };
    match cause.0.downcast_ref::<webpki::Error>()? {
        webpki::Error::CaUsedAsEndEntity => Some((
            "its certificate is that of an authority (basicConstraints CA:TRUE), which no server may use",
            "Make one for a server: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
             -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:NAME …",
        )),
        _ => None,
    }
}

fn refused(agent: &str, error: &rustls::Error) -> RemoteError {
    let (reason, remedy) = match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => (
                "its certificate is not issued by an authority that this machine trusts".to_owned(),
                "Name the certificate it was issued by with --agent-ca FILE",
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                (
                    "its certificate is for another name".to_owned(),
                    "Use the name in the certificate, or issue one for this name",
                )
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                ("its certificate has expired".to_owned(), "Renew it")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
                "its certificate is not valid yet".to_owned(),
                "Are the clocks of both machines right?",
            ),
            other => match other_cause(other) {
                Some((reason, remedy)) => (reason.to_owned(), remedy),
                None => (format!("its certificate is refused ({other})"), "Renew it"),
            },
        },
        rustls::Error::InvalidMessage(_) => {
            ("it does not speak TLS".to_owned(), "Use http:// for an agent without TLS")
        }
        other => (other.to_string(), "Do both ends speak TLS 1.2 or 1.3?"),
    };
    RemoteError::Tls { agent: agent.to_owned(), reason, remedy }
}
