//! What every truth test stands on: the binaries, a peer in a namespace, and the one row that is meant.

use std::path::Path as FilePath;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use conns_lab::conns::Conns;
use conns_lab::netns::Namespace;
use conns_lab::oracle::{SsRow, ss};
use conns_lab::path::{Path, Shape};
use conns_lab::process::{Peer, wait_for};
use serde_json::Value;

/// How long a condition may take to come true.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// What the machine lacks for these tests.
pub(crate) fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root, to make network namespaces".to_owned());
    }
    if !FilePath::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun; load the module tun".to_owned());
    }
    None
}

/// The binary under test.
pub(crate) fn conns() -> Result<Conns> {
    Conns::find(None)
}

/// Starts a peer.
pub(crate) fn peer(namespace: &Namespace, arguments: &str) -> Result<Peer> {
    Peer::start(FilePath::new(env!("CARGO_BIN_EXE_conns-lab")), namespace, arguments)
}

/// A lossless path with this round trip.
pub(crate) fn path_of(rtt: Duration) -> Result<Path> {
    Path::build(Shape::delay(rtt / 2), Shape::delay(rtt / 2))
}

/// All records of a namespace.
pub(crate) fn all(namespace: &Namespace) -> Result<Vec<Value>> {
    conns()?.records(&["-a", "--netns", namespace.name()])
}

/// The one record with this local and remote port (0: it has no remote end); none or two are errors.
pub(crate) fn record(namespace: &Namespace, local: u16, remote: u16) -> Result<Value> {
    let rows = all(namespace)?;
    // A socket without a remote end lacks the key, or has it without a value.
    let fits = |row: &&Value| {
        row["local_port"] == local && row["remote_port"].as_u64().unwrap_or(0) == u64::from(remote)
    };
    let mut fitting = rows.iter().filter(fits);
    let row = fitting
        .next()
        .with_context(|| format!("conns shows no {local}→{remote} among {} rows", rows.len()))?;
    if let Some(second) = fitting.next() {
        bail!("conns shows {local}→{remote} twice: {row} and {second}");
    }
    Ok(row.clone())
}

/// The one row of `ss` with this local and remote port.
pub(crate) fn ss_row(namespace: &Namespace, local: u16, remote: u16) -> Result<SsRow> {
    ss(namespace, "taiem")?
        .into_iter()
        .find(|row| row.local.port() == local && row.remote.port() == remote)
        .with_context(|| format!("ss shows no {local}→{remote}"))
}

/// Waits until `ss` shows the socket in this state.
pub(crate) fn wait_state(
    namespace: &Namespace,
    local: u16,
    remote: u16,
    state: &str,
) -> Result<()> {
    wait_for(&format!("{local}→{remote} in {state}"), TIMEOUT, || {
        Ok(ss_row(namespace, local, remote).ok().filter(|row| row.state == state).map(|_| ()))
    })
}

/// The first local port a peer reported when it got ready.
pub(crate) fn port_of(peer: &Peer) -> Result<u16> {
    let ready = peer.ready();
    let text = ready["locals"][0]
        .as_str()
        .or(ready["local"].as_str())
        .context("the peer reported no address")?;
    Ok(text.parse::<std::net::SocketAddr>()?.port())
}

/// A number of a record.
pub(crate) fn number(row: &Value, key: &str) -> Result<f64> {
    row[key]
        .as_f64()
        .with_context(|| format!("conns shows no number as `{key}` but {} in {row}", row[key]))
}

/// Fails unless the record shows exactly this.
pub(crate) fn shows(row: &Value, key: &str, expected: impl Into<Value>) -> Result<()> {
    let expected = expected.into();
    ensure!(row[key] == expected, "`{key}` is {} instead of {expected} in {row}", row[key]);
    Ok(())
}
