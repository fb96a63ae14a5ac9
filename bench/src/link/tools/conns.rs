//! `conns link`: each host has its key, store and socket in its scratch folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use conns_lab::process::wait_for;

use super::super::host::{Host, Port};
use super::super::transfer::{Ended, Transfer};

const PORT: u16 = 8886;
const RELAY_PORT: u16 = 8887;
/// Limit of the time until a receiver has registered.
const REGISTRATION: Duration = Duration::from_secs(20);

/// A sender whose receiver is ready.
pub(in super::super) struct Prepared {
    pub(in super::super) program: PathBuf,
    pub(in super::super) arguments: Vec<String>,
}

pub(super) fn send(transfer: &Transfer<'_>) -> Ended {
    let Prepared { program, arguments } = prepare(transfer, false)?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    transfer.send(&program, &arguments)
}

/// Makes keys, and starts the receiver; with `is_relayed` also a relay on the sender's host, so that the path is between the relay
/// and the receiver, which has registered there when this returns.
pub(in super::super) fn prepare(
    transfer: &Transfer<'_>,
    is_relayed: bool,
) -> anyhow::Result<Prepared> {
    let program = transfer.program("conns")?;
    let (own, _) = key(&program, transfer.from, "key")?;
    let (file, public) = key(&program, transfer.to, "key")?;
    let listen = format!("{}:{PORT}", transfer.to.address);
    let folder = transfer.target();
    let mut serve = vec!["link", "serve", "--listen", &listen, "--key", &file, "--folder", &folder];
    let source = transfer.source();
    let mut arguments = ["link", "send", &source].map(str::to_owned).to_vec();
    let relay = is_relayed.then(|| start_relay(&program, transfer.from)).transpose()?;
    match &relay {
        Some(relay) => {
            serve.extend(["--relay", relay]);
            arguments.extend([public, "--relay".to_owned(), relay.clone()]);
        }
        None => arguments.push(format!("{public}@{listen}")),
    }
    arguments.extend(["--key", &own, "--quiet"].map(str::to_owned));
    transfer.to.serve("conns", &program, &serve, Port::Udp(PORT))?;
    if is_relayed {
        wait_for("registration at the relay", REGISTRATION, || {
            Ok(transfer.from.has_accepted(RELAY_PORT)?.then_some(()))
        })?;
    }
    Ok(Prepared { program, arguments })
}

/// Starts a relay, and returns its address with its key.
fn start_relay(conns: &Path, host: &Host<'_>) -> anyhow::Result<String> {
    let (file, public) = key(conns, host, "relay-key")?;
    let listen = format!("{}:{RELAY_PORT}", host.address);
    let arguments = ["link", "relay", "--listen", &listen, "--key", &file];
    host.serve("relay", conns, &arguments, Port::Tcp(RELAY_PORT))?;
    Ok(format!("{public}@{listen}"))
}

/// A key file, and the public key.
fn key(conns: &Path, host: &Host<'_>, name: &str) -> anyhow::Result<(String, String)> {
    let file = host.path(name);
    let public = host.output(conns, &["link", "keygen", "--out", &file])?;
    Ok((file, public))
}
