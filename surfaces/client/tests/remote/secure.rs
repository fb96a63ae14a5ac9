//! Agents behind TLS: those that are trusted, and those that are not.

use std::path::PathBuf;
use std::sync::Arc;

use conns_api::sample_once;
use conns_client::{Remote, RemoteError, Target};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::fixture::{Act, Fixture, answered};
use crate::{all, cookies, samples, target};

/// A fixture whose certificate is for `name`, and a file of the certificate it was issued by.
fn fixture(name: &str, acts: Vec<Act>) -> (Fixture, PathBuf) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &authority).unwrap();
    let file = std::env::temp_dir().join(format!("conns-ca-{}-{name}.pem", std::process::id()));
    std::fs::write(&file, authority.pem()).unwrap();

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let wrap = move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        Some(StreamOwned::new(connection, stream))
    };
    (Fixture::over(acts, wrap), file)
}

fn url(fixture: &Fixture) -> String {
    format!("https://{}", fixture.address)
}

/// Why the agent is not trusted.
fn distrusted(target: &Target) -> String {
    let error = Remote::connect(target).err().unwrap();
    assert!(matches!(error, RemoteError::Tls { .. }), "{error}");
    error.to_string()
}

#[test]
fn an_agent_with_a_trusted_certificate_gets_the_token() {
    let acts = vec![Act::Answer(vec![answered(&samples()[0], &all())])];
    let (fixture, ca) = fixture("127.0.0.1", acts);
    let token = Some("conns_x".to_owned());
    let mut remote =
        Remote::connect(&Target { url: url(&fixture), token, ca: Some(ca.clone()) }).unwrap();
    assert_eq!(cookies(&sample_once(&mut remote, &all().ask).unwrap()), [1, 3]);
    let head = fixture.asked();
    assert!(head.contains("\r\nauthorization: Bearer conns_x\r\n"), "{head}");
    std::fs::remove_file(ca).unwrap();
}

#[test]
fn an_agent_without_a_trusted_certificate_gets_nothing() {
    let (fixture, ca) = fixture("localhost", vec![Act::Silence, Act::Silence]);
    let port = fixture.address.port();
    let (_, other) = self::fixture("other.example", Vec::new());
    let untrusted =
        Target { ca: Some(other.clone()), ..target(format!("https://localhost:{port}")) };
    let message = distrusted(&untrusted);
    assert!(
        message.contains("is not issued by an authority that this machine trusts"),
        "{message}"
    );
    assert!(message.contains("--agent-ca FILE"), "{message}");
    // The certificate is for `localhost`, not for its address.
    let message = distrusted(&Target { ca: Some(ca.clone()), ..target(url(&fixture)) });
    assert!(message.contains("its certificate is for another name"), "{message}");
    std::fs::remove_file(ca).unwrap();
    std::fs::remove_file(other).unwrap();
}

#[test]
fn an_agent_without_tls_has_another_message_than_an_untrusted_one() {
    let fixture = Fixture::open(vec![Act::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())]);
    let (_, ca) = self::fixture("plain.example", Vec::new());
    let message = distrusted(&Target { ca: Some(ca.clone()), ..target(url(&fixture)) });
    assert!(message.ends_with("Use http:// for an agent without TLS"), "{message}");
    std::fs::remove_file(ca).unwrap();
}

#[test]
fn a_file_without_certificates_is_named() {
    let path = std::env::temp_dir().join(format!("conns-no-ca-{}.pem", std::process::id()));
    let refused = |what: &str| {
        let target = Target { ca: Some(path.clone()), ..target("https://127.0.0.1:9") };
        let error = Remote::connect(&target).err().unwrap();
        assert!(error.is_usage(), "{what}: {error}");
        error.to_string()
    };
    assert!(refused("no file").contains("No such file"));
    std::fs::write(&path, "not PEM\n").unwrap();
    assert!(refused("no PEM").contains("there is none in it"));
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    assert!(refused("no certificate").contains("cannot use the certificates in"));
    std::fs::remove_file(&path).unwrap();
}
