//! HTTP over TLS.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use conns_server::{Access, Limits, TlsError, TokenHash, tls_from_files, tls_from_pem};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use crate::agent::{Agent, HUGE, PATIENCE};
use crate::client::Client;

struct Identity {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

fn identity() -> Identity {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (cert.pem(), signing_key.serialize_pem());
    Identity { certificate, key, der: cert.der().clone() }
}

impl Identity {
    fn tls(&self) -> Arc<ServerConfig> {
        tls_from_pem(self.certificate.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// A client that trusts only this one.
    fn client(&self, agent: &Agent) -> Client<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(agent.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client::over(StreamOwned::new(connection, stream))
    }
}

#[test]
fn answers_over_tls_need_the_token() {
    let mine = identity();
    let tokens = vec![TokenHash::of(b"secret")];
    let agent =
        Agent::start(&["https=:0"], Access { tls: Some(mine.tls()), tokens, ..Access::default() });
    let mut client = mine.client(&agent);
    let token = "Authorization: Bearer secret\r\n";
    for _ in 0..2 {
        client.ask("GET /1e", token);
        assert_eq!(client.answer().text(), "1e GET / 0 false");
    }
    client.ask("GET /1e/huge", token);
    assert_eq!(client.answer().body.len(), HUGE + 2);
    client.ask("GET /1e", "");
    assert_eq!(client.answer().status(), 401);
}

#[test]
fn a_new_certificate_is_shown_to_the_next_client() {
    let (old, new) = (identity(), identity());
    let agent = Agent::start(&["https=:0"], Access { tls: Some(old.tls()), ..Access::default() });
    let mut stays = old.client(&agent);
    assert_eq!(stays.get("/1e").status(), 200);
    agent.access.replace(Access { tls: Some(new.tls()), ..Access::default() });
    assert_eq!(new.client(&agent).get("/1e").status(), 200);
    assert_eq!(stays.get("/1e").status(), 200);
}

#[test]
fn connections_without_tls_are_closed() {
    let mine = identity();
    let limits = Limits { head_time: Duration::from_millis(200), ..Limits::default() };
    let access = Access { tls: Some(mine.tls()), limits, ..Access::default() };
    let agent = Agent::start(&["https=:0"], access);
    let mut plain = Client::connect(agent.address());
    plain.ask("GET /1e", "");
    plain.rest();
    agent.eventually_refused("tls-failed", 1);
    // A handshake that is begun and not ended.
    let mut slow = Client::connect(agent.address());
    slow.send([0x16, 3, 1, 2, 0]);
    assert_eq!(slow.rest(), 0);
    agent.eventually_refused("head-too-slow", 1);
    assert_eq!(mine.client(&agent).get("/1e").status(), 200);
}

#[test]
fn a_client_may_shake_hands_and_ask_later() {
    let mine = identity();
    let limits = Limits { head_time: Duration::from_millis(150), ..Limits::default() };
    let access = Access { tls: Some(mine.tls()), limits, ..Access::default() };
    let agent = Agent::start(&["https=:0"], access);
    let mut client = mine.client(&agent);
    let stream = &mut client.stream.get_mut();
    stream.conn.complete_io(&mut stream.sock).unwrap();
    // Longer than the sweeper waits for a head.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(client.get("/1e").status(), 200);
    assert_eq!(agent.refused("head-too-slow"), 0);
}

#[test]
fn files_that_are_no_certificate_are_named() {
    let mine = identity();
    let folder = std::env::temp_dir().join(format!("conns-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, &mine.certificate).unwrap();
    let error =
        tls_from_files(&certificate, &key, |path| std::fs::read(path)).unwrap_err().to_string();
    assert!(error.contains("key.pem"), "{error}");
    std::fs::write(&key, &mine.key).unwrap();
    assert!(tls_from_files(&certificate, &key, |path| std::fs::read(path)).is_ok());
    let swapped = tls_from_files(&key, &certificate, |path| std::fs::read(path)).unwrap_err();
    assert!(matches!(swapped, TlsError::NoPem { what: "certificate", .. }), "{swapped}");
    let foreign = tls_from_pem(mine.certificate.as_bytes(), identity().key.as_bytes());
    assert!(matches!(foreign.unwrap_err(), TlsError::Unusable(_)));
    std::fs::remove_dir_all(folder).unwrap();
}
