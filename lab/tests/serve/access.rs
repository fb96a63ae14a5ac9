//! Access: which listeners are refused, and which requests are answered.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;

use crate::fixture::{Folder, HTTP, agent, curl, failing_start, gets, token};

/// An address of the namespace that is not loopback.
const ADDRESS: &str = "10.77.0.1";

fn namespace() -> Result<Namespace> {
    let namespace = Namespace::create("serve")?;
    namespace.ip(&["addr", "add", &format!("{ADDRESS}/32"), "dev", "lo"])?;
    Ok(namespace)
}

/// Each is refused before anything is opened, with the remedy.
pub(crate) fn refused() -> Result<()> {
    let namespace = namespace()?;
    let (_, hash) = token()?;
    let http: &[&str] = &["certificate", "token", "conns token", "127.0.0.1", "--insecure"];
    let lines: &[&str] = &["neither for a token nor for TLS", "127.0.0.1", "--insecure"];
    for (listen, expected) in [
        ("http=0.0.0.0:7979", http),
        ("[::]:7979", http),
        ("*:7979", http),
        ("monero=10.77.0.1:18081", http),
        ("1e=10.77.0.1:7980", http),
        ("ems-http=10.77.0.1:7777", http),
        ("ems-json=10.77.0.1:1112", lines),
        ("ems-ascii=*:1222", lines),
        ("jetstream=0.0.0.0:8886", lines),
    ] {
        for more in [&[][..], &["--token-hash", &hash]] {
            let output = failing_start(&namespace, &[&["--listen", listen], more].concat())?;
            let stderr = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.code() == Some(2), "{listen}: {}: {stderr}", output.status);
            for words in expected {
                ensure!(stderr.contains(words), "{listen}: {words:?} is not in: {stderr}");
            }
        }
    }
    Ok(())
}

/// With `--insecure` every client is answered.
pub(crate) fn insecure() -> Result<()> {
    let namespace = namespace()?;
    let listen = format!("http={ADDRESS}:0");
    let lines = format!("ems-json={ADDRESS}:0");
    let agent = agent(&namespace, &["--insecure", "--listen", &listen, "--listen", &lines])?;
    let place = agent.place("http")?;
    ensure!(place.starts_with(&format!("http://{ADDRESS}:")), "it is at {place}");
    gets(&namespace, 200, &[&format!("{place}/health")])?;
    agent.connect(Some(&namespace), "ems-json")?;
    Ok(())
}

/// Over TLS with a certificate that curl checks; without the token requests are refused.
pub(crate) fn tls_and_token() -> Result<()> {
    let namespace = namespace()?;
    let folder = Folder::create()?;
    let (certificate, key) = (folder.text("agent.crt"), folder.text("agent.key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-keyout", &key, "-out", &certificate, "-days", "2", "-subj", "/CN=agent"])
        .args(["-addext", &format!("subjectAltName=IP:{ADDRESS},DNS:localhost")])
        .output()
        .context("running openssl")?;
    ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    let (token, hash) = token()?;
    let listen = format!("http={ADDRESS}:0");
    let files = ["--tls-cert", &certificate, "--tls-key", &key];
    // Without a token a certificate is not enough.
    let output = failing_start(&namespace, &[&["--listen", &listen], &files[..]].concat())?;
    ensure!(output.status.code() == Some(2), "without a token: {}", output.status);

    let arguments = [&["--listen", &listen, "--token-hash", &hash], &files[..]].concat();
    let agent = agent(&namespace, &arguments)?;
    let place = agent.place("http")?.to_owned();
    ensure!(place.starts_with("https://"), "it does not use TLS: {place}");
    let url = format!("{place}/api/v1/connections?limit=1");
    let bearer = format!("Authorization: Bearer {token}");
    let body = gets(&namespace, 200, &["--cacert", &certificate, "-H", &bearer, &url])?;
    ensure!(body.starts_with("{\"connections\":["), "it answered {body}");
    gets(&namespace, 401, &["--cacert", &certificate, &url])?;
    gets(&namespace, 401, &["--cacert", &certificate, "-H", "Authorization: Bearer no", &url])?;
    let unknown = curl(&namespace, &["-H", &bearer, &url]);
    ensure!(unknown.is_err(), "curl trusts an unknown certificate");
    let plain = curl(&namespace, &["-H", &bearer, &url.replace("https", "http")]);
    ensure!(!matches!(plain, Ok((200, _))), "it answers without TLS: {plain:?}");
    Ok(())
}

/// A page whose name was made to point here is not answered.
pub(crate) fn host() -> Result<()> {
    let namespace = namespace()?;
    let agent =
        agent(&namespace, &["--listen", HTTP, "--listen", "monero=:0", "--host", "box.example"])?;
    let http = format!("{}/health", agent.place("http")?);
    let monero = format!("http://{}/json_rpc", agent.place("monero")?);
    for url in [&http, &monero] {
        let body = gets(&namespace, 421, &["-H", "Host: evil.example", url])?;
        ensure!(body.contains("hosts"), "the answer lacks the remedy: {body}");
        gets(&namespace, 403, &["-H", "Origin: http://evil.example", url])?;
    }
    for name in ["localhost:80", "127.0.0.1", "BOX.example:1"] {
        gets(&namespace, 200, &["-H", &format!("Host: {name}"), &http])?;
    }
    let crossed = curl(&namespace, &["-D", "-", "-H", "Origin: null", &http])?;
    let has_cors = crossed.1.to_ascii_lowercase().contains("access-control");
    ensure!(crossed.0 == 403 && !has_cors, "a page may read: {crossed:?}");
    Ok(())
}

/// The mode is its guard: no token is asked for there.
pub(crate) fn socket_file() -> Result<()> {
    let namespace = namespace()?;
    let folder = Folder::create()?;
    let file = folder.text("run/conns.sock");
    let unix = format!("unix:{file}");
    let (_, hash) = token()?;
    let agent = agent(&namespace, &["--listen", &unix, "--listen", HTTP, "--token-hash", &hash])?;
    let found = std::fs::symlink_metadata(&file)?;
    ensure!(found.file_type().is_socket(), "{file} is no socket");
    ensure!(found.mode() & 0o7777 == 0o660, "its mode is {:o}", found.mode());
    let body = gets(&namespace, 200, &["--unix-socket", &file, "http://localhost/health"])?;
    ensure!(body.contains("\"status\":"), "it answered {body}");
    let call = "Network.GetConnections();";
    gets(&namespace, 200, &["--unix-socket", &file, "-d", call, "http://localhost/1e"])?;
    gets(&namespace, 401, &[&format!("{}/health", agent.place("http")?)])?;
    Ok(())
}
