//! `conns link`: each host has its key, store and socket in its scratch folder.

use std::path::{Path, PathBuf};

use super::super::host::{Host, Port};
use super::super::transfer::{Ended, Transfer};

const PORT: u16 = 8886;

/// A sender whose receiver is ready.
pub(in super::super) struct Prepared {
    pub(in super::super) program: PathBuf,
    pub(in super::super) arguments: Vec<String>,
}

pub(super) fn send(transfer: &Transfer<'_>) -> Ended {
    let Prepared { program, arguments } = prepare(transfer)?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    transfer.send(&program, &arguments)
}

/// Makes keys, and starts the receiver.
pub(in super::super) fn prepare(transfer: &Transfer<'_>) -> anyhow::Result<Prepared> {
    let program = transfer.program("conns")?;
    let (own, _) = key(&program, transfer.from)?;
    let (file, public) = key(&program, transfer.to)?;
    let listen = format!("{}:{PORT}", transfer.to.address);
    let folder = transfer.target();
    let serve = ["link", "serve", "--listen", &listen, "--key", &file, "--folder", &folder];
    transfer.to.serve("conns", &program, &serve, Port::Udp(PORT))?;
    let destination = format!("{public}@{listen}");
    let source = transfer.source();
    let arguments = ["link", "send", &source, &destination, "--key", &own, "--quiet"];
    Ok(Prepared { program, arguments: arguments.map(str::to_owned).to_vec() })
}

/// A key file, and the public key.
fn key(conns: &Path, host: &Host<'_>) -> anyhow::Result<(String, String)> {
    let file = host.path("key");
    let public = host.output(conns, &["link", "keygen", "--out", &file])?;
    Ok((file, public))
}
