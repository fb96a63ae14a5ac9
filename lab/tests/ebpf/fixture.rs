//! What these tests stand on.

use std::path::{Path as FilePath, PathBuf};

use anyhow::Result;
use conns_lab::conns::Conns;
use conns_lab::netns::Namespace;
use conns_lab::process::{Peer, is_installed};

/// What this machine lacks.
pub(crate) fn missing(abilities: &[&str], programs: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root, for network namespaces and eBPF".to_owned());
    }
    if !FilePath::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun; load the module tun".to_owned());
    }
    // If `conns abilities` fails, the test is not ignored and fails.
    let lacks = |ability: &&str| conns().and_then(|conns| conns.missing(ability)).ok().flatten();
    if let Some(why) = abilities.iter().find_map(lacks) {
        return Some(format!("not by eBPF here: {why}"));
    }
    let lacks = programs.iter().find(|program| !is_installed(program));
    lacks.map(|program| format!("there is no {program}"))
}

/// The binary under test.
pub(crate) fn conns() -> Result<Conns> {
    Conns::find(None)
}

/// The binary that plays the peers.
pub(crate) fn lab() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_conns-lab"))
}

/// Starts a peer.
pub(crate) fn peer(namespace: &Namespace, arguments: &str) -> Result<Peer> {
    Peer::start(&lab(), namespace, arguments)
}

/// How long a condition may take to come true.
pub(crate) const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);
