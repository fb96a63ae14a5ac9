//! `conns link`: each host has its key, store and socket in its scratch folder.

use std::path::Path;

use super::super::host::{Host, Port};
use super::super::transfer::{Ended, Transfer};

const PORT: u16 = 8886;

pub(super) fn send(transfer: &Transfer<'_>) -> Ended {
    let conns = transfer.program("conns")?;
    let (own, _) = key(&conns, transfer.from)?;
    let (file, public) = key(&conns, transfer.to)?;
    let listen = format!("{}:{PORT}", transfer.to.address);
    let folder = transfer.target();
    let serve = ["link", "serve", "--listen", &listen, "--key", &file, "--folder", &folder];
    transfer.to.serve("conns", &conns, &serve, Port::Udp(PORT))?;
    let destination = format!("{public}@{listen}");
    transfer
        .send(&conns, &["link", "send", &transfer.source(), &destination, "--key", &own, "--quiet"])
}

/// A key file, and the public key.
fn key(conns: &Path, host: &Host<'_>) -> anyhow::Result<(String, String)> {
    let file = host.path("key");
    let public = host.output(conns, &["link", "keygen", "--out", &file])?;
    Ok((file, public))
}
