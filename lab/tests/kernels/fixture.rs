//! What these tests stand on.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use conns_lab::conns::Conns;
use conns_lab::netns::Namespace;
use conns_lab::process::Peer;

/// How long a condition may take to come true; a kernel in a virtual machine is slow.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(40);

/// What the machine lacks for these tests.
pub(crate) fn missing() -> Option<String> {
    let is_root = rustix::process::geteuid().is_root();
    (!is_root).then(|| "it needs root, to make network namespaces".to_owned())
}

/// The binary under test.
pub(crate) fn conns() -> Result<Conns> {
    Conns::find(None)
}

/// Starts a peer.
pub(crate) fn peer(namespace: &Namespace, arguments: &str) -> Result<Peer> {
    Peer::start(Path::new(env!("CARGO_BIN_EXE_conns-lab")), namespace, arguments)
}
